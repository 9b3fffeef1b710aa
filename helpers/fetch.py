"""Getting weights and photographs that cannot be shipped: `python -m helpers fetch NAME`.

    fetch("googlenet")            # weights, Stanford Dogs and Caltech-101, into the cache
    fetch("imagenette", to="/data")

The catalogue says where each file comes from, under which licence, and by which hash it is
recognised. Files land where studies look for them, `weights/<file>` and
`images/<name>/<class>/<image>`; what is there is not fetched again. Downloads resume where they
stopped, and an archive is unpacked beside its goal and moved there when it is whole.

None of the addresses could be tried when the catalogue was written (`checked=False`); hashes are
those that the named source publishes, none is made up, and where there is none the one that was
found is printed.
"""

import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from helpers.errors import SelectivityError
from helpers.paths import cache_home
from helpers.record.caffemodel import read_caffemodel, state_for
from helpers.record.networks import GOOGLENET_SHA256
from helpers.record.weights import download, load_state, tensors_sha256

_IMAGENET_TERMS = "photographs from ImageNet: non-commercial research and education only"
_PICTURES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True)
class Source:
    """One thing to fetch.

    target: where it lands, relative to the cache. url: of the file, or of the folder for `kind`
    "caffejs". kind: "file" as it is; "caffemodel" and "caffejs" are converted to safetensors; "tar"
    and "zipped tar" are unpacked to one folder per class. checksum: "sha256|sha1|md5:HEX" of the
    file, as `checksum_from` publishes it, or None. tensors: `tensors_sha256` of the converted
    weights, if known. inner: the tar inside the zip. leave_out: classes not taken. checked: whether
    the address was ever tried from here. otherwise: another source of the same thing.
    """

    target: str
    url: str
    kind: str
    licence: str
    checksum: str | None = None
    checksum_from: str = ""
    tensors: str | None = None
    inner: str = ""
    leave_out: tuple[str, ...] = ()
    checked: bool = False
    otherwise: "Source | None" = None


def catalogue() -> dict[str, list[Source]]:
    """Everything that can be fetched: name -> its sources."""
    googlenet = Source(
        "weights/bvlc_googlenet.safetensors",
        "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
        "caffemodel",
        "BVLC GoogLeNet: released for unrestricted use",
        "sha1:405fc5acd08a3bb12de8ee5e23a96bec22f08204",
        "github.com/BVLC/caffe, models/bvlc_googlenet/readme.md",
        tensors=GOOGLENET_SHA256,
        otherwise=Source(
            "weights/bvlc_googlenet.safetensors",
            "https://raw.githubusercontent.com/chaosmail/caffejs/"
            "424d98682b50dd88d0b8cca401c66855709bd013/models/bvlc_googlenet/weights",
            "caffejs",
            "BVLC GoogLeNet: released for unrestricted use; this copy from caffejs (MIT)",
            tensors=GOOGLENET_SHA256,
        ),
    )
    dogs = Source(
        "images/stanford_dogs",
        "http://vision.stanford.edu/aditya86/ImageNetDogs/images.tar",
        "tar",
        f"Stanford Dogs, {_IMAGENET_TERMS}",
        "sha256:a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58",
        "github.com/tensorflow/datasets, url_checksums/stanford_dogs.txt",
    )
    # `Faces_easy` shows the people of `Faces` again, and `BACKGROUND_Google` is no category.
    caltech = Source(
        "images/caltech101",
        "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
        "zipped tar",
        "Caltech-101: terms at https://data.caltech.edu/records/mzrjq-6wc02",
        "md5:3138e1922a9193bfa496528edbbc45d0",
        "torchvision 0.29, datasets/caltech.py",
        inner="caltech-101/101_ObjectCategories.tar.gz",
        leave_out=("BACKGROUND_Google", "Faces_easy"),
    )
    # The 320 px versions: large enough for a 224 px network, a fifth of the size.
    imagenette = Source(
        "images/imagenette",
        "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz",
        "tar",
        f"Imagenette (fast.ai), {_IMAGENET_TERMS}",
        "md5:3df6f0d01a2c9592104656642f5e78a3",
        "torchvision 0.29, datasets/imagenette.py",
    )
    # fast.ai publishes a hash of the first megabyte only, and TensorFlow Datasets and torchvision
    # none.
    imagewoof = Source(
        "images/imagewoof",
        "https://s3.amazonaws.com/fast-ai-imageclas/imagewoof2-320.tgz",
        "tar",
        f"Imagewoof (fast.ai), {_IMAGENET_TERMS}",
    )
    vgg16 = Source(
        "weights/vgg16-397923af.pth",
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "file",
        "torchvision's weights (BSD 3-clause), trained on ImageNet",
        "sha256:397923af",
        "its own file name, torchvision 0.29",
    )
    # The group's own conversions; they publish no hash.
    vgg_cnn = {
        f"vgg_{letter}": Source(
            f"weights/vgg_{letter}.safetensors",
            "http://www.robots.ox.ac.uk/~vgg/software/deep_eval/releases/bvlc/"
            f"VGG_CNN_{letter.upper()}.caffemodel",
            "caffemodel",
            "Visual Geometry Group, Oxford: non-commercial use only",
        )
        for letter in "fms"
    }
    return {
        "googlenet": [googlenet, dogs, caltech],
        "stanford_dogs": [dogs],
        "caltech101": [caltech],
        "imagenette": [imagenette],
        "imagewoof": [imagewoof],
        "vgg16": [vgg16],
        **{name: [source] for name, source in vgg_cnn.items()},
    }


def fetch(
    name: str, to: str | Path | None = None, say: Callable[[str], None] = print
) -> list[Path]:
    """Fetch everything of catalogue entry `name` into `to` (the cache by default); return where it
    lies.

    Each source's address and licence are shown before its first byte. Raises SelectivityError for
    an unknown name, a server that refuses, a wrong hash, or an archive that would write outside its
    folder; what was fetched before stays and running the command again goes on from there.
    """
    entries = catalogue()
    if name not in entries:
        near = get_close_matches(name, entries, n=4, cutoff=0.4) or list(entries)
        raise SelectivityError(f"nothing called {name!r} to fetch; did you mean {', '.join(near)}?")
    home = Path(to).expanduser() if to is not None else cache_home()
    return [get(source, home, say) for source in entries[name]]


def get(source: Source, home: Path, say: Callable[[str], None] = print) -> Path:
    """Fetch one source into `home`, or its alternative when it fails; return where it lies."""
    goal = home / source.target
    if goal.exists():
        say(f"{goal}: already there")
        return goal
    say(f"{source.target}\n  from    {source.url}\n  licence {source.licence}")
    if source.checksum:
        say(f"  hash    {source.checksum} ({source.checksum_from})")
    if not source.checked:
        say("  this address was not tried when the book was made")
    try:
        _GET[source.kind](source, goal, home / "downloads")
    except SelectivityError as error:
        if source.otherwise is None:
            raise
        say(f"  {error}\n  trying another source")
        return get(source.otherwise, home, say)
    if source.kind in ("caffemodel", "caffejs"):
        say(f"  tensors sha256 {tensors_sha256(load_state(goal))}")
    say(f"  done: {goal}")
    return goal


def _get_file(source: Source, goal: Path, downloads: Path) -> None:
    download(source.url, goal, source.checksum)


def _get_caffemodel(source: Source, goal: Path, downloads: Path) -> None:
    file = download(source.url, downloads / source.url.rsplit("/", 1)[-1], source.checksum)
    _save_weights(state_for(_shapes(goal.stem), read_caffemodel(file)), source, goal)
    file.unlink()


def _get_caffejs(source: Source, goal: Path, downloads: Path) -> None:
    """One file of raw little-endian float32 per tensor: `<stage>/<layer>_filter.bin`,
    `_bias.bin`."""
    state = {}
    folder = downloads / goal.stem
    for key, shape in _shapes(goal.stem).items():
        layer, _, kind = key.rpartition(".")
        ending = "filter" if kind == "weight" else "bias"
        url = f"{source.url}/{layer.replace('.', '/', 1)}_{ending}.bin"
        file = download(url, folder / f"{key}.bin", progress=False)
        values = np.fromfile(file, dtype="<f4")
        if values.size != np.prod(shape):
            raise SelectivityError(f"{url} holds {values.size} numbers, expected {np.prod(shape)}")
        state[key] = values.reshape(shape)
    _save_weights(state, source, goal)
    shutil.rmtree(folder)


def _shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters of the network that a weight file is for."""
    if network == "bvlc_googlenet":
        from helpers.record.architectures.googlenet import GoogLeNet

        module = GoogLeNet()
    else:
        from helpers.record.architectures.vgg_cnn import VGGCNN

        module = VGGCNN(network.removeprefix("vgg_"))
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def _save_weights(state: dict[str, np.ndarray], source: Source, goal: Path) -> None:
    part = goal.with_name(f"{goal.stem}.converting.safetensors")
    goal.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, part, metadata={"source": source.url})
    try:
        found = tensors_sha256(load_state(part))  # also refuses nan
        if source.tensors and found != source.tensors:
            raise SelectivityError(
                f"{source.url}: the converted tensors have sha256 {found}, expected "
                f"{source.tensors}: these are other weights; nothing was kept"
            )
        os.replace(part, goal)
    finally:
        part.unlink(missing_ok=True)


def _get_archive(source: Source, goal: Path, downloads: Path) -> None:
    archive = download(source.url, downloads / source.url.rsplit("/", 1)[-1], source.checksum)
    unpack(archive, goal, inner=source.inner, leave_out=source.leave_out)
    archive.unlink()


def unpack(archive: Path, goal: Path, inner: str = "", leave_out: tuple[str, ...] = ()) -> None:
    """Unpack the pictures of a tar archive to `goal/<class>/<file>`, all or nothing.

    The class is the folder that holds the picture, wherever it lies, so that `train` and `val`
    halves come together; links and other files are not taken. inner: name of the tar inside a zip
    archive. Raises SelectivityError if any member would land outside (tarfile's "data" filter
    decides), for two pictures of one name, or a damaged archive.
    """
    if not hasattr(tarfile, "data_filter"):
        raise SelectivityError("unpacking safely needs Python 3.10.12, 3.11.4 or newer")
    part = goal.with_name(goal.name + ".unpacking")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    count = 0
    try:
        for member, file in _members(archive, inner, part):
            path = Path(member)
            kind, hidden = path.suffix.lower(), path.name.startswith(".")
            if (
                kind not in _PICTURES
                or hidden
                or len(path.parts) < 2
                or path.parts[-2] in leave_out
            ):
                continue
            target = part.joinpath(*path.parts[-2:])
            target.parent.mkdir(exist_ok=True)
            if target.exists():
                raise SelectivityError(
                    f"{archive.name} holds two pictures {'/'.join(path.parts[-2:])}"
                )
            with open(target, "wb") as out:
                shutil.copyfileobj(file, out)
            count += 1
        if not count:
            raise SelectivityError(f"{archive.name} holds no pictures in class folders")
        os.replace(part, goal)
    except tarfile.FilterError as error:
        raise SelectivityError(f"{archive.name} is refused, nothing was kept: {error}") from error
    except (tarfile.TarError, zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
        raise SelectivityError(
            f"{archive.name} cannot be unpacked ({error}): delete {archive} and fetch it again"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _members(archive: Path, inner: str, destination: Path) -> Iterator[tuple[str, object]]:
    """(name, open file) of every regular file; each member passes tarfile's safety filter first."""
    if inner:
        with zipfile.ZipFile(archive) as outer, outer.open(inner) as stream:
            yield from _tar_members(tarfile.open(fileobj=stream, mode="r|*"), destination)
    else:
        yield from _tar_members(tarfile.open(archive, mode="r|*"), destination)


def _tar_members(tar: tarfile.TarFile, destination: Path) -> Iterator[tuple[str, object]]:
    with tar:
        for member in tar:
            safe = tarfile.data_filter(member, str(destination))
            if safe.isreg():
                yield safe.name, tar.extractfile(member)


_GET = {
    "file": _get_file,
    "caffemodel": _get_caffemodel,
    "caffejs": _get_caffejs,
    "tar": _get_archive,
    "zipped tar": _get_archive,
}
