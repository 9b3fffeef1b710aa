"""Each claim of paper 3 holds on units made to bear it out, and fails on units made not to."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm, spearmanr

from helpers import claims, open_study
from helpers.claims import FAILS, HOLDS, UNDECIDED, UNTESTED, components, counts, measure_claims
from helpers.claims import facets as of_paper_3
from helpers.claims.claim import signed
from helpers.claims.counts import class_rows, unit_facets
from helpers.claims.trends import low_and_high, together
from helpers.selectivity.facets import degree_bounds, multifaceted_degree
from tests.planted import planted_study

pytestmark = pytest.mark.usefixtures("one_thread")

N_CLASSES, PER_CLASS = 24, 20
CLASSES = np.repeat(np.arange(N_CLASSES), PER_CLASS)
NAMES = [f"class{c}" for c in range(N_CLASSES)]
LAYERS = [f"conv{i}" for i in range(1, 7)]


def randoms(seed):
    return np.random.default_rng(seed)


def unit(chosen, seed):
    """Responses (N,) above zero to the chosen classes and below it to all others."""
    strength = randoms(seed).uniform(0.1, 1, len(CLASSES))
    return np.where(np.isin(CLASSES, chosen), strength, -strength)


def layer(*numbers, seed=0, among=N_CLASSES):
    """(N, U): a unit for each number of classes, which are drawn from the first `among` of all."""
    random = randoms(seed)
    units = [unit(random.permutation(among)[:n], 1000 * seed + i) for i, n in enumerate(numbers)]
    return torch.from_numpy(np.stack(units, 1)).float()


def study_of(layers, k=300, name="planted"):
    """A study of the given layers, by name or as a list of convolutions."""
    if not isinstance(layers, dict):
        layers = {f"conv{i}": one for i, one in enumerate(layers, 1)}
    made = {n: dict.fromkeys(("max", "mean", "min"), one) for n, one in layers.items()}
    return planted_study(made, CLASSES, NAMES, name, k=k)


@cache
def widths(*numbers, n_units=16, seed=0):
    """A study of one layer for each number: each unit answers to about so many classes.

    One study for the same numbers, so that a test of its own untrained network needs a seed of its own.
    """
    layers = []
    for place, n in enumerate(numbers):
        near = np.clip(n + randoms(seed + place).integers(-1, 2, n_units), 1, N_CLASSES)
        layers.append(layer(*near, seed=seed + place + 1))
    return study_of(layers)


def row_of(claim, study):
    (found,) = [c for c in of_paper_3.CLAIMS if c.id == "facets." + claim]
    return found.row(study)


def verdict(claim, study):
    row = row_of(claim, study)
    assert row["words"] and "\n" not in row["words"] and "nan" not in row["words"]
    return row["verdict"]


FALLING, RISING, SAME = (20, 20, 12, 12, 6, 6), (6, 6, 12, 12, 20, 20), (12,) * 6


@pytest.fixture
def before(monkeypatch):
    """Sets what the network was before training; the same at all depths if nothing else is said."""

    def is_(twin):
        monkeypatch.setattr(counts.studies, "untrained_of", lambda study: twin)
        monkeypatch.setattr(of_paper_3, "untrained_of", lambda study: twin)
        return twin

    is_(widths(*SAME, seed=50))
    return is_


def by_layer(study, column):
    table = unit_facets(study)
    return [table[column][table["layer"] == name].to_numpy() for name in study.record.layers]


def test_every_claim_of_paper_3_is_a_claim_of_the_book():
    mine = [claim for claim in claims.CLAIMS if claim.paper == "3"]
    assert mine == list(of_paper_3.CLAIMS) and len(mine) == 21
    for claim in mine:
        assert claim.id.startswith("facets.") and claim.statement.endswith(".")
        assert claim.rule and claim.control and claim.place


# Depth


@pytest.mark.parametrize("claim", ["sparsity-rises", "flatness-falls", "degree-falls"])
def test_indexes_follow_depth(before, claim):
    assert verdict(claim, widths(*FALLING)) == HOLDS
    assert verdict(claim, widths(*RISING)) == FAILS
    assert verdict(claim, widths(*SAME)) == UNDECIDED


def test_the_discussion_says_the_contrary_of_the_abstract(before):
    assert verdict("discussion", widths(*RISING)) == HOLDS
    assert verdict("discussion", widths(*FALLING)) == FAILS
    assert verdict("discussion", widths(*SAME)) == UNDECIDED


@pytest.mark.parametrize(
    ("claim", "column"),
    [
        ("sparsity-rises", "gini"),
        ("flatness-falls", "flatness"),
        ("degree-falls", "degree"),
        ("discussion", "effective"),
    ],
)
def test_a_change_is_of_means_over_the_units_of_the_outer_thirds(before, claim, column):
    twin, study = before(widths(*RISING, seed=60)), widths(*FALLING, seed=61)
    for name, of in (("value", study), ("null", twin)):
        values = by_layer(of, column)
        wanted = np.mean(np.concatenate(values[4:])) - np.mean(np.concatenate(values[:2]))
        if name == "value":
            assert row_of(claim, study)["value"] == pytest.approx(wanted)
            # Over 32 units an end, the interval is about that of two normal means.
            spread = sum(np.var(np.concatenate(v)) / 32 for v in (values[:2], values[4:])) ** 0.5
            low, high = row_of(claim, study)["interval"]
            assert (high - low) / 2 == pytest.approx(1.96 * spread, rel=0.15)
        else:
            (mine,) = [c for c in of_paper_3.CLAIMS if c.id == "facets." + claim]
            assert mine.measure(study).null == pytest.approx(wanted)


def test_units_without_images_are_in_no_mean():
    table = pd.DataFrame(
        {
            "layer": list("aaabbbccc"),
            "n_images": [5, 0, 5, 5, 5, 5, 0, 5, 5],
            "flatness": [0.5, -1, 0.3, 9, 9, 9, -1, 0.1, 0.2],
            "degree": [1.0, np.nan, np.inf, 9, 9, 9, np.nan, 2.0, np.nan],
        }
    )
    low, high = low_and_high(table, "flatness")
    assert low.tolist() == [0.5, 0.3] and high.tolist() == [0.1, 0.2]
    low, high = low_and_high(table, "degree")
    assert low.tolist() == [1.0] and high.tolist() == [2.0]


def dead(n_units=8):
    return -layer(*[N_CLASSES] * n_units).abs()


def test_dead_units_do_not_count_as_single_faceted(before):
    half = [torch.cat([one, dead()], 1) for one in (layer(*[n] * 12, seed=n) for n in (20, 12, 6))]
    study = study_of(half)
    assert verdict("flatness-falls", study) == HOLDS
    low, high = by_layer(study, "flatness")[0], by_layer(study, "flatness")[2]
    assert (low == -1).sum() == 8
    wanted = high[high >= 0].mean() - low[low >= 0].mean()
    assert row_of("flatness-falls", study)["value"] == pytest.approx(wanted)
    assert "of 12 units" in row_of("high-single", study)["words"]


def test_most_units_are_above_or_below_the_network_s_mean(before):
    falling, rising = widths(*FALLING), widths(*RISING)
    for claim in ("low-multi", "high-single"):
        assert verdict(claim, falling) == HOLDS
        assert verdict(claim, rising) == FAILS
        # Half of every layer's units are wide and half narrow: neither is the majority.
        mixed = study_of([layer(*[22] * 10, *[6] * 10, seed=s) for s in range(1, 7)])
        assert verdict(claim, mixed) == UNDECIDED
        assert row_of(claim, mixed)["value"] == 0.5


def test_above_and_below_are_by_each_network_s_own_mean(before):
    twin = before(widths(*FALLING, seed=70))
    study = widths(23, 23, 20, 20, 18, 18, seed=71)
    for claim, end, multi in (("low-multi", 0, True), ("high-single", 4, False)):
        found = []
        for of in (study, twin):
            values = by_layer(of, "degree")
            mean = np.concatenate(values).mean()
            above = (np.concatenate(values[end : end + 2]) > mean).mean()
            found.append(above if multi else 1 - above)
        row = row_of(claim, study)
        assert row["value"] == pytest.approx(found[0]) and row["null"] == f"{found[1]:.0%}"


def test_shares_follow_depth(before):
    twin = before(widths(20, 18, 16, 14, 12, 6, seed=80))
    study = widths(23, 20, 16, 12, 9, 5, seed=81)
    assert verdict("single-grow", study) == HOLDS
    assert verdict("single-grow", widths(5, 9, 12, 16, 20, 23)) == FAILS
    mixed = study_of([layer(*[22] * 10, *[6] * 10, seed=s) for s in range(1, 7)])
    assert verdict("single-grow", mixed) == UNTESTED  # equal shares in all stages have no trend
    ups_and_downs = [layer(*[22] * (20 - n), *[6] * n) for n in (10, 12, 9, 11, 10, 12)]
    assert verdict("single-grow", study_of(ups_and_downs)) == UNDECIDED
    measured = of_paper_3.shares_follow_depth(study)
    for of, found in ((study, measured.value), (twin, measured.null)):
        degrees = by_layer(of, "degree")
        mean = np.concatenate(degrees).mean()
        shares = [(d < mean).mean() for d in degrees]
        assert found == pytest.approx(spearmanr(range(6), shares).statistic)


def test_a_dead_stage_has_no_share(before):
    wide = widths(23, 20, 12, 9, 5).record
    layers = [wide[n].responses["max"] for n in wide.layers]
    study = study_of([*layers[:3], dead(), *layers[3:]])
    row = row_of("single-grow", study)
    assert row["verdict"] in (HOLDS, UNDECIDED) and row["value"] > 0.8
    for claim in of_paper_3.CLAIMS:
        assert claim.row(study)["verdict"] in (HOLDS, FAILS, UNDECIDED, UNTESTED)


@pytest.mark.parametrize("claim", ["single-grow", "lowest-falls", "highest-fixed"])
def test_trends_need_four_stages(before, claim):
    row = row_of(claim, widths(20, 12, 6))
    assert row["verdict"] == UNTESTED and "four stages" in row["words"]
    assert row_of(claim, widths(20, 15, 12, 6))["verdict"] != UNTESTED


# The size of degrees


def even_unit(extra):
    """Its strongest images are of all classes in turn: its row is as even as can be, but for `extra`."""
    rank = np.tile(np.arange(PER_CLASS), N_CLASSES) * N_CLASSES + CLASSES
    strength = 1000.0 - rank
    strength[np.isin(CLASSES, range(extra))] += 24  # one image more of the first classes
    return strength


def test_more_even_than_luck(before):
    even = torch.from_numpy(np.stack([even_unit(e) for e in range(1, 9)], 1)).float()
    study = study_of([even] * 4)
    assert np.isfinite(unit_facets(study)["degree"]).all()
    assert unit_facets(study)["degree"].max() <= degree_bounds(100, [PER_CLASS] * 24)[1]
    assert row_of("not-high", study)["value"] == 1
    assert verdict("not-high", study) == FAILS
    assert verdict("not-high", widths(12, 6, 6, 3, n_units=40)) == HOLDS
    assert verdict("not-high", widths(12, 3, n_units=10)) == UNDECIDED  # too few to say
    lucky = study_of([layer(*[N_CLASSES] * 60, seed=s) for s in range(1, 5)])
    row = row_of("not-high", lucky)
    assert row["verdict"] == UNDECIDED and row["value"] == pytest.approx(0.05, abs=0.035)
    # An odd unit among random ones: a share of one in 20 is not passed.
    table = unit_facets(lucky)
    above = [d > n and p < 0.05 for d, n, p in table[["degree", "degree_null", "p_labels"]].values]
    assert row["value"] == pytest.approx(np.mean(above))


def test_the_null_of_high_degrees_is_the_untrained_network(before):
    before(study_of([torch.from_numpy(np.stack([even_unit(3)], 1)).float()]))
    assert row_of("not-high", widths(6, 6, seed=41))["null"] == "100.0%"


def test_no_finite_degree_is_no_error(before):
    study = study_of([dead()] * 5)
    for claim in of_paper_3.CLAIMS:
        row = claim.row(study)
        assert row["verdict"] == UNTESTED and row["value"] is None, claim.id
    before(study_of([dead()] * 6))
    for claim in of_paper_3.CLAIMS:
        row = claim.row(widths(*FALLING, seed=42))
        assert row["null"] is None or "nan" not in row["null"]


# The ends of the ranking

TAIL_LOW = [14] * 40 + [1, 1, 2, 2]  # most alike, some for one or two classes
TAIL_HIGH = [4] * 40 + [24, 24, 23, 23]


def test_which_end_is_significant():
    down = study_of([layer(*TAIL_LOW, seed=s) for s in range(1, 7)])
    up = study_of([layer(*TAIL_HIGH, seed=s) for s in range(1, 7)])
    half = study_of([layer(*(TAIL_LOW if s % 2 else TAIL_HIGH), seed=s) for s in range(1, 7)])
    assert verdict("lowest-significant", down) == HOLDS
    assert verdict("highest-not-significant", down) == HOLDS
    assert verdict("lowest-significant", up) == FAILS
    assert verdict("highest-not-significant", up) == FAILS
    assert verdict("lowest-significant", half) == UNDECIDED
    assert verdict("highest-not-significant", half) == UNDECIDED


@pytest.mark.parametrize("highest", [False, True])
def test_ends_by_hand(highest):
    study = study_of([layer(*range(1, 25), seed=s) for s in range(1, 4)] + [layer(3, 9, 20)])
    found = []
    for degree in by_layer(study, "degree"):
        z = (degree - degree.mean()) / degree.std(ddof=1)
        p = norm.sf(z if highest else -z)
        found += sorted(p)[:4]  # of the last layer all three
    assert len(found) == 15
    measured = of_paper_3.ends_significant(study, highest)
    assert measured.value == pytest.approx(np.mean(np.array(found) < 0.05))


@pytest.mark.parametrize("highest", [False, True])
def test_ends_of_normal_degrees(highest):
    """The null: the four most extreme of as many normal numbers as each layer has units."""
    sizes, random = (12, 64, 128), randoms(3)
    study = study_of([layer(*randoms(n).integers(3, 20, n), seed=n) for n in sizes])
    wanted = []
    for n in sizes:
        drawn = random.standard_normal((4000, n))
        z = (drawn - drawn.mean(1, keepdims=True)) / drawn.std(1, ddof=1, keepdims=True)
        wanted.append((norm.sf(np.sort(z, 1)[:, -4:]) < 0.05).mean())
    measured = of_paper_3.ends_significant(study, highest)
    # Of 20 curves a layer, 240 ends, which are not independent.
    assert measured.null == pytest.approx(np.mean(wanted), abs=0.08)


def lowest(*numbers, others=14):
    """A study of layers whose most single-faceted units answer to so many classes."""
    return study_of([layer(*[n] * 4, *[others] * 12, seed=s) for s, n in enumerate(numbers, 1)])


def expected_lowest(degrees, n):
    """The mean minimum of n of the numbers, drawn without replacement, exactly."""
    total, ordered = math.comb(len(degrees), n), sorted(degrees)
    return sum(d * math.comb(len(ordered) - i - 1, n - 1) / total for i, d in enumerate(ordered))


def expected_highest(degrees, n):
    return -expected_lowest([-d for d in degrees], n)


def test_the_lowest_degree_falls(before):
    assert verdict("lowest-falls", lowest(12, 10, 8, 6, 4, 2)) == HOLDS
    assert verdict("lowest-falls", lowest(2, 4, 6, 8, 10, 12)) == FAILS
    assert verdict("lowest-falls", lowest(2, 6, 2, 6, 2, 6)) in (UNDECIDED, FAILS)
    study, twin = lowest(9, 12, 6, 8, 2, 4), before(lowest(3, 5, 7, 9, 11, 10))
    row = row_of("lowest-falls", study)
    assert row["value"] == pytest.approx(trend_of_lowest(study, 2))
    assert row["null"] == f"{trend_of_lowest(twin, 2):+.2f}"
    of_all = [degree.min() for degree in by_layer(study, "degree")]
    of_all_units = f"{spearmanr(range(6), of_all).statistic:+.2f}"
    assert f"of all units {signed(of_all_units)}" in row["words"]


def trend_of_lowest(study, n):
    ends = [expected_lowest(degree, n) for degree in by_layer(study, "degree")]
    return spearmanr(range(len(ends)), np.round(ends, 9)).statistic


def test_more_units_alone_do_not_lower_the_lowest():
    """Stages of 4 to 96 units from one distribution: all units fall with depth, as many of each do not."""
    sizes = (4, 6, 12, 24, 48, 96)
    study = study_of([layer(*randoms(n).integers(2, 24, n), seed=n) for n in sizes])
    measured = of_paper_3.lowest_falls(study)
    of_all = [degree.min() for degree in by_layer(study, "degree")]
    assert spearmanr(range(6), of_all).statistic < -0.8
    assert measured.value == pytest.approx(trend_of_lowest(study, 1)) and measured.value > -0.5
    assert math.isnan(measured.null)


def highest(*numbers, n_alike=12):
    return study_of([layer(*[n] * n_alike, *[2] * 4, seed=s) for s, n in enumerate(numbers, 1)])


def test_the_highest_degree_is_fixed(before):
    """Units for the same five classes, 20 images of each: their degree is one number."""
    assert verdict("highest-fixed", highest(5, 5, 5, 5, 5, 5)) == HOLDS
    assert verdict("highest-fixed", highest(5, 5, 4, 4, 2, 2)) == FAILS
    assert verdict("highest-fixed", highest(2, 2, 4, 4, 5, 5)) == FAILS
    # One wide unit in the last layer: drawn again it may be missing.
    last = [layer(*[5] * 12, seed=s) for s in range(1, 6)] + [layer(12, *[5] * 12, seed=6)]
    assert verdict("highest-fixed", study_of(last)) == UNDECIDED
    assert verdict("highest-fixed", highest(5, 5, 2, 2, 5, 5)) == HOLDS  # the middle has no say


def test_the_change_of_the_highest_by_hand(before):
    study, twin = highest(14, 9, 4, 12, 7, 10), before(highest(4, 9, 4, 12, 7, 12))
    wanted = []
    for one in (study, twin):
        ends = [expected_highest(d, 2) for d in by_layer(one, "degree")]
        wanted.append(sum(ends[4:]) / sum(ends[:2]) - 1)
    measured = of_paper_3.highest_fixed(study)
    assert (measured.value, measured.null) == pytest.approx(tuple(wanted))
    assert measured.low <= measured.value <= measured.high
    assert measured.beside_control is None  # of either sign


def test_the_interval_of_the_highest_covers_another_drawing():
    """Units of all stages from one distribution: in most draws the interval holds no change at all."""
    covered = 0
    for seed in range(12):
        sizes = (24, 24, 48, 48, 96, 96)
        widths_of = [randoms(100 * seed + i).integers(2, 24, n) for i, n in enumerate(sizes)]
        study = study_of([layer(*w, seed=1000 * seed + i) for i, w in enumerate(widths_of)])
        measured = of_paper_3.highest_fixed(study)
        covered += measured.low <= 0 <= measured.high
    assert covered >= 9


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (-0.05, 0.05, HOLDS),
        (-0.0999, 0.0999, HOLDS),
        (-0.05, 0.15, UNDECIDED),
        (-0.3, 0.3, UNDECIDED),
        (0.11, 0.3, FAILS),
        (-0.3, -0.11, FAILS),
    ],
)
def test_fixed_means_within_a_tenth(monkeypatch, low, high, wanted):
    ends = 0.0, np.linspace(low, high, 2001), np.nan, 0.0, 1
    monkeypatch.setattr(of_paper_3, "_ends_of_stages", lambda *_: ends)
    monkeypatch.setattr(np, "quantile", lambda values, levels: (values.min(), values.max()))
    assert of_paper_3.highest_fixed(highest(5, 5, 5, 5, 5, 5)).verdict == wanted


# The length of the row


def test_gini_of_fewer_classes_by_hand(before):
    """Units for one class each, and units of all classes alike: known, whichever half is drawn.

    50 images of 24 classes are 2 of each and 2 more; of 12 classes 4 of each and 2 more.
    """
    even = torch.from_numpy(np.stack([even_unit(0)] * 20, 1)).float()
    single = layer_of_single()
    study = study_of([even, single], k=480)

    def gini(row):
        n, total = len(row), sum(row)
        return sum(abs(a - b) for a in row for b in row) / (2 * n * total)

    rows = [[3] * 2 + [2] * 22], [[5] * 2 + [4] * 10]
    measured = of_paper_3.gini_of_fewer_classes(study)
    whole = [gini(rows[0][0])] * 20 + [gini([20] + [0] * 23)] * 12
    cut = [gini(rows[1][0])] * 20 + [gini([20] + [0] * 11)] * 12
    moves = np.abs(np.subtract(whole, cut)) / np.std(whole, ddof=1)
    assert measured.value == pytest.approx(np.median(moves), rel=1e-9)
    assert "over 32 units" in measured.words and measured.verdict == HOLDS


def layer_of_single():
    """A unit for each class."""
    return torch.from_numpy(np.stack([unit([c], c) for c in range(N_CLASSES)], 1)).float()


def test_gini_moves_with_the_classes():
    """All units like three classes or four: with half of the classes the index moves beyond the spread."""
    study = study_of([layer(*[3, 4] * 20, seed=s) for s in range(1, 4)])
    row = row_of("gini-length", study)
    assert row["verdict"] == FAILS
    # The same units with as few images, but of all classes: what moves the index is the classes.
    assert float(row["null"]) < row["interval"][0]
    few = study_of([layer(3, 8, 9, 20, seed=1)])
    assert row_of("gini-length", few)["verdict"] in (UNDECIDED, FAILS, HOLDS)


def test_lists_too_short_for_half_of_the_classes_are_left_out():
    full = layer(*[24] * 10)
    long, short = study_of([full.abs()], k=480), study_of([full.abs()], k=60)
    assert "over 10 units" in row_of("gini-length", long)["words"]
    row = row_of("gini-length", short)
    assert row["value"] is None and row["verdict"] in (UNDECIDED, UNTESTED)


# Components


def test_together_is_the_correlation_of_ranks_within_layers():
    random = randoms(0)
    table = pd.DataFrame({"layer": np.repeat(list("abc"), 30)})
    table["x"] = random.integers(0, 8, 90) + np.repeat([0.0, 100, -100], 30)  # ties; layers apart
    table["y"] = table["x"] % 7 + random.normal(size=90)
    each = [spearmanr(one["x"], one["y"]).statistic for _, one in table.groupby("layer")]
    parts = together(table, "x", "y")
    assert parts.shape == (90,) and parts.mean() == pytest.approx(np.mean(each), rel=1e-12)
    pooled = [
        np.concatenate([rank(one[c]) for _, one in table.groupby("layer")]) for c in ("x", "y")
    ]
    assert parts.mean() == pytest.approx(np.corrcoef(pooled)[0, 1], rel=0.02)
    # Layers count by their units; what is missing in either column, or constant in a layer, is left out.
    uneven = table.iloc[25:].copy()
    uneven.loc[uneven.index[:2], "x"] = np.inf
    uneven.loc[uneven.index[-1], "y"] = np.nan
    uneven.loc[uneven["layer"] == "b", "y"] = 1.0
    known = uneven[np.isfinite(uneven["x"]) & np.isfinite(uneven["y"])]
    groups = [one for name, one in known.groupby("layer") if name != "b"]
    each = [spearmanr(one["x"], one["y"]).statistic for one in groups]
    wanted = np.average(each, weights=[len(one) for one in groups])
    parts = together(uneven, "x", "y")
    assert len(parts) == 3 + 29 and parts.mean() == pytest.approx(wanted)
    assert together(uneven[uneven["layer"] == "b"], "x", "y").shape == (0,)


def rank(values):
    """Ranks, standardised."""
    ranks = values.rank().to_numpy()
    return (ranks - ranks.mean()) / ranks.std()


@pytest.fixture
def tables(monkeypatch):
    """Numbers on components as a shipped table, by the name of the study: `of(study, likeness=...)`."""
    kept = {}

    def of(study, likeness=0.0, spectral=0.0, sharpness=0.0, noise=1.0, seed=0):
        """How strongly each number goes with the degree: a number, or one for each layer."""
        table, random = unit_facets(study), randoms(seed)
        degree = table["degree"].groupby(table["layer"]).rank().to_numpy()
        layers = table["layer"].map({n: i for i, n in enumerate(study.record.layers)}).to_numpy()
        columns = []
        for strength in (likeness, spectral, sharpness):
            by = np.broadcast_to(strength, len(study.record.layers))[layers]
            columns.append(by * degree + noise * random.normal(size=len(degree)))
        values = torch.from_numpy(np.stack(columns, 1))
        tensors = {}
        for i, name in enumerate(study.record.layers):
            tensors[f"components/{name}"] = values[torch.from_numpy(layers == i)]
            tensors[f"chance/{name}"] = torch.zeros(1)
        kept[f"{study.name}-facets"] = (
            {
                "columns": ["likeness", "spectral_likeness", "sharpness"],
                "chance": ["likeness_between"],
                "images": {study.name: "planted"},
            },
            tensors,
        )
        return study

    monkeypatch.setattr(components, "load_table", kept.__getitem__)
    return of


def spread_out(name="planted", seed=0, n_units=30):
    """Six layers of units of all widths."""
    numbers = randoms(seed).integers(2, 24, (6, n_units))
    layers = {f"conv{i}": layer(*row, seed=seed + i) for i, row in enumerate(numbers, 1)}
    return study_of(layers, name=name)


@pytest.mark.parametrize(
    ("claim", "column"), [("components-differ", "likeness"), ("blurred", "sharpness")]
)
def test_numbers_on_components_and_the_degree(before, tables, claim, column):
    before(None)
    for strength, wanted in ((-1, HOLDS), (1, FAILS), (0, UNDECIDED)):
        study = tables(spread_out(), **{column: strength})
        row = row_of(claim, study)
        assert row["verdict"] == wanted
        assert row["null"] is None
        assert "180 units" in row["words"]
    exact = tables(spread_out(), **{column: -1}, noise=0.001)
    assert row_of(claim, exact)["value"] == pytest.approx(-1, abs=0.02)


def test_the_second_number_and_the_network_before_training(before, tables):
    study = tables(spread_out(), likeness=-1, spectral=1, noise=0.001)
    before(tables(spread_out("twin", seed=5), likeness=1, sharpness=-1, noise=0.001))
    row = row_of("components-differ", study)
    assert float(row["null"]) > 0.97
    assert (
        "likeness of spectra, +0.9" in row["words"] or "likeness of spectra, +1.0" in row["words"]
    )
    row = row_of("blurred", study)
    assert row["null"] in ("\N{MINUS SIGN}1.00", "\N{MINUS SIGN}0.99")


def test_only_units_with_both_numbers_are_counted(before, tables, monkeypatch):
    before(None)
    study = tables(spread_out(), likeness=-1)
    about, tensors = components.load_table("planted-facets")
    tensors["components/conv2"][:, 0] = torch.nan
    tensors["components/conv3"][:4, 0] = torch.nan
    row = row_of("components-differ", study)
    assert row["verdict"] == HOLDS and "146 units" in row["words"]


def test_shallower_layers_above_all(before, tables):
    before(None)
    deep, shallow = [0, 0, 0, 0, -1, -1], [-1, -1, 0, 0, 0, 0]
    assert verdict("components-shallow", tables(spread_out(), likeness=deep)) == HOLDS
    assert verdict("components-shallow", tables(spread_out(), likeness=shallow)) == FAILS
    assert verdict("components-shallow", tables(spread_out(), likeness=-0.05)) == UNDECIDED
    study = tables(spread_out(), likeness=deep, noise=3.0)
    each = []
    about, tensors = components.load_table("planted-facets")
    for name, degree in zip(study.record.layers, by_layer(study, "degree"), strict=True):
        each.append(spearmanr(degree, tensors[f"components/{name}"][:, 0]).statistic)
    wanted = np.mean(each[4:]) - np.mean(each[:2])
    assert row_of("components-shallow", study)["value"] == pytest.approx(wanted)


def test_layers_without_components_cannot_be_compared(before, tables):
    before(None)
    study = tables(spread_out(), likeness=-1)
    about, tensors = components.load_table("planted-facets")
    for name in ("conv5", "conv6"):
        tensors[f"components/{name}"][:] = torch.nan
    assert row_of("components-shallow", study)["verdict"] == UNTESTED


def test_without_images_components_cannot_be_tested(before):
    for claim in ("components-differ", "components-shallow", "blurred"):
        row = row_of(claim, widths(*FALLING, seed=43))
        assert row["verdict"] == UNTESTED and "images" in row["words"]


# Which units are alike


def alike(*shared, n_units=10, seed=0):
    """A study of layers, given the share of each layer's units that answer to the same classes."""
    layers = []
    for place, share in enumerate(shared, 1):
        random, units = randoms(seed + place), []
        for u in range(n_units):
            own = random.permutation(N_CLASSES)[:6]
            chosen = range(6) if u < share * n_units else own
            units.append(unit(list(chosen), 100 * place + u + seed))
        layers.append(torch.from_numpy(np.stack(units, 1)).float())
    return study_of(layers)


@pytest.mark.parametrize("claim", ["similarity-falls", "distance-grows"])
def test_units_alike_by_depth(before, claim):
    assert verdict(claim, alike(1, 1, 0.5, 0.5, 0, 0)) == HOLDS
    assert verdict(claim, alike(0, 0, 0.5, 0.5, 1, 1)) == FAILS
    assert verdict(claim, alike(0, 0, 0, 0, 0, 0)) == UNDECIDED


def pair_means(rows, of_pair):
    n = len(rows)
    return np.mean([of_pair(rows[a], rows[b]) for a in range(n) for b in range(a)])


@pytest.mark.parametrize(
    ("claim", "of_pair"),
    [
        ("similarity-falls", lambda a, b: np.corrcoef(a, b)[0, 1]),
        ("distance-grows", lambda a, b: np.linalg.norm(a - b)),
    ],
)
def test_mean_of_pairs_by_hand(before, claim, of_pair):
    """Each layer counts alike, whatever its size."""
    study = alike(1, 0.5, 0.5, 0.5, 0.5, 0)
    first = study.record["conv1"].responses["max"]
    study = study_of([first[:, :4], *(study.record[n].responses["max"] for n in LAYERS[1:])])
    twin = before(alike(0, 0, 0, 1, 1, 1, seed=9))

    def change(rows):
        each = [pair_means(r.double().numpy(), of_pair) for r in rows.values()]
        return np.mean(each[4:]) - np.mean(each[:2])

    (mine,) = [c for c in of_paper_3.CLAIMS if c.id == "facets." + claim]
    measured = mine.measure(study)
    assert measured.value == pytest.approx(change(class_rows(study)))
    assert measured.null == pytest.approx(change(class_rows(twin)))
    assert f"{change(counts.shuffled_rows(study)):+.2f}" in measured.words
    assert measured.low < measured.value < measured.high


@pytest.mark.parametrize("claim", ["similarity-falls", "distance-grows"])
def test_the_same_layer_six_times_shows_no_trend(before, claim):
    """Layers are drawn each for itself: of equal layers the interval has a width."""
    same = alike(0.5).record["conv1"].responses["max"]
    row = row_of(claim, study_of([same] * 6))
    assert row["value"] == 0 and row["verdict"] == UNDECIDED
    assert row["interval"][0] < 0 < row["interval"][1]


def test_layers_of_few_units_still_have_an_interval(before):
    """Some draws of two units hold no pair: these are left out."""
    wide = alike(1, 1, 1, 0, 0, 0)
    layers = [wide.record[n].responses["max"] for n in LAYERS]
    study = study_of([layers[0][:, :2], *layers[1:]])
    row = row_of("similarity-falls", study)
    assert row["verdict"] == HOLDS and None not in row["interval"]


def test_similar_units_are_multi_faceted(before):
    def kinds(seed, wide_alike, narrow_alike):
        """Units for 12 classes, the same or drawn, and units for one class, the same or each its own."""
        random, units = randoms(seed), []
        for u in range(12):
            drawn = random.permutation(N_CLASSES)[:12]
            units.append(unit(range(12) if wide_alike else drawn, 50 * seed + u))
            # Classes that the wide units alike do not answer to.
            units.append(unit([23 if narrow_alike else 12 + u], 50 * seed + 20 + u))
        return torch.from_numpy(np.stack(units, 1)).float()

    yes, no = [kinds(s, True, False) for s in (1, 2)], [kinds(s, False, True) for s in (3, 4)]
    assert verdict("similar-is-multi", study_of(yes)) == HOLDS
    assert verdict("similar-is-multi", study_of(no)) == FAILS
    assert verdict("similar-is-multi", study_of([*yes, *no])) == UNDECIDED
    twin, study = before(study_of(no)), study_of(yes)
    measured = of_paper_3.similar_are_multi(study)
    for of, found in ((study, measured.value), (twin, measured.null)):
        each = []
        for rows, degree in zip(class_rows(of).values(), by_layer(of, "degree"), strict=True):
            similar = np.corrcoef(rows.double().numpy())
            near = (similar.sum(1) - 1) / (len(rows) - 1)
            each.append(spearmanr(np.round(near, 9), np.round(degree, 9)).statistic)
        assert found == pytest.approx(np.mean(each), abs=0.02)


# All claims


def test_without_a_network_before_training_its_claims_cannot_be_tested():
    rows = {
        row["id"].split(".")[1]: row for row in measure_claims(widths(*FALLING, seed=43), paper="3")
    }
    measured = {name for name, row in rows.items() if row["verdict"] != UNTESTED}
    assert measured == {
        "highest-not-significant", "lowest-significant", "lowest-falls", "highest-fixed", "gini-length",
    }  # fmt: skip
    for name in rows.keys() - measured:
        wanted = "images" if name.startswith("comp") or name == "blurred" else "before training"
        assert wanted in rows[name]["words"] and rows[name]["value"] is None


def test_one_convolution_has_no_depth(before):
    for row in measure_claims(widths(12), paper="3"):
        assert row["verdict"] in (UNTESTED, HOLDS, FAILS, UNDECIDED)
    for claim in ("sparsity-rises", "low-multi", "similarity-falls", "discussion"):
        assert row_of(claim, widths(12))["verdict"] == UNTESTED


_ON_COMPONENTS = {"facets.components-differ", "facets.components-differ-spectra", "facets.blurred"}


def check(rows, without_control=()):
    for row in rows:
        assert row["words"] and "\n" not in row["words"] and "nan" not in row["words"]
        if row["verdict"] == UNTESTED:
            continue
        low, high = row["interval"]
        assert low <= high and math.isfinite(row["value"]), row["id"]
        assert bool(row["null"]) == (row["id"] not in without_control), row["id"]
        # Shares that are drawn again tie more often than they do: this lies at the end of its interval.
        if row["id"] not in ("facets.single-grow", "facets.lowest-falls"):
            assert low <= row["value"] <= high, row["id"]


def test_the_world(monkeypatch):
    monkeypatch.delenv("SELECTIVITY_HOME", raising=False)
    world = open_study("world")
    rows = measure_claims(world, paper="3")
    check(rows)
    assert all(row["verdict"] != UNTESTED for row in rows)
    # The control is that of the twin.
    twin = by_layer(open_study("worldnet-untrained"), "gini")
    ends = (np.concatenate([v[~np.isnan(v)] for v in twin[a:b]]) for a, b in ((0, 2), (5, 7)))
    low, high = (end.mean() for end in ends)
    (row,) = [row for row in rows if row["id"] == "facets.sparsity-rises"]
    assert row["null"].replace("\N{MINUS SIGN}", "-") == f"{high - low:+.2f}"


def test_the_shipped_real_network():
    """The narrowest layers, for time."""
    found = open_study("googlenet")
    narrow = [n for n in found.record.layers if n.endswith(("7x7_s2", "5x5"))]
    assert len(narrow) == 10
    study = replace(found, record=found.record.keep_layers(narrow))
    rows = measure_claims(study, paper="3")
    check(rows, without_control=_ON_COMPONENTS)
    assert all(row["verdict"] != UNTESTED for row in rows)


def test_degrees_of_planted_units_are_what_they_were_made_for():
    """The wider, the larger the degree; the narrow ones are known by the formula."""
    study = study_of([layer(1, 2, 5, 24)], k=300)
    degree = by_layer(study, "degree")[0]
    assert (np.diff(degree) > 0).all()
    for n, found in ((1, degree[0]), (2, degree[1]), (5, degree[2])):
        row = torch.tensor([[20] * n + [0] * (N_CLASSES - n)])
        assert found == multifaceted_degree(row).item()
        flatness = 2 ** (math.log(n) / math.log(N_CLASSES)) - 1
        assert found == pytest.approx(flatness / (1 - n / N_CLASSES), abs=1e-5)
