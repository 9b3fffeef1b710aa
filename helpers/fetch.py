"""Getting weights and photographs that cannot be shipped: `python -m helpers fetch NAME`.

    fetch("googlenet")            # weights, Stanford Dogs and Caltech-101, into the cache
    fetch("imagenette", to="/data")   # GoogLeNet's weights and Imagenette
    missing("imagenette")         # what of it is not there yet

The catalogue says where each file comes from, under which licence, and by which hash it is recognised. Files
land where studies look for them, `weights/<file>` and `images/<name>/<class>/<image>`; what is there is not
fetched again. Downloads resume where they stopped, and an archive is unpacked beside its goal and moved there
when it is whole.

None of the addresses could be tried when the catalogue was written (`checked` is false); hashes are those
that the named source publishes, none is made up, and that of converted weights is printed.
"""

import contextlib
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import numpy as np
from safetensors.numpy import save_file

from helpers.errors import SelectivityError
from helpers.paths import cache_home, data_path
from helpers.record.caffemodel import read_caffemodel, state_for
from helpers.record.networks import CAFFE
from helpers.record.weights import download, load_state, tensors_sha256

_PICTURES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True)
class Source:
    """One thing to fetch.

    target: where it lands, relative to the cache. url: of the file, or of the folder for `kind` "caffejs".
    kind: "file" as it is; "caffemodel" and "caffejs" are converted to safetensors; "tar" is unpacked to one
    folder per class. checksum: "sha256|sha1|md5:HEX" of the file, as `checksum_from` publishes it, or None.
    tensors: `tensors_sha256` of the converted weights, if known. size: of the download in bytes, as
    `size_from` says, or None. pictures: how many are kept, or None. inner: the tar inside a zip. leave_out:
    classes not taken. rename: class folder -> a name that people can read. checked: whether the address was
    ever tried from here. otherwise: another source of the same thing. note: why it is so, for people.
    """

    target: str
    url: str
    kind: str
    licence: str
    checksum: str | None = None
    checksum_from: str = ""
    tensors: str | None = None
    size: int | None = None
    size_from: str = ""
    pictures: int | None = None
    inner: str = ""
    leave_out: Sequence[str] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    checked: bool = False
    otherwise: "Source | None" = None
    note: str = ""


def catalogue() -> dict[str, list[Source]]:
    """Everything that can be fetched: name -> its sources (data/sources.json)."""
    table = json.loads(data_path("sources.json").read_text(encoding="utf-8"))

    def sources(name):
        for entry in table[name]:
            if isinstance(entry, str):
                yield from sources(entry)
            else:
                other = entry.get("otherwise")
                yield Source(**{**entry, "otherwise": Source(**other) if other else None})

    return {name: list(sources(name)) for name in table}


def fetch(
    name: str, to: str | Path | None = None, say: Callable[[str], None] = print
) -> list[Path]:
    """Fetch everything of catalogue entry `name` into `to` (the cache by default); return where it lies.

    Each source's address and licence are shown before its first byte. Raises SelectivityError for an unknown
    name, a server that refuses, a wrong hash, or an archive that would write outside its folder; what was
    fetched before stays and running the command again goes on from there.
    """
    entries = catalogue()
    if name not in entries:
        near = get_close_matches(name, entries, n=4, cutoff=0.4) or list(entries)
        raise SelectivityError(f"nothing called {name!r} to fetch; did you mean {', '.join(near)}?")
    home = Path(to).expanduser() if to is not None else cache_home()
    return [get(source, home, say) for source in entries[name]]


def missing(name: str) -> list[Source]:
    """The sources of a catalogue entry that are not in the cache yet."""
    return [source for source in catalogue()[name] if not cache_home(source.target).exists()]


def get(source: Source, home: Path, say: Callable[[str], None] = print) -> Path:
    """Fetch one source into `home`, or its alternative when it fails; return where it lies."""
    goal = home / source.target
    if goal.exists():
        say(f"{goal}: already there")
        return goal
    say(f"{source.target}\n  from    {source.url}\n  licence {source.licence}")
    if source.checksum:
        say(f"  hash    {source.checksum} ({source.checksum_from})")
    if source.size:
        say(f"  size    {source.size / 1e6:,.0f} MB")
    if not source.checked:
        say("  this address was not tried when the book was made")
    file = home / "downloads" / source.url.rsplit("/", 1)[-1]
    try:
        if source.kind == "file":
            download(source.url, goal, source.checksum)
        elif source.kind == "tar":
            download(source.url, file, source.checksum)
            unpack(file, goal, source.inner, source.leave_out, source.rename)
        else:
            found = _convert(source, goal, file)
            say(f"  tensors sha256 {found}")
    except SelectivityError as error:
        if source.otherwise is None:
            raise
        say(f"  {error}\n  trying another source")
        return get(source.otherwise, home, say)
    shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
    say(f"  done: {goal}")
    return goal


def _convert(source: Source, goal: Path, file: Path) -> str:
    """Save Caffe's parameters as safetensors, all or nothing; return their `tensors_sha256`."""
    build = next(build for build, _, filename in CAFFE.values() if filename == goal.name)
    shapes = {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}
    if source.kind == "caffejs":
        state = _get_caffejs(source.url, shapes, file)
    else:
        download(source.url, file, source.checksum)
        state = state_for(shapes, read_caffemodel(file), file)
    part = goal.with_name(f"{goal.stem}.converting.safetensors")
    goal.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, part, metadata={"source": source.url})
    try:
        found = tensors_sha256(load_state(part))  # also refuses nan
        if source.tensors not in (None, found):
            raise SelectivityError(
                f"{source.url}: its tensors ({found}) say these are other weights; nothing was kept"
            )
        os.replace(part, goal)
    finally:
        part.unlink(missing_ok=True)
    return found


def _get_caffejs(url: str, shapes: dict[str, tuple[int, ...]], folder: Path) -> dict:
    """One file of raw little-endian float32 per tensor: `<stage>/<layer>_filter.bin`, `_bias.bin`."""
    state = {}
    for key, shape in shapes.items():
        layer, _, kind = key.rpartition(".")
        ending = "filter" if kind == "weight" else "bias"
        address = f"{url}/{layer.replace('.', '/', 1)}_{ending}.bin"
        values = np.fromfile(download(address, folder / f"{key}.bin", progress=False), dtype="<f4")
        if values.size != np.prod(shape):
            raise SelectivityError(f"{address} holds {values.size} numbers, not {np.prod(shape)}")
        state[key] = values.reshape(shape)
    return state


def unpack(
    archive: Path,
    goal: Path,
    inner: str = "",
    leave_out: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
) -> None:
    """Unpack the pictures of a tar archive to `goal/<class>/<file>`, all or nothing.

    The class is the folder that holds the picture, wherever it lies, so that `train` and `val` halves come
    together; links and other files are not taken. inner: name of the tar inside a zip archive. rename:
    class -> its folder here. Raises SelectivityError if any member would land outside (tarfile's "data"
    filter decides), for two pictures of one name, or a damaged archive.
    """
    taken = set()

    def choose(member: tarfile.TarInfo, destination: str) -> tarfile.TarInfo | None:
        member = tarfile.data_filter(member, destination)
        path = PurePosixPath(member.name)
        picture = path.suffix.lower() in _PICTURES and not path.name.startswith(".")
        folder = path.parent.name
        if ".." in path.parts:  # checked above as it stands, but it is cut and renamed below
            raise SelectivityError(f"{archive.name} holds a path that leads upwards, {member.name}")
        if not member.isreg() or not picture or folder in ("", *leave_out):
            return None
        place = f"{(rename or {}).get(folder, folder)}/{path.name}"
        if place in taken:
            raise SelectivityError(f"{archive.name} holds two pictures {place}")
        taken.add(place)
        return member.replace(name=place)

    part = goal.with_name(goal.name + ".unpacking")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with contextlib.ExitStack() as files:
            stream = files.enter_context(open(archive, "rb"))
            if inner:
                stream = files.enter_context(zipfile.ZipFile(stream)).open(inner)
            tar = files.enter_context(tarfile.open(fileobj=stream, mode="r|*"))
            tar.extractall(part, filter=choose)
        if not taken:
            raise SelectivityError(f"{archive.name} holds no pictures in class folders")
        os.replace(part, goal)
    except tarfile.FilterError as error:
        raise SelectivityError(f"{archive.name} is refused, nothing was kept: {error}") from error
    except (tarfile.TarError, zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
        problem = f"{archive} cannot be unpacked ({error}): delete it and fetch it again"
        raise SelectivityError(problem) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
