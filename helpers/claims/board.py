"""What claims say of one or more studies, as a table: under each sentence of a paper a row a study.

board = {study.name: measure_claims(study, paper="1") for study in studies}
claim_table(board)                      all of them
claim_table(board, "opponent.labels")   some, where a chapter speaks of them
"""

import re
from dataclasses import dataclass
from html import escape

from helpers.claims.claim import mark
from helpers.errors import SelectivityError

COLUMNS = ("study", "verdict", "measured", "control")
# Hosted notebooks align numbers to the right, and the book's pages stripe rows; these are sentences.
STYLE = """<style>
.claim-table :is(th, td) { text-align: left !important; vertical-align: top !important; }
.claim-table :is(th, td) { padding: 0.2rem 0.6rem; }
.claim-table tbody > tr { background: none !important; }
.claim-table tbody > tr:first-child > th { border-top: 1px solid; padding-top: 0.5rem; }
.claim-table tbody > tr:last-child > * { padding-bottom: 0.6rem; }
.claim-table td:nth-child(2) { font-weight: bold; }
.claim-table :is(p, small) { display: block; margin: 0; font-weight: normal; font-size: 0.9em; }
@media (max-width: 600px) { .claim-table :is(th, td) { padding: 0.2rem 0.3rem; font-size: 0.9rem; } }
</style>"""


@dataclass(frozen=True)
class ClaimTable:
    """Displayed in a notebook as a table, printed as text.

    board: {study: rows of `measure_claims`}, the same claims in the same order for each study.
    """

    board: dict[str, list[dict]]

    def _claims(self):
        """One {study: row} for each claim."""
        for rows in zip(*self.board.values(), strict=True):
            yield dict(zip(self.board, rows, strict=True))

    def __repr__(self) -> str:
        return "\n".join(
            line
            for claim in self._claims()
            for line in (
                next(iter(claim.values()))["statement"],
                *(_line(study, row) for study, row in claim.items()),
            )
        )

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
        body = "".join(f"<tbody>{_rows(claim)}</tbody>" for claim in self._claims())
        thead = f"<thead><tr>{head}</tr></thead>"
        return f'{STYLE}<table class="dataframe claim-table">{thead}{body}</table>'


def claim_table(board: dict[str, list[dict]], *ids: str) -> ClaimTable:
    """Claims by their ids, in this order, or all: rules, verdicts, numbers, and the control's."""
    if not ids:
        return ClaimTable(board)
    return ClaimTable(
        {study: [_with_id(one, rows) for one in ids] for study, rows in board.items()}
    )


def _with_id(name, rows):
    for row in rows:
        if row["id"] == name:
            return row
    known = ", ".join(row["id"] for row in rows)
    raise SelectivityError(f"no claim {name!r} on this board; it has {known}")


def _cells(row):
    """Verdict, what was measured, what that number is, and the control's number."""
    if not row["measured"]:
        return mark(row), "", row["words"], ""
    words = re.sub("; (?:null|not measured)[^;]*", "", row["words"])  # that is the control's part
    return mark(row), row["measured"], words, row["null"] or "not measured"


def _line(study, row):
    verdict, measured, words, control = _cells(row)
    control = control and f"{row['control']}: {control}"
    return f"  {study}: {', '.join(filter(None, (verdict, measured, words, control)))}"


def _rows(claim):
    """A claim's part of the table, as HTML."""
    first = next(iter(claim.values()))
    place = f"Paper {first['paper']}, {first['place']}."
    said = [f"{place} Holds if: {first['rule']}. Control: {first['control']}."]
    if first["changed"]:
        said.append(f"Changed since the first measurement: {first['changed']}.")
    notes = "".join(f"<p>{escape(one)}</p>" for one in said)
    statement = escape(first["statement"])
    head = f'<tr><th colspan="{len(COLUMNS)}" scope="rowgroup">{statement}{notes}</th></tr>'
    return head + "".join(_row(study, *map(escape, _cells(row))) for study, row in claim.items())


def _row(study, verdict, measured, words, control):
    where = f'<th scope="row">{escape(study)}</th><td>{verdict}</td>'
    if not measured:
        return f'<tr>{where}<td colspan="2">{words}</td></tr>'
    return f"<tr>{where}<td>{measured}<small>{words}</small></td><td>{control}</td></tr>"
