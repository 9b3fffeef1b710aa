"""The 64 filters of GoogLeNet's conv1 as pictures: what its first layer looks for.

    python data/make/googlenet_filters.py --weights FILE

Zero weight is mid grey and each filter is scaled by its own largest absolute weight, so tiles
compare in shape and colour, not in strength (the largest weights are in the description).
"""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from tiles import sheet

from helpers.paths import data_path
from helpers.record import load_network

LAYER = "conv1.7x7_s2"
MAGNIFICATION = 8  # nearest neighbour: one weight is one square
BORDER = 4  # of mid grey, so that neighbouring filters do not run into one another
COLUMNS = 8


def filter_tiles(weights: np.ndarray) -> np.ndarray:
    """Filters (n, 3, k, k) over BGR input -> tiles (n, S, S, 3) uint8 in RGB."""
    rgb = weights[:, ::-1].transpose(0, 2, 3, 1)
    scaled = rgb / np.abs(rgb).max(axis=(1, 2, 3), keepdims=True)
    grey_at_zero = np.rint(127.5 + 127.5 * scaled).astype(np.uint8)
    squares = grey_at_zero.repeat(MAGNIFICATION, axis=1).repeat(MAGNIFICATION, axis=2)
    edge = (BORDER, BORDER)
    return np.pad(squares, ((0, 0), edge, edge, (0, 0)), constant_values=128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    network = load_network("googlenet", parser.parse_args().weights)
    weights = network.module.get_submodule(LAYER).weight.numpy()
    tiles = filter_tiles(weights)
    path = data_path("pictures", "googlenet-conv1.webp")
    sheet(tiles, COLUMNS).save(path, "WEBP", lossless=True, method=6)
    description = {
        "what": "the 64 filters of GoogLeNet's first layer, in RGB, row by row",
        "network": "googlenet",
        "weights": network.weights,
        "layer": LAYER,
        "units": [f"{LAYER}:{u}" for u in range(len(tiles))],
        "tile": tiles.shape[1],
        "columns": COLUMNS,
        "border": BORDER,
        "magnification": MAGNIFICATION,
        "method": "weight 0 is mid grey; each filter is divided by its own largest absolute weight",
        "largest_weight": [round(float(w), 4) for w in np.abs(weights).max(axis=(1, 2, 3))],
        "versions": {"pillow": version("pillow")},
        "licence": "Drawn from the BVLC GoogLeNet weights, which their authors released for "
        "unrestricted use.",
    }
    path.with_suffix(".json").write_text(json.dumps(description, indent=1) + "\n")


if __name__ == "__main__":
    main()
