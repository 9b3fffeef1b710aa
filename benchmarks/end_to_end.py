"""python -m benchmarks.end_to_end: from JPEG files to the record, what bounds it, and how long for ImageNet.

Three parts are measured in turns, round by round: reading alone (files to batches of numbers on the device),
the network's forward pass alone, and the record of images in memory. From reading and recording follows how
fast both together should be: on the processor, whose cores they share, their times add up; beside a GPU the
slower of the two decides. The whole, files to record, is measured as well, and stands beside what was
foreseen. One JSON line a network. Images in memory are numbers: on a GPU, recording them copies four times as
many bytes as recording files does. What a recording does once, from starting processes to sorting its lists,
is in the figures: the fewer the images, the more pessimistic the hours for ImageNet; give a GPU a large --n.

Then ways to read: in threads of the recorder's own process; in processes that hand on bytes, which become
numbers on the device, or numbers in single precision, as programs usually do. The recorder takes the first
on the processor, the second beside a GPU. `handing_on` leaves the bytes as they are: so fast do the processes
serve a device that has the arithmetic done in no time. One JSON line a way.

Files: a folder given with --images (one folder a class), or as many as needed are made, as large as
ImageNet's mostly are: 500 x 375 pixels.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.common import Noise, loaded, say_machine
from helpers.record import FolderImages, record
from helpers.record.images import batches
from helpers.record.memory import kept_memory
from helpers.record.preprocessing import parted
from helpers.record.recorder import best_device, moved

NETWORKS = {"googlenet": 512, "torchvision:mobilenet_v3_small": 1024}  # images a round
IMAGENET = 1_281_167  # training images
MACHINES = 8
BATCH = 32
NAMES = {"handing on": "handing_on", "reading": "reading", "whole": "files_to_record"}


def write_photographs(folder, n):
    """n JPEG files of ImageNet's usual size: soft blobs of colour with grain, all different."""
    random = np.random.default_rng(0)
    (folder / "made").mkdir()
    for i in range(n):
        soft = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        picture = np.asarray(soft.resize((500, 375), Image.Resampling.BICUBIC), dtype=np.float32)
        picture = (picture + random.normal(0, 14, (375, 500, 1))).clip(0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / "made" / f"{i:05d}.jpg", quality=90)
    return FolderImages(folder)


def finished(device):
    """Now, in seconds, once the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def reading(images, preprocess, workers, device):
    """Seconds from files to batches on the device."""
    with kept_memory():
        start = finished(device)
        for _ in batches(images, preprocess, range(len(images)), BATCH, workers, device):
            pass
        return finished(device) - start


@torch.inference_mode()
def passing(network, batch, n, device):
    """Seconds of the forward pass alone over n images that are there already."""
    with moved(network.module, device) as module, kept_memory():
        batch = batch.to(device).contiguous(memory_format=torch.channels_last)
        times = max(1, n // BATCH)
        start = finished(device)
        for _ in range(times):
            module(batch)
        return (finished(device) - start) * n / (times * BATCH)


def recording(network, images, workers, device):
    """Seconds of `record`, from what opening the images takes to the finished record."""
    start = finished(device)
    record(network, images, batch_size=BATCH, workers=workers, device=device, progress=False)
    return finished(device) - start


class Prepared(Noise):
    """Images in memory, for a network whose preprocessing takes files as well."""

    def __init__(self, n, network):
        super().__init__(n, network.input_size)
        grey = network.preprocess(Image.new("RGB", network.input_size[::-1], (90, 120, 150)))
        self.tensors = self.tensors * 0.5 * grey.abs().mean() + grey


def measure(name, images, rounds, device):
    """The JSON line of one network."""
    network, n = loaded(name), len(images)
    memory = Prepared(n, network)
    seconds = {"reading": [], "pass": [], "record": [], "files": []}
    preprocess = network.preprocess
    for _ in range(1 + rounds):
        seconds["reading"].append(reading(images, preprocess, None, device))
        seconds["pass"].append(passing(network, memory.tensors[:BATCH], n, device))
        network.preprocess = as_it_is
        seconds["record"].append(recording(network, memory, 0, device))
        network.preprocess = preprocess
        seconds["files"].append(recording(network, images, None, device))
    # The first round fetches memory and chooses algorithms.
    taken = {part: np.array(times[1:]) for part, times in seconds.items()}
    read, recorded = taken["reading"], taken["record"]
    foreseen = read + recorded if device == "cpu" else np.maximum(read, recorded)
    speed = {part: round(n / float(np.median(times)), 1) for part, times in taken.items()}
    hours = IMAGENET / n / 3600
    # Of one machine's processor there is no more for eight GPUs than for one.
    same_cores = (
        None if device == "cpu" else float(np.median(np.maximum(read, recorded / MACHINES)))
    )
    return {
        "benchmark": "end to end",
        "network": name,
        "images": n,
        "reading_images_per_s": speed["reading"],
        "pass_images_per_s": speed["pass"],
        "record_images_per_s": speed["record"],
        "files_to_record_images_per_s": speed["files"],
        "of_what_was_foreseen": round(float(np.median(foreseen / taken["files"])), 2),
        "reading_over_recording": round(float(np.median(read / recorded)), 2),
        "imagenet_hours": round(float(np.median(taken["files"])) * hours, 1),
        "on_eight_hours": round(float(np.median(taken["files"])) * hours / MACHINES, 1),
        "on_eight_gpus_with_these_cores_hours": same_cores and round(same_cores * hours, 1),
    }


def as_it_is(tensor):
    return tensor


def measure_ways(name, images, rounds, device, processes):
    """JSON lines of the ways to read."""
    network, n = loaded(name), len(images)
    preprocess, (pixels, _) = network.preprocess, parted(network.preprocess)

    # Of functions nothing is known: what they give is handed on.
    as_bytes, as_numbers = (lambda image: pixels(image)), (lambda image: preprocess(image))
    ways = {
        "threads": (preprocess, 0),
        "processes, bytes": (preprocess, processes),
        "processes, numbers": (as_numbers, processes),
    }
    seconds = {part: {way: [] for way in ways} for part in ("handing on", "reading", "whole")}
    for _ in range(1 + rounds):
        for way, (prepare, workers) in ways.items():
            if way == "processes, bytes":
                bare = reading(images, as_bytes, workers, device)
                seconds["handing on"][way].append(bare)
            seconds["reading"][way].append(reading(images, prepare, workers, device))
            network.preprocess = prepare
            seconds["whole"][way].append(recording(network, images, workers, device))
            network.preprocess = preprocess
    # Numbers are handed on as they are read.
    seconds["handing on"]["processes, numbers"] = seconds["reading"]["processes, numbers"]
    lines = []
    for way in ways:
        line = {"benchmark": "reading", "network": name, "images": n, "way": way}
        for part, name_of in NAMES.items():
            usual, taken = (np.array(seconds[part][w][1:]) for w in ("processes, numbers", way))
            there = len(taken) > 0
            line[f"{name_of}_images_per_s"] = round(n / np.median(taken), 1) if there else None
            line[f"{part}_times_as_fast".replace(" ", "_")] = (
                round(float(np.median(usual / taken)), 2) if there else None
            )
        lines.append(line)
    return lines


def main():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.end_to_end",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=Path, metavar="DIR", help="JPEG files, a folder per class")
    parser.add_argument("--n", type=int, help="images a round (default: by network)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2, help="that read, where processes do")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = best_device()
    say_machine(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        most = options.n or max(NETWORKS.get(name, 256) for name in options.networks)
        images = (
            FolderImages(options.images)
            if options.images
            else write_photographs(Path(folder), most)
        )
        for name in options.networks:
            n = min(options.n or NETWORKS.get(name, 256), len(images))
            some = images.subset(range(n))
            print(json.dumps(measure(name, some, options.rounds, device)), flush=True)
            for line in measure_ways(name, some, options.rounds, device, options.processes):
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
