"""How many classes drive a unit: single- and multi-faceted units.

    counts = class_counts(values, classes, n_classes)   the CoF matrix: units x classes
    gini(counts)  spectral_flatness(counts)  multifaceted_degree(counts)
    units = facet_units(record)                         all of it for every unit, with what luck gives

All numbers depend on how many images and classes there are. So beside each stands what a unit would get
that ignores classes (`random_rows`), and the limits that the class sizes set (`degree_bounds`).

Source: Sadeghi, "Conceptual content in deep convolutional neural networks", sections 2.1 and 2.3.
"""

from functools import cache

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata

from helpers.errors import SelectivityError

FIRST = 100  # images of a unit that are counted, section 2.1
_ADDED = 1e-7  # to each count before the flatness, section 2.3
_NULLS = ("effective", "gini", "flatness", "degree")
_EVEN = 1e-6  # a smaller Gini index is that of an even row


def class_counts(
    values: torch.Tensor, classes: torch.Tensor, n_classes: int, first: int = FIRST
) -> torch.Tensor:
    """How many of a unit's strongest images are of each class, (U, C) int64: the CoF matrix, section 2.1.

    values (U, k), sorted, largest first; classes (U, k), those of the images. Of the first `first` images
    those with a positive response count; a class below 0 (an empty place of the list) counts for none.
    """
    if values.shape != classes.shape or values.ndim != 2:
        raise ValueError(f"values {tuple(values.shape)} and classes {tuple(classes.shape)}")
    if classes.numel() and int(classes.max()) >= n_classes:
        raise ValueError(f"a class {int(classes.max())} of {n_classes} classes")
    values, classes = values[:, :first], classes[:, :first].long()
    counted = (values > 0) & (classes >= 0)
    counts = torch.zeros(len(values), n_classes, dtype=torch.int64)
    return counts.scatter_add_(1, classes.clamp(min=0), counted.long())


def gini(counts: torch.Tensor) -> torch.Tensor:
    """How unevenly a unit's images are spread over the classes, (U,), from 0 (evenly) to 1 - 1/C.

    counts (U, C), non-negative. 1 - c/C for c classes of C in equal parts; nan for a row of zeros. The index
    of Hurley and Rickard 2009, which section 2.3 uses. It grows with classes that are never seen, though
    the section says that the length of the row does not matter.
    """
    row = _sorted(counts)
    n = row.shape[1]
    weight = (n - torch.arange(1, n + 1, dtype=torch.float64) + 0.5) / n
    # A sum of zero gives 0/0, which is nan: no images, no index.
    return 1 - 2 * (row * weight).sum(1) / row.sum(1)


def spectral_flatness(counts: torch.Tensor, length: int | None = None) -> torch.Tensor:
    """How flat a unit's row of counts is, (U,), from 0 (one class) to 1 (all alike); equation 1.

    2^H - 1, H being the entropy of counts + 1e-7 over log2 of `length`, the number of classes by default.
    The paper prints the number of neurons of the layer instead, under which layers of other sizes cannot be
    compared. -1 for a row of zeros. SelectivityError for a length of 1, under which nothing is defined.
    """
    length = counts.shape[1] if length is None else length
    if length < 2:
        raise SelectivityError(f"the flatness of a row needs two classes or more, not {length}")
    row = _sorted(counts)
    p = (row + _ADDED) / (row + _ADDED).sum(1, keepdim=True)
    flatness = 2 ** (-(p * p.log2()).sum(1) / np.log2(length)) - 1
    return torch.where(row.sum(1) > 0, flatness, -1.0)


def multifaceted_degree(counts: torch.Tensor) -> torch.Tensor:
    """Flatness over Gini index, (U,): large for a unit that many classes drive; equation 2.

    counts (U, C). inf for an even row (Gini below 1e-6), nan for a row of zeros.
    """
    return _degree(spectral_flatness(counts), gini(counts))


def effective_classes(counts: torch.Tensor) -> torch.Tensor:
    """How many equally frequent classes would spread a unit's images as widely, (U,), from 1 to C.

    2 to the entropy of the row. Unlike the degree it does not change with classes never seen. nan for a
    row of zeros. Ours; the paper has no such number.
    """
    row = _sorted(counts)
    p = row / row.sum(1, keepdim=True)
    return 2 ** -torch.where(p > 0, p * p.log2(), p).sum(1)


def random_rows(n_images: int, class_sizes, draws: int = 1000, seed: int = 0) -> torch.Tensor:
    """Rows of counts of a unit that ignores classes, (draws, C): what shuffled labels give.

    n_images drawn at random, without replacement, from classes of the given sizes (C,).
    """
    sizes = np.asarray(class_sizes, dtype=np.int64)
    _check_size(n_images, sizes)
    random = np.random.default_rng(seed)
    # By drawing images rather than counts, "marginals", which takes ten times as long for many classes.
    rows = random.multivariate_hypergeometric(sizes, n_images, draws, method="count")
    return torch.from_numpy(rows)


def most_even_row(n_images: int, class_sizes) -> torch.Tensor:
    """n images spread over classes of these sizes as evenly as can be, (C,): the largest degree."""
    sizes = np.asarray(class_sizes, dtype=np.int64)
    _check_size(n_images, sizes)
    row = np.zeros_like(sizes)
    while (left := n_images - row.sum()) > 0:
        open_ = np.flatnonzero(row < sizes)
        if left < len(open_):
            row[open_[:left]] += 1
        else:
            row[open_] += np.minimum(sizes[open_] - row[open_], left // len(open_))
    return torch.from_numpy(row)


def most_concentrated_row(n_images: int, class_sizes) -> torch.Tensor:
    """n images from as few classes as can be, the largest first, (C,): the smallest degree."""
    sizes = np.asarray(class_sizes, dtype=np.int64)
    _check_size(n_images, sizes)
    order = np.argsort(-sizes, kind="stable")
    before = np.cumsum(sizes[order]) - sizes[order]
    row = np.zeros_like(sizes)
    row[order] = np.clip(n_images - before, 0, sizes[order])
    return torch.from_numpy(row)


def degree_bounds(n_images: int, class_sizes) -> tuple[float, float]:
    """(smallest, largest) degree that n images from classes of these sizes can give."""
    rows = [most_concentrated_row(n_images, class_sizes), most_even_row(n_images, class_sizes)]
    smallest, largest = multifaceted_degree(torch.stack(rows)).tolist()
    return smallest, largest


def listed_counts(ranked, labels, n_labels: int, first: int = FIRST) -> torch.Tensor:
    """`class_counts` of a `RankedList`, (U, n_labels), for any labels (N,) of the images, whole numbers."""
    of_images = torch.as_tensor(labels)[ranked.images.clamp(min=0)].masked_fill(
        ranked.images < 0, -1
    )
    return class_counts(ranked.values, of_images, n_labels, first)


def layer_counts(record, layer: str, first: int = FIRST) -> torch.Tensor:
    """`class_counts` of the strongest images of a layer of a record, (U, C)."""
    return listed_counts(record[layer].top, record.classes, len(record.class_names), first)


def merged_counts(counts: torch.Tensor, groups) -> torch.Tensor:
    """Counts when some classes share a name, (U, G); groups (C,): the number of each class's group."""
    groups = torch.as_tensor(groups)
    merged = torch.zeros(len(counts), int(groups.max()) + 1, dtype=counts.dtype)
    return merged.index_add_(1, groups, counts)


def facet_units(counts: dict, class_sizes, class_names) -> pd.DataFrame:
    """What drives every unit of a network: how many classes, how evenly, and what luck would give.

    counts: {layer: (U, C)}; class_sizes (C,): images of each class that were shown. One row a unit:
    layer, unit, n_images, n_classes, effective, gini, flatness, degree; `..._null`: the mean of the last
    four over random rows of as many images, infinite degrees left out; ratio: degree over its null;
    top_class, top_count; and three p-values of the degree, each in the tail in which the unit lies. p_normal:
    of a normal curve through the layer's degrees, as the paper gives it; p_rank: the unit's rank within its
    layer; p_labels: of random rows.
    """
    sizes = tuple(int(size) for size in class_sizes)
    return pd.concat(
        [_layer_units(name, of_layer, sizes, class_names) for name, of_layer in counts.items()],
        ignore_index=True,
    )


def _layer_units(name, counts, sizes, class_names):
    n_images = counts.sum(1)
    most, top = counts.max(1)
    table = pd.DataFrame(
        {
            "layer": name,
            "unit": range(len(counts)),
            "n_images": n_images.numpy(),
            "n_classes": (counts > 0).sum(1).numpy(),
            **_indexes(counts),
        }
    )
    nulls = [_null(n, sizes) for n in n_images.tolist()]
    for index in _NULLS:
        table[f"{index}_null"] = [means[index] for means, _ in nulls]
    table["ratio"] = table["degree"] / table["degree_null"]
    table["top_class"] = [
        class_names[c] if n else None for c, n in zip(top.tolist(), most.tolist(), strict=True)
    ]
    table["top_count"] = most.numpy()
    degree = table["degree"].to_numpy()
    table["p_normal"], table["p_rank"] = normal_tail(degree), rank_tail(degree)
    table["p_labels"] = [
        _random_tail(value, null) for value, (_, null) in zip(degree, nulls, strict=True)
    ]
    return table


def multifaceted(units: pd.DataFrame) -> pd.Series:
    """1 for a unit whose degree is above the mean of the whole network, 0 below it; section 2.3.

    units: as of `facet_units`. An infinite degree is above; it does not enter the mean. nan without images.
    """
    degree = units["degree"]
    above = degree > degree.replace(np.inf, np.nan).mean()
    return above.astype(float).where(degree.notna())


def facet_counts(units: pd.DataFrame, class_sizes, by: str = "layer") -> pd.DataFrame:
    """How many units of each layer are multi- and single-faceted, and the extreme degrees; figure 3.

    One row for each value of the column `by`: multi, single (shares), largest, smallest (degrees, infinite
    ones left out), and largest_null, smallest_null: the mean extremes of as many random rows of 100 images.
    """
    sizes = tuple(int(size) for size in class_sizes)
    _, luck = _null(min(FIRST, sum(sizes)), sizes)
    luck, random = luck[np.isfinite(luck)], np.random.default_rng(0)
    multi, rows = multifaceted(units), {}
    for name, of_group in units.groupby(by, sort=False):
        degree = of_group["degree"].to_numpy()
        degree = degree[np.isfinite(degree)]
        share = multi[of_group.index].mean()
        drawn = (
            random.choice(luck, (200, max(len(degree), 1)))
            if len(luck)
            else np.full((1, 1), np.nan)
        )
        rows[name] = {
            "multi": share,
            "single": 1 - share,
            "largest": degree.max() if len(degree) else np.nan,
            "smallest": degree.min() if len(degree) else np.nan,
            "largest_null": drawn.max(1).mean(),
            "smallest_null": drawn.min(1).mean(),
        }
    return pd.DataFrame(rows).T


def normal_tail(degrees: np.ndarray) -> np.ndarray:
    """p of each degree under a normal curve through all of them, in the tail in which it lies, (U,).

    The paper's: it gives the largest degree of 64 units p = .14, which no rank can have. nan for inf and nan.
    """
    known = np.isfinite(degrees)
    degrees = np.where(known, degrees, np.nan)
    if known.sum() < 2 or np.nanmin(degrees) == np.nanmax(degrees):
        return np.full(len(degrees), np.nan)
    z = (degrees - np.nanmean(degrees)) / np.nanstd(degrees, ddof=1)
    return torch.special.ndtr(-torch.from_numpy(np.abs(z))).numpy()


def rank_tail(degrees: np.ndarray) -> np.ndarray:
    """Share of a layer's units at least as extreme, in the tail of the median in which a unit lies, (U,).

    The most extreme of U units has 1/U, whatever its degree: a rank tells nothing of that. nan for nan.
    """
    found, known = np.full(len(degrees), np.nan), ~np.isnan(degrees)
    low, high = (rankdata(sign * degrees[known], "max") / known.sum() for sign in (1, -1))
    found[known] = np.minimum(low, high)
    return found


def _degree(flatness, sparsity):
    return torch.where(sparsity < _EVEN, torch.inf, flatness / sparsity)


def _indexes(counts):
    flatness, sparsity = spectral_flatness(counts), gini(counts)
    return {
        "effective": effective_classes(counts).numpy(),
        "gini": sparsity.numpy(),
        "flatness": flatness.numpy(),
        "degree": _degree(flatness, sparsity).numpy(),
    }


@cache
def _null(n_images, sizes):
    """(means of the indexes of random rows, their degrees (draws,)); (nan, none) without images."""
    if not n_images:
        return dict.fromkeys(_NULLS, np.nan), np.empty(0)
    indexes = _indexes(random_rows(n_images, sizes))
    return {name: _finite_mean(indexes[name]) for name in _NULLS}, indexes["degree"]


def _random_tail(degree, null):
    """Share of random rows at least as extreme; the unit counts as one, so that p is never 0."""
    if not len(null) or np.isnan(degree):
        return np.nan
    side = null <= degree if degree < _finite_mean(null) else null >= degree
    return (side.sum() + 1) / (len(null) + 1)


def _finite_mean(values):
    finite = values[np.isfinite(values)]
    return finite.mean() if len(finite) else np.nan


def _sorted(counts):
    """Rows in rising order: rows that differ by order alone then give the same number to the last bit."""
    # numpy's sort takes a fifth of the time of torch's for short rows.
    return torch.from_numpy(np.sort(counts.numpy(force=True), axis=1)).double()


def _check_size(n_images, sizes):
    if not 0 <= n_images <= sizes.sum():
        raise ValueError(f"{n_images} images from classes that hold {sizes.sum()} in all")
