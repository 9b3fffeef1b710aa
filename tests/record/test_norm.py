"""Local response normalisation gives the library's numbers, whatever the shape, layout and size."""

import pytest
import torch
from torch import nn

from helpers.record.architectures.norm import LocalResponseNorm

SIZES = (1, 2, 3, 4, 5, 8)


@pytest.fixture
def maps():
    random = torch.Generator().manual_seed(0)
    return 100 * torch.randn(3, 7, 6, 5, generator=random)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_same_numbers_as_the_library(maps, size, layout):
    maps = maps.contiguous(memory_format=layout)
    settings = dict(alpha=3e-4, beta=0.75, k=2.0)
    found = LocalResponseNorm(size, **settings)(maps)
    # Powers may differ in the last place: of single numbers and of several at once they are computed apart.
    expected = nn.LocalResponseNorm(size, **settings)(maps)
    torch.testing.assert_close(found, expected, rtol=5e-7, atol=0)
    assert found.is_contiguous(memory_format=layout)


def test_same_bits_where_maps_fill_the_processors_registers():
    """As those of GoogLeNet do in two threads: its records are those of the library's function."""
    maps = 100 * torch.randn(2, 64, 56, 56, generator=torch.Generator().manual_seed(0))
    assert torch.equal(LocalResponseNorm(5)(maps), nn.LocalResponseNorm(5)(maps))


def test_by_its_formula(maps):
    """Krizhevsky et al. 2012, section 3.3, with Caffe's alpha / size."""
    size, alpha, beta, k = 5, 1e-2, 0.75, 1.0
    maps = maps.double()
    expected = torch.empty_like(maps)
    for c in range(maps.shape[1]):
        near = maps[:, max(0, c - 2) : c + 3]
        expected[:, c] = maps[:, c] / (k + alpha / size * (near**2).sum(1)) ** beta
    found = LocalResponseNorm(size, alpha, beta, k)(maps.float())
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_gradients_and_other_types_are_the_librarys(maps):
    ours, library = LocalResponseNorm(5, 1e-2), nn.LocalResponseNorm(5, 1e-2)
    a, b = maps.clone().requires_grad_(), maps.clone().requires_grad_()
    ours(a).square().sum().backward()
    library(b).square().sum().backward()
    assert a.grad.abs().sum() > 0 and torch.equal(a.grad, b.grad)
    for other in (maps.double(), maps[0]):
        assert torch.equal(ours(other), library(other)) and ours(other).dtype == other.dtype
    few_bits = maps.bfloat16().contiguous(memory_format=torch.channels_last)
    assert ours(few_bits).dtype == torch.bfloat16
    torch.testing.assert_close(
        ours(few_bits), library(few_bits.float()).bfloat16(), rtol=0.01, atol=0
    )
    assert ours(maps[:0]).shape == (0, 7, 6, 5)
    strange = maps.clone()
    strange[1, 2] = torch.nan
    assert torch.equal(ours(strange).isnan(), library(strange).isnan())
