"""Which classes drive a unit: the relative activation of each class among its strongest images.

Source: Rafegas and Vanrell, "Understanding trained CNNs by indexing neuron selectivity", section 3.3.
"""

import torch


def class_frequencies(weights: torch.Tensor, classes: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Share of a unit's strongest responses that each class contributes, (U, C), rows sum to 1.

    weights (U, k): non-negative relative activations a/a_max of the k strongest images; classes
    (U, k) int64: their classes, entries below 0 count for none. A unit without positive weight has
    a row of zeros. Source: paper 4, section 3.3, f_c.
    """
    if weights.shape != classes.shape or weights.ndim != 2:
        raise ValueError(f"weights {tuple(weights.shape)} and classes {tuple(classes.shape)}")
    counted = (classes >= 0) & (weights > 0)
    mass = torch.where(counted, weights.double(), 0.0)
    table = torch.zeros(len(weights), n_classes, dtype=torch.float64)
    table.scatter_add_(1, classes.clamp(min=0), mass)
    total = table.sum(1, keepdim=True)
    return torch.where(total > 0, table / total.where(total > 0, torch.ones_like(total)), 0.0)


def relative_activations(values: torch.Tensor, first: int = 100) -> torch.Tensor:
    """a/a_max of each unit's `first` strongest responses, (U, first), 0 where not positive.

    values (U, k), sorted, largest first. The relative activation of paper 4, section 3.1.
    """
    values = values[:, :first].double().nan_to_num(0.0)
    largest = values[:, :1].clamp(min=torch.finfo(torch.float64).tiny)
    return torch.where(values > 0, values / largest, 0.0)
