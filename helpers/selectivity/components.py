"""Independent components of a unit's top patches: the pictures that, mixed, make up what it answers to.

    found = layer_components(patches)      (units, k, H, W) grey or (units, k, 3, H, W), all units at once
    found.pictures  found.explained        8 pictures a unit, largest share of the variance first
    independent_components(patches)        the pictures of one unit
    likeness(pictures)  likeness_between(pictures)  spectral_likeness(pictures)  sharpness(pictures)

Pixels are samples and patches are mixtures (paper 3, section 2.2): each patch is centred over its pixels,
the patches are whitened to their first principal components, and a rotation is sought under which
these are as far from normal as can be. All patches must show real pixels on one grid: see
`helpers.record.patches.thumbnails`.

Sources: Sadeghi, "Conceptual content in deep convolutional neural networks", section 2.2; Hyvarinen,
"Fast and robust fixed-point algorithms for independent component analysis" (1999): the symmetric
algorithm with log cosh. Start, tolerance and largest number of steps are those of scikit-learn's
FastICA, so that both walk the same path.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from helpers.errors import SelectivityError

TOLERANCE = 1e-4  # of 1 - |cos| between a component's direction before and after a step
MOST_STEPS = 200
_PATCHES, _WHITE = 2**23, 2**20  # bytes of patches, and of white components, that a cache holds
_DEVICE_FACTOR = 256  # a GPU is given so many times more at once


@dataclass(frozen=True)
class Components:
    """Independent components of every unit of a layer, by the share of the variance they explain.

    `pictures` (U, n, H, W) or (U, n, 3, H, W): mean 0 and variance 1 over the pixels of a channel (over
    all values where the channels are taken together), positive skewness (of green, where each channel is
    alone); all zero at the end where a unit's patches have fewer independent ones. `explained` (U, n):
    the part of the patches' variance. `n_found`, `converged` and `iterations`: (U,), or (U, 3) where
    each channel is alone; a unit without any component counts as converged, after 0 iterations.
    """

    pictures: torch.Tensor
    explained: torch.Tensor
    n_found: torch.Tensor
    converged: torch.Tensor
    iterations: torch.Tensor


def independent_components(
    patches: torch.Tensor, n_components: int = 8, seed: int = 0
) -> torch.Tensor:
    """Components of one unit's patches (k, H, W) or (k, 3, H, W): (n, H, W) or (n, 3, H, W).

    By `layer_components`, in float64: with one unit, time is no reason for less. Where its path depends on
    rounding, a layer's components in float32 may be others.
    """
    precise = layer_components(patches[None].double(), n_components, seed).pictures[0]
    return precise.to(patches.dtype if patches.is_floating_point() else torch.float32)


def layer_components(
    patches: torch.Tensor, n_components: int = 8, seed: int = 0, channels: str = "alone"
) -> Components:
    """Components of the patches (U, k, H, W) or (U, k, 3, H, W) of each unit, on the patches' device.

    Float64 patches are treated in float64, all others in float32. channels: "alone", components of
    red, green and blue each by itself, those of red and blue then put in the order and the sign in
    which they correlate most with green's (the paper stacks them in the order in which they come
    out, which is arbitrary); or "together", the values of the three channels as one sample, which
    the paper tried and did not show.

    Patches that are constant, or repeat others, add nothing: a direction with less than k times the
    rounding error of the largest variance is none, and a unit with fewer directions than n_components
    has all-zero pictures at the end. Units do not influence each other. SelectivityError if a value is
    not finite; ValueError for other shapes.
    """
    _check(patches, n_components, channels)
    if patches.dtype != torch.float64:
        patches = patches.float()
    if patches.ndim == 4 or channels == "together":
        return _grey(patches, n_components, seed)
    red, green, blue = (_grey(patches[:, :, c], n_components, seed) for c in range(3))
    red, blue = _matched(red, green), _matched(blue, green)
    each = [red, green, blue]
    variance = patches.var((-2, -1), correction=0).sum(1)  # (U, 3)
    share = variance / variance.sum(1, keepdim=True).clamp(min=torch.finfo(variance.dtype).tiny)
    pictures, explained = _largest_first(
        torch.stack([one.pictures for one in each], 2),
        sum(one.explained * share[:, [c]] for c, one in enumerate(each)),
    )
    return Components(
        pictures,
        explained,
        torch.stack([one.n_found for one in each], 1),
        torch.stack([one.converged for one in each], 1),
        torch.stack([one.iterations for one in each], 1),
    )


def as_8bit(pictures: torch.Tensor) -> torch.Tensor:
    """Components (U, n, H, W) or (U, n, 3, H, W) as uint8: each scaled to run from 0 to 255.

    The three channels of a picture share one scale. An all-zero picture is middle grey, 128.
    """
    axes = tuple(range(2, pictures.ndim))
    low, high = pictures.amin(axes, keepdim=True), pictures.amax(axes, keepdim=True)
    scaled = (pictures - low) / (high - low) * 255
    return torch.where(high > low, scaled, 128.0).round().to(torch.uint8)


def likeness(pictures: torch.Tensor) -> torch.Tensor:
    """How alike a unit's components are, whatever their place in the patch, (U,) from 0 to 1.

    pictures (U, n, H, W). The mean over pairs of the largest absolute correlation over all circular shifts.
    Unshifted, components do not correlate, by construction: correlation of pixels says nothing here. The
    largest of thousands of correlations is never 0, and larger for blurred pictures: compare with
    `likeness_between`, and look at `sharpness`. All-zero pictures are left out; nan with fewer than two.
    """
    spectra, there = _spectra(pictures)
    first, second = torch.triu_indices(*[pictures.shape[1]] * 2, offset=1)
    found = [_largest_correlation(u[first], u[second], pictures.shape[-2:]) for u in spectra]
    return _mean(torch.stack(found), there[:, first] & there[:, second])


def likeness_between(pictures: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """`likeness` of each unit's components to those of one other unit of the layer, drawn by chance, (U,).

    Its mean is the level at which components of one unit are not more alike than anyone's. It is slightly
    favoured: components of different units may correlate without any shift, those of one unit cannot.
    nan if either unit has no component, or with a single unit.
    """
    n_units, n = pictures.shape[:2]
    if n_units < 2:
        return pictures.new_full((n_units,), torch.nan)
    spectra, there = _spectra(pictures)
    # A random cycle through all units: everyone has a partner, nobody itself, nobody twice.
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n_units))
    partner = torch.empty_like(order)
    partner[order] = order.roll(1)
    first, second = torch.cartesian_prod(torch.arange(n), torch.arange(n)).T
    found = [
        _largest_correlation(spectra[u][first], spectra[v][second], pictures.shape[-2:])
        for u, v in enumerate(partner.tolist())
    ]
    return _mean(torch.stack(found), there[:, first] & there[partner][:, second])


def spectral_likeness(pictures: torch.Tensor) -> torch.Tensor:
    """How alike the spectra of a unit's components are, compared with the layer's, (U,) from -1 to 1.

    pictures (U, n, H, W). The mean over pairs of the correlation of log amplitude spectra, from which the
    mean of all of the layer's components is subtracted, so that what all pictures share (energy falls
    with frequency; edges of the patch; resizing) does not count: about 0 for components that have no more
    in common than others of the layer. It sees texture, orientation and scale, and no shape. All-zero
    pictures are left out; nan with fewer than two.
    """
    spectra, there = _spectra(pictures)
    log = spectra.abs().flatten(2)[..., 1:]  # without the mean, which is 0
    log = log.clamp(min=torch.finfo(log.dtype).eps).log()
    log = torch.where(there[..., None], log - log[there].mean(0), 0)
    log = _standardised(log)
    first, second = torch.triu_indices(*[pictures.shape[1]] * 2, offset=1)
    found = torch.einsum("unf,umf->unm", log, log)[:, first, second]
    return _mean(found, there[:, first] & there[:, second])


def sharpness(pictures: torch.Tensor) -> torch.Tensor:
    """Mean spatial frequency of a unit's components, weighted by power, in cycles a picture, (U,).

    pictures (U, n, H, W). Low means blurred. Any rotation of whitened components has the same, so it tells of
    the patches' principal components, not of their independence. It compares units of one layer only: fields
    of other sizes were resized by other factors. All-zero pictures are left out; nan without any other.
    """
    spectra, there = _spectra(pictures)
    height, width = pictures.shape[-2:]
    vertical = torch.fft.fftfreq(height, 1 / height, device=pictures.device)
    horizontal = torch.fft.rfftfreq(width, 1 / width, device=pictures.device)
    frequency = torch.hypot(vertical[:, None], horizontal)
    # Half of the spectrum is stored: all columns but the first and, for an even width, the last
    # stand for two.
    twice = torch.full((width // 2 + 1,), 2.0, device=pictures.device)
    twice[0] = 1
    if width % 2 == 0:
        twice[-1] = 1
    power = spectra.abs() ** 2 * twice
    found = (power * frequency).sum((2, 3)) / power.sum((2, 3))
    return _mean(found, there)


def _check(patches, n_components, channels):
    colour = patches.ndim == 5 and patches.shape[2] == 3
    if not colour and patches.ndim != 4 or 0 in patches.shape:
        raise ValueError(
            f"patches {tuple(patches.shape)}: (units, k, H, W) or (units, k, 3, H, W) is needed"
        )
    if n_components < 1:
        raise ValueError(f"{n_components} components: at least one is needed")
    if channels not in ("alone", "together"):
        raise ValueError(f"channels {channels!r}: 'alone' or 'together'")


def _grey(patches, n_components, seed):
    """Components of patches (U, k, ...), whose last axes are all samples."""
    n_units, _, *shape = patches.shape
    white, values, rank, total = _whitened(patches, n_components)
    explained = torch.zeros_like(values)
    converged = torch.ones_like(rank, dtype=torch.bool)
    iterations = torch.zeros_like(rank)
    for r in rank[rank > 0].unique().tolist():
        units = (rank == r).nonzero()[:, 0]
        start = torch.from_numpy(np.random.RandomState(seed).normal(size=(r, r)))
        rotation, converged[units], iterations[units] = _rotation(white[units, :r], start)
        explained[units, :r] = ((rotation**2) @ values[units, :r, None])[..., 0]
        white[units, :r] = _signed(rotation.to(white.dtype) @ white[units, :r])
    explained = explained / total[:, None].clamp(min=torch.finfo(total.dtype).tiny)
    pictures, explained = _largest_first(white.unflatten(2, shape), explained.to(white.dtype))
    return Components(pictures, explained, rank, converged, iterations)


def _largest_first(pictures, explained):
    """Both in the order of the variance that each explains, so that all-zero pictures come last."""
    explained, order = explained.sort(dim=1, descending=True, stable=True)
    units = torch.arange(len(order), device=order.device)[:, None]
    return pictures[units, order], explained


def _signed(pictures):
    """Pictures (U, n, p) of mean 0 with variance exactly 1 and positive skewness."""
    pictures = pictures / pictures.std(2, correction=0, keepdim=True)
    return torch.where((pictures**3).mean(2, keepdim=True) < 0, -pictures, pictures)


def _whitened(patches, n_components):
    """The n first principal components of each unit's patches (U, k, ...), through k x k products.

    Returns the components (U, n, p), of variance 1, 0 where a unit has fewer; the variance of each,
    float64 (U, n); how many there are (U,); and the variance of the patches together (U,).
    """
    n_units, k = patches.shape[:2]
    p = patches[0, 0].numel()
    white = patches.new_zeros(n_units, n_components, p)
    found = []
    together = _units_at_once(patches[0], _PATCHES)
    for start in range(0, n_units, together):
        rows = slice(start, start + together)
        mixed = patches[rows].flatten(2)
        mean = mixed.mean(2, keepdim=True)
        mixed = mixed - mean
        products = (mixed @ mixed.mT).double() / p
        finite = products.isfinite().all(2).all(1).cpu()
        if not finite.all():
            unit = start + int((~finite).nonzero()[0])
            raise SelectivityError(
                f"unit {unit}: its patches hold values that are not finite (or too large); leave it out"
            )
        # On the CPU, whatever the device: for few matrices of this size a GPU is slower.
        value, vector = (part.to(white.device) for part in torch.linalg.eigh(products.cpu()))
        value, vector = value.flip(1)[:, :n_components], vector.flip(2)[..., :n_components]
        total = products.diagonal(dim1=1, dim2=2).sum(1)
        # What rounding leaves of a constant patch is no variance.
        rounding = torch.finfo(white.dtype).eps
        energy = total + mean.double().square().sum((1, 2))
        there = value > k * rounding * torch.maximum(value[:, 0], rounding * energy)[:, None]
        vector = torch.where(vector[:, :1] < 0, -vector, vector)  # else any sign: a convention
        vector = torch.where(there[:, None], vector / value[:, None].sqrt(), 0)
        white[rows, : value.shape[1]] = vector.mT.to(white.dtype) @ mixed
        value = torch.nn.functional.pad(value * there, (0, n_components - value.shape[1]))
        found.append((value, there.sum(1), total))
    return white, *(torch.cat(part) for part in zip(*found, strict=True))


def _units_at_once(of_one, size):
    """How many units are treated together, given a tensor of one of them and bytes on a CPU."""
    if of_one.device.type != "cpu":
        size *= _DEVICE_FACTOR
    return max(1, size // (of_one.numel() * of_one.element_size()))


def _rotation(white, start):
    """Rotations (U, r, r), float64, of white (U, r, p) from a start (r, r); converged, iterations (U,).

    Units that have converged leave the batch; `white` is used up.
    """
    n_units, device = len(white), white.device
    rotation = _orthogonal(start.to(device).expand(n_units, -1, -1))
    found = rotation.clone()
    converged = torch.zeros(n_units, dtype=torch.bool, device=device)
    iterations = torch.full((n_units,), MOST_STEPS, device=device)
    active = torch.arange(n_units, device=device)  # whose rows white and rotation hold
    together = _units_at_once(white[0], _WHITE)
    for step in range(1, MOST_STEPS + 1):
        parts = zip(white.split(together), rotation.split(together), strict=True)
        new = _orthogonal(torch.cat([_step(*part) for part in parts]))
        moved = ((new * rotation).sum(2).abs() - 1).abs().amax(1)
        rotation, done = new, moved < TOLERANCE
        if done.any():
            found[active[done]] = rotation[done]
            converged[active[done]], iterations[active[done]] = True, step
            left = len(active) - int(done.sum())
            if not left:
                return found, converged, iterations
            # The last ones move to the places that have become free: hardly anything is copied.
            free, last = done[:left].nonzero()[:, 0], (~done[left:]).nonzero()[:, 0] + left
            for held in (white, rotation, active):
                held[free] = held[last]
            white, rotation, active = white[:left], rotation[:left], active[:left]
    found[active] = rotation
    return found, converged, iterations


def _step(white, rotation):
    """Newton's step for the expected log cosh of each row: E[tanh(s) x] - E[1 - tanh(s)^2] w.

    tanh(s) = 2 sigmoid(2 s) - 1, and the sigmoid is three times as fast; E[x] is 0.
    """
    n_pixels = white.shape[2]
    logistic = torch.bmm((2 * rotation).to(white.dtype), white).sigmoid_()
    second = torch.linalg.vector_norm(logistic, dim=2) ** 2 / n_pixels
    slope = 4 * (logistic.mean(2) - second)
    return torch.bmm(logistic, white.mT) * (2 / n_pixels) - slope[..., None] * rotation


def _orthogonal(rotation):
    """The nearest matrices with orthonormal rows, float64: (W W^T)^(-1/2) W."""
    # In float32 LAPACK gives up on products close to a multiple of the identity, as these become.
    values, vectors = torch.linalg.eigh(rotation @ rotation.mT)
    values = values.clamp(min=torch.finfo(values.dtype).tiny)
    return (vectors / values[:, None].sqrt()) @ vectors.mT @ rotation


def _matched(components, reference):
    """Components in the order and with the sign in which they correlate most with the reference's."""
    n_units, n = components.explained.shape
    own, other = (one.pictures.flatten(2) for one in (components, reference))
    correlation = (other @ own.mT) / own.shape[2]
    order = [linear_sum_assignment(-unit)[1] for unit in correlation.abs().cpu().numpy()]
    order = torch.from_numpy(np.array(order).reshape(n_units, n)).to(own.device)
    paired = correlation.gather(2, order[..., None])[..., 0]
    own = own[torch.arange(n_units, device=own.device)[:, None], order]
    own = torch.where(paired[..., None] < 0, -own, own)
    return Components(
        own.view_as(components.pictures),
        components.explained.gather(1, order),
        components.n_found,
        components.converged,
        components.iterations,
    )


def _spectra(pictures):
    """Spectra (U, n, H, W // 2 + 1) of pictures of mean 0 and length 1; which are not constant (U, n)."""
    if pictures.ndim != 4:
        raise ValueError(f"pictures {tuple(pictures.shape)}: (units, n, H, W) is needed")
    flat = _standardised(pictures.flatten(2))
    there = (flat != 0).any(2)
    return torch.fft.rfft2(flat.view_as(pictures)), there


def _standardised(rows):
    """Rows (..., p) of mean 0 and length 1; constant ones become 0."""
    largest = rows.abs().amax(-1, keepdim=True)
    rows = rows - rows.mean(-1, keepdim=True)
    length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    rounding = rows.shape[-1] ** 0.5 * torch.finfo(rows.dtype).eps * largest
    return torch.where(length > 4 * rounding, rows / length, 0)


def _largest_correlation(first, second, size):
    """Largest absolute correlation over all circular shifts of pictures with these spectra (P, ...)."""
    return torch.fft.irfft2(first * second.conj(), s=size).abs().amax((1, 2))


def _mean(values, counted):
    """Mean over the last axis of the values that count, nan where none does."""
    return torch.where(counted, values, 0).sum(1) / counted.sum(1)
