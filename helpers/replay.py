"""What a recorded network answers when its own winners come back changed: in grey, or as one feature.

    responses_in_grey(record, network, images)              {layer: (U, k)}, beside the record's lists
    responses_to_features(record, network, layer, units, pictures)   (U,), each unit to its own feature
    right_in_grey(network, images, wanted)                  (n, 4): is it right, in colour and in grey?

A response is read where the record found the strongest one, or where the picture was pasted.
"""

from collections.abc import Callable

import numpy as np
import torch
from tqdm.auto import tqdm

from helpers.optimise import as_input
from helpers.record.images import batches
from helpers.record.patches import as_shown
from helpers.record.receptive_field import as_positions
from helpers.record.recorder import moved, usable_device
from helpers.record.taps import listening
from helpers.selectivity.feature import MOST_CROPS, feature_weights

RIGHT = ("top1 colour", "top5 colour", "top1 grey", "top5 grey")


def in_grey(network) -> Callable[[torch.Tensor], torch.Tensor]:
    """What takes the colour out of images as the network takes them, (B, 3, H, W): their channels' mean."""
    show, take = as_shown(network.preprocess), as_input(network)
    return lambda batch: take(show(batch).mean(1, keepdim=True).expand(-1, 3, -1, -1))


@torch.inference_mode()
def responses_in_grey(
    record, network, images, k: int = MOST_CROPS, batch_size: int = 32, device="auto", progress=True
) -> dict[str, torch.Tensor]:
    """Responses to the crops of each unit's neuron feature without their colours, {layer: (U, k)}.

    Each image on the lists is shown once more, its channels replaced by their mean, and each unit is
    read at the position of its strongest response. nan where an image is no part of the feature.
    Beside `record[layer].top.values` it gives `selectivity.color.grey_response`.
    """
    record.check(network, images)
    asked, found = {}, {}
    for name in record.layers:
        top = record[name].top.first(k)
        unit, rank = (feature_weights(top.values) > 0).nonzero().T
        image = top.images[unit, rank]
        order = image.argsort(stable=True)
        asked[name] = image[order], unit[order], rank[order], top.positions
        found[name] = torch.full(top.values.shape, torch.nan)
    numbers = torch.cat([image for image, *_ in asked.values()]).unique().tolist()
    grey = in_grey(network)
    device = usable_device(device)
    read = torch.empty(0, dtype=torch.int64)

    def receive(name, values):
        image, unit, rank, positions = asked[name]
        first, last = torch.searchsorted(image, read[[0, -1]] + torch.tensor([0, 1])).tolist()
        if first == last:
            return
        row = torch.searchsorted(read, image[first:last])
        here = row.clamp(max=len(read) - 1)
        there = read[here] == image[first:last]  # else it could not be read
        unit, rank = unit[first:last][there], rank[first:last][there]
        y, x = positions[unit, rank].T
        found[name][unit, rank] = as_positions(values)[here[there], y, x, unit].cpu()

    bar = tqdm(total=len(numbers), unit="image", desc="in grey", disable=not progress)
    taps = {name: network.taps[name] for name in record.layers}
    with bar, moved(network.module, device) as module, listening(module, taps, receive):
        for read, batch, unreadable in batches(
            images, network.preprocess, numbers, batch_size, device=device
        ):
            if len(read):
                module(grey(batch))
            bar.update(len(read) + len(unreadable))
    return found


@torch.inference_mode()
def responses_to_features(
    record, network, layer: str, units, pictures: torch.Tensor, batch_size: int = 32, device="auto"
) -> torch.Tensor:
    """The response of each of some units of a layer to its own neuron feature, (U,); paper 4, figure 4.

    units (U,): their numbers; pictures (U, 3, H, W): their features. Each is pasted into an input of zeros,
    the mean colour, at the receptive field of the unit in the middle of the map, which is read.
    """
    geometry, take = record[layer].geometry, as_input(network)
    units = torch.as_tensor(units)
    y, x = (side // 2 for side in geometry.map_size)
    top, left, bottom, right = geometry.field.box(y, x)
    height, width = network.input_size
    rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    inside = pictures[
        :, :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    device, found = usable_device(device), []

    def receive(_, values):
        row = torch.arange(len(values))
        found.append(as_positions(values)[row, y, x, units[start + row]].cpu())

    taps = {layer: network.taps[layer]}
    with moved(network.module, device) as module, listening(module, taps, receive):
        for start in range(0, len(pictures), batch_size):
            some = inside[start : start + batch_size]
            canvas = torch.zeros(len(some), 3, height, width)
            canvas[:, :, rows, columns] = take(some)
            module(canvas.to(device, memory_format=torch.channels_last))
    return torch.cat(found)


@torch.inference_mode()
def right_in_grey(
    network, images, wanted, batch_size: int = 32, device="auto", progress=True
) -> torch.Tensor:
    """Whether a network is right on each image, in colour and in grey: `RIGHT`, (n, 4) bool.

    wanted (N,): of each image the number of its class in the network's output; images with a number below
    0 are left out, n are the others in their order. Grey is the mean of the three channels. An image that
    could not be read counts as wrong. The experiment of paper 4, section 4.2.
    """
    wanted = np.asarray(wanted)
    if len(wanted) != len(images):
        raise ValueError(f"{len(wanted)} answers for {len(images)} images")
    shown = np.flatnonzero(wanted >= 0)
    take = in_grey(network)
    device = usable_device(device)
    right = torch.zeros(len(images), len(RIGHT), dtype=torch.bool)
    bar = tqdm(total=len(shown), unit="image", desc="in grey", disable=not progress)
    with bar, moved(network.module, device) as module:
        for read, batch, unreadable in batches(
            images, network.preprocess, shown, batch_size, device=device
        ):
            bar.update(len(read) + len(unreadable))
            if not len(read):
                continue
            grey = take(batch)
            answers = torch.from_numpy(wanted[read.numpy()])[:, None]
            for column, inputs in ((0, batch), (2, grey)):
                inputs = inputs.contiguous(memory_format=torch.channels_last)
                scores = module(inputs).float().cpu()
                hits = scores.topk(min(5, scores.shape[1])).indices == answers
                right[read, column] = hits[:, 0]
                right[read, column + 1] = hits.any(1)
    return right[shown]
