"""A map of units in a plane of any two numbers, such as the main axes of their ranks.

    plane_map(study, units, points, columns={"gini": "Gini index"}, axes=("first axis", "second axis"))

A `UnitMap` like the others (`unit_map`), whose card names further indexes of the unit.
"""

import numpy as np
import pandas as pd

from helpers.explorers.unit_map import (
    UnitMap,
    _known,
    _patch_pictures,
    _unit_map,
    _value,
    value_axis,
)


def plane_map(
    study,
    units: pd.DataFrame,
    points,
    *,
    columns: dict,
    axes: tuple[str, str],
    marked=None,
    names: tuple[str, str] = ("marked units", "others"),
) -> UnitMap:
    """Every unit at its point; units with a nan point are left out.

    units: rows with `layer`, `unit` and the columns; points (U, 2), called `axes`; columns {column: its name
    on the card}; marked (U,) bool: units drawn as triangles, which come first in `names`. On the card is the
    unit's strongest patch, else a picture shipped with the book. The first unit shown is the marked one
    farthest from the middle.
    """
    points = np.asarray(points, dtype=float)
    marked = np.zeros(len(units), dtype=bool) if marked is None else np.asarray(marked, dtype=bool)
    table = units.assign(_x=points[:, 0], _y=points[:, 1], _mark=marked)
    table = _known(table, ("_x", "_y"))
    away = np.hypot(table["_x"], table["_y"]) * (1 + table["_mark"] * len(table))
    n = int(table["_mark"].sum())
    key = [["mark", f"{names[0]}: {n:,}"]] if n else []
    return _unit_map(
        study,
        table,
        f"Units by {axes[0]} and {axes[1]}",
        _patch_pictures,
        view="ends",
        values=[
            _value(axes[0], "number", table["_x"]),
            _value(axes[1], "number", table["_y"]),
            *(_value(name, "number", table[column]) for column, name in columns.items()),
        ],
        start=int(away.argmax()),
        mark=table["_mark"].astype(int).tolist(),
        key=[*key, ["dot", f"{names[1]}: {len(table) - n:,}"]],
        x=value_axis(table["_x"], axes[0], 0.0),
        y=value_axis(table["_y"], axes[1], 0.0),
    )
