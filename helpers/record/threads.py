"""Share rows out between threads: for compiled functions that run without Python's lock."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch


@cache
def _pool(threads):
    return ThreadPoolExecutor(threads)


def by_rows(call, rows: int, most: int | None = None) -> None:
    """Call with slices that together hold all rows, in as many threads as PyTorch uses, or at most `most`."""
    threads = min(torch.get_num_threads(), rows, rows if most is None else most)
    if threads <= 1:
        return call(slice(0, rows))
    ends = np.linspace(0, rows, threads + 1).astype(int)
    list(_pool(threads).map(call, map(slice, ends[:-1], ends[1:])))
