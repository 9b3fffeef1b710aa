"""Where each layer's units are read: at every convolution and linear module that runs.

A unit's response is its *pre-activation*: what its own non-linearity receives, negative values included.

    taps = find_taps(module, example)            # layer name -> Tap, in forward order
    with listening(module, taps, receive):       # receive(layer, values) during every forward pass
        module(batch)

Rules, found by watching one forward pass rather than by knowing architectures:

- Every convolution (depthwise and transposed too) and linear *module* that is called is a layer. Weights
  used through a function (`nn.MultiheadAttention`'s projections) belong to no call and are not layers.
- A batch norm that takes a convolution's output directly is part of the unit: in evaluation mode it is a
  fixed scale and shift of each channel, so zero, where the activation bends, lies after it. Layer, group and
  instance norms rescale by the image's own statistics over many units; they are not part of any one unit and
  the convolution's own output is read (ConvNeXt's stem and depthwise convolutions, for example).
- timm fuses batch norm and activation in one module with `drop` and `act` inside; there the input of `act`
  is read.
- A module called more than once in one pass has no single response, and one whose output does not keep the
  batch as its first axis (attention windows) none per image: both are left out, with one warning that names
  them.

Values reach `receive` inside the hook, before a following in-place activation overwrites them: reduce or
copy them there and keep no reference.
"""

import contextlib
import fnmatch
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torchvision.ops.misc import FrozenBatchNorm2d

from helpers.errors import SelectivityError
from helpers.record.weights import first_line


@dataclass(frozen=True)
class Tap:
    """Where the units of one layer are read.

    module: dotted name of a module inside the network. side: "output", or "input" for the first input (of an
    activation that follows a fused norm). units_last: True where the module puts the unit axis of a map last,
    as the linear layers of ConvNeXt do; `values` undoes that. shape: of one image's values as `values` gives
    them: (U, H, W), (T, U) for token sequences, or (U,).
    """

    module: str
    side: str = "output"
    units_last: bool = False
    shape: tuple[int, ...] = ()

    @property
    def n_units(self) -> int:
        return self.shape[-1] if len(self.shape) == 2 else self.shape[0]

    def values(self, tensor: Tensor) -> Tensor:
        """The units' responses in their one layout: (B, U, H, W), (B, T, U) or (B, U); a view, no copy."""
        return tensor.movedim(-1, 1) if self.units_last else tensor


def find_taps(module: nn.Module, example: Tensor) -> dict[str, Tap]:
    """Find every layer of units that runs on `example` (B, 3, H, W); layer name -> Tap in forward order.

    A layer is named as its convolution or linear module. The module is run once in evaluation mode and left
    in the mode it was in. Raises SelectivityError if nothing that could be read runs, or if the forward pass
    fails.
    """
    outputs, norms, runs = _watch(module, example)
    taps, left_out = {}, []
    for name, output in outputs.items():
        linear = isinstance(module.get_submodule(name), nn.Linear)
        axes = (2, 3, 4) if linear else (3, 4)
        if runs[name] > 1 or output.dim() not in axes or len(output) != len(example):
            left_out.append(name)
            continue
        place, side = name, "output"
        if len(norms[name]) == 1:  # several norms on one output: no single one is the unit's
            place = norms[name][0]
            if runs[f"{place}.act"] == 1:
                place, side = f"{place}.act", "input"
        # Maps are (B, U, H, W) and sequences (B, T, U): one move of an axis serves linear layers over maps
        # and 1-d convolutions.
        units_last = output.dim() == (4 if linear else 3)
        shape = (output.movedim(-1, 1) if units_last else output).shape[1:]
        taps[name] = Tap(place, side, units_last, tuple(shape))
    if not taps:
        raise SelectivityError(
            f"no convolution or linear module of {type(module).__name__} could be read in a forward pass on "
            f"{tuple(example.shape)}: give an ordinary nn.Module, not a scripted or exported one"
        )
    if left_out:
        warnings.warn(
            f"{len(left_out)} layers are left out, because they run several times in one pass or do not keep "
            f"images apart: {', '.join(left_out[:4])}{', ...' if len(left_out) > 4 else ''}",
            stacklevel=2,
        )
    return taps


def _watch(module: nn.Module, example: Tensor):
    """One forward pass: each layer's output, which batch norms took it, how often each module ran.

    A norm takes a layer when its input *is* the layer's output, the same tensor object with no activation
    written into it since (`_version`); every output is kept alive so that no identity is used twice.
    """
    outputs, norms, runs = {}, defaultdict(list), Counter()
    producer, alive = {}, []

    def watcher(name):
        def hook(child, inputs, output):
            runs[name] += 1
            if isinstance(child, _ConvNd | nn.Linear):
                outputs.setdefault(name, output)
                alive.append(output)
                producer[id(output), output._version] = name
            elif _is_fixed_norm(child) and inputs:
                norms[producer.get((id(inputs[0]), inputs[0]._version))].append(name)

        return hook

    modes = [(child, child.training) for child in module.modules()]
    hooks = [c.register_forward_hook(watcher(n)) for n, c in module.named_modules() if n]
    try:
        with torch.no_grad():  # inference mode counts no versions
            module.eval()(example)
    except Exception as error:
        raise SelectivityError(
            f"{type(module).__name__} does not run on an input of {tuple(example.shape)} "
            f"({type(error).__name__}: {first_line(error)}): check input_size and the preprocessing"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
        for child, training in modes:
            child.training = training
    return outputs, norms, runs


def _is_fixed_norm(child: nn.Module) -> bool:
    """Batch norm over stored statistics: a fixed scale and shift of each channel, in every known spelling."""
    if isinstance(child, _BatchNorm):
        return child.running_mean is not None
    # timm's frozen norm derives from nn.Module only; known by name, so that timm need not be imported.
    return isinstance(child, FrozenBatchNorm2d) or type(child).__name__ == "FrozenBatchNormAct2d"


def attach(module: nn.Module, tap: Tap, read: Callable[[Tensor], None]):
    """Call `read(values)` with a tap's values in every forward pass; returns the hook's handle."""
    child = module.get_submodule(tap.module)
    if tap.side == "input":
        return child.register_forward_pre_hook(lambda _, inputs: read(tap.values(inputs[0])))
    return child.register_forward_hook(lambda _, inputs, output: read(tap.values(output)))


@contextlib.contextmanager
def listening(
    module: nn.Module, taps: dict[str, Tap], receive: Callable[[str, Tensor], None]
) -> Iterator[None]:
    """Call `receive(layer, values)` for each tap in every forward pass inside the `with` block.

    The hazard: `values` may be overwritten by the next in-place activation and shares the network's memory,
    so reduce or copy it before returning. All hooks are removed on leaving, also after an error.

    Where the way through the network depends on the images, a layer may be skipped, run twice, or see some
    of the images only. Then they have no response of it, and a SelectivityError names the layer.
    """
    runs, passing = Counter(), []  # times that each layer ran; images of the pass at hand

    def begin(module, inputs):
        runs.clear()
        passing[:] = [len(inputs[0])]

    def read(layer, values):
        if len(values) != passing[0]:
            raise _not_once(module, layer, f"saw {len(values)} of {passing[0]} images")
        runs[layer] += 1
        receive(layer, values)

    def end(module, inputs, output):
        for layer in taps:
            if runs[layer] != 1:
                raise _not_once(module, layer, f"ran {runs[layer]} times")

    with contextlib.ExitStack() as hooks:
        hooks.enter_context(module.register_forward_pre_hook(begin))
        hooks.enter_context(module.register_forward_hook(end))
        for layer, tap in taps.items():
            hooks.enter_context(attach(module, tap, partial(read, layer)))
        yield


def _not_once(module: nn.Module, layer: str, what: str) -> SelectivityError:
    return SelectivityError(
        f"layer {layer} of {type(module).__name__} {what} in one pass, so not every image has one "
        "response of it: record the other layers, with `layers`"
    )


def match_layers(names: Sequence[str], pattern: str | Iterable[str] = "*") -> list[str]:
    """Layer names that a glob matches (`inception_4*`), or any of several split by commas, in their order.

    Raises SelectivityError naming the closest layers when some pattern matches none.
    """
    patterns = pattern.split(",") if isinstance(pattern, str) else list(pattern)
    patterns = [p.strip() for p in patterns if p.strip()]
    if not patterns:
        raise SelectivityError("no layer asked for: give a name or a glob such as 'conv*' or '*'")
    for one in patterns:
        if not any(fnmatch.fnmatchcase(name, one) for name in names):
            near = get_close_matches(one.strip("*"), names, n=5, cutoff=0.4) or list(names[:5])
            raise SelectivityError(
                f"no layer matches {one!r}; close names: {', '.join(near)} ({len(names)} layers in all)"
            )
    return [name for name in names if any(fnmatch.fnmatchcase(name, one) for one in patterns)]
