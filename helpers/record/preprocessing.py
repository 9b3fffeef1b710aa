"""What a network is shown of an image: 8-bit pixels, and the numbers made of them.

    prepare = PixelPreprocessing(short_side=256, crop=224)
    prepare(image)                          # PIL image -> float32 (3, 224, 224)
    pixels, numbers = parted(prepare)
    numbers(torch.stack([pixels(image)]))   # the same of a batch, on any device

Pixels take a quarter of the memory of numbers. So they are what processes that decode images hand on, and
what goes to a GPU, and the arithmetic of a whole batch is done where the network runs. (Another device than
the processor may round a division differently, in the last bit.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import (
    CenterCrop,
    Compose,
    ConvertImageDtype,
    Grayscale,
    InterpolationMode,
    Normalize,
    Pad,
    PILToTensor,
    Resize,
    ToTensor,
    v2,
)
from torchvision.transforms import functional as pixels
from torchvision.transforms._presets import ImageClassification

from helpers.errors import SelectivityError

# Steps that do the same to an image each time, whoever else does it at once.
_SHAPING = (
    Resize, CenterCrop, Pad, Grayscale, v2.Resize, v2.CenterCrop, v2.Pad, v2.Grayscale
)  # fmt: skip
_SHAPING_OF_TIMM = "ResizeKeepRatio", "CenterCropOrPad", "TrimBorder"
_TENSOR_OF_ONE = ToTensor, v2.PILToTensor, PILToTensor, v2.ToImage
_POINTWISE = (
    *_TENSOR_OF_ONE, ConvertImageDtype, v2.ToDtype, v2.ConvertImageDtype, Normalize, v2.Normalize
)  # fmt: skip


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

    def __post_init__(self):
        if 0 in self.std:
            raise SelectivityError(f"std is {self.std}: a deviation of 0 cannot divide")

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
        return _normalized(seen * (self.scale / 255), self.mean, self.std)

    def __str__(self) -> str:
        return (
            f"RGB decode; short side to {self.short_side} px, PIL {self.resample} (antialiased); "
            f"centre crop {self.crop} x {self.crop}; {self.channels}, 0..{self.scale:g}; "
            f"minus {self.mean}, divided by {self.std}"
        )


def _normalized(numbers, mean, std):
    """Minus mean, divided by std, in place; torchvision's own waits for a GPU, to see whether std is 0."""
    mean, std = (
        torch.tensor(values, dtype=torch.float32)[:, None, None].to(numbers.device)
        for values in (mean, std)
    )
    return numbers.sub_(mean).div_(std)


def parted(preprocess: Callable[[Image.Image], Tensor]) -> tuple[Callable, Callable | None]:
    """(image -> uint8 (3, H, W), uint8 (n, 3, H, W) -> float32) that together do what `preprocess` does.

    Known are `PixelPreprocessing`, the transforms of torchvision's models, and a `Compose`, as timm makes
    them too, of steps that shape the image (resize, crop, pad, grey) and then of arithmetic on single pixels.
    Two pictures are tried; where the two do not give the same bits, and for any other function, they are
    (`preprocess`, None).
    """
    two = _two_steps(preprocess)
    return two if two is not None and _same(preprocess, *two) else (preprocess, None)


def _two_steps(preprocess):
    # By their exact types: a class derived from one of these may do anything else.
    kind = type(preprocess)
    if kind is PixelPreprocessing:
        return preprocess.pixels, preprocess.numbers
    if kind is ImageClassification:
        p = preprocess
        before = [
            Resize(p.resize_size, p.interpolation, antialias=p.antialias),
            CenterCrop(p.crop_size),
        ]
        after = [ConvertImageDtype(torch.float32), partial(_normalized, mean=p.mean, std=p.std)]
        return Compose([*before, PILToTensor()]), Compose(after)
    if kind not in (Compose, v2.Compose):
        return None
    steps = list(preprocess.transforms)
    if not all(_kind(step) in (*_SHAPING, *_POINTWISE) for step in steps):
        return None
    first = len(steps)
    while first and _kind(steps[first - 1]) in _POINTWISE:
        first -= 1
    # ToTensor scales as well: of a tensor it must do that alone. The others only change the type of object.
    scales = [ConvertImageDtype(torch.float32)] if ToTensor in map(_kind, steps) else []
    last = [_without_waiting(step) for step in steps[first:] if _kind(step) not in _TENSOR_OF_ONE]
    return Compose([*steps[:first], _to_pixels]), Compose([*scales, *last])


def _kind(step):
    """A step's type; of timm's, the one that it is like. By name: timm need not be imported."""
    kind = type(step)
    if kind.__module__ != "timm.data.transforms":
        return kind
    return {"MaybeToTensor": ToTensor}.get(
        kind.__name__, Resize if kind.__name__ in _SHAPING_OF_TIMM else kind
    )


def _without_waiting(step):
    if type(step) not in (Normalize, v2.Normalize):
        return step
    return partial(_normalized, mean=list(step.mean), std=list(step.std))


def _to_pixels(image):
    if isinstance(image, Image.Image):
        return pixels.pil_to_tensor(image)
    return image.as_subclass(Tensor)


def _same(preprocess, to_pixels, to_numbers):
    """Whether the two steps give what `preprocess` gives, bit by bit, of two pictures of noise in a batch."""
    noise = np.random.default_rng(0).integers(0, 256, (67, 51, 3), dtype=np.uint8)
    upright_and_not = [Image.fromarray(noise), Image.fromarray(noise.swapaxes(0, 1) // 2)]
    try:
        seen = torch.stack([to_pixels(image) for image in upright_and_not])
        expected = torch.stack([preprocess(image) for image in upright_and_not])
        return seen.dtype == torch.uint8 and torch.equal(to_numbers(seen), expected)
    except Exception:  # whatever such steps raise; they will again, at an image of the caller's
        return False
