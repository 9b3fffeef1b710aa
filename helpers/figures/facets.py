"""How many classes drive a unit, and what its patches are made of: the figures of paper 3.

`units` is a table of `helpers.selectivity.facets.facet_units`, one row a unit, with a column to group
by, such as `stage`. What is infinite or missing is left out and counted in words below the figure.
"""

import math

import numpy as np
import pandas as pd
import torch
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from helpers.figures.categories import SHARES
from helpers.figures.profiles import (
    any_finite,
    draw_series,
    finite,
    layer_profiles,
    legend_above,
    merged_order,
    nothing,
    nothing_in,
)
from helpers.figures.sheets import tile
from helpers.figures.style import (
    ABOVE,
    BELOW,
    FAINT,
    GREY,
    INK,
    SIGNED,
    WIDTH,
    canvas,
    number,
    short,
    styled,
)
from helpers.selectivity.similarity import mean_of_pairs

NAMES = ("trained", "untrained")
LABELS = {
    "gini": "Gini sparsity",
    "flatness": "spectral flatness",
    "degree": "MF degree",
    "effective": "effective number of classes",
    "ratio": "MF degree /\nthat of random rows",
}
_SHUFFLED = Line2D([], [], color=FAINT, ls="--", lw=1)
_SMOOTH = 0.006  # least width of a density's smoothing, as part of the axis
_PATCHES = 25  # patches of a unit that are large enough to see
_BLOCK, _HEAD, _LABEL = 1.95, 0.26, 0.24  # inches: patches of a unit, its title, words above


@styled
def distributions(
    units: pd.DataFrame, control=None, *, columns=("gini", "flatness"), by="stage", names=NAMES,
    into=None,
):  # fmt: skip
    """How an index is spread over the units of each stage, shallow to deep; figure 1, appendix A.

    A panel for each of the columns, a row for each value of `by`; densities are as high as their row
    and end where the values do. A bar is the median, dashed the mean of `{column}_null`, if there.
    control: the table of another network, drawn as an outline.
    """
    tables = _tables(units, control, names)
    if not any(any_finite(table[column]) for table in tables.values() for column in columns):
        return nothing(into)
    stages = merged_order(table[by].unique() for table in tables.values())
    figure = canvas(len(stages) * float(np.clip(5.5 / len(stages), 0.2, 0.42)) + 1.1, into)
    grid = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, column in zip(grid, columns, strict=True):
        groups = [_groups(table, column, by) for table in tables.values()]
        _draw_ridges(axes, stages, *groups, null=_groups(tables[names[0]], f"{column}_null", by))
        axes.set_xlabel(LABELS.get(column, column))
        axes.locator_params(axis="x", nbins=5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    grid[0].set_yticks(range(len(stages)), stages)
    grid[0].set_ylim(len(stages) - 0.9, -1)
    handles = {
        names[0]: Patch(color=ABOVE, alpha=0.5, lw=0),
        f"median, {names[0]}": Line2D([], [], color=INK, lw=2),
        names[1]: Line2D([], [], color=BELOW, lw=1.2) if control is not None else None,
        "random rows": _SHUFFLED if any(f"{c}_null" in units for c in columns) else None,
    }
    handles = {label: handle for label, handle in handles.items() if handle}
    legend_above(figure, handles.values(), handles)
    _say_left_out(figure, {name: table[list(columns)] for name, table in tables.items()})
    return figure


def _draw_ridges(axes, stages, filled, outlined=None, *, null):
    known = [part for g in (filled, outlined or {}, null) for part in g.values() if len(part)]
    if not known:
        nothing_in(axes)
        return
    least = _SMOOTH * (np.ptp(np.concatenate(known)) or 1)
    for row, stage in enumerate(stages):
        axes.axhline(row, color=GREY, lw=0.5, zorder=0)
        if len(values := filled.get(stage, [])):
            x, height = _density(values, least)
            axes.fill_between(x, row, row - 0.85 * height, color=ABOVE, alpha=0.5, lw=0)
            axes.vlines(np.median(values), row - 0.4, row, color=INK, lw=2)
        if outlined and len(values := outlined.get(stage, [])):
            x, height = _density(values, least)
            axes.plot(x, row - 0.85 * height, color=BELOW, lw=1.2)
        if len(values := null.get(stage, [])):
            axes.vlines(values.mean(), row - 1, row, color=FAINT, ls="--", lw=1)


def _density(values, least):
    """(x, height) of a kernel density, at most 1 high, its width after Silverman, at least `least`."""
    quartiles = np.subtract(*np.quantile(values, (0.75, 0.25))) / 1.349
    width = max(0.9 * min(np.std(values), quartiles) * len(values) ** -0.2, least)
    # Smoothed beyond the extremes it would show values that the index cannot have.
    x = np.linspace(values.min() - least, values.max() + least, 200)
    height = np.exp(-0.5 * ((x[:, None] - values) / width) ** 2).sum(1)
    return np.r_[x[0], x, x[-1]], np.r_[0, height / height.max(), 0]


def degree_profile(trained: pd.DataFrame, control=None, *, by="stage", names=NAMES, into=None):
    """How the MF degree changes with depth, as a multiple of what random rows give; figure 2.

    Median and quartiles of the column `ratio` in each stage, and of all units the mean, dotted.
    """
    tables = _tables(trained, control, names)
    means = {name: finite(table["ratio"]) for name, table in tables.items()}
    means = {name: ratios.mean() if len(ratios) else np.nan for name, ratios in means.items()}
    series = {
        f"{name}; mean of all units {number(means[name])} (dotted)": {
            stage: np.quantile(ratios, (0.5, 0.25, 0.75)) if len(ratios) else [np.nan] * 3
            for stage, ratios in _groups(table, "ratio", by).items()
        }
        for name, table in tables.items()
    }
    figure = layer_profiles(series, measure=LABELS["ratio"], chance=1.0, written="{:g}".format,
                            into=into)  # fmt: skip
    if any_finite(means.values()):
        for mean, colour in zip(means.values(), (ABOVE, BELOW), strict=False):
            figure.axes[0].axhline(mean, color=colour, ls=":", lw=1.3, zorder=1)
        _from_zero(figure.axes[0])
        _say_left_out(figure, {name: table[["ratio"]] for name, table in tables.items()})
    return figure


@styled
def facet_counts(table: pd.DataFrame, *, mean: float, into=None):
    """How many units of a stage are multi- and single-faceted, and the extreme degrees; figure 3.

    table: of `helpers.selectivity.facets.facet_counts`, a row a stage, shallow to deep; multi, single:
    shares of its units above and below `mean`, the network's mean degree; largest, smallest: degrees;
    and, if there, largest_null, smallest_null: those expected of as many random rows.
    """
    if not any_finite(table[["multi", "single", "largest", "smallest"]].to_numpy().ravel()):
        return nothing(into)
    stages = [str(stage) for stage in table.index]
    letters, places = max(map(len, stages)), np.arange(len(stages))
    upright = len(stages) * letters > 55
    figure = canvas(4.6 + (0.075 * letters if upright else 0), into)
    shares, degrees = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    single, multi = table["single"].to_numpy(float), table["multi"].to_numpy(float)
    handles = {
        "multi-faceted": shares.bar(places, multi, bottom=single, color=ABOVE, lw=0),
        "single-faceted": shares.bar(places, single, color=BELOW, lw=0),
    }
    for i, name in enumerate(("largest", "smallest")):
        draw_series(degrees, i, name, places, table[name].to_numpy(float))
        handles[f"{name} degree"] = line = degrees.lines[-1]
        if f"{name}_null" in table:
            degrees.plot(places, table[f"{name}_null"].to_numpy(float), color=line.get_color(),
                         ls="--", lw=1, zorder=2)  # fmt: skip
            handles["random rows"] = _SHUFFLED
    line = degrees.axhline(mean, color=INK, ls=":", lw=1.2, zorder=1)
    handles[f"mean of all units, {number(mean)}"] = line
    _from_zero(degrees)
    degrees.set_ylabel(LABELS["degree"])
    degrees.set_xticks(places, stages, rotation=90 * upright)
    shares.tick_params(axis="x", length=0)
    shares.set_yticks((0, 0.5, 1))
    shares.set_ylabel("units")
    shares.yaxis.set_major_formatter("{x:.0%}")
    legend_above(figure, handles.values(), handles)
    return figure


@styled
def similarity_maps(matrices: dict, *, measure="correlation", signed=True, columns=4, into=None):
    """Which units of a layer are alike: a map a layer, all in one scale of colours; appendix C.

    matrices: {layer: (U, U)}, symmetric, units in the order to draw. signed: colours from -1 to 1, as
    of a correlation, white at zero; else from 0 to the largest of all. nan is grey. Above each map the
    mean over pairs of different units.
    """
    matrices = {name: np.asarray(matrix, dtype=float) for name, matrix in matrices.items()}
    if not any(any_finite(matrix.ravel()) for matrix in matrices.values()):
        return nothing(into)
    largest = max(finite(matrix.ravel()).max(initial=0) for matrix in matrices.values())
    low, high = (-1, 1) if signed else (0, largest or 1)
    colours = (SIGNED if signed else SHARES).with_extremes(bad="#d9d9d9")
    columns = min(columns, max(len(matrices), 3))
    rows = math.ceil(len(matrices) / columns)
    figure = canvas(rows * (WIDTH / columns + 0.36) + 0.6, into)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, (name, matrix) in zip(grid, matrices.items(), strict=False):
        image = axes.imshow(matrix, cmap=colours, vmin=low, vmax=high)
        mean = number(mean_of_pairs(torch.from_numpy(matrix)))
        words = f"{short(str(name), 22)}\n{len(matrix):,} units, mean {mean}"
        axes.set_title(words, fontsize=8.5)
    bar = figure.colorbar(image, ax=list(grid), location="top", aspect=45, shrink=0.8)
    bar.ax.locator_params(nbins=4)
    bar.formatter = "{x:g}"
    bar.set_label(measure)
    return figure


@styled
def component_rows(rows: dict, *, into=None):
    """What a unit's strongest patches are made of: they stand beside their components; figure 4.

    rows: {title: (patches (k, 3, H, W) in [0, 1], strongest first, {view: components})}; the first 25
    patches are drawn. Components are (n, h, w) or (n, 3, h, w): real numbers, each component scaled to
    the whole range with zero mid grey, so that one of zeros is plain grey; or uint8, drawn as they are.
    """
    if not rows:
        return nothing(into)
    heights = [
        _HEAD + max(_LABEL + _BLOCK, sum(_view_heights(views))) for _, views in rows.values()
    ]
    figure = canvas(sum(heights), into)
    parts = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, (title, (patches, views)) in zip(parts, rows.items(), strict=True):
        part.suptitle(title, x=0.005, ha="left", fontsize=9.5, fontweight="bold")
        sides = [height - _LABEL for height in _view_heights(views)] or [1]
        grid = part.add_gridspec(len(sides), 2, width_ratios=(_BLOCK, WIDTH - _BLOCK),
                                 height_ratios=sides)  # fmt: skip
        chosen = patches[:_PATCHES]
        words = f"{len(chosen)} strongest of {len(patches)}"
        _draw_tiles(part.add_subplot(grid[:, 0]), words, chosen, math.isqrt(_PATCHES))
        for line, (view, components) in enumerate(views.items()):
            place = part.add_subplot(grid[line, 1])
            _draw_tiles(place, view, _shown(components), _across(views))
    return figure


def _across(views) -> int:
    """How many components stand side by side: a single view is as high as the patches."""
    return 8 if len(views) > 1 else 4


def _view_heights(views) -> list:
    """Inches of each view with its name."""
    side, across = (WIDTH - _BLOCK) / _across(views), _across(views)
    return [_LABEL + side * math.ceil(max(len(one), 1) / across) for one in views.values()]


def _draw_tiles(axes, words, pictures, columns):
    axes.imshow(tile(pictures, columns), interpolation="nearest")
    axes.set_axis_off()
    axes.set_anchor("NW")
    axes.set_title(words, loc="left", fontsize=8.5)


def _shown(components) -> np.ndarray:
    """Components as pictures (n, 3, h, w) in [0, 1]."""
    components = np.asarray(components)
    if components.ndim == 3:
        components = np.repeat(components[:, None], 3, axis=1)
    if components.dtype == np.uint8:
        return components / 255
    largest = np.abs(components).max(axis=(1, 2, 3), keepdims=True)
    return 0.5 + 0.5 * components / np.where(largest > 0, largest, 1)


@styled
def index_against_size(curves: dict, *, x_label: str, measure=LABELS["degree"], into=None):
    """How an index depends on the number of classes or images; not in the paper.

    curves: {name: a table of `helpers.selectivity.sizes`}, up to six. Columns size, degree, low, high:
    points with intervals, nan left out. null, smallest, largest of the first: what random rows give,
    and bounds, beyond which it is grey. Both axes are logarithmic, with a tick at every size.
    """
    curves = {name: table.astype(float) for name, table in curves.items()}
    if not any(any_finite(table["degree"]) for table in curves.values()):
        return nothing(into)
    figure = canvas(3.4, into)
    axes = figure.subplots()
    for i, (name, table) in enumerate(curves.items()):
        known = table[np.isfinite(table["degree"])]
        draw_series(axes, i, name, *known[["size", "degree", "low", "high"]].to_numpy().T)
    first, everything = next(iter(curves.values())), pd.concat(curves.values())
    size = first["size"]
    axes.plot(size, first["null"], color=INK, ls="--", lw=1.1, label="random rows")
    heights = finite([*everything[["degree", "low", "high"]].to_numpy().ravel(), *first["null"]])
    bottom, top = heights[heights > 0].min() / 1.6, heights.max() * 1.6
    axes.set(yscale="log", ylim=(bottom, top), xlabel=x_label, ylabel=measure)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    _size_axis(figure, axes, np.unique(everything["size"]))
    handles, labels = axes.get_legend_handles_labels()
    beyond = {"color": "#d5d5d5", "lw": 7, "zorder": 0}  # at the sizes: between them bounds jump
    axes.vlines(size, bottom, first["smallest"].clip(bottom, top), **beyond)
    reach = axes.vlines(size, first["largest"].clip(bottom, top), top, **beyond)
    if (first["smallest"] > bottom).any() or (first["largest"] < top).any():
        handles, labels = [*handles, reach], [*labels, "out of reach"]
    legend_above(figure, handles, labels)
    return figure


def _size_axis(figure, axes, sizes):
    """A tick at every size, and its number where there is room, the largest first."""
    inches = 0.8 * figure.bbox.width / figure.dpi * np.log(sizes / sizes[0])
    inches /= np.log(sizes[-1] / sizes[0]) or 1
    written, end = [], np.inf
    for size, place in zip(sizes[::-1], inches[::-1], strict=True):
        half = 0.04 * len(f"{size:,.10g}") + 0.03
        if place + half <= end:
            written.append(size)
            end = place - half
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(written))
    axes.xaxis.set_minor_locator(FixedLocator(np.setdiff1d(sizes, written)))
    axes.xaxis.set_major_formatter("{x:,.10g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _from_zero(axes):
    """From zero, with a little room below, so that marks on it show whole."""
    top = axes.get_ylim()[1]
    axes.set_ylim(-0.04 * top, top)


def _tables(units, control, names) -> dict:
    """{name: table} of what is given, without the -1 that a unit without images has for its flatness."""
    given = [units] if control is None else [units, control]
    given = [
        table.assign(flatness=table["flatness"].where(table["n_images"] > 0)) for table in given
    ]
    return dict(zip(names, given, strict=False))


def _groups(table, column, by) -> dict:
    """{value of `by`: what is finite in the column}, in their order; {} without the column."""
    if column not in table:
        return {}
    return {name: finite(part) for name, part in table.groupby(by, sort=False)[column]}


def _say_left_out(figure, tables):
    """One line below a figure: how many units of each network lack a number in any column."""
    words = []
    for name, table in tables.items():
        lacking = ~np.isfinite(table.to_numpy(float)).all(1)
        words += [f"{lacking.sum():,} of {len(table):,} ({name})"] * bool(lacking.any())
    if words:
        figure.supxlabel("units left out, without a value: " + ", ".join(words), fontsize=8.5,
                         color=FAINT)  # fmt: skip
