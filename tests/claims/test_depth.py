"""Low and high layers: the thirds, and which layers count as convolutions."""

import pytest
import torch

from helpers.claims.depth import convolutions, third
from tests.planted import planted_study


@pytest.mark.parametrize(
    ("n", "size"),
    [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 2), (7, 2), (8, 3), (13, 4), (38, 13)],
)
def test_thirds_are_of_equal_size_and_at_the_ends(n, size):
    layers = [f"layer{i}" for i in range(n)]
    low, high = third(layers, 0), third(layers, -1)
    assert low == layers[:size] and high == layers[n - size :]
    assert n == 1 or not set(low) & set(high)


def test_convolutions_are_the_layers_with_a_map():
    response = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    made = {n: {"max": response, "mean": response, "min": response} for n in ("b", "fc", "a")}
    record = planted_study(made, [0, 1] * 4, ["x", "y"], k=4).record
    assert convolutions(record) == ["b", "a"]  # in forward order
    # A row of places is a map too.
    object.__setattr__(record["b"].geometry, "map_size", (1, 4))
    assert convolutions(record) == ["b", "a"]
    object.__setattr__(record["b"].geometry, "map_size", (1, 1))
    assert convolutions(record) == ["a"]
