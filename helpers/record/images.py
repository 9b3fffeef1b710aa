"""Labelled images, from folders, from the shipped image world, or from torchvision's datasets.

Large sets in tar shards: `shards.py`, whose `open_images` opens folders and shards alike.

    images = FolderImages("images/caltech101")                      # one folder per class
    images = FolderImages(["images/stanford_dogs", "images/caltech101"])
    images = WorldImages("eval")                                    # shipped with the book
    images = TorchvisionImages(torchvision.datasets.Imagenette(...))
    images.select(["beagle", "pug"])                                # a view of some classes
    for indices, batch, unreadable in batches(images, preprocess, range(len(images)), 32): ...

How any picture becomes RGB (`to_rgb`): turned upright as its EXIF tag says; the first frame of several;
transparency over white; palette, grey, bilevel, CMYK and YCbCr by Pillow's conversion, colour profiles
ignored; 16-bit grey divided by 257; floating-point pixels, which have no agreed range, refused.
"""

import contextlib
import copy
import hashlib
import json
import os
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from helpers.errors import SelectivityError
from helpers.paths import data_path
from helpers.record.interruptions import leave_signals_to_the_parent
from helpers.record.preprocessing import parted
from helpers.record.threads import side_by_side

MAX_ASPECT = 100  # a strip longer than this would grow without bound when its short side is resized

# Formats that Pillow lists but that need another program (Ghostscript runs files as code) or hold no
# picture.
_NOT_PICTURES = {"EPS", "PDF", "MPEG", "WMF", "BUFR", "GRIB", "HDF5", "FITS"}


class ImageSet:
    """Labelled images in a fixed order; the base of every kind.

    name: of the set, for people. names: one unique relative posix path per image, sorted. classes: (N,)
    int64 into class_names. in_memory: True if opening an image is cheap. opens_in_threads: whether several
    threads may open images at once.
    """

    in_memory = opens_in_threads = False
    _content: list | None = None  # what tells image files of one name apart: their bytes, or a hash

    def __init__(
        self, name: str, names: Sequence[str], classes: Sequence[int], class_names: Sequence[str]
    ):
        self.name = name
        self.names = list(names)
        self.classes = np.asarray(classes, dtype=np.int64)
        self.class_names = tuple(class_names)
        self._rows = np.arange(len(self))  # where image i of a view is in the set it came from

    def __len__(self) -> int:
        return len(self.names)

    def open(self, i: int) -> Image.Image:
        """Image `i` in RGB; OSError with a one-line reason if it cannot be read."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"{self.name} has {len(self)} images, no number {i}")
        try:
            return self._open(int(self._rows[i]))
        except Exception as error:  # Pillow raises a dozen kinds, from SyntaxError to MemoryError
            raise OSError(f"{self.names[i]}: {_reason(error)}") from error

    def _open(self, row: int) -> Image.Image:
        raise NotImplementedError

    def digest(self) -> str:
        """SHA-256 (hex) of names, classes, class names and file sizes; equal on every machine."""
        table = {"class_names": self.class_names, "names": self.names}
        table["classes"] = self.classes.tolist()
        if self._content is not None:
            table["content"] = [self._content[row] for row in self._rows]
        return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()

    def subset(self, indices: Sequence[int]) -> "ImageSet":
        """A view of the images at `indices`, in the order of the set; the classes keep their numbers."""
        keep = np.unique(np.asarray(indices, dtype=np.int64))
        if len(keep) != len(indices):
            raise SelectivityError(f"a subset of {self.name} names an image twice")
        if len(keep) and not 0 <= keep[0] <= keep[-1] < len(self):
            raise SelectivityError(f"indices of {self.name} go from 0 to {len(self) - 1}")
        view = copy.copy(self)
        view.names = [self.names[i] for i in keep]
        view.classes = self.classes[keep]
        view._rows = self._rows[keep]
        return view

    def select(self, classes: Sequence[str | int]) -> "ImageSet":
        """A view of some classes, by name or number, numbered anew in the order given."""
        numbers = [self._class_number(c) for c in classes]
        if len(set(numbers)) != len(numbers) or not numbers:
            raise SelectivityError(f"select needs one or more different classes of {self.name}")
        view = self.subset(np.flatnonzero(np.isin(self.classes, numbers)))
        new = {number: i for i, number in enumerate(numbers)}
        view.classes = np.array([new[c] for c in view.classes.tolist()], dtype=np.int64)
        view.class_names = tuple(self.class_names[n] for n in numbers)
        return view

    def _class_number(self, wanted: str | int) -> int:
        if wanted in self.class_names:
            return self.class_names.index(wanted)
        if wanted in range(len(self.class_names)):
            return int(wanted)
        near = get_close_matches(str(wanted), self.class_names, n=4) or self.class_names[:4]
        raise SelectivityError(f"{self.name} has no class {wanted!r}; names: {', '.join(near)}")


def _reason(error: Exception) -> str:
    """One line without the path or the address of the file, for a record must not depend on them."""
    if isinstance(error, UnidentifiedImageError):
        return "cannot identify image file"
    reason = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return reason.splitlines()[0]


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image -> RGB, by the rules at the top of this file; OSError where no rule applies."""
    width, height = image.size
    if min(width, height) < 1 or max(width, height) > MAX_ASPECT * min(width, height):
        raise OSError(f"{width} x {height} pixels is no picture (empty or a narrow strip)")
    image.load()
    with contextlib.suppress(Exception):  # a damaged tag, frequent in photographs from the web
        image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise OSError("floating-point pixels have no agreed range; convert the file to 8 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.clip(np.asarray(image, dtype=np.float64), 0, 65535)
        image = Image.fromarray(np.rint(grey / 257).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


@cache
def picture_formats() -> list[str]:
    """Formats of pictures that Pillow reads by itself."""
    Image.init()
    return [name for name in Image.OPEN if name not in _NOT_PICTURES]


class _StrictPillow:
    """Pillow's warnings as we take them. They are the whole process's: the first thread that comes changes
    them, the last that leaves changes them back."""

    def __init__(self):
        self._lock, self._inside, self._before = threading.Lock(), 0, None

    def __enter__(self):
        with self._lock:
            if self._inside == 0:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")  # damaged EXIF blocks, odd transparency in palettes
                warnings.simplefilter("error", Image.DecompressionBombWarning)
            self._inside += 1

    def __exit__(self, *error):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._before.__exit__(*error)


_strict_pillow = _StrictPillow()


def decode(file) -> Image.Image:
    """An image file, a path or open for reading, as RGB; raises what Pillow does, or OSError by our rules."""
    # Pillow goes by content, not by name.
    with _strict_pillow, Image.open(file, formats=picture_formats()) as image:
        return to_rgb(image)


_sheet = lru_cache(maxsize=64)(decode)  # all the world's sheets, 1.4 MB each


class FolderImages(ImageSet):
    """Photographs in folders: `root/<class>/<image>`, or several such roots, their classes one after another.

    Every file directly in a class folder whose extension Pillow reads is an image; hidden files are not.
    With several roots, an image is named `<root name>/<class>/<file>`, and so is a class that two roots
    share. Symbolic links that lead out of the root, to nothing or in a circle are not followed, pipes and
    devices are not read; a warning counts them. Raises SelectivityError for a missing or empty root, an empty
    class folder, images outside class folders, deeper folders, roots of the same name, names that are not
    UTF-8 or hold control characters, and two names that differ only in how an accent is written.
    """

    opens_in_threads = True

    def __init__(self, root: str | Path | Sequence[str | Path]):
        roots = [Path(r).expanduser() for r in ([root] if isinstance(root, str | Path) else root)]
        labels = [r.resolve().name for r in roots]
        if len(set(labels)) != len(labels) or not labels:
            raise SelectivityError(f"image folders need different names, got {', '.join(labels)}")
        trees = [_scan(r) for r in roots]
        all_names = [class_name for tree in trees for class_name in tree]
        shared = len(set(all_names)) < len(all_names)
        entries, class_names = [], []
        for label, tree in zip(labels, trees, strict=True):
            prefix = f"{label}/" if len(roots) > 1 else ""
            for class_name, files in tree.items():
                number = len(class_names)
                entries += [(f"{prefix}{class_name}/{f}", number, *rest) for f, *rest in files]
                class_names.append(f"{label}/{class_name}" if shared else class_name)
        names, classes, self._paths, self._content = map(list, zip(*sorted(entries), strict=True))
        super().__init__("+".join(labels), names, classes, class_names)

    def _open(self, row: int) -> Image.Image:
        return decode(self._paths[row])


def _scan(root: Path) -> dict[str, list[tuple[str, str, int]]]:
    """Class name -> (file name, path, bytes) of its images, sorted; names in NFC, as Linux writes them."""
    if not root.is_dir():
        raise SelectivityError(f"no image folder at {root}: give one that holds a folder per class")
    inside, left_out = root.resolve(), 0
    known = Image.registered_extensions().items()
    extensions = {e for e, form in known if form in Image.OPEN and form not in _NOT_PICTURES}

    def visible(folder):
        """Its folders and images, by name."""
        nonlocal left_out
        try:
            listed = list(os.scandir(folder))
        except OSError as error:
            raise SelectivityError(
                f"the folder {os.fspath(folder)} cannot be read ({error.strerror}): make it readable, or "
                "take it away"
            ) from None
        entries = {}
        for entry in listed:
            if entry.name.startswith((".", "__MACOSX")):
                continue
            if not _is_inside(entry, inside):
                left_out += 1
            elif entry.is_dir() or Path(entry.name).suffix.lower() in extensions:
                name = plain_name(entry.name, os.fspath(folder))
                if name in entries:
                    raise SelectivityError(
                        f"{os.fspath(folder)}: two entries are named {name}, accents apart; rename one"
                    )
                entries[name] = entry
        return sorted(entries.items())

    tree, strayed, deep = {}, [], []
    for name, entry in visible(root):
        if entry.is_dir():
            tree[name] = []
            for file_name, file in visible(entry):
                if file.is_dir():
                    deep.append(f"{name}/{file_name}")
                else:
                    tree[name].append((file_name, file.path, file.stat().st_size))
        else:
            strayed.append(name)
    note = ""
    if left_out:
        note = (
            f" ({left_out} symbolic links or special files are not read: "
            "they lead out of the folder or to no file)"
        )
    empty = [class_name for class_name, files in tree.items() if not files]
    if strayed:
        problem = f"{len(strayed)} images lie outside class folders ({strayed[0]}, ...)"
    elif deep:
        near = (root / deep[0]).parent
        problem = f"{deep[0]} is a folder inside a class folder; did you mean {near}?"
    elif len(empty) == len(tree):
        problem = f"the folder holds no images in class folders{note}"
    elif empty:
        problem = f"class folders without images: {', '.join(empty[:4])}{note}"
    else:
        if left_out:
            warnings.warn(f"{root}{note}", stacklevel=3)
        return tree
    raise SelectivityError(f"{root}: {problem}: images must lie at {root.name}/<class>/<image>")


def _is_inside(entry: os.DirEntry, root: Path) -> bool:
    """Whether it is a folder or an ordinary file that lies in `root`, links followed."""
    try:
        place = Path(entry.path).resolve(strict=True) if entry.is_symlink() else root
        return place.is_relative_to(root) and (entry.is_dir() or entry.is_file())
    except (OSError, RuntimeError):  # a link to nothing or in a circle
        return False


def plain_name(name: str, where: str | Path) -> str:
    """A file's name in NFC, as Linux writes it; SelectivityError if it is no line of text in UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise SelectivityError(f"{where}: the name {ascii(name)} is not UTF-8; rename it") from None
    if len(name.splitlines()) > 1 or any(unicodedata.category(c) == "Cc" for c in name):
        raise SelectivityError(f"{where}: the name {name!r} holds a control character; rename it")
    return unicodedata.normalize("NFC", name)


class WorldImages(ImageSet):
    """The generated image world that is shipped with the book; everything about it is known.

    split: "eval", images of each class, or "probe", images of each category of paper 2's face test. `.truth`
    tells, image by image, what was drawn: a dict of arrays of length N, such as `face`, `background` and
    `breed`. Each class lies in one sheet, its images row by row.
    """

    in_memory = True

    def __init__(self, split: str = "eval"):
        if split not in ("eval", "probe"):
            raise SelectivityError(f"the world has no images {split!r}: 'eval' or 'probe'")
        world = json.loads(data_path("world", "world.json").read_text(encoding="utf-8"))
        self._side, self._sheets = world["size"], world["sheets"][split]  # class -> columns, hash
        known = world["images"][split]  # class -> what was drawn, image by image
        class_names = list(known)
        self._places = sorted((name, i) for name in known for i in range(len(known[name])))
        self._drawn = [known[name][i] for name, i in self._places]
        names = [f"{name}/{i:04d}" for name, i in self._places]
        classes = [class_names.index(name) for name, _ in self._places]
        super().__init__(f"world-{split}", names, classes, class_names)
        self._content = [self._sheets[name]["file_sha256"] for name, _ in self._places]
        self._folder = data_path("world", "images", split)

    @property
    def truth(self) -> dict[str, np.ndarray]:
        """What was drawn in each image of this view: fact -> (N,)."""
        drawn = [self._drawn[row] for row in self._rows]
        return {fact: np.array([d[fact] for d in drawn]) for fact in self._drawn[0]}

    def _open(self, row: int) -> Image.Image:
        (name, i), side = self._places[row], self._side
        y, x = divmod(i, self._sheets[name]["columns"])
        sheet = _sheet(self._folder / f"{name}.webp")
        return sheet.crop((x * side, y * side, (x + 1) * side, (y + 1) * side))


class TorchvisionImages(ImageSet):
    """Any torchvision dataset of (PIL image, class number), such as Imagenette, CIFAR10 or ImageFolder.

    class_names: for datasets without `.classes`. An image is named `<class>/<its number in the dataset>`.
    The classes come from the dataset's own list where it has one (`targets`, `labels`, `y`, `_samples` ...),
    otherwise from reading every image once. Raises SelectivityError for other datasets, and for one with a
    transform, since the network brings its own preprocessing.
    """

    def __init__(self, dataset: Dataset, class_names: Sequence[str] | None = None):
        label = type(dataset).__name__
        if _first(dataset, "transform", "transforms") is not None:
            raise SelectivityError(f"{label}: build it without transform; the network has its own")
        names = _first(dataset, "classes", "categories") if class_names is None else class_names
        if names is None:
            raise SelectivityError(f"{label} has no .classes: give class_names=[...]")
        names = [n if isinstance(n, str) else n[0] for n in names]  # ImageNet's are synonyms
        # ImageNet has two cranes.
        names = [f"{n} ({i})" if names.count(n) > 1 else n for i, n in enumerate(names)]
        targets = _first(dataset, "targets", "_labels", "labels", "y", "_samples")
        if targets is None:
            targets = [dataset[i][1] for i in range(len(dataset))]
        # A list of labels, or of (image or its path, label).
        classes = [int(t[1]) if isinstance(t, tuple) else int(t) for t in targets]
        if len(classes) != len(dataset) or not set(classes) <= set(range(len(names))):
            raise SelectivityError(f"{label}: its labels do not fit its {len(names)} classes")
        rows = sorted(
            (f"{names[c].replace('/', '-')}/{i:07d}", c, i) for i, c in enumerate(classes)
        )
        super().__init__(label.lower(), [r[0] for r in rows], [r[1] for r in rows], names)
        self._dataset, self._rows = dataset, np.array([r[2] for r in rows], dtype=np.int64)

    def _open(self, row: int) -> Image.Image:
        image = self._dataset[row][0]
        if not isinstance(image, Image.Image):
            raise OSError(f"the dataset gives {type(image).__name__}, not a PIL image")
        return to_rgb(image)


def _first(of, *attributes: str):
    """The first of these attributes that is there and not None."""
    return next((v for a in attributes if (v := getattr(of, a, None)) is not None), None)


def batches(
    images: ImageSet,
    preprocess: Callable[[Image.Image], Tensor],
    indices: Sequence[int],
    batch_size: int,
    workers: int | None = None,
    device: str | torch.device = "cpu",
) -> Iterator[tuple[Tensor, Tensor, list[tuple[int, str]]]]:
    """Decode and prepare images in parallel; yield (indices, batch, unreadable) in the order of `indices`.

    indices (b,) int64 and batch (b, 3, H, W) float32, the batch on the device, hold the readable images of
    each `batch_size` asked for; unreadable holds (index, reason) of the others, so b may be smaller, also 0
    (then the batch is (0,)). An error in `preprocess` is the caller's and is raised.

    device: where the caller computes. workers: processes that decode while the caller goes on. With 0 this
    process decodes each batch when it is due, in as many threads as PyTorch uses where a set allows it
    (`opens_in_threads`): a caller who computes on the processor has no time left to share. By default 0 for
    sets in memory, and on the processor for those that threads may open; else one per CPU, at most 8
    (`torchrun`'s processes on a machine share its CPUs). A `preprocess` that `parted` does not know is never
    called in threads.
    """
    device = torch.device(device)
    if workers is None:
        threads_do = device.type == "cpu" and images.opens_in_threads
        workers = 0 if images.in_memory or threads_do else min(8, _cpus())
    indices = [int(i) for i in indices]
    parts = [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]
    to_pixels, to_numbers = parted(preprocess)
    workers = min(workers, len(parts))
    threads = torch.get_num_threads() if images.opens_in_threads and not workers else 1
    known = to_numbers is not None
    with side_by_side(threads) as each:
        for read, batch, unreadable in DataLoader(
            _Batches(images, to_pixels, parts, each, known),
            batch_size=None,  # the data set makes whole batches
            collate_fn=tuple,
            num_workers=workers,
            worker_init_fn=leave_signals_to_the_parent,
            pin_memory=device.type == "cuda",
        ):
            batch = batch.to(device, non_blocking=True)
            yield read, to_numbers(batch) if known and len(read) else batch, unreadable


def _cpus() -> int:
    """The processor's cores that this process may use."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cpus or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


class _Batches(Dataset):
    """(indices, batch, unreadable) for each list of image numbers.

    each: maps a function over them, in threads perhaps; prepare: of an image, in the same threads if it may.
    """

    def __init__(self, images: ImageSet, prepare, parts: list[list[int]], each, in_threads: bool):
        self.images, self.prepare, self.parts = images, prepare, parts
        self.each, self.in_threads = each, in_threads

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, part: int):
        readable, prepared, unreadable = [], [], []
        for index, found, reason in self.each(self._read, self.parts[part]):
            if reason is not None:
                unreadable.append((index, reason))
                continue
            readable.append(index)
            prepared.append(found if self.in_threads else self.prepare(found))
        shapes = {tuple(tensor.shape) for tensor in prepared}
        if len(shapes) > 1:
            raise SelectivityError(f"preprocessing gives images of different shapes: {shapes}")
        batch = torch.stack(prepared) if prepared else torch.empty(0)
        return torch.tensor(readable, dtype=torch.int64), batch, unreadable

    def _read(self, index: int):
        """(index, image, prepared if that may be done in threads, and None), or (index, None, reason)."""
        try:
            image = self.images.open(index)
        except OSError as error:
            return index, None, str(error)
        return index, self.prepare(image) if self.in_threads else image, None
