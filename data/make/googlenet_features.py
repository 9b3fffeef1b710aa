"""What the chapter on colour and class indexes needs of GoogLeNet's photographs, as numbers.

    SELECTIVITY_HOME=... python -m data.make.googlenet_features [--parts DIR]

Needs the weights and photographs in SELECTIVITY_HOME (`python -m helpers fetch googlenet`; the sample of
ImageNet has no download command, see NOTICE.md). Writes data/tables/googlenet-features.safetensors, numbers
and no picture:

    features/LAYER    (U, 8) float16, a row for each unit of the record `googlenet`, columns as in `COLUMNS`:
                      color_index, hue (degrees), color (number in BASIC_TERMS, -1: index below 0.40 before
                      rounding), grey_response and self_response as of `helpers.index`; structure and
                      variance_among of `helpers.features.crop_numbers`; valid_share: the part of the
                      feature that shows anything. nan as those functions give it
    frequency         (64,) `spatial_frequency` of the features of the first layer
    hues/images       (360,) float64: `image_hues` of the 3,800 photographs, as the network sees them
    index/images      (3800,) float16: `color_selectivity` of each of them
    errors/imagenet   (1000, 4) uint8: whether GoogLeNet is right on each photograph of `googlenet-imagenet`:
                      first guess and first five, in colour and in grey (`helpers.replay.RIGHT`)
    errors/dogs       (1800, 4) uint8: the same on the photographs of dog breeds of `googlenet`
    class/...         (n,) int16: the class of each of these photographs in its record

Grey is the mean of the three channels. DIR keeps what each step gave; what is there is used again. Three
quarters of an hour on one core, with 6 GB of memory.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from helpers import open_study
from helpers.features import crop_numbers, layer_features
from helpers.paths import data_path
from helpers.record.images import batches
from helpers.record.patches import as_shown
from helpers.record.store import read_tensors, write_tensors
from helpers.replay import responses_in_grey, responses_to_features, right_in_grey
from helpers.selectivity.color import (
    BASIC_TERMS,
    color_name,
    color_selectivity,
    grey_response,
    hue,
    image_hues,
)
from helpers.selectivity.feature import self_response, spatial_frequency
from helpers.study import Study
from helpers.tables import FORMAT

from .googlenet_facets import in_memory
from .googlenet_opponency import breeds_of

COLUMNS = ("color_index", "hue", "color", "grey_response", "self_response", "structure",
           "variance_among", "valid_share")  # fmt: skip
_TOGETHER = 256  # units: features of GoogLeNet's largest fields take 5 MB each
_BATCH = 8  # images: what the network makes of them stays in the cache


def prepared(study):
    """The same study with its photographs kept as its network takes them, 2.3 GB: each is prepared once."""
    near = in_memory(study)
    plan, pictures = near.network.preprocess, near.images
    kept = [plan(pictures.open(i)) for i in range(len(pictures))]
    # "Opened" is the number alone; the plain pictures that measure the preprocessing are real ones.
    pictures.open, pictures.in_memory = range(len(kept)).__getitem__, True

    def look_up(image):
        return kept[image] if isinstance(image, int) else plan(image)

    network = replace(near.network, preprocess=look_up)
    return Study(study.name, study.record, lambda: network, lambda: pictures)


def layer_columns(study, layer):
    """`COLUMNS` of the units of a layer but the grey response, (U, 7) float16."""
    record, network, images = study.record, study.network, study.images
    parts = []
    for units in torch.arange(record[layer].n_units).split(_TOGETHER):
        columns = crop_numbers(record, network, images, layer, units)
        found = layer_features(record, network, images, layer, units)
        shown = found.pictures, found.sigma, found.valid
        own = responses_to_features(record, network, layer, units, found.pictures, _BATCH, "cpu")
        names = [BASIC_TERMS.index(n) if n != "none" else -1 for n in color_name(*shown)]
        columns |= {
            "color_index": color_selectivity(*shown),
            "hue": hue(*shown).half() % 360,  # 359.9 is rounded to 360
            "color": torch.tensor(names),
            "self_response": self_response(own, record[layer].top.values[units, 0]),
            "valid_share": found.valid.float().mean((1, 2)),
        }
        parts.append(torch.stack([columns[n].half() for n in COLUMNS if n in columns], 1))
    return {"features": torch.cat(parts)}


def with_grey(columns, grey):
    """`COLUMNS` (U, 8) of `layer_columns` (U, 7) and grey responses (U,)."""
    at = COLUMNS.index("grey_response")
    return torch.cat([columns[:, :at], grey[:, None].half(), columns[:, at:]], 1)


def first_frequency(study):
    """`spatial_frequency` of the features of the first layer."""
    layer = study.record.layers[0]
    found = layer_features(study.record, study.network, study.images, layer)
    return {"frequency": spatial_frequency(found.pictures, found.valid)}


def grey_responses(study):
    """{layer: (U,)}: what the units lose when their crops lose their colour."""
    record = study.record
    in_grey = responses_in_grey(
        record, study.network, study.images, batch_size=_BATCH, device="cpu", progress=False
    )
    return {
        name: grey_response(record[name].top.values[:, : found.shape[1]], found)
        for name, found in in_grey.items()
    }


def colors_of_images(study):
    """`image_hues` of all images of a study together, and `color_selectivity` of each."""
    preprocess, hues, indexes = study.network.preprocess, 0, []
    show = as_shown(preprocess)
    for _, batch, unreadable in batches(study.images, preprocess, range(len(study.images)), _BATCH):
        assert not unreadable
        shown = show(batch)
        hues = hues + image_hues(shown)
        indexes.append(color_selectivity(shown, torch.zeros(shown[:, 0].shape)).half())
    return {"hues/images": hues, "index/images": torch.cat(indexes)}


def errors(study, sample):
    """`right_in_grey` on the sample of ImageNet and on the photographs of dogs, and their classes."""
    wnids = list(sample.images.class_names)  # sorted, as the network's classes
    breeds = breeds_of(study.images)
    wanted = np.array([wnids.index(n[:9]) if n in breeds else -1 for n in study.images.class_names])
    wanted = wanted[study.images.classes]
    found = {}
    for name, one, numbers in (
        ("imagenet", sample, sample.images.classes),
        ("dogs", study, wanted),
    ):
        right = right_in_grey(one.network, one.images, numbers, _BATCH, "cpu", progress=False)
        found[f"errors/{name}"] = right.to(torch.uint8)
        found[f"class/{name}"] = torch.tensor(one.images.classes[numbers >= 0], dtype=torch.int16)
    return found


def kept(parts, name, make):
    """A step's tensors: from its file in `parts` if it is there, else made, and kept there."""
    path = parts / f"{name}.safetensors" if parts else None
    if path and path.is_file():
        return read_tensors(path, FORMAT)[1]
    tensors = make()
    if path:
        write_tensors(path, tensors, {"format": FORMAT})
    print(name, flush=True)
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=Path)
    parts, tensors = parser.parse_args().parts, {}
    study, sample = open_study("googlenet"), open_study("googlenet-imagenet")
    near = prepared(study)
    grey = kept(parts, "grey", partial(grey_responses, near))
    for layer in study.record.layers:
        columns = kept(parts, layer, partial(layer_columns, near, layer))["features"]
        tensors[f"features/{layer}"] = with_grey(columns, grey[layer])
    tensors |= kept(parts, "frequency", partial(first_frequency, near))
    tensors |= kept(parts, "images", partial(colors_of_images, near))
    tensors |= kept(parts, "answers", partial(errors, near, sample))
    about = {
        "format": FORMAT,
        "columns": COLUMNS,
        "colors": BASIC_TERMS,
        "layers": study.record.layers,
        "network": study.network.weights,
        "images": {s.name: s.images.digest() for s in (study, sample)},
        "made_by": "data/make/googlenet_features.py",
    }
    write_tensors(data_path("tables", "googlenet-features.safetensors"), tensors, about)


if __name__ == "__main__":
    main()
