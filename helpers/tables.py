"""Tables that ship with the book: results of experiments too long for a reader to repeat."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from helpers.errors import SelectivityError
from helpers.paths import data_path
from helpers.record.store import read_tensors

FORMAT = "neuron-selectivity table 1"


def load_table(name: str) -> tuple[dict, dict]:
    """(metadata, {name: tensor}) of data/tables/NAME.safetensors; `data/README.md` says what is in it."""
    path = data_path("tables", f"{name}.safetensors")
    if not path.is_file():
        raise SelectivityError(f"{path} is missing: the package lacks its data, install it again")
    return read_tensors(path, FORMAT)


def table_of(study, name: str) -> tuple[dict, dict] | None:
    """`load_table` if it was made of this study's network on its images, else None."""
    try:
        about, tables = load_table(name)
    except SelectivityError:
        return None
    recorded = study.record.metadata
    same = about["images"].get(study.name) == recorded["images"]["digest"]
    return (about, tables) if same and about["network"] == recorded["network"]["weights"] else None


@dataclass(frozen=True)
class Variants:
    """Units of the world's network trained in other ways: `units(variant, seed, layer)`.

    accuracy: {"variant/seed": share of the evaluation images classified rightly}; chance: the dogs'
    share of these images; limit: above it a list counts as above chance.
    """

    tables: dict[str, torch.Tensor]
    columns: list[str]
    accuracy: dict[str, float]
    chance: float
    limit: float

    def names(self) -> list[str]:
        return list(dict.fromkeys(key.split("/")[0] for key in self.tables))

    def seeds(self, variant: str) -> list[int]:
        return sorted(
            {int(key.split("/")[1]) for key in self.tables if key.startswith(variant + "/")}
        )

    def layers(self, variant: str) -> list[str]:
        of_first = f"{variant}/{self.seeds(variant)[0]}/"
        return sorted(k.removeprefix(of_first) for k in self.tables if k.startswith(of_first))

    def units(self, variant: str, seed: int, layer: str) -> pd.DataFrame:
        """One row a unit; the columns are explained in data/make/opponency_table.py."""
        return pd.DataFrame(self.tables[f"{variant}/{seed}/{layer}"].numpy(), columns=self.columns)

    def dogs_below(self, variant: str, seed: int, layer: str) -> np.ndarray:
        """Dogs among the lowest means of the units that have more dogs than chance among the largest."""
        units = self.units(variant, seed, layer)
        return units["bottom_mean"][units["top_mean"] > self.limit].to_numpy()


def open_variants() -> Variants:
    """The shipped table of what labels, loss, breeds and batch norm do to units of the world's network."""
    about, tables = load_table("world-opponency")
    return Variants(tables, about["columns"], about["accuracy"], about["chance"], about["limit"])


@dataclass(frozen=True)
class Probes:
    """Linear probes on selected, random and last-layer filters, task by task (`selectivity.probes`).

    tasks: one row a task: task, network, classes, images, chance, filters, last layer (its balanced accuracy
    in five folds) and hard (that is below 90 %); tables, about: as in the file.
    """

    tasks: pd.DataFrame
    tables: dict[str, torch.Tensor]
    about: dict

    def accuracies(self, size: int | None = None) -> pd.DataFrame:
        """Balanced accuracy, tasks x arms, with `size` training images a class, or in five folds (None)."""
        at = self.about["sizes"].index(size)
        rows = {t: self.tables[f"{t}/accuracy"][:, at, 0].tolist() for t in self.tasks.index}
        return pd.DataFrame(rows, self.about["arms"]).T

    def differences(self, arm: str, other: str, size: int | None = None) -> dict:
        """{task: (value, low, high)} of one arm's balanced accuracy minus another's, on the same splits."""
        at = self.about["sizes"].index(size)
        return {task: tuple(self._of(task, arm, other)[at].tolist()) for task in self.tasks.index}

    def mean_differences(self, arm: str, other: str, score: str = "contrast") -> pd.Series:
        """The difference of each task, averaged over the training sizes that it has images for.

        score: what chose the filters, "contrast" or "auc".
        """
        prefix = {"contrast": "", "auc": "auc/"}[score]
        of_tasks = [self._of(prefix + task, arm, other)[:, 0] for task in self.tasks.index]
        return pd.Series([one.nanmean().item() for one in of_tasks], self.tasks.index)

    def _of(self, key, arm, other):
        pair = self.about["differences"].index([arm, other])
        return self.tables[f"{key}/differences"][pair]


def open_probes() -> Probes:
    """The shipped table of linear probes on the world's networks and on GoogLeNet."""
    about, tables = load_table("category-probes")
    tasks = {
        key: {
            "task": task["name"],
            "network": task["study"],
            "classes": len(task["classes"]),
            "images": sum(task["counts"]),
            "chance": task["chance"],
            "filters": task["n_filters"],
            "last layer": task["last_layer"],
            "hard": task["hard"],
        }
        for key, task in about["tasks"].items()
    }
    return Probes(pd.DataFrame(tasks).T.infer_objects(), tables, about)
