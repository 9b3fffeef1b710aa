"""The indexes of all four papers for the same units, in one table: what the chapter "Four lenses" compares.

    lens_units(study)        one row a unit of the convolutions, a column for each of `LENSES`
    untrained_lenses(study)  the same architecture before training on the same images; None if not known
    by_images(study)         how the indexes depend on the number of images, see `selectivity.reliability`
    without_shared_images(study)   how they go together when they are measured on different images

What a study lacks (a category, pictures) is nan in its columns. Numbers come from the study's record and its
shipped tables.
"""

from functools import cache

import numpy as np
import pandas as pd
import torch

from helpers import study as studies
from helpers.claims.claim import CannotTest
from helpers.claims.counts import unit_facets, untrained_facets
from helpers.claims.depth import convolutions
from helpers.claims.dogs import chance_of, dogs, n_images
from helpers.claims.features import NUMBERS, class_columns, picture_columns, untrained_curves
from helpers.errors import SelectivityError
from helpers.selectivity.category import category_auc, category_indexes
from helpers.selectivity.opponency import PART, first_share, listed_share
from helpers.selectivity.reliability import INDEXES, LISTS, across_halves, by_number
from helpers.tables import load_table, table_of

LENSES = {  # column: (paper, what figures call it, what it is)
    "share": ("1", "dog share", "part of the scaled response that dogs evoke"),
    "balanced": ("1", "dog share, balanced", "the same, had dogs and the rest equally many images"),
    "below": ("1", "dogs below", "dogs among the most negative 2.5 % of the images, over chance"),
    "contrast": ("2", "contrast", "mean response to dogs minus that to the rest"),
    "category_auc": ("2", "AUC", "chance that a dog drives the unit more than another image"),
    "gini": ("3", "Gini index", "how unevenly the 100 strongest images lie over the classes"),
    "flatness": ("3", "flatness", "how evenly they do, by entropy"),
    "mf_degree": ("3", "MF degree", "flatness over Gini index"),
    "mf_ratio": ("3", "MF degree / null", "the degree over that of shuffled labels"),
    "effective": ("3", "effective classes", "how many equal classes would be spread as widely"),
    "top_count": (
        "3",
        "largest count",
        "images of the most frequent class: the largest of a CoF row",
    ),
    "area": ("4", "curve area", "how slowly the ranked responses fall, in % of the largest"),
    "m_classes": ("4", "number m", "how many classes the 100 strongest images have"),
    "class_index": ("4", "class index", "(100 - m) / 99"),
    "top_share": ("4", "top class share", "part of their response that the first class has"),
    "color_index": ("4", "colour index", "how far the feature's colours lie from grey"),
    "grey_response": ("4", "grey response", "part of the response that is lost in grey"),
}
NULLS = ("mf_null", "class_index_null")  # of units that ignore classes, beside the indexes
_TWINS = (
    "balanced",
    "flatness",
    "mf_ratio",
    "top_count",
    "m_classes",
)  # of others, by construction
COMPARED = tuple(name for name in LENSES if name not in _TWINS)
_ABOUT = ["layer", "stage", "unit", "n_images", "top_class", "top"]
_CLASSES = ["gini", "flatness", "mf_degree", "mf_ratio", "effective", "top_count", "m_classes"]


@cache
def lens_units(study) -> pd.DataFrame:
    """`LENSES` and `NULLS` of every unit of the convolutions, one row a unit.

    Beside them layer, stage, unit, n_images (of the 100 strongest, those with a positive response),
    top_class, and top: the dogs' share of the strongest 2.5 % of the images. `below` and the indexes of
    papers 1 and 2 are of dogs, by the spatial maximum and minimum. The indexes of papers 3 and 4 are nan for
    a unit that no image drives.
    """
    classes, parts = class_columns(study), [_of_dogs(study, n) for n in convolutions(study.record)]
    units = classes[["layer", "stage", "unit", "n_images", "top_class"]].assign(
        **pd.concat(parts, ignore_index=True),
        **_of_classes(unit_facets(study)),
        area=classes["auc"],
        class_index=classes["class_index"],
        class_index_null=classes["class_index_null"],
        top_share=classes["top_share"].where(classes["n_images"] > 0),
    )
    try:
        pictures = picture_columns(study)
        units = units.assign(**pictures[["color_index", "grey_response"]])
    except (CannotTest, SelectivityError):
        units = units.assign(color_index=np.nan, grey_response=np.nan)
    return units[[*_ABOUT, *LENSES, *NULLS]]


@cache
def untrained_lenses(study) -> pd.DataFrame | None:
    """`lens_units` before training; for GoogLeNet without the indexes that need pictures (nan)."""
    twin = studies.untrained_of(study)
    if twin is not None:
        return lens_units(twin)
    shipped = _shipped(study)
    if shipped is None:
        return None
    about, tables = shipped
    facets = untrained_facets(study)
    layers = facets["layer"].unique()
    found = torch.cat([tables[f"untrained/{name}"] for name in layers]).double().numpy()
    found = pd.DataFrame(found, columns=about["untrained"])
    ends, chance = load_table("googlenet-opponency")[1], chance_of(study)
    ends = torch.cat([ends[f"untrained/{name}"] for name in layers]).double().numpy()
    units = facets[["layer", "stage", "unit", "n_images", "top_class"]].assign(
        **found,
        **_of_classes(facets),
        top=ends[:, 0],
        balanced=_balanced(found["share"], chance),
        below=ends[:, 1] / chance,
        class_index_null=np.nan,
        color_index=np.nan,
        grey_response=np.nan,
    )
    units["area"] = untrained_curves(study)["auc"].to_numpy()
    n = units["n_images"]
    units["class_index"] = ((n - units["m_classes"]) / (n - 1)).where(n > 1)
    return units[[*_ABOUT, *LENSES, *NULLS]]


def by_images(study, *, lists: str = LISTS[0], repeats: int = 3) -> pd.DataFrame | None:
    """`by_number` of some layers of a study, a row a layer, number and index; N/32, ..., N/2 of its N images.

    Of the first, the middle and the last convolution, or of those in the shipped table. None where the
    record keeps no single responses and no table has been made of it.
    """
    shipped = _shipped(study)
    if shipped is not None:
        parts = {name: _sizes(shipped, f"{lists}/{name}") for name in shipped[0]["layers"]}
    elif _keeps_responses(study):
        numbers = halvings(n_images(study))
        parts = {
            name: by_number(*_single(study, name), numbers, lists=lists, repeats=repeats)
            for name in _some_layers(study)
        }
    else:
        return None
    return pd.concat(parts, names=["layer"]).reset_index("layer").reset_index(drop=True)


def without_shared_images(study, *, repeats: int = 2) -> dict[str, pd.DataFrame] | None:
    """{layer: `across_halves`} of the layers of `by_images`; None as there."""
    shipped = _shipped(study)
    if shipped is not None:
        about, tables = shipped
        names = about["indexes"]
        return {
            one: pd.DataFrame(tables[f"across/{one}"].double().numpy(), names, names)
            for one in about["layers"]
        }
    if not _keeps_responses(study):
        return None
    layers = _some_layers(study)
    return {name: across_halves(*_single(study, name), repeats=repeats) for name in layers}


def halvings(n_images: int, times: int = 5) -> list[int]:
    """The numbers n/32, ..., n/4, n/2, rounded down; those of two images or more."""
    return [n_images >> step for step in range(times, 0, -1) if n_images >> step >= 2]


def called(column: str) -> str:
    """What figures call an index, with its paper: "MF degree (3)"."""
    paper, name, _ = LENSES[column]
    return f"{name} ({paper})"


def mean_over_layers(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `by_images` with its numbers averaged over the layers, a row a number and index."""
    order = {name: i for i, name in enumerate(INDEXES)}
    means = table.drop(columns="layer").groupby(["images", "index"], as_index=False).mean()
    place = means["index"].map(order)
    return means.iloc[np.lexsort((place, means["images"]))].reset_index(drop=True)


def _keeps_responses(study):
    return all({"max", "min"} <= study.record[n].responses.keys() for n in _some_layers(study))


def _some_layers(study):
    layers = convolutions(study.record)
    return list(dict.fromkeys([layers[0], layers[len(layers) // 2], layers[-1]]))


def _single(study, name):
    """What `by_number` takes: responses, labels, classes of the category, number of classes."""
    record = study.record
    shown = torch.from_numpy(record.recorded)
    responses = {which: record[name].responses[which][shown] for which in ("max", "min")}
    labels = torch.from_numpy(record.classes)[shown]
    return responses, labels, dogs(study)[0], len(record.class_names)


def _sizes(shipped, key):
    about, tables = shipped
    values = tables[key].double().flatten(0, 1).numpy()
    rows = pd.DataFrame(values, columns=about["columns"])
    places = pd.MultiIndex.from_product([about["numbers"], about["indexes"]])
    rows.insert(0, "images", places.get_level_values(0))
    rows.insert(0, "index", places.get_level_values(1))
    return rows


def _of_dogs(study, name):
    """The columns of papers 1 and 2 of a layer; nan where the images have no dogs, or nothing else."""
    layer, columns = study.record[name], ["share", "balanced", "contrast"]
    nothing = dict.fromkeys([*columns, "top", "below", "category_auc"], np.nan)
    try:
        classes, images = dogs(study)
    except CannotTest:
        return pd.DataFrame(nothing, index=range(layer.n_units))
    table = category_indexes(layer, classes)[columns]
    top, bottom = first_share(layer, "max / min", n_images(study), PART)
    table["top"] = listed_share(top, images)
    table["below"] = listed_share(bottom, images) / chance_of(study)
    table["category_auc"] = _category_auc(study, name, images)
    return table


def _balanced(share, chance):
    """The share if dogs and the rest had equally many images, from that at the proportion they have."""
    return share / chance / (share / chance + (1 - share) / (1 - chance))


def _category_auc(study, name, images):
    responses, shown = study.record[name].responses, torch.from_numpy(study.record.recorded)
    if "max" in responses:
        return category_auc(responses["max"][shown], images[shown])
    shipped = _shipped(study)
    return np.nan if shipped is None else shipped[1][f"trained/{name}"].double()


def _of_classes(facets):
    """The columns of paper 3 and m, nan for a unit without images."""
    names = {"degree": "mf_degree", "ratio": "mf_ratio", "n_classes": "m_classes"}
    driven = facets["n_images"] > 0
    columns = facets.rename(columns=names)[_CLASSES].where(driven, np.nan)
    return columns.assign(mf_null=facets["degree_null"])


def _shipped(study):
    """The shipped table of this network on these images, None if there is none."""
    return table_of(study, NUMBERS)
