"""Strips: images in order of response, each with its number. The oldest way to look at a unit."""

from helpers.figures.style import (
    ABOVE,
    BELOW,
    INK,
    canvas,
    cells,
    cells_height,
    number,
    readable,
    short,
    show,
    styled,
)

COLUMNS = 6
_TEXT, _TITLE = 0.38, 0.26  # inches: two lines under a picture, one above a strip


@styled
def image_strip(pictures, values, captions=None, *, title="", columns=COLUMNS, into=None):
    """Pictures in reading order, under each its response and a caption.

    pictures: PIL images or tensors (3, H, W) in [0, 1]; values: one number each; captions: one
    name each, usually the class. Responses above zero are vermillion, others blue.
    """
    pictures, values = list(pictures), [float(v) for v in values]
    captions = [""] * len(pictures) if captions is None else list(captions)
    head = _TITLE if title else 0
    figure = canvas(cells_height(len(pictures), columns, _TEXT, head), into, layout=None)
    if title:
        high = figure.bbox.height / figure.dpi
        figure.text(0.005, 1 - 0.05 / high, title, va="top", fontweight="bold")
    grid = cells(figure, len(pictures), columns, _TEXT, head)
    for axes, picture, value, name in zip(grid, pictures, values, captions, strict=True):
        show(axes, picture)
        colour = ABOVE if value > 0 else BELOW
        _below(axes, 3, number(value), color=colour, fontsize=9.5, fontweight="bold")
        _below(axes, 15, short(readable(name), 15), color=INK, fontsize=8.5)
    return figure


def entries(record, images, ranked, unit: int, n: int = COLUMNS) -> tuple[list, list, list]:
    """(pictures, values, captions) of the first n entries of a ranked list, as strips take them.

    ranked: a list of the record's, such as `record[layer].top`; the caption is the image's class.
    """
    chosen = [i for i in ranked.images[unit, :n].tolist() if i >= 0]
    captions = [record.class_names[record.classes[i]] for i in chosen]
    return [images.open(i) for i in chosen], ranked.values[unit, : len(chosen)].tolist(), captions


@styled
def image_rows(rows: dict, *, columns=COLUMNS):
    """Several strips, one under the other: {title: (pictures, values, captions)}."""
    heights = [cells_height(len(row[0]), columns, _TEXT, _TITLE) for row in rows.values()]
    figure = canvas(sum(heights), layout=None)
    parts = figure.subfigures(len(rows), 1, height_ratios=heights, hspace=0, squeeze=False)[:, 0]
    for part, (title, entries) in zip(parts, rows.items(), strict=True):
        image_strip(*entries, title=title, columns=columns, into=part)
    return figure


def _below(axes, points, text, **how):
    axes.annotate(text, (0.5, 0), (0, -points), xycoords="axes fraction",
                  textcoords="offset points", ha="center", va="top", **how)  # fmt: skip
