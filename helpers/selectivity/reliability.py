"""How indexes depend on the number of images: how far they move, and how well two measurements agree.

    by_number(responses, labels, of_category, n_classes, [75, 150, 300])   from single responses
    images_needed(table, 0.9)               the number of images at which two measurements agree
    across_halves(responses, labels, of_category, n_classes)    pairs of indexes that share no image

Images are drawn at random, and for each draw as many others: two measurements of the same units that share no
image. Their rank correlation over the units of a layer is the *reliability* of one measurement (split-half
without the step up to the full length, because the number of images is what is asked for). No index can
correlate with anything more closely than it does with itself.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch

from helpers.selectivity.agreement import rank_correlations
from helpers.selectivity.category import balanced, category_auc, contrast, totals_of_responses
from helpers.selectivity.classes import class_frequencies, class_selectivity, relative_activations
from helpers.selectivity.facets import (
    FIRST,
    class_counts,
    effective_classes,
    gini,
    multifaceted_degree,
)
from helpers.selectivity.opponency import PART, list_length, listed_share

INDEXES = {  # name: paper
    "balanced": "1",
    "below": "1",
    "contrast": "2",
    "category_auc": "2",
    "gini": "3",
    "mf_degree": "3",
    "effective": "3",
    "top_share": "4",
    "class_index": "4",
    "area": "4",
}
LISTS = ("the first 100", "the same part")
RELIABLE = 0.9
_COLUMNS = ("median", "bias", "bias_low", "bias_high", "reliability", "low", "high")


def measured_indexes(
    responses: dict, labels, of_category, n_classes: int, listed: int = FIRST
) -> pd.DataFrame:
    """`INDEXES` of each unit from single responses, one row a unit.

    responses {"max": (N, U), "min": (N, U)}; labels (N,) int64, of_category (C,) bool. listed: how many of a
    unit's strongest images count for the indexes of lists (papers 3 and 4, fewer where there are fewer);
    `below` counts the most negative 2.5 % and divides by the category's share of the images.
    """
    highest, lowest = responses["max"].double(), responses["min"].double()
    labels = torch.as_tensor(labels)
    member = of_category[labels]
    own = totals_of_responses(highest, member)
    ends = highest.min(), highest.max()
    common = totals_of_responses(highest, member, *ends)
    n_below = list_length(len(labels), PART)
    below = lowest.topk(n_below, dim=0, largest=False).indices.T
    top = highest.topk(min(listed, len(labels)), dim=0)
    values, classes = top.values.T, labels[top.indices.T]
    counts = class_counts(values, classes, n_classes, listed)
    weights = relative_activations(values, listed)
    shares = class_frequencies(weights, classes, n_classes)
    area = torch.where(weights[:, 0] > 0, weights.mean(1), torch.nan)
    known = counts.sum(1) > 0
    found = {
        "balanced": balanced(own),
        "below": listed_share(below, member) / member.double().mean(),
        "contrast": contrast(common),
        "category_auc": category_auc(highest, member),
        "gini": gini(counts),
        "mf_degree": multifaceted_degree(counts),
        "effective": effective_classes(counts),
        "top_share": torch.where(known, shares.amax(1), torch.nan),
        "class_index": class_selectivity(shares, counts.sum(1)),
        "area": area,
    }
    return pd.DataFrame({name: values.numpy() for name, values in found.items()})


def by_number(
    responses: dict,
    labels,
    of_category,
    n_classes: int,
    numbers: Iterable[int],
    *,
    lists: str = LISTS[0],
    repeats: int = 4,
    seed: int = 0,
) -> pd.DataFrame:
    """How each index of a layer's units depends on the number of images, one row a number and index.

    responses, labels and of_category as in `measured_indexes`, of all N images; numbers: of at most N/2.
    lists: "the first 100" strongest images whatever the number is, or "the same part" of the images that 100
    are of all, and two at least. Columns: index, images, listed; median, the median unit's index; bias, that
    minus the median over all images, in standard deviations of the index over the units; reliability, the
    rank correlation over units with a measurement on as many other images. Means over the draws, and
    beside them the least and largest draw. The last rows are of all images and have no reliability.
    """
    if lists not in LISTS:
        raise ValueError(f"lists are {LISTS}, not {lists!r}")
    labels = torch.as_tensor(labels)
    total, random = len(labels), np.random.default_rng(seed)
    whole = measured_indexes(responses, labels, of_category, n_classes).replace(np.inf, np.nan)
    middle, spread = whole.median(), whole.std()
    rows = []
    for n in sorted(numbers):
        if not 2 <= 2 * n <= total:
            raise ValueError(f"two times {n} images of {total}")
        listed = FIRST if lists == LISTS[0] else max(2, round(FIRST * n / total))
        medians, alike = [], []
        for _ in range(repeats):
            halves = _two_measurements(n, random, responses, labels, of_category, n_classes, listed)
            medians += [half.replace(np.inf, np.nan).median() for half in halves]
            alike.append(
                [rank_correlations(np.stack([a, b], 1))[0][0, 1] for a, b in _columns(*halves)]
            )
        rows += _rows(n, min(n, listed), medians, np.array(alike), middle, spread)
    nothing = np.full((1, len(middle)), np.nan)
    rows += _rows(total, min(total, FIRST), [middle], nothing, middle, spread)
    return pd.DataFrame(rows, columns=["index", "images", "listed", *_COLUMNS])


def _two_measurements(n, random, responses, labels, *about):
    """`measured_indexes` of n images drawn at random, and of n others."""
    order = torch.from_numpy(random.permutation(len(labels))[: 2 * n])
    return [
        measured_indexes({name: of[part] for name, of in responses.items()}, labels[part], *about)
        for part in order.split(n)
    ]


def across_halves(
    responses: dict, labels, of_category, n_classes: int, *, repeats: int = 4, seed: int = 0
) -> pd.DataFrame:
    """Rank correlation of each index on one half of the images with each on the other, (K, K), symmetric.

    Two indexes of the same images share the luck of these images; those of two halves do not. On the diagonal
    is the reliability at half of the images; `without_noise` divides by it. Means over the draws.
    """
    labels, random = torch.as_tensor(labels), np.random.default_rng(seed)
    total, found = len(labels), []
    for _ in range(repeats):
        halves = _two_measurements(total // 2, random, responses, labels, of_category, n_classes)
        k = halves[0].shape[1]
        part = rank_correlations(np.concatenate(halves, 1))[0][:k, k:]
        found.append((part + part.T) / 2)
    names = list(halves[0])
    return pd.DataFrame(np.mean(found, axis=0), names, names)


def without_noise(across: pd.DataFrame) -> pd.DataFrame:
    """What the correlations of `across_halves` would be without noise, after Spearman (1904).

    Each is divided by the geometric mean of the two reliabilities: 1 or -1 for indexes that differ by noise
    only. nan where a reliability is not positive; may exceed 1 by luck.
    """
    own = pd.Series(np.diag(across), across.index).where(lambda r: r > 0) ** 0.5
    return across.div(own, axis=0).div(own, axis=1)


def images_needed(table: pd.DataFrame, level: float = RELIABLE) -> pd.Series:
    """{index: the number of images at which its reliability reaches `level`}, from a table of `by_number`.

    Interpolated on the logarithm of the number between the last two numbers around the level; the smallest
    number if the reliability is never below, inf if the largest does not reach it, nan if it is not defined.
    """
    return pd.Series(
        {
            index: _crossing(rows["images"].to_numpy(float), rows["reliability"].to_numpy(), level)
            for index, rows in table.dropna(subset="reliability").groupby("index", sort=False)
        },
        dtype=float,
    ).reindex(table["index"].unique())


def _crossing(numbers, reliability, level):
    short = np.flatnonzero(reliability < level)
    if not len(short):
        return numbers[0]
    last = short[-1]
    if last == len(numbers) - 1:
        return np.inf
    part = (level - reliability[last]) / (reliability[last + 1] - reliability[last])
    return float(np.exp((1 - part) * np.log(numbers[last]) + part * np.log(numbers[last + 1])))


def _columns(a, b):
    return [(a[name].to_numpy(), b[name].to_numpy()) for name in a]


def _rows(n, listed, medians, alike, middle, spread):
    medians = pd.DataFrame(medians)
    bias = (medians - middle) / spread.where(spread > 0)
    found = zip(
        middle.index,
        medians.mean(),
        bias.mean(),
        bias.min(),
        bias.max(),
        pd.DataFrame(alike).mean(),
        pd.DataFrame(alike).min(),
        pd.DataFrame(alike).max(),
        strict=True,
    )
    return [(name, n, listed, *numbers) for name, *numbers in found]
