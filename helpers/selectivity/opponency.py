"""Opponent responses: is a unit that a category excites also inhibited by that category?

    top, bottom = listed_share(layer.top.images, member), listed_share(layer.bottom.images, member)

What to hold `bottom` against, each a stricter reading of "inhibited by":

    expected_if_shifted   the category's responses are the others', moved upwards as a whole; both Gaussian
    expected_if_moved     the same with the distribution that the others' responses have
    expected_by_looks     only the images' colour, contrast and edges decide which of them are listed
    chance                the category's share of all images: some of it excites, the rest is like anything

Source: Malakhova, "Opponent processes in representation of visual information", figure 2. The paper has
no null; these are ours.
"""

import math

import numpy as np
import pandas as pd
import torch
from scipy.stats import binom

from helpers.errors import SelectivityError
from helpers.selectivity.category import SELECTIVE, category_indexes

PAIRINGS = {"max / min": ("top", "bottom"), "mean / mean": ("mean_top", "mean_bottom")}
PART = 0.025  # of the images at each end; as far as all four lists of the shipped records reach
KINDS = ("unselective", "detector", "opponent")
FEWEST = 10  # units; below that a share or a mean over the selective ones says little
_MEAN_ENDS = ("top_mean", "bottom_mean")
_FARTHEST, _MOVES = 5, 801  # standard deviations that a category may move responses by, and steps
_SIGMAS = 3.0  # how far above chance counts as above: 1 in 100 to 1,000 units by luck


def first_share(layer, pairing: str, n_images: int, part: float):
    """(top, bottom) image numbers, (U, k) each, of the strongest and weakest `part` of the images.

    pairing: of `PAIRINGS`, the statistics that rank the two ends. SelectivityError if the record's
    lists are shorter than that.
    """
    k = list_length(n_images, part)
    ends = [getattr(layer, name).images for name in PAIRINGS[pairing]]
    # A record of some of the classes has lists that end in -1.
    held = min(int((end >= 0).sum(1).min()) for end in ends)
    if held < k:
        raise SelectivityError(
            f"{layer.name}: {part:.1%} of {n_images:,} images are {k}, but the record's lists for "
            f"{pairing} hold {held}; take a smaller part or record again with a larger --k"
        )
    return tuple(end[:, :k] for end in ends)


def list_length(n_images: int, part: float) -> int:
    """Images in a list of the given part of all, at least one."""
    return max(1, round(n_images * part))


def listed_share(images: torch.Tensor, member: torch.Tensor) -> torch.Tensor:
    """Share of a unit's listed images that belong to the category, (U,); paper 1, figure 2.

    images (U, k): numbers of images, below 0 where the list is shorter; member (N,) bool. nan for an
    empty list.
    """
    inside, there = _lookup(images, member)
    return (inside & there).sum(1).double() / there.sum(1)


def expected_if_shifted(top_share: torch.Tensor, chance: float, n_images: int, n_listed: int):
    """(expected, error): the bottom share, and its standard error, of a unit that the category shifts.

    The null: responses to the rest are Gaussian, those to the category the same Gaussian moved by as
    much as `top_share` (U,) tells. It has an upper and a lower list of n_listed of n_images; it is meant
    for one variable that ranks both (mean / mean). A top share of 0 or 1 counts as half an image less;
    with an upper list nearly full of the category too much is expected (by up to 0.02), and where less than
    one image is expected the error is not that of a normal distribution.
    """
    if not 0 < chance < 1:
        raise SelectivityError(
            f"the category's share of the images is {chance}: nothing to compare"
        )
    part = n_listed / n_images
    top = (top_share.double() * n_listed + 0.5) / (n_listed + 1)
    least = 0.5 / n_images
    tails = (top * part / chance, (1 - top) * part / (1 - chance))  # of the category, of the rest
    tails = [tail.clamp(least, 1 - least) for tail in tails]
    shift = torch.special.ndtri(tails[0]) - torch.special.ndtri(tails[1])
    expected = _bottom_share(shift, chance, part)
    step = 1e-4
    slope = (_bottom_share(shift + step, chance, part) - expected) / step
    top_slope = (
        _bottom_share(-shift - step, chance, part) - _bottom_share(-shift, chance, part)
    ) / step
    variance = _share_variance(shift, chance, part, n_images)
    top_variance = _share_variance(-shift, chance, part, n_images)
    carried = (slope / top_slope).nan_to_num(0.0) ** 2 * top_variance
    return expected, (variance + carried).sqrt()


def expected_if_moved(responses: torch.Tensor, member: torch.Tensor, n_listed: int) -> np.ndarray:
    """The bottom share (U,) of units whose responses the category moves as a whole, and does nothing else.

    responses (N, U), one variable that ranks both ends; member (N,) bool. The category's responses are taken
    to be distributed as the others' of the same unit, moved by as much as its share of the upper list tells.
    Unlike `expected_if_shifted` it takes no shape for granted: of a skewed variable the two ends differ. What
    the upper list's own luck adds on average is taken off, so a value can be a little below 0 or above 1.
    """
    member = np.asarray(member, dtype=bool)
    if not n_listed <= member.sum() <= len(member) - n_listed:
        raise SelectivityError(
            f"{member.sum()} of {len(member)} images are of the category: too few, of it or of the rest, for "
            f"lists of {n_listed}"
        )
    columns = np.asarray(responses, dtype=np.float64).T
    return np.array([_bottom_if_moved(column, member, n_listed) for column in columns])


def moved_responses(
    responses: torch.Tensor, member: torch.Tensor, n_listed: int, seed: int = 0
) -> torch.Tensor:
    """Responses (N, U) of units like the given ones that the category moves, and does nothing else to.

    Each unit's are drawn from its responses to the rest, and those to the category moved by as much as its
    upper list tells. Upper lists are luck in part: they are taken to be nearer to their mean, by the part of
    their variance that luck explains. What a choice of units by their upper lists does can be seen on these.
    """
    member, random = np.asarray(member, dtype=bool), np.random.default_rng(seed)
    columns = np.asarray(responses, dtype=np.float64).T
    curves = [_by_move(column, member, n_listed) for column in columns]
    tops = np.array([_top(column, member, n_listed) for column in columns]) / n_listed
    luck = (tops * (1 - tops) / n_listed).mean() / (tops.var() or np.inf)
    tops = tops.mean() + max(0.0, 1 - luck) * (tops - tops.mean())
    drawn = np.empty_like(columns)
    for column, (by, above, _), top, new in zip(columns, curves, tops, drawn, strict=True):
        move = by[min(np.searchsorted(above, top * n_listed), _MOVES - 1), 0]
        new[:] = random.choice(column[~member], len(member)) + move * member
        # Drawn twice, two images would tie.
        new += random.normal(scale=0.01 * column.std(), size=len(member))
    return torch.from_numpy(drawn.T)


def _top(responses, member, n_listed):
    """How many of the largest responses are to the category."""
    return int(member[np.argsort(-responses, kind="stable")[:n_listed]].sum())


def _by_move(responses, member, n_listed):
    """(moves (m, 1), the category's number above (m,), its share below (m,)) if responses to it are moved."""
    rest, n_inside = np.sort(responses[~member]), int(member.sum())
    inside = np.quantile(rest, (np.arange(n_inside) + 0.5) / n_inside)
    by = np.linspace(-_FARTHEST, _FARTHEST, _MOVES)[:, None] * (rest.std() or 1.0)
    # Of two sorted lists the i-th of one is among the first k of both if it is before the (k - i + 1)-th of
    # the other.
    above = (inside[: -n_listed - 1 : -1] + by > rest[-n_listed:]).sum(1)
    below = (inside[:n_listed] + by < rest[:n_listed][::-1]).sum(1) / n_listed
    return by, above, below


def _bottom_if_moved(responses, member, n_listed):
    _, above, below = _by_move(responses, member, n_listed)
    # The bottom share for each number above; at the ends the least move that gives it.
    first, last = np.searchsorted(above, 0, "right") - 1, np.searchsorted(above, n_listed)
    inner = slice(max(first, 0), min(last, _MOVES - 1) + 1)
    # Many moves give the same number.
    found, which = np.unique(above[inner], return_inverse=True)
    means = np.bincount(which, below[inner]) / np.bincount(which)
    numbers = np.arange(n_listed + 1)
    expected = np.interp(numbers, found, means)
    top = _top(responses, member, n_listed)
    by_luck = binom.pmf(numbers, n_listed, (top + 0.5) / (n_listed + 1)) @ expected
    return 2 * expected[top] - by_luck


def expected_by_looks(images: torch.Tensor, looks_like: torch.Tensor) -> torch.Tensor:
    """The listed share of a unit to which only the images' looks matter, (U,).

    images (U, k) as in `listed_share`; looks_like (N,): the chance that an image with such colour, contrast
    and edges is of the category (`nuisance.propensity`), nan where unknown. If nothing else decides which
    images are listed, the category's share among them is the mean of these chances.
    """
    there = images >= 0
    # nan for an empty list, as `listed_share` has it.
    chances = torch.where(there, looks_like[images.clamp(min=0)], torch.nan)
    return chances.nanmean(1)


def ends_table(layer, of_category: torch.Tensor, member: torch.Tensor, part: float = PART):
    """The category at both ends of each unit's responses: a DataFrame, one row a unit.

    `share` (of paper 1, by max) and `index` (the same at the paper's proportion of images), then the
    category's share of the listed images at either end by either pairing: top_max, bottom_min, top_mean,
    bottom_mean. layer: of a record; of_category (C,), member (N,).
    """
    table = dict(category_indexes(layer, of_category)[["share", "index"]])
    for names, pairing in ((("top_max", "bottom_min"), "max / min"), (_MEAN_ENDS, "mean / mean")):
        for name, images in zip(names, first_share(layer, pairing, len(member), part), strict=True):
            table[name] = listed_share(images, member)
    return pd.DataFrame(table)


def selective(table: pd.DataFrame, chance: float, n_listed: int, top: str = "top_max") -> pd.Series:
    """(U,) bool: the units of `ends_table` that count as selective for the category.

    Those whose index exceeds the paper's 0.65, at the paper's proportion of images. Where fewer than
    `FEWEST` units do (in some layers none can), those with more of the category at the top than chance.
    """
    by_index = table["index"] > SELECTIVE
    if by_index.sum() >= FEWEST:
        return by_index
    return table[top] > above_chance(chance, n_listed)


def above_chance(chance, n_listed: int):
    """The share above which a list counts as above chance: three standard deviations of a random list.

    chance: a number, or an array of one for each list.
    """
    return chance + _SIGMAS * (chance * (1 - chance) / n_listed) ** 0.5


def more_than_neighbours(values, chosen, layers) -> np.ndarray:
    """Each chosen unit's value minus the mean of the units of its own layer that are not chosen.

    values (U,), chosen (U,) bool, layers (U,): names. Branches of a block differ in all their units, so that
    a difference between chosen and other units may only tell which branch has more of the chosen. nan
    where a layer has no other unit.
    """
    table = pd.DataFrame({"value": values, "chosen": chosen, "layer": np.asarray(layers)})
    others = table[~table.chosen].groupby("layer").value.mean()
    mine = table[table.chosen]
    return (mine.value - mine.layer.map(others)).to_numpy(dtype=float)


def opponency(top_share, bottom_share, chance: float, n_listed: int) -> np.ndarray:
    """What each unit is to the category, (U,) strings of `KINDS`.

    A *detector* has more of the category among its strongest images than chance, and no more among
    its weakest; an *opponent* unit has more at both ends; the others are *unselective*. More means
    `above_chance`; units whose share is nan are unselective.
    """
    limit = above_chance(chance, n_listed)
    top, bottom = np.asarray(top_share) > limit, np.asarray(bottom_share) > limit
    return np.array(KINDS)[top.astype(int) * (1 + bottom)]


def class_inversions(means: torch.Tensor, of_category: torch.Tensor) -> torch.Tensor:
    """(U, C of the category): share of the other classes that drive the unit more than this one.

    means (U, C), a class without images nan and left out; of_category (C,) bool. After paper 1, section 4:
    cars or cups evoke "higher activation in a dog-selective neuron than images of dogs of other breeds".
    """
    inside, others = means[:, of_category], means[:, ~of_category]
    others = others[:, ~others.isnan().any(0)]
    if not inside.shape[1] or not others.shape[1]:
        raise SelectivityError("inversions need classes of the category and others, with images")
    above = (others[:, None, :] > inside[:, :, None]).double().mean(2)
    return above.masked_fill(inside.isnan(), torch.nan)


def _lookup(images, member):
    """(U, k) bool each: the image is of the category; the entry is there."""
    there = images >= 0
    return member.bool()[images.clamp(min=0)], there


def _threshold(shift, chance, part):
    """(U,): below it lies `part` of the mixture of chance x N(shift, 1) and the rest, N(0, 1)."""
    low, high = torch.minimum(shift, shift * 0) - 40, torch.maximum(shift, shift * 0) + 40
    for _ in range(60):
        middle = (low + high) / 2
        below = chance * _cdf(middle - shift) + (1 - chance) * _cdf(middle) < part
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def _bottom_share(shift, chance, part):
    threshold = _threshold(shift, chance, part)
    return chance * _cdf(threshold - shift) / part


def _share_variance(shift, chance, part, n_images):
    """Variance of a list's share: the list ends at the n-th image, not at a fixed value.

    One image more of the category below the threshold pushes another out, of the category with the
    probability w that the image at the threshold is.
    """
    threshold = _threshold(shift, chance, part)
    density = chance * _density(threshold - shift), (1 - chance) * _density(threshold)
    w = (density[0] / (density[0] + density[1])).nan_to_num(0.5)
    category, rest = _cdf(threshold - shift), _cdf(threshold)
    variance = (1 - w) ** 2 * chance * category * (1 - category)
    variance = variance + w**2 * (1 - chance) * rest * (1 - rest)
    return variance * n_images / (part * n_images) ** 2


_cdf = torch.special.ndtr


def _density(x):
    return torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
