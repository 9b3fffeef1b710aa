"""A network and the reading of its maps as one program: the same record, or clear words why not."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from helpers.errors import SelectivityError
from helpers.record import FolderImages, record, wrap
from helpers.record import compiled as compiling
from helpers.record.compiled import CompiledReading, reduced
from helpers.record.memory import ForwardPass
from helpers.record.receptive_field import trace_layers
from helpers.record.statistics import ResponseReader, Responses
from helpers.record.taps import listening
from tests.record.test_faster import settled
from tests.record.test_sweep import assert_right

ROOT = Path(__file__).resolve().parents[2]
# There are 64 images, so the last batch is a smaller one.
SETTINGS = dict(k=12, batch_size=24, device="cpu", progress=False, workers=0)


def assert_same(found, plain):
    """Two records agree but for rounding: values, images and places."""
    for layer in plain.layers:
        for side in ("top", "bottom", "mean_top", "mean_bottom", "near_zero"):
            a, b = getattr(plain[layer], side), getattr(found[layer], side)
            torch.testing.assert_close(b.values, a.values, rtol=1e-4, atol=1e-5)
            assert (a.images == b.images).float().mean() > 0.99, (layer, side)
        assert (plain[layer].top.positions == found[layer].top.positions).float().mean() > 0.99


def test_reductions_for_a_compiler_find_first_places():
    random = np.random.default_rng(0)
    for shape in ((3, 5, 7, 11), (2, 1, 1, 4), (1, 6, 1, 3)):
        maps = torch.from_numpy(random.integers(-3, 4, shape).astype(np.float32))
        assert_right(Responses(*reduced(maps)), maps)


class Mixed(nn.Module):
    """Every way in which units are read: before a fused activation, units last, as tokens, one place."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 5, 4, bias=False), BatchNormAct2d(8)
        self.inside, self.norm2 = nn.Conv2d(8, 12, 3), nn.BatchNorm2d(12)
        self.last, self.tokens, self.head = nn.Linear(12, 6), nn.Linear(6, 10), nn.Linear(10, 5)

    def forward(self, x):
        x = torch.relu_(self.norm2(self.inside(self.norm(self.conv(x)))))
        x = self.last(x.permute(0, 2, 3, 1))
        return self.head(self.tokens(nn.functional.gelu(x).flatten(1, 2)).mean(1))


@pytest.fixture
def mixed():
    torch.manual_seed(0)
    own = wrap(settled(Mixed()), "mixed", input_size=(40, 40))
    assert [(tap.side, tap.units_last, len(tap.shape)) for tap in own.taps.values()] == [
        ("input", False, 3), ("output", False, 3), ("output", True, 3), ("output", False, 2),
        ("output", False, 1),
    ]  # fmt: skip
    return own


@pytest.mark.parametrize("ways", ["compile", "as on a GPU"])
def test_a_compiled_record_is_the_record_but_for_rounding(ways, mixed, picture_folder, monkeypatch):
    if ways == "as on a GPU":  # where the compiler also sees the reductions
        monkeypatch.setattr(compiling, "_read", reduced)
    programs = []

    class Watched(CompiledReading):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            programs.append(self)

    monkeypatch.setattr(compiling, "CompiledReading", Watched)
    images = FolderImages(picture_folder)
    plain = record(mixed, images, **SETTINGS)
    found = record(mixed, images, faster="compile", **SETTINGS)
    assert [program._made for program in programs] == [{24}]  # for the drift of 32 images as well
    assert_same(found, plain)
    price = found.metadata["faster"]
    assert price["ways"] == ["compile"] and list(price["drift"]) == plain.layers
    assert max(price["drift"].values()) < 1e-4
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in mixed.module.modules())


def test_folding_and_bfloat16_are_compiled_too(mixed, picture_folder):
    images = FolderImages(picture_folder)
    apart = record(mixed, images, faster=("fold", "bf16"), **SETTINGS).metadata["faster"]["drift"]
    made = record(mixed, images, faster=("fold", "bf16", "compile"), **SETTINGS)
    assert made.metadata["faster"]["ways"] == ["fold", "bf16", "compile"]
    for layer, moved in made.metadata["faster"]["drift"].items():
        assert 0 < moved < 2 * max(apart.values()), layer


def test_another_record_in_the_same_process_gets_a_program_of_its_own(picture_folder):
    images = FolderImages(picture_folder)
    for seed in range(10):  # more than PyTorch makes of one function
        torch.manual_seed(seed)
        own = wrap(nn.Sequential(nn.Conv2d(3, 2 + seed % 3, 3)), "small", input_size=(16, 16))
        assert_same(
            record(own, images, faster="compile", **SETTINGS), record(own, images, **SETTINGS)
        )


def test_one_program_serves_every_batch(mixed):
    geometry = trace_layers(mixed)
    reader, units = ResponseReader(geometry), sum(g.units for g in geometry.values())
    program = CompiledReading(mixed.module, mixed.taps, 8)
    program.reader, forward = reader, ForwardPass(program, reader)
    rows = Responses.empty(8, units, "cpu")

    def batch(images):
        return torch.randn(images, 3, 40, 40).contiguous(memory_format=torch.channels_last)

    with torch.inference_mode():
        forward(batch(8), rows)
        with torch.compiler.set_stance("fail_on_recompile"):
            for images in (8, 3, 8, 1):
                forward(batch(images), rows.rows(0, images))


def memory_for(program, most):
    """Let memory hold so many images only; returns the sizes that will be tried."""
    run, sizes = program._run, []

    def short_of_memory(batch):
        sizes.append(len(batch))
        if len(batch) > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return run(batch)

    program._run = short_of_memory
    return sizes


def test_a_batch_that_is_too_large_is_halved_also_when_it_is_filled_up(mixed):
    geometry, batch = trace_layers(mixed), torch.randn(7, 3, 40, 40)
    wanted, found = (
        Responses.empty(7, sum(g.units for g in geometry.values()), "cpu") for _ in "ab"
    )
    reader = ResponseReader(geometry)
    with torch.inference_mode(), listening(mixed.module, mixed.taps, reader.read):
        ForwardPass(mixed.module, reader)(batch, wanted)

    program = CompiledReading(mixed.module, mixed.taps, 8)
    program.reader, sizes = reader, memory_for(program, 3)
    with torch.inference_mode(), pytest.warns(UserWarning, match="going on with 3"):
        ForwardPass(program, reader)(batch, found)
    assert sizes == [8, 7, 7, 3, 3, 3]
    for a, b in zip(vars(found).values(), vars(wanted).values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_small_batch_is_not_filled_up_where_memory_holds_no_more(mixed):
    geometry = trace_layers(mixed)
    rows = Responses.empty(4, sum(g.units for g in geometry.values()), "cpu")
    program = CompiledReading(mixed.module, mixed.taps, 8)
    program.reader, sizes = ResponseReader(geometry), memory_for(program, 5)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("error")
        for images in (4, 1):
            ForwardPass(program, program.reader)(
                torch.randn(images, 3, 40, 40), rows.rows(0, images)
            )
    assert sizes == [8, 4, 4]


class Choosing(nn.Module):
    """Goes another way where the image is bright."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x) if x.mean() > 0 else self.conv(-x)


def test_a_way_that_depends_on_the_images_is_refused_in_one_line(picture_folder):
    own = wrap(Choosing(), "choosing", input_size=(32, 32))
    with pytest.raises(
        SelectivityError, match="cannot be compiled.*record without `compile`"
    ) as error:
        record(own, FolderImages(picture_folder), faster="compile", **SETTINGS)
    assert "\n" not in str(error.value)


def test_without_a_compiler_it_says_so_in_one_line(picture_folder, tmp_path):
    surroundings = os.environ | {
        "CXX": "no-such-compiler",
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "helpers", "record", "--network", "worldnet-fine", "--images",
         picture_folder, "--out", tmp_path / "r.safetensors", "--faster", "compile",
         "--device", "cpu"],
        capture_output=True, text=True, cwd=ROOT, env=surroundings, timeout=300,
    )  # fmt: skip
    assert done.returncode != 0 and not (tmp_path / "r.safetensors").exists()
    assert "cannot be compiled" in done.stderr.splitlines()[-1], done.stderr
    assert "Traceback" not in done.stderr
