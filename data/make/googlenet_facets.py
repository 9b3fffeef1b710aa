"""What the chapter on facets needs of GoogLeNet: counts before training, and numbers about components.

    SELECTIVITY_HOME=... python -m data.make.googlenet_facets [--full FILE] [--parts DIR]

Needs the weights and photographs in SELECTIVITY_HOME (`python -m helpers fetch googlenet`). Writes
data/tables/googlenet-facets.safetensors, numbers only, for the 38 layers of the record `googlenet`:

    untrained/LAYER     (U, 100) uint8: classes of the 100 strongest images, strongest first, of the same
                        architecture with random weights; 255 where the response is not positive
    components/LAYER    (U, 6) float16: of the 8 components of the 100 top patches of each unit of the
                        trained network; the metadata name the columns, `helpers.claims.components` says
                        what they are; `cut`: share of the patches whose receptive field leaves the image
    chance/LAYER        (3,) float32: the same of what no single unit is behind

FILE keeps the record of random weights, DIR the numbers of each layer; what is there is used again. About
ten minutes for the record and half an hour for the components, on one busy core.
"""

import argparse
import copy
from dataclasses import replace
from pathlib import Path

import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as pixels

from helpers import open_study
from helpers.claims.components import component_numbers, grey_patches
from helpers.claims.counts import NO_CLASS
from helpers.paths import data_path
from helpers.record import Record, record
from helpers.record.store import read_tensors, write_tensors
from helpers.selectivity.facets import FIRST
from helpers.study import Study
from helpers.tables import FORMAT

from .googlenet_opponency import untrained_googlenet


def top_classes(layer, classes):
    """Classes (U, 100) of a unit's strongest images, NO_CLASS where there is no positive response."""
    top = layer.top.first(FIRST)
    found = torch.from_numpy(classes)[top.images.clamp(min=0)]
    return found.masked_fill((top.images < 0) | ~(top.values > 0), NO_CLASS).to(torch.uint8)


def share_cut(layer, size):
    """Share of each unit's patches whose receptive field leaves the image of size (height, width)."""
    rows, columns = layer.top.positions[:, :FIRST].unbind(2)
    top, left, bottom, right = layer.geometry.field.box(rows, columns)
    outside = (top < 0) | (left < 0) | (bottom > size[0]) | (right > size[1])
    return outside.double().mean(1)


def in_memory(study):
    """The same study with its photographs kept as the network crops them, 600 MB: each is read once."""
    plan = study.network.preprocess
    mode = InterpolationMode(plan.resample)
    kept = [
        pixels.center_crop(pixels.resize(study.images.open(i), plan.short_side, mode), plan.crop)
        for i in range(len(study.images))
    ]
    images = copy.copy(study.images)
    images.open = kept.__getitem__
    network = replace(study.network, preprocess=replace(plan, short_side=plan.crop))
    return Study(study.name, study.record, lambda: network, lambda: images)


def untrained_record(study, full):
    """The record of random weights on the study's photographs, from the file `full` if it is there."""
    network = untrained_googlenet(study.network)
    if full and full.is_file():
        found = Record.load(full)
        found.check(network, study.images)
        return found
    found = record(network, study.images, FIRST, layers=",".join(study.record.layers))
    if full:
        found.save(full)
    return found


def layer_part(study, layer, parts):
    """(metadata, tensors) of a layer's components, from its file in `parts` if it is there."""
    path = parts / f"{layer}.safetensors" if parts else None
    if path and path.is_file():
        return read_tensors(path, FORMAT)
    units, chance = component_numbers(grey_patches(study, layer))
    units["cut"] = share_cut(study.record[layer], study.network.input_size)
    about = {"format": FORMAT, "columns": list(units), "chance": list(chance)}
    tensors = {
        "components": torch.tensor(units.to_numpy(dtype="float16")),
        "chance": torch.tensor(list(chance.values())),
    }
    if path:
        write_tensors(path, tensors, about)
    return about, tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", type=Path)
    parser.add_argument("--parts", type=Path)
    options = parser.parse_args()
    study, tensors = open_study("googlenet"), {}
    control = untrained_record(study, options.full)
    near = in_memory(study)
    for layer in study.record.layers:
        tensors[f"untrained/{layer}"] = top_classes(control[layer], control.classes)
        about, part = layer_part(near, layer, options.parts)
        tensors |= {f"{name}/{layer}": tensor for name, tensor in part.items()}
        print(layer, part["chance"].tolist(), flush=True)
    about |= {
        "layers": study.record.layers,
        "network": study.network.weights,
        "untrained": control.metadata["network"]["weights"],
        "images": {study.name: study.images.digest()},
        "made_by": "data/make/googlenet_facets.py",
    }
    write_tensors(data_path("tables", "googlenet-facets.safetensors"), tensors, about)


if __name__ == "__main__":
    main()
