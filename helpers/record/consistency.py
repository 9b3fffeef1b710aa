"""Whether what a record's file holds fits together, looked at before anything is unfolded from it.

A file that was damaged, or made to harm, can be a well-formed container and still name image 7 of 5, a
class that is not there, or an array that would fill the memory. Every function here raises ValueError, in a
few words, at the first thing that does not fit.
"""

import numpy as np
import torch

from helpers.record.store import LISTS, STATISTICS, LayerRecord

UNFOLDED = 2**24  # sums that single responses may unfold to, where they are fewer themselves

# What a layer of U units may hold about C classes and N images: its types and shape; * is any length.
_SMALL, _WIDE = {torch.uint8, torch.uint16}, {torch.int32, torch.int64}
_HELD = {
    "values": ({torch.float16, torch.float32}, "U*"),
    "images": (_SMALL | _WIDE, "U*"),
    "positions": (_SMALL | _WIDE, "U*2"),
    "means": ({torch.float16}, "UC"),
    "extremes": ({torch.float32}, "U2"),
    "scale": ({torch.float32}, "U2"),
    "responses": ({torch.uint8, torch.float32}, "NU"),
    "sums": ({torch.float64}, "UC"),
    "minima": ({torch.float32}, "UC"),
    "maxima": ({torch.float32}, "UC"),
}


def check_metadata(metadata: dict, names, classes, recorded) -> None:
    """What a record says of its network, images and layers has the right types and lengths.

    names: the list of images; classes (N,) and recorded (N,): arrays as stored.
    """
    network, images = metadata["network"], metadata["images"]
    _need(all(isinstance(network[key], str) for key in ("name", "weights", "preprocessing")),
          "network")  # fmt: skip
    _need(all(isinstance(images[key], str) for key in ("name", "digest")), "image set")
    _need(_are_names(images["class_names"]), "class names")
    _need(_are_numbers([metadata["k"]], least=1), "k")
    skipped = metadata["skipped"]
    _need(isinstance(skipped, list) and all(_is_pair(one) for one in skipped), "skipped images")
    cut = metadata.get("interrupted", {"images": 0, "of": 0})
    _need(_are_numbers([cut["images"], cut["of"]], least=0), "interruption")
    layers = metadata["layers"]
    faster = metadata.get("faster", {"ways": ["fold"], "drift": dict.fromkeys(layers, 0.0)})
    _need(faster["ways"] and _are_names(faster["ways"]), "arithmetic")
    _need(faster["drift"].keys() == layers.keys(), "layers of other arithmetic")
    _need(all(isinstance(moved, float) for moved in faster["drift"].values()), "drift")
    order = metadata.get("layer_order", list(layers))
    _need(_are_names(order) and sorted(order) == sorted(layers), "order of the layers")
    for geometry in layers.values():
        pairs = [geometry[key] for key in ("map_size", "size", "stride", "offset")]
        _need(all(len(pair) == 2 and _are_numbers(pair) for pair in pairs), "geometry")
        _need(_are_numbers([geometry["units"], *geometry["map_size"]], least=1), "geometry")
    _need(_are_names(names), "image names")
    _need(classes.shape == recorded.shape == (len(names),), "numbers of images, classes and marks")
    _need(classes.dtype.kind in "iu" and recorded.dtype == np.uint8, "types of classes and marks")
    inside = (classes >= 0) & (classes < len(images["class_names"]))
    _need(inside.all() and (recorded <= 1).all(), "classes and marks")


def check_tensors(tensors: dict, layers: dict, n_images: int, n_classes: int, k: int) -> None:
    """Every tensor belongs to a layer, has a known name, and its type and shape are what they must be.

    tensors: `layer/what` -> tensor as stored; layers: name -> geometry as stored.
    """
    held = unfolded = 0
    for key, tensor in tensors.items():
        name, _, field = key.rpartition("/")
        what, _, which = field.partition(".")
        listed = what in LISTS and which in ("values", "images", "positions")
        _need(name in layers and (listed or (what in _HELD and which in STATISTICS)), f"name {key}")
        types, shape = _HELD[which if listed else what]
        units = layers[name]["units"]
        lengths = {"U": units, "C": n_classes, "N": n_images, "2": 2}
        # Of a slim record only the extremes of all images may be known, one column.
        may = (1,) if what in ("minima", "maxima") else ()
        _need(tensor.dtype in types and tensor.ndim == len(shape) and all(
            length in (lengths.get(axis, length), *(may if axis == "C" else ()))
            for axis, length in zip(shape, tensor.shape, strict=True)
        ), f"shape or type of {key}")  # fmt: skip
        _need(what not in ("top", "bottom") or tensor.shape[1] <= k, f"length of {key}")
        if what == "responses" and tensor.dtype == torch.uint8:
            held, unfolded = held + tensor.numel(), unfolded + units * n_classes
    _need(unfolded <= max(held, UNFOLDED), "number of classes")


def check_layers(layers: dict[str, LayerRecord], n_images: int) -> None:
    """The parts of every ranked list have one shape, its images are of the list, its places on the map.

    And sums and extremes are of the same statistics.
    """
    for name, layer in layers.items():
        same = layer.sums.keys() == layer.minima.keys() == layer.maxima.keys()
        _need(same, f"statistics of {name}")
        for which in LISTS:
            ranked, what = getattr(layer, which), f"{name}/{which}"
            _need(ranked.values.shape == ranked.images.shape, f"shape of {what}")
            _need(_within(ranked.images, n_images), f"images of {what}")
            if ranked.positions is None:
                continue
            _need(ranked.positions.shape == (*ranked.images.shape, 2), f"shape of {what}")
            for axis, length in enumerate(layer.geometry.map_size):
                _need(_within(ranked.positions[..., axis], length), f"places of {what}")


def _need(fits, what):
    if not fits:
        raise ValueError(f"{what}: does not fit")


def _are_names(names):
    return (
        isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and len(set(names)) == len(names)
    )


def _are_numbers(numbers, least=-(2**31)):
    return all(type(number) is int and least <= number < 2**31 for number in numbers)


def _is_pair(one):
    return isinstance(one, list) and len(one) == 2 and all(isinstance(s, str) for s in one)


def _within(numbers, length):
    """Whether all are numbers below `length`, or -1 for none."""
    return not numbers.numel() or (numbers.min() >= -1 and numbers.max() < length)
