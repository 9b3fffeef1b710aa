"""python -m benchmarks.soak: one recording, killed again and again at random, each time started again.

The final record must equal, byte by byte, that of an undisturbed recording. One JSON line says how often
the recording was killed (SIGKILL), how often it found a checkpoint to go on from, and how often it was
killed while it wrote one. Exit status 1 if the records differ.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

# Imported once here: a recording is a fork of this process, which saves seconds a start.
import helpers.__main__
import helpers.record.distributed  # noqa: F401

CLASSES = 12


def draw(folder: Path, n: int) -> Path:
    """n small pictures of noise in folders of equal size."""
    noise = np.random.default_rng(0)
    for i in range(n):
        name = folder / f"c{i * CLASSES // n:02d}" / f"{i:06d}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(name)
    return folder


def quietly(command: list[str]) -> None:
    """Run it without its messages, and those of the workers that a killed recording leaves behind."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.exit(helpers.__main__.main(command))


class Recording:
    """The command `record` in a process of its own, with a checkpoint after every merge."""

    def __init__(self, images: Path, out: Path):
        self.checkpoint = out.with_name(out.name + ".checkpoint")
        self.part = out.with_name(out.name + ".checkpoint.part")  # what is being written
        self.part.unlink(missing_ok=True)
        self.had_checkpoint, self._before = self.checkpoint.exists(), self._stamp()
        command = ["record", "--network", "worldnet-fine", "--images", str(images), "--out", str(out),
                   "--device", "cpu", "--k", "50", "--checkpoint-seconds", "0"]  # fmt: skip
        self.process = multiprocessing.get_context("fork").Process(target=quietly, args=[command])
        self.process.start()

    def _stamp(self):
        try:
            return self.checkpoint.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def wait(self, seconds: float, for_writing: bool = False) -> float:
        """Until a new checkpoint is there (or begun), the process has ended, or time is over; how long."""
        start = time.monotonic()
        while self.process.is_alive() and time.monotonic() - start < seconds:
            if self._stamp() != self._before or (for_writing and self.part.exists()):
                break
            time.sleep(0.001)
        return time.monotonic() - start


def undisturbed(images: Path, out: Path) -> tuple[float, float]:
    """Record without a fault; seconds until the first checkpoint, and from one to the next."""
    recording = Recording(images, out)
    first = recording.wait(600)
    recording._before = recording._stamp()
    between = recording.wait(600)
    recording.process.join()
    if recording.process.exitcode != 0:
        sys.exit("the undisturbed recording failed")
    return first, between


def soak(images: Path, out: Path, kills: int, first: float, between: float, seed: int) -> dict:
    """Kill and start again until killed so often, then let it finish."""
    moment, resumed, writing = random.Random(seed), 0, 0
    for done in range(kills):
        recording = Recording(images, out)
        resumed += recording.had_checkpoint
        if done % 5 == 4:  # while a checkpoint is written, which random moments hardly ever meet
            recording.wait(600, for_writing=True)
        else:  # before its first checkpoint or after it, but never far: the recording must last
            recording.wait(moment.uniform(0, 1.5 * first))
            time.sleep(moment.uniform(0, between))
        if not recording.process.is_alive():
            sys.exit(f"the recording ended after {done} kills: take more --images")
        recording.process.kill()
        recording.process.join()
        writing += recording.part.exists()
    last = Recording(images, out)
    resumed += last.had_checkpoint
    last.process.join()
    return {"kills": kills, "resumed": resumed, "killed_while_writing": writing,
            "exit_status": last.process.exitcode}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        images = draw(Path(folder) / "images", options.images)
        whole, killed = Path(folder) / "whole.safetensors", Path(folder) / "killed.safetensors"
        first, between = undisturbed(images, whole)
        row = soak(images, killed, options.kills, first, between, options.seed)
        row["equal"] = killed.read_bytes() == whole.read_bytes()
    print(json.dumps({"images": options.images, **row, "seconds": round(time.monotonic() - start)}))
    return 0 if row["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
