"""Preprocessing in two steps, 8-bit pixels and numbers made of them, gives the same bits as in one."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torchvision import models, transforms
from torchvision.transforms import v2

from helpers.record import FolderImages
from helpers.record.images import batches
from helpers.record.preprocessing import PixelPreprocessing, parted

HALF = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
LATER = transforms.ToTensor(), transforms.Normalize(*HALF)
V2 = v2.ToDtype(torch.float32, scale=True), v2.Normalize(*HALF)

IN_TWO = {
    "ours": PixelPreprocessing(72, 64),
    "BGR": PixelPreprocessing(72, 64, "BGR", 255.0, (104.0, 117.0, 123.0), (1, 1, 1)),
    "torchvision": models.ResNet18_Weights.DEFAULT.transforms(),
    "timm": create_transform(**resolve_data_config({}, model=timm.create_model("resnet18"))),
    "timm, squashed": create_transform((3, 64, 64), crop_mode="squash"),
    "timm, with borders": create_transform((3, 64, 64), crop_mode="border"),
    "Compose": transforms.Compose([transforms.Resize(72), transforms.CenterCrop(64), *LATER]),
    "without mean": transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()]),
    "converted": transforms.Compose(
        [
            transforms.Resize((64, 64)),
            transforms.PILToTensor(),
            transforms.ConvertImageDtype(torch.float32),
        ]
    ),
    "v2": v2.Compose([v2.Resize(72), v2.CenterCrop(64), v2.ToImage(), *V2]),
    "v2 on tensors": v2.Compose([v2.ToImage(), v2.Resize(72), v2.CenterCrop(64), *V2]),
}
AS_IT_IS = {
    "a function": lambda image: transforms.functional.to_tensor(image.resize((64, 64))),
    "numbers resized": transforms.Compose([transforms.ToTensor(), transforms.Resize((64, 64))]),
    "a step of one's own": transforms.Compose(
        [transforms.Resize((64, 64)), transforms.ToTensor(), transforms.Lambda(lambda x: x**2)]
    ),
    "pictures not to be trusted twice": transforms.Compose([transforms.RandomCrop(40), *LATER]),
}


@pytest.fixture(scope="module")
def pictures():
    """Pictures of several shapes, smaller and larger than the input, grey and black among them."""
    random = np.random.default_rng(0)
    sizes = [(90, 70), (64, 200), (500, 375), (30, 40), (64, 64)]
    pictures = [
        Image.fromarray(random.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes
    ]
    return [*pictures, Image.new("RGB", (80, 80)), Image.new("RGB", (80, 80), (124, 116, 104))]


@pytest.mark.parametrize("name", IN_TWO)
def test_two_steps_give_the_same_bits(name, pictures):
    preprocess = IN_TWO[name]
    to_pixels, to_numbers = parted(preprocess)
    seen = [to_pixels(picture) for picture in pictures]
    assert all(s.dtype == torch.uint8 for s in seen)
    found = to_numbers(torch.stack(seen))
    expected = torch.stack([preprocess(picture) for picture in pictures])
    assert type(found) is torch.Tensor and found.dtype == torch.float32
    assert torch.equal(found, expected) and expected.std() > 0


@pytest.mark.parametrize("name", AS_IT_IS)
def test_others_stay_as_they_are(name, pictures):
    to_pixels, to_numbers = parted(AS_IT_IS[name])
    assert to_pixels is AS_IT_IS[name]
    batch = torch.rand(2, 3, 4, 4)
    assert to_numbers(batch) is batch


def test_a_preprocessing_that_fails_is_left_to_the_images():
    broken = transforms.Compose([transforms.Lambda(lambda image: 1 / 0), transforms.ToTensor()])
    assert parted(broken)[0] is broken


@pytest.mark.parametrize("name", ["ours", "torchvision", "v2", "a function"])
@pytest.mark.parametrize("workers", [None, 0, 2])
def test_batches_of_files_are_what_preprocessing_gives(name, workers, pictures, tmp_path):
    if name == "a function" and workers == 2:
        workers = 1
    preprocess = (IN_TWO | AS_IT_IS)[name]
    (tmp_path / "class").mkdir()
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / "class" / f"{i}.png")
    images = FolderImages(tmp_path)
    read = list(batches(images, preprocess, range(len(images)), 3, workers))
    assert torch.cat([numbers for numbers, _, _ in read]).tolist() == list(range(len(pictures)))
    expected = torch.stack([preprocess(picture) for picture in pictures])
    assert torch.equal(torch.cat([batch for _, batch, _ in read]), expected)
