"""python -m benchmarks.faster: recording with other arithmetic, beside recording with the network's own.

Both take turns over the same images in memory; what is timed is the pass over the images, without making
the double and measuring its drift, which includes compiling it. `times_as_fast` is the median of the rounds'
own ratios; `drift` is what the record says of itself: the largest difference of a response, in standard
deviations of its layer, on noise. Weights are random where the real ones are not on this machine. One JSON
line each.
"""

import argparse
import contextlib
import json
import time

import numpy as np
import torch

from benchmarks.common import Noise, opened, say_machine
from helpers.record import record, recorder
from helpers.record.recorder import best_device

# Images a round: enough that it does not matter that the plain pass alone fetches memory for its first batch.
NETWORKS = {"googlenet": 384, "torchvision:resnet50": 256}
WAYS = (("fold",), ("bf16",), ("fold", "bf16"), ("compile",), ("fold", "bf16", "compile"))


@contextlib.contextmanager
def timed_pass(taken):
    """Append the seconds that the recorder's pass over the images takes."""
    own = recorder._pass

    def timed(*arguments):
        start = time.perf_counter()
        own(*arguments)
        taken.append(time.perf_counter() - start)

    recorder._pass = timed
    try:
        yield
    finally:
        recorder._pass = own


def measure(name, n, rounds, device):
    """JSON lines of one network, one for each choice of ways."""
    network, lines = opened(name), []
    images = Noise(n, network.input_size)
    seconds = {ways: [] for ways in ((), *WAYS)}
    drift = {}
    for turn in range(1 + rounds):
        # To and fro: what comes after a heavy run finds another machine than what comes after a light one.
        for ways, taken in list(seconds.items())[:: -1 if turn % 2 else 1]:
            with timed_pass(taken):
                found = record(
                    network, images, faster=ways, device=device, workers=0, progress=False
                )
            drift[ways] = max(found.metadata.get("faster", {"drift": {"": 0.0}})["drift"].values())
    plain = np.array(seconds[()][1:])  # the first round fetches memory and chooses algorithms
    for ways in WAYS:
        taken = np.array(seconds[ways][1:])
        lines.append({
            "benchmark": "faster",
            "network": name,
            "images": n,
            "ways": ", ".join(ways),
            "plain_images_per_s": round(n / float(np.median(plain)), 1),
            "faster_images_per_s": round(n / float(np.median(taken)), 1),
            "times_as_fast": round(float(np.median(plain / taken)), 3),
            "drift": float(f"{drift[ways]:.2g}"),
        })  # fmt: skip
    return lines


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faster", description=__doc__)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--images", type=int, help="images a round (default: by network)")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    say_machine(options.threads)
    for name in options.networks:
        n = options.images or NETWORKS.get(name, 128)
        for line in measure(name, n, options.rounds, best_device()):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
