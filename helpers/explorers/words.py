"""The tag cloud of a unit: classes, and what they are kinds of, by their share of its strongest images."""

import torch

from helpers.explorers.facts import numbers
from helpers.ontology import ontology_of
from helpers.selectivity.classes import (
    ancestor_frequencies,
    layer_frequencies,
    node_information,
)

WORDS = 20  # of a unit, at most


def unit_words(record, layer: str, units: list[int]) -> tuple[list, list]:
    """(words, clouds): [name, share of all images, classes it holds] and, a unit, [[word, share], ...].

    A share is the f_c of a class, or their sum over the classes of a node, among the 100 strongest
    images with a positive response. A unit has the at most `WORDS` of them that tell most of it
    (`node_information` above zero: no word such as "entity", which fits most images), the largest share
    first. `words` has those alone that some unit uses. Nodes of a single class, or of the same classes as
    another, are left out. No words where the classes have no ontology.
    """
    ontology = ontology_of(record.class_names).without_repeats()
    if not ontology.nodes:
        return [], [[] for _ in units]
    names, members = ontology.member_names, ontology.members
    frequencies = layer_frequencies(record, layer)[0][units]
    shares = ancestor_frequencies(frequencies, members)
    bits = node_information(frequencies, members, record.counts / record.counts.sum()).nan_to_num()
    bits[:, : len(ontology.nodes)][:, ontology.ancestors.sum(0) == 1] = 0
    found = []
    for of_unit, b in zip(shares, bits, strict=True):
        most = b.argsort(descending=True, stable=True)[:WORDS]
        most = most[b[most] > 0]
        found.append(most[of_unit[most].argsort(descending=True, stable=True)])
    used = torch.cat(found).unique()
    chance = numbers(record.counts.double() @ members[:, used].double() / record.counts.sum())
    words = [
        [names[word], share, int(members[:, word].sum())]
        for word, share in zip(used.tolist(), chance, strict=True)
    ]
    clouds = [
        [
            [int((used < word).sum()), share]
            for word, share in zip(most, numbers(s[most]), strict=True)
        ]
        for most, s in zip(found, shares, strict=True)
    ]
    return words, clouds
