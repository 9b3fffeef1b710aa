"""The batch size at which a network runs fastest, on modules whose speed or memory is known."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from helpers.errors import SelectivityError
from helpers.record import WorldImages, batch_size, load_network, record, recorder
from helpers.record.batch_size import images_at_once
from helpers.record.faster import Double

SIZE = (8, 8)


class Planted(nn.Module):
    """Takes as long for few images as for many, but no more than `room` at once."""

    def __init__(self, room=10**6, says="can't allocate memory: you tried to allocate 1 bytes"):
        super().__init__()
        self.room, self.says = room, says

    def forward(self, images):
        if len(images) > self.room:
            raise RuntimeError(self.says)
        time.sleep(0.01)
        return images


def found(module, most=10**6, asked="auto", size=SIZE):
    return images_at_once(asked, Double(module), size, "cpu", most)


def test_sizes_are_doubled_until_that_no_longer_pays(monkeypatch):
    planted = {8: 100.0, 16: 190.0, 32: 210.0, 64: 220.0, 128: 900.0}  # 220 is less than 1.05 x 210
    monkeypatch.setattr(batch_size, "_speed", lambda double, shape, device: planted[shape[0]])
    assert found(Planted()) == 32


def test_batches_that_wait_must_fit_too():
    assert found(Planted(), size=(512, 512)) == 32  # of 3 MB each


@pytest.mark.parametrize(("room", "size"), [(40, 32), (8, 8), (3, 8)])
def test_or_until_memory_runs_out(room, size):
    assert found(Planted(room)) == size  # even 8 may be too many: the recorder halves them


@pytest.mark.parametrize(("most", "size"), [(1, 1), (7, 7), (20, 16)])
def test_never_more_than_there_are(most, size):
    assert found(Planted(), most) == size


def test_other_errors_are_the_callers():
    with pytest.raises(RuntimeError, match="shapes"):
        found(Planted(20, "shapes do not fit"))


@pytest.mark.parametrize("wrong", [0, -3, 2.5, "many", None])
def test_a_number_stays_and_what_is_none_is_one_line(wrong):
    assert found(Planted(), asked=5) == 5 == found(Planted(), asked=np.int64(5))
    with pytest.raises(
        SelectivityError, match="batch_size is .*; give a positive number, or 'auto'"
    ):
        found(Planted(), asked=wrong)


def test_a_record_with_it_is_the_record():
    network, images = load_network("worldnet-fine"), WorldImages("probe").subset(range(0, 1500, 30))
    own, auto = (record(network, images, 5, batch_size=b, progress=False) for b in (32, "auto"))
    for layer in own.layers:
        torch.testing.assert_close(own[layer].top.values, auto[layer].top.values)
        torch.testing.assert_close(
            own[layer].sums["mean"], auto[layer].sums["mean"], rtol=1e-4, atol=1e-3
        )


def test_a_checkpoint_of_another_run_is_refused_before_anything_is_tried(tmp_path, monkeypatch):
    """Trying batch sizes and other arithmetic takes long where they pay."""
    network, images = load_network("worldnet-fine"), WorldImages("eval").subset(range(40))
    options = dict(checkpoint=tmp_path / "c", keep_checkpoint=True, progress=False)
    record(network, images, 5, **options)

    def tried(*arguments):
        raise RuntimeError("something was tried")

    monkeypatch.setattr(recorder, "quickened", tried)
    with pytest.raises(SelectivityError, match="another run"):
        record(network, images, 6, batch_size="auto", faster="bf16", **options)
    with pytest.raises(RuntimeError, match="tried"):
        record(network, images, 5, **options)
