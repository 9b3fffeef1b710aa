"""The words of a unit: shares of its strongest images, of classes and of what they are kinds of."""

import copy
import json

import numpy as np
import pytest
import torch

from helpers import open_study
from helpers.explorers import explore
from helpers.explorers.words import WORDS, unit_words
from helpers.ontology import ontology_of
from helpers.selectivity.classes import layer_frequencies

from .small import CLASSES, DEAD, with_hostile_names, without_images

pytestmark = pytest.mark.usefixtures("one_thread")


def clouds(record, layer, units):
    """[{word: share}, ...]."""
    words, found = unit_words(record, layer, units)
    return [{words[word][0]: share for word, share in cloud} for cloud in found]


def test_shares_are_those_of_the_classes_and_their_sums(study):
    units = [3, 0, 7]
    shares = layer_frequencies(study.record, "deep")[0]
    plain = [name.replace("_", " ") for name in CLASSES]
    for unit, cloud in zip(units, clouds(study.record, "deep", units), strict=True):
        of_class = dict(zip(plain, shares[unit].tolist(), strict=True))
        animals = of_class["beagle"] + of_class["tabby cat"]
        for word, share in cloud.items():
            assert share == pytest.approx(animals if word == "animal" else of_class[word], rel=1e-3)
        assert list(cloud.values()) == sorted(cloud.values(), reverse=True)


def test_a_node_of_one_class_is_not_said_twice(study):
    """Of these four classes each is the only dog, cat, car and flower; two are animals."""
    words, found = unit_words(study.record, "deep", list(range(24)))
    # A fifth word, tabby cat, is in no unit's cloud: none of them prefers it.
    assert {w for w, *_ in words} == {"beagle", "taxi", "tulip", "animal"}
    assert {(w, holds) for w, _, holds in words if holds > 1} == {("animal", 2)}
    assert {word for cloud in found for word, _ in cloud} == set(range(len(words)))


def test_what_fits_most_images_is_no_word(study):
    """A word tells something only where its share exceeds that of all images."""
    words, found = unit_words(study.record, "deep", list(range(24)))
    assert all(share > words[word][1] for cloud in found for word, share in cloud)
    counts = study.record.counts.double() / study.record.counts.sum()
    chance = {word: share for word, share, _ in words}
    assert chance["tulip"] == pytest.approx(counts[CLASSES.index("tulip")].item(), rel=1e-3)
    assert chance["animal"] == pytest.approx((counts[0] + counts[3]).item(), rel=1e-3)


def test_a_planted_unit(study):
    """All of its images beagles: beagle and animal, both whole; a word for all images tells nothing."""
    record = copy.deepcopy(study.record)
    top, beagles = record["deep"].top, np.flatnonzero(record.classes == 0)
    top.images[3], top.values[3] = -1, -1.0
    top.images[3, : len(beagles)] = torch.from_numpy(beagles)
    top.values[3, : len(beagles)] = 2.0
    assert clouds(record, "deep", [3]) == [{"beagle": 1, "animal": 1}]
    assert clouds(record.select(["beagle"]), "deep", [3]) == [{}]


def test_without_responses_or_an_ontology_there_are_no_words(study):
    assert clouds(study.record, "deep", [DEAD]) == [{}]
    flat = with_hostile_names(study)
    assert unit_words(flat.record, "deep", [0, 1]) == ([], [[], []])
    assert explore(flat, "deep").data["words"] == []


def test_few_words_and_little_weight():
    """At most twenty a unit, none above half of all images twice over; 128 units below 40 kB."""
    study = open_study("world")
    words, found = unit_words(study.record, "conv7", list(range(128)))
    assert max(map(len, found)) <= WORDS and min(map(len, found)) > 0
    assert len(json.dumps([words, found]).encode()) < 4e4
    ontology = ontology_of(study.record.class_names).without_repeats()
    assert {w for w, _, holds in words if holds > 1} <= set(ontology.names)


def test_an_explorer_has_them_without_images(study):
    data = explore(without_images(study), "deep", [4, 9]).data
    assert (data["words"], [u["cloud"] for u in data["units"]]) == unit_words(
        study.record, "deep", [4, 9]
    )
