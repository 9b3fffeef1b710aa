"""The workflows are valid, ask for no more rights than they need, and name files that exist."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from .conftest import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.stem: yaml.load(path.read_text("utf-8"), yaml.BaseLoader) for path in FILES}
# A file of the repository, as a command or a step names it.
NAMED = re.compile(r"(?<![\w$/.-])\.?/?((?:tools|\.ci|helpers|data|book|\.github)/[\w./-]*\w)")

each = pytest.mark.parametrize("name", WORKFLOWS)


def jobs(name):
    return WORKFLOWS[name]["jobs"]


def steps(name):
    return [step for job in jobs(name).values() for step in job.get("steps", ())]


def valid(path):
    """Whether the published schema of workflows takes a file."""
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.github-workflows", str(path)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_schema_takes_every_workflow():
    assert {"tests", "colab", "edition", "publish", "weekly"} <= set(WORKFLOWS)
    for path in FILES:
        done = valid(path)
        assert done.returncode == 0, done.stdout


def test_the_schema_notices_a_fault(tmp_path):
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    broken = tmp_path / "tests.yml"
    broken.write_text(text.replace("runs-on", "run-on"))
    assert valid(broken).returncode != 0


@each
def test_files_that_it_names_exist(name):
    text = next(path for path in FILES if path.stem == name).read_text("utf-8")
    named = {found.split("*")[0].rstrip("/") for found in NAMED.findall(text)}
    assert [one for one in named if not (ROOT / one).exists()] == []


def test_a_missing_file_would_be_noticed():
    assert NAMED.findall("run: python tools/gone.py --all; ./.ci/run") == [
        "tools/gone.py",
        ".ci/run",
    ]


@each
def test_commands_are_shell_and_targets_are_in_the_makefile(name):
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))
    for step in steps(name):
        command = step.get("run", "")
        assert subprocess.run(["bash", "-n"], input=command, text=True).returncode == 0, command
        assert set(re.findall(r"\bmake ([a-z-]+)", command)) <= targets
        # What a pull request is called must not become part of a command.
        assert "${{" not in command, command


@each
def test_actions_are_pinned_and_rights_are_few(name):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    for step in steps(name):
        assert "uses" not in step or re.search(r"@v\d+$", step["uses"])
    writing = {
        job: {right for right, how in of_job.get("permissions", {}).items() if how == "write"}
        for job, of_job in jobs(name).items()
    }
    allowed = {"deploy": {"pages", "id-token"}, "release": {"contents"}}
    assert {job: rights for job, rights in writing.items() if rights} == (
        allowed if name == "publish" else {}
    )


def test_nothing_is_published_that_was_not_tested():
    publish = jobs("publish")
    assert publish["tests"]["uses"].endswith("tests.yml")
    assert publish["edition"]["needs"] == "tests" and publish["deploy"]["needs"] == "edition"
    assert publish["deploy"]["if"] == "github.ref == 'refs/heads/main'"


def test_the_weekly_run_uses_nothing_kept():
    assert jobs("weekly")["edition"]["with"] == {"cached": "false"}
    caching = [step for step in steps("edition") if "actions/cache" in step.get("uses", "")]
    assert len(caching) == 3
    assert all(step["if"].split(" && ")[0] == "inputs.cached" for step in caching)
    others = [step.get("uses", "") for name in ("tests", "colab") for step in steps(name)]
    assert not [one for one in others if "actions/cache" in one]
    # An address that is down is an error there.
    (studies,) = [step for step in steps("edition") if step.get("id") == "studies"]
    assert studies["continue-on-error"] == "${{ inputs.cached }}"


def test_the_edition_records_once(real_home, tmp_path):
    """Fetched files are used as they are, and a second run reads the record of the first."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "weights").symlink_to(real_home / "weights")
    photographs = sorted((real_home / "images" / "caltech101").iterdir())
    for i, name in enumerate(("imagenette", "stanford_dogs", "caltech101")):
        for folder in photographs[2 * i : 2 * i + 2]:
            few = home / "images" / name / folder.name
            few.mkdir(parents=True)
            for photograph in sorted(folder.iterdir())[:4]:
                shutil.copy(photograph, few)
    command = [sys.executable, str(ROOT / "tools" / "published_studies.py")]
    environment = {**os.environ, "SELECTIVITY_HOME": str(home)}
    times = []
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "imagenette: googlenet on 8 images" in done.stdout
        assert "googlenet-photographs: googlenet on 16 images" in done.stdout
        times.append([path.stat().st_mtime_ns for path in (home / "records").glob("*")])
    assert len(times[0]) == 2 and times[0] == times[1]
