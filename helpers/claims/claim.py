"""A claim: a sentence of a paper, a rule, and the function that measures it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from helpers.errors import SelectivityError

HOLDS, FAILS = "holds", "does not hold"
UNDECIDED, UNTESTED = "is not decided", "cannot be tested here"
MORE, NOT_CLEARLY_MORE, LESS = "more", "not clearly more", "less"  # than in the control


class CannotTest(SelectivityError):
    """This study lacks what the claim is about; the message says what."""


@dataclass(frozen=True)
class Measurement:
    """What a study says about a claim.

    value, low, high: the effect with its interval over units; null: the same quantity where there is
    no effect, or what it is compared with; verdict: of the claim's rule applied to these numbers;
    words: what the value is, and of how many units; written: how a value is shown; rises: whether an effect
    is a larger value than the null, or a smaller one; None if it is neither, as of a value between bounds.
    """

    value: float
    low: float
    high: float
    null: float
    verdict: str
    words: str
    written: Callable[[float], str] = "{:.0%}".format
    rises: bool | None = True

    @property
    def beside_control(self) -> str | None:
        """Where the whole interval lies beside the null, in the claim's direction; None without either.

        More, less, or not clearly more; the null is taken as it is, without an interval of its own.
        """
        if not np.isfinite(self.null) or self.rises is None:
            return None
        ends = [end for end in (self.low, self.high) if np.isfinite(end)] or [self.value]
        if self.rises:
            beyond, short = min(ends) > self.null, max(ends) < self.null
        else:
            beyond, short = max(ends) < self.null, min(ends) > self.null
        return MORE if beyond else LESS if short else NOT_CLEARLY_MORE

    def __str__(self) -> str:
        text = self.written(self.value)
        if np.isfinite(self.low):
            text += f" ({self.written(self.low)} to {self.written(self.high)})"
        return signed(text)


def mark(row: dict) -> str:
    """The verdict of a row, and where its control may do as well: what holds there, too, is no news."""
    if row["verdict"] == HOLDS and row["beside_control"] not in (None, MORE):
        return f"{HOLDS}, but {row['beside_control']} than in its control"
    return row["verdict"]


def control_of(row: dict) -> str:
    """The control's number of a measured row, "none" if the claim has none, or that nobody measured it."""
    return row["null"] or ("none" if row["control"].startswith("none") else "not measured")


@cache
def has_pictures(study) -> bool:
    """Whether images and network are at hand, asked once: a library may look for weights for minutes."""
    return study.has_images and study.has_network


def above(low: float, high: float, bound: float) -> str:
    """The verdict on "more than `bound`": of the whole interval, of none of it, or of a part."""
    if low > bound:
        return HOLDS
    return FAILS if high <= bound else UNDECIDED


def below(low: float, high: float, bound: float) -> str:
    """The verdict on "less than `bound`"; see `above`."""
    return above(-high, -low, -bound)


def above_zero_in_each(low: float, high: float, each) -> str:
    """`above` zero together, and each for itself: a difference that one seed alone makes fails."""
    verdict = above(low, high, 0)
    return FAILS if verdict == HOLDS and min(each) <= 0 else verdict


def signed(text: str) -> str:
    """With true minus signs, whichever function wrote the numbers; hyphens in words stay."""
    return re.sub(r"(?<!\w)-(?=\.?\d)", "\N{MINUS SIGN}", text)


SAID = (
    "id",
    "paper",
    "place",
    "statement",
    "rule",
    "control",
    "changed",
)  # what a row says of its claim


@dataclass(frozen=True)
class Claim:
    """A statement of a paper that a study can bear out or not.

    statement: in our words, with `place` in the paper. rule: when it holds, fixed before measuring; if rule
    or statement were changed after that, or the claim was added then, `changed` says what and why. control:
    what `null` is.
    """

    id: str
    paper: str
    place: str
    statement: str
    rule: str
    control: str
    measure: Callable
    changed: str = ""

    def row(self, study) -> dict:
        """id, paper, statement, measured, null, verdict and what else a table shows, as plain values."""
        said = {key: getattr(self, key) for key in SAID}
        row = {**said, "study": study.name}
        try:
            found = self.measure(study)
            if not np.isfinite(found.value):
                raise CannotTest("the number that the rule is about is not defined on these images")
        except (
            SelectivityError
        ) as reason:  # a `CannotTest`, or what a function says of such a record
            nothing = dict.fromkeys(("value", "interval", "measured", "null", "beside_control"))
            return {**row, **nothing, "verdict": UNTESTED, "words": str(reason)}
        value, low, high, null = (
            float(v) if np.isfinite(v) else None
            for v in (found.value, found.low, found.high, found.null)
        )
        return {
            **row,
            "value": value,
            "interval": [low, high],
            "measured": str(found),
            "null": None if null is None else signed(found.written(null)),
            "beside_control": found.beside_control,
            "verdict": found.verdict,
            "words": signed(found.words),
        }
