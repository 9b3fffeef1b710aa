"""What the chapter on categories needs of GoogLeNet before training: the control of every number there.

    SELECTIVITY_HOME=... python -m data.make.googlenet_faces [--full FILE]

Records the architecture with random weights on the face probe (or takes the full record FILE if it is
there) and writes data/tables/googlenet-faces-untrained.safetensors, numbers only:

    units/LAYER     (3, 4, U) contrast, luck and auc of every unit for each of the four categories
    best            (L, 10, 2) AUC of each layer's best face unit, on the images that chose it and on others
    googlenet-faces/image_statistics   (N, 6) of `helpers.selectivity.nuisance`, as the network sees them
About three minutes on two cores.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from helpers.categories import one_each
from helpers.claims.faces import FOUR
from helpers.paths import data_path
from helpers.record import Record, load_network, record
from helpers.record.store import write_tensors
from helpers.selectivity.profile import best_unit_auc, category_units
from helpers.tables import FORMAT

from .googlenet_opponency import statistics_and_scores, untrained_googlenet
from .record_googlenet import STUDIES, images_of

STUDY = "googlenet-faces"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", type=Path)
    options = parser.parse_args()
    network = untrained_googlenet(load_network("googlenet"))
    images = images_of(STUDIES[STUDY]["folders"])
    if options.full and options.full.is_file():
        full = Record.load(options.full)
        full.check(images=images)
    else:
        full = record(network, images, 100, responses=("max",))
    four = full.select(FOUR)
    is_face = torch.from_numpy(four.classes == 0)
    units = category_units(four, one_each(FOUR))
    tensors = {}
    for layer, of_layer in units.groupby("layer", sort=False):
        columns = [
            of_layer[column].to_numpy(dtype=np.float32).reshape(len(FOUR), -1)
            for column in ("contrast", "luck", "auc")
        ]
        tensors[f"units/{layer}"] = torch.from_numpy(np.stack(columns)).half()
    looks, _ = statistics_and_scores(network, images, scored=False)
    tensors[f"{STUDY}/image_statistics"] = looks
    best = [best_unit_auc(four[name].responses["max"], is_face) for name in four.layers]
    tensors["best"] = torch.from_numpy(np.stack(best)).float()
    about = {
        "format": FORMAT,
        "layers": four.layers,
        "categories": FOUR,
        "images": {STUDY: images.digest()},
        "made_by": "data/make/googlenet_faces.py",
    }
    write_tensors(data_path("tables", "googlenet-faces-untrained.safetensors"), tensors, about)


if __name__ == "__main__":
    main()
