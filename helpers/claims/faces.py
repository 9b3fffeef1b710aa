"""What a study shows of faces, illusory faces, cars and dogs, for the chapter on categories and its claims.

    faces = faces_study(study)          the same network on the four categories (and matched objects)
    units = four_units(study)           how selective every unit is for each of the four, a DataFrame
    untrained_units(study)              the same of the network before training
    face_units(study)                   the units that tell faces from cars and dogs

What a study lacks is said by a `CannotTest`.
"""

from functools import cache

import numpy as np
import pandas as pd
import torch

from helpers import study as studies
from helpers.categories import classes_of, one_each
from helpers.claims.claim import CannotTest
from helpers.errors import SelectivityError
from helpers.record import Record
from helpers.selectivity.category import category_auc
from helpers.selectivity.opponency import class_inversions
from helpers.selectivity.profile import best_unit_auc, category_units, stages
from helpers.tables import load_table

FOUR = ("face", "i-see-face", "car", "dog")
GOOD_AUC = 0.9  # nine times in ten a face unit puts a random face above a random car or dog
FEWEST = 10  # if fewer units are as good, the best ten are
_UNTRAINED = "googlenet-faces-untrained"


def faces_study(study):
    """The study itself if its images are of the four categories, else the one of the same network."""
    if set(FOUR) <= set(study.record.class_names):
        return study
    try:
        return studies.faces_of(study)
    except SelectivityError as error:
        raise CannotTest(str(error)) from None


@cache
def four(study) -> Record:
    """The record of the four categories alone: each of them is held against the other three."""
    try:
        return faces_study(study).record.select(FOUR)
    except SelectivityError as error:  # a shipped record without extremes of each class
        raise CannotTest(str(error)) from None


@cache
def four_units(study, statistic: str = "max") -> pd.DataFrame:
    """`category_units` of the four categories, with the stage of the network that a layer belongs to."""
    return _staged(category_units(four(study), one_each(FOUR), statistic))


@cache
def untrained_units(study) -> pd.DataFrame:
    """`four_units` of the same architecture before training: contrast, luck and auc."""
    faces = faces_study(study)
    twin = studies.untrained_of(faces)
    if twin is not None:
        return four_units(twin)
    about, tables = load_table(_UNTRAINED)
    if about["images"].get(faces.name) != faces.record.metadata["images"]["digest"]:
        raise CannotTest("there is no record of this network before training on the same images")
    parts = []
    for layer in about["layers"]:
        values = tables[f"units/{layer}"].float().numpy()  # (3, categories, U)
        for category, columns in zip(FOUR, values.swapaxes(0, 1), strict=True):
            named = dict(zip(("contrast", "luck", "auc"), columns, strict=True))
            parts.append(
                pd.DataFrame(
                    {"layer": layer, "unit": range(values.shape[2]), "category": category, **named}
                )
            )
    return _staged(pd.concat(parts, ignore_index=True))


@cache
def best_face_units(study) -> dict[str, np.ndarray]:
    """{layer: `best_unit_auc` for faces}, of the trained network."""
    record = four(study)
    return {name: _best(record, name) for name in record.layers}


@cache
def best_untrained(study) -> dict[str, np.ndarray]:
    """The same before training."""
    faces = faces_study(study)
    twin = studies.untrained_of(faces)
    if twin is not None:
        return best_face_units(twin)
    untrained_units(study)  # refuses a table of other images
    about, tables = load_table(_UNTRAINED)
    return dict(zip(about["layers"], tables["best"].double().numpy(), strict=True))


@cache
def face_units(study, without: str | None = None) -> pd.DataFrame:
    """The units that tell faces from cars and dogs, best first: layer, unit, auc.

    Illusory faces and their matched objects do not take part in the choice, so that they can be a test of
    it; nor do images with `without` in their names. Units of the last layer are outputs and left out.
    """
    record = faces_study(study).record.select(("face", "car", "dog"))
    kept = torch.tensor([without is None or without not in name for name in record.names])
    member = torch.from_numpy(record.classes == 0)[kept]
    parts = []
    for name in hidden_layers(record):
        aucs = category_auc(responses_of(record, name)[kept], member).numpy()
        parts.append(pd.DataFrame({"layer": name, "unit": range(len(aucs)), "auc": aucs}))
    units = pd.concat(parts).sort_values("auc", ascending=False, kind="stable", ignore_index=True)
    return units[: max(FEWEST, int((units["auc"] >= GOOD_AUC).sum()))]


def pairs(study, units: pd.DataFrame) -> tuple[torch.Tensor, torch.Tensor]:
    """Responses (P, U) of the given units to the illusory faces and to the objects matched to them."""
    record = faces_study(study).record
    if "object" not in record.class_names:
        raise CannotTest("the images hold no objects matched to the illusory faces")
    rows = [
        [n for n, c in enumerate(record.classes) if record.class_names[c] == category]
        for category in ("i-see-face", "object")
    ]
    if len(rows[0]) != len(rows[1]):
        raise CannotTest("the illusory faces and the objects are not pairs")
    if not len(units):
        raise CannotTest("there are no such units to show the pairs to")
    responses = _responses_of_units(record, units)
    return responses[rows[0]], responses[rows[1]]


def other_units(study, units: pd.DataFrame) -> pd.DataFrame:
    """The units of the same layers that are not among `units`: layer, unit."""
    table = four_units(study)
    table = table[(table["category"] == "face") & table["layer"].isin(set(units["layer"]))]
    chosen = set(zip(units["layer"], units["unit"], strict=True))
    left = [pair not in chosen for pair in zip(table["layer"], table["unit"], strict=True)]
    return table.loc[left, ["layer", "unit"]]


def rivals(study, units: pd.DataFrame, without: str | None = None) -> pd.DataFrame:
    """What drives face units beside faces, among the many classes of the wider study; one row a unit.

    `inversions`: the share of the other classes with a larger mean response than faces; `rival`: the
    class with the largest. Faces are the world's pictures with a visible face, whatever their class,
    and Caltech's *Faces* for GoogLeNet. Units of layers that the wider study does not hold are left out, and
    so are the classes of the category `without`.
    """
    record = study.record
    units = units[units["layer"].isin(record.layers)]
    if not len(units):
        raise CannotTest("the wider study does not hold the layers of these units")
    means, is_face, names = _means_of_faces(study)
    rows = torch.stack([means[u.layer][u.unit] for u in units.itertuples()])
    if without is not None:
        left_out = classes_of(without, record.class_names)
        rows[:, : len(left_out)] = rows[:, : len(left_out)].masked_fill(left_out, torch.nan)
    inversions = class_inversions(rows, is_face)[:, 0]
    best = rows.masked_fill(is_face | rows.isnan(), -torch.inf).argmax(1)
    return units.assign(inversions=inversions.numpy(), rival=[names[i] for i in best.tolist()])


def within_sources(study, units: pd.DataFrame) -> pd.DataFrame:
    """AUC of faces against another kind of image from the same collection of photographs: units x pairs.

    The face probe's photographs are named by collection. What tells faces from the rest *within* one is not
    the collection's look. CannotTest where no collection holds faces and something else.
    """
    record = faces_study(study).record
    kinds = np.array(record.class_names)[record.classes]
    sources = np.array([name.split("/")[-1].split("_")[0] for name in record.names])
    responses, found = _responses_of_units(record, units), {}
    for source in np.unique(sources[kinds == "face"]):
        for kind in np.unique(kinds[(sources == source) & (kinds != "face")]):
            rows = torch.from_numpy((sources == source) & np.isin(kinds, ("face", kind)))
            member = torch.from_numpy(kinds == "face")[rows]
            found[f"{source}: face, {kind}"] = category_auc(responses[rows], member).numpy()
    if not found:
        raise CannotTest("no collection of these images holds both faces and something else")
    return pd.DataFrame(found, index=units.index)


def within_classes(study, units: pd.DataFrame) -> pd.DataFrame:
    """AUC of a visible face against none among pictures of one class: units x classes.

    What a unit selective for faces in the probe owes to the face, and not to the hat around it. Only the
    world tells in which pictures a face is visible.
    """
    visible, record = _visible(study), study.record
    responses, found = _responses_of_units(record, units), {}
    for number, name in enumerate(record.class_names):
        of_class = torch.from_numpy(record.classes == number)
        if visible[of_class].any():
            found[name] = category_auc(responses[of_class], visible[of_class]).numpy()
    return pd.DataFrame(found, index=units.index)


def _visible(study):
    """(N,) bool: a person's face is visible in the picture; CannotTest where that is not known."""
    truth = getattr(study.images, "truth", {}) if study.has_images else {}
    if "face" not in truth:
        raise CannotTest("nobody has written down which of these images show a face")
    return torch.from_numpy(np.asarray(truth["face"], dtype=bool))


def _means_of_faces(study):
    """({layer: mean responses (U, C)}, (C,) bool of the column that is faces, names of the columns)."""
    record = study.record
    if "Faces" in record.class_names:
        is_face = torch.tensor([name == "Faces" for name in record.class_names])
        return {n: record[n].means["max"] for n in record.layers}, is_face, record.class_names
    visible = _visible(study)
    # Pictures with a face leave their class and make one of their own.
    labels = torch.from_numpy(record.classes).masked_fill(visible, len(record.class_names))
    by_class = torch.nn.functional.one_hot(labels).double()
    means = {
        n: responses_of(record, n).T.double() @ by_class / by_class.sum(0) for n in record.layers
    }
    names = (*record.class_names, "faces")
    return means, torch.tensor([name == "faces" for name in names]), names


def hidden_layers(record) -> list[str]:
    """All layers but the last, whose units are outputs; CannotTest where there is no other."""
    if len(record.layers) < 2:
        raise CannotTest("the record holds no hidden layer")
    return record.layers[:-1]


def responses_of(record, name) -> torch.Tensor:
    """(N, U) maxima of a layer; CannotTest where the record does not keep them."""
    if "max" not in record[name].responses:
        raise CannotTest("the record keeps no responses to single images; record with them")
    return record[name].responses["max"]


def _responses_of_units(record, units):
    """(N, U) maxima of the units of a table: layer, unit."""
    columns = [responses_of(record, u.layer)[:, u.unit] for u in units.itertuples()]
    return torch.stack(columns, 1)


def _best(record, name):
    return best_unit_auc(responses_of(record, name), torch.from_numpy(record.classes == 0))


def _staged(units):
    return units.assign(stage=units["layer"].map(stages(units["layer"].unique())))
