"""The neuron feature: one picture of what a unit responds to.

Source: Rafegas and Vanrell, "Understanding trained CNNs by indexing neuron selectivity", equation 1.
"""

import torch

VISIBLE_SHARE = (
    0.1  # of the weight; where fewer crops are inside the image, the feature says nothing
)
FLOOR = 0.7  # the paper averages the crops whose response is at least this share of the largest
MOST_CROPS = 100
_TOLERANCE = 1e-9


def feature_weights(values: torch.Tensor) -> torch.Tensor:
    """Weights of a unit's crops: a/a_max for responses at least 70 % of the largest, else 0.

    values (..., k), sorted, largest first. At most the first 100 count, non-positive ones never do; a unit
    whose largest response is not positive gets zeros. Source: paper 4, section 3.1.
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
    shown = (weight >= VISIBLE_SHARE * weights.sum()) & (weight > 0)
    return torch.where(shown, total / weight.where(shown, torch.ones_like(weight)), 0.5)
