"""The offer in Colab: silent elsewhere, honest about its price, and nothing is fetched unasked.

Colab cannot run here: a package google.colab on the path, whose drive.mount makes the folder that Colab's
makes, stands for it.
"""

import os
import sys

import numpy as np
import pytest
from PIL import Image

from helpers import SelectivityError, hosted
from helpers.fetch import catalogue
from helpers.paths import cache_home

DRIVE_MODULE = """
from pathlib import Path

def mount(folder):
    if Path(folder).name == "declined":
        raise ValueError("mount failed")
    Path(folder, "MyDrive").mkdir(parents=True, exist_ok=True)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, and no study chosen."""
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STUDY", "to be restored")
    monkeypatch.delenv("STUDY")
    return tmp_path / "home"


@pytest.fixture
def colab(home, tmp_path, monkeypatch):
    """A process that has a package google.colab."""
    package = tmp_path / "site" / "google" / "colab"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "drive.py").write_text(DRIVE_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for name in [n for n in sys.modules if n == "google" or n.startswith("google.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(hosted, "DRIVE", tmp_path / "content" / "drive")
    yield home
    for name in [n for n in sys.modules if n == "google" or n.startswith("google.")]:
        del sys.modules[name]


def fill(home, entry, photographs=3):
    """What fetching an entry leaves: files of its names, of generated pictures; not the weights."""
    for source in catalogue()[entry]:
        target = home / source.target
        if source.kind != "tar":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"")
            continue
        for name in list(source.rename.values())[:2] or ["one"]:
            (target / name).mkdir(parents=True)
            for i in range(photographs):
                pixels = np.random.default_rng(i).integers(0, 256, (64, 64, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(target / name / f"{i}.jpg")


def test_outside_colab_nothing_happens(home, capsys):
    hosted.choose_study("imagenette", fetch=True, on_drive=True)
    assert "STUDY" not in os.environ and not home.exists()
    assert capsys.readouterr() == ("", "")


def test_the_offer_tells_what_each_study_costs(colab, capsys, monkeypatch):
    monkeypatch.setattr(hosted, "fetch_entry", lambda _: pytest.fail("fetched unasked"))
    hosted.choose_study()
    text = capsys.readouterr().out
    assert os.environ["STUDY"] == "world"
    for name in hosted.OFFERS:
        assert name in text
    # 53.5 MB of weights and 341.7 MB of 13,394 photographs; all three of googlenet.
    assert "fetches 395 MB and records 13,394 photographs" in text
    assert "fetches 985 MB and records 28,822 photographs" in text
    assert text.count("an estimate, not measured") == 2


def test_a_study_that_is_not_here_leaves_the_world_open(colab, capsys, monkeypatch):
    monkeypatch.setattr(hosted, "fetch_entry", lambda _: pytest.fail("fetched unasked"))
    hosted.choose_study("imagenette")
    assert os.environ["STUDY"] == "world"
    assert "imagenette is not here yet. Tick FETCH" in capsys.readouterr().out
    assert not colab.exists()


def test_only_fetch_fetches(colab, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(hosted, "fetch_entry", lambda e: (asked.append(e), fill(colab, e)))
    hosted.choose_study("imagenette", fetch=True)
    assert asked == ["imagenette"] and os.environ["STUDY"] == "imagenette"
    hosted.choose_study("googlenet")
    assert asked == ["imagenette"] and os.environ["STUDY"] == "googlenet"
    hosted.choose_study("world", fetch=True)
    assert asked == ["imagenette"] and os.environ["STUDY"] == "world"
    # What is there is not counted again.
    assert "imagenette: " in capsys.readouterr().out
    assert hosted.price("imagenette").startswith("fetches 0 MB")


def test_a_kept_record_is_opened_without_its_photographs(colab, capsys):
    (colab / "records").mkdir(parents=True)
    (colab / "records" / "imagenette-googlenet-1-2.safetensors").write_bytes(b"")
    hosted.choose_study("imagenette")
    assert os.environ["STUDY"] == "imagenette"
    assert "has its record here, without pictures" in capsys.readouterr().out


def test_records_are_kept_on_drive_and_photographs_are_not(colab, capsys):
    (colab / "records").mkdir(parents=True)
    (colab / "records" / "made-before.safetensors").write_bytes(b"1")
    for _ in range(2):  # as in a second session, whose folders on Drive are there
        hosted.choose_study("world", on_drive=True)
        kept = hosted.DRIVE / "MyDrive" / "neuron-selectivity"
        assert str(kept) in capsys.readouterr().out
        assert (kept / "records" / "made-before.safetensors").read_bytes() == b"1"
    for part in ("records", "weights"):
        cache_home(part, "new").write_bytes(b"2")
        assert (kept / part / "new").read_bytes() == b"2"
    cache_home("images").mkdir()
    assert sorted(p.name for p in kept.iterdir()) == ["records", "weights"]


def test_a_drive_that_is_not_opened_is_one_line(colab, monkeypatch):
    monkeypatch.setattr(hosted, "DRIVE", colab.parent / "declined")
    with pytest.raises(SelectivityError, match="Drive was not opened .mount failed.") as error:
        hosted.choose_study("world", on_drive=True)
    assert "\n" not in str(error.value) and not (colab / "records").exists()


def test_an_unknown_study_is_one_line(colab):
    with pytest.raises(SelectivityError, match="no study 'wrold' is offered here; use world"):
        hosted.choose_study("wrold")
