"""Several processes, started by the real torchrun, leave the record that one process leaves."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.errors import SelectivityError
from helpers.record import FolderImages, Record, WorldImages, load_network, record
from helpers.record.distributed import _own_checkpoint, first_to_end, record_distributed, shard
from helpers.record.recorder import CHECKPOINT_FORMAT
from helpers.record.store import read_tensors
from tests.record.test_recorder import assert_same

TORCHRUN = str(Path(sys.executable).with_name("torchrun"))
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}  # as torchrun sets it: the same floats


def started(processes, folder, out, batch_size=32):
    return subprocess.Popen(
        [
            TORCHRUN, "--nproc-per-node", str(processes), "--standalone", "-m", "helpers", "record",
            "--network", "worldnet-fine", "--images", str(folder), "--out", str(out), "--k", "40",
            "--device", "cpu", "--batch-size", str(batch_size), "--checkpoint-seconds", "0",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip


def our_lines(process, seconds=150):
    """What the recording's processes said on stderr, without torchrun's own report."""
    errors = process.communicate(timeout=seconds)[1]
    return [line for line in errors.splitlines() if line.startswith("python -m helpers: ")]


def written(folder, per_class, classes):
    """Pictures of the world as files, one folder a class."""
    images = WorldImages("eval")
    for c in range(classes):
        (folder / images.class_names[c]).mkdir(parents=True)
        for i in np.flatnonzero(images.classes == c)[:per_class]:
            images.open(i).save(folder / f"{images.names[i]}.png")
    return folder


def alone(folder, batch_size=32):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return record(load_network("worldnet-fine"), FolderImages(folder), 40, device="cpu",
                      batch_size=batch_size, workers=0, progress=False)  # fmt: skip
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path):
    """200 pictures in 10 classes, of which two of the last class cannot be read: just allowed."""
    folder = written(tmp_path / "images", 20, 10)
    last = sorted(folder.iterdir())[-1]
    for name in sorted(last.iterdir())[-2:]:
        name.write_bytes(b"no picture")
    return folder


# 7 batches of 32 for two processes; 2 batches of 100 for three, so that one has nothing to do.
@pytest.mark.parametrize(("processes", "batch_size"), [(1, 32), (2, 32), (3, 100)])
def test_equals_one_process(processes, batch_size, folder, tmp_path):
    process = started(processes, folder, tmp_path / "r.safetensors", batch_size)
    lines = our_lines(process)
    assert process.returncode == 0 and not lines, lines
    together, one = Record.load(tmp_path / "r.safetensors"), alone(folder, batch_size)
    assert_same(one, together, exact_sums=False)
    assert {**together.metadata, "format": 0} == {**one.metadata, "format": 0}
    assert len(one.metadata["skipped"]) == 2  # 2 % of the second half, 1 % of all
    assert sorted(p.name for p in tmp_path.iterdir()) == ["images", "r.safetensors"]


def test_a_part_is_sent_once(folder, tmp_path):
    """As a message it is about as long as its file: no layer carries the table of all layers with it."""
    part = alone(folder)
    part.save(tmp_path / "r.safetensors")
    assert len(pickle.dumps(part)) < 2 * (tmp_path / "r.safetensors").stat().st_size


def test_unreadable_images_are_judged_over_all(folder, tmp_path):
    """Each process is within 1 % of all images, the two together are not: one line, no record."""
    next(sorted(folder.iterdir())[0].iterdir()).write_bytes(b"no picture")
    process = started(2, folder, tmp_path / "r.safetensors")
    (line,) = our_lines(process)
    assert process.returncode != 0 and "3 of 200 images cannot be read" in line
    assert not (tmp_path / "r.safetensors").exists()


def test_a_process_that_fails_ends_the_run_with_one_line(folder, tmp_path):
    for name in sorted(sorted(folder.iterdir())[-1].iterdir())[-10:]:
        name.write_bytes(b"no picture")
    process = started(2, folder, tmp_path / "r.safetensors")
    (line,) = our_lines(process)
    assert process.returncode != 0 and "more than 1 %" in line


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the process in /proc")
def test_a_killed_process_ends_the_run_and_all_go_on_from_their_checkpoints(tmp_path):
    folder, out = written(tmp_path / "images", 120, 11), tmp_path / "r.safetensors"
    checkpoints = [tmp_path / f"r.safetensors.checkpoint.rank{r}-of-2" for r in (0, 1)]
    process = started(2, folder, out)
    while not checkpoints[1].exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(rank_of(process, 1), signal.SIGKILL)
    (line,) = our_lines(process)
    assert process.returncode != 0 and "run the same again to go on" in line
    assert not out.exists()
    done = [read_tensors(path, CHECKPOINT_FORMAT)[0]["done"] for path in checkpoints]
    assert min(done) > 0
    again = started(2, folder, out)
    assert not our_lines(again) and again.returncode == 0
    assert_same(alone(folder), Record.load(out), exact_sums=False)
    assert not any(path.exists() for path in checkpoints)


def rank_of(process, rank):
    """The process id of a rank: a child of torchrun's that says so."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (found,) = [
        int(child) for child in children
        if f"\0RANK={rank}\0" in "\0" + Path(f"/proc/{child}/environ").read_text()
    ]  # fmt: skip
    return found


@pytest.mark.parametrize("n_images", [1, 31, 32, 33, 200, 1000])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shards_are_whole_batches_and_cover_every_image_once(n_images, size):
    shards = [shard(n_images, 32, rank, size) for rank in range(size)]
    assert np.concatenate(shards).tolist() == list(range(n_images))
    batches = [-(-len(s) // 32) for s in shards]
    assert sum(batches) == -(-n_images // 32) and max(batches) - min(batches) <= 1
    assert len(shards[0]), "rank 0 always has images"


def test_checkpoints_of_another_number_of_processes_are_not_passed_over(tmp_path):
    path = tmp_path / "x.checkpoint"
    assert _own_checkpoint(path, 0, 1) == path
    assert _own_checkpoint(path, 1, 3).name == "x.checkpoint.rank1-of-3"
    (tmp_path / "x.checkpoint.rank0-of-3").write_bytes(b"")
    assert _own_checkpoint(path, 0, 3).name == "x.checkpoint.rank0-of-3"
    for size in (1, 2):
        with pytest.raises(
            SelectivityError, match="with 3 processes, now 1|with 3 processes, now 2"
        ):
            _own_checkpoint(path, 0, size)
    (tmp_path / "x.checkpoint.rank0-of-3").rename(path)
    with pytest.raises(SelectivityError, match="with 1 process, now 2"):
        _own_checkpoint(path, 0, 2)


def test_a_process_that_was_started_alone(picture_folder, tmp_path):
    images, network = FolderImages(picture_folder), load_network("timm:test_resnet", "random")
    options = dict(checkpoint=tmp_path / "c", progress=False)
    made = record_distributed(network, images, 5, out=tmp_path / "r.safetensors", **options)
    assert_same(made, record(network, images, 5, progress=False))
    assert [path.name for path in tmp_path.iterdir()] == ["r.safetensors"] and first_to_end()
    with pytest.raises(SelectivityError, match="no images"):
        record_distributed(network, images.subset([]), 5, **options)
