"""Sums, smallest and largest responses of every unit for each class of images."""

import numpy as np
import torch
from numba import njit

from helpers.record.store import STATISTICS

_compiled = njit(nogil=True, cache=True)


class ClassTally:
    """`sums` float64, `minima` and `maxima` float32 of each statistic: (classes, U) each.

    Classes first: a class's numbers lie together, and images mostly come class by class. A class without
    images has sums of 0, minima of inf and maxima of -inf.
    """

    def __init__(self, classes: int, units: int):
        shape = classes, units
        self.sums = {s: torch.zeros(shape, dtype=torch.float64) for s in STATISTICS}
        self.minima = {s: torch.full(shape, torch.inf) for s in STATISTICS}
        self.maxima = {s: torch.full(shape, -torch.inf) for s in STATISTICS}

    def add(self, rows, classes: np.ndarray) -> None:
        """Take in a `Responses` of n images of the classes (n,); in one order, however many come at once."""
        for name in STATISTICS:
            own = self.sums[name], self.minima[name], self.maxima[name]
            _add(statistic(rows, name).numpy(), classes, *(table.numpy() for table in own))


def statistic(rows, name: str) -> torch.Tensor:
    """One statistic of a `Responses`: (n, U)."""
    return rows.max.clamp(min=0) if name == "relu" else getattr(rows, name)


@_compiled
def _add(values, classes, sums, minima, maxima):
    """Take responses (n, U) into tables (classes, U), image after image."""
    before = np.empty(values.shape[1], values.dtype)
    for i in range(len(values)):
        c = classes[i]
        for u in range(len(before)):
            sums[c, u] += values[i, u]
        for u in range(len(before)):
            before[u] = minima[c, u]
        for u in range(len(before)):
            minima[c, u] = min(values[i, u], before[u])
        for u in range(len(before)):
            before[u] = maxima[c, u]
        for u in range(len(before)):
            maxima[c, u] = max(values[i, u], before[u])
