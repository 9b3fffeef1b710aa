"""Profiles: a measure over layers, over doses, over effects, and against another measure.

All of them leave nan out, name their series beside the axes and never on the data, and tell series
apart by marker as well as by colour. Without a single number to draw they say so.
"""

import textwrap
from itertools import pairwise

import numpy as np

from helpers.figures.style import ABOVE, BELOW, FAINT, INK, SERIES, canvas, number, styled

COLOURS = (*SERIES, "#56B4E9")  # with the sixth of Okabe and Ito's palette
MARKERS = {"o": 5.0, "s": 4.6, "^": 5.6, "D": 4.2, "v": 5.6, "P": 5.8}  # diameters that look alike
_SPREAD = 0.36  # of the distance between two ticks, over which series stand side by side
_MOST_NAMES = 40  # layer names that fit side by side, upright


@styled
def layer_profiles(series: dict, *, measure: str, chance=None, written="{:.0%}".format, into=None):
    """How a measure changes from layer to layer, one line a series with its intervals.

    series: {name: {layer: (value, low, high)}}, up to six; each has its layers in their order, and
    not all need be in every series. A value that is nan leaves a gap; low or high nan: no interval.
    """
    layers = merged_order(series.values())
    if not any_finite(value for one in series.values() for value, _, _ in one.values()):
        return nothing(into)
    longest = max(map(len, layers))
    upright = longest * len(layers) > 55
    figure = canvas(2.9 + (0.075 * longest if upright else 0), into)
    axes = figure.subplots()
    for i, (name, one) in enumerate(series.items()):
        values, low, high = np.array(list(one.values()), dtype=float).reshape(-1, 3).T
        places = np.array([layers.index(layer) for layer in one]) + _aside(i, len(series))
        draw_series(axes, i, name, places, values, low, high, 1 if len(layers) <= 15 else 0.7)
    every = -(-len(layers) // _MOST_NAMES)
    axes.set_xticks(range(0, len(layers), every), layers[::every], rotation=90 * upright)
    _finish(figure, axes, len(layers), measure, chance, written)
    return figure


@styled
def dose(
    series: dict, *, x_label: str, measure: str, chance=None, written="{:.0%}".format, into=None
):
    """How a measure follows a dose: a faint dot for each seed, a line through the seeds' means.

    series: {name: [(dose, [value of each seed], (low, high)), ...]}, up to six. Doses are numbers
    and stand at equal distances in their order, one tick each. low or high nan: no interval.
    """
    if not any_finite(v for rows in series.values() for _, values, _ in rows for v in values):
        return nothing(into)
    figure = canvas(3.1, into)
    axes = figure.subplots()
    doses = sorted({amount for rows in series.values() for amount, _, _ in rows})
    for i, (name, rows) in enumerate(series.items()):
        places, means, low, high = [], [], [], []
        for amount, values, ends in sorted(rows, key=lambda row: row[0]):
            place, values = doses.index(amount) + _aside(i, len(series)), finite(values)
            # Seeds stand beside their mean, so that its mark and interval hide none of them.
            axes.scatter(np.full(len(values), place - 0.05), values, s=12, color=COLOURS[i],
                         marker="o", alpha=0.6, lw=0)  # fmt: skip
            places.append(place)
            means.append(values.mean() if len(values) else np.nan)
            low.append(ends[0])
            high.append(ends[1])
        draw_series(axes, i, name, places, means, low, high)
    axes.set_xticks(range(len(doses)), [f"{amount:g}" for amount in doses])
    axes.set_xlabel(x_label)
    _finish(figure, axes, len(doses), measure, chance, written)
    return figure


@styled
def effects(rows: dict, *, measure: str, reference: float = 0.0, written=number, into=None):
    """Several effects with their intervals, one row each, held against one reference: a forest plot.

    rows: {name: (value, low, high)}. Values and intervals are written at the right; a row that is
    nan keeps its place and is written as "none".
    """
    if not any_finite(value for value, _, _ in rows.values()):
        return nothing(into)
    names = [textwrap.fill(name, 30) for name in rows]
    heights = np.array([0.15 * (name.count("\n") + 1) + 0.13 for name in names])
    places = np.cumsum(heights) - heights / 2
    figure = canvas(heights.sum() + 0.75, into)
    axes = figure.subplots()
    for row, (value, low, high) in zip(places, rows.values(), strict=True):
        colour = ABOVE if value > reference else BELOW
        if np.isfinite(value):
            axes.plot(value, row, "o", color=colour, ms=6, zorder=3)
        if np.isfinite([low, high]).all():
            axes.plot([low, high], [row, row], color=colour, lw=1.6, solid_capstyle="butt")
        axes.text(1.03, row, _with_interval(value, low, high, written), va="center", fontsize=8.5,
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.axvline(reference, color=FAINT, ls="--", lw=1, zorder=0)
    axes.set_yticks(places, names)
    axes.set_ylim(heights.sum(), 0)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(lambda value, _: _signed(written(value)))
    axes.set_xlabel(measure)
    return figure


@styled
def binned_scatter(x, y, *, x_label: str, y_label: str, n_bins: int = 10, into=None):
    """How y goes with x: every pair as a faint dot, and the quartiles of y in equal parts of x.

    x, y: (N,); a pair with nan is left out. The parts hold equally many pairs, except that equal x
    stay together.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if not len(x):
        return nothing(into)
    figure = canvas(3.4, into)
    axes = figure.subplots()
    faint = float(np.clip(150 / len(x), 0.12, 0.6))
    axes.scatter(x, y, s=7, color=BELOW, alpha=faint, lw=0)
    middle, low, median, high = quantile_bins(x, y, n_bins).T
    axes.vlines(middle, low, high, color=INK, lw=1.6)
    (marks,) = axes.plot(middle, median, "D", color=ABOVE, mec="white", mew=0.8, ms=6, zorder=3)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    key = axes.scatter([], [], s=14, color=BELOW, alpha=0.6, lw=0)
    words = f"median and quartiles, {len(middle)} equal groups"
    legend_above(figure, [key, marks], [f"{len(x):,} dots", words])
    return figure


def quantile_bins(x, y, n_bins: int) -> np.ndarray:
    """(B, 4) median of x and quartiles of y in each of n_bins parts of x or fewer, none empty."""
    edges = np.unique(np.quantile(x, np.linspace(0, 1, n_bins + 1)))
    part = np.searchsorted(edges[1:-1], x, side="right")
    return np.array(
        [
            [np.median(x[part == p]), *np.quantile(y[part == p], (0.25, 0.5, 0.75))]
            for p in np.unique(part)
        ]
    )


def merged_order(orders) -> list:
    """All names of several ordered lists, in an order that every one of them has, if there is one.

    Of names that could come next, the one seen first does.
    """
    orders = [list(order) for order in orders]
    left = list(dict.fromkeys(name for order in orders for name in order))
    before = {name: set() for name in left}
    for order in orders:
        for earlier, later in pairwise(order):
            before[later].add(earlier)
    merged = []
    while left:
        ready = (name for name in left if before[name].issubset(merged))
        merged.append(next(ready, left[0]))
        left.remove(merged[-1])
    return merged


def apart(places, sizes, low: float, high: float) -> np.ndarray:
    """Centres (n,) of labels of the given sizes that do not overlap, as near to `places` as can be.

    All end up in [low, high] if they fit. The nearest in the sense of least squares: once the room
    that the earlier labels need is taken off, what is left has only to increase (isotonic
    regression, by pooling neighbours that do not).
    """
    places, sizes = np.asarray(places, dtype=float), np.asarray(sizes, dtype=float)
    if not len(places):
        return places
    order = np.argsort(places, kind="stable")
    ordered = sizes[order]
    taken = np.r_[0, np.cumsum((ordered[1:] + ordered[:-1]) / 2)]
    pools = []  # mean, members
    for wanted in places[order] - taken:
        pools.append((wanted, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, n), (b, m) = pools[-2:]
            pools[-2:] = [((a * n + b * m) / (n + m), n + m)]
    kept = np.concatenate([np.full(n, mean) for mean, n in pools])
    kept = np.maximum(np.minimum(kept, high - ordered[-1] / 2 - taken[-1]), low + ordered[0] / 2)
    found = np.empty(len(places))
    found[order] = kept + taken
    return found


def draw_series(axes, i: int, name: str, x, y, low=(), high=(), scale: float = 1.0) -> None:
    """The i-th series of a figure: a line with the i-th marker, and a thin bar for each interval."""
    if i >= len(COLOURS):
        raise ValueError(f"a figure tells {len(COLOURS)} series apart, not more")
    marker, size = list(MARKERS.items())[i]
    axes.plot(x, y, color=COLOURS[i], marker=marker, ms=size * scale, lw=1.4 * scale, label=name,
              mec="white", mew=0.4, zorder=3)  # fmt: skip
    if len(low):
        low, high = np.array([low, high], dtype=float)
        axes.vlines(x, low, high, color=COLOURS[i], lw=1.2 * scale, alpha=0.7)


def legend_above(figure, handles, labels) -> None:
    """A legend above the axes, in as many columns as its labels leave room for."""
    labels = [textwrap.fill(label, 44) for label in labels]
    widths = [0.078 * max(map(len, label.split("\n"))) + 0.5 for label in labels]  # in inches
    columns = len(labels)
    while columns > 1 and (
        sum(max(part) for part in np.array_split(widths, columns)) > figure.bbox.width / figure.dpi
    ):
        columns -= 1
    figure.legend(handles, labels, loc="outside upper center", ncols=columns,
                  frameon=False, fontsize=8.5, handletextpad=0.5, columnspacing=1.4)  # fmt: skip


def nothing(into):
    """A low figure, or `into`, with the words that there is nothing to draw."""
    figure = canvas(0.8, into)
    axes = figure.subplots()
    axes.set_axis_off()
    nothing_in(axes)
    return figure


def nothing_in(axes) -> None:
    """The same words in one panel."""
    axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", color=FAINT,
              transform=axes.transAxes)  # fmt: skip


def finite(values) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return values[np.isfinite(values)]


def any_finite(values) -> bool:
    return bool(len(finite(list(values))))


def _aside(i, n) -> float:
    """How far from its tick the i-th of n series stands."""
    return _SPREAD * (i - (n - 1) / 2) / max(n, 3)


def _with_interval(value, low, high, written) -> str:
    if not np.isfinite(value):
        return "none"
    if not np.isfinite([low, high]).all():
        return _signed(written(value))
    return _signed(f"{written(value)}  [{written(low)}, {written(high)}]")


def _signed(text: str) -> str:
    """With true minus signs, whichever function wrote the number."""
    return text.replace("-", "\N{MINUS SIGN}")


def _finish(figure, axes, n_ticks, measure, chance, written):
    handles, labels = axes.get_legend_handles_labels()
    if chance is not None:
        axes.axhline(chance, color=FAINT, ls="--", lw=1, zorder=0)
        axes.text(1.01, chance, "chance", color=FAINT, fontsize=8, va="center",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_xlim(-0.6, n_ticks - 0.4)
    axes.yaxis.set_major_formatter(lambda value, _: written(value))
    axes.set_ylabel(measure)
    legend_above(figure, handles, labels)
