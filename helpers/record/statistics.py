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

    Places are looked up for every response, or, once `above` (units,) and `below` (units,) are set,
    only for maxima above and minima below them: the ones that can still win a place on a list.
    """

    def __init__(self, geometry):
        self.columns, start = {}, 0
        for layer, g in geometry.items():
            self.columns[layer] = slice(start, start + g.units)
            start += g.units
        self.into: Responses | None = None
        self.above = self.below = None

    def read(self, layer: str, values: torch.Tensor) -> None:
        """Reduce one layer's response to a batch; called inside the forward pass."""
        maps, columns, into = as_positions(values).float(), self.columns[layer], self.into
        above = None if self.above is None else self.above[columns]
        below = None if self.below is None else self.below[columns]
        read_maximum(maps, into.max[:, columns], into.max_at[:, columns], above)
        read_minimum(maps, into.min[:, columns], into.min_at[:, columns], below)
        into.mean[:, columns] = maps.mean((1, 2))


def read_maximum(maps, values, places, above=None) -> None:
    """Write each map's maximum and its first place in row order; see `_read_extreme`."""
    _read_extreme(maps, values, places, torch.amax, torch.max, torch.gt, above)


def read_minimum(maps, values, places, below=None) -> None:
    """Write each map's minimum and its first place in row order; see `_read_extreme`."""
    _read_extreme(maps, values, places, torch.amin, torch.min, torch.lt, below)


def _read_extreme(maps, values, places, reduce, find, beats, bound):
    """maps (n,H,W,U) -> values (n,U) and places (n,U), in two steps.

    Reducing along rows first costs no more than reducing at once, and leaves a small (n,H,U) array
    that tells the row of the extreme; only that row is read again to find the column. With `bound`
    only responses that beat it are looked up.
    """
    if maps.shape[1] == maps.shape[2] == 1:
        values.copy_(maps[:, 0, 0])
        places.zero_()
        return
    of_rows = reduce(maps, 2)
    extreme = reduce(of_rows, 1)
    values.copy_(extreme)
    if bound is None:
        places.copy_(_all_places(maps, of_rows, extreme, reduce, find))
        return
    places.fill_(-1)
    image, unit = beats(extreme, bound).nonzero(as_tuple=True)
    if len(image):
        places[image, unit] = _places(maps, of_rows, image, unit, find)


def _places(maps, of_rows, image, unit, find):
    """Places of the given (image, unit) pairs."""
    y = find(of_rows[image, :, unit], 1).indices
    x = find(maps[image, y, :, unit], 1).indices
    return (y * maps.shape[2] + x).int()


def _all_places(maps, of_rows, values, reduce, find):
    """Places of all responses: the row from the row extremes, the column from the column extremes.

    Where an extreme occurs at several places the two can belong to different ones; those few
    responses are looked up singly.
    """
    n, height, width, units = maps.shape
    y = find(of_rows, 1).indices
    x = find(reduce(maps, 1), 1).indices
    place = y * width + x
    there = maps.reshape(n, height * width, units).gather(1, place[:, None])[:, 0]
    image, unit = (there != values).nonzero(as_tuple=True)
    place = place.int()
    if len(image):
        place[image, unit] = _places(maps, of_rows, image, unit, find)
    return place
