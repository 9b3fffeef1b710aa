"""Do units that set two classes against each other tell which ones the network confuses?

    opposed = pair_opponency(means, of_category)        (C', C'): share of units with one up, one down
    distance = pair_distance(means, of_category)        (C', C'): how differently the layer answers
    rank_association(confusion, opposed, given=distance)

Source: Malakhova, "Opponent processes in representation of visual information", section 4, which
warns of "failing to recognize obvious images" but measures no failure; the test is ours.
"""

import numpy as np
import torch

from helpers.errors import SelectivityError

_PERMUTATIONS = 999


def pair_opponency(means: torch.Tensor, of_category: torch.Tensor) -> torch.Tensor:
    """Share of units that one class of a pair excites and the other inhibits, (C', C').

    means (U, C) of C classes, C' of them of_category (C,) bool. Excited: above the upper quartile of the
    unit's responses to the other categories' classes; inhibited: below their lower quartile.
    """
    inside, others = means[:, of_category].double(), means[:, ~of_category].double()
    low, high = others.nanquantile(torch.tensor([0.25, 0.75], dtype=torch.float64), 1)
    up, down = (inside > high[:, None]).double(), (inside < low[:, None]).double()
    return (up.T @ down + down.T @ up) / len(means)


def pair_distance(means: torch.Tensor, of_category: torch.Tensor) -> torch.Tensor:
    """One minus the correlation of two classes' mean responses over units, (C', C').

    Each unit is first centred on, and divided by the deviation of, its class means (U, C).
    """
    inside = means[:, of_category].double()
    scaled = (inside - inside.mean(1, keepdim=True)) / inside.std(1, keepdim=True).clamp(min=1e-12)
    return 1 - torch.corrcoef(scaled.T)


def rank_association(a, b, given=None, seed: int = 0):
    """(rho, p): rank correlation of two symmetric tables (C, C) over pairs of different classes.

    given: a third table whose ranks are regressed out of both (partial correlation). p: the share of
    random relabellings of the classes whose |rho| is as large, because pairs that share a class are not
    independent (Mantel 1967). SelectivityError with fewer than four classes; nan for a constant table.
    """
    a, b = (np.asarray(table, dtype=float) for table in (a, b))
    if len(a) < 4:
        raise SelectivityError(f"{len(a)} classes are too few pairs to correlate")
    rows, columns = np.triu_indices(len(a), 1)
    third = None if given is None else _ranks(np.asarray(given, dtype=float)[rows, columns])
    wanted = _without(_ranks(b[rows, columns]), third)
    rho = _correlation(_without(_ranks(a[rows, columns]), third), wanted)
    if np.isnan(rho):
        return np.nan, np.nan
    random, reached = np.random.default_rng(seed), 1
    for _ in range(_PERMUTATIONS):
        order = random.permutation(len(a))
        drawn = _ranks(a[order][:, order][rows, columns])
        reached += abs(_correlation(_without(drawn, third), wanted)) >= abs(rho) - 1e-12
    return rho, reached / (_PERMUTATIONS + 1)


def mean_probabilities(scores: torch.Tensor, classes: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Mean softmax probability of class j over the images of class i, (C, C).

    scores (N, C) before the softmax; classes (N,). Softer than counts, which are mostly zero.
    """
    table = torch.zeros(n_classes, n_classes, dtype=torch.float64)
    table.index_add_(0, classes, scores.double().softmax(1))
    return table / torch.bincount(classes, minlength=n_classes)[:, None]


def symmetric(table: torch.Tensor) -> torch.Tensor:
    """Confusion of a pair whichever of the two is shown: the mean of both directions, (C, C)."""
    return (table + table.T) / 2


def _ranks(values):
    """Ranks from 0, equal values sharing the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[which]


def _without(values, given):
    values = values - values.mean()
    if given is None:
        return values
    given = given - given.mean()
    return values - given * (values @ given) / max(given @ given, 1e-12)


def _correlation(a, b):
    size = np.sqrt((a @ a) * (b @ b))
    return a @ b / size if size > 1e-9 else np.nan
