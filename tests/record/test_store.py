"""The file: what it refuses, what a slim one keeps, what it is asked to match."""

import json

import numpy as np
import pytest
import torch

from helpers.errors import SelectivityError
from helpers.record import FolderImages, Record, load_network, record
from helpers.record.slim import write_slim
from helpers.record.store import LISTS, write_tensors
from tests.record.test_recorder import assert_same, network


@pytest.fixture(scope="module")
def recorded(picture_folder):
    images = FolderImages(picture_folder)
    return record(network("in-place"), images, 15, responses=("max",), progress=False)


def test_round_trip(recorded, tmp_path):
    recorded.save(tmp_path / "r.safetensors")
    again = Record.load(tmp_path / "r.safetensors")
    assert_same(recorded, again)
    assert again.metadata == {**recorded.metadata, "format": again.metadata["format"]}
    assert [again[name].geometry for name in again.layers] == [
        recorded[n].geometry for n in recorded.layers
    ]
    again.save(tmp_path / "s.safetensors")
    assert (tmp_path / "r.safetensors").read_bytes() == (tmp_path / "s.safetensors").read_bytes()


def test_metadata_says_from_what(recorded, picture_folder):
    metadata, images = recorded.metadata, FolderImages(picture_folder)
    assert metadata["network"]["weights"].startswith("sha256:")
    assert metadata["images"]["digest"] == images.digest()
    assert (
        metadata["software"]["torch"] == torch.__version__.split("+")[0]
        or "torch" in metadata["software"]
    )
    assert "time" not in json.dumps(metadata["images"])


@pytest.mark.parametrize("keep", [0, 7, 0.3, 0.99])
def test_truncated_files_are_refused_in_one_line(recorded, tmp_path, keep):
    path = tmp_path / "r.safetensors"
    recorded.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(SelectivityError, match="not a complete file") as error:
        Record.load(path)
    assert "\n" not in str(error.value)


def test_foreign_and_damaged_files_are_refused(recorded, tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.zeros(2)}, {"format": "something else"})
    with pytest.raises(SelectivityError, match="something else"):
        Record.load(path)
    with pytest.raises(SelectivityError, match="no such file"):
        Record.load(tmp_path / "missing.safetensors")
    recorded.save(path)
    from helpers.record.store import FORMAT, read_tensors

    metadata, tensors = read_tensors(path, FORMAT)
    del tensors["features.0/top.values"]
    write_tensors(path, tensors, metadata)
    with pytest.raises(SelectivityError, match="damaged"):
        Record.load(path)


def test_a_record_of_something_else_is_refused(recorded, picture_folder):
    images = FolderImages(picture_folder)
    recorded.check(network("in-place"), images)
    with pytest.raises(SelectivityError, match="another image list"):
        recorded.check(images=images.select(["class1"]))
    with pytest.raises(SelectivityError, match="another network"):
        recorded.check(network=load_network("timm:test_resnet", "random"))
    other = network("in-place")
    other.weights = "sha256:0"
    with pytest.raises(SelectivityError, match="another weights"):
        recorded.check(network=other)


def test_slim_keeps_ranks_and_places_exactly_and_numbers_nearly(recorded, tmp_path):
    path = tmp_path / "slim.safetensors"
    write_slim(recorded, path, k=10, k_mean=6, positions=4, responses=("max",))
    slim = Record.load(path)
    assert slim.k == 10 and slim.names == recorded.names
    for layer in recorded.layers:
        full, small = recorded[layer], slim[layer]
        for which in LISTS:
            a, b = getattr(full, which), getattr(small, which)
            k = b.images.shape[1]
            assert torch.equal(a.images[:, :k], b.images)
            torch.testing.assert_close(a.values[:, :k], b.values, rtol=1e-3, atol=1e-6)
        assert torch.equal(full.top.positions[:, :4], small.top.positions[:, :4])
        assert (small.top.positions[:, 4:] == -1).all()
        torch.testing.assert_close(full.sums["max"], small.sums["max"], rtol=2e-3, atol=1e-3)
        for a, b in zip(full.extremes("min"), small.extremes("min"), strict=True):
            assert torch.equal(a, b)
        span = full.responses["max"].amax(0) - full.responses["max"].amin(0)
        error = (full.responses["max"] - small.responses["max"]).abs().amax(0)
        assert (error <= span / 255 * 0.51 + 1e-6).all() and error.max() > 0
    full_path = tmp_path / "full.safetensors"
    recorded.save(full_path)
    assert path.stat().st_size < full_path.stat().st_size / 2


def test_empty_classes_and_unknown_names(picture_folder):
    images = FolderImages(picture_folder)
    part = np.flatnonzero(images.classes != 2)
    partial = record(network("in-place"), images, 5, indices=part, progress=False)
    assert partial.counts[2] == 0
    assert (partial["head"].sums["max"][:, 2] == 0).all()
    assert partial["head"].means["max"][:, 2].isnan().all()
    with pytest.raises(SelectivityError, match="no class 'cat'"):
        partial.select(["cat"])
    with pytest.raises(SelectivityError, match="no layer 'conv9'"):
        partial["conv9"]
