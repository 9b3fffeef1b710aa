"""A picture from a class and an integer seed: setting, subject on its ground, foreground, light.

Everything is drawn at twice the size and averaged down. The same seed gives the same bytes in every
process: the only source of chance is `random.Random(class number * 1,000,003 + seed)`.
"""

import random
from dataclasses import dataclass

import numpy as np
import skia
from PIL import Image

from .backgrounds import (
    ANYWHERE,
    HABITATS,
    SETTINGS,
    STANDING,
    foreground,
    stone_or_toy,
)
from .colours import color32
from .drawing import LINEAR, Painter
from .ontology import LEAVES, PROBES, View

SIZE = 64
OVERSAMPLING = 2
_PROBE_NUMBERS = 901  # class numbers of the probe categories start here
_SEED_STRIDE = 1_000_003


@dataclass(frozen=True)
class Truth:
    """What is known about one picture."""

    setting: str  # name in backgrounds.SETTINGS
    view: str
    face: bool  # a person's face is visible
    shows: str  # class, or what a probe picture shows


def render_leaf(name: str, seed: int, size: int = SIZE) -> tuple[np.ndarray, Truth]:
    """One picture of a class: (size, size, 3) uint8 and its truth."""
    leaf = LEAVES[name]
    stream = random.Random((list(LEAVES).index(name) + 1) * _SEED_STRIDE + seed)
    view = stream.choices(leaf.views, [v.weight for v in leaf.views])[0]
    return _render(stream, view, name, view.sizes or leaf.sizes, size)


def render_probe(name: str, seed: int, size: int = SIZE) -> tuple[np.ndarray, Truth]:
    """One picture of a probe category: (size, size, 3) uint8 and its truth."""
    probe = PROBES[name]
    number = _PROBE_NUMBERS + list(PROBES).index(probe.twin or name)
    stream = random.Random(number * _SEED_STRIDE + seed)
    shows, view = stream.choices(probe.sources, [v.weight for _, v in probe.sources])[0]
    return _render(stream, view, shows, probe.sizes, size)


def _render(stream, view: View, shows: str, sizes, size: int) -> tuple[np.ndarray, Truth]:
    light = (stream.choice([-1, 1]) * stream.uniform(0.2, 0.9), -stream.uniform(0.4, 1))
    setting = _setting(stream, view)
    place = _placement(stream, view, sizes)
    pixels = size * OVERSAMPLING
    surface, buffer = _surface(pixels)
    canvas = surface.getCanvas()
    _paint_background(canvas, stream, light, setting, place.horizon, pixels)
    canvas.scale(pixels / 2, pixels / 2)
    canvas.translate(1, 1)
    painter = Painter(canvas, stream, light)
    with painter.frame(place.x, place.y, place.size, place.turn, (place.flip, place.stretch)):
        canvas.skew(place.skew, 0)
        view.draw(painter)
    if painter.chance(0.22):
        foreground(painter)
    _vignette(canvas, stream, light)
    truth = Truth(setting=setting, view=view.name, face=view.face, shows=shows)
    return _develop(buffer, stream), truth


def _setting(stream, view: View) -> str:
    habitat = HABITATS[view.habitat]
    if view.stays or stream.random() < 0.7:
        return stream.choice(habitat)
    return stream.choice(STANDING if view.posture == "standing" else ANYWHERE)


@dataclass(frozen=True)
class Placement:
    x: float
    y: float
    size: float
    turn: float
    flip: int
    stretch: float
    skew: float
    horizon: float


def _placement(stream, view: View, sizes: tuple[float, float]) -> Placement:
    """Where the subject goes; a standing one meets the ground below the horizon."""
    size = stream.uniform(*sizes)
    margin = max(0.0, 1 - size) * 0.75 + 0.06
    x = stream.uniform(-margin, margin)
    stretch = stream.uniform(0.94, 1.06)
    turn = stream.uniform(-view.turn, view.turn)
    skew = stream.uniform(-0.06, 0.06)
    reach = size * stretch
    if view.posture == "standing":
        turn, skew = turn * 0.4, skew * 0.5
        contact = view.base * reach
        lowest = min(0.95, contact + margin) if view.base > 0.45 else contact + margin
        y = stream.uniform(max(-margin * 0.6, -contact), max(0.0, lowest - contact))
        ground = y + contact
        horizon = max(-0.55, ground - stream.uniform(0.1, 0.75))
    elif view.posture == "rising":
        y = max(stream.uniform(-margin, margin) * 0.8, 1.12 - 1.5 * reach)
        horizon = stream.uniform(-0.2, 0.5)
    else:
        y = stream.uniform(-margin, margin) * 0.8
        horizon = stream.uniform(0.0, 0.6)
    flip = stream.choice([-1, 1])
    return Placement(x, y, size, turn, flip, stretch, skew, horizon)


def _surface(pixels: int) -> tuple[skia.Surface, np.ndarray]:
    buffer = np.zeros((pixels, pixels, 4), np.uint8)
    return skia.Surface(buffer, colorType=skia.kRGBA_8888_ColorType), buffer


def _paint_background(canvas, stream, light, setting: str, horizon: float, pixels: int) -> None:
    """The setting and a few things on its ground, at half resolution, more or less out of focus."""
    half = pixels // 2
    surface, buffer = _surface(half)  # the buffer must outlive the drawing
    small = surface.getCanvas()
    small.scale(half / 2, half / 2)
    small.translate(1, 1)
    painter = Painter(small, stream, light)
    SETTINGS[setting](painter, horizon)
    if setting in STANDING:
        for _ in range(stream.choice([0, 0, 1, 2])):
            stone_or_toy(painter, horizon)
    blur = stream.choice([0, 0.4, 0.8, 1.6, 2.4]) * pixels / 128
    paint = skia.Paint()
    if blur:
        paint.setImageFilter(skia.ImageFilters.Blur(blur, blur, skia.TileMode.kClamp))
    canvas.drawImageRect(
        surface.makeImageSnapshot(), skia.Rect(0, 0, pixels, pixels), LINEAR, paint
    )
    del buffer


def _vignette(canvas, stream, light) -> None:
    fall = stream.uniform(0, 0.3)
    tones = [(1, 1, 1), (1 - fall * 0.4,) * 3, (1 - fall, 1 - fall, 1 - fall * 0.9)]
    paint = skia.Paint(BlendMode=skia.BlendMode.kMultiply)
    centre = skia.Point(light[0] * 0.6, light[1] * 0.6)
    shader = skia.GradientShader.MakeRadial(centre, 2.4, [color32(t) for t in tones], [0, 0.5, 1])
    paint.setShader(shader)
    canvas.drawRect(skia.Rect(-1, -1, 1, 1), paint)


def _develop(buffer: np.ndarray, stream) -> np.ndarray:
    """Average down, then exposure, warmth and contrast, as a camera would vary."""
    exposure, warmth = stream.uniform(0.85, 1.12), stream.uniform(-0.06, 0.06)
    contrast = stream.uniform(0.9, 1.12)
    image = (
        np.asarray(Image.fromarray(buffer).convert("RGB").reduce(OVERSAMPLING), np.float32) / 255
    )
    gains = np.array([exposure * (1 + warmth), exposure, exposure * (1 - warmth)], np.float32)
    image = (image * gains - np.float32(0.45)) * np.float32(contrast) + np.float32(0.45)
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
