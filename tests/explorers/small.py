"""A study of a small network on a few images of the world: quick to record, all parts real."""

import numpy as np
import torch
from torch import nn

from helpers.errors import SelectivityError
from helpers.record import Record, WorldImages, record, wrap
from helpers.study import Study

CLASSES = ("beagle", "taxi", "tulip", "tabby_cat")
DEAD = 2  # a unit of "deep" without any positive response


def open_small() -> Study:
    """40 units in three layers, 80 images of four classes."""
    torch.manual_seed(0)
    network = nn.Sequential()
    network.add_module("shallow", nn.Conv2d(3, 12, 5, 2))
    network.add_module("relu", nn.ReLU())
    network.add_module("deep", nn.Conv2d(12, 24, 5, 4, padding=2))
    network.add_module("pool", nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    network.add_module("head", nn.Linear(24, 4))
    with torch.no_grad():
        network.deep.bias[DEAD] = -1000
    network = wrap(network, "small", input_size=(64, 64))
    images = WorldImages("eval").select(CLASSES)
    images = images.subset(np.flatnonzero(np.arange(len(images)) % (len(images) // 80) == 0)[:80])
    recorded = record(network, images, 60, batch_size=40, workers=0, progress=False)
    return Study("small", recorded, lambda: network, lambda: images)


def without_images(study: Study) -> Study:
    """The same study as a reader has it who holds the record alone."""

    def refuse():
        raise SelectivityError("not on this machine: /a/path/that/must/not/be/published")

    return Study(study.name, study.record, refuse, refuse)


def with_hostile_names(study: Study) -> Study:
    """The same record, its names and classes written to break out of a page."""
    old = study.record
    script, comment = "</script><script>alert(1)</script>", "<!-- <img src=x onerror=alert(2)>"
    classes = [script, comment, "a\u2028b", "ü&quot;'"]
    metadata = {**old.metadata, "images": {**old.metadata["images"], "class_names": classes}}
    names = [f"{classes[c]}/{i}" for i, c in enumerate(old.classes)]
    layers = {layer: old[layer] for layer in old.layers}
    hostile = Record(metadata, layers, names, old.classes, old.recorded)
    return without_images(Study("small", hostile, None, None))
