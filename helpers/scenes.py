"""Scenes of the world composed by choice: the same dog on snow and on a lawn, in brown and in blue.

    picture = compose("corgi", "snow")                        a PIL image of 64 pixels, as the world's are
    compose("corgi", "meadow", view="standing", color="blue", size=0.9, across=-1, flip=True)
    views("corgi"), settings()                                what there is to choose from

The parts (data/world/parts*) were drawn by the world's own renderer: subjects on nothing, settings with
nothing in them. A subject stands on the ground of its setting as it does in the world; what the world
leaves to chance (place, size, light) is in the middle of its range unless it is chosen.
"""

import json
from difflib import get_close_matches
from functools import cache

import numpy as np
from PIL import Image

from helpers.errors import SelectivityError
from helpers.paths import data_path

INDIVIDUALS, VARIANTS = 2, 4  # of each view of a class, and of each setting
SIDE = 64  # pixels of a picture, whose coordinates run from -1 to 1
SIZES = (0.4, 1.1)  # half height of a subject's frame; the world's own are from 0.45 to 1
# Degrees in the plane of red - green and yellow - blue, as in `selectivity.color.hue`.
HUES = {"red": 27, "orange": 60, "yellow": 90, "green": 153, "cyan": 207, "blue": 270,
        "purple": 305, "pink": 345}  # fmt: skip
_RUN = 2  # pixels at a tile's edge into which compression lets the next tile's colours run
_GROUND = 0.1  # a subject that stands touches the ground this far below the horizon, at least
_SAME_HUE, _OTHER_HUE = 45, 70  # degrees from a subject's own hue
_COLOURLESS = (0.15, 0.35)  # saturation that belongs to a subject of no hue
_TINT = 0.6  # saturation that such a subject takes


def classes() -> list[str]:
    """The world's classes."""
    return list(_about()["subjects"])


def views(subject: str) -> list[str]:
    """The ways in which a class can be seen, as portrait and standing."""
    return [view["view"] for view in _chosen(_about()["subjects"], subject, "class")["views"]]


def settings() -> list[str]:
    """What there is to put behind a subject."""
    return list(_about()["settings"])


def habitat(subject: str, view: str | None = None) -> list[str]:
    """The settings in which the world mostly shows a class."""
    return _about()["habitats"][_view(subject, view)["habitat"]]


def sizes(subject: str, view: str | None = None) -> tuple[float, float]:
    """The least and the largest size in which the world shows a class; see `compose`."""
    return tuple(_view(subject, view)["sizes"])


def compose(
    subject: str,
    setting: str,
    *,
    view: str | None = None,
    individual: int = 0,
    variant: int = 0,
    color: str | float | None = None,
    size: float | None = None,
    across: float = 0.0,
    up: float = 0.0,
    flip: bool = False,
) -> Image.Image:
    """A subject in a setting, (64, 64) RGB.

    subject, setting: names; view: one of `views`, the first by default; individual, variant: numbers from
    0 of the subject and of the setting. color: of the subject, see `recolored`. size: half the height of
    its frame, where the picture's is 1; by default the middle of the sizes that the world gives to it.
    across, up: from -1 to 1, left to right and down to up, as far as the world goes. Raises SelectivityError
    for a name or number that is not there.
    """
    about = _view(subject, view)
    horizons = _chosen(_about()["settings"], setting, "setting")["horizons"]
    size = sum(about["sizes"]) / 2 if size is None else _within("size", size, *SIZES)
    across, up = _within("across", across, -1, 1), _within("up", up, -1, 1)
    for what, number, most in (
        ("individual", individual, INDIVIDUALS),
        ("variant", variant, VARIANTS),
    ):
        if number not in range(most):
            raise SelectivityError(f"no {what} {number!r}: numbers go from 0 to {most - 1}")
    tile = _subject(about, individual)
    if color is not None:
        tile = recolored(tile, color, about["hues"][individual])
    place = across * _margin(size), _height(about, size, up, horizons[variant])
    ground = _setting(setting, variant).convert("RGBA")
    return Image.alpha_composite(ground, _placed(tile, *place, size, flip)).convert("RGB")


def recolored(pixels: np.ndarray, color: str | float, own_hue: float | None = None) -> np.ndarray:
    """A subject (h, w, 4) uint8 in another colour; its lightness, the mean of R, G and B, stays.

    color: a name of `HUES`, degrees as in `selectivity.color.hue`, or "grey", which takes all colour away.
    own_hue: only pixels within 45 degrees of it change (and, less and less, up to 70), so that a tulip keeps
    its green stem; without one the pixels without colour do. How saturated a pixel is, relative to
    the most that its lightness allows, stays too; pixels without colour get 0.6 of that.
    """
    rgb = pixels[..., :3] / 255
    light = rgb.mean(-1, keepdims=True)
    chroma = rgb - light
    amount = np.linalg.norm(chroma, axis=-1, keepdims=True)
    if color == "grey":
        changed = np.broadcast_to(light, rgb.shape)
    else:
        way = chroma / np.maximum(amount, 1e-6)
        saturation = amount / np.maximum(_most_chroma(light, way), 1e-6)
        if own_hue is None:
            least, most = _COLOURLESS
            part = np.clip((most - saturation) / (most - least), 0, 1)
            saturation = np.maximum(saturation, _TINT)
        else:
            angle = np.degrees(np.arctan2(*_opponent(rgb)[::-1]))[..., None]
            off = np.abs((angle - own_hue + 180) % 360 - 180)
            part = np.clip((_OTHER_HUE - off) / (_OTHER_HUE - _SAME_HUE), 0, 1)
        way = _direction(_degrees(color))
        changed = rgb + part * (light + saturation * _most_chroma(light, way) * way - rgb)
    rounded = np.clip(np.rint(changed * 255), 0, 255).astype(np.uint8)
    return np.concatenate([rounded, pixels[..., 3:]], -1)


@cache
def _about() -> dict:
    return json.loads(data_path("world", "parts.json").read_text(encoding="utf-8"))


@cache
def _sheet(name: str, mode: str) -> np.ndarray:
    with Image.open(data_path("world", f"parts-{name}.webp")) as image:
        return np.asarray(image.convert(mode))


def _tile(name: str, mode: str, number: int, side: int) -> np.ndarray:
    y, x = divmod(number, _about()["columns"])
    return _sheet(name, mode)[y * side : (y + 1) * side, x * side : (x + 1) * side]


def _subject(about, individual):
    """Pixels (h, w, 4) of an individual in one view."""
    every = [view for of_class in _about()["subjects"].values() for view in of_class["views"]]
    number = next(i for i, view in enumerate(every) if view is about)
    return _tile("subjects", "RGBA", number * INDIVIDUALS + individual, _about()["tile"])


def _setting(setting, variant):
    number = settings().index(setting) * VARIANTS + variant
    edge = _about()["edge"]
    tile = _tile("settings", "RGB", number, SIDE + 2 * edge)
    return Image.fromarray(tile[edge:-edge, edge:-edge])


def _placed(tile, x, y, size, flip):
    """A subject where it stands in the picture, on nothing."""
    unit, room = _about()["unit"], len(tile) - 2 * _RUN
    left, top = (edge + _RUN / unit for edge in _about()["corner"])
    tile = tile[_RUN:-_RUN, _RUN:-_RUN]
    if flip:  # the frame is in the middle of its tile
        tile = tile[:, ::-1]
    # What reaches the tile's edge (a branch, the chest of a portrait) goes on beyond it.
    wide = Image.fromarray(np.pad(tile, ((room, room), (room, room), (0, 0)), mode="edge"))
    x0, y0 = (((-1 - at) / size - edge) * unit + room for at, edge in ((x, left), (y, top)))
    span = 2 / size * unit
    return wide.resize((SIDE, SIDE), Image.Resampling.BICUBIC, (x0, y0, x0 + span, y0 + span))


def _margin(size):
    """How far from the middle the world places a subject, as in data/make/world/scene.py."""
    return max(0.0, 1 - size) * 0.75 + 0.06


def _height(about, size, up, horizon):
    """Where the middle of the frame is; the world's range for this posture."""
    margin = _margin(size)
    if about["posture"] == "standing":
        contact = about["base"] * size
        lowest = min(0.95, contact + margin) if about["base"] > 0.45 else contact + margin
        low = max(0.0, lowest - contact)
        high = max(-margin * 0.6, -contact, horizon + _GROUND - contact)
        return low + (min(high, low) - low) * (up + 1) / 2
    if about["posture"] == "rising":
        return max(-up * margin * 0.8, 1.12 - 1.5 * size)
    return -up * margin * 0.8


def _opponent(rgb):
    red, green, blue = np.moveaxis(rgb, -1, 0)
    return red - green, (red + green - 2 * blue) / 2


def _direction(hue):
    """Unit vector of RGB, of mean 0, whose hue is this."""
    c, s = np.cos(np.radians(hue)), np.sin(np.radians(hue))
    way = np.array([c / 2 + s / 3, -c / 2 + s / 3, -2 * s / 3])
    return way / np.linalg.norm(way)


def _most_chroma(light, way):
    """How far from grey of this lightness one can go this way within [0, 1]."""
    room = np.where(way > 0, 1 - light, light) / np.maximum(np.abs(way), 1e-6)
    return room.min(-1, keepdims=True)


def _degrees(color):
    if isinstance(color, str):
        return _chosen(HUES, color, "colour")
    return float(color)


def _view(subject, view):
    several = _chosen(_about()["subjects"], subject, "class")["views"]
    return several[0] if view is None else _chosen({v["view"]: v for v in several}, view, "view")


def _chosen(among, name, what):
    if name in among:
        return among[name]
    near = get_close_matches(str(name), among, n=4) or list(among)
    raise SelectivityError(f"scenes have no {what} {name!r}; names: {', '.join(near)}")


def _within(name, value, low, high):
    if not low <= value <= high:
        raise SelectivityError(f"{name} {value!r} is not from {low} to {high}")
    return float(value)
