"""The command line as a researcher meets it: real faults, in real processes where that makes a difference."""

import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from PIL import Image

from helpers.__main__ import main
from helpers.claims import CLAIMS
from helpers.record import Record, distributed
from helpers.record.recorder import CHECKPOINT_FORMAT
from helpers.record.store import read_tensors

NETWORK = ["--network", "timm:test_resnet", "--weights", "random"]


def command(*arguments):
    return [sys.executable, "-m", "helpers", *map(str, arguments)]


def run(*arguments, **options):
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=300, **options
    )


# Warnings that Python shows to no user.
UNSAID = DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning


def here(*arguments):
    """The same command in this process, which has read in PyTorch already; warnings are on stderr too."""
    said, wrong = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                status = main([*map(str, arguments)])
            except SystemExit as end:
                status = end.code
        for warning in warned:
            if not issubclass(warning.category, UNSAID):
                print(warning.message, file=wrong)
    return subprocess.CompletedProcess(arguments, status, said.getvalue(), wrong.getvalue())


def one_line(process):
    """The command failed with one clear line."""
    assert process.returncode == 2, process.stderr
    lines = process.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("python -m helpers: "), process.stderr
    return lines[0]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """1,100 small generated pictures in 11 classes."""
    root = tmp_path_factory.mktemp("many")
    pixels = np.random.default_rng(5)
    for c in range(11):
        (root / f"c{c:02d}").mkdir()
        for i in range(100):
            picture = Image.fromarray(pixels.integers(0, 256, (20, 20, 3), dtype=np.uint8))
            picture.save(root / f"c{c:02d}" / f"{i:03d}.png")
    return root


@pytest.fixture(scope="module")
def uninterrupted(many, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "whole.safetensors"
    process = run("record", *NETWORK, "--images", many, "--out", out, "--k", 40)
    assert process.returncode == 0, process.stderr
    assert not out.with_name(out.name + ".checkpoint").exists()
    return out


def test_records_and_tells(uninterrupted, many):
    shown = here("info", uninterrupted)
    assert shown.returncode == 0
    for part in (
        "timm:test_resnet",
        "1100 images",
        "11 classes",
        "sha256:",
        "layer4.0.conv1",
        "k=40",
    ):
        assert part in shown.stdout, part
    assert Record.load(uninterrupted).counts.tolist() == [100] * 11


def test_killed_five_times_and_run_again_gives_the_same_bytes(uninterrupted, many, tmp_path):
    out = tmp_path / "killed.safetensors"
    checkpoint = out.with_name(out.name + ".checkpoint")
    arguments = command("record", *NETWORK, "--images", many, "--out", out, "--k", 40,
                        "--checkpoint-seconds", 0)  # fmt: skip
    moment, killed, resumed = random.Random(0), 0, 0
    for _ in range(5):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while process.poll() is None:  # until this run has written a checkpoint of its own
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                break
            time.sleep(0.01)
            if killed and moment.random() < 0.002:  # or, sometimes, before it has
                break
        time.sleep(moment.uniform(0, 0.3))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
        resumed += checkpoint.exists()
        if out.exists():
            out.unlink()
    assert killed == 5 or resumed, "no run was interrupted: the test tested nothing"
    assert killed >= 3
    last = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert last.returncode == 0, last.stderr
    assert out.read_bytes() == uninterrupted.read_bytes()
    assert not checkpoint.exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_by_a_signal_it_says_how_to_go_on(number, status, many, tmp_path):
    """The whole process group is signalled, as a terminal and `torchrun` do: also what decodes."""
    out = tmp_path / "r.safetensors"
    checkpoint = out.with_name(out.name + ".checkpoint")
    process = subprocess.Popen(
        command("record", *NETWORK, "--images", many, "--out", out, "--checkpoint-seconds", 0),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    os.killpg(process.pid, number)
    said = process.communicate(timeout=120)[1].splitlines()
    assert process.returncode == status and len(said) == 1, said
    assert said[0].startswith("python -m helpers: interrupted after ")
    assert said[0].endswith(f"run the same again to go on from {checkpoint}")
    done = read_tensors(checkpoint, CHECKPOINT_FORMAT)[0]["done"]
    assert 0 < done < 1100 and not out.exists()  # that it goes on exactly: test_interruptions.py


def test_an_unreadable_image_is_skipped_and_named(many, tmp_path):
    folder = tmp_path / "images"
    shutil.copytree(many / "c00", folder / "c00")
    shutil.copytree(many / "c01", folder / "c01")
    (folder / "c00" / "050.png").write_bytes((folder / "c00" / "050.png").read_bytes()[:60])
    out = tmp_path / "r.safetensors"
    process = here("record", *NETWORK, "--images", folder, "--out", out)
    assert process.returncode == 0, process.stderr
    assert "1 images skipped; c00/050.png" in process.stdout
    recorded = Record.load(out)
    assert recorded.counts.tolist() == [99, 100]
    assert [name for name, _ in recorded.metadata["skipped"]] == ["c00/050.png"]
    assert 50 not in recorded[recorded.layers[0]].top.images
    assert "c00/050.png" in here("info", out).stdout
    for broken in ("051.png", "052.png", "053.png"):
        (folder / "c00" / broken).write_bytes(b"no image")
    line = one_line(
        here("record", *NETWORK, "--images", folder, "--out", tmp_path / "s.safetensors")
    )
    assert "more than 1 %" in line and not (tmp_path / "s.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--network", "timm:resnet18x", "--images", "{images}"], "resnet18"),
        (["--network", "worldnet-fin", "--images", "{images}"], "worldnet-fine"),
        ([*NETWORK, "--images", "{images}", "--layers", "conv9*"], "no layer matches"),
        ([*NETWORK, "--images", "{empty}"], "no images"),
        ([*NETWORK, "--images", "{missing}"], "missing"),
        ([*NETWORK, "--images", "{images}", "--faster", "fold,fp8"], "'fp8'; there are fold, bf16, compile"),
        ([*NETWORK, "--images", "{images}", "--device", "abacus"], "device 'abacus' cannot be used"),
        (["--network", "timm:test_resnet", "--weights", "{nothing}", "--images", "{images}"], "nothing.pth"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(arguments, says, many, tmp_path):
    places = {"images": many, "empty": tmp_path, "missing": tmp_path / "missing",
              "nothing": tmp_path / "nothing.pth"}  # fmt: skip
    (tmp_path / "class").mkdir()
    arguments = [a.format(**places) for a in arguments]
    assert says in one_line(here("record", *arguments, "--out", tmp_path / "x.safetensors"))


def test_other_files_are_refused_in_one_line(uninterrupted, many, tmp_path):
    truncated = tmp_path / "truncated.safetensors"
    truncated.write_bytes(uninterrupted.read_bytes()[:5000])
    assert "not a complete file" in one_line(here("info", truncated))
    assert "no such file" in one_line(here("info", tmp_path / "missing.safetensors"))
    assert "is a folder" in one_line(here("info", tmp_path))
    assert "must end in .safetensors" in one_line(
        here("record", *NETWORK, "--images", many, "--out", tmp_path / "x.txt")
    )
    assert "no such folder" in one_line(
        here("record", *NETWORK, "--images", many, "--out", tmp_path / "nowhere" / "x.safetensors")
    )
    # A checkpoint of another run (other k) is neither used nor overwritten.
    checkpoint = tmp_path / "c"
    process = subprocess.Popen(
        command("record", *NETWORK, "--images", many, "--out", tmp_path / "a.safetensors", "--k", 40,
                "--checkpoint", checkpoint, "--checkpoint-seconds", 0)
    )  # fmt: skip
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    kept = checkpoint.read_bytes()
    line = one_line(
        here("record", *NETWORK, "--images", many, "--out", tmp_path / "b.safetensors", "--k", 30,
            "--checkpoint", checkpoint)
    )  # fmt: skip
    assert "another run" in line and "k" in line and checkpoint.read_bytes() == kept


@pytest.mark.parametrize("workers", [0, 1])
def test_processes_that_read_are_as_many_as_asked_for(workers, many, tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        distributed, "record_distributed", lambda *_, **options: asked.update(options)
    )
    main(["record", *NETWORK, "--images", str(many), "--out", str(tmp_path / "r.safetensors"),
          "--workers", str(workers)])  # fmt: skip
    assert asked["workers"] == workers


def test_fewer_than_no_processes_are_refused(many, tmp_path):
    refused = here("record", *NETWORK, "--images", many, "--out", tmp_path / "r.safetensors",
                  "--workers", "-1")  # fmt: skip
    assert refused.returncode == 2 and "--workers" in refused.stderr


def test_other_arithmetic_is_told_with_its_price(many, tmp_path):
    out = tmp_path / "fast.safetensors"
    made = here("record", *NETWORK, "--images", many, "--out", out, "--batch-size", "auto",
               "--layers", "layer1*", "--faster", "bf16, fold", "--workers", 1)  # fmt: skip
    assert made.returncode == 0, made.stderr
    price = "fold and bf16: on the first images, responses moved by at most 0.0"
    assert price in made.stdout and price in here("info", out).stdout


def test_real_googlenet_on_real_photographs(real_home, tmp_path):
    """The command of the README, on a slice of the photographs."""
    folder = tmp_path / "images"
    for name in ("accordion", "beaver"):
        shutil.copytree(real_home / "images" / "caltech101" / name, folder / name)
    out = tmp_path / "c.safetensors"
    weights = real_home / "weights" / "bvlc_googlenet.safetensors"
    process = run(
        "record", "--network", "googlenet", "--weights", weights, "--images", folder, "--out", out
    )
    assert process.returncode == 0, process.stderr
    recorded = Record.load(out)
    assert recorded.counts.tolist() == [20, 20] and "inception_4c.5x5" in recorded.layers


@pytest.mark.parametrize(("study", "paper"), [("googlenet", "1"), ("world", "3")])
def test_claims_are_printed_for_people_and_for_programs(study, paper, tmp_path, monkeypatch):
    """Without weights or photographs: numbers and tables that ship are enough."""
    if study == "googlenet":  # the world's record may be kept from another test
        monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path))
    printed = run("claims", "--study", study, "--json", "--paper", paper)
    assert printed.returncode == 0, printed.stderr
    rows = json.loads(printed.stdout)
    wanted = {"id", "paper", "statement", "measured", "null", "verdict"}
    expected = [claim.id for claim in CLAIMS if claim.paper.rstrip("b") == paper]
    assert [row["id"] for row in rows] == expected and all(wanted <= set(row) for row in rows)
    verdicts = [row["verdict"] for row in rows]
    assert {"holds", "does not hold"} < set(verdicts)
    # Of paper 1 five are about other ways of training, which the world has.
    assert verdicts.count("cannot be tested here") <= 5
    people = here("claims", "--study", study, "--paper", paper).stdout
    assert all(row["statement"] in people for row in rows) and "DOES NOT HOLD" in people
    for row in rows:
        assert (row["measured"] is None) == (row["verdict"] == "cannot be tested here")


def test_claims_of_no_study():
    assert "no study 'wrold'" in one_line(run("claims", "--study", "wrold"))
