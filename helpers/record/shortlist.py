"""Keep every unit's strongest images while more come in, in compiled loops on the processor.

A unit's list has room for more than it must keep. A key above its floor is written behind the others; when
the list is full the lowest are let go, and the floor rises. How many stay need not be exact as long as it is
k or more, so a floor between two keys will do, and halving finds one in some counts of the list, 63 at
most, which take four keys at a time. The more images have been seen, the fewer pass the floor: over a
million images most units' responses cost one comparison.

    best = Shortlists(units, k)        # largest values first, ties to the lower image
    best.add(values, images)           # any number of times
    best.ranked()                      # exact, to the last tie
"""

import numpy as np
import torch
from numba import njit
from torch.nn.functional import pad

from helpers.record.threads import by_rows

NO_IMAGE = -1  # in the place of an image where there is none
_NO_KEY = np.iinfo(np.int64).min  # below the key of every response
LOW = (1 << 32) - 1  # the part of a key that tells the image
_SIGN = np.iinfo(np.int32).min
_compiled = njit(nogil=True, cache=True)


@_compiled
def _key(bits, image):
    """The key of a response given by its bits; see `toplist.pack`."""
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF) if bits != _SIGN else 0
    return np.int64(ordered) << 32 | (LOW - image)


@_compiled
def _above(keys, floor):
    count = 0
    for key in keys:
        count += key > floor
    return count


@_compiled
def _floor(keys, least, most):
    """A number that at least `least` and at most `most` of the keys exceed; the keys are all different."""
    low, high = keys.min() - 1, keys.max()
    while True:
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        count = _above(keys, middle)
        if count < least:
            high = middle
        elif count > most:
            low = middle
        else:
            return middle


@_compiled
def _let_go(keys, carried, floor):
    """Move the keys above the floor, and what they carry, to the front; returns how many there are."""
    kept = 0
    for i in range(len(keys)):
        keys[kept] = keys[i]
        if carried is not None:
            carried[kept] = carried[i]
        kept += keys[i] > floor
    return kept


@_compiled
def _offer(bits, images, payload, keys, carried, filled, floors, k, most, first, last):
    """Offer responses (n, U), given by their bits, to the lists of the units from `first` to `last`."""
    for u in range(first, last):
        count, floor, own = filled[u], floors[u], keys[u]
        for i in range(len(images)):
            key = _key(bits[i, u], images[i])
            # Written in any case; if it does not count, the next is written over it.
            own[count] = key
            if carried is not None:
                carried[u, count] = payload[i, u]
            count += key > floor
            if count == len(own):
                floor = _floor(own, k, most)
                count = _let_go(own, None if carried is None else carried[u], floor)
        filled[u], floors[u] = count, floor


@_compiled
def _unpack(keys, bits, images):
    """Write responses, as bits, and images of keys into the first columns; see `toplist.unpack`."""
    for u in range(keys.shape[0]):
        for i in range(keys.shape[1]):
            ordered = np.int32(keys[u, i] >> 32)
            bits[u, i] = ordered ^ ((ordered >> 31) & 0x7FFFFFFF)
            images[u, i] = LOW - (keys[u, i] & LOW)


class Shortlists:
    """Each unit's k largest values with their images and, if wanted, a payload; or a few more, in no order.

    A payload is one integer or float of 32 bits per response that travels with it: the position on the
    map, or the signed mean of which the value is only the closeness to zero. Memory is (k + room) x 8 bytes a
    unit, 12 with a payload, with room for 64 to 512 keys.
    """

    def __init__(self, units: int, k: int, payload: torch.dtype | None = None):
        room = min(max(k, 64), 512)
        self.k, self._most, self._type = k, k + room // 8, payload
        self._keys = np.empty((units, k + room), np.int64)
        self._carried = None if payload is None else np.empty((units, k + room), np.int32)
        self._filled, self._floors = np.zeros(units, np.int64), np.full(units, _NO_KEY)
        self._offered = 0

    def add(self, values: torch.Tensor, images: torch.Tensor, payload=None) -> None:
        """Offer new responses: values (n, U) float32, images (n,) int64, payload (n, U)."""
        bits, numbers = values.numpy().view(np.int32), images.numpy()
        news = None if payload is None else payload.numpy().view(np.int32)
        own = self._keys, self._carried, self._filled, self._floors, self.k, self._most
        by_rows(
            lambda units: _offer(bits, numbers, news, *own, units.start, units.stop),
            len(self._keys),
        )
        self._offered += len(images)

    def ranked(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """(values (U, k) float32, images (U, k) int64, payload (U, k) or None), largest first.

        Columns that no image has filled hold nan and image -1, payload -1.
        """
        state = self.state()
        keys, carried = state["keys"].numpy(), state.get("payload")
        shape = len(keys), self.k
        values, images = np.full(shape, np.nan, np.float32), np.full(shape, NO_IMAGE, np.int64)
        by_rows(
            lambda units: _unpack(keys[units], values.view(np.int32)[units], images[units]),
            len(keys),
        )
        if carried is not None:
            carried = pad(carried, (0, self.k - keys.shape[1]), value=NO_IMAGE)
        return torch.from_numpy(values), torch.from_numpy(images), carried

    def state(self) -> dict[str, torch.Tensor]:
        """What a checkpoint must hold: "keys" (U, m), largest first, and "payload" (U, m) where there is one.

        m is k, or less before k images came.
        """
        kept = min(self.k, self._offered)
        keys = np.empty((len(self._keys), kept), np.int64)
        carried = None if self._carried is None else np.empty(keys.shape, np.int32)

        def some(units):
            filled = self._filled[units]
            own = self._keys[units, : filled.max(initial=0)].copy()
            own[np.arange(own.shape[1]) >= filled[:, None]] = _NO_KEY
            if carried is None:
                keys[units] = np.sort(own, axis=1)[:, ::-1][:, :kept]
            else:
                order = np.argsort(own, axis=1)[:, ::-1][:, :kept]
                keys[units] = np.take_along_axis(own, order, 1)
                carried[units] = np.take_along_axis(self._carried[units], order, 1)

        by_rows(some, len(keys))
        state = {"keys": torch.from_numpy(keys)}
        if carried is not None:
            state["payload"] = torch.from_numpy(carried).view(self._type)
        return state

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from a `state`."""
        keys, payload = state["keys"], state.get("payload")
        n = keys.shape[1]
        self._keys[:, :n] = keys.numpy()
        if payload is not None:
            self._carried[:, :n] = payload.view(torch.int32).numpy()
        self._filled[:], self._floors[:], self._offered = n, _NO_KEY, n
