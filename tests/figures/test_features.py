"""Figures of features draw the numbers they are given at their places, thin out what would overlap and
say so, and stay legible."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgba
from matplotlib.image import AxesImage
from matplotlib.patches import Wedge

from helpers.figures import (
    activation_curves,
    binned,
    degree_bars,
    feature_gallery,
    hue_colours,
    hue_wheel,
    tag_clouds,
)
from helpers.figures.features import _FOOT, PALETTES
from helpers.figures.style import ABOVE, BELOW, FAINT, INK, canvas
from helpers.ontology import ontology_of
from helpers.record import WorldImages
from helpers.selectivity.classes import ancestor_frequencies, layer_frequencies
from helpers.selectivity.color import hue, image_hues, unit_hues
from helpers.selectivity.feature import activation_curve, area_percent, curve_area
from tests.figures.test_profiles import overlaps, words

NAN = float("nan")
EDGES = [0.0, 0.2, 0.4, 0.6, 0.8]
SHOWN = "nothing to show"


@pytest.fixture(scope="module")
def curves(googlenet):
    """Of eight layers of the real network; one unit is made dead."""
    found = {
        layer: activation_curve(googlenet[layer].top.values) for layer in googlenet.layers[::5]
    }
    first = next(iter(found))
    found[first][7] = 0
    areas = area_percent({layer: curve_area(one) for layer, one in found.items()})
    return {layer: (one, areas[layer]) for layer, one in found.items()}


def test_curves_are_those_of_extreme_areas_and_between(curves):
    figure = activation_curves(curves)
    panels = [axes for axes in figure.axes if axes.axison]
    for axes, (layer, (every, areas)) in zip(panels, curves.items(), strict=True):
        lines = axes.lines
        assert [line.get_color() for line in lines] == [ABOVE, FAINT, FAINT, FAINT, BELOW]
        alive = areas[~areas.isnan()].sort(descending=True).values
        ranks = np.linspace(0, len(alive) - 1, 5).round().astype(int)
        written = [f"{value:.0f}%" for value in alive[ranks].tolist()]
        assert [text.get_text() for text in axes.texts] == written
        for line, area in zip(lines, alive[ranks], strict=True):
            x, y = line.get_data()
            assert list(x) == list(range(1, every.shape[1] + 1)) and y[0] == 1
            assert (every[areas == area] == torch.from_numpy(y)).all(1).any()
        (used,) = axes.patches
        assert (used.get_extents().transformed(axes.transData.inverted()).extents).tolist() == (
            pytest.approx([0, 0.7, 100, 1])
        )
        assert axes.get_title().startswith(f"{layer}\n{len(areas):,} units")
    assert [axes.get_title()[-6:] == "1 dead" for axes in panels] == [True] + [False] * 7
    assert "100%" in [text.get_text() for axes in panels for text in axes.texts]
    assert not overlaps(figure)


def test_few_units_and_layers_without_any(curves):
    every, areas = next(iter(curves.values()))
    dead = torch.zeros(3, 60), torch.full((3,), NAN)
    alive = every[:1, :60], areas[:1]
    figure = activation_curves({"two": (every[:2, :60], areas[:2]), "one": alive, "none": dead})
    assert [len(axes.lines) for axes in figure.axes] == [2, 1, 0]
    assert [text.get_text() for text in figure.axes[2].texts] == [SHOWN]
    assert figure.axes[2].get_title() == "none\n3 units, 3 dead"
    assert figure.axes[0].get_xlim()[1] < 100
    assert words(activation_curves({"none": dead})) == [SHOWN]


def test_a_gallery_shows_each_feature_over_its_patches():
    features, patches = torch.rand(3, 3, 5, 5), torch.rand(3, 7, 3, 5, 5)
    units = {f"unit {i}": (features[i], patches[i, : 7 * (i != 1)]) for i in range(3)}
    figure = feature_gallery(units, columns=2, patch_columns=4)
    grid = np.array(figure.axes).reshape(4, 2)
    for i, caption in enumerate(units):
        row, column = divmod(i, 2)
        above, below = grid[2 * row : 2 * row + 2, column]
        np.testing.assert_array_equal(above.images[0].get_array(), features[i].permute(1, 2, 0))
        assert above.get_title() == caption
        assert len(below.images) == (i != 1)
    drawn = grid[1, 0].images[0].get_array()
    assert drawn.shape == (14, 28, 3)
    np.testing.assert_array_equal(drawn[8:13, 1:6], patches[0, 4].permute(1, 2, 0))
    assert not overlaps(figure)
    assert words(feature_gallery({})) == [SHOWN]


def shares(seed=0, n_layers=7, columns=EDGES):
    """Shares of units in each bin; of the first layer a fifth has no index, of the second all are high."""
    table = np.random.default_rng(seed).dirichlet(np.ones(len(columns)), n_layers)
    table[0] *= 0.8
    table[1] = np.eye(len(columns))[-1]
    return pd.DataFrame(table, [f"conv{i + 1}" for i in range(n_layers)], columns)


@pytest.mark.parametrize("colours", PALETTES)
def test_bars_stack_from_high_to_low(colours):
    table, control = shares(0), shares(1)
    figure = degree_bars(table, measure="index", colours=colours, cutoff=0.4, control=control,
                         chance={"conv1": 0.25, "conv3": 0.5})  # fmt: skip
    for axes, one in zip(figure.axes[:2], (table, control), strict=True):
        bars = np.array(axes.patches).reshape(5, 7)
        tops = np.vectorize(lambda bar: bar.get_y() + bar.get_height())(bars)
        np.testing.assert_allclose(tops.T, one.iloc[:, ::-1].cumsum(axis=1).iloc[:, ::-1])
        np.testing.assert_allclose(np.vectorize(lambda bar: bar.get_height())(bars).T, one)
        assert {to_hex(bar.get_facecolor()) for bar in bars[0]} == {"#dedede"}
        selective = one.loc[:, 0.4:].sum(axis=1)
        (line,) = axes.collections
        np.testing.assert_allclose([s[0, 1] for s in line.get_segments()], selective)
        assert [text.get_text() for text in axes.texts] == [f"{v:.0%}" for v in selective]
    (luck,) = figure.axes[0].lines
    np.testing.assert_array_equal(luck.get_ydata()[:4], [0.25, NAN, 0.5, NAN])
    assert [axes.get_title("left") for axes in figure.axes[:2]] == ["trained", "untrained"]
    assert {"index", "0.8", "units with 0.4 or more", "by luck"} <= set(words(figure))
    assert not overlaps(figure)


@pytest.mark.parametrize("colours", PALETTES)
def test_a_palette_darkens_evenly(colours):
    light = np.array([PALETTES[colours](v)[:3] for v in np.linspace(0, 1, 5)]) @ (0.3, 0.59, 0.11)
    assert (np.diff(light) < -0.08).all()


def test_bars_of_many_layers_and_named_bins():
    table = shares(n_layers=40, columns=["low", "middle", "high"])
    table.index = [f"inception_{i}.3x3" for i in range(40)]
    figure = degree_bars(table, measure="index", cutoff="high")
    assert not figure.axes[0].texts  # no room for forty numbers
    assert {"low", "middle", "high", "units with high or more"} <= set(words(figure))
    assert not overlaps(figure)
    plain = degree_bars(shares(), measure="index")
    assert not plain.axes[0].texts and not plain.axes[0].collections and not plain.legends
    assert words(degree_bars(shares() * NAN, measure="index")) == [SHOWN]


def test_colours_of_hues_have_those_hues():
    degrees = np.arange(0.5, 360, 7)
    colours = torch.from_numpy(hue_colours(degrees)).float()
    assert colours.min() == 0 and colours.max() == 1
    # An edge between each colour and black points to that colour, as measured.
    edge = torch.stack([colours, torch.zeros_like(colours)], -1)[:, :, None]
    measured = hue(edge, torch.ones(len(degrees), 1, 2))
    np.testing.assert_allclose(measured, degrees, atol=0.01)


@pytest.fixture(scope="module")
def wheel():
    generator = np.random.default_rng(0)
    layers = {"conv1": (torch.tensor([NAN, NAN]), torch.rand(2, 3, 5, 5))}
    for i, n in enumerate((9, 60, 120, 150), 2):
        hues = torch.from_numpy(generator.normal(50, 25, n) % 360)
        hues[3] = NAN
        layers[f"conv{i}"] = (hues, torch.rand(n, 3, 7, 7) if i != 3 else None)
    world = WorldImages("eval")
    pixels = [np.asarray(world.open(i).convert("RGB")) for i in range(0, len(world), 480)]
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255
    return layers, image_hues(images)


def test_every_unit_stands_at_its_hue_on_its_ring(wheel):
    layers, images = wheel
    figure = hue_wheel(layers, images)
    (axes,) = figure.axes
    radii = []
    for found, (hues, _) in zip(axes.collections, layers.values(), strict=True):
        hues = hues[~hues.isnan()].numpy()
        x, y = np.asarray(found.get_offsets()).reshape(-1, 2).T
        assert len(x) == len(hues)
        np.testing.assert_allclose(np.degrees(np.arctan2(y, x)) % 360, hues)
        if len(hues):
            np.testing.assert_allclose(found.get_facecolors()[:, :3], hue_colours(hues))
            radii.append(np.hypot(x, y).mean())
            np.testing.assert_allclose(np.hypot(x, y), radii[-1])
    assert radii == sorted(radii) and len(set(np.diff(radii).round(6))) == 1
    assert set(layers) | {"red", "yellow", "green", "cyan", "blue", "magenta"} <= set(words(figure))
    assert not overlaps(figure)


def test_features_stand_beside_their_dots_cover_nothing_and_are_counted(wheel):
    layers, images = wheel
    figure = hue_wheel(layers, images)
    (axes,) = figure.axes
    pictures = axes.findobj(AxesImage)
    boxes = np.array([picture.get_extent() for picture in pictures])
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            across = min(a[1], b[1]) - max(a[0], b[0])
            assert across <= 1e-9 or min(a[3], b[3]) - max(a[2], b[2]) <= 1e-9
    figure.draw_without_rendering()
    labels = [t.get_window_extent().transformed(axes.transData.inverted()) for t in axes.texts]
    for x0, x1, y0, y1 in boxes:
        assert not any(
            one.x0 < x1 and one.x1 > x0 and one.y0 < y1 and one.y1 > y0 for one in labels
        )
    # The most selective unit of every layer is first in line; conv1 has no hue and conv3 no features.
    for picture, box in zip(pictures, boxes, strict=True):
        owners = [
            hues[i]
            for hues, features in layers.values()
            for i in range(len(hues))
            if features is not None
            and np.array_equal(picture.get_array(), features[i].permute(1, 2, 0))
        ]
        (degrees,) = owners
        x, y = box[:2].mean(), box[2:].mean()
        assert np.degrees(np.arctan2(y, x)) % 360 == pytest.approx(float(degrees))
    with_hue = [int((~hues.isnan()).sum()) for hues, _ in layers.values()]
    assert len(pictures) >= 12
    written = f"{sum(with_hue)} units, a dot each; features of {len(pictures)} of "
    assert f"{written}{sum(with_hue) - with_hue[2]}, where" in words(figure)[-1]


def test_the_rim_holds_the_images_and_the_outline_the_units(wheel):
    layers, images = wheel
    (axes,) = hue_wheel(layers, images).axes
    bars = [patch for patch in axes.patches if isinstance(patch, Wedge)]
    heights = np.array([bar.width for bar in bars])
    expected = images.reshape(36, 10).sum(1)
    np.testing.assert_allclose(heights / heights.sum(), expected / expected.sum())
    assert [(bar.theta1, bar.theta2) for bar in bars] == [(a, a + 10) for a in range(0, 360, 10)]
    (outline,) = axes.lines
    steps = np.array(outline.get_data())
    np.testing.assert_array_equal(steps[:, 0], steps[:, -1])  # it is closed
    beyond = np.hypot(*steps[:, :-1]).reshape(36, 11) - _FOOT
    units = sum(unit_hues(hues) for hues, _ in layers.values()).reshape(36, 10).sum(1)
    # Both on one scale: of shares.
    np.testing.assert_allclose(beyond[:, 5] / heights.sum(), units / units.sum(), atol=1e-12)


def test_a_wheel_without_pictures_images_or_units(wheel):
    figure = hue_wheel({"conv2": (wheel[0]["conv2"][0], None)})
    assert not figure.axes[0].images and not figure.axes[0].lines
    assert words(figure)[-1] == "8 units, a dot each"
    assert words(hue_wheel({"conv1": wheel[0]["conv1"]})) == [SHOWN]


@pytest.fixture(scope="module")
def clouds(googlenet):
    """Real units with many long names; one driven by one class, one by none."""
    ontology = ontology_of(googlenet.class_names).without_repeats()
    units = {}
    for layer in googlenet.layers[::18]:
        leaves, _ = layer_frequencies(googlenet, layer)
        nodes = ancestor_frequencies(leaves, ontology.members)
        units[layer] = (
            dict(zip(googlenet.class_names, leaves[3].tolist(), strict=True)),
            dict(zip(ontology.member_names, nodes[3].tolist(), strict=True)),
        )
    only = {"n02085620-Chihuahua": 0.75, "owl_1": 0.0}
    return units | {"one": (only, {"dog": 1.0, "Chihuahua": 0.75}), "none": ({}, {"dog": 0.0})}


def test_words_grow_with_their_weights_and_none_is_turned(clouds):
    figure = tag_clouds(clouds)
    panels = iter(figure.axes)
    for leaves_and_nodes in clouds.values():
        for name, weights in zip(("classes", "ontology"), leaves_and_nodes, strict=True):
            axes = next(panels)
            drawn = {text.get_text(): text for text in axes.texts}
            weights = {key: weight for key, weight in weights.items() if weight > 0}
            if not weights:
                assert set(drawn) == {SHOWN}
                continue
            largest = max(weights.values())
            count = f"{len(drawn)} of {len(weights)}" if len(drawn) < len(weights) else len(drawn)
            assert axes.get_title("left") == f"{name}: {count}, largest {largest:.0%}"
            assert {text.get_rotation() for text in drawn.values()} == {0}
            assert len({text.get_color() for text in drawn.values()}) == 1
            sizes = {word: text.get_fontsize() for word, text in drawn.items()}
            assert 8 <= min(sizes.values()) and max(sizes.values()) <= 30.3
            top = max(sizes.values())
            named = {key.split("-", 1)[-1].replace("_", " "): w for key, w in weights.items()}
            for word, size in sizes.items():
                (weight,) = [w for key, w in named.items() if key[:21] == word.rstrip("…")[:21]]
                right = max(top * np.sqrt(weight / largest), 8.5)
                assert size == pytest.approx(right, abs=0.8)


def test_words_of_a_cloud_are_drawn_apart_and_in_their_frame(clouds):
    """On the picture itself: no word's ink covers another's."""
    large = {"plant": 0.66, "fruit": 0.5, "berry": 0.4, "strawberry": 0.37, "artefact": 0.3}
    large |= {"pome": 0.12, "apple": 0.15, "hat": 0.1, "flower": 0.1, "clothing": 0.1, "drum": 0.1}
    figure = tag_clouds(
        {"real": clouds[list(clouds)[1]], "planted": (large, dict(reversed(large.items())))}
    )
    figure.set_dpi(100)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for axes in figure.axes:
        inks = []
        for text in axes.texts:
            renderer.clear()
            text.draw(renderer)
            inks.append(np.asarray(renderer.buffer_rgba())[::-1, :, 3] > 60)
        assert len(inks) > 1 and (np.sum(inks, 0) <= 1).all()
        y, x = np.nonzero(np.any(inks, 0))
        frame = axes.get_window_extent()
        assert frame.x0 < x.min() and x.max() < frame.x1
        assert frame.y0 < y.min() and y.max() < frame.y1


def test_clouds_stand_beside_features_and_are_the_same_every_time(clouds):
    few = {key: clouds[key] for key in list(clouds)[1:]}
    features = {key: torch.rand(3, 4, 4) for key in few}
    figures = [tag_clouds(few, features) for _ in range(2)]
    assert figures[0]._repr_png_() == figures[1]._repr_png_()
    for row, key in enumerate(few):
        drawn = figures[0].axes[3 * row].images[0].get_array()
        np.testing.assert_array_equal(drawn, features[key].permute(1, 2, 0))
    assert set(few) <= {text.get_text() for text in figures[0].texts}
    assert {to_rgba(t.get_color()) for t in figures[0].axes[1].texts} == {to_rgba(INK)}


def test_names_that_read_alike_share_a_word():
    figure = tag_clouds({"u": ({"n02012849-crane": 0.25, "n03126707-crane": 0.5}, {"bird": 0.25})})
    (text,) = figure.axes[0].texts
    assert text.get_text() == "crane"
    assert figure.axes[0].get_title("left") == "classes: 1, largest 75%"
    assert words(tag_clouds({"u": ({}, {})})) == [SHOWN]


def test_all_draw_into_a_part_of_a_figure(curves, wheel, clouds):
    unit = {"unit": (torch.rand(3, 5, 5), torch.rand(4, 3, 5, 5))}
    for draw, data in (
        (activation_curves, dict(list(curves.items())[:2])),
        (partial(degree_bars, measure="index"), shares()),
        (feature_gallery, unit),
        (hue_wheel, wheel[0]),
        (tag_clouds, {"one": clouds["one"]}),
    ):
        whole = canvas(4.0)
        left, right = whole.subfigures(1, 2)
        assert draw(data, into=left) is left
        assert whole.axes and not right.axes
        whole.draw_without_rendering()


def test_shares_of_units_between_the_ends_of_bins():
    """A value on an end belongs to the bin above it; below the first counts as the first; nan in none."""
    units = pd.DataFrame(
        {
            "stage": ["b"] * 4 + ["a"] * 4,
            "index": [0.0, 0.39, 0.4, 2.0, -0.1, NAN, 0.8, 0.8],
        }
    )
    found = binned(units, "index", [0, 0.4, 0.8])
    assert found.index.tolist() == ["b", "a"] and found.columns.tolist() == [0, 0.4, 0.8]
    assert found.to_numpy().tolist() == [[0.5, 0.25, 0.25], [0.25, 0.0, 0.5]]
