"""The class counts that the claims of paper 3 compare: of a network, before training, by shuffled labels."""

import numpy as np
import pytest
import torch

from helpers import claims, open_study
from helpers.claims import UNTESTED, counts
from helpers.claims.claim import CannotTest
from helpers.claims.counts import (
    NO_CLASS,
    class_rows,
    shuffled_rows,
    unit_facets,
    untrained_facets,
    untrained_rows,
)
from helpers.tables import load_table
from tests.planted import planted_study

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = (40, 30, 20, 10)
CLASSES = np.repeat(np.arange(4), SIZES)
NAMES = ["ant", "bee", "cat", "dog"]


def responses(seed, n_units=5):
    return torch.randn(100, n_units, generator=torch.Generator().manual_seed(seed))


def study_of(layers, classes=CLASSES, names=NAMES, k=60):
    made = {n: dict.fromkeys(("max", "mean", "min"), r) for n, r in layers.items()}
    return planted_study(made, classes, names, k=k)


def positive(response, classes=CLASSES, first=100):
    """Counts of the strongest positive responses by a loop, (U, C)."""
    rows = []
    for unit in response.T.tolist():
        strongest = sorted(range(len(unit)), key=lambda i: (-unit[i], i))[:first]
        rows.append([sum(unit[i] > 0 and classes[i] == c for i in strongest) for c in range(4)])
    return torch.tensor(rows)


def test_rows_of_the_convolutions_in_forward_order():
    layers = {"z": responses(0), "a": responses(1) - 9, "fc": responses(2)}
    rows = class_rows(study_of(layers, k=100))
    assert list(rows) == ["z", "a"]
    assert torch.equal(rows["z"], positive(layers["z"])) and not rows["a"].any()
    short = class_rows(study_of({"z": responses(0) + 9}, k=60))
    assert torch.equal(short["z"], positive(responses(0) + 9, first=60))


def test_the_table_of_units_stands_on_these_rows():
    study = study_of({f"conv{i}": responses(i) for i in range(3)})
    table = unit_facets(study)
    assert list(table.columns[:3]) == ["layer", "stage", "unit"] and len(table) == 15
    assert (table["stage"] == table["layer"]).all()  # fewer than four stages: each layer is one
    rows = torch.cat(list(class_rows(study).values()))
    assert table["n_images"].tolist() == rows.sum(1).tolist()
    assert table["top_count"].tolist() == rows.amax(1).tolist()
    assert unit_facets(study) is table


def test_stages_are_blocks():
    layers = [f"inception_{b}.{branch}" for b in ("3a", "3b", "4a", "4b") for branch in "xy"]
    table = unit_facets(study_of({name: responses(0, 2) for name in layers}))
    assert table.groupby("stage", sort=False)["layer"].nunique().to_dict() == dict.fromkeys(
        ("3a", "3b", "4a", "4b"), 2
    )


def test_what_cannot_be_counted_says_why():
    one_each = study_of({"conv1": responses(0)[:4]}, np.arange(4), k=4)
    with pytest.raises(CannotTest, match="one image"):
        class_rows(one_each)
    with pytest.raises(CannotTest, match="one class"):
        class_rows(study_of({"conv1": responses(0)}, np.zeros(100, int), ["ant"]))
    with pytest.raises(CannotTest, match="convolution"):
        class_rows(study_of({"fc": responses(0)}))


@pytest.mark.parametrize("lacks", ["classes", "one class", "convolutions"])
def test_no_claim_ends_with_an_error_where_rows_are_missing(lacks):
    study = {
        "classes": study_of({"conv1": responses(0)[:4]}, np.arange(4), k=4),
        "one class": study_of({"conv1": responses(0)}, np.zeros(100, int), ["ant"]),
        "convolutions": study_of({"fc": responses(0)}),
    }[lacks]
    rows = claims.measure_claims(study, paper="3")
    assert {row["verdict"] for row in rows} == {UNTESTED}
    assert len({row["words"] for row in rows}) == 1 and rows[0]["words"]


def test_thousand_classes_of_one_image_show_nothing():
    rows = claims.measure_claims(open_study("googlenet-imagenet"), paper="3")
    assert {row["verdict"] for row in rows} == {UNTESTED} and "one image" in rows[0]["words"]


# Before training


def test_the_twin_of_the_world(monkeypatch):
    monkeypatch.delenv("SELECTIVITY_HOME", raising=False)
    rows, twin = untrained_rows(open_study("world")), open_study("worldnet-untrained").record
    assert list(rows) == [n for n in twin.layers if n.startswith("conv")]
    top = twin["conv4"].top
    for unit in (0, 17, 63):
        listed = top.images[unit, :100][top.values[unit, :100] > 0]
        wanted = np.bincount(twin.classes[listed.numpy()], minlength=48)
        assert rows["conv4"][unit].tolist() == wanted.tolist()
    table = untrained_facets(open_study("worldnet-dogs-merged"))
    assert len(table) == sum(map(len, rows.values()))


def test_other_networks_have_no_twin_but_in_the_table():
    with pytest.raises(CannotTest, match="before training"):
        untrained_rows(study_of({"conv1": responses(0)}))


def test_the_table_of_googlenet():
    study = open_study("googlenet")
    rows, tensors = untrained_rows(study), load_table("googlenet-facets")[1]
    assert list(rows) == list(class_rows(study))
    for name in ("conv1.7x7_s2", "inception_4d.5x5"):
        listed = tensors[f"untrained/{name}"].numpy()
        assert rows[name].shape == class_rows(study)[name].shape
        for unit in range(0, len(listed), 9):
            there = listed[unit][listed[unit] != NO_CLASS]
            assert rows[name][unit].tolist() == np.bincount(there, minlength=220).tolist()
    assert max(int(r.sum(1).max()) for r in rows.values()) <= 100


def test_a_table_of_other_images_is_not_taken(monkeypatch):
    about = {"images": {"planted": "another digest"}}
    monkeypatch.setattr(counts, "load_table", lambda name: (about, {}))
    with pytest.raises(CannotTest, match="before training"):
        untrained_rows(study_of({"conv1": responses(0)}))


def test_empty_places_of_the_table_count_for_no_class(monkeypatch):
    about = {"images": {"planted": "planted"}}
    listed = torch.full((2, 100), NO_CLASS, dtype=torch.uint8)
    listed[0, :5] = torch.tensor([3, 3, 0, 3, 1], dtype=torch.uint8)
    monkeypatch.setattr(counts, "load_table", lambda name: (about, {"untrained/conv1": listed}))
    rows = untrained_rows(study_of({"conv1": responses(0, 2)}))
    assert rows["conv1"].tolist() == [[1, 1, 0, 3], [0, 0, 0, 0]]


# Shuffled labels


def test_shuffling_moves_labels_and_leaves_images():
    every = torch.ones(100, 1)
    chosen = torch.from_numpy((CLASSES == 3) * 2.0 - 1)[:, None]
    study = study_of({"conv1": torch.cat([every, chosen, chosen, responses(3)], 1)}, k=100)
    rows, real = shuffled_rows(study)["conv1"], class_rows(study)["conv1"]
    assert rows[0].tolist() == list(SIZES)  # every image: the classes keep their sizes
    assert rows.sum(1).tolist() == real.sum(1).tolist()
    assert real[1].tolist() == [0, 0, 0, 10] and rows[1, 3] < 7  # ten images of any class
    assert torch.equal(rows[1], rows[2])  # units of the same images still share them
    other = shuffled_rows(study, seed=1)["conv1"]
    assert not torch.equal(rows, other) and torch.equal(other[0], rows[0])
    average = torch.stack([shuffled_rows(study, seed=s)["conv1"][1] for s in range(60)])
    wanted = torch.tensor(SIZES) / 10
    assert ((average.double().mean(0) - wanted).abs() < 0.8).all()


def test_shuffling_is_among_recorded_images():
    """Ten images of a fifth class could not be read: no unit may get that class."""
    study = study_of({"conv1": torch.ones(100, 1)}, k=100)
    study.record.classes = np.append(CLASSES, np.full(10, 4))
    study.record.recorded = np.arange(110) < 100
    study.record.metadata["images"]["class_names"] = [*NAMES, "eel"]
    assert shuffled_rows(study)["conv1"].tolist() == [[*SIZES, 0]]
    assert np.array_equal(study.record.classes, np.append(CLASSES, np.full(10, 4)))  # as it was
