"""A network and the reading of its maps, made one program by `torch.compile`.

The compiler sees what a layer gives together with the activation that follows and, on a GPU, with what is
read from it, and need not bring a map from memory once for each. On the processor reading stays the loop of
`sweep`. Translating takes its time, so this is for many images.
"""

from functools import cached_property, partial

import torch
from torch import nn

from helpers.errors import SelectivityError
from helpers.record.memory import out_of_memory
from helpers.record.receptive_field import as_positions
from helpers.record.statistics import Responses
from helpers.record.sweep import sweep
from helpers.record.taps import attach
from helpers.record.weights import first_line


class CompiledReading:
    """Runs a module on batches of one size, and gives what was read of all layers to the `reader`.

    module: runs on hooks of its own from now on, so give a copy. taps: the layers to read, as in
    `taps.listening`. images: the size of a batch; a smaller one is filled up, because for each size the
    program would be made anew. What was compiled before in this process is forgotten, the caller's own
    programs too: PyTorch makes them anew when they next run. Raises SelectivityError where the module cannot
    be made one program: there is no compiler, or its way depends on the images.
    """

    def __init__(self, module: nn.Module, taps, images: int):
        self.reader, self._images, self._made = None, images, set()
        self._reading = _Reading(module, taps)

    def __call__(self, batch: torch.Tensor) -> None:
        images, found = len(batch), None
        try:
            found = self._passed(_filled_up(batch, self._images))
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if images >= self._images:
                self._images = images // 2  # the pieces that come now are not to be filled up again
                raise
        if found is None:  # memory may hold what there is without filling
            self._images = images
            found = self._passed(batch)
        self.reader.take(Responses(*found).rows(0, images))

    def _passed(self, batch):
        """What the program finds in a batch; SelectivityError where it cannot be made for that size."""
        try:
            found = self._run(batch)
        except Exception as error:  # what compilers raise is of many kinds
            compiling = type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))
            if not compiling and (out_of_memory(error) or len(batch) in self._made):
                raise
            raise SelectivityError(
                f"the network cannot be compiled ({type(error).__name__}: {first_line(error)}); it takes "
                "g++, Python.h, and a network whose way does not depend on the images: record without "
                "`compile`"
            ) from error
        self._made.add(len(batch))
        return found

    @cached_property
    def _run(self):
        torch.compiler.reset()  # of one function only so many programs are made
        return torch.compile(self._reading, fullgraph=True, dynamic=False)


def _filled_up(batch, images):
    """The batch with its last image again and again, up to so many images."""
    missing = images - len(batch)
    if missing <= 0:
        return batch
    more = batch[-1:].expand(missing, *batch.shape[1:])
    return torch.cat([batch, more]).contiguous(memory_format=torch.channels_last)


class _Reading(nn.Module):
    """A module that gives what is read of its layers, as in `Responses`, in the stead of its output."""

    def __init__(self, module, taps):
        super().__init__()
        self.module, self._layers, self._found = module, list(taps), {}
        for layer, tap in taps.items():
            attach(module, tap, partial(self._take, layer))

    def _take(self, layer, values):
        self._found[layer] = _read(as_positions(values.float()))

    def forward(self, batch):
        self.module(batch)
        found = [self._found[layer] for layer in self._layers]
        self._found.clear()  # as it was: else the next pass would be another program
        return tuple(torch.cat(parts, 1) for parts in zip(*found, strict=True))


def _read(maps):
    """What a `Responses` holds of maps (n, H, W, U), one tensor each."""
    return tuple(_swept(maps)) if maps.is_cpu else reduced(maps)


def reduced(maps):
    """What `sweep` finds, in operations of which a compiler makes one."""
    flat = maps.flatten(1, 2)
    places = flat.argmax(1).int(), flat.argmin(1).int()  # of equal values the first
    return flat.amax(1), flat.amin(1), flat.mean(1), *places


@torch.library.custom_op(
    "neuron_selectivity::sweep", mutates_args=(), schema="(Tensor maps) -> Tensor[]"
)
def _swept(maps: torch.Tensor) -> list[torch.Tensor]:
    """`sweep`, for the compiler one step that it does not look into."""
    rows = Responses.empty(len(maps), maps.shape[-1], maps.device)
    sweep(maps, [t.numpy() for t in vars(rows).values()], 0)
    return list(vars(rows).values())


@_swept.register_fake
def _(maps):
    return list(vars(Responses.empty(len(maps), maps.shape[-1], maps.device)).values())
