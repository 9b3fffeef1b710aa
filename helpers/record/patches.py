"""Pictures for a record: the exact receptive field of each winning response, in a second, small pass.

Only images that won a place on a list are read, each once; its crops go to all units that asked.

    patches = crops(record, network, images, "conv5", units=[3, 7], k=100)
    patches.pixels (2, 100, 3, H, W)   patches.valid (2, 100, H, W)
    thumbnails(record, network, images, "conv5")     the part inside the image, all of one size
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from helpers.errors import SelectivityError

_TOGETHER = 32  # images, or parts of one shape, that are treated at once: they stay in the cache


@dataclass
class Patches:
    """Crops of units' receptive fields: pixels (units, k, 3, H, W) in [0, 1], RGB, as the network saw them.

    `valid` (units, k, H, W) is False outside the image, where pixels are 0.5; `values` and `images`
    (units, k) come from the list. A unit with fewer than k images has all-invalid crops at the end.
    """

    pixels: torch.Tensor
    valid: torch.Tensor
    values: torch.Tensor
    images: torch.Tensor


def crops(record, network, images, layer, units=None, k=100, which="top") -> Patches:
    """Cut the receptive fields of the k first entries of a list (`which`: "top" or "bottom").

    units: numbers, all of the layer by default; take a few hundred at a time for large fields. The
    box is exact and not resized. The record must be of this network and these images.
    """
    listed = ListedParts(record, network, images, layer, units, k, which)
    pixels = torch.full((*listed.numbers.shape, 3, *listed.field.size), 0.5)
    valid = torch.zeros(*listed.numbers.shape, *listed.field.size, dtype=torch.bool)
    for place, (top, left, *_), inner, part in listed.parts():
        rows = slice(inner[0].start - top, inner[0].stop - top)
        columns = slice(inner[1].start - left, inner[1].stop - left)
        pixels[place][:, rows, columns] = part
        valid[place][rows, columns] = True
    return Patches(pixels, valid, listed.values, listed.numbers)


def thumbnails(record, network, images, layer, units=None, k=100, side=64, which="top") -> Patches:
    """The same boxes as in `crops`, of each only the part inside the image, all side x side pixels.

    Independent components need one common grid and real pixels, and a sheet of small pictures needs
    the first: so what lies outside the image is cut off rather than shown as grey, and the rest is
    resized (antialiased, bilinear). Where an edge cuts a box, its aspect changes; `crops` keeps it.
    A unit with fewer than k images has 0.5 at the end, where `valid` is False. 128 units with 100
    pictures of 64 px take 630 MB: give `units` in parts for wide layers.
    """
    listed = ListedParts(record, network, images, layer, units, k, which)
    pixels = torch.full((*listed.numbers.shape, 3, side, side), 0.5)
    waiting = defaultdict(list)  # shape of a part -> [(place, part)]
    for place, _, _, part in listed.parts():
        waiting[part.shape].append((place, part))
        if len(waiting[part.shape]) == _TOGETHER:
            _resize(waiting.pop(part.shape), pixels)
    for same in waiting.values():
        _resize(same, pixels)
    there = (listed.numbers >= 0)[..., None, None].expand(-1, -1, side, side)
    return Patches(pixels, there, listed.values, listed.numbers)


class ListedParts:
    """The list's entries of some units, and the second pass over the images that hold them."""

    def __init__(self, record, network, images, layer, units, k, which):
        record.check(network, images)
        of_layer = record[layer]
        chosen = torch.arange(of_layer.n_units) if units is None else torch.as_tensor(units)
        ranked = getattr(of_layer, which).first(k)
        if ranked.positions is None:
            raise SelectivityError(f"the list {which!r} has no positions; use 'top' or 'bottom'")
        self.values, self.numbers = ranked.values[chosen], ranked.images[chosen]
        self.field, self._layer = of_layer.geometry.field, layer
        self._positions = ranked.positions[chosen]
        self._network, self._images = network, images

    def parts(self):
        """((row, rank), box, inner, part) of each entry whose box meets its image, image by image.

        inner: the slices of the image (vertical, horizontal) inside the box; part: its pixels there, a view
        of the image, (3, height, width).
        """
        wanted = defaultdict(list)
        numbers, positions = self.numbers.tolist(), self._positions.tolist()
        for row, rank in (self.numbers >= 0).nonzero().tolist():
            wanted[numbers[row][rank]].append((row, rank))
        for number, seen in self._seen(sorted(wanted)):
            height, width = seen.shape[1:]
            for row, rank in wanted[number]:
                y, x = positions[row][rank]
                if y < 0:
                    raise SelectivityError(
                        f"{self._layer}: place {rank} of the list has no stored position"
                    )
                box = top, left, bottom, right = self.field.box(y, x)
                rows = slice(max(top, 0), min(bottom, height))
                columns = slice(max(left, 0), min(right, width))
                part = seen[:, rows, columns]
                if part.numel():
                    yield (row, rank), box, (rows, columns), part

    def _seen(self, numbers):
        """(number, image as shown) for each of the images' numbers."""
        preprocess = self._network.preprocess
        show = as_shown(preprocess)
        for start in range(0, len(numbers), _TOGETHER):
            some = numbers[start : start + _TOGETHER]
            read = torch.stack([preprocess(self._images.open(number)) for number in some])
            yield from zip(some, show(read), strict=True)


def _resize(same, pixels):
    """Parts of equal shape -> their places in pixels (units, k, 3, side, side)."""
    places, parts = zip(*same, strict=True)
    rows, ranks = torch.tensor(places).T
    stacked, side = torch.stack(parts), pixels.shape[-1]
    height, width = stacked.shape[-2:]
    if (height, width) != (side, side):
        stacked = _resampling(height, side) @ stacked @ _resampling(width, side).T
    pixels[rows, ranks] = stacked


@lru_cache
def _resampling(n, side):
    """The matrix (side, n) that resizes a column: two products are faster than a call per batch."""
    columns = torch.eye(n)[None, None]
    return interpolate(columns, (side, n), mode="bilinear", antialias=True)[0, 0]


def as_shown(preprocess):
    """The inverse of a preprocessing's colour treatment: what the network saw, as RGB in [0, 1].

    Preprocessing may reorder, scale and shift channels; that is an affine map of a pixel's colour,
    so four plain images measure it, whatever library it comes from. Resizing and cropping stay.
    """
    plain = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
    # Larger than any input, so that no padding enters; the centre pixel is plain colour.
    seen = [preprocess(Image.new("RGB", (512, 512), colour)) for colour in plain]
    colours = np.stack([s[:, s.shape[1] // 2, s.shape[2] // 2].double().numpy() for s in seen])
    offset, matrix = colours[0], (colours[1:] - colours[0]).T
    if abs(np.linalg.det(matrix)) < 1e-12:
        raise SelectivityError("the preprocessing loses colour, so its input cannot be shown")
    inverse = torch.from_numpy(np.linalg.inv(matrix)).float()
    offset = torch.from_numpy(offset).float()[:, None, None]

    def show(image: torch.Tensor) -> torch.Tensor:
        to_rgb, black = inverse.to(image.device), offset.to(image.device)
        return torch.einsum("ij,...jhw->...ihw", to_rgb, image - black).clamp(0, 1)

    return show
