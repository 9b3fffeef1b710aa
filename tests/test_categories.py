"""Which classes make up a category: the committed table, lists of one's own, what is refused."""

import json

import numpy as np
import pytest
import torch

from helpers import SelectivityError, open_study
from helpers.categories import classes_of
from helpers.paths import data_path
from helpers.record import WorldImages, load_network, record
from helpers.study import Study


@pytest.fixture(scope="module")
def photographs():
    return open_study("googlenet")


def chosen(category, names):
    inside = classes_of(category, names)
    return [name for name, is_in in zip(names, inside.tolist(), strict=True) if is_in]


def test_the_dogs_of_the_world_are_those_of_its_ontology():
    names = WorldImages("eval").class_names
    ontology = json.loads(data_path("world", "world.json").read_text(encoding="utf-8"))["ontology"]
    dogs = [name for name in names if "dog" in json.dumps(ontology[name])]
    assert len(dogs) == 12 and chosen("dog", names) == dogs


@pytest.mark.parametrize("kind", ["defined", "free"])
def test_classes_that_a_colour_defines_are_those_of_the_ontology(kind):
    names = WorldImages("eval").class_names
    ontology = json.loads(data_path("world", "world.json").read_text(encoding="utf-8"))["ontology"]
    assert chosen(f"colour-{kind}", names) == [n for n in names if ontology[n]["colour"] == kind]


def test_the_dogs_of_the_photographs(photographs):
    """120 breeds of Stanford Dogs and, among Caltech's categories, the dalmatian."""
    names = photographs.record.class_names
    dogs = chosen("dog", names)
    assert len(dogs) == 121 and sum(name.startswith("n02") for name in dogs) == 120
    assert [name for name in dogs if not name.startswith("n02")] == ["dalmatian"]
    assert not [name for name in names if name.startswith("n02") and name not in dogs]


def test_the_dogs_of_imagenet_are_the_same_animals(photographs):
    """Stanford's 120 WordNet numbers and the dalmatian's: n02110341."""
    names = open_study("googlenet-imagenet").record.class_names
    dogs = chosen("dog", names)
    assert len(names) == 1000 and len(dogs) == 121
    breeds = chosen("dog", photographs.record.class_names)
    assert set(dogs) == {name[:9] for name in breeds if name != "dalmatian"} | {"n02110341"}
    # WordNet numbers sorted: ImageNet's own numbers 151 to 268 and 273 to 275.
    numbers = [sorted(names).index(name) for name in sorted(dogs)]
    assert numbers == [*range(151, 269), 273, 274, 275]


def test_the_four_categories_of_the_face_probe():
    study = open_study("googlenet-faces")
    for name in ("face", "i-see-face", "car", "dog"):
        assert chosen(name, study.record.class_names) == [name]
        classes, member = study.category(name)
        assert member.sum() == study.record.counts[classes].sum() >= 100


def test_the_table_names_no_class_twice():
    table = json.loads(data_path("categories.json").read_text(encoding="utf-8"))
    for sets in table["categories"].values():
        assert sets.keys() <= table["sources"].keys()
        for members in sets.values():
            assert len(members) == len(set(members)) > 0


def test_a_list_of_one_s_own():
    names = ("cup", "pug", "lamp")
    assert classes_of(["lamp", "pug"], names).tolist() == [False, True, True]
    assert classes_of(iter(["cup"]), names).dtype == torch.bool
    assert chosen(names, names) == list(names)


@pytest.mark.parametrize(
    ("category", "says"),
    [
        ("zebra", "no category 'zebra'; use dog, "),
        ("pug", "no category 'pug'"),  # a class is not a category: it goes in a list
        ("car", "none of the 3 classes"),
        (["pug", "zebra"], "no class 'zebra'"),
        ([], "none of the 3 classes"),
    ],
)
def test_what_is_refused_is_refused_in_one_line(category, says):
    with pytest.raises(SelectivityError, match=says) as error:
        classes_of(category, ("cup", "pug", "lamp"))
    assert "\n" not in str(error.value)


def test_no_class_at_all():
    with pytest.raises(SelectivityError):
        classes_of("dog", ())


def test_a_study_s_images_of_a_category():
    images = WorldImages("eval").select(["cup", "pug", "lamp", "poodle"])
    network = load_network("worldnet-fine")
    read = np.setdiff1d(np.arange(0, len(images), 2), np.flatnonzero(images.classes == 3)[:50])
    part = record(network, images, 5, layers="conv1", batch_size=128, indices=read, progress=False)
    study = Study("part", part, lambda: network, lambda: images)
    classes, member = study.category("dog")
    dogs = [name in ("pug", "poodle") for name in part.class_names]
    assert classes.tolist() == dogs
    wanted = [dogs[c] and i in set(read.tolist()) for i, c in enumerate(images.classes)]
    assert member.dtype == torch.bool and member.tolist() == wanted
    assert int(member.sum()) == int(part.counts[classes].sum())
    assert 0 < int(member.sum()) < int(np.asarray(dogs)[images.classes].sum())
    with pytest.raises(SelectivityError, match="no class 'car'"):
        study.category(["car"])


def test_a_shipped_study_s_images_of_a_category(photographs):
    study = photographs
    classes, member = study.category("dog")
    assert classes.shape == (220,) and member.shape == (3800,)
    assert int(member.sum()) == 1820 == int(study.record.counts[classes].sum())
    folders = {name.split("/")[-2] for name, m in zip(study.record.names, member, strict=True) if m}
    assert len(folders) == 121
