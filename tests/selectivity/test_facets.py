"""Facets of a unit: against loops over the paper's equations, planted rows, limits, shuffled labels.

The references are exact (fractions) for the Gini index and correctly rounded sums (`fsum`) for entropies,
so that 1e-12 is a fair tolerance for the code's double precision.
"""

import itertools
import math
import statistics
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import SelectivityError, open_study
from helpers.record import RankedList
from helpers.selectivity.facets import (
    class_counts,
    degree_bounds,
    effective_classes,
    facet_counts,
    facet_units,
    gini,
    layer_counts,
    listed_counts,
    merged_counts,
    most_concentrated_row,
    most_even_row,
    multifaceted,
    multifaceted_degree,
    normal_tail,
    random_rows,
    rank_tail,
    spectral_flatness,
)

CLOSE = dict(rel=1e-12, abs=1e-12)
CONSTANT = 1e-7  # the paper's "small constant of 0.0000001"
pytestmark = pytest.mark.usefixtures("one_thread")
quick = settings(deadline=None, max_examples=60)
rows = st.lists(st.integers(0, 40), min_size=2, max_size=12).filter(any)


def of_row(index, row, **options):
    """The index of one row, as a number."""
    found = index(torch.tensor([row]), **options)
    assert found.shape == (1,) and found.dtype == torch.float64
    return found.item()


def gini_by_pairs(row):
    """Half the relative mean absolute difference of all pairs: needs no sorting and no ranks. Exact."""
    difference = sum(abs(a - b) for a in row for b in row)
    return Fraction(difference, 2 * len(row) * sum(row))


def entropy_by_the_paper(row, constant):
    """Bits, of the row after the constant is added to each entry."""
    total = math.fsum(n + constant for n in row)
    shares = [(n + constant) / total for n in row]
    return -math.fsum(p * math.log(p) / math.log(2) for p in shares if p > 0)


def flatness_by_the_paper(row, length=None):
    """Equation 1, solved for the flatness."""
    if not any(row):
        return -1.0
    return 2 ** (entropy_by_the_paper(row, CONSTANT) / math.log2(length or len(row))) - 1


def degree_by_the_paper(row):
    """Equation 2 with the rules for its ends."""
    if not any(row):
        return math.nan
    sparsity = float(gini_by_pairs(row))
    return math.inf if sparsity < 1e-6 else flatness_by_the_paper(row) / sparsity


def normal_tail_by_hand(degrees):
    """Upper tail of the normal curve with the sample's mean and unbiased deviation."""
    known = [d for d in degrees if math.isfinite(d)]
    curve = statistics.NormalDist(statistics.mean(known), statistics.stdev(known))
    tails = [1 - curve.cdf(curve.mean + abs(d - curve.mean)) for d in degrees]
    return [t if math.isfinite(d) else math.nan for d, t in zip(degrees, tails, strict=True)]


def rank_tail_by_hand(degrees):
    known = [d for d in degrees if not math.isnan(d)]
    tails = [
        min(sum(other <= d for other in known), sum(other >= d for other in known)) for d in degrees
    ]
    return [
        math.nan if math.isnan(d) else t / len(known) for d, t in zip(degrees, tails, strict=True)
    ]


def counts_by_loop(values, classes, n_classes, first):
    table = [[0] * n_classes for _ in values]
    for unit, (strengths, labels) in enumerate(zip(values, classes, strict=True)):
        for value, label in list(zip(strengths, labels, strict=True))[:first]:
            if label >= 0 and value > 0:  # nan is not above 0
                table[unit][label] += 1
    return table


def rows_within(sizes, n_images):
    """Every row of n_images that classes of these sizes allow."""
    everything = itertools.product(*(range(size + 1) for size in sizes))
    return [row for row in everything if sum(row) == n_images]


# The co-occurrence matrix


@quick
@given(st.data())
def test_class_counts_is_the_loop(data):
    """Sorted lists with ties, zeros, negative values, and a tail of missing entries."""
    k, first = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 14))
    values, classes = [], []
    for _ in range(data.draw(st.integers(1, 4))):
        kept = data.draw(st.integers(0, k))
        strengths = sorted(data.draw(_list(st.integers(-2, 3), kept)), reverse=True)
        values.append([float(v) for v in strengths] + [math.nan] * (k - kept))
        classes.append(data.draw(_list(st.integers(0, 3), kept)) + [-1] * (k - kept))
    found = class_counts(torch.tensor(values), torch.tensor(classes), 4, first=first)
    assert found.dtype == torch.int64
    assert found.tolist() == counts_by_loop(values, classes, 4, first)


def _list(elements, size):
    return st.lists(elements, min_size=size, max_size=size)


@quick
@given(
    st.lists(st.tuples(st.integers(-2, 3), st.integers(-1, 3)), min_size=1, max_size=15), st.data()
)
def test_class_counts_knows_no_order_of_the_images(pairs, data):
    shuffled = data.draw(st.permutations(pairs))
    found = [
        class_counts(*(torch.tensor([list(column)]) for column in zip(*order, strict=True)), 4)
        for order in (pairs, shuffled)
    ]
    assert torch.equal(*found)
    assert found[0].sum() == sum(value > 0 and label >= 0 for value, label in pairs)


def test_only_positive_values_of_known_classes_count():
    values = torch.tensor([[3.0, 2.0, 1e-30, 0.0, -0.0, -1.0, math.nan], [math.inf] + [1.0] * 6])
    classes = torch.tensor([[0, 2, 2, 1, 1, 1, 1], [2, -1, -7, 0, 0, 0, 0]])
    assert class_counts(values, classes, 3).tolist() == [[1, 0, 2], [4, 0, 1]]
    assert class_counts(values, classes, 3, first=2).tolist() == [[1, 0, 1], [0, 0, 1]]
    assert class_counts(values, classes, 5).shape == (2, 5)
    assert class_counts(-values.abs(), classes, 3).tolist() == [[0, 0, 0]] * 2


def test_class_counts_takes_the_first_100():
    values, classes = torch.linspace(9, 1, 150)[None], torch.arange(150)[None] // 50
    assert class_counts(values, classes, 3).tolist() == [[50, 50, 0]]
    assert class_counts(values[:, :70], classes[:, :70], 3).tolist() == [[50, 20, 0]]


def test_counts_by_other_labels():
    """Any labels of the images; an empty place (image -1) must not take the label of the last image."""
    images, values = torch.tensor([[3, 0, -1], [2, 1, 0]]), torch.tensor([[2.0, 1, 5], [3, 2, -1]])
    ranked = RankedList(values, images)
    assert listed_counts(ranked, [0, 1, 0, 1], 2).tolist() == [[1, 1], [1, 1]]
    assert listed_counts(ranked, np.array([0, 1, 0, 2]), 3, first=1).tolist() == [
        [0, 0, 1],
        [1, 0, 0],
    ]
    counts = torch.tensor([[5, 1, 0, 2], [0, 0, 7, 1]])
    assert merged_counts(counts, [1, 0, 0, 1]).tolist() == [[1, 7], [7, 1]]


def test_class_counts_of_no_units_and_of_other_shapes():
    nothing = torch.zeros(0, 4), torch.zeros(0, 4, dtype=torch.long)
    assert class_counts(*nothing, 3).shape == (0, 3)
    with pytest.raises(ValueError):
        class_counts(torch.ones(2, 4), torch.zeros(2, 3, dtype=torch.long), 3)
    with pytest.raises(ValueError):
        class_counts(torch.ones(1, 2), torch.tensor([[0, 3]]), 3)


@pytest.fixture(scope="module")
def world():
    return open_study("world").record


@pytest.mark.parametrize(("layer", "first"), [("conv5", 100), ("conv1", 7), ("fc", 576)])
def test_class_counts_of_a_record(world, layer, first):
    """The world's units, image after image. The last layer's long lists end below 0."""
    top = world[layer].top
    images, strengths = top.images.tolist(), top.values.tolist()
    labels = [[int(world.classes[i]) for i in row] for row in images]
    wanted = counts_by_loop(strengths, labels, 48, first)
    if layer == "fc":
        assert any(sum(row) < first for row in wanted)
    found = class_counts(top.values, torch.from_numpy(world.classes)[top.images], 48, first=first)
    assert found.tolist() == wanted
    assert torch.equal(layer_counts(world, layer, first), found)


# Each index is its formula


@quick
@given(rows)
def test_each_index_is_its_formula(row):
    assert of_row(gini, row) == pytest.approx(float(gini_by_pairs(row)), **CLOSE)
    assert of_row(spectral_flatness, row) == pytest.approx(flatness_by_the_paper(row), **CLOSE)
    assert of_row(spectral_flatness, row, length=512) == pytest.approx(
        flatness_by_the_paper(row, 512), **CLOSE
    )
    assert of_row(multifaceted_degree, row) == pytest.approx(degree_by_the_paper(row), rel=1e-9)
    wanted = 2 ** entropy_by_the_paper(row, 0)
    assert of_row(effective_classes, row) == pytest.approx(wanted, **CLOSE)


@quick
@given(st.lists(_list(st.integers(0, 9), 5), min_size=1, max_size=6))
def test_a_unit_s_index_does_not_depend_on_the_other_units(table):
    for index in (gini, spectral_flatness, multifaceted_degree, effective_classes):
        found = index(torch.tensor(table))
        one_by_one = torch.cat([index(torch.tensor([row])) for row in table])
        torch.testing.assert_close(found, one_by_one, equal_nan=True)


@quick
@given(rows)
def test_ranges(row):
    """The paper: Gini and flatness lie between 0 and 1. One class of C is the largest Gini, 1 - 1/C."""
    classes, seen = len(row), sum(n > 0 for n in row)
    assert -1e-12 <= of_row(gini, row) <= 1 - 1 / classes + 1e-12
    assert -1e-12 <= of_row(spectral_flatness, row) <= 1 + 1e-12
    assert of_row(multifaceted_degree, row) >= 0
    assert 1 - 1e-12 <= of_row(effective_classes, row) <= seen + 1e-12


@quick
@given(rows, st.data())
def test_the_order_of_the_classes_does_not_matter(row, data):
    shuffled = data.draw(st.permutations(row))
    for index in (gini, spectral_flatness, multifaceted_degree, effective_classes):
        assert of_row(index, shuffled) == pytest.approx(of_row(index, row), rel=1e-9)


@quick
@given(rows, st.integers(2, 1000))
def test_more_images_in_the_same_proportions(row, times):
    """Gini and effective classes stay. The flatness' constant weighs less: at most 3e-5 for 12 classes."""
    more = [n * times for n in row]
    assert of_row(gini, more) == pytest.approx(of_row(gini, row), **CLOSE)
    assert of_row(effective_classes, more) == pytest.approx(of_row(effective_classes, row), **CLOSE)
    assert of_row(spectral_flatness, more) == pytest.approx(
        of_row(spectral_flatness, row), abs=3e-5
    )


@quick
@given(rows, st.data())
def test_the_order_of_the_classes_changes_no_bit(row, data):
    """A p-value asks whether one degree is at least another: equal rows must give equal numbers.

    Both in one table and alone.
    """
    shuffled = data.draw(st.permutations(row))
    for index in (gini, spectral_flatness, multifaceted_degree, effective_classes):
        one, other = index(torch.tensor([row, shuffled])).tolist()
        assert one == other == of_row(index, shuffled)


def test_counts_may_be_whole_or_broken_numbers():
    counts = torch.tensor([[3, 0, 1, 4], [0, 0, 0, 0]])
    for index in (gini, spectral_flatness, multifaceted_degree, effective_classes):
        torch.testing.assert_close(index(counts), index(counts.float()), equal_nan=True)
        assert index(counts[:0]).shape == (0,)


# Planted rows


@pytest.mark.parametrize("classes", [2, 3, 48, 220, 1000])
@pytest.mark.parametrize("images", [1, 100, 1300])
def test_one_class_only(classes, images):
    row = [0] * (classes - 1) + [images]
    assert of_row(gini, row) == pytest.approx(1 - 1 / classes, **CLOSE)
    flatness = of_row(spectral_flatness, row)
    assert 0 < flatness < 3e-4  # 0 but for the constant in each of the other classes
    assert flatness == pytest.approx(flatness_by_the_paper(row), **CLOSE)
    assert of_row(multifaceted_degree, row) == pytest.approx(flatness / (1 - 1 / classes), rel=1e-9)
    assert of_row(effective_classes, row) == pytest.approx(1, **CLOSE)


@pytest.mark.parametrize("classes", [3, 10, 48, 220, 1000])
def test_equally_many_of_some_classes(classes):
    for seen in {2, (classes + 1) // 2, classes - 1}:
        row = [12] * seen + [0] * (classes - seen)
        sparsity, flatness = 1 - seen / classes, seen ** (1 / math.log2(classes)) - 1
        assert of_row(gini, row) == pytest.approx(sparsity, **CLOSE)
        assert of_row(spectral_flatness, row) == pytest.approx(flatness, abs=1e-4)
        assert of_row(multifaceted_degree, row) == pytest.approx(flatness / sparsity, rel=5e-4)
        assert of_row(effective_classes, row) == pytest.approx(seen, **CLOSE)


@pytest.mark.parametrize("classes", [2, 3, 7, 48, 220, 1000])
@pytest.mark.parametrize("each", [1, 3, 7])
def test_equally_many_of_all_classes(classes, each):
    """Gini is 0 and the degree infinite by rule, whatever the rounding of the sum."""
    row = [each] * classes
    assert of_row(gini, row) == pytest.approx(0, abs=1e-12)
    assert of_row(spectral_flatness, row) == pytest.approx(1, **CLOSE)
    assert of_row(multifaceted_degree, row) == math.inf
    assert of_row(effective_classes, row) == pytest.approx(classes, **CLOSE)


def test_no_images_at_all():
    counts = torch.tensor([[0, 0, 0], [2, 0, 1], [0, 0, 0]])
    empty = [True, False, True]
    assert spectral_flatness(counts)[[0, 2]].tolist() == [-1, -1]
    assert spectral_flatness(counts, length=64)[[0, 2]].tolist() == [-1, -1]
    for index in (gini, multifaceted_degree, effective_classes):
        assert index(counts).isnan().tolist() == empty


def test_infinite_by_rule_below_a_gini_of_a_millionth():
    """One image more among a million times two is still uneven; among ten million it is not."""
    for base, wanted in [(10**5, False), (10**6, True)]:
        row = [base, base + 1]  # Gini = 1 / (2 (2 base + 1))
        assert float(gini_by_pairs(row)) == pytest.approx(1 / (4 * base + 2))
        assert math.isinf(of_row(multifaceted_degree, row)) == wanted


def test_one_class_alone_has_no_flatness():
    for index in (spectral_flatness, multifaceted_degree):
        with pytest.raises(SelectivityError) as error:
            index(torch.tensor([[3], [0]]))
        assert "\n" not in str(error.value)
    assert of_row(gini, [3]) == pytest.approx(0, abs=1e-12)
    assert of_row(effective_classes, [3]) == 1
    with pytest.raises(SelectivityError):
        spectral_flatness(torch.ones(2, 3), length=1)


def test_what_the_printed_number_of_neurons_would_give():
    """100 of 1,000 classes, one image each: flatness exceeds 1 with VGG16's 64 neurons, degree 1.28.

    With the row's length the degree is .653, the paper's reported maximum being .63.
    """
    row = [1] * 100 + [0] * 900
    assert of_row(multifaceted_degree, row) == pytest.approx(0.6527, abs=1e-4)
    by_neurons = {64: 1.1544, 128: 0.9307, 256: 0.7783, 512: 0.6681}
    for neurons, wanted in by_neurons.items():
        assert of_row(spectral_flatness, row, length=neurons) == pytest.approx(wanted, abs=1e-4)
    assert of_row(spectral_flatness, row, length=1000) == of_row(spectral_flatness, row)


# Monotonicity: an image moved to an emptier class


@quick
@given(rows, st.data())
def test_a_more_even_row_is_more_multifaceted(row, data):
    fuller = data.draw(st.sampled_from([i for i, n in enumerate(row) if n > 0]))
    emptier = data.draw(st.sampled_from([i for i in range(len(row)) if i != fuller]))
    if row[emptier] >= row[fuller]:
        fuller, emptier = emptier, fuller
    moved = list(row)
    moved[fuller] -= 1
    moved[emptier] += 1
    before, after = (
        [of_row(i, r) for i in (gini, spectral_flatness, effective_classes, multifaceted_degree)]
        for r in (row, moved)
    )
    if row[fuller] - row[emptier] >= 2:
        assert after[0] < before[0] - 1e-9
        assert all(a > b + 1e-9 for a, b in zip(after[1:], before[1:], strict=True))
    elif row[fuller] - row[emptier] == 1:  # they change places
        assert after == pytest.approx(before, rel=1e-9)


@quick
@given(rows, st.integers(1, 200))
def test_classes_never_seen_change_every_index_but_the_effective_number(row, more):
    """The paper's ground for the Gini index, that it does not depend on the vector's size, is wrong here.

    Exactly: 1 - Gini shrinks by C / (C + more).
    """
    longer = row + [0] * more
    factor = len(row) / (len(row) + more)
    assert of_row(gini, longer) == pytest.approx(1 - (1 - of_row(gini, row)) * factor, **CLOSE)
    assert of_row(gini, longer) > of_row(gini, row)
    assert of_row(effective_classes, longer) == pytest.approx(of_row(effective_classes, row))
    if sum(n > 0 for n in row) > 1:
        assert of_row(spectral_flatness, longer) < of_row(spectral_flatness, row)
        assert of_row(multifaceted_degree, longer) < of_row(multifaceted_degree, row)


def test_the_same_images_among_more_classes():
    """Ten images of each of ten classes, by the number of classes that exist."""
    found = {
        classes: [of_row(i, [10] * 10 + [0] * (classes - 10)) for i in (gini, multifaceted_degree)]
        for classes in (10, 48, 220, 1000)
    }
    wanted = {10: [0, math.inf], 48: [0.7917, 0.6445], 220: [0.9545, 0.3607], 1000: [0.99, 0.2625]}
    for classes, pair in wanted.items():
        assert found[classes] == pytest.approx(pair, abs=1e-4)


# What class sizes allow


@pytest.mark.parametrize("sizes", [(1, 2, 3, 4), (4, 4, 1, 3), (2, 2, 2, 2), (3, 0, 1, 4), (5, 1)])
def test_bounds_are_those_of_all_rows(sizes):
    for n_images in range(1, min(6, sum(sizes)) + 1):
        degrees = {row: degree_by_the_paper(row) for row in rows_within(sizes, n_images)}
        even = tuple(most_even_row(n_images, torch.tensor(sizes)).tolist())
        concentrated = tuple(most_concentrated_row(n_images, torch.tensor(sizes)).tolist())
        assert even in degrees and concentrated in degrees  # possible rows
        least, most = min(degrees.values()), max(degrees.values())
        assert degrees[even] == pytest.approx(most, rel=1e-9)
        assert degrees[concentrated] == pytest.approx(least, rel=1e-9)
        assert degree_bounds(n_images, torch.tensor(sizes)) == pytest.approx(
            (least, most), rel=1e-9
        )


@quick
@given(st.lists(st.integers(0, 5), min_size=2, max_size=4).filter(any), st.data())
def test_bounds_of_any_sizes(sizes, data):
    n_images = data.draw(st.integers(1, sum(sizes)))
    degrees = [degree_by_the_paper(row) for row in rows_within(sizes, n_images)]
    wanted = min(degrees), max(degrees)
    assert degree_bounds(n_images, torch.tensor(sizes)) == pytest.approx(wanted, rel=1e-9)


def test_bounds_of_known_designs():
    even = most_even_row(100, torch.full((48,), 120))
    assert sorted(even.tolist()) == [2] * 44 + [3] * 4
    assert most_even_row(100, torch.ones(1000, dtype=torch.long)).sum() == 100
    one_each = degree_bounds(100, torch.ones(1000, dtype=torch.long))
    assert one_each == pytest.approx((0.6527, 0.6527), abs=1e-4)  # nothing to choose
    large = degree_bounds(100, torch.full((1000,), 1300))
    assert large == pytest.approx((0, 0.6527), abs=1e-4)
    assert degree_bounds(96, torch.full((48,), 120))[1] == math.inf
    small = most_concentrated_row(100, torch.full((220,), 15))
    assert sorted(small.tolist()) == [0] * 213 + [10] + [15] * 6


def test_more_images_than_there_are():
    for rows_of in (random_rows, most_even_row, most_concentrated_row, degree_bounds):
        with pytest.raises(ValueError):
            rows_of(7, [1, 2, 3])
    assert most_even_row(0, [1, 2]).tolist() == most_concentrated_row(0, [1, 2]).tolist() == [0, 0]
    assert all(math.isnan(bound) for bound in degree_bounds(0, [1, 2]))


# What shuffled labels give


def test_random_rows_have_the_hypergeometric_distribution():
    """Every possible row of a small case is as frequent as it should be: a chi-square of its 15 rows."""
    sizes, n_images, draws = (1, 2, 3, 4), 4, 20_000
    possible = rows_within(sizes, n_images)
    ways = [math.prod(map(math.comb, sizes, row)) for row in possible]
    assert sum(ways) == math.comb(sum(sizes), n_images)
    drawn = [tuple(row) for row in random_rows(n_images, torch.tensor(sizes), draws, 3).tolist()]
    assert set(drawn) <= set(possible)
    expected = [draws * way / sum(ways) for way in ways]
    surprise = sum((drawn.count(r) - e) ** 2 / e for r, e in zip(possible, expected, strict=True))
    freedom = len(possible) - 1
    assert surprise < freedom + 4 * (2 * freedom) ** 0.5


def test_moments_of_random_rows():
    sizes, n_images, draws = torch.tensor([5, 120, 20, 255, 0]), 100, 20_000
    drawn = random_rows(n_images, sizes, draws=draws, seed=1)
    assert drawn.shape == (draws, 5) and (drawn >= 0).all() and (drawn <= sizes).all()
    assert (drawn.sum(1) == n_images).all()
    drawn, share, total = drawn.double(), sizes.double() / sizes.sum(), int(sizes.sum())
    variance = n_images * share * (1 - share) * (total - n_images) / (total - 1)
    error = (variance / draws).sqrt()
    assert ((drawn.mean(0) - n_images * share).abs() <= 4 * error).all()
    # A variance of nearly normal counts has the relative error sqrt(2 / draws) = 1 %.
    torch.testing.assert_close(drawn.var(0), variance, rtol=0.05, atol=0)
    covariance = -n_images * share[1] * share[3] * (total - n_images) / (total - 1)
    found = torch.cov(drawn[:, [1, 3]].T)[0, 1]
    torch.testing.assert_close(found, covariance, rtol=0.05, atol=0)


def test_random_rows_at_their_ends():
    sizes = torch.tensor([3, 1, 2])
    assert (random_rows(6, sizes, draws=5) == sizes).all()  # all images
    assert random_rows(1, sizes, draws=5).sum(1).tolist() == [1] * 5
    assert random_rows(2, sizes).shape == (1000, 3)
    first, again = random_rows(3, sizes, seed=4), random_rows(3, sizes, seed=4)
    assert torch.equal(first, again) and not torch.equal(first, random_rows(3, sizes, seed=5))


@pytest.mark.parametrize(
    ("classes", "size", "wanted", "within"),
    [(48, 100_000, 2.471, 0.027), (220, 100_000, 1.075, 0.0045), (1000, 1300, 0.6345, 0.0007)],
)
def test_degree_of_random_labels(classes, size, wanted, within):
    """Means of 100 images, from 40,000 rows drawn elsewhere; `within` is four errors of 2,000 draws."""
    drawn = random_rows(100, torch.full((classes,), size), draws=2000, seed=2)
    assert multifaceted_degree(drawn).mean().item() == pytest.approx(wanted, abs=within)


def test_small_classes_run_out():
    """Without replacement, rows of 15 images a class are more even than rows of endless classes."""
    small, large = (
        multifaceted_degree(random_rows(100, torch.full((48,), size), draws=2000)).mean()
        for size in (15, 100_000)
    )
    assert small - large > 0.15


def test_shuffled_labels_of_a_record_are_random_rows(world):
    """The labels of all images exchanged, the lists kept: the mean degree is that of random rows."""
    top, generator = world["conv5"].top, torch.Generator().manual_seed(0)
    labels, shuffles = torch.from_numpy(world.classes), []
    for _ in range(40):
        shuffled = labels[torch.randperm(len(labels), generator=generator)]
        shuffles.append(multifaceted_degree(class_counts(top.values, shuffled[top.images], 48)))
    means = torch.stack(shuffles).mean(1)
    null = multifaceted_degree(random_rows(100, world["conv5"].counts, draws=4000))
    error = (means.var() / len(means) + null.var() / len(null)).sqrt()
    assert error < 0.02 and (means.mean() - null.mean()).abs() < 4 * error
    true = multifaceted_degree(class_counts(top.values, labels[top.images], 48))
    assert true.mean() < 0.5 * null.mean()  # with its own labels the layer is far from it


# The table of a network's units

finite = st.integers(1, 40).map(lambda n: n / 7)


@quick
@given(st.lists(finite | st.just(math.inf) | st.just(math.nan), min_size=1, max_size=12))
def test_tails_are_their_definitions(degrees):
    rank = rank_tail(np.array(degrees))
    assert rank.tolist() == pytest.approx(rank_tail_by_hand(degrees), nan_ok=True)
    normal = normal_tail(np.array(degrees))
    if len({d for d in degrees if math.isfinite(d)}) > 1:
        assert normal.tolist() == pytest.approx(normal_tail_by_hand(degrees), abs=1e-9, nan_ok=True)
    else:
        assert np.isnan(normal).all()


def test_the_paper_s_tail_is_no_rank():
    """Its first-ranked unit of 64 has p = .14 (table 3): possible for a normal curve, not for a rank."""
    degrees = np.r_[np.full(40, 0.9), np.full(24, 0.6)]
    assert normal_tail(degrees).max() > 0.14 > normal_tail(degrees)[40]
    spread = np.linspace(0.2, 0.9, 64)
    assert rank_tail(spread)[[0, -1]].tolist() == [1 / 64, 1 / 64]


def test_equal_degrees_have_no_tails():
    """One image of each class: every unit's row holds 50 ones, wherever they are."""
    counts = random_rows(50, [1] * 1000, draws=200, seed=9)
    table = facet_units({"layer": counts}, [1] * 1000, [str(c) for c in range(1000)])
    assert (table["p_labels"] == 1).all() and (table["p_rank"] == 1).all()
    assert table["p_normal"].isna().all()
    assert np.isnan(normal_tail(np.full(3, 0.1))).all()


def test_random_rows_that_equal_a_unit_are_as_extreme():
    """Two images are of one class or of two: nothing else can happen, and most units tie."""
    sizes = [10] * 5
    table = facet_units({"layer": torch.tensor([[2, 0, 0, 0, 0], [0, 1, 0, 1, 0]])}, sizes, "abcde")
    one_class = int((random_rows(2, sizes).amax(1) == 2).sum())
    wanted = [(one_class + 1) / 1001, (1000 - one_class + 1) / 1001]
    assert table["p_labels"].tolist() == pytest.approx(wanted)
    assert 0.1 < wanted[0] < 0.3  # 9 of 49 pairs


def test_even_random_rows_are_left_out_of_the_null():
    """With 4 classes nearly 1 % of random rows are even: their infinite degree must not be the mean."""
    sizes, uneven = [100] * 4, [100 - 3, 1, 1, 1]
    table = facet_units({"layer": torch.tensor([uneven])}, sizes, list("abcd"))
    degrees = multifaceted_degree(random_rows(100, sizes))
    assert degrees.isinf().any()
    assert table["degree_null"][0] == pytest.approx(degrees[degrees.isfinite()].mean().item())


def test_multifaceted_is_above_the_mean_of_the_network():
    """Infinite degrees are above it and not in it; equal to the mean is not above; no images, neither."""
    degrees = [1.0, 2.0, 3.0, math.inf, math.nan]
    units = pd.DataFrame({"layer": list("aabbb"), "degree": degrees})
    assert multifaceted(units).tolist() == pytest.approx([0, 0, 1, 1, math.nan], nan_ok=True)
    table = facet_counts(units, [100] * 48)
    assert table.index.tolist() == ["a", "b"]
    assert table["multi"].tolist() == [0, 1] and table["single"].tolist() == [1, 0]
    assert table["largest"].tolist() == [2, 3] and table["smallest"].tolist() == [1, 3]


def test_extreme_degrees_of_random_units():
    """The largest of more units is larger by luck alone: against layers of random rows."""
    sizes = [120] * 48
    drawn = multifaceted_degree(random_rows(100, sizes, draws=64 * 200, seed=5)).reshape(200, 64)
    units = pd.DataFrame({"layer": ["a"] * 64 + ["b"] * 4, "degree": 1.0})
    table = facet_counts(units, sizes)
    for column, wanted in [("largest_null", drawn.amax(1)), ("smallest_null", drawn.amin(1))]:
        assert table[column]["a"] == pytest.approx(wanted.mean().item(), abs=0.12)
    assert table["largest_null"]["b"] < table["largest_null"]["a"] - 0.2
    assert table["smallest_null"]["b"] > table["smallest_null"]["a"] + 0.2


def test_units_of_a_record_one_by_one(world):
    """Every column of a few units; one has fewer images than the others, and two have none."""
    sizes, names = world["conv5"].counts, world.class_names
    counts = {"conv5": layer_counts(world, "conv5")[:6], "dead": torch.zeros(2, 48).long()}
    counts["conv5"][4] //= 3
    table = facet_units(counts, sizes, names)
    assert table["layer"].tolist() == ["conv5"] * 6 + ["dead"] * 2
    assert table["unit"].tolist() == [*range(6), 0, 1]
    listed = counts["conv5"].tolist()
    nulls = {n: random_rows(n, sizes).tolist() for n in {sum(row) for row in listed}}
    lucky = {n: [degree_by_the_paper(row) for row in null] for n, null in nulls.items()}
    sparsities = {n: statistics.fmean(map(gini_by_pairs, null)) for n, null in nulls.items()}
    assert len(nulls) == 2 and not any(math.isinf(d) for luck in lucky.values() for d in luck)
    tails = normal_tail_by_hand([degree_by_the_paper(row) for row in listed])
    for unit, row in enumerate(listed):
        found, degree, luck = table.iloc[unit], degree_by_the_paper(row), lucky[sum(row)]
        assert (found.n_images, found.n_classes) == (sum(row), sum(n > 0 for n in row))
        assert found.effective == pytest.approx(2 ** entropy_by_the_paper(row, 0))
        assert found.gini == pytest.approx(float(gini_by_pairs(row)))
        assert found.flatness == pytest.approx(flatness_by_the_paper(row))
        assert found.degree == pytest.approx(degree)
        assert (found.top_class, found.top_count) == (names[row.index(max(row))], max(row))
        assert found.gini_null == pytest.approx(sparsities[sum(row)])
        assert found.degree_null == pytest.approx(statistics.fmean(luck))
        assert found.ratio == pytest.approx(degree / statistics.fmean(luck))
        below, above = (sum(sign * x >= sign * degree for x in luck) for sign in (-1, 1))
        extreme = below if degree < statistics.fmean(luck) else above
        assert found.p_labels == pytest.approx((extreme + 1) / (len(luck) + 1))
        assert found.p_normal == pytest.approx(tails[unit], abs=1e-9)
    dead = table.iloc[6:]
    assert (dead["n_images"] == 0).all() and (dead["flatness"] == -1).all()
    assert dead["top_class"].isna().all()
    columns = [
        "gini",
        "degree",
        "effective",
        "degree_null",
        "ratio",
        "p_normal",
        "p_rank",
        "p_labels",
    ]
    assert dead[columns].isna().all().all()
