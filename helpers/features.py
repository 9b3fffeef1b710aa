"""The neuron features of all units of a layer, and how much the crops behind them differ, in one pass.

    features = layer_features(record, network, images, "conv5")
    features.pictures  features.sigma  features.valid
    crop_numbers(record, network, images, "conv5")     how much the crops behind them agree

Each image that won a place is read once. Crops are added up where they fall, so that memory is that of the
features, not of a hundred crops each.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch

from helpers.record.patches import ListedParts
from helpers.selectivity.color import opponent
from helpers.selectivity.feature import (
    MOST_CROPS,
    VISIBLE_SHARE,
    feature_weights,
    structure,
    variance_among,
)

SIDE = 64  # cells of a reduced crop


@dataclass(frozen=True)
class Features:
    """Neuron features, pictures (U, 3, H, W) RGB in [0, 1], grey where they show nothing.

    valid (U, H, W) bool: where they show something; sigma (U, H, W): how much the crops differ there, as
    of `selectivity.color.crop_sigma`; weights (U, k): those of the crops.
    """

    pictures: torch.Tensor
    sigma: torch.Tensor
    valid: torch.Tensor
    weights: torch.Tensor


def layer_features(
    record, network, images, layer: str, units=None, k: int = MOST_CROPS
) -> Features:
    """`neuron_feature`, `crop_sigma` and `visible` of the units of a layer, all by default.

    What they give for one unit's crops, to float32 rounding: sigma to 0.001. Takes 24 bytes a pixel of a
    feature: for receptive fields as large as GoogLeNet's last, ask for a hundred units at a time.
    """
    listed = ListedParts(record, network, images, layer, units, k, "top")
    weights = feature_weights(listed.values)
    n_units, (height, width) = len(weights), listed.field.size
    colour = torch.zeros(n_units, 3, height, width)
    squares, weight, number = torch.zeros(3, n_units, height, width)
    for (row, rank), (top, left, *_), (rows, columns), part in listed.parts():
        w = weights[row, rank].item()
        if w == 0:
            continue
        y = slice(rows.start - top, rows.stop - top)
        x = slice(columns.start - left, columns.stop - left)
        colour[row, :, y, x] += w * part
        squares[row, y, x] += w * opponent(part).square().sum(0)
        weight[row, y, x] += w
        number[row, y, x] += 1
    shown = weight.where(weight > 0, torch.ones_like(weight))
    mean = colour / shown[:, None]
    valid = (weight >= VISIBLE_SHARE * weights.sum(1)[:, None, None]) & (weight > 0)
    variance = (squares / shown - opponent(mean).square().sum(1)).clamp(min=0) / 3
    # One crop alone does not differ from itself; of a pixel that few crops reach that says nothing.
    lone = ((weights > 0).sum(1) < 2)[:, None, None]
    sigma = torch.where(lone, 0.0, torch.where(number > 1, variance.sqrt(), torch.inf))
    return Features(torch.where(valid[:, None], mean, 0.5), sigma, valid, weights)


def crop_numbers(record, network, images, layer: str, units=None) -> dict[str, torch.Tensor]:
    """`structure` and `variance_among` of the crops behind units' features, {name: (U,)}.

    units: all by default. Of crops reduced to at most 64 cells a side (`cell_side`), each the mean of a
    square of pixels that lies inside the image; exact for receptive fields of up to 64 pixels. Takes up to
    7 MB a unit.
    """
    pixels, valid, weights = reduced_crops(record, network, images, layer, units)
    used = (weights > 0).sum(1).tolist()
    return {
        measure.__name__: torch.stack(
            [
                measure(p[:n], w[:n], v[:n])
                for p, w, v, n in zip(pixels, weights, valid, used, strict=True)
            ]
        )
        for measure in (structure, variance_among)
    }


def reduced_crops(record, network, images, layer: str, units=None):
    """The crops of units' features in cells, (pixels (U, k, 3, h, w), valid (U, k, h, w), weights (U, k)).

    A cell is the mean of its pixels, and valid if all of them are inside the image.
    """
    weights = feature_weights(record[layer].top.values)
    weights = weights if units is None else weights[units]
    weights = weights[:, : int((weights > 0).sum(1).max().clamp(min=1))]
    listed = ListedParts(record, network, images, layer, units, weights.shape[1], "top")
    cell = cell_side(listed.field)
    shape = tuple(-(-side // cell) for side in listed.field.size)
    pixels = torch.zeros(*weights.shape, 3, *shape)
    valid = torch.zeros(*weights.shape, *shape, dtype=torch.bool)
    for place, (top, left, *_), (rows, columns), part in listed.parts():
        if weights[place] > 0:
            y, inside_y = _cells(rows.start - top, rows.stop - top, listed.field.size[0], cell)
            x, inside_x = _cells(
                columns.start - left, columns.stop - left, listed.field.size[1], cell
            )
            pixels[place] = y @ part @ x.T
            valid[place] = inside_y[:, None] & inside_x
    return pixels, valid, weights


def cell_side(field) -> int:
    """Pixels along the side of a cell, so that a crop has at most 64."""
    return -(-max(field.size) // SIDE)


@lru_cache(maxsize=4096)
def _cells(start, stop, size, cell):
    """The matrix (cells, stop - start) that takes means, and which cells have all their pixels."""
    of_pixel = torch.arange(start, stop) // cell
    n_cells = -(-size // cell)
    present = torch.bincount(of_pixel, minlength=n_cells)
    means = torch.zeros(n_cells, stop - start)
    means[of_pixel, torch.arange(stop - start)] = 1 / present[of_pixel].float()
    return means, present == torch.bincount(torch.arange(size) // cell)
