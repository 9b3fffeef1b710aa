"""Three numbers and two places from every map, read inside the forward pass.

The maps are reduced inside a hook, on the spot, because a following in-place ReLU overwrites them, and
because keeping them would cost gigabytes. Maps here are (images, height, width, units), which is how a
channels-last network lays them out in memory.

    reader = ResponseReader(geometry)
    with listening(network.module, network.taps, reader.read):
        reader.write_to(buffer.rows(0, n))
        network.module(batch)
"""

from dataclasses import dataclass

import torch

from helpers.record.receptive_field import as_positions
from helpers.record.sweep import sweep


@dataclass
class Responses:
    """Responses of n images, all layers side by side: each (n, units of all layers).

    `max`, `min`, `mean` float32; `max_at`, `min_at` int32, the first place of the extreme on its map in
    row order, as y * width + x.
    """

    max: torch.Tensor
    min: torch.Tensor
    mean: torch.Tensor
    max_at: torch.Tensor
    min_at: torch.Tensor

    @classmethod
    def empty(cls, n: int, units: int, device) -> "Responses":
        floats = [torch.empty(n, units, device=device) for _ in range(3)]
        places = [torch.empty(n, units, dtype=torch.int32, device=device) for _ in range(2)]
        return cls(*floats, *places)

    def rows(self, start: int, stop: int) -> "Responses":
        """A view of some images."""
        return Responses(*(getattr(self, name)[start:stop] for name in self.__annotations__))

    def here(self) -> "Responses":
        """The same in the processor's memory: a copy if they lie on another device."""
        return Responses(*(t.cpu() for t in vars(self).values()))


def columns_of(geometry) -> dict[str, slice]:
    """Layer -> its units' columns among those of all layers, side by side in the order of `geometry`."""
    columns, start = {}, 0
    for layer, g in geometry.items():
        columns[layer] = slice(start, start + g.units)
        start += g.units
    return columns


class ResponseReader:
    """Reduces each layer's maps, as they come, into the rows last given to `write_to`."""

    def __init__(self, geometry):
        self._columns = columns_of(geometry)

    def write_to(self, rows: Responses) -> None:
        """Where the responses of the next batch belong."""
        self._rows = rows
        self._arrays = [t.numpy() for t in vars(rows).values()] if rows.max.is_cpu else None

    def read(self, layer: str, values: torch.Tensor) -> None:
        """Reduce one layer's response to a batch; called inside the forward pass."""
        # Few operations: after each layer's arithmetic their code has to be fetched from memory again.
        maps, columns = as_positions(values.float()), self._columns[layer]
        if maps.is_cpu:
            sweep(maps, self._arrays, columns.start)
        else:
            reduce_maps(maps, self._rows, columns)

    def take(self, responses: Responses) -> None:
        """Take over what was read elsewhere, of all layers side by side."""
        for own, read in zip(vars(self._rows).values(), vars(responses).values(), strict=True):
            own.copy_(read)


def reduce_maps(maps, into, columns) -> None:
    """What `sweep` does, with the reductions of the maps' own device.

    maps (n, H, W, U); into: a `Responses` of n images, of which the columns (a slice of U) are written.
    """
    for reduce, values, places in (
        (torch.amax, into.max, into.max_at),
        (torch.amin, into.min, into.min_at),
    ):
        # Along rows first costs no more than at once, and leaves a small (n, H, U) array that tells the row.
        of_rows = reduce(maps, 2)
        extreme = reduce(of_rows, 1)
        values[:, columns] = extreme
        places[:, columns] = _places(maps, of_rows, extreme, reduce)
    into.mean[:, columns] = maps.mean((1, 2))


def _places(maps, of_rows, extreme, reduce):
    """First places (n, U): the row from the row extremes, the column from the column extremes.

    Where an extreme occurs at several places the two can belong to different ones; those few
    responses are looked up singly.
    """
    n, height, width, units = maps.shape
    place = _first(of_rows, extreme) * width + _first(reduce(maps, 1), extreme)
    there = maps.reshape(n, height * width, units).gather(1, place[:, None])[:, 0]
    image, unit = (there != extreme).nonzero(as_tuple=True)
    if len(image):
        wanted = extreme[image, unit]
        y = _first(of_rows[image, :, unit], wanted)
        place[image, unit] = y * width + _first(maps[image, y, :, unit], wanted)
    return place.int()


def _first(values, wanted):
    """Index along axis 1 of the first of `values` (n, L, ...) that equals `wanted` (n, ...).

    Written with plain arithmetic because `max` with indices takes five times as long. Without an
    equal value (nan) it is the last index, so that the caller can go on and report the nan.
    """
    length = values.shape[1]
    falling = torch.arange(length, 0, -1, dtype=values.dtype, device=values.device)
    falling = falling.view(-1, *[1] * (values.ndim - 2))
    found = torch.eq(values, wanted[:, None], out=torch.empty_like(values)).mul_(falling)
    return (length - found.amax(1)).clamp(max=length - 1).long()
