"""The build itself: with this project's configuration, a fault in a chapter fails it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import check_site
import pytest

from .conftest import ROOT


def build(folder, text="Text.", code="1 + 1"):
    """Build a book of one chapter; its exit status and what was said."""
    (folder / "book").mkdir()
    shutil.copytree(ROOT / "book" / "assets", folder / "book" / "assets")
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")
    shutil.copytree(ROOT / "tools" / "sphinx_extensions", folder / "tools" / "sphinx_extensions")
    shutil.copy(ROOT / "_config.yml", folder)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/chapter\n")
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": f"# Title\n\n{text}"},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {},
            "source": code,
            "outputs": [],
            "execution_count": None,
        },
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (folder / "book" / "chapter.ipynb").write_text(json.dumps(notebook))
    command = [
        Path(sys.executable).parent / "jupyter-book",
        "build",
        folder,
        "--all",
        "-W",
        "-n",
        "--keep-going",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    return done.returncode, done.stdout + done.stderr


def test_a_sound_chapter_builds(tmp_path):
    status, said = build(tmp_path, "A formula $x^2$.", "print('computed', 6 * 7)")
    assert status == 0, said
    page = (tmp_path / "_build" / "html" / "book" / "chapter.html").read_text()
    assert "computed 42" in page and "<msup>" in page
    for script in ("sphinx-thebe.js", "THEBE_JS_URL", "x-thebe-config"):
        assert script not in page
    assert check_site.check_site(tmp_path / "_build" / "html", root=tmp_path) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Text.", "raise RuntimeError('a cell fails')"),
        ("Text.", "import warnings; warnings.warn('readers would see this')"),
        (r"A formula $\nosuchcommand{x}$.", "1"),
        ("A [link](gone.md) to nothing.", "1"),
        ("A {cite}`nobody-1999` that is not listed.", "1"),
    ],
    ids=["failing cell", "warning", "formula", "link", "citation"],
)
def test_a_fault_fails_the_build(tmp_path, text, code):
    status, said = build(tmp_path, text, code)
    assert status != 0, said


def test_a_widget_leaves_no_script_on_the_page(tmp_path):
    """A page has no kernel: an output's HTML face is shown, and nothing is fetched."""
    code = (
        "import ipywidgets\n"
        "from IPython.display import display\n"
        "slider = ipywidgets.IntSlider()\n"
        "data = slider._repr_mimebundle_() | {'text/html': '<p>static face</p>'}\n"
        "display(data, raw=True)"
    )
    status, said = build(tmp_path, code=code)
    assert status == 0, said
    page = (tmp_path / "_build" / "html" / "book" / "chapter.html").read_text()
    assert "<p>static face</p>" in page
    assert "widget-state" not in page and "jsdelivr" not in page and "cdnjs" not in page
