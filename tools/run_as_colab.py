"""Run chapters as in Colab: its package versions, an empty folder, the package installed from a clone URL.

usage: python tools/run_as_colab.py [CHAPTER.ipynb ...] [--address URL] [--environment FOLDER]
                                    [--install-torch] [--seconds N]

An environment gets the versions of colab-versions.txt. For each chapter (all by default), whatever an
earlier one installed is removed, the address in a copy of the chapter is replaced by URL (this checkout's
last commit by default), and the copy runs from an empty folder with an empty cache. Its set-up cell installs
the package, as in Colab. A chapter fails if a cell does, or if its installation changed what was there.

Not Colab's own: Python, which is the one that runs this; torch and torchvision, which are linked from the
environment at hand unless --install-torch fetches Colab's versions (5 GB); the package google.colab,
without which the chapters offer no other study; and the GPU.
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from importlib import metadata
from pathlib import Path

import nbformat
import repository
from nbclient.exceptions import CellExecutionError, DeadKernelError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ROOT / "tools" / "colab-versions.txt"
PACKAGE = "neuron-selectivity"
LINKED = "torch", "torchvision"

sys.path.insert(0, str(ROOT))
from tests.kernels import execute  # noqa: E402


def pinned(path=VERSIONS) -> dict[str, str]:
    """{package: version} of the list, names as pip compares them; ValueError for any other line."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        name, equals, version = line.partition("==")
        name = canonicalize_name(name)
        if not equals or not version or name in found:
            raise ValueError(f"{path.name}: {line!r} is not one version of one package")
        found[name] = version
    return found


def python_of(environment: Path) -> Path:
    return environment / "bin" / "python"


def make_environment(folder: Path, install_torch: bool) -> None:
    """Make the environment, or keep the one that is there if it was made in the same way."""
    versions = pinned()
    linked = {} if install_torch else {name: metadata.version(name) for name in LINKED}
    text = json.dumps([sys.version, versions, linked])
    key, stamp = hashlib.sha256(text.encode()).hexdigest(), folder / "made-as"
    if stamp.is_file() and stamp.read_text() == key:
        return
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    _link(folder, linked, versions)  # first, or pip would fetch what others need of it
    wanted = [f"{name}=={version}" for name, version in (versions | linked).items()]
    _pip(folder, "install", "--quiet", *wanted)
    (folder / "before.json").write_text(json.dumps(installed(folder)))
    stamp.write_text(key)


def installed(environment: Path) -> dict[str, str]:
    """{package: version} of everything in an environment."""
    listed = json.loads(_pip(environment, "list", "--format", "json"))
    return {canonicalize_name(one["name"]): one["version"] for one in listed}


def restore(environment: Path) -> dict[str, str]:
    """Remove what was installed since the environment was made; return what there was then."""
    before = json.loads((environment / "before.json").read_text())
    added = sorted(installed(environment).keys() - before.keys())
    if added:
        _pip(environment, "uninstall", "--quiet", "--yes", *added)
    return before


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is not as it was: packages of another version, or gone. New ones are no change."""
    return [
        f"{name} {version} became {after.get(name, 'absent')}"
        for name, version in before.items()
        if after.get(name) != version
    ]


def with_address(notebook, url: str):
    """The notebook with the address in its set-up cell replaced."""
    [cell] = [cell for cell in notebook.cells if "setup" in cell.metadata.get("tags", [])]
    own = re.compile(re.escape(f"git+{repository.address()}@") + r"[\w.]+")
    cell.source, times = own.subn(lambda _: url, cell.source)
    if times != 1:
        raise ValueError(f"the set-up cell names the address {times} times, not once")
    return notebook


def run_chapter(path: Path, environment: Path, url: str, seconds: int) -> tuple[bool, str]:
    """Run one chapter from an empty folder; (did all go well, one line about it)."""
    before, start = restore(environment), time.monotonic()
    notebook = with_address(nbformat.read(path, as_version=4), url)
    with tempfile.TemporaryDirectory() as folder:
        _use_kernel(environment, Path(folder) / "jupyter", Path(folder) / "cache")
        (Path(folder) / "empty").mkdir()
        try:
            execute(notebook, Path(folder) / "empty", seconds)
            problem = ""
        except CellExecutionError as error:
            problem = f"cell {_failing(notebook, str(error))}: {error.ename}: {error.evalue}"
        except (asyncio.TimeoutError, DeadKernelError):
            problem = f"no answer in {seconds} s, or its kernel died"
    took = time.monotonic() - start
    problems = [*([problem] if problem else []), *changed(before, installed(environment))]
    return not problems, f"{took:6.0f} s  {path.stem}: {'; '.join(problems) or 'ok'}"


def clone_address(root=ROOT) -> str:
    """The last commit of this checkout, as pip takes it."""
    commit = _git(root, "rev-parse", "HEAD")
    if _git(root, "status", "--porcelain", "helpers", "data", "pyproject.toml"):
        print("Changes to the package that are not committed are not what runs here.")
    return f"git+file://{root}@{commit}"


def _failing(notebook, message: str) -> str:
    """The id of the cell whose source the error quotes."""
    return next((c.id for c in notebook.cells if c.source and c.source in message), "?")


def _use_kernel(environment: Path, jupyter: Path, cache: Path) -> None:
    """Let "python3" be the kernel of the environment, without this process's own paths and studies."""
    folder = jupyter / "kernels" / "python3"
    folder.mkdir(parents=True)
    command = [str(python_of(environment)), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    own = {"SELECTIVITY_HOME": str(cache), "VIRTUAL_ENV": str(environment)}
    spec = {"argv": command, "display_name": "as in Colab", "language": "python", "env": own}
    (folder / "kernel.json").write_text(json.dumps(spec))
    os.environ["JUPYTER_PATH"] = str(jupyter)
    for name in ("PYTHONPATH", "STUDY"):
        os.environ.pop(name, None)


def _link(environment: Path, linked, pinned) -> None:
    """Hard links to some packages and to what they need, but for what is pinned: no copy on disk."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    goal = Path(_run(python_of(environment), "-c", code).strip())
    done, waiting = set(), [Requirement(name) for name in linked]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if str(wanted) in done or (name in pinned and name not in linked):
            continue
        done.add(str(wanted))
        distribution = metadata.distribution(name)
        for file in distribution.files or ():
            source, target = Path(distribution.locate_file(file)), goal / file
            # Not its programs: they name another Python.
            if ".." not in file.parts and source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                _same_file(source, target)
        for need in map(Requirement, distribution.requires or ()):
            chosen = [{"extra": extra} for extra in ("", *wanted.extras)]
            if not need.marker or any(need.marker.evaluate(one) for one in chosen):
                waiting.append(need)


def _same_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        pass
    except OSError:  # another disk
        shutil.copy2(source, target)


def _pip(environment: Path, *arguments: str) -> str:
    command = [python_of(environment), "-m", "pip", "--disable-pip-version-check"]
    return _run(*command, *arguments)


def _git(root: Path, *arguments: str) -> str:
    return _run("git", "-C", root, *arguments).strip()


def _run(*command) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command[:6]))} ... failed:\n{done.stderr.strip()}")
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", type=Path, metavar="CHAPTER.ipynb")
    parser.add_argument("--address", help="git+... that the set-up cell installs from")
    parser.add_argument("--environment", type=Path, default=ROOT / "build" / "as-colab")
    parser.add_argument("--install-torch", action="store_true", help="Colab's versions (5 GB)")
    parser.add_argument("--seconds", type=int, default=1800, help="limit for a chapter")
    options = parser.parse_args()
    address, start = options.address or clone_address(), time.monotonic()
    make_environment(options.environment, options.install_torch)
    here = installed(options.environment)
    shown = ", ".join(f"{name} {here[name]}" for name in ("ipywidgets", "numpy", "pandas", *LINKED))
    print(
        f"{time.monotonic() - start:6.0f} s  Python {sys.version.split()[0]}, {shown}", flush=True
    )
    failed = 0
    for path in options.chapters or sorted((ROOT / "book").glob("*.ipynb")):
        well, line = run_chapter(path, options.environment.resolve(), address, options.seconds)
        print(line, flush=True)
        failed += not well
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
