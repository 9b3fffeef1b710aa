"""Largest, smallest and mean value of every map, and where, in one compiled reading on the processor.

Ready-made reductions read the maps once for each number and again for the places; here every value is read
once. Units lie side by side in memory, place after place. A run of values, of one place or of a few where a
layer has few units, meets as many lanes of accumulators; four runs are taken at a time.
"""

import numpy as np
import torch
from numba import njit

from helpers.record.threads import by_rows

_SMALL = 2**21  # values below which a second thread costs more than it saves
_LANES = 512  # at most, so that the accumulators stay in the nearest cache
_RUN = 64  # values that a run should have at least: with fewer, the steps cost more than the values
_STEPS = 16  # steps of four values, added in single precision before they join a double

# The parts of an array of accumulators. They are at distances the compiler knows: only so does it see that
# they do not overlap, and takes eight lanes at once. Places are float32 there, exact below 2^24. A step reads
# one such array and writes another, because a store that may leave its old value in place is a slow one. The
# gaps keep them off multiples of 4,096 bytes, at which the processor takes places in memory for the same.
_HIGH, _LOW, _SUM, _HIGH_AT, _LOW_AT = (part * (_LANES + 32) for part in range(5))
_LENGTH = 5 * (_LANES + 32)
_ONE, _TWO, _THREE = np.arange(1, 4, dtype=np.float32)

# A nan always reaches the mean; the comparisons in `_larger` and `_smaller` need not do right by it.
_compiled = njit(nogil=True, cache=True, forceinline=True)
_compiled_without_nan = njit(fastmath={"nnan", "nsz"}, cache=True)


@_compiled_without_nan
def _larger(a, b):
    return a if a > b else b


@_compiled_without_nan
def _smaller(a, b):
    return a if a < b else b


@_compiled
def _start(lanes, width):
    """Accumulators that have met nothing."""
    for x in range(width):
        lanes[_HIGH + x], lanes[_LOW + x], lanes[_SUM + x] = -np.inf, np.inf, 0
        lanes[_HIGH_AT + x] = lanes[_LOW_AT + x] = 0


@_compiled
def _take(old, new, values, at):
    """The accumulators after one more run of values, met at `at`."""
    for x in range(len(values)):
        value, high, low = values[x], old[_HIGH + x], old[_LOW + x]
        new[_HIGH + x], new[_LOW + x] = _larger(value, high), _smaller(value, low)
        new[_HIGH_AT + x] = at if value > high else old[_HIGH_AT + x]
        new[_LOW_AT + x] = at if value < low else old[_LOW_AT + x]
        new[_SUM + x] = old[_SUM + x] + value


@_compiled
def _take_four(old, new, a, b, c, d, at):
    """The accumulators after four more runs of values, met at `at` and the three after it."""
    for x in range(len(a)):
        high, high_at = old[_HIGH + x], old[_HIGH_AT + x]
        ab, in_ab = _larger(a[x], b[x]), at + _ONE if b[x] > a[x] else at
        cd, in_cd = _larger(c[x], d[x]), at + _THREE if d[x] > c[x] else at + _TWO
        value, value_at = _larger(ab, cd), in_cd if cd > ab else in_ab
        new[_HIGH_AT + x] = value_at if value > high else high_at
        new[_HIGH + x] = _larger(value, high)

        low, low_at = old[_LOW + x], old[_LOW_AT + x]
        ab, in_ab = _smaller(a[x], b[x]), at + _ONE if b[x] < a[x] else at
        cd, in_cd = _smaller(c[x], d[x]), at + _THREE if d[x] < c[x] else at + _TWO
        value, value_at = _smaller(ab, cd), in_cd if cd < ab else in_ab
        new[_LOW_AT + x] = value_at if value < low else low_at
        new[_LOW + x] = _smaller(value, low)

        new[_SUM + x] = old[_SUM + x] + ((a[x] + b[x]) + (c[x] + d[x]))


@_compiled
def _take_steps(lanes, other, sums, values, start, width, stride, steps):
    """(lanes, spare) after `steps` times four runs of `width` values, `stride` apart, from `start` on.

    Sums are moved into `sums` (width,), in double precision, on the way.
    """
    _start(lanes, width)
    sums[:] = 0
    for step in range(steps):
        at = start + 4 * step * stride
        _take_four(
            lanes,
            other,
            values[at : at + width],
            values[at + stride : at + stride + width],
            values[at + 2 * stride : at + 2 * stride + width],
            values[at + 3 * stride : at + 3 * stride + width],
            np.float32(4 * step),
        )
        lanes, other = other, lanes
        if step % _STEPS == _STEPS - 1 or step == steps - 1:
            for x in range(width):
                sums[x] += lanes[_SUM + x]
                lanes[_SUM + x] = 0
    return lanes, other


@_compiled
def _fold(lanes, sums, units, rows):
    """Let the first lane of each unit hold what its `rows` lanes found, with places in the stead of runs."""
    for row in range(rows):
        for x in range(row * units, (row + 1) * units):
            lanes[_HIGH_AT + x] = lanes[_HIGH_AT + x] * rows + row
            lanes[_LOW_AT + x] = lanes[_LOW_AT + x] * rows + row
    for x in range(units, rows * units):
        u = x % units
        if _before(lanes[_HIGH + x], lanes[_HIGH_AT + x], lanes[_HIGH + u], lanes[_HIGH_AT + u]):
            lanes[_HIGH + u], lanes[_HIGH_AT + u] = lanes[_HIGH + x], lanes[_HIGH_AT + x]
        if _before(-lanes[_LOW + x], lanes[_LOW_AT + x], -lanes[_LOW + u], lanes[_LOW_AT + u]):
            lanes[_LOW + u], lanes[_LOW_AT + u] = lanes[_LOW + x], lanes[_LOW_AT + x]
        sums[u] += sums[x]


@_compiled
def _before(value, at, other, other_at):
    """Whether a value is larger than another, or as large and met before it."""
    return value > other or (value == other and at < other_at)


@_compiled
def _read_units(lanes, other, sums, maps, start, units):
    """Lanes that hold all about `units` units, from number `start` on, of one image's maps (P, U).

    What the last places add to the sums stays in single precision in the lanes.
    """
    places, all_units = maps.shape
    rows = max(1, min(_RUN // units, places // 4)) if units == all_units else 1
    run, stride, steps = rows * units, rows * all_units, places // (4 * rows)
    values = maps.reshape(maps.size)
    lanes, other = _take_steps(lanes, other, sums[:run], values, start, run, stride, steps)
    _fold(lanes, sums, units, rows)
    for place in range(4 * rows * steps, places):
        _take(lanes, other, maps[place, start : start + units], np.float32(place))
        lanes, other = other, lanes
    return lanes


@_compiled
def _sweep(maps, column, high, low, mean, high_at, low_at, first, last):
    """One image after the other, from number `first` to before `last`; see `sweep`."""
    places, all_units = maps.shape[1:]
    one, other = np.empty(_LENGTH, np.float32), np.empty(_LENGTH, np.float32)
    sums = np.empty(_LANES, np.float64)
    for i in range(first, last):
        for start in range(0, all_units, _LANES):
            units = min(_LANES, all_units - start)
            lanes = _read_units(one, other, sums, maps[i], start, units)
            c = column + start
            for x in range(units):
                high[i, c + x] = lanes[_HIGH + x]
                low[i, c + x] = lanes[_LOW + x]
                mean[i, c + x] = (sums[x] + lanes[_SUM + x]) / places
                high_at[i, c + x] = lanes[_HIGH_AT + x]
                low_at[i, c + x] = lanes[_LOW_AT + x]


def sweep(maps: torch.Tensor, into, start: int) -> None:
    """Write the extremes, their first places in row order, and the mean of each map into columns.

    maps (n, H, W, U) float32 on the processor, best contiguous (channels last), H x W below 2^24. into: the
    arrays of a `Responses` of n images, (n, at least start + U) each, of which columns start ... start + U
    are written. A map with a nan has a mean of nan, and its other numbers mean nothing.
    """
    values = np.ascontiguousarray(maps.numpy())
    values = values.reshape(len(values), -1, values.shape[3])
    by_rows(
        lambda rows: _sweep(values, start, *into, rows.start, rows.stop),
        len(values),
        most=values.size // _SMALL,
    )
