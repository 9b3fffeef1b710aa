"""What the tests of the book share: where it is, and the tools that build and check it."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(ROOT / "tools" / "sphinx_extensions"))


@pytest.fixture(scope="session")
def site():
    """The built book; `make test` builds it first."""
    built = ROOT / "_build" / "html"
    assert (built / "index.html").is_file(), "no built book: run `make book`"
    return built
