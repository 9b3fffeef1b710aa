"""Goldfish, butterfly and ladybug."""

from .backgrounds import leaf_green
from .colours import darker, hsv, lighter
from .drawing import FUR, Painter, Texture
from .shapes import arc, blob, ellipse, limb, mirrored

BLACK = (0.06, 0.05, 0.06)


def goldfish(p: Painter) -> None:
    gold = p.jitter((0.97, 0.5, 0.1), 0.05)
    fin = lighter(gold, 0.12)
    p.solid(
        blob(
            [(-0.3, 0), (-0.7, -0.45), (-0.95, -0.38), (-0.75, 0), (-0.95, 0.4), (-0.7, 0.45)], 0.8
        ),
        fin,
        1,
        FUR,
        alpha=0.92,
    )
    p.solid(blob([(-0.2, -0.25), (0.05, -0.6), (0.3, -0.5), (0.3, -0.22)], 0.8), fin, 1, FUR)
    p.solid(blob([(-0.05, 0.25), (-0.1, 0.52), (0.12, 0.5), (0.2, 0.25)], 0.8), fin)
    body = blob(
        [
            (-0.42, 0),
            (-0.1, -0.32),
            (0.35, -0.3),
            (0.68, -0.02),
            (0.62, 0.1),
            (0.3, 0.32),
            (-0.1, 0.3),
        ],
        1,
    )
    p.solid(body, gold, 1, Texture("curl", 0.6, 0.005))
    with p.inside(body):
        p.flat(ellipse(0.15, 0.32, 0.5, 0.16), (1, 0.9, 0.7), 0.8, 0.05)
    p.flat(ellipse(0.44, -0.06, 0.1), (1, 1, 0.95))
    p.flat(ellipse(0.46, -0.06, 0.06), (0.03, 0.03, 0.03))
    p.flat(ellipse(0.44, -0.09, 0.02), (1, 1, 1))
    p.line(arc([(0.28, -0.2), (0.22, 0), (0.28, 0.2)]), darker(gold, 0.3), 0.03, 0.7)
    for _ in range(p.pick([0, 3, 5])):
        bubble = ellipse(p.between(-0.9, 0.9), p.between(-0.95, 0.2), p.between(0.03, 0.07))
        p.line(bubble, (1, 1, 1), 0.02, 0.7)


def butterfly(p: Painter) -> None:
    hue = p.between(0, 1)
    wing = hsv(hue, p.between(0.6, 0.95), p.between(0.7, 1))
    spot = hsv(hue + p.between(0.1, 0.5), 0.8, 0.95)
    for side in (1, -1):
        upper = blob(
            mirrored([(0.04, -0.1), (0.35, -0.72), (0.85, -0.7), (0.8, -0.2), (0.4, 0.05)], side),
            0.95,
        )
        lower = blob(
            mirrored([(0.04, 0), (0.55, 0.02), (0.72, 0.4), (0.4, 0.75), (0.12, 0.45)], side), 0.95
        )
        for shape in (lower, upper):
            p.solid(shape, (0.1, 0.07, 0.08), 0.5)
        for shape, x, y in ((lower, side * 0.38, 0.36), (upper, side * 0.48, -0.36)):
            with p.frame(x, y, 0.78), p.frame(-x, -y):
                p.solid(shape, wing, 0.9, FUR)
        p.solid(ellipse(side * 0.6, -0.44, 0.12), spot, 0.7)
        p.solid(ellipse(side * 0.42, 0.4, 0.1), spot, 0.7)
        for x, y in ((0.78, -0.55), (0.74, -0.3), (0.6, 0.5)):
            p.flat(ellipse(side * x, y, 0.03), (1, 1, 1), 0.9)
        p.line(arc([(0, -0.35), (side * 0.1, -0.6), (side * 0.2, -0.78)]), BLACK, 0.025)
    p.solid(limb(0, -0.35, 0, 0.45, 0.065, 0.035), (0.2, 0.14, 0.12))


def ladybug(p: Painter) -> None:
    """Seen from above, on a leaf that fills the lower half of its surroundings."""
    green = leaf_green(p)
    blade = blob([(-2.2, 0.9), (-0.9, -0.9), (0.9, -1.1), (2.3, -0.3), (1.4, 1.2), (-0.6, 1.5)])
    if p.chance(0.7):
        p.solid(blade, green, 0.8, Texture("fur", 0.5, 0.008, 60))
        p.line(arc([(-2.2, 0.9), (0, 0.3), (2.3, -0.3)], 1), lighter(green, 0.3), 0.05, 0.8)
    p.flat(ellipse(-p.light[0] * 0.12, 0.2, 0.68, 0.68), (0.03, 0.04, 0.03), 0.4, 0.08)
    red = p.jitter((0.88, 0.1, 0.07), 0.04)
    for side in (1, -1):
        for y in (-0.1, 0.2, 0.48):
            p.line(
                arc([(side * 0.5, y), (side * 0.72, y + 0.02), (side * 0.82, y + 0.16)]),
                BLACK,
                0.06,
            )
        p.line(arc([(side * 0.1, -0.72), (side * 0.2, -0.9), (side * 0.32, -0.95)]), BLACK, 0.035)
    p.solid(ellipse(0, -0.5, 0.32, 0.27), BLACK, gloss=0.4)
    for side in (1, -1):
        p.flat(ellipse(side * 0.19, -0.52, 0.08, 0.06), (0.95, 0.95, 0.9))
    shell = ellipse(0, 0.12, 0.62, 0.64)
    p.solid(shell, red, 1.1, gloss=0.5)
    with p.inside(shell):
        p.line(arc([(0, -0.6), (0, 0.8)]), BLACK, 0.045)
        for x, y in ((0.28, -0.2), (0.34, 0.2), (0.2, 0.52)):
            for side in (1, -1):
                at = side * x + p.between(-0.03, 0.03), y + p.between(-0.03, 0.03)
                p.flat(ellipse(*at, p.between(0.09, 0.12)), BLACK)
        p.flat(ellipse(0, -0.5, 0.16, 0.1), BLACK)
    p.highlight(-0.22, -0.22, 0.14, 0.08, 0.6)
