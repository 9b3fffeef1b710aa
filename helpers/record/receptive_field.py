"""What part of the image a unit sees, exactly, from one traced forward pass.

The receptive field is analytic: kernel, stride, padding and dilation are followed along the path
with the largest field (a GoogLeNet block is as wide as its 5x5 branch for the layers above it, while
its own 5x5 units have their own field). Following the operations rather than the modules makes it work
for any forward code, functional calls and concatenations included.

    trace_layers(network) -> {layer: LayerGeometry}
    ReceptiveField.box(y, x) -> (top, left, bottom, right)
"""

from dataclasses import dataclass, replace

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from helpers.record.taps import listening

aten = torch.ops.aten


@dataclass(frozen=True)
class ReceptiveField:
    """The box of input pixels that can change a unit's response.

    `size`, `stride` and `offset` are (vertical, horizontal) in input pixels. The unit at map position
    (y, x) sees the half-open box that starts at `offset + (y, x) * stride`; it may start before the
    image and end after it, where the network saw padding.
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    offset: tuple[int, int]

    def box(self, y: int, x: int) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) of the unit at map position (y, x), half-open, in pixels."""
        top = self.offset[0] + y * self.stride[0]
        left = self.offset[1] + x * self.stride[1]
        return top, left, top + self.size[0], left + self.size[1]

    def capped(self, input_size: tuple[int, int]) -> "ReceptiveField":
        """The same field with its box no larger than 2 x input - 1, cut evenly on both sides.

        A box of that size around any position inside the image still covers the whole image, so
        nothing that the unit sees is lost.
        """
        limit = tuple(2 * n - 1 for n in input_size)
        cut = tuple(max(0, s - m) for s, m in zip(self.size, limit, strict=True))
        return ReceptiveField(
            tuple(s - c for s, c in zip(self.size, cut, strict=True)),
            self.stride,
            tuple(o + c // 2 for o, c in zip(self.offset, cut, strict=True)),
        )


@dataclass(frozen=True)
class LayerGeometry:
    """One layer as recorded: how many units, on how large a map, seeing what."""

    units: int
    map_size: tuple[int, int]
    field: ReceptiveField


def as_positions(values: torch.Tensor) -> torch.Tensor:
    """View a tap's values, (B, U, H, W), (B, T, U) or (B, U), as (images, height, width, units)."""
    if values.ndim == 4:
        return values.movedim(1, -1)
    return values[:, None] if values.ndim == 3 else values[:, None, None]


@torch.no_grad()
def trace_layers(network, layers=None) -> dict[str, LayerGeometry]:
    """Units, map size and receptive field of each layer, from one forward pass of a grey image.

    The device is the network's own. Operations that mix all positions (attention, global pooling,
    flattening before a linear layer, resizing) give the whole image as the field.
    """
    layers = list(network.taps) if layers is None else list(layers)
    device = next(network.module.parameters()).device
    image = torch.zeros(1, 3, *network.input_size, device=device)
    found: dict[str, LayerGeometry] = {}
    with _Fields(network.input_size) as fields:
        fields.of[image] = ReceptiveField((1, 1), (1, 1), (0, 0))

        def read(layer, values):
            shape = as_positions(values).shape
            # A token's place in the sequence is no place on a grid: the first tokens may be class
            # tokens. So a token unit is said to see the whole image.
            known = values.ndim != 3 and fields.of.get(values)
            field = (known or fields.whole).capped(network.input_size)
            found[layer] = LayerGeometry(shape[3], tuple(shape[1:3]), field)

        with listening(network.module, {layer: network.taps[layer] for layer in layers}, read):
            network.module(image)
    return {layer: found[layer] for layer in layers}


# Operations after which every position depends on every other one.
_MIXING = {
    aten.bmm, aten.baddbmm, aten.softmax, aten._softmax, aten.upsample_nearest2d,
    aten.upsample_bilinear2d, aten.upsample_bicubic2d, aten._upsample_bilinear2d_aa,
    aten.grid_sampler_2d, aten._scaled_dot_product_flash_attention_for_cpu,
    aten._scaled_dot_product_flash_attention, aten._scaled_dot_product_efficient_attention,
    aten._scaled_dot_product_attention_math, aten.scaled_dot_product_attention,
}  # fmt: skip
_VIEWS = {aten.view, aten._unsafe_view, aten.reshape, aten.flatten}
_REDUCTIONS = {aten.mean, aten.sum, aten.amax, aten.amin, aten.max, aten.logsumexp}


class _Fields(TorchDispatchMode):
    """Carries each tensor's receptive field through the operations of a forward pass."""

    def __init__(self, input_size):
        super().__init__()
        self.of = WeakTensorKeyDictionary()
        self.whole = ReceptiveField(tuple(input_size), (0, 0), (0, 0))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        inputs = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        known = [t for t in inputs if t in self.of]
        if known:
            widest = max(known, key=lambda t: self._extent(self.of[t]))
            field = self._after(func.overloadpacket, self.of[widest], widest, args, out)
            for tensor in tree_leaves(out):
                if isinstance(tensor, torch.Tensor):
                    self.of[tensor] = field
        return out

    def _extent(self, field):
        # A field with stride 0 is the whole image, wider than any window of the same size.
        return (field.stride == (0, 0), field.size[0] * field.size[1])

    def _after(self, op, field, source, args, out):
        if field.stride == (0, 0):
            return field
        if op is aten.convolution:
            weight, stride, padding, dilation, transposed = args[1], *args[3:7]
            if transposed or weight.ndim > 4:
                return self.whole
            return _window(field, weight.shape[2:], stride, padding, dilation)
        if op in (aten.max_pool2d_with_indices, aten.max_pool2d, aten.avg_pool2d):
            kernel = args[1]
            stride = args[2] if len(args) > 2 and len(args[2]) else kernel
            padding = args[3] if len(args) > 3 else (0,)
            pooled_max = op is not aten.avg_pool2d
            dilation = args[4] if pooled_max and len(args) > 4 else (1,)
            return _window(field, kernel, stride, padding, dilation)
        if op is aten.constant_pad_nd:
            left, _, top, _ = (list(args[1]) + [0, 0, 0, 0])[:4]
            shift = (top * field.stride[0], left * field.stride[1])
            return replace(field, offset=(field.offset[0] - shift[0], field.offset[1] - shift[1]))
        if op in (aten._adaptive_avg_pool2d, aten.adaptive_max_pool2d):
            first = out[0] if isinstance(out, tuple) else out
            return field if first.shape[-2:] == source.shape[-2:] else self.whole
        if op in _MIXING:
            return self.whole
        if op in _REDUCTIONS and source.ndim >= 3:
            first = out[0] if isinstance(out, tuple) else out
            # Pooling over channels keeps the map; losing either spatial axis does not.
            dims = args[1] if len(args) > 1 else range(source.ndim)
            dims = {d % source.ndim for d in ([dims] if isinstance(dims, int) else dims)}
            only_channels = source.ndim == 4 and dims in ({1}, {3}) and first.numel() > 1
            return field if only_channels or _is_norm(source, dims) else self.whole
        if op in _VIEWS and source.ndim == 4 and out.ndim == 2:
            merged = out.shape[0] == source.shape[0] and out.shape[1] > source.shape[1]
            return self.whole if merged else field
        return field


def _is_norm(source, dims):
    # Token sequences (B, T, U) are normalised over their units, the last axis.
    return source.ndim == 3 and dims == {2}


def _window(field, kernel, stride, padding, dilation):
    """The field after a sliding window, per axis; a single number serves both axes."""
    kernel, stride, padding, dilation = map(_pair, (kernel, stride, padding, dilation))
    axes = zip(
        field.size, field.stride, field.offset, kernel, stride, padding, dilation, strict=True
    )
    new = [(s + (k - 1) * d * j, j * t, o - p * j) for s, j, o, k, t, p, d in axes]
    size, jump, offset = zip(*new, strict=True)
    return ReceptiveField(tuple(size), tuple(jump), tuple(offset))


def _pair(value):
    value = [value] if isinstance(value, int) else list(value)
    return value * 2 if len(value) == 1 else value
