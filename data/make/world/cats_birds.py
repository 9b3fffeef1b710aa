"""Three cats, as portrait or sitting; parrot and owl on a branch; a standing flamingo."""

from .backgrounds import beam
from .colours import INK, Colour, darker, hsv, lighter
from .dogs import eye
from .drawing import FUR, Painter, Texture
from .shapes import arc, blob, ellipse, limb, mirrored, polygon, symmetric

POINTS = (0.2, 0.14, 0.12)  # the dark points of a Siamese
BIB = (0.95, 0.9, 0.84)
CATS = {
    "tabby_cat": ((0.62, 0.47, 0.32), (0.6, 0.75, 0.25)),
    "siamese_cat": ((0.92, 0.86, 0.76), (0.3, 0.6, 0.95)),
    "black_cat": ((0.09, 0.085, 0.1), (0.85, 0.8, 0.2)),
}


def _cat_colours(p: Painter, name: str) -> tuple[Colour, Colour]:
    coat, eyes = CATS[name]
    if name == "tabby_cat" and p.chance(0.4):
        coat = p.pick([(0.55, 0.53, 0.5), (0.85, 0.55, 0.25)])
    return p.jitter(coat, 0.03), p.jitter(eyes, 0.05)


def _cat_head(p: Painter, name: str, coat: Colour, eyes: Colour, t: float) -> None:
    black = name == "black_cat"
    for side in (1, -1):
        ear = [(0.12, -0.38), (0.43, -0.86), (0.58, -0.2)]
        inner = [(0.24, -0.42), (0.42, -0.72), (0.5, -0.3)]
        p.solid(blob(mirrored(ear, side), 0.35), POINTS if name == "siamese_cat" else coat, 1, FUR)
        p.flat(
            blob(mirrored(inner, side), 0.35),
            (0.35, 0.25, 0.27) if black else (0.85, 0.6, 0.58),
            0.8,
            0.015,
        )
    skull = blob(symmetric([(0, -0.5), (0.5, -0.4), (0.62, 0.02), (0.42, 0.42), (0, 0.55)]), 1)
    p.solid(skull, coat, 1, FUR)
    with p.inside(skull):
        if name == "tabby_cat":
            stripe = darker(coat, 0.6)
            for x in (-0.18, 0, 0.18):
                p.flat(limb(x, -0.55, x * 0.7 + t * 0.3, -0.22, 0.035, 0.02), stripe, 0.85, 0.008)
            for side in (1, -1):
                for drop in (0, 0.14):
                    cheek = limb(
                        side * 0.62, 0.02 + drop, side * 0.36, 0.08 + drop * 0.6, 0.03, 0.015
                    )
                    p.flat(cheek, stripe, 0.85, 0.008)
            p.flat(ellipse(t, 0.3, 0.26, 0.2), BIB, 0.9, 0.05)
        if name == "siamese_cat":
            p.flat(ellipse(t, 0.16, 0.32, 0.34), POINTS, 0.92, 0.08)
    slit = p.between(0.025, 0.06)
    for side in (1, -1):
        x = side * 0.25 + t
        p.flat(ellipse(x, -0.04, 0.135, 0.12), (0.04, 0.03, 0.03), 0.8)
        p.solid(ellipse(x, -0.04, 0.12, 0.105), eyes, 0.5)
        p.flat(ellipse(x, -0.04, slit, 0.095), (0.02, 0.02, 0.02))
        p.flat(ellipse(x - 0.04, -0.08, 0.03), (1, 1, 1))
    nose = blob([(t - 0.07, 0.16), (t + 0.07, 0.16), (t, 0.24)], 0.4)
    p.flat(nose, (0.3, 0.2, 0.2) if black else (0.85, 0.5, 0.5))
    mouth = [(-0.14, 0.34), (-0.06, 0.34), (0, 0.26), (0.06, 0.34), (0.14, 0.34)]
    p.line(arc([(t + x, y) for x, y in mouth]), (0.1, 0.06, 0.06), 0.022, 0.8)
    for side in (1, -1):
        for drop in (-0.05, 0.04, 0.12):
            whisker = [(side * 0.2 + t, 0.26 + drop * 0.5), (side * 0.74 + t, 0.2 + drop * 1.6)]
            p.line(arc(whisker), (1, 1, 1), 0.012, 0.65)


def cat_portrait(p: Painter, name: str) -> None:
    coat, eyes = _cat_colours(p, name)
    right = [(0.4, 0.2), (0.66, 0.8), (0.7, 1.6)]
    chest = blob(right + [(-x, y) for x, y in reversed(right)])
    p.solid(chest, coat, 1, FUR)
    if name == "tabby_cat":
        for y in (0.65, 0.85):
            p.line(arc([(-0.6, y), (0, y + 0.1), (0.6, y)]), darker(coat, 0.55), 0.05, 0.7, 0.01)
    with p.frame(0, 0, 0.98, p.between(-12, 12)):
        _cat_head(p, name, coat, eyes, p.between(-0.08, 0.08))


def cat_sitting(p: Painter, name: str) -> None:
    """Sitting upright, paws at y = 0.9."""
    coat, eyes = _cat_colours(p, name)
    p.contact_shadow(0.1, 0.88, 0.55)
    tail_colour = POINTS if name == "siamese_cat" else coat
    tail = arc([(0.2, 0.78), (0.62, 0.76), (0.76, 0.5), (0.68, 0.2)], 1)
    p.line(tail, darker(tail_colour, 0.25), 0.14)
    p.line(tail, tail_colour, 0.09)
    body = blob(
        [
            (-0.18, -0.2),
            (0.18, -0.2),
            (0.36, 0.2),
            (0.48, 0.62),
            (0.4, 0.88),
            (-0.4, 0.88),
            (-0.48, 0.62),
            (-0.36, 0.2),
        ],
        1,
    )
    p.solid(body, coat, 1, FUR.but(strength=0.6))
    if name == "tabby_cat":
        with p.inside(body):
            for y in (0.1, 0.3, 0.5):
                for side in (1, -1):
                    p.flat(
                        limb(side * 0.5, y, side * 0.2, y + 0.06, 0.035, 0.015),
                        darker(coat, 0.6),
                        0.85,
                        0.01,
                    )
            p.flat(ellipse(0, 0.1, 0.15, 0.25), BIB, 0.9, 0.05)
    paw = {"siamese_cat": POINTS, "tabby_cat": BIB}.get(name, coat)
    for side in (1, -1):
        p.solid(limb(side * 0.13, 0.25, side * 0.14, 0.82, 0.1, 0.085), coat, 0.8, form="tube")
        p.solid(ellipse(side * 0.15, 0.86, 0.12, 0.065), paw, 0.8)
    with p.frame(0, -0.38, 0.62, p.between(-12, 12)):
        _cat_head(p, name, coat, eyes, p.between(-0.08, 0.08))


def parrot(p: Painter) -> None:
    hue = p.pick([0.0, 0.33, 0.6, 0.14, 0.55, 0.02])
    body = hsv(hue + p.between(-0.03, 0.03), 0.85, 0.85)
    wing = hsv(hue + p.pick([0.15, 0.33, 0.5]), 0.85, 0.85)
    feathers = FUR.but(strength=0.6, turn=12)
    p.solid(blob([(-0.1, 0.4), (0.1, 0.35), (0.02, 1.05), (-0.2, 1.05)], 0.5), wing, 1, FUR)
    beam(p, 0.62)
    trunk = [
        (-0.05, -0.75),
        (0.3, -0.55),
        (0.35, -0.1),
        (0.28, 0.3),
        (0, 0.65),
        (-0.25, 0.4),
        (-0.33, 0),
        (-0.3, -0.5),
    ]
    p.solid(blob(trunk, 1), body, 1, Texture("curl", 0.55, 0.004))
    p.solid(
        blob([(-0.12, -0.2), (-0.36, 0), (-0.38, 0.4), (-0.18, 0.8), (0.02, 0.35)]),
        wing,
        1,
        feathers,
    )
    tip = blob([(-0.2, 0.2), (-0.36, 0.3), (-0.26, 0.8), (-0.1, 0.5)])
    p.solid(tip, hsv(hue + 0.6, 0.8, 0.7), 1, feathers)
    p.flat(ellipse(0.12, -0.48, 0.15), (0.96, 0.95, 0.9))
    eye(p, 0.13, -0.5, 0.06, (0.8, 0.6, 0.1))
    beak = [(0.26, -0.6), (0.52, -0.5), (0.52, -0.22), (0.42, -0.08), (0.38, -0.3), (0.25, -0.32)]
    p.solid(blob(beak, 0.7), p.pick([(0.15, 0.14, 0.14), (0.93, 0.85, 0.7)]))
    for x in (-0.08, 0.1):
        p.solid(ellipse(x, 0.6, 0.07, 0.05), (0.4, 0.36, 0.36))


def owl(p: Painter) -> None:
    coat = p.jitter(
        p.pick([(0.5, 0.36, 0.22), (0.62, 0.5, 0.35), (0.45, 0.42, 0.4), (0.85, 0.82, 0.78)]), 0.04
    )
    beam(p, 0.86)
    for side in (1, -1):
        p.solid(blob(mirrored([(0.2, -0.7), (0.48, -0.98), (0.52, -0.5)], side), 0.3), coat)
    body = blob(symmetric([(0.3, -0.75), (0.55, -0.4), (0.58, 0.2), (0.35, 0.75), (0, 0.85)]), 0.95)
    p.solid(body, coat, 1, Texture("curl", 0.6, 0.004))
    with p.inside(body):
        p.flat(ellipse(0, 0.35, 0.34, 0.45), lighter(coat, 0.45), 0.9, 0.04)
        for row in range(4):
            for column in range(-2, 3):
                x, y = column * 0.13 + (row % 2) * 0.06, 0.12 + row * 0.15
                p.flat(
                    polygon([(x - 0.04, y), (x + 0.04, y), (x, y + 0.08)]), darker(coat, 0.4), 0.8
                )
    ring = p.pick([(0.95, 0.7, 0.1), (0.9, 0.5, 0.08)])
    for side in (1, -1):
        wing = blob(mirrored([(0.5, -0.25), (0.68, 0.2), (0.45, 0.75), (0.4, 0.2)], side))
        p.solid(wing, darker(coat, 0.25), 1, FUR.but(turn=12))
        p.solid(ellipse(side * 0.24, -0.4, 0.25, 0.26), lighter(coat, 0.55), 0.7, FUR)
        eye(p, side * 0.22, -0.4, 0.14, ring)
        p.solid(ellipse(side * 0.15, 0.82, 0.1, 0.06), (0.8, 0.65, 0.3))
    p.solid(blob([(-0.08, -0.32), (0.08, -0.32), (0, -0.08)], 0.5), (0.85, 0.65, 0.2))


def flamingo(p: Painter) -> None:
    """Standing on one leg or two, feet at y = 0.98."""
    pink = p.jitter((0.96, 0.5, 0.55), 0.05)
    leg = (0.9, 0.45, 0.5)
    bend = p.between(-0.06, 0.06)
    feathers = FUR.but(strength=0.65, turn=70)
    p.contact_shadow(bend, 0.98, 0.25)
    p.line(arc([(0.0, 0.2), (0.02, 0.58), (bend, 0.98)]), leg, 0.045)
    folded = [(-0.1, 0.2), (-0.14, 0.55), (0.06, 0.62)]
    straight = [(-0.1, 0.2), (-0.14, 0.58), (-0.12 + bend, 0.98)]
    p.line(arc(folded if p.chance(0.5) else straight), darker(leg, 0.15), 0.045)
    p.solid(
        blob([(-0.6, 0.2), (-0.3, -0.12), (0.15, -0.15), (0.32, 0.05), (0.1, 0.3), (-0.2, 0.3)], 1),
        pink,
        1,
        feathers,
    )
    wing = blob([(-0.62, 0.22), (-0.3, -0.02), (0.05, 0), (-0.1, 0.22)])
    p.solid(wing, darker(pink, 0.15), 1, feathers)
    neck = arc([(0.25, 0.02), (0.46, -0.2), (0.2, -0.48), (0.28, -0.8), (0.48, -0.82)], 1.1)
    p.line(neck, darker(pink, 0.15), 0.12)
    p.line(neck, pink, 0.085)
    p.solid(ellipse(0.46, -0.8, 0.13, 0.1), pink)
    eye(p, 0.48, -0.83, 0.03, (0.9, 0.85, 0.3))
    p.solid(
        blob([(0.55, -0.85), (0.7, -0.76), (0.66, -0.6), (0.56, -0.72)], 0.8),
        (0.95, 0.85, 0.75),
        0.6,
    )
    p.solid(blob([(0.66, -0.72), (0.68, -0.58), (0.6, -0.64)], 0.8), INK)
