"""Class frequencies: planted, degenerate and null cases."""

import pytest
import torch

from helpers.selectivity import class_frequencies, relative_activations, share_hidden, tuning_curve


def test_a_planted_unit():
    weights = torch.tensor([[1.0, 0.5, 0.5]])
    shares = class_frequencies(weights, torch.tensor([[2, 0, 2]]), 4)
    assert shares.tolist() == [[0.25, 0, 0.75, 0]]


def test_degenerate_units():
    dead = class_frequencies(torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.long), 2)
    assert dead.tolist() == [[0, 0]]
    padded = class_frequencies(torch.ones(1, 3), torch.tensor([[1, -1, -1]]), 2)
    assert padded.tolist() == [[0, 1]]
    with pytest.raises(ValueError):
        class_frequencies(torch.ones(1, 3), torch.zeros(1, 2, dtype=torch.long), 2)


def test_shuffled_classes_give_the_class_sizes():
    torch.manual_seed(1)
    classes = torch.randint(0, 4, (2000, 100))
    mean = class_frequencies(torch.ones(2000, 100), classes, 4).mean(0)
    torch.testing.assert_close(mean, torch.full((4,), 0.25, dtype=torch.float64), atol=0.01, rtol=0)


def test_relative_activations():
    values = torch.tensor([[4.0, 2.0, -1.0], [-1.0, -2.0, float("nan")]])
    assert relative_activations(values).tolist() == [[1, 0.5, 0], [0, 0, 0]]
    assert relative_activations(values, first=1).tolist() == [[1], [0]]


def test_tuning_curve_orders_all_responses():
    responses = torch.tensor([0.5, -2.0, 0.5, 3.0])
    values, images = tuning_curve(responses)
    assert values.tolist() == [3, 0.5, 0.5, -2] and images.tolist() == [3, 0, 2, 1]
    assert share_hidden(responses) == 0.25
    assert share_hidden(torch.stack([responses, -responses], 1)).tolist() == [0.25, 0.75]
