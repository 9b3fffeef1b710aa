"""The chapter "Four lenses": its rule stands in the text, exercises and questions have right answers."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from helpers.lenses import COMPARED, LENSES
from helpers.selectivity.agreement import NOTHING_TO, SAME_FROM

from . import test_teaching as teaching
from .test_teaching import NOTEBOOKS, cell, checks, exercises, markdown, run, solve

NAME = "four-lenses"


@pytest.mark.parametrize(
    "rule",
    [
        teaching.test_exercises_are_numbered,
        teaching.test_each_exercise_is_followed_by_its_solution_and_discussion,
        teaching.test_each_chapter_has_four_questions_with_folded_answers,
        teaching.test_questions_stand_where_a_reader_meets_them,
        teaching.test_computations_of_answers_are_folded_and_leave_the_chapter_alone,
        teaching.test_answers_by_letter_are_among_the_choices,
    ],
)
def test_it_keeps_the_rules_of_the_chapters(rule):
    rule(NAME)
    assert len(exercises(NAME)) == 4 and len(checks(NAME)) == 4


def test_cells_are_short_and_figures_have_alternatives():
    for one in NOTEBOOKS[NAME].cells:
        if one.cell_type == "code" and one.id not in ("imports", "setup"):
            assert len(one.source.splitlines()) <= 15, one.id
        draws = re.search(
            r"figures\.(agreement_map|pair_profiles|compass|effects|image_numbers)", one.source
        )
        if draws and one.cell_type == "code":
            assert len(one.metadata["mystnb"]["image"]["alt"]) > 40, one.id


def test_the_rule_in_the_text_is_the_rule_of_the_code():
    text = cell(NAME, "rule-md").source
    assert "before anything was measured" in text
    names = run(NAME, "rule-said", study=type("S", (), {"name": "world"}), glue=print)
    assert names["SAME_FROM"] is SAME_FROM and names["NOTHING_TO"] is NOTHING_TO
    for word in ("one quantity", "independent", "related", "undecided"):
        assert f"**{word}**" in text


def test_every_glued_name_is_made():
    said = "\n".join(c.source for c in NOTEBOOKS[NAME].cells if c.cell_type == "code")
    used = set(re.findall(r"\{glue:text\}`([^`]+)`", markdown(NAME)))
    assert len(used) > 80
    for name in used:
        tail = name.removeprefix("v_").removeprefix("w_")
        stem = re.sub(r"_(is|before|first|last|half|bias|needs|part_needs|part_bias)$", "", tail)
        known = rf"\b{re.escape(name)}\b|\}}_{re.escape(tail)}\b|[\"'(]{re.escape(stem)}[\"'=,)]"
        assert re.search(known, said) or re.search(rf"\b{re.escape(stem)}=", said) or stem in {
            f"{n}_{i}" for n in ("area", "contrast") for i in range(3)
        }, name  # fmt: skip


# Exercises


def test_shuffled_labels_leave_what_arithmetic_makes():
    from helpers import open_study
    from helpers.lenses import lens_units

    study = open_study("world")
    names = solve(NAME, 1, study=study, units={"world": lens_units(study)})
    left, layer = names["left"], names["layer"]
    assert layer == "conv7"
    lists = study.record[layer].top.images[:, :100].numpy()
    found = []
    for seed in range(5):
        labels = np.random.default_rng(seed).permutation(study.record.classes)
        counts = np.stack([np.bincount(labels[row], minlength=48) for row in lists])
        row = np.sort(counts, 1)
        unevenness = np.abs(row[:, :, None] - row[:, None]).sum((1, 2)) / (2 * 48 * 100)
        found.append(spearmanr(unevenness, (counts > 0).sum(1)).statistic)
    assert left["shuffled labels"] == pytest.approx(np.mean(found), abs=5 * np.std(found) + 0.02)
    counts = np.stack([np.bincount(study.record.classes[r], minlength=48) for r in lists])
    row = np.sort(counts, 1)
    unevenness = np.abs(row[:, :, None] - row[:, None]).sum((1, 2)) / (2 * 48 * 100)
    true = spearmanr(unevenness, (counts > 0).sum(1)).statistic
    assert left["true labels"] == pytest.approx(true)
    assert abs(true - np.mean(found)) > 0.05  # labels that were not shuffled give another number


def test_the_unit_that_two_lenses_see_most_differently():
    """Planted: unit 3 of conv2 has one class and many stragglers; a larger share elsewhere is no sign."""
    random = np.random.default_rng(0)
    rows = []
    for layer in ("conv1", "conv2"):
        share = np.linspace(0.1, 0.9, 20)
        for unit in range(20):
            index = share[unit] + random.normal(0, 0.01) + (-5 if layer == "conv1" else 0)
            rows.append((layer, unit, "owl", share[unit], 10, index))
    table = pd.DataFrame(
        rows, columns=["layer", "unit", "top_class", "top_share", "m_classes", "class_index"]
    )
    table.loc[23, ["top_share", "class_index"]] = 0.85, 0.0
    study = type("S", (), {"name": "planted"})
    odd = solve(NAME, 2, study=study, units={"planted": table})["odd"]
    assert (odd.layer.iloc[0], odd.unit.iloc[0]) == ("conv2", 3)
    wrong = (table.top_share - table.class_index).idxmax()  # numbers of two scales, over layers
    assert odd.gap.iloc[0] > 80 and wrong < 20


def test_one_index_of_each_family():
    """Planted: six indexes of which two are one quantity; the others are independent."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(3000, len(COMPARED))), columns=list(COMPARED))
    table["area"] = -(table["mf_degree"] ** 3)
    table["layer"] = np.repeat(["a", "b", "c"], 1000)
    names = solve(NAME, 3, units={"planted": table})
    held = names["held"]["planted"]
    assert held["two axes"] == pytest.approx((2 + 1) / 6, abs=0.03)
    assert held["by luck"] == pytest.approx(2 / 6, abs=0.03)
    assert held["two axes"] != pytest.approx(2 / 12, abs=0.1)  # of all twelve
    assert {LENSES[c][0] for c in names["one_each"]} == {"1", "3", "4"}


def test_a_plan_for_a_budget():
    rows = [
        ("balanced", 100, 0.5), ("balanced", 400, 0.9), ("balanced", 800, np.nan),
        ("gini", 100, 0.2), ("gini", 400, 0.7), ("gini", 800, np.nan),
        ("area", 100, 0.7), ("area", 400, 0.85), ("area", 800, np.nan),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["index", "images", "reliability"])
    study = type("S", (), {"name": "planted"})
    given = {"study": study, "sizes": {"planted": {}}, "LISTS": ("the first 100",)}
    names = solve(NAME, 4, average={("planted", "the first 100"): table}, **given)
    plan = names["planned"]
    # A reliability of 0.8 lies three quarters, and two thirds, of the way on a logarithmic scale.
    assert plan["dog share, balanced (1)"] == pytest.approx(100 * 4**0.75)
    assert plan["curve area (4)"] == pytest.approx(100 * 4 ** (2 / 3))
    assert plan["dog share, balanced (1)"] != pytest.approx(100 + 300 * 0.75)  # not on a linear one
    assert set(names["unfit"].index) == {"Gini index (3)"}


# Questions


def test_answers_computed_for_the_chapter():
    names = run(NAME, *(f"checked-{n}" for n in (1, 2, 3, 4)))
    assert names["whole"] == pytest.approx(-0.84, abs=0.05)
    assert abs(np.mean(names["within"])) < 0.1
    changed = names["changed"]
    as_was, three, plus = (changed.iloc[i] for i in range(3))
    for index in ("balanced", "category_auc"):
        assert three[index] == pytest.approx(as_was[index], rel=1e-3)
        assert plus[index] == pytest.approx(as_was[index], rel=1e-3)
    assert three["contrast"] == pytest.approx(3 * as_was["contrast"], rel=1e-3)
    assert plus["contrast"] == pytest.approx(as_was["contrast"], rel=1e-3)
    assert three["area"] == pytest.approx(as_was["area"], rel=1e-3)
    assert plus["area"] > as_was["area"] + 0.1
    ceiling = (0.6 * 0.5) ** 0.5
    rank_of_normal = 6 / np.pi * np.arcsin(ceiling / 2)  # Pearson's correlation as one of ranks
    assert names["shows"] == pytest.approx(rank_of_normal, abs=0.01)
    assert names["asked_four_times"][:2] == pytest.approx([0.8, 0.2], abs=0.01)


def test_letters_of_the_answers():
    said = [re.search(r"dropdown\n\*\*([a-d])\.\*\*", answer) for _, answer in checks(NAME)]
    assert [one and one[1] for one in said] == ["c", None, "b", None]
