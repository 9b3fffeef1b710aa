"""Figures of opponent responses draw each unit and class once, and chance where it is."""

import numpy as np
import pytest
import torch

from helpers.categories import classes_of
from helpers.figures import ends_scatter, ladder, list_sensitivity
from helpers.figures.style import ABOVE, canvas
from helpers.selectivity.category import category_indexes
from helpers.selectivity.opponency import (
    PART,
    expected_if_shifted,
    first_share,
    list_length,
    listed_share,
)

from .test_profiles import NAN, lines, overlaps, words


@pytest.fixture(scope="module")
def dogs(googlenet):
    """(classes, images) bool of the record's dogs."""
    classes = classes_of("dog", googlenet.class_names)
    return classes, classes[googlenet.classes]


def ends_of(record, dogs, name, part=PART):
    classes, member = dogs
    top, bottom = first_share(record[name], "max / min", len(member), part)
    index = category_indexes(record[name], classes)["share"].to_numpy()
    return listed_share(top, member), listed_share(bottom, member), index


def dots(axes):
    """Others and marked units of a panel, (n, 2) each."""
    others, marked = (np.asarray(c.get_offsets()) for c in axes.collections)
    return others, marked


def chance_lines(axes):
    found = [line for line in axes.lines if line.get_linestyle() == "--"]
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in found]


def test_every_unit_of_a_real_block_is_a_dot(googlenet, dogs):
    names = [name for name in googlenet.layers if name.startswith("inception_4")][:11]
    panels = {name: ends_of(googlenet, dogs, name) for name in names}
    member = dogs[1]
    chance = member.double().mean().item()
    tops = torch.linspace(0, 1, 30)
    n_listed = list_length(len(member), PART)
    null = expected_if_shifted(tops, chance, len(member), n_listed)[0]
    figure = ends_scatter(panels, chance=chance, threshold=0.55, expected=(tops, null))
    assert len(figure.axes) == 11
    n_marked = 0
    for axes, (name, (top, bottom, index)) in zip(figure.axes, panels.items(), strict=True):
        points, strong = np.stack([top, bottom], 1), index >= 0.55
        for drawn, expected in zip(dots(axes), (points[~strong], points[strong]), strict=True):
            np.testing.assert_array_equal(drawn, expected)
        n_marked += strong.sum()
        assert axes.get_title() == f"{name}\n▲ {strong.sum()} of {len(top)}"
        assert chance_lines(axes) == [([chance] * 2, [0, 1]), ([0, 1], [chance] * 2)]
        (curve,) = [line for line in axes.lines if len(line.get_xdata()) == 30]
        np.testing.assert_allclose(curve.get_ydata(), null)
        assert axes.get_xlim() == axes.get_ylim() == (-0.03, 1.03)
    n_units = sum(len(index) for _, _, index in panels.values())
    said = words(figure)
    assert f"index 0.55 or more: {n_marked:,} units" in said
    assert f"others: {n_units - n_marked:,}" in said
    assert said.count("chance") == said.count("a shift alone") == 1
    assert {"dogs among the strongest images", "dogs among the most negative images"} <= set(said)
    assert not overlaps(figure)
    assert figure._repr_png_()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 12])
def test_panels_have_room_and_numbers(n):
    rng = np.random.default_rng(n)
    panels = {f"inception_4c, mean / mean, {i}": rng.random((3, 50)) for i in range(n)}
    figure = ends_scatter(panels, chance=0.25, category="faces")
    assert not overlaps(figure)
    assert len(figure.axes) == n
    said = words(figure)
    columns, rows = min(n, 3), -(-n // 3)
    # Numbers left of the first panel of each row and below the last panel of each column.
    assert said.count("100%") == columns + rows
    assert "faces among the strongest images" in said
    assert "a shift alone" not in said


def test_units_without_a_share_are_left_out_and_without_index_not_marked():
    top, bottom = [0.1, NAN, 0.3, 0.4, 0.5], [0.2, 0.2, NAN, 0.6, 0.7]
    figure = ends_scatter({"a": (top, bottom, [0.7, 0.9, 0.9, NAN, 0.69])}, chance=0.5)
    others, marked = dots(figure.axes[0])
    assert others.tolist() == [[0.4, 0.6], [0.5, 0.7]]
    assert marked.tolist() == [[0.1, 0.2]]
    assert {"index 0.7 or more: 1 units", "others: 2"} <= set(words(figure))


def test_marked_units_differ_in_more_than_colour():
    axes = ends_scatter({"a": ([0.1, 0.2], [0.3, 0.4], [0.9, 0.1])}, chance=0.5).axes[0]
    others, marked = axes.collections
    assert len(others.get_paths()[0]) != len(marked.get_paths()[0])
    assert marked.get_sizes()[0] > others.get_sizes()[0]


def test_a_ladder_has_every_class_and_names_those_in_question(googlenet, dogs):
    layer, (classes, _) = googlenet["inception_4c.1x1"], dogs
    means = layer.means["mean"].clone()
    means[:, 7] = torch.nan
    index = category_indexes(layer, classes)["share"].to_numpy()
    units = np.argsort(-index)[:6]
    rows = {f"unit {u}": (means[u], classes, googlenet.class_names) for u in units}
    figure = ladder(rows, measure="mean response to the class")
    names = np.array([name.split("-", 1)[-1].replace("_", " ") for name in googlenet.class_names])
    for axes, unit in zip(figure.axes, units, strict=True):
        category, others = (np.asarray(c.get_offsets()) for c in axes.collections[:2])
        values = means[unit].numpy()
        inside = classes.numpy() & ~np.isnan(values)
        np.testing.assert_allclose(category[:, 0], values[inside], rtol=1e-6)
        np.testing.assert_allclose(others[:, 0], values[~classes.numpy()], rtol=1e-6)
        assert category[:, 1].min() > others[:, 1].max()
        lowest = np.argsort(np.where(inside, values, np.inf))[:3]
        highest = np.argsort(np.where(classes.numpy(), -np.inf, values))[-3:]
        written = [text.get_text() for text in axes.texts]
        expected = [names[c].rsplit("/", 1)[-1] for c in [*lowest, *highest]]
        assert len(written) == 6
        assert all(e.startswith(w.rstrip("…")) for w, e in zip(written, expected, strict=True))
        zero = axes.lines[0]
        assert list(zero.get_xdata()) == [0, 0]
    assert set(rows) <= set(words(figure))
    assert not overlaps(figure)
    assert figure._repr_png_()


def test_names_of_a_ladder_whose_classes_coincide():
    names = [f"n0208{i:04d}-black-and-tan_coonhound_{i}" for i in range(10)]
    for edge in (-1.0, 1.0):
        means = np.where(np.arange(10) < 5, edge, edge + 1e-3)
        rows = {"unit": (means, np.arange(10) < 5, names)}
        assert not overlaps(ladder(rows, measure="mean"))


def test_a_ladder_without_one_side():
    figure = ladder({"u": ([1.0, 2.0], [True, True], ["a", "b"])}, measure="mean", category="faces")
    assert [len(c.get_offsets()) for c in figure.axes[0].collections[:2]] == [2, 0]
    assert "faces, one dot a class" in words(figure)
    assert not overlaps(figure)


def test_list_lengths_are_drawn_in_per_cent(googlenet, dogs):
    parts = np.array([0.001, 0.0025, 0.005, 0.01, 0.025])
    names = ["inception_3b.1x1", "inception_4b.1x1", "inception_4c.1x1", "inception_4d.1x1",
             "inception_4e.1x1", "inception_5b.1x1"]  # fmt: skip
    series = {}
    for name in names:
        bottoms = [np.median(ends_of(googlenet, dogs, name, part)[1]) for part in parts]
        series[name] = (parts, bottoms)
    series[names[0]][1][-1] = NAN  # a shorter list
    chance = dogs[1].double().mean().item()
    figure = list_sensitivity(series, chance=chance)
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    for name, line in lines(axes).items():
        shares = np.array(series[name][1])
        np.testing.assert_array_equal(line.get_xdata(), parts[~np.isnan(shares)])
        np.testing.assert_array_equal(line.get_ydata(), shares[~np.isnan(shares)])
    assert list(lines(axes)) == names
    assert len({line.get_marker() for line in lines(axes).values()}) == 6
    assert {*names, "chance", "0.1%", "1%", "2%"} <= set(words(figure)), words(figure)
    (dashed,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert list(dashed.get_ydata()) == [chance, chance]
    assert not overlaps(figure)
    # Names stand outside the axes, where no line is.
    right = axes.get_window_extent().x1
    assert all(text.get_window_extent().x0 > right for text in axes.texts)


def test_six_lines_that_end_in_one_point_have_six_names():
    series = {f"a name that needs two lines, {i}": ([0.01, 0.1], [0.1 * i, 0.5]) for i in range(6)}
    figure = list_sensitivity(series, chance=0.5)
    assert not overlaps(figure)


def test_one_length_is_a_tick_of_its_own():
    figure = list_sensitivity({"a": ([0.025], [0.4])}, chance=0.5)
    assert "2.5%" in words(figure)


@pytest.mark.parametrize(
    "draw",
    [
        lambda into: ends_scatter({"a": ([NAN], [0.2], [0.9])}, chance=0.5, into=into),
        lambda into: ends_scatter({}, chance=0.5, into=into),
        lambda into: ladder({"u": ([NAN, NAN], [True, False], ["a", "b"])}, measure="m", into=into),
        lambda into: list_sensitivity({"a": ([0.1], [NAN])}, chance=0.5, into=into),
    ],
)
def test_nothing_to_show_is_said(draw):
    figure = draw(None)
    assert words(figure) == ["nothing to show"]
    assert figure._repr_png_()
    part = canvas(4.0).subfigures(1, 2)[1]
    draw(part)
    assert words(part) == ["nothing to show"]


def test_one_empty_panel_or_row_says_so():
    full, empty = ([0.1], [0.2], [0.9]), ([NAN], [NAN], [0.9])
    assert words(ends_scatter({"a": full, "b": empty}, chance=0.5)).count("nothing to show") == 1
    rows = {"a": ([1.0, 2.0], [True, False], "xy"), "b": ([NAN, NAN], [True, False], "xy")}
    assert words(ladder(rows, measure="mean")).count("nothing to show") == 1


def test_two_of_them_share_a_figure():
    whole = canvas(9.0)
    upper, lower = whole.subfigures(2, 1)
    ends_scatter({"a": ([0.1], [0.2], [0.9]), "b": ([0.1], [0.2], [0.9])}, chance=0.5, into=upper)
    ladder({"u": ([1.0, 2.0], [True, False], "xy")}, measure="mean", into=lower)
    assert not overlaps(whole)
    assert whole._repr_png_()


def test_the_category_is_vermillion():
    from matplotlib.colors import to_hex

    axes = ladder({"u": ([1.0, 2.0], [True, False], "xy")}, measure="mean").axes[0]
    assert to_hex(axes.collections[0].get_facecolor()[0]).upper() == ABOVE
