"""Optimised pictures of the 512 units of GoogLeNet's block 4c, and how far they drive their units.

A picture starts as random noise in the Fourier domain and climbs the gradient of one unit's
pre-activation response at the centre of its map (feature visualisation). The parametrisation
(decorrelated colours, damped high frequencies, fixed contrast) is horama's; the loop is our own,
because horama optimises one picture at a time and here 16 share a forward pass.

    pip install horama einops                 # for this recipe only; nothing else is downloaded
    python data/make/optimise_googlenet.py climb   --weights FILE --work DIR   # an hour; resumes
    python data/make/optimise_googlenet.py compare --weights FILE --work DIR --photographs DIR ...
    python data/make/optimise_googlenet.py ship    --weights FILE --work DIR

Source: Olah, Mordvintsev & Schubert, Feature Visualization, Distill 2017.
"""

import argparse
import io
import json
import math
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from horama.fourier_fv import fourier_preconditionner, get_fft_scale, init_lucid_buffer
from PIL import Image
from tiles import cut, resized, sheet

from helpers.paths import data_path
from helpers.record import FolderImages, batches, load_network
from helpers.record.architectures.googlenet import PREPROCESSING, block_outputs
from helpers.record.taps import listening

BLOCK = "inception_4c"
LAYERS = block_outputs()[BLOCK]
SEED = 20150607
CHUNK = 16  # pictures per forward pass; part of the recipe, since a chunk shares its random numbers
STEPS = 256
LEARNING_RATE = 1.0
DECAY_POWER = 1.5  # amplitude of frequency f is scaled by f ** -1.5
SIZE = 112  # pixels of a picture: a 7 x 7 map, and the central unit sees nearly all of it
MARGIN = 8  # optimised beyond the picture's edge, cut off in the end
ROTATION = 10.0  # degrees either way
ZOOM = 0.10  # share either way
VALUES = (-0.3, 1.3)  # clipped to [0, 1]: about the contrast of a photograph
TILE = 64
COLUMNS = 32
WEBP_QUALITY = 70  # half a megabyte


class Block:
    """The pre-activation maps of one block: (B, 3, H, W) prepared pixels -> (B, 512, H', W')."""

    def __init__(self, weights: Path):
        self.network = load_network("googlenet", weights)
        self.taps = {layer: self.network.taps[layer] for layer in LAYERS}
        self.units = [f"{name}:{u}" for name, tap in self.taps.items() for u in range(tap.n_units)]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        maps = {}
        with listening(self.network.module, self.taps, maps.__setitem__):
            for name, stage in self.network.module.named_children():
                x = stage(x)
                if name == BLOCK:  # nothing after it is needed
                    break
        return torch.cat([maps[layer] for layer in LAYERS], dim=1)


def prepared(rgb: torch.Tensor) -> torch.Tensor:
    """What the network takes, from RGB in [0, 1]."""
    mean = torch.tensor(PREPROCESSING["mean"]).view(1, 3, 1, 1)
    bgr = rgb.flip(1) * PREPROCESSING["scale"] - mean
    return bgr.contiguous(memory_format=torch.channels_last)


def decoded(spectra: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Pictures (B, 3, S, S) in [0, 1] from their spectra."""
    pictures = [fourier_preconditionner(s, scale, VALUES, "cpu") for s in spectra]
    return torch.stack(pictures).clamp(0, 1)


def random_views(pictures: torch.Tensor) -> torch.Tensor:
    """Each picture a little shifted, turned and zoomed: adversarial noise does not survive that."""
    n, full = len(pictures), pictures.shape[-1]

    def uniform(*shape):
        return torch.rand(*shape) * 2 - 1

    angle = uniform(n) * math.radians(ROTATION)
    zoom = (1 + uniform(n) * ZOOM) * SIZE / full
    shift = uniform(n, 2) * MARGIN / full
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    rows = [torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), (n, 3, SIZE, SIZE), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def climb(block: Block, units: list[int]) -> np.ndarray:
    """Optimised pictures of these units of the block: uint8 (n, S, S, 3)."""
    torch.manual_seed(SEED + units[0])
    full = SIZE + 2 * MARGIN
    spectra = torch.stack([init_lucid_buffer(full, full) for _ in units]).requires_grad_()
    scale = get_fft_scale(full, full, DECAY_POWER)
    optimiser = torch.optim.NAdam([spectra], lr=LEARNING_RATE)
    # The last quarter cools down, so that the picture settles instead of trembling.
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i: min(1, 4 * (1 - i / STEPS)))
    rows, channels = torch.arange(len(units)), torch.tensor(units)
    for _ in range(STEPS):
        optimiser.zero_grad()
        maps = block(prepared(random_views(decoded(spectra, scale))))
        centre = maps.shape[-1] // 2
        (-maps[rows, channels, centre, centre].sum()).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        pictures = decoded(spectra, scale)[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).numpy()


def climb_all(block: Block, work: Path) -> None:
    """Every chunk of units, one .npz each; chunks found in `work` are kept."""
    work.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(block.units), CHUNK):
        path = work / f"pictures-{first:03d}.npz"
        if path.exists():
            continue
        start = time.time()
        pictures = climb(block, list(range(first, min(first + CHUNK, len(block.units)))))
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


def on_canvas(pictures: np.ndarray) -> torch.Tensor:
    """Pictures (n, S, S, 3) uint8 amid a canvas of the mean colour: (n, 3, 224, 224)."""
    side = PREPROCESSING["crop"]
    mean_rgb = torch.tensor(PREPROCESSING["mean"][::-1]).view(1, 3, 1, 1) / 255
    canvas = mean_rgb.expand(len(pictures), 3, side, side).clone()
    start = (side - pictures.shape[1]) // 2
    inner = slice(start, start + pictures.shape[1])
    canvas[:, :, inner, inner] = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    return canvas


def responses_to(block: Block, pictures: np.ndarray) -> np.ndarray:
    """(picture, unit): spatial maxima of all units for all pictures, each on its canvas."""
    starts = range(0, len(pictures), CHUNK)
    return largest_responses(block, (prepared(on_canvas(pictures[i : i + CHUNK])) for i in starts))


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
    encoded = io.BytesIO()
    sheet(resized(pictures, TILE), COLUMNS).save(encoded, "WEBP", quality=WEBP_QUALITY, method=6)
    shipped = resized(cut(Image.open(encoded), TILE), SIZE)  # as a reader decodes it
    responses, shares = comparison(
        responses_to(block, pictures), responses_to(block, shipped), photographs["best"]
    )
    description = {
        "what": "one optimised picture for each unit of GoogLeNet's block 4c, row by row",
        "network": block.network.name,
        "weights": block.network.weights,
        "layers": {layer: tap.n_units for layer, tap in block.taps.items()},
        "units": block.units,
        "tile": TILE,
        "columns": COLUMNS,
        "method": "gradient ascent on the pre-activation response at the centre of the unit's map; "
        "Fourier parametrisation of horama; random shift, rotation and zoom at every step; NAdam",
        "size": SIZE,
        "margin": MARGIN,
        "steps": STEPS,
        "learning_rate": LEARNING_RATE,
        "decay_power": DECAY_POWER,
        "rotation_degrees": ROTATION,
        "zoom": ZOOM,
        "values": VALUES,
        "seed": SEED,
        "pictures_per_pass": CHUNK,
        "versions": {name: version(name) for name in ("horama", "torch", "pillow")},
        "wall_seconds": round(seconds),
        "licence": "Generated from the BVLC GoogLeNet weights, which their authors released for "
        "unrestricted use; no photograph went into them.",
        "statistic": "spatial maximum before the ReLU; a picture stands in the middle of a 224 px "
        "canvas of the mean colour, at full size or as the decoded tile enlarged to full size",
        "photographs": dict(
            zip(photographs["names"].tolist(), photographs["n"].tolist(), strict=True)
        ),
        "shares": shares,
        "responses": responses,
    }
    target = data_path("pictures", "googlenet-4c-optimised.webp")
    target.write_bytes(encoded.getvalue())
    target.with_suffix(".json").write_text(json.dumps(description, indent=1) + "\n")
    print(json.dumps(shares, indent=1), f"{len(encoded.getvalue()) / 1e6:.2f} MB")


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
