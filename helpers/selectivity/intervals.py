"""How sure a number about a layer's units is: the bootstrap over units."""

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.special import gammaln

_DRAWS = 2000


def bootstrap(statistic: Callable, *samples, level: float = 0.95, seed: int = 0):
    """(value, low, high) of a statistic of one or several samples, by drawing them again with replacement.

    statistic takes arrays (draws, n), one a sample, and reduces axis 1, for example
    `lambda a, b: a.mean(1) - b.mean(1)`. nan are left out; a sample of fewer than two gives (value, nan,
    nan), an empty one (nan, nan, nan). Percentile interval (Efron 1979); the same seed, the same interval.
    """
    samples = [np.asarray(sample, dtype=float) for sample in samples]
    samples = [sample[~np.isnan(sample)] for sample in samples]
    if min(map(len, samples)) == 0:
        return np.nan, np.nan, np.nan
    value = float(statistic(*(sample[None] for sample in samples))[0])
    if min(map(len, samples)) < 2:
        return value, np.nan, np.nan
    random = np.random.default_rng(seed)
    drawn = [sample[random.integers(0, len(sample), (_DRAWS, len(sample)))] for sample in samples]
    tail = (1 - level) / 2
    low, high = np.quantile(statistic(*drawn), [tail, 1 - tail])
    return value, float(low), float(high)


def mean(a: np.ndarray) -> np.ndarray:
    """The mean of each draw, for `bootstrap`."""
    return a.mean(1)


def median(a: np.ndarray) -> np.ndarray:
    """The median of each draw, for `bootstrap`."""
    return np.median(a, 1)


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The first sample's mean minus the second's, for `bootstrap`."""
    return a.mean(1) - b.mean(1)


def largest_of(values: np.ndarray, some: int) -> float:
    """The mean, over all choices of `some` of the values (n,), of the largest one chosen.

    With more values the largest is larger by their number alone; this compares samples of different sizes. A
    weighted sum of the sorted values, so that a bootstrap holds while `some` is well below n; for the largest
    of all it does not (Bickel and Freedman 1981). ValueError unless 1 <= some <= n.
    """
    if not 1 <= some <= len(values):
        raise ValueError(f"the largest of {some} of {len(values)} values")
    return float(np.sort(values) @ _chances_of_largest(len(values), some))


def smallest_of(values: np.ndarray, some: int) -> float:
    """The mean, over all choices of `some` of the values (n,), of the smallest one; see `largest_of`."""
    return -largest_of(-np.asarray(values), some)


@cache
def _chances_of_largest(n, some):
    """(n,): how often the i-th smallest of n is the largest of `some`: C(i - 1, some - 1) / C(n, some)."""
    rank = np.arange(some, n + 1)
    ways = gammaln(rank) - gammaln(rank - some + 1) - gammaln(some)
    ways -= gammaln(n + 1) - gammaln(n - some + 1) - gammaln(some + 1)
    return np.concatenate([np.zeros(some - 1), np.exp(ways)])
