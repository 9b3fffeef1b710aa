"""Indexes that an explorer gives equal the tables of the chapters, unit by unit."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers import open_study
from helpers.claims.counts import unit_facets
from helpers.claims.features import feature_units
from helpers.explorers import explore
from helpers.explorers.indexes import index_facts
from helpers.study import Study

from .small import CLASSES, DEAD, without_images

pytestmark = pytest.mark.usefixtures("one_thread")
CLASSES_ONLY = ["auc", "class_index", "node", "node_bits", "effective", "degree"]
ALL = ["auc", "color_index", "color", "grey_response", "self_response", *CLASSES_ONLY[1:]]


def facts(study, layer):
    return {index["key"]: index for index in index_facts(study, layer)}


def of_tables(study, layer):
    """`feature_units` beside `unit_facets`, of a layer."""
    units = feature_units(study).join(unit_facets(study)[["effective", "effective_null", "degree",
                                                          "degree_null"]])  # fmt: skip
    return units[units.layer == layer].reset_index(drop=True)


def same(found, exact):
    finite = np.where(np.isfinite(exact), exact, np.nan)
    np.testing.assert_allclose(np.array(found, dtype=float), finite, rtol=1e-3, atol=1e-4)


def check(study, layer):
    found, table = facts(study, layer), of_tables(study, layer)
    assert list(found) == ALL
    for key, index in found.items():
        if index["values"]:
            scale = 100 if key == "auc" else 1
            same(index["values"], table[key] / scale)
        if index["luck"]:
            same(index["luck"], table[f"{key}_null"])
        if index["words"]:
            assert index["words"] == [None if pd.isna(w) else w for w in table[key]], key
        lists = [index[name] for name in ("values", "luck", "words") if index[name]]
        assert {len(one) for one in lists} == {study.record[layer].n_units}
    assert {key for key, index in found.items() if index["words"]} == {"color", "node"}
    assert {key for key, index in found.items() if index["luck"]} == {
        "class_index", "node_bits", "effective", "degree"}  # fmt: skip


@pytest.mark.parametrize("layer", ["shallow", "deep"])
def test_indexes_are_those_of_the_tables(study, layer):
    """One layer measured by itself gives what the whole network gives."""
    check(study, layer)


def test_shipped_tables_need_no_images():
    study = open_study("world")
    alone = without_images(Study("world", study.record, None, None))
    check(alone, "conv7")
    assert {"red", "none"} <= set(facts(alone, "conv7")["color"]["words"])


def test_without_images_the_classes_remain(study):
    assert list(facts(without_images(study), "deep")) == CLASSES_ONLY


def test_a_unit_without_responses_has_no_index(study):
    for key, index in facts(study, "deep").items():
        assert index["values"] is None or index["values"][DEAD] is None, key
        assert index["words"] is None or index["words"][DEAD] in (None, "none"), key
    json.dumps(index_facts(study, "deep"), allow_nan=False)


def test_a_layer_without_maps_has_none(study):
    assert index_facts(study, "head") == []
    explorer = explore(study, "head")
    assert explorer.data["indexes"] == [] and "unit-explorer" in explorer.html


def test_what_a_record_cannot_give_is_left_out(study):
    """Images of one class: nothing to share, so how many classes drive a unit is not asked."""
    one = Study("one", study.record.select([CLASSES[1]]), None, None)
    assert list(facts(without_images(one), "deep")) == ["auc", "class_index", "node", "node_bits"]


def test_places_are_among_all_units_of_the_layer(study):
    assert explore(study, "deep", [4]).data["indexes"] == index_facts(study, "deep")


def test_weight_of_the_indexes():
    """They add less than 30 kB to the book's largest explorer, of 128 units."""
    study = open_study("world")
    assert 5e3 < len(json.dumps(index_facts(study, "conv7")).encode()) < 3e4
