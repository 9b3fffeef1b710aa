"""Largest, smallest and mean value of every map, and where, in compiled loops on the processor.

Ready-made reductions read the maps once for each number and again for the places; these loops find all
five while an image's maps are in the processor's cache.
"""

import numpy as np
import torch
from numba import njit

from helpers.record.threads import by_rows

_SMALL = 2**17  # values below which a second thread costs more than it saves
_ROWS = 64  # values that are added in single precision before they join a sum in double precision

# Each loop below has few arrays and no store that hangs on a comparison, so that the compiler takes eight
# units at once: places are counted as rows since the extreme, and the comparisons in `_larger` and
# `_smaller` need not do right by nan. A nan always reaches the mean.
_compiled = njit(nogil=True, cache=True)
_compiled_without_nan = njit(fastmath={"nnan", "nsz"}, cache=True)


@_compiled_without_nan
def _larger(a, b):
    return a if a > b else b


@_compiled_without_nan
def _smaller(a, b):
    return a if a < b else b


@_compiled
def _maxima(values, high, since):
    """Largest of each column of values (P, U), and how many rows before the last it was first met."""
    for c in range(values.shape[1]):
        high[c], since[c] = values[0, c], 0
    for p in range(1, values.shape[0]):
        for c in range(values.shape[1]):
            value, so_far = values[p, c], high[c]
            since[c] = np.int32(0) if value > so_far else since[c] + np.int32(1)
            high[c] = _larger(value, so_far)


@_compiled
def _minima(values, low, since):
    """Smallest of each column of values (P, U), and how many rows before the last it was first met."""
    for c in range(values.shape[1]):
        low[c], since[c] = values[0, c], 0
    for p in range(1, values.shape[0]):
        for c in range(values.shape[1]):
            value, so_far = values[p, c], low[c]
            since[c] = np.int32(0) if value < so_far else since[c] + np.int32(1)
            low[c] = _smaller(value, so_far)


@_compiled
def _add(values, sums):
    """Add the rows of values (P, U) to sums (U,)."""
    for p in range(values.shape[0]):
        for c in range(values.shape[1]):
            sums[c] += values[p, c]


@_compiled
def _sweep(maps, start, high, low, mean, high_at, low_at):
    """One image after the other; see `sweep`."""
    n, places, units = maps.shape
    extreme, since = np.empty(units, np.float32), np.empty(units, np.int32)
    part, whole = np.empty(units, np.float32), np.empty(units, np.float64)
    for i in range(n):
        _maxima(maps[i], extreme, since)
        for c in range(units):
            high[i, start + c], high_at[i, start + c] = extreme[c], places - 1 - since[c]
        _minima(maps[i], extreme, since)
        for c in range(units):
            low[i, start + c], low_at[i, start + c] = extreme[c], places - 1 - since[c]
        whole[:] = 0
        for row in range(0, places, _ROWS):
            part[:] = 0
            _add(maps[i, row : row + _ROWS], part)
            _add(part.reshape(1, units), whole)
        for c in range(units):
            mean[i, start + c] = whole[c] / places


def sweep(maps: torch.Tensor, into, start: int) -> None:
    """Write the extremes, their first places in row order, and the mean of each map into columns.

    maps (n, H, W, U) float32 on the processor, best contiguous (channels last). into: a `Responses` of n
    images, whose columns start ... start + U are written. A map with a nan has a mean of nan, and its
    other numbers mean nothing.
    """
    n, height, width, units = maps.shape
    values = maps.contiguous().reshape(n, height * width, units).numpy()
    columns = [part.numpy() for part in (into.max, into.min, into.mean, into.max_at, into.min_at)]
    by_rows(
        lambda rows: _sweep(values[rows], start, *(c[rows] for c in columns)),
        n,
        most=values.size // _SMALL,
    )
