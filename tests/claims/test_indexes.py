"""Each claim of paper 4 holds on units made to bear it out, and fails on units made not to."""

import json
import math
import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import beta, spearmanr

from helpers import claims, open_study
from helpers.claims import FAILS, HOLDS, UNDECIDED, UNTESTED, measure_claims
from helpers.claims import indexes as of_paper_4
from helpers.claims.claim import CannotTest
from helpers.paths import data_path
from helpers.tables import load_table
from tests.planted import planted_study

pytestmark = pytest.mark.usefixtures("one_thread")

LAYERS = [f"conv{i}" for i in range(1, 7)]
RED_HUE = 27.0


def randoms(seed):
    return np.random.default_rng(seed)


def columns_of(names=LAYERS, n=40, stages=None, seed=0, **given):
    """A planted `feature_units` with n units a layer; a column is given by one entry for each layer.

    An entry is a number, which is spread a little, or all n. colored: the share of each layer's units that
    are red; the others have no colour. dead: the share without images, the last ones.
    """
    parts = []
    for place, name in enumerate(names):
        spread = np.linspace(-0.05, 0.05, n)
        entry = {k: v[place] for k, v in given.items() if k not in ("colored", "dead")}
        colored = np.arange(n) < round(given.get("colored", [0] * len(names))[place] * n)
        dead = np.arange(n) >= n - round(given.get("dead", [0] * len(names))[place] * n)
        default = randoms(100 * seed + place).uniform(0.1, 0.9, (5, n))
        part = pd.DataFrame(
            {
                "layer": name,
                "stage": (stages or names)[place],
                "unit": range(n),
                "n_images": np.where(dead, 0, 100),
                "class_index": default[0],
                "auc": 100 * default[1],
                "color_index": np.where(colored, 0.7, 0.1),
                "hue": RED_HUE,
                "color": np.where(colored, "red", "none"),
                "self_response": default[2],
                "structure": default[3],
                "variance_among": default[4],
            }
        )
        for column, value in entry.items():
            part[column] = value + spread if np.ndim(value) == 0 and column != "color" else value
        for column in ("class_index", "auc", "color_index", "self_response", "structure"):
            part.loc[dead, column] = np.nan
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@cache
def study_of(n_classes, per_class, name="planted"):
    """A study of classes of one size; its units are planted in the table alone."""
    classes = np.repeat(np.arange(n_classes), per_class)
    strength = torch.arange(len(classes), 0, -1).float()[:, None]
    layers = {"conv1": dict.fromkeys(("max", "mean", "min"), strength)}
    return planted_study(layers, classes, [f"class{c}" for c in range(n_classes)], name, k=500)


def many():
    """220 classes of 20, as GoogLeNet's: no unit that ignores them has an index above 0.6."""
    return study_of(220, 20)


@pytest.fixture
def planted(monkeypatch):
    """Plants what is measured of a study; returns the study."""
    twin = study_of(24, 20, "twin")

    def is_(table, before=None, study=None, **measured):
        study = study or many()
        of = {study: table, twin: before}

        def classes_before(_):
            if before is None:
                raise CannotTest("not before training")
            return before

        monkeypatch.setattr(of_paper_4, "feature_units", of.__getitem__)
        monkeypatch.setattr(of_paper_4, "class_columns", of.__getitem__)
        monkeypatch.setattr(of_paper_4, "untrained_features", lambda _: before)
        monkeypatch.setattr(of_paper_4, "untrained_classes", classes_before)
        monkeypatch.setattr(of_paper_4, "untrained_curves", lambda _: before)
        for name, value in measured.items():
            monkeypatch.setattr(of_paper_4, name, lambda _, value=value: value)
        return study

    return is_


def claim_of(claim):
    (found,) = [c for c in of_paper_4.CLAIMS if c.id == "indexes." + claim]
    return found


def row_of(claim, study):
    row = claim_of(claim).row(study)
    assert row["words"] and "\n" not in row["words"] and "nan" not in row["words"]
    assert row["null"] is None or "nan" not in row["null"]
    return row


def verdict(claim, study):
    return row_of(claim, study)["verdict"]


def test_every_claim_of_paper_4_is_a_claim_of_the_book():
    mine = [claim for claim in claims.CLAIMS if claim.paper == "4"]
    assert mine == list(of_paper_4.CLAIMS) and len(mine) == 21
    for claim in mine:
        assert claim.id.startswith("indexes.") and claim.statement.endswith(".")
        assert claim.rule and claim.control and claim.place.startswith("section")


def test_ids_are_unique_and_no_rule_or_control_is_missing():
    ids = [claim.id for claim in claims.CLAIMS]
    assert len(set(ids)) == len(ids)
    for claim in claims.CLAIMS:
        assert claim.rule and claim.control and claim.place and claim.statement


# Depth

FALLING, RISING = (0.8, 0.7, 0.6, 0.5, 0.4, 0.3), (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SAME = (0.5,) * 6


@pytest.mark.parametrize(
    ("claim", "column", "falls"),
    [
        ("steeper", "auc", True),
        ("own-feature-falls", "self_response", True),
        ("class-rises", "class_index", False),
    ],
)
def test_numbers_follow_depth(planted, claim, column, falls):
    yes, no = (FALLING, RISING) if falls else (RISING, FALLING)
    for by, wanted in ((yes, HOLDS), (no, FAILS), (SAME, UNDECIDED)):
        before = columns_of(**{column: [0.9, 0.9, 0.2, 0.2, 0.3, 0.3]})
        study = planted(columns_of(**{column: by}), before)
        row = row_of(claim, study)
        assert row["verdict"] == wanted
        assert row["value"] == pytest.approx(np.mean(by[4:]) - np.mean(by[:2]))
        assert claim_of(claim).measure(study).null == pytest.approx(-0.6)
    assert verdict(claim, planted(columns_of(LAYERS[:1], **{column: [0.5]}))) == UNTESTED
    assert row_of(claim, planted(columns_of(**{column: yes})))["null"] is None


def test_curves_are_of_four_hundred_images(planted):
    assert "over 400 images" in row_of("steeper", planted(columns_of(auc=FALLING)))["words"]


@pytest.mark.parametrize(
    ("claim", "column"),
    [("steeper", "auc"), ("own-feature-falls", "self_response"), ("class-rises", "class_index")],
)
def test_dead_units_and_missing_numbers_are_in_no_mean(planted, claim, column):
    table = columns_of(**{column: FALLING}, dead=(0.5, 0, 0, 0, 0, 0.25))
    table.loc[table["n_images"] == 0, column] = 99.0
    table.loc[(table["layer"] == "conv2") & (table["unit"] < 10), column] = np.nan
    known = table[(table["n_images"] > 0) & table[column].notna()]
    low, high = (known[column][known["layer"].isin(two)] for two in (LAYERS[:2], LAYERS[4:]))
    row = row_of(claim, planted(table))
    assert row["value"] == pytest.approx(high.mean() - low.mean())
    table.loc[table["layer"].isin(LAYERS[4:]), column] = np.nan
    assert verdict(claim, planted(table)) == UNTESTED


def test_the_share_of_coloured_units_follows_depth(planted):
    falling, rising = (0.6, 0.5, 0.4, 0.3, 0.2, 0.1), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    before = columns_of(colored=(0.5, 0.5, 0, 0, 0.25, 0.25))
    for by, wanted in ((falling, HOLDS), (rising, FAILS), (SAME, UNDECIDED)):
        study = planted(columns_of(colored=by), before)
        measured = claim_of("color-falls").measure(study)
        assert measured.verdict == wanted
        assert measured.value == pytest.approx(np.mean(by[4:]) - np.mean(by[:2]))
        assert measured.null == pytest.approx(-0.25)
    assert verdict("color-falls", planted(columns_of(LAYERS[:1], colored=[0.5]))) == UNTESTED


def test_a_unit_without_a_colour_index_is_in_no_share(planted):
    table = columns_of(colored=(0.5,) * 6)
    table.loc[table["unit"] >= 30, "color_index"] = np.nan  # ten of the grey ones in each layer
    study = planted(table)
    for claim, wanted in (("color-first", 20 / 30), ("color-deep", 40 / 60)):
        assert row_of(claim, study)["value"] == pytest.approx(wanted)
    table["color_index"] = np.nan
    for claim in ("color-first", "color-deep", "color-falls", "both", "hues-agree", "four-axes"):
        assert verdict(claim, planted(table)) == UNTESTED


def test_names_decide_which_units_are_coloured(planted):
    """An index of 0.39999 is rounded to 0.4 in a shipped table; the name was given before."""
    table = columns_of(colored=(0.5,) * 6)
    table["color_index"] = 0.4
    assert row_of("color-first", planted(table))["value"] == 0.5


def test_a_layer_of_dead_units_is_still_a_layer(planted):
    """Low and high are of the convolutions there are; a dead end has no number."""
    table = columns_of(colored=(0.1, 0.1, 0.9, 0.9, 0.9, 0.9), dead=(1, 1, 0, 0, 0, 0))
    for claim in ("color-falls", "class-rises", "own-feature-falls", "color-first", "steeper"):
        assert verdict(claim, planted(table)) == UNTESTED, claim
    table = columns_of(colored=(0.9, 0.9, 0.9, 0.9, 0.1, 0.1), dead=(0, 0, 0, 0, 1, 1))
    assert verdict("color-deep", planted(table)) == UNTESTED
    table = columns_of(class_index=[0.9] * 6, dead=(1, 0, 0, 0, 0, 1))
    for claim in ("class-not-first", "class-last", "class-last-high"):
        assert verdict(claim, planted(table)) == UNTESTED, claim


# Within layers


def related(strength, seed=0):
    """Two columns (6, 40) with a rank correlation of about `strength`, and layers far apart."""
    random = randoms(seed)
    one = random.normal(size=(6, 40))
    other = strength * one + math.sqrt(1 - strength**2) * random.normal(size=(6, 40))
    return one + 10 * np.arange(6)[:, None], other - 10 * np.arange(6)[:, None]


@pytest.mark.parametrize(
    ("claim", "a", "b", "sign"),
    [("blur", "structure", "variance_among", -1), ("localist", "structure", "class_index", 1)],
)
def test_numbers_go_together_within_layers(planted, claim, a, b, sign):
    before = columns_of(**dict(zip((a, b), related(0.9 * sign, 5), strict=True)))
    for strength, wanted in ((0.7 * sign, HOLDS), (-0.7 * sign, FAILS), (0, UNDECIDED)):
        one, other = related(strength)
        study = planted(columns_of(**{a: one, b: other}), before)
        measured = claim_of(claim).measure(study)
        assert measured.verdict == wanted
        rho = [spearmanr(x, y).statistic for x, y in zip(one, other, strict=True)]
        assert measured.value == pytest.approx(np.mean(rho)) and "240 units" in measured.words
        rho = [
            spearmanr(part[a], part[b]).statistic for _, part in before.groupby("layer", sort=False)
        ]
        assert measured.null == pytest.approx(np.mean(rho))
    constant = columns_of(**{a: np.ones((6, 40)), b: related(0)[1]})
    assert verdict(claim, planted(constant)) == UNTESTED


def test_shuffled_units_show_nothing(planted):
    """The control: what goes with what is drawn anew in each layer."""
    one, other = related(0.7)
    found = []
    for seed in range(30):
        shuffled = randoms(seed).permuted(other, axis=1)
        study = planted(columns_of(structure=one, class_index=shuffled))
        found.append(claim_of("localist").measure(study).value)
    assert np.mean(found) == pytest.approx(0, abs=3 * np.std(found) / 30**0.5)
    assert max(map(abs, found)) < 0.3


def test_own_features(planted):
    before = columns_of(self_response=[0.2] * 3 + [0.8] * 3)
    mixed = np.tile(np.repeat([0.2, 0.9], 20), (6, 1))
    for own, wanted in (([0.8] * 6, HOLDS), ([0.2] * 6, FAILS), (mixed, UNDECIDED)):
        study = planted(columns_of(self_response=own), before)
        measured = claim_of("own-feature").measure(study)
        assert measured.verdict == wanted and measured.null == 0.5
    assert measured.value == 0.5 and "240 units" in measured.words
    edge = columns_of(self_response=np.full((6, 40), 0.5))
    assert row_of("own-feature", planted(edge))["value"] == 1  # half of it counts
    few = columns_of(self_response=mixed, dead=(0.5, 0, 0, 0, 0, 0))  # the strong ones of a layer
    row = row_of("own-feature", planted(few))
    assert row["value"] == pytest.approx(100 / 220) and "220 units" in row["words"]


def test_the_second_stage(planted):
    low = (0.9, 0.2, 0.5, 0.7, 0.1, 0.1)
    before = columns_of(self_response=(0.9, 0.9, 0.3, 0.5, 0, 0))
    for own, wanted in (
        (low, HOLDS), ((0, 0.9, 0.5, 0.7, 0, 0), FAILS), ((0, 0.6, 0.5, 0.7, 0, 0), UNDECIDED),
    ):  # fmt: skip
        study = planted(columns_of(self_response=own), before)
        measured = claim_of("second-layer").measure(study)
        assert measured.verdict == wanted
        assert measured.value == pytest.approx(own[1] - (own[2] + own[3]) / 2)
        assert measured.null == pytest.approx(0.5)
    # Layers count by their stage.
    stages = ["a", "b", "b", "c", "d", "e"]
    table = columns_of(self_response=(0.9, 0.2, 0.4, 0.8, 0.6, 0.0), stages=stages)
    assert row_of("second-layer", planted(table))["value"] == pytest.approx(0.3 - 0.7)
    for claim in ("second-layer", "second-layer-dead"):
        row = row_of(claim, planted(columns_of(LAYERS[:3], dead=[0.2] * 3)))
        assert row["verdict"] == UNTESTED and "has 3" in row["words"]
        assert verdict(claim, planted(columns_of(LAYERS[:4], dead=[0.2] * 4))) != UNTESTED


def test_dead_units_of_the_second_stage(planted):
    before = columns_of(dead=(0, 0.5, 0, 0.5, 0, 0))
    for dead, wanted in (
        ((0, 0.5, 0.1, 0, 0.9, 0.9), HOLDS), ((0.9, 0.1, 0.5, 0.5, 0, 0), FAILS),
        ((0, 0.25, 0.25, 0.25, 0, 0), UNDECIDED),
    ):  # fmt: skip
        study = planted(columns_of(dead=dead), before)
        measured = claim_of("second-layer-dead").measure(study)
        assert measured.verdict == wanted
        assert measured.value == pytest.approx(dead[1] - (dead[2] + dead[3]) / 2)
        assert measured.null == pytest.approx(0.25)
    single = columns_of(dead=(0, 0.25, 0.25, 0.25, 0, 0))
    second = (single["layer"] == "conv2") & (single["n_images"] > 0)
    single.loc[second, "n_images"] = 1  # one image excites them: alive
    assert row_of("second-layer-dead", planted(single))["value"] == 0
    # Dead units elsewhere have no say; where there are none nothing can be compared.
    row = row_of("second-layer-dead", planted(columns_of(dead=(0.5, 0, 0, 0, 0.5, 0.5))))
    assert row["verdict"] == UNTESTED and "no unit" in row["words"]
    for dead in ((0, 0.1, 0, 0, 0, 0), (0, 0, 0, 0.1, 0, 0)):
        assert verdict("second-layer-dead", planted(columns_of(dead=dead))) != UNTESTED


# Colour


@pytest.mark.parametrize(
    ("share", "wanted"),
    [(0.6, HOLDS), (0.5, UNDECIDED), (0.4, UNDECIDED), (0.05, FAILS), (1, HOLDS), (0, FAILS)],
)
def test_colours_of_the_first_layer(planted, share, wanted):
    study = planted(columns_of(colored=(share, 1, 1, 0, 0, 0)), columns_of(colored=(0.1, *[1] * 5)))
    row = row_of("color-first", study)
    assert row["verdict"] == wanted and row["value"] == share and row["null"] == "10%"
    assert row["interval"] == pytest.approx(by_beta(round(share * 40), 40))


def by_beta(k, n):
    """Clopper and Pearson's interval of k of n by quantiles of the beta distribution."""
    return [
        beta.ppf(0.025, k, n - k + 1) if k else 0.0,
        beta.ppf(0.975, k + 1, n - k) if k < n else 1.0,
    ]


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (1, 1), (3, 40), (20, 41), (399, 400)])
def test_an_exact_share(k, n):
    found = np.array([1.0] * k + [0.0] * (n - k))
    value, *bounds = of_paper_4.exact_share(found)
    assert value == k / n and bounds == pytest.approx(by_beta(k, n), abs=1e-9)
    with pytest.raises(CannotTest, match="no unit"):
        of_paper_4.exact_share(np.empty(0))


@pytest.mark.parametrize(
    ("share", "wanted"),
    [(0.25, HOLDS), (0.15, UNDECIDED), (0.35, UNDECIDED), (0.6, FAILS), (0.02, FAILS), (0, FAILS)],
)
def test_colours_of_deep_layers(planted, share, wanted):
    table = columns_of(n=200, colored=(1, 1, 1, 1, share, share))
    row = row_of("color-deep", planted(table, columns_of(colored=(0, 0, 0, 0, 0.5, 1))))
    assert row["verdict"] == wanted and row["value"] == pytest.approx(share)
    assert row["null"] == "75%" and "of 400 units" in row["words"]
    assert verdict("color-deep", planted(columns_of(LAYERS[:1], colored=[0.25]))) == UNTESTED


def test_within_two_bounds():
    within = of_paper_4._within
    assert within(0.16, 0.34, 0.15, 0.35) == HOLDS
    for low, high in ((0.15, 0.3), (0.2, 0.35), (0.1, 0.2), (0.3, 0.4), (0.1, 0.4)):
        assert within(low, high, 0.15, 0.35) == UNDECIDED
    for low, high in ((0.1, 0.15), (0.35, 0.4), (0, 0.1), (0.5, 1)):
        assert within(low, high, 0.15, 0.35) == FAILS
    assert within(np.nan, np.nan, 0.15, 0.35) == UNDECIDED


def fine(n, total=40):
    """Frequencies of the first layer's features: the first n are gratings."""
    return torch.tensor([3.0] * n + [0.7] * (total - n), dtype=torch.float64)


def gratings(n, colored, others=0.5, total=40):
    """The colours of units whose first n are gratings, of which some are coloured."""
    of_others = np.arange(total - n) < round(others * (total - n))
    return np.concatenate([np.arange(n) < colored, of_others])


@pytest.mark.parametrize(
    ("n", "colored", "wanted"),
    [(20, 0, HOLDS), (20, 20, FAILS), (20, 4, UNDECIDED), (5, 0, UNDECIDED), (4, 0, UNTESTED)],
)
def test_gratings_are_grey(planted, n, colored, wanted):
    table = columns_of()
    table.loc[table["layer"] == "conv1", "color"] = np.where(gratings(n, colored), "red", "none")
    study = planted(table, first_frequencies=fine(n))
    row = row_of("grey-gratings", study)
    assert row["verdict"] == wanted
    if wanted != UNTESTED:
        assert row["value"] == colored / n and row["null"] == "50%" or row["null"] == "51%"
        assert row["interval"] == pytest.approx(by_beta(colored, n), abs=1e-9)


def test_gratings_are_matched_with_their_units(planted):
    """A dead unit and one without an index are in the order, not in the share; 1.5 cycles are a grating."""
    table = columns_of(n=12)
    first = table["layer"] == "conv1"
    table.loc[first, "color"] = ["red", "none"] * 6
    table.loc[first & (table["unit"] == 1), "color_index"] = np.nan
    table.loc[first & (table["unit"] == 3), "n_images"] = 0
    frequencies = torch.tensor([0.7, 2, 1.5, 1.49, 9, 2, 2, 2, math.nan, 0.1, 2, 2])
    row = row_of("grey-gratings", planted(table, first_frequencies=frequencies.double()))
    # Of 2, 4, 5, 6, 7, 10, 11 four are even; others: 0, 8, 9.
    assert row["value"] == pytest.approx(4 / 7) and row["words"].endswith("3 others have fewer")
    assert row["null"] == "67%"
    all_fine = torch.full((12,), 2.0)
    assert row_of("grey-gratings", planted(table, first_frequencies=all_fine))["null"] is None


def test_axes_by_hand():
    """Differences of two colours: O2 = R - G, O3 = (R + G - 2B)/2; the angle of (O2, O3)."""
    found = {name: of_paper_4.axis_angle(*ends) for name, ends in of_paper_4.AXES.items()}
    assert found["blue-yellow"] == pytest.approx(90)
    assert found["orange-cyan"] == pytest.approx(math.degrees(math.atan2(1.25, 1.5)))
    assert found["cyan-magenta"] == pytest.approx(0) or found["cyan-magenta"] == pytest.approx(180)
    for name, (one, other) in of_paper_4.AXES.items():
        assert of_paper_4.axis_angle(other, one) == pytest.approx(found[name])
    assert of_paper_4.axis_angle((1, 0, 0), (0, 1, 1)) == pytest.approx(26.565, abs=1e-3)
    assert of_paper_4.axis_angle((1, 0, 0), (0, 1, 0)) % 180 == pytest.approx(0)
    # No two axes are closer than 30 degrees: hues spread evenly lie near one of them half of the time.
    degrees = np.arange(0, 360, 0.01)
    near = [of_paper_4._from_axis(degrees, a) <= of_paper_4._WITHIN for a in found.values()]
    assert np.sum(near, 0).max() == 1 and np.mean(np.any(near, 0)) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("degrees", "axis", "wanted"),
    [
        (90, 90, 0), (270, 90, 0), (359, 0, 1), (181, 0, 1), (1, 179, 2), (0, 90, 90), (45, 0, 45),
        (100, 350, 70), (220, 39.8, 0.2),
    ],
)  # fmt: skip
def test_degrees_from_an_axis(degrees, axis, wanted):
    assert of_paper_4._from_axis(np.array([degrees]), axis)[0] == pytest.approx(wanted)


def first_hues(*hues):
    """A table whose first layer's first units are coloured and have these hues."""
    table = columns_of(n=60)
    first = (table["layer"] == "conv1") & (table["unit"] < len(hues))
    table.loc[first, "color"], table.loc[first, "color_index"] = "red", 0.8
    table.loc[first, "hue"] = hues
    return table


def test_axes_of_the_first_layer(planted):
    on = [0, 180, 90, 270, 39.8, 219.8] * 5
    assert verdict("four-axes", planted(first_hues(*on))) == HOLDS
    row = row_of("four-axes", planted(first_hues(*on)))
    assert "10 blue-yellow, 10 orange-cyan, 10 cyan-magenta" in row["words"]
    assert row["value"] == 1 and row["null"] == "50%"
    off = [65, 245, 135, 315] * 8
    assert verdict("four-axes", planted(first_hues(*off))) == FAILS
    assert verdict("four-axes", planted(first_hues(*on[:12], *off[:12]))) == UNDECIDED
    # Most may be near an axis, but none is near two of the three.
    assert verdict("four-axes", planted(first_hues(*[90.0] * 12, *off[:12]))) == FAILS
    # All on one axis: four do not emerge.
    row = row_of("four-axes", planted(first_hues(*[90.0] * 30)))
    assert row["value"] == 1 and row["verdict"] == FAILS
    assert verdict("four-axes", planted(first_hues(*[90.0] * 30, 0, 40))) == HOLDS
    assert verdict("four-axes", planted(first_hues(0, 0, 90, 40))) == UNTESTED
    assert verdict("four-axes", planted(first_hues())) == UNTESTED
    # 14 degrees are near, 16 are not.
    row = row_of("four-axes", planted(first_hues(104, 76, 256, 194, 346, 106, 74, 164)))
    assert row["value"] == pytest.approx(5 / 8)


def test_axes_are_of_living_units_of_the_first_layer_with_a_hue(planted):
    table = first_hues(*[90.0, 0.0, 40.0] * 4, *[65.0] * 8)
    first = table["layer"] == "conv1"
    table.loc[first & (table["unit"] >= 16), "n_images"] = 0
    table.loc[first & table["unit"].between(12, 13), "hue"] = np.nan
    table.loc[~first, ["hue", "color"]] = [135.0, "red"]
    row = row_of("four-axes", planted(table))
    assert row["value"] == pytest.approx(12 / 14) and "of 14 " in row["words"]


def peak(*degrees):
    hues = torch.zeros(360, dtype=torch.float64)
    for one in degrees:
        hues[one] += 1000.0
    return hues


def test_hues_of_units_and_images(planted):
    table = columns_of(colored=(0.5,) * 6)
    table["hue"] = np.where(table["unit"] % 2, 27.0, 28.0)
    study = planted(table, image_hues_of=peak(27))
    row = row_of("hues-agree", study)
    assert row["verdict"] == HOLDS and row["value"] > 0.95 and "120 units" in row["words"]
    assert row["null"] == "9%" and "after 0.6% of all rotations" in row["words"]
    row = row_of("hues-agree", planted(table, image_hues_of=peak(207)))
    assert row["verdict"] == FAILS and row["value"] < 0.01  # less than after a rotation
    # More than on average, but not more than after 95% of the rotations.
    row = row_of("hues-agree", planted(table, image_hues_of=peak(27 + 20)))
    assert row["verdict"] == UNDECIDED and "after 11.1% of all" in row["words"]
    few = columns_of(LAYERS[:2], n=8, colored=(0.25, 0.25))
    assert verdict("hues-agree", planted(few, image_hues_of=peak(27))) == UNTESTED
    assert verdict("hues-agree", planted(columns_of(), image_hues_of=peak(27))) == UNTESTED


def test_evenly_spread_hues_decide_nothing(planted):
    """They share the same after every rotation."""
    table = columns_of(colored=(0.5,) * 6)
    study = planted(table, image_hues_of=torch.ones(360, dtype=torch.float64))
    assert verdict("hues-agree", study) == UNDECIDED


def test_grey_images_have_no_hues_to_agree_with(planted):
    table = columns_of(colored=(0.5,) * 6)
    row = row_of("hues-agree", planted(table, image_hues_of=torch.zeros(360).double()))
    assert row["verdict"] == UNTESTED


def test_the_shared_hues_by_hand(planted):
    """Smoothed by plain sums over all pairs of degrees; p counts the rotations that share as much."""
    random = randoms(2)
    hues = random.choice([20.0, 30.0, 200.0, 290.0], 240)
    images = random.uniform(0.1, 1, 360) + 4 * (np.abs(np.arange(360) - 40) < 25)
    table = columns_of(colored=(1,) * 6)
    table["hue"] = hues
    measured = claim_of("hues-agree").measure(
        planted(table, image_hues_of=torch.from_numpy(images))
    )

    def smooth(histogram):
        apart = np.abs(np.subtract.outer(np.arange(360), np.arange(360)))
        made = np.exp(-((np.minimum(apart, 360 - apart) / 10) ** 2) / 2) @ histogram
        return made / made.sum()

    mine, theirs = smooth(np.bincount(hues.astype(int), minlength=360)), smooth(images)
    each = [np.minimum(np.roll(mine, r), theirs).sum() for r in range(360)]
    p = np.mean([one >= each[0] - 1e-9 for one in each])
    assert measured.value == pytest.approx(each[0]) and measured.null == pytest.approx(
        np.mean(each)
    )
    assert f"{p:.1%} of all rotations" in measured.words and 0.05 < p < 0.5
    assert measured.value > measured.null and measured.verdict == UNDECIDED


def answers(n, colour, grey, first=5):
    """n images, of which some are right in colour and in grey among the first guesses."""
    table = pd.DataFrame({"class_name": [f"class{i % 4}" for i in range(n)]})
    for count in (1, 5):
        for how, right in (("colour", colour), ("grey", grey)):
            of = right if count == first else n - right
            table[f"top{count} {how}"] = np.arange(n) < of
    return table


@pytest.mark.parametrize(("first", "bound"), [(1, 0.1), (5, 0.05)])
def test_errors_rise_without_colour(planted, first, bound):
    claim = f"error-top{first}"
    for rise, wanted in ((bound + 0.05, HOLDS), (bound, UNDECIDED), (bound - 0.03, FAILS),
                         (-0.2, FAILS), (0, FAILS)):  # fmt: skip
        shown = answers(1000, 700, round(700 - 1000 * rise), first)
        row = row_of(claim, planted(columns_of(), answers_in_grey=shown))
        assert row["verdict"] == wanted and row["value"] == pytest.approx(rise)
        assert "30.0% in colour" in row["words"]
        assert f"{0.3 + rise:.1%} in grey" in row["words"] and f"top-{first}" in row["words"]
        assert row["null"] is None and "1000 images" in row["words"]
        shown["class_name"] = np.where(np.arange(1000) < 600, "cup", "lemon")
        row = row_of(claim, planted(columns_of(), answers_in_grey=shown))
        lost = max(0, 1000 * rise - 100)  # of the cups, which are the first six hundred
        assert row["null"] == f"{lost / 600:+.1%}"
    nothing = answers(0, 0, 0)
    assert verdict(claim, planted(columns_of(), answers_in_grey=nothing)) == UNTESTED


# Classes


def of_indexes(*shares, over=0.6, n=40, **more):
    """Class indexes: of each layer, this share lies above a bound."""
    each = [np.where(np.arange(n) < round(s * n), over + 0.1, over - 0.3) for s in shares]
    return columns_of(n=n, class_index=each, **more)


@pytest.mark.parametrize(
    ("claim", "yes", "no", "undecided"),
    [
        ("class-not-first", (0, *[1] * 5), (1, *[0] * 5), (0.1, *[1] * 5)),
        ("class-last", (*[0] * 5, 1), (*[1] * 5, 0), (*[1] * 5, 0.5)),
        ("class-last-high", (*[0] * 5, 0.5), (*[1] * 5, 0), (*[1] * 5, 0.15)),
        ("class-early", (0.1, 0.1, 0.1, 0, 0, 0), (0, 0, 0, 1, 1, 1), (0.025, 0, 0.025, 1, 1, 1)),
    ],
)
def test_shares_of_class_units(planted, claim, yes, no, undecided):
    over = 0.8 if claim in ("class-last-high", "class-early") else 0.6
    chosen = {"class-not-first": slice(1), "class-early": slice(3)}.get(claim, slice(5, 6))
    n = 400 if claim == "class-early" and no else 40
    for shares, wanted in ((yes, HOLDS), (no, FAILS), (undecided, UNDECIDED)):
        size = 40 if shares is undecided else n
        before = of_indexes(*[0.25] * 6, over=over)
        row = row_of(claim, planted(of_indexes(*shares, over=over, n=size), before))
        assert row["verdict"] == wanted, shares
        assert row["value"] == pytest.approx(np.mean(shares[chosen]))
        k = sum(round(s * size) for s in shares[chosen])
        total = size * len(shares[chosen])
        assert row["interval"] == pytest.approx(by_beta(k, total), abs=1e-9)
        assert row["null"] == "25.0%" and "by luck 0.0%" in row["words"]
    row = row_of(claim, planted(of_indexes(*yes, over=over, n=n)))
    assert row["verdict"] == HOLDS and row["null"] is None
    assert "null" not in row["words"]
    exactly = columns_of(class_index=np.full((6, 40), over))
    assert row_of(claim, planted(exactly))["value"] == 0  # above, not at


def test_the_last_stage_is_all_of_its_layers(planted):
    stages = ["a", "b", "c", "d", "e", "e"]
    row = row_of("class-last", planted(of_indexes(0, 0, 0, 0, 1, 0.5, stages=stages)))
    assert row["value"] == pytest.approx(0.75) and "of 80 units of the last stage" in row["words"]


def test_the_first_half_of_an_odd_number_of_layers(planted):
    table = of_indexes(0.5, 0.5, 1, 1, 1, 1, over=0.8)
    row = row_of("class-early", planted(table[table["layer"] != "conv6"]))
    assert row["value"] == 0.5 and "of 80 units" in row["words"]
    row = row_of("class-early", planted(table[table["layer"] == "conv1"]))
    assert row["verdict"] == UNTESTED


def test_what_luck_gives_cannot_be_tested(planted):
    """24 classes of 20: 100 images have at most 24 classes, an index of 0.76 at least."""
    crowded = study_of(24, 20)
    table = of_indexes(*[0.5] * 6)
    for claim in ("class-not-first", "class-last", "both"):
        row = row_of(claim, planted(table, study=crowded))
        assert row["verdict"] == UNTESTED and "100% of units that ignore classes" in row["words"]
    assert verdict("class-early", planted(table, study=study_of(20, 20))) == UNTESTED
    # Luck of more than one in twenty is too much; less is told.
    for claim in ("class-last", "both"):
        assert verdict(claim, planted(table, study=study_of(48, 20))) == UNTESTED  # 11%
        assert verdict(claim, planted(table, study=study_of(50, 20))) != UNTESTED  # 4%
    assert "by luck 4.1%" in row_of("class-last", planted(table, study=study_of(50, 20)))["words"]


def test_luck_by_drawing_images():
    """Images without replacement, one unit after the other."""
    sizes, random, over = [20] * 62, randoms(1), 0.48
    images = np.repeat(np.arange(62), 20)
    m = [len(set(random.choice(images, 100, replace=False).tolist())) for _ in range(4000)]
    wanted = np.mean([(100 - one) / 99 > over for one in m])
    assert 0.1 < wanted < 0.9
    assert of_paper_4.random_index_share(sizes, over) == pytest.approx(wanted, abs=0.05)


def test_luck_is_of_the_bound_that_is_asked(planted):
    study = planted(of_indexes(*[0.5] * 6), study=study_of(50, 20))
    assert "by luck 4.1%" in row_of("class-last", study)["words"]
    assert "by luck 0.0%" in row_of("class-last-high", study)["words"]


@pytest.mark.parametrize(("n_classes", "per_class"), [(200, 1), (1, 200)])
def test_an_index_that_is_one_number_cannot_rise(planted, n_classes, per_class):
    table = columns_of(class_index=np.full((6, 40), 1.0 * (n_classes == 1)))
    assert verdict("class-rises", planted(table, study=study_of(n_classes, per_class))) == UNTESTED


@pytest.mark.parametrize("claim", ["class-not-first", "class-last", "class-early", "both"])
def test_classes_of_one_image_can_never_recur(planted, claim):
    """No unit can have an index above 0: that none has is no finding."""
    table = columns_of(class_index=np.zeros((6, 40)), colored=[0.5] * 6)
    assert verdict(claim, planted(table, study=study_of(200, 1))) == UNTESTED


@pytest.mark.parametrize("claim", ["class-not-first", "class-last", "class-early", "both"])
def test_fewer_images_than_are_counted(planted, claim):
    row = row_of(claim, planted(of_indexes(*[0.5] * 6), study=study_of(30, 2)))
    assert row["verdict"] in (UNTESTED, HOLDS, FAILS, UNDECIDED)


def test_units_for_a_colour_and_a_class(planted):
    """Coloured units are the first ones of a layer, and so are those for a class."""
    together = of_indexes(*[0.25] * 6, colored=[0.5] * 6)
    row = row_of("both", planted(together))
    assert row["verdict"] == HOLDS and row["value"] == 0.25 and row["null"] == "12.5%"
    assert "in 6 of 6 layers" in row["words"] and "of 240 units" in row["words"]
    apart = together.assign(class_index=together["class_index"].to_numpy()[::-1])
    row = row_of("both", planted(apart))
    # None of 240 may be one in a hundred; none of 600 is fewer.
    assert row["verdict"] == UNDECIDED and row["value"] == 0 and row["null"] == "12.5%"
    assert verdict("both", planted(pd.concat([apart] * 3))) == FAILS
    assert "in 0 of 6 layers" in row["words"]
    one = of_indexes(0.025, 0, 0.025, 0, 0, 0.025, colored=[0.5] * 6)
    row = row_of("both", planted(one))
    assert row["verdict"] == UNDECIDED and "in 3 of 6 layers" in row["words"]
    few = of_indexes(*[0.25] * 6, colored=[0.5] * 6, dead=[0.5, 0, 0, 0, 0, 0])
    few.loc[few["layer"] == "conv2", "class_index"] = np.nan
    row = row_of("both", planted(few))
    # conv1: 20 left, all coloured, 10 for a class; of conv2 nothing is known.
    assert row["value"] == pytest.approx(50 / 180) and "in 5 of 5 layers" in row["words"]
    assert row["null"] == f"{(20 * 0.5 + 160 * 0.125) / 180:.1%}"


def test_a_class_index_at_the_bound_is_not_above_it(planted):
    table = columns_of(class_index=np.full((6, 40), 0.6), colored=[0.5] * 6)
    assert row_of("both", planted(table))["value"] == 0


def test_a_unit_of_one_image_is_alive(planted):
    """It has a feature; its class index is nan, one image tells nothing."""
    table = columns_of(colored=[0.5] * 6).assign(n_images=1)
    for claim, n in (("color-first", 40), ("own-feature", 240), ("color-deep", 80)):
        assert f"of {n} units" in row_of(claim, planted(table))["words"]


def test_units_with_both_if_colour_and_class_are_shuffled(planted):
    """The null of `both` is what shuffling within layers gives."""
    table = of_indexes(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, colored=(0.6, 0.5, 0.4, 0.3, 0.2, 0.1))
    null = claim_of("both").measure(planted(table)).null
    found = []
    for seed in range(25):
        random = randoms(seed)
        index = table.groupby("layer")["class_index"].transform(
            lambda c, r=random: r.permutation(c)
        )
        found.append(claim_of("both").measure(planted(table.assign(class_index=index))).value)
    assert np.mean(found) == pytest.approx(null, abs=3 * np.std(found) / 25**0.5)


# All of them


@pytest.mark.parametrize(
    ("claim", "share", "wanted"),
    [
        ("own-feature", 0.55, HOLDS), ("own-feature", 0.45, FAILS),
        ("color-first", 0.45, HOLDS), ("color-first", 0.35, FAILS),
        ("color-deep", 0.19, HOLDS), ("color-deep", 0.31, HOLDS),
        ("color-deep", 0.12, FAILS), ("color-deep", 0.38, FAILS),
        ("grey-gratings", 0.17, HOLDS), ("grey-gratings", 0.23, FAILS),
        ("class-not-first", 0.07, HOLDS), ("class-not-first", 0.13, FAILS),
        ("class-last", 0.55, HOLDS), ("class-last", 0.45, FAILS),
        ("class-last-high", 0.13, HOLDS), ("class-last-high", 0.07, FAILS),
        ("class-early", 0.016, HOLDS), ("class-early", 0.006, FAILS),
        ("both", 0.016, HOLDS), ("both", 0.006, FAILS),
    ],
)  # fmt: skip
def test_shares_at_both_sides_of_the_bound_that_the_rule_names(planted, claim, share, wanted):
    """With 2,000 units a layer an interval is about four points wide."""
    over = 0.8 if claim in ("class-last-high", "class-early") else 0.6
    table = of_indexes(*[share] * 6, over=over, n=2000, colored=[share] * 6)
    table["self_response"] = np.where(table["unit"] < share * 2000, 0.9, 0.1)
    frequencies = torch.full((2000,), 3.0)
    assert verdict(claim, planted(table, first_frequencies=frequencies)) == wanted


def test_no_number_of_a_dead_unit_counts(planted):
    """Indexes of a unit without images are nan by definition; whatever else stands in its row."""
    table = columns_of(colored=[0.5] * 6, hue=[30.0] * 6)
    junk = columns_of(n=20, seed=7)
    junk = junk.assign(unit=junk["unit"] + 40, n_images=0, color="blue", color_index=0.9, hue=200.0)
    junk = junk.assign(class_index=np.nan, self_response=np.nan)
    with_dead = pd.concat([table, junk]).sort_values(["layer", "unit"], ignore_index=True)
    frequencies = torch.tensor(([3.0, 0.7] * 30), dtype=torch.float64)
    measured = {
        "first_frequencies": frequencies, "image_hues_of": peak(30),
        "answers_in_grey": answers(100, 90, 40),
    }  # fmt: skip
    for claim in of_paper_4.CLAIMS:
        if claim.id == "indexes.second-layer-dead":
            continue
        rows = [claim.row(planted(of, **measured)) for of in (table, with_dead)]
        assert rows[0] == rows[1], claim.id


def test_few_units_are_undecided(planted):
    """One unit a layer: the ends hold two each."""
    study = planted(columns_of(n=1, colored=[1] * 6), columns_of(n=1))
    for claim in of_paper_4.CLAIMS:
        if claim.id.endswith(("gratings", "agree", "top1", "top5")):
            continue
        row = row_of(claim.id.removeprefix("indexes."), study)
        assert row["verdict"] in (HOLDS, FAILS, UNDECIDED, UNTESTED)


def test_a_network_of_dead_units(planted):
    """Nothing excites any unit: no claim can be tested, and no warning is given."""
    table = columns_of(dead=[1] * 6)
    study = planted(
        table, table, first_frequencies=fine(10), image_hues_of=peak(27),
        answers_in_grey=answers(0, 0, 0),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = {row["id"]: row for row in measure_claims(study, paper="4")}
    assert rows.pop("indexes.second-layer-dead")["verdict"] in (FAILS, UNDECIDED)
    assert {row["verdict"] for row in rows.values()} == {UNTESTED}


def test_before_training_nothing_lived(planted):
    """A dead control has no number; the measurement stands."""
    living = columns_of(self_response=FALLING, auc=FALLING, class_index=RISING, colored=FALLING)
    study = planted(
        living, columns_of(dead=[1] * 6), first_frequencies=fine(10), image_hues_of=peak(27),
        answers_in_grey=answers(100, 90, 40),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for claim in ("own-feature-falls", "steeper", "class-rises", "color-falls", "own-feature",
                      "second-layer", "color-first", "color-deep", "blur"):  # fmt: skip
            row = row_of(claim, study)
            assert row["verdict"] != UNTESTED and row["null"] is None, claim


def test_without_images_only_classes_and_curves_can_be_tested():
    """A planted record: no network, no pictures, and nothing before training."""
    random = randoms(4)
    classes = np.repeat(np.arange(220), 10)
    layers = {
        name: dict.fromkeys(
            ("max", "mean", "min"), torch.from_numpy(random.normal(size=(2200, 12))).float()
        )
        for name in LAYERS
    }
    study = planted_study(layers, classes, [f"class{c}" for c in range(220)])
    rows = {row["id"].split(".")[1]: row for row in measure_claims(study, paper="4")}
    measured = {name for name, row in rows.items() if row["verdict"] != UNTESTED}
    assert measured == {
        "steeper", "class-rises", "class-not-first", "class-last", "class-last-high", "class-early",
    }  # fmt: skip
    for name in rows.keys() - measured:
        assert "not here" in rows[name]["words"]
    for name in measured:
        assert rows[name]["null"] is None and "null" not in rows[name]["words"], name


@pytest.mark.parametrize("claim", ["both", "color-deep", "own-feature"])
def test_none_of_few_units_is_no_finding(planted, claim):
    """None of five, or all of them: the interval is that of an exact share, not of a constant."""
    names = LAYERS[:3]
    for share in (0.0, 1.0):
        table = of_indexes(share, share, share, n=5, names=names, colored=[share] * 3)
        table["self_response"] = 0.4 + 0.3 * share
        n = 5 if claim == "color-deep" else 15
        row = row_of(claim, planted(table))
        assert row["value"] == share
        assert row["interval"] == pytest.approx(by_beta(round(share * n), n), abs=1e-9)
    table = of_indexes(0, 0, 0, n=5, names=names, colored=[0.2] * 3)
    assert verdict("both", planted(table)) == UNDECIDED


# The same numbers by plain loops over what is recorded


@pytest.fixture(scope="module", params=["world", "googlenet"])
def real(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELECTIVITY_HOME", "")
        study = open_study(request.param)
        rows = {row["id"].split(".")[1]: row for row in measure_claims(study, paper="4")}
        yield study, by_loops(study, f"{request.param}-features"), rows


def by_loops(study, table):
    """A dict for each unit of the convolutions, from the record's lists and the shipped numbers."""
    record, found = study.record, []
    about, tensors = load_table(table)
    for layer in [n for n in record.layers if max(record[n].geometry.map_size) > 1]:
        top, shipped = record[layer].top, tensors[f"features/{layer}"].double().tolist()
        block = layer.split(".")[0]
        values, images = top.values.tolist(), top.images.tolist()
        for unit, (ranked, shown) in enumerate(zip(values, images, strict=True)):
            classes = [
                record.classes[i] for v, i in zip(ranked[:100], shown[:100], strict=True) if v > 0
            ]
            n, m = len(classes), len(set(classes))
            curve = [max(v, 0) / ranked[0] for v in ranked[:400]] if ranked[0] > 0 else [math.nan]
            one = dict(zip(about["columns"], shipped[unit], strict=True))
            one |= {"layer": layer, "block": block, "unit": unit, "n": n}
            one["index"] = (n - m) / (n - 1) if n > 1 else math.nan
            one["area"] = sum(curve) / len(curve)
            one["name"] = about["colors"][int(one["color"])] if one["color"] >= 0 else "none"
            one["colored"] = math.nan if math.isnan(one["color_index"]) else one["name"] != "none"
            found.append(one)
    return found


def listed(units, column, layers=None):
    """A column of the living units of some layers, without nan."""
    of = [one[column] for one in units if one["n"] and (layers is None or one["layer"] in layers)]
    return [v for v in of if not math.isnan(v)]


def thirds_of(units):
    layers = list(dict.fromkeys(one["layer"] for one in units))
    n = max(1, round(len(layers) / 3))
    return layers[:n], layers[-n:]


def blocks_of(units):
    """Layers of each stage: GoogLeNet's blocks, the world's layers."""
    blocks = {}
    for one in units:
        blocks.setdefault(one["block"], {})[one["layer"]] = None
    return [list(layers) for layers in blocks.values()]


def mean_interval(*samples):
    """The normal interval of a mean, or of the difference of two."""
    spread = 1.96 * math.sqrt(sum(np.var(s) / len(s) for s in samples))
    value = np.mean(samples[0]) - (np.mean(samples[1]) if samples[1:] else 0)
    return value - spread, value + spread


def check_row(row, value, interval=None):
    assert row["value"] == pytest.approx(value, rel=1e-6, abs=1e-9), row["id"]
    if interval is not None:
        width = interval[1] - interval[0]
        assert row["interval"] == pytest.approx(interval, abs=max(0.12 * width, 1e-9)), row["id"]


@pytest.mark.parametrize(
    ("claim", "column"),
    [
        ("own-feature-falls", "self_response"), ("color-falls", "colored"),
        ("class-rises", "index"), ("steeper", "area"),
    ],
)  # fmt: skip
def test_changes_by_loops(real, claim, column):
    study, units, rows = real
    scale = 100 / max(listed(units, "area")) if column == "area" else 1
    low, high = ([scale * v for v in listed(units, column, end)] for end in thirds_of(units))
    check_row(rows[claim], np.mean(high) - np.mean(low), mean_interval(high, low))


@pytest.mark.parametrize(
    ("claim", "a", "b"),
    [("blur", "structure", "variance_among"), ("localist", "structure", "index")],
)
def test_correlations_by_loops(real, claim, a, b):
    """Each layer counts by its units."""
    study, units, rows = real
    total = weight = 0
    for layer in dict.fromkeys(one["layer"] for one in units):
        both = [
            (one[a], one[b])
            for one in units
            if one["layer"] == layer and one["n"] and not math.isnan(one[a] + one[b])
        ]
        total += len(both) * spearmanr(*zip(*both, strict=True)).statistic
        weight += len(both)
    check_row(rows[claim], total / weight)
    assert f"{weight} units" in rows[claim]["words"]


def test_shares_by_loops(real):
    study, units, rows = real
    layers = list(dict.fromkeys(one["layer"] for one in units))
    own = [v >= 0.5 for v in listed(units, "self_response")]
    check_row(rows["own-feature"], np.mean(own), by_beta(sum(own), len(own)))
    first = listed(units, "colored", layers[:1])
    check_row(rows["color-first"], np.mean(first), by_beta(sum(first), len(first)))
    deep = listed(units, "colored", thirds_of(units)[1])
    check_row(rows["color-deep"], np.mean(deep), by_beta(sum(deep), len(deep)))
    for claim, some, over in (
        ("class-not-first", layers[:1], 0.6), ("class-last", blocks_of(units)[-1], 0.6),
        ("class-last-high", blocks_of(units)[-1], 0.8),
        ("class-early", layers[: len(layers) // 2], 0.8),
    ):  # fmt: skip
        if rows[claim]["verdict"] == UNTESTED:
            assert study.name == "world" and over == 0.6  # 48 classes: luck gives as much
            continue
        above = [v > over for v in listed(units, "index", some)]
        check_row(rows[claim], np.mean(above), by_beta(sum(above), len(above)))


def test_stages_by_loops(real):
    study, units, rows = real
    _, second, third, fourth, *_ = blocks_of(units)
    mine, near = (listed(units, "self_response", some) for some in (second, third + fourth))
    check_row(rows["second-layer"], np.mean(mine) - np.mean(near), mean_interval(mine, near))
    # No unit of either network is dead there.
    assert all(one["n"] for one in units if one["layer"] in second + third + fourth)
    assert rows["second-layer-dead"]["verdict"] == UNTESTED


def test_the_first_layer_by_loops(real):
    study, units, rows = real
    first = [one for one in units if one["layer"] == units[0]["layer"] and one["n"]]
    frequencies = load_table(f"{study.name}-features")[1]["frequency"].tolist()
    of_fine = [one["name"] != "none" for one in first if frequencies[one["unit"]] >= 1.5]
    others = [one["name"] != "none" for one in first if not frequencies[one["unit"]] >= 1.5]
    hues = [one["hue"] for one in first if one["name"] != "none" and not math.isnan(one["hue"])]
    if study.name == "world":  # too few of either
        assert len(of_fine) < 5 and len(hues) < 5
        words = "features of the first layer that have 1.5 cycles or more"
        assert rows["grey-gratings"]["words"] == f"{words}: {len(of_fine)}"
        assert rows["four-axes"]["words"].startswith(f"{len(hues)} units")
        return
    check_row(rows["grey-gratings"], np.mean(of_fine), by_beta(sum(of_fine), len(of_fine)))
    assert rows["grey-gratings"]["null"] == f"{np.mean(others):.0%}"
    orange = math.degrees(math.atan2(1.25, 1.5))
    near = [
        [
            min(abs(h - a - turn) for turn in (-360, -180, 0, 180, 360)) <= 15
            for a in (90, orange, 0)
        ]
        for h in hues
    ]
    share = [any(one) for one in near]
    check_row(rows["four-axes"], np.mean(share), by_beta(sum(share), len(share)))
    counts = [sum(one[i] for one in near) for i in range(3)]
    for count, name in zip(counts, of_paper_4.AXES, strict=True):
        assert f"{count} {name}" in rows["four-axes"]["words"]


def colour_free():
    table = json.loads(data_path("categories.json").read_text(encoding="utf-8"))
    return table["categories"]["colour-free"]["world"]


def test_errors_by_loops(real):
    study, units, rows = real
    which = {"world": "world", "googlenet": "imagenet"}[study.name]
    right = load_table(f"{study.name}-features")[1][f"errors/{which}"].tolist()
    for first, colour, grey in ((1, 0, 2), (5, 1, 3)):
        rise = [one[colour] - one[grey] for one in right]
        check_row(rows[f"error-top{first}"], np.mean(rise), mean_interval(rise))
        error = 1 - np.mean([one[grey] for one in right])
        assert f"{error:.1%} in grey" in rows[f"error-top{first}"]["words"]
        names = of_paper_4.answers_in_grey(study)["class_name"]
        free = [study.name == "world" and name in colour_free() for name in names]
        of_free = [r for r, is_free in zip(rise, free, strict=True) if is_free]
        null = f"{np.mean(of_free):+.1%}" if of_free else None
        assert rows[f"error-top{first}"]["null"] == null
        # First guesses are among the first five.
        assert all(one[1] >= one[0] and one[3] >= one[2] for one in right)


def test_colour_and_class_by_loops(real):
    study, units, rows = real
    if study.name == "world":
        assert rows["both"]["verdict"] == UNTESTED
        return
    known = [one for one in units if one["n"] and not math.isnan(one["colored"] + one["index"])]
    both = [one["colored"] and one["index"] > 0.6 for one in known]
    expected = 0
    for layer in dict.fromkeys(one["layer"] for one in known):
        of = [one for one in known if one["layer"] == layer]
        expected += np.sum([one["colored"] for one in of]) * np.mean([o["index"] > 0.6 for o in of])
    check_row(rows["both"], np.mean(both), by_beta(sum(both), len(both)))
    assert rows["both"]["null"] == f"{expected / len(known):.1%}"


def test_before_training_by_loops(real):
    """Of the world the twin's numbers; of GoogLeNet the classes of its lists alone."""
    study, _, rows = real
    if study.name == "googlenet":
        about, tensors = load_table("googlenet-facets")
        layers = [n for n in study.record.layers if max(study.record[n].geometry.map_size) > 1]
        index = {}
        for layer in layers:
            counts = [sum(c != 255 for c in row) for row in tensors[f"untrained/{layer}"].tolist()]
            kinds = [len(set(row) - {255}) for row in tensors[f"untrained/{layer}"].tolist()]
            index[layer] = [(n - m) / (n - 1) for n, m in zip(counts, kinds, strict=True) if n > 1]
        n = round(len(layers) / 3)
        low, high = (sum((index[x] for x in end), []) for end in (layers[:n], layers[-n:]))
        last = [v > 0.6 for x in layers if x.startswith("inception_5b") for v in index[x]]
        assert rows["class-last"]["null"] == f"{np.mean(last):.1%}"
        assert rows["own-feature"]["null"] is None and rows["color-first"]["null"] is None
    else:
        twin = by_loops(open_study("worldnet-untrained"), "worldnet-untrained-features")
        low, high = (listed(twin, "index", end) for end in thirds_of(twin))
        own = [v >= 0.5 for v in listed(twin, "self_response")]
        assert rows["own-feature"]["null"] == f"{np.mean(own):.0%}"
        colored = listed(twin, "colored", ["conv1"])
        assert rows["color-first"]["null"] == f"{np.mean(colored):.0%}"
        areas = [listed(twin, "area", end) for end in thirds_of(twin)]
        fall = 100 * (np.mean(areas[1]) - np.mean(areas[0])) / max(listed(twin, "area"))
        assert rows["steeper"]["null"].replace("\N{MINUS SIGN}", "-") == f"{fall:+.1f}"
    change = np.mean(high) - np.mean(low)
    assert rows["class-rises"]["null"].replace("\N{MINUS SIGN}", "-") == f"{change:+.2f}"


def test_the_real_studies(real):
    study, units, rows = real
    assert len(rows) == 21
    untested = {name for name, row in rows.items() if row["verdict"] == UNTESTED}
    untested -= {"four-axes", "grey-gratings"}  # as many as the first layer happens to have
    wanted = {"class-not-first", "class-last", "both"} if study.name == "world" else set()
    assert untested == wanted | {"second-layer-dead"}
    for name, row in rows.items():
        assert row["words"] and "\n" not in row["words"] and "nan" not in row["words"]
        if row["verdict"] != UNTESTED and name != "hues-agree":
            low, high = row["interval"]
            assert low <= row["value"] <= high and row["measured"]


def test_shuffled_labels_give_no_class_units():
    """GoogLeNet with its classes shuffled among the photographs: the index is that of luck at any depth."""
    study = open_study("googlenet")
    record = study.record.keep_layers(study.record.layers[:12] + study.record.layers[-12:])
    classes = randoms(0).permutation(record.classes)
    shuffled = type(record)(
        record.metadata,
        {n: record[n] for n in record.layers},
        record.names,
        classes,
        record.recorded,
    )
    study = replace(study, record=shuffled)
    row = row_of("class-rises", study)
    assert row["value"] == pytest.approx(0, abs=0.01)
    table = of_paper_4.class_columns(study)
    null = table["class_index_null"].mean()
    assert table["class_index"].mean() == pytest.approx(null, abs=0.005)
    for claim in ("class-last", "class-last-high", "class-early"):
        assert row_of(claim, study)["value"] == 0
