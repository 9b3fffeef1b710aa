"""Things that look like faces although no face is there: two eyes above a mouth.

Each can be drawn `scrambled`: the same parts of the same sizes and colours on the same thing, but
elsewhere. Eyes and mouth lie in a slanting row or a grid, a long mouth stands upright, and pupils
lie apart from their whites. Both ways take the same random numbers, so all else stays the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from .backgrounds import cloud_shape
from .colours import INK, WHITE, Colour, darker, lighter
from .drawing import CLOTH, WOOD_UP, Painter, Texture
from .objects import HOUSE_BASE, cup_body, cup_rim, house_walls
from .shapes import Point, arc, blob, box, bumpy, ellipse, polygon, segment, union
from .vehicles import car_front


@contextmanager
def _part(
    p: Painter, scrambled: bool, home: Point, away: Point, turn: float = 0.0
) -> Iterator[None]:
    """What is drawn around `home` lands there, or, if scrambled, around `away`, turned (degrees)."""
    if not scrambled:
        yield
        return
    with p.frame(*away, turn=turn), p.frame(-home[0], -home[1]):
        yield


def house_face(p: Painter, scrambled: bool = False) -> None:
    """Two windows with dark panes and an awning for brows, a wide door for a mouth."""
    walls = house_walls(p)
    dark = darker(p.any_colour(), 0.7)
    for side in (1, -1):
        x = side * 0.3
        with _part(p, scrambled, (x, 0.1), (-0.4, 0.27 + side * 0.21)):
            p.flat(ellipse(x, 0.1, 0.2, 0.17), WHITE)
        with _part(p, scrambled, (x, 0.1), (0, 0.08 + side * 0.45)):
            p.flat(ellipse(x, 0.11, 0.1, 0.12), dark)
            p.flat(ellipse(x - 0.03, 0.07, 0.03), (1, 1, 1))
        if p.chance(0.6):
            with _part(p, scrambled, (x, -0.1), (side * 0.3, -0.06)):
                p.line(segment(x - 0.2, -0.1, x + 0.2, -0.1), darker(walls, 0.5), 0.05)
    if p.chance(0.5):
        with _part(p, scrambled, (0, 0.3), (0.12, 0.08)):
            p.flat(box(-0.06, 0.25, 0.06, 0.36, 0.03), darker(walls, 0.45))
    with _part(p, scrambled, (0, 0.6), (0.42, 0.4), 90):
        if p.chance(0.6):
            p.flat(
                blob([(-0.3, 0.48), (0, 0.52), (0.3, 0.48), (0.2, 0.68), (-0.2, 0.68)], 0.8), dark
            )
            p.line(arc([(-0.3, 0.48), (0, 0.53), (0.3, 0.48)]), (0.75, 0.25, 0.22), 0.05)
        else:
            p.flat(box(-0.22, 0.46, 0.22, HOUSE_BASE, 0.1), dark)


def _drawn_features(
    p: Painter,
    scrambled: bool,
    ink: Colour,
    scale: float = 1.0,
    y: float = 0.0,
    blur: float = 0.0,
) -> None:
    """Two eyes and a mouth in the proportions of the world's faces, as blots of one colour."""
    spread = p.between(0.19, 0.23) * scale
    for side in (1, -1):
        home = (side * spread, y - 0.06 * scale)
        away = (side * 0.29 * scale, y + (0.07 + side * 0.25) * scale)
        with _part(p, scrambled, home, away):
            p.flat(ellipse(*home, 0.085 * scale, 0.1 * scale), ink, 0.95, blur)
    width, drop = 0.24 * scale, 0.28 * scale
    with _part(p, scrambled, (0, y + drop + 0.06 * scale), (0, y + 0.07 * scale), 90):
        if p.chance(0.5):
            grin = [
                (-width, y + drop),
                (0, y + drop + 0.08 * scale),
                (width, y + drop),
                (0, y + drop + 0.2 * scale),
            ]
            p.flat(blob(grin), ink, 0.95, blur)
        else:
            p.flat(ellipse(0, y + drop + 0.06 * scale, 0.12 * scale, 0.1 * scale), ink, 0.95, blur)


def cup_face(p: Painter, scrambled: bool = False) -> None:
    colour = lighter(p.any_colour((0.2, 0.7), (0.7, 1)), 0.35)
    cup_body(p, colour, 1)
    _drawn_features(p, scrambled, INK, 1.0, 0.03)
    cup_rim(p, colour)


CAR_FACE_BASE = 0.66


def car_face(p: Painter, scrambled: bool = False) -> None:
    """A car front with round lamps that look at you and a grille that smiles."""
    colour = lighter(p.any_colour((0.4, 0.8), (0.5, 0.95)), 0.1)
    car_front(p, "sedan", colour)
    apron = box(-0.72, 0.2, 0.72, 0.5, 0.1)
    if scrambled:
        p.flat(apron, colour)  # before the lamps, or it would hide the one that moves down
    for side in (1, -1):
        with _part(p, scrambled, (side * 0.4, 0.03), (side * 0.5, 0.2 + side * 0.15)):
            lamp = ellipse(side * 0.4, 0.03, 0.19, 0.17)
            p.flat(lamp, (0.97, 0.97, 0.93))
            p.line(lamp, (0.25, 0.25, 0.28), 0.035)
        with _part(p, scrambled, (side * 0.38, 0.05), (side * -0.27, 0.18 + side * 0.24)):
            p.flat(ellipse(side * 0.38, 0.05, 0.085), INK)
            p.flat(ellipse(side * 0.38 - 0.03, 0.01, 0.03), (1, 1, 1))
    if not scrambled:
        p.flat(apron, colour)
    grille = blob([(-0.42, 0.26), (0, 0.33), (0.42, 0.26), (0.25, 0.46), (-0.25, 0.46)], 0.9)
    with _part(p, scrambled, (0, 0.36), (0, 0.2), 90):
        p.flat(grille, (0.1, 0.1, 0.11))
        with p.inside(grille):
            for i in range(5):
                x = -0.3 + i * 0.15
                p.line(segment(x, 0.2, x, 0.5), (0.8, 0.8, 0.82), 0.025)


def cloud_face(p: Painter, scrambled: bool = False) -> None:
    vapour = union(cloud_shape(p, 0, 0.12, 0.85), ellipse(0, 0.02, 0.62, 0.55))
    p.flat(vapour, (0.97, 0.98, 1), 0.97, 0.04)
    _drawn_features(p, scrambled, (0.33, 0.42, 0.56), 1.25, -0.03, 0.018)


def outlet_face(p: Painter, scrambled: bool = False) -> None:
    """A wall socket: two slots and a round hole."""
    p.flat(box(-0.58, -0.58, 0.68, 0.7, 0.12), (0.03, 0.03, 0.05), 0.4, 0.06)
    plate = lighter(p.any_colour((0.0, 0.3), (0.8, 1)), 0.4)
    p.solid(box(-0.62, -0.64, 0.62, 0.64, 0.12), plate, 0.6)
    p.solid(ellipse(0, 0, 0.52), darker(plate, 0.08), 0.5)
    for side in (1, -1):
        with _part(p, scrambled, (side * 0.22, -0.1), (side * 0.26, side * 0.29)):
            p.flat(box(side * 0.22 - 0.06, -0.24, side * 0.22 + 0.06, 0.04, 0.03), INK)
    with _part(p, scrambled, (0, 0.27), (0, 0), 90):
        if p.chance(0.5):
            p.flat(ellipse(0, 0.26, 0.13, 0.11), INK)
        else:
            p.flat(blob([(-0.2, 0.2), (0, 0.24), (0.2, 0.2), (0, 0.36)]), INK)


WASHER_BASE = 0.87


def washer_face(p: Painter, scrambled: bool = False) -> None:
    """A washing machine: two knobs above a round door."""
    p.contact_shadow(0, WASHER_BASE, 0.6)
    enamel = lighter(p.any_colour((0.05, 0.4), (0.75, 1)), 0.3)
    p.solid(box(-0.66, -0.8, 0.66, WASHER_BASE - 0.02, 0.08), enamel, 0.8, form="slab")
    p.line(segment(-0.62, -0.14, 0.62, -0.14), darker(enamel, 0.35), 0.025)
    for side in (1, -1):
        with _part(p, scrambled, (side * 0.3, -0.42), (side * 0.43, 0.03 + side * 0.59)):
            p.solid(ellipse(side * 0.3, -0.42, 0.19), WHITE, 0.7)
        with _part(p, scrambled, (side * 0.29, -0.4), (side * 0.45, 0.03 - side * 0.6)):
            p.flat(ellipse(side * 0.29, -0.4, 0.11), INK)
            p.flat(ellipse(side * 0.29 - 0.04, -0.45, 0.035), (1, 1, 1))
    with _part(p, scrambled, (0, 0.33), (0, 0.03)):
        p.solid(ellipse(0, 0.33, 0.42, 0.36), (0.75, 0.77, 0.8))
        p.solid(ellipse(0, 0.33, 0.32, 0.26), (0.12, 0.17, 0.24), gloss=0.5)


TRUNK_BASE = 0.9


def trunk_face(p: Painter, scrambled: bool = False) -> None:
    """A tree stump with knot holes."""
    p.contact_shadow(0, TRUNK_BASE, 0.62)
    bark = p.jitter((0.5, 0.36, 0.24), 0.08)
    outline = [
        (-0.5, -0.7),
        (0.5, -0.7),
        (0.52, 0.2),
        (0.72, TRUNK_BASE),
        (-0.72, TRUNK_BASE),
        (-0.52, 0.2),
    ]
    p.solid(blob(outline, 0.5), bark, 1, WOOD_UP, "tube")
    p.solid(ellipse(0, -0.7, 0.5, 0.12), lighter(bark, 0.4), 0.7)
    _drawn_features(p, scrambled, darker(bark, 0.85), 1.15, -0.1, 0.01)
    with _part(p, scrambled, (0, 0.05), (-0.3, 0.4)):
        p.line(arc([(-0.05, 0.0), (0, 0.1), (0.05, 0.02)]), darker(bark, 0.6), 0.04)


ROCK_BASE = 0.74


def rock_face(p: Painter, scrambled: bool = False) -> None:
    p.contact_shadow(0, ROCK_BASE, 0.62)
    grey = p.jitter((0.62, 0.58, 0.54), 0.12)
    p.solid(bumpy(p, 0, 0, 0.64, 0.75, 0.07), grey, 1, Texture("stone", 0.5))
    _drawn_features(p, scrambled, darker(grey, 0.8), 1.2, -0.04, 0.02)


BAG_BASE = 0.75


def bag_face(p: Painter, scrambled: bool = False) -> None:
    """A handbag: two clasps, a zipped pocket."""
    leather = lighter(p.any_colour((0.4, 0.8), (0.5, 0.9)), 0.2)
    p.contact_shadow(0, BAG_BASE, 0.6)
    p.line(
        arc([(-0.35, -0.4), (-0.3, -0.85), (0.3, -0.85), (0.35, -0.4)], 1),
        darker(leather, 0.4),
        0.09,
    )
    p.solid(box(-0.65, -0.5, 0.65, BAG_BASE - 0.02, 0.16), leather, 1, CLOTH)
    for side in (1, -1):
        with _part(p, scrambled, (side * 0.26, -0.08), (side * 0.36, 0.12 + side * 0.36)):
            p.solid(ellipse(side * 0.26, -0.08, 0.15), (0.95, 0.88, 0.6), 0.8)
        with _part(p, scrambled, (side * 0.26, -0.07), (side * 0.4, 0.12 - side * 0.36)):
            p.flat(ellipse(side * 0.26, -0.07, 0.085), INK)
    with _part(p, scrambled, (0, 0.19), (0.05, -0.34)):
        p.flat(polygon([(-0.05, 0.16), (0.05, 0.16), (0, 0.24)]), darker(leather, 0.5))
    with _part(p, scrambled, (0, 0.41), (0, 0.12), 90):
        p.line(arc([(-0.3, 0.36), (0, 0.46), (0.3, 0.36)], 1), INK, 0.085)
        p.line(arc([(-0.28, 0.365), (0, 0.462), (0.28, 0.365)], 1), (0.85, 0.82, 0.75), 0.025)
