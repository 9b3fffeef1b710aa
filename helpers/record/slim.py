"""A record small enough to ship: fewer columns, half precision, small integers.

    slim(record, k=190, k_mean=100, positions=100) -> the tensors that `write_slim` stores
    Record.load(path) reads slim and full records alike

What is lost: list values and class means keep three significant digits (float16), per-class extremes
are reduced to the extremes over all images, and lists are shorter. Ranks, image numbers and places are
exact. Class *means* are stored, not sums: sums of large classes overflow float16. Where the responses to
single images are kept, in 8 bits, sums and extremes of each class follow from them.
"""

import json

import numpy as np
import torch

from helpers.errors import SelectivityError
from helpers.record.store import (
    FORMAT,
    LISTS,
    STATISTICS,
    WITH_POSITIONS,
    _geometry_dict,
    _text,
    write_tensors,
)


def write_slim(record, path, k: int, k_mean: int, positions: int, responses=(), means=STATISTICS):
    """Write a slim record.

    k: length of the lists with positions; k_mean: of the lists by the mean; positions: places kept
    per list; responses: statistics whose single responses are kept, 8 bits of each unit's range;
    means: statistics whose class means are kept.
    """
    tensors = {
        "images/names": _text(json.dumps(record.names)),
        "images/classes": torch.from_numpy(record.classes.astype(np.int32)),
        "images/recorded": torch.from_numpy(record.recorded.astype(np.uint8)),
    }
    small = torch.uint16 if len(record.names) < 2**16 - 1 else torch.int32
    for name in record.layers:
        layer = record[name]
        for which in LISTS:
            kept = getattr(layer, which).first(k if which in WITH_POSITIONS else k_mean)
            tensors[f"{name}/{which}.values"] = kept.values.half()
            tensors[f"{name}/{which}.images"] = _shrink(kept.images, small)
            if kept.positions is not None and positions:
                tensors[f"{name}/{which}.positions"] = _shrink(
                    kept.positions[:, :positions], torch.uint8
                )
        for statistic in set(means) - set(responses):
            tensors[f"{name}/means.{statistic}"] = layer.means[statistic].half()
            tensors[f"{name}/extremes.{statistic}"] = torch.stack(layer.extremes(statistic), 1)
        for statistic in responses:
            tensors |= _eight_bits(f"{name}/responses.{statistic}", layer.responses[statistic])
    geometries = {name: _geometry_dict(record[name].geometry) for name in record.layers}
    precision = {"k_mean": k_mean, "positions": positions, "values": "float16",
                 "responses": "8 bits of each unit's range", "means": "float16"}  # fmt: skip
    metadata = {**record.metadata, "format": FORMAT, "layers": geometries, "slim": precision}
    metadata["layer_order"] = record.layers
    write_tensors(path, tensors, metadata | {"k": k})


def expand(tensors: dict, classes, recorded, counts: torch.Tensor) -> dict:
    """A slim record's tensors as a full record names them; a full record's pass unchanged."""
    expanded, labels = {}, torch.from_numpy(classes.astype(np.int64))
    for key, tensor in tensors.items():
        name, field = key.rsplit("/", 1)
        what, statistic = field.split(".", 1)
        if what == "means":
            # An empty class's mean is nan and its sum is zero.
            sums = tensor.double() * counts
            expanded[f"{name}/sums.{statistic}"] = sums.masked_fill(counts == 0, 0.0)
        elif what == "extremes":
            low, high = tensor[:, :1], tensor[:, 1:]
            expanded[f"{name}/minima.{statistic}"] = low
            expanded[f"{name}/maxima.{statistic}"] = high
        elif what == "responses" and tensor.dtype == torch.uint8:
            scale = tensors[f"{name}/scale.{statistic}"]
            values = scale[:, 0] + tensor.float() * ((scale[:, 1] - scale[:, 0]) / 255)
            values[~torch.from_numpy(recorded)] = torch.nan
            expanded[key] = values
            of_statistics = {statistic: values}
            if statistic == "max":
                of_statistics["relu"] = values.clamp(min=0)
            for one, its in of_statistics.items():
                for summed, total in _by_class(its[recorded], labels[recorded], counts).items():
                    expanded[f"{name}/{summed}.{one}"] = total
        elif what == "scale":
            continue
        elif statistic == "images" and tensor.dtype == torch.uint16:
            wide = tensor.to(torch.int32)
            expanded[key] = wide.masked_fill(wide == 2**16 - 1, -1)
        elif statistic == "values":
            expanded[key] = tensor.float()
        elif statistic == "positions" and tensor.dtype == torch.uint8:
            k = tensors[f"{name}/{what}.images"].shape[1]
            wide = tensor.to(torch.int32)
            wide = wide.masked_fill(wide == 2**8 - 1, -1)
            missing = (0, 0, 0, k - wide.shape[1])
            expanded[key] = torch.nn.functional.pad(wide, missing, value=-1)
        else:
            expanded[key] = tensor
    return expanded


def _by_class(responses, labels, counts):
    """Sums, minima and maxima (U, C) of responses (N, U) to images of labels (N,)."""
    units, columns = responses.shape[1], {"sums": [], "minima": [], "maxima": []}
    for number in range(len(counts)):
        part = responses[labels == number]
        columns["sums"].append(part.sum(0, dtype=torch.float64))
        for end, fold, empty in (
            ("minima", torch.amin, torch.inf),
            ("maxima", torch.amax, -torch.inf),
        ):
            columns[end].append(fold(part, 0) if len(part) else torch.full((units,), empty))
    return {what: torch.stack(values, 1) for what, values in columns.items()}


def _shrink(numbers, dtype):
    """Small unsigned integers; -1 becomes the largest."""
    limit = torch.iinfo(dtype).max
    if numbers.max() >= limit and dtype != torch.int32:
        raise SelectivityError(f"{int(numbers.max())} does not fit {dtype}")
    wrapped = torch.where(numbers < 0, limit, numbers) if dtype != torch.int32 else numbers
    return wrapped.to(dtype)


def _eight_bits(key, responses):
    low, high = responses.nan_to_num(torch.inf).amin(0), responses.nan_to_num(-torch.inf).amax(0)
    span = (high - low).clamp(min=torch.finfo(torch.float32).tiny)
    levels = ((responses.nan_to_num(0) - low) / span * 255).round().clamp(0, 255)
    name, statistic = key.rsplit(".", 1)
    scale = f"{name.rsplit('/', 1)[0]}/scale.{statistic}"
    return {key: levels.to(torch.uint8), scale: torch.stack([low, high], 1)}
