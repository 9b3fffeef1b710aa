"""How alike the units of a layer are: do the same classes drive them?

    similar = pairwise_correlation(counts)     (U, U)
    far = pairwise_distance(counts)            (U, U)
    mean_of_pairs(similar)  similar_order(similar)

Source: Sadeghi, "Conceptual content in deep convolutional neural networks", section 2.4.
"""

import numpy as np
import torch
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform


def pairwise_correlation(counts: torch.Tensor) -> torch.Tensor:
    """Pearson's correlation of every two units' rows of counts, (U, U) float64, -1 to 1.

    counts (U, C). A row without variance (no image, or every class alike) has none: nan, with itself too.
    Source: section 2.4, "similarity".
    """
    varies = (counts.amax(1) > counts.amin(1))[:, None]
    rows = counts.double()
    rows = rows - rows.mean(1, keepdim=True)
    rows = torch.where(varies, rows / rows.norm(dim=1, keepdim=True), torch.nan)
    similar = (rows @ rows.T).clamp(-1, 1)
    own = similar.diagonal()
    own[~own.isnan()] = 1.0
    return similar


def pairwise_distance(counts: torch.Tensor) -> torch.Tensor:
    """Euclidean distance of every two units' rows of counts, (U, U) float64, in images.

    counts (U, C). Equal rows are at distance 0 exactly. Source: section 2.4, "dissimilarity".
    """
    rows = counts.double()
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")


def mean_of_pairs(matrix: torch.Tensor) -> float:
    """The mean over all pairs of different units; pairs that are nan are left out.

    matrix (U, U), symmetric. nan if no pair is left. Source: figure 5.
    """
    above = torch.triu_indices(*matrix.shape, offset=1)
    return matrix[above[0], above[1]].nanmean().item()


def drawn_means(matrix: torch.Tensor, draws: int = 500, seed: int = 0) -> torch.Tensor:
    """`mean_of_pairs` of units drawn again with replacement, (draws,): for an interval over units.

    A unit that is drawn twice makes no pair with itself. Pairs that are nan are left out.
    """
    n = len(matrix)
    if not n:
        return torch.full((draws,), torch.nan, dtype=torch.float64)
    random = torch.Generator().manual_seed(seed)
    drawn = torch.randint(n, (draws, n), generator=random)
    times = torch.zeros(draws, n, dtype=torch.float64).scatter_add_(
        1, drawn, torch.ones(draws, n, dtype=torch.float64)
    )
    known = ~matrix.isnan() & ~torch.eye(n, dtype=torch.bool)
    total = ((times @ matrix.masked_fill(~known, 0).double()) * times).sum(1)
    return total / ((times @ known.double()) * times).sum(1)


def similar_order(matrix: torch.Tensor) -> torch.Tensor:
    """An order of units, (U,) int64, that puts similar ones side by side: for a heat map.

    matrix (U, U): correlations. Units are joined by average linkage on 1 - correlation, and the branches of
    the tree turned; scipy's turning is a good one, not always the best (its issue 11227). Units without
    correlation come last. The paper draws units as they are numbered, which shows no structure.
    """
    known = (~matrix.diagonal().isnan()).nonzero()[:, 0]
    rest = matrix.diagonal().isnan().nonzero()[:, 0]
    if len(known) > 2:
        apart = 1 - matrix[known][:, known].numpy()
        np.fill_diagonal(apart, 0)
        apart = squareform(apart.clip(min=0), checks=False)
        tree = optimal_leaf_ordering(linkage(apart, "average"), apart)
        known = known[torch.from_numpy(leaves_list(tree).astype(np.int64))]
    return torch.cat([known, rest])
