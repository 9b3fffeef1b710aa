"""Independent components: planted sources, scikit-learn's FastICA, degenerate patches; their measures."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import FastICA

from helpers import SelectivityError, open_study
from helpers.record.patches import thumbnails
from helpers.selectivity.components import (
    MOST_STEPS,
    as_8bit,
    independent_components,
    layer_components,
    likeness,
    likeness_between,
    sharpness,
    spectral_likeness,
)

pytestmark = pytest.mark.usefixtures("one_thread")
UNITS = {"conv3": [0, 9, 33], "conv5": [3, 4, 50, 77], "conv7": [0, 5, 6, 7, 64]}


@pytest.fixture(scope="module")
def world():
    """Patches (12, 100, 3, 48, 48) of some units of three layers of the world's network."""
    study = open_study("world")
    parts = [
        thumbnails(study.record, study.network, study.images, layer, units, side=48).pixels
        for layer, units in UNITS.items()
    ]
    return torch.cat(parts)


@pytest.fixture(scope="module")
def grey(world):
    return world.mean(2)


def sources(n, side=32, seed=0):
    """(n, side, side) pictures whose pixels are independent and far from normal, mean 0, variance 1."""
    random = np.random.default_rng(seed)
    drawn = np.stack([random.laplace(size=side * side) ** 3 for _ in range(n)])
    # Uncorrelated exactly: what is planted must be what can be found.
    drawn -= drawn.mean(1, keepdims=True)
    values, vectors = np.linalg.eigh(np.cov(drawn))
    drawn = vectors / np.sqrt(values) @ vectors.T @ drawn
    return torch.from_numpy(drawn).view(n, side, side)


def mixtures(pictures, k, seed=0, noise=0.0):
    """(k, H, W) patches: the pictures in random proportions, around 0.5."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(k, len(pictures), generator=generator, dtype=torch.float64) / 20
    mixed = 0.5 + torch.einsum("kn,nhw->khw", weights, pictures)
    return mixed + noise * torch.randn(mixed.shape, generator=generator, dtype=torch.float64)


def paired(found, wanted):
    """Absolute correlations (n,) of two sets of pictures (n, ...), each with its partner."""
    n = len(wanted)
    rows = torch.cat([found.flatten(1), wanted.flatten(1)]).double()
    table = np.abs(torch.corrcoef(rows).numpy()[:n, n:])
    return table[linear_sum_assignment(-table)]


def by_the_library(patches, n=8):
    """scikit-learn's components (n, H, W) of patches (k, H, W), and its number of iterations."""
    ica = FastICA(n, whiten="unit-variance", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it did not converge: the iterations tell
        found = ica.fit_transform(patches.flatten(1).T.numpy())
    return torch.from_numpy(found.T.reshape(n, *patches.shape[1:])), ica.n_iter_


def grating(frequency, side=32, phase=0.0):
    """(side, side) sinusoid with so many (vertical, horizontal) cycles."""
    y, x = torch.meshgrid(*[torch.arange(side) / side] * 2, indexing="ij")
    return torch.sin(2 * torch.pi * (frequency[0] * y + frequency[1] * x) + phase)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_planted_sources_are_found(dtype):
    planted = sources(8)
    found = layer_components(mixtures(planted, 100, noise=1e-3)[None].to(dtype))
    assert found.converged.all() and found.n_found.tolist() == [8]
    assert found.pictures.shape == (1, 8, 32, 32) and found.pictures.dtype == dtype
    assert paired(found.pictures[0], planted).min() > 0.98
    assert found.explained.sum().item() > 0.98


def test_the_share_that_each_explains():
    """Sources mixed by orthogonal weights of known length, so that shares add up to one and are known."""
    planted, share = sources(3), torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    weights = torch.linalg.qr(torch.randn(50, 3, dtype=torch.float64))[0] * share.sqrt()
    found = layer_components(torch.einsum("kn,nhw->khw", weights, planted)[None], 5)
    assert paired(found.pictures[0, :3], planted).min() > 0.98
    torch.testing.assert_close(found.explained[0, :3], share, atol=0.01, rtol=0)
    assert found.explained[0].sum().item() == pytest.approx(1) and found.n_found.item() == 3


def test_components_of_real_patches(grey):
    """Mean 0, variance 1, no correlation, positive skewness, the largest share first."""
    found = layer_components(grey)
    rows = found.pictures.flatten(2).double()
    assert rows.mean(2).abs().max() < 1e-4
    products = rows @ rows.mT / rows.shape[2]
    torch.testing.assert_close(
        products, torch.eye(8).double().expand_as(products), atol=1e-3, rtol=0
    )
    assert ((rows**3).mean(2) > 0).all()
    assert (found.explained.diff(dim=1) <= 0).all() and (found.explained.sum(1) < 1).all()
    assert (found.iterations[found.converged] <= MOST_STEPS).all()
    assert (found.iterations[~found.converged] == MOST_STEPS).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_agrees_with_scikit_learn(grey, dtype):
    """Up to order and sign, where both converge: always in float64; in float32 rounding moves some.

    Both walk the same path, so that in float64 they take the same number of steps, or nearly.
    """
    patches = grey.to(dtype)
    ours = layer_components(patches)
    theirs, steps = zip(*map(by_the_library, patches), strict=True)
    steps = torch.tensor(steps)
    both = ours.converged & (steps < MOST_STEPS)
    assert both.double().mean() >= 0.6
    agreement = np.array([paired(*pair).min() for pair in zip(ours.pictures, theirs, strict=True)])
    if dtype == torch.float64:
        assert (agreement[both] > 0.999).all()
        assert ((ours.iterations - steps)[both].abs() <= 2).all()
    else:
        assert (agreement[both] > 0.98).mean() >= 0.75
    # A single unit goes by float64, whatever it comes in.
    alone = independent_components(patches[5])
    assert alone.dtype == dtype
    wanted = layer_components(patches[5:6].double()).pictures[0].to(dtype)
    torch.testing.assert_close(alone, wanted)


def test_runs_are_equal_bit_for_bit(world, grey):
    for patches in (grey, world[:3]):
        first, second = layer_components(patches), layer_components(patches)
        assert torch.equal(first.pictures, second.pictures)
        assert torch.equal(first.explained, second.explained)
    other = layer_components(grey, seed=1)
    assert not torch.equal(first.pictures, other.pictures[:3])


def test_units_do_not_influence_each_other(grey):
    """Alone, in another order, beside constant ones: the same components; in float64, for rounding."""
    patches = grey.double()
    found = layer_components(patches)
    order = torch.arange(len(patches) - 1, -1, -1)
    turned = layer_components(torch.cat([patches[order], torch.full_like(patches[:2], 0.3)]))
    for unit in range(len(patches)):
        place = len(patches) - 1 - unit
        alone = layer_components(patches[unit : unit + 1])
        assert alone.iterations[0] == found.iterations[unit] == turned.iterations[place]
        for other in (alone.pictures[0], turned.pictures[place]):
            torch.testing.assert_close(other, found.pictures[unit], atol=1e-5, rtol=0)


def test_colour_channels_are_brought_to_green_s_order():
    """Each channel has the same planted sources, shuffled and turned by its own mixture."""
    planted = sources(4)
    patches = torch.stack([mixtures(planted, 60, seed=s) for s in range(3)], 1)
    found = layer_components(patches[None], 4)
    assert found.pictures.shape == (1, 4, 3, 32, 32) and found.converged.shape == (1, 3)
    red, green, blue = found.pictures[0].flatten(2).movedim(1, 0)
    for channel in (red, blue):
        assert ((channel * green).mean(1) > 0.98).all()
    assert paired(green, planted).min() > 0.98
    assert found.explained.sum().item() == pytest.approx(1)
    assert (found.explained.diff(dim=1) <= 0).all()


def test_channels_of_real_patches(world):
    """Alone: green's components are those of the green patches, and the others correlate with them."""
    found = layer_components(world[:4])
    green = layer_components(world[:4, :, 1])
    for unit in range(4):
        assert paired(found.pictures[unit, :, 1], green.pictures[unit]).min() > 0.9999
    channels = found.pictures.flatten(3)
    assert ((channels * channels[:, :, 1:2]).mean(3) >= 0).all()
    together = layer_components(world[:4], channels="together")
    assert together.pictures.shape == (4, 8, 3, 48, 48) and together.converged.shape == (4,)
    rows = together.pictures.flatten(2)
    torch.testing.assert_close(rows.std(2, correction=0), torch.ones(4, 8))
    # The same as of grey patches three times as high.
    stacked = layer_components(world[:4].flatten(2, 3))
    torch.testing.assert_close(rows, stacked.pictures.flatten(2))


def test_fewer_independent_patches_than_components():
    patches = mixtures(sources(8), 100)
    constant = torch.full_like(patches, 0.3)
    constant[::2] = 0.7
    one = patches[:1].expand_as(patches)
    three = torch.cat([patches[:3], 0.5 * patches[:3] + 0.2, constant[:94]])
    first_constant = torch.cat([constant[:1], patches[1:]])
    for dtype in (torch.float32, torch.float64):
        units = torch.stack([constant, one, three, patches, first_constant]).to(dtype)
        found = layer_components(units)
        assert found.n_found.tolist() == [0, 1, 3, 8, 8]
        assert found.converged.tolist()[0] and found.iterations.tolist()[0] == 0
        assert found.pictures.isfinite().all() and found.explained.isfinite().all()
        for unit, n in enumerate(found.n_found.tolist()):
            assert (found.pictures[unit, n:] == 0).all() and (found.explained[unit, n:] == 0).all()
            variance = (found.pictures[unit, :n] ** 2).mean((1, 2))
            torch.testing.assert_close(variance, torch.ones(n, dtype=dtype))
        # One patch is its own component, upright or not.
        assert paired(found.pictures[1, :1], patches[:1])[0].item() == pytest.approx(1, abs=1e-5)
        assert found.explained[1, 0].item() == pytest.approx(1)
    assert layer_components(patches[None, :5]).n_found.tolist() == [5]  # fewer patches than asked
    in_colour = layer_components(constant[None, :, None].expand(-1, -1, 3, -1, -1))
    assert (in_colour.pictures == 0).all() and (in_colour.explained == 0).all()


def test_a_grey_channel_beside_coloured_ones():
    """A channel without any component takes part as zeros and the others keep theirs."""
    planted = sources(3)
    patches = torch.stack([mixtures(planted, 30, seed=s) for s in range(3)], 1)
    patches[:, 1] = 0.5
    found = layer_components(patches[None], 3)
    assert found.n_found.tolist() == [[3, 0, 3]] and (found.pictures[0, :, 1] == 0).all()
    assert paired(found.pictures[0, :, 0], planted).min() > 0.98


def test_bad_patches_are_refused():
    patches = torch.rand(2, 5, 4, 4)
    for broken in (torch.nan, torch.inf):
        patches[1, 2, 3, 3] = broken
        with pytest.raises(SelectivityError, match="unit 1: .*not finite") as error:
            layer_components(patches)
        assert "\n" not in str(error.value)
        with pytest.raises(SelectivityError, match="not finite"):
            independent_components(patches[1])
    for shape in ((5, 4), (2, 5, 4, 4, 4), (2, 0, 4, 4), (1, 2, 5, 3, 4, 4)):
        with pytest.raises(ValueError, match="is needed"):
            layer_components(torch.rand(shape))
    with pytest.raises(ValueError, match="at least one"):
        layer_components(torch.rand(2, 5, 4, 4), 0)
    with pytest.raises(ValueError, match="channels 'both'"):
        layer_components(torch.rand(2, 5, 3, 4, 4), channels="both")
    with pytest.raises(ValueError, match="is needed"):
        likeness(torch.rand(5, 4, 4))


@settings(deadline=None, max_examples=25)
@given(
    k=st.integers(1, 9),
    side=st.integers(1, 7),
    n=st.integers(1, 6),
    levels=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_any_patches_give_numbers(k, side, n, levels, seed):
    """However few pixels, patches and grey levels: finite pictures, shares that add up to at most one."""
    patches = np.random.default_rng(seed).integers(0, levels, (2, k, side, side + 1)) / 4
    patches = torch.from_numpy(patches)
    found = layer_components(patches, n)
    assert found.pictures.shape == (2, n, side, side + 1)
    assert found.pictures.isfinite().all()
    assert (found.explained >= 0).all() and (found.explained.sum(1) <= 1 + 1e-9).all()
    flat = patches.flatten(2)
    rank = torch.linalg.matrix_rank(flat - flat.mean(2, keepdim=True), atol=1e-6)
    assert (found.n_found == rank.clamp(max=n)).all()
    assert ((found.pictures.flatten(2) != 0).any(2).sum(1) == found.n_found).all()
    for measure in (likeness, spectral_likeness, sharpness):
        values = measure(found.pictures)
        few = found.n_found < (1 if measure is sharpness else 2)
        assert (values.isnan() == few).all()


@settings(deadline=None, max_examples=20)
@given(
    scale=st.floats(0.01, 100),
    offset=st.floats(-3, 3),
    seed=st.integers(0, 20),
)
def test_brightness_and_contrast_of_the_set_do_not_matter(scale, offset, seed):
    patches = mixtures(sources(4, side=16), 20, seed=seed)
    found = layer_components(patches[None], 4)
    moved = layer_components(patches[None] * scale + offset, 4)
    torch.testing.assert_close(moved.pictures, found.pictures, atol=1e-4, rtol=0)
    torch.testing.assert_close(moved.explained, found.explained, atol=1e-6, rtol=0)


def test_as_8bit():
    pictures = torch.tensor([[[[-1.0, 3], [1, 1]], [[0, 0], [0, 0]]]])
    assert as_8bit(pictures).tolist() == [[[[0, 255], [128, 128]], [[128, 128], [128, 128]]]]
    assert as_8bit(pictures).dtype == torch.uint8
    colour = torch.arange(12.0).view(1, 1, 3, 2, 2)
    assert as_8bit(colour)[0, 0, 0, 0, 0] == 0 and as_8bit(colour)[0, 0, 2, 1, 1] == 255


def test_likeness_of_planted_pictures():
    """Shifted and inverted copies are alike, gratings of different frequency are not at all."""
    generator = torch.Generator().manual_seed(0)
    shape = torch.randn(32, 32, generator=generator)
    copies = torch.stack([shape, shape.roll((5, -9), (0, 1)), -3 * shape.roll(16, 1), shape + 2])
    gratings = torch.stack([grating((i + 1, 2 * i)) for i in range(4)])
    half = torch.stack([shape, shape.roll(3, 0), *gratings[:2]])
    gaps = torch.cat([copies[:2], torch.zeros(2, 32, 32)])
    lonely = torch.cat([copies[:1], torch.ones(3, 32, 32)])
    found = likeness(torch.stack([copies, gratings, half, gaps, lonely, torch.zeros(4, 32, 32)]))
    assert found[0].item() == pytest.approx(1, abs=1e-5)
    assert found[1].item() == pytest.approx(0, abs=1e-5)
    by_hand = [
        max(
            abs(np.corrcoef(a.roll((y, x), (0, 1)).flatten(), b.flatten())[0, 1])
            for y in range(32)
            for x in range(32)
        )
        for a, b in ((half[0], half[2]), (half[1], half[3]))
    ]
    # Two pairs of the six are 1 and 0; a shift changes nothing, so that the others are two and two.
    assert found[2].item() == pytest.approx((1 + 0 + 2 * sum(by_hand)) / 6, abs=1e-4)
    assert found[3].item() == pytest.approx(1, abs=1e-5)
    assert found[4:].isnan().all()


def test_likeness_between_units():
    generator = torch.Generator().manual_seed(1)
    shape = torch.randn(32, 32, generator=generator)
    same = torch.stack([shape.roll(i, 0) for i in range(3)])
    everyone = torch.stack([same.roll(u, 2) for u in range(5)])
    assert likeness_between(everyone).tolist() == pytest.approx([1] * 5, abs=1e-5)
    # Each unit its own shape: alike within, hardly between.
    shapes = torch.randn(6, 1, 32, 32, generator=generator)
    units = torch.cat([shapes.roll(i, 3) for i in range(3)], 1)
    within, between = likeness(units), likeness_between(units)
    assert (within > 0.9999).all() and (between < 0.2).all()
    assert torch.equal(between, likeness_between(units))
    assert not torch.equal(between, likeness_between(units, seed=3))
    units[2] = 0
    assert likeness_between(units).isnan().sum() == 2  # it, and the unit it is the partner of
    assert likeness_between(units[:1]).isnan().all()


def textured(spectrum, n, generator):
    """n pictures of random phase with a given amplitude spectrum (side, side // 2 + 1)."""
    side = spectrum.shape[0]
    noise = torch.fft.rfft2(torch.randn(n, side, side, generator=generator))
    return torch.fft.irfft2(noise / noise.abs() * spectrum, s=(side, side))


def test_spectral_likeness_sees_texture_and_no_place():
    generator = torch.Generator().manual_seed(2)
    shared = torch.hypot(torch.fft.fftfreq(32, 1 / 32)[:, None], torch.arange(17)).clamp(min=1)
    spectra = (torch.rand(12, 32, 17, generator=generator) + 0.2) / shared
    own = torch.stack([textured(s, 4, generator) for s in spectra])
    assert (spectral_likeness(own) > 0.8).all()
    assert likeness(own).mean() < 0.45  # other shapes
    mixed = own.transpose(0, 1).reshape(12, 4, 32, 32)
    assert spectral_likeness(mixed).abs().mean() < 0.15
    moved = torch.stack([unit.roll(7, 2) * 5 for unit in own])
    torch.testing.assert_close(
        spectral_likeness(moved), spectral_likeness(own), atol=1e-3, rtol=1e-3
    )
    own[3, 1:] = 0
    assert spectral_likeness(own).isnan().tolist() == [u == 3 for u in range(12)]


@settings(deadline=None, max_examples=30)
@given(
    frequency=st.tuples(st.integers(-7, 7), st.integers(-7, 7)).filter(any),
    height=st.sampled_from([16, 17, 30]),
    width=st.sampled_from([15, 16, 32]),
    phase=st.floats(0, 6),
)
def test_sharpness_of_a_grating_is_its_frequency(frequency, height, width, phase):
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    picture = torch.sin(2 * torch.pi * (frequency[0] * y + frequency[1] * x) + phase)
    found = sharpness(picture[None, None])
    assert found.item() == pytest.approx(np.hypot(*frequency), abs=1e-3)


@pytest.mark.parametrize("size", [(15, 16), (16, 15)])
def test_sharpness_weights_by_the_power_of_the_whole_spectrum(size):
    picture = torch.randn(size, generator=torch.Generator().manual_seed(4))
    power = np.abs(np.fft.fft2((picture - picture.mean()).numpy())) ** 2
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(n, 1 / n) for n in size], indexing="ij"))
    wanted = (power * frequency).sum() / power.sum()
    assert sharpness(picture[None, None]).item() == pytest.approx(wanted, rel=1e-4)


def test_blur_lowers_sharpness_and_nothing_else_does(grey):
    pictures = layer_components(grey[:6]).pictures
    blurred, last = pictures, sharpness(pictures)
    for _ in range(4):
        blurred = sum(blurred.roll(s, axis) for axis in (2, 3) for s in (-1, 0, 1)) / 6
        now = sharpness(blurred)
        assert (now < last).all()
        last = now
    torch.testing.assert_close(sharpness(-4 * pictures.roll(9, 3)), sharpness(pictures))
    pictures[0] = 0
    pictures[1, 1:] = 0
    found = sharpness(pictures)
    assert found[0].isnan() and found[1].item() == pytest.approx(
        sharpness(pictures[1:2, :1]).item()
    )
