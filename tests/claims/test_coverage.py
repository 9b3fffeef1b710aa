"""Nothing in the papers is passed over: each figure, table and statement has a claim, or a reason why not."""

import copy
import json
import re

import pytest

from helpers import selectivity
from helpers.claims import CLAIMS
from helpers.paths import data_path
from tests.conftest import REPOSITORY

TEXTS = json.loads(data_path("papers.json").read_text(encoding="utf-8"))["texts"]
FILES = {
    "1": "1-opponent-processes.md",
    "1b": "1b-outside-visual-space.md",
    "2": "2-face-selectivity.md",
    "3": "3-multifaceted-neurons.md",
    "4": "4-color-and-class-indexes.md",
}
PAPERS = REPOSITORY.parent / "shared" / "papers"
KINDS = ("figure", "table", "appendix", "equation", "statement")
SHORTEST = 15  # characters of a reason; nothing shorter says why


def entries(texts=TEXTS):
    return [
        (f"{paper}, {e['kind']} {e['number']}", e)
        for paper, t in texts.items()
        for e in t["entries"]
    ]


def faults(texts, claims=CLAIMS):
    """What is missing or wrong, one line each."""
    known, found = {c.id for c in claims}, []
    for where, entry in entries(texts):
        if bool(entry["claims"]) == bool(entry.get("reason")):
            found.append(f"{where}: a claim or a reason, one of them")
        if "reason" in entry and len(entry["reason"]) < SHORTEST:
            found.append(f"{where}: {entry['reason']!r} is no reason")
        if entry["kind"] not in KINDS or not entry["place"] or not entry["says"]:
            found.append(f"{where}: without kind, place or words")
        found += [f"{where}: no claim is called {i}" for i in entry["claims"] if i not in known]
    named = {i for _, entry in entries(texts) for i in entry["claims"]}
    found += [f"{i}: no entry names it" for i in sorted(known - named)]
    for paper, text in texts.items():
        for kind in ("figure", "table", "equation", "statement"):
            numbers = [int(e["number"]) for e in text["entries"] if e["kind"] == kind]
            if numbers != list(range(1, len(numbers) + 1)):
                found.append(f"{paper}: its {kind}s are numbered {numbers}")
    return found


def test_everything_has_a_claim_or_a_reason():
    assert list(TEXTS) == list(FILES)
    assert faults(TEXTS) == []


def spoilt(change):
    texts = copy.deepcopy(TEXTS)
    change(texts)
    return texts


def entry(texts, paper, kind, number):
    return next(
        e for e in texts[paper]["entries"] if (e["kind"], e["number"]) == (kind, str(number))
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: entry(t, "1", "figure", 2).update(claims=[]), "1, figure 2: a claim or a reason"),
        (lambda t: entry(t, "2", "figure", 2).update(reason=""), "2, figure 2: a claim or a reason"),
        (lambda t: entry(t, "2", "figure", 2).update(reason="none"), "'none' is no reason"),
        (lambda t: entry(t, "3", "table", 2).update(reason="shows units and pictures"), "one of"),
        (lambda t: entry(t, "3", "table", 2).update(claims=["facets.none"]), "called facets.none"),
        (lambda t: entry(t, "4", "figure", 1).update(says=""), "without kind, place or words"),
        (lambda t: entry(t, "4", "figure", 11).update(number="12"), "4: its figures are numbered"),
        (lambda t: t["4"]["entries"].pop(3), "4: its figures are numbered"),
        (lambda t: [e["claims"].remove("facets.blurred") or e.update(reason="x" * 20)
                    for _, e in entries(t) if "facets.blurred" in e["claims"]],
         "facets.blurred: no entry names it"),
    ],
)  # fmt: skip
def test_a_gap_is_found(change, expected):
    found = faults(spoilt(change))
    assert any(expected in fault for fault in found), found


def test_a_claim_of_nowhere_is_found():
    new = CLAIMS[0].__class__(**{**vars(CLAIMS[0]), "id": "opponent.planted"})
    assert faults(TEXTS, (*CLAIMS, new)) == ["opponent.planted: no entry names it"]


def test_claims_stand_in_the_text_that_they_name():
    """A claim's own paper has an entry for it; others, such as a companion, may name it too."""
    there = {(paper, i) for paper, t in TEXTS.items() for e in t["entries"] for i in e["claims"]}
    assert [c.id for c in CLAIMS if (c.paper, c.id) not in there] == []


def test_functions_and_files_that_reasons_name_exist():
    named = 0
    for where, e in entries():
        for name in re.findall(r"helpers\.selectivity\.(\w+)", e.get("reason", "")):
            named += 1
            assert name in selectivity.__all__, where
        for path in re.findall(r"\b(?:tests|data)/[\w/.]+\w", e.get("reason", "")):
            named += 1
            assert (REPOSITORY / path).is_file(), where
    assert named > 10


def test_three_classes_are_persons():
    """What the entry on paper 2's "no category for the human person" says is so."""
    synsets = json.loads(data_path("ontology.json").read_text(encoding="utf-8"))["synsets"]

    def above(key):
        return {key}.union(*(above(up) for up in synsets[key][1]))

    (person,) = (key for key, (names, _) in synsets.items() if names[0] == "person")
    inner = {up for _, ups in synsets.values() for up in ups}
    leaves = [key for key in synsets if key not in inner and person in above(key)]
    assert len(leaves) == 3


@pytest.mark.parametrize("paper", FILES)
def test_the_text_has_no_other_figures_and_tables(paper):
    """Captions in the papers themselves, where they are: "Figure 4. Examples", "Figure 5) Average"."""
    if not PAPERS.is_dir():
        pytest.skip("the papers' texts are not beside this checkout")
    text = (PAPERS / FILES[paper]).read_text(encoding="utf-8")
    for kind in ("Figure", "Table"):
        captions = re.findall(rf"(?m)^{kind} (\d+)[.:)] ", text)
        listed = [e["number"] for e in TEXTS[paper]["entries"] if e["kind"] == kind.lower()]
        assert set(captions) == set(listed), kind
