"""What the chapter on four lenses needs of GoogLeNet's single responses, which no record keeps.

    SELECTIVITY_HOME=... python -m data.make.number_of_images [--records DIR]

Needs the weights and photographs in SELECTIVITY_HOME (`python -m helpers fetch googlenet`). Writes
data/tables/googlenet-number-of-images.safetensors, numbers only:

    LISTS/LAYER         (numbers, indexes, 8) float32: of one layer of four blocks, how each index depends
                        on the number of images (`selectivity.reliability.by_number`); LISTS: which images of
                        a unit count; the metadata name the numbers, indexes and columns
    across/LAYER        (indexes, indexes) float32: of the same layer, the correlation of each index on half
                        of the photographs with each on the other half
    trained/LAYER       (U,) float16: AUC of dogs of each recorded unit
    untrained/LAYER     (U, 5) float16: the same, and other indexes, of the same architecture with random
                        weights; columns in the metadata

DIR keeps the two recordings, 400 MB in all; what is there is used again. Half an hour on one busy core.
"""

import argparse
from pathlib import Path

import torch

from helpers import open_study
from helpers.categories import classes_of
from helpers.claims.features import NUMBERS
from helpers.lenses import halvings
from helpers.paths import data_path
from helpers.record import Record, record
from helpers.record.store import write_tensors
from helpers.selectivity.category import category_auc, category_indexes
from helpers.selectivity.classes import layer_frequencies
from helpers.selectivity.feature import activation_curve, curve_area
from helpers.selectivity.reliability import INDEXES, LISTS, across_halves, by_number
from helpers.tables import FORMAT

from .googlenet_opponency import untrained_googlenet

LAYERS = ("conv2.3x3", "inception_3b.3x3", "inception_4c.3x3", "inception_5b.1x1")  # wide ones
UNTRAINED = ("share", "contrast", "category_auc", "area", "top_share")
REPEATS = 6
_STATISTICS = ("max", "min")


def recorded(study, kind, kept):
    """The record of all responses of the study's network, or of the same with random weights."""
    network = study.network if kind == "trained" else untrained_googlenet(study.network)
    path = kept / f"{kind}.safetensors" if kept else None
    if path and path.is_file():
        found = Record.load(path)
        found.check(network, study.images)
        return found
    layers = ",".join(study.record.layers)
    found = record(network, study.images, layers=layers, responses=_STATISTICS)
    if path:
        found.save(path)
    return found


def untrained_columns(found, name, k: int):
    """`UNTRAINED` of a layer's units, (U, 5); k: images under the activation curve."""
    dogs = classes_of("dog", found.class_names)
    table = category_indexes(found[name], dogs)
    curves = activation_curve(found[name].top.first(k).values)
    columns = {
        **{one: torch.tensor(table[one].to_numpy()) for one in UNTRAINED[:2]},
        "category_auc": category_auc(found[name].responses["max"], dogs[found.classes]),
        "area": curve_area(curves),
        "top_share": layer_frequencies(found, name)[0].amax(1),
    }
    return torch.stack([columns[one].double() for one in UNTRAINED], 1)


def single(found, name):
    """Responses of a layer, labels, which classes are dogs, and the number of classes."""
    responses = {one: found[name].responses[one] for one in _STATISTICS}
    dogs = classes_of("dog", found.class_names)
    return responses, torch.from_numpy(found.classes), dogs, len(found.class_names)


def size_part(found, name, lists, numbers, repeats=REPEATS):
    """(columns, (numbers, indexes, columns)) of `by_number` on a layer of a record with all responses."""
    table = by_number(*single(found, name), numbers, lists=lists, repeats=repeats)
    columns = list(table.columns[2:])
    values = torch.tensor(table[columns].to_numpy(), dtype=torch.float32)
    return columns, values.view(-1, len(INDEXES), len(columns))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path)
    options = parser.parse_args()
    study, tensors = open_study("googlenet"), {}
    trained, untrained = (recorded(study, k, options.records) for k in ("trained", "untrained"))
    dogs = classes_of("dog", trained.class_names)[trained.classes]
    for name in study.record.layers:
        auc = category_auc(trained[name].responses["max"], dogs)
        tensors[f"trained/{name}"] = auc.half()
        tensors[f"untrained/{name}"] = untrained_columns(untrained, name, study.record.k).half()
    numbers = halvings(len(study.images))
    for name in LAYERS:
        for lists in LISTS:
            columns, tensors[f"{lists}/{name}"] = size_part(trained, name, lists, numbers)
        across = across_halves(*single(trained, name), repeats=REPEATS)
        tensors[f"across/{name}"] = torch.tensor(across.to_numpy(), dtype=torch.float32)
        print(name, flush=True)
    about = {
        "format": FORMAT,
        "layers": list(LAYERS),
        "numbers": [*numbers, len(study.images)],
        "indexes": list(INDEXES),
        "columns": columns,
        "untrained": list(UNTRAINED),
        "network": study.network.weights,
        "random": untrained.metadata["network"]["weights"],
        "images": {study.name: study.images.digest()},
        "made_by": "data/make/number_of_images.py",
    }
    write_tensors(data_path("tables", f"{NUMBERS}.safetensors"), tensors, about)


if __name__ == "__main__":
    main()
