"""The claims of paper 2: units selective for faces, illusory faces, cars and dogs, and their uses.

The rules were written before the measurements were run, but for those that say what was changed afterwards.
*Selective* means a contrast above the paper's 0.01, each of the four categories held against the other three:
of the map's maximum, which the text takes (`selectivity.profile`), or of its mean, which the author's code
takes (`claims.published`).
"""

from functools import cache

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from helpers import study as studies
from helpers.claims.claim import (
    CannotTest,
    Claim,
    Measurement,
    above,
    above_zero_in_each,
    below,
)
from helpers.claims.depth import convolutions, third
from helpers.claims.faces import (
    best_face_units,
    best_untrained,
    face_units,
    faces_study,
    four,
    four_units,
    hidden_layers,
    other_units,
    pairs,
    responses_of,
    rivals,
    untrained_units,
)
from helpers.claims.published import code_units, untrained_code_units
from helpers.errors import SelectivityError
from helpers.selectivity.category import contrast as contrast_of
from helpers.selectivity.category import share as share_of
from helpers.selectivity.category import totals_of_responses
from helpers.selectivity.complexity import depth_of, responsive
from helpers.selectivity.intervals import bootstrap, difference, mean
from helpers.selectivity.layer_choice import layer_worth
from helpers.selectivity.nuisance import class_separability
from helpers.selectivity.pairs import above as share_above
from helpers.selectivity.pairs import excess_above
from helpers.selectivity.probes import ARMS
from helpers.selectivity.profile import THRESHOLD
from helpers.tables import open_probes

TEXT = four_units, untrained_units  # the contrast of maxima, before and after training
CODE = code_units, untrained_code_units  # of means over the map, as the author's code has it
_CUT = 5  # class sizes: the category is cut to a fifth of its images


def passing(units: pd.DataFrame) -> pd.DataFrame:
    """Whether each unit is selective for each category, one row a unit: layer, then the categories."""
    columns = {
        category: (rows["contrast"] > THRESHOLD).astype(float).to_numpy()
        for category, rows in units.groupby("category", sort=False)
    }
    first = units[units["category"] == units["category"].iloc[0]]
    return pd.DataFrame({"layer": first["layer"].to_numpy(), **columns})


def more_in_low_layers(study, category: str, reading=TEXT) -> Measurement:
    """In the first third of the layers: units selective for it, minus the mean for faces and dogs."""
    low = third(_layers(study), 0)

    def excess(units):
        table = passing(units[units["layer"].isin(low)])
        return (table[category] - (table["face"] + table["dog"]) / 2).to_numpy(), table

    (mine, table), before = (excess(units(study)) for units in reading)
    value, low_end, high_end = bootstrap(mean, mine)
    words = (
        f"{table[category].mean():.0%} of {len(table)} units, faces {table['face'].mean():.0%}, dogs "
        f"{table['dog'].mean():.0%}"
    )
    null = before[0].mean()
    verdict = above(low_end, high_end, 0)
    return Measurement(value, low_end, high_end, null, verdict, words, "{:+.0%}".format)


def lower_than_higher(study, category: str, reading=TEXT) -> Measurement:
    """Units selective for it in the first third of the layers minus those in the last third."""
    layers = _layers(study)

    def parts(units):
        table = passing(units)
        return [
            table[category][table["layer"].isin(third(layers, end))].to_numpy() for end in (0, -1)
        ]

    (first, last), before = (parts(units(study)) for units in reading)
    value, low, high = bootstrap(difference, first, last)
    words = f"{first.mean():.0%} in the first third of the layers, {last.mean():.0%} in the last"
    null = before[0].mean() - before[1].mean()
    return Measurement(value, low, high, null, above(low, high, 0), words, "{:+.0%}".format)


def dogs_outnumber_faces(study, reading=TEXT) -> Measurement:
    table, before = (passing(units(study)) for units in reading)
    value, low, high = bootstrap(mean, table["dog"] - table["face"])
    words = f"{table['dog'].sum():.0f} units for dogs, {table['face'].sum():.0f} for faces, of {len(table)}"
    null = (before["dog"] - before["face"]).mean()
    return Measurement(value, low, high, null, above(low, high, 0), words, "{:+.0%}".format)


def dogs_by_labels(study) -> Measurement:
    if study.name != "world":
        raise CannotTest("it takes the same network trained otherwise; see the study world")
    excess = {}
    for labels in ("fine", "dogs-merged"):
        for seed in ("", "-s1"):
            table = passing(four_units(studies.open_study(f"worldnet-{labels}{seed}-faces")))
            excess[labels, seed] = (table["dog"] - table["face"]).to_numpy()
    each = [excess["fine", s].mean() - excess["dogs-merged", s].mean() for s in ("", "-s1")]
    together = [
        np.concatenate([excess[labels, s] for s in ("", "-s1")])
        for labels in ("fine", "dogs-merged")
    ]
    value, low, high = bootstrap(difference, *together)
    words = "dog units minus face units: twelve labels for dogs minus one label; " + ", ".join(
        f"seed {seed} {e:+.1%}" for seed, e in enumerate(each)
    )
    verdict = above_zero_in_each(low, high, each)
    return Measurement(value, low, high, 0.0, verdict, words, "{:+.1%}".format)


def faces_fully_connected(study) -> Measurement:
    # The world's first network has no hidden layer without a map; its twin after VGG has two.
    other = studies.open_study("worldnet-vgg-fine-faces") if study.name == "world" else study
    record = four(other)
    hidden = [n for n in record.layers[:-1] if n not in convolutions(record)]
    if not hidden:
        raise CannotTest("the network has no hidden fully connected layer")
    table = passing(four_units(other))
    table = table[table["layer"] != record.layers[-1]]
    for_faces = table[table["face"] > 0]
    value, low, high = bootstrap(mean, for_faces["layer"].isin(hidden))
    words = (
        f"of {len(for_faces)} units selective for faces, in {' and '.join(hidden)} of "
        f"{record.metadata['network']['name']}"
    )
    null = table["layer"].isin(hidden).mean()
    return Measurement(value, low, high, null, above(low, high, 0.5), words)


def late_layers(study, reading=TEXT) -> Measurement:
    late = third(_layers(study), -1)
    trained, before = (
        table["face"][table["layer"].isin(late)].to_numpy()
        for table in (passing(units(study)) for units in reading)
    )
    value, low, high = bootstrap(difference, trained, before)
    words = (
        f"{trained.mean():.0%} of the units of the last third, {before.mean():.0%} before training"
    )
    return Measurement(value, low, high, 0.0, above(low, high, 0), words, "{:+.0%}".format)


def faces_without_a_class(study) -> Measurement:
    hidden = hidden_layers(four(study))
    trained, before = (
        best_of(aucs, hidden) for aucs in (best_face_units(study), best_untrained(study))
    )
    gain = trained - before
    low, high = np.quantile(gain, [0.025, 0.975])
    words = (
        f"AUC of the best unit {trained.mean():.3f}, before training {before.mean():.3f}; range over "
        f"{len(gain)} halves"
    )
    verdict = above(low, high, 0)
    return Measurement(gain.mean(), low, high, 0.0, verdict, words, "{:+.3f}".format)


def best_of(aucs: dict, layers) -> np.ndarray:
    """AUC of the best unit of all the layers, chosen on one half and judged on the other, (halves,)."""
    chosen, judged = np.stack([aucs[name] for name in layers]).transpose(2, 0, 1)
    return np.take_along_axis(judged, chosen.argmax(0)[None], 0)[0]


def class_sizes(study) -> Measurement:
    """Cut the faces to a fifth: how far does the median unit's index move, in spreads over units?"""
    record = four(study)
    member = torch.from_numpy(record.classes == 0)
    kept = torch.ones_like(member)
    kept[member.nonzero()[:, 0]] = torch.arange(int(member.sum())) % _CUT == 0
    moves = {}
    for formula in (share_of, contrast_of):
        whole, cut = [], []
        for name in record.layers:
            responses = responses_of(record, name)
            whole.append(formula(totals_of_responses(responses, member)))
            cut.append(formula(totals_of_responses(responses[kept], member[kept])))
        whole, cut = torch.cat(whole), torch.cat(cut)
        known = ~(whole.isnan() | cut.isnan())
        if known.sum() < 2:
            raise CannotTest(
                "fewer than two units have an index: the others' responses are all equal"
            )
        moves[formula] = ((whole - cut).abs() / whole[known].std())[known].numpy()
    value, low, high = bootstrap(lambda a: np.median(a, 1), moves[share_of])
    null = np.median(moves[contrast_of])
    words = "standard deviations over units by which the median unit's index moves with a fifth of the faces"
    verdict = below(low, high, 0.5)
    return Measurement(value, low, high, null, verdict, words, "{:.2f}".format, rises=False)


def threshold_of_the_index(study) -> Measurement:
    units = four_units(study)
    left_out = (units["share"] <= THRESHOLD).to_numpy()
    value, low, high = bootstrap(mean, left_out)
    null = (units["contrast"] <= THRESHOLD).mean()
    words = f"of {len(left_out):,} pairs of a unit and a category are not above it"
    return Measurement(value, low, high, null, above(low, high, 0.1), words)


def illusions(study) -> Measurement:
    units = face_units(study)
    value, low, high = share_above(*pairs(study, units))
    null = share_above(*pairs(study, other_units(study, units)))[0]
    words = f"of the pairs, averaged over {len(units)} face units"
    return Measurement(value, low, high, null, above(low, high, 0.5), words)


def illusions_in_particular(study) -> Measurement:
    units = face_units(study)
    each = [pairs(study, table) for table in (units, other_units(study, units))]
    value, low, high = excess_above(*each)
    words = f"{len(units)} face units minus the other units of their layers, interval over pairs"
    return Measurement(value, low, high, 0.0, above(low, high, 0), words, "{:+.1%}".format)


def faces_above_all(study) -> Measurement:
    units = face_units(study)
    table = rivals(study, units)
    first = (table["inversions"] <= 0.05).to_numpy()
    value, low, high = bootstrap(mean, first)
    others = rivals(study, other_units(study, units))
    words = (
        f"{first.sum()} of {len(first)} face units; the median one has {table['inversions'].median():.0%} "
        f"of the other classes above faces"
    )
    null = (others["inversions"] <= 0.05).mean()
    return Measurement(value, low, high, null, above(low, high, 0.5), words)


def simple_is_low(study) -> Measurement:
    record = study.record
    if len(record.class_names) < 20:
        raise CannotTest("a correlation over classes takes twenty or more")
    if not record[record.layers[0]].sums:
        raise CannotTest("the record keeps no class sums")
    try:
        statistics = study.image_statistics
    except SelectivityError as error:
        raise CannotTest(str(error)) from None
    depth = depth_of(responsive(record)).to_numpy()
    apart = class_separability(statistics, torch.from_numpy(record.classes)).numpy()
    known = np.isfinite(depth) & np.isfinite(apart)
    depth, apart = depth[known], apart[known]
    rho, low, high = _rank_correlation(depth, apart)
    verdict = below(low, high, 0)
    words = f"rank correlation over {len(depth)} classes of depth and of how well looks alone tell the class"
    return Measurement(rho, low, high, 0.0, verdict, words, "{:+.2f}".format, rises=False)


@cache
def _worth(study) -> pd.DataFrame:
    """`layer_worth` with five images of each category, and how deep each layer is."""
    record = faces_study(study).record
    layers = {n: responses_of(record, n).numpy() for n in record.layers}
    worth = layer_worth(layers, record.classes, size=5, n_repeats=5)
    return worth.assign(depth=range(len(worth)))


def layer_choice(study) -> Measurement:
    worth = _worth(study)
    rho, low, high = _rank_correlation(worth["strength"].to_numpy(), worth["accuracy"].to_numpy())
    verdict = above(low, high, 0)
    top = worth.loc[worth["strength"].idxmax()]
    words = (
        f"rank correlation over {len(worth)} layers of the index's strength and the accuracy of a probe "
        f"trained on 5 images a category; the recommended layer, {top.layer}, reaches {top.accuracy:.0%}, "
        f"the best {worth['accuracy'].max():.0%}"
    )
    null = _spearman(worth["depth"], worth["accuracy"])
    return Measurement(rho, low, high, null, verdict, words, "{:+.2f}".format)


def better_than_depth(study) -> Measurement:
    columns = _worth(study)[["strength", "depth", "accuracy"]].to_numpy().T

    def gain(drawn):
        strength, depth, accuracy = columns[:, drawn]
        return _spearman(strength, accuracy) - _spearman(depth, accuracy)

    n = columns.shape[1]
    _must_differ(*columns)
    value = gain(np.arange(n))
    draws = np.random.default_rng(0).integers(0, n, (2000, n))
    low, high = np.nanquantile([gain(drawn) for drawn in draws], [0.025, 0.975])
    words = f"rank correlation with accuracy over {n} layers, strength minus depth"
    return Measurement(value, low, high, 0.0, above(low, high, 0), words, "{:+.2f}".format)


def probes_differ(study, arm: str, other: str) -> Measurement:
    """Accuracy of one set of filters minus another's, the mean over training sizes and hard tasks."""
    probes = open_probes()
    of_study = probes.tasks["network"].str.startswith(
        {"world": "worldnet"}.get(study.name, study.name)
    )
    tasks = probes.tasks[of_study & probes.tasks["hard"]]
    if len(tasks) < 3:
        raise CannotTest(
            "linear probes were compared for world and googlenet only; see compare_probes"
        )
    gains = probes.mean_differences(arm, other).loc[tasks.index]
    value, low, high = bootstrap(mean, gains)
    words = (
        f"mean over training sizes (5, 20, five folds) and {len(gains)} hard tasks, better in "
        f"{(gains > 0).sum()}; interval over tasks"
    )
    return Measurement(value, low, high, 0.0, above(low, high, 0), words, "{:+.1%}".format)


def _layers(study):
    """The convolutions of the record of the four categories, of which there must be some."""
    layers = convolutions(four(study))
    if not layers:
        raise CannotTest("the record holds no convolutions")
    return layers


def _rank_correlation(a, b):
    """(Spearman's rho, low, high), the pairs drawn again; draws of equal values have none."""
    _must_differ(a, b)
    drawn = np.random.default_rng(0).integers(0, len(a), (2000, len(a)))
    rhos = [_spearman(a[d], b[d]) for d in drawn]
    return _spearman(a, b), *map(float, np.nanquantile(rhos, [0.025, 0.975]))


def _must_differ(*columns):
    for values in columns:
        if not (len(values) > 2 and np.isfinite(values).all() and np.ptp(values)):
            raise CannotTest("a correlation takes three values or more that differ")


def _spearman(a, b):
    return float(spearmanr(a, b).statistic) if np.ptp(a) and np.ptp(b) else np.nan


_ABOVE_ZERO = "the difference is above zero, with the whole interval"

_EXCESS = (
    "share of the units of the first third of the convolutions, minus the mean of the shares for faces "
    "and dogs: above zero, with the whole interval"
)
_FIRST_LAST = (
    "share of units, first third of the convolutions minus last: above zero, whole interval"
)
_BEFORE = "the network before training"
_MEAN_OF_TWO = "the same number was first called: more than for faces or dogs"
_CODE = "added when it was seen that the author's code averages over the map"

CLAIMS = (
    Claim(
        "category.cars-low", "2", "section 2.2, figure 1",
        "Many units of the lower layers are selective for cars: more than the mean of faces and dogs.",
        _EXCESS, _BEFORE,
        lambda study: more_in_low_layers(study, "car"),
        changed=_MEAN_OF_TWO,
    ),
    Claim(
        "category.cars-low-code", "2", "section 2.2, figure 1",
        "By the author's code, too, more units of the lower layers are for cars than for faces and dogs.",
        _EXCESS, _BEFORE,
        lambda study: more_in_low_layers(study, "car", CODE),
        changed=_CODE,
    ),
    Claim(
        "category.illusions-low", "2", "section 2.2, figure 1",
        "Many units of the lower layers are for illusory faces: more than the mean of faces and dogs.",
        _EXCESS, _BEFORE,
        lambda study: more_in_low_layers(study, "i-see-face"),
        changed=_MEAN_OF_TWO,
    ),
    Claim(
        "category.illusions-low-code", "2", "section 2.2, figure 1",
        "By the author's code, too, more units of the lower layers are for illusory faces.",
        _EXCESS, _BEFORE,
        lambda study: more_in_low_layers(study, "i-see-face", CODE),
        changed=_CODE,
    ),
    Claim(
        "category.cars-lower", "2", "section 2.2, figure 1",
        "A larger part of the lower layers' units than of the upper ones' is selective for cars.",
        _FIRST_LAST, _BEFORE,
        lambda study: lower_than_higher(study, "car"),
    ),
    Claim(
        "category.cars-lower-code", "2", "section 2.2, figure 1",
        "By the author's code, too, a larger part of the lower layers' units is selective for cars.",
        _FIRST_LAST, _BEFORE,
        lambda study: lower_than_higher(study, "car", CODE),
        changed=_CODE,
    ),
    Claim(
        "category.illusions-lower", "2", "section 2.2, figure 1",
        "A larger part of the lower layers' units than of the upper ones' is selective for illusory faces.",
        _FIRST_LAST, _BEFORE,
        lambda study: lower_than_higher(study, "i-see-face"),
    ),
    Claim(
        "category.illusions-lower-code", "2", "section 2.2, figure 1",
        "By the author's code, too, a larger part of the lower layers' units is for illusory faces.",
        _FIRST_LAST, _BEFORE,
        lambda study: lower_than_higher(study, "i-see-face", CODE),
        changed=_CODE,
    ),
    Claim(
        "category.dogs-outnumber-faces", "2", "section 2.2",
        "Units selective for dogs outnumber those selective for faces.",
        f"over all units: {_ABOVE_ZERO}", _BEFORE,
        dogs_outnumber_faces,
    ),
    Claim(
        "category.dogs-outnumber-faces-code", "2", "section 2.2",
        "By the author's code, too, units selective for dogs outnumber those selective for faces.",
        f"over all units with a map: {_ABOVE_ZERO}", _BEFORE,
        lambda study: dogs_outnumber_faces(study, CODE),
        changed=_CODE,
    ),
    Claim(
        "category.dogs-by-labels", "2", "section 2.2",
        "Units for dogs outnumber those for faces because many of the output classes are dogs.",
        "dogs minus faces, a label a breed minus one for all: above zero, whole interval and each seed",
        "no difference",
        dogs_by_labels,
    ),
    Claim(
        "category.faces-fully-connected", "2", "section 2.2",
        "Most units selective for faces lie in the hidden fully connected layers.",
        "more than half of the hidden ones, with the whole interval",
        "these layers' part of all hidden units",
        faces_fully_connected,
        changed="outputs, which the sentence is not about, were first counted among all units",
    ),
    Claim(
        "category.faces-late", "2", "section 2.2, figure 1",
        "The last convolutions hold a significant number of units selective for faces.",
        f"last third of the convolutions, trained minus untrained: {_ABOVE_ZERO}", "no difference",
        late_layers,
    ),
    Claim(
        "category.faces-late-code", "2", "section 2.2, figure 1",
        "By the author's code, too, the last convolutions hold units selective for faces.",
        f"last third of the convolutions, trained minus untrained: {_ABOVE_ZERO}", "no difference",
        lambda study: late_layers(study, CODE),
        changed=_CODE,
    ),
    Claim(
        "category.faces-without-class", "2", "abstract, section 2.2",
        "A network trained without a class of faces has a unit that tells them from the other categories.",
        f"AUC of the best hidden unit on images that did not choose it, minus untrained: {_ABOVE_ZERO}",
        "no difference",
        faces_without_a_class,
    ),
    Claim(
        "category.class-sizes", "2", "section 2.1",
        "The index does not require class sizes to be equal.",
        "with a fifth of the faces the median unit's index moves by less than half its spread over units",
        "the same of the contrast",
        class_sizes,
    ),
    Claim(
        "category.threshold", "2", "section 2.2",
        "A threshold of 0.01 on the index, as printed, tells selective units from others.",
        "it leaves out a tenth of all units or more, with the whole interval", "by the contrast",
        threshold_of_the_index,
    ),
    Claim(
        "category.illusions", "2", "section 2.2",
        "Our test of pareidolia: face units answer to an illusory face more than to a matched object.",
        "in more than half of the pairs, with the whole interval", "the other units of their layers",
        illusions,
    ),
    Claim(
        "category.illusions-in-particular", "2", "section 2.2",
        "Stricter: face units prefer illusory faces more than other units do.",
        "share of pairs, face units minus others of their layers: above zero, with the whole interval",
        "no difference",
        illusions_in_particular,
        changed="added after the claim before it was measured",
    ),
    Claim(
        "category.concept", "2", "section 2.2",
        "Our test: units that tell faces from cars and dogs prefer faces to other things as well.",
        "in most of them, at most a twentieth of all other classes drives the unit more than faces do",
        "the other units of their layers",
        faces_above_all,
    ),
    Claim(
        "category.simple-is-low", "2", "section 3",
        "A class whose detectors lie in lower layers is a simple one.",
        "the better colour, contrast and edges alone tell a class, the lower: correlation below zero",
        "no correlation",
        simple_is_low,
    ),
    Claim(
        "category.layer-choice", "2", "section 3",
        "The index identifies a layer with good features for a category.",
        "five categories, five images each: strength and accuracy of layers correlate, interval above zero",
        "how well a layer's depth alone correlates",
        layer_choice,
        changed="the control was first no correlation",
    ),
    Claim(
        "category.layer-choice-beyond-depth", "2", "section 3",
        "Stricter: the index finds good layers better than depth does.",
        "strength correlates with accuracy more than depth does, with the whole interval",
        "no difference",
        better_than_depth,
        changed="added after the claim before it was measured",
    ),
    Claim(
        "category.selected-help", "2", "section 3",
        "The filters that the index selects classify better than other filters of the same layer.",
        "hard tasks, accuracy minus that of as many random filters of the layer: above zero, whole interval",
        "no difference",
        lambda study: probes_differ(study, ARMS[0], ARMS[2]),
    ),
    Claim(
        "category.combined-help", "2", "section 3",
        "Selective filters of several layers classify better than those of one.",
        "hard tasks, accuracy minus that of as many selective filters of the layer that the index prefers: "
        "above zero, with the whole interval", "no difference",
        lambda study: probes_differ(study, ARMS[1], ARMS[0]),
    ),
    Claim(
        "category.beat-last", "2", "section 3",
        "Selective filters of several layers classify better than the last layer does.",
        "hard tasks, accuracy minus that of all units of the last layer: above zero, with the whole interval",
        "no difference",
        lambda study: probes_differ(study, ARMS[1], ARMS[5]),
    ),
    Claim(
        "category.beat-hidden", "2", "section 3",
        "Stricter: filters of several layers classify better than the last hidden layer.",
        "hard tasks, accuracy minus that of all units of the last hidden layer: above zero, whole interval",
        "no difference",
        lambda study: probes_differ(study, ARMS[1], ARMS[6]),
        changed="added after the claim before it was measured",
    ),
)  # fmt: skip
