"""Shared fixtures: generated pictures for everyone, real photographs and weights where they are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(2)
REPOSITORY = Path(__file__).resolve().parent.parent
REAL = REPOSITORY.parent / "shared" / "real"


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="module")
def one_thread():
    """For modules of thousands of small operations: more threads would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def real_home(monkeypatch) -> Path:
    """The folder of real weights and photographs, as SELECTIVITY_HOME; absent outside development."""
    if not REAL.is_dir():
        pytest.skip("real weights and photographs are not beside this checkout")
    monkeypatch.setenv("SELECTIVITY_HOME", str(REAL))
    return REAL


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory) -> Path:
    """60 generated pictures in 4 classes of unequal size: coloured noise, some of them identical."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(3)
    for c, count in enumerate((24, 18, 12, 6)):
        folder = root / f"class{c}"
        folder.mkdir()
        for i in range(count):
            coarse = random.integers(0, 256, (6 + c, 8, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((90, 70), Image.Resampling.BICUBIC)
            picture.save(folder / f"{i:03d}.png")
        # Two identical pictures: equal responses, so the order of ties shows.
        Image.open(folder / "000.png").save(folder / "copy.png")
    return root
