"""Twelve dog breeds, in pairs that share their colours and differ in shape.

Each `Palette` is worn by two breeds of unlike build (husky and schnauzer, pug and retriever,
...), so that what a unit prefers or rejects can be told apart into colour and shape. A breed is
drawn as a portrait or standing in side view.
"""

from dataclasses import dataclass

from .colours import INK, Colour, darker, lighter, mix
from .drawing import CURLS, FUR, Painter, Texture
from .shapes import arc, blob, bumpy, cluster, ellipse, furry, limb, mirrored, symmetric, union

TONGUE = (0.92, 0.45, 0.48)
COATS = {
    "short": Texture("fine", 0.22, 0.005),
    "fluffy": Texture("fur", 0.55, 0.007),
    "curly": Texture("curl", 0.6, 0.006),
    "wire": Texture("fur", 0.85, 0.006),
}


@dataclass(frozen=True)
class Palette:
    base: Colour
    ears: Colour
    muzzle: Colour
    marking: Colour


PALETTES = {
    "black on white": Palette(
        (0.95, 0.94, 0.92), (0.16, 0.14, 0.14), (0.95, 0.93, 0.9), (0.13, 0.12, 0.12)
    ),
    "grey and white": Palette(
        (0.40, 0.42, 0.46), (0.33, 0.35, 0.39), (0.95, 0.95, 0.95), (0.95, 0.95, 0.95)
    ),
    "black and tan": Palette(
        (0.14, 0.12, 0.12), (0.10, 0.09, 0.09), (0.66, 0.40, 0.19), (0.68, 0.42, 0.20)
    ),
    "red and white": Palette(
        (0.84, 0.50, 0.22), (0.72, 0.40, 0.17), (0.97, 0.96, 0.94), (0.97, 0.96, 0.94)
    ),
    "fawn": Palette((0.87, 0.69, 0.42), (0.76, 0.56, 0.31), (0.93, 0.79, 0.56), (0.93, 0.79, 0.56)),
    "brown": Palette(
        (0.44, 0.24, 0.13), (0.35, 0.18, 0.10), (0.56, 0.33, 0.19), (0.35, 0.18, 0.10)
    ),
}


@dataclass(frozen=True)
class Breed:
    """Build of a breed; lengths relative to the picture's half width, factors around 1."""

    palette: str
    ears: str  # hanging | long | prick | rose | folded | puffs
    coat: str
    tail: str  # thin | up | curl | plume | pom | none
    muzzle: tuple[float, float]  # half width, half height
    legs: float = 1.0
    length: float = 1.0
    head: float = 1.0  # width of the skull
    ear_size: float = 1.0
    face: str = "plain"  # plain | spots | mask | shepherd | blaze | brows | beard | pug | patch
    body: str = "plain"  # plain | spots | belly | saddle | points | socks | patches
    skull: str = "long"  # long | flat | bulldog
    eyes: Colour = (0.25, 0.13, 0.05)


BREEDS = {
    "dalmatian": Breed(
        "black on white", "hanging", "short", "thin", (0.4, 0.3), face="spots", body="spots"
    ),
    "bulldog": Breed(
        "black on white", "rose", "short", "none", (0.66, 0.4), legs=0.42, length=1.0, head=1.22,
        face="patch", body="patches", skull="bulldog",
    ),
    "husky": Breed(
        "grey and white", "prick", "fluffy", "curl", (0.36, 0.28), legs=0.95, ear_size=0.95,
        face="mask", body="belly", eyes=(0.35, 0.65, 0.95),
    ),
    "schnauzer": Breed(
        "grey and white", "folded", "wire", "up", (0.46, 0.42), legs=0.8, length=0.85,
        face="beard", body="socks",
    ),
    "shepherd": Breed(
        "black and tan", "prick", "short", "plume", (0.34, 0.38), length=1.08, ear_size=1.08,
        face="shepherd", body="saddle",
    ),
    "rottweiler": Breed(
        "black and tan", "hanging", "short", "none", (0.46, 0.32), legs=0.9, head=1.1,
        ear_size=0.8, face="brows", body="points",
    ),
    "beagle": Breed(
        "red and white", "long", "short", "up", (0.38, 0.3), legs=0.75, length=0.95,
        face="blaze", body="belly",
    ),
    "corgi": Breed(
        "red and white", "prick", "fluffy", "none", (0.36, 0.28), legs=0.38, length=1.2,
        ear_size=1.15, face="blaze", body="belly",
    ),
    "retriever": Breed("fawn", "hanging", "fluffy", "plume", (0.44, 0.32), legs=0.95, length=1.05),
    "pug": Breed(
        "fawn", "rose", "short", "curl", (0.56, 0.36), legs=0.55, length=0.8, head=1.1,
        face="pug", skull="flat",
    ),
    "poodle": Breed("brown", "puffs", "curly", "pom", (0.28, 0.36), legs=0.95, length=0.85),
    "dachshund": Breed(
        "brown", "long", "short", "thin", (0.3, 0.42), legs=0.32, length=1.35, head=0.82
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Dog:
    """One individual: a breed with its own shade of the palette."""

    breed: Breed
    base: Colour
    ears: Colour
    muzzle: Colour
    marking: Colour

    @property
    def coat(self) -> Texture:
        return COATS[self.breed.coat]


def individual(p: Painter, name: str) -> Dog:
    breed = BREEDS[name]
    palette = PALETTES[breed.palette]
    shift = p.between(-0.05, 0.05)

    def own(colour: Colour) -> Colour:
        return tuple(min(1.0, max(0.0, c + shift)) for c in p.jitter(colour, 0.025))

    muzzle, ears = palette.muzzle, palette.ears
    if breed.face in ("shepherd", "pug"):
        muzzle = (0.15, 0.13, 0.13)  # the black mask both breeds have
    if breed.face == "pug":
        ears = (0.17, 0.14, 0.13)
    if breed.face == "shepherd":  # tan with a black saddle
        return Dog(
            breed, own(palette.marking), own((0.3, 0.2, 0.13)), own(muzzle), own(palette.base)
        )
    return Dog(breed, own(palette.base), own(ears), own(muzzle), own(palette.marking))


def eye(p: Painter, x: float, y: float, radius: float, colour: Colour) -> None:
    p.flat(ellipse(x, y, radius * 1.18), (0.05, 0.04, 0.04), 0.8)
    p.flat(ellipse(x, y, radius), colour)
    p.flat(ellipse(x, y, radius * 0.58), (0.02, 0.02, 0.02))
    p.flat(ellipse(x - radius * 0.35, y - radius * 0.4, radius * 0.3), (1, 1, 1), 0.95)


def spots(p: Painter, n: int, xs, ys, sizes, colour: Colour) -> None:
    for _ in range(n):
        x, y = p.between(*xs), p.between(*ys)
        p.flat(bumpy(p, x, y, p.between(*sizes), p.between(*sizes), 0.2, 8), colour, 0.96)


# --- head from the front


def _skull(p: Painter, dog: Dog, half: float):
    breed = dog.breed
    if breed.coat == "fluffy":
        return furry(p, 0, 0.02, half * 1.1, 0.6, 0.07, 26)
    if breed.coat == "curly":
        topknot = cluster(p, 0, -0.42, 0.4, 0.28, 0.14, 10)
        return union(topknot, ellipse(0, 0.05, half * 0.85, 0.51))
    if breed.skull == "flat":
        right = [(half * 0.75, -0.5), (half, -0.1), (half * 0.98, 0.32), (half * 0.55, 0.58)]
        return blob(symmetric([(0, -0.56), *right, (0, 0.62)]), 0.95)
    if breed.skull == "bulldog":
        right = [(half * 0.7, -0.5), (half * 0.9, -0.15), (half * 1.02, 0.25), (half * 0.8, 0.62)]
        return blob(symmetric([(0, -0.5), *right, (0, 0.68)]), 0.95)
    right = [(half * 0.72, -0.5), (half, -0.12), (half * 0.72, 0.28), (half * 0.42, 0.55)]
    return blob(symmetric([(0, -0.58), *right, (0, 0.64)]), 0.95)


def _prick_ears(p: Painter, dog: Dog, half: float) -> None:
    height, width = 0.56 * dog.breed.ear_size, 0.22 * dog.breed.ear_size
    for side in (1, -1):
        x = half * 0.62
        outline = [
            (x - width, -0.28),
            (x - width * 0.25, -0.5),
            (x + width * 0.6, -0.3 - height),
            (x + width * 1.15, -0.5),
            (x + width * 1.1, -0.12),
        ]
        inner = [
            (x - width * 0.4, -0.3),
            (x + width * 0.5, -0.22 - height * 0.8),
            (x + width * 0.78, -0.2),
        ]
        p.solid(blob(mirrored(outline, side), 0.8), dog.ears, 1, dog.coat)
        pink = mix((0.85, 0.55, 0.5), dog.ears, 0.45)
        p.flat(blob(mirrored(inner, side), 0.5), pink, 0.8, 0.015)


def _ears_in_front(p: Painter, dog: Dog, half: float) -> None:
    breed = dog.breed
    for side in (1, -1):
        if breed.ears in ("hanging", "long"):
            drop, width = (0.55, 0.2) if breed.ears == "hanging" else (0.95, 0.25)
            drop *= p.between(0.9, 1.1) * breed.ear_size
            x = half * 0.82
            outline = [
                (x - 0.12, -0.45),
                (x + width * 0.9, -0.36),
                (x + width * 1.15, -0.36 + drop * 0.6),
                (x + width * 0.5, -0.36 + drop),
                (x - 0.02, -0.36 + drop * 0.8),
                (x - 0.05, -0.15),
            ]
            p.solid(blob(mirrored(outline, side), 0.95), dog.ears, 1, dog.coat)
        elif breed.ears == "rose":
            x = half * 0.8
            outline = [
                (x - 0.14, -0.44),
                (x + 0.1, -0.58),
                (x + 0.27, -0.42),
                (x + 0.2, -0.2),
                (x + 0.04, -0.3),
            ]
            p.solid(blob(mirrored(outline, side), 0.8), dog.ears, 1, dog.coat)
        elif breed.ears == "folded":
            x = half * 0.72
            outline = [
                (x - 0.2, -0.4),
                (x, -0.78),
                (x + 0.2, -0.6),
                (x + 0.12, -0.26),
                (x - 0.04, -0.4),
            ]
            p.solid(blob(mirrored(outline, side), 0.4), dog.ears, 1, dog.coat)
    if breed.ears == "puffs":
        p.solid(cluster(p, 0, -0.56, 0.38, 0.24, 0.13, 10), dog.base, 1, dog.coat)


def _face_markings(p: Painter, dog: Dog, half: float, t: float) -> None:
    """Colours on the skull; t is how far the face is turned."""
    mark, face = dog.marking, dog.breed.face
    if face == "mask":
        for side in (1, -1):
            p.flat(ellipse(side * 0.27 + t, 0.12, 0.26, 0.3), mark, 1, 0.025)
            p.flat(ellipse(side * 0.24 + t, -0.27, 0.09, 0.07), mark, 1, 0.02)
        p.flat(ellipse(t, 0.45, 0.4, 0.3), mark, 1, 0.03)
    elif face == "blaze":
        p.flat(limb(t, -0.7, t, 0.2, 0.07, 0.13), mark, 1, 0.015)
        p.flat(ellipse(t, 0.42, 0.34, 0.3), mark, 1, 0.03)
    elif face == "shepherd":
        p.flat(ellipse(t, 0.3, 0.29, 0.42), dog.muzzle, 0.92, 0.06)
        p.flat(ellipse(t, -0.5, 0.34, 0.2), mark, 0.8, 0.06)
    elif face == "pug":
        p.flat(ellipse(t, 0.26, 0.42, 0.32), dog.muzzle, 0.8, 0.06)
        for side in (1, -1):
            p.flat(ellipse(side * 0.3 + t, -0.03, 0.17, 0.15), dog.muzzle, 0.55, 0.05)
    elif face == "brows":
        for side in (1, -1):
            p.flat(ellipse(side * 0.2 + t, -0.24, 0.08, 0.06), mark, 1, 0.012)
            p.flat(ellipse(side * 0.38 + t, 0.3, 0.14, 0.18), mark, 0.95, 0.03)
    elif face == "patch":
        side = p.pick([-1, 1])
        p.flat(bumpy(p, side * 0.36 + t, -0.16, 0.27, 0.34, 0.1), mark, 1, 0.012)
        if p.chance(0.4):
            p.flat(bumpy(p, -side * 0.42 + t, -0.3, 0.2, 0.24, 0.1), mark, 1, 0.012)
    elif face == "spots":
        count = p.pick([9, 11, 13, 15])
        spots(p, count, (-half, half), (-0.55, 0.5), (0.04, 0.085), mark)


def _nose(p: Painter, x: float, y: float, size: float) -> None:
    right = [(size * 1.2, -0.06), (size * 0.6, 0.08)]
    outline = [(x + dx, y + dy) for dx, dy in symmetric([(0, -0.1), *right, (0, 0.11)])]
    p.solid(blob(outline), (0.09, 0.08, 0.09), gloss=0.5)
    p.highlight(x - 0.03, y - 0.04, 0.04, 0.02, 0.6, 0.01)


def _tongue(p: Painter, x: float, y: float, width: float, length: float) -> None:
    right = [(width, 0.02), (width * 0.9, length * 0.8)]
    outline = [(x + dx, y + dy) for dx, dy in symmetric([(0, 0), *right, (0, length)])]
    p.solid(blob(outline), TONGUE, 0.7)


def _bulldog_muzzle(p: Painter, dog: Dog, t: float) -> None:
    """A short broad muzzle: nose between the eyes, hanging jowls, lower teeth outside."""
    chin = blob(
        [
            (t + dx, 0.55 + dy)
            for dx, dy in symmetric([(0, -0.15), (0.26, -0.05), (0.2, 0.14), (0, 0.18)])
        ]
    )
    p.solid(chin, darker(dog.muzzle, 0.12), 0.8)
    if p.chance(0.35):
        _tongue(p, t, 0.5, 0.1, 0.26)
    for side in (1, -1):
        jowl = [
            (0.0, 0.16),
            (0.28, 0.1),
            (0.52, 0.3),
            (0.54, 0.58),
            (0.36, 0.7),
            (0.2, 0.54),
            (0.0, 0.44),
        ]
        shape = blob([(t + x, y) for x, y in mirrored(jowl, side)], 0.95)
        p.solid(shape, dog.muzzle, 0.9, shade=0.55)
        p.line(
            arc([(t + side * 0.5, 0.62), (t + side * 0.26, 0.56), (t + side * 0.02, 0.44)], 0.9),
            INK,
            0.045,
        )
        tooth = [(0.1, 0.52), (0.17, 0.52), (0.135, 0.43)]
        p.flat(blob([(t + x, y) for x, y in mirrored(tooth, side)], 0.2), (1, 1, 0.95))
        fold = [(t + side * 0.12, 0.0), (t + side * 0.34, 0.1), (t + side * 0.56, 0.32)]
        p.line(arc(fold, 1), darker(dog.base, 0.5), 0.03, 0.7)
    _nose(p, t, 0.15, 0.17)


def _muzzle(p: Painter, dog: Dog, t: float) -> None:
    breed = dog.breed
    if breed.skull == "bulldog":
        _bulldog_muzzle(p, dog, t)
        return
    width, height = breed.muzzle
    nose_y = 0.33 - height * 0.42
    if breed.face == "beard":
        p.solid(furry(p, t, 0.5, 0.46, 0.42, 0.14, 16), dog.muzzle, 1, FUR.but(strength=0.8))
        for side in (1, -1):
            brow = furry(p, side * 0.24 + t, -0.22, 0.2, 0.1, 0.3, 8)
            p.solid(brow, lighter(dog.muzzle, 0.1), 0.6)
        nose_y = 0.2
    elif breed.coat == "curly":
        p.solid(ellipse(t, 0.36, width, height * 0.85), dog.muzzle, 1, CURLS.but(strength=0.4))
    else:
        coat = dog.coat.but(strength=dog.coat.strength * 0.6)
        p.solid(ellipse(t, 0.32, width * 0.85, height), dog.muzzle, 0.75, coat)
    if breed.skull == "flat":
        for side in (1, -1):
            p.solid(ellipse(side * 0.19 + t, 0.4, 0.23, 0.2), dog.muzzle, 0.7, shade=0.5)
        nose_y = 0.2
    p.line(arc([(t, nose_y), (t, nose_y + 0.2)]), (0.06, 0.04, 0.04), 0.025)
    if p.chance(0.35):
        _tongue(p, t, nose_y + 0.24, 0.1, 0.32)
    mouth = [(-0.55, 0.2), (-0.25, 0.27), (0, 0.2), (0.25, 0.27), (0.55, 0.2)]
    lips = arc([(t + width * dx, nose_y + dy) for dx, dy in mouth])
    p.line(lips, (0.08, 0.05, 0.05), 0.03, 0.85)
    _nose(p, t, nose_y, 0.125 if breed.skull == "flat" else 0.11 + width * 0.06)


def head(p: Painter, dog: Dog, turn: float = 0) -> None:
    """Frontal head around (0, 0), half width about 0.6; turn in [-1, 1] moves the face."""
    breed = dog.breed
    half, t = 0.56 * breed.head, turn * 0.14
    if breed.ears == "prick":
        _prick_ears(p, dog, half)
    if breed.ears == "puffs":
        for side in (1, -1):
            puff = cluster(p, side * half * 0.98, 0.12, 0.24, 0.42, 0.12, 9)
            p.solid(puff, darker(dog.base, 0.06), 1, dog.coat)
    skull = _skull(p, dog, half)
    p.solid(skull, dog.base, 1, dog.coat)
    with p.inside(skull):
        _face_markings(p, dog, half, t)
    eye_x, eye_y, radius = 0.25 * breed.head, -0.08, 0.085
    if breed.skull == "flat":
        eye_x, eye_y, radius = 0.3, -0.05, 0.115
    if breed.skull == "bulldog":
        eye_x, eye_y, radius = 0.36, -0.08, 0.075
    for side in (1, -1):
        eye(p, side * eye_x + t, eye_y, radius, breed.eyes)
    if breed.skull != "long":
        for lift in (0, 0.09):
            wrinkle = arc([(t - 0.2, -0.3 - lift), (t, -0.24 - lift), (t + 0.2, -0.3 - lift)])
            p.line(wrinkle, darker(dog.base, 0.4), 0.025, 0.7)
    _muzzle(p, dog, t)
    _ears_in_front(p, dog, half)


def portrait(p: Painter, name: str) -> None:
    """Head and shoulders; the chest runs down to y = 1.6."""
    dog = individual(p, name)
    coat, body = dog.breed.coat, dog.breed.body
    wide = 1.15 if dog.breed.skull == "bulldog" else 1.0
    right = [(0.42 * wide, 0.2), (0.72 * wide, 0.75), (0.8 * wide, 1.6)]
    chest = blob(right + [(-x, y) for x, y in reversed(right)])
    if coat == "fluffy":
        chest = furry(p, 0, 1.05, 0.78, 0.9, 0.07, 30)
    if coat == "curly":
        chest = cluster(p, 0, 1.05, 0.7, 0.75, 0.2, 14)
    p.solid(chest, darker(dog.base, 0.08), 1, dog.coat)
    with p.inside(chest):
        if body == "belly":
            p.flat(ellipse(0, 0.95, 0.38, 0.5), dog.marking, 0.95, 0.05)
        elif body == "points":
            for side in (1, -1):
                p.flat(ellipse(side * 0.25, 0.85, 0.2, 0.12), dog.marking, 0.9, 0.03)
        elif body == "saddle":
            for side in (1, -1):
                p.flat(ellipse(side * 0.7, 0.95, 0.3, 0.5), dog.marking, 0.85, 0.08)
        elif body == "spots":
            spots(p, 12, (-0.7, 0.7), (0.4, 1.1), (0.05, 0.1), dog.marking)
        elif body == "patches":
            p.flat(bumpy(p, p.between(-0.5, 0.5), 0.9, 0.3, 0.3, 0.15), dog.marking)
    if p.chance(0.35):
        p.line(
            arc([(-0.45, 0.5), (0, 0.68), (0.45, 0.5)]), p.any_colour((0.7, 0.9), (0.6, 0.9)), 0.09
        )
    with p.frame(p.between(-0.05, 0.05), -0.05, 0.95, p.between(-14, 14)):
        head(p, dog, p.between(-1, 1))


# --- side view


def _profile_muzzle(dog: Dog, length: float):
    if dog.breed.skull == "long":
        points = [
            (0.1, -0.12),
            (0.3 + length * 0.5, -0.08),
            (0.3 + length, -0.02),
            (0.34 + length, 0.14),
            (0.25 + length, 0.3),
            (0.3, 0.4),
            (0, 0.35),
        ]
        return blob(points, 0.8)
    drop = 0.58 if dog.breed.skull == "bulldog" else 0.44
    return blob([(0.1, -0.1), (0.45, 0), (0.56, 0.15), (0.54, drop * 0.85), (0.3, drop), (0, 0.4)])


def _profile_ears(p: Painter, dog: Dog) -> None:
    ears = dog.breed.ears
    if ears in ("hanging", "long"):
        drop = (0.55 if ears == "hanging" else 0.85) * dog.breed.ear_size
        outline = [
            (-0.28, -0.35),
            (-0.02, -0.3),
            (0.0, -0.3 + drop * 0.7),
            (-0.18, -0.3 + drop),
            (-0.38, -0.3 + drop * 0.7),
        ]
        p.solid(blob(outline, 0.95), dog.ears, 1, dog.coat)
    elif ears in ("rose", "folded"):
        p.solid(
            blob([(-0.3, -0.38), (-0.05, -0.5), (0.08, -0.15), (-0.15, -0.05)], 0.7),
            dog.ears,
            1,
            dog.coat,
        )
    elif ears == "puffs":
        p.solid(cluster(p, -0.22, 0.2, 0.22, 0.38, 0.11, 9), darker(dog.base, 0.06), 1, dog.coat)
    else:
        _profile_prick(p, dog, -0.08, 0.06, dog.ears)


def _profile_prick(p: Painter, dog: Dog, x: float, y: float, colour: Colour) -> None:
    tip = -0.3 - 0.5 * dog.breed.ear_size
    shape = blob([(x - 0.32, y - 0.3), (x - 0.2, y + tip), (x + 0.02, y - 0.4)], 0.4)
    p.solid(shape, colour, 1, dog.coat)


def _profile_markings(p: Painter, dog: Dog, length: float) -> None:
    face, mark = dog.breed.face, dog.marking
    if face in ("mask", "blaze"):
        p.flat(ellipse(0.45, 0.3, 0.6, 0.3), mark, 1, 0.04)
        if face == "blaze":
            p.flat(ellipse(0.1, -0.45, 0.2, 0.12), mark, 0.8, 0.03)
    elif face == "patch":
        p.flat(bumpy(p, 0.05, -0.1, 0.26, 0.3, 0.1), mark)
    elif face == "brows":
        p.flat(ellipse(0.5, 0.25, 0.45, 0.18), mark, 1, 0.04)
        p.flat(ellipse(0.18, -0.22, 0.07, 0.05), mark, 1, 0.01)
    elif face == "spots":
        spots(p, 9, (-0.4, 0.5), (-0.4, 0.4), (0.04, 0.07), mark)
    else:
        p.flat(ellipse(0.4 + length * 0.5, 0.12, length * 0.75, 0.34), dog.muzzle, 0.95, 0.06)
    if face == "shepherd":
        p.flat(ellipse(-0.15, -0.42, 0.34, 0.18), mark, 0.8, 0.06)


def profile(p: Painter, dog: Dog) -> None:
    """Head from the side, looking right."""
    breed = dog.breed
    length = 0.45 + breed.muzzle[1] if breed.skull == "long" else 0.3
    if breed.ears == "prick":
        _profile_prick(p, dog, 0, 0, darker(dog.ears, 0.3))
    skull = (
        furry(p, -0.08, 0.02, 0.5, 0.5, 0.08, 22)
        if breed.coat == "fluffy"
        else ellipse(-0.05, 0, 0.48)
    )
    shape = union(skull, _profile_muzzle(dog, length))
    if breed.coat == "curly":
        shape = union(shape, cluster(p, -0.1, -0.35, 0.35, 0.28, 0.13, 9))
    p.solid(shape, dog.base, 1, dog.coat)
    with p.inside(shape):
        _profile_markings(p, dog, length)
    if breed.face == "beard":
        p.solid(furry(p, 0.55, 0.4, 0.3, 0.28, 0.2, 12), dog.muzzle, 1, FUR.but(strength=0.8))
        p.solid(furry(p, 0.24, -0.2, 0.16, 0.08, 0.3, 8), lighter(dog.muzzle, 0.1), 0.5)
    eye(p, 0.17, -0.06, 0.08, breed.eyes)
    nose_x = 0.3 + length if breed.skull == "long" else 0.53
    p.solid(ellipse(nose_x, 0.02, 0.1, 0.09), (0.08, 0.07, 0.08), gloss=0.5)
    p.line(arc([(nose_x - 0.02, 0.2), (nose_x - 0.25, 0.26), (0.35, 0.24)]), INK, 0.03, 0.7)
    _profile_ears(p, dog)


def _tail(p: Painter, dog: Dog, x: float, y: float) -> None:
    kind, base = dog.breed.tail, dog.base
    if kind == "thin":
        p.solid(limb(x, y, x - 0.38, y - p.between(-0.1, 0.35), 0.06, 0.02), base)
    elif kind == "up":
        p.solid(limb(x, y, x - 0.16, y - 0.42, 0.07, 0.035), base)
        p.solid(ellipse(x - 0.16, y - 0.42, 0.05), dog.muzzle, 0.5)
    elif kind == "curl":
        ring = ellipse(x + 0.02, y - 0.18, 0.19)
        p.line(ring, darker(base, 0.1), 0.13)
        p.line(ring, dog.muzzle if dog.breed.body == "belly" else base, 0.07)
    elif kind == "plume":
        sway = p.between(-0.15, 0.1)
        plume = [
            (x + 0.05, y - 0.02),
            (x - 0.3, y - 0.1 + sway),
            (x - 0.5, y + 0.2),
            (x - 0.3, y + 0.28),
            (x, y + 0.14),
        ]
        colour = mix(base, dog.marking, 0.6) if dog.breed.body == "saddle" else darker(base, 0.05)
        p.solid(blob(plume), colour, 1, FUR.but(strength=0.8))
    elif kind == "pom":
        p.solid(limb(x, y, x - 0.15, y - 0.25, 0.04, 0.03), base)
        p.solid(cluster(p, x - 0.18, y - 0.35, 0.14, 0.14, 0.07, 8), base, 1, dog.coat)


def _legs(p: Painter, dog: Dog, xs, top: float, bottom: float, half: float, colour, foot) -> None:
    for x in xs:
        step = p.between(-0.1, 0.1)
        p.solid(
            limb(x, top, x + step, bottom - 0.05, half, half * 0.7), colour, 1, dog.coat, "tube"
        )
        p.solid(ellipse(x + step + 0.04, bottom - half * 0.6, half * 1.05, half * 0.65), foot, 0.8)


def _body_markings(p: Painter, dog: Dog, long: float, y: float, high: float) -> None:
    mark, body = dog.marking, dog.breed.body
    if body == "spots":
        count = p.pick([18, 22, 26])
        spots(p, count, (-long, long * 1.2), (y - high - 0.3, y + high), (0.025, 0.065), mark)
    elif body == "saddle":
        saddle = [
            (-long * 1.2, y),
            (-long * 1.1, y - 0.6),
            (long * 0.9, y - 0.6),
            (long * 0.75, y - 0.02),
            (0, y + 0.1),
        ]
        p.flat(blob(saddle), mark, 0.95, 0.03)
    elif body == "belly":
        p.flat(ellipse(0, y + 0.32, long * 1.1, 0.22), mark, 1, 0.03)
        p.flat(ellipse(long * 1.05, y + 0.02, 0.22, 0.36), mark, 1, 0.04)
    elif body == "points":
        p.flat(ellipse(long, y + 0.05, 0.16, 0.14), mark, 1, 0.03)
    elif body == "patches":
        for _ in range(p.pick([1, 2, 3])):
            at = p.between(-long, long), y + p.between(-0.2, 0.1)
            p.flat(bumpy(p, *at, p.between(0.14, 0.28), p.between(0.12, 0.22), 0.15), mark, 1, 0.01)


def standing(p: Painter, name: str) -> None:
    """Side view, facing right, feet at y = 0.8."""
    dog = individual(p, name)
    breed = dog.breed
    bulldog = breed.skull == "bulldog"
    long, leg = 0.5 * breed.length, 0.5 * breed.legs
    high = {"fluffy": 0.28}.get(breed.coat, 0.25) + (
        0.06 if bulldog else 0.03 if breed.skull == "flat" else 0
    )
    half = 0.13 if bulldog else 0.11 if breed.skull == "flat" else 0.085
    ground = 0.8
    hip = ground - leg - 0.05  # where the legs begin
    y = hip - high * 0.6
    pale = breed.body in ("belly", "points", "socks")
    foot = dog.marking if pale else dog.base
    leg_colour = mix(dog.base, dog.marking, 0.8) if breed.body in ("points", "socks") else dog.base

    p.contact_shadow(0.02, ground, long * 1.1)
    _tail(p, dog, -long * 0.95, y - high * 0.5)
    far = [-long * 0.72, long * 0.62]
    _legs(p, dog, far, hip, ground - 0.03, half, darker(leg_colour, 0.3), darker(foot, 0.3))
    trunk = blob(
        [
            (-long, y - high * 0.5),
            (-long * 0.5, y - high),
            (long * 0.3, y - high * 0.95),
            (long * 0.95, y - high * 1.05),
            (long * 1.08, y),
            (long * 0.75, y + high * (1.15 if bulldog else 0.95)),
            (0, y + high * 0.75),
            (-long * 0.6, y + high * 0.6),
            (-long * 1.05, y + high * 0.4),
        ],
        0.95,
    )
    if breed.coat == "fluffy":
        trunk = union(trunk, furry(p, 0, y, long * 1.05, high * 1.02, 0.06, 26))
    if breed.coat == "curly":
        trunk = union(trunk, cluster(p, long * 0.45, y, long * 0.6, high * 1.1, 0.13, 12))
    short_neck = 0.14 if bulldog else 0.1 if breed.skull == "flat" else 0
    head_x, head_y = long * 1.12, y - high - 0.28 + short_neck
    neck = limb(long * 0.8, y - high * 0.2, head_x, head_y, 0.25, 0.2)
    trunk = union(trunk, neck)
    p.solid(trunk, dog.base, 1, dog.coat)
    with p.inside(trunk):
        _body_markings(p, dog, long, y, high)
    near = [-long * 0.88, long * 0.82]
    if breed.coat == "curly":
        _legs(p, dog, near, hip - 0.1, ground, 0.055, dog.base, dog.base)
        for x in near:
            p.solid(cluster(p, x, ground - 0.14, 0.13, 0.12, 0.07, 8), dog.base, 1, dog.coat)
    else:
        if leg > 0.3:
            p.solid(ellipse(near[0] + 0.03, hip - 0.05, 0.16, 0.2), dog.base, 0.5, dog.coat)
        _legs(p, dog, near, hip - 0.05, ground, half * 1.1, leg_colour, foot)
    if breed.body == "spots":
        for x in near * 3:
            at = x + p.between(-0.05, 0.05), hip + p.between(0, leg)
            p.flat(ellipse(*at, 0.035), dog.marking)
    size = 0.56 if bulldog else 0.5
    if p.chance(0.55):
        with p.frame(head_x + 0.06, head_y - 0.04, size, p.between(-12, 12)):
            head(p, dog, p.between(-1, 1))
    else:
        with p.frame(head_x, head_y - 0.02, size, p.between(-15, 10)):
            profile(p, dog)
