"""Pictures that drive units as hard as possible (feature visualisation), of any network.

    optimised = optimised_pictures(network, [("conv6", 12), ("fc", 3)])
    optimised.pictures                                  # (2, 3, 64, 64)
    optimised.responses > optimised.best_in(record)     # did they beat the best image?

A picture starts as random noise in the Fourier domain and climbs the gradient of one unit's
pre-activation response. horama supplies the parametrisation (decorrelated colours, damped high
frequencies, fixed contrast), because it needs torch only and its Fourier method downloads nothing. The
loop is our own: horama optimises one picture at a time, and here several share a forward pass.

Paper 2 used the generator network of PPGN (Nguyen et al., CVPR 2017), which was trained on ImageNet
and is no longer available: it drew what resembles a photograph. Here no prior of natural images takes
part: a picture shows what drives its unit, which need not look like anything the unit meets.

Source: Olah, Mordvintsev & Schubert, Feature Visualization, Distill 2017.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import torch
import torch.nn.functional as F
from PIL import Image
from tqdm.auto import tqdm

from helpers.errors import SelectivityError
from helpers.record.recorder import moved, usable_device
from helpers.record.taps import listening
from helpers.record.weights import first_line

TOGETHER = 16  # pictures per forward pass; part of the recipe, since they share random numbers
LEARNING_RATE = 1.0  # of NAdam
DECAY_POWER = 1.5  # amplitude of frequency f is scaled by f ** -1.5
MARGIN = 1 / 14  # of the picture's side, optimised beyond each edge and cut off in the end
ROTATION = 10.0  # degrees either way
ZOOM = 0.10  # share either way
VALUES = (-0.3, 1.3)  # clipped to [0, 1]: about the contrast of a photograph


@dataclass(frozen=True)
class Optimised:
    """Pictures (n, 3, S, S) in [0, 1], of 8 bits, one for each of `units`, (layer, number) pairs.

    responses (n,): the spatial maximum of each unit before its ReLU when it is shown its picture.
    """

    units: tuple[tuple[str, int], ...]
    pictures: torch.Tensor
    responses: torch.Tensor

    def best_in(self, record) -> torch.Tensor:
        """The response of each unit to its best image in a record, (n,)."""
        return torch.stack([record[layer].top.values[unit, 0] for layer, unit in self.units])


def optimised_pictures(
    network,
    units,
    *,
    steps: int = 64,
    size: int | None = None,
    seed: int = 0,
    device="auto",
    progress=False,
) -> Optimised:
    """Make one picture for each (layer name, unit number) that drives this unit.

    The response climbed is the one at the centre of the unit's map (of a token sequence, the
    largest). steps: 64 settle a small network; the package's sheets took 256. size: pixels of a
    side, the network's input by default; a smaller one is quicker. Equal seed and units give equal
    pictures on one machine. Raises SelectivityError: horama is not installed, an unknown layer or
    unit, a size that the layer cannot take, preprocessing that is no affine map of a pixel's colour.
    """
    units = tuple((layer, int(unit)) for layer, unit in units)
    _check_units(network, units)
    size = size or min(network.input_size)
    prepared = as_input(network)
    starts, pictures = range(0, len(units), TOGETHER), []
    bar = tqdm(total=steps * len(starts), unit="step", desc="optimising", disable=not progress)
    with torch.random.fork_rng(devices=[]), bar, moved(network.module, usable_device(device)):
        for start in starts:
            torch.manual_seed(seed + start)
            together = units[start : start + TOGETHER]
            pictures.append(_climb(network, together, prepared, steps, size, bar))
        pictures = torch.cat(pictures)
        return Optimised(units, pictures, responses_to(network, units, pictures))


@torch.no_grad()
def responses_to(network, units, pictures: torch.Tensor) -> torch.Tensor:
    """The response of each unit, (layer, number), to its own picture of (n, 3, S, S): (n,).

    The spatial maximum before the ReLU. A picture smaller than the network's input stands in its
    middle, amid zeros: the colour that preprocessing subtracts.
    """
    prepared, responses = as_input(network), torch.full((len(units),), torch.nan)
    for start in range(0, len(units), TOGETHER):
        part = slice(start, start + TOGETHER)
        shown = framed(prepared(pictures[part]), network.input_size)
        for rows, maps in _own_maps(network, units[part], shown):
            responses[start:][rows] = maps.reshape(len(rows), -1).amax(1).cpu()
    return responses


def as_input(network) -> Callable[[torch.Tensor], torch.Tensor]:
    """What the network takes from RGB (B, 3, H, W) in [0, 1], differentiable; no resizing, no crop.

    Preprocessing is measured, whatever library it comes from: plain pictures give the affine map of a
    pixel's colour (`patches.as_shown` is its inverse), and a picture of two colours must follow it.
    """

    def seen(left, right):
        picture = Image.new("RGB", (512, 512), left)
        picture.paste(right, (256, 0, 512, 512))
        pixels = network.preprocess(picture).double()
        height, width = pixels.shape[1:]
        return pixels[:, height // 2, [width // 4, 3 * width // 4]].T

    plain = [seen(c, c)[0] for c in ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))]
    offset, matrix = plain[0], torch.stack([p - plain[0] for p in plain[1:]], 1)
    two = (40, 140, 220), (200, 90, 30)  # any two colours
    expected = torch.tensor(two).double() / 255 @ matrix.T + offset
    if not torch.allclose(seen(*two), expected, rtol=0, atol=1e-3 * float(matrix.abs().max())):
        raise SelectivityError(
            f"{network.name}: preprocessing is no affine map of a pixel's colour, so a picture cannot "
            "be optimised through it: wrap the module with one that only shifts and scales colours"
        )
    matrix, offset = matrix.float(), offset.float().view(1, 3, 1, 1)

    def prepared(rgb: torch.Tensor) -> torch.Tensor:
        there = rgb.device
        pixels = torch.einsum("ij,bjhw->bihw", matrix.to(there), rgb) + offset.to(there)
        return pixels.contiguous(memory_format=torch.channels_last)

    return prepared


def framed(pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Prepared pixels (B, 3, h, w) amid zeros, at least `size` (H, W) large."""
    (height, width), (h, w) = size, pixels.shape[2:]
    down, across = max(0, height - h), max(0, width - w)
    return F.pad(pixels, (across // 2, across - across // 2, down // 2, down - down // 2))


def random_views(pictures: torch.Tensor, size: int) -> torch.Tensor:
    """Each picture a little shifted, turned and zoomed: adversarial noise does not survive that."""
    n, full = len(pictures), pictures.shape[-1]

    def uniform(*shape):
        return torch.rand(*shape) * 2 - 1

    angle = uniform(n) * math.radians(ROTATION)
    zoom = (1 + uniform(n) * ZOOM) * size / full
    shift = uniform(n, 2) * round(size * MARGIN) / full
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    rows = [torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), (n, 3, size, size), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def _climb(network, units, prepared, steps, size, bar) -> torch.Tensor:
    """The pictures (n, 3, size, size) of one forward pass, rounded to 8 bits."""
    fourier = _horama()
    margin = round(size * MARGIN)
    full = size + 2 * margin + size % 2  # even, as the half spectrum of a real picture needs
    spectra = torch.stack([fourier.init_lucid_buffer(full, full) for _ in units]).requires_grad_()
    scale = fourier.get_fft_scale(full, full, DECAY_POWER)

    def decoded():
        made = [fourier.fourier_preconditionner(s, scale, VALUES, "cpu") for s in spectra]
        return torch.stack(made).clamp(0, 1)

    optimiser = torch.optim.NAdam([spectra], lr=LEARNING_RATE)
    # The last quarter cools down, so that the picture settles instead of trembling.
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i: min(1, 4 * (1 - i / steps)))
    for _ in range(steps):
        optimiser.zero_grad()
        maps = _own_maps(network, units, prepared(random_views(decoded(), size)))
        (-sum(_aimed_at(m).sum() for _, m in maps)).backward()
        optimiser.step()
        schedule.step()
        bar.update()
    with torch.no_grad():
        inner = slice(margin, margin + size)
        return (decoded()[:, :, inner, inner] * 255).round() / 255


def _aimed_at(maps):
    """The response that is climbed: at the centre of maps (n, H, W), the largest of tokens (n, T)."""
    if maps.ndim == 3:
        return maps[:, maps.shape[1] // 2, maps.shape[2] // 2]
    return maps.amax(1) if maps.ndim == 2 else maps


class _AllRead(Exception):
    """Every layer that is needed has been read: the rest of the forward pass would be in vain."""


def _own_maps(network, units, pixels) -> list[tuple[list[int], torch.Tensor]]:
    """For each layer, the pictures' numbers and their own units' maps: (n, H, W), (n, T) or (n,)."""
    rows_of, found = defaultdict(list), []
    for row, (layer, _) in enumerate(units):
        rows_of[layer].append(row)

    def keep(layer, values):
        rows = rows_of[layer]
        chosen = [units[row][1] for row in rows]
        # Indexing copies, so a following in-place ReLU changes nothing here.
        own = values[rows, :, chosen] if values.ndim == 3 else values[rows, chosen]
        found.append((rows, own))
        if len(found) == len(rows_of):
            raise _AllRead

    taps = {layer: network.taps[layer] for layer in rows_of}
    device = next(network.module.parameters()).device
    try:
        with listening(network.module, taps, keep):
            network.module(pixels.to(device))
    except _AllRead:
        pass
    except (RuntimeError, AssertionError) as error:
        raise SelectivityError(
            f"{network.name} does not take pictures of {pixels.shape[-1]} px ({first_line(error)}): "
            f"a fully connected layer needs its input size, {min(network.input_size)}"
        ) from error
    return found


def _horama():
    try:
        from horama import fourier_fv
    except ImportError:
        raise SelectivityError(
            "optimised pictures need horama, which is not installed: pip install horama einops"
        ) from None
    return fourier_fv


def _check_units(network, units):
    if not units:
        raise SelectivityError("no unit to make a picture of: give (layer, number) pairs")
    for layer, unit in units:
        if layer not in network.taps:
            near = get_close_matches(layer, network.taps, n=4, cutoff=0.4) or list(network.taps)[:4]
            raise SelectivityError(
                f"{network.name} has no layer {layer!r}; close names: {', '.join(near)}"
            )
        if not 0 <= unit < network.taps[layer].n_units:
            last = network.taps[layer].n_units - 1
            raise SelectivityError(f"{layer}: no unit {unit}; units go from 0 to {last}")
