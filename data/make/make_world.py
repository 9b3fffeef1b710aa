"""Make data/world: the evaluation and probe sheets and world.json.

    python -m data.make.make_world                  # everything, about a minute
    python -m data.make.make_world --only beagle    # one sheet, into memory; prints its digests

Run from the repository root; needs the extra `world` (skia-python).
"""

import argparse
import hashlib
import json
import sys
from dataclasses import asdict
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import PIL
import skia
from PIL import features

from .world import LEAVES, PROBES, render_leaf, render_probe
from .world.dogs import BREEDS, PALETTES
from .world.scene import OVERSAMPLING, SIZE, Truth
from .world.sheets import COLUMNS, COUNTS, METHOD, QUALITY, encode, join, pixel_digest

WORLD = Path(__file__).resolve().parent.parent / "world"
RENDERER_VERSION = 1  # raise it whenever a pixel changes
FIRST_SEED = {"train": 0, "eval": 100_000, "probe": 200_000}
TRAIN_COUNT = 400


def render_tiles(split: str, name: str, count: int | None = None) -> tuple[np.ndarray, list[Truth]]:
    """All pictures of a class or probe category: (N, 64, 64, 3) uint8, and the truth of each."""
    render = render_probe if split == "probe" else render_leaf
    count = count or COUNTS.get(split, TRAIN_COUNT)
    first = FIRST_SEED[split]
    pictures = [render(name, seed) for seed in range(first, first + count)]
    return np.stack([image for image, _ in pictures]), [truth for _, truth in pictures]


def make_sheet(split: str, name: str) -> tuple[np.ndarray, bytes, list[Truth]]:
    """One shipped sheet: raw pixels, WebP bytes, and the truth of each tile."""
    tiles, truths = render_tiles(split, name)
    sheet = join(tiles, COLUMNS[split])
    return sheet, encode(sheet), truths


def _write_sheet(job: tuple[str, str]) -> dict:
    split, name = job
    sheet, data, truths = make_sheet(split, name)
    path = WORLD / "images" / split / f"{name}.webp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {
        "pixels_sha256": pixel_digest(sheet),
        "file_sha256": hashlib.sha256(data).hexdigest(),
        "count": len(truths),
        "columns": COLUMNS[split],
        "first_seed": FIRST_SEED[split],
        "images": [_describe(truth) for truth in truths],
    }


def _describe(truth: Truth) -> dict:
    """What a reader of world.json learns of one image; `breed` is empty where no dog is."""
    return {
        "face": truth.face,
        "background": truth.setting,
        "view": truth.view,
        "shows": truth.shows,
        "breed": truth.shows if truth.shows in BREEDS else "",
    }


def _ontology() -> dict:
    """Every class: its path, coarse label, kind of colour and, for a breed, palette and pair."""
    classes = {}
    for leaf in LEAVES.values():
        entry = {"path": list(leaf.path), "coarse": leaf.coarse, "colour": leaf.colour}
        if leaf.colour == "breed":
            entry |= {"palette": leaf.palette, "pair": leaf.pair}
        classes[leaf.name] = entry
    return classes


def make_world(workers: int) -> None:
    jobs = [("eval", name) for name in LEAVES] + [("probe", name) for name in PROBES]
    with Pool(workers) as pool:
        sheets = pool.map(_write_sheet, jobs, chunksize=1)
    description = {
        "format": 1,
        "renderer_version": RENDERER_VERSION,
        "licence": "MIT: every picture is drawn by this project's own code",
        "size": SIZE,
        "oversampling": OVERSAMPLING,
        "classes": list(LEAVES),
        "probe_categories": list(PROBES),
        "ontology": _ontology(),
        "palettes": {name: asdict(palette) for name, palette in PALETTES.items()},
        "seeds": {"first": FIRST_SEED, "train_per_class": TRAIN_COUNT},
        "webp": {"quality": QUALITY, "method": METHOD, "libwebp": features.version("webp")},
        "made_with": {
            "skia-python": skia.__version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
        },
    }
    description["images"], description["sheets"] = {}, {}
    for split in COLUMNS:
        named = {name: sheet for (s, name), sheet in zip(jobs, sheets, strict=True) if s == split}
        description["images"][split] = {name: sheet.pop("images") for name, sheet in named.items()}
        description["sheets"][split] = named
    (WORLD / "world.json").write_text(_dump(description) + "\n", encoding="utf-8")


def _dump(value, depth: int = 0) -> str:
    """JSON with one line for whatever fits on one: a whole image, a colour, a path."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + depth <= 160 or not isinstance(value, dict | list):
        return flat
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {_dump(item, depth + 1)}" for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        items = [_dump(item, depth + 1) for item in value]
        opening, closing = "[", "]"
    body = (",\n" + pad).join(items)
    return f"{opening}\n{pad}{body}\n{' ' * depth}{closing}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", help="render one class or probe category and print its digests")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.only is None:
        make_world(arguments.workers)
        return
    if arguments.only not in LEAVES and arguments.only not in PROBES:
        sys.exit(
            f"no class or probe category is called {arguments.only!r}; see data/world/world.json"
        )
    split = "eval" if arguments.only in LEAVES else "probe"
    sheet, data, _ = make_sheet(split, arguments.only)
    digests = {
        "pixels_sha256": pixel_digest(sheet),
        "file_sha256": hashlib.sha256(data).hexdigest(),
    }
    print(json.dumps(digests))


if __name__ == "__main__":
    main()
