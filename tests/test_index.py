"""The table of all indexes: each column is the index it is named after, and is of the right unit."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from helpers import open_study
from helpers.__main__ import main
from helpers.index import COLUMNS, OF_CATEGORY, OF_PICTURES, index_units
from helpers.record import FolderImages, Record, load_network, record
from helpers.record.images import batches
from helpers.record.patches import as_shown
from helpers.record.receptive_field import as_positions
from helpers.record.taps import listening
from helpers.replay import responses_in_grey, responses_to_features
from helpers.selectivity import category_indexes, gini
from helpers.selectivity.facets import layer_counts
from tests.test_cli import run

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def study():
    return open_study("world")


@pytest.fixture(scope="module")
def small(study):
    """Two layers of the world's record."""
    return study.record.keep_layers(["conv2", "fc"])


@pytest.fixture(scope="module")
def with_pictures(study, small):
    return index_units(small, None, study.network, study.images, device="cpu", progress=False)


def test_each_column_is_its_index(study, small):
    dogs = study.category("dog")[0]
    units = index_units(small, dogs)
    assert tuple(units) == COLUMNS + OF_CATEGORY and len(units) == small.n_units
    for name in small.layers:
        rows = units[units["layer"] == name].reset_index(drop=True)
        assert rows["unit"].tolist() == list(range(small[name].n_units))
        np.testing.assert_allclose(rows["gini"], gini(layer_counts(small, name)))
        expected = category_indexes(small[name], dogs)
        np.testing.assert_allclose(rows[list(OF_CATEGORY)], expected[list(OF_CATEGORY)])
        counted = (layer_counts(small, name) > 0).sum(1)
        assert rows["m_classes"].tolist() == counted.tolist()
        top = small[name].top.values[:, :400].clamp(min=0).double()
        area = (top / top[:, :1]).mean(1)
        largest = max(
            (small[n].top.values[:, :400].clamp(min=0) / small[n].top.values[:, :1]).mean(1).max()
            for n in small.layers
        )
        np.testing.assert_allclose(rows["auc"], 100 * area / largest.item(), rtol=1e-4)
    np.testing.assert_allclose(units["mf_degree"], units["flatness"] / units["gini"])
    assert not units["dead"].any() and (units["n_images"] == 100).all()


def test_pictures_add_their_columns(with_pictures):
    assert tuple(with_pictures) == COLUMNS + OF_PICTURES
    assert with_pictures["color_index"].between(0, 1).all()
    named = with_pictures["color"] != "none"
    assert (named == (with_pictures["color_index"] >= 0.4)).all() and named.any()
    conv = with_pictures[with_pictures["layer"] == "conv2"]
    # A feature of an early layer is much of what its unit looks for.
    assert conv["self_response"].median() > 0.3


@torch.inference_mode()
def test_responses_in_grey_are_those_of_grey_images(study, small):
    found = responses_in_grey(small, study.network, study.images, k=5, device="cpu", progress=False)
    preprocess, seen = study.network.preprocess, {}
    for unit, rank in ((3, 0), (3, 4), (40, 2)):
        top = small["conv2"].top
        number, (y, x) = int(top.images[unit, rank]), top.positions[unit, rank].tolist()
        _, batch, _ = next(iter(batches(study.images, preprocess, [number], 1)))
        shown = as_shown(preprocess)(batch)
        luminous = shown.mean(1, keepdim=True).expand_as(shown)
        picture = (255 * luminous[0]).round().byte().permute(1, 2, 0).numpy()
        taps = {"conv2": study.network.taps["conv2"]}
        with listening(study.network.module, taps, lambda n, v: seen.update({n: as_positions(v)})):
            study.network.module(preprocess(Image.fromarray(picture))[None])
        expected = seen["conv2"][0, y, x, unit].item()
        assert found["conv2"][unit, rank].item() == pytest.approx(expected, abs=0.05)
        assert found["conv2"][unit, rank] != top.values[unit, rank]


@torch.inference_mode()
def test_a_pasted_crop_gives_back_the_response_it_was_cut_for(study, small):
    """A field that lies inside the image: the unit sees nothing else."""
    from helpers.record.patches import crops

    units = [3, 17, 40]
    top = crops(small, study.network, study.images, "conv2", units, k=1)
    inside = top.valid.flatten(1).all(1)
    assert inside.any()
    found = responses_to_features(
        small, study.network, "conv2", units, top.pixels[:, 0], device="cpu"
    )
    torch.testing.assert_close(found[inside], top.values[inside, 0], rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Grey pictures in three classes, and their record."""
    root = tmp_path_factory.mktemp("index")
    random = np.random.default_rng(0)
    for c in "abc":
        (root / "images" / c).mkdir(parents=True)
        for i in range(12):
            pixels = random.integers(0, 256, (40, 40), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "images" / c / f"{i}.png")
    network, images = load_network("worldnet-fine"), FolderImages(root / "images")
    record(network, images, layers="conv1,conv2", progress=False).save(root / "r.safetensors")
    return root


def test_the_command_writes_the_table(folder):
    out = folder / "units.csv"
    done = run("index", folder / "r.safetensors", "--out", out, "--category", "mine=a,b",
               "--images", folder / "images")  # fmt: skip
    assert done.returncode == 0 and "2 layers" in done.stdout, done.stderr
    units = pd.read_csv(out, keep_default_na=False, na_values=[""])
    assert tuple(units) == COLUMNS + OF_CATEGORY + OF_PICTURES
    assert len(units) == Record.load(folder / "r.safetensors").n_units
    # Nothing is lost where there was no colour.
    alive = units[~units["dead"]]
    np.testing.assert_allclose(alive["grey_response"], 0, atol=1e-4)
    assert (alive["color_index"] < 0.05).all() and (alive["color"] == "none").all()
    assert not list(folder.glob("*.part"))


def test_the_same_table_as_parquet(folder):
    for name in ("plain.csv", "plain.parquet"):
        assert main(["index", str(folder / "r.safetensors"), "--out", str(folder / name)]) == 0
    written = pd.read_csv(folder / "plain.csv", keep_default_na=False, na_values=[""])
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "plain.parquet"), written)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--out", "units.xlsx"], ".csv or .parquet"),
        (["--out", "nowhere/units.csv"], "no such folder"),
        (["--out", "u.csv", "--category", "mine=a,z"], "no class 'z'"),
        (["--out", "u.csv", "--weights", "w.safetensors"], "--images"),
    ],
)
def test_bad_input_is_one_clear_line(folder, arguments, says, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["index", "r.safetensors", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line and not (folder / "u.csv").exists()
