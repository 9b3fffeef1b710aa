"""What an explorer says equals the record, rank by rank."""

import json
import math

import numpy as np
import pytest
import torch

from helpers.errors import SelectivityError
from helpers.explorers.facts import chosen_units, layer_facts, numbers, unit_facts

from .small import CLASSES, DEAD

LAYERS = ["shallow", "deep", "head"]


def close(found, exact):
    return math.isclose(found, exact, rel_tol=6e-4, abs_tol=1e-12)  # four significant digits


@pytest.mark.parametrize("layer", LAYERS)
def test_images_values_and_classes_are_the_records(study, layer):
    units = [3, 0, 1]
    facts = unit_facts(study.record, layer, units, strip=5)
    assert [f["unit"] for f in facts] == units
    for fact in facts:
        for end in ("top", "bottom"):
            ranked = getattr(study.record[layer], end)
            images = ranked.images[fact["unit"], :5].tolist()
            assert [name for _, _, name in fact[end]["images"]] == [
                study.record.names[i] for i in images
            ]
            assert [c for _, c, _ in fact[end]["images"]] == [
                study.record.classes[i] for i in images
            ]
            values = ranked.values[fact["unit"]].tolist()
            assert all(
                close(shown[0], v) for shown, v in zip(fact[end]["images"], values, strict=False)
            )


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("strip, shown", [(8, 6), (4, 4)])
def test_nearest_to_zero_are_the_smallest_means(study, layer, strip, shown):
    near_zero = study.record[layer].near_zero
    assert near_zero.images.shape[1] > shown  # so that a longer strip would be seen
    for fact in unit_facts(study.record, layer, list(range(4)), strip):
        images, values = (
            part[fact["unit"]].tolist() for part in (near_zero.images, near_zero.values)
        )
        found = fact["near_zero"]["images"]
        assert [name for _, _, name in found] == [study.record.names[i] for i in images[:shown]]
        assert all(close(f[0], v) for f, v in zip(found, values, strict=False))
        sizes = [abs(value) for value, _, _ in found]
        assert sizes == sorted(sizes)
    if layer == "deep":  # a map of many places, whose mean is not its maximum
        everything = unit_facts(study.record, layer, [0], strip)[0]
        assert everything["near_zero"]["images"][0][0] > everything["bottom"]["images"][0][0]


def test_the_mean_of_a_strip_is_that_of_its_images(study):
    for fact in unit_facts(study.record, "deep", [0, 7], strip=5):
        for name in ("top", "near_zero", "bottom"):
            values = getattr(study.record["deep"], name).values[fact["unit"], :5].tolist()
            assert close(fact[name]["mean"], sum(values) / 5), name
    few = study.record.select([CLASSES[1]])
    few["deep"].top.images[0] = -1  # no image at all: no mean
    assert unit_facts(few, "deep", [0])[0]["top"]["mean"] is None


@pytest.mark.parametrize("layer", LAYERS)
def test_the_curve_runs_from_the_first_to_the_last_kept_image(study, layer):
    fact = unit_facts(study.record, layer, [0])[0]
    for end, falling in (("top", True), ("bottom", False)):
        values, curve = getattr(study.record[layer], end).values[0].tolist(), fact[end]["curve"]
        assert fact[end]["kept"] == len(values) == 60
        assert close(curve[0], values[0]) and close(curve[-1], values[-1])
        assert curve == sorted(curve, reverse=falling) and 2 < len(curve) <= 40


def test_bars_and_places_are_those_of_the_table_of_units(study):
    facts, table = layer_facts(study.record, "deep"), study.units
    table = table[table.layer == "deep"].reset_index(drop=True)
    for column in ("highest", "lowest"):
        assert all(close(f, v) for f, v in zip(facts[column], table[column], strict=True))
    for fact in unit_facts(study.record, "deep", list(range(24))):
        row = table.loc[fact["unit"]]
        for end in ("top", "bottom"):
            if fact[end]["bars"]:
                c, share = fact[end]["bars"][0]
                assert CLASSES[c] == row[f"{end}_class"] and close(share, row[f"{end}_share"])
                shares = [s for _, s in fact[end]["bars"]]
                assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(
                    1, abs=1e-3
                )
        share = facts["top_share"][fact["unit"]]
        assert share is None if fact["unit"] == DEAD else close(share, row.top_share)


def test_the_largest_share_is_that_of_the_whole_layer(study):
    """At either end of any unit: no bar is longer, and the longest is there."""
    largest = layer_facts(study.record, "deep")["largest_share"]
    facts = unit_facts(study.record, "deep", list(range(24)))
    ends = [max(bar[1] for f in facts for bar in f[end]["bars"][:1]) for end in ("top", "bottom")]
    assert largest == max(ends) and ends[0] != ends[1]


def test_chance_is_the_share_of_the_images(study):
    facts = layer_facts(study.record, "head")
    counts = np.bincount(study.record.classes, minlength=4)
    assert facts["chance"] == pytest.approx(counts / counts.sum(), rel=1e-3)
    assert facts["images"] == len(study.record.names)


def test_a_unit_without_positive_responses_prefers_nothing(study):
    fact = unit_facts(study.record, "deep", [DEAD])[0]
    assert fact["top"]["bars"] == [] and fact["top"]["images"][0][0] < 0
    assert fact["bottom"]["bars"]


def test_a_list_with_fewer_images_than_places(study):
    """`select` leaves gaps at the end of lists: no nan and no image -1 may be shown."""
    few = study.record.select([CLASSES[1]])
    for fact in unit_facts(few, "deep", [0, 1], strip=60):
        for end in ("top", "bottom"):
            present = int((getattr(few["deep"], end).images[fact["unit"]] >= 0).sum())
            assert fact[end]["kept"] == len(fact[end]["images"]) == present < 60
    json.dumps(unit_facts(few, "deep", list(range(24))), allow_nan=False)


def test_numbers_are_short_and_finite():
    values = torch.tensor([1 / 3, 0, -12345.678, math.nan, -math.inf])
    assert numbers(values) == [0.3333, 0, -12350, None, None]


@pytest.mark.parametrize(
    "units, says",
    [([24], "no unit 24"), ([-1], "no unit -1"), ([], "at least one"), ([1, 1], "once")],
)
def test_units_that_cannot_be_shown(study, units, says):
    with pytest.raises(SelectivityError, match=says):
        chosen_units(study.record["deep"], units)
