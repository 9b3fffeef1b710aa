"""Find units by what they are selective for.

    find(units, color="red", class_index=">0.6", layer="conv5")
    find(units, top_class="dog", color_index="0.2..0.5")
    find(units, "the red mushroom unit")
    find(units, "class-selective dog units in conv5 or conv6")

The promise of Rafegas, Vanrell and Alexandre, "Understanding trained CNNs by indexing neuron selectivity":
to seek neurons by indexes of their selectivity.
"""

import difflib
import re
from fnmatch import fnmatchcase
from functools import lru_cache

import pandas as pd

from helpers.claims.claim import CannotTest
from helpers.claims.features import class_columns, feature_units
from helpers.errors import SelectivityError
from helpers.ontology import Ontology, ontology_of
from helpers.selectivity.classes import CLASS_SELECTIVE
from helpers.selectivity.color import BASIC_TERMS, COLOR_SELECTIVE

_SHOWN = 12  # values in a message
_WORDS = 6  # of the longest name: "yellow lady's slipper" has three
_PROPERTIES = {
    "class selective": ("class_index", f">{CLASS_SELECTIVE}"),
    "color selective": ("color_index", f">={COLOR_SELECTIVE}"),
}
_SAY_NOTHING = set(
    "a all an and any are by for find in is layer layers neuron neurons of on or that the to unit units "
    "which with".split()
)
# By the share of a class, because the index counts classes: half ladybug, half strawberry has .99 too.
_RANKED_BY = {
    "top_class": ("top_share", "class_index"),
    "color": ("color_index",),
    "hue": ("color_index",),
}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_COMPARED = re.compile(rf"\s*(<=|>=|<|>|==?)?\s*({_NUMBER})\s*", re.IGNORECASE)
_BETWEEN = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*", re.IGNORECASE)


def find(units, words: str | None = None, *, ontology: Ontology | None = None, **conditions):
    """The units that meet all conditions, best first: rows of the table, a DataFrame, empty if none do.

    units: a table with one row a unit, such as layer, unit, class_index, top_class, color_index, color, hue;
    or a study, whose `unit_table` is made. ontology: of the classes; by default that of the
    classes in the table.

    A condition names a column. Its value is a number; a comparison (">0.6", "<= 0.2"); a range, ends
    included ("0.3..0.5"; "330..30" for a hue); for layer a name, a pattern ("conv*") or a block
    ("inception_4c"); for top_class a class or a node of the ontology ("dog"); for other text its exact value;
    or a list, of which one must hold. Words say the same: colours, classes and nodes, layers,
    "class-selective" (class_index > 0.6), "colour-selective" (color_index >= 0.40). The longest name counts:
    "red mushroom" is the class of that name, if there is one, else red and mushroom. A word that is a colour
    and a class (orange) may be either. Words of one kind are alternatives, those of different kinds must hold
    together. A missing value meets no condition.

    Best first: each condition ranks by an index, top_class by top_share (class_index where there is none),
    color and hue by color_index, a comparison by its own column in its direction; layers and ranges by none.
    Units are ordered by the mean of their ranks in the whole table; without an index the order of the table
    stays.

    SelectivityError for a column, a value or a word that is not known, with the nearest that are.
    """
    if not isinstance(units, pd.DataFrame):
        ontology = ontology or ontology_of(units.record.class_names)
        units = unit_table(units)
    units = units.reset_index(drop=True)
    seek = _Seek(units, ontology)
    met, ranked_by = pd.Series(True, index=units.index), {}
    for column, value in conditions.items():
        column = column.replace("colour", "color")
        met &= seek.meets(column, value)
        ranked_by |= seek.ranking(column, value)
    for alternatives in seek.read(words or ""):
        one = pd.Series(False, index=units.index)
        for column, value in alternatives:
            one |= seek.meets(column, value)
            ranked_by |= seek.ranking(column, value)
        met &= one
    if ranked_by:
        ranks = [units[name].rank(ascending=up, pct=True) for name, up in ranked_by.items()]
        best = (
            pd.concat(ranks, axis=1).mean(axis=1)[met].sort_values(ascending=False, kind="stable")
        )
        return units.loc[best.index].reset_index(drop=True)
    return units[met].reset_index(drop=True)


def unit_table(study) -> pd.DataFrame:
    """What there is to seek in a study: classes and colours of the units of its convolutions.

    `helpers.claims.features` has the columns. Those on pictures are missing where no table of them is
    shipped and network or images are not here.
    """
    try:
        return feature_units(study)
    except CannotTest:
        return class_columns(study)


class _Seek:
    """What can be said about the units of a table, and which units it is true of."""

    def __init__(self, units, ontology):
        self.units = units
        self.layers = list(dict.fromkeys(units["layer"])) if "layer" in units else []
        if ontology is None and "top_class" in units:
            ontology = ontology_of(sorted(set(units["top_class"].dropna())))
        self.classes = _named_classes(ontology) if ontology else {}
        used = units["color"].dropna().unique() if "color" in units else ()
        self.colors = {_plain(name) for name in (*BASIC_TERMS, *used)}

    def meets(self, column, value) -> pd.Series:
        """Of which units a condition is true, bool."""
        if isinstance(value, list | tuple | set):
            none = pd.Series(False, index=self.units.index)
            met = [none, *(self.meets(column, one) for one in value)]
            return pd.concat(met, axis=1).any(axis=1)
        of_units = self._column(column, value)
        if column == "layer":
            return of_units.isin(self._layers_of(str(value)))
        if column == "top_class":
            return of_units.isin(self._classes_of(str(value)))
        if pd.api.types.is_bool_dtype(of_units) or not pd.api.types.is_numeric_dtype(of_units):
            return self._equals(column, of_units, value)
        return _compare(column, of_units, value)

    def ranking(self, column, value) -> dict[str, bool]:
        """{index: whether more of it is better} by which a condition ranks."""
        if column in _RANKED_BY:
            return next(({name: True} for name in _RANKED_BY[column] if name in self.units), {})
        compared = _COMPARED.fullmatch(value) if isinstance(value, str) else None
        if compared and compared[1] and compared[1][0] in "<>":
            return {column: compared[1][0] == ">"}
        return {}

    def read(self, words) -> list[list[tuple]]:
        """Conditions in words: all of the outer list, one of each inner list of (column, value)."""
        left, groups, unknown = re.sub(r"[,;!?\"]", " ", words).split(), {}, []
        while left:
            length, said = self._longest(left)
            if said:
                kinds = tuple(sorted({column for column, _ in said}))
                groups.setdefault(kinds, []).extend(said)
            elif _plain(left[0]) not in _SAY_NOTHING:
                # A name joined by hyphens is tried part by part before it is given up.
                if len(parts := re.split("[-_]", left[0])) > 1:
                    left[:1] = parts
                    continue
                unknown.append(left[0])
            left = left[length:]
        if unknown:
            self._raise_unknown(unknown)
        return list(groups.values())

    def _longest(self, left):
        """(how many words, what they say) of the longest beginning that says something; (1, []) if none."""
        for length in range(min(len(left), _WORDS), 0, -1):
            phrase = " ".join(left[:length])
            # "unit" is a name too: in WordNet, of what is whole.
            if length == 1 and _plain(phrase) in _SAY_NOTHING:
                break
            if said := self._says(phrase, is_word=length == 1):
                return length, said
        return 1, []

    def _says(self, phrase, is_word):
        if is_word and _layer_matches(phrase.rstrip("."), self.layers):
            return [("layer", phrase.rstrip("."))]
        for name in _forms(phrase):
            if name in _PROPERTIES:
                return [_PROPERTIES[name]]
            said = [("color", name)] if name in self.colors else []
            said += [("top_class", name)] if name in self.classes else []
            # Without colours in the table, a word that is a class too is a class.
            if len(said) == 2 and "color" not in self.units:
                return said[1:]
            if said:
                return said
        return []

    def _column(self, column, value):
        if column in self.units:
            return self.units[column]
        raise SelectivityError(
            f"the table of units has no column {column!r}, which {value!r} asks for"
            + _nearest(column, self.units.columns)
        )

    def _layers_of(self, value):
        if found := _layer_matches(value, self.layers):
            return found
        raise SelectivityError(f"there is no layer {value!r}{_nearest(value, self.layers)}")

    def _classes_of(self, value):
        for name in _forms(value):
            if name in self.classes:
                return self.classes[name]
        raise SelectivityError(
            f"there is no class {value!r}, nor a node above the classes{_nearest(value, self.classes)}"
        )

    def _equals(self, column, of_units, value):
        wanted = _plain(str(value))
        names = {one: _plain(str(one)) for one in of_units.dropna().unique()}
        known = {*names.values(), *(self.colors if column == "color" else ())}
        if wanted not in known:
            raise SelectivityError(
                f"{column} is never {value!r}; it may be {', '.join(sorted(known)[:_SHOWN])}"
            )
        return of_units.isin([one for one, name in names.items() if name == wanted])

    def _raise_unknown(self, unknown):
        known = {*self.classes, *self.colors, *self.layers, *_PROPERTIES}
        said = " and ".join(f"{word!r}{_nearest(word, known)}" for word in unknown)
        raise SelectivityError(
            f"find does not know {said}; it knows colours, classes and what they are kinds of, layers, and "
            + ", ".join(f'"{name}"' for name in _PROPERTIES)
        )


@lru_cache(maxsize=8)
def _named_classes(ontology):
    """{name: classes}: every class and node by each of its names, also in the singular."""
    named = {}
    columns = [*ontology.nodes, *ontology.classes]
    for key, members in zip(columns, ontology.members.T.tolist(), strict=True):
        inside = {name for name, yes in zip(ontology.classes, members, strict=True) if yes}
        for title in (key, *ontology.titles[key]):
            named.setdefault(_plain(title), set()).update(inside)
    for name in list(named):
        for form in _forms(name)[1:]:
            named.setdefault(form, named[name])
    return named


def _layer_matches(value, layers):
    """The layers that a name, a block or a pattern means."""
    value = value.lower()
    return [
        name
        for name in layers
        if fnmatchcase(name.lower(), value) or name.lower().startswith(f"{value}.")
    ]


def _compare(column, of_units, value):
    if isinstance(value, str):
        if between := _BETWEEN.fullmatch(value):
            low, high = float(between[1]), float(between[2])
            if low > high and column == "hue":  # degrees: through 360 = 0
                return (of_units >= low) | (of_units <= high)
            if low > high:
                raise SelectivityError(
                    f"nothing is in {column}={value!r}: write the smaller one first"
                )
            return of_units.between(low, high)
        compared = _COMPARED.fullmatch(value)
        if not compared:
            raise SelectivityError(
                f'{column} is a number, not {value!r}: write ">0.6", "<=0.2" or "0.3..0.5"'
            )
        sign, value = compared[1] or "=", float(compared[2])
    else:
        sign = "="
    compare = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}.get(sign, "eq")
    return getattr(of_units, compare)(value)


def _plain(name):
    """Lower case, one space for hyphens and underscores, American spelling of colour and British of grey."""
    name = re.sub(r"[-_\s]+", " ", name.lower()).strip(" .")
    return name.replace("colour", "color").replace("gray", "grey")


def _forms(name):
    """A name as given and as it would be in the singular, if it were a plural."""
    name = _plain(name)
    endings = (("ies", "y"), ("ves", "f"), ("es", ""), ("s", ""))
    return [name] + [name.removesuffix(end) + new for end, new in endings if name.endswith(end)]


def _nearest(name, known):
    found = difflib.get_close_matches(_plain(str(name)), sorted(map(str, known)), 3, 0.6)
    return f" (nearest: {', '.join(found)})" if found else ""
