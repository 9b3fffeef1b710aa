"""Forget stored chapter outputs when anything but the chapter itself changed.

jupyter-cache keys an executed chapter on its code cells only, so a change to the package, the data
or a library would leave old results on the page. `make book` runs this first: it compares a key
over all of these with the one of the last build and, if they differ, removes the stored outputs.
"""

import hashlib
import os
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("helpers", "data")
MADE = re.compile(
    r"-[0-9a-f]{12}-[0-9a-f]{12}$"
)  # a record under the digests of network and images
# Libraries that compute or draw; an unknown one is recorded as absent.
LIBRARIES = ("numpy", "torch", "torchvision", "timm", "pandas", "pillow", "matplotlib", "wordcloud")


def execution_key(root=ROOT, environment=os.environ):
    """SHA-256 over everything a chapter's outputs depend on besides its own cells."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root).as_posix()
            if not path.is_file() or "__pycache__" in relative or relative.startswith("data/make/"):
                continue
            digest.update(f"{relative}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    digest.update(f"python {sys.version_info[:2]}\0".encode())
    for name in LIBRARIES:
        digest.update(f"{name} {_version(name)}\0".encode())
    for name in ("STUDY", "SELECTIVITY_HOME"):
        digest.update(f"{name} {environment.get(name, '')}\0".encode())
    for found in sorted(fetched_files(environment)):
        digest.update(f"{found}\0".encode())
    return digest.hexdigest()


def fetched_files(environment=os.environ):
    """Weights, image folders and records of one's own that chapters show where they are there.

    Records that the studies make for themselves carry digests of their content in their names; they are
    made again where they are missing, and change nothing.
    """
    home = Path(
        environment.get("SELECTIVITY_HOME") or Path.home() / ".cache" / "neuron-selectivity"
    )
    found = [path for name in ("weights", "images", "records") for path in home.glob(f"{name}/*")]
    return [path.relative_to(home).as_posix() for path in found if not MADE.search(path.stem)]


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def forget_stale_outputs(build, key):
    """Remove stored outputs under `build` unless they were made under `key`; True if removed."""
    stored = build / ".execution_key"
    if stored.is_file() and stored.read_text().strip() == key:
        return False
    for name in (".jupyter_cache", "jupyter_execute"):
        shutil.rmtree(build / name, ignore_errors=True)
    build.mkdir(parents=True, exist_ok=True)
    stored.write_text(key + "\n")
    return True


if __name__ == "__main__":
    removed = forget_stale_outputs(ROOT / "_build", execution_key())
    print("Chapters run anew." if removed else "Stored chapter outputs are still valid.")
