"""How complex a class is to a network: how many filters respond to it highly, and at which depth.

    highly = responsive(record)                   layers x classes: proportion of units
    depth_of(highly, stages)                      the mean depth of a class's filters
    balance(depth, first, second)                 do two sets of classes differ in depth?

Source: Malakhova, "Representation of categories in filters of deep neural networks", section 3: visual
complexity is "the number of filters highly responsive to a class at a given layer", and "a shift of
detectors to lower layers implies the presence of comparatively simple features". It says neither what
*highly* is nor how to compare two sets; `HIGH`, the depth and the test are ours.
"""

import numpy as np
import pandas as pd
import torch

from helpers.errors import SelectivityError

HIGH = 0.1  # of the layer's range: how much more the class drives the unit than the rest does
_N_SHUFFLES = 10_000


def class_contrasts(layer, statistic: str = "max") -> torch.Tensor:
    """`category.contrast` of each single class against all others, (U, C).

    nan for classes without images, and in a layer that answers all images alike.
    """
    low, high = layer.extremes(statistic)
    sums, counts = layer.sums[statistic].double(), layer.counts.double()
    rest = (sums.sum(1, keepdim=True) - sums) / (counts.sum() - counts)
    span = high.max().double() - low.min().double()
    return torch.where(span > 0, (sums / counts - rest) / span, torch.nan)


def responsive(record, high: float = HIGH, statistic: str = "max") -> pd.DataFrame:
    """Proportion of each layer's units that respond highly to each class, layers x classes."""
    shares = [
        (class_contrasts(record[n], statistic) > high).double().mean(0) for n in record.layers
    ]
    return pd.DataFrame(torch.stack(shares).numpy(), record.layers, list(record.class_names))


def depth_of(highly: pd.DataFrame) -> pd.Series:
    """The mean depth of the filters that respond highly to each class, 0 for the first row, 1 for the last.

    highly: layers or stages x classes, proportions; each row counts alike, however many units it has. nan
    for a class to which no unit responds highly.
    """
    if len(highly) < 2:
        raise SelectivityError("a depth needs two layers or more: record more of them")
    places = np.linspace(0, 1, len(highly))
    total = highly.sum()
    return (highly.mul(places, axis=0).sum() / total.where(total > 0)).rename("depth")


def balance(depth: pd.Series, first, second, seed: int = 0) -> tuple[float, float]:
    """(difference, p): mean depth of the second set of classes minus the first's; are they balanced?

    p: two-sided, over random divisions of the same classes into two such sets. Classes without a depth are
    left out; SelectivityError for a set without any, or for a class in both.
    """
    if both := set(first) & set(second):
        raise SelectivityError(f"{sorted(both)[0]} is in both sets: a class can be in one only")
    if unknown := (set(first) | set(second)) - set(depth.index):
        raise SelectivityError(f"there is no class {sorted(unknown)[0]!r} among those with a depth")
    sets = [depth.loc[list(names)].dropna().to_numpy() for names in (first, second)]
    if not all(map(len, sets)):
        raise SelectivityError(
            "no unit responds highly to a class of one of the sets: nothing to compare"
        )
    together, n = np.concatenate(sets), len(sets[0])
    difference = sets[1].mean() - sets[0].mean()
    random = np.random.default_rng(seed)
    shuffled = random.permuted(np.tile(together, (_N_SHUFFLES, 1)), axis=1)
    by_luck = shuffled[:, n:].mean(1) - shuffled[:, :n].mean(1)
    extreme = np.abs(by_luck) >= abs(difference) - 1e-12
    return float(difference), float((1 + extreme.sum()) / (1 + _N_SHUFFLES))
