"""python -m benchmarks: images a second with and without the record; peak memory; one JSON line each.

The images are held in memory, so that decoding does not hide the recorder's cost. Bare and recording
passes alternate, block by block, because shared machines change speed from one minute to the next; the
figure to quote is the ratio.
"""

import argparse
import json
import time

import numpy as np
import torch

from benchmarks.common import Noise, opened, peak_memory, say_machine
from helpers.record import record
from helpers.record.images import batches
from helpers.record.memory import kept_memory
from helpers.record.recorder import best_device

NETWORKS = {"worldnet-fine": 4096, "googlenet": 512, "torchvision:vgg16": 96}  # images a round


@torch.inference_mode()
def bare(network, images, batch_size, device):
    """Seconds for the forward passes alone, over the same batches."""
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
    """One JSON line: speeds and their ratios, medians over alternating rounds.

    `ratio` compares with the forward pass as PyTorch runs it; `ratio_kept` with one that, as the recorder
    does, keeps the memory of one batch for the next.
    """
    network = opened(name)
    small = max(network.input_size) <= 64
    images = Noise(n, network.input_size, n if small else 64)
    batch_size = 128 if small else 32
    about = network, images, batch_size, device
    recording(network, Noise(2 * batch_size, network.input_size), batch_size, device)
    seconds = []
    for _ in range(rounds):
        without, with_ = bare(*about), recording(*about)
        with kept_memory():
            seconds.append((without, bare(*about), with_))
    without, kept, with_ = np.array(seconds).T
    return {
        "benchmark": "speed",
        "network": name,
        "images": n,
        "units": sum(t.n_units for t in network.taps.values()),
        "bare_images_per_s": round(n / float(np.median(without)), 1),
        "kept_images_per_s": round(n / float(np.median(kept)), 1),
        "recording_images_per_s": round(n / float(np.median(with_)), 1),
        "ratio": round(float(np.median(without / with_)), 3),
        "ratio_kept": round(float(np.median(kept / with_)), 3),
        "overhead_ms_per_image": round(float(np.median(with_ - kept)) / n * 1000, 3),
    }


def recording_memory(name, n):
    """Peak resident memory in MB of a fresh process that records n images."""
    return peak_memory(
        "from benchmarks.__main__ import Noise, opened, recording",
        f"network = opened({name!r})",
        f"recording(network, Noise({n}, network.input_size), 32, 'cpu')",
    )


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, help="images a round (default: by network)")
    parser.add_argument("--memory-images", type=int, nargs=2, default=(500, 4000))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--skip-memory", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = best_device()
    say_machine(options.threads)
    for name in options.networks:
        n = options.images or NETWORKS.get(name, 256)
        print(json.dumps(measure_speed(name, n, options.rounds, device)), flush=True)
    if not options.skip_memory:
        few, many = options.memory_images
        small, large = (recording_memory("worldnet-fine", n) for n in (few, many))
        line = {"benchmark": "memory", "network": "worldnet-fine", "images": [few, many],
                "peak_mb": [small, large],
                "difference": round(large / small - 1, 4)}  # fmt: skip
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
