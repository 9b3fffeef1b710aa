"""Matched pairs: planted shifts, ties, pairs that could not be read, scipy unit by unit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm, wilcoxon

from helpers.selectivity.pairs import above, excess_above, paired_test

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(pairs, units, seed):
    return torch.randn(pairs, units, generator=torch.Generator().manual_seed(seed)).double()


@pytest.fixture
def pair():
    """(first, second): pictures differ much more than the two of a pair; unit 0 prefers the first."""
    things = 10 * noise(100, 6, 0)
    first, second = things + noise(100, 6, 1), things + noise(100, 6, 2)
    first[:, 0] += 1.0
    return first, second


def test_a_planted_shift_is_found_within_pairs(pair):
    found = paired_test(*pair)
    assert found["above"][0] == pytest.approx(norm.cdf(0.5**0.5), abs=0.12)
    assert found["effect"][0] == pytest.approx(0.5**0.5, abs=0.25)
    assert found["p"][0] < 1e-4
    assert (found["p"][1:] > 0.01).all() and found["above"][1:].between(0.35, 0.65).all()


def test_pairs_mixed_up_hide_the_shift(pair):
    first, second = pair
    order = torch.randperm(100, generator=torch.Generator().manual_seed(3))
    assert paired_test(first, second[order])["p"][0] > 0.01


def test_exchanging_the_pictures_turns_the_sign(pair):
    found, back = paired_test(*pair), paired_test(*pair[::-1])
    np.testing.assert_allclose(found["above"] + back["above"], 1)
    np.testing.assert_allclose(found["effect"], -back["effect"])
    np.testing.assert_allclose(found["p"], back["p"])


@pytest.mark.parametrize("n_pairs", [20, 100])
def test_each_unit_agrees_with_scipy(n_pairs):
    first, second = noise(n_pairs, 5, 4) + 0.2, noise(n_pairs, 5, 5)
    found = paired_test(first, second)
    for unit, row in found.iterrows():
        difference = (first - second)[:, unit].numpy()
        assert row["p"] == pytest.approx(wilcoxon(difference).pvalue, rel=1e-9)
        assert row["effect"] == pytest.approx(difference.mean() / difference.std(ddof=1))
        assert row["above"] == (difference > 0).mean()


def test_a_unit_s_p_does_not_depend_on_the_other_units():
    """Ties and zeros of one unit are no reason to approximate the p of another."""
    first, second = noise(20, 3, 6), torch.zeros(20, 3).double()
    first[3, 1] = 0
    first[4:6, 2] = 0.5
    together = paired_test(first, second)["p"]
    for unit in range(3):
        alone = paired_test(first[:, [unit]], second[:, [unit]])["p"][0]
        assert together[unit] == pytest.approx(alone, rel=1e-9)


def test_p_is_uniform_where_the_pictures_do_not_differ():
    found = paired_test(noise(60, 400, 7), noise(60, 400, 8))
    assert kstest(found["p"], "uniform").pvalue > 0.01
    assert abs(found["effect"].mean()) < 0.03


def test_ties_count_one_half():
    first = torch.tensor([[1.0, 0, 2], [1, 0, 2], [0, 0, 2], [1, 0, 0]])
    second = torch.tensor([[1.0, 0, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]])
    found = paired_test(first, second)
    assert found["above"].tolist() == [0.5, 0.5, 0.875]
    # No difference at all: nothing to rank.
    assert found.loc[1].tolist() == [0.5, 0, 1]
    assert above(first, second)[0] == pytest.approx((0.5 + 0.5 + 0.875) / 3)


def test_units_that_never_differ():
    same = noise(9, 4, 9)
    found = paired_test(same, same)
    assert (
        (found["above"] == 0.5).all() and (found["effect"] == 0).all() and (found["p"] == 1).all()
    )
    assert above(same, same) == (0.5, 0.5, 0.5)


def test_pairs_that_could_not_be_read_are_left_out(pair):
    first, second = pair
    gaps = [first.clone(), second.clone()]
    gaps[0][3], gaps[1][50:60] = torch.nan, torch.nan
    read = torch.ones(100).bool()
    read[3], read[50:60] = False, False
    wanted = paired_test(first[read], second[read])
    np.testing.assert_allclose(paired_test(*gaps), wanted)
    assert above(*gaps) == above(first[read], second[read])


def test_the_excess_leaves_out_pairs_that_could_not_be_read():
    """An unreadable picture is no answer, to the chosen units as to the others."""
    shown, matched = torch.ones(4, 1), torch.zeros(4, 1)
    shown[0] = torch.nan
    chosen, others = (shown, matched), (matched, matched.clone())
    assert above(*chosen)[0] == 1
    assert excess_above(chosen, others)[0] == 0.5


def test_above_averages_units_and_draws_pairs(pair):
    first, second = pair
    value, low, high = above(first, second)
    assert value == pytest.approx(paired_test(first, second)["above"].mean())
    assert low < value < high
    # The same unit a hundred times is no more evidence than once: pairs are drawn, not units.
    once = above(first[:, :1], second[:, :1])
    often = above(first[:, :1].expand(-1, 100), second[:, :1].expand(-1, 100))
    assert once == pytest.approx(often)


def test_the_interval_covers_a_half_where_the_pictures_do_not_differ():
    covered = []
    for seed in range(60):
        shared = noise(80, 1, 100 + seed)  # what all units share makes them agree by luck
        _, low, high = above(shared + noise(80, 5, seed), torch.zeros(80, 5).double())
        covered.append(low <= 0.5 <= high)
    assert np.mean(covered) > 0.85


def test_excess_of_some_units_over_others(pair):
    first, second = pair
    chosen, others = (first[:, :1], second[:, :1]), (first[:, 1:], second[:, 1:])
    value, low, high = excess_above(chosen, others)
    table = paired_test(first, second)["above"]
    assert value == pytest.approx(table[0] - table[1:].mean())
    assert 0 < low < value < high
    assert excess_above(others, chosen)[0] == pytest.approx(-value)
    assert excess_above(chosen, chosen) == (0, 0, 0)


def test_a_whole_network_that_prefers_the_first_is_no_excess_of_some_units():
    covered = []
    for seed in range(60):
        first, second = 0.5 + noise(80, 6, seed), noise(80, 6, 200 + seed)
        chosen, others = (first[:, :2], second[:, :2]), (first[:, 2:], second[:, 2:])
        assert above(*chosen)[0] > 0.5
        _, low, high = excess_above(chosen, others)
        covered.append(low <= 0 <= high)
    assert np.mean(covered) > 0.85


def test_few_pairs():
    one = paired_test(torch.ones(1, 2), torch.zeros(1, 2))
    assert (one["above"] == 1).all() and (one["p"] == 1).all()
    value, low, high = above(torch.ones(1, 2), torch.zeros(1, 2))
    assert value == 1 and np.isnan(low) and np.isnan(high)
    # Five pairs cannot be significant: 2 / 2 ** 5.
    found = paired_test(torch.arange(1.0, 6)[:, None], torch.zeros(5, 1))
    assert found["p"][0] == pytest.approx(1 / 16) and found["above"][0] == 1


def test_shapes_that_are_no_pairs():
    for first, second in (
        (torch.rand(3, 2), torch.rand(4, 2)),
        (torch.rand(3, 2), torch.rand(3, 1)),
        (torch.rand(3), torch.rand(3)),
    ):
        for measure in (paired_test, above):
            with pytest.raises(ValueError, match="pairs of responses"):
                measure(first, second)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=30))
def test_above_depends_on_signs_only(pairs):
    """By counting; and unchanged by a rising function of all responses."""
    first, second = (torch.tensor(side).double()[:, None] for side in zip(*pairs, strict=True))
    found = paired_test(first, second)["above"][0]
    wins = sum(a > b for a, b in pairs) + sum(a == b for a, b in pairs) / 2
    assert found == pytest.approx(wins / len(pairs))
    assert paired_test(first.exp(), second.exp())["above"][0] == pytest.approx(found)
