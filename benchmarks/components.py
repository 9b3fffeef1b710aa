"""python -m benchmarks.components: components of a layer's units against a loop over scikit-learn.

512 units x 100 patches x 64 x 64 grey pixels: all units of the five deepest convolutions of the world's
network, their real patches. Both sides take the same array, centre, whiten, iterate and return the
components, with the same number of threads. Blocks of units alternate, because shared machines change
speed from one minute to the next; the figure to quote is the ratio, the median over blocks (and of
processor time, which other programs disturb less). Beside it: how often each converges, and how often
two of them find the same where both do (all eight components, up to order and sign, correlate above
.98); in float64 as well, which shows what float32 costs. One JSON line each.
"""

import argparse
import itertools
import json
import platform
import time
import warnings

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import FastICA
from threadpoolctl import threadpool_limits

from helpers import open_study
from helpers.record.patches import thumbnails
from helpers.selectivity.components import MOST_STEPS, layer_components

LAYERS = ("conv3", "conv4", "conv5", "conv6", "conv7")  # of the world's network: 512 units
ALIKE = 0.98


def grey_patches(every):
    """(512 / every, 100, 64, 64) float32."""
    study = open_study("world")
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    parts = []
    for layer in LAYERS:
        units = torch.arange(0, study.record[layer].n_units, every)
        found = thumbnails(study.record, study.network, study.images, layer, units)
        parts.append((found.pixels * weights).sum(2))
    return torch.cat(parts)


def by_the_library(patches):
    """(pictures (U, 8, p) float32, converged (U,)) of patches (U, k, H, W), one unit after the other."""
    pictures, steps = [], []
    for unit in patches:
        ica = FastICA(8, whiten="unit-variance", random_state=0)
        pictures.append(ica.fit_transform(unit.flatten(1).T.numpy()).T.astype(np.float32))
        steps.append(ica.n_iter_)
    return torch.from_numpy(np.stack(pictures)), torch.tensor(steps) < MOST_STEPS


def ours(patches):
    """The same of `layer_components`, on the device of the patches."""
    found = layer_components(patches)
    return found.pictures.flatten(2).float().cpu(), found.converged.cpu()


SIDES = {
    "scikit-learn float32": (by_the_library, torch.float32),
    "scikit-learn float64": (by_the_library, torch.float64),
    "ours float32": (ours, torch.float32),
    "ours float64": (ours, torch.float64),
}


def agreement(first, second):
    """How often both converge, and the share of these units whose components are the same."""
    (pictures, converged), (others, also) = first, second
    both = (converged & also).nonzero()[:, 0].tolist()
    least = []
    for unit in both:
        table = (pictures[unit] @ others[unit].T / pictures.shape[2]).abs().numpy()
        least.append(table[linear_sum_assignment(-table)].min())
    return {
        "both_converge": round(len(both) / len(converged), 3),
        "same_where_both_converge": round(float((np.array(least) > ALIKE).mean()), 3),
    }


def timed(method, patches):
    """((wall seconds, processor seconds) a unit, what the method gives)."""
    wall, processor = time.perf_counter(), time.process_time()
    found = method(patches)
    spent = time.perf_counter() - wall, time.process_time() - processor
    return np.array(spent) / len(patches), found


def measure(patches, blocks):
    """({side: seconds a unit (blocks, 2)}, {side: (pictures, converged)}) of all units."""
    seconds, found = {side: [] for side in SIDES}, {side: [] for side in SIDES}
    for block in patches.chunk(blocks):
        for side, (method, dtype) in SIDES.items():
            spent, results = timed(method, block.to(dtype))
            seconds[side].append(spent)
            found[side].append(results)
    joined = {
        side: tuple(map(torch.cat, zip(*results, strict=True))) for side, results in found.items()
    }
    return {side: np.array(spent) for side, spent in seconds.items()}, joined


def say(benchmark, **line):
    print(json.dumps({"benchmark": benchmark, **line}), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.components", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--blocks", type=int, default=8, help="of units, which the sides alternate on"
    )
    parser.add_argument("--every", type=int, default=1, help="only every n-th unit of a layer")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")  # the library warns of each unit that does not converge
    say("machine", processor=platform.processor() or platform.machine(), threads=options.threads,
        cuda=torch.cuda.is_available(), torch=torch.__version__)  # fmt: skip
    patches = grey_patches(options.every)
    with threadpool_limits(options.threads):
        for method, dtype in SIDES.values():
            method(patches[:2].to(dtype))
        seconds, found = measure(patches, options.blocks)
    for side in SIDES:
        wall, processor = np.median(seconds[side], 0) * 1000
        say("components", side=side, units=len(patches), ms_per_unit=round(wall, 2),
            processor_ms_per_unit=round(processor, 2),
            converged=round(found[side][1].double().mean().item(), 3))  # fmt: skip
    for first, second in itertools.combinations(SIDES, 2):
        wall, processor = np.median(seconds[first] / seconds[second], 0)
        say("pair", sides=[first, second], ratio=round(wall, 2), processor_ratio=round(processor, 2),
            **agreement(found[first], found[second]))  # fmt: skip
    if torch.cuda.is_available():
        ours(patches[:2].cuda())
        (wall, _), results = timed(ours, patches.cuda())
        ratio = np.median(seconds["scikit-learn float32"][:, 0]) / wall
        say("cuda", ms_per_unit=round(wall * 1000, 3), ratio=round(ratio, 1),
            **agreement(found["scikit-learn float32"], results))  # fmt: skip


if __name__ == "__main__":
    main()
