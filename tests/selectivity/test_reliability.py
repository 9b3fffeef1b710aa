"""Indexes of fewer images: as of a record, planted units of known reliability, numbers that suffice."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.selectivity.category import category_auc
from helpers.selectivity.facets import multifaceted_degree, random_rows
from helpers.selectivity.reliability import (
    INDEXES,
    LISTS,
    across_halves,
    by_number,
    images_needed,
    measured_indexes,
    without_noise,
)

pytestmark = pytest.mark.usefixtures("one_thread")
N, CLASSES = 1600, 20


def planted(strength, n_units=60, seed=0):
    """Responses of units that prefer the first five classes by as much as a number of their own."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(N) % CLASSES
    of_category = torch.arange(CLASSES) < 5
    liking = strength * torch.linspace(-1, 1, n_units)
    responses = torch.randn(N, n_units, generator=random) + 5
    responses = responses + of_category[labels][:, None] * liking
    return {"max": responses, "min": -responses}, labels, of_category, CLASSES


def test_indexes_are_those_of_the_world_record():
    from helpers import open_study
    from helpers.lenses import lens_units

    study = open_study("world")
    units, layer = lens_units(study), study.record.layers[2]
    mine = units[units.layer == layer].reset_index(drop=True)
    record = study.record
    responses = {one: record[layer].responses[one] for one in ("max", "min")}
    dogs = study.category("dog")[0]
    found = measured_indexes(responses, record.classes, dogs, len(record.class_names))
    assert list(found) == list(INDEXES)
    # By single responses instead of sums and lists; the curve's area is of 400 images there.
    for name in set(INDEXES) - {"area"}:
        assert found[name].to_numpy() == pytest.approx(mine[name].to_numpy(), rel=1e-5), name


def test_more_images_and_stronger_units_are_more_reliable():
    table = by_number(*planted(0.6), [100, 400, 800], repeats=3)
    rows = table.set_index(["index", "images"]).reliability
    for name in ("balanced", "category_auc", "contrast"):
        assert rows[name, 100] < rows[name, 400] < rows[name, 800]
    stronger = by_number(*planted(2.0), [100], repeats=3).dropna().set_index("index").reliability
    assert stronger["category_auc"] > rows["category_auc", 100] + 0.1
    none = by_number(*planted(0.0), [400], repeats=4).dropna().set_index("index").reliability
    assert abs(none["category_auc"]) < 0.2


def test_halves_share_no_image_and_draws_differ():
    """One image of a thousand has a giant response: it is in one half only."""
    responses, labels, of_category, n = planted(0.0, 40)
    giants = torch.randperm(N, generator=torch.Generator().manual_seed(5))[:40]
    responses["max"][giants, torch.arange(40)] += 100
    rows = by_number(responses, labels, of_category, n, [800], repeats=3).set_index("index")
    # The area is small where the giant is: the other half has none, and the two do not agree.
    assert rows.loc["area"].iloc[0].reliability < 0.3
    assert rows.loc["area"].iloc[0].low < rows.loc["area"].iloc[0].high


def test_the_median_and_the_bias():
    given = planted(1.0)
    table = by_number(*given, [100, 800], repeats=2).set_index(["index", "images"])
    whole = measured_indexes(*given)
    assert table.loc[("mf_degree", N), "median"] == pytest.approx(whole.mf_degree.median())
    moved = table.loc[("mf_degree", 100)]
    expected = (moved["median"] - whole.mf_degree.median()) / whole.mf_degree.std()
    assert moved.bias == pytest.approx(expected)
    # A list of a hundred of a hundred images is what luck draws.
    luck = random_rows(100, [N // CLASSES] * CLASSES)
    low, high = multifaceted_degree(luck).quantile(torch.tensor([0.01, 0.99]).double()).tolist()
    assert low < moved["median"] < high and moved["median"] > whole.mf_degree.median() + 0.5
    assert table.loc[("category_auc", 100), "bias"] == pytest.approx(0, abs=0.4)
    last = table.xs(N, level="images")
    assert last.reliability.isna().all() and (last.bias.dropna() == 0).all()


def test_lists_of_the_same_part_get_short():
    table = by_number(*planted(1.0), [100, 800], lists=LISTS[1], repeats=1)
    assert table.groupby("images").listed.first().to_dict() == {100: 6, 800: 50, N: 100}
    fixed = by_number(*planted(1.0), [100, 800], repeats=1)
    assert fixed.groupby("images").listed.first().to_dict() == {100: 100, 800: 100, N: 100}


def test_numbers_and_lists_that_cannot_be():
    with pytest.raises(ValueError, match="images of"):
        by_number(*planted(1.0), [N // 2 + 1])
    with pytest.raises(ValueError, match="lists are"):
        by_number(*planted(1.0), [10], lists="all")


def curve(*pairs):
    rows = [{"index": "gini", "images": n, "reliability": r} for n, r in pairs]
    return pd.DataFrame(rows)


def test_the_number_that_suffices():
    assert images_needed(curve((100, 0.5), (400, 0.8), (1600, 1.0)))["gini"] == pytest.approx(800)
    assert images_needed(curve((100, 0.95), (400, 0.99)))["gini"] == 100
    assert images_needed(curve((100, 0.5), (400, 0.8)))["gini"] == np.inf
    dips = curve((100, 0.95), (400, 0.8), (1600, 1.0))
    assert images_needed(dips)["gini"] == pytest.approx(800)
    assert images_needed(curve((100, 0.5), (400, 0.8)), 0.5)["gini"] == 100
    assert np.isnan(images_needed(curve((100, np.nan)))["gini"])


def test_across_halves_one_quantity_is_one_without_noise():
    given = planted(0.7, 200)
    across = across_halves(*given)
    assert np.allclose(across, across.T, equal_nan=True)
    own = across.loc["category_auc", "category_auc"]
    assert 0.5 < own < 0.98 and across.loc["balanced", "category_auc"] < 0.98
    assert without_noise(across).loc["balanced", "category_auc"] == pytest.approx(1, abs=0.03)
    by_hand = []
    random = np.random.default_rng(0)
    for _ in range(4):
        first, second = np.split(random.permutation(N), 2)
        ranks = [
            pd.Series(category_auc(given[0]["max"][h], given[2][given[1][h]]).numpy()).rank()
            for h in (first, second)
        ]
        by_hand.append(np.corrcoef(*ranks)[0, 1])
    assert own == pytest.approx(np.mean(by_hand))


def test_nothing_but_noise_has_no_number_without_it():
    across = pd.DataFrame([[0.5, 0.1], [0.1, -0.2]], ["a", "b"], ["a", "b"])
    found = without_noise(across)
    assert found.loc["a", "a"] == pytest.approx(1) and np.isnan(found.loc["a", "b"])
