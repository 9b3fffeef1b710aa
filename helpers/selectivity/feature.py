"""The neuron feature: one picture of what a unit responds to, and numbers about it.

    neuron_feature(crops, weights, valid)     the picture;  visible(weights, valid)   where it shows anything
    structure(crops, weights, valid)          how much of their edges it keeps: near 0 it is blurred
    variance_among(crops, weights, valid)     how much the crops behind it differ
    spatial_frequency(features, valid)        how many cycles of its strongest grating it holds
    curve_area(activation_curve(values))      how slowly the ranked responses fall;  area_percent(areas)
    self_response(responses, largest)         what the unit answers to its own feature

Source: Rafegas and Vanrell, "Understanding trained CNNs by indexing neuron selectivity", equation 1.
"""

import torch

from helpers.errors import SelectivityError
from helpers.selectivity.classes import relative_activations

VISIBLE_SHARE = (
    0.1  # of the weight; where fewer crops are inside the image, the feature says nothing
)
FLOOR = 0.7  # the paper averages the crops whose response is at least this share of the largest
MOST_CROPS = 100
_TOLERANCE = 1e-9


def feature_weights(values: torch.Tensor) -> torch.Tensor:
    """Weights of a unit's crops: a/a_max for responses at least 70 % of the largest, else 0.

    values (..., k), sorted, largest first. At most the first 100 count, non-positive ones never do; a unit
    whose largest response is not positive gets zeros. Source: paper 4, section 2, its
    equation 1 and footnote 1.
    """
    values = values.double().nan_to_num(0.0)
    largest = values[..., :1]
    relative = values / largest.clamp(min=torch.finfo(torch.float64).tiny)
    kept = (values > 0) & (relative >= FLOOR - _TOLERANCE)
    kept[..., MOST_CROPS:] = False
    return torch.where(kept, relative, 0.0).float()


def neuron_feature(crops: torch.Tensor, weights: torch.Tensor, valid=None) -> torch.Tensor:
    """The weighted average of the crops that drive a unit most, (3, H, W).

    crops (k, 3, H, W) in [0, 1]; weights (k,), non-negative; valid (k, H, W) bool, False where a
    crop leaves the image. Each pixel averages its valid crops; where less than a tenth of the
    weight is valid, and for weights that sum to zero, it is grey (0.5). Nothing is filtered here:
    the caller chooses the crops (`feature_weights`). Source: paper 4, equation 1, divided by the
    sum of the weights rather than by their number, which would only darken the picture.
    """
    if crops.ndim != 4 or weights.shape != crops.shape[:1]:
        raise ValueError(
            f"crops {tuple(crops.shape)} and weights {tuple(weights.shape)} do not fit"
        )
    weights = weights.to(crops.dtype)
    seen = torch.ones_like(crops[:, 0]) if valid is None else valid.to(crops.dtype)
    weight = torch.einsum("k,khw->hw", weights, seen)
    total = torch.einsum("k,kchw,khw->chw", weights, crops, seen)
    shown = visible(weights, seen)
    return torch.where(shown, total / weight.where(shown, torch.ones_like(weight)), 0.5)


def visible(weights: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Where a unit's feature shows anything, (H, W) bool: a tenth of the weight is inside the image.

    weights (k,), valid (k, H, W). Elsewhere `neuron_feature` is grey and no index should look.
    """
    weight = torch.einsum("k,khw->hw", weights, valid.to(weights.dtype))
    return (weight >= VISIBLE_SHARE * weights.sum()) & (weight > 0)


def structure(crops: torch.Tensor, weights: torch.Tensor, valid=None) -> torch.Tensor:
    """The part of its crops' edges that a unit's feature keeps, (): 1 if all are alike, about 0 if none are.

    crops (k, 3, H, W), weights (k,), valid (k, H, W): those of `neuron_feature`. The mean product of the
    steps between neighbouring pixels of two different crops, over their mean square, where the feature
    shows something. No crop is paired with itself, so few crops do not look structured. A blurred
    feature is near 0. (Its spatial frequency would not tell: what is left of crops that disagree is
    faint but fine.) nan for a unit with one crop, or without any edge.
    """
    used = weights > 0
    crops, weights = crops[used], weights[used].to(crops.dtype)
    seen = torch.ones_like(crops[:, 0], dtype=torch.bool) if valid is None else valid[used]
    shown = visible(weights, seen)
    shared = total = crops.new_zeros(())
    for axis in (-2, -1):
        rows, columns = (slice(None, -1 if axis == d else None) for d in (-2, -1))
        after = tuple(slice(1 if axis == d else None, None) for d in (-2, -1))
        both = seen[:, rows, columns] & seen[(slice(None), *after)]
        there = shown[rows, columns] & shown[after] & (both.sum(0) > 1)
        steps, weight = crops.diff(dim=axis)[..., there], weights[:, None] * both[:, there]
        squares, own = steps.square().sum(1), weight.square()
        mean_square = (weight * squares).sum(0) / weight.sum(0)
        together = torch.einsum("kp,kcp->cp", weight, steps).square().sum(0) - (own * squares).sum(
            0
        )
        shared = shared + (together / (weight.sum(0).square() - own.sum(0))).sum()
        total = total + mean_square.sum()
    return torch.where(total > 0, shared / total, torch.nan)


def variance_among(crops: torch.Tensor, weights: torch.Tensor, valid=None) -> torch.Tensor:
    """How much the crops of a unit differ from each other, (): 0 if all are the same picture.

    crops (k, 3, H, W), weights (k,), valid (k, H, W): those of `neuron_feature`. Each pixel's weighted
    variance among its valid crops, averaged over the channels and the pixels that the feature shows.
    nan for a unit without weight.
    """
    weights = weights.to(crops.dtype)
    seen = torch.ones_like(crops[:, 0]) if valid is None else valid.to(crops.dtype)
    mean = neuron_feature(crops, weights, valid)
    weight = torch.einsum("k,khw->hw", weights, seen)
    squares = torch.einsum("k,kchw,khw->hw", weights, (crops - mean).square(), seen) / 3
    shown = visible(weights, seen)
    return (squares[shown] / weight[shown]).mean()


def spatial_frequency(features: torch.Tensor, valid=None) -> torch.Tensor:
    """How many cycles fit into the features (U, 3, H, W) of the grating that is strongest in each, (U,).

    valid (U, H, W) bool. The radius of the largest value of the power spectrum, summed over the
    channels, each without its mean over the valid pixels, 8 times as dense as the Fourier series; in cycles
    in max(H, W) pixels. Below 1 for an edge, up to 1.5 for a spot or one bar, the number of bright stripes
    for a grating of two or more (to .15 with 3 pixels a stripe). nan for a uniform feature. The papers
    name no measure; this is ours.
    """
    features = features.double()  # or the mean of a uniform feature leaves something
    height, width = features.shape[-2:]
    seen = torch.ones_like(features[:, 0]) if valid is None else valid.to(features.dtype)
    weight = seen.sum((-2, -1)).clamp(min=1)[:, None, None, None]
    mean = (features * seen[:, None]).sum((-2, -1), keepdim=True) / weight
    around = (features - mean) * seen[:, None]
    dense = 8 * max(height, width)
    power = torch.fft.fft2(around, s=(dense, dense)).abs().square().sum(1)
    cycles = torch.fft.fftfreq(dense, 1 / dense, dtype=torch.float64) / 8
    radius = torch.hypot(cycles[:, None], cycles).flatten()
    largest, where = power.flatten(1).max(1)
    return torch.where(largest > _TOLERANCE, radius[where], torch.nan)


def activation_curve(values: torch.Tensor) -> torch.Tensor:
    """A unit's ranked responses as a share of the largest, (U, k): starts at 1 and falls; paper 4, figure 1.

    values (U, k), sorted, largest first. Responses that are not positive, and places of a list that no
    image has filled, are 0; a unit without a positive response has zeros only.
    """
    return relative_activations(values, values.shape[1])


def curve_area(curves: torch.Tensor) -> torch.Tensor:
    """The area under activation curves (U, k) as a share of their width, (U,); nan for a dead unit."""
    return torch.where(curves[:, 0] > 0, curves.mean(1), torch.nan)


def area_percent(areas: dict) -> dict:
    """Areas {layer: (U,)} as a percentage of the largest in the whole network, as in paper 4, figure 1."""
    largest = max(area.nan_to_num(0).max().item() for area in areas.values())
    if not largest > 0:
        raise SelectivityError("no unit of the network has a positive response: no area to compare")
    return {layer: 100 * area / largest for layer, area in areas.items()}


def self_response(responses: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    """A unit's response to its own feature as a share of its largest to any image, (U,); paper 4, figure 4.

    After the ReLU: 0 where the response is not positive; may exceed 1. nan for a dead unit, whose
    largest response is not positive.
    """
    relative = responses.clamp(min=0) / largest.where(largest > 0, torch.ones_like(largest))
    return torch.where(largest > 0, relative, torch.nan)
