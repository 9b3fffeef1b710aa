"""Pictures for a record: the exact receptive field of each winning response, in a second, small pass.

Only images that won a place on a list are read, each once; its crops go to all units that asked.

    patches = crops(record, network, images, "conv5", units=[3, 7], k=100)
    patches.pixels (2, 100, 3, H, W)   patches.valid (2, 100, H, W)
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from helpers.errors import SelectivityError


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
    record.check(network, images)
    of_layer = record[layer]
    chosen = torch.arange(of_layer.n_units) if units is None else torch.as_tensor(units)
    ranked = getattr(of_layer, which).first(k)
    if ranked.positions is None:
        raise SelectivityError(f"the list {which!r} has no positions; use 'top' or 'bottom'")
    values, numbers = ranked.values[chosen], ranked.images[chosen]
    places = ranked.positions[chosen]
    height, width = of_layer.geometry.field.size
    pixels = torch.full((*numbers.shape, 3, height, width), 0.5)
    valid = torch.zeros(*numbers.shape, height, width, dtype=torch.bool)
    wanted = defaultdict(list)
    for row, rank in (numbers >= 0).nonzero().tolist():
        wanted[int(numbers[row, rank])].append((row, rank))
    show = as_shown(network.preprocess)
    for number, asking in sorted(wanted.items()):
        seen = show(network.preprocess(images.open(number)))
        for row, rank in asking:
            y, x = places[row, rank].tolist()
            if y < 0:
                raise SelectivityError(f"{layer}: place {rank} of the list has no stored position")
            box = of_layer.geometry.field.box(y, x)
            _cut(seen, box, pixels[row, rank], valid[row, rank])
    return Patches(pixels, valid, values, numbers)


def _cut(image, box, pixels, valid):
    """Copy the part of a box that lies inside the image (3, H, W) to its place in the crop."""
    top, left, bottom, right = box
    height, width = image.shape[1:]
    inner = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    rows = slice(inner[0].start - top, inner[0].stop - top)
    columns = slice(inner[1].start - left, inner[1].stop - left)
    if rows.start < rows.stop and columns.start < columns.stop:
        pixels[:, rows, columns] = image[:, inner[0], inner[1]]
        valid[rows, columns] = True


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
        return torch.einsum("ij,jhw->ihw", inverse, image - offset).clamp(0, 1)

    return show
