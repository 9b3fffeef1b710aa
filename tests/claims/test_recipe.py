"""The steps of book/contributing.md, followed as printed; a claim of your own: tests/test_scoreboard.py."""

import ast
import copy
import json
import re
import textwrap
from dataclasses import replace

import pytest

from helpers.claims import CLAIMS, FAILS, HOLDS, UNTESTED, opponency
from helpers.scoreboard import Scoreboard, open_scoreboard
from tests.claims.test_coverage import TEXTS, faults
from tests.claims.test_opponency import detectors, noise, study_of
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "book" / "contributing.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## A claim")[1].split("## A network")[0]
NAME = "opponent.many-dog-units"
OTHERS = tuple(claim for claim in CLAIMS if claim.id != NAME)


def blocks(language):
    """The page's code for a claim, in the order of its steps."""
    found = re.findall(rf"(?ms)^   ```{language}\n(.*?)^   ```", SECTION)
    return [textwrap.dedent(one) for one in found]


def printed():
    """(line of papers.json, entry, function, test), as the page has them."""
    (line,), (entry, function, test) = blocks("json"), blocks("python")
    return json.loads(line), entry, function, test


def listed(line):
    """The texts without the claim, then with the page's line in its place."""
    texts = copy.deepcopy(TEXTS)
    entries = texts["1"]["entries"]
    (place,) = [i for i, e in enumerate(entries) if e["says"] == line["says"]]
    entries[place] = {**line, "claims": []}
    without = copy.deepcopy(texts)
    entries[place] = line
    return without, texts


@pytest.fixture
def claim():
    """The page's function and entry, run in the module that they belong to."""
    _, entry, function, _ = printed()
    names = dict(vars(opponency))
    exec(function, names)
    (made,) = eval(f"({entry})", names)
    return made


def test_the_page_prints_what_the_package_has():
    line, entry, function, test = printed()
    package = (REPOSITORY / "helpers" / "claims" / "opponency.py").read_text(encoding="utf-8")
    tests = (REPOSITORY / "tests" / "claims" / "test_opponency.py").read_text(encoding="utf-8")
    assert function in package and textwrap.indent(entry, "    ") in package and test in tests
    assert line in TEXTS["1"]["entries"]


def test_a_claim_is_one_entry_and_one_function(claim):
    without, texts = listed(printed()[0])
    assert any("a claim or a reason" in one for one in faults(without, OTHERS))
    assert faults(texts, OTHERS) == [f"1, statement 9: no claim is called {NAME}"]
    assert faults(texts, (*OTHERS, claim)) == []


def test_it_is_measured_and_stands_on_a_board(claim):
    """On planted studies, in a registry of its own; on a column that has not measured it, that is said."""
    shipped = Scoreboard(open_scoreboard().columns, OTHERS)
    yes = study_of(detectors(by=12.0), noise(5), name="yes")
    no = study_of(noise(1), noise(5), name="no")
    board = shipped.with_claim(claim, yes, no)
    rows = {row["study"]: row for row in board.rows if row["id"] == NAME}
    assert (rows["yes"]["verdict"], rows["no"]["verdict"]) == (HOLDS, FAILS)
    assert claim.statement in board.html
    before = [
        replace(c, cells={i: v for i, v in c.cells.items() if i != NAME}) for c in shipped.columns
    ]
    unmeasured = Scoreboard(tuple(before), (*OTHERS, claim))
    assert {r["verdict"] for r in unmeasured.rows if r["id"] == NAME} == {UNTESTED}


def test_commands_and_files_that_the_page_names_exist():
    for path in re.findall(r"`((?:tests|helpers|data|tools|book)/[\w./-]+\w)`", PAGE):
        assert (REPOSITORY / path).exists(), path
    for module in re.findall(r"python -m (data\.make\.\w+)", PAGE):
        assert (REPOSITORY / f"{module.replace('.', '/')}.py").is_file(), module
    made = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make ([a-z-]+)", PAGE):
        assert re.search(rf"(?m)^{target}:", made), target
    for code in re.findall(r"(?ms)^```python\n(.*?)^```", PAGE):
        ast.parse(code)
