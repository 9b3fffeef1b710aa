"""Three numbers and two places from every map, read inside the forward pass.

The maps are reduced inside a hook, on the spot, because a following in-place ReLU overwrites them, and
because keeping them would cost gigabytes. Maps here are (images, height, width, units), which is how a
channels-last network lays them out in memory.

    reader = ResponseReader(geometry)
    with listening(network.module, network.taps, reader.read):
        reader.into = buffer.rows(0, n)
        network.module(batch)
"""

from dataclasses import dataclass

import torch

from helpers.record.receptive_field import as_positions


@dataclass
class Responses:
    """Responses of n images, all layers side by side: each (n, units of all layers).

    `max`, `min`, `mean` float32; `max_at`, `min_at` int32, the place of the extreme on its map as
    y * width + x, -1 where it was not looked up.
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


class ResponseReader:
    """Reduces each layer's maps into the rows of `self.into`, a `Responses`, as they come.

    Only maxima above `above` (units,) and minima below `below` (units,) can still win a place on a
    list; other places need not be known. `entering` is the share of responses expected to be such,
    or None to look up every place without asking (on a GPU, asking would wait for the device).
    """

    def __init__(self, geometry):
        self.columns, start = {}, 0
        for layer, g in geometry.items():
            self.columns[layer] = slice(start, start + g.units)
            start += g.units
        self.into: Responses | None = None
        self.above = self.below = None
        self.entering: float | None = None

    def read(self, layer: str, values: torch.Tensor) -> None:
        """Reduce one layer's response to a batch; called inside the forward pass."""
        maps, columns, into = as_positions(values).float(), self.columns[layer], self.into
        above = below = None
        if self.entering is not None and self.entering < _worth_selecting(maps):
            above, below = self.above[columns], self.below[columns]
        for rows in _blocks(maps):
            part = maps[rows]
            read_maximum(part, into.max[rows, columns], into.max_at[rows, columns], above)
            read_minimum(part, into.min[rows, columns], into.min_at[rows, columns], below)
            into.mean[rows, columns] = part.mean((1, 2))


def _blocks(maps, size=2**21):
    """Slices of images whose maps fit the processor's cache, so that only the first sweep is slow."""
    if maps.device.type != "cpu" or maps.numel() <= 2 * size:
        return [slice(None)]
    step = max(1, size // maps[0].numel())
    return [slice(start, start + step) for start in range(0, len(maps), step)]


def _worth_selecting(maps):
    """The share of responses below which looking up places singly is cheaper than all at once.

    One lookup costs about 65 ns on a processor; all at once cost 9 ns a response and 0.13 ns for
    every position of its map. For large maps, singly always pays.
    """
    return 0.14 + maps.shape[1] * maps.shape[2] / 500


def read_maximum(maps, values, places, above=None) -> None:
    """Write each map's maximum and its first place in row order; see `_read_extreme`."""
    _read_extreme(maps, values, places, torch.amax, torch.gt, above)


def read_minimum(maps, values, places, below=None) -> None:
    """Write each map's minimum and its first place in row order; see `_read_extreme`."""
    _read_extreme(maps, values, places, torch.amin, torch.lt, below)


def _read_extreme(maps, values, places, reduce, beats, bound):
    """maps (n,H,W,U) -> values (n,U) and places (n,U).

    Reducing along rows first costs no more than reducing at once, and leaves a small (n,H,U) array
    that tells the row of the extreme. With `bound` only responses that beat it are looked up, the
    others get the place -1.
    """
    if maps.shape[1] == maps.shape[2] == 1:
        values.copy_(maps[:, 0, 0])
        places.zero_()
        return
    of_rows = reduce(maps, 2)
    extreme = reduce(of_rows, 1)
    values.copy_(extreme)
    if bound is None:
        places.copy_(_all_places(maps, of_rows, extreme, reduce))
        return
    places.fill_(-1)
    image, unit = beats(extreme, bound).nonzero(as_tuple=True)
    if len(image):
        places[image, unit] = _places(maps, of_rows, extreme, image, unit)


def _places(maps, of_rows, extreme, image, unit):
    """Places of the given (image, unit) pairs."""
    wanted = extreme[image, unit]
    y = _first(of_rows[image, :, unit], wanted)
    x = _first(maps[image, y, :, unit], wanted)
    return (y * maps.shape[2] + x).int()


def _all_places(maps, of_rows, extreme, reduce):
    """Places of all responses: the row from the row extremes, the column from the column extremes.

    Where an extreme occurs at several places the two can belong to different ones; those few
    responses are looked up singly.
    """
    n, height, width, units = maps.shape
    place = _first(of_rows, extreme) * width + _first(reduce(maps, 1), extreme)
    there = maps.reshape(n, height * width, units).gather(1, place[:, None])[:, 0]
    image, unit = (there != extreme).nonzero(as_tuple=True)
    place = place.int()
    if len(image):
        place[image, unit] = _places(maps, of_rows, extreme, image, unit)
    return place


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
