"""What a verdict says beside its control, and the table of claims."""

import numpy as np
import pytest
from bs4 import BeautifulSoup

from helpers.claims import FAILS, HOLDS, UNTESTED, CannotTest, Claim, Measurement
from helpers.claims.board import claim_table, tally
from helpers.claims.claim import LESS, MORE, NOT_CLEARLY_MORE, SAID, mark
from helpers.errors import SelectivityError
from tests.planted import planted_study

STUDY = planted_study(
    {"conv": dict.fromkeys(("max", "mean", "min"), np.zeros((4, 2)))}, [0, 0, 1, 1], ("a", "b")
)


def measured(value, low, high, null, rises=True, verdict=HOLDS):
    return Measurement(value, low, high, null, verdict, "of two units", rises=rises)


@pytest.mark.parametrize(
    ("found", "beside"),
    [
        (measured(0.7, 0.6, 0.8, 0.5), MORE),
        (measured(0.7, 0.6, 0.8, 0.65), NOT_CLEARLY_MORE),
        (measured(0.7, 0.6, 0.8, 0.8), NOT_CLEARLY_MORE),
        (measured(0.7, 0.6, 0.8, 0.9), LESS),
        (measured(-0.3, -0.4, -0.2, 0.0, rises=False), MORE),
        (measured(-0.3, -0.4, -0.2, -0.35, rises=False), NOT_CLEARLY_MORE),
        (measured(-0.3, -0.4, -0.2, -0.45, rises=False), LESS),
        (measured(0.7, np.nan, np.nan, 0.5), MORE),  # no interval: the value itself
        (measured(0.7, np.nan, np.nan, 0.7), NOT_CLEARLY_MORE),
        (measured(0.7, np.nan, np.nan, 0.8), LESS),
        (measured(0.7, 0.6, 0.8, np.nan), None),  # no null
        (measured(0.7, 0.6, 0.8, 0.5, rises=None), None),  # no direction
    ],
)
def test_beside_the_control(found, beside):
    assert found.beside_control == beside


def claim(name, found, changed=""):
    def measure(study):
        if found is None:
            raise CannotTest("there are no dogs")
        return found

    return Claim(
        f"mine.{name}", "1", "page 3", f"It is {name}.", "more", "others", measure, changed
    )


CLAIMS = (
    claim("strong", measured(0.7, 0.6, 0.8, 0.5)),
    claim("no-stronger", measured(0.7, 0.6, 0.8, 0.75), changed="the bound was lower"),
    claim("weak", measured(0.1, 0.0, 0.2, 0.75, verdict=FAILS)),
    claim("weaker", measured(0.7, 0.6, 0.8, 0.9)),
    claim("alone", measured(0.7, 0.6, 0.8, np.nan)),
    claim("untested", None),
)
ROWS = [one.row(STUDY) for one in CLAIMS]


def test_the_mark_of_a_row():
    assert [mark(row) for row in ROWS] == [
        HOLDS, f"{HOLDS}, but not clearly more than in its control", FAILS,
        f"{HOLDS}, but less than in its control", HOLDS, UNTESTED,
    ]  # fmt: skip
    assert [row["changed"] for row in ROWS] == ["", "the bound was lower", "", "", "", ""]
    assert set(SAID) <= set(ROWS[0])


def test_a_tally():
    assert tally(ROWS) == {
        "n_claims": 6, "n_changed": 1, "held": 4, "failed": 1, "undecided": 0, "untested": 1, "too": 2,
        "less": 1,
    }  # fmt: skip


def test_a_table_of_claims_as_text():
    said = repr(claim_table({"one": ROWS, "two": ROWS})).split("\n\n")
    assert len(said) == len(CLAIMS)
    assert said[0].splitlines() == [
        "It is strong.",
        "Paper 1, page 3. Holds if: more. Control: others.",
        "  one: holds: 70% (60% to 80%); of two units (control: 50%)",
        "  two: holds: 70% (60% to 80%); of two units (control: 50%)",
    ]
    assert "Added or changed later: the bound was lower." in said[1]
    assert "one: holds, but not clearly more than in its control: 70% (60%" in said[1]
    assert "one: holds, but less than in its control: 70% (60%" in said[3]
    assert said[4].endswith("(control: not measured)")
    assert said[5].endswith(f"  two: {UNTESTED}: there are no dogs")


def test_a_table_of_claims_as_html():
    """A part a claim, a row a study; each row has four columns."""
    page = BeautifulSoup(claim_table({"one": ROWS, "two": ROWS})._repr_html_(), "html.parser")
    parts = page.select("tbody")
    assert len(parts) == len(CLAIMS)
    for part in parts:
        for row in part.select("tr"):
            assert sum(int(cell.get("colspan", 1)) for cell in row.find_all(["th", "td"])) == 4
        assert [one.text for one in part.select("th[scope=row]")] == ["one", "two"]
    strong, changed = parts[0], parts[1]
    assert strong.select("th[scope=rowgroup]")[0].text == "It is strong."
    said = ["Paper 1, page 3. Holds if: more. Control: others."]
    assert [one.text for one in strong.select("p")] == said
    said.append("Added or changed later: the bound was lower.")
    assert [one.text for one in changed.select("p")] == said
    first = strong.select("tr")[2]
    assert [one.text.strip() for one in first.select("td")] == [
        "holds", "70% (60% to 80%) of two units", "50%",
    ]  # fmt: skip
    assert parts[-1].select("td")[2].text == "there are no dogs"


def test_a_claim_without_a_control_says_so():
    row = {**ROWS[4], "control": "none: two variables"}
    assert repr(claim_table({"one": [row]})).endswith("(control: none)")


def test_what_is_said_is_no_markup():
    """A reader's own claim, and a study's name, are text."""
    one = claim("<b>", measured(0.7, 0.6, 0.8, 0.5)).row(STUDY)
    page = BeautifulSoup(claim_table({"<i>": [one]})._repr_html_(), "html.parser")
    assert not page.select("b, i") and page.select("th[scope=row]")[0].text == "<i>"


def test_some_claims_in_the_order_named():
    some = claim_table({"one": ROWS, "two": ROWS}, "mine.weak", "mine.strong")
    assert [row["id"] for row in some.board["two"]] == ["mine.weak", "mine.strong"]
    with pytest.raises(SelectivityError, match="'mine.strnog' on this board; it has mine.strong, "):
        claim_table({"one": ROWS}, "mine.strnog")


@pytest.mark.parametrize("other", [ROWS[::-1], ROWS[:2]])
def test_studies_with_other_claims_are_refused(other):
    with pytest.raises(SelectivityError, match="the same claims in the same order"):
        claim_table({"one": ROWS, "two": other})
