"""Sheets: the patches behind a feature, and the features of many units side by side."""

import math

import numpy as np

from helpers.figures.style import INK, canvas, cells, cells_height, pixels, readable, show, styled

_TEXT = 0.29  # inches: two short lines under a tile


@styled
def feature_and_patches(feature, patches, *, columns=10, into=None):
    """A neuron feature, large, beside the patches it averages.

    feature (3, H, W) and patches (k, 3, H, W) in [0, 1], the strongest first.
    """
    rows = max(1, math.ceil(len(patches) / columns))
    figure = canvas(min(4.7, max(2.4, 0.34 + 0.42 * rows)), into)
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    show(left, feature)
    left.set_title("the neuron feature")
    right.imshow(tile(patches, columns), interpolation="nearest")
    right.set_axis_off()
    right.set_title(f"the {len(patches)} patches it averages, strongest first")
    for axes in (left, right):
        axes.set_anchor("N")
    return figure


@styled
def contact_sheet(pictures, captions=None, *, columns=10, grouped=True, into=None):
    """Pictures of many units, row by row, with short captions.

    pictures (n, 3, H, W) in [0, 1] or a list of such; captions: n names, for example each unit's
    strongest class. grouped: for a sheet sorted by its captions; one that equals its left neighbour's
    is not repeated.
    """
    pictures = list(pictures)
    text = 0.0 if captions is None else _TEXT
    figure = canvas(cells_height(len(pictures), columns, text), into, layout=None)
    for place, axes in enumerate(cells(figure, len(pictures), columns, text)):
        show(axes, pictures[place])
        starts = place % columns == 0 or not grouped
        if captions is not None and (starts or captions[place] != captions[place - 1]):
            words = readable(captions[place] or "none").replace(" ", "\n", 1)
            axes.annotate(words, (0, 0), (0, -2), xycoords="axes fraction", va="top", color=INK,
                          textcoords="offset points", fontsize=7.5, linespacing=0.95)  # fmt: skip
    return figure


def tile(pictures, columns: int) -> np.ndarray:
    """Pictures of one size as one array (rows * H, columns * W, 3), white between them."""
    framed = [np.pad(pixels(p), ((1, 1), (1, 1), (0, 0)), constant_values=1.0) for p in pictures]
    framed = framed or [np.ones((3, 3, 3))]
    rows = math.ceil(len(framed) / columns)
    framed += [np.ones_like(framed[0])] * (rows * columns - len(framed))
    return np.vstack([np.hstack(framed[r * columns : (r + 1) * columns]) for r in range(rows)])
