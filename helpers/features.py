"""The neuron features of all units of a layer, and how much the crops behind them differ, in one pass.

    features = layer_features(record, network, images, "conv5")
    features.pictures  features.sigma  features.valid

Each image that won a place is read once. Crops are added up where they fall, so that memory is that of the
features, not of a hundred crops each.
"""

from dataclasses import dataclass

import torch

from helpers.record.patches import ListedParts
from helpers.selectivity.color import opponent
from helpers.selectivity.feature import MOST_CROPS, VISIBLE_SHARE, feature_weights


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
