"""Detectors of categories: how many there are, what drives them, and in which layers they stand."""

import math
import textwrap
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from helpers.figures.profiles import COLOURS, any_finite, apart, draw_series, legend_above, nothing
from helpers.figures.strips import COLUMNS, image_strip
from helpers.figures.style import (
    ABOVE,
    BELOW,
    FAINT,
    INK,
    WIDTH,
    canvas,
    cells,
    readable,
    short,
    show,
    styled,
)

# From white, through the palette's blue, to a blue that is nearly black: lightness falls evenly.
SHARES = LinearSegmentedColormap.from_list(
    "shares", [(0, "#ffffff"), (0.625, BELOW), (1, "#001f42")]
).with_extremes(bad="#d9d9d9")
_MARKS = 12  # markers on a curve of many thresholds
_TITLE, _HEAD, _TEXT = 0.26, 0.2, 0.38  # inches: above a row, above the picture made, below all
_ROW, _ROWS = 0.19, 8.5  # inches: one class of a complexity chart, all of them
_NAME = 0.15  # inches: the least distance of two names of classes
_MOST_LAYERS = 38  # names of layers that fit side by side, upright


@styled
def threshold_curves(curves: dict, *, x_label: str, measure: str, marked=None, into=None):
    """How the proportion of selective units falls as the threshold rises, one curve a category.

    curves: {category: (thresholds (T,), proportions (T,), proportions by luck (T,) or None)}, up to
    six; what luck gives is dashed, in the category's colour. marked: a threshold to point out.
    Points with nan are left out.
    """
    if not any(any_finite(proportions) for _, proportions, _ in curves.values()):
        return nothing(into)
    figure = canvas(3.4, into)
    axes = figure.subplots()
    for i, (name, (thresholds, proportions, luck)) in enumerate(curves.items()):
        x, y = _known(thresholds, proportions)
        draw_series(axes, i, name, x, y)
        axes.lines[-1].set_markevery(max(1, math.ceil(len(x) / _MARKS)))
        if luck is not None:
            axes.plot(*_known(thresholds, luck), color=COLOURS[i], ls="--", lw=0.9, zorder=2)
    handles, labels = axes.get_legend_handles_labels()
    if any(luck is not None for _, _, luck in curves.values()):
        handles.append(Line2D([], [], color=FAINT, ls="--", lw=0.9))
        labels.append("labels shuffled")
    if marked is not None:
        axes.axvline(marked, color=INK, lw=1, zorder=0)
        axes.annotate(f"{marked:g}", (marked, 1), (0, 2), xycoords=axes.get_xaxis_transform(),
                      textcoords="offset points", fontsize=8.5)  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    axes.set_xlabel(x_label)
    axes.set_ylabel(measure)
    legend_above(figure, handles, labels)
    return figure


@styled
def representatives(rows: dict, *, columns=COLUMNS, into=None):
    """What drives a unit of each category: a picture made for it, then its strongest images.

    rows: {title: (made, pictures, values, captions)}, the last three as in `image_strip`. made: a
    picture (3, H, W) in [0, 1], or (picture, caption), or None. If any row has one, the first of
    the `columns` is kept for them in all rows. Images that do not fit go to the next line.
    """
    if not rows:
        return nothing(into)
    kept = int(any(made is not None for made, *_ in rows.values()))
    heads, bodies = [], []
    for made, pictures, *_ in rows.values():
        lines = max(-(-len(pictures) // (columns - kept)), made is not None)
        heads.append(_TITLE + _HEAD * (made is not None))
        bodies.append(lines * (WIDTH / columns + _TEXT) or _TEXT)
    heights = np.add(heads, bodies)
    figure = canvas(heights.sum(), into, layout=None)
    parts = figure.subfigures(len(rows), 1, height_ratios=heights, hspace=0, squeeze=False)[:, 0]
    for part, (title, (made, *images)), *sides in zip(
        parts, rows.items(), heads, bodies, strict=True
    ):
        grid = part.add_gridspec(2, columns, height_ratios=sides, hspace=0, wspace=0,
                                 left=0, right=1, bottom=0, top=1)  # fmt: skip
        high = part.bbox.height / figure.dpi
        part.text(0.005, 1 - 0.05 / high, title, va="top", fontweight="bold")
        if made is not None:
            part.text(0.005, 1 - 0.24 / high, "made for the unit", va="top", fontsize=8)
            _draw_made(part.add_subfigure(grid[1, 0]), made)
        if len(images[0]):
            place = part.add_subfigure(grid[1, kept:])
            image_strip(*images, columns=columns - kept, into=place)
        elif made is None:
            nothing(part.add_subfigure(grid[1, :]))
    return figure


def _draw_made(part, made):
    """A framed picture, its caption in up to two lines below."""
    picture, caption = made if isinstance(made, tuple) else (made, "")
    (axes,) = cells(part, 1, 1, _TEXT)
    show(axes, picture)
    axes.add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=INK, lw=1.6, clip_on=False,
                             transform=axes.transAxes))  # fmt: skip
    lines = textwrap.wrap(caption, 15, max_lines=2, placeholder="…")
    axes.annotate("\n".join(lines), (0.5, 0), (0, -4), xycoords="axes fraction",
                  textcoords="offset points", ha="center", va="top", fontsize=8.5)  # fmt: skip


@styled
def complexity_chart(
    table: pd.DataFrame, depth: pd.Series, *, marked=(), written="{:.0%}".format, into=None
):
    """Which layers hold detectors of each class: the deeper they stand, the more complex the class.

    table: classes x layers in their order, the proportion of units that respond highly; nan is
    grey. depth: for each class the mean layer of its detectors, 0 the first layer; a dot, by which
    rows are sorted. nan, a class without detectors: no dot, and last. Names of `marked` classes are
    bold. Where not all fit, the marked, the first and the last are written and some between them.
    """
    if not any_finite(table.to_numpy().ravel()):
        return nothing(into)
    depth = depth.reindex(table.index).astype(float).sort_values(kind="stable")
    table = table.loc[depth.index]
    n_rows, n_layers = table.shape
    bold = np.flatnonzero(depth.index.isin(list(marked)))
    body = max(min(_ROW * n_rows, _ROWS), _NAME * (len(bold) + 2))
    layers = [str(layer) for layer in table.columns]
    upright = max(map(len, layers)) * n_layers > 45
    figure = canvas(body + 1.15 + (0.075 * max(map(len, layers)) if upright else 0), into)
    axes = figure.subplots()
    values = table.to_numpy(dtype=float)
    image = axes.imshow(values, cmap=SHARES, vmin=0, vmax=np.nanmax(values) or 1, aspect="auto",
                        interpolation="nearest")  # fmt: skip
    (dots,) = axes.plot(depth, range(n_rows), "o", color=ABOVE, mec="white", mew=0.5, clip_on=False,
                        ms=float(np.clip(60 * body / n_rows, 3.2, 6)))  # fmt: skip
    every = -(-n_layers // _MOST_LAYERS)
    axes.set_xticks(range(0, n_layers, every), layers[::every], rotation=90 * upright)
    axes.set_yticks([])
    bar = figure.colorbar(image, ax=axes, location="top", aspect=45, pad=0.08 / body, shrink=0.8)
    bar.locator = MaxNLocator(5)
    bar.formatter = lambda value, _: written(value)
    bar.set_label("units of the layer that respond highly")
    legend_above(figure, [dots], ["mean depth of the class's detectors"])
    _name_rows(figure, axes, [short(readable(str(name)), 20) for name in depth.index], set(bold))
    return figure


def _name_rows(figure, axes, names, bold):
    """Names at the left, as many as there is room for, each with a line to its row if moved."""
    left = axes.get_yaxis_transform()
    style = {"ha": "right", "va": "center", "fontsize": 8.5, "transform": left}
    room = axes.text(-0.035, 0, max(names, key=len), fontweight="bold", **style)
    figure.canvas.figure.draw_without_rendering()  # the height of a row is known after it
    room.remove()
    size = _NAME * figure.dpi / axes.bbox.height * len(names)  # in rows
    chosen = _with_room(len(names), bold, size)
    ends = -size / 2, len(names) - 1 + size / 2
    for row, place in zip(chosen, apart(chosen, [size] * len(chosen), *ends), strict=True):
        weight = "bold" if row in bold else "normal"
        axes.text(-0.035, place, names[row], fontweight=weight, **style)
        axes.plot([-0.03, -0.005], [place, row], color=FAINT, lw=0.6, clip_on=False, transform=left,
                  scalex=False, scaley=False)  # fmt: skip


def _with_room(n_rows: int, bold, size: float) -> list:
    """Rows to name if a name is as high as `size` rows: the bold, the ends, others between them."""
    fixed = sorted({*bold, 0, n_rows - 1})
    chosen, distance = None, size
    while chosen is None or (len(chosen) > len(fixed) and (len(chosen) - 1) * size > n_rows - 1):
        chosen = set(fixed)
        for a, b in pairwise(fixed):
            parts = max(1, min(b - a, int((b - a) / distance)))
            chosen.update(np.linspace(a, b, parts, endpoint=False).round().astype(int).tolist())
        distance *= 1.2  # where the bold crowd, the others make room
    return sorted(chosen)


@styled
def pair_scatter(first, second, *, x_label: str, y_label: str, p=None, into=None):
    """Whether a unit answers the second picture of a pair more than the first: a dot above the line.

    first, second: (N,) responses to the pairs, in the same unit; a pair with nan is left out. Pairs
    exactly on the line, two zeros say, are counted apart. p: of the caller's paired test.
    """
    first, second = _known(first, second)
    if not len(first):
        return nothing(into)
    figure = canvas(4.2, into)
    axes = figure.subplots()
    ends = np.array([min(first.min(), second.min()), max(first.max(), second.max())])
    ends = ends + np.array([-1, 1]) * (0.04 * np.ptp(ends) or 0.5)
    axes.plot(ends, ends, color=FAINT, lw=1, zorder=0)
    above, equal = second > first, second == first
    faint = float(np.clip(150 / len(first), 0.25, 0.65))
    for part, colour in ((above, ABOVE), (equal, FAINT), (~(above | equal), BELOW)):
        axes.scatter(first[part], second[part], s=18, color=colour, alpha=faint, lw=0)
    axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel=x_label, ylabel=y_label)
    axes.locator_params(nbins=5)
    counted = f"{above.sum():,} of {len(above):,} above the line"
    counted += f", {equal.sum():,} on it" if equal.any() else ""
    if p is not None and np.isfinite(p):
        written = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        counted += ", " + written.replace(" ", "\N{NO-BREAK SPACE}")
    axes.set_title(textwrap.fill(counted, int(11 * figure.bbox.width / figure.dpi)))
    return figure


def _known(*columns) -> np.ndarray:
    """(columns, n) what is finite in all columns."""
    columns = np.array(columns, dtype=float)
    return columns[:, np.isfinite(columns).all(0)]
