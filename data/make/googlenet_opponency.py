"""Tables that the chapter on opponent responses needs and that no record of GoogLeNet holds.

    SELECTIVITY_HOME=... python -m data.make.googlenet_opponency

Needs the weights and photographs in SELECTIVITY_HOME (`python -m helpers fetch googlenet`). Writes
data/tables/googlenet-opponency.safetensors, numbers only:

    STUDY/image_statistics      (N, 6) of `helpers.selectivity.nuisance`, of the pixels the network sees
    googlenet/breed_confusion   (120, 120) mean probability that the network gives breed j on photographs
                                of breed i, among the 120 breeds
    untrained/LAYER             (U, 4) share of dogs among the strongest and weakest images, of the same
                                architecture with random weights: max, min, mean top, mean bottom
About ten minutes on two cores.
"""

import json

import numpy as np
import torch
from torch import nn

from helpers.categories import classes_of
from helpers.paths import data_path
from helpers.record import load_network, record
from helpers.record.architectures.googlenet import block_outputs
from helpers.record.images import batches
from helpers.record.networks import wrap
from helpers.record.patches import as_shown
from helpers.record.store import write_tensors
from helpers.selectivity.nuisance import STATISTICS, image_statistics
from helpers.selectivity.opponency import PAIRINGS, PART, first_share, listed_share
from helpers.tables import FORMAT

from .record_googlenet import STUDIES, images_of

_N_DOG_FOLDERS = 120


@torch.inference_mode()
def statistics_and_scores(network, images, scored: bool):
    """(N, 6) statistics and, if asked, (N, 1000) class probabilities."""
    shown, statistics, scores = as_shown(network.preprocess), [], []
    for _, batch, unreadable in batches(images, network.preprocess, np.arange(len(images)), 32):
        assert not unreadable
        statistics.append(image_statistics(torch.stack([shown(one) for one in batch])))
        if scored:
            scores.append(network.module(batch.contiguous(memory_format=torch.channels_last)))
    return torch.cat(statistics).float(), torch.cat(scores).softmax(1) if scored else None


def breeds_of(images):
    """The class names of the dog folders, which begin with ImageNet's number of the class."""
    breeds = [name for name in images.class_names if name.startswith("n0")]
    assert len(breeds) == _N_DOG_FOLDERS
    return breeds


def breed_confusion(probabilities, images, imagenet_wnids):
    """Mean probability of breed j on breed i, (120, 120), rows summing to 1 over the breeds."""
    breeds = breeds_of(images)
    columns = [imagenet_wnids.index(name[:9]) for name in breeds]
    rows = []
    for name in breeds:
        chosen = images.classes == images.class_names.index(name)
        among = probabilities[chosen][:, columns]
        rows.append((among / among.sum(1, keepdim=True)).mean(0))
    return torch.stack(rows)


def untrained_googlenet(like):
    """The architecture with He et al.'s initialisation, under which responses keep their size."""
    torch.manual_seed(0)
    module = load_network("googlenet", "random").module
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return wrap(module, "googlenet-untrained", preprocess=like.preprocess)


def main():
    network = load_network("googlenet")
    tensors = {}
    sets = {
        name: images_of(STUDIES[name]["folders"]) for name in ("googlenet", "googlenet-imagenet")
    }
    wnids = list(sets["googlenet-imagenet"].class_names)
    for name, images in sets.items():
        statistics, scores = statistics_and_scores(network, images, scored=name == "googlenet")
        tensors[f"{name}/image_statistics"] = statistics
        if scores is not None:
            tensors["googlenet/breed_confusion"] = breed_confusion(scores, images, wnids)
    images = sets["googlenet"]
    layers = [layer for block in block_outputs().values() for layer in block]
    control = record(untrained_googlenet(network), images, 100, layers=",".join(layers))
    member = classes_of("dog", images.class_names)[images.classes]
    for layer in layers:
        ends = [
            listed_share(end, member)
            for pairing in PAIRINGS
            for end in first_share(control[layer], pairing, len(images), PART)
        ]
        tensors[f"untrained/{layer}"] = torch.stack(ends, 1).float()
    path = data_path("tables", "googlenet-opponency.safetensors")
    path.parent.mkdir(exist_ok=True)
    about = {
        "format": FORMAT,
        "network": network.weights,
        "images": {name: images.digest() for name, images in sets.items()},
        "statistics": list(STATISTICS),
        "breeds": breeds_of(sets["googlenet"]),
        "part": PART,
        "made_by": "data/make/googlenet_opponency.py",
    }
    write_tensors(path, tensors, about)
    print(json.dumps({name: list(t.shape) for name, t in tensors.items()})[:300])


if __name__ == "__main__":
    main()
