"""Lemon, lime, strawberry, apple, banana: they lie on something, so each has a base."""

from .backgrounds import leaf
from .colours import Colour, darker, lighter, mix
from .drawing import CLOTH, FUR, Painter
from .shapes import arc, blob, ellipse, symmetric


def _neighbours(p: Painter) -> list[tuple[float, float, float]]:
    """Places (x, y, size) of one fruit, or of two lying side by side on the same ground."""
    if p.chance(0.66):
        return [(0, 0, 1)]
    return [(p.pick([-0.55, 0.55]), -0.03, 0.75), (0, 0, 1)]


CITRUS_BASE = 0.5


def citrus(p: Painter, tone: Colour) -> None:
    colour = p.jitter(tone, 0.025)
    for x, y, size in _neighbours(p):
        with p.frame(x, y + CITRUS_BASE * (1 - size), size):
            p.contact_shadow(0, CITRUS_BASE, 0.5)
            if p.chance(0.75):
                with p.frame(turn=p.between(-18, 18)):
                    _whole_citrus(p, colour)
            else:
                with p.frame(turn=p.between(0, 90)):
                    _cut_citrus(p, colour)


def _whole_citrus(p: Painter, colour: Colour) -> None:
    outline = [
        (-0.86, 0.02),
        (-0.68, -0.1),
        (-0.4, -0.42),
        (0, -0.52),
        (0.42, -0.42),
        (0.68, -0.1),
        (0.84, 0),
        (0.68, 0.14),
        (0.42, 0.44),
        (0, 0.54),
        (-0.42, 0.44),
        (-0.68, 0.14),
    ]
    p.solid(blob(outline, 1), colour, 1, CLOTH.but(scale=0.005))
    p.highlight(-0.2, -0.24, 0.18, 0.09, 0.55, 0.05)
    if p.chance(0.4):
        leaf(p, -0.75, -0.05, p.between(-60, 0))


def _cut_citrus(p: Painter, colour: Colour) -> None:
    p.solid(ellipse(0, 0, 0.56), colour, 0.8)
    p.flat(ellipse(0, 0, 0.49), lighter(colour, 0.75))
    for i in range(9):
        with p.frame(turn=i * 40):
            p.solid(
                blob([(0, -0.07), (0.14, -0.38), (0, -0.45), (-0.14, -0.38)], 0.7),
                lighter(colour, 0.2),
                0.5,
            )


STRAWBERRY_BASE = 0.66


def strawberry(p: Painter) -> None:
    red = p.jitter((0.88, 0.1, 0.12), 0.03)
    for x, y, size in _neighbours(p):
        with p.frame(x, y + STRAWBERRY_BASE * (1 - size), size):
            p.contact_shadow(0, STRAWBERRY_BASE, 0.38)
            with p.frame(0, -0.05, 1, p.between(-30, 30)):
                body = blob(
                    [
                        (-0.52, -0.32),
                        (-0.28, -0.52),
                        (0.28, -0.52),
                        (0.52, -0.32),
                        (0.42, 0.2),
                        (0, 0.72),
                        (-0.42, 0.2),
                    ],
                    0.95,
                )
                p.solid(body, red, gloss=0.4)
                with p.inside(body):
                    for row in range(7):
                        for column in range(-3, 4):
                            seed = column * 0.2 + (row % 2) * 0.1, -0.4 + row * 0.17
                            p.flat(ellipse(*seed, 0.024, 0.04), (0.98, 0.85, 0.4))
                p.highlight(-0.22, -0.2, 0.1, 0.14, 0.45, 0.04)
                for i in range(7):
                    with p.frame(0, -0.48, 1, i * 51 + p.between(-8, 8)):
                        p.solid(
                            blob([(0, 0), (0.1, -0.14), (0, -0.36), (-0.1, -0.14)], 0.8),
                            (0.3, 0.58, 0.18),
                            0.9,
                        )


APPLE_BASE = 0.68


def apple(p: Painter) -> None:
    colour = p.jitter(p.pick([(0.82, 0.1, 0.1), (0.55, 0.75, 0.2), (0.93, 0.75, 0.25)]), 0.04)
    p.contact_shadow(0, APPLE_BASE, 0.42)
    with p.frame(0, 0.02, 1, p.between(-12, 12)):
        right = [(0.3, -0.52), (0.6, -0.3), (0.62, 0.12), (0.38, 0.58), (0.12, 0.66)]
        body = blob(symmetric([(0, -0.4), *right, (0, 0.62)]), 1)
        p.solid(body, colour, 1.1, FUR.but(strength=0.35), gloss=0.4)
        with p.inside(body):
            blush = lighter(mix(colour, (0.95, 0.8, 0.2), 0.6), 0.1)
            p.flat(ellipse(p.pick([-0.4, 0.4]), 0.1, 0.3, 0.5), blush, 0.5, 0.12)
        p.flat(ellipse(0, -0.4, 0.16, 0.05), darker(colour, 0.6), 0.6, 0.03)
        p.line(arc([(0, -0.4), (0.03, -0.58), (0.1, -0.72)]), (0.35, 0.22, 0.1), 0.055)
        if p.chance(0.7):
            leaf(p, 0.04, -0.55, -15)
        p.highlight(-0.28, -0.2, 0.1, 0.16, 0.55, 0.05)


BANANA_BASE = 0.72


def banana(p: Painter) -> None:
    """One to three fingers of a hand, lying on their outer curve."""
    yellow = p.jitter((0.97, 0.82, 0.18), 0.03)
    p.contact_shadow(0, BANANA_BASE, 0.5)
    finger = blob(
        [
            (-0.82, -0.4),
            (-0.62, 0.08),
            (-0.15, 0.38),
            (0.4, 0.32),
            (0.8, -0.08),
            (0.86, -0.16),
            (0.9, -0.08),
            (0.66, 0.42),
            (0.1, 0.72),
            (-0.45, 0.55),
            (-0.84, 0.05),
            (-0.92, -0.35),
        ]
    )
    with p.frame(turn=p.between(-12, 12)):
        for i in range(p.pick([1, 2, 3])):
            with p.frame(-0.1 * i, -0.03 * i, 1, -12 * i):
                p.solid(finger, yellow, gloss=0.35)
                edge = arc([(-0.86, -0.3), (-0.66, 0.28), (-0.1, 0.56), (0.45, 0.48), (0.84, 0)])
                p.line(edge, darker(yellow, 0.3), 0.025, 0.6)
                p.solid(ellipse(-0.87, -0.4, 0.05, 0.07), (0.35, 0.25, 0.1), 0.5)
                p.solid(ellipse(0.87, -0.12, 0.05), (0.25, 0.18, 0.08), 0.5)
