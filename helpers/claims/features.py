"""What a study shows of its units' features, colours and classes, for the chapter on them and its claims.

    class_columns(study)    which classes drive each unit of the convolutions, a DataFrame
    picture_columns(study)  what the pictures of the same units show, in the same order
    feature_units(study)    both; the control is the network before training: `untrained_...`
    first_frequencies(study)  how fine the features of the first convolution are
    image_hues_of(study)    how much of each hue is in its images; image_indexes_of: and how much colour
    answers_in_grey(study)  on which images its network is right, in colour and in grey

Numbers on pictures come from the shipped table of a study where there is one, else from its images. What a
study lacks is said by a `CannotTest`.
"""

from functools import cache

import numpy as np
import pandas as pd
import torch

from helpers import study as studies
from helpers.claims.claim import CannotTest, has_pictures
from helpers.claims.counts import untrained_rows
from helpers.claims.depth import convolutions
from helpers.features import crop_numbers, layer_features
from helpers.index import CURVE, OF_PICTURES, picture_units
from helpers.ontology import ontology_of
from helpers.record.images import WorldImages, batches
from helpers.record.patches import as_shown
from helpers.replay import RIGHT, right_in_grey
from helpers.selectivity.classes import class_selectivity, class_units
from helpers.selectivity.color import color_selectivity, image_hues
from helpers.selectivity.feature import (
    activation_curve,
    area_percent,
    curve_area,
    spatial_frequency,
)
from helpers.selectivity.profile import stages
from helpers.tables import load_table, table_of

NUMBERS = "googlenet-number-of-images"  # a table
COLUMNS = (*OF_PICTURES, "structure", "variance_among")
_BATCH = 128


@cache
def class_columns(study) -> pd.DataFrame:
    """`class_units` of convolutions, with nodes of the ontology, `stage` and `auc`, the curves' area."""
    record = study.record.keep_layers(convolutions(study.record))
    if not record.layers:
        raise CannotTest("the record holds no convolutions")
    units = class_units(record, ontology_of(record.class_names).without_repeats())
    curves = {n: activation_curve(record[n].top.first(CURVE).values) for n in record.layers}
    if not any((one > 0).any() for one in curves.values()):
        raise CannotTest("no unit of the convolutions has a positive response")
    areas = area_percent({name: curve_area(one) for name, one in curves.items()})
    units["auc"] = np.concatenate([areas[name].numpy() for name in record.layers])
    units.insert(1, "stage", units["layer"].map(stages(record.layers)))
    return units


@cache
def picture_columns(study) -> pd.DataFrame:
    """`COLUMNS` of every unit of the convolutions, in the order of `class_columns`.

    Colour index, hue, colour, grey response and response to its own feature are those of
    `helpers.index`, structure and variance_among those of `helpers.features.crop_numbers`.
    """
    shipped = _shipped(study)
    if shipped is None:
        return measured_pictures(study)
    about, tables = shipped
    layers = convolutions(study.record)
    numbers = torch.cat([tables[f"features/{name}"] for name in layers]).double().numpy()
    units = pd.DataFrame(numbers, columns=about["columns"])
    names = np.array([*about["colors"], "none"], dtype=object)  # -1, the last, is none
    units["color"] = names[units["color"].astype(int)]
    return units[list(COLUMNS)]


def measured_pictures(study) -> pd.DataFrame:
    """`picture_columns` made of the images."""
    _needs_images(study)
    layers = convolutions(study.record)
    record, network, images = study.record.keep_layers(layers), study.network, study.images
    parts = [pd.DataFrame(crop_numbers(record, network, images, name)) for name in layers]
    units = picture_units(record, network, images, progress=False)
    return units.join(pd.concat(parts, ignore_index=True))[list(COLUMNS)]


def feature_units(study) -> pd.DataFrame:
    """`class_columns` beside `picture_columns`."""
    return class_columns(study).join(picture_columns(study))


def untrained_features(study) -> pd.DataFrame | None:
    """`feature_units` of the same architecture before training; None where its features are not known."""
    twin = studies.untrained_of(study)
    return None if twin is None else feature_units(twin)


@cache
def untrained_classes(study) -> pd.DataFrame:
    """layer, stage, unit, n_images and class_index of the units before training; see `untrained_rows`."""
    twin = studies.untrained_of(study)
    if twin is not None:
        return class_columns(twin)[["layer", "stage", "unit", "n_images", "class_index"]]
    parts = []
    for name, rows in untrained_rows(study).items():
        n = rows.sum(1).int()
        index = class_selectivity(rows, n)
        columns = {"unit": range(len(rows)), "n_images": n, "class_index": index}
        parts.append(pd.DataFrame({"layer": name, **columns}))
    units = pd.concat(parts, ignore_index=True)
    units.insert(1, "stage", units["layer"].map(stages(units["layer"].unique())))
    return units


@cache
def untrained_curves(study) -> pd.DataFrame | None:
    """layer, unit, n_images and auc of the units before training; None where they are not known."""
    twin = studies.untrained_of(study)
    if twin is not None:
        return class_columns(twin)[["layer", "unit", "n_images", "auc"]]
    shipped = table_of(study, NUMBERS)
    if shipped is None:
        return None
    about, tables = shipped
    units = untrained_classes(study)[["layer", "unit", "n_images"]]
    column = about["untrained"].index("area")
    areas = {
        name: tables[f"untrained/{name}"][:, column].double() for name in units["layer"].unique()
    }
    return units.assign(auc=torch.cat(list(area_percent(areas).values())).numpy())


@cache
def first_frequencies(study) -> torch.Tensor:
    """`spatial_frequency` (U,) of the features of the first convolution."""
    layer, shipped = class_columns(study)["layer"].iloc[0], _shipped(study)
    if shipped is not None and shipped[0]["layers"][0] == layer:
        return shipped[1]["frequency"]
    _needs_images(study)
    found = layer_features(study.record, study.network, study.images, layer)
    return spatial_frequency(found.pictures, found.valid)


@cache
def image_hues_of(study) -> torch.Tensor:
    """`image_hues` (360,) of all images of a study, as its network sees them."""
    return _of_images(study, "hues/images", image_hues).reshape(-1, 360).sum(0)


@cache
def image_indexes_of(study) -> torch.Tensor:
    """`color_selectivity` (N,) of single images of a study, as its network sees them."""

    def index_of(images):
        return color_selectivity(images, torch.zeros(images[:, 0].shape))

    return _of_images(study, "index/images", index_of).double()


def _of_images(study, key, measure):
    """What a function gives for batches of the images, one after the other, or the shipped table has."""
    shipped = _shipped(study)
    if shipped is not None and key in shipped[1]:
        return shipped[1][key]
    _needs_images(study)
    preprocess, images = study.network.preprocess, study.images
    show = as_shown(preprocess)
    found = batches(images, preprocess, range(len(images)), _BATCH)
    return torch.cat([measure(show(batch)) for read, batch, _ in found if len(read)])


@cache
def answers_in_grey(study) -> pd.DataFrame:
    """class_name and `RIGHT` (bool) of each image whose class the network can name.

    Of the world and of GoogLeNet (on the sample of ImageNet) from the shipped table, else by the network.
    """
    if _shipped(study) is not None and study.name in ("world", "googlenet"):
        return shipped_answers("imagenet" if study.name == "googlenet" else "world")
    _needs_images(study)
    known = {name: i for i, name in enumerate(study.network.class_names or ())}
    wanted = np.array([known.get(name, -1) for name in study.images.class_names])
    if not (wanted >= 0).any():
        raise CannotTest("the network's classes are not those of the images")
    wanted = wanted[study.images.classes]
    right = right_in_grey(study.network, study.images, wanted, _BATCH, progress=False)
    return _answers(right, np.array(study.images.class_names)[study.images.classes[wanted >= 0]])


def shipped_answers(which: str) -> pd.DataFrame:
    """`answers_in_grey` from the shipped tables.

    which: "world"; or, of GoogLeNet, "imagenet", a photograph of each of 1,000 classes, or "dogs".
    """
    tables = load_table("world-features" if which == "world" else "googlenet-features")[1]
    if which == "world":
        class_names = WorldImages().class_names  # its record may not be there yet
    else:
        shown = {"imagenet": "googlenet-imagenet", "dogs": "googlenet"}[which]
        class_names = studies.open_study(shown).record.class_names
    right = tables[f"errors/{which}"].bool()
    return _answers(right, np.array(class_names)[tables[f"class/{which}"].long()])


def _answers(right, class_names):
    return pd.DataFrame(right.numpy(), columns=RIGHT).assign(class_name=class_names)


def _needs_images(study):
    if not has_pictures(study):
        raise CannotTest("this is measured on the images and the network, which are not here")


def _shipped(study):
    """The shipped table of this network on these images, None if there is none."""
    return table_of(study, f"{study.name}-features")
