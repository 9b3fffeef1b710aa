"""The k strongest images of every unit, and what "strongest" means to the last tie.

Value and image index are packed into one sortable 64-bit key, so that "largest value, ties to the
lower image index" is a plain order of integers: no two keys are equal, and whatever finds the k
largest keys finds the right list. `Shortlists` keeps them while images come in.
"""

from dataclasses import dataclass

import torch

from helpers.record.shortlist import LOW, NO_IMAGE


@dataclass
class RankedList:
    """The images that drive each unit most (or least), sorted, one entry per image.

    values (U, k) float32; images (U, k) int64, -1 where a unit has fewer than k images (their value
    is nan); positions (U, k, 2) int64 as (y, x) on the layer's map, or None where a list has none;
    positions beyond the stored ones are -1.
    """

    values: torch.Tensor
    images: torch.Tensor
    positions: torch.Tensor | None = None

    def first(self, k: int) -> "RankedList":
        """The first k columns."""
        positions = None if self.positions is None else self.positions[:, :k]
        return RankedList(self.values[:, :k], self.images[:, :k], positions)


def pack(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """One int64 key per response that sorts by value, then by lower image index.

    values float32, images int64 in [0, 2^32 - 2], broadcast against each other. Both zeros get
    the same key, as they are equal numbers.
    """
    bits = (values + 0.0).view(torch.int32)  # -0.0 + 0.0 is +0.0
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # negative floats count down: flip their magnitude
    return (ordered.long() << 32) | (LOW - images)


def unpack(keys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(values float32, images int64) of packed keys."""
    ordered = (keys >> 32).int()
    bits = ordered ^ ((ordered >> 31) & 0x7FFFFFFF)
    return bits.view(torch.float32), LOW - (keys & LOW)


def rerank(lists: list[RankedList], rank, k: int, keep=None) -> RankedList:
    """The k best of several ranked lists of the same units, ranked by `rank(values)`.

    `keep(images) -> bool` drops entries. A unit left with fewer than k entries is padded with nan
    and image -1.
    """
    values = torch.cat([part.values for part in lists], 1)
    images = torch.cat([part.images for part in lists], 1)
    valid = images >= 0 if keep is None else (images >= 0) & keep(images)
    keys = pack(rank(values).nan_to_num(), images.clamp(min=0))
    keys[~valid] = torch.iinfo(torch.int64).min
    order = keys.sort(dim=1, descending=True).indices[:, :k]
    dropped = ~valid.gather(1, order)
    values = values.gather(1, order).masked_fill(dropped, float("nan"))
    images = images.gather(1, order).masked_fill(dropped, NO_IMAGE)
    positions = None
    if lists[0].positions is not None:
        positions = torch.cat([part.positions for part in lists], 1)
        positions = positions.gather(1, order[..., None].expand(-1, -1, 2))
        positions = positions.masked_fill(dropped[..., None], NO_IMAGE)
    return RankedList(values, images, positions)
