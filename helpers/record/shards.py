"""Labelled images in tar shards, as the library webdataset writes them: `train-000.tar`, `train-001.tar`, ...

    images = ShardImages("shards/train-{000..099}.tar")      # braces count, as in a shell
    images = ShardImages("shards")                           # every .tar of a folder
    images = open_images("photographs")                      # a folder of classes, or shards

The files of one image lie in one shard and share a *key*, their path up to the first dot of the file's
name: `a/0017.jpg` (or .jpeg, .png, .webp) and `a/0017.cls`, its class: a name, or a number into
`classnames.txt`, one name a line, beside the shards; without that file the number is the name. Other
members of a key (.json, .txt, seg.png) and hidden ones are passed over. Images are numbered by class and
key, so a folder whose files were written with their path as key gives the same list, digest and record.

The headers are read once, and pixels by their offset: shards stay as they are, nothing is unpacked, and no
name is ever used as a path. Refused, with the shard and the member: names that are absolute, that climb
with `..`, that are not UTF-8 or hold control characters; an image without a class, a class without an
image, or two images of one key; a key that occurs twice, in one shard or in two; an archive that is
compressed (no offsets) or cut short. Links, devices and sparse files are not followed; a warning counts
them.
"""

import io
import tarfile
import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.errors import SelectivityError
from helpers.record.images import FolderImages, ImageSet, decode, plain_name

PICTURES = ("jpg", "jpeg", "png", "webp")
_LONGEST_LABEL = 1000  # bytes


def open_images(places: str | Path | Sequence[str | Path]) -> ImageSet:
    """A folder of classes or several, or tar shards: files, names with braces, a folder of shards."""
    places = [places] if isinstance(places, str | Path) else list(places)
    if all(_are_shards(Path(place)) for place in places):
        return ShardImages(places)
    return FolderImages(places if len(places) > 1 else places[0])


def _are_shards(place):
    if place.is_dir():
        return bool(_tars(place)) and not any(
            inside.is_dir() for inside in place.iterdir() if not inside.name.startswith(".")
        )
    return place.suffix == ".tar" or place.is_file()


def _tars(folder):
    return sorted(path for path in folder.glob("*.tar") if not path.name.startswith("."))


class ShardImages(ImageSet):
    """Images in tar shards: paths, paths with braces, or folders of shards; see the top of this file."""

    opens_in_threads = True

    def __init__(self, places: str | Path | Sequence[str | Path]):
        self._shards = _shards([places] if isinstance(places, str | Path) else list(places))
        where, samples = {}, []  # key -> shard; (key, extension, label, (shard, offset, bytes))
        for number, shard in enumerate(self._shards):
            for key, parts in _keys(shard).items():
                if key in where:
                    raise SelectivityError(
                        f"{shard}: {key} is in {self._shards[where[key]].name} too: one key, one image"
                    )
                where[key] = number
                extension, place, label = _image_and_label(shard, key, parts)
                samples.append((key, extension, label, (number, *place)))
        if not samples:
            raise SelectivityError(f"{self._shards[0]}: there are no images in these shards")
        class_of, class_names = _class_names({s[2] for s in samples}, self._shards[0].parent)
        folders = [
            class_names[class_of[label]].replace("/", "-") + "/" for _, _, label, _ in samples
        ]
        if all(s[0].startswith(folder) for s, folder in zip(samples, folders, strict=True)):
            folders = [""] * len(samples)  # the keys are paths that begin with the class
        rows = sorted(
            (f"{folder}{key}.{extension}", class_of[label], place)
            for folder, (key, extension, label, place) in zip(folders, samples, strict=True)
        )
        names, classes, places = zip(*rows, strict=True)
        super().__init__(self._shards[0].absolute().parent.name, names, classes, class_names)
        self._places = np.array(places, dtype=np.int64)
        self._content = self._places[:, 2].tolist()

    def _open(self, row: int) -> Image.Image:
        number, offset, size = self._places[row].tolist()
        with open(self._shards[number], "rb") as shard:
            shard.seek(offset)
            content = shard.read(size)
        if len(content) < size:
            raise OSError(f"{self._shards[number].name} has become shorter")
        return decode(io.BytesIO(content))


def _shards(places) -> list[Path]:
    """The tar files that places name, in order."""
    from webdataset.shardlists import expand_urls

    shards = []
    for place in places:
        if "::" in str(place) or "://" in str(place) or str(place).startswith("pipe:"):
            raise SelectivityError(f"{place}: shards must be files of this machine; copy them here")
        try:
            paths = expand_urls(str(place))
        except (ValueError, AssertionError):  # braces that do not close, ${UNKNOWN}
            raise SelectivityError(f"{place}: these braces name no shards") from None
        for path in map(Path, paths):
            path = path.expanduser()
            inside = _tars(path) if path.is_dir() else [path]
            if not inside or not all(shard.is_file() for shard in inside):
                raise SelectivityError(f"there is no shard {path}")
            shards += inside
    return shards


def _keys(shard) -> dict[str, dict[str, tuple]]:
    """key -> extension -> (offset, bytes, label) of the members that count; label: the text of a .cls."""
    from webdataset.tariterators import base_plus_ext

    keys, left_out, whole, reason = {}, 0, False, "it ends too early"
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                name = _safe_name(shard, member.name)
                if member.isdir() or any(p.startswith((".", "__MACOSX")) for p in name.split("/")):
                    continue
                if not member.isreg() or member.issparse():
                    left_out += 1
                    continue
                key, extension = base_plus_ext(name)
                extension = (extension or "").lower()
                if extension.rpartition(".")[2] not in (*PICTURES, "cls"):
                    continue
                parts = keys.setdefault(key, {})
                if "." in extension:  # seg.png: of this key, but not its image
                    continue
                if extension in parts:
                    raise SelectivityError(f"{shard}: {name} occurs twice")
                label = _label(shard, archive, member) if extension == "cls" else None
                parts[extension] = (member.offset_data, member.size, label)
            # The reader also stops, without a word, where a header is missing or damaged.
            archive.fileobj.seek(archive.offset)
            whole = archive.fileobj.read(tarfile.BLOCKSIZE) == tarfile.NUL * tarfile.BLOCKSIZE
    except SelectivityError:
        raise
    except (tarfile.TarError, ValueError, OverflowError) as error:  # damaged headers raise them all
        reason = str(error)
    if not whole:
        raise SelectivityError(
            f"{shard}: not a whole, uncompressed tar archive ({reason}); copy it again or uncompress it"
        )
    if left_out:
        warnings.warn(f"{shard}: {left_out} links or special files are not read", stacklevel=3)
    return keys


def _image_and_label(shard, key, parts):
    """(extension, (offset, bytes), label) of the image of a key."""
    pictures = [extension for extension in parts if extension in PICTURES]
    if len(pictures) != 1:
        held = " and ".join(f".{p}" for p in pictures) or "no .jpg, .jpeg, .png or .webp"
        raise SelectivityError(f"{shard}: {key} has {held}; every key needs one image")
    if "cls" not in parts:
        raise SelectivityError(f"{shard}: {key} has no .cls, the class of the image")
    return pictures[0], parts[pictures[0]][:2], parts["cls"][2]


def _safe_name(shard, name):
    """A member's name without a leading `./`, in NFC; refused if it could be meant to lead elsewhere."""
    name = plain_name(name.removeprefix("./"), shard)
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
        raise SelectivityError(f"{shard}: the name {name!r} leads out of the archive")
    return name


def _label(shard, archive, member):
    if member.size > _LONGEST_LABEL:
        raise SelectivityError(f"{shard}: {member.name} is too long for the name of a class")
    try:
        label = archive.extractfile(member).read().decode().strip()
    except UnicodeDecodeError:
        label = ""
    if not label.isprintable() or not label:
        raise SelectivityError(f"{shard}: {member.name} is not the name or number of a class")
    return unicodedata.normalize("NFC", label)


def _class_names(labels: set[str], folder) -> tuple[dict[str, int], list[str]]:
    """(label -> class, class names) of the labels that occur; in the order of numbers, if all are."""
    if not all(label.isdecimal() for label in labels):
        names = sorted(labels)
        return {name: i for i, name in enumerate(names)}, names
    numbers = sorted({int(label) for label in labels})
    class_of = {label: numbers.index(int(label)) for label in labels}
    listed = folder / "classnames.txt"
    if not listed.is_file():
        return class_of, [str(number) for number in numbers]
    try:
        lines = listed.read_text("utf-8").split("\n")
    except UnicodeDecodeError:
        raise SelectivityError(f"{listed}: is not UTF-8; save it as UTF-8") from None
    names = [plain_name(line.strip(), listed) for line in lines]
    if numbers[-1] >= len(names) or not all(names[n] for n in numbers):
        raise SelectivityError(f"{listed}: has no name for each class up to {numbers[-1]}")
    # ImageNet has two cranes.
    return class_of, [
        f"{names[n]} ({n})" if names.count(names[n]) > 1 else names[n] for n in numbers
    ]
