"""Which layers of units a network has, before anything is recorded: `python -m helpers layers`."""

import pandas as pd

from helpers.record.receptive_field import trace_layers
from helpers.record.taps import match_layers


def layers_of(network, layers: str = "*") -> pd.DataFrame:
    """What a unit is in each layer of a network, one row a layer, in the order of the forward pass.

    Columns: layer; kind, the module's class; units; map, places (height x width) at which a unit answers to
    one image, tokens counting as a row of places; sees, the box of pixels that can change one answer, "image"
    where it holds the whole input, and for tokens, whose places are not followed (those of a vision
    transformer's first attention see one patch each); stride, pixels between two places. layers: a glob, or
    several split by commas. Raises SelectivityError, with near names, for a pattern that no layer matches.
    """
    names = match_layers(list(network.taps), layers)
    rows = []
    for name, geometry in trace_layers(network, names).items():
        size, whole = geometry.field.size, network.input_size
        everything = all(s >= w for s, w in zip(size, whole, strict=True))
        rows.append(
            {
                "layer": name,
                "kind": type(network.module.get_submodule(name)).__name__,
                "units": geometry.units,
                "map": _by(geometry.map_size),
                "sees": "image" if everything else _by(size),
                "stride": geometry.field.stride[0],
            }
        )
    return pd.DataFrame(rows)


def _by(size):
    return "{} x {}".format(*size)
