"""BVLC GoogLeNet: Inception-v1 as the Caffe model zoo trained it, the network of paper 1.

True 5x5 convolutions, a bias on every convolution, no batch norm, local response normalisation
around `conv2`, max pooling that rounds up. Modules carry the names of the Caffe layers with `/`
written `.`, so the keys of the state dict are the keys of the weight file, and `inception_4c.5x5`
is the convolution whose output is the pre-activation map of those 64 units.

Source: Szegedy et al., Going deeper with convolutions, CVPR 2015, Table 1; BVLC Caffe model zoo.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from helpers.record.architectures.norm import LocalResponseNorm

PREPROCESSING = {
    "short_side": 256,
    "resample": "bicubic",  # PIL's, antialiased
    "crop": 224,  # square, from the centre
    "channels": "BGR",
    "scale": 255.0,  # values run from 0 to 255
    "mean": (104.0, 117.0, 123.0),  # of B, G, R, subtracted
    "std": (1.0, 1.0, 1.0),
}

# Filters per branch: 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5, pool_proj (Szegedy et al., Table 1).
_BLOCKS = {
    "inception_3a": (64, 96, 128, 16, 32, 32),
    "inception_3b": (128, 128, 192, 32, 96, 64),
    "inception_4a": (192, 96, 208, 16, 48, 64),
    "inception_4b": (160, 112, 224, 24, 64, 64),
    "inception_4c": (128, 128, 256, 24, 64, 64),
    "inception_4d": (112, 144, 288, 32, 64, 64),
    "inception_4e": (256, 160, 320, 32, 128, 128),
    "inception_5a": (256, 160, 320, 32, 128, 128),
    "inception_5b": (384, 192, 384, 48, 128, 128),
}
_BRANCHES = ("1x1", "3x3", "5x5", "pool_proj")


def block_outputs() -> dict[str, list[str]]:
    """The layers whose units leave each block; reductions feed only their own branch and are not
    among them.

    Block name -> layer names in the order in which their channels are concatenated, 5,744 units in
    all. Unit u of a block's output is found by counting through its layers in this order.
    """
    outputs = {"conv1": ["conv1.7x7_s2"], "conv2": ["conv2.3x3"]}
    for block in _BLOCKS:
        outputs[block] = [f"{block}.{branch}" for branch in _BRANCHES]
    return outputs


class _Stage(nn.Sequential):
    """A sequence whose children keep their Caffe names, which may begin with a digit."""

    def __init__(self, children: Mapping[str, nn.Module]):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)


class _Inception(nn.Module):
    """Four branches over one input, concatenated as 1x1 | 3x3 | 5x5 | pool_proj."""

    def __init__(self, inputs: int, filters: tuple[int, ...]):
        super().__init__()
        one, reduce3, three, reduce5, five, pool = filters
        self.branches = (
            ("1x1", "relu_1x1"),
            ("3x3_reduce", "relu_3x3_reduce", "3x3", "relu_3x3"),
            ("5x5_reduce", "relu_5x5_reduce", "5x5", "relu_5x5"),
            ("pool", "pool_proj", "relu_pool_proj"),
        )
        layers = {
            "1x1": nn.Conv2d(inputs, one, 1),
            "3x3_reduce": nn.Conv2d(inputs, reduce3, 1),
            "3x3": nn.Conv2d(reduce3, three, 3, padding=1),
            "5x5_reduce": nn.Conv2d(inputs, reduce5, 1),
            "5x5": nn.Conv2d(reduce5, five, 5, padding=2),
            "pool": nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
            "pool_proj": nn.Conv2d(inputs, pool, 1),
        }
        for branch in self.branches:
            for name in branch:
                # A ReLU of its own for every convolution: a hook then sees the map before it.
                self.add_module(name, layers.get(name) or nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for branch in self.branches:
            y = x
            for name in branch:
                y = getattr(self, name)(y)
            outputs.append(y)
        return torch.cat(outputs, dim=1)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def _norm() -> LocalResponseNorm:
    return LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)


class GoogLeNet(nn.Module):
    """The whole network: (B, 3, 224, 224) prepared as `PREPROCESSING` says -> logits (B, classes).

    Larger inputs pass too; the last pooling averages over whatever map is left.
    """

    def __init__(self, classes: int = 1000):
        super().__init__()
        self.conv1 = _Stage(
            {"7x7_s2": nn.Conv2d(3, 64, 7, stride=2, padding=3), "relu_7x7": nn.ReLU()}
        )
        self.pool1 = _Stage({"3x3_s2": _pool(), "norm1": _norm()})
        self.conv2 = _Stage(
            {
                "3x3_reduce": nn.Conv2d(64, 64, 1),
                "relu_3x3_reduce": nn.ReLU(),
                "3x3": nn.Conv2d(64, 192, 3, padding=1),
                "relu_3x3": nn.ReLU(),
                "norm2": _norm(),
            }
        )
        self.pool2 = _Stage({"3x3_s2": _pool()})
        channels = 192
        for block, filters in _BLOCKS.items():
            self.add_module(block, _Inception(channels, filters))
            channels = filters[0] + filters[2] + filters[4] + filters[5]
            if block in ("inception_3b", "inception_4e"):
                self.add_module(f"pool{block[-2]}", _Stage({"3x3_s2": _pool()}))
        self.pool5 = _Stage(
            {"7x7_s1": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "drop": nn.Dropout(0.4)}
        )
        self.loss3 = _Stage({"classifier": nn.Linear(channels, classes)})

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.children():  # registered in forward order
            x = stage(x)
        return x
