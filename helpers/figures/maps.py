"""Activation maps: what a unit answers at every place, and what it saw where it answered most."""

import numpy as np
from matplotlib.patches import Rectangle

from helpers.figures.style import GREY, INK, SIGNED, canvas, number, pixels, styled


@styled
def activation_map(picture, values, field, *, into=None):
    """The image with the receptive field of the maximum; the map as numbers; the map on the image.

    picture (3, H, W) in [0, 1], as the network saw it; values (H', W'), the unit's pre-activations;
    field: the layer's `ReceptiveField`. Where the box leaves the image the network saw padding.
    """
    values, image = np.asarray(values), pixels(picture)
    y, x = np.unravel_index(values.argmax(), values.shape)
    box = field.box(int(y), int(x))
    limit = float(np.abs(values).max()) or 1.0
    figure = canvas(2.35, into)
    seen, numbers, laid = figure.subplots(1, 3)
    _place(seen, image, box)
    seen.set_title("the image and the\nreceptive field")
    coloured = _table(numbers, values, limit, (y, x))
    numbers.set_title("the activation map,\none value a place")
    _place(laid, image.mean(2), box, cmap="gray", alpha=0.8)
    laid.imshow(values, extent=_extent(field, values.shape), cmap=SIGNED, vmin=-limit,
                vmax=limit, alpha=0.55, interpolation="nearest")  # fmt: skip
    _place(laid, None, box)
    laid.set_title("the map over\nthe image")
    bar = figure.colorbar(coloured, ax=[numbers, laid], shrink=0.75, aspect=18, pad=0.02)
    bar.set_label("pre-activation", fontsize=8.5)
    return figure


def _place(axes, image, box, **how):
    """Draw the image at its own pixels and the box over it, with room where the box goes beyond."""
    top, left, bottom, right = box
    if image is not None:
        height, width = image.shape[:2]
        axes.imshow(image, extent=(0, width, height, 0), interpolation="nearest", **how)
        axes.set_xlim(min(0, left) - 1, max(width, right) + 1)
        axes.set_ylim(max(height, bottom) + 1, min(0, top) - 1)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_facecolor("#eeeeee")
    for colour, width in ((INK, 3.0), ("white", 1.2)):  # seen on any ground
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False,
                                 edgecolor=colour, linewidth=width))  # fmt: skip


def _table(axes, values, limit, strongest):
    height, width = values.shape
    drawn = axes.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(GREY)
    if max(height, width) <= 8:  # more would not be legible
        for (y, x), value in np.ndenumerate(values):
            axes.text(x, y, number(value) if abs(value) >= 10 else f"{value:.1f}".replace("-", "−"),
                      ha="center", va="center", fontsize=5.5)  # fmt: skip
    y, x = strongest
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.8))
    return drawn


def _extent(field, shape):
    """Where a map lies on the image: every position at the centre of its receptive field."""
    top, left, bottom, right = field.box(0, 0)
    # A field without stride is the whole image, and its map has one place.
    step = [stride or size for stride, size in zip(field.stride, field.size, strict=True)]
    y, x = (top + bottom - step[0]) / 2, (left + right - step[1]) / 2
    return (x, x + shape[1] * step[1], y + shape[0] * step[0], y)
