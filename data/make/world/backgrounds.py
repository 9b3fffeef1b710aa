"""What is behind and below a subject: twelve settings, each drawn down to a given horizon.

`SETTINGS` maps a setting's name to `draw(painter, horizon)`. In the settings of `STANDING`
everything below the horizon is ground that a thing can stand on. `HABITATS` lists where a kind of
subject is mostly found; entries may repeat, which makes them likelier.
"""

from .colours import Colour, darker, hsv, lighter, mix
from .drawing import Painter, Texture
from .shapes import arc, blob, box, bumpy, ellipse, polygon, segment, union

EVERYWHERE = box(-1.2, -1.2, 1.2, 1.2)


def below(y: float):
    return box(-1.3, y, 1.3, 1.3)


def leaf_green(p: Painter) -> Colour:
    return hsv(p.between(0.19, 0.36), p.between(0.35, 0.75), p.between(0.35, 0.7))


def cloud_shape(p: Painter, x: float, y: float, size: float):
    puffs = [
        ellipse(
            x + p.between(-0.6, 0.6) * size,
            y - p.between(0.05, 0.35) * size,
            p.between(0.28, 0.45) * size,
        )
        for _ in range(4)
    ]
    return union(ellipse(x, y, size, 0.32 * size), *puffs)


def sky(p: Painter, horizon: float) -> Colour:
    """Blue, sunset or overcast, with up to three clouds; returns the colour at the horizon."""
    weather = p.between(0, 1)
    if weather < 0.6:
        upper = hsv(p.between(0.55, 0.62), p.between(0.4, 0.7), p.between(0.7, 0.95))
        lower = hsv(p.between(0.53, 0.58), p.between(0.08, 0.3), p.between(0.9, 1))
    elif weather < 0.8:
        upper = hsv(p.between(0.58, 0.75), p.between(0.2, 0.5), p.between(0.5, 0.8))
        lower = hsv(p.between(0.03, 0.12), p.between(0.3, 0.6), 1)
    else:
        upper, lower = (0.62, 0.66, 0.72), (0.85, 0.87, 0.9)
    p.fade(EVERYWHERE, upper, lower, -1, horizon)
    for _ in range(p.pick([0, 1, 2, 3])):
        shape = cloud_shape(
            p, p.between(-1, 1), p.between(-0.9, horizon - 0.15), p.between(0.2, 0.5)
        )
        p.flat(shape, (1, 1, 1), p.between(0.5, 0.9), p.between(0.02, 0.08))
    return lower


def rolling(p: Painter, y: float, low: float, high: float):
    """Ground with a wavy upper edge around y."""
    crest = [(x, y + p.between(low, high)) for x in (-0.8, -0.3, 0.2, 0.7)]
    return blob([(-1.3, 1.3), (-1.3, y), *crest, (1.3, y), (1.3, 1.3)])


def meadow(p: Painter, horizon: float) -> None:
    haze = sky(p, horizon)
    for _ in range(p.pick([1, 2])):
        hills = rolling(p, horizon - p.between(0, 0.2), -0.15, 0.1)
        p.solid(hills, mix(leaf_green(p), haze, p.between(0.3, 0.6)), 0.3, Texture("mid", 0.4))
    grass = leaf_green(p)
    p.fade(below(horizon), mix(grass, haze, 0.25), darker(grass, 0.25), horizon, 1)
    blades = Texture("fur", scale=0.008)
    p.ramp(below(horizon), blades, darker(grass, 0.4), lighter(grass, 0.15), 0.55)
    for _ in range(p.pick([0, 0, 8, 16])):
        spot = ellipse(
            p.between(-1, 1), p.between(min(0.95, horizon + 0.05), 1), p.between(0.015, 0.035)
        )
        p.flat(spot, hsv(p.between(0, 1), 0.5, 1), 0.9)


def forest(p: Painter, horizon: float) -> None:
    green = darker(leaf_green(p), 0.2)
    p.ramp(EVERYWHERE, Texture("cloud", scale=0.014), darker(green, 0.55), lighter(green, 0.25))
    for _ in range(14):
        spot = ellipse(p.between(-1, 1), p.between(-1, 0.5), p.between(0.06, 0.22))
        light = mix(green, hsv(p.between(0.14, 0.3), 0.5, 1), p.between(0.1, 0.7))
        p.flat(spot, light, p.between(0.15, 0.45), p.between(0.01, 0.06))
    for _ in range(p.pick([0, 2, 3])):
        x, width = p.between(-1, 1), p.between(0.03, 0.1)
        bark = (0.3 + p.between(-0.08, 0.1), 0.22, 0.15)
        trunk = box(x - width, -1.2, x + width, horizon + p.between(0, 0.1))
        p.solid(trunk, bark, 1, Texture("wood", 0.6, turn=90), "tube")
    litter = mix(green, (0.35, 0.25, 0.15), p.between(0, 1))
    p.ramp(below(horizon), Texture("mid"), darker(litter, 0.4), lighter(litter, 0.15))


def beach(p: Painter, horizon: float) -> None:
    sea_line = horizon - p.between(0.15, 0.35)
    sky(p, sea_line)
    sea = hsv(p.between(0.47, 0.6), p.between(0.4, 0.7), p.between(0.5, 0.85))
    p.fade(below(sea_line), sea, lighter(sea, 0.3), sea_line, sea_line + 0.3)
    water = box(-1.3, sea_line, 1.3, horizon + 0.1)
    p.ramp(water, Texture("wood"), darker(sea, 0.2), lighter(sea, 0.35), 0.5)
    sand = hsv(p.between(0.09, 0.13), p.between(0.2, 0.4), p.between(0.8, 0.95))
    shore = blob(
        [
            (-1.4, horizon + p.between(-0.08, 0)),
            (-0.5, horizon + p.between(-0.06, 0.03)),
            (0.4, horizon + p.between(-0.06, 0.03)),
            (1.4, horizon + p.between(-0.08, 0)),
            (1.4, 1.4),
            (-1.4, 1.4),
        ],
        0.6,
    )
    p.line(shore, (1, 1, 1), 0.05, 0.7, 0.01)
    p.ramp(shore, Texture("fine"), darker(sand, 0.12), lighter(sand, 0.15))


def snow(p: Painter, horizon: float) -> None:
    haze = sky(p, horizon)
    for _ in range(7):
        x, height = p.between(-1, 1), p.between(0.25, 0.6)
        top = (x, horizon - height)
        half = height * 0.35
        fir = polygon([(x - half, horizon + 0.05), top, (x + half, horizon + 0.05)])
        p.solid(fir, mix((0.12, 0.25, 0.2), haze, p.between(0.2, 0.6)), 0.5, Texture("fine"))
    drift = blob(
        [
            (-1.4, horizon),
            (-0.5, horizon + p.between(-0.1, 0.03)),
            (0.5, horizon + p.between(-0.1, 0.03)),
            (1.4, horizon),
            (1.4, 1.4),
            (-1.4, 1.4),
        ],
        0.8,
    )
    p.fade(drift, (0.97, 0.98, 1), (0.78, 0.83, 0.92), horizon, 1)
    p.ramp(drift, Texture("cloud", scale=0.01), (0.7, 0.78, 0.9), (1, 1, 1), 0.45)


def _wallpaper(p: Painter, colour: Colour) -> None:
    p.fade(EVERYWHERE, lighter(colour, 0.15), darker(colour, 0.15), -1, 1)
    pattern = p.between(0, 1)
    if pattern < 0.25:
        n = p.pick([6, 9, 12])
        for i in range(n):
            x = -1 + 2 * i / n
            p.flat(box(x, -1.2, x + 1 / n, 1.2), lighter(colour, 0.3), 0.6)
    elif pattern < 0.4:
        for i in range(56):
            row, column = divmod(i, 8)
            dot = ellipse(column * 0.28 - 1 + (0.14 if row % 2 else 0), row * 0.3 - 1, 0.05)
            p.flat(dot, p.jitter(lighter(colour, 0.35)), 0.8)
    elif pattern < 0.55:
        p.ramp(
            EVERYWHERE, Texture("brick", scale=0.007), darker(colour, 0.35), lighter(colour, 0.1)
        )
    else:
        plaster = Texture("cloud", scale=0.012)
        p.ramp(EVERYWHERE, plaster, darker(colour, 0.12), lighter(colour, 0.12), 0.6)


def _floor(p: Painter, horizon: float) -> None:
    """Boards, with the shadow of the wall."""
    tone = hsv(p.between(0.05, 0.1), p.between(0.2, 0.6), p.between(0.35, 0.8))
    boards = Texture("wood", scale=0.008)
    p.ramp(below(horizon), boards, darker(tone, 0.25), lighter(tone, 0.2))
    p.fade(below(horizon), (0, 0, 0), (0, 0, 0), horizon, min(1, horizon + 0.5), (0.35, 0.0))


def room(p: Painter, horizon: float) -> None:
    _wallpaper(p, hsv(p.between(0, 1), p.between(0.05, 0.45), p.between(0.55, 0.95)))
    if p.chance(0.35):
        x, y, s = p.between(-0.9, 0.9), p.between(-0.9, -0.4), p.between(0.15, 0.35)
        p.solid(box(x - s, y - s * 0.8, x + s, y + s * 0.8), (0.35, 0.25, 0.15), 0.6)
        canvas = box(x - s * 0.85, y - s * 0.65, x + s * 0.85, y + s * 0.65)
        p.solid(canvas, hsv(p.between(0, 1), 0.4, 0.8), 0.8, Texture("cloud", 0.8))
    skirting = box(-1.3, horizon - 0.07, 1.3, horizon)
    p.flat(skirting, (0.93, 0.92, 0.88), 0.85 if p.chance(0.5) else 0)
    _floor(p, horizon)


def _house_row(p: Painter, ground: float, haze: Colour) -> None:
    stones = [
        (0.6, 0.5, 0.45),
        (0.55, 0.55, 0.6),
        (0.7, 0.65, 0.55),
        (0.5, 0.35, 0.3),
        (0.75, 0.75, 0.75),
    ]
    x = -1.2
    while x < 1.2:
        width, height = p.between(0.25, 0.6), p.between(0.3, 1.1)
        stone = mix(p.jitter(p.pick(stones), 0.08), haze, p.between(0, 0.35))
        top = ground - height
        p.solid(box(x, top, x + width, ground), stone, 0.5, form="slab")
        if p.chance(0.7):
            for row in range(int(height / 0.17)):
                for column in range(int(width / 0.13)):
                    left, upper = x + 0.04 + column * 0.13, top + 0.05 + row * 0.16
                    pane = p.pick([darker(stone, 0.5), (0.9, 0.85, 0.6), darker(haze, 0.3)])
                    p.flat(box(left, upper, left + 0.06, upper + 0.09), pane, 0.75)
        x += width + p.pick([0, 0, 0.05])


def street(p: Painter, horizon: float) -> None:
    haze = sky(p, horizon - 0.1)
    _house_row(p, horizon, haze)
    asphalt = p.jitter((0.38, 0.38, 0.4), 0.08)
    p.ramp(
        below(horizon), Texture("fine", scale=0.005), darker(asphalt, 0.2), lighter(asphalt, 0.15)
    )
    p.flat(box(-1.3, horizon, 1.3, horizon + 0.07), lighter(asphalt, 0.35), 0.9)
    if p.chance(0.5):
        y = p.between(min(0.9, horizon + 0.25), 0.95)
        for x in (-0.9, -0.3, 0.3, 0.9):
            dash = [(x, y), (x + 0.25, y), (x + 0.22, y + 0.06), (x - 0.05, y + 0.06)]
            p.flat(polygon(dash), (0.95, 0.9, 0.7), 0.8)


def water(p: Painter, horizon: float) -> None:
    """A lake or the sea under a sky."""
    haze = sky(p, horizon)
    if p.chance(0.5):
        shore = rolling(p, horizon - 0.04, -0.12, 0.0)
        p.solid(shore, mix(leaf_green(p), haze, p.between(0.3, 0.7)), 0.3)
    blue = hsv(p.between(0.45, 0.62), p.between(0.4, 0.8), p.between(0.4, 0.8))
    p.fade(below(horizon), mix(lighter(blue, 0.2), haze, 0.3), darker(blue, 0.3), horizon, 1)
    waves = Texture("wood", scale=0.008)
    p.ramp(below(horizon), waves, darker(blue, 0.25), lighter(blue, 0.4), 0.5)


def underwater(p: Painter, horizon: float) -> None:
    """Seen from within: light from above, gravel below the horizon, weeds."""
    blue = hsv(p.between(0.45, 0.62), p.between(0.4, 0.8), p.between(0.4, 0.8))
    p.fade(EVERYWHERE, lighter(blue, 0.3), darker(blue, 0.4), -1, 1)
    p.ramp(EVERYWHERE, Texture("cloud", scale=0.01), darker(blue, 0.25), lighter(blue, 0.4), 0.35)
    for _ in range(p.pick([0, 2, 3])):
        x, slope = p.between(-0.9, 0.9), p.between(-0.3, 0.3)
        ray = polygon([(x - 0.06, -1.2), (x + 0.1, -1.2), (x + 0.3 + slope, 1.2), (x + slope, 1.2)])
        p.flat(ray, (1, 1, 1), 0.12, 0.04)
    for _ in range(p.pick([0, 3, 6])):
        x, height = p.between(-1, 1), p.between(0.3, 0.9)
        stem = [(x + p.between(-0.1, 0.1), 1.1 - height * k) for k in (0, 0.35, 0.7, 1)]
        p.line(arc(stem, 1), darker(leaf_green(p), 0.1), 0.05, 0.9)
    if p.chance(0.6):
        gravel = hsv(p.between(0.06, 0.13), p.between(0.2, 0.4), p.between(0.5, 0.8))
        bed = rolling(p, max(0.75, horizon), -0.08, 0.08)
        p.ramp(bed, Texture("stone", scale=0.004), darker(gravel, 0.4), lighter(gravel, 0.2))


def plain(p: Painter, horizon: float) -> None:
    """A studio: the backdrop bends into the floor without an edge."""
    tone = hsv(p.between(0, 1), p.between(0, 0.5), p.between(0.3, 0.95))
    p.fade(EVERYWHERE, darker(tone, 0.3), lighter(tone, 0.3), -1.1, horizon)
    p.fade(below(horizon), lighter(tone, 0.3), darker(tone, 0.15), horizon, 1.1)
    p.ramp(EVERYWHERE, Texture("cloud", scale=0.014), darker(tone, 0.3), lighter(tone, 0.3), 0.2)


def bokeh(p: Painter, horizon: float) -> None:
    """Lights out of focus; below the horizon a dark ledge that mirrors a little of them."""
    night = hsv(p.between(0, 1), p.between(0.3, 0.7), p.between(0.1, 0.45))
    p.ramp(EVERYWHERE, Texture("cloud", scale=0.02), darker(night, 0.4), night)
    hue = p.between(0, 1)
    for _ in range(p.pick([8, 14, 22])):
        disc = ellipse(p.between(-1.1, 1.1), p.between(-1.1, horizon), p.between(0.05, 0.2))
        glow = hsv(hue + p.between(-0.15, 0.15), p.between(0.2, 0.7), 1)
        p.flat(disc, glow, p.between(0.12, 0.45), 0.012)
    ledge = mix(night, (0.5, 0.45, 0.4), p.between(0.2, 0.6))
    p.fade(below(horizon), lighter(ledge, 0.15), darker(ledge, 0.4), horizon, 1)
    p.ramp(below(horizon), Texture("fine"), darker(ledge, 0.3), lighter(ledge, 0.2), 0.3)


def _material(p: Painter) -> Colour:
    hue = p.between(0, 1) if p.chance(0.3) else p.between(0.05, 0.13)
    return hsv(hue, p.between(0.1, 0.5), p.between(0.4, 0.9))


def table(p: Painter, horizon: float) -> None:
    """A table top (wood, stone or a cloth) in front of a quiet wall."""
    wall = _material(p)
    p.fade(EVERYWHERE, lighter(wall, 0.25), darker(wall, 0.1), -1, horizon)
    p.ramp(EVERYWHERE, Texture("cloud", scale=0.016), darker(wall, 0.25), lighter(wall, 0.2), 0.4)
    top = _material(p)
    kind = p.pick(["wood", "wood", "stone", "fine", "mid", "checks"])
    if kind == "checks":
        _checks(p, horizon, p.any_colour((0.4, 0.8), (0.5, 0.9)))
    else:
        grain = Texture(kind, scale=p.between(0.006, 0.01))
        p.ramp(below(horizon), grain, darker(top, p.between(0.25, 0.45)), lighter(top, 0.2))
    p.fade(below(horizon), (0, 0, 0), (0, 0, 0), horizon, 1.1, (0.0, 0.25))
    p.flat(box(-1.3, horizon, 1.3, horizon + 0.02), lighter(top, 0.4), 0.5)


def _checks(p: Painter, horizon: float, colour: Colour) -> None:
    p.flat(below(horizon), (0.95, 0.94, 0.9))
    rows = 5
    for row in range(rows):
        y0 = horizon + (1.2 - horizon) * (row / rows) ** 1.5
        y1 = horizon + (1.2 - horizon) * ((row + 1) / rows) ** 1.5
        for column in range(-6, 7):
            if (row + column) % 2:
                w0, w1 = 0.16 + 0.2 * (y0 - horizon), 0.16 + 0.2 * (y1 - horizon)
                cell = [
                    (column * w0, y0),
                    ((column + 1) * w0, y0),
                    ((column + 1) * w1, y1),
                    (column * w1, y1),
                ]
                p.flat(polygon(cell), colour, 0.85)


def wall(p: Painter, horizon: float) -> None:
    """One surface that fills the picture: plaster, boards, brick, stone."""
    tone = _material(p)
    kind = p.pick(["wood", "stone", "brick", "fine", "cloud", "curl", "mid"])
    turn = p.between(-20, 20) + p.pick([0, 90]) if kind != "brick" else 0
    texture = Texture(kind, scale=p.between(0.006, 0.012), turn=turn)
    p.ramp(EVERYWHERE, texture, darker(tone, p.between(0.25, 0.5)), lighter(tone, 0.2))


SETTINGS = {
    "meadow": meadow,
    "forest": forest,
    "beach": beach,
    "snow": snow,
    "room": room,
    "street": street,
    "water": water,
    "underwater": underwater,
    "plain": plain,
    "bokeh": bokeh,
    "table": table,
    "wall": wall,
}
STANDING = ("meadow", "forest", "beach", "snow", "room", "street", "plain", "bokeh", "table")
ANYWHERE = (*STANDING, "water", "wall")

HABITATS = {
    "land animal": (
        "meadow",
        "meadow",
        "forest",
        "beach",
        "snow",
        "room",
        "room",
        "street",
        "plain",
    ),
    "bird": ("forest", "meadow", "beach", "plain", "bokeh", "snow"),
    "wader": ("beach", "beach", "meadow", "plain"),
    "fish": ("underwater",),
    "insect": ("meadow", "forest", "forest", "bokeh", "plain", "wall"),
    "road": ("street", "street", "street", "meadow", "beach", "snow", "forest", "plain"),
    "water": ("water", "water", "beach"),
    "plant": ("meadow", "forest", "forest", "bokeh", "plain", "room"),
    "fungus": ("forest", "forest", "meadow", "plain", "bokeh"),
    "food": ("table", "table", "room", "plain", "bokeh", "meadow"),
    "household": ("room", "table", "table", "plain", "bokeh", "street"),
    "furniture": ("room", "room", "plain", "street", "meadow"),
    "building": ("meadow", "meadow", "snow", "street", "forest", "beach"),
    "on a wall": ("wall", "wall", "room", "plain"),
    "open air": ("meadow", "beach", "street", "room", "plain", "snow"),
    "portrait": ("room", "plain", "bokeh", "street", "meadow", "wall", "beach"),
}


def stone_or_toy(p: Painter, horizon: float) -> None:
    """One small thing on the ground that is not the subject."""
    y = p.between(min(0.9, horizon + 0.12), 1.05)
    x, size = p.between(-1, 1), p.between(0.06, 0.17)
    kind = p.pick(["stone", "ball", "crate", "tuft"])
    if kind != "tuft":
        p.contact_shadow(x, y, size, 0.5)
    if kind == "stone":
        grey = p.jitter((0.5, 0.48, 0.46), 0.15)
        p.solid(bumpy(p, x, y - size * 0.6, size, size * 0.7, 0.15), grey, 1, Texture("stone", 0.6))
    elif kind == "ball":
        p.solid(ellipse(x, y - size, size), p.any_colour())
    elif kind == "crate":
        sides = box(x - size, y - size * 1.7, x + size, y)
        p.solid(sides, p.any_colour(), 0.8, Texture("wood"), "slab")
    else:
        for i in range(-2, 3):
            tip = (x + i * 0.07 + p.between(-0.05, 0.05), y - size * 2.4)
            p.line(arc([(x + i * 0.04, y), tip]), leaf_green(p), 0.025)


def foreground(p: Painter) -> None:
    """Something close to the camera that hides part of the picture."""
    kind = p.pick(["grass", "branch", "post", "blur", "blur", "rail"])
    if kind == "grass":
        green = darker(leaf_green(p), 0.1)
        for _ in range(26):
            x = p.between(-1.1, 1.1)
            bend = (x + p.between(-0.1, 0.1), 0.85)
            tip = (x + p.between(-0.25, 0.25), p.between(0.45, 0.8))
            p.line(arc([(x, 1.1), bend, tip]), p.jitter(green, 0.1), 0.035)
    elif kind == "branch":
        side, y = p.pick([1, -1]), p.between(-0.9, 0.0)
        end = (side * p.between(0.1, 0.5), y + p.between(0.1, 0.4))
        p.line(arc([(side * 1.2, y), (side * 0.8, y + 0.1), end]), (0.3, 0.2, 0.13), 0.05)
        for _ in range(7):
            at = side * p.between(0.3, 1.1), y + p.between(-0.05, 0.3)
            leaf(p, *at, p.between(-180, 180), p.between(0.45, 0.8))
    elif kind == "post":
        x, width = p.pick([-1, 1]) * p.between(0.65, 0.95), p.between(0.04, 0.09)
        tone = p.jitter((0.45, 0.4, 0.34), 0.15)
        p.solid(box(x - width, -1.2, x + width, 1.2), tone, 1, Texture("fine", 0.4), "tube")
    elif kind == "blur":
        spot = bumpy(
            p,
            p.pick([-1, 1]) * p.between(0.75, 1.15),
            p.between(-0.2, 1.1),
            p.between(0.3, 0.5),
            p.between(0.3, 0.5),
            0.2,
        )
        p.flat(spot, hsv(p.between(0, 1), p.between(0.2, 0.6), p.between(0.2, 0.8)), 0.9, 0.09)
    else:
        y = p.between(0.6, 0.85)
        tone = p.jitter((0.6, 0.5, 0.4), 0.2)
        p.solid(box(-1.2, y, 1.2, y + 0.09), tone, 0.8, Texture("wood", 0.6), "slab")


def leaf(p: Painter, x: float, y: float, turn: float = 0, size: float = 1) -> None:
    """A single leaf growing from (x, y)."""
    green = hsv(p.between(0.25, 0.36), 0.65, 0.5)
    with p.frame(x, y, size, turn):
        p.solid(blob([(0, 0), (0.2, -0.16), (0.48, -0.1), (0.25, 0.08)]), green, 1, Texture("fur"))
        p.line(arc([(0, 0), (0.22, -0.06), (0.45, -0.1)]), lighter(green, 0.3), 0.012)


def beam(p: Painter, y: float) -> None:
    """A branch from side to side for birds to sit on."""
    p.solid(box(-3, y - 0.06, 3, y + 0.06), (0.4, 0.28, 0.18), 1, Texture("wood", 0.7), "slab")
    p.line(segment(-3, y + 0.05, 3, y + 0.05), (0.2, 0.13, 0.08), 0.03, 0.5)
