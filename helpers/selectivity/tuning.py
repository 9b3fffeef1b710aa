"""The tuning curve: a unit's response to every image, ordered; the ReLU hides what is below zero.

Drawn by Malakhova, "Opponent processes in representation of visual information", Fig. 1, as three
strips of images: strongest, near zero, most negative.
"""

import torch


def tuning_curve(responses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(values, images): one unit's responses (N,), largest first; equal ones in image order."""
    values, images = responses.sort(descending=True, stable=True)
    return values, images


def share_hidden(responses: torch.Tensor) -> torch.Tensor:
    """Share of images whose response the ReLU sets to zero; responses (N,) or (N, U) -> () or (U,)."""
    return (responses <= 0).double().mean(0)
