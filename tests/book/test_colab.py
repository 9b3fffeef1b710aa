"""Chapters in Colab: their first cells, Colab's versions, and the tool that runs them as there.

Colab itself cannot run here. A package google.colab on the path stands for its own, and the whole run, in
an environment of Colab's versions, is `python tools/run_as_colab.py`, which takes minutes.
"""

import ast
import json
import os
import subprocess
import sys
import sysconfig
import venv
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
import run_as_colab
from packaging.requirements import Requirement
from packaging.version import Version

from helpers.hosted import OFFERS

from .conftest import ROOT

CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))


def first_cells(path):
    """The set-up cell and the one after it, as nbformat gives them."""
    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    return code[:2]


# --- the chapters ---


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_begins_in_the_same_way(path):
    """The choice comes before the study is opened; a page that opens none has no choice."""
    setup, second = first_cells(path)
    first_setup, choice = first_cells(CHAPTERS[0])
    assert setup.id == "setup" and setup.source == first_setup.source
    opens = "= open_study()" in path.read_text(encoding="utf-8")
    assert (second.id == "study-choice") == opens
    if opens:
        assert second.source == choice.source
        assert second.metadata.tags == ["remove-cell"]  # Colab shows a form, the page nothing


def test_the_form_offers_what_the_package_opens():
    """Colab reads the options from a comment; nothing is fetched or mounted unless the reader changes it."""
    choice = first_cells(CHAPTERS[0])[1].source
    options = next(line for line in choice.splitlines() if line.startswith("STUDY"))
    assert ast.literal_eval(options.partition("@param ")[2]) == list(OFFERS)
    set_to = {
        node.targets[0].id: node.value.value
        for node in ast.walk(ast.parse(choice))
        if isinstance(node, ast.Assign)
    }
    assert set_to == {"STUDY": "world", "FETCH": False, "KEEP_ON_DRIVE": False}


def test_the_choice_speaks_in_colab(tmp_path):
    package = tmp_path / "site" / "google" / "colab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    code = first_cells(CHAPTERS[0])[1].source + "\nimport os; print('then', os.environ['STUDY'])"
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    own = {"PYTHONPATH": path, "SELECTIVITY_HOME": str(tmp_path / "home")}
    said = output([sys.executable, "-c", code], tmp_path, **own).splitlines()
    assert said[0].startswith("STUDY is world") and said[-1] == "then world"
    assert len(said) == 3 + len(OFFERS) - 1
    assert not (tmp_path / "home").exists()


# --- Colab's versions ---


def test_the_list_of_versions_can_be_asked_for():
    versions = run_as_colab.pinned()
    assert versions["ipywidgets"] == "7.7.1"
    for name, version in versions.items():
        assert Version(version), name
    text = run_as_colab.VERSIONS.read_text(encoding="utf-8")
    assert "googlecolab/backend-info" in text and "2026" in text  # whence, and when


def test_colab_has_what_the_package_asks_for_but_for_two():
    """These two, small and pure Python, are installed there; all others are met by Colab's own versions."""
    asked = [Requirement(one) for one in metadata.requires("neuron-selectivity")]
    asked = [one for one in asked if not one.marker]
    versions = run_as_colab.pinned()
    assert {r.name for r in asked} - versions.keys() <= {"horama", "webdataset"}
    assert all(r.specifier.contains(versions[r.name]) for r in asked if r.name in versions)


@pytest.mark.parametrize("line", ["numpy", "numpy==", "numpy>=2", "numpy==1\nNumPy==2"])
def test_a_line_that_pins_nothing_is_refused(tmp_path, line):
    (tmp_path / "versions.txt").write_text(f"# comment\n{line}\n")
    with pytest.raises(ValueError, match="one version of one package"):
        run_as_colab.pinned(tmp_path / "versions.txt")


def test_an_upgrade_is_noticed():
    before = {"numpy": "2.0.2", "torch": "2.11.0", "pillow": "11.3.0"}
    after = {"numpy": "2.0.2", "torch": "2.12.0", "horama": "0.3.0"}
    assert run_as_colab.changed(before, before | {"horama": "0.3.0"}) == []
    assert run_as_colab.changed(before, after) == [
        "torch 2.11.0 became 2.12.0",
        "pillow 11.3.0 became absent",
    ]


# --- the tool ---


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A fresh environment that sees this one's packages, as a hosted notebook sees its own; no helpers."""
    folder = tmp_path_factory.mktemp("hosted") / "environment"
    venv.create(folder, with_pip=False)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(output([run_as_colab.python_of(folder), "-c", code], folder).strip())
    (own / "shared.pth").write_text(sysconfig.get_path("purelib"))
    (folder / "before.json").write_text(json.dumps(run_as_colab.installed(folder)))
    return folder


def test_the_set_up_cell_installs_from_a_clone_and_changes_nothing(environment, tmp_path):
    """Without an index: whatever it wanted to fetch, or to replace, would make it fail."""
    notebook = nbformat.read(CHAPTERS[0], as_version=4)
    run_as_colab.with_address(notebook, run_as_colab.clone_address())
    [setup] = [cell.source for cell in notebook.cells if cell.get("id") == "setup"]
    assert "git+file://" in setup and "github.com" not in setup
    code = f"{setup}\nfrom helpers.paths import data_path\nprint(data_path())"
    before = run_as_colab.installed(environment)
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "false"}  # hatchling is at hand
    said = output([run_as_colab.python_of(environment), "-c", code], tmp_path, **offline)
    assert Path(said.splitlines()[-1]).is_relative_to(environment)
    assert run_as_colab.changed(before, run_as_colab.installed(environment)) == []


def test_the_address_is_replaced_in_a_copy_only(tmp_path):
    for path in CHAPTERS:
        text = path.read_text(encoding="utf-8")
        replaced = run_as_colab.with_address(nbformat.reads(text, as_version=4), "git+file:///a@b")
        assert '"git+file:///a@b"' in first_code(replaced) and "@v" not in first_code(replaced)
        assert path.read_text(encoding="utf-8") == text
    without = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    without.cells[0].metadata["tags"] = ["setup"]
    with pytest.raises(ValueError, match="0 times"):
        run_as_colab.with_address(without, "git+file:///a@b")


def test_the_failing_cell_is_named(environment, tmp_path, monkeypatch):
    for name in (
        "JUPYTER_PATH",
        "STUDY",
        "PYTHONPATH",
    ):  # the tool, a process of its own, sets these
        monkeypatch.setenv(name, str(tmp_path))
    address = run_as_colab.repository.address()
    setup = nbformat.v4.new_code_cell(f'where = "git+{address}@v1"', id="setup")
    setup.metadata["tags"] = ["setup"]
    check = (
        "import os\n"
        "assert where == 'git+file:///a@b' and os.listdir() == []\n"
        "assert 'STUDY' not in os.environ and not os.path.exists(os.environ['SELECTIVITY_HOME'])"
    )
    cells = [setup, nbformat.v4.new_code_cell(check, id="check")]
    path = tmp_path / "chapter.ipynb"
    for more, well in [([], True), ([nbformat.v4.new_code_cell("1 / 0", id="boom")], False)]:
        nbformat.write(nbformat.v4.new_notebook(cells=cells + more), path)
        found = run_as_colab.run_chapter(path, environment, "git+file:///a@b", 60)
        assert found[0] == well
        problem = "ok" if well else "cell boom: ZeroDivisionError: division by zero"
        assert found[1].endswith(f"s  chapter: {problem}")


def first_code(notebook):
    return next(cell.source for cell in notebook.cells if cell.cell_type == "code")


def output(command, folder, **own):
    """What a command prints, run in this folder without the paths of the tests."""
    plain = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "STUDY")}
    command = [str(part) for part in command]
    done = subprocess.run(command, cwd=folder, env=plain | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
