"""What the classes of a study are kinds of: a graph with the classes at its ends.

    ontology = ontology_of(study.record.class_names)
    ontology.names[0], ontology.ancestors[:, 0]     a node and the classes (C,) that are kinds of it
    ontology.without_repeats()                      nodes that tell something apart, for a tag cloud
    ontology.cut(2)                                 the classes in groups: level 2 of the ontology

Three are known: that of the generated world (`data/world/world.json`), and for ImageNet's synsets and
Caltech-101's categories WordNet 3.0 (`data/ontology.json`). WordNet is a graph, not a tree: a dog is a
canine and a domestic animal.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import torch

from helpers.paths import data_path

_WNID = re.compile(r"(n\d{8})(?:[-_ ](.+))?$")  # n02085620, or n02085620-Chihuahua


@dataclass(frozen=True, eq=False, repr=False)
class Ontology:
    """Classes and the nodes above them, of which the root, above everything, is left out.

    classes: names of the C classes, as given; nodes: keys of the A nodes, from the root down; depth (A,):
    steps from the root along first hypernyms; ancestors (C, A) bool: which classes are kinds of the node,
    whichever way; paths: the nodes above each class, from the root down along first hypernyms; titles:
    {node or class: names}, the first for reading.
    """

    classes: tuple[str, ...]
    nodes: tuple[str, ...]
    depth: tuple[int, ...]
    ancestors: torch.Tensor
    paths: tuple[tuple[str, ...], ...]
    titles: dict[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the nodes, each different."""
        return tuple(self.titles[key][0] for key in self.nodes)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes for reading; two may be alike, or like a node's."""
        return tuple(self.titles[key][0] for key in self.classes)

    @property
    def members(self) -> torch.Tensor:
        """(C, A + C) bool: the classes of each node, then each class by itself; see `member_names`."""
        return torch.cat([self.ancestors, torch.eye(len(self.classes), dtype=torch.bool)], 1)

    @property
    def member_names(self) -> tuple[str, ...]:
        """Names of the columns of `members`: nodes, then the labels of the classes."""
        return self.names + self.labels

    @property
    def levels(self) -> range:
        """The cuts that there are, from the top of the ontology down to the classes themselves."""
        return range(1, max(map(len, self.paths), default=0) + 2)

    def cut(self, level: int) -> tuple[torch.Tensor, tuple[str, ...]]:
        """(group of each class (C,), names of the groups): the ontology cut at one level.

        A class belongs to the node `level` steps below the root on its path of first hypernyms, so that each
        class is in one group though the ontology is a graph; a class with a shorter path stays itself.
        """
        keys = [
            path[level - 1] if level <= len(path) else one
            for one, path in zip(self.classes, self.paths, strict=True)
        ]
        groups = {key: g for g, key in enumerate(dict.fromkeys(keys))}
        return torch.tensor([groups[key] for key in keys]), tuple(self.titles[g][0] for g in groups)

    def __repr__(self) -> str:
        return f"<Ontology: {len(self.classes)} classes, {len(self.nodes)} nodes>"

    def without_repeats(self) -> "Ontology":
        """The same without nodes above every class, and one node, the lowest, for each set of classes."""
        lowest = {}
        for a in sorted(range(len(self.nodes)), key=self.depth.__getitem__):
            if not self.ancestors[:, a].all():
                lowest[tuple(self.ancestors[:, a].tolist())] = a
        kept = sorted(lowest.values())
        nodes, depth = (tuple(these[a] for a in kept) for these in (self.nodes, self.depth))
        return replace(self, nodes=nodes, depth=depth, ancestors=self.ancestors[:, kept])


def ontology_of(class_names) -> Ontology:
    """The ontology of classes, by their names.

    If all are classes of the generated world, its ontology. Otherwise a name that begins with an ImageNet
    synset (n02085620, n02085620-Chihuahua), or is a category of Caltech-101, is looked up in WordNet 3.0;
    only synsets of ImageNet's 1,000 classes are in the table. A class that neither knows lies under the root
    with no node above it; with such classes only, the ontology is flat and has no nodes. A class's own
    synset is a node where other classes lie below it or share it: `crocodile` and `crocodile_head`.
    """
    return _ontology_of(tuple(class_names))


@lru_cache(maxsize=8)
def _ontology_of(classes):
    if classes and all(name in _world()[0] for name in classes):
        above, parents = _world()
        return _assemble(classes, above, parents, {name: (_spaced(name),) for name in classes})
    table = _wordnet()
    parents = {key: up for key, (_, up) in table["synsets"].items()}
    own = {name: key for name in classes if (key := _synset(name))}
    # Where another class lies at or below a class's synset, both are kinds of it.
    reached = [_closure([key], parents) for key in own.values()]
    shared = {key for key in own.values() if sum(key in one for one in reached) > 1}
    is_kind = table["caltech101_kind_of"].keys() & own.keys()
    above = {
        name: [key] if name in is_kind or key in shared else parents[key]
        for name, key in own.items()
    }
    known = {key: names for key, (names, _) in table["synsets"].items()}
    titles = {
        name: (_label(name), *(known[own[name]] if name in own.keys() - is_kind else ()))
        for name in classes
    }
    return _assemble(classes, above, parents, known | titles)


def _assemble(classes, above, parents, titles):
    """above: {class: keys of its parents}; parents: {key: keys}, none for the root; titles: {key: names}."""
    closures = [_closure(above.get(name, ()), parents) for name in classes]
    nodes = {key for of_class in closures for key in of_class if parents[key]}
    depth = {key: len(_path(key, parents)) for key in nodes}
    order = sorted(nodes, key=lambda key: (depth[key], key))
    ancestors = torch.tensor([[key in one for key in order] for one in closures], dtype=torch.bool)
    return Ontology(
        classes,
        tuple(order),
        tuple(depth[key] for key in order),
        ancestors.reshape(len(classes), len(order)),
        tuple(_path(up[0], parents) if (up := above.get(name)) else () for name in classes),
        _told_apart(order, parents, titles) | {name: titles[name] for name in classes},
    )


def _told_apart(nodes, parents, titles):
    """{node: names}, the first unlike any other: with what it is a kind of, or a number, if need be."""
    plain = {key: titles.get(key, (key,)) for key in nodes}
    alike, taken, found = Counter(names[0] for names in plain.values()), Counter(), {}
    for key, names in plain.items():
        name = names[0]
        if alike[name] > 1:
            name = f"{name} ({titles.get(parents[key][0], ('',))[0]})"
        taken[name] += 1
        found[key] = (f"{name} {taken[name]}" if taken[name] > 1 else name, *names)
    return found


def _closure(keys, parents):
    """The keys and all above them."""
    found, wanted = set(), list(keys)
    while wanted:
        if (key := wanted.pop()) not in found:
            found.add(key)
            wanted += parents[key]
    return found


def _path(key, parents):
    """Keys from below the root down to this one, along first parents."""
    return (*_path(parents[key][0], parents), key) if parents[key] else ()


def _synset(name):
    """Key of a class's synset, None if the table has none."""
    table, found = _wordnet(), _WNID.match(name)
    key = found[1] if found else (table["caltech101"] | table["caltech101_kind_of"]).get(name)
    return key if key in table["synsets"] else None


def _label(name):
    """What follows the synset in a folder's name, else the synset's first name, else the class's name."""
    found, key = _WNID.match(name), _synset(name)
    if not found:
        return _spaced(name)
    return _spaced(found[2]) if found[2] else _wordnet()["synsets"][key][0][0] if key else name


def _spaced(name):
    return name.replace("_", " ")


@cache
def _wordnet() -> dict:
    return json.loads(data_path("ontology.json").read_text(encoding="utf-8"))


@cache
def _world():
    """({class: [its parent]}, {node: [its parent]}); the root's key is empty."""
    world = json.loads(data_path("world", "world.json").read_text(encoding="utf-8"))["ontology"]
    above, parents = {}, {"": []}
    for name, about in world.items():
        path = ["", *about["path"]]
        above[name] = path[-1:]
        parents |= {key: [up] for up, key in zip(path, path[1:], strict=False)}
    return above, parents
