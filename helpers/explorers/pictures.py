"""What an explorer shows of units: neuron features, crops and images, as sheets of square tiles.

A sheet is one WebP image, tiles of one size side by side and row by row, written into the page as a
data address. The same pixels give the same bytes.
"""

import base64
import io
import json
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from helpers.explorers.facts import NEAR_ZERO
from helpers.features import layer_features
from helpers.paths import data_path
from helpers.record.patches import as_shown, crops

FEATURE_SIDE = 64
CROP_SIDE = 56
COLUMNS = 16  # of a sheet with one tile a unit
QUALITY = 72  # of WebP; below 60 the texture of fur goes, above 80 a layer grows past 3 MB
GREY = 0.5  # where there is nothing to see
MEMORY = 200e6  # bytes of crops and features held at a time
FEATURE_PARTS = 4  # pictures held while a feature is made

# What a shipped sheet's pictures are, by the end of its file's name.
KINDS = {"optimised": "optimised picture", "categories": "optimised picture", "conv1": "filter"}


@dataclass(frozen=True)
class Sheet:
    """Tiles of one size in one image: its data address, tiles a row, rows, and what a tile is."""

    address: str
    columns: int
    rows: int
    what: str = ""


def make_sheet(tiles: np.ndarray, columns: int, what: str = "", quality: int = QUALITY) -> Sheet:
    """Tiles (n, S, S, 3) uint8 -> a Sheet; the last row is filled up with grey."""
    n, side = tiles.shape[:2]
    rows = -(-n // columns)
    full = np.full((rows * columns, side, side, 3), round(GREY * 255), dtype=np.uint8)
    full[:n] = tiles
    grid = full.reshape(rows, columns, side, side, 3).swapaxes(1, 2)
    encoded = io.BytesIO()
    image = Image.fromarray(grid.reshape(rows * side, columns * side, 3))
    image.save(encoded, "WEBP", quality=quality, method=6)
    address = "data:image/webp;base64," + base64.b64encode(encoded.getvalue()).decode()
    return Sheet(address, columns, rows, what)


def thumbnail(pixels: torch.Tensor, visible: torch.Tensor, side: int) -> np.ndarray:
    """The visible part of a picture as a square tile (side, side, 3) uint8.

    pixels (3, H, W) in [0, 1]; visible (H, W) bool. The bounding box of what is visible is fitted
    into the square, its proportions kept; the rest is grey. A deep unit's receptive field is larger
    than the image, and most of its box would be empty.
    """
    tile = Image.new("RGB", (side, side), (round(GREY * 255),) * 3)
    rows, columns = visible.any(1).nonzero()[:, 0], visible.any(0).nonzero()[:, 0]
    if not len(rows):
        return np.asarray(tile)
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    inside = pixels[:, box[0], box[1]].permute(1, 2, 0).mul(255).round().byte().numpy()
    picture = Image.fromarray(np.ascontiguousarray(inside))
    scale = side / max(picture.size)
    size = tuple(max(1, round(n * scale)) for n in picture.size)
    # Filters of a few pixels stay recognisable as pixels.
    sharp = max(picture.size) * 4 < side
    picture = picture.resize(size, Image.Resampling.NEAREST if sharp else Image.Resampling.BICUBIC)
    tile.paste(picture, ((side - size[0]) // 2, (side - size[1]) // 2))
    return np.asarray(tile)


def unit_pictures(study, layer: str, units: list[int], strip: int) -> tuple[Sheet, list[Sheet]]:
    """(sheet of neuron features, one tile a unit; for each unit a sheet of its images).

    A unit's sheet has three rows of `strip` tiles: the crops of its strongest responses, the at
    most `NEAR_ZERO` images whose mean response is nearest to zero, the crops of its most negative
    ones. The images in the middle are whole, since every place of a map enters its mean; a crop of
    the same image in another row is another picture.
    """
    features, strips = [], []
    near_zero = study.record[layer].near_zero.images[:, : min(NEAR_ZERO, strip)]
    whole = _whole_images(study, near_zero[units].unique().tolist())
    for part in _portions(study.record[layer], units, strip):
        features += _feature_tiles(study, layer, part, FEATURE_SIDE)
        top = _crops(study, layer, part, strip, "top")
        bottom = _crops(study, layer, part, strip, "bottom")
        for row in range(len(part)):
            zero = [whole[i] for i in near_zero[part[row]].tolist() if i >= 0]
            rows = [_crop_tiles(top, row, strip), zero, _crop_tiles(bottom, row, strip)]
            strips.append(_strip_sheet(rows, strip))
    return make_sheet(np.stack(features), COLUMNS, "neuron feature"), strips


def has_pictures(study, layer: str) -> bool:
    """Whether crops of the layer can be made: network and images are here, and places are recorded."""
    places = study.record[layer].top.positions is not None
    return places and study.has_images and study.has_network


def feature_tiles(study, layer: str, units: list[int], side: int) -> list[np.ndarray]:
    """The neuron features of units as tiles (side, side, 3) uint8; see `thumbnail`."""
    parts = _portions(study.record[layer], units, 0)
    return [tile for part in parts for tile in _feature_tiles(study, layer, part, side)]


def shipped_sheets(record, layer: str, units: list[int]) -> list[Sheet]:
    """Sheets of shipped pictures of these units, if they were made from the record's own weights."""
    return [
        make_sheet(np.stack([tiles[unit] for unit in units]), COLUMNS, kind)
        for kind, tiles in shipped_tiles(record, layer, units)
        if len(tiles) == len(units)
    ]


def shipped_tiles(record, layer: str, units: list[int]) -> list[tuple[str, dict]]:
    """[(what its pictures are, {unit: tile})] of each shipped sheet with any of these units."""
    found = []
    for path in sorted(data_path("pictures").glob("*.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        kind = KINDS.get(path.stem.rsplit("-", 1)[-1])
        place = {name: i for i, name in enumerate(about.get("units", ()))}
        wanted = {unit: place[f"{layer}:{unit}"] for unit in units if f"{layer}:{unit}" in place}
        if kind and wanted and about.get("weights") == record.metadata["network"]["weights"]:
            image = Image.open(path.with_suffix(".webp")).convert("RGB")
            cut = _cut(image, about["tile"], wanted.values())
            found.append((kind, dict(zip(wanted, cut, strict=True))))
    return found


def _cut(image, side, places):
    """The tiles (n, side, side, 3) at these places of a shipped sheet."""
    columns = image.width // side
    corners = [((p % columns) * side, (p // columns) * side) for p in places]
    return np.stack([np.asarray(image.crop((x, y, x + side, y + side))) for x, y in corners])


def _portions(of_layer, units, strip):
    """The units in portions whose pictures fit into `MEMORY`; each reads its images anew."""
    height, width = of_layer.geometry.field.size
    # Of each unit: crops of both ends, and what its feature is added up from.
    most = max(1, int(MEMORY / (4 * 4 * height * width * (2 * strip + FEATURE_PARTS))))
    return [units[i : i + most] for i in range(0, len(units), most)]


def _crops(study, layer, units, k, which):
    return crops(study.record, study.network, study.images, layer, units, k, which)


def _whole_images(study, images):
    """{image: its tile}, as the network saw it; each image is read once for the whole layer."""
    preprocess = study.network.preprocess
    show, tiles = as_shown(preprocess), {}
    for image in images:
        if image >= 0:
            seen = show(preprocess(study.images.open(image)))
            tiles[image] = thumbnail(seen, torch.ones(seen.shape[1:], dtype=torch.bool), CROP_SIDE)
    return tiles


def _feature_tiles(study, layer, units, side):
    """A tile a unit; grey for a unit without a positive response, which has no feature."""
    found = layer_features(study.record, study.network, study.images, layer, units)
    return [thumbnail(p, v, side) for p, v in zip(found.pictures, found.valid, strict=True)]


def _crop_tiles(patches, row, strip):
    return [
        thumbnail(patches.pixels[row, i], patches.valid[row, i], CROP_SIDE)
        for i in range(min(strip, patches.pixels.shape[1]))
    ]


def _strip_sheet(rows, strip):
    """Lists of tiles -> a sheet with a row each, filled up with grey."""
    empty = np.full((CROP_SIDE, CROP_SIDE, 3), round(GREY * 255), np.uint8)
    return make_sheet(np.stack([t for r in rows for t in r + [empty] * (strip - len(r))]), strip)
