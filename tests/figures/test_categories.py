"""Figures of a category's detectors draw the numbers they are given; no name covers another."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import SubFigure

from helpers.figures import complexity_chart, pair_scatter, representatives, threshold_curves
from helpers.figures.categories import SHARES, _with_room
from helpers.figures.strips import entries
from helpers.figures.style import ABOVE, BELOW, FAINT, canvas, readable, short
from helpers.selectivity import category_auc
from tests.figures.test_profiles import lines, overlaps, words

NAN = float("nan")
SPACE = "\N{NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def curves(world):
    """Units of conv5 whose AUC for a category is at least the threshold, and by shuffled labels."""
    responses, classes = world.record["conv5"].responses["mean"], np.asarray(world.record.classes)
    shuffled = np.random.default_rng(0).permutation(classes)
    thresholds = np.linspace(0.5, 1, 26)
    found = {}
    for name, n in (("dogs", 12), ("first breed", 1), ("cats too", 20)):
        rows = [category_auc(responses, torch.from_numpy(c < n)) for c in (classes, shuffled)]
        kept = [(auc.numpy()[:, None] >= thresholds).mean(0) for auc in rows]
        found[name] = (thresholds, *kept)
    return found


def test_curves_are_the_proportions_and_luck_has_one_name(curves):
    given = {**curves, "no luck known": (*curves["dogs"][:2], None)}
    figure = threshold_curves(given, x_label="AUC", measure="units", marked=0.75)
    axes = figure.axes[0]
    solid = lines(axes)
    assert list(solid) == list(given)
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    for name, (x, y, _) in given.items():
        np.testing.assert_array_equal(solid[name].get_xydata(), np.transpose([x, y]))
    for line, (name, (_, _, luck)) in zip(dashed, curves.items(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), luck)
        assert line.get_color() == solid[name].get_color()
    assert words(figure).count("labels shuffled") == 1
    assert {"0.75", "AUC", "units", *given} <= set(words(figure))
    (upright,) = [line for line in axes.lines if list(line.get_xdata()) == [0.75, 0.75]]
    assert upright.get_linestyle() == "-"
    assert not overlaps(figure)
    assert figure._repr_png_()


@pytest.mark.parametrize("marked", [0.0, 0.01, 1.0])
def test_six_curves_leave_nan_out_and_the_threshold_is_free(marked):
    x = np.linspace(0, 1, 11)
    given = {f"a category, number {i}": (x, np.where(x == 0.5, NAN, 1 - x), None) for i in range(6)}
    figure = threshold_curves(given, x_label="threshold", measure="units", marked=marked)
    for line in lines(figure.axes[0]).values():
        assert line.get_xdata().tolist() == [v for v in x if v != 0.5]
    assert {f"{marked:g}", "100%"} <= set(words(figure))
    assert "labels shuffled" not in words(figure)
    assert not overlaps(figure)


def test_pictures_made_stand_first_and_columns_are_aligned(world):
    made = torch.rand(3, 8, 8)
    layer = world.record["conv5"]
    strips = [entries(world.record, world.images, layer.top, unit, n) for unit, n in
              ((3, 5), (5, 7), (7, 5))]  # fmt: skip
    rows = {
        "dogs": ((made, "reaches 12.4, twice its best image"), *strips[0]),
        "cats": (made, *strips[1]),
        "drums": (None, *strips[2]),
        "none": (None, [], [], []),
    }
    figure = representatives(rows)
    parts = figure.subfigs
    assert [part.texts[0].get_text() for part in parts] == list(rows)
    headings = ["made for the unit" in words(part) for part in parts]
    assert headings == [True, True, False, False]
    for part in parts[:2]:
        first = part.subfigs[0].axes[0]
        drawn = np.asarray(first.images[0].get_array())
        np.testing.assert_allclose(drawn, made.numpy().transpose(1, 2, 0))
        assert len(first.patches) == 1  # the frame
    assert "reaches 12.4,\ntwice its best…" in words(parts[0])
    assert "nothing to show" in words(parts[3])
    lefts = []
    for part, (pictures, values, _) in zip(parts[:3], strips, strict=True):
        axes = part.subfigs[-1].axes
        assert len(axes) == len(pictures) == len(values)
        for one, picture in zip(axes, pictures, strict=True):
            np.testing.assert_array_equal(np.asarray(one.images[0].get_array()), picture)
        lefts.append([one.get_window_extent().x0 for one in axes])
    np.testing.assert_allclose(lefts[0], lefts[2])
    np.testing.assert_allclose(lefts[1], lefts[0] + lefts[0][:2])  # two go to the next line
    assert min(lefts[0]) > parts[0].subfigs[0].axes[0].get_window_extent().x1
    assert not overlaps(figure)
    assert figure._repr_png_()


def test_pictures_do_not_overlap_and_all_columns_serve_images_where_none_is_made():
    strip = ([torch.rand(3, 4, 4)] * 4, [1.0, 0.5, 0.2, -0.1], ["face"] * 4)
    figure = representatives({"a": (None, *strip), "b": (None, *strip)}, columns=4)
    for part in figure.subfigs:
        assert len({round(axes.get_window_extent().y0) for axes in part.subfigs[0].axes}) == 1
    figure = representatives({"a": (strip[0][0], *strip), "b": (None, *strip)}, columns=4)
    figure.draw_without_rendering()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    assert len(boxes) == 9
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0


def classes_by_layers(n_classes, layers, seed=0):
    """Detectors around one layer a class; the last class has none, the first was not measured."""
    rng = np.random.default_rng(seed)
    peaks = rng.uniform(0, len(layers) - 1, n_classes)
    values = 0.3 * np.exp(-((np.arange(len(layers)) - peaks[:, None]) ** 2) / 8)
    names = [f"n{i:08d}-a_class_{i}" for i in range(n_classes)]
    table = pd.DataFrame(values, index=names, columns=layers)
    depth = pd.Series(peaks, index=names)
    table.iloc[-1] = 0
    table.iloc[0] = NAN
    depth.iloc[[0, -1]] = NAN
    return table, depth


def named(axes):
    """{name: is it bold} of the rows, from top to bottom."""
    found = sorted(axes.texts, key=lambda text: text.get_position()[1])
    return {text.get_text(): text.get_fontweight() == "bold" for text in found}


LAYERS = [f"inception_{b}.{x}" for b in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
          for x in ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")]  # fmt: skip


@pytest.mark.parametrize(
    ("n_classes", "n_layers"), [(4, 4), (4, 54), (48, 38), (220, 4), (220, 54)]
)
def test_complexity_is_sorted_by_depth_at_every_size(n_classes, n_layers):
    table, depth = classes_by_layers(n_classes, LAYERS[:n_layers])
    marked = table.index[[1, 2]]
    figure = complexity_chart(table.sample(frac=1, random_state=1), depth, marked=marked)
    axes = figure.axes[0]
    order = depth.sort_values(na_position="last").dropna().index
    rows = len(order)
    drawn = np.ma.filled(axes.images[0].get_array(), NAN)
    np.testing.assert_array_equal(drawn[:rows], table.loc[order])
    assert sorted(map(str, drawn[rows:].sum(1))) == ["0.0", "nan"]  # those without detectors: last
    (dots,) = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(dots.get_xdata()[:rows], depth[order])
    assert np.isnan(dots.get_xdata()[rows:]).all()
    names = named(axes)
    assert [name for name, bold in names.items() if bold] == [
        readable(name) for name in order if name in marked
    ]
    assert readable(order[0]) in names
    everyone = [readable(name) for name in order]
    written = [everyone.index(name) for name in names if name in everyone]
    assert written == sorted(written)
    assert (len(names) == n_classes) if n_classes <= 48 else (40 < len(names) < n_classes)
    assert not overlaps(figure)
    assert figure.get_figheight() < 12
    assert axes.images[0].get_clim() == (0, np.nanmax(table))
    assert {"mean depth of the class's detectors", "0%"} <= set(words(figure))


def test_marked_names_that_crowd_are_all_written_apart():
    table, depth = classes_by_layers(220, [f"conv{i}" for i in range(1, 6)])
    marked = depth.sort_values().index[100:130]
    figure = complexity_chart(table, depth, marked=marked)
    names = named(figure.axes[0])
    assert [name for name, bold in names.items() if bold] == [readable(name) for name in marked]
    assert len(names) > 40
    assert not overlaps(figure)
    assert not overlaps(complexity_chart(table, depth, marked=table.index[:90]))


def test_names_are_chosen_evenly_where_there_is_room():
    assert _with_room(4, set(), 0.8) == [0, 1, 2, 3]
    assert _with_room(1, set(), 0.8) == _with_room(1, {0}, 0.8) == [0]
    assert _with_room(101, set(), 10.0) == list(range(0, 101, 10))
    assert _with_room(101, {50}, 25.0) == [0, 25, 50, 75, 100]
    assert _with_room(10, {3, 4, 5}, 2.2) == [0, 3, 4, 5, 9]


def test_written_percentages_long_names_and_shares_that_are_all_zero():
    table = pd.DataFrame([[0.0, 0.0]], index=["a_very_long_name_of_a_class"], columns=["a", "b"])
    figure = complexity_chart(table, pd.Series(dtype=float), written="{:.2f}".format)
    assert list(named(figure.axes[0])) == [short("a very long name of a class", 20)]
    assert "0.00" in words(figure) and "0%" not in words(figure)
    assert not overlaps(figure)


def test_the_colours_of_shares_darken_evenly_from_white():
    rgb = SHARES(np.linspace(0, 1, 11))[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16  # CIE 1976
    assert lightness[0] == pytest.approx(100)
    steps = -np.diff(lightness)
    assert steps.min() > 7.5 and steps.max() < 10


def test_pairs_above_the_line_are_counted(world):
    responses = world.record["conv5"].responses
    first, second = responses["mean"][:120, 3].numpy(), responses["mean"][120:240, 3].numpy().copy()
    second[:2] = first[:2]
    second[2] = NAN
    figure = pair_scatter(first, second, x_label="object", y_label="face", p=0.0314)
    axes = figure.axes[0]
    above = (second > first).sum()
    assert axes.get_title() == f"{above} of 119 above the line, 2 on it, p{SPACE}={SPACE}0.031"
    drawn = [np.asarray(dots.get_offsets()) for dots in axes.collections]
    assert [len(dots) for dots in drawn] == [above, 2, 117 - above]
    assert [np.unique(np.sign(y - x)).tolist() for x, y in map(np.transpose, drawn)] == [
        [1], [0], [-1]
    ]  # fmt: skip
    colours = [dots.get_facecolor()[0, :3].tolist() for dots in axes.collections]
    expected = [[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in (ABOVE, FAINT, BELOW)]
    np.testing.assert_allclose(colours, expected)
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert axes.get_xlim() == axes.get_ylim() == tuple(line.get_xdata())
    figure.draw_without_rendering()
    box = axes.get_window_extent()
    assert box.width == pytest.approx(box.height)
    assert not overlaps(figure)


def test_small_and_missing_p_and_pairs_that_are_all_equal():
    figures = [pair_scatter([1.0, 1.0], [1.0, 1.0], x_label="x", y_label="y", p=p)
               for p in (None, NAN, 1e-9)]  # fmt: skip
    counted = "0 of 2 above the line, 2 on it"
    titles = [figure.axes[0].get_title() for figure in figures]
    assert titles == [counted, counted, f"{counted}, p{SPACE}<{SPACE}0.001"]
    assert figures[0]._repr_png_()


EMPTY = pd.DataFrame([[NAN, NAN]], index=["face"], columns=["conv1", "conv2"])


@pytest.mark.parametrize(
    "draw",
    [
        lambda into: threshold_curves({"face": ([0, 1], [NAN, NAN], None)}, x_label="threshold",
                                      measure="units", into=into),
        lambda into: threshold_curves({}, x_label="threshold", measure="units", into=into),
        lambda into: representatives({}, into=into),
        lambda into: complexity_chart(EMPTY, pd.Series({"face": 1.0}), into=into),
        lambda into: complexity_chart(EMPTY.iloc[:0], pd.Series(dtype=float), into=into),
        lambda into: pair_scatter([NAN, 1], [1, NAN], x_label="x", y_label="y", into=into),
    ],
)  # fmt: skip
def test_nothing_to_show_is_said(draw):
    figure = draw(None)
    assert words(figure) == ["nothing to show"]
    assert figure._repr_png_()
    part = canvas(4.0).subfigures(1, 2)[0]
    assert isinstance(draw(part), SubFigure)
    assert words(part) == ["nothing to show"]


def test_two_pair_plots_and_a_chart_share_a_figure():
    whole = canvas(7.0)
    upper, lower = whole.subfigures(2, 1)
    for part in upper.subfigures(1, 2):
        pair_scatter([1, 2, 3], [2, 1, 3], x_label="object", y_label="face", p=0.01, into=part)
    complexity_chart(*classes_by_layers(10, ["conv1", "conv2"]), into=lower)
    assert not overlaps(whole)
    assert whole._repr_png_()
