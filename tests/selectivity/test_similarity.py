"""Similarity of units' class counts: loops over pairs, planted rows, constant rows, order of a matrix."""

import collections
import itertools
import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import open_study
from helpers.selectivity.facets import class_counts
from helpers.selectivity.similarity import (
    drawn_means,
    mean_of_pairs,
    pairwise_correlation,
    pairwise_distance,
    similar_order,
)

pytestmark = pytest.mark.usefixtures("one_thread")
quick = settings(deadline=None, max_examples=60)


@pytest.fixture(scope="module")
def conv5():
    """The class counts of a layer of the world, (96, 48)."""
    record = open_study("world").record
    top = record["conv5"].top
    return class_counts(top.values, torch.from_numpy(record.classes)[top.images], 48)


@st.composite
def tables(draw, most=6):
    """Count matrices with constant and equal rows among them."""
    n_units, n_classes = draw(st.integers(1, most)), draw(st.integers(2, 7))
    row = st.lists(st.integers(0, 9), min_size=n_classes, max_size=n_classes)
    constant = st.integers(0, 3).map(lambda n: [n] * n_classes)
    rows = draw(st.lists(row | constant, min_size=n_units, max_size=n_units))
    return rows + rows[: draw(st.integers(0, 2))]


def correlation_by_the_formula(a, b):
    """Pearson's r of whole numbers; the sums are exact."""
    n = len(a)
    if len(set(a)) == 1 or len(set(b)) == 1:
        return math.nan
    both = n * sum(x * y for x, y in zip(a, b, strict=True)) - sum(a) * sum(b)
    of_a = n * sum(x * x for x in a) - sum(a) ** 2
    of_b = n * sum(x * x for x in b) - sum(b) ** 2
    return both / math.sqrt(of_a * of_b)


def every_pair(measure, table):
    return torch.tensor([[measure(a, b) for b in table] for a in table], dtype=torch.float64)


# Correlation


@quick
@given(tables())
def test_correlation_is_pearson_s_formula(table):
    found = pairwise_correlation(torch.tensor(table))
    assert found.dtype == torch.float64
    wanted = every_pair(correlation_by_the_formula, table)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12, equal_nan=True)
    torch.testing.assert_close(found, found.T, rtol=0, atol=1e-15, equal_nan=True)
    assert not (found.abs() > 1).any()
    diagonal = found.diagonal()
    assert torch.equal(diagonal[~diagonal.isnan()], torch.ones_like(diagonal[~diagonal.isnan()]))


@pytest.mark.parametrize("level", [0.0, 0.1, 1 / 3, 1e8 / 7])
@pytest.mark.parametrize("n_classes", [2, 7, 48, 220])
def test_a_constant_row_correlates_with_nothing(level, n_classes):
    """Also where the mean of equal entries is not the entry, for rounding."""
    counts = torch.rand(3, n_classes, generator=torch.Generator().manual_seed(0)).double()
    counts[1] = level
    found = pairwise_correlation(counts)
    assert found[1].isnan().all() and found[:, 1].isnan().all()
    rest = found[[0, 2]][:, [0, 2]]
    assert not rest.isnan().any() and rest.diagonal().tolist() == [1, 1]


def test_planted_correlations():
    counts = torch.tensor([[3, 1, 0, 0], [6, 2, 0, 0], [5, 3, 2, 2], [0, 2, 3, 3], [1, 1, 0, 0]])
    found = pairwise_correlation(counts)
    assert found[0, 1:4].tolist() == pytest.approx([1, 1, -1], abs=1e-12)
    assert found[0, 4].item() == pytest.approx(2 / 6**0.5, abs=1e-12)
    one_class = pairwise_correlation(100 * torch.eye(5))
    torch.testing.assert_close(  # units of different classes: -1 / (C - 1)
        one_class[~torch.eye(5).bool()], torch.full((20,), -0.25).double()
    )


def test_few_counts_on_a_high_level_keep_their_digits():
    counts = torch.tensor([[0, 1, 2, 0], [5, 0, 1, 7], [2, 2, 0, 1]]).double()
    torch.testing.assert_close(
        pairwise_correlation(counts + 2.0**20), pairwise_correlation(counts), rtol=0, atol=1e-12
    )


# Distance


@quick
@given(tables())
def test_distance_is_euclid_s_formula(table):
    found = pairwise_distance(torch.tensor(table))
    assert found.dtype == torch.float64 and torch.equal(found, found.T)
    torch.testing.assert_close(found, every_pair(math.dist, table), rtol=1e-14, atol=0)


def test_equal_rows_are_at_no_distance_at_all():
    """Many units and large entries: a distance from products of rows would leave a rest."""
    row = torch.rand(48, generator=torch.Generator().manual_seed(0)).double() * 1e4
    counts = row.repeat(120, 1)
    counts[7, 3] += 1e-3
    found = pairwise_distance(counts)
    others = torch.arange(120) != 7
    assert (found[others][:, others] == 0).all() and found[7, 7] == 0
    torch.testing.assert_close(
        found[7, others], torch.full((119,), 1e-3).double(), rtol=1e-6, atol=0
    )


def test_planted_distances():
    counts = torch.tensor([[100, 0, 0], [0, 100, 0], [50, 50, 0], [0, 0, 0]])
    found = pairwise_distance(counts)
    root = 2**0.5
    wanted = [0, 100 * root, 50 * root, 100]
    assert found[0].tolist() == pytest.approx(wanted, rel=1e-14)
    assert found[2, 3].item() == pytest.approx(50 * root, rel=1e-14)


@quick
@given(tables(), st.data())
def test_neither_order_of_classes_nor_of_units_matters(table, data):
    counts = torch.tensor(table)
    classes = torch.tensor(data.draw(st.permutations(range(counts.shape[1]))))
    units = torch.tensor(data.draw(st.permutations(range(len(counts)))))
    for measure in (pairwise_correlation, pairwise_distance):
        found, moved = measure(counts), measure(counts[units][:, classes])
        torch.testing.assert_close(
            moved, found[units][:, units], rtol=0, atol=1e-12, equal_nan=True
        )


# The mean of pairs


@quick
@given(tables())
def test_mean_of_pairs_is_the_loop(table):
    for measure in (correlation_by_the_formula, math.dist):
        pairs = [measure(a, b) for a, b in itertools.combinations(table, 2)]
        pairs = [r for r in pairs if not math.isnan(r)]
        found = mean_of_pairs(every_pair(measure, table))
        assert isinstance(found, float)
        if pairs:
            assert found == pytest.approx(math.fsum(pairs) / len(pairs), rel=1e-12, abs=1e-12)
        else:
            assert math.isnan(found)


def test_mean_of_pairs_leaves_the_diagonal_out():
    assert mean_of_pairs(torch.eye(4, dtype=torch.float64)) == 0
    matrix = torch.tensor([[1, 0.5, torch.nan], [0.5, 1, 0.1], [torch.nan, 0.1, 1]])
    assert mean_of_pairs(matrix) == pytest.approx(0.3)
    assert math.isnan(mean_of_pairs(torch.ones(1, 1)))
    assert math.isnan(mean_of_pairs(torch.full((3, 3), torch.nan)))


def test_layer_means_of_a_record(conv5):
    """Figure 5's two numbers for a layer of the world, from plain loops over its pairs of units."""
    pairs = list(itertools.combinations(conv5.tolist(), 2))
    alike = math.fsum(correlation_by_the_formula(a, b) for a, b in pairs) / len(pairs)
    apart = math.fsum(math.dist(a, b) for a, b in pairs) / len(pairs)
    assert mean_of_pairs(pairwise_correlation(conv5)) == pytest.approx(alike, rel=1e-12)
    assert mean_of_pairs(pairwise_distance(conv5)) == pytest.approx(apart, rel=1e-12)


def test_intervals_draw_units_and_not_pairs():
    """Three units: each of the 27 draws is as likely, a unit drawn twice makes no pair with itself."""
    matrix = torch.tensor([[1, 0.1, 0.4], [0.1, 1, torch.nan], [0.4, torch.nan, 1]]).double()
    likely = collections.Counter()
    for drawn in itertools.product(range(3), repeat=3):
        pairs = [matrix[a, b].item() for a, b in itertools.combinations(drawn, 2) if a != b]
        pairs = [r for r in pairs if not math.isnan(r)]
        likely[round(math.fsum(pairs) / len(pairs), 9) if pairs else None] += 1 / 27
    draws = 20_000
    found = drawn_means(matrix, draws=draws, seed=3)
    assert found.shape == (draws,)
    seen = collections.Counter(None if math.isnan(m) else round(m, 9) for m in found.tolist())
    assert set(seen) == set(likely)
    for mean, p in likely.items():
        assert abs(seen[mean] - draws * p) < 4 * (draws * p * (1 - p)) ** 0.5
    assert torch.equal(drawn_means(matrix, 50).nan_to_num(9), drawn_means(matrix, 50).nan_to_num(9))
    assert not torch.equal(
        drawn_means(matrix, 50).nan_to_num(9), drawn_means(matrix, 50, seed=1).nan_to_num(9)
    )


# The order


def neighbours(matrix, order):
    """Similarity of units side by side, added up."""
    return sum(matrix[a, b].item() for a, b in itertools.pairwise(order))


def orders_of_the_tree(apart):
    """Every order of the leaves that average linkage allows: the two sides of each join may be turned."""
    clusters = [((unit,), [(unit,)]) for unit in range(len(apart))]
    while len(clusters) > 1:

        def distance(pair):
            return statistics.fmean(
                apart[a, b].item() for a, b in itertools.product(pair[0][0], pair[1][0])
            )

        left, right = min(itertools.combinations(clusters, 2), key=distance)
        clusters = [c for c in clusters if c is not left and c is not right]
        turned = [one + other for a in left[1] for b in right[1] for one, other in ((a, b), (b, a))]
        clusters.append((left[0] + right[0], turned))
    return clusters[0][1]


@pytest.mark.parametrize("seed", range(8))
def test_order_is_one_that_the_tree_allows(seed):
    """Not always the one of most similar neighbours: scipy's leaf ordering misses it (its issue 11227)."""
    generator = torch.Generator().manual_seed(seed)
    matrix = pairwise_correlation(torch.rand(10, 5, generator=generator).double())
    possible = orders_of_the_tree(1 - matrix)
    assert len(set(possible)) == 2**9
    assert tuple(similar_order(matrix).tolist()) in possible


def test_neighbours_are_more_alike_than_as_numbered(conv5):
    """A layer of the world: 96 units, mean correlation of neighbours above .5 where the layer's is .03."""
    matrix = pairwise_correlation(conv5)
    found, numbered = similar_order(matrix).tolist(), range(len(matrix))
    assert neighbours(matrix, found) / 95 > 0.5 > 0.1 > neighbours(matrix, numbered) / 95


def is_order_of(order, n_units):
    return order.dtype == torch.int64 and sorted(order.tolist()) == list(range(n_units))


@quick
@given(tables(most=10))
def test_order_is_a_permutation_with_constant_rows_last(table):
    matrix = pairwise_correlation(torch.tensor(table))
    order = similar_order(matrix)
    assert is_order_of(order, len(table))
    defined = ~matrix.diagonal().isnan()[order]
    assert defined.tolist() == sorted(defined.tolist(), reverse=True)
    assert torch.equal(order, similar_order(matrix.clone()))  # the same each time


def test_order_of_few_units():
    for n_units in range(4):
        for value in (0.2, torch.nan):
            matrix = torch.full((n_units, n_units), value, dtype=torch.float64)
            if value == value:
                matrix.fill_diagonal_(1)
            assert is_order_of(similar_order(matrix), n_units)
    pair = torch.tensor([[torch.nan, torch.nan], [torch.nan, 1]])
    assert similar_order(pair).tolist() == [1, 0]


def test_units_along_a_line_come_out_along_it():
    """Similarity that falls with the distance between shuffled points: their order, or its reverse."""
    points = torch.tensor([0.0, 1.0, 2.3, 2.9, 4.4, 5.0, 7.1, 8.0, 9.7, 10.0]).double()
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        shuffled = points[torch.randperm(len(points), generator=generator)]
        matrix = 1 - (shuffled[:, None] - shuffled).abs() / 10
        found = shuffled[similar_order(matrix)].tolist()
        assert found in (points.tolist(), points.tolist()[::-1])


def test_planted_groups_stay_together_and_constant_rows_go_last():
    generator = torch.Generator().manual_seed(1)
    group = torch.randperm(42, generator=generator) % 6
    counts = 20 * torch.eye(6)[group] + torch.randint(0, 4, (42, 6), generator=generator)
    counts[[3, 17]] = torch.tensor([[0.0], [2.0]]).expand(2, 6)
    matrix = pairwise_correlation(counts)
    order = similar_order(matrix)
    assert set(order[-2:].tolist()) == {3, 17}
    assert len(list(itertools.groupby(group[order[:-2]].tolist()))) == 6
    within = neighbours(matrix, order[:-2].tolist())
    by_group = [u for u in group.argsort().tolist() if u not in (3, 17)]
    assert within > neighbours(matrix, by_group)  # also inside the groups
