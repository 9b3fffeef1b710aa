"""The scoreboard: complete, of the inputs that it names, measured again where that is quick, and open."""

import json
import re
from dataclasses import replace

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch

from helpers import SelectivityError, open_study
from helpers.claims import CLAIMS, FAILS, HOLDS, UNTESTED, Claim, Measurement
from helpers.paths import data_path
from helpers.record import WorldImages, load_network
from helpers.scoreboard import (
    FOUND,
    VERDICTS,
    Column,
    Scoreboard,
    anchor,
    coverage,
    measure_column,
    open_scoreboard,
    own_records,
    sections,
    write_scoreboard,
)
from tests.conftest import REPOSITORY
from tests.explorers.small import open_small
from tests.planted import planted_study

pytestmark = pytest.mark.usefixtures("one_thread")

PAGE = REPOSITORY / "book" / "scoreboard.ipynb"
COLUMNS = ["googlenet", "world", "worldnet-dogs-merged", "worldnet-coarse", "worldnet-untrained"]
# Claims that are measured in seconds, some of each family.
QUICK = {
    "opponent.many-dog-units",
    "opponent.strong",
    "opponent.labels",
    "category.selected-help",
    "facets.sparsity-rises",
    "facets.discussion",
    "indexes.color-first",
    "indexes.class-last",
    "indexes.error-top1",
}


def claim(i):
    return next(one for one in CLAIMS if one.id == i)


def stale(board):
    """(study, claim) without a measurement under the rule that the claim has now, or of no claim."""
    nothing = "not measured under this rule yet"
    lacking = [(r["study"], r["id"]) for r in board.rows if r["words"] == nothing]
    known = {one.id for one in board.claims}
    return lacking + [(c.name, i) for c in board.columns for i in c.cells if i not in known]


# The shipped table


def test_the_table_has_every_claim_and_study():
    board = open_scoreboard()
    assert set(COLUMNS) <= {column.name for column in board.columns}
    assert stale(board) == []
    assert len(board.rows) == len(CLAIMS) * len(board.columns)
    assert sum(r["verdict"] != UNTESTED for r in board.rows if r["study"] == "googlenet") >= 15


def test_a_stale_table_is_found():
    board = open_scoreboard()
    names = [column.name for column in board.columns]
    new = replace(CLAIMS[3], id="opponent.new")
    assert stale(Scoreboard(board.columns, (*CLAIMS, new))) == [(n, new.id) for n in names]
    changed = replace(CLAIMS[0], rule="another rule")
    assert stale(Scoreboard(board.columns, (changed, *CLAIMS[1:]))) == [
        (n, changed.id) for n in names
    ]
    assert stale(Scoreboard(board.columns, CLAIMS[1:])) == [(n, CLAIMS[0].id) for n in names]


def test_rows_are_whole():
    for row in open_scoreboard().rows:
        where = row["study"], row["id"]
        assert row["verdict"] in VERDICTS and row["words"], where
        if row["verdict"] == UNTESTED:
            assert row["measured"] is row["value"] is None, where
        else:
            assert row["measured"] and np.isfinite(row["value"]), where
            low, high = row["interval"]
            assert low is None or low <= high, where


def test_columns_are_of_the_networks_and_images_that_are_here():
    for column in open_scoreboard().columns:
        if column.name == "googlenet":
            recorded = open_study("googlenet").record.metadata
            weights, digest = recorded["network"]["weights"], recorded["images"]["digest"]
        else:
            network = "worldnet-fine" if column.name == "world" else column.name
            weights, digest = load_network(network).weights, WorldImages("eval").digest()
        assert (column.network["weights"], column.images["digest"]) == (weights, digest)


@pytest.mark.parametrize("name", ["googlenet", "world"])
def test_quick_claims_measured_again(name):
    """GoogLeNet without its photographs: what ships gives the same numbers."""
    study = open_study(name)
    shipped = {r["id"]: r for r in open_scoreboard().rows if r["study"] == name}
    for i in sorted(QUICK):
        row = claim(i).row(study)
        for key in ("verdict", "measured", "null", "words"):
            assert row[key] == shipped[i][key], (i, key)
        if row["value"] is not None:
            assert shipped[i]["value"] == pytest.approx(row["value"], rel=1e-5)


def test_the_same_measurements_give_the_same_bytes(tmp_path):
    path = data_path("tables", "scoreboard.json")
    table = json.loads(path.read_text(encoding="utf-8"))
    about = {key: table[key] for key in ("made_by", "software")}
    write_scoreboard(open_scoreboard(), tmp_path / "again.json", **about)
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert not re.search(r"20\d\d-\d\d-\d\d", path.read_text(encoding="utf-8"))


def test_a_file_that_is_no_scoreboard(tmp_path):
    with pytest.raises(SelectivityError, match="missing"):
        open_scoreboard(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"format": "something else"}')
    with pytest.raises(SelectivityError, match="no scoreboard of this version"):
        open_scoreboard(tmp_path / "other.json")


# Rows and counts


def test_the_control_is_named_by_its_claim_alone():
    """What a value is of is told with it; what the control is, by the claim, in one place for all studies."""
    rows = open_scoreboard().rows
    assert not [row["id"] for row in rows if "null" in row["words"] or not row["control"]]


def column(name, verdicts):
    made = measure_column(planted_study({}, [0], ["one"], name), claims=())
    found = {"measured": "1", "null": None, "value": 1.0, "interval": None, "words": "counted"}
    found |= {"beside_control": None}
    filled = replace(made, cells={i: {"verdict": v, **found} for i, v in verdicts.items()})
    # Judged by the rules of now: as if measured a moment ago.
    from helpers.scoreboard import _JUDGED, _digest

    return replace(
        filled, cells={i: {_JUDGED: _digest(claim(i)), **c} for i, c in filled.cells.items()}
    )


def test_counts_are_of_the_rows():
    some = tuple(c for c in CLAIMS if c.paper in ("1b", "3"))
    of_1b, of_3 = ([c.id for c in some if c.paper == p] for p in ("1b", "3"))
    one = column("one", dict.fromkeys(of_1b, HOLDS) | dict.fromkeys(of_3, FAILS))
    two = column("two", dict.fromkeys(of_1b, FAILS))
    counts = Scoreboard((one, two), some).counts()
    assert list(counts.columns) == ["one", "two"]
    assert counts.loc[("1", HOLDS)].tolist() == [len(of_1b), 0]
    assert counts.loc[("1", FAILS)].tolist() == [0, len(of_1b)]
    assert counts.loc[("3", FAILS)].tolist() == [len(of_3), 0]
    assert counts.loc[("3", UNTESTED)].tolist() == [0, len(of_3)]  # "two" never measured them
    assert counts.groupby("paper").sum().to_numpy().tolist() == [[4, 4], [21, 21]]


def test_the_frame_has_the_rows_and_their_intervals():
    board = open_scoreboard()
    table = board.frame
    assert len(table) == len(board.rows) and "interval" not in table
    for row, line in zip(board.rows[:40], table.to_dict("records"), strict=False):
        assert [line[k] for k in ("id", "study", "verdict")] == [
            row[k] for k in ("id", "study", "verdict")
        ]
        low = (row["interval"] or [None])[0]
        assert pd.isna(line["low"]) if low is None else line["low"] == low


# More claims, more studies


def study_below_zero(share, name):
    """40 units, of which `share` have a mean response below zero."""
    responses = torch.ones(30, 40)
    responses[:, : round(40 * share)] = -1
    made = dict.fromkeys(("max", "mean", "min"), responses)
    return planted_study({"conv": made, "later": made}, np.arange(30) % 3, ["a", "b", "c"], name)


def recipe():
    """The code of the page's section "Add a claim"."""
    cells = nbformat.read(PAGE, 4).cells
    (text,) = [c.source for c in cells if c.source.startswith("## Add a claim")]
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return code


def test_the_recipe_for_a_claim():
    names = {"board": open_scoreboard()}
    *body, last = recipe().rstrip().split("\n")
    assert last.startswith("board.with_claim(claim, ")
    exec("\n".join(body), names)
    studies = [study_below_zero(0.9, "most"), study_below_zero(0.1, "few")]
    board = names["board"].with_claim(names["claim"], *studies)
    rows = {r["study"]: r for r in board.rows if r["id"] == names["claim"].id}
    assert (rows["most"]["verdict"], rows["few"]["verdict"]) == (HOLDS, FAILS)
    assert rows["most"]["measured"].startswith("90%")
    assert rows["googlenet"]["verdict"] == UNTESTED
    assert len(board.rows) == (len(CLAIMS) + 1) * (len(open_scoreboard().columns) + 2)
    assert names["claim"].statement in board.html
    assert board.counts().loc[("mine", HOLDS), "most"] == 1


def test_the_recipe_as_it_is_printed():
    names = {"board": open_scoreboard()}
    *body, last = recipe().rstrip().split("\n")
    exec("\n".join(body), names)
    board = eval(last, names)
    assert [c.name for c in board.columns] == [c.name for c in open_scoreboard().columns]
    rows = {r["study"]: r for r in board.rows if r["id"] == names["claim"].id}
    assert rows["world"]["measured"] and rows["worldnet-untrained"]["measured"]
    assert stale(board) == [
        (c.name, names["claim"].id)
        for c in board.columns
        if c.name not in ("world", "worldnet-untrained")
    ]


def test_a_study_more_and_the_same_again():
    study = study_below_zero(0.5, "mine")
    some = tuple(c for c in CLAIMS if c.id in QUICK)
    board = Scoreboard(open_scoreboard().columns, some).with_study(study, "My network")
    assert board.columns[-1].title == "My network" and len(board.columns[-1].cells) == len(some)
    assert [c.name for c in board.with_study(study).columns] == [c.name for c in board.columns]
    assert "My network" in board.html


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A reader's own records: two, one of them with its faces, and what studies keep for themselves."""
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path))
    (tmp_path / "records").mkdir()
    record = open_small().record
    for name in ("mine", "mine-faces", "other", "worldnet-fine-0ee517eef3ea-d448f85ea327"):
        record.save(tmp_path / "records" / f"{name}.safetensors")
    return tmp_path


def test_records_found_have_a_column(home):
    assert own_records() == ["mine", "other"]
    board = Scoreboard((), tuple(c for c in CLAIMS if c.paper == "4")).with_records()
    assert [c.name for c in board.columns] == ["mine", "other"]
    assert not board.columns[0].with_pictures  # the record does not say where its images are
    assert board.columns[0].says == "small on 80 images of 4 classes"
    verdicts = {r["verdict"] for r in board.rows}
    assert UNTESTED in verdicts and len(verdicts) > 1


def test_no_records_no_columns(tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path))
    board = open_scoreboard()
    assert own_records() == [] and board.with_records() is board


# Any study


def with_images_and_without():
    small = open_small()
    from tests.explorers.small import without_images

    return {"images": small, "record": without_images(small)}


@pytest.mark.parametrize("which", ["images", "record"])
def test_every_claim_of_an_unknown_network_has_a_verdict_or_a_reason(which):
    """40 units with random weights, 80 images of four classes: nothing crashes."""
    made = measure_column(with_images_and_without()[which])
    assert set(made.cells) == {c.id for c in CLAIMS}
    for i, cell in made.cells.items():
        assert cell["verdict"] in VERDICTS and len(cell["words"]) > 10, i
        assert (cell["measured"] is None) == (cell["verdict"] == UNTESTED), i
    tested = {i for i, cell in made.cells.items() if cell["verdict"] != UNTESTED}
    assert len(tested) > 2
    assert {"indexes.color-first"} <= tested or which == "record"


FOUR = ("face", "i-see-face", "car", "dog")
DEGENERATE = {
    "no convolution": (["fc"], FOUR),
    "one layer": (["conv"], FOUR),
    "two layers": (["a", "b"], FOUR),
    "one class": (["a", "b"], ["dog"]),
    "two breeds": (["a", "b"], ["n02085620-Chihuahua", "n02085782-Japanese_spaniel", "cup"]),
    "all alike": (["a", "b", "c", "d", "e", "f"], FOUR),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", DEGENERATE)
def test_records_that_lack_nearly_everything(kind):
    """Where nothing can be computed a reason stands, without a warning on the way."""
    layers, names = DEGENERATE[kind]
    random = torch.Generator().manual_seed(0)
    drawn = {n: torch.randn(48, 6, generator=random) for n in layers}
    if kind == "all alike":
        drawn = dict.fromkeys(layers, torch.ones(48, 6))
    made = {n: dict.fromkeys(("max", "mean", "min"), r) for n, r in drawn.items()}
    study = planted_study(made, np.arange(48) % len(names), names, k=48)
    cells = measure_column(study).cells
    assert set(cells) == {c.id for c in CLAIMS}
    for i, cell in cells.items():
        assert (cell["verdict"] == UNTESTED) == (cell["value"] is None), i
        assert len(cell["words"]) > 10, i


# Where the figures are


def chapters():
    """{chapter: its headings}"""
    found = {}
    for path in (REPOSITORY / "book").glob("*.ipynb"):
        text = "\n".join(
            c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown"
        )
        found[path.stem] = {line.strip() for line in re.findall(r"(?m)^#+ (.+)$", text)}
    return found


def test_each_claim_has_a_section_that_exists():
    found, texts = sections(REPOSITORY / "book"), chapters()
    assert set(found) == {c.id for c in CLAIMS}
    for i, place in found.items():
        assert place["title"] in texts[place["page"].removesuffix(".html")], i
    families = {i.split(".")[0]: place["page"] for i, place in found.items()}
    assert len(set(families.values())) == len(families) == 4


def test_sections_are_read_from_the_chapters(tmp_path):
    cells = [
        nbformat.v4.new_markdown_cell("# A chapter\n\n## Here, it's drawn\n\ntext"),
        nbformat.v4.new_code_cell('row["id"].removeprefix("opponent.")'),
        nbformat.v4.new_markdown_cell(
            "It {glue:text}`v_strong_is`.\n\n## Next\n\n{glue:text}`w_labels`"
        ),
        nbformat.v4.new_markdown_cell("## What holds"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "some.ipynb")
    found = sections(tmp_path)
    assert found["opponent.strong"]["anchor"] == "here-it-s-drawn"
    assert found["opponent.strong"]["title"] == "Here, it's drawn"
    assert found["opponent.labels"] == {"page": "some.html", "anchor": "next", "title": "Next"}
    assert found["opponent.confusions"]["title"] == "What holds"
    assert {i.split(".")[0] for i in found} == {"opponent"}
    assert sections(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("How many?", "how-many"),
        ("*So* - 2 of 3", "so-2-of-3"),
        ("Whose p-value?", "whose-p-value"),
    ],
)
def test_anchors(title, expected):
    assert anchor(title) == expected


# What the page says


def test_the_list_of_what_is_said_is_the_data():
    table = coverage()
    texts = json.loads(data_path("papers.json").read_text(encoding="utf-8"))["texts"]
    assert len(table) == sum(len(t["entries"]) for t in texts.values())
    assert ((table["claims"] == "") == (table["reason"] != "")).all()


def test_names_written_to_break_out_of_the_page():
    bad = "</script><script>alert(1)</script>"
    hostile = Claim("x.y", bad, bad, bad, bad, bad, lambda s: Measurement(0, 0, 0, 0, HOLDS, bad))
    board = Scoreboard((), ()).with_claim(hostile, study_below_zero(0.5, bad))
    assert bad not in board.html and board.html.count("</script>") == 1
    assert set(board.rows[0]) >= set(FOUND) and isinstance(board.columns[0], Column)
