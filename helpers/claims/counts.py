"""What a study shows of the classes behind each unit, for the chapter on facets and its claims.

    unit_facets(study)  how many classes drive each unit of the convolutions, a DataFrame
    untrained_facets(study)   the same before training
    class_rows(study)   the counts themselves, {layer: (U, C)}; untrained_rows, shuffled_rows: controls

What a study lacks is said by a `CannotTest`.
"""

from functools import cache

import numpy as np
import pandas as pd
import torch

from helpers import study as studies
from helpers.claims.claim import CannotTest
from helpers.claims.depth import convolutions
from helpers.selectivity.facets import class_counts, facet_units, layer_counts, listed_counts
from helpers.selectivity.profile import stages
from helpers.tables import load_table

_TABLE = "googlenet-facets"
NO_CLASS = 255  # in that table: no image, or no positive response


@cache
def class_rows(study) -> dict[str, torch.Tensor]:
    """{layer: counts (U, C)} of the convolutions: how many of each unit's images are of each class."""
    record = study.record
    if int(record.counts.max()) < 2:
        raise CannotTest("each class has one image: whatever a unit prefers, no class can recur")
    if len(record.class_names) < 2:
        raise CannotTest("all images are of one class")
    if not convolutions(record):
        raise CannotTest("the record holds no convolutions")
    return {name: layer_counts(record, name) for name in convolutions(record)}


@cache
def untrained_rows(study) -> dict[str, torch.Tensor]:
    """`class_rows` of the same architecture before training."""
    twin = studies.untrained_of(study)
    if twin is not None:
        return class_rows(twin)
    about, tensors = load_table(_TABLE)
    if about["images"].get(study.name) != study.record.metadata["images"]["digest"]:
        raise CannotTest("there is no record of this network before training on these images")
    n_classes, rows = len(study.record.class_names), {}
    for name in class_rows(study):
        classes = tensors[f"untrained/{name}"].long()
        classes = classes.masked_fill(classes == NO_CLASS, -1)
        rows[name] = class_counts(torch.ones(classes.shape), classes, n_classes)
    return rows


@cache
def shuffled_rows(study, seed: int = 0) -> dict[str, torch.Tensor]:
    """`class_rows` with the labels shuffled among the images: what units share are images, not classes."""
    record = study.record
    shown = np.flatnonzero(record.recorded)
    classes = torch.from_numpy(record.classes.copy())
    order = np.random.default_rng(seed).permutation(len(shown))
    classes[shown] = classes[shown[order]]
    return {
        name: listed_counts(record[name].top, classes, len(record.class_names))
        for name in class_rows(study)
    }


@cache
def unit_facets(study) -> pd.DataFrame:
    """`facet_units` of the convolutions, with the stage of the network that a layer belongs to."""
    return _facets(study, class_rows(study))


@cache
def untrained_facets(study) -> pd.DataFrame:
    """`unit_facets` of the same architecture before training."""
    return _facets(study, untrained_rows(study))


def _facets(study, rows):
    table = facet_units(rows, study.record.counts.tolist(), study.record.class_names)
    table.insert(1, "stage", table["layer"].map(stages(rows)))
    return table
