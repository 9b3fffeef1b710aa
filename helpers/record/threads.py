"""Threads for what runs without Python's lock: rows and calls shared out, jobs left to them."""

import contextlib
import ctypes
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch

_BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def by_rows(call, rows: int, most: int | None = None) -> None:
    """Call with slices that together hold all rows, in as many threads as PyTorch uses, or at most `most`."""
    threads = min(torch.get_num_threads(), rows, rows if most is None else most)
    if threads <= 1:
        return call(slice(0, rows))
    ends = np.linspace(0, rows, threads + 1).astype(int).tolist()
    parts = [slice(*two) for two in zip(ends[:-1], ends[1:], strict=True)]
    (in_own_threads if _openmp() is None else in_pytorch_threads)(call, parts)


@contextlib.contextmanager
def side_by_side(threads: int):
    """Gives what `map` is, but calls in that many threads of our own; the results keep their order."""
    if threads <= 1:
        yield map
        return
    pool = ThreadPoolExecutor(threads, initializer=_without_more_threads)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


def _without_more_threads():
    """Keep what PyTorch does in the calling thread there: the threads are as many as they should be."""
    if _openmp() is not None:
        torch.get_num_threads()  # PyTorch sets each new thread's number when it is first asked
        _openmp().omp_set_num_threads(1)


class Background:
    """Jobs in a thread of their own, one after the other, while the caller goes on.

    An error in a job comes to the caller with the next, or when it waits.
    """

    def __init__(self):
        self._thread, self._job = ThreadPoolExecutor(1), None

    def run(self, job, *arguments) -> None:
        """Start a job as soon as the one before has ended."""
        self.wait()
        self._job = self._thread.submit(job, *arguments)

    def wait(self) -> None:
        """Return when all jobs have ended."""
        if self._job is not None:
            self._job.result()


def in_pytorch_threads(call, parts) -> None:
    """Call with each part in the threads that PyTorch itself uses.

    After a layer these stay awake for a while, waiting for the next: threads of our own would have to
    share the processor's cores with them.
    """
    left, errors = list(parts), []

    def body(_):
        try:
            call(left.pop())
        except BaseException as error:  # it would be lost on its way through OpenMP
            errors.append(error)

    _openmp().GOMP_parallel(_BODY(body), None, len(parts), 0)
    for part in left:  # fewer threads were to be had
        call(part)
    if errors:
        raise errors[0]


def in_own_threads(call, parts) -> None:
    """Call with each part in threads of our own, where PyTorch's cannot be had."""
    list(_pool(len(parts)).map(call, parts))


@cache
def _pool(threads):
    return ThreadPoolExecutor(threads)


@cache
def _openmp():
    """The OpenMP library that PyTorch has loaded, or None where none can be called so (macOS, Windows)."""
    try:
        library = ctypes.CDLL(None)
        library.GOMP_parallel.argtypes = _BODY, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint
        library.GOMP_parallel.restype = None
    except (OSError, TypeError, AttributeError):
        return None
    return library
