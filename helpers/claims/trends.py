"""How numbers on units change with depth and go together: what claims on trends have in common."""

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest, rankdata

from helpers.claims.claim import CannotTest
from helpers.claims.depth import third
from helpers.selectivity.intervals import bootstrap


def low_and_high_layers(layers) -> list[list[str]]:
    """The first and the last third of the layers; CannotTest where they are one."""
    if len(layers) < 2:
        raise CannotTest("a trend with depth needs two convolutions or more")
    return [third(list(layers), end) for end in (0, -1)]


def low_and_high(table: pd.DataFrame, column: str) -> list[np.ndarray]:
    """A column's finite values in the first and in the last third of the layers, of units with images."""
    ends = low_and_high_layers(table["layer"].unique())
    table = table[table["n_images"] > 0]  # a dead unit may have a mark where others have a number
    found = [table[column][table["layer"].isin(layers)].to_numpy() for layers in ends]
    return [values[np.isfinite(values)] for values in found]


def together(table: pd.DataFrame, a: str, b: str) -> np.ndarray:
    """Each unit's part of the rank correlation of two columns within layers, (units,); their mean is it.

    Ranks are standardised in each layer, so that differences between layers do not enter.
    """
    table = table[np.isfinite(table[a]) & np.isfinite(table[b])]
    parts = [np.empty(0)]
    for _, layer in table.groupby("layer", sort=False):
        ranks = [rankdata(layer[column]) for column in (a, b)]
        if min(np.ptp(rank) for rank in ranks) > 0:
            parts.append(np.prod([(r - r.mean()) / r.std() for r in ranks], axis=0))
    return np.concatenate(parts)


def interval(statistic, *samples):
    """`bootstrap`, but CannotTest where a sample is empty."""
    if not all(map(len, samples)):
        raise CannotTest("too few units have a number on these images")
    return bootstrap(statistic, *samples)


def exact_share(found: np.ndarray) -> tuple[float, float, float]:
    """(value, low, high) of a share of units (n,) of 0 and 1: Clopper and Pearson's interval, 95 %.

    Drawing units again gives no interval where none, or all, of them count.
    """
    if not len(found):
        raise CannotTest("no unit has a number on these images")
    bounds = binomtest(int(found.sum()), len(found)).proportion_ci()
    return float(found.mean()), float(bounds.low), float(bounds.high)


def known_mean(values):
    """Over axis 0; nan are left out, and of nothing it is nan."""
    return torch.tensor(values, dtype=torch.float64).nanmean(0).numpy()[()]


def spearman(values) -> float:
    """Rank correlation of values with their order; nan if they are all the same."""
    ranks = rankdata(values)
    if len(ranks) < 2 or np.ptp(ranks) == 0:
        return np.nan
    return float(np.corrcoef(np.arange(len(ranks)), ranks)[0, 1])
