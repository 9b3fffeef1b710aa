"""The map of units in a plane: every unit at its point, the marked ones marked, indexes on the card."""

import numpy as np
import pytest

from helpers.errors import SelectivityError
from helpers.explorers.plane_map import plane_map

from .maps import profile_table
from .test_unit_map import keys, values

pytestmark = pytest.mark.usefixtures("one_thread")
AXES = ("first axis", "second axis")


def made(study, **changes):
    table = profile_table()
    points = np.stack([np.linspace(-3, 3, len(table)), np.linspace(1, -1, len(table))], 1)
    points[4] = np.nan
    given = {"columns": {"gini": "Gini index"}, "axes": AXES, **changes}
    return plane_map(study, table, points, **given), table, points


def test_units_are_at_their_points(study):
    found, table, points = made(study)
    there = [i for i in range(len(table)) if i != 4]
    assert keys(found) == [(table.layer[i], table.unit[i]) for i in there]
    assert values(found, "first axis") == pytest.approx(points[there, 0], abs=1e-3)
    assert values(found, "second axis") == pytest.approx(points[there, 1], abs=1e-3)
    for axis, column in (("x", 0), ("y", 1)):
        ends = found.data[axis]
        assert ends["from"] <= points[there, column].min()
        assert points[there, column].max() <= ends["to"] and ends["line"] == 0
        assert ends["name"] == AXES[column]
    assert found.data["view"] == "ends" and set(found.data["what"].values()) == {"strongest patch"}


def test_the_card_has_the_other_indexes(study):
    found, table, _ = made(study)
    gini = values(found, "Gini index")
    for key, value in zip(keys(found), gini, strict=True):
        expected = table[(table.layer == key[0]) & (table.unit == key[1])].gini.item()
        assert value is None if np.isnan(expected) else value == pytest.approx(expected, rel=1e-3)


def test_marked_units_are_marked_and_the_farthest_is_open(study):
    marked = np.zeros(36, dtype=bool)
    marked[[4, 20, 30]] = True  # 4 has no place
    found, *_ = made(study, marked=marked, names=("opponent units", "others"))
    chosen = [i for i, mark in enumerate(found.data["mark"]) if mark]
    assert chosen == [19, 29] and found.data["start"] == 29
    assert found.data["key"] == [["mark", "opponent units: 2"], ["dot", "others: 33"]]
    plain, *_ = made(study)
    assert plain.data["key"] == [["dot", "others: 35"]] and plain.data["start"] in (0, 34)


def test_the_same_map_gives_the_same_page(study):
    assert made(study)[0].html == made(study)[0].html


def test_no_unit_has_a_place(study):
    table = profile_table()
    with pytest.raises(SelectivityError, match="no unit has a value"):
        plane_map(study, table, np.full((len(table), 2), np.nan), columns={}, axes=AXES)
