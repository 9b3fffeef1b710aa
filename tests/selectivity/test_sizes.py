"""The degree with fewer images, classes and shorter lists: against recording again, by plain loops."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.record.toplist import RankedList, rerank
from helpers.selectivity.facets import layer_counts, multifaceted_degree
from helpers.selectivity.sizes import by_classes, by_images, by_list_length, counts_without
from tests.planted import planted_layer, planted_study

pytestmark = pytest.mark.usefixtures("one_thread")
quick = settings(deadline=None, max_examples=80)


def record_of(responses, classes, n_classes, k):
    names = [f"class{c}" for c in range(n_classes)]
    made = {"conv1": {s: responses for s in ("max", "mean", "min")}}
    return planted_study(made, classes, names, k=k).record


def without_responses(record):
    """The record as of a large set: lists and sums only."""
    for name in record.layers:
        record[name].responses.clear()
    return record


def counts_by_hand(responses, kept, classes, n_classes, first):
    """Sort the images that are shown, take the first, count those with a positive response."""
    rows = []
    for unit in responses.T.tolist():
        shown = [i for i in range(len(unit)) if kept[i]]
        shown.sort(key=lambda i: (-unit[i], i))
        row = [0] * n_classes
        for image in shown[:first]:
            row[classes[image]] += unit[image] > 0
        rows.append(row)
    return torch.tensor(rows)


def degree_by_hand(row):
    """Equation 2 from the definitions: mean absolute difference, and entropy."""
    n, total = len(row), sum(row)
    apart = sum(abs(a - b) for a in row for b in row)
    gini = apart / (2 * n * total)
    parts = [(x + 1e-7) / (total + n * 1e-7) for x in row]
    entropy = -sum(p * math.log(p) for p in parts) / math.log(n)
    return (2**entropy - 1) / gini if gini > 1e-6 else math.inf


def mean_degree(counts):
    degrees = [degree_by_hand(row) for row in counts.tolist() if sum(row)]
    return np.mean([d for d in degrees if math.isfinite(d)])


# Lists without some of their images


@st.composite
def experiments(draw):
    """Responses with many ties, positive and not; some images left out; lists that may be too short."""
    n, n_classes = draw(st.integers(1, 14)), draw(st.integers(2, 4))
    whole = st.integers(-2, 3)
    units = draw(st.lists(st.lists(whole, min_size=n, max_size=n), min_size=1, max_size=4))
    classes = draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n))
    kept = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    k, first = draw(st.integers(1, n)), draw(st.integers(1, 6))
    return torch.tensor(units).T.float(), np.array(classes), np.array(kept), n_classes, k, first


@quick
@given(experiments())
def test_leaving_images_out_is_recording_without_them(experiment):
    responses, classes, kept, n_classes, k, first = experiment
    top = record_of(responses, classes, n_classes, k)["conv1"].top
    counts, complete = counts_without(top, kept, classes, n_classes, first)
    wanted = counts_by_hand(responses, kept, classes, n_classes, first)
    assert counts.dtype == torch.int64 and complete.dtype == torch.bool
    assert torch.equal(counts[complete], wanted[complete])
    for unit in (~complete).nonzero()[:, 0].tolist():
        # Only where the list ran out while responses were still positive.
        listed = top.images[unit].tolist()
        assert sum(kept[i] for i in listed) < first and top.values[unit, -1] > 0
        assert (counts[unit] <= wanted[unit]).all()
    if kept.any():  # and the lists that a recording of these images makes give the same
        again = planted_layer(
            "conv1", dict.fromkeys(("max", "min", "mean"), responses[kept]), classes[kept], n_classes,
            k=int(kept.sum()),
        )  # fmt: skip
        listed = torch.from_numpy(classes[kept])[again.top.images]
        for unit in complete.nonzero()[:, 0].tolist():
            strong = listed[unit, :first][again.top.values[unit, :first] > 0]
            assert torch.equal(counts[unit], torch.bincount(strong, minlength=n_classes))


@quick
@given(experiments())
def test_lists_with_empty_places(experiment):
    """A list with room left holds every image, so nothing can be missing."""
    responses, classes, kept, n_classes, _, first = experiment
    n = len(classes)
    top = record_of(responses, classes, n_classes, n)["conv1"].top
    shown = RankedList(top.values, top.images)
    padded = rerank([shown], lambda v: v, n + 2, keep=lambda images: images != 0)
    padded = RankedList(
        torch.nn.functional.pad(padded.values, (0, 2), value=torch.nan),
        torch.nn.functional.pad(padded.images, (0, 2), value=-1),
    )
    counts, complete = counts_without(padded, kept, classes, n_classes, first)
    kept = kept & (np.arange(n) != 0)
    assert complete.all()
    assert torch.equal(counts, counts_by_hand(responses, kept, classes, n_classes, first))


def test_nothing_left_out_is_the_count_of_the_record():
    responses = torch.randn(90, 5, generator=torch.Generator().manual_seed(0))
    classes = np.arange(90) % 6
    record = record_of(responses, classes, 6, k=90)
    counts, complete = counts_without(record["conv1"].top, np.ones(90, bool), classes, 6, 20)
    assert complete.all() and torch.equal(counts, layer_counts(record, "conv1", 20))


def test_a_list_that_ends_without_a_positive_response_is_complete():
    values = torch.tensor([[3.0, 2.0, 0.0], [3.0, 2.0, 1.0], [-1.0, -2.0, -3.0]])
    ranked = RankedList(values, torch.tensor([[0, 1, 2]] * 3))
    kept, classes = np.array([False, True, True, True]), np.array([0, 1, 1, 0])
    counts, complete = counts_without(ranked, kept, classes, 2, first=3)
    assert complete.tolist() == [True, False, True]
    assert counts.tolist() == [[0, 1], [0, 2], [0, 0]]


# Tables of the degree


SIZES = (9, 7, 5, 3)
CLASSES = np.repeat(np.arange(4), SIZES)
COLUMNS = ["size", "degree", "low", "high", "null", "smallest", "largest", "units", "complete"]


@pytest.fixture(scope="module")
def small():
    """24 images, six units, lists of all; one unit never answers."""
    responses = torch.randn(24, 6, generator=torch.Generator().manual_seed(1)) + 0.5
    responses[:, 5] = -1
    return responses, record_of(responses, CLASSES, 4, k=24)


def random_degree(n, sizes, draws=4000):
    """(mean, its standard error) of the degree of n images drawn at random."""
    random, labels = np.random.default_rng(9), np.repeat(np.arange(len(sizes)), sizes)
    rows = (np.bincount(random.permutation(labels)[:n], minlength=len(sizes)) for _ in range(draws))
    found = np.array([degree_by_hand(row.tolist()) for row in rows])
    found = found[np.isfinite(found)]
    return found.mean(), found.std() / 1000**0.5


def test_list_lengths_by_hand(small):
    responses, record = small
    table = by_list_length(record, "conv1", [5, 9, 11])
    assert list(table) == COLUMNS and table["size"].tolist() == [5, 9, 11]
    for row in table.itertuples():
        counts = counts_by_hand(responses, [True] * 24, CLASSES, 4, row.size)
        assert row.degree == pytest.approx(mean_degree(counts), rel=1e-9)
        assert row.low <= row.degree <= row.high and row.low < row.high
        assert row.units == 5 and row.complete == 1
        every = [
            degree_by_hand(one)
            for one in itertools.product(*(range(n + 1) for n in SIZES))
            if sum(one) == row.size
        ]
        assert row.smallest == pytest.approx(min(every)) and row.largest == pytest.approx(
            max(every)
        )
        null, error = random_degree(row.size, SIZES)
        assert row.null == pytest.approx(null, abs=5 * error)


def test_a_list_longer_than_recorded_is_not_complete(small):
    responses, _ = small
    record = without_responses(record_of(responses.abs() + 0.1, CLASSES, 4, k=8))
    (row,) = by_list_length(record, "conv1", [7]).itertuples()
    assert (row.units, row.complete) == (6, 1)


def test_lists_that_all_run_out_give_no_mean(small):
    responses, _ = small
    record = without_responses(record_of(responses.abs() + 0.1, CLASSES, 4, k=8))
    (row,) = by_list_length(record, "conv1", [9]).itertuples()
    assert (row.units, row.complete) == (0, 0)
    assert math.isnan(row.degree) and math.isnan(row.low) and math.isfinite(row.null)
    (row,) = by_images(record, "conv1", [0.25], first=8).itertuples()
    assert (row.size, row.units, row.complete) == (6, 0, 0) and math.isnan(row.degree)


def test_units_whose_lists_last_are_not_taken_for_all():
    """Half of the units love one class, half any: of few classes only the lists of some would last."""
    classes = np.repeat(np.arange(8), 12)
    random = torch.Generator().manual_seed(3)
    responses = 1 + torch.rand(96, 16, generator=random)
    responses[:, :8] += 9 * torch.nn.functional.one_hot(torch.from_numpy(classes), 8)
    record = record_of(responses, classes, 8, k=30)
    (row,) = by_classes(record, "conv1", [2], first=10).itertuples()
    wanted = []
    for seed in range(5):
        chosen = np.sort(np.random.default_rng(seed).permutation(8)[:2])
        counts = counts_by_hand(responses, np.isin(classes, chosen), classes, 8, 10)
        wanted.append(mean_degree(counts[:, torch.from_numpy(chosen)]))
    assert row.degree == pytest.approx(np.mean(wanted)) and row.complete == 1
    (alone,) = by_classes(without_responses(record), "conv1", [2], first=10).itertuples()
    assert 0 < alone.complete < 1 and alone.units == 0 and math.isnan(alone.degree)
    (whole,) = by_classes(record, "conv1", [8], first=10).itertuples()
    assert whole.complete == 1 and whole.units == 16 and math.isfinite(whole.degree)


def test_lists_and_single_responses_give_the_same(small):
    responses, _ = small
    record = record_of(responses, CLASSES, 4, k=24)
    by_responses = [by_images(record, "conv1", [0.5, 1], 5), by_classes(record, "conv1", [2, 4], 5)]
    record = without_responses(record)
    by_lists = [by_images(record, "conv1", [0.5, 1], 5), by_classes(record, "conv1", [2, 4], 5)]
    for one, other in zip(by_responses, by_lists, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_all_images_are_the_record_s_own(small):
    responses, record = small
    for table in (
        by_images(record, "conv1", [1], first=9),
        by_classes(record, "conv1", [4], first=9),
    ):
        (row,) = table[COLUMNS].itertuples()
        assert row.degree == pytest.approx(mean_degree(layer_counts(record, "conv1", 9)))
        assert (row.units, row.complete) == (5, 1)
    assert by_images(record, "conv1", [1], first=9)["size"].tolist() == [24]
    assert by_classes(record, "conv1", [4], first=9)["size"].tolist() == [4]


def test_parts_of_the_images_by_drawing_them_here(small):
    """Means over many draws agree with means over draws of another generator."""
    responses, record = small
    (row,) = by_images(record, "conv1", [0.5], first=5, repeats=40).itertuples()
    random, degrees, low = np.random.default_rng(7), [], []
    for _ in range(100):
        kept = np.zeros(24, bool)
        kept[random.choice(24, 12, replace=False)] = True
        degrees.append(mean_degree(counts_by_hand(responses, kept, CLASSES, 4, 5)))
        sizes = np.bincount(CLASSES[kept], minlength=4)
        low.append(degree_by_hand(sorted_first(sizes, 5)))
    assert (row.size, row.units, row.complete) == (12, 5, 1)
    for mine, theirs in ((row.degree, degrees), (row.smallest, low)):
        error = np.std(theirs) * (1 / 40 + 1 / 100) ** 0.5
        assert mine == pytest.approx(np.mean(theirs), abs=4 * error)


def sorted_first(sizes, n):
    """n images from the largest classes."""
    row = []
    for size in sorted(sizes, reverse=True):
        row.append(min(size, n - sum(row)))
    return row


def test_the_same_part_is_the_same_draw(small):
    _, record = small
    again = [by_images(record, "conv1", [0.5], first=5) for _ in range(2)]
    assert again[0].equals(again[1])


def test_fewer_classes_shorten_the_row():
    """One unit for each class: of m classes m units are left, with one class of m, whichever are drawn."""
    classes = np.repeat(np.arange(6), 10)
    responses = torch.nn.functional.one_hot(torch.from_numpy(classes), 6) * 2.0 - 1
    table = by_classes(record_of(responses, classes, 6, k=60), "conv1", [6, 5, 3], first=7)
    assert list(table) == COLUMNS
    for row in table.itertuples():
        one = degree_by_hand([7] + [0] * (row.size - 1))
        assert row.units == row.size and row.complete == 1
        assert row.degree == pytest.approx(one) == row.smallest == pytest.approx(row.low)
        null, error = random_degree(7, [10] * row.size)
        assert row.null == pytest.approx(null, abs=5 * error)
        even = [7 // row.size + (i < 7 % row.size) for i in range(row.size)]
        assert row.largest == pytest.approx(degree_by_hand(even))


def test_images_that_were_not_recorded_are_in_no_class():
    classes = np.repeat(np.arange(4), 10)
    responses = torch.rand(30, 5, generator=torch.Generator().manual_seed(0))
    record = record_of(responses, classes[:30], 4, k=30)
    record.classes, record.recorded = classes, np.arange(40) < 30
    (row,) = by_images(record, "conv1", [1], first=8).itertuples()
    assert row.degree == pytest.approx(mean_degree(layer_counts(record, "conv1", 8)))
    null, error = random_degree(8, [10, 10, 10, 0])
    assert row.null == pytest.approx(null, abs=5 * error)
    assert row.largest == pytest.approx(degree_by_hand([3, 3, 2, 0]))


def test_even_random_rows_are_left_out_of_the_null():
    """Of 4 classes some random rows are even; their degree is infinite, which is no mean."""
    classes = np.repeat(np.arange(4), 12)
    responses = torch.rand(48, 5, generator=torch.Generator().manual_seed(0))
    (row,) = by_classes(record_of(responses, classes, 4, k=48), "conv1", [4], first=8).itertuples()
    null, error = random_degree(8, [12] * 4)
    assert row.largest == math.inf and row.null == pytest.approx(null, abs=5 * error)
    assert torch.isinf(multifaceted_degree(torch.tensor([[2, 2, 2, 2]]))).all()
