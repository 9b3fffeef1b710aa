"""Batches that memory does not hold, and memory kept between batches, in processes of their own."""

import os
import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys, warnings
import numpy as np, torch
torch.set_num_threads(1)
from benchmarks.common import Noise, opened
from helpers.record import record
from helpers.errors import SelectivityError

batch_size, room = int(sys.argv[1]), float(sys.argv[2])
network = opened("worldnet-fine")
images = Noise(1024, network.input_size, 1024)
one = record(network, images, batch_size=32, workers=0, progress=False)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(room * 2**20),) * 2)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    try:
        other = record(network, images, batch_size=batch_size, workers=0, progress=False)
    except SelectivityError as error:
        sys.exit(f"refused: {error}")
print([str(w.message) for w in said])
for layer in one.layers:
    for name in ("top", "bottom", "mean_top"):
        a, b = getattr(one[layer], name), getattr(other[layer], name)
        torch.testing.assert_close(a.values, b.values, rtol=1e-4, atol=1e-5)
        assert (a.images == b.images).double().mean() > 0.99, (layer, name)
    for statistic, sums in one[layer].sums.items():
        torch.testing.assert_close(sums, other[layer].sums[statistic], rtol=1e-4, atol=1e-3)
"""


def run(batch_size, room):
    command = [sys.executable, "-c", CODE, str(batch_size), str(room)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_out_of_memory_halves_the_batch_and_gives_the_same_record():
    done = run(1024, 300)
    assert done.returncode == 0, done.stderr
    assert "not enough memory for 1024 images at once; going on with 512" in done.stdout


def test_enough_memory_says_nothing():
    done = run(64, 4000)
    assert done.returncode == 0 and done.stdout.strip() == "[]", done.stdout + done.stderr


FAULTS = """
import resource, sys
import torch
from helpers.record.memory import kept_memory

def faults(length, times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(length)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def size():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20

often = 2**24, 60  # 64 MB, sixty times
large = 2**27, 3  # larger than whatever may lie free among the blocks before
before, before_large, start = faults(*often), faults(*large), size()
with kept_memory():
    within = faults(*often)
more = size() - start
print(before, within, more, before_large, faults(*large))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize("chosen", [False, True])
def test_memory_is_kept_between_batches_and_given_back(chosen):
    # What the environment of the tests themselves says must not decide.
    own = {n: v for n, v in os.environ.items() if not n.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    own |= {"MALLOC_ARENA_MAX": "4"} if chosen else {}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, timeout=300, env=own
    )
    before, within, more, before_large, after_large = map(float, done.stdout.split())
    assert more < 20 and after_large > 0.5 * before_large, done.stdout
    assert (within > 0.5 * before) if chosen else (within < 0.2 * before), done.stdout
