"""How the degree depends on the experiment: on its classes, its images and the length of its lists.

    by_list_length(record, layer, [25, 50, 100])    more or fewer of each unit's images are counted
    by_images(record, layer, [1, 1/2, 1/4])         a part of all images is shown
    by_classes(record, layer, [48, 24, 12])         images of some of the classes are shown

All are read from the lists that a record keeps: leaving images out of a list gives the list that a recording
without them would have made, as long as enough are left. Ours; the paper has one size of each.
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

    Means over the draws. Units whose lists ran out, and those of infinite degree, are left out of a mean;
    `units` counts what is left and `complete` is the share of units whose list sufficed.
    """
    rows = []
    for kept, chosen in drawn:
        kept = kept & record.recorded
        counts, whole = counts_without(
            record[layer].top, kept, record.classes, len(record.class_names), first
        )
        counts = counts[whole][:, list(chosen)]
        sizes = np.bincount(record.classes[kept], minlength=len(record.class_names))[list(chosen)]
        degree = _finite(multifaceted_degree(counts))
        n = min(first, int(sizes.sum()))
        rows.append(
            [
                *bootstrap(mean, degree),
                bootstrap(mean, _finite(multifaceted_degree(random_rows(n, sizes))))[0],
                *degree_bounds(n, sizes),
                len(degree),
                whole.double().mean().item(),
            ]
        )
    names = ("degree", "low", "high", "null", "smallest", "largest", "units", "complete")
    # Of a size at which no draw has a number there is none, and pandas does not warn of it.
    return {"size": size, **pd.DataFrame(rows, columns=names).mean()}


def _finite(degrees):
    return degrees[degrees.isfinite()].numpy()
