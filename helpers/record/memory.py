"""The memory of forward passes: kept from one batch to the next, and smaller batches where it runs out."""

import contextlib
import ctypes
import os
import platform
import warnings

import torch

from helpers.errors import SelectivityError

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # as malloc.h numbers them
_SAYS = "can't allocate memory", "out of memory", "std::bad_alloc", "STATUS_ALLOC_FAILED"
_LARGEST_THRESHOLD = 2**25  # up to which glibc lets its own threshold for single mappings grow


@contextlib.contextmanager
def kept_memory():
    """Let the memory that one batch set free serve the next, instead of the system taking it back between.

    Each page that comes back from the system has to be cleared and entered again; what that costs stands in
    benchmarks/README.md. For the whole process, on Linux with glibc, unless the environment
    says how memory is to be managed. Afterwards the free memory is given back, and glibc is left as it sets
    itself in a program with large blocks.
    """
    chosen = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if chosen or platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, 2**16)
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
        libc.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_THRESHOLD)
        libc.malloc_trim(0)


class ForwardPass:
    """Runs a network on batches for a reader; in halves, quarters, ... once memory has run out."""

    def __init__(self, run, reader, most: int | None = None):
        self._run, self._reader, self._most = run, reader, most

    def __call__(self, batch: torch.Tensor, rows) -> None:
        """Run on a batch (n, ...), whose responses belong in rows, a `Responses` of n images.

        Raises SelectivityError if memory does not hold one image.
        """
        done = 0
        while done < len(batch):
            images = min(self._most or len(batch), len(batch) - done)
            self._reader.write_to(rows.rows(done, done + images))
            try:
                self._run(batch[done : done + images])
                done += images
                continue
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
            # Only here, after `error` and what it holds have gone, is there memory to set free.
            self._halve(images)
            if batch.is_cuda:
                torch.cuda.empty_cache()

    def _halve(self, images):
        if images == 1:
            raise SelectivityError(
                "there is not enough memory for the network on one image: record fewer layers, a shorter "
                "list (k), or on another device"
            )
        self._most = images // 2
        warnings.warn(
            f"not enough memory for {images} images at once; going on with {self._most}",
            stacklevel=5,
        )


def out_of_memory(error) -> bool:
    """Whether an error says so; allocators and libraries other than CUDA's have no class of their own."""
    known = torch.cuda.OutOfMemoryError, MemoryError
    return isinstance(error, known) or any(text in str(error) for text in _SAYS)
