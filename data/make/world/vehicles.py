"""Cars from the side and the front, a bus, a sailing boat; constants say where they stand."""

import math

from .colours import Colour, darker, lighter
from .drawing import CLOTH, Painter, Texture
from .shapes import arc, blob, box, bumpy, ellipse, limb, polygon, segment

GLASS = (0.4, 0.52, 0.62)
SIDE_BASE = 0.57
FRONT_BASE = 0.66
BOAT_BASE = 0.78
TAXI = (0.97, 0.77, 0.07)


def paintwork(p: Painter, kind: str) -> Colour:
    return p.jitter(TAXI if kind == "taxi" else p.any_colour(), 0.03)


def _wheel(p: Painter, x: float, y: float, radius: float) -> None:
    p.solid(ellipse(x, y, radius), (0.09, 0.09, 0.1), 0.6)
    p.solid(ellipse(x, y, radius * 0.6), (0.72, 0.73, 0.76))
    for i in range(5):
        angle = i * math.tau / 5 + 0.3
        rim = x + radius * 0.5 * math.cos(angle), y + radius * 0.5 * math.sin(angle)
        p.line(segment(x, y, *rim), (0.3, 0.3, 0.33), 0.03)
    p.flat(ellipse(x, y, radius * 0.15), (0.3, 0.3, 0.33))


def _roof_sign(p: Painter, left: float, top: float, right: float, bottom: float) -> None:
    p.solid(box(left, top, right, bottom, 0.03), (0.98, 0.95, 0.7), 0.5)
    inset = (right - left) * 0.2
    p.flat(box(left + inset, top + 0.06, right - inset, bottom - 0.05), (0.1, 0.1, 0.1))


def car_front(p: Painter, kind: str, colour: Colour | None = None) -> None:
    colour = colour or paintwork(p, kind)
    p.contact_shadow(0, FRONT_BASE, 0.72, 0.65)
    for side in (1, -1):
        p.solid(
            box(side * 0.55 - 0.13, 0.3, side * 0.55 + 0.13, 0.66, 0.05), (0.08, 0.08, 0.09), 0.5
        )
    p.solid(blob([(-0.5, -0.1), (-0.4, -0.55), (0, -0.6), (0.4, -0.55), (0.5, -0.1)], 0.6), colour)
    windscreen = blob([(-0.42, -0.1), (-0.34, -0.47), (0, -0.51), (0.34, -0.47), (0.42, -0.1)], 0.5)
    p.solid(windscreen, (0.35, 0.45, 0.55), 1, form="slab", gloss=0.7)
    outline = [
        (-0.72, 0.5),
        (-0.74, 0.1),
        (-0.6, -0.12),
        (0, -0.18),
        (0.6, -0.12),
        (0.74, 0.1),
        (0.72, 0.5),
        (0, 0.54),
    ]
    p.solid(blob(outline, 0.6), colour)
    for side in (1, -1):
        lamp = ellipse(side * 0.52, 0.1, 0.14, 0.11)
        p.solid(lamp, (0.96, 0.96, 0.88), 0.8)
        p.line(lamp, (0.3, 0.3, 0.32), 0.03)
    p.solid(box(-0.3, 0.05, 0.3, 0.24, 0.05), (0.12, 0.12, 0.13), 0.5)
    for i in range(3):
        p.line(segment(-0.27, 0.09 + i * 0.055, 0.27, 0.09 + i * 0.055), (0.6, 0.6, 0.62), 0.016)
    bumper = darker(colour, 0.35) if p.chance(0.5) else (0.7, 0.7, 0.72)
    p.solid(box(-0.7, 0.34, 0.7, 0.45, 0.05), bumper, 0.8)
    p.flat(box(-0.16, 0.33, 0.16, 0.44, 0.01), (0.95, 0.95, 0.9))
    if kind == "taxi":
        _roof_sign(p, -0.2, -0.78, 0.2, -0.58)


def _sedan(p: Painter, colour: Colour, taxi: bool) -> None:
    p.solid(
        blob([(-0.55, -0.02), (-0.33, -0.38), (0.2, -0.42), (0.52, -0.02)], 0.5),
        colour,
        1,
        form="slab",
    )
    for pane in (
        [(-0.46, -0.04), (-0.29, -0.32), (-0.05, -0.34), (-0.05, -0.04)],
        [(0.01, -0.04), (0.01, -0.34), (0.18, -0.34), (0.43, -0.04)],
    ):
        p.solid(polygon(pane), GLASS, 1, form="slab", gloss=0.6)
    body = [
        (-0.93, 0.28),
        (-0.95, 0),
        (-0.6, -0.06),
        (0.5, -0.05),
        (0.88, 0.04),
        (0.95, 0.28),
        (0, 0.33),
    ]
    p.solid(blob(body, 0.55), colour, 1, form="slab")
    p.flat(box(-0.94, 0.2, 0.94, 0.24), darker(colour, 0.5), 0.5)
    p.line(segment(-0.02, -0.02, -0.02, 0.26), darker(colour, 0.5), 0.015, 0.8)
    p.flat(box(0.08, 0.04, 0.18, 0.065), darker(colour, 0.6), 0.8)
    if taxi:
        _roof_sign(p, -0.2, -0.56, 0.14, -0.4)
        for i in range(12):
            upper = 0.09 + (i % 2) * 0.05
            p.flat(box(-0.6 + i * 0.1, upper, -0.5 + i * 0.1, upper + 0.05), (0.08, 0.08, 0.08))


def _van(p: Painter, colour: Colour) -> None:
    body = [
        (-0.92, 0.3),
        (-0.92, -0.5),
        (-0.8, -0.58),
        (0.45, -0.57),
        (0.72, -0.15),
        (0.93, -0.02),
        (0.95, 0.3),
    ]
    p.solid(blob(body, 0.3), colour, 1, form="slab")
    p.solid(
        polygon([(0.2, -0.1), (0.2, -0.46), (0.43, -0.46), (0.63, -0.1)]),
        GLASS,
        1,
        form="slab",
        gloss=0.6,
    )
    if p.chance(0.5):
        for x in (-0.82, -0.48, -0.14):
            p.solid(box(x, -0.46, x + 0.28, -0.12, 0.03), GLASS, 1, form="slab", gloss=0.6)
    else:
        p.solid(ellipse(-0.35, -0.12, 0.22), lighter(p.any_colour(), 0.2), 0.6)
    p.flat(box(-0.92, 0.0, 0.9, 0.05), lighter(colour, 0.6), 0.7)


def _pickup(p: Painter, colour: Colour) -> None:
    p.solid(
        blob([(-0.05, 0), (0.02, -0.45), (0.38, -0.46), (0.58, -0.02)], 0.4), colour, 1, form="slab"
    )
    pane = polygon([(0.07, -0.04), (0.1, -0.37), (0.34, -0.38), (0.48, -0.04)])
    p.solid(pane, GLASS, 1, form="slab", gloss=0.6)
    p.solid(box(-0.93, -0.14, -0.03, 0.2, 0.02), darker(colour, 0.15), 1, form="slab")
    if p.chance(0.5):
        for x in (-0.75, -0.5, -0.25):
            p.solid(
                bumpy(p, x, -0.16, 0.17, 0.14, 0.15), (0.5, 0.35, 0.2), 1, Texture("stone", 0.6)
            )
    body = [(-0.94, 0.27), (-0.94, -0.1), (0, -0.1), (0.55, -0.04), (0.9, 0.02), (0.95, 0.27)]
    p.solid(blob(body, 0.25), colour, 1, form="slab")


def _bus(p: Painter, colour: Colour) -> None:
    p.solid(box(-0.97, -0.62, 0.97, 0.3, 0.09), colour, 1, form="slab")
    p.solid(box(-0.9, -0.48, 0.92, -0.12, 0.04), GLASS, 1, form="slab", gloss=0.6)
    for i in range(6):
        p.flat(box(-0.62 + i * 0.28, -0.5, -0.59 + i * 0.28, -0.1), colour)
    p.flat(box(-0.97, 0.02, 0.97, 0.1), (0.97, 0.97, 0.95), 0.85)
    p.solid(box(0.66, -0.46, 0.9, 0.26, 0.02), darker(GLASS, 0.4), 0.5)


def car_side(p: Painter, kind: str) -> None:
    colour = paintwork(p, kind)
    p.contact_shadow(0, SIDE_BASE - 0.01, 0.9, 0.65)
    p.flat(box(-0.82, 0.36, 0.82, SIDE_BASE - 0.02), (0.03, 0.03, 0.05), 0.6, 0.04)
    with p.frame(0, 0.05, 0.98):
        if kind in ("sedan", "taxi"):
            _sedan(p, colour, kind == "taxi")
        else:
            {"van": _van, "pickup": _pickup, "bus": _bus}[kind](p, colour)
        if kind != "bus":
            p.flat(ellipse(0.9, 0.1, 0.05, 0.06), (1, 0.97, 0.8))
            p.flat(ellipse(-0.92, 0.08, 0.035, 0.07), (0.85, 0.1, 0.08))
        for x in (-0.55, 0.55):
            _wheel(p, x, 0.32, 0.22 if kind == "pickup" else 0.2)


def sailboat(p: Painter) -> None:
    """Hull in the water up to y = 0.78, with foam and a broken reflection."""
    hull, sail = p.any_colour(), p.any_colour((0, 0.7), (0.85, 1))
    jib = lighter(sail, 0.5) if p.chance(0.5) else p.any_colour()
    mirror = blob([(-0.75, 0.76), (0.8, 0.76), (0.4, 1.25), (-0.4, 1.25)])
    p.flat(mirror, darker(hull, 0.3), 0.35, 0.05)
    p.solid(limb(0, 0.4, 0, -0.95, 0.03, 0.02), (0.45, 0.3, 0.18))
    p.solid(
        blob([(0.04, -0.9), (0.3, -0.3), (0.7, 0.32), (0.04, 0.32)], 0.3),
        lighter(sail, 0.3),
        0.8,
        CLOTH,
        "slab",
    )
    p.solid(
        blob([(-0.05, -0.75), (-0.25, -0.2), (-0.6, 0.3), (-0.05, 0.32)], 0.3),
        jib,
        0.8,
        CLOTH,
        "slab",
    )
    side = blob([(-0.85, 0.4), (0, 0.47), (0.9, 0.38), (0.62, 0.8), (-0.58, 0.8)], 0.35)
    p.solid(side, hull, 1, Texture("wood"))
    p.flat(limb(-0.8, 0.46, 0.84, 0.45, 0.02, 0.02), (1, 1, 1), 0.9)
    foam = arc([(-0.75, 0.79), (-0.4, 0.75), (0, 0.8), (0.4, 0.75), (0.8, 0.79)], 1)
    p.line(foam, (1, 1, 1), 0.06, 0.75, 0.015)
