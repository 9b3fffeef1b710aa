"""Crops: exactly the pixels the unit saw, marked invalid where it looked past the border."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.errors import SelectivityError
from helpers.record import FolderImages, load_network, record
from helpers.record.patches import as_shown, crops
from tests.record.test_recorder import network


def test_crops_are_the_seen_pixels_and_reproduce_the_response(picture_folder):
    """Pasting a conv unit's crop into the convolution gives back the recorded response."""
    images, net = FolderImages(picture_folder), network("in-place")
    recorded = record(net, images, 6, progress=False)
    patches = crops(recorded, net, images, "features.0", units=[1, 4], k=5)
    assert patches.pixels.shape == (2, 5, 3, 5, 5) and patches.valid.all()  # unpadded convolution
    conv = net.module.features[0]
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    for row, unit in enumerate((1, 4)):
        with torch.no_grad():
            response = conv((patches.pixels[row] - mean) / std)[:, unit, 0, 0]
        torch.testing.assert_close(response, patches.values[row], rtol=1e-3, atol=1e-3)
    bottom = crops(recorded, net, images, "features.0", units=[1], k=3, which="bottom")
    with torch.no_grad():
        response = conv((bottom.pixels[0] - mean) / std)[:, 1, 0, 0]
    torch.testing.assert_close(
        response, recorded["features.0"].bottom.values[1, :3], rtol=1e-3, atol=1e-3
    )


def test_outside_the_image_is_invalid_not_black(picture_folder):
    images, net = FolderImages(picture_folder), load_network("torchvision:squeezenet1_1", "random")
    layer = "features.12.expand3x3"
    recorded = record(net, images, 4, layers=layer, progress=False)
    patches = crops(recorded, net, images, layer, units=[0, 1, 2], k=4)
    field = recorded[layer].geometry.field
    for row in range(3):
        for rank in range(4):
            y, x = recorded[layer].top.positions[row, rank].tolist()
            top, left, bottom, right = field.box(y, x)
            inside = (min(bottom, 224) - max(top, 0)) * (min(right, 224) - max(left, 0))
            assert patches.valid[row, rank].sum() == inside
            assert (patches.pixels[row, rank][:, ~patches.valid[row, rank]] == 0.5).all()
    assert not patches.valid.all() and patches.valid.any()


@pytest.mark.parametrize("name", ["googlenet", "torchvision:resnet18", "timm:test_resnet"])
def test_any_preprocessing_is_inverted(name):
    net = load_network(name, "random")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8))
    seen = net.preprocess(picture.resize((300, 300), Image.Resampling.NEAREST))
    shown = as_shown(net.preprocess)(seen)
    assert shown.min() >= 0 and shown.max() <= 1
    # A plain patch in the middle keeps its colour.
    expected = torch.tensor(picture.getpixel((4, 4))) / 255
    middle = shown[:, shown.shape[1] // 2, shown.shape[2] // 2]
    torch.testing.assert_close(middle, expected.float(), atol=2e-2, rtol=0)


def test_a_grey_only_preprocessing_is_refused():
    with pytest.raises(SelectivityError, match="loses colour"):
        as_shown(
            lambda image: torch.from_numpy(np.asarray(image.convert("L"), np.float32)).expand(
                3, -1, -1
            )
        )
