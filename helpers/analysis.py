"""Does a network have detectors for my categories, and in which layer? One call on a folder of images.

    analysis = analyse_categories("my_images", network="googlenet")     # one folder a category
    analysis.figure()                  proportion of selective units, layer by layer (paper 2, figure 1)
    analysis.recommend("cat")          the layers, best first
    analysis.best("cat")               the most selective units
    analysis.study                     network, images and record, for everything else in this package

Source: Malakhova, "Representation of categories in filters of deep neural networks", sections 2 and 3.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.categories import classes_of, one_each
from helpers.errors import SelectivityError
from helpers.figures.profiles import layer_profiles
from helpers.record import FolderImages, load_network, record
from helpers.selectivity.profile import (
    THRESHOLD,
    category_units,
    proportions,
    proportions_by_luck,
    recommend,
    stages,
)
from helpers.study import Study

FEWEST_IMAGES = 10  # of a category; with so few a third of all units may pass the threshold by luck
MOST_DRAWN = 5  # categories in one figure, beside the line for luck


@dataclass(frozen=True)
class CategoryAnalysis:
    """How selective the units of a network are for each of some categories; made by `analyse_categories`.

    units: one row a unit and category, see `selectivity.profile.category_units`; categories: their names.
    """

    study: Study
    units: pd.DataFrame
    categories: tuple[str, ...]

    def profile(self, threshold: float = THRESHOLD, by: str = "stage") -> pd.DataFrame:
        """Proportion of selective units, layers x categories; by: "stage" of the network, or "layer"."""
        return proportions(self.units, threshold, _row(by))

    def luck(self, threshold: float = THRESHOLD, by: str = "stage") -> pd.DataFrame:
        """The same expected with shuffled labels."""
        return proportions_by_luck(self.units, threshold, _row(by))

    def recommend(self, category: str) -> pd.DataFrame:
        """The layers for a category, best first; see `selectivity.profile.recommend`."""
        return recommend(self.units, self._known(category))

    def best(self, category: str, n: int = 10, per_layer: int | None = None) -> pd.DataFrame:
        """The n units with the largest contrast for a category, at most per_layer of a layer.

        The last layer's units are the network's outputs and left out.
        """
        last = self.study.record.layers[-1]
        mine = self.units[self.units["category"] == self._known(category)]
        mine = mine[mine["layer"] != last].sort_values("contrast", ascending=False, kind="stable")
        if per_layer is not None:
            mine = mine.groupby("layer", sort=False).head(per_layer)
        return mine.head(n).reset_index(drop=True)

    def figure(self, categories=None, threshold: float = THRESHOLD):
        """Proportion of selective units stage by stage, and what shuffled labels give on average.

        categories: up to five names; by default the first five. In a script, `.savefig("profile.png")`.
        """
        chosen = list(self.categories[:MOST_DRAWN] if categories is None else categories)
        if len(chosen) > MOST_DRAWN:
            raise SelectivityError(f"a figure holds {MOST_DRAWN} categories, not {len(chosen)}")
        table = self.profile(threshold)[[self._known(name) for name in chosen]]
        table["labels shuffled"] = self.luck(threshold)[chosen].mean(axis=1)
        lines = {
            name: {stage: (value, np.nan, np.nan) for stage, value in column.items()}
            for name, column in table.items()
        }
        return layer_profiles(lines, measure=f"units with a contrast above {threshold:g}")

    def _known(self, category):
        if category not in self.categories:
            raise SelectivityError(
                f"there is no category {category!r}; there are {', '.join(self.categories)}"
            )
        return category


def analyse_categories(images, network="googlenet", *, batch_size: int = 32, progress: bool = True):
    """A `CategoryAnalysis` of a network on a folder of images with one folder a category.

    images: the folder, an `ImageSet`, or a `Study` that is recorded already (then `network` is not used);
    network: a name or a loaded network. Each category is held against all other images. Categories need not
    be of one size: contrast and auc do not depend on it, the printed share does. SelectivityError for fewer
    than two categories, or for one with fewer than ten readable images.
    """
    if isinstance(images, Study):
        study = images
    else:
        images = FolderImages(images) if isinstance(images, str | Path) else images
        # Before an hour of recording, not after it.
        counts = np.bincount(images.classes, minlength=len(images.class_names))
        _check_sizes(images.name, images.class_names, counts)
        study = _recorded(images, network, batch_size, progress)
    names = study.record.class_names
    _check_sizes(study.name, names, study.record.counts.tolist())
    units = category_units(study.record, one_each(names))
    units["stage"] = units["layer"].map(stages(study.record.layers))
    return CategoryAnalysis(study, units, tuple(names))


def recommend_layers(record, category) -> pd.DataFrame:
    """The layers of a record for a category, best first: how many selective filters, how strong.

    category: a name of the table of categories, such as "dog", or a list of class names of the record. See
    `selectivity.profile.recommend` for the columns.
    """
    of_category = classes_of(category, record.class_names)
    return recommend(category_units(record, {"it": of_category}), "it")


def _row(by):
    if by not in ("stage", "layer"):
        raise SelectivityError(f"a profile goes by 'stage' or by 'layer', not by {by!r}")
    return by


def _check_sizes(where, names, counts):
    if len(names) < 2:
        raise SelectivityError(
            f"{where} holds one category, {names[0]}: a second one is needed to compare with"
        )
    for name, count in zip(names, counts, strict=True):
        if count < FEWEST_IMAGES:
            raise SelectivityError(
                f"{where}: the category {name} has {count} readable images; give it {FEWEST_IMAGES} or "
                "more, or leave it out"
            )


def _recorded(images, network, batch_size, progress):
    network = load_network(network) if isinstance(network, str) else network
    recorded = record(network, images, responses=("max",), batch_size=batch_size, progress=progress)
    return Study(images.name, recorded, lambda: network, lambda: images)
