"""Faster doubles of a network, at the price of slightly other responses; and that price, measured.

    double = quickened(network, ("fold", "bf16"), device)
    with double.computing(), double.reading(taps, reader) as run:
        run(batch)

fold     A batch norm that takes the output of a convolution or linear layer directly is worked into that
         layer's weights. The responses are the same but for rounding.
bf16     Convolutions and linear layers compute in bfloat16, whose numbers have 8 significant bits, and the
         maps between them take half the memory.
compile  The network and the reading of its maps become one program, see `compiled`: for many images. The
         responses are the same but for rounding.
"""

import contextlib
import copy
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import nan

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized

from helpers.errors import SelectivityError
from helpers.record.memory import ForwardPass
from helpers.record.statistics import ResponseReader, Responses, columns_of
from helpers.record.taps import listening

WAYS = "fold", "bf16", "compile"
_CONVOLUTIONS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d
)  # fmt: skip
_ROUNDING = (
    0.02  # standard deviations by which rounding may move a response: more than GPUs' TF32 does
)


def check_ways(ways) -> tuple[str, ...]:
    """The ways asked for, each once and in the order of `WAYS`; SelectivityError if there is no such."""
    ways = [ways] if isinstance(ways, str) else list(ways)
    for way in ways:
        if way not in WAYS:
            raise SelectivityError(
                f"no way to be faster is called {way!r}; there are {', '.join(WAYS)}"
            )
    return tuple(way for way in WAYS if way in ways)


@dataclass
class Double:
    """A module that stands for a network's own, and the context in which it computes.

    compiled: whether it is to be one program with the reading of its maps; images: how many it takes at once.
    """

    module: nn.Module
    computing: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext
    compiled: bool = False
    images: int = 32
    _program: Callable | None = None

    @contextlib.contextmanager
    def reading(self, taps, reader):
        """Within the block, calling what is given on a batch lets the reader have what it reads of the taps.

        taps: layer -> Tap, the same at each call.
        """
        if not self.compiled:
            with listening(self.module, taps, reader.read):
                yield self.module
            return
        if self._program is None:
            # Here, because older versions of PyTorch have not all that it takes.
            from helpers.record.compiled import CompiledReading

            self._program = CompiledReading(self.module, taps, self.images)
        self._program.reader = reader
        yield self._program


def quickened(network, ways, device) -> Double:
    """The network's faster double on a device; without ways its own module, where it is."""
    if not ways:
        return Double(network.module)
    double = copy.deepcopy(network.module)
    if "fold" in ways:
        fold_norms(double, network.taps)
    compiled = "compile" in ways
    if "bf16" not in ways:
        return Double(_placed(double, device), compiled=compiled)
    for child in double.modules():
        if _is_plain(child):
            child.to(torch.bfloat16)  # once, not in every pass
    kind = torch.device(device).type
    return Double(_placed(double, device), lambda: torch.autocast(kind, torch.bfloat16), compiled)


def _placed(module, device):
    return module.to(device, memory_format=torch.channels_last).eval()


def fold_norms(module: nn.Module, taps) -> list[str]:
    """Work batch norms into the layers before them, in place; returns the layers.

    taps: as `find_taps` found them, which tell what norm belongs to what layer. A layer stays as it is if
    its weights are made anew in each pass (weight norm, standardised weights), if the norm serves another
    layer too, if the norm is over tokens, and if the layer is a transposed convolution in groups.
    """
    places = {layer: _place_of_norm(tap) for layer, tap in taps.items()}
    folded = []
    for layer, place in places.items():
        before, norm = module.get_submodule(layer), module.get_submodule(place)
        own = place != layer and list(places.values()).count(place) == 1
        over_tokens = isinstance(before, nn.Linear) and len(taps[layer].shape) > 1
        if not own or over_tokens or not _is_plain(before):
            continue
        if getattr(before, "transposed", False) and before.groups > 1:
            continue
        before.weight, before.bias = fuse_conv_bn_weights(
            before.weight, before.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight,
            norm.bias, transpose=getattr(before, "transposed", False),
        )  # fmt: skip
        kept = [(name, child) for name, child in norm.named_children() if name in ("drop", "act")]
        parent, _, name = place.rpartition(".")
        setattr(module.get_submodule(parent), name, nn.Sequential(OrderedDict(kept)))
        folded.append(layer)
    return folded


def _place_of_norm(tap):
    """The name of the module whose output, or in timm's fused norms whose activation, a tap is at."""
    return tap.module.removesuffix(".act") if tap.side == "input" else tap.module


def _is_plain(child):
    """Whether a module is a convolution or linear layer that computes with its weights as they are."""
    plain = type(child) in (*_CONVOLUTIONS, nn.Linear)
    return plain and not is_parametrized(child) and not child._forward_pre_hooks


@torch.inference_mode()
def drift(network, double, geometry, batch) -> dict[str, float]:
    """By how much a double's responses differ at most, in the standard deviations of each layer's responses.

    batch (n, 3, H, W), on the processor. Largest, smallest and mean responses count, of all units of
    `geometry`; the deviation is of all n x U responses of the kind. A layer whose responses do not vary has
    0 where the double's are the same, else inf; one with nan in the network's own responses has nan.
    """
    own = _responses(Double(network.module), network.taps, geometry, batch)
    with double.computing():
        other = _responses(double, network.taps, geometry, batch)
    moved = {}
    for layer, units in columns_of(geometry).items():
        parts = [
            (a[:, units].double(), b[:, units].double()) for a, b in zip(own, other, strict=True)
        ]
        # A nan anywhere on a map is in its mean, the last of the three.
        moved[layer] = nan if parts[-1][0].isnan().any() else max(_apart(a, b) for a, b in parts)
    return moved


def _responses(double, taps, geometry, batch):
    """Largest, smallest and mean responses of a double to a batch, (n, U) each."""
    device = next(double.module.parameters()).device
    units = sum(g.units for g in geometry.values())
    rows, reader = Responses.empty(len(batch), units, device), ResponseReader(geometry)
    batch = batch.to(device).contiguous(memory_format=torch.channels_last)
    with double.reading({layer: taps[layer] for layer in geometry}, reader) as run:
        ForwardPass(run, reader, double.images)(batch, rows)
    return [values.cpu() for values in (rows.max, rows.min, rows.mean)]


def _apart(own, other):
    """The largest difference in standard deviations of `own`."""
    most, spread = (own - other).abs().max().item(), own.std(correction=0).item()
    return most / spread if spread > 0 else float("inf") if most else 0.0


def refuse_more_than_rounding(network, ways, moved) -> None:
    """Folding and compiling must not change what a network computes; SelectivityError where they do.

    moved: the `drift` of these ways, without bf16, beside which rounding could not be seen. A network's own
    nan is left to the recording, which says on what image.
    """
    moved = {layer: most for layer, most in moved.items() if most == most}
    layer = max(moved, key=moved.get, default=None)
    if layer is not None and moved[layer] > _ROUNDING:
        raise SelectivityError(
            f"{network.name}: with {' and '.join(ways)} responses of {layer} would move by "
            f"{moved[layer]:.2g} standard deviations, which is no rounding: record without"
        )
