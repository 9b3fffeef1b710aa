"""Units found by property: a planted table, and queries made from the labels of units drawn at random."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import SelectivityError, open_study
from helpers.find import CLASS_SELECTIVE, find, unit_table
from helpers.ontology import ontology_of
from helpers.selectivity.classes import class_units
from helpers.selectivity.color import BASIC_TERMS, COLOR_SELECTIVE
from helpers.tables import load_table
from tests.planted import planted_study

pytestmark = pytest.mark.usefixtures("one_thread")
PLANTED = [  # layer, class index, class, colour index, colour
    ("conv1", 0.1, "lemon", 0.9, "yellow"),
    ("conv1", 0.2, "husky", 0.1, "grey"),
    ("conv2.3x3", 0.7, "husky", 0.5, "red"),
    ("conv2.3x3", 0.9, "pug", 0.4, "red"),
    ("conv2.1x1", 0.8, "red_mushroom", 0.8, "red"),
    ("conv2.1x1", 0.6, "brown_mushroom", 0.2, "brown"),
    ("conv3", 0.95, "sunglasses", np.nan, None),
    ("conv3", np.nan, None, 0.7, "red"),
    ("conv3", 0.65, "butterfly", 0.41, "orange"),
]


@pytest.fixture
def units():
    table = pd.DataFrame(
        PLANTED, columns=["layer", "class_index", "top_class", "color_index", "color"]
    )
    return table.assign(unit=range(len(table)), hue=np.arange(len(table)) * 40.0)


@pytest.fixture(scope="module")
def world():
    """Units of the world with colours drawn at random: what find needs is a label, not a true one."""
    table, random = class_units(open_study("world").record), np.random.default_rng(0)
    colors = random.choice([*BASIC_TERMS, None], len(table))
    return table.assign(color=colors, color_index=random.random(len(table)))


def numbers(found):
    return found["unit"].tolist()


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (dict(color="red"), {2, 3, 4, 7}),
        (dict(colour="Red", class_index=">0.7"), {3, 4}),
        (dict(class_index=" >= 0.7 ", layer="conv2*"), {2, 3, 4}),
        (dict(class_index="<0.2"), {0}),
        (dict(class_index="<= .2"), {0, 1}),
        (dict(class_index="0.6..0.7"), {2, 5, 8}),
        (dict(class_index="=0.7"), {2}),
        (dict(class_index=0.7), {2}),
        (dict(unit=4), {4}),
        (dict(hue="40..80"), {1, 2}),
        (dict(hue="310..20"), {0, 8}),  # through 360
        (dict(color=[]), set()),
        (dict(layer="conv2"), {2, 3, 4, 5}),  # a block
        (dict(layer="conv2.1x1"), {4, 5}),
        (dict(layer=["conv1", "conv3"]), {0, 1, 6, 7, 8}),
        (dict(top_class="husky"), {1, 2}),
        (dict(top_class="dog"), {1, 2, 3}),
        (dict(top_class="animal", color=["red", "orange"]), {2, 3, 8}),
        (dict(top_class="mushroom"), {4, 5}),
        (dict(color="purple"), set()),
        (dict(), set(range(9))),
    ],
)
def test_conditions(units, conditions, expected):
    assert set(numbers(find(units, **conditions))) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("red units", {2, 3, 4, 7}),
        ("the red-mushroom unit", {4}),  # the class of that name
        ("mushrooms", {4, 5}),
        ("brown mushroom neurons", {5}),
        ("Red dog units in layer conv2.3x3.", {2, 3}),
        ("red-dog units", {2, 3}),
        ("red or grey dogs", {1, 2, 3}),
        ("yellow or red units, in conv1 and conv2", {0, 2, 3, 4}),
        ("butterflies", {8}),
        ("sunglasses", {6}),
        ("colour-selective units", {0, 2, 3, 4, 7, 8}),
        ("color selective dogs that are class-selective", {2, 3}),
        ("class_selective animals", {2, 3, 8}),
        ("gray", {1}),
        ("all the units", set(range(9))),
    ],
)
def test_words(units, words, expected):
    assert set(numbers(find(units, words))) == expected


def test_words_and_conditions_hold_together(units):
    assert numbers(find(units, "red dogs", class_index=">0.8")) == [3]


def test_thresholds_are_the_papers(units):
    assert (CLASS_SELECTIVE, COLOR_SELECTIVE) == (0.6, 0.4)
    assert 5 not in numbers(find(units, "class-selective"))  # 0.6 is not above 0.6
    assert 3 in numbers(find(units, "colour-selective"))  # 0.40 is enough


def test_best_first(units):
    assert numbers(find(units, top_class="mushroom")) == [4, 5]
    assert numbers(find(units, class_index=">0.6")) == [6, 3, 4, 2, 8]
    assert numbers(find(units, class_index="<0.7")) == [0, 1, 5, 8]
    # Class index .7 and .9 are 5th and 7th of 8, colour index .5 and .4 are 5th and 3rd: even, in order.
    assert numbers(find(units, "red dogs")) == [2, 3]
    # Nothing to rank by: the order of the table.
    assert numbers(find(units, layer="conv2")) == [2, 3, 4, 5]
    assert numbers(find(units, class_index="0.6..0.7")) == [2, 5, 8]
    assert list(find(units, color="red").index) == [0, 1, 2, 3]


def test_ranks_are_means_over_the_indexes_asked_for():
    """Two units, each first by one index: the one that is further ahead of the others by rank leads."""
    table = pd.DataFrame(
        {
            "layer": "conv", "unit": range(4), "top_class": "pug", "color": ["red", "red", "blue", "blue"],
            "class_index": [0.9, 0.8, 0.1, 0.2], "color_index": [0.1, 0.9, 0.5, 0.6],
        }
    )  # fmt: skip
    assert numbers(find(table, "red pug")) == [1, 0]
    assert numbers(find(table, "pug")) == [0, 1, 3, 2]


def test_a_word_may_be_a_colour_and_a_class():
    """Orange, the fruit and the colour: either will do; with a class beside it, it can be the colour."""
    fruit, cat = "n07747607", "n02123045-tabby"
    table = pd.DataFrame(
        {
            "layer": "conv",
            "unit": range(3),
            "top_class": [fruit, cat, cat],
            "color": ["red", "orange", "blue"],
        }
    )
    assert set(numbers(find(table, "orange units"))) == {0, 1}
    assert numbers(find(table, "orange tabbies")) == [1]
    assert numbers(find(table, "citrus fruits")) == [0]
    assert numbers(find(table.drop(columns="color"), "orange")) == [0]


@pytest.mark.parametrize(
    ("words", "conditions", "message"),
    [
        ("red doog units", {}, "does not know 'doog' .nearest: dog"),
        ("dog-face neurons", {}, "does not know 'face'"),
        ("selective zebra", {}, "'zebra'.*colours, classes"),
        (None, dict(colr="red"), "no column 'colr'.*nearest: color"),
        (None, dict(color="teal"), "color is never 'teal'; it may be black, blue"),
        (None, dict(class_index="high"), "class_index is a number, not 'high': write"),
        (None, dict(class_index="> 0.5 <"), "is a number"),
        (None, dict(class_index="0.5..0.1"), "the smaller one first"),
        ("not red", {}, "'not'"),
        (None, dict(layer="conv4"), "no layer 'conv4' .nearest: conv"),
        (None, dict(top_class="huskey"), "no class 'huskey'.*nearest: husky"),
    ],
)
def test_what_is_not_known_is_said_in_one_line(units, words, conditions, message):
    with pytest.raises(SelectivityError, match=message) as raised:
        find(units, words, **conditions)
    assert "\n" not in str(raised.value)


def test_a_missing_column_is_said(units):
    few = units[["layer", "unit", "top_class", "class_index"]]
    assert numbers(find(few, "dogs", class_index=">0.5")) == [3, 2]
    with pytest.raises(SelectivityError, match="no column 'color', which 'red' asks for"):
        find(few, "red dogs")
    with pytest.raises(SelectivityError, match="no column 'color_index'"):
        find(few, "colour-selective")


def test_classes_of_your_own():
    """No ontology knows them; a class that is called by a plural is found by its singular too."""
    table = pd.DataFrame({"layer": "conv", "unit": range(2), "top_class": ["my_things", "yours"]})
    assert numbers(find(table, "the my-thing unit")) == numbers(find(table, "My things")) == [0]
    with pytest.raises(SelectivityError, match="'thing' .nearest: my thing"):
        find(table, "thing")


def test_a_table_without_units():
    empty = pd.DataFrame(columns=["layer", "unit", "class_index", "top_class", "color"])
    assert len(find(empty, "red units")) == 0


def test_every_unit_is_found_by_its_labels(world):
    """The test makes the words from the labels of drawn units; no name is written here."""
    ontology = ontology_of(open_study("world").record.class_names)
    labelled = world[world["top_class"].notna() & world["color"].notna()]
    random = np.random.default_rng(4)
    for _, unit in labelled.sample(20, random_state=1).iterrows():
        above = ontology.ancestors[ontology.classes.index(unit["top_class"])].tolist()
        kinds = [name for name, yes in zip(ontology.names, above, strict=True) if yes]
        for name in (unit["top_class"], unit["top_class"].replace("_", "-"), random.choice(kinds)):
            words = f"the {unit['color']} {name} units in {unit['layer']}"
            found = find(world, words)
            assert ((found["layer"] == unit["layer"]) & (found["unit"] == unit["unit"])).any(), (
                words
            )
            assert (found["color"] == unit["color"]).all() and (
                found["layer"] == unit["layer"]
            ).all()
            low = f">={unit['class_index'] - 1e-9}"
            by_column = find(
                world, color=unit["color"], top_class=name, layer=unit["layer"], class_index=low
            )
            assert unit["unit"] in numbers(by_column)
            assert set(numbers(by_column)) <= set(numbers(found))


def test_every_class_of_photographs_is_found_by_its_label():
    """ImageNet's and Caltech's names, with capitals, hyphens and apostrophes; words and keyword agree."""
    classes = class_units(open_study("googlenet").record, layers=["inception_5b.3x3"])
    ontology = ontology_of(open_study("googlenet").record.class_names)
    for name in classes["top_class"].unique():
        label = ontology.labels[ontology.classes.index(name)]
        found = find(classes, f"{label} units", ontology=ontology)
        assert name in set(found["top_class"]), label
        assert numbers(found) == numbers(find(classes, top_class=label, ontology=ontology))


@pytest.fixture(scope="module")
def study():
    """One whose pictures were measured: nothing waits for its images."""
    return open_study("world")


def test_a_study_is_found_in_its_table(study):
    """Classes of the record, colours of the shipped table, row by row."""
    table = unit_table(study)
    about, shipped = load_table("world-features")
    assert len(table) == study.record.keep_layers(about["layers"]).n_units
    for layer in ("conv1", "conv7"):
        rows = table[table["layer"] == layer]
        known = dict(zip(about["columns"], shipped[f"features/{layer}"].double().T, strict=True))
        np.testing.assert_allclose(rows["color_index"], known["color_index"])
        np.testing.assert_allclose(rows["grey_response"], known["grey_response"])
        named = [[*about["colors"], "none"][int(number)] for number in known["color"]]
        assert rows["color"].tolist() == named
        classes = class_units(study.record, layers=[layer])
        assert rows["top_class"].tolist() == classes["top_class"].tolist()
        np.testing.assert_allclose(rows["class_index"], classes["class_index"])


def test_photographs_need_not_be_there(monkeypatch, tmp_path):
    """Colours of GoogLeNet's units come from the shipped table: no weight and no picture is opened."""
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path))
    photographs = open_study("googlenet")
    assert not photographs.has_network and not photographs.has_images
    found = find(photographs, "red units", color_index=">0.6")
    assert len(found) and set(found["color"]) == {"red"} and found["color_index"].min() > 0.6
    assert found["color_index"].is_monotonic_decreasing


def test_a_study_of_numbers_alone_has_no_colours():
    """Neither a table nor images: classes are found, and a colour is said to be missing."""
    classes = np.arange(40) % 2
    responses = torch.from_numpy(np.stack([classes, 1 - classes], 1)) + 0.5
    planted = {"conv": dict(max=responses, min=responses, mean=responses)}
    study = planted_study(planted, classes, ["pug", "lemon"], k=20)
    assert numbers(find(study, "lemons")) == [0] and numbers(find(study, "dogs")) == [1]
    with pytest.raises(SelectivityError, match="no column 'color', which 'red' asks for"):
        find(study, "red units")


def test_a_study_has_a_table_of_classes(study):
    found = find(study, "class-selective dogs", layer="conv7")
    of_kind = find(study, top_class="dog", class_index=">0.6", layer="conv7")
    assert len(found) and numbers(found) == numbers(of_kind)
    dogs = find(study, top_class="dog", layer="conv7")
    assert dogs["top_share"].is_monotonic_decreasing and set(numbers(found)) <= set(numbers(dogs))


def test_a_class_ranks_by_its_share_because_the_index_counts_classes():
    """Half ladybug and half strawberry has an index of .99; where no share is known the index decides."""
    table = pd.DataFrame(
        {
            "layer": "conv7", "unit": [0, 1], "top_class": "ladybug",
            "top_share": [0.5, 0.9], "class_index": [0.99, 0.95],
        }
    )  # fmt: skip
    assert numbers(find(table, top_class="ladybug")) == [1, 0]
    assert numbers(find(table.drop(columns="top_share"), top_class="ladybug")) == [0, 1]


@pytest.mark.parametrize("words", ["the red-mushroom unit", "ladybug units", "a lemon neuron"])
def test_the_world_has_the_units_that_the_paper_names(study, words):
    """Seeking in a study: its convolutions, with the colours of their features."""
    found = find(study, words)
    asked = words.removeprefix("the ").removeprefix("a ").split()[0].replace("-", "_")
    assert found["top_class"][0] == asked and found["class_corrected"][0] > 0.8
    assert {"color", "color_index", "grey_response", "node"} <= set(found)


def test_colour_and_class_together(study):
    found = find(study, color="red", class_index=">0.6", layer="conv*")
    assert len(found) and (found["color"] == "red").all() and (found["color_index"] >= 0.4).all()
