"""Where in a network the units selective for a category are: from units to layers.

    units = category_units(record, {"face": of_class, ...})   one row a unit and category
    proportions(units)                                        layers x categories (paper 2, figure 1)
    recommend(units, "face")                                  the layers, best first
    best_unit_auc(responses, member)                          chosen on one half, reported on the other

A unit counts as selective for a category if its `contrast` is above a threshold, 0.01 in the paper. How many
would be by luck, with the labels shuffled, stands beside each number (`luck`).

Source: Malakhova, "Representation of categories in filters of deep neural networks", section 2. It names
no control; these are ours.
"""

import math

import numpy as np
import pandas as pd
import torch

from helpers.selectivity.category import category_auc, category_aucs, category_indexes

THRESHOLD = 0.01  # the paper's, section 2.2
N_BEST = 32  # filters that a layer is judged by; a narrower layer by all of its
COLUMNS = (
    "layer",
    "unit",
    "category",
    "share",
    "share_chance",
    "balanced",
    "contrast",
    "luck",
    "auc",
)


def category_units(record, categories: dict, statistic: str = "max") -> pd.DataFrame:
    """How selective every unit of a record is for each category, one row a unit and category.

    categories: {name: of_category (C,) bool}, each held against all other images of the record.
    Columns: share with its chance (equation 2), balanced, contrast (scaled over the layer), `luck`, the
    standard deviation of the contrast if labels are shuffled, and `auc`, over single images. The last two
    are nan where the record keeps no responses.
    """
    classes = torch.from_numpy(record.classes)
    recorded = torch.from_numpy(record.recorded)
    members = torch.stack([of_category[classes] for of_category in categories.values()])
    parts = []
    for name in record.layers:
        layer = record[name]
        responses = _responses(layer, statistic, recorded)
        aucs = None if responses is None else category_aucs(responses, members[:, recorded]).numpy()
        for row, (category, of_category) in enumerate(categories.items()):
            table = category_indexes(layer, of_category, statistic).drop(columns="index")
            table["luck"] = (
                np.nan if responses is None else _luck(layer, responses, of_category, statistic)
            )
            table["auc"] = np.nan if aucs is None else aucs[row]
            table.insert(0, "category", category)
            table.insert(0, "unit", range(layer.n_units))
            table.insert(0, "layer", name)
            parts.append(table)
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def proportions(
    units: pd.DataFrame, threshold: float = THRESHOLD, by: str = "layer"
) -> pd.DataFrame:
    """Proportion of units above the threshold, layers x categories; figure 1 of paper 2.

    by: the column to group by, such as a `stage` that you added. Units of a layer that answers all images
    alike have no contrast and are not selective.
    """
    selective = units["contrast"] > threshold
    return _by_layer(units, selective, by)


def proportions_by_luck(
    units: pd.DataFrame, threshold: float = THRESHOLD, by: str = "layer"
) -> pd.DataFrame:
    """`proportions` expected if labels are shuffled; nan where the record keeps no responses.

    Over all shuffles a contrast has mean zero and the standard deviation `luck`; with dozens of images it
    is close to normal.
    """
    # A constant unit has no luck and never passes.
    z = threshold / torch.from_numpy(units["luck"].to_numpy(dtype=float, copy=True))
    chance = torch.special.ndtr(-z).numpy()
    return _by_layer(units, pd.Series(chance, index=units.index), by)


def recommend(units: pd.DataFrame, category: str, n_best: int = N_BEST) -> pd.DataFrame:
    """The layers for a category, best first: how many selective filters, how strong.

    Columns: layer, units, selective (number above the paper's threshold), expected by luck, `strength`, the
    mean contrast of the n_best most selective filters, by which layers are sorted, and the largest auc, which
    is too large: the images that choose the unit judge it (`best_unit_auc` keeps them apart).
    """
    rows = units[units["category"] == category]
    lucky = proportions_by_luck(rows)[category]
    table = []
    for layer, of_layer in rows.groupby("layer", sort=False):
        table.append(
            {
                "layer": layer,
                "units": len(of_layer),
                "selective": int((of_layer["contrast"] > THRESHOLD).sum()),
                "by luck": lucky[layer] * len(of_layer),
                "strength": of_layer["contrast"].nlargest(n_best).mean(),
                "best auc": of_layer["auc"].max(),
            }
        )
    return pd.DataFrame(table).sort_values("strength", ascending=False, ignore_index=True)


def best_unit_auc(responses, member, n_splits: int = 5, seed: int = 0) -> np.ndarray:
    """(2 * n_splits, 2): AUC of a layer's best unit, on the images that choose it and on the others.

    responses (N, U), member (N,) bool. Images are split into halves, category and rest each for itself;
    the unit with the largest AUC on one half is judged on the other, and the other way round. The best of a
    thousand units looks good by luck on the images that chose it. The same seed gives every layer the same
    halves.
    """
    random = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(n_splits):
        first = torch.zeros_like(member)
        for kind in (member.nonzero()[:, 0], (~member).nonzero()[:, 0]):
            drawn = kind[torch.randperm(len(kind), generator=random)]
            first[drawn[: len(drawn) // 2]] = True
        aucs = [category_auc(responses[half], member[half]) for half in (first, ~first)]
        for choosing, judging in (aucs, aucs[::-1]):
            best = choosing.argmax()
            found.append((choosing[best].item(), judging[best].item()))
    return np.array(found)


def stages(layers) -> dict[str, str]:
    """Which stage each layer belongs to, {layer: stage}: its name up to the first point.

    A block of GoogLeNet is one stage. Where that leaves fewer than four, every layer is a stage.
    """
    names = {layer: layer.split(".")[0].removeprefix("inception_") for layer in layers}
    return names if len(set(names.values())) >= 4 else {layer: layer for layer in layers}


def _responses(layer, statistic, recorded):
    """(N, U) of the recorded images, or None where the record does not keep them."""
    if statistic == "relu" and "max" in layer.responses:
        return layer.responses["max"][recorded].clamp(min=0)
    return layer.responses[statistic][recorded] if statistic in layer.responses else None


def _luck(layer, responses, of_category, statistic):
    """Standard deviation of each unit's contrast over all shuffles of the labels, (U,)."""
    low, high = layer.extremes(statistic)
    n_images, n_category = len(responses), int(layer.counts[of_category].sum())
    spread = responses.double().std(0) / (high.max() - low.min())
    return (spread * math.sqrt(1 / n_category + 1 / (n_images - n_category))).numpy()


def _by_layer(units, values, by):
    means = values.groupby([units[by], units["category"]], sort=False).mean().unstack()
    return means.loc[units[by].unique(), units["category"].unique()]
