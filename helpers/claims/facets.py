"""The claims of paper 3: how many classes drive a unit, what its patches are made of, which units are alike.

The rules were written before they were measured, but for those that say what was changed afterwards; the
means of each layer's Gini index, flatness and degree had been seen. All are on convolutions. *Low* and *high*
are the first and the last third of them.
"""

from functools import cache

import numpy as np
import torch

from helpers.claims.claim import (
    FAILS,
    HOLDS,
    UNDECIDED,
    CannotTest,
    Claim,
    Measurement,
    above,
    below,
)
from helpers.claims.components import component_units
from helpers.claims.counts import (
    class_rows,
    shuffled_rows,
    unit_facets,
    untrained_facets,
    untrained_rows,
)
from helpers.claims.trends import (
    exact_share,
    interval,
    known_mean,
    low_and_high,
    low_and_high_layers,
    spearman,
    together,
)
from helpers.selectivity.facets import facet_units, gini, multifaceted, normal_tail
from helpers.selectivity.intervals import difference, largest_of, mean, smallest_of
from helpers.selectivity.similarity import (
    drawn_means,
    mean_of_pairs,
    pairwise_correlation,
    pairwise_distance,
)
from helpers.selectivity.sizes import counts_without
from helpers.study import untrained_of

SIGNIFICANT = 0.05  # the paper's cutoff
_EXTREME = 4  # units at either end of a layer, which its tables are drawn from
_DRAWS = 500
_SHUFFLES = 8  # of the labels
_FEWER = 50  # images of a unit that are counted where half of all are left out
SECOND = {"spectral_likeness": "likeness of spectra", "likeness": "likeness"}


def changes(study, column: str, rises: bool, written="{:+.2f}".format) -> Measurement:
    """A column's mean in the high layers minus that in the low ones."""
    low, high = low_and_high(unit_facets(study), column)
    value, start, end = interval(difference, high, low)
    before = low_and_high(untrained_facets(study), column)
    null = known_mean(before[1]) - known_mean(before[0])
    words = f"{low.mean():.2f} in low layers, {high.mean():.2f} in high ones"
    verdict = (above if rises else below)(start, end, 0)
    return Measurement(value, start, end, null, verdict, words, written, rises)


def mostly(study, end: int, multi: bool) -> Measurement:
    """Share of multi-faceted (or single-faceted) units in the first or last third of the layers."""
    found = []
    for table in (unit_facets(study), untrained_facets(study)):
        layers = low_and_high_layers(table["layer"].unique())[end]
        chosen = multifaceted(table)[table["layer"].isin(layers)]
        found.append((chosen if multi else 1 - chosen).dropna().to_numpy())
    value, low, high = interval(mean, found[0])
    words = f"of {len(found[0])} units; before training by that network's own mean"
    return Measurement(value, low, high, known_mean(found[1]), above(low, high, 0.5), words)


def shares_follow_depth(study) -> Measurement:
    def followed(table):
        single = (1 - multifaceted(table)).groupby(table["stage"], sort=False)
        known = single.count() > 0
        return single.mean()[known].to_numpy(), single.count()[known].to_numpy()

    shares, sizes = followed(unit_facets(study))
    _needs_stages(shares)
    random = np.random.default_rng(0)
    drawn = [spearman(row) for row in random.binomial(sizes, shares, (_DRAWS, len(sizes))) / sizes]
    low, high = _bounds(drawn)
    words = (
        f"rank correlation of depth and the share of single-faceted units, {len(shares)} stages, "
        f"{shares[0]:.0%} in the first and {shares[-1]:.0%} in the last"
    )
    null = spearman(followed(untrained_facets(study))[0])
    return Measurement(
        spearman(shares), low, high, null, above(low, high, 0), words, "{:+.2f}".format
    )


def beyond_luck(study) -> Measurement:
    def share_high(table):
        known = table["p_labels"].notna()
        high = (table["p_labels"] < SIGNIFICANT) & (table["degree"] > table["degree_null"])
        return high[known].to_numpy(dtype=float)

    mine = share_high(unit_facets(study))
    value, low, high = exact_share(mine)
    words = f"of {len(mine)} units have a higher degree than 95% of random rows"
    null = known_mean(share_high(untrained_facets(study)))
    return Measurement(
        value, low, high, null, below(low, high, SIGNIFICANT), words, "{:.1%}".format, rises=False
    )


def mean_near_largest(study) -> Measurement:
    def relative(table):
        degree = table["degree"].replace(np.inf, np.nan)
        return (degree / degree.max()).dropna().to_numpy()

    table = unit_facets(study)
    largest = table["degree"].replace(np.inf, np.nan).max()
    value, low, high = interval(mean, relative(table))
    words = f"mean degree over the largest, {largest:.2f}; the paper's are 0.53 and 0.63"
    null = known_mean(relative(untrained_facets(study)))
    return Measurement(value, low, high, null, above(low, high, 0.8), words)


def ends_significant(study, highest: bool) -> Measurement:
    """Share of the four most extreme units of each layer whose degree differs by the paper's p-value."""
    significant, by_luck, random = [], [], np.random.default_rng(0)
    for _, layer in unit_facets(study).groupby("layer", sort=False):
        degree = layer["degree"].to_numpy()
        degree = degree[np.isfinite(degree)]
        significant.append(_end_significant(degree, highest))
        curves = random.standard_normal((20, len(degree)))
        by_luck += [_end_significant(curve, highest) for curve in curves]
    significant = np.concatenate(significant)
    value, low, high = interval(mean, significant)
    words = (
        f"of the {_EXTREME} {'highest' if highest else 'lowest'} degrees of each layer have p < .05 under "
        "a normal curve through the layer"
    )
    verdict = below(low, high, 0.5) if highest else above(low, high, 0.5)
    null = known_mean(np.concatenate(by_luck))
    return Measurement(value, low, high, null, verdict, words, rises=not highest)


def lowest_falls(study) -> Measurement:
    def trend(ends):
        return spearman(np.round(ends, 9))  # equal but for rounding: equal ranks

    value, drawn, before, own, some = _ends_of_stages(study, smallest_of, np.min, trend)
    low, high = _bounds(drawn)
    words = (
        f"rank correlation of depth and the lowest degree of {some} units of each stage; of all units "
        f"{own:+.2f}"
    )
    return Measurement(
        value, low, high, before, below(low, high, 0), words, "{:+.2f}".format, False
    )


def highest_fixed(study) -> Measurement:
    def change(ends):
        n = max(1, round(len(ends) / 3))
        return ends[-n:].mean() / ends[:n].mean() - 1

    value, drawn, before, own, some = _ends_of_stages(study, largest_of, np.max, change)
    low, high = np.quantile(drawn, [0.025, 0.975])
    words = (
        f"change of the highest degree of {some} units of each stage from the first third of stages to the "
        f"last; of all units {own:+.1%}"
    )
    inside, outside = -0.1 < low and high < 0.1, low >= 0.1 or high <= -0.1
    verdict = HOLDS if inside else FAILS if outside else UNDECIDED
    return Measurement(value, low, high, before, verdict, words, "{:+.1%}".format, None)


def _ends_of_stages(study, of_some, of_all, number):
    """(value, drawn (draws,), before training, of all units, units taken): a number on stages' extremes.

    A wide stage has more extreme units by its width alone, so extremes are those of as many units of each, an
    eighth of the smallest stage's. Drawing units again then gives an interval, nearly as it does for a mean;
    of the largest of all units it would not, because no draw can exceed it.
    """
    each = _degrees_by_stage(unit_facets(study))
    _needs_stages(each)
    some = max(1, min(map(len, each)) // 8)
    random = np.random.default_rng(0)

    def of_each(stages):
        return number(np.array([of_some(degrees, some) for degrees in stages]))

    drawn = [of_each([random.choice(d, len(d)) for d in each]) for _ in range(_DRAWS)]
    return (
        of_each(each),
        np.array(drawn),
        _before_training(study, of_each, len(each), some),
        number(np.array([of_all(degrees) for degrees in each])),
        some,
    )


def _before_training(study, of_each, stages, some):
    """`of_each` of the stages before training; nan where they are not known or have too few units."""
    try:
        before = _degrees_by_stage(untrained_facets(study))
    except CannotTest:
        return np.nan
    enough = len(before) == stages and all(len(degrees) >= some for degrees in before)
    return of_each(before) if enough else np.nan


def gini_of_fewer_classes(study) -> Measurement:
    """Without half of the classes: how far does the median unit's index move, in spreads over units?"""
    record = study.record
    random, n_classes = np.random.default_rng(0), len(record.class_names)
    chosen = np.sort(random.permutation(n_classes)[: n_classes // 2])
    shown = np.flatnonzero(record.recorded)
    half = np.zeros(len(record.classes), dtype=bool)
    half[random.permutation(shown)[: len(shown) // 2]] = True
    ways = {
        "classes": (record.recorded & np.isin(record.classes, chosen), chosen),
        "images": (half, np.arange(n_classes)),
    }
    moves = {}
    for way, (kept, columns) in ways.items():
        parts = [_gini_with_and_without(record, name, kept, columns) for name in class_rows(study)]
        whole, cut = torch.cat(parts, 1)
        known = ~(whole.isnan() | cut.isnan())
        if known.sum() < 2:
            raise CannotTest("the lists of too few units suffice to leave out half of the images")
        moves[way] = ((whole - cut)[known].abs() / whole[known].std()).numpy()
    value, low, high = interval(lambda a: np.median(a, 1), moves["classes"])
    words = (
        f"standard deviations over {len(moves['classes'])} units by which the median unit's index moves "
        f"with half of the classes, {_FEWER} images a unit"
    )
    verdict = below(low, high, 0.5)
    null = np.median(moves["images"])
    return Measurement(value, low, high, null, verdict, words, "{:.2f}".format, rises=False)


def _gini_with_and_without(record, name, kept, columns):
    """(2, U): the index of units whose lists suffice, over all images and over those kept."""
    top, n_classes = record[name].top, len(record.class_names)
    whole, _ = counts_without(top, record.recorded, record.classes, n_classes, _FEWER)
    cut, complete = counts_without(top, kept, record.classes, n_classes, _FEWER)
    return torch.stack([gini(whole)[complete], gini(cut[:, columns])[complete]])


def components_follow(study, column: str, second: str) -> Measurement:
    """Within layers: do a number on units' components and their degree rise together?"""
    table = _with_components(study)
    mine = together(table, "degree", column)
    value, low, high = interval(mean, mine)
    other = known_mean(together(table, "degree", second))
    twin = untrained_of(study)
    null = np.nan
    if twin is not None:
        null = known_mean(together(_with_components(twin), "degree", column))
    words = (
        f"rank correlation with the degree within layers, {len(mine)} units; of the {SECOND[second]}, "
        f"{other:+.2f}"
    )
    verdict = below(low, high, 0)
    return Measurement(value, low, high, null, verdict, words, "{:+.2f}".format, rises=False)


def components_by_depth(study) -> Measurement:
    table = _with_components(study)
    ends = low_and_high_layers(table["layer"].unique())
    parts = [together(table[table["layer"].isin(one)], "degree", "likeness") for one in ends]
    value, low, high = interval(difference, parts[1], parts[0])
    words = (
        f"rank correlation of degree and likeness in the high layers, {parts[1].mean():+.2f}, minus that "
        f"in the low ones, {parts[0].mean():+.2f}"
    )
    verdict = below(low, high, 0)
    return Measurement(value, low, high, 0.0, verdict, words, "{:+.2f}".format, rises=False)


def alike_by_depth(study, measure, rises: bool) -> Measurement:
    """Mean over pairs of units, averaged over the high layers, minus that over the low ones."""
    ends = low_and_high_layers(class_rows(study))

    def by_end(rows, of_pairs):
        # Units without images are no cases, and layers or draws without a pair have no mean.
        found = {n: of_pairs(i, measure(r[r.sum(1) > 0])) for i, (n, r) in enumerate(rows.items())}
        return [known_mean(np.stack([found[name] for name in layers])) for layers in ends]

    def of_all(_, matrix):
        return mean_of_pairs(matrix)

    def of_drawn(seed, matrix):
        return drawn_means(matrix, _DRAWS, seed).numpy()

    low, high = by_end(class_rows(study), of_all)
    if np.isnan(high - low):
        raise CannotTest("no two units of the low layers, or of the high ones, can be compared")
    start, end = np.nanquantile(
        np.subtract(*by_end(class_rows(study), of_drawn)[::-1]), [0.025, 0.975]
    )
    before, shuffled = (
        np.subtract(*by_end(control(study), of_all)[::-1])
        for control in (untrained_rows, shuffled_rows)
    )
    words = (
        f"{low:.2f} in low layers, {high:.2f} in high ones; with labels shuffled {shuffled:+.2f}"
    )
    verdict = (above if rises else below)(start, end, 0)
    return Measurement(high - low, start, end, before, verdict, words, "{:+.2f}".format, rises)


def similar_are_multi(study) -> Measurement:
    def followed(rows, table):
        near = []
        for of_layer in rows.values():
            similar = pairwise_correlation(of_layer).fill_diagonal_(torch.nan)
            near.append(similar.nanmean(1).numpy().round(9))  # equal but for rounding: equal ranks
        return table.assign(near=np.concatenate(near)).replace(np.inf, np.nan)

    def within(table):
        return together(table, "near", "degree")

    table = followed(class_rows(study), unit_facets(study))
    value, low, high = interval(mean, within(table))
    layers = table.groupby("layer", sort=False)[["near", "degree"]].mean().rank()
    shuffled = [known_mean(within(followed(*_shuffled(study, seed)))) for seed in range(_SHUFFLES)]
    words = (
        "rank correlation, within layers, of a unit's mean similarity to the others and its degree; of the "
        f"layers' means it is {layers.corr().iloc[0, 1]:+.2f}; with labels shuffled {np.mean(shuffled):+.2f} "
        f"within layers ({np.min(shuffled):+.2f} to {np.max(shuffled):+.2f} in {_SHUFFLES} shuffles)"
    )
    null = known_mean(within(followed(untrained_rows(study), untrained_facets(study))))
    return Measurement(value, low, high, null, above(low, high, 0), words, "{:+.2f}".format)


def _shuffled(study, seed):
    """(rows, units) with the labels shuffled among the images."""
    rows = shuffled_rows(study, seed)
    record = study.record
    return rows, facet_units(rows, record.counts.tolist(), record.class_names)


@cache
def _with_components(study):
    return unit_facets(study).merge(component_units(study), on=["layer", "unit"])


def _end_significant(degree, highest):
    """Of the four highest (or lowest) values: 1 where the tail of a normal curve is below .05."""
    if len(degree) < 2:
        return np.empty(0)
    order = np.argsort(-degree if highest else degree, kind="stable")[:_EXTREME]
    side = degree > degree.mean() if highest else degree < degree.mean()
    return ((normal_tail(degree) < SIGNIFICANT) & side)[order].astype(float)


def _degrees_by_stage(table):
    table = table[np.isfinite(table["degree"])]
    return [stage["degree"].to_numpy() for _, stage in table.groupby("stage", sort=False)]


def _bounds(drawn):
    """The 95% interval of numbers drawn again; CannotTest where none of them is a number."""
    if np.isnan(drawn).all():
        raise CannotTest("the stages do not differ, so that nothing can rise or fall with depth")
    return np.nanquantile(drawn, [0.025, 0.975])


def _needs_stages(each):
    if len(each) < 4:
        raise CannotTest(f"a trend needs four stages or more; this network has {len(each)}")


_UP = "high layers minus low ones: above zero, with the whole interval"
_DOWN = "high layers minus low ones: below zero, with the whole interval"
_BEFORE = "the network before training"

# fmt: off
CLAIMS = (
    Claim(
        "facets.sparsity-rises", "3", "section 2.3, figure 1",
        "The Gini index of a unit's classes rises with depth.",
        _UP, _BEFORE,
        lambda study: changes(study, "gini", rises=True),
    ),
    Claim(
        "facets.flatness-falls", "3", "section 2.3, figure 1",
        "The spectral flatness of a unit's classes falls with depth.",
        _DOWN, _BEFORE,
        lambda study: changes(study, "flatness", rises=False),
    ),
    Claim(
        "facets.degree-falls", "3", "section 2.3, figure 2",
        "The multi-faceted degree is higher in lower layers and falls with depth.",
        _DOWN, _BEFORE,
        lambda study: changes(study, "degree", rises=False),
    ),
    Claim(
        "facets.low-multi", "3", "abstract",
        "Neurons of lower layers are multi-faceted.",
        "more than half of the low layers' units exceed the network's mean degree, with the whole interval",
        _BEFORE,
        lambda study: mostly(study, 0, multi=True),
    ),
    Claim(
        "facets.high-single", "3", "abstract",
        "The majority of neurons in higher layers are single-faceted.",
        "more than half of the high layers' units lie below the network's mean degree, whole interval",
        _BEFORE,
        lambda study: mostly(study, -1, multi=False),
    ),
    Claim(
        "facets.single-grow", "3", "section 2.3, figure 3",
        "The number of single-faceted units grows from layer to layer, that of multi-faceted ones declines.",
        "depth and the share of single-faceted units: rank correlation above zero, with the whole interval",
        _BEFORE,
        shares_follow_depth,
    ),
    Claim(
        "facets.discussion", "3", "section 3",
        "The discussion says the contrary: a range of classes drives the higher layers, not so the lower.",
        "effective number of classes, " + _UP, _BEFORE,
        lambda study: changes(study, "effective", rises=True, written="{:+.1f}".format),
    ),
    Claim(
        "facets.not-high", "3", "section 2.3",
        "Degrees are not significantly high (in our reading: higher than those of random rows).",
        "no more than a twentieth of the units exceed 95% of random rows, with the whole interval", _BEFORE,
        beyond_luck,
        changed="the statement was the paper's, and the interval one that is none for no unit at all",
    ),
    Claim(
        "facets.near-largest", "3", "section 2.3",
        "In the paper's numbers the mean degree of all units, .53, comes near the largest, .63.",
        "the mean is over 80% of the largest degree, with the whole interval", _BEFORE,
        mean_near_largest,
        changed="taken off the board after its first measurement, by which it failed, and put back",
    ),
    Claim(
        "facets.highest-not-significant", "3", "section 2.3, table 3",
        "Most of the highest degrees of a layer do not differ significantly from the others.",
        "less than half have p < .05, with the whole interval", "if degrees were normally distributed",
        lambda study: ends_significant(study, highest=True),
    ),
    Claim(
        "facets.lowest-significant", "3", "section 2.3, table 2",
        "Most of the lowest degrees of a layer differ significantly from the others.",
        "more than half have p < .05, with the whole interval", "if degrees were normally distributed",
        lambda study: ends_significant(study, highest=False),
    ),
    Claim(
        "facets.lowest-falls", "3", "section 2.3, figure 3",
        "The degree of the most single-faceted unit keeps decreasing with depth.",
        "of as many units of each stage: rank correlation with depth below zero, with the whole interval",
        _BEFORE,
        lowest_falls,
        changed="first of all units of each stage, with an interval that is none for an extreme",
    ),
    Claim(
        "facets.highest-fixed", "3", "section 2.3, figure 3",
        "The degree of the most multi-faceted unit is quite fixed.",
        "of as many units of each stage: it changes by less than a tenth, with the whole interval",
        _BEFORE,
        highest_fixed,
        changed="first of all units of each stage, with an interval that is none for an extreme",
    ),
    Claim(
        "facets.gini-length", "3", "section 2.3",
        "The Gini index does not depend on the length of the row: on the number of classes.",
        "with half of the classes the median unit's index moves by less than half its spread over units",
        "with half of the images instead, of all classes",
        gini_of_fewer_classes,
        changed="the control was first the same of the effective number of classes",
    ),
    Claim(
        "facets.components-differ", "3", "sections 2.2 and 2.3",
        "The independent components of units with a high degree look different from each other.",
        "degree and likeness of components: rank correlation within layers below zero, whole interval",
        _BEFORE,
        lambda study: components_follow(study, "likeness", "spectral_likeness"),
        changed="on GoogLeNet the control was first taken to be zero",
    ),
    Claim(
        "facets.components-differ-spectra", "3", "sections 2.2 and 2.3",
        "The components of units with a high degree differ in their spectra.",
        "degree and likeness of spectra: rank correlation within layers below zero, whole interval",
        _BEFORE,
        lambda study: components_follow(study, "spectral_likeness", "likeness"),
        changed="added when its value, on both studies, had been seen beside the one before",
    ),
    Claim(
        "facets.components-shallow", "3", "section 2.3",
        "Not all units of a high degree have components that differ, in shallower layers above all.",
        "the correlation is further below zero in high layers than in low ones, with the whole interval",
        "no difference",
        components_by_depth,
    ),
    Claim(
        "facets.blurred", "3", "section 2.3, tables 2 and 3",
        "Units with a high degree have a blurred picture, those with a low one clearer shapes.",
        "degree and sharpness of components: rank correlation within layers below zero, whole interval",
        _BEFORE,
        lambda study: components_follow(study, "sharpness", "likeness"),
        changed="on GoogLeNet the control was first taken to be zero",
    ),
    Claim(
        "facets.similarity-falls", "3", "section 2.4, figure 5",
        "The mean correlation between units' classes falls with depth.",
        _DOWN, _BEFORE,
        lambda study: alike_by_depth(study, pairwise_correlation, rises=False),
    ),
    Claim(
        "facets.distance-grows", "3", "section 2.4, figure 5",
        "The mean distance between units' classes grows with depth.",
        _UP, _BEFORE,
        lambda study: alike_by_depth(study, pairwise_distance, rises=True),
    ),
    Claim(
        "facets.similar-is-multi", "3", "section 2.4",
        "High similarity to other units is a sign of preferring many classes.",
        "similarity and degree: rank correlation within layers above zero, with the whole interval", _BEFORE,
        similar_are_multi,
    ),
)
# fmt: on
