"""The 48 classes, where each stands in the ontology, and the ways it can be seen.

A class has a path of hypernyms, a coarse label, a colour kind and one or more views:

colour kind  `free`: any colour; `defined`: one colour belongs to it; `coat`: a few natural colours;
             `breed`: one palette, shared with the other breed of its pair.
view         how it is drawn, whether it stands on the ground, rises from below the picture or is
             free of both, and whether a person's face is in the picture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from . import cats_birds, dogs, food, objects, pareidolia, people, plants, small_animals, vehicles
from .drawing import Painter


@dataclass(frozen=True)
class View:
    """One way of seeing a subject.

    posture "standing": its lowest point, at `base` in its own frame, rests on the ground;
    "rising": it runs out of the picture below; "free": it hangs, floats, or is seen from above.
    """

    name: str
    draw: Callable[[Painter], None]
    posture: str
    habitat: str
    base: float = 1.0
    weight: float = 1.0
    face: bool = False
    turn: float = 4.0  # largest rotation, degrees
    sizes: tuple[float, float] | None = None  # instead of the class's own
    stays: bool = False  # never outside its habitat


@dataclass(frozen=True)
class Leaf:
    name: str
    path: tuple[str, ...]
    coarse: str
    colour: str
    views: tuple[View, ...]
    sizes: tuple[float, float] = (0.62, 0.9)
    pair: str | None = None  # the breed that shares its palette
    palette: str | None = None


@dataclass(frozen=True)
class Probe:
    """A probe category: each picture shows one of the views, chosen by weight.

    twin: the category whose random numbers it draws, so that equal seeds make matched pictures.
    """

    name: str
    sources: tuple[tuple[str, View], ...]  # (what it shows, view)
    sizes: tuple[float, float]
    twin: str | None = None


def _dog_views(breed: str) -> tuple[View, ...]:
    return (
        View("portrait", partial(dogs.portrait, name=breed), "rising", "land animal", turn=6),
        View("standing", partial(dogs.standing, name=breed), "standing", "land animal", base=0.8),
    )


def _cat_views(cat: str) -> tuple[View, ...]:
    return (
        View(
            "portrait", partial(cats_birds.cat_portrait, name=cat), "rising", "land animal", turn=6
        ),
        View(
            "sitting",
            partial(cats_birds.cat_sitting, name=cat),
            "standing",
            "land animal",
            base=0.9,
        ),
    )


def _car_views(kind: str) -> tuple[View, ...]:
    side = View(
        "side",
        partial(vehicles.car_side, kind=kind),
        "standing",
        "road",
        vehicles.SIDE_BASE,
        turn=3,
    )
    if kind not in ("sedan", "taxi"):
        return (side,)
    front = View(
        "front",
        partial(vehicles.car_front, kind=kind),
        "standing",
        "road",
        vehicles.FRONT_BASE,
        weight=0.4,
        turn=3,
    )
    return (side, front)


def _dog_leaves() -> list[Leaf]:
    leaves = []
    for name, breed in dogs.BREEDS.items():
        pair = next(n for n, b in dogs.BREEDS.items() if b.palette == breed.palette and n != name)
        leaf = Leaf(
            name,
            ("animal", "dog"),
            "dog",
            "breed",
            _dog_views(name),
            (0.68, 0.98),
            pair,
            breed.palette,
        )
        leaves.append(leaf)
    return leaves


def _one(
    name, path, coarse, colour, draw, posture, habitat, base=1.0, sizes=(0.62, 0.9), **view
) -> Leaf:
    """A leaf that is seen in one way only."""
    return Leaf(
        name, path, coarse, colour, (View("usual", draw, posture, habitat, base, **view),), sizes
    )


# Shares of pictures with a face, for the four classes that people come with.
_WITH_PERSON = 0.63


def _animals() -> list[Leaf]:
    cats = [
        Leaf(name, ("animal", "cat"), "cat", "coat", _cat_views(name), (0.68, 0.95))
        for name in cats_birds.CATS
    ]
    bird, insect = ("animal", "bird"), ("animal", "insect")
    return [
        *_dog_leaves(),
        *cats,
        _one("parrot", bird, "bird", "free", cats_birds.parrot, "free", "bird"),
        _one("owl", bird, "bird", "coat", cats_birds.owl, "free", "bird"),
        _one("flamingo", bird, "bird", "defined", cats_birds.flamingo, "standing", "wader", 0.98),
        _one(
            "goldfish",
            ("animal", "fish"),
            "fish",
            "defined",
            small_animals.goldfish,
            "free",
            "fish",
            turn=15,
            stays=True,
        ),
        _one(
            "butterfly",
            insect,
            "insect",
            "free",
            small_animals.butterfly,
            "free",
            "insect",
            turn=30,
        ),
        _one(
            "ladybug",
            insect,
            "insect",
            "defined",
            small_animals.ladybug,
            "free",
            "insect",
            sizes=(0.45, 0.8),
            turn=60,
        ),
    ]


def _vehicles() -> list[Leaf]:
    cars = [
        Leaf(
            kind,
            ("vehicle", "car"),
            "car",
            "defined" if kind == "taxi" else "free",
            _car_views(kind),
            (0.65, 0.92),
        )
        for kind in ("sedan", "taxi", "van", "pickup", "bus")
    ]
    boat = _one(
        "sailboat",
        ("vehicle", "boat"),
        "boat",
        "free",
        vehicles.sailboat,
        "standing",
        "water",
        vehicles.BOAT_BASE,
        turn=3,
        stays=True,
    )
    return [*cars, boat]


def _plants() -> list[Leaf]:
    flower, citrus = ("plant", "flower"), ("plant", "fruit", "citrus")
    fungus, fruit = ("fungus", "mushroom"), ("plant", "fruit")
    base, small = plants.MUSHROOM_BASE, (0.5, 0.85)
    red, brown = partial(plants.mushrooms, red=True), partial(plants.mushrooms, red=False)
    lemon = partial(food.citrus, tone=(0.98, 0.85, 0.12))
    lime = partial(food.citrus, tone=(0.45, 0.68, 0.15))
    return [
        _one("sunflower", flower, "flower", "defined", plants.sunflower, "rising", "plant"),
        _one("daisy", flower, "flower", "defined", plants.daisy, "rising", "plant"),
        _one("tulip", flower, "flower", "free", plants.tulip, "rising", "plant"),
        _one("red_mushroom", fungus, "mushroom", "defined", red, "standing", "fungus", base),
        _one("brown_mushroom", fungus, "mushroom", "defined", brown, "standing", "fungus", base),
        _one(
            "lemon", citrus, "fruit", "defined", lemon, "standing", "food", food.CITRUS_BASE, small
        ),
        _one("lime", citrus, "fruit", "defined", lime, "standing", "food", food.CITRUS_BASE, small),
        _one(
            "strawberry",
            (*fruit, "berry"),
            "fruit",
            "defined",
            food.strawberry,
            "standing",
            "food",
            food.STRAWBERRY_BASE,
            small,
        ),
        _one(
            "apple",
            (*fruit, "pome"),
            "fruit",
            "free",
            food.apple,
            "standing",
            "food",
            food.APPLE_BASE,
            small,
        ),
        _one(
            "banana",
            (*fruit, "tropical fruit"),
            "fruit",
            "defined",
            food.banana,
            "standing",
            "food",
            food.BANANA_BASE,
        ),
    ]


def _artefacts() -> list[Leaf]:
    household, small = ("artefact", "household"), (0.55, 0.88)
    wall = {"habitat": "on a wall", "posture": "free", "stays": True}
    clock = Leaf(
        "clock",
        household,
        "household",
        "free",
        (
            View("on the wall", objects.wall_clock, **wall),
            View("alarm", objects.alarm_clock, "standing", "household", objects.ALARM_BASE),
        ),
        small,
    )
    umbrella = Leaf(
        "umbrella",
        household,
        "household",
        "free",
        (
            View("parasol", objects.parasol, "standing", "open air", objects.PARASOL_BASE),
            View(
                "drying",
                objects.umbrella_drying,
                "standing",
                "open air",
                objects.OPEN_UMBRELLA_BASE,
            ),
        ),
        (0.6, 0.9),
    )
    return [
        _one(
            "cup",
            household,
            "household",
            "free",
            objects.cup,
            "standing",
            "household",
            objects.CUP_BASE,
            small,
        ),
        clock,
        _one(
            "lamp",
            household,
            "household",
            "free",
            objects.lamp,
            "standing",
            "household",
            objects.LAMP_BASE,
            small,
        ),
        umbrella,
        _one(
            "chair",
            household,
            "household",
            "free",
            objects.chair,
            "standing",
            "furniture",
            objects.CHAIR_BASE,
            small,
        ),
        _one(
            "balloon",
            household,
            "household",
            "free",
            objects.balloons,
            "free",
            "open air",
            sizes=small,
        ),
        _one(
            "house",
            ("artefact", "building"),
            "building",
            "free",
            objects.house,
            "standing",
            "building",
            objects.HOUSE_BASE,
            turn=2,
        ),
    ]


def _with_people() -> list[Leaf]:
    instrument, clothing = ("artefact", "instrument"), ("artefact", "clothing")
    met = {"posture": "rising", "habitat": "portrait", "weight": _WITH_PERSON, "face": True}
    rest = 1 - _WITH_PERSON
    drum = (
        View("played", objects.drum_played, **met),
        View("alone", objects.drum_alone, "standing", "household", objects.DRUM_BASE, rest),
    )
    sunglasses = (
        View("worn", objects.sunglasses_worn, **met),
        View(
            "lying",
            objects.sunglasses_lying,
            "standing",
            "household",
            objects.SUNGLASSES_BASE,
            rest,
        ),
    )
    hat = (
        View("worn", objects.hat_worn, **met),
        View(
            "on a table",
            objects.hat_on_table,
            "standing",
            "household",
            objects.HAT_TABLE_BASE,
            rest / 3,
        ),
        View(
            "on a stand",
            objects.hat_on_stand,
            "standing",
            "household",
            objects.HAT_STAND_BASE,
            rest / 3,
        ),
        View("on a hook", objects.hat_on_hook, "free", "on a wall", weight=rest / 3, stays=True),
    )
    guitar = (
        View("played", objects.guitar_played, **met),
        View("alone", objects.guitar_alone, "standing", "furniture", objects.GUITAR_BASE, rest),
    )
    sizes = (0.74, 1.0)
    return [
        Leaf("drum", instrument, "instrument", "free", drum, sizes),
        Leaf("sunglasses", clothing, "clothing", "free", sunglasses, sizes),
        Leaf("hat", clothing, "clothing", "free", hat, sizes),
        Leaf("guitar", instrument, "instrument", "free", guitar, sizes),
    ]


LEAVES: dict[str, Leaf] = {
    leaf.name: leaf
    for leaf in (*_animals(), *_vehicles(), *_plants(), *_artefacts(), *_with_people())
}
WITH_PEOPLE = ("drum", "sunglasses", "hat", "guitar")


def _illusions(scrambled: bool) -> tuple[tuple[str, View], ...]:
    things = {
        "house": (pareidolia.house_face, "standing", "building", objects.HOUSE_BASE),
        "cup": (pareidolia.cup_face, "standing", "household", objects.CUP_BASE),
        "car front": (pareidolia.car_face, "standing", "road", pareidolia.CAR_FACE_BASE),
        "cloud": (pareidolia.cloud_face, "free", "open air", 1.0),
        "outlet": (pareidolia.outlet_face, "free", "on a wall", 1.0),
        "washing machine": (
            pareidolia.washer_face,
            "standing",
            "furniture",
            pareidolia.WASHER_BASE,
        ),
        "tree stump": (pareidolia.trunk_face, "standing", "fungus", pareidolia.TRUNK_BASE),
        "rock": (pareidolia.rock_face, "standing", "building", pareidolia.ROCK_BASE),
        "handbag": (pareidolia.bag_face, "standing", "household", pareidolia.BAG_BASE),
    }
    return tuple(
        (
            name,
            View(
                name,
                partial(draw, scrambled=scrambled),
                posture,
                habitat,
                base,
                stays=name in ("cloud", "outlet"),
            ),
        )
        for name, (draw, posture, habitat, base) in things.items()
    )


_PERSON = View("portrait", people.person_card, "rising", "portrait", face=True)
PROBES: dict[str, Probe] = {
    probe.name: probe
    for probe in (
        Probe("face", (("person", _PERSON),), (0.74, 1.0)),
        Probe("i-see-face", _illusions(scrambled=False), (0.65, 0.95)),
        Probe(
            "car",
            tuple(
                (kind, view)
                for kind in ("sedan", "taxi", "van", "pickup")
                for view in _car_views(kind)
            ),
            (0.65, 0.92),
        ),
        Probe(
            "dog",
            tuple((breed, view) for breed in dogs.BREEDS for view in _dog_views(breed)),
            (0.68, 0.98),
        ),
        Probe("object", _illusions(scrambled=True), (0.65, 0.95), twin="i-see-face"),
    )
}
