"""Linear probes on selective filters: planted layers, noise, leaks, intervals, documented rules."""

import numpy as np
import pytest
import torch

from helpers import SelectivityError
from helpers.selectivity.category import category_auc, contrast, totals_of_responses
from helpers.selectivity.probes import (
    ARMS,
    auc_score,
    balanced_accuracy,
    compare_probes,
    contrast_score,
    most_selective,
    predict,
    probe_once,
    select_filters,
    splits,
)

ONE, ALL, RANDOM_ONE, RANDOM_ALL, LAST, WHOLE_LAST, WHOLE_HIDDEN = ARMS


def noise(labels, units, seed):
    """(N, U) that know nothing of the labels."""
    return np.random.default_rng(seed).normal(size=(len(labels), units))


def planted(labels, units, shift, seed):
    """Noise whose unit k answers to class k by `shift` more; the other units stay noise."""
    return noise(labels, units, seed) + shift * np.eye(labels.max() + 1, units)[labels]


def listed(filters):
    """Chosen filters as plain numbers, to compare."""
    return {name: units.tolist() for name, units in filters.items()}


@pytest.fixture(scope="module")
def one_good_layer():
    """(layers, labels): three classes of 40; layer b has a unit for each, a, c and d have none."""
    labels = np.repeat(np.arange(3), 40)
    layers = {name: noise(labels, 40, i) for i, name in enumerate("acd")}
    return {"a": layers["a"], "b": planted(labels, 40, 2.5, 9), **layers}, labels


def test_an_informative_layer_is_chosen_and_its_selective_filters_win(one_good_layer):
    layers, labels = one_good_layer
    for score, fits in ((contrast_score, {20: 2, None: 10}), (auc_score, {20: 2})):
        found = compare_probes(layers, labels, n_filters=6, sizes=fits, n_repeats=2, score=score)
        accuracy = found.table().set_index(["arm", "size"])["accuracy"]
        assert accuracy[ONE, 20] > 0.75 and accuracy[WHOLE_LAST, 20] < 0.45
        for size, times in fits.items():
            chosen = found.chosen[size]
            assert chosen.loc["b", "times"] == chosen["times"].sum() == times
            assert chosen["share"].sum() == pytest.approx(1) and chosen["share"].idxmax() == "b"
            for selective, other in ((ONE, RANDOM_ONE), (ALL, RANDOM_ALL), (ONE, LAST)):
                value, low, _ = found.difference(selective, other, size)
                assert value > 0.2 and low > 0.1


def test_two_layers_that_know_a_half_each_are_better_together():
    """Four classes are two bits: layer a tells one, layer b the other."""
    labels = np.repeat(np.arange(4), 30)
    random = np.random.default_rng(0)
    layers = {}
    for name, bit in (("a", labels // 2), ("b", labels % 2)):
        layers[name] = random.normal(size=(120, 30))
        layers[name][:, :2] += 3 * np.eye(2)[bit]
    found = compare_probes(layers, labels, n_filters=8, sizes=(None,), n_repeats=4)
    value, low, _ = found.difference(ALL, ONE, None)
    assert value > 0.25 and low > 0.15
    share = found.chosen[None]["share"]
    assert share.min() > 0.3  # of filters from either layer


def test_noise_and_shuffled_labels_stay_at_chance(one_good_layer):
    """Four sets of noise and four orders of the labels of a good layer, in all arms.

    One in twenty intervals may miss chance, and arms of one set miss together: 5 of 56 may.
    """
    informative, classes = one_good_layer
    labels, distances, inside = np.repeat(np.arange(2), 40), [], []
    for seed in range(4):
        layers = {name: noise(labels, 60, [seed, i]) for i, name in enumerate("abc")}
        shuffled = np.random.default_rng(seed).permutation(classes)
        for shown, of, size in ((layers, labels, None), (informative, shuffled, 20)):
            found = compare_probes(shown, of, n_filters=10, sizes=(size,), n_repeats=2).table()
            chance = 1 / (of.max() + 1)
            inside += [*((found["low"] <= chance) & (found["high"] >= chance))]
            distances.append(found["accuracy"].mean() - chance)
    assert len(inside) == 56 and sum(inside) >= 51
    assert abs(np.mean(distances)) < 0.03 and np.abs(distances).max() < 0.12


@pytest.mark.parametrize("size", [5, 20, None])
@pytest.mark.parametrize("score", [contrast_score, auc_score])
def test_no_label_of_a_held_out_image_reaches_selection_or_fit(one_good_layer, size, score):
    """Held-out labels are changed: the same filters are chosen and the same labels predicted."""
    layers, labels = one_good_layer
    random = np.random.default_rng(3)
    for train, test in splits(labels, size, random):
        assert not set(train) & set(test) and len(train) + len(test) == len(labels)
        predicted, chosen = probe_once(layers, labels, train, test, n_filters=6, score=score)
        changed = labels.copy()
        changed[test] = (labels[test] + random.integers(1, 3, len(test))) % 3
        assert (changed[test] != labels[test]).all()
        again, chosen_again = probe_once(layers, changed, train, test, n_filters=6, score=score)
        for arm in ARMS:
            assert listed(chosen[arm]) == listed(chosen_again[arm])
            np.testing.assert_array_equal(predicted[arm], again[arm])
        # Responses of held-out images do not matter to the choice either; training labels do.
        moved = {name: one.copy() for name, one in layers.items()}
        for one in moved.values():
            one[test] = one[test] * 100 + 7
        kept = probe_once(moved, labels, train, test, n_filters=6, score=score)[1]
        assert listed(kept[ALL]) == listed(chosen[ALL]) and listed(kept[ONE]) == listed(chosen[ONE])
        changed[train] = (labels[train] + random.integers(0, 3, len(train))) % 3
        shown = {name: one[train] for name, one in layers.items()}
        other = select_filters(shown, changed[train], 6, score, np.random.default_rng(0), ["c"])
        assert listed(other[ALL]) != listed(chosen[ALL])


def test_a_leaky_selection_would_have_been_seen():
    """4,000 filters of noise: chosen on all images they classify held-out ones; chosen fairly, not."""
    labels = np.repeat(np.arange(2), 25)
    layers = {"a": noise(labels, 2000, 0), "b": noise(labels, 2000, 1)}
    fair = compare_probes(layers, labels, n_filters=20, sizes=(None,), n_repeats=2).table()
    leaky = select_filters(layers, labels, 20, contrast_score, np.random.default_rng(0), ["a"])
    for row, arm in ((0, ONE), (1, ALL)):
        features = np.concatenate([layers[name][:, units] for name, units in leaky[arm].items()], 1)
        right = np.full((2, 50), np.nan)
        for repeat in range(2):
            for train, test in splits(labels, None, np.random.default_rng(repeat)):
                right[repeat, test] = (
                    predict(features[train], labels[train], features[test]) == (labels[test])
                )
        assert right.mean() > 0.85
        assert fair["arm"][row] == arm and fair["low"][row] < 0.5 < fair["high"][row] < 0.75


def test_intervals_cover_the_planted_accuracy():
    """Images of unequal difficulty and repeats of unequal luck; the mean over both is known."""
    random, labels, covered, paired = np.random.default_rng(5), np.repeat([0, 1], [30, 60]), [], []
    for _ in range(100):
        image, repeat = random.uniform(0.5, 1, 90), random.uniform(-0.1, 0, (8, 1))
        right = (random.random((8, 90)) < image + repeat).astype(float)
        other = (random.random((8, 90)) < image + repeat - 0.1).astype(float)
        untested = random.random((8, 90)) < 0.2
        right[untested] = other[untested] = np.nan
        _, low, high = balanced_accuracy(right, labels)
        covered.append(low <= 0.7 <= high)
        _, low, high = balanced_accuracy(right - other, labels)
        paired.append(low <= 0.1 <= high)
    assert np.mean(covered) >= 0.92 and np.mean(paired) >= 0.92
    assert high - low < 0.25


def test_accuracy_is_the_mean_over_classes_of_their_share_right():
    right = np.array([[1, 0, np.nan, 1, 1, 1], [1, np.nan, 0, 1, 0, 1.0]])
    value, low, high = balanced_accuracy(right, np.array([0, 0, 0, 1, 1, 1]))
    assert value == pytest.approx((2 / 4 + 5 / 6) / 2) and low < value < high


def test_scores_are_those_of_single_categories(one_good_layer):
    labels = np.random.default_rng(6).integers(0, 3, 60)
    responses = np.random.default_rng(7).integers(-3, 4, (60, 8)).astype(np.float32)  # ties
    member = torch.from_numpy(labels == 2)
    scaled = totals_of_responses(torch.from_numpy(responses), member, -3.0, 3.0)
    np.testing.assert_allclose(contrast_score(responses, labels)[2], contrast(scaled), atol=1e-12)
    wanted = category_auc(torch.from_numpy(responses), member)
    np.testing.assert_allclose(auc_score(responses, labels)[2], wanted)


def test_classes_take_turns():
    scores = np.array([[9, 8, 7, 6, 0], [9, 1, 0, 2, np.nan]])
    assert most_selective(scores, 4).tolist() == [0, 3, 1, 2]
    assert most_selective(scores, 99).tolist() == [0, 3, 1, 2, 4]


def test_filters_of_the_arms_are_as_many_as_of_the_chosen_layer(one_good_layer):
    layers, labels = one_good_layer
    small = layers | {"b": layers["b"][:, :4]}
    chosen = select_filters(small, labels, 6, contrast_score, np.random.default_rng(0), ["c"])
    counts = {arm: sum(map(len, filters.values())) for arm, filters in chosen.items()}
    assert list(chosen[ONE]) == ["b"] == list(chosen[RANDOM_ONE])  # four units, all taken
    assert [counts[arm] for arm in ARMS] == [4, 6, 4, 6, 6, 40, 40]
    for filters in chosen.values():
        assert all(len(set(units)) == len(units) for units in filters.values())
    assert list(chosen[LAST]) == list(chosen[WHOLE_LAST]) == ["d"]
    assert list(chosen[WHOLE_HIDDEN]) == ["c"]
    # A hidden layer of several branches; by default it is the layer before the last.
    rows = np.arange(120)
    branches = probe_once(layers, labels, rows, rows, n_filters=6, hidden=["a", "b"])[1]
    assert {name: len(units) for name, units in branches[WHOLE_HIDDEN].items()} == {
        "a": 40,
        "b": 40,
    }
    by_default = probe_once(layers, labels, rows, rows, n_filters=6)[1]
    assert list(by_default[WHOLE_HIDDEN]) == ["c"]


def test_a_layer_that_answers_all_images_alike_is_never_the_one_layer(one_good_layer):
    layers, labels = one_good_layer
    constant = {"flat": np.full((120, 9), 3.0), "c": layers["c"]}
    assert np.isnan(contrast_score(constant["flat"], labels)).all()
    assert (auc_score(constant["flat"], labels) == 0.5).all()
    chosen = select_filters(constant, labels, 6, contrast_score, np.random.default_rng(0), [])
    assert list(chosen[ONE]) == list(chosen[ALL]) == ["c"]
    only = compare_probes({"flat": constant["flat"]}, labels, n_filters=6, sizes=(5,), n_repeats=1)
    assert only.chosen[5].loc["flat", "times"] == 1  # without another it is
    assert (only.table()["accuracy"].round(6) == round(1 / 3, 6)).all()


def test_the_same_seed_gives_the_same_result(one_good_layer):
    layers, labels = one_good_layer
    first, again, other = (
        compare_probes(layers, labels, n_filters=6, sizes=(5, None), n_repeats=1, seed=seed)
        for seed in (0, 0, 1)
    )
    assert first.table().equals(again.table()) and not first.table().equals(other.table())
    alone = compare_probes(layers, labels, n_filters=6, sizes=(5,), n_repeats=1)
    np.testing.assert_array_equal(alone.correct[ONE, 5], first.correct[ONE, 5])


def test_every_image_is_tested_once_a_repeat_in_folds_and_none_it_was_trained_on(one_good_layer):
    layers, labels = one_good_layer
    found = compare_probes(layers, labels, n_filters=6, sizes=(20, None), n_repeats=2)
    assert not np.isnan(found.correct[ONE, None]).any()
    tested = ~np.isnan(found.correct[ONE, 20])
    assert all((tested[:, labels == k].sum(1) == 20).all() for k in range(3))
    assert (tested[0] != tested[1]).any()


def test_documented_rules(one_good_layer):
    layers, labels = one_good_layer
    few = np.r_[:40, 40:80, 80:92]  # 12 images of the third class
    gaps = {name: one[few].copy() for name, one in layers.items()}
    gaps["c"][::10, 3] = np.nan
    found = compare_probes(gaps, labels[few], n_filters=6, sizes=(5, 20, None), n_repeats=1)
    assert found.skipped == [20] and len(found.labels) == 82
    bad = (
        (layers, np.zeros(120, int), {}, "one class"),
        (layers, labels, dict(n_filters=2), "2 filters for 3 classes"),
        (layers, labels, dict(sizes=(36, 200)), "40 images and probes need 41"),
    )
    for responses, of, settings, message in bad:
        with pytest.raises(SelectivityError, match=message) as error:
            compare_probes(responses, of, **settings)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError):
        compare_probes(layers, labels[:-1])
