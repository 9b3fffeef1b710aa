"""The claims of paper 4: neuron features, colour and class selectivity.

The rules were written before they were measured, but for those that say what was changed afterwards; the
shares of selective units in each layer, and how well units' hues agree with the images', had been seen. All
are on convolutions. *Low* and *high* are the first and the last third.
"""

import numpy as np
import torch

from helpers.categories import classes_of
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
from helpers.claims.features import (
    answers_in_grey,
    class_columns,
    feature_units,
    first_frequencies,
    image_hues_of,
    untrained_classes,
    untrained_curves,
    untrained_features,
)
from helpers.claims.trends import (
    exact_share,
    interval,
    known_mean,
    low_and_high,
    together,
)
from helpers.index import CURVE
from helpers.record.images import WorldImages
from helpers.selectivity.classes import (
    CLASS_SELECTIVE,
    FIRST,
    largest_class_selectivity,
    random_index_share,
)
from helpers.selectivity.color import opponent, shared_hues, unit_hues
from helpers.selectivity.intervals import difference, mean

HIGHLY_SELECTIVE = 0.8  # for a class, section 4.3
FINE = 1.5  # cycles in a feature of the first layer: more than an edge or a spot has
_WITHIN = 15  # degrees of an axis; three axes then cover half of all hues
# The chromatic ones of the paper's four: the difference of two colours in RGB.
AXES = {
    "blue-yellow": ((1, 1, 0), (0, 0, 1)),
    "orange-cyan": ((1, 0.5, 0), (0, 1, 1)),
    "cyan-magenta": ((0, 1, 1), (1, 0, 1)),
}
_MOST_LUCK = 0.05  # more units over a bound by luck: the bound says nothing
_FEWEST = 5  # units that a share of them says anything about
_CONSIDERABLE = {1: 0.1, 5: 0.05}  # rise of the error; the paper's are .24 and .16


def own_response_falls(study) -> Measurement:
    """The response to the own feature: its mean in the high layers minus that in the low ones."""
    return _depth_change(feature_units(study), untrained_features(study), "self_response", below)


def curves_steeper(study) -> Measurement:
    """The area of the activation curves falls with depth; lists shorter than 400 images are cut."""
    low, high = low_and_high(class_columns(study), "auc")
    value, start, end = interval(difference, high, low)
    layer = next(iter(study.record.layers))
    used = min(CURVE, study.record[layer].top.values.shape[1])
    words = (
        f"points of area: {low.mean():.1f}% of the network's largest in low layers, {high.mean():.1f}% in "
        f"high ones, over {used} images"
    )
    before = untrained_curves(study)
    null = np.nan if before is None else _change(before, "auc")
    return Measurement(
        value, start, end, null, below(start, end, 0), words, "{:+.1f}".format, False
    )


def go_together(study, a: str, b: str, rises: bool) -> Measurement:
    """The rank correlation of two columns within layers."""
    parts = together(_positive(feature_units(study)), a, b)
    value, low, high = interval(mean, parts)
    before = untrained_features(study)
    null = np.nan if before is None else known_mean(together(_positive(before), a, b))
    words = f"rank correlation within layers, {len(parts)} units"
    verdict = (above if rises else below)(low, high, 0)
    return Measurement(value, low, high, null, verdict, words, "{:+.2f}".format, rises)


def own_features_drive(study) -> Measurement:
    """Share of units that answer to their own feature with at least half of their largest response."""

    def driven(table):
        own = _positive(table)["self_response"].dropna()
        return (own >= 0.5).to_numpy(float)

    found, before = driven(feature_units(study)), untrained_features(study)
    value, low, high = exact_share(found)
    null = np.nan if before is None else known_mean(driven(before))
    words = f"of {len(found)} units"
    return Measurement(value, low, high, null, above(low, high, 0.5), words)


def second_stage(study, column: str, rises: bool, written) -> Measurement:
    """A column's mean in the second stage minus that in the third and fourth."""

    def ends(table):
        names = list(table["stage"].unique())
        if len(names) < 4:
            raise CannotTest(f"the second of four stages is meant; this network has {len(names)}")
        near = table["stage"].isin(names[2:4])
        return [
            table[column][one].dropna().to_numpy(float)
            for one in (table["stage"] == names[1], near)
        ]

    def table_of(units):
        return units.assign(dead=(units["n_images"] == 0).astype(float))

    second, near = ends(table_of(feature_units(study)))
    if column == "dead" and not second.any() and not near.any():
        raise CannotTest("no unit of the second, third and fourth stage is dead")
    value, low, high = interval(difference, second, near)
    before = untrained_features(study)
    null = np.nan if before is None else _rise(*ends(table_of(before))[::-1])
    words = f"{second.mean():.2f} in the second stage, {near.mean():.2f} in the third and fourth"
    verdict = (above if rises else below)(low, high, 0)
    return Measurement(value, low, high, null, verdict, words, written, rises)


def color_share_falls(study) -> Measurement:
    low, high = _selective_low_and_high(feature_units(study))
    value, start, end = interval(difference, high, low)
    before = untrained_features(study)
    null = np.nan if before is None else _rise(*_selective_low_and_high(before))
    words = f"{low.mean():.0%} of units in low layers, {high.mean():.0%} in high ones"
    return Measurement(
        value, start, end, null, below(start, end, 0), words, "{:+.0%}".format, False
    )


def color_in_first(study) -> Measurement:
    """The share of colour-selective units in the first layer: more than two fifths."""
    mine = _color_selective(_first_layer(feature_units(study))).dropna().to_numpy()
    value, low, high = exact_share(mine)
    before = untrained_features(study)
    null = (
        np.nan if before is None else known_mean(_color_selective(_first_layer(before)).to_numpy())
    )
    words = f"of {len(mine)} units of the first layer"
    return Measurement(value, low, high, null, above(low, high, 0.4), words)


def color_in_deep(study) -> Measurement:
    """The share of colour-selective units in the high layers: about a quarter."""
    mine = _selective_low_and_high(feature_units(study))[1]
    value, low, high = exact_share(mine)
    before = untrained_features(study)
    null = np.nan if before is None else known_mean(_selective_low_and_high(before)[1])
    words = f"of {len(mine)} units of the high layers"
    return Measurement(value, low, high, null, _within(low, high, 0.15, 0.35), words, rises=None)


def fine_ones_are_grey(study) -> Measurement:
    """Of the first layer's features that are gratings, the share that is colour-selective."""
    first = _first_layer(feature_units(study))
    fine = (first_frequencies(study) >= FINE).numpy()[first["unit"].to_numpy()]
    selective = _color_selective(first).to_numpy()
    known = ~np.isnan(selective)
    if (fine & known).sum() < _FEWEST:
        raise CannotTest(
            f"features of the first layer that have {FINE} cycles or more: {(fine & known).sum()}"
        )
    value, low, high = exact_share(selective[fine & known])
    others = selective[~fine & known]
    words = (
        f"of {(fine & known).sum()} features with {FINE} cycles or more in the first layer; "
        f"{len(others)} others have fewer"
    )
    null = others.mean() if len(others) else np.nan
    return Measurement(value, low, high, null, below(low, high, 0.2), words, rises=False)


def four_axes(study) -> Measurement:
    """Share of the first layer's colour-selective units near the named axes."""
    first = _first_layer(feature_units(study))
    hues = first["hue"][_color_selective(first) == 1].dropna().to_numpy()
    if len(hues) < _FEWEST:
        raise CannotTest(f"{len(hues)} units of the first layer are colour-selective")
    near = np.array([_from_axis(hues, axis_angle(*ends)) <= _WITHIN for ends in AXES.values()])
    value, low, high = exact_share(near.any(0).astype(float))
    each = ", ".join(f"{n} {name}" for name, n in zip(AXES, near.sum(1).tolist(), strict=True))
    words = (
        f"of {len(hues)} colour-selective units of the first layer lie within {_WITHIN} degrees of an axis: "
        f"{each}"
    )
    verdict = above(low, high, 0.5) if near.any(1).all() else FAILS
    return Measurement(value, low, high, 0.5, verdict, words)


def hues_agree(study) -> Measurement:
    """Do units prefer the hues that the images have? The shared part, against all rotations."""
    units = _positive(feature_units(study))
    hues = torch.tensor(units["hue"][_color_selective(units) == 1].dropna().to_numpy())
    if len(hues) < _FEWEST:
        raise CannotTest(f"{len(hues)} units are colour-selective")
    of_images = image_hues_of(study)
    if not of_images.sum() > 0:
        raise CannotTest("the images have no colour")
    found = shared_hues(unit_hues(hues), of_images)
    words = (
        f"of the two distributions is shared, {len(hues)} units; as much is after {found.p:.1%} of all "
        "rotations"
    )
    # A large p decides nothing, unless the hues share less than rotated ones do.
    less = found.shared < found.rotated.mean() - 1e-9
    verdict = HOLDS if found.p < 0.05 else FAILS if less else UNDECIDED
    return Measurement(found.shared, np.nan, np.nan, found.rotated.mean().item(), verdict, words)


def grey_errors(study, first: int) -> Measurement:
    """By how much the share of images rises whose class is not among the first guesses."""
    answers = answers_in_grey(study)
    color, grey = (answers[f"top{first} {how}"].to_numpy(float) for how in ("colour", "grey"))
    rises = color - grey
    value, low, high = interval(mean, rises)
    free = _drawn_in_any_color(answers["class_name"])
    words = (
        f"points: top-{first} error {1 - color.mean():.1%} in colour, {1 - grey.mean():.1%} in grey, "
        f"{len(answers)} images"
    )
    null = rises[free].mean() if free.any() else np.nan
    verdict = above(low, high, _CONSIDERABLE[first])
    return Measurement(value, low, high, null, verdict, words, "{:+.1%}".format)


def _drawn_in_any_color(class_names):
    """Which images are of classes that colour cannot tell: of the world's, where that is known."""
    names = np.array(WorldImages().class_names)
    free = names[classes_of("colour-free", names).numpy()]
    return np.isin(class_names, free) & set(class_names).issubset(names)


def class_share(study, where: str, over: float, bound: float, more: bool) -> Measurement:
    """Share of a layer's units with a class index over a bound: `where` is first, last or early."""
    luck = _luck(study, over)

    def share(table):
        layers = list(table["layer"].unique())
        chosen = {
            "first": layers[:1],
            "last": _last_stage(table),
            "early": layers[: len(layers) // 2],
        }
        index = table["class_index"][table["layer"].isin(chosen[where])].dropna()
        return (index > over).to_numpy(float)

    mine = share(class_columns(study))
    value, low, high = exact_share(mine)
    before = _untrained_classes(study)
    null = np.nan if before is None else known_mean(share(before))
    named = {
        "first": "the first layer",
        "last": "the last stage",
        "early": "the first half of the layers",
    }
    words = f"of {len(mine)} units of {named[where]} exceed {over}, by luck {luck:.1%}"
    verdict = (above if more else below)(low, high, bound)
    return Measurement(value, low, high, null, verdict, words, "{:.1%}".format, more)


def class_rises(study) -> Measurement:
    if study.record.counts.max() < 2 or len(study.record.class_names) < 2:
        raise CannotTest("the index is the same for all units: one image a class, or one class")
    return _depth_change(class_columns(study), _untrained_classes(study), "class_index", above)


def both(study) -> Measurement:
    """Share of units that are selective for a colour and for a class; null: if the two were independent."""
    _luck(study, CLASS_SELECTIVE)
    table = _positive(feature_units(study))
    table = table.assign(
        color_selective=_color_selective(table),
        class_selective=(table["class_index"] > CLASS_SELECTIVE).astype(float),
    ).dropna(subset=["color_selective", "class_index"])
    mine = (table["color_selective"] * table["class_selective"]).to_numpy()
    value, low, high = exact_share(mine)
    layers = table.groupby("layer", sort=False)
    expected = layers["color_selective"].mean() * layers["class_selective"].mean()
    null = np.average(expected, weights=layers.size())
    with_one = (
        layers.apply(lambda one: (one["color_selective"] * one["class_selective"]).max()) > 0
    ).sum()
    words = f"of {len(mine)} units, in {with_one} of {len(layers)} layers"
    return Measurement(value, low, high, null, above(low, high, 0.01), words, "{:.1%}".format)


def _luck(study, over: float) -> float:
    """The share of units with a class index over a bound if they ignored classes; CannotTest if large."""
    sizes = study.record.counts.tolist()
    n = min(FIRST, sum(sizes))
    if n < 2 or largest_class_selectivity(sizes, n) <= over:
        raise CannotTest(f"no unit can exceed {over} with at most {max(sizes)} images of a class")
    luck = random_index_share(sizes, over, n)
    if luck > _MOST_LUCK:
        raise CannotTest(
            f"{luck:.0%} of units that ignore classes exceed {over} with these classes and images"
        )
    return luck


def axis_angle(one, other) -> float:
    """The axis between two colours in RGB, degrees from 0 up to 180, in the plane of `color.hue`."""
    pixels = torch.tensor([one, other], dtype=torch.float64)[:, :, None, None]
    red_green, yellow_blue = (opponent(pixels)[0] - opponent(pixels)[1])[1:, 0, 0]
    return float(torch.rad2deg(torch.atan2(yellow_blue, red_green)) % 180)


def _from_axis(degrees, axis):
    """Degrees between hues and an axis, 0 to 90."""
    return np.abs((degrees - axis + 90) % 180 - 90)


def _untrained_classes(study):
    """`untrained_classes`, or None where they are not known."""
    try:
        return untrained_classes(study)
    except CannotTest:
        return None


def _positive(table):
    """Without units that no image excites."""
    return table[table["n_images"] > 0]


def _color_selective(table):
    """1 or 0, nan for units without an index; by the names, which go before rounding of shipped indexes."""
    return (table["color"] != "none").astype(float).where(table["color_index"].notna())


def _first_layer(table):
    return _positive(table[table["layer"] == table["layer"].iloc[0]])


def _last_stage(table):
    """The layers of the last stage: GoogLeNet's last block, the world's last convolution."""
    return table["layer"][table["stage"] == table["stage"].iloc[-1]].unique()


def _selective_low_and_high(table):
    return low_and_high(table.assign(selective=_color_selective(table)), "selective")


def _depth_change(table, before, column, verdict):
    """A column's mean in the high layers minus that in the low ones, held against zero by `verdict`."""
    low, high = low_and_high(table, column)
    value, start, end = interval(difference, high, low)
    null = np.nan if before is None else _change(before, column)
    words = f"{low.mean():.2f} in low layers, {high.mean():.2f} in high ones"
    return Measurement(
        value, start, end, null, verdict(start, end, 0), words, "{:+.2f}".format, verdict is above
    )


def _change(table, column):
    return _rise(*low_and_high(table, column))


def _rise(low, high):
    return known_mean(high) - known_mean(low)


def _within(low, high, least, most):
    """The verdict on "between": of an interval inside, outside, or across a bound."""
    if low > least and high < most:
        return HOLDS
    return FAILS if high <= least or low >= most else UNDECIDED


_UP = "high layers minus low ones: above zero, with the whole interval"
_DOWN = "high layers minus low ones: below zero, with the whole interval"
_BEFORE = "the network before training"
_IN_WORLD = "the network before training, in the world"
_ANY_COLOUR = "classes that are drawn in any colour, in the world"

# fmt: off
CLAIMS = (
    Claim(
        "indexes.steeper", "4", "section 2, figure 1",
        "Units of deeper layers answer strongly to fewer images: their ranked responses fall more steeply.",
        "area under the curve, " + _DOWN, _BEFORE,
        curves_steeper,
        changed="on GoogLeNet the control was first not measured",
    ),
    Claim(
        "indexes.blur", "4", "section 2, figure 3",
        "A blurred neuron feature comes from images that differ much from each other.",
        "structure of features and variance among their crops: rank correlation within layers below zero, "
        "whole interval",
        _IN_WORLD,
        lambda study: go_together(study, "structure", "variance_among", rises=False),
    ),
    Claim(
        "indexes.localist", "4", "sections 2 and 5, a conjecture",
        "Units with a structured feature are closer to a localist code: they are selective for a class.",
        "structure and class index: rank correlation within layers above zero, whole interval", _IN_WORLD,
        lambda study: go_together(study, "structure", "class_index", rises=True),
    ),
    Claim(
        "indexes.own-feature", "4", "section 2, figure 4",
        "Units answer strongly to their own neuron feature.",
        "more than half of the units reach half of their largest response, with the whole interval",
        _IN_WORLD,
        own_features_drive,
    ),
    Claim(
        "indexes.own-feature-falls", "4", "section 2, figure 4",
        "Units of deeper layers answer less to their own feature: they are more invariant.",
        "response to the own feature, " + _DOWN, _IN_WORLD,
        own_response_falls,
    ),
    Claim(
        "indexes.second-layer", "4", "section 2, figure 4",
        "The second layer answers less to its own features than the third and the fourth.",
        "second stage minus the next two: below zero, with the whole interval", _IN_WORLD,
        lambda study: second_stage(study, "self_response", rises=False, written="{:+.2f}".format),
    ),
    Claim(
        "indexes.second-layer-dead", "4", "section 2, figure 4",
        "The second layer answers less because it has many dead units.",
        "share of dead units, second stage minus the next two: above zero, with the whole interval",
        _IN_WORLD,
        lambda study: second_stage(study, "dead", rises=True, written="{:+.1%}".format),
        changed="where no unit is dead, it was first taken to fail, not to be untestable",
    ),
    Claim(
        "indexes.color-first", "4", "section 4.2, figure 8",
        "Half of the units of the first layer are selective for a colour.",
        "more than two fifths, with the whole interval", _IN_WORLD,
        color_in_first,
    ),
    Claim(
        "indexes.color-falls", "4", "sections 4.2 and 5, figure 8",
        "The share of colour-selective units falls with depth.",
        "share of units, " + _DOWN, _IN_WORLD,
        color_share_falls,
    ),
    Claim(
        "indexes.color-deep", "4", "section 4.2, figure 8",
        "About a quarter of the units of deep layers are still selective for a colour.",
        "between 15% and 35% of the high layers' units, with the whole interval", _IN_WORLD,
        color_in_deep,
    ),
    Claim(
        "indexes.grey-gratings", "4", "section 4.2, figure 5",
        "In the first layer only grey units are selective for spatial frequency.",
        "less than a fifth of its gratings are colour-selective, with the whole interval",
        "the other features",
        fine_ones_are_grey,
    ),
    Claim(
        "indexes.four-axes", "4", "section 4.2, figure 5",
        "Units of the first layer lie on four axes: black-white, blue-yellow, orange-cyan and cyan-magenta.",
        "more than half of the colour-selective ones lie within 15 degrees of a chromatic one, with the "
        "whole interval, and each axis has one",
        "hues spread evenly",
        four_axes,
        changed="that each axis has a unit was first asked only where the rest held",
    ),
    Claim(
        "indexes.hues-agree", "4", "section 4.2, figure 7",
        "Units prefer the hues that the images have.",
        "the two distributions share more than after 95% of all rotations; fails if less than on average",
        "rotated hues",
        hues_agree,
        changed="hues that agree no better than rotated ones were first taken to fail, not to be undecided",
    ),
    Claim(
        "indexes.error-top1", "4", "section 4.2",
        "Without colour the network errs considerably more: 51% instead of 28% with its first guess.",
        "the error rises by more than ten percentage points, with the whole interval",
        _ANY_COLOUR,
        lambda study: grey_errors(study, 1),
        changed="the control was first that colour does not matter",
    ),
    Claim(
        "indexes.error-top5", "4", "section 4.2",
        "Without colour the network errs considerably more: 26% instead of 10% with its first five guesses.",
        "the error rises by more than five percentage points, with the whole interval",
        _ANY_COLOUR,
        lambda study: grey_errors(study, 5),
        changed="the control was first that colour does not matter",
    ),
    Claim(
        "indexes.class-rises", "4", "sections 4.3 and 5, figure 9",
        "Selectivity for a class rises with depth.",
        "class index, " + _UP, _BEFORE,
        class_rises,
    ),
    Claim(
        "indexes.class-not-first", "4", "section 4.3, figure 9",
        "There is no selectivity for a class in shallow layers.",
        "less than a tenth of the first layer's units exceed 0.6, with the whole interval", _BEFORE,
        lambda study: class_share(study, "first", CLASS_SELECTIVE, 0.1, more=False),
    ),
    Claim(
        "indexes.class-last", "4", "section 4.3, figure 9",
        "More than half of the last layer's units have a class index above 0.6.",
        "more than half, with the whole interval", _BEFORE,
        lambda study: class_share(study, "last", CLASS_SELECTIVE, 0.5, more=True),
    ),
    Claim(
        "indexes.class-last-high", "4", "section 4.3, figure 9",
        "A fifth of the last layer's units have a class index above 0.8.",
        "more than a tenth, with the whole interval", _BEFORE,
        lambda study: class_share(study, "last", HIGHLY_SELECTIVE, 0.1, more=True),
    ),
    Claim(
        "indexes.class-early", "4", "section 1",
        "Units are highly selective for a class long before the fully connected layers.",
        "in the first half of the layers more than one unit in a hundred exceeds 0.8, with the whole "
        "interval",
        _BEFORE,
        lambda study: class_share(study, "early", HIGHLY_SELECTIVE, 0.01, more=True),
    ),
    Claim(
        "indexes.both", "4", "section 4.3, figure 11",
        "There are units selective for a colour and for a class.",
        "more than one in a hundred, with the whole interval", "the two independent in each layer",
        both,
    ),
)
# fmt: on
