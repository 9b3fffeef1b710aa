"""Stored chapter outputs are forgotten when the package, the data or the study changed."""

import execution_cache
import pytest


@pytest.fixture
def project(tmp_path):
    for name, text in {
        "helpers/a.py": "1",
        "data/world/b.json": "2",
        "data/make/c.py": "3",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def key(project, **environment):
    return execution_cache.execution_key(project, environment)


def test_same_content_same_key(project):
    before = key(project)
    (project / "helpers" / "a.py").touch()
    (project / "helpers" / "__pycache__").mkdir()
    (project / "helpers" / "__pycache__" / "a.pyc").write_text("compiled")
    (project / "data" / "make" / "c.py").write_text("makes data; chapters do not read it")
    assert key(project) == before


@pytest.mark.parametrize("name", ["helpers/a.py", "data/world/b.json", "helpers/new/d.py"])
def test_changed_content_changes_it(project, name):
    before = key(project)
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("changed")
    assert key(project) != before


def test_a_moved_file_changes_it(project):
    before = key(project)
    (project / "helpers" / "a.py").rename(project / "helpers" / "b.py")
    assert key(project) != before


def test_another_study_changes_it(project):
    assert key(project) != key(project, STUDY="googlenet")
    assert key(project) != key(project, SELECTIVITY_HOME="/elsewhere")


def test_fetched_photographs_and_own_records_change_it(project, tmp_path):
    home = tmp_path / "home"
    before = key(project, SELECTIVITY_HOME=str(home))
    (home / "records").mkdir(parents=True)
    (home / "records" / "worldnet-fine-0ee517eef3ea-9743d8a77f0b.safetensors").touch()
    assert key(project, SELECTIVITY_HOME=str(home)) == before  # a study made it
    (home / "records" / "mine.safetensors").touch()
    recorded = key(project, SELECTIVITY_HOME=str(home))
    (home / "images" / "photographs").mkdir(parents=True)
    assert len({before, recorded, key(project, SELECTIVITY_HOME=str(home))}) == 3


def test_another_library_changes_it(project, monkeypatch):
    before = key(project)
    monkeypatch.setattr(execution_cache, "_version", lambda name: "0.0")
    assert key(project) != before


def test_outputs_are_removed_only_then(tmp_path):
    stored = tmp_path / "_build" / ".jupyter_cache" / "global.db"
    assert execution_cache.forget_stale_outputs(tmp_path / "_build", "one")
    stored.parent.mkdir(parents=True)
    stored.touch()
    assert not execution_cache.forget_stale_outputs(tmp_path / "_build", "one")
    assert stored.exists()
    assert execution_cache.forget_stale_outputs(tmp_path / "_build", "two")
    assert not stored.exists()
