"""Optimised pictures of the 512 units of GoogLeNet's block 4c, and how far they drive their units.

The pictures are made by `helpers.optimise` (feature visualisation), 16 in a forward pass.

    python data/make/optimise_googlenet.py climb   --weights FILE --work DIR   # an hour; resumes
    python data/make/optimise_googlenet.py compare --weights FILE --work DIR --photographs DIR ...
    python data/make/optimise_googlenet.py ship    --weights FILE --work DIR
"""

import argparse
import json
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from tiles import as_bytes, as_rgb, packed

from helpers import optimise
from helpers.optimise import TOGETHER, as_input, framed, optimised_pictures
from helpers.paths import data_path
from helpers.record import FolderImages, batches, load_network
from helpers.record.architectures.googlenet import block_outputs
from helpers.record.taps import listening

BLOCK = "inception_4c"
LAYERS = block_outputs()[BLOCK]
SEED = 20150607
STEPS = 256
SIZE = 112  # pixels of a picture: a 7 x 7 map, and the central unit sees nearly all of it
TILE = 64
COLUMNS = 32
WEBP_QUALITY = 70  # half a megabyte


class Block:
    """The pre-activation maps of one block: (B, 3, H, W) prepared pixels -> (B, 512, H', W')."""

    def __init__(self, weights: Path):
        self.network = load_network("googlenet", weights)
        self.taps = {layer: self.network.taps[layer] for layer in LAYERS}
        self.units = [(name, u) for name, tap in self.taps.items() for u in range(tap.n_units)]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        maps = {}
        with listening(self.network.module, self.taps, maps.__setitem__):
            for name, stage in self.network.module.named_children():
                x = stage(x)
                if name == BLOCK:  # nothing after it is needed
                    break
        return torch.cat([maps[layer] for layer in LAYERS], dim=1)


def climb_all(block: Block, work: Path) -> None:
    """Every chunk of units, one .npz each; chunks found in `work` are kept."""
    work.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(block.units), TOGETHER):
        path = work / f"pictures-{first:03d}.npz"
        if path.exists():
            continue
        start = time.time()
        units = block.units[first : first + TOGETHER]
        pictures = as_bytes(
            optimised_pictures(
                block.network, units, steps=STEPS, size=SIZE, seed=SEED + first
            ).pictures
        )
        seconds = time.time() - start
        np.savez_compressed(path.with_suffix(".part.npz"), pictures=pictures, seconds=seconds)
        path.with_suffix(".part.npz").rename(path)
        print(f"units {first} to {first + len(pictures) - 1}: {seconds:.0f} s", flush=True)


def pictures_in(work: Path) -> tuple[np.ndarray, float]:
    """All pictures (512, S, S, 3) uint8 in order, and the seconds they took."""
    chunks = [np.load(p) for p in sorted(work.glob("pictures-???.npz"))]
    return np.concatenate([c["pictures"] for c in chunks]), float(sum(c["seconds"] for c in chunks))


@torch.inference_mode()
def largest_responses(block: Block, batches: Iterable[torch.Tensor]) -> np.ndarray:
    """Spatial maximum of every unit for every image of batches of prepared pixels: (N, 512)."""
    return torch.cat([block(batch).amax((2, 3)) for batch in batches]).numpy()


def compare(block: Block, work: Path, folders: list[Path]) -> None:
    """Every unit's largest response to any photograph under these folders, kept in `work`."""
    images = {folder.name: FolderImages(folder) for folder in folders}
    best = []
    for collection in images.values():
        prepare = block.network.preprocess
        parts = batches(collection, prepare, np.arange(len(collection)), batch_size=32, workers=0)
        best.append(largest_responses(block, (pixels for _, pixels, _ in parts)).max(0))
    counts = {name: len(collection) for name, collection in images.items()}
    np.savez(
        work / "photographs.npz", best=np.max(best, 0), names=list(counts), n=list(counts.values())
    )


def responses_to(block: Block, pictures: np.ndarray) -> np.ndarray:
    """(picture, unit): spatial maxima of all units for all pictures, each amid the mean colour."""
    prepared, size = as_input(block.network), block.network.input_size
    parts = (pictures[i : i + TOGETHER] for i in range(0, len(pictures), TOGETHER))
    return largest_responses(block, (framed(prepared(as_rgb(p)), size) for p in parts))


def method(size: int, steps: int) -> dict:
    """How optimised pictures were made, for the description of their sheet."""
    return {
        "method": "gradient ascent on the pre-activation response at the centre of the unit's map; "
        "Fourier parametrisation of horama; random shift, rotation and zoom at every step; NAdam",
        "size": size,
        "margin": round(size * optimise.MARGIN),
        "steps": steps,
        "learning_rate": optimise.LEARNING_RATE,
        "decay_power": optimise.DECAY_POWER,
        "rotation_degrees": optimise.ROTATION,
        "zoom": optimise.ZOOM,
        "values": optimise.VALUES,
        "pictures_per_pass": TOGETHER,
        "versions": {name: version(name) for name in ("horama", "torch", "pillow")},
        "licence": "Generated from the BVLC GoogLeNet weights, which their authors released for "
        "unrestricted use; no photograph went into them.",
        "statistic": "spatial maximum before the ReLU; a picture stands in the middle of a 224 px "
        "canvas of the mean colour, at full size or as the decoded tile enlarged to full size",
    }


def comparison(full: np.ndarray, shipped: np.ndarray, best: np.ndarray) -> tuple[dict, dict]:
    """(responses, shares): how far each picture drives its own unit and, as a control, how far it
    drives the others.

    full, shipped: (picture, unit) responses to the pictures at full size and as shipped; best:
    (unit,) largest response to any photograph.
    """
    diagonal = np.eye(len(best), dtype=bool)
    responses = {
        "full_size": full[diagonal],
        "as_shipped": shipped[diagonal],
        "best_photograph": best,
        "best_other_picture": np.where(diagonal, -np.inf, full).max(0),
        "median_other_picture": np.median(full, axis=0),
    }
    shares = {
        "full_size_beats_best_photograph": full[diagonal] > best,
        "as_shipped_beats_best_photograph": shipped[diagonal] > best,
        # Controls: high contrast alone should not do it, and no other picture should do it better.
        "picture_of_another_unit_beats_best_photograph": (full > best)[~diagonal],
        "own_picture_is_strongest_of_all": full.argmax(0) == np.arange(len(best)),
        "own_picture_as_shipped_is_strongest_of_all": shipped.argmax(0) == np.arange(len(best)),
    }
    return (
        {name: [round(float(v), 1) for v in values] for name, values in responses.items()},
        {name: round(float(np.mean(hits)), 4) for name, hits in shares.items()},
    )


def ship(block: Block, work: Path) -> None:
    """The sheet and its description, from the finished pictures and the photographs' responses."""
    pictures, seconds = pictures_in(work)
    photographs = np.load(work / "photographs.npz")
    webp, shipped = packed(pictures, TILE, COLUMNS, WEBP_QUALITY)
    responses, shares = comparison(
        responses_to(block, pictures), responses_to(block, shipped), photographs["best"]
    )
    description = {
        "what": "one optimised picture for each unit of GoogLeNet's block 4c, row by row",
        "network": block.network.name,
        "weights": block.network.weights,
        "layers": {layer: tap.n_units for layer, tap in block.taps.items()},
        "units": [f"{layer}:{unit}" for layer, unit in block.units],
        "tile": TILE,
        "columns": COLUMNS,
        "seed": SEED,
        "wall_seconds": round(seconds),
        **method(SIZE, STEPS),
        "photographs": dict(
            zip(photographs["names"].tolist(), photographs["n"].tolist(), strict=True)
        ),
        "shares": shares,
        "responses": responses,
    }
    write("googlenet-4c-optimised", webp, description)


def write(name: str, webp: bytes, description: dict) -> None:
    """Keep a sheet and its description among the package's pictures."""
    target = data_path("pictures", f"{name}.webp")
    target.write_bytes(webp)
    target.with_suffix(".json").write_text(json.dumps(description, indent=1) + "\n")
    print(json.dumps(description["shares"], indent=1), f"{len(webp) / 1e3:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=["climb", "compare", "ship"])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--photographs", type=Path, nargs="+", default=[])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    block = Block(arguments.weights)
    if arguments.stage == "climb":
        climb_all(block, arguments.work)
    elif arguments.stage == "compare":
        compare(block, arguments.work, arguments.photographs)
    else:
        ship(block, arguments.work)


if __name__ == "__main__":
    main()
