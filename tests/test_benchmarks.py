"""`make bench`: its lines can be read, memory does not grow with the number of images, peers are compared
on the same lists, and the page of results says what the results say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import end_to_end, peers, tables


def test_speed_and_memory_lines(repository):
    command = [sys.executable, "-m", "benchmarks", "--networks", "worldnet-fine", "--rounds", "1"]
    command += ["--images", "512", "--memory-images", "500", "4000"]
    out = subprocess.run(command, capture_output=True, text=True, cwd=repository, timeout=500)
    assert out.returncode == 0, out.stderr
    machine, speed, memory = (json.loads(line) for line in out.stdout.splitlines())
    assert machine["threads"] >= 1 and machine["torch"]
    assert speed["units"] == 640 and speed["images"] == 512
    assert 0 < speed["ratio"] and 0 < speed["recording_images_per_s"]
    assert memory["images"] == [500, 4000]
    assert abs(memory["difference"]) < 0.05, memory


def test_lines_from_files_to_the_record(repository):
    command = [sys.executable, "-m", "benchmarks.end_to_end", "--networks", "worldnet-fine"]
    command += ["--n", "64", "--rounds", "1"]
    out = subprocess.run(command, capture_output=True, text=True, cwd=repository, timeout=300)
    assert out.returncode == 0, out.stderr
    _, whole, *ways = (json.loads(line) for line in out.stdout.splitlines())
    hours = end_to_end.IMAGENET / whole["files_to_record_images_per_s"] / 3600
    assert whole["imagenet_hours"] == pytest.approx(hours, abs=0.06)
    assert whole["on_eight_hours"] == pytest.approx(hours / 8, abs=0.06)
    assert whole["record_images_per_s"] > 0 and whole["reading_images_per_s"] > 0
    assert [way["way"] for way in ways] == ["threads", "processes, bytes", "processes, numbers"]
    assert ways[-1]["reading_times_as_fast"] == ways[-1]["whole_times_as_fast"] == 1


def test_every_side_finds_the_same_images():
    found = {line["side"]: line for line in peers.measure("worldnet-fine", 256, 20, 1)}
    assert list(found) == [*peers.SIDES, "record"]
    assert found["record"]["exact"] == found["keep everything"]["exact"] == 1
    for side in ("streaming top-k", "zennit-crp"):  # which order equal values as they come
        assert found[side]["exact"] > 0.95
    assert found["bare"]["exact"] is None and found["bare"]["of_bare_speed"] == 1


def test_the_page_holds_the_results():
    page = (Path(tables.HERE) / "README.md").read_text(encoding="utf-8")
    found = tables.lines()
    assert {line["benchmark"] for line in found} == set(tables.TITLES)
    assert tables.written(page, found) == page
