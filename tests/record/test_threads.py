"""Rows shared out between threads: each once, and no error lost."""

import threading

import numpy as np
import pytest
import torch

from helpers.record.threads import Background, _openmp, by_rows, in_own_threads, in_pytorch_threads

WAYS = [
    in_own_threads,
    pytest.param(
        in_pytorch_threads,
        marks=pytest.mark.skipif(_openmp() is None, reason="PyTorch's threads cannot be had here"),
    ),
]


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [0, 1, 2, 7])
def test_rows_are_shared_out_once_each(rows, three_threads):
    seen = np.zeros(rows, dtype=int)
    by_rows(lambda some: seen.__setitem__(some, seen[some] + 1), rows)
    assert (seen == 1).all()


@pytest.mark.parametrize("way", WAYS)
def test_parts_are_called_in_several_threads_and_errors_come_back(way, three_threads):
    together, who = threading.Barrier(3, timeout=60), set()

    def meet(part):
        together.wait()  # only if all three are there at once
        who.add(threading.get_ident())

    way(meet, [slice(0, 1), slice(1, 2), slice(2, 3)])
    assert len(who) == 3
    for _ in range(50):
        with pytest.raises(ZeroDivisionError):
            way(lambda part: 1 / 0, [slice(0, 1), slice(1, 2)])


def test_linux_has_pytorchs_own_threads():
    """The wheels for Linux bring OpenMP along; where this fails, recordings are slower, not wrong."""
    import sys

    assert sys.platform != "linux" or _openmp() is not None


def test_jobs_run_behind_the_caller_in_order_and_errors_come_back():
    background, go_on, done = Background(), threading.Event(), []

    def job(number):
        assert go_on.wait(60)
        done.append(number)

    background.run(job, 1)
    assert not done  # the caller goes on
    go_on.set()
    background.run(job, 2)
    assert done[0] == 1
    background.wait()
    assert done == [1, 2]
    background.run(lambda: 1 / 0)
    for _ in range(2):  # what follows an error is not taken for whole
        with pytest.raises(ZeroDivisionError):
            background.wait()
    with pytest.raises(ZeroDivisionError):
        background.run(job, 3)
    assert done == [1, 2]
