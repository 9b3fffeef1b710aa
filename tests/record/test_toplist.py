"""The ranked list against sorting everything, ties, signed zeros and gaps included."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.record.toplist import RankedAccumulator, RankedList, pack, rerank, unpack
from tests.reference import ranked

finite = st.floats(width=32, allow_nan=False)


@given(st.lists(finite, min_size=1, max_size=30), st.integers(0, 2**32 - 2))
def test_packing_loses_nothing_but_the_sign_of_zero(values, image):
    values = torch.tensor(values, dtype=torch.float32)
    images = torch.full_like(values, image, dtype=torch.int64)
    unpacked, numbers = unpack(pack(values, images))
    assert torch.equal(unpacked, values)  # -0.0 == 0.0
    assert torch.equal(numbers, images)


@given(st.lists(finite, min_size=2, max_size=20))
def test_keys_sort_as_the_values_do(values):
    values = torch.tensor(values, dtype=torch.float32)
    keys = pack(values, torch.arange(len(values)))
    assert len(set(keys.tolist())) == len(values)
    expected = np.lexsort((np.arange(len(values)), -(values.numpy() + 0.0)))
    assert keys.argsort(descending=True).tolist() == expected.tolist()


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 15), st.integers(1, 12), st.integers(0, 9))
def test_any_chunking_gives_the_sorted_list(n, k, chunk, seed):
    random = np.random.default_rng(seed)
    values = torch.from_numpy(random.integers(-3, 4, (n, 5)).astype(np.float32))  # many ties
    places = torch.from_numpy(random.integers(0, 9, (n, 5)).astype(np.int32))
    best = RankedAccumulator(5, k, torch.int32)
    for start in range(0, n, chunk):
        rows = slice(start, start + chunk)
        best.add(values[rows], torch.arange(n)[rows], places[rows])
    found, images, payload = best.sorted()
    expected_values, expected_images = ranked(values, k)
    m = min(n, k)
    assert torch.equal(found[:, :m], expected_values)
    assert torch.equal(images[:, :m], expected_images)
    assert torch.equal(payload[:, :m], places.T.gather(1, expected_images))
    assert (images[:, m:] == -1).all() and found[:, m:].isnan().all()


def test_state_round_trip_continues_the_same_list():
    values = torch.randn(30, 4)
    whole, first, second = (RankedAccumulator(4, 7) for _ in range(3))
    whole.add(values, torch.arange(30))
    first.add(values[:15], torch.arange(15))
    second.load(first.state())
    second.add(values[15:], torch.arange(15, 30))
    for a, b in zip(whole.sorted()[:2], second.sorted()[:2], strict=True):
        assert torch.equal(a, b)


def test_rerank_drops_pads_and_keeps_order():
    values = torch.tensor([[5.0, 4.0, 4.0, 1.0]])
    images = torch.tensor([[9, 2, 7, 1]])
    got = rerank([RankedList(values, images)], lambda v: v, 4, keep=lambda i: i != 9)
    assert got.images.tolist() == [[2, 7, 1, -1]]
    assert got.values[0, :3].tolist() == [4, 4, 1] and got.values[0, 3].isnan()


@pytest.mark.parametrize("k", [1, 3])
def test_merging_accumulators_equals_one(k):
    values = torch.randint(-2, 3, (20, 3)).float()
    whole, odd, even = (RankedAccumulator(3, k) for _ in range(3))
    numbers = torch.arange(20)
    whole.add(values, numbers)
    odd.add(values[1::2], numbers[1::2])
    even.add(values[::2], numbers[::2])
    odd.merge(even)
    assert torch.equal(whole.sorted()[1], odd.sorted()[1])
