"""Colour selectivity: how far a unit's feature varies away from the axis of grey, and towards which colour.

    color_selectivity(features, sigmas)   0: only light and dark differ; 1: only colours do
    hue(features, sigmas)                 degrees: 0 red - green, 90 yellow, 180 green - red, 270 blue
    color_name(features, sigmas)          "red", "blue", ...; "none" for a unit that is not selective
    crop_sigma(crops, weights)            how much a unit's crops differ at each pixel
    grey_response(in_colour, in_grey)     what a unit loses on the same crops without colour
    image_hues(images), unit_hues(hues), shared_hues(one, other)

All take RGB in [0, 1] and compute in opponent space: lightness, red - green, yellow - blue. A feature is
(..., 3, H, W) with sigma (..., H, W) and valid (..., H, W) bool, False where the feature shows nothing
(`feature.visible`): one unit, or all units of a layer at once.

Sources: Rafegas and Vanrell, "Understanding trained CNNs by indexing neuron selectivity", section 3.1;
Delchambre, "Weighted principal component analysis" (2014).
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from matplotlib.colors import XKCD_COLORS, to_rgb  # a table of colours; nothing is drawn here

COLOR_SELECTIVE = 0.40  # paper 4, section 4.2
SIGMA_FLOOR = 0.01  # or a pixel where all crops agree could be the whole feature
LEAST_VARIANCE = 1e-6  # less, of all three channels together, is a uniform feature
PART = 0.7  # of the largest chroma; the share of the largest response that a neuron feature takes
BASIC_TERMS = ("black", "blue", "brown", "green", "grey", "orange",
               "pink", "purple", "red", "white", "yellow")  # fmt: skip
_DEGREES = 360


def opponent(pixels: torch.Tensor) -> torch.Tensor:
    """RGB (..., 3, H, W) in [0, 1] -> lightness, red - green, yellow - blue, each from -1 to 1.

    O1 = (R + G + B - 1.5) / 1.5, O2 = R - G, O3 = (R + G - 2B) / 2.
    """
    red, green, blue = pixels.unbind(-3)
    # Differences of channels first: a grey pixel has exactly no colour.
    yellow_blue = ((red - blue) + (green - blue)) / 2
    return torch.stack([(red + green + blue - 1.5) / 1.5, red - green, yellow_blue], -3)


def color_selectivity(feature: torch.Tensor, sigma: torch.Tensor, valid=None) -> torch.Tensor:
    """The angle between a feature's main direction of colours and the axis of lightness, (...), 0 to 1.

    The main direction is the first principal component of the pixels in opponent space, each weighing
    1 / sigma and centred on their weighted mean; the angle is divided by 90 degrees (paper 4, equation 2).
    A uniform feature has no direction: 0 if it is grey, nan if it has a colour. nan without a valid pixel.
    """
    found = _component(feature, sigma, valid)
    chroma = torch.linalg.vector_norm(found.direction[..., 1:], dim=-1)
    # Better conditioned near 0 and 1 than the arc cosine of the first coordinate.
    angle = torch.atan2(chroma, found.direction[..., 0].abs()) / (torch.pi / 2)
    grey = found.mean[..., 1:].square().sum(-1) < LEAST_VARIANCE
    uniform = torch.where(grey, 0.0, torch.nan).to(angle.dtype)
    angle = torch.where(found.variance < LEAST_VARIANCE, uniform, angle)
    return torch.where(found.weight > 0, angle, torch.nan)


def crop_sigma(crops: torch.Tensor, weights: torch.Tensor, valid=None) -> torch.Tensor:
    """How much a unit's crops differ at each pixel, (H, W): 0 where all are equal.

    crops (k, 3, H, W) RGB; weights (k,) those of `neuron_feature`, so that the deviation is from the
    feature itself; valid (k, H, W) bool. The root mean square over the opponent channels of their weighted
    standard deviation (not corrected for the number of crops); infinite where less than two crops
    are valid, unless the unit has only one crop: then 0.
    """
    weights = weights.to(crops.dtype)
    used = weights > 0
    crops, weights = opponent(crops[used]), weights[used]
    seen = torch.ones_like(crops[:, 0]) if valid is None else valid[used].to(crops.dtype)
    if len(crops) < 2:
        return crops.new_zeros(crops.shape[-2:])
    weight = torch.einsum("k,khw->hw", weights, seen)
    share = weights[:, None, None] * seen / weight.where(weight > 0, torch.ones_like(weight))
    mean = torch.einsum("khw,kchw->chw", share, crops)
    variance = torch.einsum("khw,kchw->hw", share, (crops - mean).square_()) / 3
    return torch.where(seen.sum(0) > 1, variance.sqrt(), torch.inf)


def hue(feature: torch.Tensor, sigma: torch.Tensor, valid=None) -> torch.Tensor:
    """The hue of a feature's main direction in degrees, (...), from 0 up to 360; nan if it has none.

    The angle in the plane of O2 (red - green, 0 degrees) and O3 (yellow - blue, 90 degrees): pure red is
    at 27, yellow 90, green 153, cyan 207, blue 270, magenta 333. A direction has two ends; the one on the
    side of the feature's mean colour counts and, if that is neutral, the one below 180. It says
    little for a unit that is not colour-selective.
    """
    end = _chromatic_direction(_component(feature, sigma, valid))
    return _degrees(end[..., 0], end[..., 1])


def chromatic_color(feature: torch.Tensor, sigma: torch.Tensor, valid=None) -> torch.Tensor:
    """The colour (..., 3), RGB, of the part of a feature that makes up its `hue`; nan if it has none.

    The mean, weighted by 1 / sigma, of the pixels whose chroma in the direction of the hue is at least
    70 % of the largest: neither the ground around a spot nor the other side of an edge dilutes it.
    """
    end = _chromatic_direction(_component(feature, sigma, valid))
    along = torch.einsum("...chw,...c->...hw", opponent(feature)[..., 1:, :, :], end)
    weight = _pixel_weight(feature, sigma, valid)
    along = torch.where(weight > 0, along, 0.0)
    weight = weight * (along >= PART * along.amax((-2, -1), keepdim=True)) * (along > 0)
    total = weight.sum((-2, -1))[..., None]
    mean = torch.einsum("...chw,...hw->...c", feature, weight) / total
    return torch.where(total > 0, mean, torch.nan)


def color_name(feature: torch.Tensor, sigma: torch.Tensor, valid=None) -> list | str:
    """The basic colour term of a colour-selective unit, a str, or a list of them for (U, 3, H, W).

    The term of `chromatic_color`, where that is pale or dark even "grey", "white" or "black"; "none" where
    the index is below 0.40 or nan.
    """
    index = color_selectivity(feature, sigma, valid)
    colors = chromatic_color(feature, sigma, valid)
    named = basic_terms(torch.where(colors.isnan(), 0.5, colors).reshape(-1, 3))
    selective = (index >= COLOR_SELECTIVE).reshape(-1).tolist()
    names = [name if here else "none" for name, here in zip(named, selective, strict=True)]
    return names if feature.ndim > 3 else names[0]


def basic_terms(colors: torch.Tensor) -> list:
    """Which of the 11 basic colour terms of English each colour (n, 3), RGB in [0, 1], is called.

    The nearest in CIELAB of the colours of the XKCD survey of 2010 (some 150,000 people, 949 names; the
    list comes with matplotlib) whose name ends in a basic term: "sky blue" is a blue, "blue green" a
    green. Paper 4 proposes the model of Benavente et al. (2008).
    """
    examples, terms = _survey()
    distance = torch.cdist(_lab(colors.double()), examples)
    return [BASIC_TERMS[terms[i]] for i in distance.argmin(1).tolist()]


def image_hues(images: torch.Tensor) -> torch.Tensor:
    """How much of each hue is in images (..., 3, H, W): chroma added up, degree by degree, (360,).

    The plane and the angle of `hue`; a pixel's chroma is its distance from grey there. Sums of several
    batches may be added.
    """
    chroma = opponent(images)[..., 1:, :, :].movedim(-3, 0).flatten(1)
    return _histogram(_degrees(*chroma), torch.linalg.vector_norm(chroma, dim=0))


def unit_hues(hues: torch.Tensor) -> torch.Tensor:
    """How many units have each hue, degree by degree, (360,); hues (n,) in degrees, nan is left out."""
    hues = hues[~hues.isnan()]
    return _histogram(hues, torch.ones_like(hues))


class SharedHues(NamedTuple):
    """The part that two distributions share, 0 to 1; the same after each rotation (360,); and p."""

    shared: float
    rotated: torch.Tensor
    p: float


def shared_hues(first: torch.Tensor, second: torch.Tensor, width: float = 10.0) -> SharedHues:
    """Do two distributions of hues (360,) agree? The mass that they share, against all rotations.

    Both are smoothed by a normal curve of `width` degrees and scaled to sum to 1; shared is the sum of the
    smaller of the two. p is the share of the 360 rotations of the first, 0 among them, that share
    at least as much: it asks whether the hues are the same and takes the shapes, and that there are few
    units, as given. Circular correlation needs pairs, which a unit and a pixel are not. nan if either is
    empty.
    """
    if not (first.sum() > 0 and second.sum() > 0):
        return SharedHues(torch.nan, torch.full((_DEGREES,), torch.nan), torch.nan)
    first, second = _smooth(first, width), _smooth(second, width)
    rotations = torch.cat([first, first]).unfold(0, _DEGREES, 1)[torch.arange(_DEGREES, 0, -1)]
    shared = torch.minimum(rotations, second).sum(1)
    return SharedHues(shared[0].item(), shared, (shared >= shared[0] - 1e-9).double().mean().item())


def grey_response(in_colour: torch.Tensor, in_grey: torch.Tensor) -> torch.Tensor:
    """The part of a unit's response to its strongest crops that goes with their colour, (U,).

    in_colour, in_grey (U, k): responses to the same crops, as they are and with their colour removed.
    1 - (sum in grey) / (sum in colour), both after the ReLU: 0 if colour does not matter, 1 if nothing is
    left, below 0 if grey drives the unit more. Crops without a positive response in colour, or with
    a nan, do not count; nan for a unit without any other.
    """
    counted = (in_colour > 0) & ~in_grey.isnan()
    colour, grey = (
        torch.where(counted, values.clamp(min=0).double(), 0.0).sum(1)
        for values in (in_colour, in_grey)
    )
    return torch.where(colour > 0, 1 - grey / colour, torch.nan)


class _Component(NamedTuple):
    """Weighted mean (..., 3), total variance (...), first direction (..., 3) and sum of weights (...)."""

    mean: torch.Tensor
    variance: torch.Tensor
    direction: torch.Tensor
    weight: torch.Tensor


def _component(feature, sigma, valid):
    """The first principal component of a feature's pixels in opponent space, each weighing 1 / sigma."""
    if feature.shape[-3:-2] != (3,) or sigma.shape != feature.shape[:-3] + feature.shape[-2:]:
        raise ValueError(f"feature {tuple(feature.shape)} and sigma {tuple(sigma.shape)}")
    weight = _pixel_weight(feature, sigma, valid).flatten(-2)
    total = weight.sum(-1)
    share = (weight / total.where(total > 0, torch.ones_like(total))[..., None])[..., None, :]
    pixels = opponent(feature).flatten(-2)
    mean = (pixels @ share.mT)[..., 0]
    spread = pixels.sub_(mean[..., None]).mul_(share.sqrt())
    covariance = (spread @ spread.mT).double()
    direction = torch.linalg.eigh(covariance).eigenvectors[..., -1].to(feature.dtype)
    variance = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
    return _Component(mean, variance, direction, total)


def _pixel_weight(feature, sigma, valid):
    weight = 1 / sigma.to(feature.dtype).clamp(min=SIGMA_FLOOR)
    return weight if valid is None else weight * valid


def _chromatic_direction(found):
    """The component in the plane of colours (..., 2), of length 1, towards the mean colour; else nan."""
    across = found.direction[..., 1:]
    length = torch.linalg.vector_norm(across, dim=-1, keepdim=True)
    towards = (across * found.mean[..., 1:]).sum(-1, keepdim=True)
    # A neutral mean decides nothing: the end with yellow, or red where there is neither.
    side = torch.where(across[..., 1:] != 0, across[..., 1:], across[..., :1])
    towards = torch.where(towards.abs() < LEAST_VARIANCE, side, towards)
    has_hue = (length[..., 0] > 1e-3) & (found.variance >= LEAST_VARIANCE) & (found.weight > 0)
    return torch.where(
        has_hue[..., None], across / length * torch.where(towards < 0, -1, 1), torch.nan
    )


def _degrees(red_green, yellow_blue):
    degrees = torch.rad2deg(torch.atan2(yellow_blue, red_green)) % _DEGREES
    return torch.where(degrees == _DEGREES, 0, degrees)  # what rounding makes of -1e-20


def _histogram(degrees, weights):
    place = degrees.long().clamp(max=_DEGREES - 1)
    return torch.bincount(place, weights.double(), minlength=_DEGREES)


def _smooth(histogram, width):
    """A circular histogram, smoothed by a normal curve and scaled to sum to 1."""
    distance = torch.arange(_DEGREES, dtype=torch.float64)
    distance = torch.minimum(distance, _DEGREES - distance)
    kernel = torch.exp(-((distance / width) ** 2) / 2)
    spectrum = torch.fft.rfft(histogram.double()) * torch.fft.rfft(kernel)
    smooth = torch.fft.irfft(spectrum, n=_DEGREES).clamp(min=0)
    return smooth / smooth.sum()


@lru_cache
def _survey():
    """Colours of the survey that a basic term names, in CIELAB (n, 3), and the number of the term."""
    named = []
    for name, code in XKCD_COLORS.items():
        last = name.removeprefix("xkcd:").replace("/", " ").split()[-1].replace("gray", "grey")
        if last in BASIC_TERMS:
            named.append((to_rgb(code), BASIC_TERMS.index(last)))
    colors, terms = zip(*named, strict=True)
    return _lab(torch.tensor(colors, dtype=torch.float64)), terms


def _lab(colors):
    """sRGB (..., 3) in [0, 1] -> CIELAB for the white of daylight, D65 (IEC 61966-2-1; CIE 15)."""
    linear = torch.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    to_xyz = torch.tensor(to_xyz, dtype=colors.dtype)
    x, y, z = ((linear @ to_xyz.T) / to_xyz.sum(1)).unbind(-1)
    x, y, z = (
        torch.where(v > 216 / 24389, v ** (1 / 3), (v * 24389 / 27 + 16) / 116) for v in (x, y, z)
    )
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
