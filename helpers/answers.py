"""What one picture does to the units of a network: which it excites, which it inhibits, and by which part.

    inputs = prepared(network, picture)                    a PIL image as the network takes it; grey=True
    answers = responses_to(network, inputs)                {layer: Answers}
    excited, inhibited = most_driven(record["conv5"], answers["conv5"])
    occlusion(network, inputs, "conv5", 73)                what covering each place takes from a response

Responses are pre-activations, as in the record. A unit's response to the picture is held against the
largest (or most negative) that it gave to any recorded image.
"""

from typing import NamedTuple

import torch
from PIL import Image

from helpers.errors import SelectivityError
from helpers.record.receptive_field import as_positions
from helpers.record.taps import listening
from helpers.replay import in_grey

_BATCH = 32
_ACROSS = 14  # places of the cover along a side


class Answers(NamedTuple):
    """Responses to one picture: largest and smallest over the map (U,), and where it is largest (U, 2)."""

    largest: torch.Tensor
    smallest: torch.Tensor
    place: torch.Tensor


class Driven(NamedTuple):
    """Units, the most driven first (n,), and their share of the strongest in the record (n,)."""

    units: torch.Tensor
    shares: torch.Tensor


def prepared(network, picture: Image.Image, grey: bool = False) -> torch.Tensor:
    """A picture as the network takes it, (3, H, W); grey: channels are replaced by their mean."""
    inputs = network.preprocess(picture)
    return in_grey(network)(inputs[None])[0] if grey else inputs


@torch.inference_mode()
def responses_to(network, inputs: torch.Tensor, layers=None) -> dict[str, Answers]:
    """What one picture (3, H, W) drives in each layer, {layer: Answers}; all layers by default."""
    found, taps = {}, {name: network.taps[name] for name in layers or network.taps}

    def receive(name, values):
        of_units = as_positions(values)[0].movedim(-1, 0)  # (U, h, w)
        flat = of_units.flatten(1)
        largest, at = flat.max(1)
        width = of_units.shape[-1]
        place = torch.stack([at // width, at % width], 1)
        found[name] = Answers(largest.clone(), flat.amin(1), place)

    with listening(network.module, taps, receive):
        network.module(inputs[None].contiguous(memory_format=torch.channels_last))
    return found


def most_driven(layer, answers: Answers, n: int = 6) -> tuple[Driven, Driven]:
    """The n units of a layer that a picture excites most, and the n that it inhibits most.

    layer: of the record. Excitation is the largest response over the unit's largest to any recorded image,
    inhibition the smallest over its most negative. Units that no recorded image drives that way are left
    out, and so are units that the picture does not drive that way.
    """
    return (
        _most(answers.largest, layer.top.values[:, 0], n),
        _most(-answers.smallest, -layer.bottom.values[:, 0], n),
    )


@torch.inference_mode()
def occlusion(network, inputs: torch.Tensor, layer: str, unit: int, across: int = _ACROSS):
    """The part of a unit's response that is lost when a square covers each place, (across, across).

    inputs (3, H, W). The square is as wide as two places, of the mean colour (0 after preprocessing); the
    response is read where it was largest. 0 where the cover does not matter, 1 if nothing is left of
    it, above 1 if it turns negative, below 0 where the cover helps. Zeiler and Fergus (2014), section 4.2.
    SelectivityError if the picture does not excite the unit.
    """
    before = responses_to(network, inputs, [layer])[layer]
    if not 0 <= unit < len(before.largest):
        raise SelectivityError(
            f"{layer}: no unit {unit}; units go from 0 to {len(before.largest) - 1}"
        )
    whole, (y, x) = before.largest[unit].item(), before.place[unit].tolist()
    if whole <= 0:
        raise SelectivityError(
            f"{layer}:{unit} is not excited by this picture: nothing to take away"
        )
    height, width = inputs.shape[1:]
    covered = []
    for row in range(across):
        for column in range(across):
            copy = inputs.clone()
            top, left = (row - 0.5) * height / across, (column - 0.5) * width / across
            bottom, right = top + 2 * height / across, left + 2 * width / across
            copy[:, max(0, round(top)) : round(bottom), max(0, round(left)) : round(right)] = 0
            covered.append(copy)
    left_over = []

    def receive(_, values):
        left_over.append(as_positions(values)[:, y, x, unit].clone())

    with listening(network.module, {layer: network.taps[layer]}, receive):
        for some in torch.stack(covered).split(_BATCH):
            network.module(some.contiguous(memory_format=torch.channels_last))
    return 1 - torch.cat(left_over).view(across, across) / whole


def _most(responses, strongest, n):
    shares = torch.where(strongest > 0, responses / strongest.clamp(min=1e-12), 0)
    shares, units = shares.sort(descending=True, stable=True)
    some = shares[:n] > 0
    return Driven(units[:n][some], shares[:n][some])
