"""What the benchmarks share: prepared images, a network, the machine in a line, a fresh process's memory."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from helpers.errors import SelectivityError
from helpers.record import ImageSet, load_network
from helpers.record.recorder import best_device


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


def loaded(name):
    """The network; with random weights where the real ones are not on this machine."""
    try:
        return load_network(name)
    except SelectivityError:
        return load_network(name, "random")


def opened(name):
    """The network as `loaded`, for `Noise`."""
    network = loaded(name)
    random = np.random.default_rng(0).integers(0, 256, (*network.input_size, 3), dtype=np.uint8)
    # Noise as strong as the network is used to: where it is weak, float32 makes many responses equal.
    spread = network.preprocess(Image.fromarray(random)).std()
    network.preprocess = lambda tensor: tensor * spread
    return network


def say_machine(threads):
    """Print the line that begins every benchmark's output."""
    machine = {"benchmark": "machine", "processor": platform.processor() or platform.machine(),
               "threads": threads, "device": best_device(), "torch": torch.__version__}  # fmt: skip
    print(json.dumps(machine), flush=True)


def own_peak():
    """Peak resident memory of this process in MB.

    On Linux not from `getrusage`, which counts what the parent had when it started this process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return round(int(line.split()[1]) * 1024 / 1e6, 1)
    import resource  # not on every system

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1)


def peak_memory(*lines):
    """Peak resident memory in MB of a fresh process that runs these lines of Python."""
    code = "\n".join([
        "import torch; torch.set_num_threads(2)",
        *lines,
        "from benchmarks.common import own_peak; print(own_peak())",
    ])  # fmt: skip
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(out.stdout.split()[-1])
