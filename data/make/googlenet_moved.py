"""Dogs at the lower end of GoogLeNet's units, if dogs did nothing but move their mean responses up.

    SELECTIVITY_HOME=... python -m data.make.googlenet_moved

Needs single responses, which no shipped record of GoogLeNet keeps: runs the network on the photographs of two
studies and writes data/tables/googlenet-moved.safetensors, numbers only:

    STUDY            (U,) `helpers.selectivity.opponency.expected_if_moved` of block 4c, of two studies
    STUDY/simulated  (1,) how far off that is on average where dogs do nothing else; for the second study of
                     the units that are selective in the first
About three minutes on two cores.
"""

import torch

from helpers import open_study
from helpers.claims.dogs import (
    MOVED,
    moved_below,
    moved_in_simulation,
    shown_layers,
    shown_units,
    simulated_elsewhere,
)
from helpers.paths import data_path
from helpers.record import load_network, record
from helpers.record.store import write_tensors
from helpers.study import Study
from helpers.tables import FORMAT

from .record_googlenet import STUDIES, images_of


def main():
    network, tensors, digests = load_network("googlenet"), {}, {}
    chosen = shown_units(open_study("googlenet"))["selective_mean"].to_numpy()
    for name in ("googlenet", "googlenet-imagenet"):
        images = images_of(STUDIES[name]["folders"])
        layers = ",".join(shown_layers(open_study(name).record))
        made = record(network, images, 50, layers=layers, responses=("mean",))
        # Of no name that a shipped table knows: computed, not read.
        study = Study(f"{name}-again", made, lambda: network, lambda images=images: images)
        tensors[name] = torch.from_numpy(moved_below(study)).float()
        if name == "googlenet":
            found = moved_in_simulation(study)
        else:
            found = simulated_elsewhere(study, chosen)
        tensors[f"{name}/simulated"] = torch.tensor([found], dtype=torch.float32)
        digests[name] = images.digest()
    about = {
        "format": FORMAT,
        "network": network.weights,
        "images": digests,
        "made_by": "data/make/googlenet_moved.py",
    }
    write_tensors(data_path("tables", f"{MOVED}.safetensors"), tensors, about)


if __name__ == "__main__":
    main()
