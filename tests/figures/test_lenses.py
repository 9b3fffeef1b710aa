"""Figures of indexes side by side: every number is drawn where it belongs, and no label covers another."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from helpers.figures import agreement_map, compass, image_numbers, pair_profiles
from helpers.lenses import COMPARED, called

from .test_profiles import lines, overlaps, words

NAN = float("nan")
NAMES = [called(column) for column in COMPARED]


def matrices(n=12):
    random = np.random.default_rng(0)
    lower, upper = random.uniform(-1, 1, (2, n, n))
    return lower, upper


def cells_of(figure):
    """{(row, column): text} of the numbers in the cells."""
    axes = figure.axes[0]
    return {tuple(int(v) for v in t.get_position()[::-1]): t.get_text() for t in axes.texts}


def test_every_pair_has_its_number_on_its_side():
    lower, upper = matrices()
    found = cells_of(agreement_map(lower, upper, NAMES))
    assert len(found) == len(NAMES) * (len(NAMES) - 1)
    for (i, j), text in found.items():
        expected = (lower if i > j else upper)[i, j]
        assert float(text.replace("−", "-")) == pytest.approx(100 * expected, abs=0.51)
        assert i != j and "-" not in text and text != "−0"


def test_colours_are_of_the_same_numbers():
    lower, upper = matrices(4)
    image = agreement_map(lower, upper, NAMES[:4]).axes[0].images[0]
    drawn = np.ma.filled(image.get_array().astype(float), NAN)
    assert drawn[2, 0] == lower[2, 0] and drawn[0, 2] == upper[0, 2] and np.isnan(drawn[1, 1])
    assert image.get_clim() == (-1, 1)
    red, _, blue, _ = image.to_rgba(np.array([[1.0]]))[0, 0]
    assert red > 0.7 > 0.2 > blue  # vermillion: together


def test_frames_are_where_they_are_said_to_be():
    lower, upper = matrices(4)
    below, above = np.zeros((2, 4, 4), dtype=bool)
    below[2, 1] = below[1, 2] = above[0, 3] = above[3, 0] = True
    figure = agreement_map(lower, upper, NAMES[:4], framed=(below, above))
    frames = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    assert {(round(p.get_y() + 0.46), round(p.get_x() + 0.46)) for p in frames} == {(2, 1), (0, 3)}


def test_a_network_that_is_not_known_leaves_its_side_empty():
    lower, _ = matrices(4)
    lower[3, 1] = NAN
    found = cells_of(agreement_map(lower, None, NAMES[:4], framed=(None, None)))
    assert set(found) == {(1, 0), (2, 0), (2, 1), (3, 0), (3, 2)}
    assert words(agreement_map(None, None, NAMES[:4])) == ["nothing to show"]


def test_the_map_of_all_indexes_is_readable():
    ones = np.full((len(NAMES), len(NAMES)), -1.0)  # the widest text
    figure = agreement_map(ones, ones, NAMES)
    assert overlaps(figure) == []
    assert set(NAMES) <= set(words(figure))


def profile(n, value=0.5):
    return {f"conv{i}": (value - 0.1 * i, value - 0.1 * i - 0.05, value) for i in range(n)}


def test_pairs_have_a_panel_each_and_networks_a_line():
    pairs = {
        "one pair": {"trained": profile(3), "before": profile(3, -0.2)},
        "another": {"before": profile(3)},
        "third": {"trained": {"conv0": (NAN, NAN, NAN), "conv1": (0.3, 0.2, 0.4)}},
    }
    figure = pair_profiles(pairs)
    first, second, third, empty = figure.axes
    assert lines(first)["trained"].get_ydata() == pytest.approx([0.5, 0.4, 0.3])
    assert set(lines(second)) == {"before"} and not empty.axison
    assert np.isnan(lines(third)["trained"].get_ydata()[0])
    # A network looks the same in every panel, also where it is alone.
    assert lines(second)["before"].get_color() == lines(first)["before"].get_color()
    assert [a.get_title() for a in figure.axes[:3]] == list(pairs)
    assert first.get_ylim()[0] < -1 < 1 < first.get_ylim()[1]
    assert overlaps(figure) == []


def test_stages_of_googlenet_do_not_overlap():
    stages = ["conv1", "conv2", "3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
    one = {stage: (0.1, 0.0, 0.2) for stage in stages}
    titles = ("MF degree (3), class index (4)", "dog share (1), class index (4)", "c", "d")
    figure = pair_profiles({t: {"trained": one, "before training": one} for t in titles})
    assert overlaps(figure) == []
    assert words(pair_profiles({"a": {"b": {"c": (NAN, NAN, NAN)}}})) == ["nothing to show"]


def test_arrows_end_where_the_index_points():
    arrows = np.array([[0.9, 0.1], [0.88, 0.12], [-0.3, 0.2], [-0.95, -0.2], [0.1, -0.9]])
    figure = compass(arrows, NAMES[:5], [0.4, 0.25])
    axes = figure.axes[0]
    tips = [a.xy for a in axes.texts if hasattr(a, "arrowprops") and a.arrowprops]
    assert sorted(map(tuple, tips)) == sorted(map(tuple, arrows.tolist()))
    labels = {t.get_text(): t for t in axes.texts if t.get_text()}
    assert set(labels) == set(NAMES[:5])
    for name, (x, _) in zip(NAMES, arrows, strict=False):
        assert np.sign(labels[name].get_position()[0]) == np.sign(x)
    assert "40%" in axes.get_xlabel() and "25%" in axes.get_ylabel()


def test_names_of_arrows_that_point_alike_do_not_overlap():
    turn = np.linspace(0.1, 0.3, len(NAMES))
    figure = compass(np.stack([np.cos(turn), np.sin(turn)], 1), NAMES, [0.5, 0.3])
    assert overlaps(figure) == []
    assert words(compass(np.full((2, 2), NAN), NAMES[:2], [0.5, 0.5])) == ["nothing to show"]


def sizes_table():
    rows = []
    for index, far in (("balanced", 0.1), ("mf_degree", 5.0), ("area", -2.0)):
        for n, reliability in ((100, 0.3), (400, 0.8), (1600, NAN)):
            bias = far * (1600 - n) / 1500
            rows.append(
                {
                    "index": index,
                    "images": n,
                    "bias": bias,
                    "bias_low": bias - 0.1,
                    "bias_high": bias + 0.1,
                    "reliability": reliability,
                    "low": reliability - 0.1,
                    "high": reliability + 0.1,
                }  # fmt: skip
            )
    return pd.DataFrame(rows)


def test_reliability_above_and_bias_below():
    names = {"balanced": "dog share", "mf_degree": "MF degree"}
    figure = image_numbers(sizes_table(), names)
    above, below = figure.axes
    assert list(lines(above)) == list(lines(below)) == ["dog share", "MF degree"]
    assert lines(above)["MF degree"].get_ydata() == pytest.approx([0.3, 0.8])
    assert lines(below)["MF degree"].get_ydata() == pytest.approx([5, 4, 0])
    assert lines(below)["MF degree"].get_xdata() == pytest.approx([100, 400, 1600], rel=0.05)
    (level,) = [one for one in above.lines if one.get_linestyle() == "--"]
    assert set(level.get_ydata()) == {0.9}
    assert above.get_xscale() == "log" and overlaps(figure) == []


def test_nothing_measured():
    table = sizes_table().assign(reliability=NAN, bias=NAN)
    assert words(image_numbers(table, {"area": "curve area"})) == ["nothing to show"]
    assert words(image_numbers(sizes_table(), {"gini": "Gini"})) == ["nothing to show"]
