"""Finding, downloading and loading weight files, with no silent fallback.

    path = locate("bvlc_googlenet.safetensors", command="python -m helpers fetch googlenet")
    state = load_state(path)                     # name -> float32 tensor, every value finite
    fit(module, state, path)                     # or one line that says what does not fit
    download(url, path, checksum="sha256:...")   # resumable, checked, atomic

Weights are identified by `tensors_sha256`, a hash over names and values and not over the file, so
the same weights converted from another container, or with another comment in the header, stay the
same network.
"""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from helpers.errors import SelectivityError
from helpers.paths import cache_home

PART = ".part"  # ending of a file that is not whole yet
TIMEOUT = 30  # seconds without a byte before a connection counts as lost
PAUSE = 1.0  # seconds before a new try, longer after each that brought nothing
ATTEMPTS = 5  # connections in a row that may break without having brought a byte


def locate(filename: str, command: str) -> Path:
    """Path of a weight file in the cache; SelectivityError with the command that gets it when it is
    not there."""
    path = cache_home("weights", filename)
    if not path.is_file():
        raise SelectivityError(
            f"weights {filename} are not in {path.parent}: get them with `{command}`"
        )
    return path


def resolve(weights: str | Path) -> Path:
    """Path of the reader's own weights: a local file, or a URL that carries its hash
    (`URL#sha256=HEX`).

    A URL's file is kept in the cache and downloaded once. Raises SelectivityError if there is no
    such file, or if a URL comes without a hash: weights that nobody can check would make a record
    nobody can repeat.
    """
    text = str(weights)
    if "://" not in text:
        path = Path(text).expanduser()
        if not path.is_file():
            raise SelectivityError(f"no weight file at {path}: give a .safetensors or .pth file")
        return path
    url, _, fragment = text.partition("#")
    if not fragment.startswith("sha256=") or len(fragment) != len("sha256=") + 64:
        raise SelectivityError(
            f"{url} needs its SHA-256: write it as '{url}#sha256=<64 hex digits>'"
        )
    digest = fragment.removeprefix("sha256=")
    path = cache_home("weights", f"{digest[:8]}-{url.rsplit('/', 1)[-1]}")
    return download(url, path, checksum=f"sha256:{digest}")


def load_state(path: Path) -> dict[str, Tensor]:
    """Load a state dict, floating-point tensors as float32, on the CPU.

    Reads safetensors, and PyTorch files with `weights_only=True`, so that no code in a file is ever
    run. A checkpoint that holds the state dict under `state_dict` or `model` is unwrapped, and the
    `module.` that data-parallel training leaves before every name is dropped. Raises
    SelectivityError for an unreadable file, for anything else than named tensors, and for values
    that are not finite.
    """
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise SelectivityError(
            f"{path} is not a readable weight file: {_first_line(error)}"
        ) from error
    except Exception as error:  # pickle.UnpicklingError and whatever else a broken pickle raises
        raise SelectivityError(
            f"{path} holds more than tensors and is not loaded: "
            "save it as a state dict, or as safetensors"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if (
        not isinstance(state, Mapping)
        or not state
        or not all(isinstance(v, Tensor) for v in state.values())
    ):
        raise SelectivityError(
            f"{path} is no state dict (name -> tensor): save `model.state_dict()`"
        )
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    state = {n: v.float() if v.is_floating_point() else v for n, v in state.items()}
    for name, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise SelectivityError(
                f"{path}: {name} holds nan or infinite values; get the file again"
            )
    return state


def fit(module: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> None:
    """Load `state` into `module`, every tensor exactly once; SelectivityError naming what does not
    fit.

    Only `num_batches_tracked`, which evaluation never reads and old files lack, may be missing.
    """
    own = module.state_dict()
    missing = [n for n in own if n not in state and not n.endswith("num_batches_tracked")]
    unexpected = [n for n in state if n not in own]
    shapes = [
        f"{n} {tuple(state[n].shape)} instead of {tuple(own[n].shape)}"
        for n in own
        if n in state and state[n].shape != own[n].shape
    ]
    found = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    problems = [f"{what}: {_some(names)}" for what, names in found.items() if names]
    if problems:
        raise SelectivityError(
            f"{source} does not fit this network; {'; '.join(problems)}. "
            "Give the weights of this architecture."
        )
    module.load_state_dict(state, strict=False)


def tensors_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over the tensors in the order of their names: name, a zero byte, the values'
    bytes."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode() + b"\0")
        digest.update(state[name].detach().cpu().contiguous().numpy())
    return digest.hexdigest()


def download(url: str, path: Path, checksum: str | None = None, progress: bool = True) -> Path:
    """Download `url` to `path`, resuming what an earlier try left, and return `path`.

    checksum: "sha256:HEX", "sha1:HEX" or "md5:HEX"; at least the first 8 digits. A file already
    there is checked, kept and not asked for again. Bytes go to `<path>.part` first and the finished
    file appears at once, so a broken download never looks like a whole one. A server that ignores
    the range asked for is read again from the start, and one whose file changed in between (ETag or
    Last-Modified) too. Raises SelectivityError when the server refuses, when the connection keeps
    breaking (the part stays, run again to resume) or when the hash is wrong (the part goes).
    """
    if path.is_file():
        _verify(path, checksum, url)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    best = idle = 0
    with tqdm(unit="B", unit_scale=True, desc=path.name, disable=not progress) as bar:
        while True:
            try:
                if _continue(url, part, bar):
                    break
                reason = "the server closed the connection early"
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise SelectivityError(
                        f"{url}: the server says {error.code} {error.reason}"
                    ) from error
                reason = f"{error.code} {error.reason}"
            except (OSError, http.client.HTTPException) as error:
                reason = _first_line(error)
            after = part.stat().st_size if part.exists() else 0
            best, idle = max(best, after), 0 if after > best else idle + 1
            if idle >= ATTEMPTS:
                raise SelectivityError(
                    f"{url}: {reason}, {after:,} bytes so far in {part}; "
                    "run the same command again to resume"
                )
            time.sleep(idle * PAUSE)
    try:
        _verify(part, checksum, url)
    except SelectivityError:
        part.unlink()
        raise
    finally:
        _tag(part).unlink(missing_ok=True)
    os.replace(part, path)
    return path


def _continue(url: str, part: Path, bar: tqdm) -> bool:
    """One connection: append to `part` what it lacks; True when it then holds the whole file."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "neuron-selectivity", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if _tag(part).exists():  # the range counts only if the file is still the same one
            headers["If-Range"] = _tag(part).read_text(encoding="ascii")
    try:
        # An opener of its own, so that the proxies in the environment are those of this moment.
        opener, request = (
            urllib.request.build_opener(),
            urllib.request.Request(url, headers=headers),
        )
        response = opener.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:
            raise
        # Nothing after `start`: the part is whole, or from another file. "bytes */SIZE" tells.
        if (error.headers.get("Content-Range") or "").rpartition("/")[2] == str(start):
            return True
        part.unlink()
        return False
    with response:
        resumed = response.status == 206
        if resumed and not (response.headers.get("Content-Range") or "").startswith(
            f"bytes {start}-"
        ):
            raise OSError("the server sent another range than the one asked for")
        if not resumed:
            start = (
                0  # the range was ignored or the file changed: this is the file from its first byte
            )
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if tag and not tag.startswith("W/"):
            _tag(part).write_text(tag, encoding="ascii")
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        bar.total, bar.n = total, start
        bar.refresh()
        got = start
        with open(part, "ab" if resumed else "wb") as file:
            while chunk := response.read(1 << 18):
                file.write(chunk)
                got += len(chunk)
                bar.update(len(chunk))
    return total is None or got == total


def _tag(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _verify(path: Path, checksum: str | None, url: str) -> None:
    if checksum is None:
        return
    kind, _, expected = checksum.partition(":")
    if kind not in ("sha256", "sha1", "md5") or len(expected) < 8:
        raise ValueError(f"not a checksum: {checksum!r}")
    with open(path, "rb") as file:
        found = (
            hashlib.file_digest(file, kind).hexdigest() if hasattr(hashlib, "file_digest") else None
        )
        if found is None:  # Python 3.10
            digest = hashlib.new(kind)
            while block := file.read(1 << 20):
                digest.update(block)
            found = digest.hexdigest()
    if not found.startswith(expected.lower()):
        raise SelectivityError(
            f"{path.name.removesuffix(PART)} has {kind} {found}, expected {expected}: "
            f"{url} has changed or was damaged on the way; "
            "delete the file and fetch it again, or tell the authors"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
