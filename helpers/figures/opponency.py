"""Opponent responses: what of a category is among the strongest and the most negative images."""

import textwrap

import numpy as np
from matplotlib.ticker import FixedLocator, NullLocator

from helpers.figures.profiles import (
    COLOURS,
    MARKERS,
    any_finite,
    apart,
    draw_series,
    finite,
    legend_above,
    nothing,
    nothing_in,
)
from helpers.figures.style import ABOVE, BELOW, FAINT, GREY, INK, canvas, readable, short, styled

_COLUMNS = 3
_NAMED = 3  # classes with a name on either line of a ladder


@styled
def ends_scatter(
    panels: dict, *, chance: float, threshold=0.7, expected=None, category="dogs", into=None
):
    """How much of either end of a unit's responses the category fills; paper 1, figure 2.

    panels: {title: (top (U,), bottom (U,), index (U,))}, one dot a unit, shares in [0, 1]; units
    with an index of `threshold` or more are marked. A unit with nan in a share is left out, one
    whose index is nan is not marked. expected: (x, y) of units that the category only shifts.
    """
    panels = {title: np.array([*columns], dtype=float) for title, columns in panels.items()}
    panels = {title: c[:, np.isfinite(c[:2]).all(0)] for title, c in panels.items()}
    if not any(c.size for c in panels.values()):
        return nothing(into)
    several = len(panels) > 1
    n_columns = min(len(panels), _COLUMNS)
    n_rows = -(-len(panels) // _COLUMNS)
    figure = canvas(6.0 / n_columns * n_rows + (1.1 if several else -0.3), into)
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (title, (top, bottom, index)) in zip(grid, panels.items(), strict=False):
        marked = index >= threshold
        handles = _draw_ends(axes, top, bottom, marked, chance, 1.0 if several else 2.2)
        if expected is not None:
            handles += axes.plot(*expected, color=INK, lw=1.4, zorder=2.5)
        lines = textwrap.wrap(title, 24 if several else 60)
        axes.set_title("\n".join(lines + [f"▲ {marked.sum():,} of {len(top):,}"] * several))
    _share_axes(grid, len(panels), n_columns)
    last = grid[n_columns - 1]  # of the first row: free ground at its right
    last.text(1.02, chance, "chance", color=FAINT, fontsize=8, va="center",
              transform=last.get_yaxis_transform())  # fmt: skip
    figure.supxlabel(f"{category} among the strongest images", fontsize=9.5)
    figure.supylabel(f"{category} among the most negative images", fontsize=9.5)
    n_units = sum(c.shape[1] for c in panels.values())
    n_marked = sum(int((c[2] >= threshold).sum()) for c in panels.values())
    labels = [f"index {threshold:g} or more: {n_marked:,} units", f"others: {n_units - n_marked:,}"]
    legend_above(figure, handles, [*labels, "a shift alone"][: len(handles)])
    return figure


def _draw_ends(axes, top, bottom, marked, chance, size):
    """Marked and other units of one panel, in the order of the legend."""
    if not len(top):
        nothing_in(axes)
    for line in (axes.axvline, axes.axhline):
        line(chance, color=FAINT, ls="--", lw=1, zorder=0)
    others = axes.scatter(top[~marked], bottom[~marked], s=8 * size, color=BELOW, alpha=0.3, lw=0)
    strong = axes.scatter(top[marked], bottom[marked], s=24 * size, color=ABOVE, marker="^",
                          ec="white", lw=0.4, zorder=3)  # fmt: skip
    return [strong, others]


def _share_axes(grid, n_panels, n_columns):
    """From 0 to 100 % everywhere; numbers at the outer axes, also above a gap in the last row."""
    for axes in grid[n_panels:]:
        axes.remove()
    for i, axes in enumerate(grid[:n_panels]):
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.tick_params(labelbottom=i + n_columns >= n_panels)
        first, *_, last = axes.xaxis.get_major_ticks()
        first.label1.set_horizontalalignment("left")  # or they would run into the next panel's
        last.label1.set_horizontalalignment("right")


@styled
def ladder(rows: dict, *, measure: str, category="dogs", into=None):
    """Which classes of a category a unit answers less than it answers classes outside it.

    rows: {unit: (means (C,), of_category (C,) bool, C class names)}, a pair of lines for each of up
    to six units, on a scale of its own; classes without images are nan and left out. Named are the
    lowest classes of the category and the highest others.
    """
    rows = {
        unit: (np.asarray(means, dtype=float), np.asarray(of_category, dtype=bool), names)
        for unit, (means, of_category, names) in rows.items()
    }
    if not any(any_finite(means) for means, _, _ in rows.values()):
        return nothing(into)
    figure = canvas(1.22 * len(rows) + 0.75, into)
    grid = figure.subplots(len(rows), squeeze=False)[:, 0]
    for axes, (unit, (means, inside, _)) in zip(grid, rows.items(), strict=True):
        handles = _draw_ladder(axes, means, inside)
        axes.set_title(unit, loc="left")
    figure.supxlabel(measure, fontsize=9.5)
    legend_above(figure, handles, [f"{category}, one dot a class", "other classes"])
    figure.canvas.figure.draw_without_rendering()  # the widths that names have are known after it
    for axes, (means, inside, names) in zip(grid, rows.values(), strict=True):
        order = [c for c in np.argsort(means, kind="stable") if np.isfinite(means[c])]
        lowest = [c for c in order if inside[c]][:_NAMED]
        highest = [c for c in order if not inside[c]][-_NAMED:]
        for classes, line in ((lowest, _UPPER), (highest, _LOWER)):
            _name_classes(axes, means[classes], [names[c] for c in classes], *line)
    return figure


_UPPER = (0.63, 0.9)  # heights of the dots and of their names, as parts of the axes
_LOWER = (0.37, 0.1)


def _draw_ladder(axes, means, inside):
    handles = []
    for chosen, (height, _), style in (
        (inside, _UPPER, {"marker": "o", "color": ABOVE, "s": 24}),
        (~inside, _LOWER, {"marker": "^", "color": GREY, "ec": FAINT, "s": 26}),
    ):
        values = finite(means[chosen])
        handles.append(axes.scatter(values, np.full(len(values), height), lw=0.5, **style))
        handles[-1].set_alpha(0.75)
    axes.axvline(0, 0.22, 0.78, color=INK, lw=0.8, zorder=0)  # not through the names
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.03)
    axes.locator_params(axis="x", nbins=7)
    if not any_finite(means):
        nothing_in(axes)
    return handles


def _name_classes(axes, values, names, height, name_height):
    """Names beside each other above or below their dots, with a thin line to each."""
    across = axes.get_yaxis_transform()
    style = {"fontsize": 8, "ha": "center", "va": "center", "transform": across}
    texts = [axes.text(0, name_height, short(readable(name), 20), **style) for name in names]
    sizes = [text.get_window_extent().width / axes.bbox.width + 0.02 for text in texts]
    places = (values - axes.get_xlim()[0]) / np.ptp(axes.get_xlim())
    for text, place, centre in zip(texts, places, apart(places, sizes, 0, 1), strict=True):
        text.set_x(centre)
        reach = 0.3 * (name_height - height)
        axes.plot([place, centre], [height + reach, name_height - reach], color=FAINT, lw=0.6,
                  transform=across)  # fmt: skip


@styled
def list_sensitivity(series: dict, *, chance: float, category="dogs", into=None):
    """Whether the share of the category at the bottom depends on how long a list is taken.

    series: {name: (parts (P,), shares (P,))}, up to six; parts: length of the list as a part of all
    images, on a logarithmic axis. nan is left out.
    """
    known = {}
    for name, (parts, shares) in series.items():
        both = np.array([parts, shares], dtype=float)
        known[name] = both[:, np.isfinite(both).all(0)]
    if not any(both.size for both in known.values()):
        return nothing(into)
    figure = canvas(3.4, into)
    axes = figure.subplots()
    ends = []
    for i, (name, (parts, shares)) in enumerate(known.items()):
        draw_series(axes, i, name, parts, shares)
        if len(parts):
            last = parts.argmax()
            ends.append((name, parts[last], shares[last], COLOURS[i], list(MARKERS)[i]))
    axes.axhline(chance, color=FAINT, ls="--", lw=1, zorder=0)
    _list_axis(axes, np.concatenate([both[0] for both in known.values()]))
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel("length of the list, part of all images")
    axes.set_ylabel(f"{category} among the\nmost negative images")
    _name_ends(figure, axes, [*ends, ("chance", axes.get_xlim()[1], chance, FAINT, "")])
    return figure


def _list_axis(axes, parts):
    """A logarithmic axis with the 1, 2, 5 of each decade written as per cent."""
    low, high = parts.min() / 1.15, parts.max() * 1.15
    ticks = [d * 10.0**e for e in range(-6, 1) for d in (1, 2, 5) if low < d * 10.0**e < high]
    ticks = ticks if len(ticks) > 1 else np.unique(parts)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")


def _name_ends(figure, axes, ends):
    """Names at the right of the axes, each as near to the end of its line as there is room.

    ends: (name, x, y, colour, marker) of each line. Names are in ink, as some colours are too pale
    for letters; a thin line and the marker lead to them.
    """
    place = {"va": "center", "fontsize": 8.5, "transform": axes.transAxes}
    texts = [axes.text(1.09, 0, textwrap.fill(name, 24), **place) for name, *_ in ends]
    figure.canvas.figure.draw_without_rendering()  # the heights of axes and names are known after it
    sizes = [text.get_window_extent().height / axes.bbox.height + 0.02 for text in texts]
    points = axes.transData.transform([(x, y) for _, x, y, *_ in ends])
    points = axes.transAxes.inverted().transform(points)
    centres = apart(points[:, 1], sizes, 0, 1)
    for text, (x, y), centre, end in zip(texts, points, centres, ends, strict=True):
        *_, colour, marker = end
        text.set_y(centre)
        axes.plot([x, 1.065], [y, centre], color=colour, lw=0.7, marker=marker, markevery=[1], ms=4.5,
                  clip_on=False, transform=axes.transAxes, scalex=False, scaley=False)  # fmt: skip
