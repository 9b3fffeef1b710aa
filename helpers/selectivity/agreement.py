"""Do two indexes say the same of units? Rank correlations within layers, and a rule for them.

    agree = agreement(units, columns)          of every pair of indexes, with intervals over units
    verdicts(agree)                            one quantity, related, independent or undecided, by `RULE`
    rank_plane(units, columns)                 units as points whose neighbours have like ranks
    matched_twins(key, chosen, pool, layers)   for each chosen unit another of its layer with a like key

Correlations are taken within layers, because nearly every index changes with depth: over a whole network two
indexes that have nothing else in common agree. The control is a network before training: two indexes of the
same few numbers may agree in any network.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

ONE, RELATED = "one quantity", "related"
INDEPENDENT, UNDECIDED = "independent", "undecided"
SAME_FROM, NOTHING_TO = (
    0.9,
    0.2,
)  # of a rank correlation, in size; fixed before anything was measured
RULE = (
    f"one quantity: the interval lies beyond {SAME_FROM} on one side, and so does the correlation of more "
    f"than half of the stages; independent: the interval lies within {NOTHING_TO} of zero, and so does the "
    f"correlation of more than half of the stages; related: the interval lies beyond {NOTHING_TO} on one "
    f"side and the pair is not one quantity; undecided: the rest"
)
FEWEST = 3  # units; of two any correlation is 1 or -1
_DRAWS = 500
_AT_ONCE = 100  # draws; those of a layer of 400 units and 20 indexes take 6 MB each


@dataclass(frozen=True)
class Agreement:
    """Rank correlations of K indexes; made by `agreement`.

    names: the indexes; values, low, high (K, K): the mean over layers of the correlation within them, each
    unit weighing the same, with its interval; stages {stage: (values, low, high)}: the same of each stage;
    units (K, K): how many units have both indexes; total: how many there are.
    """

    names: list
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    stages: dict
    units: np.ndarray
    total: int

    def of(self, a: str, b: str) -> tuple[float, float, float]:
        """(value, low, high) of a pair."""
        i, j = self.names.index(a), self.names.index(b)
        return self.values[i, j], self.low[i, j], self.high[i, j]

    def profile(self, a: str, b: str) -> dict:
        """{stage: (value, low, high)} of a pair, shallow to deep."""
        i, j = self.names.index(a), self.names.index(b)
        return {s: tuple(part[i, j] for part in parts) for s, parts in self.stages.items()}


def rank_correlations(table) -> tuple[np.ndarray, np.ndarray]:
    """(correlations (K, K), units (K, K)) of the columns of a table (U, K), after Spearman (1904).

    Units that lack one index of a pair (nan) are left out of that pair, and `units` counts the rest; ties
    share their mean rank; an infinite value ranks last. nan for a column of equal values, which orders
    nothing, and for fewer than three units.
    """
    table = np.asarray(table, dtype=float)
    found = _correlations(table, np.ones((1, len(table))))
    return found[0], _common(table)


def agreement(units: pd.DataFrame, columns, *, draws: int = _DRAWS, seed: int = 0) -> Agreement:
    """Rank correlations within layers of all pairs of columns, averaged over each stage and over all.

    units: one row a unit with `layer`, `stage` and the columns. 95 % percentile intervals (Efron 1979): units
    are drawn again within their layers. A layer in which a pair has no correlation (`rank_correlations`) does
    not enter its means; nor does a draw in which it has none.
    """
    columns, random = list(columns), np.random.default_rng(seed)
    found, drawn, weights, stage_of = [], [], [], []
    for _, rows in units.groupby("layer", sort=False):
        table, n = rows[columns].to_numpy(dtype=float), len(rows)
        counts = random.multinomial(n, np.full(n, 1 / n), draws)
        found.append(_correlations(table, np.ones((1, n)))[0])
        parts = [
            _correlations(table, c) for c in np.split(counts, range(_AT_ONCE, draws, _AT_ONCE))
        ]
        drawn.append(np.concatenate(parts))
        weights.append(_common(table))
        stage_of.append(rows["stage"].iloc[0])
    found, drawn, weights = np.array(found), np.array(drawn), np.array(weights)
    stage_of = np.array(stage_of)
    stages = {
        stage: _means(*(part[stage_of == stage] for part in (found, drawn, weights)))
        for stage in dict.fromkeys(stage_of.tolist())
    }
    overall = _means(found, drawn, weights)
    return Agreement(columns, *overall, stages, weights.sum(0), len(units))


def verdicts(agree: Agreement) -> pd.DataFrame:
    """What `RULE` says of each pair, one row a pair: a, b, rho, low, high, units, stages, verdict.

    stages: the share of the stages whose correlation lies where the verdict says (nan for "undecided").
    """
    rows = []
    for j, b in enumerate(agree.names):
        for i, a in enumerate(agree.names[:j]):
            of_stages = np.array([values[i, j] for values, _, _ in agree.stages.values()])
            said, share = verdict(*agree.of(a, b), of_stages)
            rows.append((a, b, *agree.of(a, b), agree.units[i, j], share, said))
    return pd.DataFrame(
        rows, columns=["a", "b", "rho", "low", "high", "units", "stages", "verdict"]
    )


def where_one(agree: Agreement) -> np.ndarray:
    """(K, K) bool, symmetric: the pairs that `RULE` calls one quantity."""
    found = np.zeros(agree.values.shape, dtype=bool)
    for row in verdicts(agree).itertuples():
        i, j = agree.names.index(row.a), agree.names.index(row.b)
        found[i, j] = found[j, i] = row.verdict == ONE
    return found


def verdict(value: float, low: float, high: float, of_stages) -> tuple[str, float]:
    """(verdict, share of the stages that say so) by `RULE` on one pair.

    of_stages: the correlations of the stages; nan are left out.
    """
    of_stages = np.asarray(of_stages, dtype=float)
    of_stages = of_stages[~np.isnan(of_stages)]
    if not len(of_stages) or not np.isfinite([value, low, high]).all():
        return UNDECIDED, np.nan
    if value < 0:
        low, high, of_stages = -high, -low, -of_stages
    same, nothing = np.mean(of_stages > SAME_FROM), np.mean(np.abs(of_stages) < NOTHING_TO)
    if low > SAME_FROM and same > 0.5:
        return ONE, float(same)
    if max(-low, high) < NOTHING_TO and nothing > 0.5:
        return INDEPENDENT, float(nothing)
    if low > NOTHING_TO:
        return RELATED, float(np.mean(of_stages > NOTHING_TO))
    return UNDECIDED, np.nan


@dataclass(frozen=True)
class Plane:
    """Units in the plane of most variance of their ranks; made by `rank_plane`.

    points (U, 2), nan for a unit that lacks an index; arrows (K, 2): the correlation of each index's ranks
    with either axis; explained (K,): the part of the variance on each axis; by_luck (K,): the same if the
    indexes had nothing to do with each other.
    """

    points: np.ndarray
    arrows: np.ndarray
    explained: np.ndarray
    by_luck: np.ndarray


def rank_plane(units: pd.DataFrame, columns, *, shuffles: int = 20, seed: int = 0) -> Plane:
    """Principal components of the ranks of units within their layers (Hotelling 1933, on ranks).

    units: with `layer` and the columns, one row a unit; a unit that lacks one of the indexes is left out.
    Ranks are standardised in each layer, so that depth does not enter; an index that is equal in all units of
    a layer counts as mean there. The longest arrow of an axis points to its positive end. by_luck: mean of
    `shuffles` tables in which each index is shuffled among the units of a layer.
    """
    table = units[list(columns)].to_numpy(dtype=float)
    known = ~np.isnan(table).any(1)
    layers = units["layer"].to_numpy()[known]
    ranks = standard_ranks(table[known], layers)
    left, sizes, right = np.linalg.svd(ranks, full_matrices=False)
    turned = np.sign(right[np.arange(len(right)), np.abs(right).argmax(1)])
    points = np.full((len(table), 2), np.nan)
    points[known] = (left * sizes * turned)[:, :2]
    spread = np.sqrt((ranks**2).sum(0))
    arrows = (right * sizes[:, None] * turned[:, None]).T[:, :2]
    arrows = arrows / np.where(spread > 0, spread, 1)[:, None]
    random = np.random.default_rng(seed)
    luck = [_explained(_shuffled(ranks, layers, random)) for _ in range(shuffles)]
    return Plane(points, arrows, _explained(ranks), np.mean(luck, axis=0))


def standard_ranks(table, layers) -> np.ndarray:
    """Ranks (U, K) of each column within its layer, mean 0 and variance 1; 0 where all are equal."""
    table, layers = np.asarray(table, dtype=float), np.asarray(layers)
    found = np.zeros(table.shape)
    for layer in dict.fromkeys(layers.tolist()):
        ranks = rankdata(table[layers == layer], axis=0)
        ranks = ranks - ranks.mean(0)
        spread = ranks.std(0)
        found[layers == layer] = ranks / np.where(spread > 0, spread, 1)
    return found


def percent_ranks(values, layers) -> np.ndarray:
    """Where each unit stands in its layer, (U,), from 0, the smallest value, to 100; nan for nan.

    50 for all units of a layer whose values are equal, and for a unit without another.
    """
    ranks = pd.Series(np.asarray(values, dtype=float)).groupby(np.asarray(layers))
    order, n = ranks.rank(), ranks.transform("count")
    return (100 * (order - 1) / (n - 1).where(n > 1)).where((n > 1) | order.isna(), 50).to_numpy()


def matched_twins(key, chosen, pool, layers, within: float = np.inf) -> np.ndarray:
    """Pairs (P, 2) of units: a chosen one, and one of the pool of its layer with nearly the same key.

    key (U,); chosen, pool (U,) bool, layers (U,). The nearest pair of a layer is taken first, each unit once;
    no pair differs by more than `within`. Chosen units without such a twin, or without a key, have no pair.
    """
    key, chosen, pool, layers = (np.asarray(x) for x in (key, chosen, pool, layers))
    known, pairs = ~np.isnan(key), []
    for layer in dict.fromkeys(layers.tolist()):
        ours = np.flatnonzero(chosen & known & (layers == layer))
        others = np.flatnonzero(pool & ~chosen & known & (layers == layer))
        apart = np.abs(key[ours][:, None] - key[others])
        order = np.argsort(apart, axis=None, kind="stable")
        free = np.ones(len(ours), dtype=bool), np.ones(len(others), dtype=bool)
        for i, j in np.stack(np.unravel_index(order, apart.shape), 1).tolist():
            if free[0][i] and free[1][j] and apart[i, j] <= within:
                free[0][i] = free[1][j] = False
                pairs.append((ours[i], others[j]))
    return np.array(pairs, dtype=int).reshape(-1, 2)


def _common(table):
    known = (~np.isnan(table)).astype(int)
    return known.T @ known


def _correlations(table, counts):
    """(D, K, K) when each unit is there as often as `counts` (D, U) says."""
    known = ~np.isnan(table)
    patterns, of_column = np.unique(known, axis=1, return_inverse=True)
    of_column, found = of_column.ravel(), np.full((len(counts), *2 * table.shape[1:]), np.nan)
    for p in range(patterns.shape[1]):
        for q in range(p + 1):
            columns = np.flatnonzero((of_column == p) | (of_column == q))
            both = patterns[:, p] & patterns[:, q]
            part = _of_complete(table[both][:, columns], counts[:, both])
            for ours, others in ((p, q), (q, p)):
                a, b = (np.flatnonzero(of_column[columns] == one) for one in (ours, others))
                found[:, columns[a][:, None], columns[b]] = part[:, a[:, None], b]
    return found


def _of_complete(table, counts):
    ranks = np.stack([_ranks(column, counts) for column in table.T], 2)
    n = counts.sum(1)[:, None, None]
    ranks = ranks - (n + 1) / 2
    products = (ranks * counts[:, :, None]).transpose(0, 2, 1) @ ranks
    spread = np.sqrt(np.einsum("dkk->dk", products))
    scale = spread[:, :, None] * spread[:, None]
    defined = (scale > 0) & (n >= FEWEST)
    return np.where(defined, products / np.where(defined, scale, 1), np.nan).clip(-1, 1)


def _ranks(values, counts):
    """(D, U) mean ranks of values (U,) of which each is there as often as counts (D, U) says."""
    if not len(values):
        return np.empty(counts.shape)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    # Not by differences: of two infinite values that is nan.
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    mass = np.add.reduceat(counts[:, order], first, axis=1)
    of_group = mass.cumsum(1) - mass + (mass + 1) / 2
    group = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(values)]))
    ranks = np.empty(counts.shape)
    ranks[:, order] = of_group[:, group]
    return ranks


def _means(found, drawn, weights):
    """(values, low, high) (K, K) of the mean over layers: found (L, K, K), drawn (L, D, K, K)."""
    values = _weighted(found, weights)
    of_draws = _weighted(drawn, weights[:, None])
    low, high = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    some = ~np.isnan(of_draws).all(0)
    low[some], high[some] = np.nanquantile(of_draws[:, some], [0.025, 0.975], axis=0)
    return values, low, high


def _weighted(found, weights):
    there = ~np.isnan(found)
    total = (there * weights).sum(0)
    mean = np.where(there, found, 0) * weights
    return np.where(total > 0, mean.sum(0) / np.where(total > 0, total, 1), np.nan)


def _explained(ranks):
    squares = np.linalg.svd(ranks, compute_uv=False) ** 2
    return squares / squares.sum()


def _shuffled(ranks, layers, random):
    mixed = ranks.copy()
    for layer in dict.fromkeys(layers.tolist()):
        mixed[layers == layer] = random.permuted(ranks[layers == layer], axis=0)
    return mixed
