"""What claims say of one or more studies, as tables to show: a row a claim.

board = {study.name: measure_claims(study, paper="1") for study in studies}
verdict_table(board)        the verdicts, with what was measured and the control's value
rule_table(board)           the rule of each, what was changed in it, and what its numbers are
"""

import pandas as pd

from helpers.claims.claim import mark


def verdict_table(board: dict[str, list[dict]]) -> pd.DataFrame:
    """A column a study; where a claim holds in its control as well, its cell says so."""
    rows = next(iter(board.values()))
    columns = {name: [_cell(row) for row in of_study] for name, of_study in board.items()}
    places = [f"{row['paper']}, {row['place']}" for row in rows]
    return pd.DataFrame({"paper": places, **columns}, index=[row["statement"] for row in rows])


def rule_table(board: dict[str, list[dict]]) -> pd.DataFrame:
    """All studies one after the other."""
    return pd.DataFrame(
        {
            "study": name,
            "holds if": row["rule"],
            "changed after a first measurement": row["changed"],
            "null": f"{row['control']}: {row['null'] or 'not measured'}",
            "measured": row["words"],
        }
        for name, of_study in board.items()
        for row in of_study
    ).set_index("study")


def _cell(row):
    if not row["measured"]:
        return row["verdict"]
    control = f"{row['control']}: {row['null'] or 'not measured'}"
    return f"{mark(row)}: {row['measured']} ({control})"
