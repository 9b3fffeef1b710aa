"""Finding, downloading and loading weight files, with no silent fallback.

    path = resolve("mine.pth")                   # or "https://...#sha256=..."
    state = load_state(path)                     # name -> float32 tensor, every value finite
    fit(module, state, path)                     # or one line that says what does not fit
    download(url, path, checksum="sha256:...")   # resumable, checked, atomic

Weights are identified by `tensors_sha256`, a hash over names and values and not over the file, so the same
weights converted from another container, or with another comment in the header, stay the same network.
"""

import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from helpers.errors import SelectivityError
from helpers.paths import cache_home
from helpers.record.caffemodel import read_caffemodel, state_for

PART = ".part"  # ending of a file that is not whole yet
TIMEOUT = 30  # seconds without a byte before a connection counts as lost
PAUSE = 1.0  # seconds before a new try, longer after each that brought nothing
ATTEMPTS = 5  # connections in a row that may break without having brought a byte


def resolve(weights: str | Path) -> Path:
    """Path of the reader's own weights: a local file, or a URL that carries its hash (`URL#sha256=HEX`).

    A URL's file is kept in the cache and downloaded once. Raises SelectivityError if there is no such file,
    or if a URL comes without a hash: weights that nobody can check would make a record nobody can repeat.
    """
    if "://" not in str(weights):
        path = Path(weights).expanduser()
        if not path.is_file():
            raise SelectivityError(
                f"no weight file at {path}: give a .safetensors, .pth or .caffemodel file"
            )
        return path
    url, _, digest = str(weights).partition("#sha256=")
    if len(digest) != 64:
        raise SelectivityError(f"{url} needs its SHA-256: add '#sha256=<64 hex digits>' to it")
    path = cache_home("weights", f"{digest[:8]}-{url.rsplit('/', 1)[-1]}")
    return download(url, path, checksum=f"sha256:{digest}")


def load_state(
    path: Path, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, Tensor]:
    """Load a state dict, floating-point tensors as float32, on the CPU.

    Reads safetensors, and PyTorch files with `weights_only=True`, so that no code in a file is ever run. A
    checkpoint that holds the state dict under `state_dict` or `model` is unwrapped, and the `module.` that
    data-parallel training leaves before every name is dropped. With `shapes`, name -> shape of the network's
    own parameters, a `.caffemodel` is read as well. Raises SelectivityError for an unreadable file, for
    anything else than named dense tensors, for values that are not finite, and for a file that would unfold
    in memory: a compressed archive, or a tensor that repeats its values.
    """
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        elif path.suffix == ".caffemodel" and shapes is not None:
            arrays = state_for(shapes, read_caffemodel(path), path)
            state = {name: torch.tensor(array) for name, array in arrays.items()}
        else:
            _refuse_compressed(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except SelectivityError:
        raise
    except Exception as error:  # of safetensors, zip, pickle and the file system
        raise SelectivityError(
            f"{path} is damaged or holds more than tensors, and is not loaded ({type(error).__name__}): "
            "get it again, or save it as a state dict or as safetensors"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    items = list(state.items()) if isinstance(state, Mapping) else []
    if not items or not all(_is_named(n) and _is_plain(v) for n, v in items):
        raise SelectivityError(
            f"{path} is no state dict of dense tensors: save `model.state_dict()`"
        )
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    state = {n: v.float() if v.is_floating_point() else v for n, v in state.items()}
    for name, value in state.items():
        if not torch.isfinite(value).all():
            raise SelectivityError(f"{path}: {name} holds nan or infinite values; get it again")
    return state


def _refuse_compressed(path: Path) -> None:
    """PyTorch stores tensors as they are; what is compressed may unfold to a thousand times its size."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise SelectivityError(f"{path} is a compressed archive: save it with `torch.save`")


def _is_named(name) -> bool:
    return isinstance(name, str) and name.isprintable()


def _is_plain(value) -> bool:
    """Whether it is a dense tensor of numbers in memory that are all its own."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and value.dtype != getattr(torch, "float4_e2m1fn_x2", None)
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )


def fit(module: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> None:
    """Load `state` into `module`, every tensor exactly once; SelectivityError naming what does not fit.

    Only `num_batches_tracked`, which evaluation never reads and old files lack, may be missing.
    """
    own = module.state_dict()
    found = {
        "missing": [n for n in own if n not in state and not n.endswith("num_batches_tracked")],
        "unexpected": [n for n in state if n not in own],
        "of another shape": [
            f"{n} {tuple(state[n].shape)} instead of {tuple(v.shape)}"
            for n, v in own.items()
            if n in state and state[n].shape != v.shape
        ],
    }
    problems = [f"{len(n)} {what}: {', '.join(n[:3])}" for what, n in found.items() if n]
    if problems:
        raise SelectivityError(
            f"{source} does not fit this network; {'; '.join(problems)}: give weights of this architecture"
        )
    module.load_state_dict(state, strict=False)


def tensors_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over the tensors in the order of their names: name, a zero byte, the values' bytes."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode() + b"\0")
        digest.update(state[name].detach().cpu().contiguous().numpy())
    return digest.hexdigest()


def download(url: str, path: Path, checksum: str | None = None, progress: bool = True) -> Path:
    """Download `url` to `path`, resuming what an earlier try left, and return `path`.

    checksum: "sha256:HEX", "sha1:HEX" or "md5:HEX"; at least the first 8 digits. A file already there is
    checked, kept and not asked for again. Bytes go to `<path>.part` first and the finished file appears at
    once. A server that ignores the range asked for, or whose file changed in between (ETag, Last-Modified),
    is read again from the start. Raises SelectivityError when the server refuses, when the connection keeps
    breaking (the part stays, run again to resume) or when the hash is wrong (the part goes).
    """
    if path.is_file():
        _verify(path, checksum, url)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    best = idle = 0
    while True:
        try:
            if _continue(url, part, progress):
                break
            reason = "the server closed the connection early"
        except (OSError, http.client.HTTPException) as error:  # HTTPError is an OSError
            reason = first_line(error).removeprefix("HTTP Error ")
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                raise SelectivityError(f"{url}: the server says {reason}") from error
        after = _size(part)
        best, idle = max(best, after), 0 if after > best else idle + 1
        if idle >= ATTEMPTS:
            raise SelectivityError(
                f"{url}: {reason}, {after:,} bytes so far in {part}; run the same command again to resume"
            )
        time.sleep(idle * PAUSE)
    Path(f"{part}.tag").unlink(missing_ok=True)
    try:
        _verify(part, checksum, url)
    except SelectivityError:
        part.unlink()
        raise
    os.replace(part, path)
    return path


def _continue(url: str, part: Path, progress: bool) -> bool:
    """One connection: append to `part` what it lacks; True when it then holds the whole file."""
    start, tag = _size(part), Path(f"{part}.tag")
    headers = {"User-Agent": "neuron-selectivity", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if tag.exists():  # the range counts only if the file is still the same one
            headers["If-Range"] = tag.read_text(encoding="ascii")
    request = urllib.request.Request(url, headers=headers)
    try:
        # An opener of its own, so that the proxies in the environment are those of this moment.
        response = urllib.request.build_opener().open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:
            raise
        # Nothing after `start`: the part is whole, or from another file. "bytes */SIZE" tells.
        if (error.headers.get("Content-Range") or "").endswith(f"/{start}"):
            return True
        part.unlink()
        return False
    with response:
        if response.status != 206:  # the range was ignored or the file changed: it starts again
            start = 0
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if version and not version.startswith("W/"):
            tag.write_text(version, encoding="ascii")
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        show = dict(total=total, initial=start, desc=part.stem, disable=not progress)
        with open(part, "ab" if start else "wb") as file:
            with tqdm.wrapattr(file, "write", **show) as out:
                shutil.copyfileobj(response, out, 1 << 18)
    return total in (None, _size(part))


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _verify(path: Path, checksum: str | None, url: str) -> None:
    if checksum is None:
        return
    kind, _, expected = checksum.partition(":")
    digest = hashlib.new(kind)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if len(expected) < 8 or not digest.hexdigest().startswith(expected.lower()):
        raise SelectivityError(
            f"{path.name.removesuffix(PART)} has {kind} {digest.hexdigest()}, expected {expected}: {url} has "
            "changed or was damaged on the way; delete the file and fetch it again, or tell the authors"
        )


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
