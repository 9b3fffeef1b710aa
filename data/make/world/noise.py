"""Tileable textures, made once: fur, curls, wood, stone, brick, clouds, grain.

Each is a 256 x 256 array in [0, 1] from one fixed random stream, kept as a Skia image of 2 x 2
tiles.
"""

from functools import cache

import numpy as np
import skia

SIZE = 256
TILED = 2 * SIZE
_SEED = 7


def _perlin(
    stream: np.random.RandomState, cells: int, octaves: int, decay: float = 0.55
) -> np.ndarray:
    """Gradient noise (Perlin 1985) that repeats at the borders."""
    total = np.zeros((SIZE, SIZE))
    amplitude = 1.0
    for octave in range(octaves):
        n = cells * 2**octave
        if n > SIZE // 2:
            break
        angle = stream.rand(n, n) * 2 * np.pi
        gx, gy = np.cos(angle), np.sin(angle)
        t = np.arange(SIZE) * n / SIZE
        cell = t.astype(int)
        f = t - cell
        fade = f * f * f * (f * (f * 6 - 15) + 10)
        rows, columns = np.meshgrid(cell, cell, indexing="ij")
        fy, fx = np.meshgrid(f, f, indexing="ij")
        wy, wx = np.meshgrid(fade, fade, indexing="ij")

        def corner(a, b, n=n, gx=gx, gy=gy, rows=rows, columns=columns, fx=fx, fy=fy):
            i, j = (rows + a) % n, (columns + b) % n
            return gx[i, j] * (fy - a) + gy[i, j] * (fx - b)

        upper = corner(0, 0) * (1 - wx) + corner(0, 1) * wx
        lower = corner(1, 0) * (1 - wx) + corner(1, 1) * wx
        total += amplitude * (upper * (1 - wy) + lower * wy)
        amplitude *= decay
    total -= total.min()
    return total / total.max()


def _cells(stream: np.random.RandomState, n_points: int) -> np.ndarray:
    """Distance to the nearest of random points (Worley 1996), on a torus."""
    points = stream.rand(n_points, 2) * SIZE
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    nearest = np.full((SIZE, SIZE), 1e9)
    for py, px in points:
        dx = np.minimum(abs(x - px), SIZE - abs(x - px))
        dy = np.minimum(abs(y - py), SIZE - abs(y - py))
        nearest = np.minimum(nearest, dx * dx + dy * dy)
    distance = np.sqrt(nearest)
    return distance / distance.max()


def _streaks(stream: np.random.RandomState, width_x: float, width_y: float) -> np.ndarray:
    """White noise through an elongated Gaussian band (widths in cycles a pixel): hair, grain."""
    spectrum = np.fft.fft2(stream.randn(SIZE, SIZE))
    f = np.fft.fftfreq(SIZE)
    band = np.exp(-(f[None] ** 2) / (2 * width_x**2) - (f[:, None] ** 2) / (2 * width_y**2))
    return np.real(np.fft.ifft2(spectrum * band))


def _bricks(stream: np.random.RandomState) -> np.ndarray:
    wall = 0.75 + 0.25 * (_perlin(stream, 16, 3) - 0.5)
    for row in range(16):
        y = row * 16
        wall[y : y + 2] = 0.2
        for column in range(8):
            x = (column * 32 + (0 if row % 2 else 16)) % SIZE
            wall[y : y + 16, x : x + 2] = 0.2
            wall[y + 2 : y + 16, x + 2 : x + 32] += stream.rand() * 0.25 - 0.12
    return np.clip(wall, 0, 1)


def _uniform_histogram(values: np.ndarray) -> np.ndarray:
    """Ranks in [0, 1): all grey levels equally often, so every texture has the same contrast."""
    return (
        values.ravel().argsort(kind="stable").argsort(kind="stable").reshape(values.shape)
        / values.size
    )


def _textures() -> dict[str, np.ndarray]:
    stream = np.random.RandomState(_SEED)  # noqa: NPY002 - its stream is frozen; Generator's is not
    flat = _uniform_histogram
    return {
        "cloud": flat(_perlin(stream, 4, 5)),
        "fine": flat(_perlin(stream, 24, 3)),
        "mid": flat(_perlin(stream, 10, 4)),
        "fur": flat(_streaks(stream, 0.10, 0.02)),
        "wood": flat(_streaks(stream, 0.006, 0.05)),
        "curl": flat(1 - _cells(stream, 220)),
        "stone": _cells(stream, 60),
        "brick": _bricks(stream),
    }


@cache
def texture_images() -> dict[str, skia.Image]:
    """All textures by name, as opaque grey images of `TILED` x `TILED` pixels."""
    images = {}
    for name, values in _textures().items():
        pixels = np.full((TILED, TILED, 4), 255, np.uint8)
        pixels[..., :3] = (np.tile(values, (2, 2))[..., None] * 255).astype(np.uint8)
        images[name] = skia.Image.fromarray(pixels, colorType=skia.kRGBA_8888_ColorType)
    return images
