"""Crops: exactly the pixels the unit saw, invalid where it looked past the border; thumbnails of them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from helpers.errors import SelectivityError
from helpers.record import FolderImages, load_network, record
from helpers.record.patches import as_shown, crops, thumbnails
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


@pytest.fixture(scope="module")
def deep(picture_folder):
    """(record, network, images, layer) of a layer whose fields leave the image."""
    images, net = FolderImages(picture_folder), load_network("torchvision:squeezenet1_1", "random")
    layer = "features.12.expand3x3"
    return record(net, images, 4, layers=layer, progress=False), net, images, layer


def test_outside_the_image_is_invalid_not_black(deep):
    recorded, *_, layer = deep
    patches = crops(*deep, units=[0, 1, 2], k=4)
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


def test_thumbnails_are_the_valid_parts_of_crops(deep, picture_folder):
    """Resized as the library does it, where the box is inside and where an edge cuts it."""
    images, net = FolderImages(picture_folder), network("in-place")
    shallow = record(net, images, 4, progress=False), net, images, "features.0"
    for source, which, side, sizes in ((deep, "top", 48, 3), (shallow, "bottom", 8, 1)):
        whole = crops(*source, [5, 0, 2], 4, which)
        small = thumbnails(*source, [5, 0, 2], 4, side, which)
        assert small.pixels.shape == (3, 4, 3, side, side) and small.valid.all()
        assert torch.equal(small.images, whole.images) and torch.equal(small.values, whole.values)
        shapes = set()
        for row in range(3):
            for rank in range(4):
                seen = whole.valid[row, rank]
                part = whole.pixels[row, rank][:, seen.any(1)][:, :, seen.any(0)]
                shapes.add(part.shape)
                wanted = interpolate(part[None], (side, side), mode="bilinear", antialias=True)[0]
                torch.testing.assert_close(small.pixels[row, rank], wanted, atol=1e-5, rtol=0)
        assert len(shapes) >= sizes


def test_each_image_is_read_once(picture_folder):
    images, net = FolderImages(picture_folder), network("in-place")
    recorded = record(net, images, 6, progress=False)
    opened, read = [], images.open
    images.open = lambda number: opened.append(number) or read(number)
    thumbnails(recorded, net, images, "features.0", k=6, side=8)
    listed = recorded["features.0"].top.first(6).images
    assert sorted(opened) == listed.unique().tolist() and listed.numel() > len(opened)


def test_a_unit_with_few_images_has_grey_thumbnails_at_the_end(picture_folder):
    """Fewer images than places on the list."""
    images, net = FolderImages(picture_folder).subset(range(3)), network("in-place")
    recorded = record(net, images, 6, progress=False)
    patches = thumbnails(recorded, net, images, "features.0", k=6, side=8)
    listed = patches.images >= 0
    assert (listed.sum(1) == 3).all() and torch.equal(patches.valid.all((2, 3)), listed)
    assert (patches.pixels[~listed] == 0.5).all() and patches.pixels[listed].std() > 0.1
