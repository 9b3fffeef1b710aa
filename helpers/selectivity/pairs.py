"""Do units answer to one picture of a pair more than to the other? A test on matched pairs.

    paired = paired_test(illusory_faces, matched_objects)     one row a unit
    above(illusory_faces, matched_objects)                    all the units at once, with an interval
    excess_above((illusory, matched), (illusory, matched))    some units against others

Paper 2 shows illusory faces as a category beside others; only a matched picture tells what the illusion adds
to the thing that bears it.
"""

import numpy as np
import pandas as pd
import torch
from scipy.stats import wilcoxon

from helpers.selectivity.intervals import bootstrap, mean


def paired_test(first: torch.Tensor, second: torch.Tensor) -> pd.DataFrame:
    """How far each unit answers to the first picture of a pair more than to the second.

    first, second: responses (P, U) to the pictures of P pairs; pairs with nan are left out. Columns: `above`,
    the share of pairs with the larger response to the first (ties one half), `effect`, the mean difference
    in standard deviations of the differences, and `p`, two-sided, of Wilcoxon's signed ranks. A unit
    without any difference has 1/2, 0 and 1; one with the same difference in all pairs has no effect, 0.
    """
    first, second = _read(first, second)
    difference = (first - second).numpy()
    spread = difference.std(0, ddof=1)
    effect = np.divide(difference.mean(0), spread, out=np.zeros(len(spread)), where=spread > 0)
    # One by one: ties in one unit would make p approximate for all that are tested with it.
    p = [wilcoxon(unit).pvalue if (unit != 0).any() else 1.0 for unit in difference.T]
    return pd.DataFrame({"above": _above(difference).mean(0), "effect": effect, "p": p})


def above(first: torch.Tensor, second: torch.Tensor) -> tuple[float, float, float]:
    """(value, low, high): `above` averaged over all given units, its interval over pairs.

    The same pairs are shown to every unit, so that pairs and not units are drawn again.
    """
    first, second = _read(first, second)
    return bootstrap(mean, _above((first - second).numpy()).mean(1))


def excess_above(chosen, others) -> tuple[float, float, float]:
    """(value, low, high): `above` of some units minus that of others, on the same pairs.

    chosen, others: (first, second) responses as in `above`, of different units.
    """
    n = chosen[0].shape[1]
    first, second = _read(*(torch.cat(side, 1) for side in zip(chosen, others, strict=True)))
    more = _above((first - second).numpy())
    return bootstrap(mean, more[:, :n].mean(1) - more[:, n:].mean(1))


def _read(first, second):
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"pairs of responses {tuple(first.shape)} and {tuple(second.shape)}")
    read = ~(first.isnan().any(1) | second.isnan().any(1))
    return first[read].double(), second[read].double()


def _above(difference):
    return (difference > 0) + 0.5 * (difference == 0)
