"""Records with planted responses: every list and sum by brute force, so that the truth is known."""

import numpy as np
import torch

from helpers.errors import SelectivityError
from helpers.record.receptive_field import LayerGeometry, ReceptiveField
from helpers.record.store import NEAR_ZERO, STATISTICS, LayerRecord, Record
from helpers.record.toplist import RankedList
from helpers.study import Study


def planted_layer(name: str, responses: dict, classes, n_classes: int, k: int) -> LayerRecord:
    """A layer whose max, min and mean responses, (N, U) each, are the given ones."""
    responses = {s: torch.as_tensor(r).float() for s, r in responses.items()}
    responses["relu"] = responses["max"].clamp(min=0)
    units = responses["max"].shape[1]

    def ranked(statistic, sign, n):
        values = responses[statistic].T
        key = -values.abs() if sign == 0 else sign * values
        images = key.sort(dim=1, descending=True, stable=True).indices[:, :n]
        return RankedList(values.gather(1, images), images, torch.zeros(units, n, 2).long())

    by_class = torch.nn.functional.one_hot(torch.as_tensor(classes), n_classes).double()
    sums = {s: responses[s].double().T @ by_class for s in STATISTICS}
    low, high = ({}, {})
    for s in STATISTICS:
        parts = [responses[s][torch.as_tensor(classes) == c] for c in range(n_classes)]
        low[s] = torch.stack(
            [p.amin(0) if len(p) else torch.full((units,), torch.inf) for p in parts], 1
        )
        high[s] = torch.stack(
            [p.amax(0) if len(p) else torch.full((units,), -torch.inf) for p in parts], 1
        )
    size = (1, 1) if name == "fc" else (4, 4)
    geometry = LayerGeometry(units, size, ReceptiveField((5, 5), (4, 4), (0, 0)))
    return LayerRecord(
        name, geometry, ranked("max", 1, k), ranked("min", -1, k), ranked("mean", 1, k),
        ranked("mean", -1, k), ranked("mean", 0, NEAR_ZERO), sums, low, high,
        by_class.sum(0).long(), {s: responses[s] for s in ("max", "min", "mean")},
    )  # fmt: skip


def planted_study(layers: dict, classes, class_names, name: str = "planted", k: int = 100) -> Study:
    """A study without network or images whose record holds the given layers."""
    classes = np.asarray(classes)
    made = {n: planted_layer(n, r, classes, len(class_names), k) for n, r in layers.items()}
    metadata = {
        "network": {"name": "planted", "weights": "planted", "preprocessing": "none"},
        "images": {"name": "planted", "class_names": list(class_names), "digest": "planted"},
        "k": k, "skipped": [], "software": {},
    }  # fmt: skip
    names = [f"{class_names[c]}/{i}" for i, c in enumerate(classes)]
    record = Record(metadata, made, names, classes, np.ones(len(classes), dtype=bool))

    def nothing():
        raise SelectivityError("a planted study has numbers only")

    return Study(name, record, nothing, nothing)
