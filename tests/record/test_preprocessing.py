"""Preprocessing in two steps, 8-bit pixels and numbers made of them, gives the same bits as in one."""

import threading

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torchvision import models, transforms
from torchvision.transforms import v2

from helpers.errors import SelectivityError
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
    "grey": transforms.Compose([transforms.Grayscale(3), transforms.Resize((64, 64)), *LATER]),
    "v2": v2.Compose([v2.Resize(72), v2.CenterCrop(64), v2.ToImage(), *V2]),
    "v2 on tensors": v2.Compose([v2.ToImage(), v2.Resize(72), v2.CenterCrop(64), *V2]),
}
AS_IT_IS = {
    "a function": lambda image: transforms.functional.to_tensor(image.resize((64, 64))),
    "numbers resized": transforms.Compose([transforms.ToTensor(), transforms.Resize((64, 64))]),
    "a step of one's own": transforms.Compose(
        [transforms.Resize((64, 64)), transforms.ToTensor(), transforms.Lambda(lambda x: x**2)]
    ),
    "another crop each time": transforms.Compose([transforms.RandomCrop(16), *LATER]),
    "a function among known steps": transforms.Compose(
        [transforms.Resize((64, 64)), transforms.Lambda(lambda image: image), *LATER]
    ),
}


class Turned(transforms.Compose):
    """Landscapes upright; known to be a Compose, but not what it does."""

    def __call__(self, image):
        return super().__call__(
            image.rotate(90, expand=True) if image.width > image.height else image
        )


class Standardised(transforms.Normalize):
    """By each picture's own mean."""

    def forward(self, tensor):
        return tensor - tensor.mean()


AS_IT_IS |= {
    "a Compose of one's own": Turned([transforms.Resize((64, 64)), *LATER]),
    "a norm of one's own": transforms.Compose(
        [transforms.Resize((64, 64)), transforms.ToTensor(), Standardised(*HALF)]
    ),
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
def test_others_stay_as_they_are(name):
    chance = torch.random.get_rng_state()
    assert parted(AS_IT_IS[name]) == (AS_IT_IS[name], None)
    assert torch.equal(chance, torch.random.get_rng_state())


def test_a_preprocessing_that_fails_is_left_to_the_images():
    broken = transforms.Compose([transforms.Lambda(lambda image: 1 / 0), transforms.ToTensor()])
    assert parted(broken)[0] is broken


@pytest.mark.parametrize("name", ["ours", "torchvision", "v2", "a function"])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_files_are_what_preprocessing_gives(name, workers, pictures, tmp_path):
    preprocess = (IN_TWO | AS_IT_IS)[name]
    (tmp_path / "class").mkdir()
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / "class" / f"{i}.png")
    images = FolderImages(tmp_path)
    read = list(batches(images, preprocess, range(len(images)), 3, workers))
    assert torch.cat([numbers for numbers, _, _ in read]).tolist() == list(range(len(pictures)))
    expected = torch.stack([preprocess(picture) for picture in pictures])
    assert torch.equal(torch.cat([batch for _, batch, _ in read]), expected)


def test_a_function_of_which_nothing_is_known_is_not_called_in_threads(pictures, tmp_path):
    """It may keep something from one call to the next: processes of its own were right for it."""
    (tmp_path / "class").mkdir()
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / "class" / f"{i}.png")
    callers = set()

    def prepare(image):
        callers.add(threading.current_thread())
        return transforms.functional.to_tensor(image.resize((8, 8)))

    images = FolderImages(tmp_path)
    assert len(list(batches(images, prepare, range(len(images)), 3))) == 3
    assert callers == {threading.current_thread()}


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(SelectivityError, match="deviation of 0"):
        PixelPreprocessing(72, 64, std=(0.2, 0.0, 0.2))
    assert (
        parted(transforms.Compose([*LATER[:1], transforms.Normalize(HALF[0], (1, 0, 1))]))[1]
        is None
    )
