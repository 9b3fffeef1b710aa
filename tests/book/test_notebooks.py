"""Chapters as committed: no outputs, no definitions, a set-up cell that Colab can run."""

import json

import check_notebooks
import pytest
import repository

from .conftest import ROOT

CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
SETUP = f"""import importlib.util
if importlib.util.find_spec("helpers") is None:
    print("git+{repository.address()}@v0.1.0")
"""


def chapter(tmp_path, code="x = 1", **changes):
    """A chapter that keeps the rules, but for one more cell and `changes` to it."""
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Title"},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {"tags": ["setup", "hide-cell"]},
            "source": SETUP,
        },
        {"cell_type": "code", "id": "c", "metadata": {}, "source": code},
    ]
    for cell in cells[1:]:
        cell |= {"outputs": [], "execution_count": None}
    cells[2] |= changes
    path = tmp_path / "chapter.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {"kernelspec": {"name": "python3"}}}))
    return path


def test_there_are_chapters():
    assert CHAPTERS


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_keeps_the_rules(path):
    assert check_notebooks.check_notebook(path) == []


def test_a_good_chapter_passes(tmp_path):
    assert (
        check_notebooks.check_notebook(chapter(tmp_path, "%matplotlib inline\nf = lambda x: x"))
        == []
    )


@pytest.mark.parametrize(
    ("code", "changes", "expected"),
    [
        ("def f():\n    return 1", {}, "defines f"),
        ("if True:\n    class A: pass", {}, "defines A"),
        ("x =", {}, "not Python"),
        ("x = 1", {"outputs": [{"output_type": "stream"}]}, "with outputs"),
        ("x = 1", {"execution_count": 3}, "with outputs"),
        ("x = 1", {"id": "b"}, "same one"),
    ],
)
def test_a_fault_is_found(tmp_path, code, changes, expected):
    findings = check_notebooks.check_notebook(chapter(tmp_path, code, **changes))
    assert len(findings) == 1 and expected in findings[0]


def test_a_set_up_cell_is_asked_for(tmp_path):
    path = chapter(tmp_path)
    notebook = json.loads(path.read_text())
    del notebook["cells"][1]
    path.write_text(json.dumps(notebook))
    assert "set-up cell" in check_notebooks.check_notebook(path)[0]


def test_the_repository_has_one_address():
    assert repository.lacking() == []


def test_the_address_changes_everywhere(tmp_path):
    (tmp_path / "book").mkdir()
    for name in ("pyproject.toml", "_config.yml", "CITATION.cff", "README.md"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "book" / "chapter.ipynb").write_text(f'"git+{repository.address()}@v0.1.0"')
    repository.write("https://github.com/someone/elsewhere", tmp_path)
    assert repository.lacking(tmp_path) == []
    assert "someone/elsewhere@v0.1.0" in (tmp_path / "book" / "chapter.ipynb").read_text()
    (tmp_path / "CITATION.cff").write_text("")
    assert repository.lacking(tmp_path) == ["CITATION.cff"]
