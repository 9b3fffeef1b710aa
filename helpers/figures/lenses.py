"""The indexes of four papers side by side: which agree, where they point, how many images they need.

All take names as they shall be written. What is not a number is left out and its cell stays grey.
"""

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from helpers.figures.facets import _size_axis
from helpers.figures.profiles import (
    COLOURS,
    any_finite,
    apart,
    draw_series,
    finite,
    legend_above,
    merged_order,
    nothing,
)
from helpers.figures.style import FAINT, GREY, INK, SIGNED, WIDTH, canvas, styled

_LETTER = 0.078  # inches of a letter of a tick label
_PANEL = 2.5  # inches for the tick labels of one of two panels
_SIDE = 2.3  # of the compass, beyond the circle: room for the names


@styled
def agreement_map(
    lower, upper, names, *, framed=(None, None), words=("trained", "before training"), into=None
):
    """Rank correlations of every pair of indexes, in hundredths: one network below the diagonal, one above.

    lower, upper (K, K): correlations, None for a network that is not known; names (K,). framed: for either
    network (K, K) bool, the cells that get a frame, or None. Vermillion: both rise together, blue: one falls
    where the other rises; nan is grey.
    """
    nothing_known = np.full((len(names), len(names)), np.nan)
    lower, upper = (
        nothing_known if one is None else np.asarray(one, dtype=float) for one in (lower, upper)
    )
    if not any_finite(lower.ravel()) and not any_finite(upper.ravel()):
        return nothing(into)
    framed = [~np.isnan(nothing_known) if one is None else np.asarray(one) for one in framed]
    n, below = len(names), np.tri(len(names), k=-1, dtype=bool)
    shown = np.where(below, lower, np.where(below.T, upper, np.nan))
    figure = canvas(WIDTH + 0.25, into)
    axes = figure.subplots()
    colours = SIGNED.with_extremes(bad="#e3e3e3")
    axes.imshow(shown, cmap=colours, vmin=-1, vmax=1, aspect="equal")
    for i, j in np.argwhere(np.isfinite(shown)):
        ink = "white" if abs(shown[i, j]) > 0.75 else INK
        text = f"{100 * shown[i, j]:.0f}".replace("-0", "0").replace("-", "\N{MINUS SIGN}")
        axes.text(j, i, text, ha="center", va="center", fontsize=8.5, color=ink)
    marks = np.where(below, framed[0], np.where(below.T, framed[1], False)).astype(bool)
    for i, j in np.argwhere(marks & np.isfinite(shown)):
        axes.add_patch(Rectangle((j - 0.46, i - 0.46), 0.92, 0.92, fill=False, ec=INK, lw=1.6))
    axes.plot([-0.5, n - 0.5], [-0.5, n - 0.5], color=FAINT, lw=1)
    axes.set_xticks(range(n), names, rotation=90)
    axes.set_yticks(range(n), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    title = f"below the diagonal: {words[0]}   |   above: {words[1]}"
    axes.set_title(title, fontsize=8.5, loc="right", color=INK)
    return figure


@styled
def pair_profiles(pairs: dict, *, measure="rank correlation", columns: int = 2, into=None):
    """How pairs of indexes go together from layer to layer, a panel a pair, a line a network.

    pairs: {title: {network: {stage: (value, low, high)}}}; the networks of all panels share their marks. A
    value that is nan leaves a gap.
    """
    known = [v for lines in pairs.values() for one in lines.values() for v, _, _ in one.values()]
    if not any_finite(known):
        return nothing(into)
    networks = list(dict.fromkeys(name for lines in pairs.values() for name in lines))
    stages = merged_order(one for lines in pairs.values() for one in lines.values())
    rows = -(-len(pairs) // columns)
    letters = max(map(len, stages))
    figure = canvas(rows * 1.75 + 0.5 + _LETTER * letters, into)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (title, lines) in zip(grid.ravel(), pairs.items(), strict=False):
        axes.axhline(0, color=FAINT, ls="--", lw=1, zorder=0)
        for i, name in enumerate(networks):
            if name not in lines:
                continue
            values = np.array(list(lines[name].values()), dtype=float).reshape(-1, 3).T
            places = np.array([stages.index(stage) for stage in lines[name]]) + 0.16 * (i - 0.5)
            draw_series(axes, i, name, places, *values, scale=0.8)
        axes.set_title(title, fontsize=9)
    for axes in grid.ravel()[len(pairs) :]:
        axes.set_axis_off()
    first = grid[0, 0]
    first.set_ylim(-1.05, 1.05)
    first.set_yticks((-1, -0.5, 0, 0.5, 1), ("−1", "−.5", "0", ".5", "1"))
    upright = _LETTER * len(stages) * letters > _PANEL
    first.set_xticks(range(len(stages)), stages)
    for axes in grid.ravel():
        axes.tick_params(axis="x", labelrotation=90 * upright)
    figure.supylabel(measure, fontsize=9.5)
    handles = {}
    for axes in grid.ravel():
        handles |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    legend_above(figure, list(handles.values()), list(handles))
    return figure


@styled
def compass(arrows, names, explained, *, into=None):
    """Where each index points in the plane of most variance: its correlation with either axis.

    arrows (K, 2); names (K,); explained (2,): the part of the variance on each axis. An arrow that reaches
    the circle lies in the plane; a short one points out of it.
    """
    arrows = np.asarray(arrows, dtype=float)
    if not any_finite(arrows.ravel()):
        return nothing(into)
    figure = canvas(WIDTH * 2.3 / (2 * _SIDE) + 0.45, into)
    axes = figure.subplots()
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(turn), np.sin(turn), color=GREY, lw=1, zorder=0)
    axes.plot([-1, 1], [0, 0], color=GREY, lw=0.6, zorder=0)
    axes.plot([0, 0], [-1, 1], color=GREY, lw=0.6, zorder=0)
    for right in (True, False):
        some = np.flatnonzero((arrows[:, 0] >= 0) == right)
        side = 1.22 if right else -1.22
        heights = apart(arrows[some, 1], np.full(len(some), 0.155), -1.15, 1.15)
        for place, height in zip(some, heights, strict=True):
            x, y = arrows[place]
            long = np.hypot(x, y) >= 0.5
            colour = COLOURS[1] if long else FAINT
            axes.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.3,
                                                          "shrinkA": 0, "shrinkB": 0})  # fmt: skip
            axes.plot([x, side - np.sign(side) * 0.03], [y, height], color=GREY, lw=0.6, zorder=0)
            axes.text(side, height, names[place], ha="left" if right else "right", va="center",
                      fontsize=8.5, color=INK if long else FAINT)  # fmt: skip
    axes.set(xlim=(-_SIDE, _SIDE), ylim=(-1.2, 1.2), aspect="equal", yticks=(), xticks=())
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"first axis: {explained[0]:.0%} of the variance")
    axes.set_ylabel(f"second axis: {explained[1]:.0%}")
    return figure


@styled
def image_numbers(table: pd.DataFrame, names: dict, *, level: float = 0.9, into=None):
    """How reliable indexes are, and how far they move, for fewer images; up to six.

    table: of `selectivity.reliability.by_number`; names {index: what it is called}, in the order to draw.
    Above, the correlation of two measurements that share no image, and the `level`, dashed; below, the median
    unit's index minus that over all images, in standard deviations of the index. Bars reach from the least
    to the largest draw.
    """
    table = table[table["index"].isin(list(names))]
    if not any_finite(table["reliability"]) and not any_finite(table["bias"]):
        return nothing(into)
    figure = canvas(5.0, into)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for i, (index, name) in enumerate(names.items()):
        rows = table[table["index"] == index].sort_values("images")
        alike = rows[rows["reliability"].notna()]
        # A little aside, so that bars do not hide each other.
        aside = 1.04 ** (i - (len(names) - 1) / 2)
        columns = alike[["images", "reliability", "low", "high"]].to_numpy(float).T
        draw_series(above, i, name, columns[0] * aside, *columns[1:])
        columns = rows[["images", "bias", "bias_low", "bias_high"]].to_numpy(float).T
        draw_series(below, i, name, columns[0] * aside, *columns[1:])
    above.axhline(level, color=INK, ls="--", lw=1.1, zorder=1)
    above.set(ylabel="reliability", ylim=(min(0, finite(table["low"]).min(initial=0)), 1.02))
    below.axhline(0, color=FAINT, ls="--", lw=1, zorder=0)
    below.set_ylabel("bias, in s.d.")
    below.set_xlabel("number of images shown")
    _size_axis(figure, below, np.unique(table["images"]))
    below.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "\N{MINUS SIGN}"))
    handles, labels = above.get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure
