"""Reading the parameters out of a Caffe model file, without Caffe and without protobuf.

A `.caffemodel` is a protobuf message. Only four of its fields matter here, so a reader of the wire format,
which skips everything else, is shorter than a dependency: layers (field 2 in files of before 2015, 100
since), their name (4 or 1) and blobs (6 or 7), and a blob's data (5). A blob's shape, which old and new files
write differently, is that of the network's own parameter. Source: BVLC Caffe, src/caffe/proto/caffe.proto;
the protobuf encoding specification.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from helpers.errors import SelectivityError

_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}  # wire type -> bytes
# Field of a layer in the network -> fields of its name and its blobs in the layer.
_LAYER_FIELDS = {2: (4, 6), 100: (1, 7)}


def read_caffemodel(path: Path) -> dict[str, list[np.ndarray]]:
    """Layer name -> its blobs (weights, then biases), each a flat float32 array.

    Raises SelectivityError if the file is cut short or is no Caffe model.
    """
    layers: dict[str, list[np.ndarray]] = {}
    try:
        for field, message in _fields(memoryview(path.read_bytes())):
            if field in _LAYER_FIELDS:
                name, blobs = "", []
                name_field, blob_field = _LAYER_FIELDS[field]
                for inner, value in _fields(message):
                    if inner == name_field:
                        name = bytes(value).decode()
                    elif inner == blob_field:
                        blobs += [np.frombuffer(v, "<f4") for f, v in _fields(value) if f == 5]
                if blobs:
                    layers[name] = blobs
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        problem = f"{path} is no readable Caffe model ({error}): delete it and get it again"
        raise SelectivityError(problem) from error
    if not layers:
        raise SelectivityError(
            f"{path} holds no Caffe layers with parameters: delete it and get it again"
        )
    return layers


def state_for(
    shapes: Mapping[str, tuple[int, ...]],
    layers: Mapping[str, list[np.ndarray]],
    source: str | Path,
) -> dict[str, np.ndarray]:
    """Name a Caffe model's blobs as a PyTorch module's state dict; layers the module has not are left out.

    shapes: the module's own names (`inception_4c.5x5.weight`) and shapes. `/` in a Caffe name is written `.`.
    No value moves: Caffe, too, correlates without turning the filter round, keeps filters as (output, input,
    row, column), and lets a fully connected layer read (channel, row, column). Raises SelectivityError
    naming `source` and what is missing or of another size.
    """
    dotted = {name.replace("/", "."): blobs for name, blobs in layers.items()}
    state = {}
    for key, shape in shapes.items():
        layer, _, kind = key.rpartition(".")
        blobs = dict(zip(("weight", "bias"), dotted.get(layer, []), strict=False))
        if kind not in blobs or blobs[kind].size != np.prod(shape):
            found = f"of {blobs[kind].size} numbers" if kind in blobs else "missing"
            raise SelectivityError(
                f"{source} does not fit this network; Caffe layer {layer}: its {kind} is {found}, "
                f"expected {shape}: give weights of this architecture"
            )
        state[key] = blobs[kind].reshape(shape)
    return state


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(field number, bytes) of the fields of a protobuf message that have a length; others are skipped."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == _VARINT:
            _, at = _varint(message, at)
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in _FIXED:
            size = _FIXED[wire]
        else:
            raise ValueError(f"unknown wire type {wire}")
        if at + size > len(message):
            raise ValueError("the file is cut short")
        if wire == _BYTES:
            yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:  # a hostile file could spell a number as long as itself
            raise ValueError("a number of more than ten bytes")
