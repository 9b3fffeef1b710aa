"""Profiles draw every number they are given, name every series, and let no label cover another."""

import numpy as np
import pytest
import torch
from matplotlib.figure import SubFigure
from matplotlib.text import Text

from helpers.figures import binned_scatter, dose, effects, layer_profiles
from helpers.figures.profiles import COLOURS, MARKERS, apart, merged_order, quantile_bins
from helpers.figures.style import canvas
from helpers.selectivity import category_auc

NAN = float("nan")


def shown_texts(figure):
    """Every text that is drawn, tick labels outside the axes' limits left out."""
    figure.canvas.figure.draw_without_rendering()
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (high - low)
            inside = [
                low - slack <= tick.get_loc() <= high + slack for tick in axis.get_major_ticks()
            ]
            for tick, seen in zip(axis.get_major_ticks(), inside, strict=True):
                if not (seen and axes.axison):
                    hidden |= {tick.label1, tick.label2}
    found = figure.findobj(lambda one: isinstance(one, Text) and one.get_visible())
    return [text for text in found if text.get_text().strip() and text not in hidden]


def overlaps(figure):
    """Pairs of texts whose boxes share more than a pixel, and texts that leave the figure."""
    texts = shown_texts(figure)
    boxes = [text.get_window_extent() for text in texts]
    whole, found = figure.canvas.figure.bbox, []
    for i, (a, text) in enumerate(zip(boxes, texts, strict=True)):
        if a.x0 < -1 or a.y0 < -1 or a.x1 > whole.x1 + 1 or a.y1 > whole.y1 + 1:
            found.append((text.get_text(), "leaves the figure"))
        for b, other in zip(boxes[:i], texts[:i], strict=True):
            if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1:
                found.append((text.get_text(), other.get_text()))
    return found


def words(figure):
    return [text.get_text() for text in shown_texts(figure)]


def lines(axes):
    """The lines of the series by name; helping lines have none."""
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def bars(axes):
    """Ends (n, 2) of the interval bars of every series."""
    drawn = [c.get_segments() for c in axes.collections if hasattr(c, "get_segments")]
    return [np.array([ends[:, 1] for ends in one if len(ends)]) for one in drawn]


def dashed(axes):
    (line,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    return line


def test_the_overlap_test_finds_a_planted_overlap():
    figure = canvas(2.0)
    axes = figure.subplots()
    assert not overlaps(figure)
    axes.text(0.5, 0.5, "one")
    axes.text(0.52, 0.5, "two")
    assert overlaps(figure) == [("two", "one")]


@pytest.fixture(scope="module")
def of_layers(googlenet):
    """Shares of positive responses in all 38 layers: median unit, lower and upper quartile."""
    found = {}
    for name in googlenet.layers:
        part = (googlenet[name].means["mean"] > 0).double().mean(1).numpy()
        found[name] = (np.median(part), *np.quantile(part, (0.25, 0.75)))
    return found


def test_all_layers_of_a_real_network(of_layers):
    figure = layer_profiles({"all": of_layers}, measure="classes with a positive mean", chance=0.5)
    axes = figure.axes[0]
    values = np.array(list(of_layers.values()))
    np.testing.assert_array_equal(lines(axes)["all"].get_ydata(), values[:, 0])
    np.testing.assert_array_equal(bars(axes)[0], values[:, 1:])
    assert [label.get_text() for label in axes.get_xticklabels()] == list(of_layers)
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {90.0}
    assert dashed(axes).get_ydata() == [0.5, 0.5]
    assert {"chance", "all", "classes with a positive mean"} <= set(words(figure))
    assert not overlaps(figure)
    assert figure._repr_png_()


def test_six_series_some_without_some_layers():
    layers = [f"conv{i}" for i in range(1, 8)]
    rng = np.random.default_rng(0)
    series = {}
    for i in range(6):
        kept = [layer for j, layer in enumerate(layers) if j != i]
        series[f"a series with a rather long name, {i}"] = {
            layer: (v, v - 0.05, v + 0.05) for layer, v in zip(kept, rng.random(6), strict=True)
        }
    series["a series with a rather long name, 2"]["conv2"] = (NAN, NAN, NAN)
    figure = layer_profiles(series, measure="share")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == layers
    assert list(lines(axes)) == list(series)
    for name, line in lines(axes).items():
        np.testing.assert_array_equal(line.get_ydata(), [v for v, _, _ in series[name].values()])
        ticks = np.round(line.get_xdata()).astype(int)
        assert [layers[t] for t in ticks] == list(series[name])
    assert len({line.get_marker() for line in lines(axes).values()}) == 6
    assert len({line.get_color() for line in lines(axes).values()}) == 6
    assert [len(one) for one in bars(axes)] == [6, 6, 5, 6, 6, 6]
    assert set(series) <= set(words(figure))
    assert not overlaps(figure)
    # The legend is above the axes, where no data are.
    assert figure.legends[0].get_window_extent().y0 >= axes.get_window_extent().y1


def test_a_seventh_series_is_refused():
    one = {"conv1": (0.5, 0.4, 0.6)}
    with pytest.raises(ValueError, match="6 series"):
        layer_profiles({str(i): one for i in range(7)}, measure="share")
    assert len(COLOURS) == len(set(COLOURS)) == len(MARKERS) == 6


@pytest.mark.parametrize(
    ("orders", "merged"),
    [
        (["abc", "ac"], "abc"),
        (["ac", "abc"], "abc"),
        (["cd", "abc"], "abcd"),
        (["ab", "cd"], "abcd"),
        (["bd", "abcde"], "abcde"),
        (["bcd", "acd", "abd"], "abcd"),  # the first two alone would let b come before a
        (["ab", "ba"], "ab"),
        ([], ""),
    ],
)
def test_layers_of_several_series_in_order(orders, merged):
    assert "".join(merged_order(orders)) == merged


def test_doses_stand_in_order_at_equal_distances(world):
    """Of the world's dogs, 1, 3, 6 or 12 breeds: how well conv5's units tell them from the rest."""
    record = world.record
    responses = record["conv5"].responses["mean"]
    rows = []
    for n in (12, 1, 6, 3):
        category = np.isin(record.classes, np.arange(n))
        auc = category_auc(responses, torch.from_numpy(category))
        seeds = [auc[i::3].median().item() for i in range(3)]
        rows.append((n, [*seeds, NAN], (min(seeds), max(seeds))))
    figure = dose({"conv5": rows}, x_label="breeds", measure="AUC", chance=0.5)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "3", "6", "12"]
    np.testing.assert_array_equal(axes.get_xticks(), [0, 1, 2, 3])
    ordered = sorted(rows)
    dots = [c for c in axes.collections if not hasattr(c, "get_segments")]
    for drawn, (_, seeds, _) in zip(dots, ordered, strict=True):
        np.testing.assert_array_equal(np.asarray(drawn.get_offsets())[:, 1], seeds[:3])
    means = [np.mean(seeds[:3]) for _, seeds, _ in ordered]
    np.testing.assert_allclose(lines(axes)["conv5"].get_ydata(), means)
    np.testing.assert_array_equal(bars(axes)[0], [ends for _, _, ends in ordered])
    assert dashed(axes).get_ydata() == [0.5, 0.5]
    assert {"chance", "conv5", "breeds", "AUC"} <= set(words(figure))
    assert not overlaps(figure)


def test_doses_that_one_series_lacks():
    series = {
        "a": [(1, [0.1], (NAN, NAN)), (12, [0.3, 0.5], (0.2, 0.6))],
        "b": [(6, [0.2], (0, 0.4))],
    }
    axes = dose(series, x_label="labels", measure="share").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "6", "12"]
    np.testing.assert_allclose(lines(axes)["a"].get_ydata(), [0.1, 0.4])
    assert [np.round(line.get_xdata()).tolist() for line in lines(axes).values()] == [[0, 2], [1]]
    assert [one.tolist() for one in bars(axes)] == [[[0.2, 0.6]], [[0, 0.4]]]


def test_effects_are_written_and_drawn():
    rows = {
        "trained on fine labels": (0.31, 0.25, 0.37),
        "after colour, contrast and edge energy have been regressed out of the responses": (
            -0.12, -0.2, -0.04,
        ),
        "not measured": (NAN, NAN, NAN),
        "without interval": (0.05, NAN, NAN),
    }  # fmt: skip
    figure = effects(rows, measure="excess", reference=0.1, written="{:.2f}".format)
    axes = figure.axes[0]
    drawn = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in drawn] == [0.31, -0.12, 0.05]
    spans = [line.get_xdata() for line in axes.lines if line.get_marker() == "None"][:2]
    assert [list(span) for span in spans] == [[0.25, 0.37], [-0.2, -0.04]]
    assert dashed(axes).get_xdata() == [0.1, 0.1]
    assert [text.get_text() for text in axes.texts] == [
        "0.31  [0.25, 0.37]", "\N{MINUS SIGN}0.12  [\N{MINUS SIGN}0.20, \N{MINUS SIGN}0.04]", "none", "0.05",
    ]  # fmt: skip
    labels = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    assert labels == list(rows)
    colours = [line.get_color() for line in drawn]
    assert colours[0] != colours[1] == colours[2]
    assert not overlaps(figure)


def test_twenty_effects_have_room():
    rows = {
        f"an effect whose name takes two lines, number {i}": (i, i - 1, i + 1) for i in range(20)
    }
    assert not overlaps(effects(rows, measure="effect"))


def test_bins_hold_equally_many_and_show_their_quartiles():
    rng = np.random.default_rng(1)
    x = rng.permutation(7140) / 7140
    y = x**2
    y[:40] = NAN
    figure = binned_scatter(x, y, x_label="distance", y_label="confusion", n_bins=10)
    axes = figure.axes[0]
    assert len(axes.collections[0].get_offsets()) == 7100
    (medians,) = axes.lines
    x, y = x[40:], y[40:]
    order = np.argsort(x).reshape(10, 710)
    np.testing.assert_allclose(medians.get_ydata(), np.median(y[order], axis=1), rtol=1e-12)
    np.testing.assert_allclose(medians.get_xdata(), np.median(x[order], axis=1), rtol=1e-12)
    expected = np.quantile(y[order], (0.25, 0.75), axis=1).T
    np.testing.assert_allclose(bars(axes)[0], expected, rtol=1e-12)
    assert {"7,100 dots", "distance", "confusion"} <= set(words(figure))
    assert not overlaps(figure)


def test_equal_values_stay_in_one_bin():
    found = quantile_bins(np.array([0.0] * 8 + [1.0, 2.0]), np.arange(10.0), 5)
    assert found[0].tolist() == [0.0, 1.75, 3.5, 5.25]
    assert len(found) == 2
    assert quantile_bins(np.ones(3), np.array([1.0, 2.0, 6.0]), 4).tolist() == [[1, 1.5, 2, 4]]
    assert quantile_bins(np.array([5.0]), np.array([7.0]), 10).tolist() == [[5, 7, 7, 7]]


@pytest.mark.parametrize("seed", range(5))
def test_labels_apart_do_not_overlap_and_stay_inside(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(0.02, 0.15, 8)
    places = rng.uniform(0, 1, 8)
    found = apart(places, sizes, 0, 1)
    order = np.argsort(places, kind="stable")
    gaps = np.diff(found[order]) - (sizes[order][1:] + sizes[order][:-1]) / 2
    assert gaps.min() > -1e-12
    assert (found - sizes / 2).min() > -1e-12 and (found + sizes / 2).max() < 1 + 1e-12


def test_labels_with_room_stay_where_they_are_and_pairs_move_equally():
    np.testing.assert_allclose(apart([0.8, 0.2], [0.1, 0.1], 0, 1), [0.8, 0.2])
    np.testing.assert_allclose(apart([0.5, 0.5], [0.2, 0.2], 0, 1), [0.4, 0.6])
    np.testing.assert_allclose(apart([1.0, 0.9], [0.2, 0.2], 0, 1), [0.9, 0.7])
    assert apart([], [], 0, 1).tolist() == []


@pytest.mark.parametrize(
    "draw",
    [
        lambda into: layer_profiles({"a": {"conv1": (NAN, 0, 1)}}, measure="share", into=into),
        lambda into: layer_profiles({}, measure="share", into=into),
        lambda into: dose({"a": [(1, [NAN], (0, 1)), (3, [], (0, 1))]}, x_label="n", measure="m",
                          into=into),
        lambda into: effects({"a": (NAN, 0, 1)}, measure="m", into=into),
        lambda into: binned_scatter([NAN, 1], [1, NAN], x_label="x", y_label="y", into=into),
    ],
)  # fmt: skip
def test_nothing_to_show_is_said(draw):
    figure = draw(None)
    assert words(figure) == ["nothing to show"]
    assert figure._repr_png_()
    part = canvas(4.0).subfigures(1, 2)[0]
    assert isinstance(draw(part), SubFigure)
    assert words(part) == ["nothing to show"]


def test_two_profiles_share_a_figure():
    whole = canvas(7.0)
    upper, lower = whole.subfigures(2, 1)
    series = {"a": {"conv1": (0.2, 0.1, 0.3)}, "b": {"conv1": (0.6, 0.5, 0.7)}}
    layer_profiles(series, measure="share", chance=0.5, into=upper)
    effects({"a": (0.2, 0.1, 0.3)}, measure="excess", into=lower)
    assert not overlaps(whole)
    assert whole._repr_png_()
