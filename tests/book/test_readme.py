"""The README's first screen: its picture and links exist, its commands are real targets."""

import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data.make.readme_scoreboard import END, PICTURE, between_marks, drawn, summary
from helpers.claims import CLAIMS
from helpers.scoreboard import VERDICTS, open_scoreboard

from .conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
FAINT = 40  # of 255: letters and edges drawn by another version; a verdict's colour differs by more


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)\s]+)\)", README)
    local = [target for target in targets if not target.startswith(("http", "#"))]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_folders_it_names_exist():
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)*/)`", README)
    roots = [ROOT, ROOT / "helpers"]
    missing = [name for name in named if not any((root / name).is_dir() for root in roots)]
    assert named and missing == []


def test_targets_it_names_exist():
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"book", "test"} <= targets
    for target in targets:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def largest_difference(one, other):
    """Between two pictures, of blocks of 8 pixels: a cell of the board is a little larger."""
    small = [np.asarray(p.resize((160, 42), Image.BOX), dtype=float) for p in (one, other)]
    return abs(small[0] - small[1]).max()


def test_the_scoreboard_s_summary_is_the_scoreboard():
    """Neither table nor picture is older than the board; a script writes both."""
    board = open_scoreboard()
    assert between_marks(README, summary(board)) == README
    rows = [line for line in README.splitlines() if line.startswith("| GoogLeNet |")]
    counts = [int(cell) for cell in rows[0].split("|")[2:-1]]
    assert sum(counts) == len(CLAIMS)
    assert PICTURE.stat().st_size < 60_000
    assert largest_difference(Image.open(PICTURE).convert("RGB"), drawn(board)) < FAINT


def test_an_old_summary_is_found():
    board = open_scoreboard()
    (first, *others), claim = board.columns, board.claims[0]
    other = next(v for v in VERDICTS if v != first.cell(claim)["verdict"])
    cells = first.cells | {claim.id: first.cells[claim.id] | {"verdict": other}}
    changed = replace(board, columns=(replace(first, cells=cells), *others))
    assert between_marks(README, summary(changed)) != README
    assert largest_difference(drawn(changed), drawn(board)) > FAINT
    with pytest.raises(ValueError, match="one"):
        between_marks(README.replace(END, ""), "")
