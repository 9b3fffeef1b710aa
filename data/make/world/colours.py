"""Colours as (red, green, blue) in [0, 1], and the few ways the world changes them."""

import skia

Colour = tuple[float, float, float]

WHITE = (0.97, 0.97, 0.96)
INK = (0.07, 0.06, 0.07)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour, the rest of the first."""
    return tuple(a * (1 - share) + b * share for a, b in zip(first, second, strict=True))


def lighter(colour: Colour, share: float) -> Colour:
    return mix(colour, (1.0, 1.0, 0.97), share)


def darker(colour: Colour, share: float) -> Colour:
    return mix(colour, (0.04, 0.03, 0.08), share)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Hue in turns (any real number), saturation and value in [0, 1]."""
    sector = (hue % 1) * 6
    index = int(sector)
    rest = sector - index
    p = value * (1 - saturation)
    q = value * (1 - saturation * rest)
    t = value * (1 - saturation * (1 - rest))
    return [
        (value, t, p),
        (q, value, p),
        (p, value, t),
        (p, q, value),
        (t, p, value),
        (value, p, q),
    ][index % 6]


def clipped(colour: Colour) -> Colour:
    return tuple(min(1.0, max(0.0, c)) for c in colour)


def color4f(colour: Colour, alpha: float = 1.0) -> skia.Color4f:
    return skia.Color4f(*clipped(colour), alpha)


def color32(colour: Colour, alpha: float = 1.0) -> int:
    return skia.ColorSetARGB(int(255 * alpha), *[int(255 * c) for c in clipped(colour)])
