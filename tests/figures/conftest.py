"""What figures are drawn of: the world on a part of its images, and real GoogLeNet's record."""

from dataclasses import dataclass

import numpy as np
import pytest

from helpers.paths import data_path
from helpers.record import Network, Record, WorldImages, load_network, record
from helpers.record.images import ImageSet

STATISTICS = ("max", "min", "mean")


@dataclass
class Recorded:
    network: Network
    images: ImageSet
    record: Record


@pytest.fixture(scope="session")
def world() -> Recorded:
    """480 images of all classes, two layers, every single response kept."""
    images = WorldImages("eval")
    images = images.subset(np.arange(0, len(images), 12))
    network = load_network("worldnet-fine")
    made = record(network, images, 50, layers="conv2,conv5", batch_size=96, responses=STATISTICS,
                  progress=False)  # fmt: skip
    return Recorded(network, images, made)


@pytest.fixture(scope="session")
def googlenet() -> Record:
    return Record.load(data_path("records", "googlenet.safetensors"))
