"""What single units prefer, in colour and in class: the figures of paper 4.

    activation_curves   how fast a unit's ranked responses fall (figure 1)
    feature_gallery     features above the patches that they average (figures 2, 6, 11)
    degree_bars         how many units of each layer have a low or a high index (figures 4, 8, 9)
    hue_wheel           which hues the units of each layer prefer (figure 7)
    tag_clouds          the classes that drive a unit, and what they are kinds of (figure 10)

Many features side by side (figures 3, 5) are `sheets.contact_sheet`.
"""

import math

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, ListedColormap
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle, Wedge
from PIL import ImageFont
from wordcloud import WordCloud

from helpers.figures.profiles import any_finite, apart, legend_above, nothing, nothing_in
from helpers.figures.sheets import tile
from helpers.figures.style import (
    ABOVE,
    BELOW,
    FAINT,
    GREY,
    INK,
    WIDTH,
    canvas,
    pixels,
    readable,
    short,
    show,
    styled,
)
from helpers.selectivity.feature import FLOOR, MOST_CROPS

_CURVES = 5  # of a layer: more could not be told apart
_COLUMNS = 3  # of small multiples
# From light grey to dark: lightness falls evenly, so that the order shows without hue too.
PALETTES = {
    name: LinearSegmentedColormap.from_list(name, ["#dedede", *colours])
    for name, colours in {
        "warm": ["#e8965a", "#b34700", "#521f00"],
        "cool": ["#7fb2d6", "#0068a3", "#00294d"],
        "green": ["#6fc3a3", "#007a59", "#00352a"],
    }.items()
}
_INNER, _OUTER, _FOOT, _RIM, _SIDE = 0.3, 2.5, 2.66, 3.15, 3.2  # inches from the wheel's middle
_HUES = {"red": 27, "yellow": 90, "green": 153, "cyan": 207, "blue": 270, "magenta": 333}
_BIN = 10  # degrees
_FINE = 100  # dots an inch in which words of a cloud are placed
_LEAST, _LARGEST = 8.5, 30  # points; smaller words could not be read on a telephone
_FONT = findfont(FontProperties(family="DejaVu Sans"))
_AIR, _FILL, _TRIES, _WORDS = 6, 0.6, 8, 14  # dots around a word, filled part, seeds, most words
_CLOUD, _TITLE, _LABEL, _GAP = 1.35, 0.2, 0.21, 0.14  # inches


@styled
def activation_curves(layers: dict, *, into=None):
    """How fast the ranked responses of units fall, one panel a layer; figure 1.

    layers: {layer: (curves (n, k), areas (n,))}: `activation_curve`, relative to the unit's largest
    response, and `area_percent`. Drawn are the units with the largest and the smallest area and
    three between them, equally far apart in rank, each with its area. The grey part holds what a
    neuron feature averages: at most 100 images, at least 70 % of the largest response. A unit
    whose area is nan is dead: counted, not drawn.
    """
    layers = {name: [np.asarray(one, dtype=float) for one in both] for name, both in layers.items()}
    if not any(any_finite(areas) for _, areas in layers.values()):
        return nothing(into)
    columns = min(_COLUMNS, max(len(layers), 2))
    rows = math.ceil(len(layers) / columns)
    figure = canvas(1.75 * rows + 0.85, into)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in grid[len(layers) :]:
        axes.set_axis_off()
    for axes in grid[max(0, len(layers) - columns) : len(layers)]:
        axes.tick_params(labelbottom=True)
    for axes, (name, (curves, areas)) in zip(grid, layers.items(), strict=False):
        used = axes.add_patch(Rectangle((0, FLOOR), MOST_CROPS, 1 - FLOOR, fc="#e2e2e2", lw=0))
        dead = int(np.isnan(areas).sum())
        axes.set_title(f"{name}\n{len(areas):,} units" + f", {dead:,} dead" * bool(dead))
        _draw_curves(axes, curves, areas)
    longest = max(curves.shape[1] for curves, _ in layers.values())
    grid[0].set(xlim=(0, 1.24 * longest), ylim=(0, 1.04), yticks=(0, FLOOR, 1))
    grid[0].set_xticks(sorted({1, min(MOST_CROPS, longest), longest}))
    grid[0].yaxis.set_major_formatter("{x:.0%}")
    figure.supxlabel(
        "images, the strongest first (numbers: area, of the largest in the network)", fontsize=9.5
    )
    figure.supylabel("response, of the largest", fontsize=9.5)
    handles = [Line2D([], [], color=colour, lw=1.6) for colour in (ABOVE, FAINT, BELOW)]
    labels = ["largest area", "between", "smallest area", "averaged in the feature"]
    legend_above(figure, [*handles, used], labels)
    return figure


def _draw_curves(axes, curves, areas):
    """Curves of some units, and beside their ends the areas, in per cent of the largest."""
    known = np.flatnonzero(np.isfinite(areas))
    if not len(known):
        nothing_in(axes)
        return
    ranked = known[np.argsort(-areas[known], kind="stable")]
    chosen = ranked[np.unique(np.linspace(0, len(ranked) - 1, _CURVES).round().astype(int))]
    colours = [ABOVE, *[FAINT] * (len(chosen) - 2), BELOW][: len(chosen)]
    heights = apart(-curves[chosen, -1], [0.115] * len(chosen), -1.04, 0)
    for unit, colour, height in zip(chosen, colours, -heights, strict=True):
        k = curves.shape[1]
        axes.plot(range(1, k + 1), curves[unit], color=colour, lw=1.6 if colour != FAINT else 1)
        axes.annotate(f"{areas[unit]:.0f}%", (k, height), (3, 0), textcoords="offset points",
                      color=colour, fontsize=8.5, va="center")  # fmt: skip


@styled
def feature_gallery(units: dict, *, columns=4, patch_columns=5, into=None):
    """Neuron features, each above the patches that it averages; figures 2, 6 and 11.

    units: {caption: (feature (3, H, W), patches (k, 3, H, W))} in [0, 1], patches strongest first.
    """
    if not units:
        return nothing(into)
    deepest = max(len(patches) for _, patches in units.values())
    below = math.ceil(deepest / patch_columns) / patch_columns  # heights of a feature
    rows = math.ceil(len(units) / columns)
    figure = canvas(rows * (WIDTH / columns * (1 + below) + 0.3), into)
    grid = figure.subplots(2 * rows, columns, height_ratios=[1, max(below, 0.01)] * rows,
                           squeeze=False)  # fmt: skip
    for axes in grid.ravel():
        axes.set_axis_off()
    for i, (caption, (feature, patches)) in enumerate(units.items()):
        row, column = divmod(i, columns)
        above, under = grid[2 * row : 2 * row + 2, column]
        show(above, feature)
        above.set_title(caption, fontsize=8.5)
        above.set_anchor("S")
        under.set_anchor("N")
        if len(patches):
            under.imshow(tile(patches, patch_columns), interpolation="nearest")
    return figure


def binned(units: pd.DataFrame, column: str, ends, by: str = "stage") -> pd.DataFrame:
    """Shares of each layer's units whose index lies from one end up to the next, for `degree_bars`.

    units: one row a unit; ends: lower ends, rising; below the first counts as the first. nan are in no bin.
    """
    place = np.searchsorted(np.asarray(ends), units[column].to_numpy(float), side="right") - 1
    place = pd.Series(place.clip(min=0), index=units.index).where(units[column].notna())
    groups = place.groupby(units[by], sort=False)
    return pd.DataFrame(
        {end: groups.agg(lambda one, i=i: (one == i).mean()) for i, end in enumerate(ends)}
    )


@styled
def degree_bars(
    table: pd.DataFrame, *, measure: str, colours="warm", cutoff=None, chance=None, control=None,
    names=("trained", "untrained"), into=None,
):  # fmt: skip
    """How many units of each layer have a low or a high index, as stacked bars; figures 4, 8 and 9.

    table: layers x bins, shares of the layer's units. A column is the lower end of its bin, a number,
    in rising order, or a name. The highest bin stands on the axis, so that heights are
    shares of units at or above each end; what is missing to 1 is left blank (units without an index).
    colours: warm, cool or green, all from grey. cutoff: the column from which units count as
    selective: their share is written into the bars. chance: {layer: what luck gives of it}, a diamond.
    control: the table of another network, drawn below.
    """
    tables = dict(zip(names, [table] if control is None else [table, control], strict=False))
    if not any(any_finite(one.to_numpy(float).ravel()) for one in tables.values()):
        return nothing(into)
    palette, bins = PALETTES[colours], list(table.columns)
    shades = [palette(i / max(len(bins) - 1, 1)) for i in range(len(bins))]
    layers = [str(layer) for layer in table.index]
    letters = max(map(len, layers))
    upright = len(layers) * letters > 55
    height = 0.9 + 1.9 * len(tables) + (0.075 * letters if upright else 0)
    figure = canvas(height, into)
    grid = figure.subplots(len(tables), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (name, one) in zip(grid, tables.items(), strict=True):
        shares = one.reindex(index=table.index, columns=bins).to_numpy(float)
        reached = np.nan_to_num(shares)[:, ::-1].cumsum(1)[:, ::-1]  # at or above each end
        for column, shade in enumerate(shades):
            share = np.nan_to_num(shares[:, column])
            axes.bar(range(len(layers)), share, 0.86, reached[:, column] - share, color=shade, lw=0)
        if cutoff is not None:
            _write_reached(axes, reached[:, bins.index(cutoff)], shades[bins.index(cutoff)])
        if len(tables) > 1:
            axes.set_title(name, loc="left")
    if cutoff is not None and chance is not None:
        marks = np.arange(len(layers)) + 0.34, [chance.get(layer, np.nan) for layer in table.index]
        grid[0].plot(*marks, "D", color="white", mec=INK, mew=1, ms=5, label="by luck")
    grid[0].set(ylim=(0, 1), xlim=(-0.6, len(layers) - 0.4), yticks=(0, 0.25, 0.5, 0.75, 1))
    grid[0].yaxis.set_major_formatter("{x:.0%}")
    grid[-1].set_xticks(range(len(layers)), layers, rotation=90 * upright)
    for axes in grid:
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel("units")
    _scale_above(figure, grid, shades, bins, measure, cutoff)
    return figure


def _scale_above(figure, grid, shades, bins, measure, cutoff):
    """The colours of the bins, in one strip with their ends, and what the other marks mean."""
    ends = np.arange(len(bins) + 1)
    colours = ScalarMappable(BoundaryNorm(ends, len(bins)), ListedColormap(shades))
    bar = figure.colorbar(colours, ax=list(grid), location="top", aspect=45, shrink=0.8)
    numbers = not any(isinstance(one, str) for one in bins)
    places = ends[:-1] if numbers else ends[:-1] + 0.5
    bar.set_ticks(places, labels=[f"{one:g}" if numbers else one for one in bins])
    bar.ax.tick_params(which="both", length=0)
    bar.outline.set_visible(False)
    bar.set_label(measure)
    if cutoff is not None:
        bar.ax.axvline(bins.index(cutoff), color=INK, lw=1.6)
        written = f"{cutoff:g} or more" if numbers else f"{cutoff} or more"
        handles = {f"units with {written}": Line2D([], [], color=INK, lw=1.6)}
        handles |= {line.get_label(): line for line in grid[0].lines}
        legend_above(figure, handles.values(), handles)


def _write_reached(axes, heights, shade):
    """A line across each bar at the share of selective units, and the share above it."""
    places = np.arange(len(heights))
    axes.hlines(heights, places - 0.43, places + 0.43, color=INK, lw=1.6, clip_on=False)
    for place, height in enumerate(heights if len(heights) <= 12 else ()):  # else no room
        below = height > 0.88
        axes.annotate(f"{height:.0%}", (place, height), (0, -2 if below else 2), fontsize=8.5,
                      textcoords="offset points", ha="center", va="top" if below else "bottom",
                      color="white" if below and sum(shade[:3]) < 1.6 else INK)  # fmt: skip


@styled
def hue_wheel(layers: dict, image_hues=None, *, into=None):
    """Which hues the units of each layer prefer, on rings from the first layer outwards; figure 7.

    layers: {layer: (hues (n,) in degrees, features (n, 3, h, w) in [0, 1] or None)}, the most
    selective units first; nan has no hue and is left out. Angles are those of
    `helpers.selectivity.color.hue`: 90, yellow, is up. Every unit is a dot in its hue on its
    layer's ring; a feature stands outside the dot where it covers no other. image_hues (360,): how
    much of each hue is in the images, drawn around the rings, under the outline of all units'.
    """
    known = {name: np.isfinite(np.asarray(hues, float)) for name, (hues, _) in layers.items()}
    if not any(some.any() for some in known.values()):
        return nothing(into)
    figure = canvas(WIDTH + 0.42, into, layout=None)
    high = min(1, figure.bbox.width / figure.bbox.height)
    axes = figure.add_axes((0, 1 - high, 1, high))
    axes.set_axis_off()
    hues = {name: np.asarray(layers[name][0], float)[some] for name, some in known.items()}
    everything = np.concatenate(list(hues.values()))
    pitch = (_OUTER - _INNER) / max(len(layers), 4)
    radii = _INNER + pitch * np.arange(len(layers))
    placed = _label_wheel(axes, dict(zip(layers, radii, strict=True)), everything)
    pictured = possible = 0
    for radius, (name, degrees) in zip(radii, hues.items(), strict=True):
        axes.add_patch(Circle((0, 0), radius, fill=False, ec=GREY, ls="--", lw=0.7))
        axes.scatter(*_around(degrees, radius), s=13, c=hue_colours(degrees), ec=INK, lw=0.35,
                     zorder=4)  # fmt: skip
        if (features := layers[name][1]) is None:
            continue
        possible += len(degrees)
        for one, angle in zip(np.flatnonzero(known[name]), degrees, strict=True):
            x, y = _around(angle, radius + 0.52 * pitch)
            if _free(box := (x, y, 0.76 * pitch, 0.76 * pitch), placed):
                placed.append(box)
                extent = np.repeat((x, y), 2) + np.array([-0.38, 0.38] * 2) * pitch
                axes.imshow(pixels(features[one]), extent=extent, interpolation="nearest", zorder=3)
                pictured += 1
    if image_hues is not None:
        _draw_rim(axes, np.asarray(image_hues, float), everything)
    axes.set(xlim=(-_SIDE, _SIDE), ylim=(-_SIDE, _SIDE), aspect="equal")
    _say_wheel(figure, len(everything), pictured, possible, image_hues is not None)
    return figure


def hue_colours(degrees) -> np.ndarray:
    """The purest RGB colour (n, 3) of each hue (n,) in degrees, as `helpers.selectivity.color.hue` has it."""
    red_green, yellow_blue = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    blue = -2 * yellow_blue / 3
    mean = yellow_blue / 3  # of red and green
    colours = np.stack([mean + red_green / 2, mean - red_green / 2, blue], -1)
    colours -= colours.min(-1, keepdims=True)
    return colours / colours.max(-1, keepdims=True)


def _around(degrees, radius):
    return radius * np.cos(np.radians(degrees)), radius * np.sin(np.radians(degrees))


def _free(box, placed) -> bool:
    """Whether a box (x, y, width, height) covers none of those that are there."""
    placed = np.array(placed)
    return (np.abs(placed[:, :2] - box[:2]) >= (placed[:, 2:] + box[2:]) / 2).any(1).all()


def _label_wheel(axes, radii, hues) -> list:
    """Names of hues inside the rim, of layers on their rings; their boxes (x, y, width, height)."""
    angles = np.r_[70:111:5, 250:291:5]  # upwards or downwards names stand one above the other
    distances = np.abs((hues[:, None] - angles + 180) % 360 - 180)
    freest = angles[(distances < 20).sum(0).argmin()]
    places = [(name, freest, radius) for name, radius in radii.items()]
    for name, degrees in _HUES.items():
        x, y = np.abs(_around(degrees, 1))
        places.append((name, degrees, _FOOT - 0.1 - 0.04 * len(name) * x - 0.06 * y))
    boxes = []
    for name, degrees, radius in places:
        x, y = _around(degrees, radius)
        axes.text(x, y, name, fontsize=8.5, ha="center", va="center", zorder=3.5,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
        boxes.append((x, y, 0.085 * len(name) + 0.04, 0.16))
    return boxes


def _draw_rim(axes, image_hues, hues):
    """How much of each hue is in the images, as bars outwards, and the units' hues as an outline."""
    starts = np.arange(0, 360, _BIN)
    units = np.bincount((hues % 360 // _BIN).astype(int), minlength=len(starts))
    heights = np.array([image_hues.reshape(-1, _BIN).sum(1), units], dtype=float)
    heights /= np.maximum(heights.sum(1, keepdims=True), 1e-12)  # as shares
    heights *= (_RIM - _FOOT) / heights.max()
    colours = hue_colours(starts + _BIN / 2)
    for start, height, colour in zip(starts, heights[0], colours, strict=True):
        axes.add_patch(Wedge((0, 0), _FOOT + height, start, start + _BIN, width=height, fc=colour,
                             ec=INK, lw=0.3))  # fmt: skip
    degrees = np.add.outer(starts, np.linspace(0, _BIN, 11)).ravel()
    x, y = _around(degrees, _FOOT + np.repeat(heights[1], 11))
    axes.plot(np.append(x, x[0]), np.append(y, y[0]), color=INK, lw=1.2)


def _say_wheel(figure, n_units, pictured, possible, has_rim):
    """Words below the wheel: what is drawn, and how many of how many features."""
    words = f"{n_units:,} units, a dot each"
    if possible:
        words += f"; features of {pictured:,} of {possible:,}, where there is room"
    if has_rim:
        words += "\ncoloured bars: the images' colours; outline: the units'"
    figure.text(0.5, 0.02, words, ha="center", va="bottom", fontsize=8.5, color=INK)


@styled
def tag_clouds(units: dict, pictures=None, *, names=("classes", "ontology"), into=None):
    """Which classes drive a unit, in two clouds of words beside its feature; figure 10.

    units: {title: ({class: weight}, {class or node above: weight})}: f_c, and its sums; pictures: {title:
    feature (3, H, W)}. In each cloud a letter's area goes with the weight, but none is too small to
    read. At most 14 words are drawn, down to 8 % of the largest weight; above stands how many of how
    many, and the largest weight. Names that read alike share a word.
    """
    if not any(weights for clouds in units.values() for weights in clouds):
        return nothing(into)
    pitch = _TITLE + _LABEL + _CLOUD + _GAP
    figure = canvas(len(units) * pitch, into, layout=None)
    width, height = (side / figure.dpi for side in figure.bbox.size)
    left = 0 if pictures is None else _CLOUD + _GAP
    across = (width - left) / 2

    def place(x, y, w, h):
        return figure.add_axes((x / width, y / height, w / width, h / height))

    for row, (title, clouds) in enumerate(units.items()):
        top = height - row * pitch
        figure.text(0.005, (top - 0.04) / height, title, va="top", fontweight="bold")
        bottom = top - _TITLE - _LABEL - _CLOUD
        if pictures is not None:
            show(place(0.03, bottom, _CLOUD, _CLOUD), pictures[title])
        for column, (name, weights) in enumerate(zip(names, clouds, strict=True)):
            size = across - _GAP, _CLOUD
            axes = place(left + column * across + _GAP / 2, bottom, *size)
            _draw_cloud(axes, name, weights, size, (INK, BELOW)[column])
    return figure


def _draw_cloud(axes, name, weights, size, colour):
    """One cloud in axes of the given size (width, height) in inches."""
    axes.set(xlim=(0, size[0] * _FINE), ylim=(size[1] * _FINE, 0), xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=GREY, lw=0.7)
    weights = {key: weight for key, weight in weights.items() if weight > 0}
    if not weights:
        axes.set_title(name, fontsize=8.5, loc="left", pad=3)
        nothing_in(axes)
        return
    merged = {}
    for key, weight in weights.items():
        word = short(readable(key), 22)
        merged[word] = merged.get(word, 0) + weight
    drawn = _arranged(merged, size)
    for word, (x, y), high in drawn:
        baseline = y + ImageFont.truetype(_FONT, high).getmetrics()[0]
        axes.text(x, baseline, word, fontsize=high * 72 / _FINE, color=colour, va="baseline")
    counted = f"{len(drawn)} of {len(merged)}" if len(drawn) < len(merged) else f"{len(merged)}"
    words = f"{name}: {counted}, largest {max(merged.values()):.0%}"
    axes.set_title(words, fontsize=8.5, loc="left", pad=3)


def _arranged(weights, size) -> list:
    """(word, (x, y) of its baseline's start, height) in dots, as large as lets every word fit.

    The package that places words lets some touch or leave the frame, and makes those that do not fit
    smaller, with all that follow; so arrangements are tried, large letters first, until one holds
    every word; else that with most.
    """
    ranked = sorted(weights, key=weights.get, reverse=True)[:_WORDS]
    heights = {word: math.sqrt(weights[word] / weights[ranked[0]]) for word in ranked}
    heights = {word: height for word, height in heights.items() if height >= _LEAST / _LARGEST}
    frame = [round(side * _FINE) for side in size]
    least, largest = (round(points * _FINE / 72) for points in (_LEAST, _LARGEST))
    best = []
    for scale in range(largest, least - 1, -2):
        wanted = {word: max(round(scale * height), least) for word, height in heights.items()}
        inks = [_ink(word, high) for word, high in wanted.items()]
        area = sum((right - left + _AIR) * (low - top + _AIR) for left, top, right, low in inks)
        for seed in range(_TRIES * (area < _FILL * math.prod(frame) or scale == least)):
            cloud = WordCloud(_FONT, *frame, margin=_AIR, prefer_horizontal=1, relative_scaling=1,
                              min_font_size=least, max_font_size=scale, random_state=seed)  # fmt: skip
            layout = cloud.generate_from_frequencies(wanted).layout_
            placed = [(word, (x, y), high) for (word, _), high, (y, x), *_ in layout]
            if all(high == wanted[word] for word, _, high in placed):
                best = max(best, _not_touching(placed, frame), key=len)
            if len(best) == len(wanted):
                return best
    return best


def _ink(word, high) -> tuple:
    """Left, top, right and bottom of a word's ink, from the upper left corner of its line."""
    return ImageFont.truetype(_FONT, high).getbbox(word)


def _not_touching(placed, frame) -> list:
    """The words that are inside the frame and touch none of those before them, with a little air."""
    boxes, free = [], []
    for word, (x, y), high in placed:
        left, top, right, low = np.add(_ink(word, high), (x - 3, y - 1, x + 3, y + 1))
        inside = left >= 0 and top >= 0 and right <= frame[0] and low <= frame[1]
        if inside and all(
            min(right, r) <= max(left, a) or min(low, b) <= max(top, t) for a, t, r, b in boxes
        ):
            boxes.append((left, top, right, low))
            free.append((word, (x, y), high))
    return free
