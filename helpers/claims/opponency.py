"""The claims of papers 1 and 1b: dog units, and the dogs that inhibit them.

Each is measured on the layer of `dogs.shown_layers`, and on the units of it that are selective for dogs
(`selectivity.opponency.selective`). What was changed after a first measurement is said with the claim.
"""

import numpy as np
import pandas as pd
import torch

from helpers import study as studies
from helpers.claims.claim import (
    FAILS,
    HOLDS,
    CannotTest,
    Claim,
    Measurement,
    above,
    above_zero_in_each,
)
from helpers.claims.dogs import (
    breed_confusion,
    chance_of,
    dogs,
    indexed,
    limit_of,
    looks_below,
    moved_below,
    moved_in_simulation,
    n_images,
    share_below,
    shown_layers,
    shown_units,
)
from helpers.selectivity.category import SELECTIVE, category_indexes
from helpers.selectivity.confusion import (
    pair_distance,
    pair_opponency,
    rank_association,
    symmetric,
)
from helpers.selectivity.intervals import bootstrap, difference, mean, median
from helpers.selectivity.opponency import (
    FEWEST,
    PART,
    above_chance,
    class_inversions,
    list_length,
    more_than_neighbours,
)
from helpers.tables import open_variants


def _chosen(study, which="selective"):
    table = shown_units(study)
    chosen = table[table[which]]
    if len(chosen) < 2:
        raise CannotTest(f"{len(chosen)} units of the layer are selective for dogs")
    return table, chosen


def many_units(study) -> Measurement:
    indexed(study)
    record, (classes, _) = study.record, dogs(study)
    table = pd.concat([category_indexes(record[n], classes) for n in shown_layers(record)])
    over = table["index"] > SELECTIVE
    value, low, high = bootstrap(mean, over)
    words = (
        f"{over.sum()} of {len(over)} units, at the paper's 120 dogs to 100 others; "
        f"{(table['share'] > SELECTIVE).sum()} at the {chance_of(study):.0%} dogs of these images"
    )
    return Measurement(value, low, high, 0.0, above(low, high, 0.1), words)


def relu_selects(study) -> Measurement:
    record, (classes, _) = study.record, dogs(study)
    table, _ = _chosen(study)
    relu = pd.concat(
        [category_indexes(record[n], classes, "relu")["index"] for n in shown_layers(record)]
    )
    gain = relu.to_numpy() - table["index"].to_numpy()
    chosen = table["selective"].to_numpy()
    value, low, high = bootstrap(mean, gain[chosen])
    words = f"index with the ReLU minus without, {chosen.sum()} selective units"
    null = gain[~chosen].mean()
    return Measurement(value, low, high, null, above(low, high, 0), words, "{:+.3f}".format)


def strong_negatives(study) -> Measurement:
    record, (table, _) = study.record, _chosen(study)
    n_listed, chosen = list_length(n_images(study), PART), table["selective"].to_numpy()
    ends = [
        torch.cat(
            [getattr(record[n], end).values[:, :n_listed].mean(1) for n in shown_layers(record)]
        )
        for end in ("bottom", "top")
    ]
    # A unit without a positive response has no such ratio.
    ratios = torch.where(ends[1] > 0, -ends[0] / ends[1], torch.nan).double().numpy()
    value, low, high = bootstrap(median, ratios[chosen])
    over = (ratios[np.isfinite(ratios)] > _STRONG).mean()
    words = (
        f"size of the most negative over the strongest responses, {chosen.sum()} selective units; above a "
        f"tenth in {over:.0%} of all units; in the paper's figure {412 / 1226:.2f}"
    )
    null = np.nanmedian(ratios[~chosen]) if (~chosen).any() else np.nan
    verdict = above(low, high, _STRONG)
    return Measurement(value, low, high, null, verdict, words, "{:.2f}".format)


def _share_over(below, chosen, limit, of) -> Measurement:
    """Units whose share of dogs `below` is above the limit; the null is the same of the other units."""
    many = below > limit
    value, low, high = bootstrap(mean, many[chosen])
    null = many[~chosen].mean() if (~chosen).any() else np.nan
    words = (
        f"{many[chosen].sum()} of {chosen.sum()} selective units; on average "
        f"{below[chosen].mean():.0%} of their lowest {PART:.1%} of images are dogs, {of}"
    )
    return Measurement(value, low, high, null, above(low, high, 0.5), words)


def dogs_below(study, end: str, which: str) -> Measurement:
    table, _ = _chosen(study, which)
    of = f"{chance_of(study):.0%} of all images"
    return _share_over(table[end].to_numpy(), table[which].to_numpy(), limit_of(study), of)


def not_low_level(study) -> Measurement:
    table, _ = _chosen(study)
    chosen, expected = table["selective"].to_numpy(), looks_below(study)
    limit = above_chance(expected, list_length(n_images(study), PART))
    of = f"{expected[chosen].mean():.0%} by the images' looks alone"
    return _share_over(table["bottom_min"].to_numpy(), chosen, limit, of)


def _one_source(study):
    """(study of the same network on photographs of one source, table of units)."""
    if study.name != "googlenet":
        raise CannotTest("all images of this study are of one source: see the claim on them")
    other = studies.open_study("googlenet-imagenet")
    if other.record.metadata["network"]["weights"] != study.record.metadata["network"]["weights"]:
        raise CannotTest("the record of the other images is of another network")
    if shown_layers(other.record) != shown_layers(study.record):
        raise CannotTest("the record of the other images has other layers")
    return other, _chosen(study)[0]


def dogs_below_in_one_source(study, pairing: str, which: str) -> Measurement:
    other, table = _one_source(study)
    of = f"{chance_of(other):.0%} of all images"
    return _share_over(share_below(other, pairing), table[which].to_numpy(), limit_of(other), of)


def more_than_other_units(study, end: str, which: str) -> Measurement:
    """Dogs below: selective units minus the other units of their branch."""
    table, _ = _chosen(study, which)
    return _more_than_others(table[end].to_numpy(), table[which].to_numpy(), table["layer"], which)


def more_than_others_in_one_source(study, pairing: str, which: str) -> Measurement:
    """`more_than_other_units` on the images of one source."""
    other, table = _one_source(study)
    return _more_than_others(
        share_below(other, pairing), table[which].to_numpy(), table["layer"], which
    )


def _more_than_others(below, chosen, layers, which):
    """Against the other units of the same branch: branches of a block differ in all their units.

    Ranked by means, no difference is no null: a unit with many dogs at one end has few at the other.
    """
    excess = more_than_neighbours(below, chosen, layers)
    value, low, high = bootstrap(mean, excess)
    words = (
        f"{chosen.sum()} selective units, each against the others of its branch; on average "
        f"{below[chosen].mean():.0%}, those others {below[chosen].mean() - value:.0%}"
    )
    null = np.nan if which == "selective_mean" else 0.0
    return Measurement(value, low, high, null, above(low, high, 0), words, "{:+.1%}".format)


def more_than_moved(study) -> Measurement:
    """Dogs below minus what there would be if dogs moved each unit's responses up; ranked by means."""
    table, _ = _chosen(study, "selective_mean")
    return _beyond_moved(study, table["bottom_mean"].to_numpy(), table["selective_mean"].to_numpy())


def more_than_moved_in_one_source(study) -> Measurement:
    """`more_than_moved` on the images of one source."""
    other, table = _one_source(study)
    return _beyond_moved(other, share_below(other, _MEANS), table["selective_mean"].to_numpy())


def _beyond_moved(study, found, chosen):
    moved = moved_below(study)
    excess = found - moved
    value, low, high = bootstrap(mean, excess[chosen])
    null = moved_in_simulation(study)
    words = (
        f"dogs among the lowest {PART:.1%} of {chosen.sum()} selective units, {found[chosen].mean():.0%}, "
        f"minus the {max(0.0, moved[chosen].mean()):.0%} if dogs moved all responses up"
    )
    return Measurement(value, low, high, null, above(low, high, null), words, "{:+.1%}".format)


def cars_above_breeds(study, statistic: str, which: str) -> Measurement:
    classes, _ = dogs(study)
    table, _ = _chosen(study, which)
    above_it = torch.cat(
        [
            class_inversions(study.record[name].means[statistic], classes)
            for name in shown_layers(study.record)
        ]
    )
    # The share of breeds below the median of the other classes, unit by unit.
    below = (above_it > 0.5).double().mean(1).numpy()
    chosen, many = table[which].to_numpy(), below >= 0.1
    value, low, high = bootstrap(mean, many[chosen])
    words = (
        f"{many[chosen].sum()} of {chosen.sum()} selective units have a tenth of "
        f"the breeds or more below the median other class; the median unit {np.median(below[chosen]):.0%}"
    )
    return Measurement(value, low, high, many[~chosen].mean(), above(low, high, 0.5), words)


def variant_lowers(study, variant: str, layer: str = "conv7") -> Measurement:
    """Fine labels against a variant that one suspected cause has been taken out of, both seeds."""
    if study.name != "world":
        raise CannotTest("it takes the same network trained otherwise; see the study world")
    variants = open_variants()
    seeds = [seed for seed in variants.seeds(variant) if seed in variants.seeds("fine")]
    if not seeds:
        raise CannotTest(f"the table has no networks of the variant {variant}")
    pairs = [[variants.dogs_below(v, seed, layer) for v in ("fine", variant)] for seed in seeds]
    fewest = min(sum(map(len, part)) for part in zip(*pairs, strict=True))
    if fewest < FEWEST:
        raise CannotTest(f"{fewest} units are selective for dogs, too few for a mean over them")
    each = [bootstrap(difference, *pair)[0] for pair in pairs]
    value, low, high = bootstrap(difference, *map(np.concatenate, zip(*pairs, strict=True)))
    words = (
        f"dogs among the lowest {PART:.1%} in {layer}: fine labels minus {variant}; "
        + ", ".join(f"seed {s} {e:+.1%}" for s, e in zip(seeds, each, strict=True))
    )
    verdict = above_zero_in_each(low, high, each)
    return Measurement(value, low, high, 0.0, verdict, words, "{:+.1%}".format)


def foretells_confusion(study) -> Measurement:
    classes, _ = dogs(study)
    table, breeds = breed_confusion(study)
    if len(breeds) < 4:
        raise CannotTest(
            f"a correlation over pairs of breeds takes four of them, here are {len(breeds)}"
        )
    confusion, record = symmetric(table), study.record
    means = torch.cat([record[n].means["max"] for n in shown_layers(record)])
    # Dogs that the network has no class of its own for, like Caltech's, are neither breed nor other.
    named = torch.tensor([name in set(breeds) for name in record.class_names])
    means, named = means[:, named | ~classes], named[named | ~classes]
    opposed, distance = pair_opponency(means, named), pair_distance(means, named)
    rho, p = rank_association(opposed, confusion, given=distance)
    plain, _ = rank_association(opposed, confusion)
    words = (
        f"rank correlation over pairs of breeds, given how differently the layer answers to them "
        f"(p {'=' if p > 0.001 else '≤'} {p:.3f}); without that {plain:+.2f}"
    )
    verdict = HOLDS if rho > 0 and p < 0.01 else FAILS
    return Measurement(rho, np.nan, np.nan, 0.0, verdict, words, "{:+.2f}".format)


_MEANS = "mean / mean"
_STRONG = 0.1  # of the size of the strongest positive responses
_SELECTIVE = "more than half of the selective units, with the whole interval"
_TWO_SEEDS = (
    "the difference is above zero in each seed, and above zero with the whole interval over both"
)

CLAIMS = (
    Claim(
        "opponent.many-dog-units", "1", "section 3",
        "In intermediate layers a large proportion of units is selective for dogs.",
        "at least a tenth of the layer's units have an index above 0.65, with the whole interval",
        "a unit that ignores dogs has 120/220, and none of them reaches 0.65",
        many_units,
        changed="first by the index at these images' own proportion of dogs, by which it fails on GoogLeNet",
    ),
    Claim(
        "opponent.relu-hides", "1", "section 3",
        "With negative responses cut off by the ReLU, dog units look more selective for dogs.",
        "the ReLU raises the index of selective units, with the whole interval",
        "the change in the other units of the layer",
        relu_selects,
        changed="at first about units with a printed share above 0.65, and no change was the control",
    ),
    Claim(
        "opponent.strong", "1", "figure 1",
        "Dog units have negative responses that are strong beside their positive ones.",
        "the median ratio of their sizes is above a tenth, with the whole interval",
        "the layer's other units",
        strong_negatives,
        changed="first about units with a printed share above 0.65; the unit of figure 1 was the control",
    ),
    Claim(
        "opponent.dogs-below", "1", "section 3, figure 2",
        "Most dog units have many dogs among their strongest negative responses.",
        f"dogs exceed their chance share by three deviations in {_SELECTIVE}",
        "the layer's other units",
        lambda study: dogs_below(study, "bottom_min", "selective"),
        changed="at first about units with a printed share above 0.65, and one half was the control",
    ),
    Claim(
        "opponent.dogs-below-mean", "1", "section 3, figure 2",
        "By the mean response, too, most dog units have many dogs among their lowest images.",
        f"dogs exceed their chance share by three deviations in {_SELECTIVE}",
        "the layer's other units",
        lambda study: dogs_below(study, "bottom_mean", "selective_mean"),
        changed="at first about units with a printed share above 0.65, and one half was the control",
    ),
    Claim(
        "opponent.one-source", "1", "section 2",
        "In one source of images, as we read the paper, most dog units have many dogs at the lower end.",
        f"dogs exceed their chance share by three deviations in {_SELECTIVE}",
        "the layer's other units",
        lambda study: dogs_below_in_one_source(study, "max / min", "selective"),
        changed="at first about units with a printed share above 0.65, and one half was the control",
    ),
    Claim(
        "opponent.one-source-mean",
        "1",
        "section 2",
        "In one source of images most dog units have many dogs at the lower end by the mean response, too.",
        f"dogs exceed their chance share by three deviations in {_SELECTIVE}",
        "the layer's other units",
        lambda study: dogs_below_in_one_source(study, "mean / mean", "selective_mean"),
        changed="at first about units chosen by maxima, and one half was the control",
    ),
    Claim(
        "opponent.own-category", "1", "abstract",
        "Stricter, ours: dogs inhibit dog units more than they inhibit other units.",
        "dogs among the lowest responses: selective units have more than others of their branch",
        "no difference",
        lambda study: more_than_other_units(study, "bottom_min", "selective"),
        changed="first compared with all other units of the layer, not of the branch",
    ),
    Claim(
        "opponent.own-category-mean", "1", "abstract",
        "Stricter, ours: by the mean response, too, dogs inhibit dog units more than other units.",
        "dogs among the lowest responses: selective units have more than others of their branch",
        "none: for means no difference is no null",
        lambda study: more_than_other_units(study, "bottom_mean", "selective_mean"),
        changed="first compared with all other units of the layer, not of the branch; "
        "no difference was first its null",
    ),
    Claim(
        "opponent.own-category-one-source",
        "1",
        "abstract",
        "Stricter, ours: in one source of images dogs inhibit dog units more than others, by minima.",
        "dogs among the lowest responses: selective units have more than others of their branch",
        "no difference",
        lambda study: more_than_others_in_one_source(study, "max / min", "selective"),
        changed="first compared with all other units of the layer, not of the branch",
    ),
    Claim(
        "opponent.own-category-one-source-mean",
        "1",
        "abstract",
        "Stricter, ours: in one source of images dogs inhibit dog units more than others, by means.",
        "dogs among the lowest responses: selective units have more than others of their branch",
        "none: for means no difference is no null",
        lambda study: more_than_others_in_one_source(study, "mean / mean", "selective_mean"),
        changed="added with the comparison within branches; "
        "no difference was first its null",
    ),
    Claim(
        "opponent.beyond-moved", "1", "abstract",
        "Our test: by the mean response dog units have more dogs below than if dogs only moved responses up.",
        "dogs below minus those if dogs moved each unit's distribution: above the simulation, whole interval",
        "simulated units that dogs only move",
        more_than_moved,
        changed="added when it was seen that no difference from other units is no null for means",
    ),
    Claim(
        "opponent.beyond-moved-one-source", "1", "abstract",
        "Our test: in one source, too, dog units have more dogs below than if dogs only moved responses up.",
        "dogs below minus those if dogs moved each unit's distribution: above the simulation, whole interval",
        "simulated units that dogs only move",
        more_than_moved_in_one_source,
        changed="added when it was seen that no difference from other units is no null for means",
    ),
    Claim(
        "opponent.not-low-level", "1", "section 4",
        "Incidental differences in low-level statistics do not explain dogs at the lower end of dog units.",
        f"dogs exceed what the looks of the listed images give by three deviations in {_SELECTIVE}",
        "the layer's other units",
        not_low_level,
        changed="at first about units with a printed share above 0.65, and one half was the control",
    ),
    Claim(
        "opponent.cars-above-breeds", "1", "section 4",
        "Cars or cups excite a dog unit more than dogs of other breeds do.",
        f"a tenth of the breeds lies below the median of the other classes in {_SELECTIVE}",
        "the layer's other units",
        lambda study: cars_above_breeds(study, "max", "selective"),
        changed="at first about units with a printed share above 0.65, and one half was the control",
    ),
    Claim(
        "opponent.cars-above-breeds-mean",
        "1",
        "section 4",
        "By the mean response, too, cars or cups excite a dog unit more than dogs of other breeds do.",
        f"a tenth of the breeds lies below the median of the other classes in {_SELECTIVE}",
        "the layer's other units",
        lambda study: cars_above_breeds(study, "mean", "selective_mean"),
        changed="at first about units with a printed share above 0.65, and one half was the control",
    ),
    Claim(
        "opponent.labels", "1b", "second paragraph",
        "The training labels matter: with one label for all dogs, fewer dogs are below.",
        _TWO_SEEDS, "no difference",
        lambda study: variant_lowers(study, "dogs-merged"),
        changed="first stated as: one label for all dogs, no opponency",
    ),
    Claim(
        "opponent.training-adds",
        "1b",
        "abstract",
        "Training on the breeds puts dogs below: more of them than without any training.",
        _TWO_SEEDS,
        "no difference",
        lambda study: variant_lowers(study, "untrained"),
        changed="added after the others were measured",
    ),
    Claim(
        "opponent.equal-distances", "1", "section 4",
        "Cross-entropy makes units opponent because it takes all mistakes for equally bad.",
        _TWO_SEEDS, "no difference",
        lambda study: variant_lowers(study, "softened"),
    ),
    Claim(
        "opponent.cross-entropy", "1b", "second paragraph",
        "Cross-entropy over all classes makes it: a loss for each class by itself gives less opponency.",
        _TWO_SEEDS, "no difference",
        lambda study: variant_lowers(study, "one-vs-rest"),
    ),
    Claim(
        "opponent.training-set", "1b", "abstract",
        "The training set matters: with one breed in it (and so one label), fewer dogs are below.",
        _TWO_SEEDS, "no difference",
        lambda study: variant_lowers(study, "breeds-1"),
        changed="first measured on fewer than ten units, by which it held",
    ),
    Claim(
        "opponent.confusions", "1", "section 4",
        "Our reading of \"unstable behaviour\": breeds that units oppose are confused more.",
        "the rank correlation over pairs of breeds is above zero, p < 0.01",
        "breeds relabelled at random",
        foretells_confusion,
    ),
)  # fmt: skip
