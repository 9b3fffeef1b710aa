"""Numbers on the independent components of units' patches, for the chapter on facets and its claims.

    component_units(study)    likeness, spectral_likeness and sharpness of every unit of the convolutions
    component_chance(study)   the same of patches and components that no single unit is behind

Grey is the mean of the three channels.
"""

from functools import cache

import numpy as np
import pandas as pd
import torch

from helpers.claims.claim import CannotTest, has_pictures
from helpers.claims.depth import convolutions
from helpers.errors import SelectivityError
from helpers.record.patches import thumbnails
from helpers.selectivity.components import (
    layer_components,
    likeness,
    likeness_between,
    sharpness,
    spectral_likeness,
)
from helpers.selectivity.facets import FIRST
from helpers.tables import load_table

SIDE = 64  # pixels of a patch
_MIXED = 32  # units made of patches that are drawn from all of a layer's


def component_numbers(patches: torch.Tensor) -> tuple[pd.DataFrame, dict[str, float]]:
    """Numbers on the components of a layer's grey patches (U, k, H, W), a row a unit, and their chance.

    Chance: likeness_between, of components of two units; likeness_mixed and sharpness_mixed, of units
    whose patches are drawn at random from all of the layer's.
    """
    found = layer_components(patches)
    units = {
        "likeness": likeness(found.pictures),
        "spectral_likeness": spectral_likeness(found.pictures),
        "sharpness": sharpness(found.pictures),
        "n_found": found.n_found,
        "converged": found.converged,
    }
    everyone, k = patches.flatten(0, 1), patches.shape[1]
    drawn = np.random.default_rng(0).permutation(len(everyone))[: _MIXED * k]
    mixed = layer_components(everyone[drawn[: len(drawn) // k * k]].unflatten(0, (-1, k))).pictures
    chance = {
        "likeness_between": likeness_between(found.pictures),
        "likeness_mixed": likeness(mixed),
        "sharpness_mixed": sharpness(mixed),
    }
    units = pd.DataFrame({name: value.double().cpu().numpy() for name, value in units.items()})
    return units, {name: value.nanmean().item() for name, value in chance.items()}


@cache
def component_units(study) -> pd.DataFrame:
    """`component_numbers` of every unit of the convolutions, with its layer and unit."""
    parts = _numbers(study)
    tables = [p.assign(layer=n, unit=range(len(p))) for n, (p, _) in parts.items()]
    return pd.concat(tables, ignore_index=True)


def component_chance(study) -> pd.DataFrame:
    """The chance of `component_numbers`, layers x numbers."""
    return pd.DataFrame({name: chance for name, (_, chance) in _numbers(study).items()}).T


@cache
def _numbers(study):
    """{layer: numbers}: from the shipped table if there is one of these images, else from the images."""
    layers = convolutions(study.record)
    try:
        about, tensors = load_table(f"{study.name}-facets")
    except SelectivityError:
        about = {"images": {}}
    if about["images"].get(study.name) == study.record.metadata["images"]["digest"]:
        return {
            name: (
                pd.DataFrame(
                    tensors[f"components/{name}"].double().numpy(), columns=about["columns"]
                ),
                dict(zip(about["chance"], tensors[f"chance/{name}"].tolist(), strict=True)),
            )
            for name in layers
        }
    if not has_pictures(study):
        raise CannotTest("independent components are made of the images, which are not here")
    return {name: component_numbers(grey_patches(study, name)) for name in layers}


def grey_patches(study, layer: str) -> torch.Tensor:
    """The strongest patches of a layer's units, (U, 100, 64, 64)."""
    found = thumbnails(study.record, study.network, study.images, layer, k=FIRST, side=SIDE)
    return found.pixels.mean(2)
