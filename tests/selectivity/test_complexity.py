"""How many filters answer highly to a class and how deep they lie: planted layers, the test's level."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, permutation_test

from helpers import SelectivityError, open_study
from helpers.selectivity.category import contrast, totals_of_responses
from helpers.selectivity.complexity import HIGH, balance, class_contrasts, depth_of, responsive
from tests.planted import planted_study

NAMES = ("simple", "difficult", "both", "neither")
CLASSES = np.repeat(np.arange(4), 20)


def study_of(layers, classes=CLASSES, names=NAMES):
    return planted_study(
        {n: {"max": r, "mean": r - 1, "min": r - 2} for n, r in layers.items()}, classes, names
    )


def layer_for(classes, seed, units=10):
    """Weak noise with three detectors for each of the named classes."""
    responses = 0.05 * torch.randn(
        len(CLASSES), units, generator=torch.Generator().manual_seed(seed)
    )
    for number, name in enumerate(classes):
        of_class = torch.from_numpy(CLASSES == NAMES.index(name))
        responses[:, 3 * number : 3 * number + 3] += 2.0 * of_class[:, None]
    return responses


@pytest.fixture(scope="module")
def highly():
    layers = {
        "first": layer_for(["simple", "both"], 0),
        "middle": layer_for([], 1) + 0,
        "last": layer_for(["difficult", "both"], 2),
    }
    # A layer of noise alone would stretch its noise over the whole scale: one unit gives it a range.
    layers["middle"][0, 9] = 5.0
    return responsive(study_of(layers).record)


def test_planted_filters_are_counted_and_have_their_depth(highly):
    assert highly.index.tolist() == ["first", "middle", "last"]
    assert highly["simple"].tolist() == [0.3, 0, 0] and highly["difficult"].tolist() == [0, 0, 0.3]
    depth = depth_of(highly)
    assert depth.name == "depth"
    assert depth[["simple", "difficult", "both"]].tolist() == [0, 1, 0.5]
    assert np.isnan(depth["neither"])


def test_each_layer_counts_alike_however_wide():
    layers = {"wide": layer_for(["both"], 0, 30), "narrow": layer_for(["both"], 1, 3)}
    highly = responsive(study_of(layers).record)
    assert highly["both"].tolist() == [0.1, 1.0]
    assert depth_of(highly)["both"] == pytest.approx(1 / 1.1)


def test_class_contrasts_are_contrasts_of_single_classes():
    record = open_study("world-faces").record
    layer = record["conv5"]
    found = class_contrasts(layer)
    low, high = (end.item() for end in (layer.responses["max"].min(), layer.responses["max"].max()))
    for number in range(len(record.class_names)):
        member = torch.from_numpy(record.classes == number)
        totals = totals_of_responses(layer.responses["max"], member, low, high)
        torch.testing.assert_close(found[:, number], contrast(totals), rtol=1e-6, atol=1e-8)
    table = responsive(record, high=0.05)
    assert table.loc["conv5"].tolist() == (found > 0.05).double().mean(0).tolist()


def test_a_class_without_images_has_no_contrast_and_a_constant_unit_has_zero():
    responses = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
    responses[:, 1] = 7.0
    record = study_of({"a": responses, "b": responses}, names=(*NAMES, "nothing")).record
    found = class_contrasts(record["a"])
    assert found[:, 4].isnan().all()
    assert found[1, :4].tolist() == [0, 0, 0, 0]
    assert found[::2, :4].isfinite().all()
    assert np.isnan(depth_of(responsive(record))["nothing"])


def test_one_class_has_nothing_to_be_held_against():
    responses = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    record = study_of({"a": responses}, np.zeros(20, dtype=int), ("only",)).record
    assert class_contrasts(record["a"]).isnan().all()
    assert (responsive(record) == 0).all(axis=None)


def test_a_higher_bar_counts_fewer():
    record = open_study("world-faces").record
    counts = [responsive(record, high).sum().sum() for high in (0.0, HIGH, 0.3, 1.1)]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[1] > counts[3] == 0


def test_a_depth_needs_layers():
    with pytest.raises(SelectivityError, match="two layers"):
        depth_of(pd.DataFrame({"a": [0.5]}, index=["conv"]))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=12),
    st.floats(0.01, 1),
)
def test_depth_is_an_average_of_places(proportions, factor):
    """Between 0 and 1, mirrored with the layers, and the same however many filters there are."""
    table = pd.DataFrame({"a": proportions})
    depth = depth_of(table)["a"]
    if sum(proportions) == 0:
        assert np.isnan(depth)
        return
    if sum(proportions) < 1e-6:
        return  # products of so small numbers lose digits
    assert -1e-12 <= depth <= 1 + 1e-12
    assert depth_of(table[::-1])["a"] == pytest.approx(1 - depth, abs=1e-9)
    assert depth_of(table * factor)["a"] == pytest.approx(depth, abs=1e-9)


def depths(values):
    return pd.Series(values, [f"c{i}" for i in range(len(values))], name="depth")


def halves(depth):
    names = list(depth.index)
    return names[: len(names) // 2], names[len(names) // 2 :]


def test_balance_agrees_with_scipy():
    random = np.random.default_rng(0)
    depth = depths(random.random(17))
    first, second = halves(depth)
    difference, p = balance(depth, first, second)
    assert difference == pytest.approx(depth[second].mean() - depth[first].mean())
    wanted = permutation_test(
        (depth[second], depth[first]),
        lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        n_resamples=20_000, vectorized=True, rng=random,
    )  # fmt: skip
    assert p == pytest.approx(wanted.pvalue, abs=0.03)


def test_p_is_uniform_where_there_is_no_difference():
    random = np.random.default_rng(1)
    found = []
    for _ in range(120):
        depth = depths(random.random(20))
        found.append(balance(depth, *halves(depth))[1])
    assert kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) < 0.1) < 0.2


def test_a_planted_shift_is_found():
    random = np.random.default_rng(2)
    depth = depths(np.r_[random.random(12) * 0.3, 0.6 + random.random(12) * 0.3])
    first, second = halves(depth)
    difference, p = balance(depth, first, second)
    assert difference == pytest.approx(0.6, abs=0.15) and p < 0.001
    back = balance(depth, second, first)
    assert back[0] == pytest.approx(-difference) and back[1] < 0.001
    assert balance(depth, first, second) == (difference, p)  # the same seed


def test_balance_of_equal_and_of_tiny_sets():
    same = depths([0.5] * 8)
    assert balance(same, *halves(same)) == (0, 1)
    two = depths([0.1, 0.9])
    assert balance(two, ["c0"], ["c1"]) == (pytest.approx(0.8), 1)  # both divisions are as extreme


def test_classes_without_a_depth_are_left_out():
    random = np.random.default_rng(3)
    depth = depths(random.random(12))
    gaps = pd.concat([depth, pd.Series({"none": np.nan, "no": np.nan})])
    first, second = halves(depth)
    assert balance(gaps, [*first, "none"], ["no", *second]) == balance(depth, first, second)
    with pytest.raises(SelectivityError, match="nothing to compare"):
        balance(gaps, ["none", "no"], second)
    with pytest.raises(SelectivityError, match="nothing to compare"):
        balance(gaps, first, [])
    with pytest.raises(SelectivityError, match="c0 is in both"):
        balance(depth, first, [*second, "c0"])
