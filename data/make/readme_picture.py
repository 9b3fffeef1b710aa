"""The README's picture: one unit of the world read from an image to its tuning curve.

    python -m data.make.readme_picture        # writes data/pictures/readme.webp

The unit is the one that the chapter "Reading a unit" reads, by the same rule. Generated images only.
"""

import io

import torch
from PIL import Image

from helpers import figures, open_study
from helpers.figures.style import Drawing, show, styled
from helpers.paths import data_path
from helpers.record.patches import as_shown, crops
from helpers.record.taps import listening
from helpers.selectivity import feature_weights, neuron_feature

SIZE, RESOLUTION, QUALITY = (9.6, 5.2), 133, 88


def chosen_layer(study) -> str:
    """The deepest layer whose units see less than the whole image."""
    side, record = min(study.network.input_size), study.record
    return [n for n in record.layers if max(record[n].geometry.field.size) < side][-1]


def read_unit(study, layer: str):
    """(unit, image as the network saw it, activation map, neuron feature) of the layer's best unit."""
    record, network, images = study.record, study.network, study.images
    units = study.units[study.units.layer == layer]
    unit = int(units.loc[units.top_share.idxmax()].unit)
    strongest = int(record[layer].top.images[unit, 0])
    picture = network.preprocess(images.open(strongest))
    maps = []
    taps = {layer: network.taps[layer]}
    with (
        torch.inference_mode(),
        listening(network.module, taps, lambda _, values: maps.append(values.clone())),
    ):
        network.module(picture[None])
    patches = crops(record, network, images, layer, [unit])
    weights = feature_weights(patches.values)[0]
    feature = neuron_feature(patches.pixels[0], weights, patches.valid[0])
    return unit, as_shown(network.preprocess)(picture), maps[0][0, unit], feature


@styled
def draw(study, layer: str) -> Drawing:
    """Image, map and feature above; the ends of the ranked list and the curves below."""
    record, of_layer = study.record, study.record[layer]
    unit, picture, values, feature = read_unit(study, layer)
    figure = Drawing(figsize=SIZE, facecolor="white", layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(2.35, 2.85), hspace=0)
    maps, averaged = upper.subfigures(1, 2, width_ratios=(7.4, 2.2), wspace=0)
    figures.activation_map(picture, values, of_layer.geometry.field, into=maps)
    axes = averaged.subplots()
    show(axes, feature)
    axes.set_title("the neuron feature:\nits patches, averaged")
    lists, curves = lower.subfigures(1, 2, width_ratios=(4.7, 4.9), wspace=0)
    halves = lists.subfigures(2, 1, hspace=0)
    for half, title, ranked in (
        (halves[0], "strongest", of_layer.top),
        (halves[1], "most negative", of_layer.bottom),
    ):
        entries = figures.entries(record, study.images, ranked, unit, 6)
        figures.image_strip(*entries, title=title, columns=6, into=half)
    ordered = {
        f"spatial {s}": figures.ordered_responses(of_layer, unit, len(record.names), s)
        for s in ("max", "mean", "min")
    }
    figures.tuning_curves(ordered, into=curves)
    return figure


def main() -> None:
    file = io.BytesIO()
    study = open_study("world")
    draw(study, chosen_layer(study)).savefig(file, format="png", dpi=RESOLUTION)
    picture = Image.open(file).convert("RGB")
    picture.save(data_path("pictures", "readme.webp"), "WEBP", quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
