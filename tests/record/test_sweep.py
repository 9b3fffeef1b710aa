"""The compiled pass over maps against reductions of the same maps, at any shape, layout and thread count."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.record.statistics import Responses, reduce_maps
from helpers.record.sweep import sweep


def read(maps, columns=None, with_=sweep):
    """A `Responses` of maps (n, H, W, U) with one column to spare on each side."""
    n, units = maps.shape[0], maps.shape[3]
    into = Responses.empty(n, units + 2, "cpu")
    for table in vars(into).values():
        table.fill_(-7)
    if with_ is sweep:
        sweep(maps, [table.numpy() for table in vars(into).values()], 1)
    else:
        with_(maps, into, slice(1, units + 1))
    for table in vars(into).values():  # the neighbours' columns are left alone
        assert (table[:, [0, -1]] == -7).all()
    return Responses(*(table[:, 1:-1] for table in vars(into).values()))


def assert_right(found, maps):
    flat = maps.flatten(1, 2)
    assert torch.equal(found.max, flat.amax(1)) and torch.equal(found.min, flat.amin(1))
    first_high = (flat == flat.amax(1, keepdim=True)).int().argmax(1)
    first_low = (flat == flat.amin(1, keepdim=True)).int().argmax(1)
    assert torch.equal(found.max_at.long(), first_high)
    assert torch.equal(found.min_at.long(), first_low)
    torch.testing.assert_close(found.mean, flat.double().mean(1).float(), rtol=2e-6, atol=1e-7)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 5), st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(0, 99)
)
def test_equals_reductions_with_many_ties(n, height, width, units, seed):
    random = np.random.default_rng(seed)
    maps = torch.from_numpy(random.integers(-3, 4, (n, height, width, units)).astype(np.float32))
    for with_ in (sweep, reduce_maps):
        assert_right(read(maps, with_=with_), maps)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_layout_and_number_of_threads(layout, threads):
    maps = torch.randn(7, 24, 50, 41).to(memory_format=layout).movedim(1, -1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert_right(read(maps), maps)
    finally:
        torch.set_num_threads(before)


def test_the_mean_of_a_large_map_loses_nothing():
    """Added one after the other in single precision it would be off by 1 in 100."""
    maps = torch.full((1, 4096, 1024, 1), 1.0) / 3
    assert read(maps).mean.item() == pytest.approx(1 / 3, rel=1e-6)


def test_zeros_of_both_signs_are_equal_and_infinities_are_numbers():
    maps = torch.tensor([-0.0, 0.0, -0.0]).view(1, 1, 3, 1)
    found = read(maps)
    assert found.max_at.item() == found.min_at.item() == 0
    maps = torch.tensor([1.0, torch.inf, 2.0]).view(1, 3, 1, 1)
    assert read(maps).max.item() == torch.inf and read(maps).mean.item() == torch.inf


@pytest.mark.parametrize("at", [0, 5, 99])
def test_a_nan_anywhere_is_in_the_mean(at):
    maps = torch.randn(2, 10, 10, 17)
    maps[1, at // 10, at % 10, 3] = torch.nan
    for with_ in (sweep, reduce_maps):
        mean = read(maps, with_=with_).mean
        assert mean[1, 3].isnan() and mean.isnan().sum() == 1


def test_equal_extremes_give_the_first_place_in_row_order():
    maps = torch.zeros(1, 3, 4, 2)
    maps[0, 1, 3, 0] = maps[0, 2, 0, 0] = 5.0  # row order: (1, 3) comes first
    for with_ in (sweep, reduce_maps):
        assert read(maps, with_=with_).max_at.tolist() == [[7, 0]]
        assert read(-maps, with_=with_).min_at.tolist() == [[7, 0]]


@pytest.mark.parametrize("units", [1, 63, 64, 511, 512, 513, 1100])
@pytest.mark.parametrize("places", [(1, 1), (1, 3), (2, 2), (7, 7), (13, 29)])
def test_any_number_of_units_and_places(units, places):
    """Around the numbers at which the loops take units or places together."""
    random = np.random.default_rng(units)
    for maps in (
        random.normal(size=(2, *places, units)),
        random.integers(0, 3, (2, *places, units)),
    ):
        maps = torch.from_numpy(maps.astype(np.float32))
        assert_right(read(maps), maps)


def test_maps_of_infinities():
    for value in (torch.inf, -torch.inf):
        found = read(torch.full((1, 5, 5, 3), value))
        assert (found.max == value).all() and (found.min == value).all()
        assert (found.max_at == 0).all() and (found.min_at == 0).all()
