"""Measure every unit of the variants of the world's network; write data/tables/world-opponency.safetensors.

    python -m data.make.opponency_table

Needs the networks of `train_variants` in build/world/variants. Those that are not there yet are left
out and named; those in the table are only measured again if they are newer than it. One tensor
VARIANT/SEED/LAYER a layer, (units, columns), columns in `COLUMNS`; the shipped networks, trained
three times as long, are there as VARIANT-long. About fifteen seconds a network.
"""

import json

import torch
from safetensors import safe_open

from helpers import open_study
from helpers.categories import classes_of
from helpers.paths import data_path
from helpers.record import WorldImages, load_network, record
from helpers.record.store import write_tensors
from helpers.selectivity.category import category_auc, category_share
from helpers.selectivity.nuisance import propensity, residual
from helpers.selectivity.opponency import (
    PART,
    above_chance,
    class_inversions,
    expected_by_looks,
    first_share,
    list_length,
    listed_share,
)
from helpers.tables import FORMAT, load_table

from .make_world import WORLD
from .train_variants import SEEDS, VARIANTS, network_file
from .train_world import NETWORKS

COLUMNS = (
    "share",  # of dogs, as printed, by max
    "top_max",  # dogs among the strongest PART of images
    "bottom_min",
    "top_mean",
    "bottom_mean",
    "bottom_min_expected",  # if only colour, contrast and edges decided
    "top_residual",  # of mean responses after colour, contrast and edges are regressed out
    "bottom_residual",
    "favourite",  # class with the largest mean response
    "above_other_breeds",  # of (other breed, other class) pairs, those the other class wins, by mean
    "twin_auc",  # of a favourite breed's colour twin against the classes that are no dogs, by mean
    "other_breeds_auc",  # of the ten breeds that are neither
)
LONG = {
    "fine-long": ("worldnet-fine", "worldnet-fine-s1"),
    "dogs-merged-long": ("worldnet-dogs-merged", "worldnet-dogs-merged-s1"),
    "coarse-long": ("worldnet-coarse", "worldnet-coarse-s1"),
    "vgg-fine-long": ("worldnet-vgg-fine",),
}


def twins(images) -> dict[int, int]:
    """Class number of each breed -> that of the breed of the same colour."""
    ontology = json.loads((WORLD / "world.json").read_text())["ontology"]
    number = {name: i for i, name in enumerate(images.class_names)}
    return {
        number[name]: number[leaf["pair"]] for name, leaf in ontology.items() if leaf.get("pair")
    }


def measure(layer, images, of_category, member, statistics, looks_like, twin) -> torch.Tensor:
    """(U, columns) of one layer's record."""
    n, mean = len(member), layer.responses["mean"]
    top, bottom = first_share(layer, "max / min", n, PART)
    mean_top, mean_bottom = first_share(layer, "mean / mean", n, PART)
    order = residual(mean, statistics).sort(dim=0, descending=True, stable=True).indices.T
    k = list_length(n, PART)
    means = layer.means["mean"]
    favourite = means.argmax(1)
    classes = torch.from_numpy(images.classes)
    above, twin_auc, others_auc = [], [], []
    for unit, best in enumerate(favourite.tolist()):
        others = of_category.clone()
        others[best] = False
        # Without the favourite; the classes that are no dogs stay.
        kept = others | ~of_category
        above.append(class_inversions(means[unit : unit + 1, kept], others[kept]).mean())
        if best not in twin:
            twin_auc.append(torch.tensor(torch.nan)), others_auc.append(torch.tensor(torch.nan))
            continue
        response = mean[:, unit : unit + 1]
        is_twin = classes == twin[best]
        is_other = member & ~is_twin & (classes != best)
        for found, chosen in ((twin_auc, is_twin), (others_auc, is_other)):
            asked = chosen | ~member
            found.append(category_auc(response[asked], chosen[asked])[0])
    return torch.stack(
        [
            category_share(layer.responses["max"], member),
            listed_share(top, member),
            listed_share(bottom, member),
            listed_share(mean_top, member),
            listed_share(mean_bottom, member),
            expected_by_looks(bottom, looks_like),
            listed_share(order[:, :k], member),
            listed_share(order[:, -k:], member),
            favourite.double(),
            torch.stack(above),
            torch.stack(twin_auc).double(),
            torch.stack(others_auc).double(),
        ],
        1,
    ).float()


def main():
    images = WorldImages("eval")
    of_category = classes_of("dog", images.class_names)
    member = of_category[images.classes]
    files = {
        f"{variant}/{seed}": network_file(variant, seed) for variant in VARIANTS for seed in SEEDS
    }
    for variant, names in LONG.items():
        files |= {
            f"{variant}/{i}": NETWORKS / f"{name}.safetensors" for i, name in enumerate(names)
        }
    statistics = open_study("world").image_statistics
    looks_like = propensity(statistics, member)
    chance = member.double().mean().item()
    target = data_path("tables", "world-opponency.safetensors")
    about, tensors = load_table(target.stem) if target.exists() else ({"accuracy": {}}, {})
    accuracy, finished = about["accuracy"], target.stat().st_mtime if target.exists() else 0
    for name, path in files.items():
        if not path.exists():
            print(f"{name}: {path} is not there, left out")
            continue
        if name in accuracy and path.stat().st_mtime < finished:
            continue
        network = load_network("worldnet-variant", path)
        recorded = record(
            network, images, batch_size=128, responses=("max", "mean"), progress=False
        )
        for layer in recorded.layers:
            tensors[f"{name}/{layer}"] = measure(
                recorded[layer], images, of_category, member, statistics, looks_like, twins(images)
            )
        accuracy[name] = _accuracy(path)
        about = {
            "format": FORMAT,
            "columns": list(COLUMNS),
            "accuracy": accuracy,
            "part": PART,
            "chance": chance,
            "limit": above_chance(chance, list_length(len(images), PART)),
            "made_by": "data/make/opponency_table.py",
        }
        write_tensors(target, tensors, about)
        print(f"{name}: {accuracy[name]:.3f}", flush=True)


def _accuracy(path) -> float:
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["accuracy"])


if __name__ == "__main__":
    main()
