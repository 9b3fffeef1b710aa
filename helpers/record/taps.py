"""Where each layer's units are read: at every convolution and linear module that runs.

A unit's response is its *pre-activation*: what its own non-linearity receives, negative values
included.

    taps = find_taps(module, example)            # layer name -> Tap, in forward order
    with listening(module, taps, receive):       # receive(layer, values) during every forward pass
        module(batch)

Rules, found by watching one forward pass rather than by knowing architectures:

- Every convolution (depthwise and transposed too) and linear *module* that is called is a layer.
  Weights used through a function (`nn.MultiheadAttention`'s projections) belong to no call and are
  not layers.
- A batch norm that takes a convolution's output directly is part of the unit: in evaluation mode it
  is a fixed scale and shift of each channel, so zero, where the activation bends, lies after it.
  Layer, group and instance norms rescale by the image's own statistics over many units; they are
  not part of any one unit and the convolution's own output is read (ConvNeXt's stem and depthwise
  convolutions, for example).
- timm fuses batch norm and activation in one module with `drop` and `act` inside; there the input
  of `act` is read.
- A module called more than once in one pass has no single response, and one whose output does not
  keep the batch as its first axis (attention windows) none per image: both are left out, with one
  warning that names them.

Values reach `receive` inside the hook, before a following in-place activation overwrites them:
reduce or copy them there and keep no reference.
"""

import contextlib
import fnmatch
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torchvision.ops.misc import FrozenBatchNorm2d

from helpers.errors import SelectivityError


@dataclass(frozen=True)
class Tap:
    """Where the units of one layer are read.

    module: dotted name of a module inside the network. side: "output", or "input" for the first
    input (of an activation that follows a fused norm). units_last: True where the module computes
    (B, H, W, U), as the linear layers of ConvNeXt do, or False for
        (B, U, H, W); `values` always gives (B, U, H, W).
    shape: of one image's values as `values` gives them: (U, H, W), (T, U) for token sequences, or
    (U,).
    """

    module: str
    side: str = "output"
    units_last: bool = False
    shape: tuple[int, ...] = ()

    @property
    def n_units(self) -> int:
        return self.shape[-1] if len(self.shape) == 2 else self.shape[0]

    def values(self, tensor: Tensor) -> Tensor:
        """The units' responses in their one layout: (B, U, H, W), (B, T, U) or (B, U); a view, no
        copy."""
        return tensor.movedim(-1, 1) if self.units_last else tensor


def find_taps(module: nn.Module, example: Tensor) -> dict[str, Tap]:
    """Find every layer of units that runs on `example` (B, 3, H, W); layer name -> Tap in forward
    order.

    A layer is named as its convolution or linear module. The module is run once in evaluation mode
    and left in the mode it was in. Raises SelectivityError if nothing that could be read runs, or
    if the forward pass fails.
    """
    calls, norm_of, acts = _watch(module, example)
    times = Counter(name for name, _ in calls)
    taps, left_out = {}, []
    for name, output in calls:
        if times[name] > 1 or not _readable(module.get_submodule(name), output, len(example)):
            left_out.append(name)
            continue
        taps[name] = _layout(Tap(name), module.get_submodule(name), output)
        norms = norm_of.get(name, [])
        if len(norms) == 1:  # several norms on one output: no single one is the unit's
            side, place = _after_norm(module, norms[0], acts)
            taps[name] = replace(taps[name], module=place, side=side)
    if not taps:
        raise SelectivityError(
            f"no convolution or linear module of {type(module).__name__} could be read in a "
            f"forward pass on {tuple(example.shape)}: give an ordinary nn.Module, "
            "not a scripted or exported one"
        )
    if left_out:
        names = list(dict.fromkeys(left_out))
        warnings.warn(
            f"{len(names)} layers are left out, because they run several times in one pass "
            f"or do not keep images apart: "
            f"{', '.join(names[:4])}{', ...' if len(names) > 4 else ''}",
            stacklevel=2,
        )
    return taps


def _watch(module: nn.Module, example: Tensor):
    """One forward pass: unit-layer calls (name, output), which norms took which layer, how often
    each ran.

    A norm takes a layer when its input *is* the layer's output, the same tensor object; every
    output is kept alive until the pass ends so that no identity is used twice.
    """
    calls: list[tuple[str, Tensor]] = []
    producer: dict[int, str] = {}
    norm_of: dict[str, list[str]] = {}
    runs: Counter[str] = Counter()

    def after(name):
        def hook(child, inputs, output):
            runs[name] += 1
            if isinstance(child, (_ConvNd, nn.Linear)) and isinstance(output, Tensor):
                calls.append((name, output))
                producer[id(output)] = name
            elif _is_fixed_norm(child) and inputs and id(inputs[0]) in producer:
                norm_of.setdefault(producer[id(inputs[0])], []).append(name)

        return hook

    modes = [(child, child.training) for child in module.modules()]
    hooks = [c.register_forward_hook(after(n)) for n, c in module.named_modules() if n]
    try:
        module.eval()
        with torch.inference_mode():
            module(example)
    except (
        RuntimeError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        AssertionError,
    ) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise SelectivityError(
            f"{type(module).__name__} does not run on an input of {tuple(example.shape)} "
            f"({type(error).__name__}: {first}): check input_size and the preprocessing"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
        for child, training in modes:
            child.training = training
    return calls, norm_of, runs


def _is_fixed_norm(child: nn.Module) -> bool:
    """Batch norm over stored statistics: a fixed scale and shift of each channel, in every known
    spelling."""
    if isinstance(child, _BatchNorm):
        return child.running_mean is not None
    # timm's frozen norm derives from nn.Module only; its class is known by its name, so timm stays
    # optional.
    return isinstance(child, FrozenBatchNorm2d) or type(child).__name__ == "FrozenBatchNormAct2d"


def _after_norm(module: nn.Module, norm: str, runs: Counter[str]) -> tuple[str, str]:
    """(side, module name) that reads a norm's result before any activation fused into it."""
    act = f"{norm}.act"
    if runs[act] == 1 and isinstance(getattr(module.get_submodule(norm), "act", None), nn.Module):
        return "input", act
    return "output", norm


def _readable(layer: nn.Module, output: Tensor, batch: int) -> bool:
    kinds = (3, 4) if isinstance(layer, _ConvNd) else (2, 3, 4)
    return output.dim() in kinds and output.shape[0] == batch


def _layout(tap: Tap, layer: nn.Module, output: Tensor) -> Tap:
    """Token sequences put the unit axis last, maps first; a 1-d convolution is a sequence written
    the other way."""
    if isinstance(layer, nn.Linear):
        tap = replace(tap, units_last=output.dim() == 4)
    elif output.dim() == 3:
        tap = replace(tap, units_last=True)  # (B, U, T) -> (B, T, U): the same single axis move
    return replace(tap, shape=tuple(tap.values(output).shape[1:]))


@contextlib.contextmanager
def listening(
    module: nn.Module, taps: dict[str, Tap], receive: Callable[[str, Tensor], None]
) -> Iterator[None]:
    """Call `receive(layer, values)` for each tap in every forward pass inside the `with` block.

    The hazard: `values` may be overwritten by the next in-place activation and shares the network's
    memory, so reduce or copy it before returning. All hooks are removed on leaving, also after an
    error.
    """

    def output_hook(layer, tap):
        return lambda child, inputs, output: receive(layer, tap.values(output))

    def input_hook(layer, tap):
        return lambda child, inputs: receive(layer, tap.values(inputs[0]))

    hooks = []
    try:
        for layer, tap in taps.items():
            child = module.get_submodule(tap.module)
            if tap.side == "input":
                hooks.append(child.register_forward_pre_hook(input_hook(layer, tap)))
            else:
                hooks.append(child.register_forward_hook(output_hook(layer, tap)))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def match_layers(names: Sequence[str], pattern: str | Iterable[str] = "*") -> list[str]:
    """Layer names that a glob matches (`inception_4*`), or any of several separated by commas, in
    their own order.

    Raises SelectivityError naming the closest layers when some pattern matches none.
    """
    patterns = pattern.split(",") if isinstance(pattern, str) else list(pattern)
    patterns = [p.strip() for p in patterns if p.strip()]
    chosen: set[str] = set()
    for one in patterns:
        found = [name for name in names if fnmatch.fnmatchcase(name, one)]
        if not found:
            near = get_close_matches(one.strip("*"), names, n=5, cutoff=0.4) or list(names[:5])
            raise SelectivityError(
                f"no layer matches {one!r}; close names: {', '.join(near)} "
                f"({len(names)} layers in all)"
            )
        chosen.update(found)
    if not patterns:
        raise SelectivityError(
            "no layer asked for: give a name or a glob such as 'inception_4*' or '*'"
        )
    return [name for name in names if name in chosen]
