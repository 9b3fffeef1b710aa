"""The indexes of four papers in one table: each is what its own chapter's function gives."""

import numpy as np
import pytest
import torch

from helpers import open_study
from helpers.categories import classes_of
from helpers.claims.counts import untrained_rows
from helpers.claims.dogs import chance_of
from helpers.lenses import (
    COMPARED,
    LENSES,
    NULLS,
    _balanced,
    by_images,
    called,
    halvings,
    lens_units,
    mean_over_layers,
    untrained_lenses,
    without_shared_images,
)
from helpers.selectivity import category_auc, category_indexes, effective_classes
from helpers.selectivity.reliability import INDEXES, LISTS

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def world():
    return open_study("world")


@pytest.fixture(scope="module")
def google():
    return open_study("googlenet")


def test_every_index_is_known_of_both_studies(world, google):
    for study, n in ((world, 592), (google, 5744)):
        units = lens_units(study)
        assert len(units) == n and set(LENSES) | set(NULLS) <= set(units)
        for column in LENSES:
            assert units[column].notna().mean() > 0.95, column
    assert {paper for paper, _, _ in LENSES.values()} == {"1", "2", "3", "4"}
    assert called("mf_degree") == "MF degree (3)" and len(COMPARED) == 12


def test_units_are_in_the_order_of_the_record(world):
    """A unit's indexes by its own responses, one of a deep layer."""
    units, layer, unit = lens_units(world), "conv6", 17
    row = units[(units.layer == layer) & (units.unit == unit)].iloc[0]
    record = world.record
    responses = record[layer].responses["max"][:, unit].double()
    member = world.category("dog")[1]
    assert row.category_auc == pytest.approx(category_auc(responses[:, None], member).item())
    strongest = responses.argsort(descending=True)[:100]
    counts = np.bincount(record.classes[strongest], minlength=48)
    assert row.m_classes == (counts > 0).sum() and row.top_count == counts.max()
    assert row.class_index == pytest.approx((100 - row.m_classes) / 99)
    assert row.effective == pytest.approx(effective_classes(torch.tensor(counts)[None]).item())
    lowest = record[layer].responses["min"][:, unit].argsort()[:144]
    assert row.below == pytest.approx(member[lowest].double().mean().item() / chance_of(world))


def test_before_training_is_another_network_on_the_same_images(world, google):
    for study in (world, google):
        trained, before = lens_units(study), untrained_lenses(study)
        assert (trained.layer == before.layer).all() and (trained.unit == before.unit).all()
        for column in ("share", "below", "contrast", "category_auc", "mf_degree", "area"):
            assert before[column].notna().mean() > 0.9
            assert not np.allclose(trained[column], before[column], equal_nan=True)
    assert untrained_lenses(google).color_index.isna().all()
    assert untrained_lenses(world).color_index.notna().any()


def test_untrained_googlenet_fits_together(google):
    """Class indexes of one table, shares of a second and dogs below of a third are of the same units."""
    before = untrained_lenses(google)
    counts = torch.cat(list(untrained_rows(google).values()))
    full = before.n_images == 100
    expected = (100 - (counts > 0).sum(1).numpy()) / 99
    assert np.allclose(before.class_index[full], expected[full])
    # By float16, and for the same top images the weights a/a_max instead of counts.
    weighted = before.top_share[full] / (before.top_count[full] / 100)
    assert weighted.median() == pytest.approx(1, abs=0.05)
    high = before.top > before.top.quantile(0.9)
    assert before.category_auc[high].mean() > before.category_auc.mean() + 0.05


def test_the_balanced_share_from_the_share(google):
    record, dogs = google.record, classes_of("dog", google.record.class_names)
    table = category_indexes(record["inception_4c.5x5"], dogs)
    found = _balanced(table["share"], table["share_chance"].iloc[0])
    assert np.allclose(found, table["balanced"])


def test_numbers_of_images():
    assert halvings(5760) == [180, 360, 720, 1440, 2880]
    assert halvings(3800) == [118, 237, 475, 950, 1900]
    assert halvings(9) == [2, 4]


@pytest.mark.parametrize("name", ["world", "googlenet"])
def test_fewer_images_of_a_study(name):
    study = open_study(name)
    table = by_images(study, repeats=1)
    total = int(study.record.recorded.sum())
    assert set(table["index"]) == set(INDEXES)
    assert sorted(set(table.images)) == [*halvings(total), total]
    means = mean_over_layers(table)
    assert len(means) == 6 * len(INDEXES) and means["index"].tolist() == list(INDEXES) * 6
    one = table[(table["index"] == "gini") & (table.images == halvings(total)[2])]
    mine = means[(means["index"] == "gini") & (means.images == halvings(total)[2])]
    assert mine.reliability.item() == pytest.approx(one.reliability.mean())
    last = table[table.images == total].set_index(["layer", "index"])["median"]
    units = lens_units(study).groupby("layer").median(numeric_only=True)
    for layer in table.layer.unique():
        for index in ("balanced", "category_auc", "class_index", "below"):
            assert last[layer, index] == pytest.approx(units.loc[layer, index], rel=2e-3, abs=1e-3)


def test_different_images_of_a_study(google):
    across = without_shared_images(google)
    at_half = by_images(google, lists=LISTS[0]).set_index(["layer", "index", "images"]).reliability
    for layer, table in across.items():
        assert list(table) == list(INDEXES) == list(table.index)
        assert np.allclose(table, table.T)
        for index in INDEXES:
            # Other draws of halves of the same photographs.
            assert table.loc[index, index] == pytest.approx(at_half[layer, index, 1900], abs=0.15)


def test_a_study_without_responses(google):
    """A record of other images than the shipped table's, which keeps lists only."""
    other = open_study("googlenet-imagenet")
    assert by_images(other) is None and without_shared_images(other) is None
