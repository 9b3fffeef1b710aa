"""Optimised pictures of GoogLeNet's representative units of paper 2's four categories.

    SELECTIVITY_HOME=... python data/make/category_pictures.py --record FILE    # some minutes

FILE is a full record of GoogLeNet on the face probe, as `python -m helpers record` makes it. For each
category the units with the largest contrast are taken (paper 2, figure 3), from all layers but the
classifier and at most two from a layer.
"""

import argparse
import time
from pathlib import Path

import pandas as pd
import torch
from optimise_googlenet import WEBP_QUALITY, method, write
from tiles import as_bytes, as_rgb, packed

from helpers.categories import classes_of
from helpers.optimise import optimised_pictures, responses_to
from helpers.record import Record, load_network
from helpers.selectivity.category import category_indexes

CATEGORIES = "face", "i-see-face", "car", "dog"
CLASSIFIER = "loss3.classifier"
EACH = 6
OF_A_LAYER = 2
SEED = 20170721
STEPS = 256
SIZE = 112
TILE = 64


def representative_units(record: Record, category: str) -> pd.DataFrame:
    """layer, unit, contrast of the units that prefer this category most to the other three."""
    four = record.select(CATEGORIES)
    of_category = classes_of([category], four.class_names)
    tables = []
    for name in four.layers:
        if name != CLASSIFIER:
            table = category_indexes(four[name], of_category)[["contrast"]]
            tables.append(table.assign(layer=name, unit=table.index))
    units = pd.concat(tables).sort_values("contrast", ascending=False)
    return units.groupby("layer", sort=False).head(OF_A_LAYER).head(EACH).assign(category=category)


def ship(record: Record) -> None:
    """The sheet, a row for each category, and its description."""
    network = load_network("googlenet")
    record.check(network)
    chosen = pd.concat([representative_units(record, category) for category in CATEGORIES])
    units = list(zip(chosen["layer"], chosen["unit"].astype(int), strict=True))
    start = time.time()
    made = optimised_pictures(network, units, steps=STEPS, size=SIZE, seed=SEED, progress=True)
    seconds = time.time() - start
    webp, shipped = packed(as_bytes(made.pictures), TILE, EACH, WEBP_QUALITY)
    responses = {
        "full_size": made.responses,
        "as_shipped": responses_to(network, units, as_rgb(shipped)),
        "best_photograph": made.best_in(record),
    }
    best = responses["best_photograph"]
    shares = {
        f"{name}_beats_best_photograph": round(float((responses[name] > best).float().mean()), 4)
        for name in ("full_size", "as_shipped")
    }
    description = {
        "what": "one optimised picture for each of the six units with the largest contrast for a "
        "category, a row for each category; at most two of a layer, none of the classifier",
        "network": network.name,
        "weights": network.weights,
        "units": [f"{layer}:{unit}" for layer, unit in units],
        "category": chosen["category"].tolist(),
        "contrast": chosen["contrast"].round(4).tolist(),
        "tile": TILE,
        "columns": EACH,
        "seed": SEED,
        "wall_seconds": round(seconds),
        **method(SIZE, STEPS),
        "photographs": {record.metadata["images"]["name"]: len(record.classes)},
        "shares": shares,
        "responses": {name: [round(float(v), 1) for v in r] for name, r in responses.items()},
    }
    write("googlenet-categories", webp, description)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", type=Path, required=True)
    torch.set_num_threads(1)
    ship(Record.load(parser.parse_args().record))


if __name__ == "__main__":
    main()
