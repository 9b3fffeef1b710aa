"""A second device, on a machine that has only its processor.

    with second_device():
        torch.zeros(2, device=DEVICE) + torch.ones(2)      # RuntimeError: tensors on two devices

It is PyTorch's own device type for back ends from outside. A tensor there says so in `device`, keeps its
numbers in the processor's memory, and computes with them; but as on a GPU, no operation takes tensors of both
places, save those that do on a GPU as well: copies, and indexes on the processor. It shows where tensors and
modules are, not how a GPU rounds or how fast it is; and it knows no gradients, no `tolist` and no `numpy`.
"""

import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("privateuseone:0")
_aten = torch.ops.aten
_MAY_MIX = {
    _aten.copy_, _aten.index, _aten.index_put, _aten.index_put_, _aten._index_put_impl_
}  # fmt: skip
_ready = []


def second_device() -> TorchDispatchMode:
    """A context in which tensors and modules can be moved to DEVICE and used there."""
    if not _ready:
        backend_registration._setup_privateuseone_for_python_backend()
        _ready.append(True)
    return _Device()


class _There(torch.Tensor):
    """A tensor on DEVICE; its numbers are those of `own`."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, own):
        return torch.Tensor._make_wrapper_subclass(
            cls, own.shape, strides=own.stride(), storage_offset=own.storage_offset(),
            dtype=own.dtype, device=DEVICE,
        )  # fmt: skip

    def __init__(self, own):
        self.own = own

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise RuntimeError(f"{function}: a tensor is still on {DEVICE}")


class _Device(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        there = [isinstance(t, _There) for t in tensors]
        if function.overloadpacket is _aten._has_compatible_shallow_copy_type:
            return len(set(there)) == 1
        asked = [leaf for leaf in leaves if isinstance(leaf, torch.device)]
        goal = asked[0] if asked else DEVICE if any(there) else torch.device("cpu")
        if not any(there) and goal.type != DEVICE.type:
            return function(*args, **kwargs)
        strangers = [t for t, is_there in zip(tensors, there, strict=True) if not is_there]
        if any(there) and function.overloadpacket not in _MAY_MIX and any(map(_sized, strangers)):
            raise RuntimeError(f"{function}: tensors on two devices")
        args_here, kwargs_here = tree_map(_here, (args, kwargs))
        result = function(*args_here, **kwargs_here)
        if function._schema.is_mutable:
            return kwargs.get("out", args[0])
        if any(there) != (goal.type == DEVICE.type):  # between devices everything is copied
            result = tree_map(lambda t: t.clone() if isinstance(t, torch.Tensor) else t, result)
        if goal.type != DEVICE.type:
            return result
        with torch.inference_mode(False):  # which could not make tensors of a kind of their own
            return tree_map(lambda t: _There(t) if isinstance(t, torch.Tensor) else t, result)


def _sized(tensor) -> bool:
    return tensor.dim() > 0  # a single number may come from anywhere


def _here(value):
    """A tensor's own numbers, and the processor instead of DEVICE."""
    if isinstance(value, _There):
        return value.own
    return torch.device("cpu") if isinstance(value, torch.device) else value
