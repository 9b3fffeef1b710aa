"""Maps of units: every unit a point, and every point opens its unit.

    ends_map(study, units, chance=...)     a category at both ends of each unit's responses
    hue_map(study, units)                  units by hue and colour index
    profile_map(study, units, "gini", ...)  an index in each layer

`units` are rows of a table with `layer`, `unit` and the columns that the view names. A map is a piece of HTML
like the explorer: it carries its data, style and script, works on a page and in a notebook, by pointer and by
keyboard, and opens a unit in a card of its own; where an explorer on the page has it, the card leads there.
"""

from dataclasses import asdict, dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
import torch
from matplotlib.colors import to_hex
from matplotlib.ticker import MaxNLocator
from PIL import Image

from helpers.errors import SelectivityError
from helpers.explorers.facts import numbers
from helpers.explorers.fragment import fragment
from helpers.explorers.pictures import (
    feature_tiles,
    has_pictures,
    make_sheet,
    shipped_tiles,
    thumbnail,
)
from helpers.figures.features import hue_colours
from helpers.record.patches import thumbnails
from helpers.selectivity.classes import layer_frequencies
from helpers.selectivity.color import COLOR_SELECTIVE
from helpers.selectivity.profile import stages

SIDE = 48  # pixels of a picture
QUALITY = 55  # of WebP; hundreds of pictures, one of them seen at a time
COLUMNS = 32  # of the sheet: WebP allows 16,383 pixels, and a network has thousands of units
CLASSES = 3  # named of a unit
TILE = 0.07  # of the wheel's width
HUES = {"red": 27, "yellow": 90, "green": 153, "cyan": 207, "blue": 270, "magenta": 333}


@dataclass(frozen=True)
class UnitMap:
    """Units as points of one view. Made by `ends_map`, `hue_map` and `profile_map`.

    data: all that the page is told, as plain lists and numbers, one entry a point.
    """

    name: str
    data: dict

    @cached_property
    def html(self) -> str:
        """The map as a fragment of HTML; the same map gives the same text."""
        return fragment("unit_map", self.name, self.data)

    def __repr__(self) -> str:
        return f"<UnitMap, {self.name}: {len(self.data['unit'])} units>"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/html": self.html, "text/plain": repr(self)}


def ends_map(
    study,
    units: pd.DataFrame,
    *,
    chance: float,
    top: str = "top_max",
    bottom: str = "bottom_min",
    threshold: float = 0.7,
    category: str = "dogs",
) -> UnitMap:
    """How much of either end of a unit's responses a category fills; paper 1, figure 2.

    Columns `top` and `bottom`: the category's shares, in [0, 1]; `index`: units with `threshold` or more
    are marked, as in `figures.ends_scatter`. chance: the category's share of all images, a line in both
    directions. The first unit shown is the marked one highest up. On the card is the unit's feature, else a
    picture shipped with the book.
    """
    ticks = [[t, f"{100 * t:g} %"] for t in (0, 0.25, 0.5, 0.75, 1)]
    axis = {"from": -0.02, "to": 1.02, "ticks": ticks, "line": float(f"{chance:.4g}")}
    units = _known(units, (top, bottom))
    marked = (units["index"] >= threshold).to_numpy(int)
    n = int(marked.sum())
    key = [
        ["mark", f"index {threshold:g} or more: {n:,} units"],
        ["dot", f"index below {threshold:g}: {len(units) - n:,}"],
    ]
    return _unit_map(
        study,
        units,
        f"{category.capitalize()} among the strongest and among the most negative images",
        _feature_pictures,
        view="ends",
        values=[
            _value(f"{category} among the strongest images", "percent", units[top]),
            _value(f"{category} among the most negative images", "percent", units[bottom]),
            _value("index", "number", units["index"]),
        ],
        start=int((units[bottom] + marked).argmax()),
        mark=marked.tolist(),
        key=[*key, ["dash", f"chance: {100 * chance:.0f} % of all images"]],
        x={**axis, "name": f"{category} among the strongest images"},
        y={**axis, "name": f"{category} among the most negative images"},
    )


def hue_map(study, units: pd.DataFrame, features: dict | None = None) -> UnitMap:
    """Units by the hue and the colour index of their features, around the grey in the middle.

    Columns: `hue` in degrees (90, yellow, is up, as in `figures.hue_wheel`), `color_index`, `color`,
    `grey_response`. A feature stands in its place where it covers none with a larger index; the other
    units are dots in their hue. The first unit shown is the one with the largest index. features:
    {layer: pictures (n, 3, H, W) in [0, 1], or None} of the rows of each layer, in their order, where
    they were made before; made here otherwise.
    """
    made = {
        layer: dict(zip(rows["unit"], features[layer], strict=True))
        for layer, rows in units.groupby("layer")
        if features is not None and features.get(layer) is not None
    }
    units = _known(units, ("hue", "color_index"))
    units = units.sort_values("color_index", ascending=False, kind="stable", ignore_index=True)
    pictured = bool(made) or features is None and has_pictures(study, units["layer"].iloc[0])
    shown = ", with its neuron feature where there is room" * pictured
    key = [["dot", f"each of {len(units):,} units, in its hue{shown}"]]
    return _unit_map(
        study,
        units,
        "Units by hue and colour index",
        _feature_pictures if features is None else partial(_made_pictures, made),
        view="hues",
        values=[
            _value("hue", "degrees", units["hue"]),
            _value("colour index", "number", units["color_index"]),
            _value("colour", "words", units["color"]),
            _value("grey response", "percent", units["grey_response"]),
        ],
        colour=[to_hex(one) for one in hue_colours(units["hue"].to_numpy())],
        tile=TILE if pictured else 0,
        radius=41,
        rings=[0.2, COLOR_SELECTIVE, 0.6, 0.8, 1],
        selective=COLOR_SELECTIVE,
        names=[[name, hue] for name, hue in HUES.items()],
        key=[
            [
                "circle",
                "angle: hue; the further out, the larger the colour index (numbers on the rings)",
            ],
            ["solid", f"colour index {COLOR_SELECTIVE:g}: colour-selective from here outwards"],
            *key,
        ],
    )


def profile_map(
    study, units: pd.DataFrame, column: str, name: str, *, luck: float | None = None
) -> UnitMap:
    """An index of every unit, layer by layer (stage by stage, where a network has blocks of layers).

    column: the index, called `name`; luck: its value for a unit that ignores classes, a line. On the card is
    the unit's strongest patch (features of a whole network take a minute), else a picture shipped with
    the book. The first unit shown is the one with the largest value.
    """
    units = _known(units, (column,))
    of_layer = stages(study.record.layers)
    found = [of_layer[layer] for layer in units["layer"].unique()]
    places = {stage: i for i, stage in enumerate(dict.fromkeys(found))}
    values = units[column].to_numpy(float)
    ends = [values.min(), values.max(), *([] if luck is None else [luck])]
    return _unit_map(
        study,
        units,
        f"{name.capitalize()}, layer by layer",
        _patch_pictures,
        view="profile",
        values=[_value(name, "number", units[column])],
        start=int(values.argmax()),
        column=[places[stage] for stage in found],
        x={
            "from": -0.5,
            "to": len(places) - 0.5,
            "ticks": [[i, stage] for stage, i in places.items()],
            "line": None,
        },
        y=value_axis(ends, name, luck),
        key=[
            ["dot", f"each of {len(units):,} units"],
            *([["dash", f"by luck: {luck:g}"]] if luck is not None else []),
        ],
    )


def value_axis(values, name: str, line: float | None) -> dict:
    """An axis of numbers that holds all values, with round ticks and a line across it."""
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(min(values), max(values))
    return {
        "from": float(ticks[0]),
        "to": float(ticks[-1]),
        "ticks": [[round(float(t), 6), f"{t:g}".replace("-", "−")] for t in ticks],
        "line": line,
        "name": name,
    }


def _unit_map(study, units, name, pictures, *, values, start=0, **view):
    layers = list(dict.fromkeys(units["layer"]))
    sheet, picture, what = _sheet(study, units, layers, pictures)
    data = {
        "study": study.name,
        "network": study.record.metadata["network"]["name"],
        "classes": list(study.record.class_names),
        "layers": layers,
        "layer": [layers.index(layer) for layer in units["layer"]],
        "unit": [int(unit) for unit in units["unit"]],
        "values": values,
        "top": _top_classes(study.record, units, layers),
        "sheet": sheet,
        "picture": picture,
        "what": what,
        "start": start,
        **{"mark": [0] * len(units), "tile": 0},
        **view,
    }
    return UnitMap(f"{name}, {data['network']}", data)


def _known(units, columns):
    """The rows with finite numbers in the columns."""
    known = units[np.isfinite(units[list(columns)].astype(float)).all(axis=1)]
    if known.empty:
        raise SelectivityError(f"no unit has a value of {' and '.join(columns)}: nothing to show")
    return known.reset_index(drop=True)


def _value(name, written, values):
    listed = [None if pd.isna(v) else v for v in values] if written == "words" else numbers(values)
    return {"name": name, "written": written, "values": listed}


def _top_classes(record, units, layers):
    """[[class, share], ...] of each unit, the largest shares of its strongest images."""
    found = {}
    for layer in layers:
        shares, best = layer_frequencies(record, layer)[0].topk(
            min(CLASSES, len(record.class_names))
        )
        found[layer] = [
            [[c, float(f"{s:.2g}")] for c, s in zip(cs, ss, strict=True) if s]
            for cs, ss in zip(best.tolist(), shares.tolist(), strict=True)
        ]
    return [found[layer][unit] for layer, unit in zip(units["layer"], units["unit"], strict=True)]


def _sheet(study, units, layers, pictures):
    """(sheet or None, the tile of each unit or -1, {number of a layer: what its pictures are})."""
    tiles, place, what = [], {}, {}
    for number, layer in enumerate(layers):
        wanted = units["unit"][units["layer"] == layer].tolist()
        for what[number], of_unit in pictures(study, layer, wanted)[:1]:
            for unit, tile in of_unit.items():
                place[layer, unit] = len(tiles)
                tiles.append(np.asarray(Image.fromarray(tile).resize((SIDE, SIDE))))
    sheet = asdict(make_sheet(np.stack(tiles), COLUMNS, quality=QUALITY)) if tiles else None
    keys = zip(units["layer"], units["unit"], strict=True)
    return sheet, [place.get(key, -1) for key in keys], what


def _feature_pictures(study, layer, units):
    """[(what the pictures are, {unit: tile})], of what there is."""
    if not has_pictures(study, layer):
        return shipped_tiles(study.record, layer, units)
    tiles = feature_tiles(study, layer, units, SIDE)
    return [("neuron feature", dict(zip(units, tiles, strict=True)))]


def _patch_pictures(study, layer, units):
    if not has_pictures(study, layer):
        return shipped_tiles(study.record, layer, units)
    found = thumbnails(study.record, study.network, study.images, layer, units, k=1, side=SIDE)
    tiles = (found.pixels[:, 0].permute(0, 2, 3, 1) * 255).round().byte().numpy()
    return [("strongest patch", dict(zip(units, tiles, strict=True)))]


def _made_pictures(made, study, layer, units):
    of_layer = made.get(layer, {})
    seen = {unit: of_layer[unit] for unit in units if unit in of_layer}
    tiles = {u: thumbnail(p, torch.ones(p.shape[1:], dtype=bool), SIDE) for u, p in seen.items()}
    return [("neuron feature", tiles)] if tiles else []
