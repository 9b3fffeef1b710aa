"""What a network is shown of an image: 8-bit pixels, and the numbers made of them.

    prepare = PixelPreprocessing(short_side=256, crop=224)
    prepare(image)                          # PIL image -> float32 (3, 224, 224)
    pixels, numbers = parted(prepare)
    numbers(torch.stack([pixels(image)]))   # the same of a batch, on any device

Pixels take a quarter of the memory of numbers. So they are what processes that decode images hand on, and
what goes to a GPU, and the arithmetic of a whole batch is done where the network runs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import (
    CenterCrop,
    Compose,
    ConvertImageDtype,
    InterpolationMode,
    Normalize,
    PILToTensor,
    Resize,
    ToTensor,
    v2,
)
from torchvision.transforms import functional as pixels
from torchvision.transforms._presets import ImageClassification

_TENSOR_OF_ONE = ToTensor, v2.PILToTensor, PILToTensor, v2.ToImage
_POINTWISE = (
    *_TENSOR_OF_ONE,
    ConvertImageDtype,
    v2.ToDtype,
    v2.ConvertImageDtype,
    Normalize,
    v2.Normalize,
)


@dataclass(frozen=True)
class PixelPreprocessing:
    """Resize, crop, scale: an RGB PIL image -> float32 (3, crop, crop).

    short_side: the image is resized (PIL, antialiased) so that its shorter side has this many pixels. crop:
    side of the square cut from the centre; scale: values run from 0 to this before `mean` is subtracted and
    `std` divides; channels: "RGB" or "BGR", the order in which `mean` and `std` are given as well. Mean and
    deviation are by default those of torchvision's models.
    """

    short_side: int
    crop: int
    channels: str = "RGB"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    resample: str = "bicubic"

    def __call__(self, image: Image.Image) -> Tensor:
        return self.numbers(self.pixels(image)).contiguous()

    def pixels(self, image: Image.Image) -> Tensor:
        """What the network sees, uint8 (3, crop, crop) in RGB."""
        image = pixels.resize(image, self.short_side, InterpolationMode(self.resample))
        return pixels.pil_to_tensor(pixels.center_crop(image, self.crop))

    def numbers(self, seen: Tensor) -> Tensor:
        """Pixels (..., 3, H, W) -> what the network takes, float32."""
        if self.channels == "BGR":
            seen = seen.flip(-3)
        return pixels.normalize(seen * (self.scale / 255), self.mean, self.std, inplace=True)

    def __str__(self) -> str:
        return (
            f"RGB decode; short side to {self.short_side} px, PIL {self.resample} (antialiased); "
            f"centre crop {self.crop} x {self.crop}; {self.channels}, 0..{self.scale:g}; "
            f"minus {self.mean}, divided by {self.std}"
        )


def parted(preprocess: Callable[[Image.Image], Tensor]) -> tuple[Callable, Callable]:
    """(image -> uint8 (3, H, W), uint8 (n, 3, H, W) -> float32) that together do what `preprocess` does.

    Known are `PixelPreprocessing`, the transforms of torchvision's models, and a `Compose` of torchvision's
    or timm's that ends in arithmetic on single pixels. One picture is tried; where the two do not give the
    same bits, and for any other function, they are (`preprocess`, nothing).
    """
    two = _two_steps(preprocess)
    return two if two is not None and _same(preprocess, *two) else (preprocess, _as_it_is)


def _as_it_is(batch):
    return batch


def _two_steps(preprocess):
    if isinstance(preprocess, PixelPreprocessing):
        return preprocess.pixels, preprocess.numbers
    if type(preprocess) is ImageClassification:
        p = preprocess
        before = [
            Resize(p.resize_size, p.interpolation, antialias=p.antialias),
            CenterCrop(p.crop_size),
        ]
        return Compose([*before, PILToTensor()]), Compose(
            [ConvertImageDtype(torch.float32), Normalize(p.mean, p.std)]
        )
    if not isinstance(preprocess, Compose | v2.Compose):
        return None
    steps = list(preprocess.transforms)
    first = len(steps)
    while first and isinstance(steps[first - 1], _POINTWISE):
        first -= 1
    # ToTensor scales as well: of a tensor it must do that alone. The others only change the type of object.
    scales = (
        [ConvertImageDtype(torch.float32)] if any(isinstance(s, ToTensor) for s in steps) else []
    )
    last = [step for step in steps[first:] if not isinstance(step, _TENSOR_OF_ONE)]
    return Compose([*steps[:first], _to_pixels]), Compose([*scales, *last])


def _to_pixels(image):
    return (
        pixels.pil_to_tensor(image) if isinstance(image, Image.Image) else image.as_subclass(Tensor)
    )


def _same(preprocess, to_pixels, to_numbers):
    """Whether the two steps give what `preprocess` gives, bit by bit, of a picture of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (67, 51, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    try:
        seen = to_pixels(image)
        return seen.dtype == torch.uint8 and torch.equal(
            to_numbers(seen[None])[0], preprocess(image)
        )
    except (
        Exception
    ):  # whatever a caller's own steps raise; they will again, at an image of the caller's
        return False
