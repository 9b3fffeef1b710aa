"""Features of a whole layer in one pass are those of one unit's crops."""

import pytest
import torch

from helpers import open_study
from helpers.features import layer_features
from helpers.record.patches import crops
from helpers.selectivity.color import crop_sigma
from helpers.selectivity.feature import feature_weights, neuron_feature, visible

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("layer", ["conv2", "conv7"])  # inside the image, and larger than it
def test_a_layer_at_once_is_unit_by_unit(layer):
    study = open_study("world")
    units = [3, 40, 17]
    found = layer_features(study.record, study.network, study.images, layer, units)
    patches = crops(study.record, study.network, study.images, layer, units)
    for i in range(len(units)):
        weights = feature_weights(patches.values[i])
        valid = patches.valid[i]
        assert torch.equal(found.weights[i], weights)
        feature = neuron_feature(patches.pixels[i], weights, valid)
        torch.testing.assert_close(found.pictures[i], feature, atol=1e-5, rtol=0)
        assert torch.equal(found.valid[i], visible(weights, valid))
        sigma = crop_sigma(patches.pixels[i], weights, valid)
        torch.testing.assert_close(found.sigma[i], sigma, atol=1e-3, rtol=0)
        assert sigma.isfinite().any() and found.valid[i].any()


def test_each_image_is_read_once(monkeypatch):
    study = open_study("world")
    opened = []
    images = type(study.images)("eval")
    real = images.open
    monkeypatch.setattr(images, "open", lambda i: opened.append(i) or real(i))
    layer_features(study.record, study.network, images, "conv1", range(8))
    assert len(opened) == len(set(opened)) > 100


def test_a_unit_without_a_positive_response_shows_nothing():
    study = open_study("world")
    top = study.record["conv1"].top
    kept = top.values.clone()
    try:
        top.values[5] = -top.values[5].abs() - 1
        found = layer_features(study.record, study.network, study.images, "conv1", [5, 6])
    finally:
        top.values.copy_(kept)
    assert not found.valid[0].any() and (found.pictures[0] == 0.5).all()
    assert found.valid[1].any()
