"""A running list of the k strongest images of every unit, exact to the last tie.

Value and image index are packed into one sortable 64-bit key, so that "largest value, ties to the
lower image index" is a plain order of integers: no two keys are equal, and whatever finds the k
largest keys finds the right list.

    best = RankedAccumulator(units, k)        # largest values first
    best.add(values, images, positions)       # any number of times
    best.sorted() -> RankedList
"""

from dataclasses import dataclass

import torch

from helpers.record.shortlist import LOW, Shortlists

_NO_IMAGE = -1


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


class RankedAccumulator:
    """Keeps each unit's k largest values with their images and, if wanted, a payload.

    A payload is one integer or float of 32 bits per response that travels with it: the position on the
    map, or the signed mean of which the value is only the closeness to zero.
    """

    def __init__(self, units: int, k: int, payload: torch.dtype | None = None):
        self.k, self._largest = k, Shortlists(units, k, payload)

    def add(self, values, images, payload=None) -> None:
        """Take in new responses: values (n, U) float32, images (n,) int64, payload (n, U)."""
        self._largest.add(values, images, payload)

    def sorted(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """(values (U, k), images (U, k), payload (U, k) or None), largest first.

        Columns that no image has filled hold nan and image -1, payload -1.
        """
        keys, payload = self._largest.held()
        values, images = unpack(keys)
        missing = self.k - keys.shape[1]
        if missing > 0:
            pad = torch.nn.functional.pad
            values = pad(values, (0, missing), value=float("nan"))
            images = pad(images, (0, missing), value=_NO_IMAGE)
            payload = payload if payload is None else pad(payload, (0, missing), value=_NO_IMAGE)
        return values, images, payload

    def state(self) -> dict[str, torch.Tensor]:
        """What a checkpoint must hold."""
        keys, payload = self._largest.held()
        return {"keys": keys} if payload is None else {"keys": keys, "payload": payload}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from a checkpoint's state."""
        self._largest.load(state["keys"], state.get("payload"))


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
    images = images.gather(1, order).masked_fill(dropped, _NO_IMAGE)
    positions = None
    if lists[0].positions is not None:
        positions = torch.cat([part.positions for part in lists], 1)
        positions = positions.gather(1, order[..., None].expand(-1, -1, 2))
        positions = positions.masked_fill(dropped[..., None], _NO_IMAGE)
    return RankedList(values, images, positions)
