"""The repository's public address: kept in pyproject.toml, repeated in the files that need it.

usage: python tools/repository.py [https://github.com/OWNER/NAME]

Without an argument it prints the address and fails if a file lacks it; with one, it replaces the
present address everywhere. Colab links, set-up cells and page buttons all depend on it.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_IN_PYPROJECT = re.compile(r'(?m)^(Repository = ")([^"]+)(")')


def address(root=ROOT):
    """The address in pyproject.toml."""
    return _IN_PYPROJECT.search((root / "pyproject.toml").read_text(encoding="utf-8")).group(2)


def copies(root=ROOT):
    """Files that repeat the address."""
    named = [root / name for name in ("_config.yml", "CITATION.cff", "README.md")]
    return named + sorted((root / "book").glob("*.ipynb")) + sorted((root / "book").glob("*.md"))


def lacking(root=ROOT):
    """Copies that ought to name the address and do not."""
    chapters = [path for path in copies(root) if path.suffix != ".md"]
    return [
        path.relative_to(root).as_posix()
        for path in chapters
        if address(root) not in path.read_text(encoding="utf-8")
    ]


def write(new, root=ROOT):
    """Put `new` in place of the present address, in pyproject.toml and every copy."""
    old = address(root)
    for path in [*copies(root), root / "pyproject.toml"]:
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(old, new), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write(sys.argv[1].rstrip("/"))
    print(address())
    problems = lacking()
    for path in problems:
        print(f"{path}: names another address")
    sys.exit(bool(problems))
