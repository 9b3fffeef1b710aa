"""How the degree depends on the experiment: on its classes, its images and the length of its lists.

    by_list_length(record, layer, [25, 50, 100])    more or fewer of each unit's images are counted
    by_images(record, layer, [1, 1/2, 1/4])         a part of all images is shown
    by_classes(record, layer, [48, 24, 12])         images of some of the classes are shown

A record that keeps single responses is ranked anew without the images that are left out. Of any other the
lists are read: leaving images out of a list gives the list that a recording without them would have made, as
long as enough are left. With fewer classes that is a choice of units: a unit's list lasts if it prefers the
classes that stay. So a size at which lists run out has no mean. Ours; the paper has one size of each.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch

from helpers.selectivity.facets import (
    FIRST,
    class_counts,
    degree_bounds,
    multifaceted_degree,
    random_rows,
)
from helpers.selectivity.intervals import bootstrap, mean

MOST_RUN_OUT = 0.01  # of the units' lists; with more, those that last say nothing about all


def counts_without(ranked, kept, classes, n_classes: int, first: int = FIRST):
    """(counts (U, C), complete (U,) bool): class counts of lists from which images are left out.

    ranked: a `RankedList`; kept (N,) bool, classes (N,) int64. A unit is complete if its list still holds
    `first` images, or all with a positive response; the counts of the others lack images not listed.
    """
    listed = ranked.images >= 0
    stays = listed & torch.as_tensor(kept)[ranked.images.clamp(min=0)]
    order = (~stays).to(torch.int8).argsort(dim=1, stable=True)[:, :first]
    values = ranked.values.gather(1, order)
    of_images = torch.as_tensor(classes)[ranked.images.gather(1, order).clamp(min=0)]
    of_images = of_images.masked_fill(~stays.gather(1, order), -1)
    # What a full list leaves out is no stronger than its last entry.
    whole = (stays.sum(1) >= first) | ~(ranked.values[:, -1] > 0) | ~listed[:, -1]
    return class_counts(values, of_images, n_classes, first), whole


def by_list_length(record, layer: str, lengths: Iterable[int]) -> pd.DataFrame:
    """The mean degree when the `length` strongest images of each unit are counted; see `_row`."""
    everything = np.ones(len(record.classes), dtype=bool)
    classes = range(len(record.class_names))
    return pd.DataFrame(
        [_row(record, layer, length, [(everything, classes)], length) for length in lengths]
    )


def by_images(record, layer: str, parts: Iterable[float], first: int = FIRST, repeats: int = 5):
    """The mean degree when a part of all images is shown, drawn at random; size is their number."""
    classes, found = range(len(record.class_names)), []
    shown = np.flatnonzero(record.recorded)
    for part in parts:
        n = round(part * len(shown))
        drawn = []
        for seed in range(repeats if part < 1 else 1):
            kept = np.zeros(len(record.classes), dtype=bool)
            kept[np.random.default_rng(seed).permutation(shown)[:n]] = True
            drawn.append((kept, classes))
        found.append(_row(record, layer, n, drawn, first))
    return pd.DataFrame(found)


def by_classes(record, layer: str, numbers: Iterable[int], first: int = FIRST, repeats: int = 5):
    """The mean degree when images of so many classes are shown, drawn at random; size is their number."""
    n_classes, found = len(record.class_names), []
    for number in numbers:
        drawn = []
        for seed in range(repeats if number < n_classes else 1):
            chosen = np.sort(np.random.default_rng(seed).permutation(n_classes)[:number])
            drawn.append((np.isin(record.classes, chosen), chosen))
        found.append(_row(record, layer, number, drawn, first))
    return pd.DataFrame(found)


def _row(record, layer, size, drawn, first) -> dict:
    """size; degree, low and high of its mean over units; null, smallest and largest; units and complete.

    Means over the draws. `complete` is the share of units whose list sufficed. If in a draw more than
    `MOST_RUN_OUT` of them ran out, degree, low and high are nan and `units` is 0; else units whose lists ran
    out, and those of infinite degree, are left out of the mean, and `units` counts what is left.
    """
    rows = []
    for kept, chosen in drawn:
        kept = kept & record.recorded
        counts, whole = _strongest(record, layer, kept, first)
        counts = counts[whole][:, list(chosen)]
        sizes = np.bincount(record.classes[kept], minlength=len(record.class_names))[list(chosen)]
        n = min(first, int(sizes.sum()))
        rows.append(
            [
                *_mean_degree(counts, whole.double().mean().item()),
                bootstrap(mean, _finite(multifaceted_degree(random_rows(n, sizes))))[0],
                *degree_bounds(n, sizes),
                whole.double().mean().item(),
            ]
        )
    names = ("degree", "low", "high", "units", "null", "smallest", "largest", "complete")
    table = pd.DataFrame(rows, columns=names)
    means = table.mean()
    if not table["units"].all():
        means[["degree", "low", "high", "units"]] = np.nan, np.nan, np.nan, 0
    order = ("degree", "low", "high", "null", "smallest", "largest", "units", "complete")
    return {"size": size, **means[list(order)]}


def _mean_degree(counts, complete) -> tuple:
    """(mean, low, high, units) of the degrees of those rows that have one."""
    degree = _finite(multifaceted_degree(counts))
    if complete < 1 - MOST_RUN_OUT or not len(degree):
        return np.nan, np.nan, np.nan, 0
    return *bootstrap(mean, degree), len(degree)


def _strongest(record, layer, kept, first):
    """`counts_without`, from single responses where the record keeps them: then no list runs out."""
    classes, n_classes = record.classes, len(record.class_names)
    responses = record[layer].responses.get("max")
    if responses is None:
        return counts_without(record[layer].top, kept, classes, n_classes, first)
    shown = torch.from_numpy(np.flatnonzero(kept))
    values, order = responses[shown].T.sort(dim=1, descending=True, stable=True)
    of_images = torch.as_tensor(classes)[shown[order[:, :first]]]
    counts = class_counts(values[:, :first], of_images, n_classes, first)
    return counts, torch.ones(len(counts), dtype=torch.bool)


def _finite(degrees):
    return degrees[degrees.isfinite()].numpy()
