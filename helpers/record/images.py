"""Labelled images, from folders, from the shipped image world, or from torchvision's datasets.

    images = FolderImages("images/caltech101")                      # one folder per class
    images = FolderImages(["images/stanford_dogs", "images/caltech101"])
    images = WorldImages("eval")                                    # shipped with the book
    images = TorchvisionImages(torchvision.datasets.Imagenette(...))
    images.select(["beagle", "pug"])                                # a view of some classes
    for indices, batch, unreadable in batches(images, preprocess, range(len(images)), 32): ...

How any picture becomes RGB (`to_rgb`): turned upright as its EXIF tag says; the first frame of
several; transparency over white; palette, grey, bilevel, CMYK and YCbCr by Pillow's conversion,
colour profiles ignored; 16-bit grey divided by 257; floating-point pixels, which have no agreed
range, refused.
"""

import copy
import hashlib
import json
import os
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from helpers.errors import SelectivityError
from helpers.paths import data_path

MAX_ASPECT = 100  # a strip longer than this would grow without bound when its short side is resized

# Formats that Pillow lists but that need another program (Ghostscript runs files as code) or hold
# no picture.
_NOT_PICTURES = {"EPS", "PDF", "MPEG", "WMF", "BUFR", "GRIB", "HDF5", "FITS"}


class ImageSet:
    """Labelled images in a fixed order; the base of every kind.

    name: of the set, for people. names: one unique relative posix path per image, sorted.
    classes: (N,) int64 into class_names. in_memory: True if opening an image is cheap.
    """

    in_memory = False

    def __init__(
        self, name: str, names: Sequence[str], classes: Sequence[int], class_names: Sequence[str]
    ):
        self.name = name
        self.names = list(names)
        self.classes = np.asarray(classes, dtype=np.int64)
        self.class_names = tuple(class_names)
        self._rows = np.arange(
            len(self.names)
        )  # where image i of this view is in the set it came from

    def __len__(self) -> int:
        return len(self.names)

    def open(self, i: int) -> Image.Image:
        """Image `i` in RGB; OSError with a one-line reason if it cannot be read."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"{self.name} has {len(self)} images, no number {i}")
        try:
            return self._open(int(self._rows[i]))
        except (
            Exception
        ) as error:  # Pillow raises a dozen kinds on damaged files, from SyntaxError to MemoryError
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise OSError(f"{self.names[i]}: {reason}") from error

    def _open(self, row: int) -> Image.Image:
        raise NotImplementedError

    def _content(self) -> list | None:
        """What tells each image's file from another of its name: its bytes, or a hash; or None."""
        return None

    def digest(self) -> str:
        """SHA-256 (hex) of names, classes, class names and file sizes; equal on every machine."""
        table = {
            "class_names": self.class_names,
            "names": self.names,
            "classes": self.classes.tolist(),
        }
        content = self._content()
        if content is not None:
            table["content"] = [content[row] for row in self._rows]
        return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()

    def subset(self, indices: Sequence[int]) -> "ImageSet":
        """A view of the images at `indices`, in the order of the set; the classes keep their
        numbers."""
        keep = np.unique(np.asarray(indices, dtype=np.int64))
        if len(keep) != len(np.asarray(indices)):
            raise SelectivityError(f"a subset of {self.name} names an image twice")
        if len(keep) and not 0 <= keep[0] <= keep[-1] < len(self):
            raise SelectivityError(
                f"{self.name} has {len(self)} images: indices go from 0 to {len(self) - 1}"
            )
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
        renumber = np.full(len(self.class_names), -1)
        renumber[numbers] = np.arange(len(numbers))
        view.classes = renumber[view.classes].astype(np.int64)
        view.class_names = tuple(self.class_names[n] for n in numbers)
        return view

    def _class_number(self, wanted: str | int) -> int:
        if isinstance(wanted, str):
            if wanted in self.class_names:
                return self.class_names.index(wanted)
            near = get_close_matches(wanted, self.class_names, n=4) or self.class_names[:4]
            raise SelectivityError(
                f"{self.name} has no class {wanted!r}; close names: {', '.join(near)}"
            )
        if not 0 <= wanted < len(self.class_names):
            raise SelectivityError(
                f"{self.name} has {len(self.class_names)} classes, no number {wanted}"
            )
        return int(wanted)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image -> RGB, by the rules at the top of this file. Raises OSError where no rule
    applies."""
    width, height = image.size
    if min(width, height) < 1 or max(width, height) > MAX_ASPECT * min(width, height):
        raise OSError(
            f"{width} x {height} pixels is no picture (longer than {MAX_ASPECT} times its width)"
        )
    if Image.MAX_IMAGE_PIXELS and width * height > Image.MAX_IMAGE_PIXELS:
        raise OSError(
            f"{width} x {height} pixels exceed Pillow's limit of {Image.MAX_IMAGE_PIXELS:,}"
        )
    image.load()
    image = _upright(image)
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F":
        raise OSError("floating-point pixels have no agreed range; convert the file to 8 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.clip(np.asarray(image, dtype=np.float64), 0, 65535)
        return Image.fromarray(np.rint(grey / 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (
        Exception
    ):  # a damaged tag, frequent in photographs from the web, says nothing about the pixels
        return image


def _decode(file) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged EXIF blocks, palettes with odd transparency
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file) as image:
            return to_rgb(image)


class FolderImages(ImageSet):
    """Photographs in folders: `root/<class>/<image>`, or several such roots, their classes one
    after another.

    Every file directly in a class folder whose extension Pillow reads is an image; hidden files are
    not. With several roots, an image is named `<root name>/<class>/<file>`, and so is a class that
    two roots share. Symbolic links that lead out of the root are not followed. Raises
    SelectivityError for a missing or empty root, an empty class folder, images outside class
    folders, deeper folders, and roots of the same name.
    """

    def __init__(self, root: str | Path | Sequence[str | Path], name: str | None = None):
        roots = [root] if isinstance(root, (str, Path)) else list(root)
        if not roots:
            raise SelectivityError("no image folder given")
        roots = [Path(r).expanduser() for r in roots]
        labels = [r.resolve().name for r in roots]
        if len(set(labels)) != len(labels):
            raise SelectivityError(f"image folders need different names, got {', '.join(labels)}")
        trees = [_scan(r) for r in roots]
        shared = len({c for tree in trees for c in tree}) < sum(len(tree) for tree in trees)
        entries, class_names = [], []
        for label, tree in zip(labels, trees, strict=True):
            prefix = f"{label}/" if len(roots) > 1 else ""
            for class_name, files in tree.items():
                entries += [
                    (f"{prefix}{class_name}/{f}", len(class_names), p, s) for f, p, s in files
                ]
                class_names.append(f"{label}/{class_name}" if shared else class_name)
        entries.sort(key=lambda entry: entry[0])
        names, classes, self._paths, self._bytes = map(list, zip(*entries, strict=True))
        super().__init__(name or "+".join(labels), names, classes, class_names)

    def _open(self, row: int) -> Image.Image:
        return _decode(self._paths[row])

    def _content(self) -> list[int]:
        return self._bytes


def _scan(root: Path) -> dict[str, list[tuple[str, str, int]]]:
    """Class name -> (file name, path, bytes) of its images, all sorted; names in Unicode NFC, as
    Linux writes them."""
    if not root.is_dir():
        raise SelectivityError(
            f"no image folder at {root}: give a folder that holds one folder per class"
        )
    inside = root.resolve()
    extensions = _extensions()
    tree, strayed, links, deep = {}, [], 0, []
    for entry in sorted(os.scandir(root), key=lambda e: _nfc(e.name)):
        if entry.name.startswith((".", "__MACOSX")):
            continue
        if entry.is_symlink() and not _leads_inside(entry, inside):
            links += 1
        elif entry.is_dir():
            files = []
            for file in os.scandir(entry.path):
                if file.name.startswith("."):
                    continue
                if file.is_symlink() and not _leads_inside(file, inside):
                    links += 1
                elif file.is_dir():
                    deep.append(f"{entry.name}/{file.name}")
                elif _extension(file.name) in extensions:
                    files.append((_nfc(file.name), file.path, file.stat().st_size))
            tree[_nfc(entry.name)] = sorted(files)
        elif _extension(entry.name) in extensions:
            strayed.append(entry.name)
    note = f" ({links} symbolic links lead out of the folder and are not followed)" if links else ""
    if strayed:
        raise SelectivityError(
            f"{root}: {len(strayed)} images lie outside class folders ({strayed[0]}, ...): "
            "give a folder that holds one folder per class"
        )
    if deep:
        raise SelectivityError(
            f"{root}: {deep[0]} is a folder inside a class folder: images must lie at "
            f"{root.name}/<class>/<image>; did you mean {root / deep[0].split('/')[0]}?"
        )
    if not any(tree.values()):
        raise SelectivityError(
            f"{root} holds no images in class folders{note}: <class>/<image>.jpg and the like"
        )
    empty = [class_name for class_name, files in tree.items() if not files]
    if empty:
        raise SelectivityError(
            f"{root}: class folders without images: {', '.join(empty[:4])}{note}: "
            "remove them or add images"
        )
    if links:
        warnings.warn(f"{root}{note}", stacklevel=3)
    return tree


def _leads_inside(entry: os.DirEntry, root: Path) -> bool:
    return Path(entry.path).resolve().is_relative_to(root)


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _extension(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _extensions() -> set[str]:
    """Extensions of the picture formats that this Pillow can open."""
    known = Image.registered_extensions()
    return {e for e, form in known.items() if form in Image.OPEN and form not in _NOT_PICTURES}


class WorldImages(ImageSet):
    """The generated image world that is shipped with the book; everything about it is known.

    split: "eval", images of each class, or "probe", images of each category of paper 2's face test.
    `.truth` tells, image by image, what was drawn: a dict of arrays of length N, such as `face`,
    `background` and `breed`. Each class lies in one sheet, its images row by row.
    """

    in_memory = True

    def __init__(self, split: str = "eval"):
        if split not in ("eval", "probe"):
            raise SelectivityError(f"the world has no images {split!r}: 'eval' or 'probe'")
        table = data_path("world", "world.json")
        if not table.is_file():
            raise SelectivityError(
                f"{table} is missing: the package lacks its data, install it again"
            )
        world = json.loads(table.read_text(encoding="utf-8"))
        self._side = world["size"]
        self._sheets = world["sheets"][split]  # class -> columns, hash
        known = world["images"][split]  # class -> what was drawn, image by image
        self._folder = data_path("world", "images", split)
        class_names = list(known)
        rows = sorted(
            (f"{name}/{i:04d}", number, i)
            for number, name in enumerate(class_names)
            for i in range(len(known[name]))
        )
        names, classes, self._tiles = map(list, zip(*rows, strict=True))
        super().__init__(f"world-{split}", names, classes, class_names)
        self._of_sheet = [class_names[number] for number in classes]
        drawn = [known[name][i] for name, i in zip(self._of_sheet, self._tiles, strict=True)]
        self._truth = {fact: np.array([d[fact] for d in drawn]) for fact in drawn[0]}
        self._opened: dict[str, Image.Image] = {}

    @property
    def truth(self) -> dict[str, np.ndarray]:
        """What was drawn in each image of this view: fact -> (N,)."""
        return {fact: values[self._rows] for fact, values in self._truth.items()}

    def _open(self, row: int) -> Image.Image:
        sheet, side = self._of_sheet[row], self._side
        if sheet not in self._opened:
            self._opened[sheet] = _decode(self._folder / f"{sheet}.webp")
        y, x = divmod(self._tiles[row], self._sheets[sheet]["columns"])
        return self._opened[sheet].crop((x * side, y * side, (x + 1) * side, (y + 1) * side))

    def _content(self) -> list[str]:
        return [self._sheets[sheet]["file_sha256"] for sheet in self._of_sheet]

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_opened": {}}  # a worker process opens its own sheets


class TorchvisionImages(ImageSet):
    """Any torchvision dataset of (PIL image, class number), such as Imagenette, CIFAR10 or
    ImageFolder.

    class_names: for datasets without `.classes`. An image is named `<class>/<its number in the
    dataset>`. The classes come from the dataset's own list where it has one (`targets`, `_labels`,
    `labels`, `y`, `_samples`), otherwise from reading every image once. Raises SelectivityError for
    other datasets, and for one with a transform, since the network brings its own preprocessing.
    """

    def __init__(
        self, dataset: Dataset, name: str | None = None, class_names: Sequence[str] | None = None
    ):
        label = type(dataset).__name__
        for attribute in ("transform", "transforms"):
            if getattr(dataset, attribute, None) is not None:
                raise SelectivityError(
                    f"{label}: build it without {attribute}; the network has its own"
                )
        names = class_names if class_names is not None else getattr(dataset, "classes", None)
        if names is None:
            names = getattr(dataset, "categories", None)
        if names is None:
            raise SelectivityError(f"{label} has no .classes: give class_names=[...]")
        names = [
            n if isinstance(n, str) else n[0] for n in names
        ]  # ImageNet's are tuples of synonyms
        if len(set(names)) != len(names):  # ImageNet has two cranes
            names = [f"{n} ({i})" if names.count(n) > 1 else n for i, n in enumerate(names)]
        classes = _targets(dataset)
        if len(classes) != len(dataset) or (
            len(classes) and not 0 <= min(classes) <= max(classes) < len(names)
        ):
            raise SelectivityError(
                f"{label}: its {len(classes)} labels do not fit its {len(names)} classes"
            )
        self._dataset = dataset
        rows = sorted(
            (f"{names[c].replace('/', '-')}/{i:07d}", c, i) for i, c in enumerate(classes)
        )
        super().__init__(name or label.lower(), [r[0] for r in rows], [r[1] for r in rows], names)
        self._rows = np.array([r[2] for r in rows], dtype=np.int64)

    def _open(self, row: int) -> Image.Image:
        image = self._dataset[row][0]
        if not isinstance(image, Image.Image):
            raise OSError(f"the dataset gives {type(image).__name__}, not a PIL image")
        return to_rgb(image)


def _targets(dataset: Dataset) -> list[int]:
    for attribute in ("targets", "_labels", "labels", "y"):
        values = getattr(dataset, attribute, None)
        if values is not None and len(values) == len(dataset):
            return [int(v) for v in values]
    samples = getattr(dataset, "_samples", None)
    if samples is not None and len(samples) == len(dataset):
        return [int(s[1]) for s in samples]
    return [int(dataset[i][1]) for i in range(len(dataset))]


def batches(
    images: ImageSet,
    preprocess: Callable[[Image.Image], Tensor],
    indices: Sequence[int],
    batch_size: int,
    workers: int | None = None,
) -> Iterator[tuple[Tensor, Tensor, list[tuple[int, str]]]]:
    """Decode and prepare images in parallel; yield (indices, batch, unreadable) in the order of
    `indices`.

    indices (b,) int64 and batch (b, 3, H, W) float32 hold the readable images of each `batch_size`
    asked for; unreadable holds (index, reason) of the others, so b may be smaller, also 0 (then the
    batch is (0,)). Pinned memory if there is a GPU. workers: processes that decode; by default none
    for sets in memory and one per CPU, at most 8, for files. An error in `preprocess` is the
    caller's and is raised.
    """
    if workers is None:
        workers = 0 if images.in_memory else min(8, _cpus())
    indices = [int(i) for i in indices]
    workers = min(workers, -(-len(indices) // batch_size))
    loader = DataLoader(
        _Prepared(images, preprocess, indices),
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=torch.cuda.is_available(),
    )
    yield from loader


class _Prepared(Dataset):
    """(index, prepared image or None, reason) for each index asked for."""

    def __init__(self, images: ImageSet, preprocess: Callable, indices: list[int]):
        self.images, self.preprocess, self.indices = images, preprocess, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int):
        index = self.indices[position]
        try:
            image = self.images.open(index)
        except OSError as error:
            return index, None, str(error)
        return index, self.preprocess(image), ""


def _collate(items):
    readable = [(index, tensor) for index, tensor, _ in items if tensor is not None]
    shapes = {tuple(tensor.shape) for _, tensor in readable}
    if len(shapes) > 1:
        raise SelectivityError(f"preprocessing gives images of different shapes: {sorted(shapes)}")
    indices = torch.tensor([index for index, _ in readable], dtype=torch.int64)
    batch = torch.stack([tensor for _, tensor in readable]) if readable else torch.empty(0)
    return indices, batch, [(index, reason) for index, tensor, reason in items if tensor is None]


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
