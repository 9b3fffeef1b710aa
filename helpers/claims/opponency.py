"""The claims of papers 1 and 1b: dog units, and the dogs that inhibit them.

Each is measured on the layer of `dogs.shown_layers`, and on the units of it that are selective for dogs
(`selectivity.opponency.selective`).
"""

import numpy as np
import pandas as pd
import torch

from helpers import study as studies
from helpers.claims.claim import CannotTest, Claim, Measurement
from helpers.claims.dogs import (
    breed_confusion,
    chance_of,
    dogs,
    indexed,
    limit_of,
    looks_below,
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
from helpers.selectivity.opponency import PART, above_chance, class_inversions, list_length
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
    shares = [category_indexes(record[n], classes)["share"] for n in shown_layers(record)]
    over = pd.concat(shares) > SELECTIVE
    value, low, high = bootstrap(mean, over)
    words = f"{over.sum()} of {len(over)} units have an index above {SELECTIVE}"
    return Measurement(value, low, high, 0.0, low > 0.1, words)


def relu_selects(study) -> Measurement:
    record, (classes, _) = study.record, dogs(study)
    _, chosen = _chosen(study)
    relu = {n: category_indexes(record[n], classes, "relu")["share"] for n in shown_layers(record)}
    gained = [relu[row.layer][row.unit] - row.share for row in chosen.itertuples()]
    value, low, high = bootstrap(mean, gained)
    words = f"index with the ReLU minus without, {len(gained)} selective units"
    return Measurement(value, low, high, 0.0, low > 0, words, "{:+.3f}".format)


def strong_negatives(study) -> Measurement:
    record = study.record
    _, chosen = _chosen(study)
    n_listed = list_length(n_images(study), PART)
    ratios = []
    for row in chosen.itertuples():
        of_layer = record[row.layer]
        ends = [r.values[row.unit, :n_listed].mean() for r in (of_layer.bottom, of_layer.top)]
        ratios.append(float(-ends[0] / ends[1]))
    value, low, high = bootstrap(median, ratios)
    words = f"size of the most negative over the strongest responses, {len(ratios)} selective units"
    return Measurement(value, low, high, 412 / 1226, low > 0.1, words, "{:.2f}".format)


def dogs_below(study, end: str, which: str) -> Measurement:
    _, chosen = _chosen(study, which)
    many = chosen[end] > limit_of(study)
    value, low, high = bootstrap(mean, many)
    words = (
        f"{many.sum()} of {len(many)} selective units; on average {chosen[end].mean():.0%} of their "
        f"lowest {PART:.1%} of images are dogs, {chance_of(study):.0%} of all images"
    )
    return Measurement(value, low, high, 0.5, low > 0.5, words)


def _one_source(study):
    """(study of the same network on photographs of one source, table of units, selective ones)."""
    if study.name != "googlenet":
        raise CannotTest("dogs and the rest come from one source in these images")
    other = studies.open_study("googlenet-imagenet")
    if other.record.metadata["network"]["weights"] != study.record.metadata["network"]["weights"]:
        raise CannotTest("the record of the other images is of another network")
    table, _ = _chosen(study)
    return other, table["selective"].to_numpy()


def dogs_below_in_one_source(study, pairing: str) -> Measurement:
    other, chosen = _one_source(study)
    found = share_below(other, pairing)[chosen]
    many = found > limit_of(other)
    value, low, high = bootstrap(mean, many)
    words = (
        f"{many.sum()} of {len(many)} selective units; on average {found.mean():.0%} of their lowest "
        f"{PART:.1%} of images are dogs, {chance_of(other):.0%} of all images"
    )
    return Measurement(value, low, high, 0.5, low > 0.5, words)


def more_than_other_units(study, end: str, which: str) -> Measurement:
    table, chosen = _chosen(study, which)
    return _more_than_others(table[end].to_numpy(), table[which].to_numpy())


def more_than_others_in_one_source(study, pairing: str) -> Measurement:
    other, chosen = _one_source(study)
    return _more_than_others(share_below(other, pairing), chosen)


def _more_than_others(below, chosen):
    if (~chosen).sum() < 2:
        raise CannotTest("all units of the layer are selective for dogs")
    value, low, high = bootstrap(difference, below[chosen], below[~chosen])
    words = (
        f"{below[chosen].mean():.0%} in {chosen.sum()} selective units, {below[~chosen].mean():.0%} in "
        f"the {(~chosen).sum()} others"
    )
    return Measurement(value, low, high, 0.0, low > 0, words, "{:+.1%}".format)


def not_low_level(study) -> Measurement:
    table, chosen = _chosen(study)
    expected = looks_below(study)[table["selective"]]
    n_listed = list_length(n_images(study), PART)
    many = chosen["bottom_min"].to_numpy() > above_chance(expected, n_listed)
    value, low, high = bootstrap(mean, many)
    words = (
        f"{many.sum()} of {len(many)} selective units; on average {chosen['bottom_min'].mean():.0%} of "
        f"their lowest {PART:.1%} are dogs, {expected.mean():.0%} by the images' looks alone"
    )
    return Measurement(value, low, high, 0.5, low > 0.5, words)


def cars_above_breeds(study, statistic: str, which: str) -> Measurement:
    classes, _ = dogs(study)
    _, chosen = _chosen(study, which)
    above = {
        name: class_inversions(study.record[name].means[statistic], classes)
        for name in shown_layers(study.record)
    }
    # The share of breeds below the median of the other classes, unit by unit.
    below = [float((above[r.layer][r.unit] > 0.5).double().mean()) for r in chosen.itertuples()]
    most = np.array(below) >= 0.1
    value, low, high = bootstrap(mean, most)
    words = (
        f"{most.sum()} of {len(most)} selective units have a tenth of the breeds or more below the "
        f"median of the other classes; the median unit has {np.median(below):.0%}"
    )
    return Measurement(value, low, high, 0.5, low > 0.5, words)


def variant_lowers(study, variant: str, layer: str = "conv7") -> Measurement:
    """Fine labels against a variant that one suspected cause has been taken out of, both seeds."""
    if study.name != "world":
        raise CannotTest("it takes the same network trained otherwise; see the study world")
    variants = open_variants()
    seeds = [seed for seed in variants.seeds(variant) if seed in variants.seeds("fine")]
    if not seeds:
        raise CannotTest(f"the table has no networks of the variant {variant}")
    pairs = [[variants.dogs_below(v, seed, layer) for v in ("fine", variant)] for seed in seeds]
    each = [bootstrap(difference, *pair)[0] for pair in pairs]
    value, low, high = bootstrap(difference, *map(np.concatenate, zip(*pairs, strict=True)))
    words = (
        f"dogs among the lowest {PART:.1%} in {layer}: fine labels minus {variant}; "
        + ", ".join(f"seed {s} {e:+.1%}" for s, e in zip(seeds, each, strict=True))
    )
    holds = low > 0 and min(each) > 0
    return Measurement(value, low, high, 0.0, holds, words, "{:+.1%}".format)


def foretells_confusion(study) -> Measurement:
    classes, _ = dogs(study)
    table, breeds = breed_confusion(study)
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
        f"(p = {p:.3f}); without that {plain:+.2f}"
    )
    return Measurement(rho, np.nan, np.nan, 0.0, rho > 0 and p < 0.01, words, "{:+.2f}".format)


_SELECTIVE = "more than half of the selective units, with the whole interval"
_TWO_SEEDS = "the difference and its interval are above zero, in both seeds"

CLAIMS = (
    Claim(
        "opponent.many-dog-units", "1", "section 3",
        "In intermediate layers a large proportion of units is selective for dogs.",
        "at least a tenth of the layer's units have an index above 0.65, with the whole interval",
        "a unit that ignores dogs has the dogs' share of the images, and none of them reaches 0.65",
        many_units,
    ),
    Claim(
        "opponent.relu-hides", "1", "section 3",
        "With negative responses cut off by the ReLU, dog units look like category cells of the cortex.",
        "the ReLU raises the index of selective units, with the whole interval",
        "no change",
        relu_selects,
    ),
    Claim(
        "opponent.strong", "1", "figure 1",
        "Dog units have negative responses that are strong beside their positive ones.",
        "the median ratio of their sizes is above a tenth, with the whole interval",
        "the ratio of the unit in the paper's figure",
        strong_negatives,
    ),
    Claim(
        "opponent.dogs-below", "1", "section 3, figure 2",
        "Most dog units have many dogs among their strongest negative responses.",
        f"dogs exceed their chance share by three deviations in {_SELECTIVE}",
        "half of the units",
        lambda study: dogs_below(study, "bottom_min", "selective"),
    ),
    Claim(
        "opponent.dogs-below-mean", "1", "section 3, figure 2",
        "The same, with units and images ranked by the mean response.",
        f"dogs exceed their chance share by three deviations in {_SELECTIVE}",
        "half of the units",
        lambda study: dogs_below(study, "bottom_mean", "selective_mean"),
    ),
    Claim(
        "opponent.one-source", "1", "section 2",
        "The same, where dogs and the rest come from one source, as they did in the paper.",
        f"dogs exceed their chance share by three deviations in {_SELECTIVE}",
        "half of the units",
        lambda study: dogs_below_in_one_source(study, "max / min"),
    ),
    Claim(
        "opponent.one-source-mean",
        "1",
        "section 2",
        "The same in one source, with images ranked by the mean response.",
        f"dogs exceed their chance share by three deviations in {_SELECTIVE}",
        "half of the units",
        lambda study: dogs_below_in_one_source(study, "mean / mean"),
    ),
    Claim(
        "opponent.own-category", "1", "abstract",
        "What inhibits a dog unit is images of its own category: dogs more than they inhibit other units.",
        "dogs among the lowest responses: selective units have more than the layer's others",
        "the other units of the layer",
        lambda study: more_than_other_units(study, "bottom_min", "selective"),
    ),
    Claim(
        "opponent.own-category-mean", "1", "abstract",
        "The same, with units and images ranked by the mean response.",
        "dogs among the lowest responses: selective units have more than the layer's others",
        "the other units of the layer",
        lambda study: more_than_other_units(study, "bottom_mean", "selective_mean"),
    ),
    Claim(
        "opponent.own-category-one-source",
        "1",
        "abstract",
        "The same by minima, where dogs and the rest come from one source.",
        "dogs among the lowest responses: selective units have more than the layer's others",
        "the other units of the layer",
        lambda study: more_than_others_in_one_source(study, "max / min"),
    ),
    Claim(
        "opponent.not-low-level", "1", "section 4",
        "Incidental differences in low-level statistics do not explain it.",
        f"dogs exceed what the looks of the listed images give by three deviations in {_SELECTIVE}",
        "half of the units",
        not_low_level,
    ),
    Claim(
        "opponent.cars-above-breeds", "1", "section 4",
        "Cars or cups excite a dog unit more than dogs of other breeds do.",
        f"a tenth of the breeds lies below the median of the other classes in {_SELECTIVE}",
        "half of the units",
        lambda study: cars_above_breeds(study, "max", "selective"),
    ),
    Claim(
        "opponent.cars-above-breeds-mean",
        "1",
        "section 4",
        "The same, with units chosen and classes ranked by the mean response.",
        f"a tenth of the breeds lies below the median of the other classes in {_SELECTIVE}",
        "half of the units",
        lambda study: cars_above_breeds(study, "mean", "selective_mean"),
    ),
    Claim(
        "opponent.labels", "1b", "second paragraph",
        "The training labels make units opponent: one label for all dogs, no opponency.",
        _TWO_SEEDS, "no difference",
        lambda study: variant_lowers(study, "dogs-merged"),
    ),
    Claim(
        "opponent.equal-distances", "1", "section 4",
        "Cross-entropy makes units opponent because it takes all mistakes for equally bad.",
        _TWO_SEEDS, "no difference",
        lambda study: variant_lowers(study, "softened"),
    ),
    Claim(
        "opponent.cross-entropy", "1b", "second paragraph",
        "It is the cross-entropy over all classes: a loss for each class by itself gives less opponency.",
        _TWO_SEEDS, "no difference",
        lambda study: variant_lowers(study, "one-vs-rest"),
    ),
    Claim(
        "opponent.training-set", "1b", "abstract",
        "The training set makes units opponent: with one breed in it, less opponency.",
        _TWO_SEEDS, "no difference",
        lambda study: variant_lowers(study, "breeds-1"),
    ),
    Claim(
        "opponent.confusions", "1", "section 4",
        "Opponent units cause unstable behaviour: breeds that units oppose are confused more.",
        "the rank correlation over pairs of breeds is above zero, p < 0.01",
        "breeds relabelled at random",
        foretells_confusion,
    ),
)  # fmt: skip
