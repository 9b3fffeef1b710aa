"""How much of a unit's response falls on one category: three indexes from the same two totals.

    totals = totals_of_responses(responses, member)      from single responses, or
    totals = totals_of_sums(sums, counts, low, high, of_category)   from a record: equal results
    share(totals)  balanced(totals)  contrast(totals)

`category_indexes(layer, of_category)` gives all three for a layer of a record. Responses are scaled to
run from 0 to 1 over the images before they are added, because they may be negative.

Source: Malakhova, "Opponent processes in representation of visual information by neurons in
convolutional neural networks", section 2; the same formula is equation 2 of her paper on categories.
"""

from dataclasses import dataclass

import pandas as pd
import torch
from scipy.stats import rankdata

from helpers.errors import SelectivityError

EPSILON = 1e-8  # the formula's; it only matters for a unit without any response
PAPER_PROPORTION = 120 / 220  # paper 1's images: 120 classes of dogs, 100 others
SELECTIVE = 0.65  # its threshold, for its proportion
STRONGLY_SELECTIVE = 0.7  # the one that colours its figure 2


@dataclass(frozen=True)
class CategoryTotals:
    """Scaled responses added over the category's images and over the rest, (U,) float64 each.

    nan for a unit that answers all images alike: it has no scale.
    """

    category: torch.Tensor
    rest: torch.Tensor
    n_category: int
    n_rest: int

    @property
    def chance(self) -> float:
        """The category's share of the images: the share of a unit that ignores it."""
        return self.n_category / (self.n_category + self.n_rest)


def totals_of_responses(responses: torch.Tensor, member: torch.Tensor, low=None, high=None):
    """Totals from responses (N, U) and member (N,) bool; rows with nan (unreadable images) are left out.

    low, high: what becomes 0 and 1, (U,) or one number; by default each unit's own extremes.
    """
    if responses.ndim != 2 or member.shape != responses.shape[:1]:
        raise ValueError(f"responses {tuple(responses.shape)} and member {tuple(member.shape)}")
    read = ~responses.isnan().any(1)
    responses, member = responses[read].double(), member[read].bool()
    _check_sizes(int(member.sum()), int((~member).sum()))
    low = responses.amin(0) if low is None else low
    high = responses.amax(0) if high is None else high
    sums = torch.stack([responses[member].sum(0), responses[~member].sum(0)], 1)
    counts = torch.stack([member.sum(), (~member).sum()])
    return totals_of_sums(sums, counts, low, high, torch.tensor([True, False]))


def totals_of_sums(sums, counts, low, high, of_category) -> CategoryTotals:
    """Totals from sums (U, C) per class, counts (C,), the scale's ends (U,) and of_category (C,) bool.

    Scaling is affine, so a sum of scaled responses is (sum - n low) / (high - low).
    """
    of_category = of_category.bool()
    if sums.ndim != 2 or not sums.shape[1:] == counts.shape == of_category.shape:
        raise ValueError(
            f"sums {tuple(sums.shape)}, counts {tuple(counts.shape)} and classes "
            f"{tuple(of_category.shape)} do not fit"
        )
    counts = counts.double()
    _check_sizes(int(counts[of_category].sum()), int(counts[~of_category].sum()))
    low, span = torch.as_tensor(low).double(), torch.as_tensor(high).double() - torch.as_tensor(low)
    scaled = (sums.double() - counts * low[..., None]) / span[..., None]
    scaled = torch.where((span > 0)[..., None], scaled, torch.nan)
    return CategoryTotals(
        scaled[:, of_category].sum(1),
        scaled[:, ~of_category].sum(1),
        int(counts[of_category].sum()),
        int(counts[~of_category].sum()),
    )


def share(totals: CategoryTotals) -> torch.Tensor:
    """The part of a unit's scaled response that falls on the category, (U,); paper 1, section 2.

    sum AC / (sum AN + epsilon). A unit that ignores the category gets `totals.chance`, not 0 or 1/2.
    """
    return totals.category / (totals.category + totals.rest + EPSILON)


def share_at(totals: CategoryTotals, proportion: float) -> torch.Tensor:
    """The share if this proportion of all images were the category's, (U,).

    The share depends on how many images of the category there are, so a threshold on it belongs to one
    proportion: this makes image sets comparable. A unit that ignores the category gets `proportion`.
    """
    category, rest = _means(totals)
    return category / (category + rest * (1 - proportion) / proportion + EPSILON)


def balanced(totals: CategoryTotals) -> torch.Tensor:
    """The share if category and rest had equally many images, (U,); 1/2 for a unit that ignores it."""
    return share_at(totals, 0.5)


def contrast(totals: CategoryTotals) -> torch.Tensor:
    """Mean scaled response to the category minus that to the rest, (U,); 0 for a unit that ignores it.

    The difference and the scale, one for the whole layer, are those of the published code of paper 2; the
    responses are the paper's, maxima. The code itself: `contrast_of_maps`.
    """
    category, rest = _means(totals)
    return category - rest


def contrast_of_maps(means: torch.Tensor, largest: float, members: torch.Tensor) -> torch.Tensor:
    """What the published code of paper 2 computes, (K, U): the contrast of whole maps after the ReLU.

    means (N, U): of each map over its places, negative values as 0; largest: the largest value anywhere on
    the maps of the layer, the scale; members (K, N) bool, the images of each category. 0 for a unit that
    ignores it; nan for a layer without any positive value. Scaling by the largest of thousands of places and
    then averaging makes it much smaller than `contrast`.

    Source: github.com/taneta/category_selectivity_cnn, category_selectivity.ipynb.
    """
    if members.shape[1:] != means.shape[:1]:
        raise ValueError(f"means {tuple(means.shape)} and members {tuple(members.shape)}")
    members = members.bool()
    for size in members.sum(1).tolist():
        _check_sizes(size, members.shape[1] - size)
    inside, outside = (m.double() @ means.double() for m in (members, ~members))
    apart = inside / members.sum(1)[:, None] - outside / (~members).sum(1)[:, None]
    return apart / largest if largest > 0 else torch.full_like(apart, torch.nan)


def category_share(responses: torch.Tensor, member: torch.Tensor) -> torch.Tensor:
    """`share` of responses (N, U) for the images with member (N,) true, (U,).

    nan for a unit with constant responses. SelectivityError if no image, or every image, is a member.
    """
    return share(totals_of_responses(responses, member))


def category_auc(responses: torch.Tensor, member: torch.Tensor) -> torch.Tensor:
    """Chance that a random image of the category drives the unit more than one of the rest, (U,).

    responses (N, U), member (N,) bool; ties count one half; rows with nan are left out. 1/2 for a unit
    that ignores the category, and for a constant one.
    """
    return category_aucs(responses, member[None])[0]


def category_aucs(responses: torch.Tensor, members: torch.Tensor) -> torch.Tensor:
    """`category_auc` of several categories at once, (K, U); members (K, N) bool.

    By the sum of a category's ranks among all images (Mann and Whitney 1947), one sort for all.
    """
    if members.shape[1:] != responses.shape[:1]:
        raise ValueError(f"responses {tuple(responses.shape)} and members {tuple(members.shape)}")
    read = ~responses.isnan().any(1)
    members = members.bool()[:, read]
    ranks = torch.from_numpy(rankdata(responses[read].numpy(), axis=0))
    sizes = members.sum(1)
    for size in sizes.tolist():
        _check_sizes(size, members.shape[1] - size)
    sizes = sizes.double()[:, None]
    above = members.double() @ ranks - sizes * (sizes + 1) / 2
    return above / (sizes * (members.shape[1] - sizes))


def category_indexes(layer, of_category: torch.Tensor, statistic: str = "max") -> pd.DataFrame:
    """share, share_chance, index, balanced and contrast of each unit of a record's layer, a row a unit.

    of_category (C,) bool; statistic: "max", "min", "mean" or "relu". `index` is the share at the proportion
    of paper 1, to which its thresholds belong; `contrast` has the layer's scale.
    """
    if statistic not in layer.sums:
        raise SelectivityError(
            f"{layer.name}: the record keeps no class sums of the {statistic}, which the indexes of "
            "a category need"
        )
    low, high = layer.extremes(statistic)
    sums, counts = layer.sums[statistic], layer.counts
    own = totals_of_sums(sums, counts, low, high, of_category)
    common = totals_of_sums(
        sums, counts, low.min().expand_as(low), high.max().expand_as(high), of_category
    )
    return pd.DataFrame(
        {
            "share": share(own),
            "share_chance": own.chance,
            "index": share_at(own, PAPER_PROPORTION),
            "balanced": balanced(own),
            "contrast": contrast(common),
        }
    )


def _means(totals):
    return totals.category / totals.n_category, totals.rest / totals.n_rest


def _check_sizes(n_category, n_rest):
    if not n_category:
        raise SelectivityError("no image of the category was recorded: its share is not defined")
    if not n_rest:
        raise SelectivityError("every recorded image is of the category: there is no rest")
