"""Rank correlations against scipy, their rule on planted pairs, the plane of planted families, twins."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from helpers.selectivity.agreement import (
    INDEPENDENT,
    ONE,
    RELATED,
    RULE,
    UNDECIDED,
    agreement,
    matched_twins,
    percent_ranks,
    rank_correlations,
    rank_plane,
    standard_ranks,
    verdict,
    verdicts,
    where_one,
)

NAN = float("nan")


def planted(n_layers=4, n=120, seed=0):
    """Units of which "twice" bends "once", "some" shares half of it, "apart" nothing; all fall with depth."""
    random, parts = np.random.default_rng(seed), []
    for layer in range(n_layers):
        once, apart, noise = random.normal(size=(3, n))
        columns = {"once": once, "twice": -np.exp(once), "some": once + noise, "apart": apart}
        parts.append(pd.DataFrame(columns).sub(3 * layer).assign(layer=f"conv{layer}"))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(stage=table.layer, unit=range(len(table)))


COLUMNS = ["once", "twice", "some", "apart"]


def test_it_is_spearmans():
    random = np.random.default_rng(1)
    table = random.normal(size=(80, 5))
    table[:, 3] = random.integers(0, 4, 80)  # ties
    table[:, 4] = table[:, 0] ** 3
    found, units = rank_correlations(table)
    assert found == pytest.approx(spearmanr(table).statistic)
    assert found[0, 4] == pytest.approx(1) and (units == 80).all()


def test_missing_units_are_left_out_of_their_pairs_and_counted():
    random = np.random.default_rng(2)
    table = random.normal(size=(60, 4))
    table[:20, 1] = NAN
    table[10:30, 2] = NAN
    found, units = rank_correlations(table)
    for i in range(4):
        for j in range(4):
            both = ~np.isnan(table[:, [i, j]]).any(1)
            assert units[i, j] == both.sum()
            expected = spearmanr(table[both, i], table[both, j]).statistic
            assert found[i, j] == pytest.approx(expected), (i, j)
    as_zero = spearmanr(np.nan_to_num(table)).statistic
    assert abs(found[0, 1] - as_zero[0, 1]) > 0.01  # so that the test could fail


def test_columns_that_order_nothing_have_no_correlation():
    table = np.stack([np.arange(9.0), np.full(9, 3.0), np.full(9, NAN)], 1)
    found, units = rank_correlations(table)
    assert found[0, 0] == pytest.approx(1)
    assert np.isnan(found[[0, 1, 1, 0, 2], [1, 0, 1, 2, 2]]).all()
    assert units.tolist() == [[9, 9, 0], [9, 9, 0], [0, 0, 0]]
    two = np.array([[1, 2], [2, 1], [3, NAN]])
    assert np.isnan(rank_correlations(two)[0][0, 1])  # of two units
    assert np.isnan(rank_correlations(np.empty((0, 2)))[0]).all()


def test_infinite_values_rank_last():
    ordered = np.array([1, 2, 3, 4, np.inf, np.inf])
    expected = spearmanr([1, 2, 3, 4, 9, 9], [1, 2, 3, 4, 5, 6]).statistic
    assert rank_correlations(np.stack([ordered, np.arange(6)], 1))[0][0, 1] == pytest.approx(
        expected
    )


def test_depth_does_not_enter():
    table = planted()
    agree = agreement(table, COLUMNS, draws=100)
    over_all = spearmanr(table[COLUMNS]).statistic
    assert over_all[0, 3] > 0.8 and abs(agree.of("once", "apart")[0]) < 0.1
    within = [spearmanr(t[COLUMNS]).statistic for _, t in table.groupby("layer")]
    assert agree.values == pytest.approx(np.mean(within, axis=0))
    assert [p[0] for p in agree.profile("once", "some").values()] == pytest.approx(
        [one[0, 2] for one in within]
    )


def test_layers_of_a_stage_are_averaged_by_their_units():
    table = pd.concat([planted(1, 30, 1), planted(1, 90, 2).assign(layer="b")])
    table["stage"] = "one"
    agree = agreement(table, COLUMNS, draws=20)
    each = [spearmanr(t[COLUMNS]).statistic for _, t in table.groupby("layer", sort=False)]
    expected = (30 * each[0] + 90 * each[1]) / 120
    assert agree.values == pytest.approx(expected)
    assert agree.stages["one"][0] == pytest.approx(expected)
    assert agree.units[0, 1] == agree.total == 120


def test_a_layer_without_a_correlation_does_not_enter():
    table = planted(2)
    table.loc[table.layer == "conv1", "some"] = 1.0
    alone = spearmanr(table[table.layer == "conv0"][COLUMNS]).statistic
    agree = agreement(table, COLUMNS, draws=50)
    assert agree.of("once", "some")[0] == pytest.approx(alone[0, 2])
    assert np.isnan(agree.profile("once", "some")["conv1"]).all()
    assert np.isfinite(agree.of("once", "some")).all()


def test_draws_are_units_drawn_again():
    """A draw by counts is the correlation of the table with its rows repeated."""
    from helpers.selectivity.agreement import _correlations

    random = np.random.default_rng(3)
    table = random.normal(size=(40, 3)).round(1)  # ties of their own
    table[5, 1] = NAN
    drawn = random.integers(0, 40, 40)
    counts = np.bincount(drawn, minlength=40)
    assert _correlations(table, counts[None])[0] == pytest.approx(
        rank_correlations(table[drawn])[0]
    )


def test_the_interval_is_as_wide_as_the_spread_of_new_units():
    values = [
        agreement(planted(2, 60, s), ["once", "some"], draws=2).values[0, 1] for s in range(150)
    ]
    widths = []
    for seed in range(10):
        _, low, high = agreement(planted(2, 60, seed), ["once", "some"], draws=200).of(
            "once", "some"
        )
        widths.append(high - low)
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.std(values), rel=0.2)


def test_the_same_seed_gives_the_same_interval():
    one, two = (agreement(planted(), COLUMNS, draws=50) for _ in range(2))
    assert (one.low == two.low).all() and (one.high == two.high).all()
    assert (one.low <= one.values).all() and (one.values <= one.high).all()


def test_the_rule_on_planted_pairs():
    agree = agreement(planted(n=200), COLUMNS, draws=200)
    found = verdicts(agree).set_index(["a", "b"]).verdict
    assert found["once", "twice"] == ONE  # falling, and bent
    assert found["once", "some"] == found["twice", "some"] == RELATED
    assert found["once", "apart"] == found["some", "apart"] == INDEPENDENT
    one = where_one(agree)
    assert one[0, 1] and one[1, 0] and one.sum() == 2


@pytest.mark.parametrize(
    ("value", "low", "high", "of_stages", "expected"),
    [
        (0.95, 0.92, 0.97, [0.95, 0.95, 0.95], ONE),
        (-0.95, -0.97, -0.92, [-0.95, -0.95, 0.2], ONE),
        (0.95, 0.92, 0.97, [0.99, 0.88, 0.89], RELATED),  # in one stage of three
        (0.95, 0.89, 0.97, [0.95, 0.95, 0.95], RELATED),
        (0.0, -0.1, 0.1, [0.0, 0.1, -0.1], INDEPENDENT),
        (0.0, -0.1, 0.1, [0.8, -0.8, 0.0], UNDECIDED),  # nothing in the mean only
        (0.0, -0.3, 0.1, [0.0, 0.1, -0.1], UNDECIDED),
        (0.3, 0.25, 0.35, [0.3, 0.3], RELATED),
        (-0.3, -0.35, -0.25, [-0.3, -0.3], RELATED),
        (0.3, 0.15, 0.45, [0.3, 0.3], UNDECIDED),
        (NAN, NAN, NAN, [NAN], UNDECIDED),
    ],
)
def test_the_rule_at_its_bounds(value, low, high, of_stages, expected):
    assert verdict(value, low, high, of_stages)[0] == expected
    assert all(word in RULE for word in (ONE, RELATED, INDEPENDENT, UNDECIDED))


def test_the_plane_of_two_families():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 600))
    table = pd.DataFrame({"a": a, "minus a": -a, "bent a": np.exp(a), "b": b, "more b": 2 * b})
    table["layer"] = np.repeat(["x", "y"], 300)
    table.loc[table.layer == "y", ["a", "bent a"]] += 7  # depth does not enter
    plane = rank_plane(table, table.columns[:5])
    assert plane.explained[:2] == pytest.approx([3 / 5, 2 / 5], abs=0.01)
    assert plane.explained.sum() == pytest.approx(1)
    assert np.abs(plane.arrows[:3, 0]) == pytest.approx(1, abs=0.02)
    assert np.sign(plane.arrows[:3, 0]).tolist() in ([1, -1, 1], [-1, 1, -1])
    assert np.abs(plane.arrows[3:, 1]) == pytest.approx(1, abs=0.02)
    assert plane.by_luck[:2].sum() == pytest.approx(2 / 5, abs=0.06)
    lone = rank_correlations(np.stack([plane.points[:300, 0], a[:300]], 1))[0][0, 1]
    assert abs(lone) > 0.99


def test_units_that_lack_an_index_have_no_place():
    table = planted(1)[["once", "some", "layer"]]
    table.loc[3, "some"] = NAN
    plane = rank_plane(table, ["once", "some"])
    assert np.flatnonzero(np.isnan(plane.points[:, 0])).tolist() == [3]


def test_arrows_are_correlations_with_the_axes():
    table = planted(2)
    plane = rank_plane(table, COLUMNS)
    ranks = standard_ranks(table[COLUMNS], table.layer)
    for k in range(4):
        for axis in range(2):
            expected = np.corrcoef(ranks[:, k], plane.points[:, axis])[0, 1]
            assert plane.arrows[k, axis] == pytest.approx(expected)


def test_an_index_that_is_equal_in_a_layer_counts_as_mean():
    ranks = standard_ranks([[1, 5], [2, 5], [3, 5]], ["x"] * 3)
    assert ranks[:, 1].tolist() == [0, 0, 0] and ranks[:, 0].std() == pytest.approx(1)


def test_places_within_a_layer():
    found = percent_ranks([5, 1, 3, NAN, 7, 2, 2], ["a", "a", "a", "a", "b", "c", "c"])
    assert found[[0, 1, 2]].tolist() == [100, 0, 50]
    assert np.isnan(found[3]) and found[4:].tolist() == [50, 50, 50]


def test_twins_are_near_of_the_same_layer_and_used_once():
    key = np.array([1.0, 1.1, 1.12, 5.0, 1.0, NAN, 1.1])
    chosen = np.array([True, True, False, True, False, True, False])
    layers = np.array(["a", "a", "a", "a", "b", "a", "a"])
    pairs = {tuple(p) for p in matched_twins(key, chosen, ~chosen, layers, 0.5).tolist()}
    assert pairs == {(1, 6), (0, 2)}  # 3 is too far from any, 4 of another layer, 5 has no key
    assert len(matched_twins(key, chosen, ~chosen, layers)) == 2
    assert matched_twins(key, chosen, ~chosen, layers, 0.01).tolist() == [[1, 6]]
    assert matched_twins(key, chosen, chosen, layers).shape == (0, 2)


def test_matching_takes_a_difference_away():
    """Chosen units have larger keys, and the value is the key: without twins they differ."""
    random = np.random.default_rng(0)
    chosen = random.random(2000) < 0.2
    key = random.normal(size=2000) + chosen
    layers = random.integers(0, 3, 2000)
    pairs = matched_twins(key, chosen, ~chosen, layers, 0.2)
    assert len(pairs) > 300 and len(set(pairs[:, 1])) == len(pairs)
    apart = key[pairs[:, 0]] - key[pairs[:, 1]]
    assert abs(apart.mean()) < 0.05 < 0.8 < key[chosen].mean() - key[~chosen].mean()
