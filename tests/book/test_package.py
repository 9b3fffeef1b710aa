"""The installed package carries the data: a chapter runs from an empty folder, as in Colab."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

from tests.kernels import execute

from .conftest import ROOT

CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, unpacked where nothing of the checkout is."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("neuron_selectivity-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_carries_the_data(installed):
    def shipped(folder, below):
        return {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and below not in path.parts
        }

    assert shipped(installed / "helpers" / "data", "make") == shipped(ROOT / "data", "make")
    assert shipped(installed / "helpers" / "data", "make"), "there is no data to ship"
    assert not (installed / "helpers" / "data" / "make").exists()
    assert {path.name for path in installed.iterdir() if "dist-info" not in path.name} == {
        "helpers"
    }


def test_a_hosted_notebook_keeps_its_libraries(installed):
    """Nothing it ships is asked to change: no bound but the one that its own ipywidgets meets."""
    (metadata,) = installed.glob("*.dist-info/METADATA")
    fields = metadata.read_text(encoding="utf-8").splitlines()
    prefix = "Requires-Dist: "
    asked = [
        Requirement(field.removeprefix(prefix)) for field in fields if field.startswith(prefix)
    ]
    bounds = {
        requirement.name: requirement.specifier for requirement in asked if not requirement.marker
    }
    assert "torch" in bounds
    assert {name for name, bound in bounds.items() if bound} == {"ipywidgets"}
    assert bounds["ipywidgets"].contains("7.7.1")


def test_the_installed_package_finds_its_data(installed, tmp_path):
    code = "from helpers.paths import data_path; print(data_path())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(installed),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(done.stdout.strip()) == installed / "helpers" / "data"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs_from_an_empty_folder(installed, tmp_path, path, monkeypatch):
    """On the real network, without its photographs: numbers are there, where pixels are needed a hint.

    `make book` has run the chapters on the world. *Reading a unit* takes the world here, too.
    """
    for name, value in environment(installed).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STUDY", "googlenet")
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path / "empty"))
    where = nbformat.v4.new_code_cell("import helpers.paths; print(helpers.paths.__file__)")
    done = run(path, tmp_path, where)
    choices = [cell.outputs for cell in done.cells if cell.id == "study-choice"]
    assert choices in ([], [[]])  # silent; what it offers in Colab, test_colab.py tells
    assert printed(done.cells[-1]).startswith(str(installed)), "the checkout was used"
    cells = {cell.id: cell for cell in done.cells}
    for name in HINTS.get(path.stem, ()):
        assert "python -m helpers fetch googlenet" in printed(cells[name]), name
    for name, words in SHOWN.get(path.stem, ()):
        assert words in str(cells[name].outputs), name


HINTS = {  # cells that need pixels
    "reading-a-unit": ("open",),
    "opponent-responses": ("strips",),
    "category-selectivity": ("examples", "made"),
    "single-multi-faceted": ("ica-units",),
    "color-and-class": ("gallery",),
}
SHOWN = {  # cells that do not, and what they show of the network
    "opponent-responses": (("figure-2", "image/png"), ("choose", "inception_4c")),
    "category-selectivity": (("concept", "inception"), ("pair-scatter", "image/png")),
    "single-multi-faceted": (("tables", "dolphin"), ("profile-study", "image/png")),
    "color-and-class": (("class-study", "image/png"), ("find-google", "inception_5b")),
}


def printed(cell):
    """What the cell printed."""
    return "".join(out.text for out in cell.outputs if out.output_type == "stream").strip()


def run(path, folder, *more_cells):
    """Run a chapter as a notebook in this folder, and cells of a test's own after it."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.extend(more_cells)
    return execute(notebook, folder, 400)


def environment(installed):
    """This process's environment, with the unpacked wheel before the editable install."""
    return {**os.environ, "PYTHONPATH": str(installed)}
