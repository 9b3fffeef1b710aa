"""The first page's cards: each chapter's message in one small picture.

    python -m data.make.chapter_pictures        # writes data/pictures/chapter-*.webp

Every unit is chosen by a rule. Generated images only, and numbers of GoogLeNet's shipped record.
"""

import io

import numpy as np
import torch
from PIL import Image

from data.make.readme_picture import chosen_layer, read_unit
from helpers import figures, open_study
from helpers.claims.category import best_of
from helpers.claims.counts import unit_facets
from helpers.claims.dogs import shown_units
from helpers.claims.faces import best_face_units, best_untrained
from helpers.claims.features import feature_units
from helpers.features import layer_features
from helpers.figures.style import ABOVE, BELOW, FAINT, SIGNED, Drawing, pixels, styled
from helpers.paths import data_path
from helpers.selectivity.profile import stages

COLOR_SELECTIVE = 0.4  # paper 4
SIZE, RESOLUTION, QUALITY = (4.8, 3.0), 100, 80


def framed(axes, picture, colour):
    """A picture without axes in a coloured frame."""
    axes.imshow(pixels(picture), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(visible=True, color=colour, linewidth=2.5)


def curve(axes, values):
    """Responses in order, above zero and below."""
    values = np.sort(np.asarray(values))[::-1]
    rank = np.arange(len(values))
    for part, colour in ((values > 0, ABOVE), (values <= 0, BELOW)):
        axes.fill_between(rank[part], values[part], color=colour)
    axes.axhline(0, color=FAINT, lw=0.8)
    axes.set(xlim=(0, len(values)), xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)


def reading(study, figure):
    """From an image to a map, from the map to a feature, and from all images to a curve."""
    layer = chosen_layer(study)
    unit, picture, values, feature = read_unit(study, layer)
    panels = figure.subplot_mosaic([["image", "map", "feature"], ["curve"] * 3],
                                   height_ratios=(1.5, 1))  # fmt: skip
    framed(panels["image"], picture, FAINT)
    limit = float(values.abs().max())
    panels["map"].imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit)
    panels["map"].set(xticks=[], yticks=[])
    framed(panels["feature"], feature, FAINT)
    for name in ("image", "map", "feature"):
        panels[name].set_title(name, fontsize=15)
    of_layer = study.record[layer]
    curve(panels["curve"], figures.ordered_responses(of_layer, unit, len(study.images), "mean"))


def opponent(study, figure):
    """Both ends of the dog unit that has most dogs at both of them."""
    units = shown_units(study)
    both = units[units.selective][["top_max", "bottom_min"]].min(axis=1)
    best = units.loc[both.idxmax()]
    rows = ("strongest", "top", ABOVE), ("most negative", "bottom", BELOW)
    for part, (title, which, colour) in zip(figure.subfigures(2, 1), rows, strict=True):
        part.suptitle(title, fontsize=15, color=colour)
        ranked = getattr(study.record[best.layer], which)
        shown = figures.entries(study.record, study.images, ranked, int(best.unit), 5)[0]
        for axes, picture in zip(part.subplots(1, 5), shown, strict=True):
            framed(axes, picture, colour)


def category(study, figure):
    """How well the best face unit of each block of GoogLeNet tells faces, with the control."""
    axes = figure.subplots()
    stage_of = stages(study.record.layers)
    for aucs, name, colour in (
        (best_face_units(study), "trained", ABOVE),
        (best_untrained(study), "before training", BELOW),
    ):
        blocks = {}
        for layer in aucs:
            blocks.setdefault(stage_of[layer], []).append(layer)
        heights = [best_of(aucs, layers).mean() for layers in blocks.values()]
        axes.plot(heights, color=colour, lw=4, marker="o", ms=8)
        axes.text(len(heights) - 1, min(heights[-5:]) - 0.03, name, fontsize=15, color=colour,
                  ha="right", va="top")  # fmt: skip
    axes.set(xticks=[], ylim=(0.44, 1.02), yticks=[0.5, 1])
    axes.set_yticklabels(["0.5", "1"], fontsize=15)
    axes.set_title("best face unit, AUC", fontsize=15)
    axes.set_xlabel("first to last block", fontsize=15)


def facets(study, figure):
    """Every 20th of 100 images of the last layer's unit of fewest classes and the first's of most."""
    units = unit_facets(study).dropna(subset="degree")
    layers = list(dict.fromkeys(units.layer))
    few = units[units.layer == layers[-1]].sort_values("n_classes").iloc[0]
    many = units[units.layer == layers[0]].sort_values("n_classes").iloc[-1]
    for part, row in zip(figure.subfigures(2, 1), (few, many), strict=True):
        plural = "class" if row.n_classes == 1 else "classes"
        part.suptitle(f"{row.n_classes} {plural} of 48", fontsize=15)
        ranked = study.record[row.layer].top
        shown = figures.entries(study.record, study.images, ranked, int(row.unit), 100)[0]
        for axes, picture in zip(part.subplots(1, 5), shown[::20], strict=True):
            framed(axes, picture, FAINT)


def color(study, figure):
    """Features of the most colour-selective units, at most eight of each 30 degrees, by hue."""
    units = feature_units(study).sort_values("color_index", ascending=False)
    units = units[units.color_index >= COLOR_SELECTIVE]
    chosen = units.groupby(units.hue // 30).head(8).sort_values("hue").head(28)
    shown = {}
    for name, some in chosen.groupby("layer"):
        found = layer_features(study.record, study.network, study.images, name, some.unit.tolist())
        shown |= dict(zip(some.index, found.pictures, strict=True))
    for axes, row in zip(figure.subplots(4, 7).flat, chosen.index, strict=True):
        axes.imshow(pixels(shown[row]))
        axes.set_axis_off()


CARDS = {
    "reading-a-unit": (reading, "world"),
    "opponent-responses": (opponent, "world"),
    "category-selectivity": (category, "googlenet-faces"),
    "single-multi-faceted": (facets, "world"),
    "color-and-class": (color, "world"),
}


@styled
def draw(name) -> Image.Image:
    """The card of a chapter, SIZE x RESOLUTION pixels."""
    fill, study = CARDS[name]
    figure = Drawing(figsize=SIZE, facecolor="white", layout="constrained")
    fill(open_study(study), figure)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=RESOLUTION)
    return Image.open(file).convert("RGB")


def main() -> None:
    torch.set_num_threads(1)
    for name in CARDS:
        path = data_path("pictures", f"chapter-{name}.webp")
        draw(name).save(path, "WEBP", quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
