"""Sheets of tiles: many small pictures of one size in one image file, row by row."""

import io

import numpy as np
import torch
from PIL import Image


def sheet(tiles: np.ndarray, columns: int) -> Image.Image:
    """Tiles (n, S, S, 3) uint8, n a multiple of `columns`, side by side, row by row."""
    n, side = tiles.shape[:2]
    grid = tiles.reshape(n // columns, columns, side, side, 3).swapaxes(1, 2)
    return Image.fromarray(grid.reshape(n // columns * side, columns * side, 3))


def cut(image: Image.Image, side: int) -> np.ndarray:
    """The tiles (n, side, side, 3) uint8 of a sheet, row by row: the inverse of `sheet`."""
    pixels = np.asarray(image.convert("RGB"))
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    grid = pixels.reshape(rows, side, columns, side, 3).swapaxes(1, 2)
    return grid.reshape(rows * columns, side, side, 3)


def resized(tiles: np.ndarray, side: int) -> np.ndarray:
    """Tiles (n, S, S, 3) uint8 at another size, PIL bicubic (antialiased)."""
    images = (Image.fromarray(tile) for tile in tiles)
    return np.stack([np.asarray(i.resize((side, side), Image.Resampling.BICUBIC)) for i in images])


def packed(pictures: np.ndarray, side: int, columns: int, quality: int) -> tuple[bytes, np.ndarray]:
    """A WebP sheet of pictures (n, S, S, 3) uint8, and the pictures as a reader gets them from it.

    Tiles have `side` pixels; the second result is enlarged to S again.
    """
    encoded = io.BytesIO()
    sheet(resized(pictures, side), columns).save(encoded, "WEBP", quality=quality, method=6)
    return encoded.getvalue(), resized(cut(Image.open(encoded), side), pictures.shape[1])


def as_bytes(pictures: torch.Tensor) -> np.ndarray:
    """Pictures (n, 3, S, S) in [0, 1] as (n, S, S, 3) uint8."""
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).numpy()


def as_rgb(pictures: np.ndarray) -> torch.Tensor:
    """Pictures (n, S, S, 3) uint8 as (n, 3, S, S) in [0, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
