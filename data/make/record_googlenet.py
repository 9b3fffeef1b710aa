"""Record BVLC GoogLeNet on photographs and write the slim records that the book ships.

    SELECTIVITY_HOME=... python -m data.make.record_googlenet [--full DIR] [STUDY ...]

Needs the weights and the photographs in SELECTIVITY_HOME (`python -m helpers fetch googlenet`). Full
records, about 100 MB each, go to DIR and are used again if they are there. Shipped are numbers, image names
and places: no pixel of a photograph.
"""

import argparse
from pathlib import Path

import numpy as np

from helpers.paths import cache_home, data_path
from helpers.record import FolderImages, Record, load_network, record
from helpers.record.architectures.googlenet import block_outputs
from helpers.record.slim import write_slim

# What each study keeps: k entries of the top and bottom lists with places for the first `positions`,
# k_mean entries of the lists by the mean, class means of `means`, single responses of `responses`.
# 190 of 3,800 images are the strongest 5 %. With every response kept, lists can be made from them; one
# photograph a class leaves nothing to average.
STUDIES = {
    "googlenet": dict(
        folders=("stanford_dogs", "caltech101"),
        slim=dict(k=190, k_mean=100, positions=100),
    ),
    "googlenet-faces": dict(
        folders=("face_probe",),
        slim=dict(k=1, k_mean=1, positions=0, responses=("max",), means=()),
        layers="*",  # paper 2 counts units in every layer, the fully connected one included
    ),
    "googlenet-imagenet": dict(
        folders=("imagenet1k_sample",),
        slim=dict(k=50, k_mean=50, positions=0, means=()),
    ),
}
SLICE = "googlenet-slice"  # 150 photographs, one block, re-recorded by a test
SLICE_LAYERS = [f"inception_4c.{branch}" for branch in ("1x1", "3x3", "5x5", "pool_proj")]


def images_of(folders):
    """The photographs of a study, from SELECTIVITY_HOME."""
    roots = [cache_home("images", folder) for folder in folders]
    return FolderImages(roots if len(roots) > 1 else roots[0])


def slice_of(images):
    """150 photographs spread over the dogs-and-objects set, one of every 25th."""
    return images.subset(np.arange(0, len(images), len(images) // 150)[:150])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", default=[*STUDIES, SLICE])
    parser.add_argument("--full", type=Path, default=cache_home("records"))
    options = parser.parse_args()
    options.full.mkdir(parents=True, exist_ok=True)
    network = load_network("googlenet")
    outputs = [layer for block in block_outputs().values() for layer in block]
    for name in options.studies:
        target = data_path("records", f"{name}.safetensors")
        if name == SLICE:
            images = slice_of(images_of(STUDIES["googlenet"]["folders"]))
            result = record(network, images, 20, layers=",".join(SLICE_LAYERS))
            write_slim(result, target, k=20, k_mean=20, positions=20, means=("mean",))
            continue
        study = STUDIES[name]
        layers = study.get("layers", ",".join(outputs))
        full = options.full / f"full-{name}.safetensors"
        images = images_of(study["folders"])
        if full.is_file():
            result = Record.load(full)
            result.check(network, images)
        else:
            kept = study["slim"].get("responses", ())
            checkpoint = full.with_suffix(".checkpoint")
            result = record(network, images, layers=layers, responses=kept, checkpoint=checkpoint)
            result.save(full)
        # Forward order, whatever order a record of an earlier version comes in.
        result = result.keep_layers([n for n in network.taps if n in result.layers])
        write_slim(result, target, **study["slim"])
        print(f"{target.name}: {target.stat().st_size / 1e6:.1f} MB, {result!r}")


if __name__ == "__main__":
    main()
