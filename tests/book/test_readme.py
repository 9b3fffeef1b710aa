"""The README's first screen: its picture and links exist, its commands are real targets."""

import re
import subprocess

from .conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)\s]+)\)", README)
    local = [target for target in targets if not target.startswith(("http", "#"))]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_folders_it_names_exist():
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)*/)`", README)
    roots = [ROOT, ROOT / "helpers"]
    missing = [name for name in named if not any((root / name).is_dir() for root in roots)]
    assert named and missing == []


def test_targets_it_names_exist():
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"book", "test"} <= targets
    for target in targets:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
