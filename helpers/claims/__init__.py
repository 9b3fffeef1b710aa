"""Every claim of the papers as data, and the function that measures it on any study.

    rows = measure_claims(open_study("googlenet"))              one dict a claim, with its verdict
    rows = measure_claims(study, paper="1")

claim        what a claim, its measurement and its verdict are
opponency    papers 1 and 1b: opponent responses
dogs         what they are measured on
category     paper 2: units selective for a category, and their uses
faces        what they are measured on
published    paper 2's index as its author's code computes it
facets       paper 3: how many classes drive a unit, and what its patches are made of
counts, components   what they are measured on
indexes      paper 4: neuron features, colour and class
features     what they are measured on
depth, trends   low and high in a network, and what changes between them
board        verdicts and rules as tables, for the chapters

To add a claim: a function of a study that returns a `Measurement`, or raises `CannotTest` with the reason why
this study says nothing; an entry `Claim(...)` in its family's CLAIMS, the rule written before it is measured
and what is changed later in `changed`; and its name in data/papers.json, where the sentence stands.
`python -m data.make.scoreboard` measures it.
"""

from helpers.claims import category, facets, indexes, opponency
from helpers.claims.claim import (
    FAILS,
    HOLDS,
    UNDECIDED,
    UNTESTED,
    CannotTest,
    Claim,
    Measurement,
)

CLAIMS: tuple[Claim, ...] = opponency.CLAIMS + category.CLAIMS + facets.CLAIMS + indexes.CLAIMS


def measure_claims(
    study, paper: str | None = None, claims: tuple[Claim, ...] = CLAIMS
) -> list[dict]:
    """One row a claim: id, paper, place, statement, rule, control, measured, null, verdict, words.

    paper: only the claims of one, "1" with its companion "1b", for example. A claim that the study cannot
    test has the verdict "cannot be tested here", and `words` say why; an interval on both sides of the
    rule's bound gives "is not decided". claims: others than the papers', such as one of your own.
    """
    return [claim.row(study) for claim in claims if paper in (None, claim.paper.rstrip("b"))]


__all__ = [
    "CLAIMS",
    "FAILS",
    "HOLDS",
    "UNDECIDED",
    "UNTESTED",
    "CannotTest",
    "Claim",
    "Measurement",
    "measure_claims",
]
