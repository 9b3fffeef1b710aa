"""Sheets of tiles: many small pictures of one size in one image file, row by row."""

import numpy as np
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
