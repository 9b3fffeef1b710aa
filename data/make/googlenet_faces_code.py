"""GoogLeNet's selectivity for the four categories as the author's code of paper 2 computes it.

    SELECTIVITY_HOME=... python -m data.make.googlenet_faces_code

Runs GoogLeNet and the same architecture with random weights on the face probe, and writes
data/tables/googlenet-faces-code.safetensors, numbers only:

    trained/LAYER, untrained/LAYER   (4, U) `helpers.selectivity.category.contrast_of_maps`
About three minutes on two cores.
"""

from helpers.claims.faces import FOUR
from helpers.claims.published import contrasts_of_maps
from helpers.paths import data_path
from helpers.record import load_network
from helpers.record.store import write_tensors
from helpers.tables import FORMAT

from .googlenet_opponency import untrained_googlenet
from .record_googlenet import STUDIES, images_of

STUDY = "googlenet-faces"


def main():
    network, images = load_network("googlenet"), images_of(STUDIES[STUDY]["folders"])
    four = images.select(FOUR)
    found = {
        "trained": contrasts_of_maps(network, four, network.taps),
        "untrained": contrasts_of_maps(untrained_googlenet(network), four, network.taps),
    }
    tensors = {
        f"{when}/{name}": values.float().contiguous()
        for when, layers in found.items()
        for name, values in layers.items()
    }
    about = {
        "format": FORMAT,
        "layers": list(found["trained"]),
        "categories": FOUR,
        "network": network.weights,
        "images": {STUDY: images.digest()},
        "made_by": "data/make/googlenet_faces_code.py",
    }
    write_tensors(data_path("tables", "googlenet-faces-code.safetensors"), tensors, about)


if __name__ == "__main__":
    main()
