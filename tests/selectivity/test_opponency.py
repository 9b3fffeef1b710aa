"""Opponency: planted units of Gaussian noise, calibration of the nulls, brute force, degenerate input."""

from functools import partial
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import SelectivityError, open_study
from helpers.selectivity.category import category_indexes
from helpers.selectivity.opponency import (
    KINDS,
    PAIRINGS,
    PART,
    class_inversions,
    ends_table,
    expected_by_looks,
    expected_if_moved,
    expected_if_shifted,
    first_share,
    list_length,
    listed_share,
    more_than_neighbours,
    opponency,
    selective,
)

N_CLASSES = 48  # of the category and others together, equally large


@pytest.fixture(autouse=True)
def one_thread():
    """Many small tensors: a second thread only waits for the first."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def responses_of(kind, p, n=4800, n_units=60, seed=0):
    """(responses (n, n_units), member (n,), classes (n,)) of Gaussian noise, with one thing planted."""
    generator = torch.Generator().manual_seed(seed)
    responses = torch.randn(n, n_units, generator=generator)
    classes = torch.arange(n) * N_CLASSES // n
    n_inside = round(p * N_CLASSES)
    member = classes < n_inside
    if kind == "shifted":  # the whole category
        responses[member] += 1.0
    elif kind == "opponent":  # half of its classes up, the other half down
        responses[member] += torch.where(classes[member] % 2 == 0, 3.0, -3.0)[:, None]
    elif kind == "few classes":  # the rest of the category is like anything
        responses[classes < max(1, n_inside // 6)] += 4.0
    elif kind == "inhibited":
        responses[member] -= 1.0
    return responses, member, classes


def ends(responses, member, part):
    """(top share, bottom share, list length): what the lists of a record would give."""
    k = list_length(len(member), part)
    lists = [responses.T.topk(k, largest=largest).indices for largest in (True, False)]
    return *(listed_share(images, member) for images in lists), k


# --- the lists


def test_list_length():
    assert [list_length(n, 0.025) for n in (3800, 1000, 5760, 1)] == [95, 25, 144, 1]
    assert list_length(286_000, 0.0035) == 1001  # paper 1: one thousand of about 286,000
    assert list_length(10, 0.0001) == 1


def layer_of(k, k_mean, n_units=3):
    """The lists of a layer, image numbers that tell which list they are of."""
    lists = {
        name: SimpleNamespace(images=torch.arange(length).expand(n_units, -1) + 1000 * i)
        for i, (name, length) in enumerate(
            (("top", k), ("bottom", k), ("mean_top", k_mean), ("mean_bottom", k_mean))
        )
    }
    return SimpleNamespace(name="conv9", **lists)


def test_first_share_takes_the_pairing_s_lists():
    layer = layer_of(200, 50)
    for pairing, first in (("max / min", (0, 1000)), ("mean / mean", (2000, 3000))):
        top, bottom = first_share(layer, pairing, 1000, PART)
        assert top.tolist() == [list(range(first[0], first[0] + 25))] * 3
        assert bottom.tolist() == [list(range(first[1], first[1] + 25))] * 3
    assert set(PAIRINGS) == {"max / min", "mean / mean"}


def test_lists_that_are_too_short_are_refused():
    layer = layer_of(200, 50)
    assert first_share(layer, "max / min", 1000, 0.2)[0].shape == (3, 200)
    for pairing, part, held in (("max / min", 0.201, "hold 200"), ("mean / mean", 0.1, "hold 50")):
        with pytest.raises(SelectivityError, match=held) as error:
            first_share(layer, pairing, 1000, part)
        assert "conv9" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(KeyError):
        first_share(layer, "max / mean", 1000, 0.01)


def test_lists_that_a_selection_of_classes_left_short_are_refused():
    """`Record.select` fills a list up with -1: there are too few images, not few of the category."""
    layer = layer_of(40, 40)
    layer.bottom.images = layer.bottom.images.clone()
    layer.bottom.images[1, 12:] = -1
    assert first_share(layer, "max / min", 1000, 0.012)[1].shape == (3, 12)
    with pytest.raises(SelectivityError, match="hold 12"):
        first_share(layer, "max / min", 1000, 0.025)


def test_listed_share():
    member = torch.tensor([True, True, False, False, False])
    images = torch.tensor([[0, 1, 2, 3], [2, 3, 4, -1], [1, -1, -1, -1], [4, 3, 1, -1], [-1] * 4])
    wanted = torch.tensor([0.5, 0, 1, 1 / 3, torch.nan]).double()
    torch.testing.assert_close(listed_share(images, member), wanted, equal_nan=True)
    torch.testing.assert_close(listed_share(images, member.long()), wanted, equal_nan=True)
    torch.testing.assert_close(listed_share(images.int(), member), wanted, equal_nan=True)


# --- what a unit is


@pytest.mark.parametrize("p", [0.125, 0.25, 0.5])
@pytest.mark.parametrize("part", [0.01, PART, 0.1])
@pytest.mark.parametrize(
    ("planted", "wanted"),
    [
        ("shifted", "detector"),
        ("few classes", "detector"),
        ("opponent", "opponent"),
        ("noise", "unselective"),
        ("inhibited", "unselective"),
    ],
)
def test_planted_units_are_told_apart(p, part, planted, wanted):
    responses, member, _ = responses_of(planted, p)
    top, bottom, k = ends(responses, member, part)
    kinds = opponency(top, bottom, p, k)
    assert kinds.shape == (60,) and set(kinds) <= set(KINDS)
    # Noise is above three standard deviations now and then; what is planted never fails to be.
    assert (kinds == wanted).mean() >= (0.96 if wanted == "unselective" else 0.99)


def test_the_limit_is_three_standard_deviations_of_a_random_list():
    limit = 0.2 + 3 * (0.2 * 0.8 / 100) ** 0.5  # 0.32
    shares = torch.tensor([limit - 1e-6, limit + 1e-6], dtype=torch.float64)
    assert opponency(shares, shares.flip(0), 0.2, 100).tolist() == ["unselective", "detector"]
    assert opponency(shares, shares, 0.2, 100).tolist() == ["unselective", "opponent"]
    assert opponency(np.array([0.9, 0.1]), np.array([0.9, 0.9]), 0.2, 100).tolist() == [
        "opponent",
        "unselective",
    ]


def test_units_without_a_share_are_unselective():
    nan = torch.nan
    kinds = opponency(torch.tensor([nan, nan, 1.0]), torch.tensor([nan, 1.0, nan]), 0.1, 50)
    assert kinds.tolist() == ["unselective", "unselective", "detector"]


# --- the null of a shift


@pytest.mark.parametrize("p", [0.125, 0.25, 0.5])
@pytest.mark.parametrize("part", [PART, 0.1])
def test_the_shift_is_calibrated_on_gaussian_units(p, part):
    """Observed minus expected is nothing on average, and as spread as the error says."""
    n, n_units = 2400, 200
    for i, shift in enumerate((0, 0.25, 0.5, 1, 1.5, 2)):
        responses, member, _ = responses_of("noise", p, n, n_units, seed=i)
        responses[member] += shift
        top, bottom, k = ends(responses, member, part)
        expected, error = expected_if_shifted(top, p, n, k)
        difference = bottom - expected
        z = difference / error
        if top.mean() < 0.95 and expected.mean() * k > 1:
            simulated = difference.std() / n_units**0.5
            assert difference.mean().abs() < 3.5 * simulated + 0.1 / k, shift
            assert 0.8 < z.std() < 1.25 and z.mean().abs() < 0.25, shift
            assert (z > 3).double().mean() <= 0.03, shift
        else:
            # A full upper list tells the shift badly: too much is expected, hardly ever too little. Where
            # less than one image is expected the error is no normal one: one image is many of them.
            assert -0.015 < difference.mean() < 0.002 and difference.max() < 0.08, shift


def test_opponent_units_exceed_the_shift():
    for p in (0.125, 0.25, 0.5):
        responses, member, _ = responses_of("opponent", p)
        top, bottom, k = ends(responses, member, PART)
        expected, error = expected_if_shifted(top, p, len(member), k)
        assert (bottom > 0.9).all() and (expected < 0.1).all()
        assert ((bottom - expected) / error > 8).all()
        # A few classes up and the rest like anything is no shift of all: more than expected, not more
        # than chance.
        top, bottom, k = ends(*responses_of("few classes", p)[:2], PART)
        expected, error = expected_if_shifted(top, p, len(member), k)
        assert ((bottom - expected) / error).mean() > 2 and bottom.mean() < p


def test_without_a_shift_chance_is_expected():
    for chance in (0.12, 0.25, 0.48):
        for part in (0.025, 0.1):
            n = 10**6
            k = round(part * n)
            expected, error = expected_if_shifted(torch.tensor([chance]), chance, n, k)
            assert expected.item() == pytest.approx(chance, abs=1e-4)
            # Two lists of k drawn without replacement: the one looked at, and the one that tells.
            random_list = chance * (1 - chance) * (1 - part) / k
            assert error.item() == pytest.approx((2 * random_list) ** 0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("chance", "shift", "part"), [(0.3, 0.7, 0.05), (0.12, 1.6, 0.1), (0.48, -0.4, 0.02)]
)
def test_the_expected_share_is_that_of_two_gaussians(chance, shift, part):
    rest, category = NormalDist(), NormalDist(shift)

    def below(x):
        return chance * category.cdf(x) + (1 - chance) * rest.cdf(x)

    def where(wanted):
        low, high = -20.0, 20.0
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if below(middle) < wanted else (low, middle)
        return low

    top = chance * (1 - category.cdf(where(1 - part))) / part
    bottom = chance * category.cdf(where(part)) / part
    n = 10**8  # so many that no list is discrete
    found, _ = expected_if_shifted(torch.tensor([top]).double(), chance, n, round(part * n))
    assert found.item() == pytest.approx(bottom, rel=1e-3)


def test_more_in_the_upper_list_means_less_expected_in_the_lower():
    expected, error = expected_if_shifted(torch.linspace(0, 1, 21), 0.25, 3800, 95)
    assert (expected.diff() < 0).all() and (expected >= 0).all() and (expected <= 1).all()
    assert error.isfinite().all() and (error > 0).all()
    assert expected[0] > 0.85 and expected[-1] < 0.01


def test_shift_of_what_has_no_share():
    expected, error = expected_if_shifted(torch.tensor([torch.nan, 0.5]), 0.25, 1000, 25)
    assert expected[0].isnan() and error[0].isnan() and expected[1].isfinite()
    for chance in (0, 1):
        with pytest.raises(SelectivityError, match="nothing to compare") as error:
            expected_if_shifted(torch.tensor([0.5]), chance, 1000, 25)
        assert "\n" not in str(error.value)


# --- the null of alike images


def test_what_looks_alone_do_is_expected():
    """Units driven by, say, contrast, which the category has more of: far from chance, as expected."""
    generator = torch.Generator().manual_seed(4)
    n, n_units = 6000, 300
    looks = torch.randn(n, generator=generator).double()
    chances = torch.sigmoid(1.5 * looks - 1.5)
    member = torch.rand(n, generator=generator) < chances
    responses = looks[:, None] + 0.7 * torch.randn(n, n_units, generator=generator)
    for largest in (True, False):
        images = responses.T.topk(150, largest=largest).indices
        observed, expected = listed_share(images, member), expected_by_looks(images, chances)
        assert (observed.mean() - member.double().mean()).abs() > 0.2
        # The units list many of the same images, whose labels are drawn once.
        assert (observed - expected).mean().abs() < 0.03
    # The same looks, and half of the category driven down by something else.
    moved = responses - 2.5 * (member & (torch.arange(n) % 2 == 0))[:, None]
    images = moved.T.topk(150, largest=False).indices
    excess = listed_share(images, member) - expected_by_looks(images, chances)
    assert (excess > 0.1).all()


def test_looks_by_brute_force():
    generator = torch.Generator().manual_seed(5)
    looks_like = torch.rand(50, generator=generator).double()
    looks_like[::7] = torch.nan  # could not be read
    images = torch.randint(0, 50, (20, 12), generator=generator)
    images[torch.rand(20, 12, generator=generator) < 0.2] = -1
    images[0], images[1] = -1, torch.where(torch.arange(12) < 3, 7, -1)
    found = expected_by_looks(images, looks_like)
    assert found[:2].isnan().all()  # an empty list, and one of which nothing is known
    for row, mine in zip(images[2:].tolist(), found[2:].tolist(), strict=True):
        known = [looks_like[i].item() for i in row if i >= 0 and not looks_like[i].isnan()]
        assert mine == pytest.approx(sum(known) / len(known))


def test_images_that_all_look_alike_give_chance():
    responses, _, _ = responses_of("noise", 0.25)
    images = responses.T.topk(120).indices
    expected = expected_by_looks(images, torch.full((4800,), 0.25).double())
    torch.testing.assert_close(expected, torch.full((60,), 0.25).double())


# --- tables


@pytest.fixture(scope="module")
def shipped():
    study = open_study("googlenet")
    return study, *study.category("dog")


def test_a_layer_s_table_of_both_ends(shipped):
    study, of_category, member = shipped
    layer = study.record["inception_4c.3x3"]
    table = ends_table(layer, of_category, member)
    assert len(table) == layer.n_units
    for column in ("share", "index"):
        assert table[column].equals(category_indexes(layer, of_category)[column])
    is_dog = member.tolist()
    for column, name in (
        ("top_max", "top"),
        ("bottom_min", "bottom"),
        ("top_mean", "mean_top"),
        ("bottom_mean", "mean_bottom"),
    ):
        for unit in (0, 17):
            listed = getattr(layer, name).images[unit, :95].tolist()  # 2.5 % of 3,800
            wanted = sum(is_dog[i] for i in listed) / 95
            assert table[column][unit] == pytest.approx(wanted)
    shorter = ends_table(layer, of_category, member, part=0.01)
    assert not shorter["top_max"].equals(table["top_max"])
    with pytest.raises(SelectivityError, match="hold 100"):
        ends_table(layer, of_category, member, part=0.05)


def test_selective_units_are_those_above_the_paper_s_threshold():
    """A filter was considered selective if its score exceeded 0.65."""
    few = pd.DataFrame({"index": [0.9] * 9 + [0.1, 0.2], "top_max": 0.0, "top_mean": 0.0})
    few.loc[[1, 10], "top_max"] = 0.33
    few.loc[3, "top_mean"] = 0.33
    # Nine units are fewer than ten: the upper list decides, 0.2 + 3 x 0.04 = 0.32.
    assert np.flatnonzero(selective(few, 0.2, 100)).tolist() == [1, 10]
    assert np.flatnonzero(selective(few, 0.2, 100, top="top_mean")).tolist() == [3]
    enough = pd.concat([few, pd.DataFrame({"index": [0.66, np.nan, 0.65], "top_max": 0.9})])
    found = selective(enough, 0.2, 100).to_numpy()
    assert found.tolist() == [True] * 9 + [False] * 2 + [True, False, False]


def test_a_unit_is_compared_with_those_of_its_own_layer():
    """Chosen units live where values are high; within their layer they are no higher."""
    values = np.array([5.0, 5.0, 5.0, 1.0, 1.0, 2.0, 9.0])
    chosen = np.array([True, False, False, False, False, True, True])
    layers = ["a", "a", "a", "b", "b", "b", "c"]
    excess = more_than_neighbours(values, chosen, layers)
    np.testing.assert_array_equal(excess, [0.0, 1.0, np.nan])  # c has no other unit


# --- classes


def test_class_inversions_by_brute_force():
    generator = torch.Generator().manual_seed(6)
    means = torch.randint(0, 6, (9, 12), generator=generator).double()  # ties
    means[:, 3] = means[:, 7] = torch.nan  # one class inside, one outside without images
    of_category = torch.arange(12) < 5
    found = class_inversions(means, of_category)
    assert found.shape == (9, 5) and found[:, 3].isnan().all()
    for unit in range(9):
        for c in (0, 1, 2, 4):
            others = [means[unit, o].item() for o in range(5, 12) if o != 7]
            above = sum(o > means[unit, c].item() for o in others) / len(others)
            assert found[unit, c].item() == pytest.approx(above)


def test_a_breed_below_every_cup():
    """A detector of one breed: no other class beats it, all beat a breed that inhibits the unit."""
    means = torch.tensor([[9.0, -5.0, 1.0, 0.0, 1.0, 2.0]])
    of_category = torch.tensor([True, True, True, False, False, False])
    assert class_inversions(means, of_category)[0].tolist() == pytest.approx([0, 1, 1 / 3])


def test_inversions_need_classes_on_both_sides():
    means = torch.rand(2, 3)
    empty = means.clone()
    empty[:, 2] = torch.nan
    for given, of_category in (
        (means, [False] * 3),
        (means, [True] * 3),
        (empty, [True, True, False]),  # the only other class has no image
    ):
        with pytest.raises(SelectivityError, match="inversions need") as error:
            class_inversions(given, torch.tensor(of_category))
        assert "\n" not in str(error.value)


# Dogs that move a unit's own distribution


def test_moved_distributions_of_any_shape():
    """Where the category does move the others' responses, the expectation is what is there."""
    random = np.random.default_rng(0)
    member = np.arange(4000) % 4 == 0
    for shape in (random.normal, random.gumbel, partial(random.standard_t, 4)):
        for by in (-0.4, 0.0, 0.4):
            drawn = np.stack([shape(size=4000) + by * member for _ in range(24)], 1)
            found = expected_if_moved(torch.from_numpy(drawn), torch.from_numpy(member), 100)
            order = drawn.argsort(0)
            there = member[order[:100]].mean(0)
            assert found.mean() == pytest.approx(there.mean(), abs=0.04), (shape, by)


def test_a_skewed_variable_deceives_the_gaussian_null():
    """Responses with a long lower tail, dogs move them up: the Gaussian expects too few dogs below."""
    random = np.random.default_rng(1)
    member = np.arange(6000) % 2 == 0
    drawn = -random.gumbel(size=(6000, 24)) + 0.3 * member[:, None]
    order = drawn.argsort(0)
    top, bottom = member[order[-150:]].mean(0), member[order[:150]].mean(0)
    gaussian, _ = expected_if_shifted(torch.from_numpy(top), 0.5, 6000, 150)
    own = expected_if_moved(torch.from_numpy(drawn), torch.from_numpy(member), 150)
    assert (bottom - gaussian.numpy()).mean() > 0.1
    assert abs((bottom - own).mean()) < 0.03


def test_moving_nothing_and_nothing_to_move():
    responses = torch.from_numpy(np.random.default_rng(2).normal(size=(3000, 30)))
    member = torch.arange(3000) % 3 == 0
    found = expected_if_moved(responses, member, 300)
    assert found.mean() == pytest.approx(1 / 3, abs=0.02)
    for one in (torch.zeros(3000), torch.ones(3000), torch.arange(3000) < 299):
        with pytest.raises(SelectivityError, match="too few"):
            expected_if_moved(responses, one.bool(), 300)


def test_moved_distributions_by_trying_moves():
    """One unit by brute force: try many moves, keep those that give its upper list, look below."""
    random = np.random.default_rng(5)
    member = np.arange(2000) % 2 == 0
    responses = random.normal(size=2000) + 0.5 * member
    top = member[np.argsort(-responses)[:200]].sum()
    rest = responses[~member]
    inside = np.quantile(rest, (np.arange(1000) + 0.5) / 1000)
    kept = []
    for by in np.linspace(-2, 2, 4001):
        both = np.concatenate([inside + by, rest])
        order = both.argsort()
        if (order[-200:] < 1000).sum() == top:
            kept.append((order[:200] < 1000).mean())
    (found,) = expected_if_moved(
        torch.from_numpy(responses)[:, None], torch.from_numpy(member), 200
    )
    assert found == pytest.approx(np.mean(kept), abs=0.02)  # less what luck adds
