"""The ranked list against sorting everything, ties, signed zeros and gaps included."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.record.shortlist import Shortlists
from helpers.record.toplist import (
    RankedList,
    pack,
    rerank,
    unpack,
)
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
    best = Shortlists(5, k, torch.int32)
    for start in range(0, n, chunk):
        rows = slice(start, start + chunk)
        best.add(values[rows], torch.arange(n)[rows], places[rows])
    found, images, payload = best.ranked()
    expected_values, expected_images = ranked(values, k)
    m = min(n, k)
    assert torch.equal(found[:, :m], expected_values)
    assert torch.equal(images[:, :m], expected_images)
    assert torch.equal(payload[:, :m], places.T.gather(1, expected_images))
    assert (images[:, m:] == -1).all() and found[:, m:].isnan().all()


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 1500), st.sampled_from([1, 30, 64, 200]), st.integers(1, 50), st.integers(0, 99)
)
def test_lists_with_room_equal_a_sort_of_everything(n, k, parts, seed):
    """Over more images than a list has room for: rising, falling, tied and far apart."""
    random, chunk = np.random.default_rng(seed), -(-n // parts)
    kinds = [
        random.normal(size=n),
        np.arange(n),
        -np.arange(n),
        random.integers(0, 2, n),
        random.choice([-3e38, -1e-40, -0.0, 0.0, 3e38, np.inf, -np.inf], n),
    ]
    values = torch.from_numpy(np.stack(kinds, 1).astype(np.float32))
    numbers = torch.from_numpy(np.arange(n) * 1000)
    carried = torch.from_numpy(random.normal(size=values.shape).astype(np.float32))
    for payload in (None, torch.float32):
        lists = Shortlists(5, k, payload)
        for start in range(0, n, chunk):
            some = slice(start, start + chunk)
            lists.add(values[some], numbers[some], None if payload is None else carried[some])
        state = lists.state()
        keys, held = state["keys"], state.get("payload")
        everything, order = pack(values.T, numbers).sort(dim=1, descending=True)
        assert torch.equal(keys, everything[:, :k])
        if payload is None:
            assert held is None
        else:
            assert torch.equal(held, carried.T.gather(1, order[:, :k]))


def test_lists_do_not_grow_with_the_number_of_images():
    lists = Shortlists(3, 100, torch.int32)
    before = lists._keys.nbytes
    for start in range(0, 20_000, 500):
        lists.add(torch.randn(500, 3), torch.arange(start, start + 500), torch.zeros(500, 3).int())
    assert lists._keys.nbytes == before and (lists._filled >= 100).all()


def test_state_round_trip_continues_the_same_list():
    values = torch.randn(30, 4)
    whole, first, second = (Shortlists(4, 7) for _ in range(3))
    whole.add(values, torch.arange(30))
    first.add(values[:15], torch.arange(15))
    second.load(first.state())
    second.add(values[15:], torch.arange(15, 30))
    for a, b in zip(whole.ranked()[:2], second.ranked()[:2], strict=True):
        assert torch.equal(a, b)


def test_rerank_drops_pads_and_keeps_order():
    values = torch.tensor([[5.0, 4.0, 4.0, 1.0]])
    images = torch.tensor([[9, 2, 7, 1]])
    got = rerank([RankedList(values, images)], lambda v: v, 4, keep=lambda i: i != 9)
    assert got.images.tolist() == [[2, 7, 1, -1]]
    assert got.values[0, :3].tolist() == [4, 4, 1] and got.values[0, 3].isnan()
