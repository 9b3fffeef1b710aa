"""The scoreboard: every claim of the papers on every study, as rows, as counts, and as a page.

    board = open_scoreboard()           the shipped table, measured where photographs and weights were
    board = board.with_records()        and each record of your own, measured now
    board = board.with_claim(claim, study)   and a claim of your own, on one study or more
    board.rows                          one dict a claim and a study, as `claims.measure_claims` gives them
    board.counts()                      how many claims hold, by paper and study
    board                               displayed: a table to filter, search and unfold
    coverage()                          what else the papers say, and why no claim tests it

What the claims say is read from `claims.CLAIMS`; the shipped table (data/tables/scoreboard.json, made by
data/make/scoreboard.py) has the verdicts and what they were measured on.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from helpers.claims import CLAIMS, FAILS, HOLDS, UNDECIDED, UNTESTED, Claim, measure_claims
from helpers.claims.claim import SAID, has_pictures
from helpers.errors import SelectivityError
from helpers.explorers.fragment import fragment
from helpers.paths import cache_home, data_path
from helpers.study import FETCHED, open_study, records_of

FORMAT = "neuron-selectivity scoreboard 3"
VERDICTS = (HOLDS, FAILS, UNDECIDED, UNTESTED)
FOUND = (
    "verdict",
    "measured",
    "null",
    "beside_control",
    "value",
    "interval",
    "words",
)  # and of the measurement
_JUDGED = "judged_by"  # in a cell: a digest of the rule and control that the claim had
_BY_CONTENT = re.compile(
    r"-[0-9a-f]{12}-[0-9a-f]{12}$"
)  # records that a study made and can make again


@dataclass(frozen=True)
class Column:
    """A study on the board: what it is made of, and {claim: what `FOUND` names}.

    title, says: for readers; network, images: names and digests from its record; with_pictures: whether
    network and images were there when it was measured. With each cell goes a digest of its claim's rule.
    """

    name: str
    title: str
    says: str
    network: dict
    images: dict
    with_pictures: bool
    cells: dict

    def cell(self, claim: Claim) -> dict:
        """The measurement of a claim; of one that was added or changed since, that it is not there."""
        found = self.cells.get(claim.id, {})
        if found.get(_JUDGED) == _digest(claim):
            return {key: found[key] for key in FOUND}
        nothing = dict.fromkeys(FOUND)
        return {**nothing, "verdict": UNTESTED, "words": "not measured under this rule yet"}


@dataclass(frozen=True)
class Scoreboard:
    """Columns beside each other; the rows are those of `claims`."""

    columns: tuple[Column, ...]
    claims: tuple[Claim, ...] = field(
        default_factory=lambda: CLAIMS
    )  # not a text of all in the docs

    def with_study(self, study, title: str | None = None) -> "Scoreboard":
        """A column more, measured now; it takes the place of one of the same name."""
        others = tuple(c for c in self.columns if c.name != study.name)
        return replace(self, columns=(*others, measure_column(study, title, claims=self.claims)))

    def with_claim(self, claim: Claim, *studies) -> "Scoreboard":
        """A row more, measured on these studies now; on the other columns it is not measured."""
        columns = {column.name: column for column in self.columns}
        for study in studies:
            new = measure_column(study, claims=(claim,))
            old = columns.get(study.name, new)
            columns[study.name] = replace(old, cells=old.cells | new.cells)
        others = tuple(one for one in self.claims if one.id != claim.id)
        return Scoreboard(tuple(columns.values()), (*others, claim))

    def with_records(self) -> "Scoreboard":
        """A column for each of `own_records`, measured now; their images are not looked for."""
        board = self
        for name in own_records():
            board = board.with_study(open_study(name))
        return board

    @cached_property
    def rows(self) -> list[dict]:
        """One dict a claim and a study: `SAID`, study, `FOUND`."""
        return [
            {**_text(claim), "study": column.name, **column.cell(claim)}
            for claim in self.claims
            for column in self.columns
        ]

    @property
    def frame(self) -> pd.DataFrame:
        """`rows` as a table, the interval in two columns."""
        table = pd.DataFrame(self.rows)
        ends = [i or (None, None) for i in table.pop("interval")]
        return table.assign(low=[i[0] for i in ends], high=[i[1] for i in ends])

    def counts(self) -> pd.DataFrame:
        """Claims by paper, a text and its companion together, and verdict (rows), and study (columns)."""
        table = pd.DataFrame(self.rows)
        table["paper"] = table["paper"].str.rstrip("b")
        counted = table.groupby(["paper", "verdict", "study"]).size().unstack(fill_value=0)
        papers = sorted(set(table["paper"]))
        index = pd.MultiIndex.from_product([papers, VERDICTS], names=["paper", "verdict"])
        names = [column.name for column in self.columns]
        return counted.reindex(index=index, columns=names, fill_value=0)

    @cached_property
    def html(self) -> str:
        """The board as a fragment of HTML that asks for nothing; see `explorers.fragment`."""
        return fragment("scoreboard", "Scoreboard of claims", self._page())

    def _page(self):
        where = sections(Path.cwd(), self.claims)
        papers = json.loads(data_path("papers.json").read_text(encoding="utf-8"))["texts"]
        return {
            "verdicts": VERDICTS,
            "papers": {k: [t["title"], t["authors"]] for k, t in papers.items()},
            "studies": [{k: v for k, v in asdict(c).items() if k != "cells"} for c in self.columns],
            "claims": [
                {
                    **_text(claim),
                    "section": where.get(claim.id),
                    "cells": [column.cell(claim) for column in self.columns],
                }
                for claim in self.claims
            ],
        }

    def __repr__(self) -> str:
        names = ", ".join(column.name for column in self.columns)
        return f"<Scoreboard: {len(self.claims)} claims on {names}>"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/html": self.html, "text/plain": repr(self)}


def open_scoreboard(path=None) -> Scoreboard:
    """The shipped board, or another file that `write_scoreboard` wrote."""
    path = Path(path or data_path("tables", "scoreboard.json"))
    if not path.is_file():
        raise SelectivityError(f"{path} is missing: the package lacks its data, install it again")
    table = json.loads(path.read_text(encoding="utf-8"))
    if table.get("format") != FORMAT:
        raise SelectivityError(f"{path} is no scoreboard of this version: make it again")
    return Scoreboard(tuple(Column(**column) for column in table["columns"]))


def write_scoreboard(board: Scoreboard, path, **about) -> None:
    """One line a cell, no date: the same measurements give the same bytes."""
    columns = []
    for column in board.columns:
        plain = asdict(column)
        cells = ",\n".join(f"   {_line(i)}: {_line(one)}" for i, one in plain.pop("cells").items())
        facts = ",\n".join(f"  {_line(key)}: {_line(value)}" for key, value in plain.items())
        columns.append(f'{{\n{facts},\n  "cells": {{\n{cells}\n  }}\n }}')
    head = ",\n".join(f" {_line(k)}: {_line(v)}" for k, v in {"format": FORMAT, **about}.items())
    text = f'{{\n{head},\n "columns": [{", ".join(columns)}]\n}}\n'
    Path(path).write_text(text, encoding="utf-8")


def measure_column(study, title: str | None = None, says: str = "", claims=CLAIMS) -> Column:
    """Measure every claim on a study. title, says: of it, for readers; else its name and its images."""
    cells = {
        claim.id: {_JUDGED: _digest(claim), **{key: _rounded(row[key]) for key in FOUND}}
        for claim, row in zip(claims, measure_claims(study, claims=claims), strict=True)
    }
    recorded, metadata = study.record, study.record.metadata
    images = {
        **{key: metadata["images"][key] for key in ("name", "digest")},
        "number": int(recorded.recorded.sum()),
        "classes": len(recorded.class_names),
    }
    network = {key: metadata["network"][key] for key in ("name", "weights")}
    says = (
        says or f"{network['name']} on {images['number']:,} images of {images['classes']} classes"
    )
    return Column(
        study.name,
        title or study.name,
        says,
        network,
        images,
        has_pictures(study),
        cells,
    )


def coverage() -> pd.DataFrame:
    """Every figure, table, equation and statement of the five texts, and what became of it, one a row.

    claims: names of those that test it; reason: why none does; left: what the claims leave out. From
    data/papers.json.
    """
    texts = json.loads(data_path("papers.json").read_text(encoding="utf-8"))["texts"]
    rows = [{"paper": paper, **entry} for paper, text in texts.items() for entry in text["entries"]]
    table = pd.DataFrame(rows).fillna({"reason": "", "left": ""})
    return table.assign(claims=table["claims"].map(", ".join))


def own_records() -> list[str]:
    """Names of the studies whose records are kept in SELECTIVITY_HOME, but for the book's own.

    Photographs that were fetched count if they were recorded; a record NAME-faces belongs to NAME's column.
    """
    kept = sorted(path.stem for path in cache_home("records").glob("*.safetensors"))
    own = [name for name in kept if not _BY_CONTENT.search(name)]
    own = [n for n in own if not (n.endswith("-faces") and n.removesuffix("-faces") in own)]
    return [*(name for name in FETCHED if records_of(name)), *own]


def sections(folder, claims=CLAIMS) -> dict[str, dict]:
    """{claim: page, anchor and title of the section of a chapter that gives its verdict}.

    folder: where the chapters' notebooks are; none, no sections. A claim's section is the first whose text
    quotes the verdict (`{glue:text}` of v_, w_ or x_ and the claim's name) or whose code asks for it, in the
    chapter that quotes most claims of its family; else the one that shows the table of all of them.
    """
    chapters = {path.stem: _cells(path) for path in sorted(Path(folder).glob("*.ipynb"))}
    found = {}
    for family in dict.fromkeys(claim.id.split(".")[0] for claim in claims):
        names = [c.id for c in claims if c.id.split(".")[0] == family]
        quoted = {stem: _quoted(cells, family, names) for stem, cells in chapters.items()}
        if any(quoted.values()):
            stem = max(quoted, key=lambda one: len(quoted[one]))
            last = next((t for t, source in chapters[stem] if t == "What holds"), None)
            for name in names:
                if title := quoted[stem].get(name, last):
                    page = {"page": f"{stem}.html", "anchor": anchor(title), "title": title}
                    found[name] = page
    return found


def _cells(path):
    """[(the heading that it stands under, its source)] of a notebook, cut at headings."""
    parts, title = [], ""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError):  # a reader's own notebook, damaged or old
        return []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] != "markdown":
            parts.append((title, source))
            continue
        for line in re.split(r"(?m)^(?=#+ )", source):
            if heading := re.match(r"#+ (.+)", line):
                title = heading[1].strip()
            parts.append((title, line))
    return parts


def _quoted(cells, family, names):
    """{claim: the first heading under which its verdict is quoted}; of other families none."""
    if not any(f'removeprefix("{family}.")' in source for _, source in cells):
        return {}
    found = {}
    mentions = re.compile(rf"\{{glue:text\}}`[vwx]_([a-z0-9-]+)|\"{family}\.([a-z0-9-]+)\"")
    for title, source in cells:
        for keys in mentions.findall(source):
            found.setdefault(f"{family}.{keys[0] or keys[1]}", title)
    return {name: found[name] for name in names if name in found}


def anchor(title: str) -> str:
    """The place on its page of a section with this heading, as the built book names it."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _digest(claim):
    return hashlib.sha256(f"{claim.rule}\0{claim.control}".encode()).hexdigest()[:8]


def _text(claim):
    return {key: getattr(claim, key) for key in SAID}


def _rounded(value):
    """Six digits: more are those of one machine's arithmetic."""
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _line(value):
    return json.dumps(value, ensure_ascii=False)
