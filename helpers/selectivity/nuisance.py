"""What is left of a unit's preference once the picture's colour and edges are accounted for.

    statistics = image_statistics(pixels)          contrast, edges, mean colour of each image
    residual(responses, statistics)                responses without what these predict
    chances = propensity(statistics, member)       how much each image looks like the category by these
    class_separability(statistics, classes)        how well these tell each class from the rest

Source: the remark of Malakhova, "Opponent processes in representation of visual information", section 4,
that opponent profiles "cannot be attributed to incidental differences in low-level statistics".
"""

import torch
import torch.nn.functional as F

from helpers.selectivity.category import category_aucs

STATISTICS = ("lightness", "red - green", "yellow - blue", "contrast", "colour contrast", "edges")


def image_statistics(pixels: torch.Tensor) -> torch.Tensor:
    """Six numbers of each image, (N, 6), named in `STATISTICS`; pixels (N, 3, H, W) RGB in [0, 1].

    The means of the three opponent channels, the standard deviation of lightness and of the two
    colour channels, and the mean size of the
    steps in lightness between neighbouring pixels, across plus down.
    """
    red, green, blue = pixels.double().unbind(1)
    light, red_green = (red + green + blue) / 3, red - green
    yellow_blue = (red + green) / 2 - blue
    colour = (red_green.var((1, 2)) + yellow_blue.var((1, 2))).sqrt()
    steps = [light.diff(dim=d).abs().mean((1, 2)) for d in (1, 2)]
    means = [channel.mean((1, 2)) for channel in (light, red_green, yellow_blue)]
    return torch.stack([*means, light.std((1, 2)), colour, steps[0] + steps[1]], 1)


def residual(responses: torch.Tensor, statistics: torch.Tensor) -> torch.Tensor:
    """Responses (N, U) minus their least-squares fit by the statistics (N, F) and their squares.

    Each unit keeps its mean; an image with a nan has nan.
    """
    read = ~(responses.isnan().any(1) | statistics.isnan().any(1))
    predictors, known = _predictors(statistics[read]), responses[read].double()
    fit = predictors @ torch.linalg.lstsq(predictors, known).solution
    left = torch.full(responses.shape, torch.nan, dtype=torch.float64)
    left[read] = known - fit + known.mean(0)
    return left


def propensity(statistics: torch.Tensor, member: torch.Tensor) -> torch.Tensor:
    """The chance that an image with such statistics is of the category, (N,); nan where they are nan.

    Logistic regression of member (N,) bool on the statistics (N, F) and their squares (Rosenbaum and Rubin
    1983, "The central role of the propensity score").
    """
    read = ~statistics.isnan().any(1)
    predictors, wanted = _predictors(statistics[read]), member[read].double()
    weights = torch.zeros(predictors.shape[1], dtype=torch.float64)
    ridge = 1e-3 * torch.eye(len(weights), dtype=torch.float64)

    def loss(weights):
        scores = predictors @ weights
        return F.softplus(scores).sum() - wanted @ scores + weights @ ridge @ weights / 2

    for _ in range(50):  # Newton's method; the ridge keeps it finite where the kinds separate
        chance = torch.sigmoid(predictors @ weights)
        gradient = predictors.T @ (wanted - chance) - ridge @ weights
        curvature = (predictors * (chance * (1 - chance))[:, None]).T @ predictors + ridge
        step = torch.linalg.solve(curvature, gradient)
        while loss(weights + step) > loss(weights) and step.abs().max() > 1e-9:
            step = step / 2  # outliers make whole steps run away
        weights = weights + step
    found = torch.full((len(statistics),), torch.nan, dtype=torch.float64)
    found[read] = torch.sigmoid(predictors @ weights)
    return found


def class_separability(
    statistics: torch.Tensor, classes: torch.Tensor, seed: int = 0
) -> torch.Tensor:
    """How well looks alone tell each class from the rest, (C,): area under the ROC curve, 1/2 if not at all.

    statistics (N, F), classes (N,). Fisher's linear discriminant of the statistics and their squares, with
    one covariance for all classes, learned on one half of each class's images and judged on the other, both
    ways round. nan for a class of fewer than two images; images with nan are left out.
    """
    read, n_classes = ~statistics.isnan().any(1), int(classes.max()) + 1
    predictors, classes = _predictors(statistics[read])[:, 1:], classes[read]
    of_class = F.one_hot(classes, n_classes).double()
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(classes), generator=random)
    first = torch.zeros(len(classes), dtype=torch.bool)
    for number in range(n_classes):
        mine = order[classes[order] == number]
        first[mine[: len(mine) // 2]] = True
    halves = [_discriminated(predictors, of_class, learn) for learn in (first, ~first)]
    return (halves[0] + halves[1]) / 2


def _discriminated(predictors, of_class, learn):
    """AUC (C,) on the images not in `learn` of the discriminants learned on those in it."""
    counts = of_class[learn].sum(0)
    means = of_class[learn].T @ predictors[learn] / counts[:, None]
    within = predictors[learn] - means[of_class[learn].argmax(1)]
    ridge = 1e-3 * torch.eye(predictors.shape[1], dtype=torch.float64)
    covariance = within.T @ within / len(within) + ridge
    rest = (means * counts[:, None]).nansum(0) / counts.sum()
    scores = predictors[~learn] @ torch.linalg.solve(covariance, (means - rest).T)
    inside = of_class[~learn]
    sizes = inside.sum(0)
    known = (counts > 0) & (sizes > 0) & (sizes < len(inside))
    found = torch.full((len(known),), torch.nan, dtype=torch.float64)
    # Each class is judged by its own discriminant.
    found[known] = category_aucs(scores[:, known], inside.T[known]).diagonal()
    return found


def _predictors(statistics):
    """A constant, the statistics and their squares, (N, 1 + 2 F), in comparable units."""
    scaled = statistics.double() - statistics.double().mean(0)
    scaled = scaled / scaled.std(0).clamp(min=1e-12)
    return torch.cat([torch.ones_like(scaled[:, :1]), scaled, scaled**2], 1)
