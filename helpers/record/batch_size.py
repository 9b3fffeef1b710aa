"""How many images a network should take at once, found by trying."""

import math
import operator
import time

import torch

from helpers.errors import SelectivityError
from helpers.record.memory import out_of_memory

SMALLEST, LARGEST = 8, 1024
BYTES = 2**27  # of a batch's images as numbers: several batches may wait while one runs
WORTH = 1.05  # by which twice as many images must be faster to be worth their memory
TIMES = 3


def check_batch_size(batch_size):
    """A positive number or "auto"; SelectivityError for anything else."""
    if isinstance(batch_size, str) and batch_size == "auto":
        return batch_size
    try:
        number = operator.index(batch_size)
    except TypeError:
        number = 0
    if number < 1:
        raise SelectivityError(f"batch_size is {batch_size!r}; give a positive number, or 'auto'")
    return number


def images_at_once(batch_size, double, input_size, device, most: int) -> int:
    """The batch size asked for, or for "auto" the one at which a `Double` runs fastest; at most `most`.

    Sizes are doubled from 8 on until that no longer pays or memory runs out; `compile` has no part in it.
    Which one it is may differ from one try to the next, and with it the rounding of responses.
    """
    batch_size = check_batch_size(batch_size)
    if batch_size != "auto":
        return batch_size
    best, speed, size = min(SMALLEST, most), 0.0, SMALLEST
    while size <= min(LARGEST, most, BYTES // (12 * math.prod(input_size))):
        found = _speed(double, (size, 3, *input_size), device)
        if found is None or found < WORTH * speed:
            break
        best, speed, size = size, found, 2 * size
    return best


@torch.inference_mode()
def _speed(double, shape, device):
    """Images a second, at best; None if memory does not hold them."""
    seconds = []
    try:
        images = torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)
        with double.computing():
            for _ in range(1 + TIMES):  # the first chooses algorithms and fetches memory
                start = time.perf_counter()
                double.module(images)
                if images.device.type in ("cuda", "mps"):
                    getattr(torch, images.device.type).synchronize()
                seconds.append(time.perf_counter() - start)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return None
    return shape[0] / min(seconds[1:])
