"""Each claim of papers 1 and 1b holds on a layer made to bear it out, and fails on one made not to."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import claims, open_study
from helpers.claims import FAILS, HOLDS, UNDECIDED, UNTESTED, measure_claims
from helpers.claims import opponency as of_paper_1
from helpers.claims.claim import LESS
from helpers.claims.dogs import shown_units
from helpers.study import Study
from helpers.tables import Variants
from tests.planted import planted_study

BREEDS = ("dalmatian", "bulldog", "husky", "schnauzer", "shepherd", "rottweiler",
          "beagle", "corgi", "retriever", "pug", "poodle", "dachshund")  # fmt: skip
OTHERS = tuple(f"thing{i}" for i in range(12))
NAMES = BREEDS + OTHERS
PER_CLASS = 40
CLASSES = np.repeat(np.arange(24), PER_CLASS)
IS_DOG = torch.from_numpy(CLASSES < 12)
UNITS = 16


def noise(seed=0):
    torch.manual_seed(seed)
    return torch.randn(len(CLASSES), UNITS)


def detectors(seed=0, by=2.0):
    """Every dog moves the unit up."""
    return noise(seed) + by * IS_DOG[:, None]


def opponents(seed=0, by=4.0):
    """Each unit is excited by half of the breeds and inhibited by the other half."""
    random = np.random.default_rng(seed)
    signs = np.zeros((24, UNITS))
    for unit in range(UNITS):
        signs[random.permutation(12), unit] = np.repeat([1.0, -1.0], 6)
    return noise(seed) + by * torch.from_numpy(signs[CLASSES]).float()


def study_of(*groups, name="planted", spread=1.0, **more):
    """A layer of the groups' units; maxima lie `spread` above the means, minima below."""
    mean = torch.cat(groups, 1)
    layer = {"max": mean + spread, "mean": mean, "min": mean - spread}
    return planted_study({"conv": layer} | more, CLASSES, NAMES, name)


def verdict(claim, study):
    (row,) = [c.row(study) for c in claims.CLAIMS if c.id == "opponent." + claim]
    assert row["words"] and set(row) >= {"id", "paper", "statement", "measured", "null", "verdict"}
    return row["verdict"]


def opponent_layer(**how):
    return study_of(opponents(), noise(5), **how)


def detector_layer(**how):
    return study_of(detectors(), noise(5), **how)


def test_many_dog_units():
    assert verdict("many-dog-units", study_of(detectors(by=12.0), noise(5))) == HOLDS
    assert verdict("many-dog-units", study_of(noise(1), noise(5))) == FAILS


def test_what_the_relu_hides():
    assert verdict("relu-hides", detector_layer()) == HOLDS
    # All responses positive: the ReLU changes nothing.
    assert verdict("relu-hides", detector_layer(spread=20.0)) == FAILS


def test_strong_negatives():
    assert verdict("strong", opponent_layer()) == HOLDS
    weak = planted_study(
        {"conv": {"max": detectors() + 9, "mean": detectors(), "min": noise(3) * 0.01}},
        CLASSES, NAMES,
    )  # fmt: skip
    assert verdict("strong", weak) == FAILS
    row = row_of("strong", opponent_layer())
    assert row["beside_control"] == LESS and "100% of all units" in row["words"]  # all are strong


def row_of(claim, study):
    (row,) = [c.row(study) for c in claims.CLAIMS if c.id == "opponent." + claim]
    return row


def test_more_than_if_dogs_moved_responses_up():
    assert verdict("beyond-moved", opponent_layer()) == HOLDS
    # Dogs move responses up and nothing else: some dogs are below, as many as that explains.
    moved = study_of(*(detectors(seed, by=0.8) for seed in range(4)), noise(5))
    (claim,) = [c for c in claims.CLAIMS if c.id == "opponent.beyond-moved"]
    found = claim.measure(moved)
    # The choice of units by their upper lists alone makes a difference, and the simulation knows it.
    assert found.verdict in (UNDECIDED, FAILS) and found.value > 0.05
    assert found.null == pytest.approx(found.value, abs=0.03)
    assert 0 < mean_below(moved) < 0.4


def mean_below(study):
    table = shown_units(study)
    return table["bottom_mean"][table["selective_mean"]].mean()


def test_for_means_no_difference_from_neighbours_is_no_null():
    """Dogs only move responses up: the difference from other units is far below zero, which says nothing."""
    moved = study_of(*(detectors(seed, by=0.8) for seed in range(4)), noise(5))
    (claim,) = [c for c in claims.CLAIMS if c.id == "opponent.own-category-mean"]
    found = claim.measure(moved)
    assert found.value < -0.1 and np.isnan(found.null)  # zero would call this a finding
    (claim,) = [c for c in claims.CLAIMS if c.id == "opponent.own-category"]
    assert claim.measure(moved).null == 0


@pytest.mark.parametrize(
    "claim",
    [
        "dogs-below",
        "dogs-below-mean",
        "own-category",
        "own-category-mean",
        "cars-above-breeds",
        "cars-above-breeds-mean",
    ],
)
def test_dogs_below(claim):
    assert verdict(claim, opponent_layer()) == HOLDS
    assert verdict(claim, detector_layer()) == FAILS


def test_unselective_units_are_no_evidence():
    """Too few selective units: no verdict instead of one about a handful."""
    assert verdict("dogs-below", study_of(noise(1))) == UNTESTED


def test_own_category_fails_where_every_unit_has_dogs_below():
    """Inhibited by dogs like all its neighbours: true of the unit, but nothing about dog units."""
    inhibited = noise(5) - 3 * IS_DOG[:, None]
    study = study_of(opponents(by=2.0), inhibited)
    assert verdict("dogs-below", study) == HOLDS
    assert verdict("own-category", study) == FAILS


def test_the_others_are_those_of_the_branch():
    """Two branches with 9 and 1 dogs in ten below, selective units in both: weighted by where these are."""
    below = np.array([1.0, 1.0, 0.9, 0.9, 0.3, 0.1, 0.1, 0.1])
    chosen = np.array([True, True, False, False, True, False, False, False])
    found = of_paper_1._more_than_others(below, chosen, pd.Series([*"aaaabbbb"]), "selective")
    assert found.value == pytest.approx((0.1 + 0.1 + 0.2) / 3)
    assert "3 selective units" in found.words and found.words.endswith("77%, those others 63%")


def test_one_source(monkeypatch):
    elsewhere = {"dogs": opponent_layer(name="other"), "none": detector_layer(name="other")}
    for which, wanted in (("dogs", HOLDS), ("none", FAILS)):
        monkeypatch.setattr(of_paper_1.studies, "open_study", lambda _, w=which: elsewhere[w])
        for claim in (
            "one-source",
            "one-source-mean",
            "own-category-one-source",
            "own-category-one-source-mean",
        ):
            assert verdict(claim, opponent_layer(name="googlenet")) == wanted
            assert verdict(claim, opponent_layer()) == UNTESTED
        beyond = verdict("beyond-moved-one-source", opponent_layer(name="googlenet"))
        assert (beyond == HOLDS) == (wanted == HOLDS)


def test_not_low_level():
    torch.manual_seed(2)
    unrelated = torch.randn(len(CLASSES), 6)
    study = opponent_layer()
    study.__dict__["image_statistics"] = unrelated.double()
    assert verdict("not-low-level", study) == HOLDS
    # Dogs have more contrast, contrast drives maxima up and minima down, and that is all.
    contrast = torch.randn(len(CLASSES)) + IS_DOG
    strength = (3 * contrast)[:, None] + noise(1)
    layer = {"max": strength, "mean": noise(3), "min": -(3 * contrast)[:, None] + noise(2)}
    driven = planted_study({"conv": layer}, CLASSES, NAMES)
    driven.__dict__["image_statistics"] = torch.cat(
        [contrast[:, None], unrelated[:, 1:]], 1
    ).double()
    assert verdict("dogs-below", driven) == HOLDS
    assert verdict("not-low-level", driven) == FAILS
    assert verdict("not-low-level", opponent_layer()) == UNTESTED  # no images to look at


def variants(fine, other, name):
    random = np.random.default_rng(0)
    tables = {
        f"{variant}/{seed}/conv7": torch.from_numpy(
            np.stack([np.full(40, 0.9), level + 0.05 * random.random(40)], 1)
        )
        for variant, levels in (("fine", fine), (name, other))
        for seed, level in enumerate(levels)
    }
    return Variants(tables, ["top_mean", "bottom_mean"], {}, chance=0.25, limit=0.4)


@pytest.mark.parametrize(
    ("claim", "variant"),
    [("labels", "dogs-merged"), ("equal-distances", "softened"),
     ("cross-entropy", "one-vs-rest"), ("training-set", "breeds-1"),
     ("training-adds", "untrained")],
)  # fmt: skip
def test_causes(monkeypatch, claim, variant):
    study = opponent_layer(name="world")
    for fine, other, wanted in (
        ((0.3, 0.3), (0.0, 0.0), HOLDS),
        ((0.1, 0.1), (0.3, 0.3), FAILS),
        ((0.6, 0.1), (0.0, 0.2), FAILS),  # above zero on average, but not in both seeds
    ):
        table = variants(fine, other, variant)
        monkeypatch.setattr(of_paper_1, "open_variants", lambda t=table: t)
        assert verdict(claim, study) == wanted
    same = variants((0.3, 0.3), (0.3, 0.3), variant)
    monkeypatch.setattr(of_paper_1, "open_variants", lambda: same)
    assert verdict(claim, study) == UNDECIDED
    monkeypatch.setattr(of_paper_1, "open_variants", lambda: variants((0.3,), (), variant))
    assert verdict(claim, study) == UNTESTED
    assert verdict(claim, opponent_layer()) == UNTESTED


def test_confusions():
    """Scores in which opposed breeds are confused, and the same scores given to other breeds."""
    groups = opponents(seed=3)
    study = study_of(groups, noise(5))
    means = study.record["conv"].means["max"]
    opposed = of_paper_1.pair_opponency(means, torch.arange(24) < 12)
    scores = torch.full((24, 24), -9.0) + 14 * torch.eye(24)
    scores[:12, :12] += 12 * opposed.float()
    for order, wanted in ((torch.arange(12), HOLDS), (torch.randperm(12), FAILS)):
        table = scores.clone()
        table[:12, :12] = scores[:12, :12][order][:, order]
        fc = table[CLASSES]
        study = study_of(groups, noise(5), fc={"max": fc, "mean": fc, "min": fc})
        assert verdict("confusions", study) == wanted
    assert verdict("confusions", study_of(groups)) == UNTESTED


def test_studies_without_dogs_or_without_anything_else():
    layer = {s: noise() for s in ("max", "mean", "min")}
    for names in (tuple(f"thing{i}" for i in range(24)), (*BREEDS, *BREEDS)):
        rows = measure_claims(planted_study({"conv": layer}, CLASSES, names), paper="1")
        assert {row["verdict"] for row in rows} == {UNTESTED}


def test_a_record_of_some_of_the_layers_that_a_table_is_of():
    """The same photographs and network, two branches of the block: tables of all of it do not fit."""
    google = open_study("googlenet")
    branches = [n for n in google.record.layers if n.startswith("inception_4c.")][:2]
    some = Study(google.name, google.record.keep_layers(branches), None, None)
    rows = {row["id"]: row for row in measure_claims(some, paper="1")}
    for claim, wanted in (
        ("beyond-moved", "single mean responses"),
        ("one-source", "other layers"),
    ):
        row = rows[f"opponent.{claim}"]
        assert row["verdict"] == UNTESTED and wanted in row["words"], row
    assert rows["opponent.own-category-mean"]["verdict"] != UNTESTED
