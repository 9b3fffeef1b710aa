"""What claims say of one or more studies, as a table: under each sentence of a paper a row a study.

board = {study.name: measure_claims(study, paper="1") for study in studies}
claim_table(board)                      all of them
claim_table(board, "opponent.labels")   some, where a chapter speaks of them
tally(board["world"])                   how many hold, fail and so on
"""

from dataclasses import dataclass
from html import escape

from helpers.claims.claim import FAILS, HOLDS, LESS, UNDECIDED, UNTESTED, control_of, mark
from helpers.errors import SelectivityError

COLUMNS = ("study", "verdict", "measured", "control")
# Hosted notebooks align numbers to the right, and the book's pages stripe rows; these are sentences.
STYLE = """<style>
.claim-table :is(th, td) { text-align: left !important; vertical-align: top !important; }
.claim-table { display: table !important; }
.claim-table :is(th, td) { padding: 0.2rem 0.6rem !important; }
.claim-table tbody > tr { background: none !important; }
.claim-table tbody > tr:first-child > th { border-top: 1px solid; padding-top: 0.5rem !important; }
.claim-table tbody > tr:last-child > * { padding-bottom: 0.6rem !important; }
.claim-table td.verdict { font-weight: bold; }
.claim-table :is(p, small) { display: block; margin: 0; font-weight: normal; font-size: 0.9em; }
@media (max-width: 600px) {
  .claim-table :is(th, td) { padding: 0.2rem 0.3rem !important; font-size: 0.9rem; }
}
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
        return "\n\n".join(_text(claim) for claim in self._claims())

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
        body = "".join(f"<tbody>{_rows(claim)}</tbody>" for claim in self._claims())
        thead = f"<thead><tr>{head}</tr></thead>"
        label = "Claims, with their verdicts on each study"
        return f'{STYLE}<table class="dataframe claim-table" aria-label="{label}">{thead}{body}</table>'


def claim_table(board: dict[str, list[dict]], *ids: str) -> ClaimTable:
    """Claims by their ids, in this order, or all: rules, verdicts, numbers, and the control's."""
    if len({tuple(row["id"] for row in rows) for rows in board.values()}) > 1:
        raise SelectivityError("the studies of a board must have the same claims in the same order")
    if not ids:
        return ClaimTable(board)
    return ClaimTable(
        {study: [_with_id(one, rows) for one in ids] for study, rows in board.items()}
    )


def tally(rows: list[dict]) -> dict[str, int]:
    """How many claims a study has, how many were changed, each verdict's number, and how many hold `too`.

    too: that hold, but not clearly more than in their control; less: those of them that hold less than there.
    """
    verdicts = [row["verdict"] for row in rows]
    return {
        "n_claims": len(rows),
        "n_changed": sum(bool(row["changed"]) for row in rows),
        "held": verdicts.count(HOLDS),
        "failed": verdicts.count(FAILS),
        "undecided": verdicts.count(UNDECIDED),
        "untested": verdicts.count(UNTESTED),
        "too": sum(mark(row) != row["verdict"] for row in rows),
        "less": sum(row["verdict"] == HOLDS and row["beside_control"] == LESS for row in rows),
    }


def _with_id(name, rows):
    for row in rows:
        if row["id"] == name:
            return row
    known = ", ".join(row["id"] for row in rows)
    raise SelectivityError(f"no claim {name!r} on this board; it has {known}")


def _said(row):
    """What a claim says of itself, the same for all studies: one line, or two."""
    place = f"Paper {row['paper']}, {row['place']}."
    yield f"{place} Holds if: {row['rule']}. Control: {row['control']}."
    if row["changed"]:
        yield f"Added or changed later: {row['changed']}."


def _numbers(row):
    """(measured, what that is, the control's number); of one not measured, the reason in the second place."""
    if not row["measured"]:
        return "", row["words"], ""
    return row["measured"], row["words"], control_of(row)


def _text(claim):
    """A claim's part of the table, as lines."""
    first = next(iter(claim.values()))
    lines = [first["statement"], *_said(first)]
    for study, row in claim.items():
        measured, words, control = _numbers(row)
        control = control and f" (control: {control})"
        numbers = "; ".join(filter(None, (measured, words)))
        lines.append(f"  {study}: {mark(row)}: {numbers}{control}")
    return "\n".join(lines)


def _rows(claim):
    """A claim's part of the table, as HTML."""
    first, across = next(iter(claim.values())), f'colspan="{len(COLUMNS)}"'
    notes = " ".join(f"<p>{escape(one)}</p>" for one in _said(first))
    head = f'<tr><th {across} scope="rowgroup">{escape(first["statement"])}</th></tr>'
    return f"{head}<tr><td {across}>{notes}</td></tr>" + "".join(
        _row(escape(study), row) for study, row in claim.items()
    )


def _row(study, row):
    measured, words, control = map(escape, _numbers(row))
    where = f'<th scope="row">{study}</th><td class="verdict">{escape(mark(row))}</td>'
    if not measured:
        return f'<tr>{where}<td colspan="2">{words}</td></tr>'
    numbers = f"<td>{measured} <small>{words}</small></td>"
    return f"<tr>{where}{numbers}<td>{control}</td></tr>"
