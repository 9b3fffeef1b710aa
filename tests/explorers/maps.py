"""Planted tables of the small study's units for maps, every value known."""

import numpy as np
import pandas as pd

from .small import DEAD


def ends_table() -> pd.DataFrame:
    """24 units of "deep": 21 to 23 marked, at the right; 0 and 1 in one place; 5 without one."""
    units = np.arange(24)
    table = pd.DataFrame({"layer": "deep", "unit": units})
    table["top_max"] = (0.02 + 0.04 * units).round(4)
    table["bottom_min"] = (0.1 + 0.3 * (units % 3)).round(4)
    table["index"] = np.where(units >= 21, 0.8, 0.3)
    table.loc[1, ["top_max", "bottom_min"]] = table.loc[0, ["top_max", "bottom_min"]]
    table.loc[5, "bottom_min"] = np.nan
    return table


def hue_table() -> pd.DataFrame:
    """12 units of "deep" around the wheel, 30 degrees apart, units 0 to 3 beyond 0.9."""
    units = np.arange(12)
    return pd.DataFrame(
        {
            "layer": "deep",
            "unit": units,
            "hue": 30.0 * units + 10,
            "color_index": (0.95 - 0.04 * units).round(4),
            "color": np.where(units < 6, "orange", "blue"),
            "grey_response": 0.5,
        }
    )


def profile_table() -> pd.DataFrame:
    """All 36 units of two layers; "deep" grows with the number, the dead unit has no value."""
    shallow = pd.DataFrame({"layer": "shallow", "unit": range(12), "gini": 0.5})
    deep = pd.DataFrame({"layer": "deep", "unit": range(24), "gini": 0.1 + 0.03 * np.arange(24)})
    table = pd.concat([shallow, deep], ignore_index=True)
    table.loc[(table.layer == "deep") & (table.unit == DEAD), "gini"] = np.nan
    return table
