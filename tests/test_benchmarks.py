"""`make bench`: its lines can be read, and memory does not grow with the number of images."""

import json
import subprocess
import sys


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
