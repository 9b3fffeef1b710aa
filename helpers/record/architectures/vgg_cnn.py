"""VGG-F, VGG-M and VGG-S: the "fast", "medium" and "slow" network of Chatfield et al.; paper 4 is
about VGG-M.

Five convolutions and three fully connected layers, local response normalisation, max pooling that
rounds up. Chatfield's table leaves the rounding out and pads conv2 of VGG-S, which the published
network does not: where they differ the published Caffe definitions are followed, since it is their
weights that are loaded. Modules are named conv1 to conv5 and fc6 to fc8, as there.

Source: Chatfield, Simonyan, Vedaldi & Zisserman, Return of the devil in the details, BMVC 2014,
Table 1; the Caffe definitions VGG_CNN_F, VGG_CNN_M and VGG_CNN_S that its authors published
(gist.github.com/ksimonyan: a32c9063ec8e1118221a, f194575702fae63b2829, fd8800eeb36e276cd6f9).
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from helpers.errors import SelectivityError
from helpers.record.architectures.norm import LocalResponseNorm

PREPROCESSING = {
    "short_side": 256,
    "resample": "bicubic",  # PIL's, antialiased
    "crop": 224,  # square, from the centre
    "channels": "BGR",
    "scale": 255.0,  # values run from 0 to 255
    # Of B, G, R: the mean colour of ImageNet's training images. The authors subtract a mean image.
    "mean": (103.939, 116.779, 123.68),
    "std": (1.0, 1.0, 1.0),
}


@dataclass(frozen=True)
class _Convolution:
    """One convolution and what follows it: filters, kernel, stride, padding, LRN, pooling."""

    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    norm: bool = False
    pool: tuple[int, int] | None = None  # (window, stride)


_VARIANTS = {
    "f": (
        _Convolution(64, 11, stride=4, norm=True, pool=(3, 2)),
        _Convolution(256, 5, padding=2, norm=True, pool=(3, 2)),
        _Convolution(256, 3, padding=1),
        _Convolution(256, 3, padding=1),
        _Convolution(256, 3, padding=1, pool=(3, 2)),
    ),
    "m": (
        _Convolution(96, 7, stride=2, norm=True, pool=(3, 2)),
        _Convolution(256, 5, stride=2, padding=1, norm=True, pool=(3, 2)),
        _Convolution(512, 3, padding=1),
        _Convolution(512, 3, padding=1),
        _Convolution(512, 3, padding=1, pool=(3, 2)),
    ),
    "s": (
        _Convolution(96, 7, stride=2, norm=True, pool=(3, 3)),
        _Convolution(256, 5, pool=(2, 2)),
        _Convolution(512, 3, padding=1),
        _Convolution(512, 3, padding=1),
        _Convolution(512, 3, padding=1, pool=(3, 3)),
    ),
}
_LAST_MAP = 6  # pixels a side of the last pooled map of all three, for inputs of 224 px
_HIDDEN = 4096


class VGGCNN(nn.Module):
    """One of the three: (B, 3, 224, 224) prepared as `PREPROCESSING` says -> logits (B, classes).

    variant: "f", "m" or "s". Raises SelectivityError for any other.
    """

    def __init__(self, variant: str, classes: int = 1000):
        super().__init__()
        if variant not in _VARIANTS:
            raise SelectivityError(f"VGG-CNN {variant!r} does not exist: use 'f', 'm' or 's'")
        channels = 3
        for i, layer in enumerate(_VARIANTS[variant], start=1):
            self.add_module(
                f"conv{i}",
                nn.Conv2d(channels, layer.filters, layer.kernel, layer.stride, layer.padding),
            )
            # A ReLU of its own, not in place: a hook on the convolution sees the map before it.
            self.add_module(f"relu{i}", nn.ReLU())
            if layer.norm:
                self.add_module(f"norm{i}", LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0))
            if layer.pool:
                self.add_module(f"pool{i}", nn.MaxPool2d(*layer.pool, ceil_mode=True))
            channels = layer.filters
        self.flatten = nn.Flatten()
        widths = (channels * _LAST_MAP**2, _HIDDEN, _HIDDEN, classes)
        for i, (inputs, outputs) in enumerate(pairwise(widths), start=6):
            self.add_module(f"fc{i}", nn.Linear(inputs, outputs))
            if i < 8:
                self.add_module(f"relu{i}", nn.ReLU())
                self.add_module(f"drop{i}", nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():  # registered in forward order
            x = layer(x)
        return x
