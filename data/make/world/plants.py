"""Three flowers, whose stems run out of the picture below, and two mushrooms that stand."""

from .colours import Colour, darker, hsv, lighter
from .drawing import FUR, Painter, Texture
from .shapes import arc, blob, bumpy, ellipse, symmetric

MUSHROOM_BASE = 0.84


def _stem(p: Painter, x: float, top: float, leaves: bool = True) -> None:
    green = hsv(p.between(0.24, 0.36), 0.6, 0.5)
    bend = p.between(-0.12, 0.12)
    bottom = 1.7
    middle = (top + bottom) / 2
    p.line(arc([(x, top), (x + bend, middle), (x + bend * 0.3, bottom)]), green, 0.07)
    if not leaves:
        return
    for side in (1, -1):
        if p.chance(0.75):
            y = p.between(top + 0.45, top + 0.8)
            blade = [
                (x + bend * 0.6, y),
                (x + side * 0.25, y - 0.22),
                (x + side * 0.5, y - 0.2),
                (x + side * 0.3, y + 0.05),
            ]
            p.solid(blob(blade), lighter(green, 0.05), 1, FUR)


def _petals(
    p: Painter, n: int, radius: float, length: float, half: float, colour: Colour, start: float = 0
) -> None:
    for i in range(n):
        tip = radius + length
        right = [(half, -(radius + length * 0.55)), (half * 0.35, -tip)]
        outline = [(0, -radius * 0.5), *right, *[(-x, y) for x, y in reversed(right)]]
        with p.frame(turn=360 * i / n + start + p.between(-4, 4)):
            p.solid(blob(outline), p.jitter(colour, 0.04), 0.9, FUR.but(strength=0.35))


def sunflower(p: Painter) -> None:
    _stem(p, 0, 0)
    with p.frame(0, -0.25, 0.95, p.between(-20, 20), (1, p.between(0.75, 1))):
        _petals(p, 18, 0.25, 0.36, 0.1, (0.93, 0.66, 0.05))
        _petals(p, 16, 0.25, 0.28, 0.09, (0.99, 0.8, 0.12), 10)
        p.solid(ellipse(0, 0, 0.34), (0.3, 0.17, 0.07), 1, Texture("curl", 0.95, 0.0025))
        p.solid(ellipse(0, 0, 0.16), (0.2, 0.12, 0.05), 0.6, Texture("curl", 0.9, 0.002))


def daisy(p: Painter) -> None:
    for i in range(p.pick([1, 1, 2, 3])):
        if i == 0:
            x, y, size = 0, -0.15, 1
        else:
            x, y, size = p.between(-0.7, 0.7), p.between(-0.4, 0.6), p.between(0.35, 0.55)
        _stem(p, x, y, leaves=i == 0)
        with p.frame(x, y, 0.85 * size, p.between(-20, 20), (1, p.between(0.7, 1))):
            _petals(p, p.pick([13, 15, 17]), 0.16, 0.5, 0.1, (0.97, 0.97, 0.98))
            p.solid(ellipse(0, 0, 0.2), (0.97, 0.77, 0.1), 1, Texture("curl", 0.7, 0.002))


def tulip(p: Painter) -> None:
    colour = hsv(
        p.pick([0, 0.93, 0.83, 0.13, 0.06, 0.78, 0.97]), p.between(0.6, 0.9), p.between(0.75, 0.98)
    )
    green = (0.3, 0.52, 0.22)
    for i in range(p.pick([1, 1, 2, 3])):
        x, y, size = (
            (0, -0.3, 1)
            if i == 0
            else (p.between(-0.8, 0.8), p.between(-0.2, 0.4), p.between(0.5, 0.7))
        )
        p.line(arc([(x, y + 0.2), (x + 0.04, y + 0.8), (x, 1.7)]), green, 0.075 * size)
        left = [
            (x - 0.02, 1.5),
            (x - 0.4 * size, y + 0.7),
            (x - 0.32 * size, y + 0.35),
            (x - 0.12 * size, y + 0.9),
        ]
        right = [
            (x + 0.02, 1.5),
            (x + 0.42 * size, y + 0.8),
            (x + 0.38 * size, y + 0.45),
            (x + 0.12 * size, y + 0.95),
        ]
        p.solid(blob(left), green, 1, FUR)
        p.solid(blob(right), lighter(green, 0.05), 1, FUR)
        with p.frame(x, y, 0.8 * size, p.between(-12, 12)):
            p.solid(
                blob([(-0.2, 0.3), (-0.15, -0.55), (0, -0.7), (0.15, -0.55), (0.2, 0.3)], 0.8),
                darker(colour, 0.2),
            )
            for side in (1, -1):
                petal = [
                    (0, 0.42),
                    (side * 0.42, 0.25),
                    (side * 0.48, -0.2),
                    (side * 0.36, -0.68),
                    (side * 0.08, -0.25),
                    (-side * 0.08, 0.2),
                ]
                p.solid(blob(petal), p.jitter(colour, 0.03), 1, FUR.but(strength=0.4))
            front = symmetric([(0, -0.5), (0.22, -0.2), (0.25, 0.25), (0, 0.44)])
            p.solid(blob(front), lighter(colour, 0.08), 1, FUR.but(strength=0.4))


def _mushroom(p: Painter, colour: Colour, dots: Colour | None) -> None:
    p.contact_shadow(0, MUSHROOM_BASE - 0.02, 0.36)
    p.solid(
        blob(
            [(-0.14, -0.1), (0.14, -0.1), (0.19, 0.5), (0.27, 0.83), (-0.27, 0.83), (-0.19, 0.5)],
            0.8,
        ),
        (0.94, 0.91, 0.84),
        1,
        FUR,
        "tube",
    )
    p.solid(
        blob([(-0.2, 0.12), (0.2, 0.12), (0.26, 0.26), (0, 0.2), (-0.26, 0.26)], 0.6),
        (0.9, 0.87, 0.78),
        0.8,
    )
    height = p.between(0.6, 0.8)
    cap = blob(
        [
            (-0.72, 0.02),
            (-0.6, -0.34),
            (0, -height),
            (0.6, -0.34),
            (0.72, 0.02),
            (0.3, 0.1),
            (-0.3, 0.1),
        ],
        0.95,
    )
    p.solid(ellipse(0, 0.04, 0.68, 0.11), (0.85, 0.8, 0.7), 0.8, FUR.but(strength=0.7))
    p.solid(cap, colour, 1.1, gloss=0.4)
    if dots is not None:
        with p.inside(cap):
            for _ in range(p.pick([8, 10, 12])):
                x = p.between(-0.65, 0.65)
                y = p.between(-0.6, -0.02) * (1 - abs(x) * 0.5)
                p.flat(
                    bumpy(p, x, y, p.between(0.04, 0.1), p.between(0.035, 0.08), 0.15, 8),
                    dots,
                    0.95,
                )
    p.highlight(-0.22, -0.4, 0.16, 0.08, 0.35, 0.04)


def mushrooms(p: Painter, red: bool) -> None:
    """One, or one with a smaller neighbour."""
    tone = (
        (0.85, 0.12, 0.07)
        if red
        else p.pick([(0.5, 0.33, 0.19), (0.62, 0.45, 0.28), (0.4, 0.27, 0.18)])
    )
    colour = p.jitter(tone, 0.03)
    dotted = red or p.chance(0.5)
    dots = ((0.97, 0.94, 0.88) if red else lighter(colour, 0.5)) if dotted else None
    if p.chance(0.35):
        side = p.pick([-0.6, 0.6])
        with p.frame(side, MUSHROOM_BASE * 0.42, 0.55):
            _mushroom(p, colour, dots)
    _mushroom(p, colour, dots)
