"""What the pictures of the world's units show, trained and untrained, as numbers.

    python -m data.make.world_features

Writes data/tables/STUDY-features.safetensors for the studies world and worldnet-untrained:

    features/LAYER    (U, 7) float16, a row for each unit of the convolutions; columns as of
                      `helpers.claims.features.picture_columns`, colours as in googlenet_features.py
    frequency         (U,) `spatial_frequency` of the features of the first layer
    hues/images       (360,) float64: `image_hues` of the evaluation pictures
    index/images      (5760,) float16: `color_selectivity` of each of them
    errors/world      (5760, 4) uint8: whether the trained network is right on each of them, in colour and in
                      grey (`helpers.replay.RIGHT`), and in class/world (5760,) int16 their classes

A minute and a half on one core. Readers have not got it: the chapter would spend most of its time here.
"""

import torch

from helpers import open_study
from helpers.claims.depth import convolutions
from helpers.claims.features import (
    first_frequencies,
    image_hues_of,
    image_indexes_of,
    measured_pictures,
)
from helpers.paths import data_path
from helpers.record.store import write_tensors
from helpers.replay import right_in_grey
from helpers.selectivity.color import BASIC_TERMS
from helpers.tables import FORMAT


def main():
    for name in ("world", "worldnet-untrained"):
        path = data_path("tables", f"{name}-features.safetensors")
        path.unlink(missing_ok=True)  # or it would be read instead of measured
        study = open_study(name)
        units = measured_pictures(study)
        known = [*BASIC_TERMS, "none"]
        units["color"] = [(known.index(one) + 1) % len(known) - 1 for one in units["color"]]
        numbers = torch.tensor(units.to_numpy(dtype="float16"))
        hues = list(units).index("hue")
        numbers[:, hues] %= 360  # 359.9 is rounded to 360
        layers = convolutions(study.record)
        sizes = [study.record[layer].n_units for layer in layers]
        tensors = {
            f"features/{n}": one for n, one in zip(layers, numbers.split(sizes), strict=True)
        }
        tensors["frequency"] = first_frequencies(study)
        tensors["hues/images"] = image_hues_of(study)
        tensors["index/images"] = image_indexes_of(study).half()
        if name == "world":
            right = right_in_grey(study.network, study.images, study.images.classes, progress=False)
            tensors["errors/world"] = right.to(torch.uint8)
            tensors["class/world"] = torch.tensor(study.images.classes, dtype=torch.int16)
        about = {
            "format": FORMAT,
            "columns": list(units),
            "colors": BASIC_TERMS,
            "layers": layers,
            "network": study.network.weights,
            "images": {name: study.images.digest()},
            "made_by": "data/make/world_features.py",
        }
        write_tensors(path, tensors, about)


if __name__ == "__main__":
    main()
