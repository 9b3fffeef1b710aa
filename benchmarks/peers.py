"""python -m benchmarks.peers: the record against other ways of finding the strongest images, in one run.

    zennit-crp       its Maximization, mode activation, target max: strongest images, with places
    streaming top-k  a running top-k of channel maxima, as baukit has it: strongest images, no places
    keep everything  every maximum and its place, sorted at the end
    three sweeps     amax, amin and mean of each map, and nothing kept: what reading alone costs
    record           five lists with places, sums, minima and maxima per class: what this package keeps

Each side listens to the same forward passes over the same images in memory. Seconds are the processor's, of
one thread, because other programs disturb these less, and sides alternate; overheads are medians over
rounds, of the time beyond the bare forward pass of the same round. "exact" is the share of units whose list
is that of keeping everything: the same values, images in order, and places. One JSON line each.
"""

import argparse
import json
import tempfile
import time

import numpy as np
import torch
from crp.concepts import ChannelConcept
from crp.maximization import Maximization

from benchmarks.common import Noise, opened, peak_memory, say_machine
from helpers.record import record
from helpers.record.images import batches
from helpers.record.memory import kept_memory
from helpers.record.receptive_field import as_positions
from helpers.record.taps import listening

NETWORKS = {"worldnet-fine": 4096, "googlenet": 256, "torchvision:vgg16": 96}  # images a round


class Bare:
    """Nothing but the forward pass."""

    listens = False

    def __init__(self, network, k):
        self.network, self.k = network, k

    def read(self, layer, values):
        pass

    def next_batch(self, numbers):
        self.numbers = numbers

    def lists(self):
        """{layer: (values (U, k), images (U, k), places (U, k) or None)}; None if nothing is kept."""
        return None


class Sweeps(Bare):
    listens = True

    def read(self, layer, values):
        maps = as_positions(values)
        maps.amax((1, 2)), maps.amin((1, 2)), maps.mean((1, 2))


class Streaming(Bare):
    """Maxima wait in a buffer of k; when it is full, the k largest of old and new are kept."""

    listens = True

    def __init__(self, network, k):
        super().__init__(network, k)
        self.kept, self.waiting = {}, {}

    def read(self, layer, values):
        waiting = self.waiting.setdefault(layer, [])
        waiting.append((as_positions(values).amax((1, 2)).T, torch.from_numpy(self.numbers)))
        if sum(len(numbers) for _, numbers in waiting) >= self.k:
            self._merge(layer)

    def _merge(self, layer):
        waiting = self.waiting.pop(layer, [])
        if not waiting:
            return
        values = torch.cat([v for v, _ in waiting], 1)
        images = torch.cat([i for _, i in waiting]).expand(len(values), -1)
        if layer in self.kept:
            values = torch.cat([self.kept[layer][0], values], 1)
            images = torch.cat([self.kept[layer][1], images], 1)
        best, chosen = values.topk(min(self.k, values.shape[1]), 1)
        self.kept[layer] = best, images.gather(1, chosen)

    def lists(self):
        for layer in list(self.waiting):
            self._merge(layer)
        return {layer: (*kept, None) for layer, kept in self.kept.items()}


class Crp(Bare):
    listens = True

    def __init__(self, network, k):
        super().__init__(network, k)
        self.folder = tempfile.TemporaryDirectory()
        self.best, self.concept = (
            Maximization("activation", "max", path=self.folder.name),
            ChannelConcept(),
        )
        self.best.SAMPLE_SIZE = k

    def read(self, layer, values):
        values = values.movedim(1, 2) if values.ndim == 3 else values  # tokens are places
        self.best.analyze_layer(values, self.concept, layer, self.numbers, self.numbers * 0)

    def lists(self):
        best = self.best
        return {
            layer: (best.rel_c_sorted[layer].T, best.d_c_sorted[layer].T, best.rf_c_sorted[layer].T)
            for layer in best.d_c_sorted
        }


class Everything(Bare):
    listens = True

    def __init__(self, network, k):
        super().__init__(network, k)
        self.all = {}

    def read(self, layer, values):
        values, places = as_positions(values).flatten(1, 2).max(1)
        self.all.setdefault(layer, []).append((values, places, torch.from_numpy(self.numbers)))

    def lists(self):
        found = {}
        for layer, parts in self.all.items():
            values, places, images = (torch.cat(part) for part in zip(*parts, strict=True))
            order = values.T.argsort(dim=1, descending=True, stable=True)[:, : self.k]
            found[layer] = values.T.gather(1, order), images[order], places.T.gather(1, order)
        return found


SIDES = {
    "bare": Bare,
    "three sweeps": Sweeps,
    "streaming top-k": Streaming,
    "zennit-crp": Crp,
    "keep everything": Everything,
}


@torch.inference_mode()
def listened(side, network, images, batch_size):
    """(seconds, lists) of a side over the images."""
    start = time.process_time()
    network.module.to(memory_format=torch.channels_last).eval()
    with listening(network.module, network.taps if side.listens else {}, side.read):
        for numbers, batch, _ in batches(
            images, network.preprocess, range(len(images)), batch_size, 0
        ):
            side.next_batch(np.asarray(numbers))
            network.module(batch.contiguous(memory_format=torch.channels_last))
    found = side.lists()
    return time.process_time() - start, found


def recorded(network, images, batch_size, k):
    """(seconds, lists) of the record."""
    start = time.process_time()
    found = record(
        network, images, k, batch_size=batch_size, device="cpu", workers=0, progress=False
    )
    seconds = time.process_time() - start
    lists = {}
    for layer in found.layers:
        top, width = found[layer].top, found[layer].geometry.map_size[1]
        lists[layer] = top.values, top.images, top.positions[..., 0] * width + top.positions[..., 1]
    return seconds, lists


def one(name, network, images, batch_size, k):
    """(seconds, lists) of one side; all keep a batch's memory for the next, as the recorder does."""
    with kept_memory():
        if name == "record":
            return recorded(network, images, batch_size, k)
        return listened(SIDES[name](network, k), network, images, batch_size)


def exact(found, wanted):
    """Share of units whose list is the wanted one; places count where a side has them."""
    same = []
    for layer, (values, images, places) in wanted.items():
        alike = (found[layer][0] == values).all(1) & (found[layer][1] == images).all(1)
        if found[layer][2] is not None:
            alike &= (found[layer][2] == places).all(1)
        same.append(alike)
    return round(torch.cat(same).float().mean().item(), 4)


def measure(name, n, k, rounds):
    """JSON lines of one network."""
    network = opened(name)
    images = Noise(n, network.input_size, different=n)  # repeated ones would tie
    batch_size = 128 if max(network.input_size) <= 64 else 32
    names = [*SIDES, "record"]
    warm = Noise(batch_size, network.input_size)
    for side in names:
        one(side, network, warm, batch_size, min(k, batch_size))
    seconds, lists = {side: [] for side in names}, {}
    for _ in range(rounds):
        for side in names:
            spent, lists[side] = one(side, network, images, batch_size, k)
            seconds[side].append(spent)
    bare = np.array(seconds["bare"])
    sweeps = np.array(seconds["three sweeps"]) - bare
    for side in names:
        beyond = np.array(seconds[side]) - bare
        yield {
            "benchmark": "peers", "network": name, "images": n, "k": k, "side": side,
            "ms_per_image": round(float(np.median(seconds[side])) / n * 1000, 3),
            "overhead_ms_per_image": round(float(np.median(beyond)) / n * 1000, 3),
            "of_bare_speed": round(float(np.median(bare / np.array(seconds[side]))), 3),
            "overhead_over_three_sweeps": round(float(np.median(beyond / sweeps)), 2),
            "exact": exact(lists[side], lists["keep everything"]) if lists[side] else None,
        }  # fmt: skip


def memory_of(side, name, n, k):
    """Peak resident memory in MB of a fresh process in which one side sees n images."""
    return peak_memory(
        "from benchmarks.peers import Noise, one, opened",
        f"network = opened({name!r})",
        f"one({side!r}, network, Noise({n}, network.input_size), 128, {k})",
    )


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--images", type=int, help="images a round (default: by network)")
    parser.add_argument("--k", type=int, default=100, help="length of the lists")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory-images", type=int, nargs="*", default=(1024, 8192))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    say_machine(options.threads)
    for name in options.networks:
        for line in measure(
            name, options.images or NETWORKS.get(name, 256), options.k, options.rounds
        ):
            print(json.dumps(line), flush=True)
    for side in (*SIDES, "record"):
        for n in options.memory_images:
            line = {"benchmark": "memory of peers", "network": "worldnet-fine", "side": side, "images": n,
                    "peak_mb": memory_of(side, "worldnet-fine", n, options.k)}  # fmt: skip
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
