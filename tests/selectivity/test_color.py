"""Colour: analytic and degenerate cases, an independent computation, properties, planted hues and names."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import CSS4_COLORS, to_rgb

from helpers.selectivity.color import (
    BASIC_TERMS,
    COLOR_SELECTIVE,
    basic_terms,
    chromatic_color,
    color_name,
    color_selectivity,
    crop_sigma,
    grey_response,
    hue,
    image_hues,
    opponent,
    shared_hues,
    unit_hues,
)
from helpers.selectivity.feature import feature_weights, neuron_feature

pytestmark = pytest.mark.usefixtures("one_thread")
SIDE = 12
EVEN = torch.full((SIDE, SIDE), 0.1)
TO_RGB = torch.linalg.inv(
    torch.tensor([[1 / 1.5, 1 / 1.5, 1 / 1.5], [1, -1, 0], [0.5, 0.5, -1]], dtype=torch.float64)
)
# In RGB: hue in degrees, by hand from O2 = R - G and O3 = (R + G - 2B) / 2.
PURE = {
    (1, 0, 0): math.degrees(math.atan2(0.5, 1)),
    (1, 1, 0): 90.0,
    (0, 1, 0): 180 - math.degrees(math.atan2(0.5, 1)),
    (0, 1, 1): 180 + math.degrees(math.atan2(0.5, 1)),
    (0, 0, 1): 270.0,
    (1, 0, 1): 360 - math.degrees(math.atan2(0.5, 1)),
}


def from_opponent(coordinates):
    """(..., 3, H, W) in opponent space -> RGB, float64."""
    shifted = coordinates.double().clone()
    shifted[..., 0, :, :] += 1
    return torch.einsum("ij,...jhw->...ihw", TO_RGB, shifted)


def along(direction, mean=(0.0, 0.0, 0.0), size=0.2, seed=0):
    """A feature whose pixels lie on one line in opponent space, unevenly and with both signs."""
    steps = torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(seed)).double()
    steps = size * (steps - steps.mean()) / steps.abs().max()
    direction = torch.nn.functional.normalize(torch.tensor(direction, dtype=torch.float64), dim=0)
    mean = torch.tensor(mean, dtype=torch.float64)[:, None, None]
    return from_opponent(mean + steps * direction[:, None, None])


def spot(color, ground=(0.5, 0.5, 0.5)):
    feature = torch.tensor(ground)[:, None, None].expand(3, SIDE, SIDE).clone()
    feature[:, 3:8, 4:9] = torch.as_tensor(color)[:, None, None]
    return feature


def plainly(feature, sigma, valid):
    """Index and hue by the letter of the text, pixel by pixel, with numpy."""
    rows, weights = [], []
    for y in range(feature.shape[1]):
        for x in range(feature.shape[2]):
            r, g, b = (float(feature[c, y, x]) for c in range(3))
            rows.append([(r + g + b - 1.5) / 1.5, r - g, (r + g - 2 * b) / 2])
            weights.append(bool(valid[y, x]) / max(float(sigma[y, x]), 0.01))
    rows = np.array(rows)
    mean = np.average(rows, axis=0, weights=weights)
    covariance = np.cov(rows.T, aweights=weights, bias=True)
    values, vectors = np.linalg.eigh(covariance)
    v = vectors[:, np.argmax(values)]
    angle = np.degrees(np.arccos(min(1, abs(v[0]) / np.linalg.norm(v)))) / 90
    if v[1:] @ mean[1:] < 0:
        v = -v
    return angle, np.degrees(np.arctan2(v[2], v[1])) % 360


def test_axes_of_opponent_space():
    colors = torch.tensor(
        [[0.0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    )
    found = opponent(colors[..., None, None])[..., 0, 0]
    expected = torch.tensor(
        [[-1, 0, 0], [1, 0, 0], [0, 0, 0], [-1 / 3, 1, 0.5], [-1 / 3, -1, 0.5], [-1 / 3, 0, -1],
         [1 / 3, 0, 1]]
    )  # fmt: skip
    torch.testing.assert_close(found, expected)
    grey = opponent(torch.rand(1, 5, 5).expand(3, -1, -1))
    assert (grey[1:] == 0).all()


def test_known_angles():
    assert color_selectivity(along([1, 0, 0]), EVEN).item() == pytest.approx(0, abs=1e-6)
    for direction in ([0, 1, 0], [0, 0, 1], [0, -1, 2]):
        assert color_selectivity(along(direction), EVEN).item() == pytest.approx(1)
    assert color_selectivity(along([1, 1, 0]), EVEN).item() == pytest.approx(0.5)
    assert color_selectivity(along([-1, 0, 1]), EVEN).item() == pytest.approx(0.5)
    third = [1, math.tan(math.radians(30)), 0]  # 30 degrees from lightness
    assert color_selectivity(along(third), EVEN).item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("color", PURE)
def test_a_pure_colour_on_grey_has_its_hue_and_angle(color):
    feature = spot([0.5 + 0.4 * (c - 0.5) for c in color])
    assert hue(feature, EVEN).item() == pytest.approx(PURE[color], abs=1e-3)
    o1, o2, o3 = (sum(color) - 1.5) / 1.5, color[0] - color[1], (color[0] + color[1]) / 2 - color[2]
    expected = math.degrees(math.atan2(math.hypot(o2, o3), abs(o1))) / 90
    assert color_selectivity(feature, EVEN).item() == pytest.approx(expected, abs=1e-5)


def test_the_same_spot_on_several_grounds():
    """Centred: the ground's lightness counts only through its difference from the spot."""
    red, level = torch.tensor([0.8, 0.2, 0.2]), 0.4  # a ground as light as the spot
    assert color_selectivity(spot(red, (level,) * 3), EVEN).item() == pytest.approx(1, abs=1e-5)
    indexes = [color_selectivity(spot(red, (g,) * 3), EVEN).item() for g in (0.4, 0.5, 0.7, 0.9)]
    assert indexes == sorted(indexes, reverse=True)
    for ground in (0.1, 0.4, 0.7, 0.9):
        assert hue(spot(red, (ground,) * 3), EVEN).item() == pytest.approx(26.565, abs=1e-2)
        assert color_name(spot(red, (0.5,) * 3), EVEN) == "red"
    # The text's own example: on grey the index of a red spot is .72, not the .08 of uncentred pixels.
    assert color_selectivity(spot((0.85, 0.15, 0.15)), EVEN).item() > 0.7


def test_uniform_features():
    grey = torch.full((3, SIDE, SIDE), 0.3)
    red = torch.tensor([0.8, 0.2, 0.2])[:, None, None].expand(3, SIDE, SIDE)
    assert color_selectivity(grey, EVEN) == 0
    assert color_selectivity(red, EVEN).isnan()
    for feature in (grey, red):
        assert hue(feature, EVEN).isnan() and chromatic_color(feature, EVEN).isnan().all()
        assert color_name(feature, EVEN) == "none"
    # Noise below the least variance is uniform too; above, it counts.
    weak = along([0, 1, 0], size=1e-3)
    assert color_selectivity(weak, EVEN) == 0
    assert color_selectivity(along([0, 1, 0], size=1e-2), EVEN).item() == pytest.approx(1)


def test_grey_pictures_have_no_colour():
    feature = torch.rand(1, SIDE, SIDE).expand(3, -1, -1)
    assert color_selectivity(feature, EVEN) == 0
    assert hue(feature, EVEN).isnan()


def test_equals_the_plain_computation():
    generator = torch.Generator().manual_seed(1)
    features = torch.rand(5, 3, 6, 7, generator=generator)
    features[:, 0] = 0.6 * features[:, 0] + 0.4 * features[:, 1]
    sigma = 0.3 * torch.rand(5, 6, 7, generator=generator)
    valid = torch.rand(5, 6, 7, generator=generator) > 0.2
    index, degrees = color_selectivity(features, sigma, valid), hue(features, sigma, valid)
    for unit in range(5):
        expected = plainly(features[unit], sigma[unit], valid[unit])
        assert index[unit].item() == pytest.approx(expected[0], abs=1e-5)
        assert degrees[unit].item() == pytest.approx(expected[1], abs=1e-2)
        one = (features[unit], sigma[unit], valid[unit])
        torch.testing.assert_close(color_selectivity(*one), index[unit])
        torch.testing.assert_close(hue(*one), degrees[unit])
        torch.testing.assert_close(
            chromatic_color(*one), chromatic_color(features, sigma, valid)[unit]
        )
    assert color_name(features, sigma, valid)[3] == color_name(features[3], sigma[3], valid[3])


def test_pixels_weigh_by_their_agreement():
    """Left half varies in lightness, right half in colour: sigma decides, down to its floor."""
    half = torch.arange(SIDE) < SIDE // 2
    feature = torch.where(half, along([1, 0, 0], seed=2), along([0, 1, 0], seed=3))
    agree = lambda left, right: torch.where(half, left, right).expand(SIDE, SIDE)  # noqa: E731
    assert color_selectivity(feature, agree(0.5, 0.01)) > 0.9
    assert color_selectivity(feature, agree(0.01, 0.5)) < 0.1
    assert color_selectivity(feature, agree(torch.inf, 0.5)).item() == pytest.approx(1)
    floor = color_selectivity(feature, agree(0.01, 0.5))
    assert color_selectivity(feature, agree(0.0, 0.5)) == floor
    torch.testing.assert_close(
        color_selectivity(feature, agree(0.1, 0.2)), color_selectivity(feature, agree(0.2, 0.4))
    )


def test_invalid_pixels_do_not_count():
    feature = along([0, 1, 1])
    valid = torch.ones(SIDE, SIDE, dtype=torch.bool)
    valid[:, :4] = False
    spoiled = torch.where(valid, feature, torch.rand(3, SIDE, SIDE).double())
    for measure in (color_selectivity, hue, chromatic_color):
        torch.testing.assert_close(measure(spoiled, EVEN, valid), measure(feature, EVEN, valid))
    assert color_selectivity(feature, EVEN, torch.zeros_like(valid)).isnan()
    assert color_name(feature, EVEN, torch.zeros_like(valid)) == "none"


def test_the_hue_points_to_the_mean_colour():
    towards = along([0, 1, 0], mean=(0, 0.1, 0))
    away = along([0, 1, 0], mean=(0, -0.1, 0))
    assert hue(towards, EVEN).item() == pytest.approx(0, abs=1e-4)
    assert hue(away, EVEN).item() == pytest.approx(180, abs=1e-4)
    assert hue(along([0, 0, 1], mean=(0, 0, -0.1)), EVEN).item() == pytest.approx(270, abs=1e-4)
    # A neutral mean decides nothing: the end below 180.
    for direction in ([0, 0, 1], [0, 0, -1]):
        assert hue(along(direction), EVEN).item() == pytest.approx(90, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    turn=st.floats(0, 360), start=st.floats(0, 360), size=st.floats(0.02, 0.3), lean=st.floats(0, 1)
)
def test_turning_the_hue_turns_the_answer_and_keeps_the_index(turn, start, size, lean):
    def feature(degrees):
        o2, o3 = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return along([lean, o2, o3], mean=(0.1, 0.05 * o2, 0.05 * o3), size=size)

    before, after = feature(start), feature(start + turn)
    torch.testing.assert_close(
        color_selectivity(before, EVEN), color_selectivity(after, EVEN), atol=1e-6, rtol=0
    )
    difference = (hue(after, EVEN) - hue(before, EVEN) - turn + 180) % 360 - 180
    assert difference.item() == pytest.approx(0, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), chroma=st.floats(1.1, 4.0))
def test_properties_of_any_feature(seed, chroma):
    generator = torch.Generator().manual_seed(seed)
    feature = torch.rand(3, SIDE, SIDE, generator=generator, dtype=torch.float64)
    sigma = torch.rand(SIDE, SIDE, generator=generator, dtype=torch.float64)
    index, degrees = color_selectivity(feature, sigma), hue(feature, sigma)
    assert 0 <= index <= 1 and 0 <= degrees < 360
    # Mirrored or shuffled, a feature has the same colours.
    order = torch.randperm(SIDE * SIDE, generator=generator)
    shuffled = feature.flatten(1)[:, order].view_as(feature)
    moved = [
        (feature.flip(2), sigma.flip(1)),
        (shuffled, sigma.flatten()[order].view_as(sigma)),
    ]
    for changed in moved:
        torch.testing.assert_close(color_selectivity(*changed), index)
        torch.testing.assert_close(hue(*changed), degrees)
    # More contrast of everything changes nothing; the complementary colours turn the hue by 180.
    torch.testing.assert_close(color_selectivity(0.5 + 0.3 * (feature - 0.5), sigma), index)
    torch.testing.assert_close(color_selectivity(1 - feature, sigma), index)
    torch.testing.assert_close(
        (hue(1 - feature, sigma) - degrees).abs() % 360, torch.tensor(180.0).double()
    )
    # More chroma, at the same lightness: never less selective.
    vivid = opponent(feature)
    vivid[1:] *= chroma
    assert color_selectivity(from_opponent(vivid), sigma) >= index - 1e-9


def test_sigma_by_hand():
    crops = torch.tensor([[0.4, 0.5, 0.5], [0.6, 0.5, 0.5], [0.9, 0.9, 0.9]])[..., None, None]
    crops = crops.expand(3, 3, 1, 2).clone()
    weights = torch.tensor([1.0, 1.0, 0.0])
    # R differs by .1 on either side: O1 by .1 / 1.5, O2 by .1, O3 by .05.
    expected = math.sqrt(((0.1 / 1.5) ** 2 + 0.1**2 + 0.05**2) / 3)
    assert crop_sigma(crops, weights).tolist()[0] == pytest.approx([expected] * 2, abs=1e-6)
    valid = torch.ones(3, 1, 2, dtype=torch.bool)
    valid[1, 0, 1] = False  # one crop is left there: no deviation to speak of
    assert crop_sigma(crops, weights, valid)[0, 1] == torch.inf
    assert (crop_sigma(crops[:1], weights[:1]) == 0).all()
    assert (crop_sigma(crops, torch.zeros(3)) == 0).all()


def test_sigma_equals_a_weighted_deviation():
    generator = torch.Generator().manual_seed(4)
    crops, weights = torch.rand(9, 3, 4, 5, generator=generator), torch.linspace(1, 0.7, 9)
    valid = torch.rand(9, 4, 5, generator=generator) > 0.3
    found = crop_sigma(crops, weights, valid)
    seen = opponent(crops.double()).numpy()
    for y in range(4):
        for x in range(5):
            here = valid[:, y, x].numpy()
            values, w = seen[here][:, :, y, x], weights.numpy()[here]
            mean = np.average(values, axis=0, weights=w)
            variance = np.average((values - mean) ** 2, axis=0, weights=w)
            assert found[y, x].item() == pytest.approx(math.sqrt(variance.mean()), abs=1e-6)


def test_a_planted_unit_is_found_red():
    """Crops that share a red spot on grounds of all colours: the feature shows the spot, sigma where."""
    generator = torch.Generator().manual_seed(5)
    crops = torch.rand(60, 3, 1, 1, generator=generator).expand(-1, -1, SIDE, SIDE).clone()
    crops[:, :, 3:8, 4:9] = torch.tensor([0.85, 0.1, 0.1])[:, None, None]
    weights = feature_weights(torch.linspace(1, 0.75, 60))
    feature, sigma = neuron_feature(crops, weights), crop_sigma(crops, weights)
    assert sigma[5, 6] < 1e-3 < 0.1 < sigma[0, 0]
    assert color_selectivity(feature, sigma) >= COLOR_SELECTIVE
    assert hue(feature, sigma).item() == pytest.approx(26.6, abs=10)
    assert color_name(feature, sigma) == "red"
    torch.testing.assert_close(
        chromatic_color(feature, sigma), torch.tensor([0.85, 0.1, 0.1]), atol=0.02, rtol=0
    )


def test_crops_of_different_colours_average_to_grey():
    """The paper's reason for the index: a unit driven by all colours alike is not selective for one."""
    generator = torch.Generator().manual_seed(6)
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mask[3:8, 4:9] = True
    colors = torch.rand(100, 3, 1, 1, generator=generator)
    colors = 0.8 * colors / colors.amax(1, keepdim=True)  # equally light by their largest channel
    crops = torch.where(mask, colors, torch.tensor(0.1))
    weights = torch.ones(100)
    assert color_selectivity(neuron_feature(crops, weights), crop_sigma(crops, weights)) < 0.1


@pytest.mark.parametrize(
    "name, color",
    {
        "red": (0.85, 0.1, 0.1),
        "green": (0.15, 0.65, 0.2),
        "blue": (0.1, 0.3, 0.85),
        "yellow": (0.95, 0.9, 0.15),
        "orange": (0.97, 0.5, 0.05),
        "purple": (0.5, 0.15, 0.6),
        "pink": (1.0, 0.6, 0.8),
        "brown": (0.4, 0.22, 0.08),
    }.items(),
)
def test_a_spot_is_called_by_its_colour(name, color):
    level = sum(color) / 3  # on an equally light ground, so that every colour is selective
    assert color_name(spot(color, (level,) * 3), EVEN) == name
    # A two-coloured edge is called after the end nearer to its mean colour, not after their mixture.
    assert color_name(spot(color, (1.0, 1.0, 1.0)), EVEN) in (name, "none")


def test_names_hold_on_another_list():
    """The named colours of CSS, made by others for another purpose, mostly have the same basic terms."""
    agree, differ = 0, []
    for name, code in CSS4_COLORS.items():
        ends = [term for term in BASIC_TERMS if name.replace("gray", "grey").endswith(term)]
        if ends:
            found = basic_terms(torch.tensor([to_rgb(code)]))[0]
            agree += found == ends[0]
            differ += [name] * (found != ends[0])
    assert agree / (agree + len(differ)) > 0.75, differ
    exact = {"black": 0.0, "grey": 0.5, "white": 1.0}
    assert basic_terms(torch.tensor([[v] * 3 for v in exact.values()])) == list(exact)


def test_hues_of_images_and_units():
    red, blue = torch.tensor([0.7, 0.3, 0.3]), torch.tensor([0.4, 0.4, 0.6])
    images = torch.full((2, 3, 4, 4), 0.5)
    images[0, :, 0] = red[:, None]
    images[1, :, :, 1] = blue[:, None]
    found = image_hues(images)
    assert found.shape == (360,) and found.nonzero()[:, 0].tolist() == [26, 270]
    assert found[26].item() == pytest.approx(4 * math.hypot(0.4, 0.2), rel=1e-5)
    assert found[270].item() == pytest.approx(4 * 0.2, rel=1e-5)
    torch.testing.assert_close(image_hues(images[:1]) + image_hues(images[1:]), found)
    assert image_hues(torch.full((3, 2, 2), 0.5)).sum() == 0
    counts = unit_hues(torch.tensor([0.0, 26.6, 26.9, 359.9, torch.nan]))
    assert counts.nonzero()[:, 0].tolist() == [0, 26, 359] and counts[26] == 2
    assert unit_hues(torch.tensor([torch.nan])).sum() == 0


def test_shared_hues():
    flat, peak = torch.ones(360), unit_hues(torch.full((5,), 30.0))
    same = shared_hues(peak, peak)
    assert same.shared == pytest.approx(1) and same.p == pytest.approx(1 / 360)
    assert shared_hues(peak, peak.roll(180)).shared < 1e-9
    assert shared_hues(peak, peak.roll(180)).p == 1
    # Turned by d, two normal curves of one width share 2 * Phi(-d / (2 width)).
    expected = math.erfc(20 / 20 / math.sqrt(2))
    assert shared_hues(peak, peak.roll(20)).shared == pytest.approx(expected, abs=1e-3)
    assert shared_hues(peak, flat).p == 1  # nothing to agree with
    both = shared_hues(peak, 3 * flat + 2 * peak)
    assert both.p < 0.05
    assert both.rotated.shape == (360,) and both.rotated[0].item() == both.shared
    assert both.rotated.argmax() == 0
    assert shared_hues(peak.roll(-50), 3 * flat + 2 * peak).rotated.argmax() == 50
    assert math.isnan(shared_hues(peak, torch.zeros(360)).shared)


def test_the_null_of_shared_hues():
    """Hues drawn without regard to the images reach p < .05 in about one case of twenty."""
    random = np.random.default_rng(7)
    images = image_hues(torch.rand(4, 3, 8, 8)) + 50 * unit_hues(torch.tensor([40.0, 50.0, 210.0]))
    small = 0
    for _ in range(200):
        centre = random.uniform(0, 360)  # units crowd together, but anywhere
        hues = torch.from_numpy((centre + 20 * random.standard_normal(12)) % 360)
        small += shared_hues(unit_hues(hues), images).p < 0.05
    assert 2 <= small <= 20


def test_grey_response():
    in_colour = torch.tensor([[4.0, 2.0], [4.0, 2.0], [4.0, 2.0], [-1.0, -2.0], [4.0, torch.nan]])
    in_grey = torch.tensor([[4.0, 2.0], [1.0, 0.5], [-3.0, -1.0], [5.0, 1.0], [2.0, 9.0]])
    found = grey_response(in_colour, in_grey)
    assert found[:3].tolist() == [0, 0.75, 1]
    assert found[3].isnan() and found[4] == 0.5
    assert grey_response(torch.ones(1, 3), torch.full((1, 3), 2.0)).item() == -1
    # A weak crop counts little: it is the ratio of the sums, not the mean of the ratios.
    assert grey_response(
        torch.tensor([[9.0, 1.0]]), torch.tensor([[9.0, 0.0]])
    ).item() == pytest.approx(0.1)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="feature"):
        color_selectivity(torch.rand(2, SIDE, SIDE), EVEN)
    with pytest.raises(ValueError, match="sigma"):
        hue(torch.rand(4, 3, SIDE, SIDE), EVEN)
