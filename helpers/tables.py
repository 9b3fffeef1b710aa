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
