"""The record: what one pass over the images leaves, as one file.

A record is safetensors with one JSON text of metadata: no pickle, no time stamp, the same bytes for
the same settings, and a SHA-256 of all it holds. `record[layer]` gives a `LayerRecord`; `save`, `load`,
`merge`, `select` and `keep_layers` make new ones. Everything else in this package is a function of a
record.
"""

import errno
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from helpers.errors import SelectivityError
from helpers.record.receptive_field import LayerGeometry, ReceptiveField
from helpers.record.toplist import RankedList, rerank
from helpers.record.weights import first_line

FORMAT = "neuron-selectivity record 1"
STATISTICS = ("max", "min", "mean", "relu")
SEALED = "; sha256 "  # between a file's format and its digest, which older files have not

# Each list: the statistic it ranks, and the number by which it ranks it (largest first).
LISTS = {
    "top": ("max", lambda value: value),
    "bottom": ("min", lambda value: -value),
    "mean_top": ("mean", lambda value: value),
    "mean_bottom": ("mean", lambda value: -value),
    "near_zero": ("mean", lambda value: -value.abs()),
}
WITH_POSITIONS = ("top", "bottom")
NEAR_ZERO = 20  # images kept of smallest |mean|
_STORED = {torch.int64: torch.int32}  # images and positions fit; halves the file


@dataclass
class LayerRecord:
    """One layer of a record, for U units, k kept images and C classes.

    `top`, `bottom` (strongest and most negative spatial extremes), `mean_top`, `mean_bottom` and
    `near_zero` (by the spatial mean) are `RankedList`s. `sums[statistic]` is (U, C) float64;
    `minima` and `maxima` are (U, C) float32, with +inf and -inf for classes without images;
    `counts` is (C,). `responses[statistic]` is (N, U) where the record keeps them. Statistics are
    of the pre-activation map: its spatial "max", "min", "mean", and "relu" = max(max, 0).
    """

    name: str
    geometry: LayerGeometry
    top: RankedList
    bottom: RankedList
    mean_top: RankedList
    mean_bottom: RankedList
    near_zero: RankedList
    sums: dict[str, torch.Tensor]
    minima: dict[str, torch.Tensor]
    maxima: dict[str, torch.Tensor]
    counts: torch.Tensor
    responses: dict[str, torch.Tensor]

    @property
    def n_units(self) -> int:
        return self.geometry.units

    @property
    def means(self) -> dict[str, torch.Tensor]:
        """Per class and statistic the mean response, (U, C) float64; nan for empty classes."""
        return {name: total / self.counts for name, total in self.sums.items()}

    def extremes(self, statistic: str) -> tuple[torch.Tensor, torch.Tensor]:
        """(lowest, highest) response of each unit over all recorded images, (U,) each."""
        return self.minima[statistic].amin(1), self.maxima[statistic].amax(1)


class Record:
    """What a network's units did on a set of images; see the module's text and `LayerRecord`."""

    def __init__(self, metadata: dict, layers: dict[str, LayerRecord], names, classes, recorded):
        self.metadata = metadata
        self.names = list(names)
        self.classes = np.asarray(classes, dtype=np.int64)
        self.recorded = np.asarray(recorded, dtype=bool)
        self._layers = layers

    @property
    def layers(self) -> list[str]:
        """Layer names, in forward order."""
        return list(self._layers)

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.metadata["images"]["class_names"])

    @property
    def counts(self) -> torch.Tensor:
        """Recorded images per class, (C,) int64."""
        return _counts(self.classes, self.recorded, len(self.class_names))

    @property
    def k(self) -> int:
        return self.metadata["k"]

    @property
    def n_units(self) -> int:
        return sum(layer.n_units for layer in self._layers.values())

    def __getitem__(self, layer: str) -> LayerRecord:
        try:
            return self._layers[layer]
        except KeyError:
            raise SelectivityError(
                f"the record has no layer {layer!r}; it has: {', '.join(self._layers)}"
            ) from None

    def __repr__(self) -> str:
        network, images = self.metadata["network"]["name"], self.metadata["images"]["name"]
        cut = self.metadata.get("interrupted")
        of = f" (interrupted; there are {cut['of']})" if cut else ""
        return (
            f"<Record of {network} on {images}: {len(self.layers)} layers, {self.n_units} units, "
            f"{int(self.recorded.sum())} images{of}, {len(self.class_names)} classes, k={self.k}>"
        )

    def check(self, network=None, images=None) -> None:
        """Refuse a record that is of another network, other weights or other images."""
        asked = []
        if network is not None:
            mine = self.metadata["network"]
            asked += [("network", mine["name"], network.name)]
            asked += [("weights", mine["weights"], network.weights)]
            asked += [("preprocessing", mine["preprocessing"], network.preprocessing)]
        if images is not None:
            mine = self.metadata["images"]
            asked += [("image list", mine["digest"], images.digest())]
        for what, recorded, wanted in asked:
            if recorded != wanted:
                raise SelectivityError(
                    f"this record is of another {what}: recorded {recorded!r}, asked for "
                    f"{wanted!r}; record again with `python -m helpers record`"
                )

    def merge(self, other: "Record") -> "Record":
        """One record from two that recorded different images of the same list with one network.

        Lists are exact; sums agree with one pass to float64 rounding.
        """
        mine, theirs = _identity(self), _identity(other)
        different = [key for key in mine if mine[key] != theirs[key]]
        if different:
            raise SelectivityError(f"records differ in {', '.join(different)} and cannot be merged")
        if (self.recorded & other.recorded).any():
            raise SelectivityError("both records hold the same image; a merge would count it twice")
        recorded = self.recorded | other.recorded
        counts = _counts(self.classes, recorded, len(self.class_names))
        layers = {name: _merge_layer(self[name], other[name], counts) for name in self.layers}
        # An image that both tried to read is one image.
        tried = dict(self.metadata["skipped"] + other.metadata["skipped"])
        skipped = sorted([name, why] for name, why in tried.items())
        metadata = {**self.metadata, "skipped": skipped}
        read, of = int(recorded.sum()) + len(skipped), len(recorded)
        cut = metadata.pop("interrupted", None) or other.metadata.get("interrupted")
        if cut and read < of:
            metadata["interrupted"] = {"images": read, "of": of}
        return Record(metadata, layers, self.names, self.classes, recorded)

    def select(self, classes) -> "Record":
        """The record of only these classes (names or numbers), images and classes re-numbered.

        Sums, extremes and counts are those of recording only these classes. A list is the exact
        beginning of that recording's list: as many entries as the kept k held of these classes,
        then nan and image -1.
        """
        chosen = [self._class_number(c) for c in classes]
        new_class = np.full(len(self.class_names), -1)
        new_class[chosen] = np.arange(len(chosen))
        inside = new_class[self.classes] >= 0
        new_image = torch.from_numpy(np.where(inside, np.cumsum(inside) - 1, -1))
        columns = torch.as_tensor(chosen)
        rows = torch.from_numpy(np.flatnonzero(inside))
        layers = {n: _select_layer(self[n], new_image, columns, rows) for n in self.layers}
        names = [name for name, kept in zip(self.names, inside, strict=True) if kept]
        images = {**self.metadata["images"], "class_names": [self.class_names[c] for c in chosen]}
        images["digest"] = f"selected from {images['digest']}"
        skipped = [pair for pair in self.metadata["skipped"] if pair[0] in set(names)]
        metadata = {**self.metadata, "images": images, "skipped": skipped}
        read = int(self.recorded[inside].sum()) + len(skipped)
        if metadata.pop("interrupted", None) and read < len(names):
            metadata["interrupted"] = {"images": read, "of": len(names)}
        new_classes = new_class[self.classes[inside]]
        return Record(metadata, layers, names, new_classes, self.recorded[inside])

    def keep_layers(self, layers) -> "Record":
        """The same record with fewer layers."""
        kept = {name: self[name] for name in layers}
        metadata = dict(self.metadata)
        if "faster" in metadata:
            drift = {name: metadata["faster"]["drift"][name] for name in kept}
            metadata["faster"] = {**metadata["faster"], "drift": drift}
        return Record(metadata, kept, self.names, self.classes, self.recorded)

    def _class_number(self, wanted) -> int:
        if isinstance(wanted, str):
            if wanted not in self.class_names:
                raise SelectivityError(f"the record has no class {wanted!r}")
            return self.class_names.index(wanted)
        return int(wanted)

    def save(self, path) -> None:
        """Write one file, whole or not at all. The same record gives the same bytes."""
        tensors = {
            "images/names": _text(json.dumps(self.names)),
            "images/classes": torch.from_numpy(self.classes.astype(np.int32)),
            "images/recorded": torch.from_numpy(self.recorded.astype(np.uint8)),
        }
        for name, layer in self._layers.items():
            for key, tensor in _layer_tensors(layer).items():
                tensors[f"{name}/{key}"] = tensor.to(_STORED.get(tensor.dtype, tensor.dtype))
        metadata = {**self.metadata, "format": FORMAT}
        metadata["layers"] = {n: _geometry_dict(x.geometry) for n, x in self._layers.items()}
        metadata["layer_order"] = self.layers  # the file's metadata are sorted by name
        write_tensors(path, tensors, metadata)

    @staticmethod
    def load(path) -> "Record":
        """Read a record, slim ones too; anything else is refused with the reason."""
        from helpers.record.consistency import check_layers, check_metadata, check_tensors
        from helpers.record.slim import expand

        metadata, tensors = read_tensors(path, FORMAT)
        try:
            names = _parsed(bytes(tensors.pop("images/names").numpy()))
            classes = tensors.pop("images/classes").numpy()
            recorded = tensors.pop("images/recorded").numpy()
            check_metadata(metadata, names, classes, recorded)
            recorded, n_classes = recorded.astype(bool), len(metadata["images"]["class_names"])
            geometries = metadata.pop("layers")
            order = metadata.pop("layer_order", list(geometries))
            check_tensors(tensors, geometries, len(names), n_classes, metadata["k"])
            counts = _counts(classes, recorded, n_classes)
            tensors = expand(tensors, classes, recorded, counts)
            layers = {
                name: _layer_from(name, _geometry_from(geometries[name]), tensors, counts)
                for name in order
            }
            check_layers(layers, len(names))
        except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise SelectivityError(
                f"{path}: the record is damaged ({type(error).__name__}: {first_line(error)}); "
                "record it again"
            ) from None
        return Record(metadata, layers, names, classes, recorded)


def write_tensors(path, tensors: dict[str, torch.Tensor], metadata: dict) -> None:
    """Write safetensors with JSON metadata atomically: the old file stays until the new is whole.

    SelectivityError, and no half-written file, where it cannot be written, on a full disk for example.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    metadata = json.loads(json.dumps(metadata))  # as it will be read
    metadata["format"] += SEALED + _digest(metadata, tensors)
    try:
        # One metadata entry only: with several their order in the file would not be fixed.
        save_file(tensors, part, {"metadata": json.dumps(metadata, sort_keys=True)})
        os.chmod(part, 0o644)  # the library makes it readable by its owner alone
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error).rpartition(": ")[2]
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        mend = "make room there" if full or isinstance(error, SafetensorError) else "mend that"
        raise SelectivityError(
            f"{path}: cannot be written ({reason}); {mend} and run the same again"
        ) from None


def read_tensors(path, wanted_format: str) -> tuple[dict, dict[str, torch.Tensor]]:
    """(metadata, tensors) of a file made by `write_tensors`, or a SelectivityError saying why not."""
    path = Path(path)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "there is no such file"
        raise SelectivityError(f"{path}: {what}")
    try:
        with safe_open(path, framework="pt") as file:
            # Copies: the library's lie in the file, and change with it.
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
        with open(path, "rb") as file:  # of a key given twice the library takes the last
            header = _parsed(file.read(int.from_bytes(file.read(8), "little")))
        metadata = _parsed(header.get("__metadata__", {}).get("metadata", "{}"))
    except Exception as error:  # of safetensors, of torch, of JSON and of the file system
        raise SelectivityError(
            f"{path}: not a complete file of this kind ({first_line(error)}); make it or copy it again"
        ) from None
    stated = metadata.get("format") if isinstance(metadata, dict) else None
    found, sealed, digest = str(stated or "a safetensors file of another kind").partition(SEALED)
    if found != wanted_format:
        raise SelectivityError(
            f"{path}: not a {wanted_format!r} but {found!r}; give another file, or make it again"
        )
    metadata["format"] = found
    if sealed and digest != _digest(metadata, tensors):
        raise SelectivityError(
            f"{path}: damaged since it was written (its SHA-256 differs); make it or copy it again"
        )
    return metadata, tensors


def _parsed(text):
    """JSON whose keys are given once each; ValueError for other texts, also where nested without end."""

    def once(pairs):
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("the header gives a key twice")
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except RecursionError:
        raise ValueError("the header is nested too deeply") from None


def _digest(metadata, tensors):
    """SHA-256 (hex) of the metadata and of every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        flat = tensor.as_strided((tensor.numel(),), (1,))  # strides of length 0 or 1 may be any
        digest.update(flat.view(torch.uint8).numpy())
    return digest.hexdigest()


def _identity(record):
    """What two records must share to be merged."""
    identity = {key: record.metadata.get(key) for key in ("network", "images", "k", "software")}
    identity["arithmetic"] = record.metadata.get("faster", {}).get("ways")
    identity["image names"] = record.names
    identity["layers"] = record.layers
    identity["what is kept"] = [
        {key: tensor.shape for key, tensor in _layer_tensors(record[name]).items()}
        for name in record.layers
    ]
    return identity


def _counts(classes, recorded, n_classes):
    return torch.from_numpy(np.bincount(classes[recorded], minlength=n_classes).astype(np.int64))


def _text(text):
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)


def _merge_layer(a, b, counts):
    if a.geometry != b.geometry:
        raise SelectivityError(f"layer {a.name} has another geometry in the other record")
    lists = {
        name: rerank([getattr(a, name), getattr(b, name)], rank, getattr(a, name).values.shape[1])
        for name, (_, rank) in LISTS.items()
    }
    responses = {s: torch.where(b.responses[s].isnan(), a.responses[s], b.responses[s])
                 for s in a.responses}  # fmt: skip
    return LayerRecord(
        a.name, a.geometry, **lists,
        sums={s: a.sums[s] + b.sums[s] for s in a.sums},
        minima={s: torch.minimum(a.minima[s], b.minima[s]) for s in a.minima},
        maxima={s: torch.maximum(a.maxima[s], b.maxima[s]) for s in a.maxima},
        counts=counts, responses=responses,
    )  # fmt: skip


def _select_layer(layer, new_image, columns, rows):
    def selected(ranked, rank):
        kept = rerank([ranked], rank, ranked.values.shape[1], lambda i: new_image[i] >= 0)
        images = torch.where(kept.images >= 0, new_image[kept.images], -1)
        return RankedList(kept.values, images, kept.positions)

    if any(extreme.shape[1] != len(layer.counts) for extreme in layer.minima.values()):
        raise SelectivityError(
            f"{layer.name}: this record keeps no extremes of each class; select from a full record"
        )
    lists = {name: selected(getattr(layer, name), rank) for name, (_, rank) in LISTS.items()}
    by_class = {
        what: {s: t[:, columns] for s, t in getattr(layer, what).items()}
        for what in ("sums", "minima", "maxima")
    }
    responses = {s: t[rows] for s, t in layer.responses.items()}
    return LayerRecord(
        layer.name, layer.geometry, **lists, **by_class,
        counts=layer.counts[columns], responses=responses,
    )  # fmt: skip


def _layer_tensors(layer):
    tensors = {}
    for name in LISTS:
        ranked = getattr(layer, name)
        tensors[f"{name}.values"], tensors[f"{name}.images"] = ranked.values, ranked.images
        if ranked.positions is not None:
            tensors[f"{name}.positions"] = ranked.positions
    for what in ("sums", "minima", "maxima", "responses"):
        for statistic, tensor in getattr(layer, what).items():
            tensors[f"{what}.{statistic}"] = tensor
    return tensors


def _layer_from(name, geometry, tensors, counts):
    def ranked(which):
        values = tensors[f"{name}/{which}.values"]
        images = tensors[f"{name}/{which}.images"].long()
        positions = tensors.get(f"{name}/{which}.positions")
        return RankedList(values, images, None if positions is None else positions.long())

    by_class = {
        what: {s: tensors[f"{name}/{what}.{s}"] for s in STATISTICS
               if f"{name}/{what}.{s}" in tensors}
        for what in ("sums", "minima", "maxima", "responses")
    }  # fmt: skip
    lists = {which: ranked(which) for which in LISTS}
    return LayerRecord(name, geometry, **lists, **by_class, counts=counts)


def _geometry_dict(geometry):
    field = geometry.field
    return {"units": geometry.units, "map_size": list(geometry.map_size),
            "size": list(field.size), "stride": list(field.stride),
            "offset": list(field.offset)}  # fmt: skip


def _geometry_from(d):
    field = ReceptiveField(tuple(d["size"]), tuple(d["stride"]), tuple(d["offset"]))
    return LayerGeometry(int(d["units"]), tuple(d["map_size"]), field)
