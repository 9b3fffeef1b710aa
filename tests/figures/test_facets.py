"""Figures of facets draw the numbers they are given, count what they leave out, and stay legible."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import SubFigure

from helpers.figures import (
    component_rows,
    degree_profile,
    distributions,
    index_against_size,
    similarity_maps,
)
from helpers.figures import facet_counts as draw_counts
from helpers.figures.facets import _density
from helpers.figures.style import ABOVE, BELOW, FAINT, INK, SIGNED, canvas
from helpers.record.patches import thumbnails
from helpers.selectivity.facets import facet_counts, facet_units, layer_counts, random_rows
from helpers.selectivity.profile import stages
from helpers.selectivity.similarity import pairwise_correlation, pairwise_distance
from helpers.selectivity.sizes import by_list_length
from tests.figures.test_profiles import bars, dashed, lines, overlaps, words

NAN, INF = float("nan"), float("inf")
LEFT_OUT = "units left out, without a value: "


@pytest.fixture(scope="module")
def sizes(googlenet):
    return np.bincount(googlenet.classes, minlength=len(googlenet.class_names))


@pytest.fixture(scope="module")
def units(googlenet, sizes):
    """Of all 38 layers of the real network the first units."""
    counts = {layer: layer_counts(googlenet, layer)[:40] for layer in googlenet.layers}
    table = facet_units(counts, sizes, googlenet.class_names)
    return table.assign(stage=table["layer"].map(stages(googlenet.layers)))


@pytest.fixture(scope="module")
def control(googlenet, sizes, units):
    """Units that ignore classes; of the first, one has no image and one images of all classes alike."""
    counts = {
        layer: random_rows(100, sizes, 40, seed) for seed, layer in enumerate(googlenet.layers)
    }
    first = counts[googlenet.layers[0]]
    first[0], first[1] = 0, 1
    table = facet_units(counts, sizes, googlenet.class_names)
    return table.assign(stage=table["layer"].map(stages(googlenet.layers)))


def uprights(axes, colour):
    """(n, 2) place and foot of the upright bars in one colour, in the order of their feet."""
    drawn = [c for c in axes.collections if isinstance(c, LineCollection)]
    drawn = [c for c in drawn if np.allclose(c.get_color()[0], to_rgba(colour))]
    found = [(segment[0, 0], segment[:, 1].max()) for c in drawn for segment in c.get_segments()]
    return np.array(sorted(found, key=lambda bar: bar[1]))


@pytest.mark.parametrize("by", ["stage", "layer"])
def test_ridges_stand_in_order_with_median_and_luck(units, control, by):
    figure = distributions(units, control, by=by)
    order = list(units[by].unique())
    assert len(order) == (11 if by == "stage" else 38)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == order
    assert figure.axes[0].yaxis_inverted()
    for axes, column in zip(figure.axes, ("gini", "flatness"), strict=True):
        groups = units.groupby(by, sort=False)
        for colour, expected in (
            (INK, groups[column].median()),
            (FAINT, groups[f"{column}_null"].mean()),
        ):
            bars_of_rows = np.transpose([expected.loc[order], range(len(order))])
            np.testing.assert_allclose(uprights(axes, colour), bars_of_rows)
        outlines = [line for line in axes.lines if line.get_color() == BELOW]
        assert len(outlines) == len(order)
        assert {to_rgba(ABOVE, 0.5)} == {
            tuple(c.get_facecolor()[0]) for c in axes.collections if len(c.get_facecolor())
        }
        for row, (name, line) in enumerate(zip(order, outlines, strict=True)):
            x, y = line.get_data()
            values = control.loc[(control[by] == name) & (control["n_images"] > 0), column]
            assert y.max() == row and y.min() == pytest.approx(row - 0.85)  # heights of one row
            width = np.ptp(axes.get_xlim())
            assert x.min() == pytest.approx(values.min(), abs=0.01 * width)
            assert x.max() == pytest.approx(values.max(), abs=0.01 * width)
    expected = {"trained", "untrained", "median, trained", "random rows", "Gini sparsity",
                "spectral flatness", f"{LEFT_OUT}1 of 1,520 (untrained)"}  # fmt: skip
    assert expected <= set(words(figure))
    assert not overlaps(figure)
    assert figure.get_figheight() < 9.5


def test_ridges_without_luck_or_control_do_not_name_them(units):
    few = units.drop(columns=["degree_null"]).iloc[:200]
    figure = distributions(few, columns=("degree",), names=("GoogLeNet", "none"))
    found = words(figure)
    assert {"GoogLeNet", "median, GoogLeNet", "MF degree"} <= set(found)
    assert not {"none", "random rows"} & set(found)
    assert not any(text.startswith(LEFT_OUT) for text in found)


def test_a_density_is_that_of_its_values_and_ends_with_them():
    values = np.random.default_rng(0).normal(0.5, 0.1, 4000)
    x, height = _density(values, 0.001)
    normal = np.exp(-0.5 * ((x - 0.5) / 0.1) ** 2)
    assert np.abs(height - normal)[1:-1].max() < 0.08
    assert height.max() == 1 and height[0] == height[-1] == 0
    x, height = _density(np.array([0.3]), 0.01)  # a single value, or equal ones: a narrow bump
    assert x.min() == pytest.approx(0.29) and x.max() == pytest.approx(0.31)
    assert x[height.argmax()] == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize("by", ["stage", "layer"])
def test_profile_has_quartiles_of_the_ratio_and_every_networks_mean(units, control, by):
    figure = degree_profile(units, control, by=by)
    axes = figure.axes[0]
    tables = {"trained": units, "untrained": control}
    drawn = zip(lines(axes).items(), bars(axes), tables.items(), (ABOVE, BELOW), strict=True)
    for (label, line), ends, (name, table), colour in drawn:
        known = table[np.isfinite(table["ratio"])]
        quartiles = known.groupby(by, sort=False)["ratio"].quantile([0.25, 0.5, 0.75]).unstack()
        np.testing.assert_allclose(line.get_ydata(), quartiles.loc[table[by].unique(), 0.5])
        np.testing.assert_allclose(ends, quartiles.loc[table[by].unique(), [0.25, 0.75]])
        mean = known["ratio"].mean()
        assert label == f"{name}; mean of all units {mean:.3g} (dotted)".replace("1 (", "1.00 (")
        (dotted,) = [one for one in axes.lines if one.get_linestyle() == ":"
                     and one.get_color() == colour]  # fmt: skip
        np.testing.assert_allclose(dotted.get_ydata(), mean)
    assert list(dashed(axes).get_ydata()) == [1, 1]
    assert axes.get_ylim()[0] < 0 < axes.get_ylim()[1]
    # The unit without images and the one of infinite degree.
    assert f"{LEFT_OUT}2 of 1,520 (untrained)" in words(figure)
    assert not overlaps(figure)


@pytest.mark.parametrize("by", ["stage", "layer"])
def test_counts_are_stacked_and_extremes_stand_below(units, sizes, by):
    table, mean = facet_counts(units, sizes, by), units["degree"].mean()
    figure = draw_counts(table, mean=mean)
    shares, degrees = figure.axes
    multi, single = shares.containers
    np.testing.assert_allclose([bar.get_height() for bar in multi], table["multi"])
    assert [bar.get_y() for bar in multi] == [bar.get_height() for bar in single]
    assert [bar.get_height() for bar in single] == list(table["single"])
    for name, line in lines(degrees).items():
        np.testing.assert_array_equal(line.get_ydata(), table[name])
        (null,) = [one for one in degrees.lines if one.get_linestyle() == "--"
                   and one.get_color() == line.get_color()]  # fmt: skip
        np.testing.assert_array_equal(null.get_ydata(), table[f"{name}_null"])
    (dotted,) = [one for one in degrees.lines if one.get_linestyle() == ":"]
    assert set(dotted.get_ydata()) == {mean}
    assert [label.get_text() for label in degrees.get_xticklabels()] == list(table.index)
    written = words(figure)
    assert {"multi-faceted", "single-faceted", "random rows", "largest degree", "100%",
            f"mean of all units, {mean:.3f}"} <= set(written)  # fmt: skip
    assert written.count(table.index[0]) == 1  # names of stages are not repeated
    assert not overlaps(figure)


def test_extremes_without_random_labels_do_not_name_them(units, sizes):
    table = facet_counts(units, sizes, "stage").iloc[:4, :4]
    assert "random rows" not in words(draw_counts(table, mean=0.5))


def test_maps_share_a_scale_and_say_their_mean(googlenet):
    chosen = [layer for layer in googlenet.layers if layer.endswith("5x5")]
    chosen += [googlenet.layers[0], googlenet.layers[1]]
    assert len(chosen) == 11
    matrices = {
        layer: pairwise_correlation(layer_counts(googlenet, layer)[: 30 + n])
        for n, layer in enumerate(chosen)
    }
    figure = similarity_maps(matrices)
    drawn = [axes for axes in figure.axes if axes.get_title()]
    for axes, (layer, matrix) in zip(drawn, matrices.items(), strict=True):
        (image,) = axes.images
        np.testing.assert_array_equal(image.get_array(), matrix)
        assert image.get_clim() == (-1, 1)
        assert image.cmap(0.5) == SIGNED(0.5) and min(SIGNED(0.5)[:3]) > 0.99  # zero is white
        n = len(matrix)
        mean = (matrix.sum() - n).item() / (n * (n - 1))
        assert axes.get_title() == f"{layer}\n{n} units, mean {mean:.3f}"
    assert {"correlation", "−1", "0", "1"} <= set(words(figure))
    assert not overlaps(figure)


def test_distances_run_from_zero_and_unknown_pairs_are_grey():
    counts = torch.tensor([[3, 0, 0], [0, 4, 0], [0, 0, 0]])
    far = {"conv1": pairwise_distance(counts), "conv2": pairwise_distance(2 * counts)}
    figure = similarity_maps(far, measure="distance", signed=False)
    maps = [axes.images[0] for axes in figure.axes[:2]]
    assert {one.get_clim() for one in maps} == {(0, 10)}
    assert [axes.get_title()[-4:] for axes in figure.axes[:2]] == ["4.00", "8.00"]
    image = similarity_maps({"conv1": pairwise_correlation(counts)}).axes[0].images[0]
    assert np.asarray(image.get_array().mask)[2].all()
    assert image.cmap(np.ma.masked) == to_rgba("#d9d9d9")
    assert not overlaps(figure)


@pytest.fixture(scope="module")
def patches(world):
    found = thumbnails(
        world.record, world.network, world.images, "conv5", units=[3, 5], k=40, side=24
    )
    return found.pixels


def components(patches):
    """(8, ...) real-valued pictures of patches (k, ...): their first principal components."""
    rows = patches.flatten(1) - patches.flatten(1).mean(1, keepdim=True)
    return torch.linalg.svd(rows, full_matrices=False).Vh[:8].view(8, *patches.shape[1:])


def test_patches_stand_beside_components_scaled_each_for_itself(patches):
    grey = [components(one.mean(1)) for one in patches]
    colour = [components(one) for one in patches]
    colour[0][7] = 0
    plain = (torch.rand(8, 3, 24, 24) * 255).to(torch.uint8)
    rows = {
        "unit 3": (patches[0], {"grey": grey[0], "each channel": colour[0], "8 bit": plain}),
        "unit 5": (patches[1], {"grey": grey[1], "each channel": colour[1], "8 bit": plain}),
    }
    figure = component_rows(rows)
    assert len(figure.axes) == 8
    side = patches.shape[-1]
    for i, part in enumerate(figure.subfigs):
        assert [axes.get_title(loc="left") for axes in part.axes] == [
            "25 strongest of 40", "grey", "each channel", "8 bit"
        ]  # fmt: skip
        left, *views = [np.asarray(axes.images[0].get_array()) for axes in part.axes]
        assert left.shape == (5 * (side + 2), 5 * (side + 2), 3)
        second = left[1 : side + 1, side + 3 : 2 * side + 3].transpose(2, 0, 1)
        np.testing.assert_allclose(second, patches[i, 1], atol=1e-6)
        for view, given in zip(
            views, (grey[i][:, None].expand(-1, 3, -1, -1), colour[i]), strict=False
        ):
            for n, one in enumerate(given):
                x = n * (side + 2) + 1
                shown = view[1 : side + 1, x : x + side].transpose(2, 0, 1)
                expected = 0.5 + 0.5 * one / (one.abs().max() or 1)
                np.testing.assert_allclose(shown, expected, atol=1e-6)
        first = views[2][1 : side + 1, 1 : side + 1].transpose(2, 0, 1)
        np.testing.assert_allclose(first, plain[0] / 255, atol=1e-6)
    zero = np.asarray(figure.subfigs[0].axes[2].images[0].get_array())
    assert (zero[1 : side + 1, -side - 1 : -1] == 0.5).all()
    figure.draw_without_rendering()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    for n, a in enumerate(boxes):
        for b in boxes[n + 1 :]:
            assert a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
    assert not overlaps(figure)
    assert figure._repr_png_()


def test_one_view_is_large_and_few_or_no_patches_leave_room(patches):
    views = {"grey": components(patches[0].mean(1))}
    figure = component_rows({"many": (patches[0], views), "few": (patches[0, :3], views),
                             "none": (patches[0, :0], {"grey": np.zeros((0, 8, 8))})})  # fmt: skip
    tiled = figure.subfigs[0].axes[1].images[0].get_array()
    assert tiled.shape[:2] == (2 * 26, 4 * 26)
    titles = [part.axes[0].get_title(loc="left") for part in figure.subfigs]
    assert titles == ["25 strongest of 40", "3 strongest of 3", "0 strongest of 0"]
    assert not overlaps(figure)
    assert figure._repr_png_()


def test_points_stand_at_their_sizes_with_luck_and_bounds(world):
    lengths = [5, 10, 20, 50]
    curves = {layer: by_list_length(world.record, layer, lengths) for layer in ("conv2", "conv5")}
    figure = index_against_size(curves, x_label="images of a unit")
    axes = figure.axes[0]
    shown = lines(axes)
    for (name, table), ends in zip(curves.items(), bars(axes), strict=False):
        np.testing.assert_array_equal(shown[name].get_xydata(), table[["size", "degree"]])
        np.testing.assert_array_equal(ends, table[["low", "high"]])
    np.testing.assert_array_equal(shown["random rows"].get_ydata(), curves["conv2"]["null"])
    bottom, top = axes.get_ylim()
    *_, lower, upper = [c.get_segments() for c in axes.collections]
    for n, row in enumerate(curves["conv2"].itertuples()):
        np.testing.assert_allclose(lower[n], [(row.size, bottom),
                                              (row.size, np.clip(row.smallest, bottom, top))])  # fmt: skip
        np.testing.assert_allclose(upper[n], [(row.size, np.clip(row.largest, bottom, top)),
                                              (row.size, top)])  # fmt: skip
    assert [label.get_text() for label in axes.get_xticklabels()] == ["50", "20", "10", "5"]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert {"random rows", "out of reach", "images of a unit", "MF degree"} <= set(words(figure))
    assert not overlaps(figure)


def sizes_table(sizes, degree):
    n = len(sizes)
    return pd.DataFrame({"size": sizes, "degree": degree, "low": NAN, "high": NAN, "null": 1.0,
                         "smallest": [1e-8] * n, "largest": [INF] * n})  # fmt: skip


def test_crowded_sizes_keep_their_ticks_and_infinities_are_left_out():
    sizes = [1000, 1010, 20000, 28800]
    figure = index_against_size(
        {"conv1": sizes_table(sizes, [0.7, NAN, INF, 0.9])}, x_label="images"
    )
    axes = figure.axes[0]
    assert lines(axes)["conv1"].get_xdata().tolist() == [1000, 28800]
    assert sorted(axes.xaxis.get_majorticklocs()) == [1010, 20000, 28800]
    assert list(axes.xaxis.get_minorticklocs()) == [1000]
    assert axes.get_ylim() == pytest.approx((0.7 / 1.6, 1.6))
    assert "1,010" in words(figure)
    assert not overlaps(figure)
    assert index_against_size({"conv1": sizes_table([48], [0.7])}, x_label="classes")._repr_png_()


UNKNOWN = pd.DataFrame({"stage": ["a", "b"], "n_images": 0, "gini": NAN, "flatness": -1.0,
                        "ratio": [INF, NAN]})  # fmt: skip
EMPTY = pd.DataFrame(NAN, ["a"], ["multi", "single", "largest", "smallest"])


@pytest.mark.parametrize(
    "draw",
    [
        lambda into: distributions(UNKNOWN, into=into),
        lambda into: distributions(UNKNOWN.iloc[:0], UNKNOWN, into=into),
        lambda into: degree_profile(UNKNOWN, into=into),
        lambda into: degree_profile(UNKNOWN.iloc[:0], UNKNOWN, into=into),
        lambda into: draw_counts(EMPTY, mean=NAN, into=into),
        lambda into: draw_counts(EMPTY.iloc[:0], mean=NAN, into=into),
        lambda into: similarity_maps({"conv1": np.full((2, 2), NAN)}, into=into),
        lambda into: similarity_maps({}, into=into),
        lambda into: component_rows({}, into=into),
        lambda into: index_against_size({"a": sizes_table([1], [NAN])}, x_label="x", into=into),
        lambda into: index_against_size({}, x_label="x", into=into),
    ],
)  # fmt: skip
def test_nothing_to_show_is_said(draw):
    figure = draw(None)
    assert words(figure) == ["nothing to show"]
    assert figure._repr_png_()
    part = canvas(4.0).subfigures(1, 2)[0]
    assert isinstance(draw(part), SubFigure)
    assert words(part) == ["nothing to show"]


def test_a_column_without_values_says_so_beside_one_with_values():
    table = UNKNOWN.assign(n_images=9, gini=[0.2, 0.4], flatness=NAN)
    figure = distributions(table)
    assert words(figure).count("nothing to show") == 1
    assert f"{LEFT_OUT}2 of 2 (trained)" in words(figure)
    assert not overlaps(figure)
