"""The neuron feature: planted, degenerate and null cases."""

import pytest
import torch

from helpers.selectivity import feature_weights, neuron_feature


def test_weights_follow_the_paper():
    values = torch.tensor([[10.0, 8.0, 7.0, 6.9, -1.0]])
    assert feature_weights(values)[0].tolist() == pytest.approx([1, 0.8, 0.7, 0, 0])
    assert feature_weights(torch.tensor([[-1.0, -2.0]])).tolist() == [[0, 0]]
    assert feature_weights(torch.tensor([[0.0, 0.0]])).tolist() == [[0, 0]]
    assert (feature_weights(torch.ones(2, 150)) > 0).sum(1).tolist() == [100, 100]
    assert feature_weights(torch.tensor([[2.0, float("nan")]])).tolist() == [[1, 0]]


def test_a_planted_pattern_comes_back():
    pattern = torch.rand(3, 6, 6)
    feature = neuron_feature(pattern.expand(9, -1, -1, -1), torch.linspace(0.7, 1, 9))
    torch.testing.assert_close(feature, pattern)


def test_equals_the_weighted_mean_pixel_by_pixel():
    crops, weights = torch.rand(4, 3, 2, 2), torch.tensor([1.0, 0.9, 0.8, 0.7])
    expected = sum(w * c for w, c in zip(weights, crops, strict=True)) / weights.sum()
    torch.testing.assert_close(neuron_feature(crops, weights), expected)


def test_only_valid_pixels_count_and_hidden_ones_are_grey():
    crops = torch.stack([torch.zeros(3, 1, 3), torch.ones(3, 1, 3)])
    valid = torch.tensor([[[True, True, False]], [[True, False, False]]])
    feature = neuron_feature(crops, torch.tensor([1.0, 1.0]), valid)
    assert feature[0, 0].tolist() == [0.5, 0.0, 0.5]
    # Less than a tenth of the weight is valid: grey, although one crop shows something.
    feature = neuron_feature(crops, torch.tensor([1.0, 0.05]), ~valid)
    assert feature[0, 0].tolist() == pytest.approx([0.5, 0.5, 0.05 / 1.05])


def test_no_weight_is_grey_and_wrong_shapes_are_refused():
    assert (neuron_feature(torch.rand(3, 3, 2, 2), torch.zeros(3)) == 0.5).all()
    with pytest.raises(ValueError, match="do not fit"):
        neuron_feature(torch.rand(3, 3, 2, 2), torch.zeros(2))


def test_unrelated_crops_average_to_grey():
    """The null: noise that shares nothing loses its contrast as one over the root of the number."""
    torch.manual_seed(0)
    feature = neuron_feature(torch.rand(100, 3, 16, 16), torch.ones(100))
    assert feature.std().item() == pytest.approx(12**-0.5 / 10, rel=0.1)
