"""Household things, a house, balloons; what people wear or play, with and without them."""

import math

from .colours import INK, WHITE, Colour, darker, lighter, mix
from .drawing import CLOTH, WOOD, WOOD_UP, Painter, Texture
from .people import arm, face, shoulders, someone
from .shapes import arc, blob, box, ellipse, limb, polygon, segment, symmetric

# --- household

CUP_BASE = 0.64


def cup_body(p: Painter, colour: Colour, handle_side: int):
    """Saucer, handle and wall of a cup; returns the wall's outline for whoever paints on it."""
    p.contact_shadow(0, CUP_BASE, 0.55)
    if p.chance(0.35):
        p.solid(ellipse(0, 0.6, 0.8, 0.14), lighter(colour, 0.3))
        p.line(ellipse(0, 0.6, 0.6, 0.1), darker(colour, 0.2), 0.02, 0.5)
    s = handle_side
    handle = arc([(s * 0.42, -0.2), (s * 0.8, -0.25), (s * 0.78, 0.2), (s * 0.4, 0.32)], 1.1)
    p.line(handle, darker(colour, 0.2), 0.13)
    p.line(handle, colour, 0.08)
    foot = p.between(0.3, 0.44)
    wall = blob(symmetric([(0.5, -0.42), (0.48, 0.1), (foot, 0.55), (0, 0.62)]), 0.6)
    p.solid(wall, colour, 1, form="tube")
    return wall


def cup_rim(p: Painter, colour: Colour) -> None:
    p.solid(ellipse(0, -0.42, 0.5, 0.13), lighter(colour, 0.35), 0.6)
    drink = (0.28, 0.16, 0.08) if p.chance(0.6) else darker(colour, 0.4)
    p.solid(ellipse(0, -0.4, 0.43, 0.095), drink, 0.8)
    if p.chance(0.3):
        for x in (-0.15, 0.15):
            steam = arc([(x, -0.5), (x + 0.08, -0.68), (x - 0.06, -0.82), (x + 0.05, -1)])
            p.line(steam, (1, 1, 1), 0.05, 0.4, 0.03)


def cup(p: Painter) -> None:
    colour = p.any_colour((0.2, 0.9), (0.5, 1))
    wall = cup_body(p, colour, p.pick([1, -1]))
    second = p.any_colour()
    with p.inside(wall):
        pattern = p.pick(["none", "none", "stripes", "dots", "heart"])
        if pattern == "stripes":
            for y in (-0.2, 0.12):
                p.solid(box(-0.6, y, 0.6, y + 0.12), second, 1, form="tube")
        elif pattern == "dots":
            for i in range(16):
                row, column = divmod(i, 4)
                x = -0.4 + column * 0.26 + (0.13 if row % 2 else 0)
                p.flat(ellipse(x, -0.22 + row * 0.22, 0.06), lighter(second, 0.3))
        elif pattern == "heart":
            heart = symmetric([(0, -0.04), (0.14, -0.14), (0.26, 0.02), (0, 0.3)])
            p.flat(blob(heart), second)
    cup_rim(p, colour)


def _dial(p: Painter, rim, colour: Colour) -> None:
    plate = (0.97, 0.96, 0.92) if p.chance(0.7) else p.any_colour((0.1, 0.4), (0.7, 1))
    p.solid(rim, colour)
    p.solid(ellipse(0, 0, 0.62), plate, 0.35, shade=0.3)
    for i in range(12):
        c, s = math.cos(i * math.pi / 6), math.sin(i * math.pi / 6)
        p.line(segment(0.5 * c, 0.5 * s, 0.56 * c, 0.56 * s), INK, 0.055 if i % 3 == 0 else 0.03)
    for length, width, tone in (
        (0.3, 0.065, INK),
        (0.46, 0.04, INK),
        (0.48, 0.018, (0.85, 0.1, 0.1)),
    ):
        angle = p.between(0, math.tau)
        p.line(segment(0, 0, length * math.cos(angle), length * math.sin(angle)), tone, width)
    p.flat(ellipse(0, 0, 0.05), INK)
    p.flat(
        blob([(-0.45, -0.2), (-0.2, -0.5), (0.1, -0.52), (-0.25, -0.3)], 0.8), (1, 1, 1), 0.35, 0.03
    )


def wall_clock(p: Painter) -> None:
    p.flat(ellipse(-p.light[0] * 0.1, 0.1, 0.78), (0.03, 0.03, 0.05), 0.4, 0.07)
    round_case = p.chance(0.6)
    _dial(
        p,
        ellipse(0, 0, 0.75) if round_case else box(-0.75, -0.75, 0.75, 0.75, 0.14),
        p.any_colour(),
    )


ALARM_BASE = 0.86


def alarm_clock(p: Painter) -> None:
    colour = p.any_colour()
    p.contact_shadow(0, ALARM_BASE, 0.58)
    for side in (1, -1):
        p.line(segment(side * 0.4, 0.5, side * 0.52, ALARM_BASE - 0.05), darker(colour, 0.3), 0.1)
        p.solid(ellipse(side * 0.42, -0.68, 0.24, 0.18), (0.85, 0.75, 0.4))
    p.solid(box(-0.05, -0.92, 0.05, -0.7), darker(colour, 0.3), 0.5)
    _dial(p, ellipse(0, 0, 0.75), colour)


LAMP_BASE = 0.9


def lamp(p: Painter) -> None:
    shade, foot = p.any_colour((0.1, 0.8), (0.7, 1)), p.any_colour()
    lit = p.chance(0.6)
    if lit:
        p.flat(ellipse(0, -0.3, 0.95, 0.75), (1, 0.9, 0.6), 0.35, 0.25)
    p.contact_shadow(0, LAMP_BASE, 0.36)
    if p.chance(0.5):
        p.solid(limb(0, 0, 0, 0.82, 0.045, 0.045), foot, form="tube")
    else:
        vase = [(0.06, 0), (0.12, 0.25), (0.28, 0.5), (0.2, 0.8)]
        p.solid(blob(vase + [(-x, y) for x, y in reversed(vase)], 1), foot, form="tube")
    p.solid(ellipse(0, 0.84, 0.34, 0.08), darker(foot, 0.2))
    cone = polygon([(-0.32, -0.78), (0.32, -0.78), (0.62, 0.02), (-0.62, 0.02)])
    p.solid(
        cone,
        mix(shade, (1, 0.93, 0.7), 0.5) if lit else shade,
        0.8,
        CLOTH.but(strength=0.3),
        "tube",
    )
    p.line(arc([(-0.62, 0.02), (0, 0.06), (0.62, 0.02)]), darker(shade, 0.3), 0.05)


def _umbrella(p: Painter, handle: bool) -> None:
    """Open, upright: ferrule up at y = -0.85, canopy rim at y = 0, tip of the shaft at y = 0.9."""
    first = p.any_colour()
    second = p.any_colour() if p.chance(0.5) else lighter(first, 0.15)
    p.line(segment(0, -0.5, 0, 0.7 if handle else 0.95), (0.3, 0.25, 0.22), 0.05)
    if handle:
        p.line(arc([(0, 0.68), (0.02, 0.88), (0.16, 0.9), (0.2, 0.76)]), (0.45, 0.25, 0.12), 0.07)
    top, ribs = -0.75, [-0.92, -0.5, 0, 0.5, 0.92]
    for i in range(4):
        left, right = ribs[i], ribs[i + 1]
        panel = [
            (0, top),
            (left * 0.72, top + 0.28),
            (left, 0.02),
            ((left + right) / 2, -0.09),
            (right, 0.02),
            (right * 0.72, top + 0.28),
        ]
        p.solid(blob(panel, 0.85), first if i % 2 else second, form="slab")
    p.line(segment(0, top - 0.1, 0, top), (0.25, 0.2, 0.18), 0.04)


PARASOL_BASE = 0.94
OPEN_UMBRELLA_TURN = 49.2
OPEN_UMBRELLA_BASE = 0.72  # where rim and handle touch the ground after the turn


def parasol(p: Painter) -> None:
    """Stuck into the ground."""
    p.contact_shadow(0, PARASOL_BASE, 0.5, 0.4)
    _umbrella(p, handle=False)


def umbrella_drying(p: Painter) -> None:
    """Left open on the ground: it rests on its rim and its handle."""
    p.contact_shadow(0.05, OPEN_UMBRELLA_BASE, 0.65)
    with p.frame(turn=OPEN_UMBRELLA_TURN):
        _umbrella(p, handle=True)


CHAIR_BASE = 0.97


def chair(p: Painter) -> None:
    frame = p.pick([(0.6, 0.38, 0.2), (0.4, 0.24, 0.13), (0.8, 0.62, 0.42), p.any_colour()])
    shade = darker(frame, 0.3)
    p.contact_shadow(0.02, CHAIR_BASE - 0.03, 0.58, 0.45)
    for x in (-0.3, 0.44):
        p.solid(limb(x, 0.1, x, 0.8, 0.045, 0.035), shade)
    for x in (-0.36, 0.36):
        p.solid(limb(x, -0.85, x, 0.1, 0.05, 0.05), frame, 1, WOOD_UP)
    if p.chance(0.5):
        for y in (-0.82, -0.55, -0.28):
            p.solid(box(-0.34, y, 0.34, y + 0.13, 0.03), frame, 1, WOOD)
    else:
        p.solid(box(-0.34, -0.85, 0.34, -0.1, 0.08), p.any_colour(), 1, CLOTH)
    seat = lighter(frame, 0.1) if p.chance(0.5) else p.any_colour()
    p.solid(polygon([(-0.44, 0.1), (0.4, 0.1), (0.56, 0.3), (-0.56, 0.3)]), seat, 1, WOOD)
    p.solid(box(-0.56, 0.29, 0.56, 0.37), shade, 0.6)
    for x in (-0.5, 0.5):
        p.solid(limb(x, 0.36, x, CHAIR_BASE - 0.03, 0.055, 0.04), frame, form="tube")


HOUSE_BASE = 0.78


def house_walls(p: Painter) -> Colour:
    """Chimney, walls and roof; returns the wall's colour."""
    walls = p.pick(
        [
            (0.9, 0.85, 0.72),
            (0.8, 0.5, 0.4),
            (0.75, 0.8, 0.85),
            (0.95, 0.93, 0.9),
            (0.65, 0.42, 0.3),
            p.any_colour((0.2, 0.5), (0.6, 0.95)),
        ]
    )
    roof = p.pick([(0.6, 0.2, 0.15), (0.3, 0.3, 0.34), (0.45, 0.28, 0.18), p.any_colour()])
    p.contact_shadow(0, HOUSE_BASE, 0.72, 0.45)
    if p.chance(0.6):
        p.solid(box(0.28, -0.85, 0.45, -0.4), darker(walls, 0.3), 0.8, Texture("brick", 0.6))
    texture = Texture(p.pick(["brick", "wood", "fine"]), 0.5, 0.005)
    p.solid(box(-0.65, -0.15, 0.65, HOUSE_BASE), walls, 0.7, texture, "slab")
    p.solid(
        polygon([(-0.82, -0.12), (0, -0.82), (0.82, -0.12)]),
        roof,
        0.9,
        Texture("brick", 0.6, 0.005),
        "slab",
    )
    return walls


def house(p: Painter) -> None:
    house_walls(p)
    door = p.any_colour()
    glass = (0.2, 0.28, 0.38) if p.chance(0.6) else (1, 0.9, 0.55)
    windows = p.pick(
        [[(-0.38, 0.25), (0.38, 0.25), (0, -0.35)], [(-0.38, 0.25), (0.38, 0.25)], [(0.36, 0.28)]]
    )
    for x, y in windows:
        p.flat(box(x - 0.17, y - 0.16, x + 0.17, y + 0.16), WHITE)
        p.solid(box(x - 0.14, y - 0.13, x + 0.14, y + 0.13), glass, 0.6, form="slab")
        p.line(segment(x, y - 0.13, x, y + 0.13), WHITE, 0.025)
        p.line(segment(x - 0.13, y, x + 0.13, y), WHITE, 0.025)
    x = -0.28 if len(windows) == 1 else 0
    p.solid(box(x - 0.13, 0.33, x + 0.13, HOUSE_BASE), door, 0.8)
    p.flat(ellipse(x + 0.08, 0.57, 0.025), (0.9, 0.8, 0.3))


def balloons(p: Painter) -> None:
    for i in range(p.pick([1, 1, 2, 3])):
        x, y, size = (
            (0, -0.2, 1)
            if i == 0
            else (p.between(-0.7, 0.7), p.between(-0.4, 0.3), p.between(0.5, 0.75))
        )
        colour = p.any_colour((0.6, 0.95), (0.7, 1))
        with p.frame(x, y, size):
            p.line(
                arc([(0, 0.62), (0.06, 0.8), (-0.05, 1.0), (0.03, 1.8)]),
                (0.9, 0.9, 0.9),
                0.018,
                0.8,
            )
            p.solid(polygon([(-0.07, 0.68), (0.07, 0.68), (0, 0.56)]), colour, 0.6)
            skin = symmetric([(0, -0.68), (0.4, -0.5), (0.52, -0.1), (0.3, 0.35), (0, 0.6)])
            p.solid(blob(skin, 1), colour, 1.1, gloss=0.45, alpha=0.95)
            p.highlight(-0.2, -0.32, 0.08, 0.15, 0.7, 0.04)


# --- worn: sunglasses, hat


def _shades(p: Painter) -> None:
    frame = p.pick(
        [
            (0.06, 0.06, 0.07),
            (0.06, 0.06, 0.07),
            (0.35, 0.18, 0.08),
            (0.8, 0.1, 0.15),
            (0.9, 0.9, 0.9),
        ]
    )
    glass = p.pick([(0.05, 0.05, 0.07), (0.1, 0.08, 0.06), (0.1, 0.15, 0.3), (0.35, 0.12, 0.3)])
    form = p.pick(["round", "square", "drop"])
    for side in (1, -1):
        x = side * 0.24
        if form == "round":
            lens = ellipse(x, 0, 0.19, 0.17)
        elif form == "square":
            lens = box(x - 0.2, -0.13, x + 0.2, 0.13, 0.06)
        else:
            drop = [(-0.19, -0.12), (0.2, -0.15), (0.17, 0.08), (0, 0.17), (-0.16, 0.08)]
            lens = blob([(x + side * dx, dy) for dx, dy in drop])
        p.solid(lens, glass, form="slab")
        p.line(lens, frame, 0.04)
        glint = [(x - 0.12, -0.09), (x - 0.04, -0.09), (x - 0.1, 0.06), (x - 0.15, 0.04)]
        p.flat(polygon(glint), (1, 1, 1), 0.4, 0.008)
    p.line(arc([(-0.06, -0.04), (0, -0.07), (0.06, -0.04)]), frame, 0.04)


def sunglasses_worn(p: Painter) -> None:
    person = someone(p)
    shoulders(p, person)
    with p.frame(0, -0.05, 1, p.between(-8, 8)):
        face(p, person, eyes=False)
        with p.frame(person.turn, -0.07):
            _shades(p)


SUNGLASSES_BASE = 0.3


def sunglasses_lying(p: Painter) -> None:
    """On a table, temples folded out behind."""
    p.contact_shadow(0, SUNGLASSES_BASE - 0.02, 0.68)
    with p.frame(0, 0, 1.6):
        for side in (1, -1):
            p.line(
                arc([(side * 0.43, -0.06), (side * 0.5, -0.2), (side * 0.38, -0.34)]),
                (0.1, 0.1, 0.1),
                0.035,
            )
        _shades(p)


HATS = ("fedora", "cap", "top hat", "straw hat", "beanie")


def _hat(p: Painter, kind: str) -> None:
    """A hat whose opening is centred on (0, 0) and fits a head of half width 0.47."""
    colour, ribbon = p.any_colour(), p.any_colour()
    crown = [
        (-0.5, 0.02),
        (-0.46, -0.36),
        (-0.3, -0.52),
        (0, -0.45),
        (0.3, -0.52),
        (0.46, -0.36),
        (0.5, 0.02),
        (0, 0.1),
    ]
    if kind == "fedora":
        brim = symmetric([(0, -0.1), (0.45, -0.08), (0.76, -0.14), (0.5, 0.09), (0, 0.15)])
        p.solid(blob(brim), darker(colour, 0.12))
        p.solid(blob(crown), colour, 1, CLOTH)
        with p.inside(blob(crown)):
            band = symmetric([(0, -0.08), (0.52, -0.15), (0.52, 0.03), (0, 0.1)])
            p.solid(blob(band), ribbon, 0.6)
    elif kind == "straw hat":
        straw = p.pick([(0.88, 0.74, 0.45), (0.8, 0.65, 0.38), (0.93, 0.86, 0.68)])
        brim = symmetric([(0, -0.12), (0.5, -0.1), (0.88, 0.08), (0.5, 0.16), (0, 0.18)])
        p.solid(blob(brim), straw, 1, Texture("wood", 0.7))
        dome = blob(symmetric([(0, -0.5), (0.4, -0.38), (0.5, 0), (0, 0.09)]), 1)
        p.solid(dome, lighter(straw, 0.06), 1, Texture("wood", 0.7))
        with p.inside(dome):
            p.line(arc([(-0.52, -0.07), (0, 0.02), (0.52, -0.07)]), ribbon, 0.13)
    elif kind == "top hat":
        p.solid(ellipse(0, 0, 0.7, 0.12), darker(colour, 0.1))
        p.solid(
            blob([(-0.47, 0.02), (-0.48, -0.72), (0.48, -0.72), (0.47, 0.02), (0, 0.09)], 0.15),
            colour,
            form="tube",
        )
        p.solid(ellipse(0, -0.72, 0.48, 0.08), lighter(colour, 0.15), 0.6)
        p.solid(
            blob(
                [(-0.47, -0.16), (0, -0.09), (0.47, -0.16), (0.47, 0.0), (0, 0.08), (-0.47, 0.0)],
                0.5,
            ),
            ribbon,
            form="tube",
        )
    elif kind == "cap":
        dome = blob(symmetric([(0, -0.52), (0.42, -0.34), (0.5, 0.02), (0, 0.06)]), 1)
        p.solid(dome, colour, 1, CLOTH)
        for x in (-0.2, 0.2):
            p.line(arc([(0, -0.52), (x, -0.3), (x * 1.2, 0.04)], 1), darker(colour, 0.3), 0.02, 0.7)
        bill = symmetric([(0, 0.0), (0.46, -0.02), (0.52, 0.12), (0, 0.26)])
        p.solid(blob(bill, 0.8), ribbon)
        p.solid(ellipse(0, -0.52, 0.05, 0.035), ribbon)
    else:
        dome = blob(symmetric([(0, -0.56), (0.42, -0.4), (0.52, 0.0), (0, 0.05)]), 1)
        p.solid(dome, colour, 1, Texture("fur", 0.7, 0.008))
        p.solid(ellipse(0, -0.6, 0.16), ribbon, 1, Texture("curl", 0.8, 0.004))
        cuff = blob(symmetric([(0, -0.06), (0.53, -0.12), (0.52, 0.06), (0, 0.12)]), 0.7)
        p.solid(cuff, ribbon, 1, Texture("fur", 0.7, 0.008))


def hat_worn(p: Painter) -> None:
    person = someone(p, styles=("long", "bob", "curly", "bald"))
    shoulders(p, person)
    with p.frame(0, 0.16, 0.95, p.between(-8, 8)):
        face(p, person)
        with p.frame(0, -0.36, 1.02, p.between(-5, 5)):
            _hat(p, p.pick(HATS))


HAT_TABLE_BASE = 0.14


def hat_on_table(p: Painter) -> None:
    p.contact_shadow(0, HAT_TABLE_BASE - 0.01, 0.7)
    _hat(p, p.pick(HATS))


HAT_STAND_BASE = 0.95


def hat_on_stand(p: Painter) -> None:
    """On a wooden head form."""
    wood = p.jitter((0.6, 0.42, 0.26), 0.1)
    p.contact_shadow(0, HAT_STAND_BASE, 0.42)
    p.solid(limb(0, 0.3, 0, 0.9, 0.08, 0.1), darker(wood, 0.15), 1, WOOD_UP, "tube")
    p.solid(ellipse(0, 0.9, 0.4, 0.09), darker(wood, 0.1), 1, WOOD)
    form = blob(symmetric([(0, -0.6), (0.42, -0.4), (0.46, 0.0), (0.3, 0.4), (0, 0.48)]), 1)
    p.solid(form, wood, 1, WOOD_UP)
    with p.frame(0, -0.22, 0.98):
        _hat(p, p.pick(HATS))


def hat_on_hook(p: Painter) -> None:
    p.solid(box(-1.3, -0.42, 1.3, -0.24), (0.45, 0.32, 0.2), 0.8, WOOD, "slab")
    p.flat(ellipse(-p.light[0] * 0.1, 0.12, 0.6, 0.35), (0.03, 0.03, 0.05), 0.4, 0.07)
    p.line(arc([(0, -0.36), (0.03, -0.2), (0, -0.1)]), (0.75, 0.7, 0.55), 0.07)
    with p.frame(0, 0.2, 1.0, p.between(-14, 14)):
        _hat(p, p.pick(HATS))


# --- played: drum, guitar


def _drum(p: Painter) -> None:
    colour = p.any_colour()
    shell = [
        (-0.55, -0.35),
        (-0.55, 0.35),
        (-0.3, 0.5),
        (0, 0.55),
        (0.3, 0.5),
        (0.55, 0.35),
        (0.55, -0.35),
    ]
    p.solid(blob(shell, 0.5), colour, form="tube")
    cord = lighter(colour, 0.7)
    for i in range(5):
        x = -0.55 + i * 0.22
        p.line(polygon([(x, -0.28), (x + 0.11, 0.46), (x + 0.22, -0.28)]), cord, 0.025, 0.9)
    for y in (-0.35, 0.38):
        hoop = arc([(-0.56, y), (-0.3, y + 0.13), (0, y + 0.17), (0.3, y + 0.13), (0.56, y)])
        p.line(hoop, (0.85, 0.7, 0.3), 0.07)
    p.solid(ellipse(0, -0.37, 0.55, 0.18), (0.95, 0.92, 0.85), 0.7)
    p.line(ellipse(0, -0.37, 0.56, 0.185), (0.75, 0.6, 0.25), 0.04)


DRUM_BASE = 0.63
STICK = (0.75, 0.55, 0.3)


def drum_alone(p: Painter) -> None:
    p.contact_shadow(0, DRUM_BASE - 0.02, 0.55)
    with p.frame(0, 0.05, 1.05):
        _drum(p)
    if p.chance(0.7):
        for side in (1, -1):
            p.line(segment(side * 0.5, -0.62, -side * 0.25, -0.33), STICK, 0.045)


def drum_played(p: Painter) -> None:
    person = someone(p)
    with p.frame(p.between(-0.08, 0.08), -0.45, 0.62):
        shoulders(p, person, bottom=3.6)
        face(p, person)
    hands = [(side * 0.52, -0.02 + p.between(-0.08, 0.06)) for side in (1, -1)]
    with p.frame(0, 0.48, 0.8):
        _drum(p)
    for side, hand in zip((1, -1), hands, strict=True):
        p.line(segment(*hand, side * 0.12, 0.16), STICK, 0.045)
        arm(p, person, (side * 0.62, 0.3), hand, 0.075)


def _guitar(p: Painter) -> None:
    """Upright: body around (0, 0.3), head of the neck at y = -1.35, lowest point y = 0.82."""
    colour = p.pick([(0.75, 0.42, 0.15), (0.55, 0.25, 0.1), (0.85, 0.65, 0.35), p.any_colour()])
    p.solid(box(-0.06, -1.15, 0.06, -0.1), (0.25, 0.15, 0.1), 0.8, form="tube")
    p.solid(box(-0.1, -1.35, 0.1, -1.12, 0.04), (0.3, 0.18, 0.1), 0.8)
    right = [(0.27, -0.24), (0.33, -0.02), (0.25, 0.14), (0.44, 0.42), (0.34, 0.75)]
    body = blob(symmetric([(0, -0.28), *right, (0, 0.82)]), 1)
    p.solid(body, colour, 1, WOOD_UP)
    p.line(body, darker(colour, 0.6), 0.035)
    p.solid(ellipse(0, 0.16, 0.14), (0.08, 0.05, 0.04), 0.5)
    p.line(ellipse(0, 0.16, 0.17), lighter(colour, 0.4), 0.025)
    p.solid(box(-0.18, 0.52, 0.18, 0.6), (0.15, 0.09, 0.06), 0.5)
    for x in (-0.035, 0, 0.035):
        p.line(segment(x, -1.2, x, 0.55), (0.95, 0.93, 0.85), 0.009, 0.8)


def guitar_played(p: Painter) -> None:
    person = someone(p)
    with p.frame(p.between(-0.12, 0.12), -0.4, 0.62):
        shoulders(p, person, bottom=3.6)
        face(p, person)
    side, angle = p.pick([1, -1]), p.between(58, 76)
    with p.frame(-side * 0.08, 0.42, 0.68, side * angle):
        _guitar(p)
        neck, strings = (0.0, p.between(-1.0, -0.8)), (0.12, 0.22)
        for hand in (neck, strings):
            p.solid(ellipse(*hand, 0.13), person.skin, 0.8)


GUITAR_BASE = 0.84


def guitar_alone(p: Painter) -> None:
    """On a stand, or leaning."""
    p.contact_shadow(0, GUITAR_BASE, 0.42)
    with p.frame(0, 0.12, 0.86, p.between(-16, 16)):
        _guitar(p)
    for side in (1, -1):
        p.line(segment(side * 0.1, 0.72, side * 0.32, GUITAR_BASE), (0.12, 0.12, 0.13), 0.05)
