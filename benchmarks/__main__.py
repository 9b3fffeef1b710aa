"""python -m benchmarks: images a second with and without the record; peak memory; one JSON line each.

The images are held in memory, so that decoding does not hide the recorder's cost. Bare and recording
passes alternate, block by block, because shared machines change speed from one minute to the next; the
figure to quote is the ratio.
"""

import argparse
import json
import platform
import subprocess
import sys
import time

import numpy as np
import torch

from helpers.errors import SelectivityError
from helpers.record import ImageSet, load_network, record
from helpers.record.recorder import best_device

NETWORKS = {"worldnet-fine": 8192, "googlenet": 2048, "torchvision:vgg16": 512}  # images a round


class Noise(ImageSet):
    """n images of coloured noise, one tensor each, prepared in advance and used again and again."""

    in_memory = True

    def __init__(self, n, size, different=64):
        names = [f"noise/{i:07d}" for i in range(n)]
        super().__init__("noise", names, np.arange(n) * 100 // n, [str(c) for c in range(100)])
        random = np.random.default_rng(0)
        shape = (different, 3, *size)
        self.tensors = torch.from_numpy(random.normal(0, 1, shape).astype(np.float32))

    def open(self, i):
        return self.tensors[i % len(self.tensors)]


def opened(name):
    """The network, with random weights where the real ones are not on this machine."""
    try:
        network = load_network(name)
    except SelectivityError:
        network = load_network(name, "random")
    network.preprocess = lambda tensor: tensor
    return network


@torch.inference_mode()
def bare(network, images, batch_size, device):
    """Seconds for the forward passes alone, over the same batches."""
    from helpers.record.images import batches

    network.module.to(device, memory_format=torch.channels_last)
    start = time.perf_counter()
    for _, batch, _ in batches(images, network.preprocess, range(len(images)), batch_size, 0):
        network.module(batch.to(device).contiguous(memory_format=torch.channels_last))
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def recording(network, images, batch_size, device):
    """Seconds with the full record on: all layers, all lists, places, class sums."""
    start = time.perf_counter()
    record(network, images, batch_size=batch_size, device=device, workers=0, progress=False)
    return time.perf_counter() - start


def measure_speed(name, n, rounds, device):
    """One JSON line: both speeds and their ratio, medians over alternating rounds."""
    network = opened(name)
    images = Noise(n, network.input_size)
    batch_size = 128 if max(network.input_size) <= 64 else 32
    bare(network, Noise(2 * batch_size, network.input_size), batch_size, device)
    pairs = [
        (bare(network, images, batch_size, device), recording(network, images, batch_size, device))
        for _ in range(rounds)
    ]
    without, with_ = np.array(pairs).T
    return {
        "benchmark": "speed",
        "network": name,
        "images": n,
        "units": sum(t.n_units for t in network.taps.values()),
        "bare_images_per_s": round(n / float(np.median(without)), 1),
        "recording_images_per_s": round(n / float(np.median(with_)), 1),
        "ratio": round(float(np.median(without / with_)), 3),
        "overhead_ms_per_image": round(float(np.median(with_ - without)) / n * 1000, 3),
    }


def peak_memory(name, n):
    """Peak resident memory in MB of a fresh process that records n images."""
    code = (
        "import resource, torch; torch.set_num_threads(2)\n"
        "from benchmarks.__main__ import Noise, opened, recording\n"
        f"network = opened({name!r})\n"
        f"recording(network, Noise({n}, network.input_size), 32, 'cpu')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    return int(out.stdout.strip().splitlines()[-1]) * unit / 1e6


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, help="images a round (default: by network)")
    parser.add_argument("--memory-images", type=int, nargs=2, default=(500, 4000))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--skip-memory", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = best_device()
    machine = {"benchmark": "machine", "processor": platform.processor() or platform.machine(),
               "threads": options.threads, "device": device, "torch": torch.__version__}  # fmt: skip
    print(json.dumps(machine), flush=True)
    for name in options.networks:
        n = options.images or NETWORKS.get(name, 256)
        print(json.dumps(measure_speed(name, n, options.rounds, device)), flush=True)
    if not options.skip_memory:
        few, many = options.memory_images
        small, large = peak_memory("worldnet-fine", few), peak_memory("worldnet-fine", many)
        line = {"benchmark": "memory", "network": "worldnet-fine", "images": [few, many],
                "peak_mb": [round(small, 1), round(large, 1)],
                "difference": round(large / small - 1, 4)}  # fmt: skip
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
