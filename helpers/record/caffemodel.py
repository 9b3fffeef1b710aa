"""Reading the parameters out of a Caffe model file, without Caffe and without protobuf.

A `.caffemodel` is a protobuf message. Only five of its fields matter here, so a reader of the wire
format, which skips everything else, is shorter than a dependency: layers (field 2 in files of
before 2015, 100 since), their name (4 or 1) and blobs (6 or 7), and a blob's shape (7, or 1 to 4 in
old files) and data (5). Source: BVLC Caffe, src/caffe/proto/caffe.proto; the protobuf encoding
specification.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from helpers.errors import SelectivityError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Field of a layer in the network -> fields of its name and its blobs in the layer.
_LAYER_FIELDS = {2: (4, 6), 100: (1, 7)}


def read_caffemodel(path: Path) -> dict[str, list[np.ndarray]]:
    """Layer name -> its blobs (weights, then biases) as float32, in the shape that the file gives.

    Old files give every blob four axes, with ones in front: reshape to what the layer needs. Raises
    SelectivityError if the file is cut short or is no Caffe model.
    """
    layers: dict[str, list[np.ndarray]] = {}
    try:
        for field, wire, value in _fields(memoryview(path.read_bytes())):
            if field in _LAYER_FIELDS and wire == _BYTES:
                name, blobs = _layer(value, *_LAYER_FIELDS[field])
                if blobs:
                    layers[name] = blobs
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        raise SelectivityError(
            f"{path} is no readable Caffe model: {error}; fetch it again"
        ) from error
    if not layers:
        raise SelectivityError(f"{path} holds no Caffe layers with parameters")
    return layers


def state_for(
    shapes: Mapping[str, tuple[int, ...]], layers: Mapping[str, list[np.ndarray]]
) -> dict:
    """Name a Caffe model's blobs as a PyTorch module's state dict; layers the module has not are
    left out.

    shapes: the module's own names (`inception_4c.5x5.weight`) and shapes. `/` in a Caffe name is
    written `.`. Raises SelectivityError naming what is missing or of another size.
    """
    dotted = {name.replace("/", "."): blobs for name, blobs in layers.items()}
    state = {}
    for key, shape in shapes.items():
        layer, _, kind = key.rpartition(".")
        blobs = dotted.get(layer, [])
        number = ("weight", "bias").index(kind)
        if number >= len(blobs) or blobs[number].size != np.prod(shape):
            found = "missing" if number >= len(blobs) else f"of shape {blobs[number].shape}"
            raise SelectivityError(
                f"Caffe layer {layer}: its {kind} is {found}, expected {tuple(shape)}"
            )
        state[key] = np.ascontiguousarray(blobs[number].reshape(shape))
    return state


def _layer(message: memoryview, name_field: int, blob_field: int) -> tuple[str, list[np.ndarray]]:
    name, blobs = "", []
    for field, wire, value in _fields(message):
        if wire == _BYTES and field == name_field:
            name = bytes(value).decode()
        elif wire == _BYTES and field == blob_field:
            blobs.append(_blob(value))
    return name, blobs


def _blob(message: memoryview) -> np.ndarray:
    old, shape, data = {}, None, []
    for field, wire, value in _fields(message):
        if field in (1, 2, 3, 4) and wire == _VARINT:
            old[field] = value
        elif field == 5 and wire in (_BYTES, _FIXED32):  # packed, or one number at a time
            data.append(np.frombuffer(value, dtype="<f4"))
        elif field == 7 and wire == _BYTES:
            shape = _dimensions(value)
    values = np.concatenate(data) if data else np.empty(0, np.float32)
    if shape is None:
        shape = [old[field] for field in sorted(old)]
    return values.reshape(shape) if shape else values


def _dimensions(message: memoryview) -> list[int]:
    dimensions: list[int] = []
    for field, wire, value in _fields(message):
        if field == 1 and wire == _VARINT:
            dimensions.append(value)
        elif field == 1 and wire == _BYTES:  # packed
            at = 0
            while at < len(value):
                number, at = _varint(value, at)
                dimensions.append(number)
    return dimensions


def _fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """(field number, wire type, value) of a protobuf message; the value is an int for varints, else
    bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield field, wire, value
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"unknown wire type {wire}")
        if at + size > len(message):
            raise ValueError("the file is cut short")
        yield field, wire, message[at : at + size]
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
        if shift > 63:
            raise ValueError("a number is too long")
