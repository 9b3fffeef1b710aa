"""Which numbers an explorer gives of a layer's units, for the whole layer, so that each has its place."""

from functools import cache
from typing import NamedTuple

import pandas as pd

from helpers.claims.claim import CannotTest
from helpers.claims.counts import unit_facets
from helpers.claims.depth import convolutions
from helpers.claims.features import class_columns, picture_columns
from helpers.explorers.facts import numbers
from helpers.study import Study


class _Index(NamedTuple):
    """An index: its name, how its values are written, what it is, and its columns in a table."""

    name: str
    written: str
    says: str
    values: str | None
    luck: str | None = None
    words: str | None = None


_CLASSES = {
    "auc": _Index(
        "curve area", "percent",
        "area under the curve of its 400 strongest responses, in parts of the network's largest",
        "auc",
    ),
    "class_index": _Index(
        "class index", "number",
        "how few classes its 100 strongest images have: 0 for a class an image, 1 for one class",
        "class_index", "class_index_null",
    ),
    "node": _Index(
        "most selective node", "words",
        "the class, or kind of thing, for which it is most selective",
        None, words="node",
    ),
    "node_bits": _Index(
        "bits of that node", "bits",
        "how much its strongest images, at most 100, tell of that node, in bits an image; a unit that "
        "ignores classes has a best node, too",
        "node_bits", "node_bits_null",
    ),
}  # fmt: skip
_FACETS = {
    "effective": _Index(
        "effective classes", "number",
        "how many equally frequent classes would spread its 100 strongest images as widely",
        "effective", "effective_null",
    ),
    "degree": _Index(
        "multi-faceted degree", "number",
        "how evenly classes share those images (flatness over Gini index): large if many drive it",
        "degree", "degree_null",
    ),
}  # fmt: skip
_PICTURES = {
    "color_index": _Index(
        "colour index", "number",
        "angle between the direction in which the feature's colours differ most and grey, over 90 "
        "degrees; blind to a colour without contrast",
        "color_index",
    ),
    "color": _Index(
        "colour", "words",
        "the name of the feature's colour; none where the colour index is below 0.40",
        None, words="color",
    ),
    "grey_response": _Index(
        "grey response", "percent",
        "the part of the response that is lost when its strongest images are shown in grey",
        "grey_response",
    ),
    "self_response": _Index(
        "response to own feature", "percent",
        "its response to its own neuron feature, in parts of its largest to an image",
        "self_response",
    ),
}  # fmt: skip
_ORDER = ("auc", *_PICTURES, "class_index", "node", "node_bits", *_FACETS)


def index_facts(study, layer: str) -> list[dict]:
    """The indexes of a layer's units, a dict each: key, name, says (what it is), written, and lists.

    values, luck (what a unit that ignores classes gets), words: one entry for each unit of the layer, None
    where not defined; a whole list is None where the index has no such thing. written: "number",
    "percent" (values are shares), "bits" or "words" (no values). From the shipped tables of
    a study where there are some, else measured, the layer's pictures once. Without pictures only what the
    classes give; [] for a layer without maps.
    """
    if layer not in convolutions(study.record):
        return []
    found = {}
    sources = (_CLASSES, _class_rows), (_PICTURES, _picture_rows), (_FACETS, _facet_rows)
    for indexes, measure in sources:
        try:
            rows = measure(study, layer)
        except CannotTest:
            continue
        found |= {key: _listed(key, index, rows) for key, index in indexes.items()}
    return [found[key] for key in _ORDER if key in found]


def _listed(key, index, rows):
    return {
        "key": key,
        "name": index.name,
        "says": index.says,
        "written": index.written,
        "values": index.values and numbers(rows[index.values]),
        "luck": index.luck and numbers(rows[index.luck]),
        "words": index.words and [None if pd.isna(w) else w for w in rows[index.words]],
    }


def _class_rows(study, layer):
    units = class_columns(study)
    return units[units.layer == layer].assign(auc=units.auc / 100)


def _facet_rows(study, layer):
    units = unit_facets(study)
    return units[units.layer == layer]


@cache
def _picture_rows(study, layer):
    """Of this layer alone: where no table is shipped, other layers are not measured for it."""
    record = study.record.keep_layers([layer])
    alone = Study(study.name, record, lambda: study.network, lambda: study.images)
    if record[layer].top.positions is None:
        raise CannotTest("the record does not keep where its images responded")
    return picture_columns(alone)
