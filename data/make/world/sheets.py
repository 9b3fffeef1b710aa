"""Sheets of pictures: many 64-pixel tiles, row by row, in one lossy WebP file.

A tile is a multiple of the codec's 16-pixel blocks, so neighbours hardly touch each other.
"""

import hashlib
import io

import numpy as np
from PIL import Image

from .scene import SIZE

COLUMNS = {"eval": 12, "probe": 20}
COUNTS = {"eval": 120, "probe": 300}
QUALITY = 80
METHOD = 6


def join(tiles: np.ndarray, columns: int) -> np.ndarray:
    """(N, S, S, 3) tiles to one (rows * S, columns * S, 3) sheet; N must fill the rows."""
    rows = len(tiles) // columns
    grid = tiles.reshape(rows, columns, SIZE, SIZE, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(rows * SIZE, columns * SIZE, 3)


def split(sheet: np.ndarray) -> np.ndarray:
    """The inverse of `join`."""
    rows, columns = sheet.shape[0] // SIZE, sheet.shape[1] // SIZE
    grid = sheet.reshape(rows, SIZE, columns, SIZE, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(rows * columns, SIZE, SIZE, 3)


def encode(sheet: np.ndarray, method: int = METHOD) -> bytes:
    """WebP bytes; the same for the same pixels and the same libwebp."""
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "WEBP", quality=QUALITY, method=method)
    return file.getvalue()


def decode(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def pixel_digest(sheet: np.ndarray) -> str:
    """sha256 of the raw pixels before encoding."""
    return hashlib.sha256(np.ascontiguousarray(sheet).tobytes()).hexdigest()
