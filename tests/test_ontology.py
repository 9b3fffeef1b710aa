"""Ontologies: the world's, WordNet's for ImageNet and Caltech-101, and none; a graph, not a tree."""

import json

import pytest
import torch
from safetensors import safe_open

from helpers.categories import classes_of
from helpers.ontology import ontology_of
from helpers.paths import data_path


def recorded_classes(name):
    """Class names of a shipped record, without reading the rest of it."""
    with safe_open(data_path("records", f"{name}.safetensors"), "pt") as file:
        return json.loads(file.metadata()["metadata"])["images"]["class_names"]


@pytest.fixture(scope="module")
def world():
    about = json.loads(data_path("world", "world.json").read_text(encoding="utf-8"))
    return ontology_of(about["classes"])


@pytest.fixture(scope="module")
def photographs():
    return ontology_of(recorded_classes("googlenet"))


@pytest.fixture(scope="module")
def imagenet():
    return ontology_of(recorded_classes("googlenet-imagenet"))


def kinds(ontology, name):
    """Names of the classes that are kinds of a node."""
    column = ontology.ancestors[:, ontology.names.index(name)].tolist()
    return {one for one, yes in zip(ontology.classes, column, strict=True) if yes}


def test_the_world_is_read_from_its_own_file(world):
    """Each class lies below exactly the nodes of its path."""
    about = json.loads(data_path("world", "world.json").read_text(encoding="utf-8"))["ontology"]
    for name, row in zip(world.classes, world.ancestors.tolist(), strict=True):
        assert {n for n, yes in zip(world.nodes, row, strict=True) if yes} == set(
            about[name]["path"]
        )
    assert kinds(world, "mushroom") == {"red_mushroom", "brown_mushroom"}
    assert world.depth[world.names.index("citrus")] == 3
    assert "red mushroom" in world.labels


def test_what_is_a_dog(world, photographs):
    """The node `dog` and the committed table of categories agree but for the three wild dogs."""
    for ontology in (world, photographs):
        table = classes_of("dog", ontology.classes).tolist()
        dogs = {name for name, yes in zip(ontology.classes, table, strict=True) if yes}
        wild = {name for name in dogs if name[:9] in ("n02115641", "n02115913", "n02116738")}
        assert kinds(ontology, "dog") == dogs - wild
    assert kinds(photographs, "canine") == dogs and len(wild) == 3


def test_all_classes_of_the_real_studies_are_known(photographs, imagenet):
    for ontology in (photographs, imagenet):
        assert ontology.ancestors.any(1).all() and all(ontology.paths)
    assert len(imagenet.classes) == 1000 and imagenet.labels[:2] == ("tench", "goldfish")
    assert photographs.labels[0] == "Chihuahua"


def test_a_graph_and_not_a_tree(photographs):
    """A dog is a domestic animal and a carnivore, and neither of these is a kind of the other."""
    dog = photographs.classes.index("n02085620-Chihuahua")
    above = {
        n
        for n, yes in zip(photographs.names, photographs.ancestors[dog].tolist(), strict=True)
        if yes
    }
    assert {"domestic animal", "carnivore", "dog", "toy dog", "animal"} <= above
    assert "domestic animal" not in [photographs.titles[key][0] for key in photographs.paths[dog]]
    assert "leopard" not in kinds(photographs, "domestic animal")


def test_closure_by_another_way(photographs):
    """Ancestors by recursion over the shipped table; the root, entity, is left out."""
    synsets = json.loads(data_path("ontology.json").read_text(encoding="utf-8"))["synsets"]

    def above(key):
        return {key}.union(*map(above, synsets[key][1]))

    for name, row in zip(photographs.classes[:120], photographs.ancestors.tolist(), strict=False):
        found = {key for key, yes in zip(photographs.nodes, row, strict=True) if yes}
        assert found == set.union(*map(above, synsets[name[:9]][1])) - {"n00001740"}


def test_a_classs_own_synset_is_a_node_where_others_share_it(photographs):
    assert kinds(photographs, "crocodile") == {"crocodile", "crocodile_head"}
    assert kinds(photographs, "chair") == {"chair", "wheelchair", "windsor_chair"}
    both = ontology_of(["dalmatian", "n02110341", "n02110341-spotted", "wrench"])
    assert kinds(both, "dalmatian") == set(both.classes[:3])
    assert both.labels == ("dalmatian", "dalmatian", "spotted", "wrench")
    assert kinds(photographs, "car") == {"car_side"}  # a kind of car, not all cars
    assert "Chihuahua" not in photographs.names


def test_names_of_nodes_differ(photographs, imagenet):
    """WordNet has two kinds of vessel: a name that is not unique says what it is a kind of."""
    for ontology in (photographs, imagenet):
        assert len(set(ontology.names)) == len(ontology.names)
        assert "entity" not in ontology.names
    assert {"vessel (craft)", "vessel (container)"} <= set(photographs.names)
    assert {"table (furniture)", "table (furniture) 2"} <= set(imagenet.names)


def test_cuts_are_groups_from_coarse_to_fine(world, photographs, imagenet):
    for ontology in (world, photographs, imagenet):
        sizes, above = [], [0] * len(ontology.classes)
        for level in ontology.levels:
            groups, names = ontology.cut(level)
            assert sorted(set(groups.tolist())) == list(range(len(names)))
            # A group of one level lies within a group of the level above.
            assert len(set(zip(groups.tolist(), above, strict=True))) == len(names)
            sizes.append(len(names))
            above = groups.tolist()
        assert sizes == sorted(sizes) and sizes[-1] == len(ontology.classes)
    groups, names = world.cut(1)
    assert set(names) == {"animal", "vehicle", "plant", "fungus", "artefact"}
    assert names[groups[world.classes.index("lemon")]] == "plant"
    of_husky = [
        world.cut(level)[1][world.cut(level)[0][world.classes.index("husky")]]
        for level in (1, 2, 3)
    ]
    assert of_husky == ["animal", "dog", "husky"]


def test_without_repeats(photographs):
    few = photographs.without_repeats()
    columns = [tuple(column) for column in few.ancestors.T.tolist()]
    assert len(set(columns)) == len(columns) and not any(map(all, columns))
    assert {tuple(c) for c in photographs.ancestors.T.tolist() if not all(c)} == set(columns)
    # Of nodes with the same classes the lowest stays.
    assert "vertebrate" in few.names and "chordate" not in few.names
    assert few.cut(5)[1] == photographs.cut(5)[1]
    assert few.member_names[-1] == photographs.labels[-1]
    assert few.members.shape == (220, len(few.nodes) + 220) and few.members[:, -220:].equal(
        torch.eye(220, dtype=torch.bool)
    )


def test_what_all_classes_are_tells_nothing():
    """Of three dogs, that they are dogs."""
    dogs = ontology_of(["n02085620-Chihuahua", "n02085782-Japanese_spaniel", "n02113799-poodle"])
    assert "dog" in dogs.names and "dog" not in dogs.without_repeats().names
    assert set(dogs.without_repeats().names) == {"toy dog", "poodle"}


def test_classes_that_no_ontology_knows():
    flat = ontology_of(["face", "i-see-face", "my things"])
    assert flat.nodes == () and flat.ancestors.shape == (3, 0) and flat.members.shape == (3, 3)
    assert list(flat.levels) == [1] and flat.cut(1)[1] == ("face", "i-see-face", "my things")
    some = ontology_of(["n02085620", "my things", "n99999999-what"])
    assert some.ancestors.any(1).tolist() == [True, False, False]
    assert some.labels == ("Chihuahua", "my things", "what")
    assert len(ontology_of([]).classes) == 0
    # Not all of them are of the world: Caltech's umbrella is WordNet's.
    assert "instrumentality" not in ontology_of(["umbrella", "ladybug"]).names
    assert "covering" in ontology_of(["umbrella", "wrench"]).names


def test_the_table_is_small_and_carries_its_licence():
    path = data_path("ontology.json")
    table = json.loads(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 200_000
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in table["licence"]
    assert all(one in table["synsets"] for _, up in table["synsets"].values() for one in up)
    assert [key for key, (_, up) in table["synsets"].items() if not up] == ["n00001740"]
