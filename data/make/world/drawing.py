"""A painter: one canvas in unit coordinates, one random stream, one light, some strokes.

Coordinates run from -1 to 1, y downwards. Every random decision comes from the painter's own
stream, so a picture is a function of one integer seed.
"""

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import skia

from .colours import Colour, color4f, color32, darker, hsv, lighter
from .noise import SIZE, TILED, texture_images
from .shapes import ellipse

LINEAR = skia.SamplingOptions(skia.FilterMode.kLinear)


@dataclass(frozen=True)
class Texture:
    """A noise image laid softly over a filled path: `strength` in [0, 1], `scale` units a texel."""

    name: str
    strength: float = 0.5
    scale: float = 0.006
    turn: float = 0.0

    def but(self, **changes) -> "Texture":
        return replace(self, **changes)


FUR = Texture("fur", 0.5)
WOOD = Texture("wood", 0.55)  # grain runs sideways
WOOD_UP = Texture("wood", 0.55, turn=90)
CLOTH = Texture("fine", 0.4)
CURLS = Texture("curl", 0.85)


class Painter:
    """Strokes on one Skia canvas; `light` points towards the lamp (unit coordinates)."""

    def __init__(self, canvas: skia.Canvas, stream: random.Random, light: tuple[float, float]):
        self.canvas = canvas
        self.stream = stream
        self.light = light

    # chance

    def between(self, low: float, high: float) -> float:
        return self.stream.uniform(low, high)

    def chance(self, probability: float) -> bool:
        return self.stream.random() < probability

    def pick(self, options):
        return self.stream.choice(options)

    def jitter(self, colour: Colour, amount: float = 0.05) -> Colour:
        """The colour, a little brighter or darker, and a little off in each channel."""
        shift = self.between(-amount, amount)
        return tuple(
            min(1.0, max(0.0, c + shift + self.between(-amount, amount) * 0.5)) for c in colour
        )

    def any_colour(self, saturation=(0.45, 0.9), value=(0.45, 0.95)) -> Colour:
        """Any hue; one time in five white, black or grey."""
        if self.chance(0.8):
            return hsv(self.between(0, 1), self.between(*saturation), self.between(*value))
        return self.pick([(0.93, 0.93, 0.93), (0.15, 0.15, 0.17), (0.55, 0.56, 0.6)])

    # frames of reference

    @contextmanager
    def frame(self, x=0.0, y=0.0, scale=1.0, turn=0.0, stretch=(1.0, 1.0)) -> Iterator[None]:
        """Draw in a moved, turned (degrees, clockwise) and scaled frame."""
        self.canvas.save()
        self.canvas.translate(x, y)
        self.canvas.rotate(turn)
        self.canvas.scale(scale * stretch[0], scale * stretch[1])
        yield
        self.canvas.restore()

    @contextmanager
    def inside(self, path: skia.Path) -> Iterator[None]:
        """Draw only within the path."""
        self.canvas.save()
        self.canvas.clipPath(path, skia.ClipOp.kIntersect, True)
        yield
        self.canvas.restore()

    # paint

    def solid(
        self,
        path: skia.Path,
        colour: Colour,
        relief: float = 1.0,
        texture: Texture | None = None,
        form: str = "round",
        alpha: float = 1.0,
        gloss: float = 0.3,
        shade: float = 0.42,
    ) -> None:
        """Fill as a lit body; `form` is "round" (ball), "slab" (plane) or "tube" (cylinder)."""
        bounds = path.getBounds()
        if bounds.width() <= 0 or bounds.height() <= 0:
            return
        gradient = {"round": self._round, "slab": self._slab, "tube": self._tube}[form]
        paint = skia.Paint(AntiAlias=True)
        paint.setShader(gradient(bounds, colour, gloss * relief, shade * relief, alpha))
        self.canvas.drawPath(path, paint)
        if texture is not None:
            soft = skia.Paint(
                AntiAlias=True, BlendMode=skia.BlendMode.kSoftLight, Alphaf=texture.strength
            )
            self._lay(texture, path, soft)

    def flat(self, path: skia.Path, colour: Colour, alpha: float = 1.0, blur: float = 0.0) -> None:
        """Fill with one colour; `blur` softens the edge."""
        paint = skia.Paint(AntiAlias=True, Color4f=color4f(colour, alpha))
        if blur:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
        self.canvas.drawPath(path, paint)

    def line(
        self, path: skia.Path, colour: Colour, width: float, alpha: float = 1.0, blur: float = 0.0
    ) -> None:
        paint = skia.Paint(
            AntiAlias=True,
            Color4f=color4f(colour, alpha),
            Style=skia.Paint.kStroke_Style,
            StrokeWidth=width,
            StrokeCap=skia.Paint.kRound_Cap,
            StrokeJoin=skia.Paint.kRound_Join,
        )
        if blur:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
        self.canvas.drawPath(path, paint)

    def ramp(
        self, path: skia.Path, texture: Texture, dark: Colour, light: Colour, alpha: float = 1.0
    ) -> None:
        """Fill with a texture whose grey levels run from one colour to another."""
        matrix = [0.0] * 20
        for channel in range(3):
            matrix[channel * 5] = light[channel] - dark[channel]
            matrix[channel * 5 + 4] = dark[channel]
        matrix[19] = alpha
        paint = skia.Paint(AntiAlias=True, ColorFilter=skia.ColorFilters.Matrix(matrix))
        self._lay(texture, path, paint)

    def fade(
        self, path: skia.Path, upper: Colour, lower: Colour, y0: float, y1: float, alphas=(1.0, 1.0)
    ) -> None:
        """Fill with a vertical gradient between two heights."""
        paint = skia.Paint(AntiAlias=True)
        ends = [skia.Point(0, y0), skia.Point(0, y1)]
        colours = [color32(upper, alphas[0]), color32(lower, alphas[1])]
        paint.setShader(skia.GradientShader.MakeLinear(ends, colours))
        self.canvas.drawPath(path, paint)

    def highlight(self, x, y, rx, ry, alpha=0.5, blur=0.03) -> None:
        self.flat(ellipse(x, y, rx, ry), (1, 1, 1), alpha, blur)

    def contact_shadow(self, x: float, y: float, rx: float, strength: float = 0.55) -> None:
        """Where a thing touches the ground: a wide soft shadow and a narrow dark core."""
        night = (0.03, 0.03, 0.06)
        lean = -self.light[0] * 0.12
        self.flat(ellipse(x + lean, y, rx * 1.12, 0.085), night, strength * 0.6, 0.05)
        self.flat(ellipse(x, y, rx * 0.9, 0.04), night, strength, 0.02)

    # inner workings

    def _round(self, bounds, colour, gloss, shade, alpha):
        lx, ly = self.light
        width, height = bounds.width(), bounds.height()
        focus = skia.Point(
            bounds.centerX() + lx * width * 0.28, bounds.centerY() + ly * height * 0.28
        )
        colours = [lighter(colour, gloss), colour, darker(colour, shade)]
        return skia.GradientShader.MakeRadial(
            focus, 0.78 * max(width, height), [color32(c, alpha) for c in colours], [0, 0.45, 1]
        )

    def _slab(self, bounds, colour, gloss, shade, alpha):
        lx, ly = self.light
        dx, dy = lx * bounds.width() * 0.5, ly * bounds.height() * 0.5
        cx, cy = bounds.centerX(), bounds.centerY()
        colours = [lighter(colour, gloss), colour, darker(colour, shade)]
        return skia.GradientShader.MakeLinear(
            [skia.Point(cx + dx, cy + dy), skia.Point(cx - dx, cy - dy)],
            [color32(c, alpha) for c in colours],
            [0, 0.5, 1],
        )

    def _tube(self, bounds, colour, gloss, shade, alpha):
        colours = [
            darker(colour, shade * 0.6),
            lighter(colour, gloss),
            colour,
            darker(colour, shade),
        ]
        stops = [0, 0.3, 0.6, 1]
        if self.light[0] > 0:
            colours, stops = colours[::-1], [0, 0.4, 0.7, 1]
        return skia.GradientShader.MakeLinear(
            [skia.Point(bounds.left(), 0), skia.Point(bounds.right(), 0)],
            [color32(c, alpha) for c in colours],
            stops,
        )

    def _lay(self, texture: Texture, path: skia.Path, paint: skia.Paint) -> None:
        """Draw a random part of the texture within the path.

        Clipping and drawing the image is a hundred times cheaper than an image shader here.
        """
        bounds = path.getBounds()
        x0, x1 = max(bounds.left(), -1.6), min(bounds.right(), 1.6)
        y0, y1 = max(bounds.top(), -1.6), min(bounds.bottom(), 1.6)
        if texture.turn % 90:
            extent = math.hypot(x1 - x0, y1 - y0)
        else:
            extent = max(x1 - x0, y1 - y0)
        scale = max(texture.scale, extent / TILED)
        play = max(0, min(SIZE / 2, (TILED - extent / scale) / 2))
        self.canvas.save()
        self.canvas.clipPath(path, skia.ClipOp.kIntersect, True)
        self.canvas.translate((x0 + x1) / 2, (y0 + y1) / 2)
        self.canvas.rotate(texture.turn)
        self.canvas.scale(scale, scale)
        self.canvas.translate(-SIZE + self.between(-play, play), -SIZE + self.between(-play, play))
        self.canvas.drawImage(texture_images()[texture.name], 0, 0, LINEAR, paint)
        self.canvas.restore()
