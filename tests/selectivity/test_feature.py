"""The neuron feature: planted, degenerate and null cases."""

import math

import pytest
import torch

from helpers.errors import SelectivityError
from helpers.selectivity.feature import (
    activation_curve,
    area_percent,
    curve_area,
    feature_weights,
    neuron_feature,
    self_response,
    spatial_frequency,
    structure,
    variance_among,
    visible,
)


def test_weights_follow_the_paper():
    values = torch.tensor([[10.0, 8.0, 7.0, 6.9, -1.0]])
    assert feature_weights(values)[0].tolist() == pytest.approx([1, 0.8, 0.7, 0, 0])
    assert feature_weights(torch.tensor([[-1.0, -2.0]])).tolist() == [[0, 0]]
    assert feature_weights(torch.tensor([[0.0, 0.0]])).tolist() == [[0, 0]]
    assert (feature_weights(torch.ones(2, 150)) > 0).sum(1).tolist() == [100, 100]
    assert feature_weights(torch.tensor([[2.0, float("nan")]])).tolist() == [[1, 0]]


def test_a_planted_pattern_comes_back():
    pattern = torch.rand(3, 6, 6)
    feature = neuron_feature(pattern.expand(9, -1, -1, -1), torch.linspace(0.7, 1, 9))
    torch.testing.assert_close(feature, pattern)


def test_equals_the_weighted_mean_pixel_by_pixel():
    crops, weights = torch.rand(4, 3, 2, 2), torch.tensor([1.0, 0.9, 0.8, 0.7])
    expected = sum(w * c for w, c in zip(weights, crops, strict=True)) / weights.sum()
    torch.testing.assert_close(neuron_feature(crops, weights), expected)


def test_only_valid_pixels_count_and_hidden_ones_are_grey():
    crops = torch.stack([torch.zeros(3, 1, 3), torch.ones(3, 1, 3)])
    valid = torch.tensor([[[True, True, False]], [[True, False, False]]])
    feature = neuron_feature(crops, torch.tensor([1.0, 1.0]), valid)
    assert feature[0, 0].tolist() == [0.5, 0.0, 0.5]
    # Less than a tenth of the weight is valid: grey, although one crop shows something.
    feature = neuron_feature(crops, torch.tensor([1.0, 0.05]), ~valid)
    assert feature[0, 0].tolist() == pytest.approx([0.5, 0.5, 0.05 / 1.05])


def test_no_weight_is_grey_and_wrong_shapes_are_refused():
    assert (neuron_feature(torch.rand(3, 3, 2, 2), torch.zeros(3)) == 0.5).all()
    with pytest.raises(ValueError, match="do not fit"):
        neuron_feature(torch.rand(3, 3, 2, 2), torch.zeros(2))


def test_unrelated_crops_average_to_grey():
    """The null: noise that shares nothing loses its contrast as one over the root of the number."""
    torch.manual_seed(0)
    feature = neuron_feature(torch.rand(100, 3, 16, 16), torch.ones(100))
    assert feature.std().item() == pytest.approx(12**-0.5 / 10, rel=0.1)


def test_visible_is_where_the_feature_is_not_filled_in():
    weights = torch.tensor([1.0, 0.05])
    valid = torch.tensor([[[True, False, False]], [[True, True, False]]])
    assert visible(weights, valid).tolist() == [[True, False, False]]
    assert not visible(torch.zeros(2), valid).any()


def test_structure_of_equal_unrelated_and_mixed_crops():
    generator = torch.Generator().manual_seed(1)
    pattern = torch.rand(1, 3, 24, 24, generator=generator)
    noise = torch.rand(40, 3, 24, 24, generator=generator)
    weights = torch.linspace(1, 0.7, 40)
    assert structure(pattern.expand(40, -1, -1, -1), weights).item() == pytest.approx(1, abs=1e-5)
    assert structure(noise, weights).item() == pytest.approx(0, abs=0.01)
    # Few crops do not look structured: it is not the size of the average.
    assert structure(noise[:3], weights[:3]).item() == pytest.approx(0, abs=0.05)
    # A shared and an own part of equal power.
    assert structure(pattern + noise, weights).item() == pytest.approx(0.5, abs=0.03)
    assert structure(3 * (pattern + noise), weights).item() == pytest.approx(
        structure(pattern + noise, weights).item(), abs=1e-5
    )


def test_structure_equals_the_mean_over_pairs():
    generator = torch.Generator().manual_seed(2)
    crops, weights = torch.rand(5, 3, 4, 4, generator=generator), torch.linspace(1, 0.7, 5)
    crops[1:] += 2 * crops[:1]
    valid = torch.ones(5, 4, 4, dtype=torch.bool)
    valid[0, :, :2] = False
    shared = total = 0.0
    for dy, dx in ((1, 0), (0, 1)):
        for y in range(4 - dy):
            for x in range(4 - dx):
                inside = [j for j in range(5) if valid[j, y, x] and valid[j, y + dy, x + dx]]
                step = {j: crops[j, :, y + dy, x + dx] - crops[j, :, y, x] for j in inside}
                pairs = [(weights[i] * weights[j], step[i] @ step[j])
                         for i in inside for j in inside if i != j]  # fmt: skip
                shared += sum(w * product for w, product in pairs) / sum(w for w, _ in pairs)
                total += sum(weights[j] * step[j] @ step[j] for j in inside) / weights[inside].sum()
    assert structure(crops, weights, valid).item() == pytest.approx(
        (shared / total).item(), rel=1e-4
    )


def test_structure_where_there_is_none():
    assert structure(torch.rand(1, 3, 4, 4), torch.ones(1)).isnan()
    assert structure(torch.full((5, 3, 4, 4), 0.3), torch.ones(5)).isnan()
    assert structure(torch.rand(5, 3, 4, 4), torch.zeros(5)).isnan()


def test_variance_among_crops():
    pattern = torch.rand(3, 5, 5)
    assert variance_among(pattern.expand(4, -1, -1, -1), torch.ones(4)).item() == pytest.approx(0)
    crops = torch.stack([torch.zeros(3, 1, 2), torch.ones(3, 1, 2)])
    assert variance_among(crops, torch.ones(2)).item() == pytest.approx(0.25)
    assert variance_among(crops, torch.tensor([3.0, 1.0])).item() == pytest.approx(3 / 16)
    valid = torch.tensor([[[True, True]], [[True, False]]])  # alone there, a crop differs from none
    assert variance_among(crops, torch.ones(2), valid).item() == pytest.approx(0.125)
    assert variance_among(crops, torch.zeros(2)).isnan()


def test_curves_and_their_areas():
    values = torch.tensor([[8.0, 4.0, 2.0, -1.0], [3.0, 3.0, 3.0, 3.0], [-1.0, -2.0, -3.0, -4.0]])
    curves = activation_curve(values)
    assert curves.tolist() == [[1, 0.5, 0.25, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    areas = curve_area(curves)
    assert areas[:2].tolist() == [0.4375, 1] and areas[2].isnan()
    assert activation_curve(torch.tensor([[2.0, torch.nan]])).tolist() == [[1, 0]]
    assert activation_curve(torch.rand(3, 400)).shape == (3, 400)
    percent = area_percent({"a": areas / 2, "b": torch.tensor([0.25, 0.1])})
    assert percent["a"][1] == 100 and percent["a"][2].isnan()
    assert percent["b"].tolist() == pytest.approx([50, 20])
    with pytest.raises(SelectivityError, match="no unit"):
        area_percent({"dead": areas[2:]})


def test_response_to_the_own_feature():
    found = self_response(
        torch.tensor([5.0, -1.0, 12.0, 1.0]), torch.tensor([10.0, 10.0, 10.0, -2.0])
    )
    assert found[:3].tolist() == pytest.approx([0.5, 0, 1.2]) and found[3].isnan()


# Spatial frequency --------------------------------------------------------------------------------

STEP = 1 / 8  # of a cycle: how dense the spectrum is


def places(height, width):
    """Rows (H, 1) and columns (1, W) of the pixels."""
    return torch.arange(height)[:, None].double(), torch.arange(width)[None].double()


def grating(shape, cycles, degrees, colour=(1, 1, 1), phase=0.0):
    """A grating (3, H, W) on grey, as many cycles in the longer side; colour: contrast in each channel."""
    y, x = places(*shape)
    angle = math.radians(degrees)
    along = (x * math.cos(angle) + y * math.sin(angle)) / max(shape)
    wave = torch.sin(2 * math.pi * cycles * along + phase)
    return (0.5 + 0.2 * wave * torch.tensor(colour).double()[:, None, None]).float()


@pytest.mark.parametrize("shape", [(16, 16), (22, 14), (14, 19)])
@pytest.mark.parametrize("cycles", [2, 3, 4.5])
@pytest.mark.parametrize("colour", [(1, 1, 1), (1, -1, 0), (0, 0, 0.3)])
def test_a_planted_grating_has_its_frequency(shape, cycles, colour):
    """At any angle and phase; in luminance, in opposed channels, which cancel in grey, and in one."""
    planted = [
        grating(shape, cycles, degrees, colour, phase)
        for degrees in (0, 30, 45, 90, 150)
        for phase in (0.0, 1.0)
    ]
    found = spatial_frequency(torch.stack(planted))
    assert found.shape == (10,) and (found - cycles).abs().max() < 1.01 * STEP


def test_the_stronger_of_two_gratings_counts():
    fine, coarse = grating((24, 24), 6, 20) - 0.5, grating((24, 24), 2, 110) - 0.5
    found = spatial_frequency(torch.stack([0.5 + fine + coarse / 2, 0.5 + fine / 2 + coarse]))
    assert found.tolist() == pytest.approx([6, 2], abs=STEP)
    # Also if they are in different channels.
    apart = torch.stack([0.5 + 0.4 * coarse[0], 0.5 + fine[0], 0.5 + 0.4 * coarse[0]])
    assert spatial_frequency(apart[None]).item() == pytest.approx(6, abs=STEP)


@pytest.mark.parametrize("side", [5, 7, 16, 40])
def test_edges_and_spots_have_no_stripes(side):
    """An edge is less than a cycle, a spot or a bar somewhat more; neither is a grating of two stripes."""
    y, x = (p - (side - 1) / 2 for p in places(side, side))
    edges = [y > 0 * x, x > 0 * y, y > x, y > -x]
    found = spatial_frequency(torch.stack(edges).float()[:, None].expand(-1, 3, -1, -1))
    assert (found > 0).all() and (found < 1).all()
    spots = [torch.exp(-(y**2 + x**2) / (2 * (width * side) ** 2)) for width in (0.05, 0.1, 0.2)]
    bar = (x.abs() < 0.11 * side) + 0 * y
    yellowish = torch.tensor([0.9, 0.8, 0.1])[:, None, None]
    found = spatial_frequency(torch.stack([*spots, bar]).float()[:, None] * yellowish)
    assert (found > 1).all() and (found <= 1.5).all()


@pytest.mark.parametrize("side", [5, 7, 16, 40])
def test_a_uniform_feature_has_no_frequency(side):
    plain = torch.rand(6, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    assert spatial_frequency(plain.expand(-1, -1, side, side)).isnan().all()


def test_only_what_changes_within_the_valid_pixels_counts():
    feature = grating((24, 24), 3, 30)[None]
    valid = torch.ones(1, 24, 24, dtype=torch.bool)
    valid[:, :6] = valid[:, :, 21:] = False
    found = spatial_frequency(feature, valid)
    assert found.item() == pytest.approx(3, abs=2 * STEP)
    for hidden in (0.5, 0.0, torch.rand(3, 24, 24)):
        changed = torch.where(valid[:, None], feature, torch.as_tensor(hidden))
        assert torch.equal(spatial_frequency(changed, valid), found)
    # A brighter or fainter grating is as fine; the colour around which it swings does not matter.
    shifted = torch.tensor([0.2, -0.1, 0.3])[:, None, None] + 0.1 * feature
    assert torch.equal(spatial_frequency(shifted, valid), found)
    # Uniform where anything is seen, or nothing seen at all.
    inside = torch.where(valid[:, None], 0.25, torch.rand(3, 24, 24))
    assert spatial_frequency(inside, valid).isnan()
    assert spatial_frequency(feature, torch.zeros_like(valid)).isnan()


def test_frequencies_of_features_are_their_own():
    """Of many at once as of each alone, and the same when turned or mirrored."""
    features = torch.stack([grating((17, 17), c, 25) for c in (2, 5, 3.5)])
    features[1] = 0.5
    found = spatial_frequency(features)
    alone = [spatial_frequency(one[None]).item() for one in features]
    assert found.tolist() == pytest.approx(alone, nan_ok=True) and math.isnan(alone[1])
    for other in (features.transpose(-1, -2), features.flip(-1), features.rot90(1, (-2, -1))):
        torch.testing.assert_close(spatial_frequency(other), found, equal_nan=True)
