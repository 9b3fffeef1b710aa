"""Features of a whole layer in one pass are those of one unit's crops, and so are numbers about crops."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from helpers import open_study
from helpers.features import cell_side, crop_numbers, layer_features, reduced_crops
from helpers.record import FolderImages, record, wrap
from helpers.record.patches import crops
from helpers.record.receptive_field import ReceptiveField
from helpers.selectivity.color import crop_sigma
from helpers.selectivity.feature import (
    feature_weights,
    neuron_feature,
    structure,
    variance_among,
    visible,
)

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


# Numbers about crops ------------------------------------------------------------------------------


def of_crops(study, layer, unit):
    """The crops of a unit, pixel by pixel: (pixels, weights, valid)."""
    patches = crops(study.record, study.network, study.images, layer, [unit])
    return patches.pixels[0], feature_weights(patches.values[0]), patches.valid[0]


def in_cells(pixels, valid, side):
    """Crops (k, 3, H, W) in cells, cut into squares, with inf where a cell leaves the image."""
    missing = [-n % side for n in valid.shape[-2:]]  # what the last cells lack: they are smaller
    marked = torch.where(valid[:, None], pixels, torch.inf)
    marked = torch.nn.functional.pad(marked, (0, missing[1], 0, missing[0]), value=torch.nan)
    height, width = (n // side for n in marked.shape[-2:])
    return marked.reshape(-1, 3, height, side, width, side).nanmean((3, 5))


@pytest.mark.parametrize("layer", ["conv1", "conv2", "conv5"])  # fields of 5, 15 and 59 pixels
def test_small_crops_are_compared_pixel_by_pixel(layer):
    study = open_study("world")
    top = study.record[layer].top
    used = (feature_weights(top.values) > 0).sum(1)
    field, last = study.record[layer].geometry.field, study.network.input_size[0]
    box = field.offset[0] + top.positions[:, :, 0] * field.stride[0]
    at_border = ((box < 0) | (box + field.size[0] > last)).double().mean(1)
    # One at the border, one inside if there is, those with fewest and most crops; unsorted.
    units = [
        int(at_border.argmax()),
        int(at_border.argmin()),
        int(used.argmax()),
        int(used.argmin()),
    ]
    found = crop_numbers(study.record, study.network, study.images, layer, units)
    assert set(found) == {"structure", "variance_among"}
    for i, unit in enumerate(units):
        exact = of_crops(study, layer, unit)
        for measure in (structure, variance_among):
            torch.testing.assert_close(
                found[measure.__name__][i], measure(*exact), atol=1e-5, rtol=1e-4
            )
    assert not of_crops(study, layer, units[0])[2].all()
    assert found["structure"].isfinite().all() and (found["variance_among"] > 0).all()


def test_all_units_are_those_asked_for_one_by_one():
    study = open_study("world")
    arguments = study.record, study.network, study.images, "conv1"
    whole = crop_numbers(*arguments)
    few = crop_numbers(*arguments, torch.tensor([20, 4]))
    for name, column in whole.items():
        assert column.shape == (32,)
        torch.testing.assert_close(column[[20, 4]], few[name], atol=1e-6, rtol=1e-5)


def test_large_crops_are_compared_in_cells():
    """Fields of 115 pixels in an image of 64, in cells of two; the last ones are one pixel thin."""
    study = open_study("world")
    used = (feature_weights(study.record["conv7"].top.values) > 0).sum(1)
    units = used.sort().indices[[0, 1]]
    arguments = study.record, study.network, study.images, "conv7", units
    pixels, valid, weights = reduced_crops(*arguments)
    k = int(used[units].max())
    assert pixels.shape == (2, k, 3, 58, 58) and valid.shape == (2, k, 58, 58)
    found = crop_numbers(*arguments)
    for i, unit in enumerate(units.tolist()):
        n = int(used[unit])
        whole, of_unit, inside = (one[:n] for one in of_crops(study, "conv7", unit))
        assert torch.equal(weights[i, :n], of_unit) and (weights[i, n:] == 0).all()
        by_hand = in_cells(whole, inside, 2)
        there = by_hand[:, 0].isfinite()
        assert torch.equal(valid[i, :n], there) and not valid[i, n:].any()
        kept = there[:, None].expand_as(by_hand)
        torch.testing.assert_close(pixels[i, :n][kept], by_hand[kept], atol=1e-5, rtol=0)
        for measure in (structure, variance_among):
            expected = measure(by_hand.where(kept, 0.5), of_unit, there)
            torch.testing.assert_close(found[measure.__name__][i], expected, atol=1e-5, rtol=1e-4)


def test_cells_are_small_enough():
    sides = {1: 1, 64: 1, 65: 2, 128: 2, 129: 3, 447: 7}
    for size, side in sides.items():
        for field in ((size, size), (size, 1), (1, size)):
            assert cell_side(ReceptiveField(field, (1, 1), (0, 0))) == side


def test_cells_of_long_fields(tmp_path):
    """Fields of 131 by 20 pixels of a planted network: cells are square, 44 by 7 of them."""
    random = np.random.default_rng(5)
    for i in range(6):
        (tmp_path / f"class{i % 2}").mkdir(exist_ok=True)
        pixels = random.integers(0, 256, (140, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"class{i % 2}" / f"{i}.png")

    def prepare(image):
        scaled = np.asarray(image.resize((90, 140)), dtype=np.float32) / 255
        return torch.from_numpy(scaled).movedim(-1, 0)

    torch.manual_seed(0)
    conv = nn.Conv2d(3, 3, (131, 20), stride=(3, 7), padding=(4, 10))
    network = wrap(nn.Sequential(conv), "long", input_size=(140, 90), preprocess=prepare)
    images = FolderImages(tmp_path)
    recorded = record(network, images, progress=False, device="cpu")
    (layer,) = recorded.layers
    pixels, valid, weights = reduced_crops(recorded, network, images, layer)
    exact = crops(recorded, network, images, layer, k=weights.shape[1])
    assert pixels.shape[-2:] == (44, 7) and (weights > 0).sum() > 3
    used = weights > 0
    by_hand = in_cells(exact.pixels[used], exact.valid[used], 3)
    there = by_hand.isfinite()
    assert torch.equal(valid[used], there[:, 0])
    torch.testing.assert_close(pixels[used][there], by_hand[there], atol=1e-5, rtol=0)
    assert valid[used].any() and not valid[used].all()


def test_a_unit_without_a_positive_response_has_no_crops():
    study = open_study("world")
    arguments = study.record, study.network, study.images, "conv7"
    top = study.record["conv7"].top
    kept = top.values.clone()
    alive = crop_numbers(*arguments, [6])
    try:
        top.values[5] = -top.values[5].abs() - 1
        mixed, dead = crop_numbers(*arguments, [5, 6]), crop_numbers(*arguments, [5])
    finally:
        top.values.copy_(kept)
    for name, column in mixed.items():
        assert column[0].isnan() and dead[name].isnan().all() and column[1] == alive[name][0]
