"""Paper 2's index as its author's published code computes it, which is not what the paper prints.

    code_units(study)             how selective every unit with a map is for each of the four categories
    untrained_code_units(study)   the same before training

The code averages over the map after the ReLU, where the text takes the map's maximum. No record keeps that
mean, so it takes network and images; of GoogLeNet the numbers ship as a table.
"""

from functools import cache

import pandas as pd
import torch

from helpers import study as studies
from helpers.claims.claim import CannotTest, has_pictures
from helpers.claims.faces import FOUR, faces_study
from helpers.record.images import batches
from helpers.record.recorder import moved, usable_device
from helpers.record.taps import listening
from helpers.selectivity.category import contrast_of_maps
from helpers.selectivity.profile import stages
from helpers.tables import table_of

_TABLE = "googlenet-faces-code"


@cache
def code_units(study) -> pd.DataFrame:
    """One row a unit and category: layer, stage, unit, category, contrast (see `contrast_of_maps`)."""
    faces = faces_study(study)
    shipped = _shipped(faces, "trained")
    if shipped is not None:
        return _table(shipped)
    if not has_pictures(faces):
        raise CannotTest("the author's code averages over whole maps: it takes network and images")
    found = contrasts_of_maps(faces.network, faces.images.select(FOUR), faces.record.layers)
    if not found:
        raise CannotTest("the record holds no layers whose units have a map")
    return _table(found)


@cache
def untrained_code_units(study) -> pd.DataFrame:
    """`code_units` of the same architecture before training."""
    faces = faces_study(study)
    twin = studies.untrained_of(faces)
    if twin is not None:
        return code_units(twin)
    shipped = _shipped(faces, "untrained")
    if shipped is None:
        raise CannotTest("there is no untrained twin of this network on the same images")
    return _table(shipped)


@torch.inference_mode()
def contrasts_of_maps(network, images, layers, device="auto") -> dict[str, torch.Tensor]:
    """{layer: (C, U)} `contrast_of_maps` of each class of the images against the others; layers with maps."""
    taps = {name: network.taps[name] for name in layers if len(network.taps[name].shape) == 3}
    if not taps:
        return {}
    means, largest, shown = {name: [] for name in taps}, dict.fromkeys(taps, 0.0), []

    def receive(name, values):
        after = values.float().clamp(min=0)
        means[name].append(after.mean((2, 3)).cpu())
        largest[name] = max(largest[name], after.max().item())

    device = usable_device(device)
    with moved(network.module, device) as module, listening(module, taps, receive):
        for read, batch, _ in batches(
            images, network.preprocess, range(len(images)), 32, device=device
        ):
            if len(read):
                module(batch.contiguous(memory_format=torch.channels_last))
                shown.append(torch.as_tensor(read))
    classes = torch.from_numpy(images.classes)[torch.cat(shown)]
    members = torch.nn.functional.one_hot(classes, len(images.class_names)).T.bool()
    return {name: contrast_of_maps(torch.cat(means[name]), largest[name], members) for name in taps}


def _shipped(faces, when):
    """{layer: (4, U)} from the table, or None for other images or another network."""
    found = table_of(faces, _TABLE)
    return found and {name: found[1][f"{when}/{name}"] for name in found[0]["layers"]}


def _table(contrasts):
    stage = stages(list(contrasts))
    parts = [
        pd.DataFrame(
            {"layer": name, "stage": stage[name], "unit": range(values.shape[1])}
            | {"category": category, "contrast": values[row].double().numpy()}
        )
        for name, values in contrasts.items()
        for row, category in enumerate(FOUR)
    ]
    return pd.concat(parts, ignore_index=True)
