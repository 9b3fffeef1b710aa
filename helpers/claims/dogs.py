"""What a study shows of dogs: the numbers that the chapter on opponent responses draws and its claims judge.

    units = shown_units(study)              index and both ends of every unit of the layer, a DataFrame
    share_below(study, "mean / mean")       dogs among the lowest responses, one number a unit
    looks_below(study)                      what the images' looks alone would give
    moved_below(study)                      what it would be if dogs only moved mean responses up
    moved_in_simulation(study)              how far off that is where they do

All are about the layer that the paper shows, block 4c of GoogLeNet, or the last layer of another network
whose units still have a map. What a study lacks is said by a `CannotTest`.
"""

from functools import cache

import numpy as np
import pandas as pd
import torch

from helpers.claims.claim import CannotTest
from helpers.errors import SelectivityError
from helpers.selectivity.confusion import mean_probabilities
from helpers.selectivity.nuisance import propensity
from helpers.selectivity.opponency import (
    PART,
    above_chance,
    ends_table,
    expected_by_looks,
    expected_if_moved,
    first_share,
    list_length,
    listed_share,
    moved_responses,
    selective,
)
from helpers.tables import load_table, table_of

CATEGORY = "dog"
MOVED = "googlenet-moved"  # a table
_SHOWN = "inception_4c."  # the layer of the paper's figures


def shown_layers(record) -> list[str]:
    """The paper's layer where the network has it, else the last one whose units have a map."""
    shown = [name for name in record.layers if name.startswith(_SHOWN)]
    mapped = [n for n in record.layers if max(record[n].geometry.map_size) > 1]
    return shown or (mapped or record.layers)[-1:]


def dogs(study) -> tuple[torch.Tensor, torch.Tensor]:
    """(classes (C,), images (N,)) bool; CannotTest where the study has no dogs, or nothing else."""
    try:
        classes, images = study.category(CATEGORY)
    except SelectivityError as error:
        raise CannotTest(str(error)) from None
    if classes.all():
        raise CannotTest("all classes of these images are dogs: there is nothing to compare with")
    return classes, images


def n_images(study) -> int:
    """Recorded images."""
    return int(study.record.recorded.sum())


def chance_of(study) -> float:
    """The dogs' share of the recorded images."""
    return float(dogs(study)[1].sum()) / n_images(study)


def limit_of(study, part: float = PART) -> float:
    """The share of dogs in a list above which it counts as above chance; see `above_chance`."""
    return above_chance(chance_of(study), list_length(n_images(study), part))


def indexed(study) -> None:
    """CannotTest for a record without the class sums that the index needs."""
    if not study.record[study.record.layers[0]].sums:
        raise CannotTest("the record keeps no class sums, which the index needs")


def shown_units(study, part: float = PART) -> pd.DataFrame:
    """`ends_table` of the shown layers, with layer, unit, and whether the unit is selective, two ways.

    selective: by the index, or failing that by the largest maxima; selective_mean: by the largest means,
    where units are to be chosen by the statistic that ranks them.
    """
    indexed(study)
    record, (classes, images) = study.record, dogs(study)
    try:
        parts = {n: ends_table(record[n], classes, images, part) for n in shown_layers(record)}
    except SelectivityError as error:
        raise CannotTest(str(error)) from None
    table = pd.concat(parts, names=["layer", "unit"]).reset_index()
    n_listed, chance = list_length(n_images(study), part), chance_of(study)
    table["selective"] = selective(table, chance, n_listed)
    table["selective_mean"] = table["top_mean"] > limit_of(study, part)
    return table


def share_below(study, pairing: str = "max / min", part: float = PART, member=None) -> np.ndarray:
    """Share of dogs among the lowest responses of each unit of the shown layers, (U,).

    pairing: of `PAIRINGS`; member (N,) bool: count these images instead of the dogs.
    """
    member = dogs(study)[1] if member is None else member
    return np.concatenate(
        [listed_share(images, member).numpy() for images in _lowest(study, pairing, part)]
    )


def looks_below(study) -> np.ndarray:
    """`share_below` by minima, if only the images' colour, contrast and edges decided; (U,)."""
    try:
        statistics = study.image_statistics
    except SelectivityError as error:
        raise CannotTest(str(error)) from None
    looks_like = propensity(statistics, dogs(study)[1])
    lowest = _lowest(study, "max / min", PART)
    return np.concatenate([expected_by_looks(images, looks_like).numpy() for images in lowest])


@cache
def moved_below(study) -> np.ndarray:
    """`share_below` by means, if dogs did nothing but move each unit's responses up; (U,).

    From single responses, or of GoogLeNet from a shipped table; see `expected_if_moved`.
    """
    shipped = _shipped(study)
    if shipped is not None:
        return shipped[study.name].double().numpy()
    n_listed = list_length(n_images(study), PART)
    return expected_if_moved(*_single_means(study), n_listed)


@cache
def moved_in_simulation(study) -> float:
    """Dogs below minus `moved_below`, the mean over chosen units, where dogs do nothing else; mean of three.

    Not zero: the upper list that tells how far to move is luck in part, and chooses the units as well.
    """
    shipped = _shipped(study)
    if shipped is not None:
        return shipped[f"{study.name}/simulated"].item()
    return _mean_of_simulations(study)


def simulated_elsewhere(study, chosen) -> float:
    """`moved_in_simulation` of units (U,) bool that other images have chosen."""
    return _mean_of_simulations(study, chosen)


def _shipped(study):
    """The table of moved responses if it is of this network, these images and these layers, else None."""
    found = table_of(study, MOVED)
    units = sum(study.record[name].n_units for name in shown_layers(study.record))
    return found[1] if found and len(found[1][study.name]) == units else None


def _mean_of_simulations(study, chosen=None):
    found = np.array([_simulated(study, seed, chosen) for seed in range(3)])
    if np.isnan(found).all():
        raise CannotTest("no simulated unit that dogs only move is selective for them")
    return float(np.nanmean(found))


def _simulated(study, seed, chosen=None):
    responses, member = _single_means(study)
    n_listed = list_length(n_images(study), PART)
    drawn = moved_responses(responses, member, n_listed, seed)
    order = drawn.argsort(dim=0, descending=True)
    top, bottom = (member[o].double().mean(0) for o in (order[:n_listed], order[-n_listed:]))
    chosen = top > limit_of(study) if chosen is None else torch.tensor(chosen)
    if not chosen.any():
        return np.nan
    expected = expected_if_moved(drawn[:, chosen], member, n_listed)
    return (bottom[chosen].numpy() - expected).mean()


def _single_means(study):
    """(mean responses (N, U) of the shown layers, which images are of dogs (N,))."""
    layers = [study.record[name] for name in shown_layers(study.record)]
    if any("mean" not in layer.responses for layer in layers):
        raise CannotTest("the record keeps no single mean responses; record with them")
    shown = torch.from_numpy(study.record.recorded)
    responses = torch.cat([layer.responses["mean"][shown] for layer in layers], 1)
    return responses, dogs(study)[1][shown]


def _lowest(study, pairing, part):
    record = study.record
    try:
        return [
            first_share(record[n], pairing, n_images(study), part)[1] for n in shown_layers(record)
        ]
    except SelectivityError as error:
        raise CannotTest(str(error)) from None


def breed_confusion(study) -> tuple[torch.Tensor, list[str]]:
    """((B, B) mean probability of each breed on each, their names), from scores or a shipped table."""
    classes, member = dogs(study)
    about, tables = load_table("googlenet-opponency")
    if about["images"].get(study.name) == study.record.metadata["images"]["digest"]:
        return tables["googlenet/breed_confusion"].double(), about["breeds"]
    names, last = study.record.class_names, study.record[study.record.layers[-1]]
    if "max" not in last.responses or last.n_units != len(names):
        raise CannotTest("the record keeps no scores of these classes")
    labels = torch.from_numpy(study.record.classes)
    table = mean_probabilities(last.responses["max"][member], labels[member], len(names))
    breeds = [name for name, inside in zip(names, classes, strict=True) if inside]
    return table[classes][:, classes], breeds
