"""What a verdict says beside its control, and the tables of verdicts and rules."""

import numpy as np
import pytest

from helpers.claims import FAILS, HOLDS, UNTESTED, CannotTest, Claim, Measurement
from helpers.claims.board import rule_table, verdict_table
from helpers.claims.claim import SAID, mark
from tests.planted import planted_study

STUDY = planted_study(
    {"conv": dict.fromkeys(("max", "mean", "min"), np.zeros((4, 2)))}, [0, 0, 1, 1], ("a", "b")
)


def measured(value, low, high, null, rises=True, verdict=HOLDS):
    return Measurement(value, low, high, null, verdict, "of two units", rises=rises)


@pytest.mark.parametrize(
    ("found", "beyond"),
    [
        (measured(0.7, 0.6, 0.8, 0.5), True),
        (measured(0.7, 0.6, 0.8, 0.65), False),
        (measured(0.7, 0.6, 0.8, 0.9), False),
        (measured(-0.3, -0.4, -0.2, 0.0, rises=False), True),
        (measured(-0.3, -0.4, -0.2, -0.35, rises=False), False),
        (measured(0.7, np.nan, np.nan, 0.5), True),  # no interval: the value itself
        (measured(0.7, np.nan, np.nan, 0.7), False),
        (measured(0.7, 0.6, 0.8, np.nan), None),  # no null
        (measured(0.7, 0.6, 0.8, 0.5, rises=None), None),  # no direction
    ],
)
def test_beyond_the_control(found, beyond):
    assert found.beyond_control is beyond


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
    claim("alone", measured(0.7, 0.6, 0.8, np.nan)),
    claim("untested", None),
)
ROWS = [one.row(STUDY) for one in CLAIMS]


def test_the_mark_of_a_row():
    assert [mark(row) for row in ROWS] == [
        HOLDS, f"{HOLDS}, but not clearly more than in its control", FAILS, HOLDS, UNTESTED,
    ]  # fmt: skip
    assert [row["changed"] for row in ROWS] == ["", "the bound was lower", "", "", ""]
    assert set(SAID) <= set(ROWS[0])


def test_tables_of_verdicts_and_rules():
    board = {"one": ROWS, "two": ROWS[::-1][::-1]}
    verdicts = verdict_table(board)
    assert list(verdicts) == ["paper", "one", "two"] and len(verdicts) == len(CLAIMS)
    assert verdicts.loc["It is strong.", "one"] == "holds: 70% (60% to 80%) (others: 50%)"
    assert "not clearly more than in its control: 70%" in verdicts.loc["It is no-stronger.", "two"]
    assert "(others: not measured)" in verdicts.loc["It is alone.", "one"]
    assert verdicts.loc["It is untested.", "one"] == UNTESTED
    rules = rule_table(board)
    assert len(rules) == 2 * len(CLAIMS) and rules.index.tolist()[:1] == ["one"]
    assert rules["changed after a first measurement"].iloc[1] == "the bound was lower"
    assert rules["null"].iloc[3] == "others: not measured"
