"""Faces and shoulders, for people with hats, sunglasses, drums and guitars."""

from dataclasses import dataclass

from .colours import Colour, darker, mix
from .drawing import CLOTH, CURLS, FUR, Painter
from .shapes import arc, blob, cluster, ellipse, limb, symmetric

SKINS = [
    (0.96, 0.8, 0.69),
    (0.9, 0.7, 0.55),
    (0.8, 0.58, 0.42),
    (0.62, 0.42, 0.29),
    (0.42, 0.27, 0.19),
    (0.98, 0.85, 0.76),
]
HAIRS = [
    (0.1, 0.08, 0.07),
    (0.25, 0.15, 0.08),
    (0.45, 0.28, 0.14),
    (0.8, 0.62, 0.32),
    (0.55, 0.22, 0.1),
    (0.75, 0.75, 0.76),
]
IRISES = [(0.25, 0.14, 0.07), (0.3, 0.5, 0.75), (0.3, 0.5, 0.3), (0.15, 0.1, 0.08)]


@dataclass(frozen=True)
class Person:
    skin: Colour
    hair: Colour
    style: str  # short | long | bob | curly | bald
    clothes: Colour
    width: float  # half width of the face
    turn: float  # sideways shift of the features


def someone(p: Painter, styles=("short", "short", "long", "bob", "curly", "bald")) -> Person:
    return Person(
        skin=p.jitter(p.pick(SKINS), 0.03),
        hair=p.pick(HAIRS),
        style=p.pick(styles),
        clothes=p.any_colour(),
        width=p.between(0.44, 0.5),
        turn=p.between(-0.08, 0.08),
    )


def shoulders(p: Painter, person: Person, bottom: float = 1.7) -> None:
    """Upper body from the neck (y = 0.75) down to `bottom`."""
    right = [(0.3, 0.73), (0.8, 0.95), (0.9, bottom)]
    p.solid(blob(right + [(-x, y) for x, y in reversed(right)]), person.clothes, 1, CLOTH)
    p.line(arc([(-0.26, 0.76), (0, 0.9), (0.26, 0.76)]), darker(person.clothes, 0.3), 0.04, 0.8)


def _hair_behind(p: Painter, person: Person) -> None:
    w, tone = person.width, darker(person.hair, 0.2)
    if person.style == "long":
        right = [(w * 0.8, -0.72), (w * 1.15, -0.3), (w * 1.35, 0.8), (w * 0.8, 0.95)]
        outline = [(0, -0.82), *right, *[(-x, y) for x, y in reversed(right)]]
        p.solid(blob(outline), tone, 1, FUR.but(strength=0.8))
    elif person.style == "bob":
        right = [(w * 0.8, -0.75), (w * 1.2, -0.2), (w * 1.25, 0.4)]
        outline = [(0, -0.84), *right, *[(-x, y) for x, y in reversed(right)]]
        p.solid(blob(outline), tone, 1, FUR.but(strength=0.8))
    elif person.style == "curly":
        p.solid(cluster(p, 0, -0.25, w * 1.35, 0.62, 0.2, 13), tone, 1, CURLS)


def _hair_in_front(p: Painter, person: Person, outline) -> None:
    w, t = person.width, person.turn
    brow = p.between(-0.5, -0.38)
    fringe = [
        (-w * 1.1, -0.05),
        (-w * 0.85, brow + 0.05),
        (t + p.between(-0.3, 0.3), brow),
        (w * 0.85, brow + 0.05),
        (w * 1.1, -0.05),
        (w * 1.3, -1),
        (-w * 1.3, -1),
    ]
    with p.inside(outline):
        p.flat(blob(fringe), person.hair)
    if person.style == "short":
        right = [(w * 0.9, -0.65), (w * 1.05, -0.2), (w * 0.8, -0.45)]
        p.solid(
            blob(symmetric([(0, -0.84), *right, (0, -0.56)])), person.hair, 1, FUR.but(strength=0.8)
        )


def _eye(p: Painter, person: Person, x: float, iris: Colour) -> None:
    gaze = person.turn * 0.3
    p.flat(ellipse(x, -0.06, 0.1, 0.062), (0.98, 0.97, 0.96))
    p.flat(ellipse(x + gaze, -0.06, 0.055), iris)
    p.flat(ellipse(x + gaze, -0.06, 0.03), (0.02, 0.02, 0.02))
    p.flat(ellipse(x - 0.02, -0.085, 0.016), (1, 1, 1))
    lid = arc([(x - 0.1, -0.07), (x, -0.128), (x + 0.1, -0.07)])
    p.line(lid, darker(person.skin, 0.75), 0.022, 0.85)


def _mouth(p: Painter, person: Person) -> None:
    t, y = person.turn, 0.4
    lips = mix((0.75, 0.25, 0.27), person.skin, p.between(0.1, 0.5))
    if p.chance(0.4):
        smile = [(-0.17, -0.02), (0, 0), (0.17, -0.02), (0.09, 0.12), (-0.09, 0.12)]
        shape = blob([(t + dx, y + dy) for dx, dy in smile])
        p.flat(shape, (0.97, 0.96, 0.95))
        p.line(shape, lips, 0.03)
        return
    closed = [(-0.16, 0), (-0.05, -0.035), (0, -0.02), (0.05, -0.035), (0.16, 0), (0, 0.08)]
    p.solid(blob([(t + dx, y + dy) for dx, dy in closed]), lips, 0.5)
    p.line(
        arc([(t - 0.17, y - 0.01), (t, y + 0.02), (t + 0.17, y - 0.01)]),
        darker(lips, 0.5),
        0.02,
        0.8,
    )


def face(p: Painter, person: Person, eyes: bool = True) -> None:
    """Head around (0, 0), half height about 0.7; `eyes=False` where glasses will cover them."""
    w, t, skin = person.width, person.turn, person.skin
    _hair_behind(p, person)
    p.solid(limb(0, 0.4, 0, 0.85, 0.2, 0.24), darker(skin, 0.22), 0.8)
    for side in (1, -1):
        p.solid(ellipse(side * w * 1.02, 0.02, 0.08, 0.13), darker(skin, 0.1), 0.8)
    right = [(w * 0.8, -0.6), (w, -0.15), (w * 0.86, 0.33), (w * 0.42, 0.62)]
    outline = blob(symmetric([(0, -0.74), *right, (0, 0.69)]), 1)
    p.solid(outline, skin, 0.9, gloss=0.22, shade=0.35)
    for side in (1, -1):
        p.flat(ellipse(side * 0.27 + t, 0.22, 0.12, 0.09), (0.9, 0.4, 0.35), 0.25, 0.04)
    if person.style != "bald":
        _hair_in_front(p, person, outline)
    iris = p.pick(IRISES)
    brows = (0.2, 0.13, 0.1) if person.style == "bald" else darker(person.hair, 0.2)
    for side in (1, -1):
        x = side * 0.19 + t
        if eyes:
            _eye(p, person, x, iris)
        p.line(arc([(x - 0.11, -0.2), (x, -0.25), (x + 0.11, -0.2)]), brows, 0.035, 0.9)
    p.flat(
        blob([(t - 0.015, -0.05), (t + 0.07, 0.2), (t - 0.08, 0.2)], 0.6),
        darker(skin, 0.25),
        0.35,
        0.02,
    )
    p.line(arc([(t - 0.07, 0.19), (t, 0.225), (t + 0.07, 0.19)]), darker(skin, 0.5), 0.024, 0.8)
    bearded = p.chance(0.15)
    if bearded:
        beard = [(-0.32, 0.3), (0, 0.3), (0.32, 0.3), (0.27, 0.6), (0, 0.72), (-0.27, 0.6)]
        p.flat(blob([(t + x, y) for x, y in beard]), person.hair, 0.6, 0.03)
    _mouth(p, person)


def person_card(p: Painter) -> None:
    """A face and its shoulders: the probe category `face`."""
    person = someone(p)
    shoulders(p, person)
    with p.frame(0, -0.06, 1, p.between(-10, 10)):
        face(p, person)


def arm(p: Painter, person: Person, elbow, hand, width: float = 0.085) -> None:
    """From the shoulder on the elbow's side to the hand."""
    side = 1 if elbow[0] > 0 else -1
    p.line(arc([(side * 0.42, 0.02), elbow, hand], 0.8), darker(person.clothes, 0.2), width * 2)
    p.solid(ellipse(*hand, width * 1.05), person.skin, 0.8)
