"""Make data/world/parts*: subjects on nothing and settings with nothing in them, to compose scenes of.

    python -m data.make.scene_parts    # ten seconds; from the repository root, needs the extra `world`

Two individuals of each view of the world's 48 classes and four variants of each of its twelve settings,
drawn by the world's own renderer. `helpers.scenes` puts them together without it.
"""

import hashlib
import io
import random

import numpy as np
import PIL
import skia
import torch
from PIL import Image, features

from helpers.selectivity.color import opponent

from .make_world import RENDERER_VERSION, WORLD, _dump
from .world import LEAVES, scene
from .world.backgrounds import HABITATS, SETTINGS
from .world.drawing import Painter
from .world.sheets import METHOD, pixel_digest

FIRST_SEED = 300_000  # training, evaluation and probe pictures have smaller ones
TILE, UNIT = 96, 34  # pixels of a subject's tile, and of one unit of its frame
# Of the frame, where the tile begins: the frame is in the middle, and a subject that rises goes on below.
CORNER = (-1.41, -1.3)
COLUMNS = 12
EDGE = 8  # pixels around a setting: compression lets the colours of neighbours run a little
WEBP = {"subjects": {"quality": 60}, "settings": {"quality": 80}}

# Seeds chosen by eye, each from the first fourteen: a ladybug without the leaf that would hide its
# setting, corgis without a collar, things in a colour of their own, settings without toys on the ground.
INDIVIDUALS = {
    "corgi": (3, 4), "ladybug": (10, 11), "pickup": (2, 3), "bus": (1, 9), "cup": (0, 3),
    "umbrella": (0, 13), "drum": (4, 8), "sunglasses": (0, 11), "hat": (8, 13), "guitar": (0, 2),
}  # fmt: skip
VARIANTS = {
    "meadow": (1, 4, 5, 13), "forest": (0, 3, 4, 8), "beach": (0, 2, 3, 10), "snow": (6, 7, 9, 11),
    "room": (1, 2, 7, 10), "street": (1, 3, 6, 8), "water": (0, 2, 3, 5),
    "underwater": (0, 1, 4, 8), "plain": (1, 4, 10, 11), "bokeh": (0, 2, 3, 5),
    "table": (1, 3, 6, 12), "wall": (0, 1, 5, 11),
}  # fmt: skip
# Where the thing is that a person wears or plays, or that a stem bears, so that its hue and not theirs is
# taken, in units of the frame: left, top, right, bottom.
THINGS = {
    ("drum", "played"): (-0.5, 0.0, 0.5, 0.7),
    ("sunglasses", "worn"): (-0.4, -0.25, 0.4, -0.05),
    ("hat", "worn"): (-0.8, -1.3, 0.8, -0.4),
    ("guitar", "played"): (-0.3, 0.1, 0.4, 0.7),
    ("daisy", "usual"): (-1.0, -1.3, 1.0, 0.0),
}
HUE_WIDTH = 15  # degrees: pixels of hues this near count as one colour
LEAST_CHROMA = 0.15  # of a pixel that has a colour
COLOURED = 0.2  # of the pixels of a thing that has one
_SETTING_NUMBERS = 951  # after the renderer's classes and probe categories


def subjects(names=tuple(LEAVES)) -> tuple[np.ndarray, dict]:
    """Tiles (n, 96, 96, 4) uint8, not premultiplied, and the views of each class, in their order.

    An individual has the same seed in every view: the same coat, the same paint.
    """
    tiles, about = [], {}
    for name in names:
        seeds, views = INDIVIDUALS.get(name, (0, 1)), []
        for view in LEAVES[name].views:
            drawn = [subject(name, view, seed) for seed in seeds]
            tiles += drawn
            views.append(
                {
                    "view": view.name,
                    "posture": view.posture,
                    "base": view.base,
                    "sizes": view.sizes or LEAVES[name].sizes,
                    "habitat": view.habitat,
                    "hues": [main_hue(_thing(tile, name, view.name)) for tile in drawn],
                }
            )
        about[name] = {"seeds": [FIRST_SEED + seed for seed in seeds], "views": views}
    return np.stack(tiles), about


def subject(name: str, view, seed: int) -> np.ndarray:
    """A view in its own frame, upright and at size 1, on nothing: (96, 96, 4) uint8."""
    stream = _stream(list(LEAVES).index(name) + 1, seed)
    side = TILE * scene.OVERSAMPLING
    surface, buffer = scene._surface(side)
    canvas = surface.getCanvas()
    canvas.scale(UNIT * scene.OVERSAMPLING, UNIT * scene.OVERSAMPLING)
    canvas.translate(-CORNER[0], -CORNER[1])
    view.draw(Painter(canvas, stream, _light(stream)))
    # What is transparent has no colour that could enter an average.
    premultiplied = Image.fromarray(buffer).convert("RGBa")
    return np.asarray(premultiplied.reduce(scene.OVERSAMPLING).convert("RGBA"))


def settings(names=tuple(SETTINGS)) -> tuple[np.ndarray, dict]:
    """Tiles (n, 80, 80, 3) uint8, and where the ground of each variant begins."""
    tiles, about = [], {}
    for name in names:
        horizons = []
        for seed in VARIANTS[name]:
            stream = _stream(_SETTING_NUMBERS + list(SETTINGS).index(name), seed)
            horizons.append(round(stream.uniform(-0.2, 0.2), 2))
            tiles.append(setting(name, horizons[-1], stream))
        seeds = [FIRST_SEED + seed for seed in VARIANTS[name]]
        about[name] = {"seeds": seeds, "horizons": horizons}
    return np.stack(tiles), about


def setting(name: str, horizon: float, stream) -> np.ndarray:
    """A setting as the renderer draws it behind a subject, with its own edge around it: (80, 80, 3) uint8."""
    side = scene.SIZE * scene.OVERSAMPLING
    surface, buffer = scene._surface(side)
    scene._paint_background(surface.getCanvas(), stream, _light(stream), name, horizon, side)
    drawn = np.asarray(Image.fromarray(buffer).convert("RGB").reduce(scene.OVERSAMPLING))
    return np.pad(drawn, ((EDGE, EDGE), (EDGE, EDGE), (0, 0)), mode="edge")


def sheet(tiles: np.ndarray) -> np.ndarray:
    """Tiles (n, S, S, channels) -> one picture, row by row; what is left of the last row is 0."""
    n, side, _, channels = tiles.shape
    rows = -(-n // COLUMNS)
    grid = np.zeros((rows * COLUMNS, side, side, channels), np.uint8)
    grid[:n] = tiles
    grid = grid.reshape(rows, COLUMNS, side, side, channels).swapaxes(1, 2)
    return grid.reshape(rows * side, COLUMNS * side, channels)


def encode(kind: str, tiles: np.ndarray) -> bytes:
    """The sheet of tiles as WebP."""
    file = io.BytesIO()
    Image.fromarray(sheet(tiles)).save(file, "WEBP", method=METHOD, **WEBP[kind])
    return file.getvalue()


def _stream(number, seed):
    return random.Random(number * scene._SEED_STRIDE + FIRST_SEED + seed)


def _light(stream):
    return stream.choice([-1, 1]) * stream.uniform(0.2, 0.9), -stream.uniform(0.4, 1)


def _thing(tile, name, view):
    """The part of a picture of a person that shows the thing; of others, all."""
    if (name, view) not in THINGS:
        return tile
    left, top = CORNER
    corners = THINGS[name, view]
    x0, y0, x1, y1 = (
        round((v - edge) * UNIT) for v, edge in zip(corners, (left, top) * 2, strict=True)
    )
    return tile[max(0, y0) : y1, max(0, x0) : x1]


def main_hue(tile: np.ndarray) -> int | None:
    """The hue (degrees) that a tile (h, w, 4) has most of; None if less than a fifth of it is coloured."""
    pixels = torch.from_numpy(tile[tile[..., 3] > 127][:, :3] / 255)
    red_green, yellow_blue = opponent(pixels.T[:, :, None])[1:, :, 0].numpy()
    chroma = np.hypot(red_green, yellow_blue)
    angle = np.degrees(np.arctan2(yellow_blue, red_green)) % 360
    chart, degrees = np.bincount(angle.astype(int) % 360, chroma, 360), np.arange(360)
    near = np.exp(-((_apart(degrees, degrees[:, None]) / HUE_WIDTH) ** 2) / 2)
    best = int((near @ chart).argmax())
    coloured = (chroma > LEAST_CHROMA) & (_apart(angle, best) < 3 * HUE_WIDTH)
    return best if coloured.mean() >= COLOURED else None


def _apart(one, other):
    """Degrees between hues."""
    return np.abs((one - other + 180) % 360 - 180)


def main() -> None:
    about = {
        "format": 1,
        "renderer_version": RENDERER_VERSION,
        "licence": "MIT: every part is drawn by this project's own code",
        "tile": TILE,
        "unit": UNIT,
        "corner": CORNER,
        "columns": COLUMNS,
        "edge": EDGE,
        "habitats": {name: sorted(set(where)) for name, where in HABITATS.items()},
        "made_with": {
            "skia-python": skia.__version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "libwebp": features.version("webp"),
        },
        "sheets": {},
    }
    for kind, (tiles, facts) in (("subjects", subjects()), ("settings", settings())):
        data = encode(kind, tiles)
        (WORLD / f"parts-{kind}.webp").write_bytes(data)
        about[kind] = facts
        about["sheets"][kind] = {
            "pixels_sha256": pixel_digest(sheet(tiles)),
            "file_sha256": hashlib.sha256(data).hexdigest(),
        }
        print(f"{kind}: {len(tiles)} tiles, {len(data):,} bytes")
    (WORLD / "parts.json").write_text(_dump(about) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
