"""What an explorer shows of a unit's patches taken apart: small pictures of independent components."""

import numpy as np
from PIL import Image

from helpers.explorers.facts import numbers
from helpers.explorers.pictures import make_sheet
from helpers.record.patches import thumbnails
from helpers.selectivity.components import as_8bit, layer_components

COMPONENTS = 8
SIDE = 64  # pixels of a patch, as for the table of components
SHOWN = 48  # pixels of a component on the page
_TOGETHER = 32  # units whose patches are held at a time: 160 MB


def unit_components(study, layer: str, units: list[int]) -> list[dict]:
    """For each unit `address`, a sheet of one row of tiles, and `explained`, a number a tile.

    The components are those of `layer_components` of the unit's 100 strongest patches in grey (the mean
    of the three channels), each scaled to run from black to white, most of the patches' variance first;
    `explained` is the part of it. Both are shorter where the patches have fewer components; a unit without
    any, such as one that no image drives, has the address "".
    """
    found = []
    for start in range(0, len(units), _TOGETHER):
        part = units[start : start + _TOGETHER]
        patches = thumbnails(study.record, study.network, study.images, layer, part, side=SIDE)
        components = layer_components(patches.pixels.mean(2), COMPONENTS)
        pictures = as_8bit(components.pictures)
        for of_unit, explained, n in zip(
            pictures, components.explained, components.n_found.tolist(), strict=True
        ):
            found.append({"address": _sheet(of_unit[:n]), "explained": numbers(explained[:n])})
    return found


def _sheet(pictures):
    """Grey pictures (n, H, W) uint8 -> the address of a sheet; "" for none."""
    if not len(pictures):
        return ""
    small = [Image.fromarray(one).resize((SHOWN, SHOWN)).convert("RGB") for one in pictures.numpy()]
    return make_sheet(np.stack([np.asarray(one) for one in small]), COMPONENTS).address
