"""What an explorer says of a layer's units: numbers and names, taken from the record alone."""

import numpy as np
import torch

from helpers.errors import SelectivityError
from helpers.selectivity import class_frequencies, relative_activations

CURVE_POINTS = 40  # drawn of each end of the tuning curve; the kept lists hold hundreds
BARS = 5  # classes shown of each end
NEAR_ZERO = 6  # images shown between the ends, at most
DIGITS = 4  # significant; three are displayed


def chosen_units(layer, units=None) -> list[int]:
    """Unit numbers of a layer record, all by default; SelectivityError for one that is not there."""
    numbers = list(range(layer.n_units)) if units is None else [int(u) for u in units]
    wrong = [u for u in numbers if not 0 <= u < layer.n_units]
    if wrong or not numbers or len(set(numbers)) < len(numbers):
        what = f"no unit {wrong[0]}" if wrong else "each unit once, and at least one"
        raise SelectivityError(f"{layer.name}: {what}; units go from 0 to {layer.n_units - 1}")
    return numbers


def layer_facts(record, layer: str) -> dict:
    """What all units of a layer share, and where each stands among them.

    `highest`, `lowest` (pre-activations) and `top_share` (None without a positive response) hold one
    number for each unit of the whole layer; `chance` holds the share of each class among the
    recorded images, which a unit that prefers nothing would show. `largest_share` is the largest
    f_c at either end of any unit: bars drawn to it compare from unit to unit.
    """
    of_layer = record[layer]
    shares = _frequencies(record, of_layer.top, 1).amax(1)
    shares_below = _frequencies(record, of_layer.bottom, -1).amax(1)
    return {
        "layer": layer,
        "network": record.metadata["network"]["name"],
        "images": int(record.recorded.sum()),
        "classes": list(record.class_names),
        "chance": numbers(record.counts / record.counts.sum()),
        "highest": numbers(of_layer.top.values[:, 0]),
        "lowest": numbers(of_layer.bottom.values[:, 0]),
        "top_share": numbers(shares.where(shares > 0, torch.nan)),
        "largest_share": numbers(torch.maximum(shares, shares_below).amax()[None])[0],
    }


def unit_facts(record, layer: str, units: list[int], strip: int = 8) -> list[dict]:
    """One dict a unit, in the order of `units`.

    `top` and `bottom` are the two ends of its list: `kept` images, of which `curve` holds values at
    evenly spaced ranks (first and last included), and `images` the first `strip` as
    [value, class number, name], with their `mean` value (None without an image). `bars` are the
    classes with the largest f_c among the 100 first, as [class number, share], none where no
    response has the end's sign. `near_zero` has `images` and `mean` of at most `NEAR_ZERO` images
    whose spatial mean is nearest to zero; its values are those means, with their sign.
    """
    of_layer = record[layer]
    ends = {}
    for name, ranked, sign in (("top", of_layer.top, 1), ("bottom", of_layer.bottom, -1)):
        frequencies = _frequencies(record, ranked, sign)
        ends[name] = [_end(record, ranked, frequencies, unit, strip) for unit in units]
    between = [_shown(record, of_layer.near_zero, unit, min(NEAR_ZERO, strip)) for unit in units]
    return [
        {"unit": unit, "top": top, "near_zero": zero, "bottom": bottom}
        for unit, top, zero, bottom in zip(units, ends["top"], between, ends["bottom"], strict=True)
    ]


def numbers(values) -> list:
    """Rounded to `DIGITS` significant digits; None where not finite, which JSON cannot write."""
    return [float(f"{v:.{DIGITS}g}") if np.isfinite(v) else None for v in np.asarray(values)]


def _end(record, ranked, frequencies, unit, strip):
    present = ranked.images[unit] >= 0  # a unit may have fewer images than the list has places
    values = ranked.values[unit][present]
    at = np.linspace(0, max(len(values) - 1, 0), min(CURVE_POINTS, len(values))).round().astype(int)
    shares, best = frequencies[unit].sort(descending=True, stable=True)
    bars = [[c, s] for c, s in zip(best.tolist()[:BARS], numbers(shares[:BARS]), strict=True) if s]
    return {
        "kept": len(values),
        "curve": numbers(values[at]),
        **_shown(record, ranked, unit, strip),
        "bars": bars,
    }


def _shown(record, ranked, unit, n):
    images = [i for i in ranked.images[unit, :n].tolist() if i >= 0]
    values = ranked.values[unit, : len(images)]
    return {
        "images": [
            [value, int(record.classes[i]), record.names[i]]
            for value, i in zip(numbers(values), images, strict=True)
        ],
        "mean": numbers(values.double().mean()[None])[0],
    }


def _frequencies(record, ranked, sign):
    weights = relative_activations(sign * ranked.values)
    images = ranked.images[:, : weights.shape[1]]
    classes = torch.from_numpy(record.classes)[images.clamp(min=0)].masked_fill(images < 0, -1)
    return class_frequencies(weights, classes, len(record.class_names))
