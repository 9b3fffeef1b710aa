"""Classes behind a unit: the equations by hand and by brute force, what luck gives, an ontology."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import open_study
from helpers.ontology import ontology_of
from helpers.selectivity import class_frequencies, relative_activations, share_hidden, tuning_curve
from helpers.selectivity.classes import (
    ancestor_frequencies,
    chance_corrected,
    class_selectivity,
    class_units,
    classes_covering,
    largest_class_selectivity,
    layer_frequencies,
    level_selectivity,
    most_selective_node,
    node_information,
    random_class_selectivity,
    random_classes,
    random_index_share,
    random_information,
)
from helpers.selectivity.facets import random_rows
from tests.planted import planted_study

pytestmark = pytest.mark.usefixtures("one_thread")
quick = settings(deadline=None, max_examples=60)
rows = st.lists(st.integers(0, 30), min_size=2, max_size=8).filter(any)
# Two breeds, a cat, a car and a lorry; a dog is an animal and, like the car, something people keep.
DOGS, CATS, ANIMALS, KEPT = [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 0, 1, 0]
NODES = torch.tensor([ANIMALS, KEPT, DOGS, CATS], dtype=torch.bool).T


def one(*row):
    """Frequencies (1, C) of a row of weights."""
    row = torch.tensor([row], dtype=torch.float64)
    return row / row.sum().clamp(min=1e-300)


def test_a_planted_unit():
    weights = torch.tensor([[1.0, 0.5, 0.5]])
    shares = class_frequencies(weights, torch.tensor([[2, 0, 2]]), 4)
    assert shares.tolist() == [[0.25, 0, 0.75, 0]]


def test_degenerate_units():
    dead = class_frequencies(torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.long), 2)
    assert dead.tolist() == [[0, 0]]
    padded = class_frequencies(torch.ones(1, 3), torch.tensor([[1, -1, -1]]), 2)
    assert padded.tolist() == [[0, 1]]
    with pytest.raises(ValueError):
        class_frequencies(torch.ones(1, 3), torch.zeros(1, 2, dtype=torch.long), 2)


def test_shuffled_classes_give_the_class_sizes():
    torch.manual_seed(1)
    classes = torch.randint(0, 4, (2000, 100))
    mean = class_frequencies(torch.ones(2000, 100), classes, 4).mean(0)
    torch.testing.assert_close(mean, torch.full((4,), 0.25, dtype=torch.float64), atol=0.01, rtol=0)


def test_relative_activations():
    values = torch.tensor([[4.0, 2.0, -1.0], [-1.0, -2.0, float("nan")]])
    assert relative_activations(values).tolist() == [[1, 0.5, 0], [0, 0, 0]]
    assert relative_activations(values, first=1).tolist() == [[1], [0]]


def test_tuning_curve_orders_all_responses():
    responses = torch.tensor([0.5, -2.0, 0.5, 3.0])
    values, images = tuning_curve(responses)
    assert values.tolist() == [3, 0.5, 0.5, -2] and images.tolist() == [3, 0, 2, 1]
    assert share_hidden(responses) == 0.25
    assert share_hidden(torch.stack([responses, -responses], 1)).tolist() == [0.25, 0.75]


# The index ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 2, 40, 99, 100])
def test_the_index_counts_classes(m):
    """Equation 4 for M equally frequent classes of 100 images: 1, 0 and (N - M)/(N - 1) between."""
    frequencies = torch.zeros(1, 120, dtype=torch.float64)
    frequencies[0, :m] = 1 / m
    assert class_selectivity(frequencies).item() == pytest.approx((100 - m) / 99, abs=1e-15)


def test_the_papers_examples():
    """Section 4.3: above 0.6 there are 40 classes or fewer, and at 0.8 about 20."""
    first = torch.ones(100, 100).tril()  # 1, 2, ... 100 classes
    index = class_selectivity(first / first.sum(1, keepdim=True))
    assert (index > 0.6).sum() == 40 and (index > 0.8).sum() == 20


def test_thresholds_and_ties():
    half = one(0.5, 0.25, 0.25)
    assert [classes_covering(half, t).item() for t in (0.5, 0.51, 0.75, 0.76, 1)] == [1, 2, 2, 3, 3]
    # 0.7 + 0.2 is below 0.9 in floating point; one class more would be an artefact.
    assert classes_covering(torch.tensor([[0.7, 0.2, 0.1]]), 0.9).item() == 2
    assert classes_covering(torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64), 0.9).item() == 2
    # With a threshold of 1 the smallest class counts.
    assert classes_covering(one(1, 1e-12)).item() == 2
    assert class_selectivity(one(1, 1e-12), 100, 0.99).item() == 1


def test_units_without_an_index():
    dead = torch.zeros(1, 3)
    assert classes_covering(dead).item() == classes_covering(dead, 0.5).item() == 0
    assert class_selectivity(dead).isnan().item()
    assert class_selectivity(one(1, 0), 1).isnan().item()  # one image is of one class
    found = class_selectivity(
        torch.cat([one(1, 1), one(1, 0), dead[:, :2]]), torch.tensor([2, 50, 0])
    )
    assert found[:2].tolist() == [0, 1] and found[2].isnan()
    with pytest.raises(ValueError, match="3 classes"):
        class_selectivity(one(1, 1, 1), 2)
    with pytest.raises(ValueError, match="threshold 0"):
        class_selectivity(one(1, 1, 1), threshold=0)


@quick
@given(rows, st.floats(0.01, 1), st.randoms())
def test_covering_against_all_subsets(row, threshold, random):
    """M by trying every set of classes; the order of classes does not matter."""
    total = sum(row)
    by_hand = next(
        m
        for m in range(1, len(row) + 1)
        for some in itertools.combinations(row, m)
        if sum(some) >= (threshold - 1e-6) * total
    )
    if threshold == 1:
        by_hand = sum(x > 0 for x in row)
    found = classes_covering(one(*row), threshold).item()
    assert found == min(by_hand, sum(x > 0 for x in row))
    random.shuffle(row)
    assert classes_covering(one(*row), threshold).item() == found


@quick
@given(rows, st.floats(0.01, 1), st.floats(0.01, 1))
def test_more_to_cover_needs_more_classes(row, a, b):
    low, high = (
        class_selectivity(one(*row), 100, max(t, 0.01)).item() for t in (min(a, b), max(a, b))
    )
    assert low >= high >= class_selectivity(one(*row)).item()


# What luck gives ----------------------------------------------------------------------------------


def test_luck_against_all_draws():
    """3 of 5 images in classes of 3, 1 and 1: every draw counted."""
    images = [0, 0, 0, 1, 2]
    draws = [len(set(draw)) for draw in itertools.combinations(images, 3)]
    assert random_classes([3, 1, 1], 3) == pytest.approx(sum(draws) / len(draws), abs=1e-14)
    assert random_class_selectivity([3, 1, 1], 3) == pytest.approx(
        (3 - sum(draws) / len(draws)) / 2
    )


def test_luck_against_simulated_draws():
    sizes = [15] * 12 + [20] * 10 + [1, 100, 0]
    m = (random_rows(100, sizes, 4000) > 0).sum(1).double()
    assert random_classes(sizes) == pytest.approx(
        m.mean().item(), abs=4 * m.std().item() / 4000**0.5
    )


def test_luck_against_the_formula():
    sizes, n = [7, 3, 12, 5], 9
    total = sum(sizes)
    by_hand = sum(1 - math.comb(total - s, n) / math.comb(total, n) for s in sizes)
    assert random_classes(sizes, n) == pytest.approx(by_hand, rel=1e-14)


def test_the_chance_levels_that_the_design_states():
    """Random units score .584, .198 and .048 with 48, 220 and 1,000 classes of many images."""
    many = 10**7
    found = [random_class_selectivity([many] * c) for c in (48, 220, 1000)]
    assert found == pytest.approx([0.584, 0.198, 0.048], abs=1.5e-3)
    # With replacement, which many images come to, luck gives C(1 - (1 - 1/C)^N) classes.
    expected = [c * (1 - (1 - 1 / c) ** 100) for c in (48, 220, 1000)]
    assert [random_classes([many] * c) for c in (48, 220, 1000)] == pytest.approx(
        expected, rel=1e-5
    )


def test_limits_set_by_the_class_sizes():
    assert largest_class_selectivity([15] * 120) == (100 - 7) / 99  # .94
    assert largest_class_selectivity([15] * 120 + [20] * 100) == (100 - 5) / 99
    assert largest_class_selectivity([120] * 48) == 1
    # One image a class: luck, limit and every unit have index 0.
    assert largest_class_selectivity([1] * 500) == 0
    assert random_class_selectivity([1] * 500) == pytest.approx(0, abs=1e-14)
    assert random_classes([3, 2], 5) == 2 and random_classes([3, 2], 0) == 0
    with pytest.raises(ValueError, match="6 images from classes that hold 5"):
        random_classes([3, 2], 6)
    assert math.isnan(random_class_selectivity([3, 2], 1))


def test_chance_corrected():
    found = chance_corrected(torch.tensor([1, 11, 21, 31, 0]), 21)
    assert found[:4].tolist() == [1, 0.5, 0, -0.5] and found[4].isnan()
    assert chance_corrected(1, 1).isnan()
    # The same as the index on a scale from its chance level to 1.
    index, null = class_selectivity(one(*[1] * 30)).item(), random_class_selectivity([100] * 48)
    corrected = chance_corrected(30, random_classes([100] * 48)).item()
    assert corrected == pytest.approx((index - null) / (1 - null), abs=1e-12)


def test_random_units_score_what_luck_gives():
    counts = random_rows(100, [120] * 48, 3000, seed=1)
    index = class_selectivity(counts / counts.sum(1, keepdim=True))
    assert index.mean().item() == pytest.approx(random_class_selectivity([120] * 48), abs=2e-3)


def test_a_share_by_luck_against_all_draws():
    """3 of 5 images in classes of 3, 1 and 1: of ten draws one has one class, six two, three three."""
    shares = [random_index_share([3, 1, 1], over, 3, draws=4000) for over in (0.75, 0.25, -0.25)]
    assert shares == pytest.approx([0.1, 0.7, 1], abs=4 * 0.25**0.5 / 4000**0.5)
    assert shares[2] == 1


@pytest.mark.parametrize("sizes", [[120] * 48, [15] * 12 + [20] * 10 + [1, 100, 0], [9] * 40])
def test_a_share_by_luck_against_a_plain_simulation(sizes):
    images, random = np.repeat(np.arange(len(sizes)), sizes), np.random.default_rng(7)
    drawn = [len(set(random.choice(images, 100, replace=False).tolist())) for _ in range(2000)]
    index = (100 - np.array(drawn)) / 99
    levels = np.unique(index)
    expected = [(index > level + 1e-6).mean() for level in levels]
    found = [random_index_share(sizes, level + 1e-6) for level in levels]
    # Two samples, of 2,000 and of 1,000 units.
    np.testing.assert_allclose(found, expected, rtol=0, atol=4 * (0.25 * 1.5e-3) ** 0.5)
    assert any(0.2 < share < 0.8 for share in expected)


def test_shares_by_luck_add_up_to_the_exact_mean():
    """The mean of an index of 0, 1/(N-1), ... 1 is the mean over these of the share above them."""
    sizes, n = [30, 12, 12, 5, 1, 0], 20
    shares = [random_index_share(sizes, (step + 0.5) / (n - 1), n) for step in range(n - 1)]
    spread = np.std((random_rows(n, sizes, 1000, seed=3) > 0).sum(1).numpy()) / (n - 1)
    exact = random_class_selectivity(sizes, n)
    assert np.mean(shares) == pytest.approx(exact, abs=4 * spread / 1000**0.5)
    assert (np.diff(shares) <= 0).all()  # fewer pass a higher bar


def test_shares_by_luck_at_the_ends():
    assert random_index_share([120] * 48, 1) == 0  # no index is above 1
    assert random_index_share([120] * 48, -1e-9) == 1
    # All images of one class, and each of its own: an index of 1 and of 0.
    assert [random_index_share([200], over) for over in (0.99, 1)] == [1, 0]
    assert [random_index_share([1] * 300, over) for over in (0, -0.01)] == [0, 1]
    # "Over" leaves out the value itself: 40 classes of 100 images, drawn whole, have 60/99.
    assert random_index_share([2] * 30 + [4] * 10, 60 / 99) == 0
    assert random_index_share([2] * 30 + [4] * 10, 60 / 99 - 1e-9) == 1
    assert math.isnan(random_index_share([3, 2], 0.5, 1))  # one image has no index
    with pytest.raises(ValueError, match="6 images"):
        random_index_share([3, 2], 0.5, 6)


# Higher nodes -------------------------------------------------------------------------------------


def test_ancestors_count_each_class_once():
    """A dog is an animal and is kept: both nodes get it whole, and no node gets it twice."""
    found = ancestor_frequencies(one(4, 3, 1, 2, 0), NODES)
    torch.testing.assert_close(found, torch.tensor([[0.8, 0.9, 0.7, 0.1]], dtype=torch.float64))
    with pytest.raises(ValueError):
        ancestor_frequencies(one(1, 2), NODES)


def test_ancestors_in_the_graph_of_wordnet():
    """Dogs reach `animal` as canines and as domestic animals; its share is theirs, not twice theirs."""
    classes = ["n02085620-Chihuahua", "n02110341-dalmatian", "butterfly", "pizza"]
    ontology = ontology_of(classes)
    found = dict(
        zip(
            ontology.names,
            ancestor_frequencies(one(1, 2, 3, 4), ontology.ancestors)[0],
            strict=True,
        )
    )
    assert found["canine"].item() == found["domestic animal"].item() == pytest.approx(0.3)
    assert found["animal"].item() == pytest.approx(0.6)


def test_the_node_at_which_a_unit_is_selective():
    members = torch.cat([NODES, torch.eye(5, dtype=torch.bool)], 1)
    names = ["animal", "kept", "dog", "cat", "breed 1", "breed 2", "a cat", "car", "lorry"]
    shares = torch.full((5,), 0.2, dtype=torch.float64)

    def node(*row):
        return names[most_selective_node(node_information(one(*row), members, shares))]

    assert node(1, 1, 0, 0, 0) == "dog"
    assert node(1, 0, 0, 0, 0) == "breed 1"
    assert node(8, 8, 7, 1, 1) == "animal"
    assert node(5, 5, 0, 4, 0) == "kept"
    assert node(0, 0, 1, 0, 0) == "a cat"  # the node holds the same class: the most specific one
    assert node(9, 1, 1, 1, 1) == "breed 1"


def test_information_is_that_of_the_formula():
    bits = node_information(one(3, 0, 0, 1, 0), NODES, torch.full((5,), 0.2))[0]
    f, s = 0.75, 0.6
    expected = f * math.log2(f / s) + (1 - f) * math.log2((1 - f) / (1 - s))
    assert bits[0].item() == pytest.approx(expected, rel=1e-6)
    assert bits[3].item() == pytest.approx(math.log2(0.8), rel=1e-6)  # avoided: below 0
    everything = torch.ones(5, 1, dtype=torch.bool)
    assert node_information(one(3, 0, 0, 1, 0), everything, torch.full((5,), 0.2)).item() == 0
    nothing = node_information(torch.zeros(1, 5), NODES, torch.full((5,), 0.2))
    assert nothing.isnan().all() and most_selective_node(nothing).item() == -1


@quick
@given(st.lists(st.integers(0, 9), min_size=5, max_size=5).filter(any), st.permutations(range(5)))
def test_nodes_do_not_depend_on_the_order_of_classes(row, order):
    shares = torch.tensor([0.1, 0.2, 0.3, 0.2, 0.2], dtype=torch.float64)
    straight = node_information(one(*row), NODES, shares)
    turned = node_information(one(*(row[i] for i in order)), NODES[order], shares[order])
    torch.testing.assert_close(straight, turned, atol=1e-12, rtol=0)


def test_random_units_tell_little():
    luck = random_information(NODES, [100] * 5, 100, draws=400)
    assert luck.shape == (400,) and 0 < luck.mean() < 0.05
    unit = node_information(one(1, 1, 0, 0, 0), NODES, torch.full((5,), 0.2)).max()
    assert unit > luck.max()


def test_levels():
    """Units of two breeds, of a dog and a lorry, and of everything, by breed, kind and animal or not."""
    units = torch.cat(
        [one(1, 1, 0, 0, 0), one(1, 0, 0, 0, 1), one(1, 1, 1, 1, 1), torch.zeros(1, 5)]
    )
    cuts = [torch.tensor(c) for c in ([0, 0, 0, 1, 1], [0, 0, 1, 2, 3], [0, 1, 2, 3, 4], [0] * 5)]
    sizes = [50, 40, 60, 30, 20]
    found = level_selectivity(units, cuts, sizes, torch.tensor([100, 100, 100, 0]))
    nulls = [random_classes(s, 100) for s in ([150, 50], [90, 60, 30, 20], sizes)]
    assert found[0, :3].tolist() == pytest.approx([1, 1, (nulls[2] - 2) / (nulls[2] - 1)])
    assert found[1, :2].tolist() == pytest.approx([(n - 2) / (n - 1) for n in nulls[:2]], abs=1e-12)
    assert found[2, 2].item() == pytest.approx((nulls[2] - 5) / (nulls[2] - 1), abs=1e-12)
    assert found[:, 3].isnan().all() and found[3].isnan().all()


# Records ------------------------------------------------------------------------------------------


def test_units_of_a_record():
    """Classes 0 and 1 of 40 images each, two singles; one unit a class, one for both, one dead, one rare."""
    classes = np.array([0] * 40 + [1] * 40 + [2, 3])
    is_class = [torch.from_numpy(classes == c) for c in range(4)]
    weak = torch.full((82,), -1.0)
    responses = torch.stack(
        [
            torch.where(is_class[0], 2.0, weak),
            torch.where(is_class[0], 3.0, weak) + torch.where(is_class[1], 2.0, 0.0),
            weak,
            torch.where(is_class[3], 1.0, weak),
        ],
        1,
    )
    study = planted_study(
        {"conv": dict(max=responses, min=responses, mean=responses)}, classes, list("abcd")
    )
    units = class_units(study.record)
    assert units["n_images"].tolist() == [40, 80, 0, 1]
    assert units["m_classes"].tolist() == [1, 2, 0, 1]
    assert units["top_class"].dropna().tolist() == ["a", "a", "d"]
    assert units["top_class"].isna().tolist() == [False, False, True, False]
    assert units["top_share"].tolist() == pytest.approx([1, 0.75, 0, 1])
    assert units["class_index"].tolist() == pytest.approx([1, 78 / 79, np.nan, np.nan], nan_ok=True)
    assert units["class_index_ceiling"][1] == pytest.approx(78 / 79)
    null = random_class_selectivity([40, 40, 1, 1], 80)
    assert units["class_index_null"][1] == pytest.approx(null)
    assert units["class_corrected"][0] == 1 and units["class_corrected"][2:].isna().all()


def test_units_of_the_world():
    """The study's own table and this one agree; every index lies in its range."""
    study = open_study("world")
    ontology = ontology_of(study.record.class_names)
    units = class_units(study.record, ontology, layers=["conv1", "conv7"])
    theirs = study.units[study.units["layer"].isin(["conv1", "conv7"])]
    assert units["top_class"].tolist() == theirs["top_class"].tolist()
    np.testing.assert_allclose(units["top_share"], theirs["top_share"], atol=1e-9)
    assert (units["class_index"] <= units["class_index_ceiling"]).all()
    frequencies, counted = layer_frequencies(study.record, "conv7")
    assert torch.equal(frequencies.sum(1).round(decimals=9), (counted > 0).double())
    node = units.iloc[-1]
    members = dict(zip(ontology.member_names, ontology.members.T, strict=True))[node["node"]]
    assert frequencies[-1, members].sum().item() == pytest.approx(node["node_share"])
    assert node["node_classes"] == members.sum() and node["node_chance"] == pytest.approx(
        members.double().mean().item()
    )
    luck = random_information(ontology.members, study.record.counts, 100).mean().item()
    assert set(units["node_bits_null"][units["n_images"] == 100]) == {luck} and 0 < luck < 0.1


def test_the_luck_of_nodes_is_of_as_many_images():
    """A unit that answers to one image has a class by luck, and most bits; a dead one has none."""
    values = torch.zeros(40, 3)
    values[0, 1], values[:, 2] = 1, torch.arange(40) + 1
    same = dict.fromkeys(("max", "min", "mean"), values)
    study = planted_study({"conv": same}, [i // 10 for i in range(40)], list("abcd"))
    members = torch.cat([torch.ones(4, 1), torch.eye(4)], 1).bool()
    tree = SimpleNamespace(members=members, member_names=["all", *"abcd"])
    units = class_units(study.record, tree)
    assert units["n_images"].tolist() == [0, 1, 40]
    null = units["node_bits_null"].tolist()
    assert np.isnan(null[0]) and null[1] == pytest.approx(2)  # one of four: log2 4
    assert null[2] == pytest.approx(0)  # all of the images, and so nothing left to luck
