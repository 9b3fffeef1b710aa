"""Where shipped data and the reader's own cache lie."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_path(*parts: str) -> Path:
    """Path of a shipped file: `helpers/data` in an installed package, `data` beside it in a checkout."""
    installed = _PACKAGE / "data"
    root = installed if installed.is_dir() else _PACKAGE.parent / "data"
    return root.joinpath(*parts)


@contextlib.contextmanager
def all_or_nothing(path: Path) -> Iterator[Path]:
    """A file to write in the block; it gets its name `path` when that went well, else it is removed."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def cache_home(*parts: str) -> Path:
    """Path inside the cache: `SELECTIVITY_HOME`, or `~/.cache/neuron-selectivity`.

    Its folders are `weights/`, `images/` and `records/`. A file found there is used and nothing is
    downloaded.
    """
    home = os.environ.get("SELECTIVITY_HOME")
    root = Path(home).expanduser() if home else Path.home() / ".cache" / "neuron-selectivity"
    return root.joinpath(*parts)
