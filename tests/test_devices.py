"""A GPU is used where there is one, and nothing stays on it: on a second device without one."""

import re

import pytest
import torch
from torch.utils.data import DataLoader

from helpers import SelectivityError
from helpers.answers import occlusion, prepared, responses_to
from helpers.record import FolderImages, WorldImages, load_network, record, recorder
from helpers.record.recorder import best_device, moved, usable_device
from helpers.replay import responses_in_grey, responses_to_features, right_in_grey
from tests.elsewhere import DEVICE, second_device

pytestmark = pytest.mark.usefixtures("one_thread")
AWAY = str(DEVICE)


@pytest.fixture
def network():
    return load_network("worldnet-fine")


@pytest.fixture(scope="module")
def some():
    return WorldImages("probe").subset(range(0, 1500, 60))


def at_home(network) -> bool:
    """Whether the network answers to tensors of the processor's memory, in evaluation mode."""
    answers = responses_to(network, torch.zeros(3, *network.input_size))
    return all(a.largest.device.type == "cpu" for a in answers.values()) and (
        not network.module.training
    )


def test_the_second_device_is_one():
    """As a GPU: it computes, it refuses what lies elsewhere, and numbers must be fetched from it."""
    with second_device():
        there = torch.arange(3.0).to(DEVICE)
        assert there.device == DEVICE and (there * 2).cpu().tolist() == [0, 2, 4]
        with pytest.raises(RuntimeError, match="two devices"):
            there + torch.ones(3)
        with pytest.raises(RuntimeError, match="not supported"):
            there.numpy()
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                here = torch.zeros(3)
                there = here.to(DEVICE)
                here += 1
                fetched = there.cpu()
                there += 2
                assert fetched.tolist() == [0, 0, 0] and there.cpu().tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="still on"):
        there + 1


def test_a_record_is_the_same_and_leaves_the_network_where_it_was(network, some, monkeypatch):
    monkeypatch.setattr(recorder, "CHUNK", (20, 20))  # several merges, while the device goes on
    settings = dict(k=5, responses=("mean",), batch_size=10, progress=False)
    here = record(network, some, device="cpu", **settings)
    with second_device():
        there = record(network, some, device=AWAY, **settings)
    assert at_home(network)
    for name in here.layers:
        for side in ("top", "bottom", "mean_top", "mean_bottom"):
            mine, its = getattr(here[name], side), getattr(there[name], side)
            assert torch.equal(mine.images, its.images), (name, side)
            torch.testing.assert_close(mine.values, its.values)
        assert torch.equal(here[name].top.positions, there[name].top.positions)
        torch.testing.assert_close(here[name].sums["max"], there[name].sums["max"])
        torch.testing.assert_close(here[name].responses["mean"], there[name].responses["mean"])


def test_files_are_read_by_processes_and_become_numbers_there(network, some, tmp_path, monkeypatch):
    """Beside a GPU processes decode and hand on bytes; on the processor threads do."""
    (tmp_path / "class").mkdir()
    for i in range(20):
        some.open(i).save(tmp_path / "class" / f"{i:02d}.png")
    images, asked = FolderImages(tmp_path), []

    class Watched(DataLoader):
        def __init__(self, *arguments, num_workers, **options):
            asked.append(num_workers)
            super().__init__(*arguments, num_workers=num_workers, **options)

    monkeypatch.setattr("helpers.record.images.DataLoader", Watched)
    settings = dict(k=5, batch_size=8, responses=("mean",), progress=False)
    here = record(network, images, device="cpu", **settings)
    with second_device():
        there = record(network, images, device=AWAY, **settings)
    assert asked[0] == 0 and 1 <= asked[1] <= 3
    for name in here.layers:
        assert torch.equal(here[name].top.images, there[name].top.images)
        torch.testing.assert_close(here[name].responses["mean"], there[name].responses["mean"])


def test_an_error_in_what_is_merged_while_the_device_goes_on_ends_the_run(some, monkeypatch):
    monkeypatch.setattr(recorder, "CHUNK", (5, 5))
    broken = load_network("worldnet-fine")
    broken.module.conv5.bias[3] = torch.nan
    with second_device(), pytest.raises(SelectivityError, match="layer conv5 .* gives nan"):
        record(broken, some, device=AWAY, batch_size=5, progress=False)


def test_a_checkpoint_goes_on_on_another_device(network, some, tmp_path):
    """Begun there, continued here: an interrupted session in Colab, say, on a machine without a GPU."""
    settings = dict(k=5, batch_size=5, progress=False, checkpoint=tmp_path / "checkpoint")
    whole = record(network, some, k=5, device="cpu", progress=False)
    broken = _Breaking(some, after=4)
    with second_device(), pytest.raises(KeyboardInterrupt):
        record(network, broken, device=AWAY, checkpoint_seconds=0, **settings)
    assert at_home(network)
    again = record(network, some, device="cpu", **settings)
    for name in whole.layers:
        assert torch.equal(whole[name].top.images, again[name].top.images)


class _Breaking:
    """The images of a set, until one of them is interrupted."""

    def __init__(self, images, after):
        self.images, self.left = images, 5 * after

    def __getattr__(self, name):
        return getattr(self.images, name)

    def __len__(self):
        return len(self.images)

    def open(self, i):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.images.open(i)


def test_responses_in_grey(network, some):
    recorded = record(network, some, 5, device="cpu", progress=False)
    here = responses_in_grey(recorded, network, some, 5, device="cpu", progress=False)
    right = right_in_grey(network, some, some.classes, device="cpu", progress=False)
    pictures = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    own = responses_to_features(recorded, network, "conv2", range(4), pictures, device="cpu")
    with second_device():
        there = responses_in_grey(recorded, network, some, 5, device=AWAY, progress=False)
        assert torch.equal(
            right, right_in_grey(network, some, some.classes, device=AWAY, progress=False)
        )
        its = responses_to_features(recorded, network, "conv2", range(4), pictures, device=AWAY)
    assert at_home(network)
    torch.testing.assert_close(own, its)
    for name, values in here.items():
        torch.testing.assert_close(values, there[name], equal_nan=True)


def test_an_error_brings_the_network_back(network):
    with second_device(), pytest.raises(KeyboardInterrupt):
        with moved(network.module.train(), DEVICE) as module:
            assert next(module.parameters()).device == DEVICE and not module.training
            raise KeyboardInterrupt
    assert network.module.training
    network.module.eval()
    assert at_home(network)


def test_a_module_that_a_reader_keeps_elsewhere_stays_there(network, some):
    with second_device():
        network.module.to(DEVICE)
        record(network, some, 5, layers="conv1", device="cpu", progress=False)
        assert next(network.module.parameters()).device == DEVICE


def test_one_picture_after_a_recording(network, some):
    """What the chapters and explorers do: they hand the module tensors of the processor's memory."""
    inputs = prepared(network, some.open(0))
    unit = int(responses_to(network, inputs, ["conv6"])["conv6"].largest.argmax())
    here = occlusion(network, inputs, "conv6", unit, 4)
    with second_device():
        record(network, some, 5, device=AWAY, progress=False)
        assert torch.equal(occlusion(network, inputs, "conv6", unit, 4), here)


def test_only_one_place_moves_modules(repository):
    """Whoever moved a module elsewhere could forget to bring it back."""
    moves = re.compile(r"module\.(to|cuda|cpu|half|double|bfloat16|compile)\(")
    found = {
        path.relative_to(repository).as_posix()
        for path in (repository / "helpers").rglob("*.py")
        if moves.search(path.read_text(encoding="utf-8"))
    }
    copies = {"helpers/record/faster.py"}  # moves only its own
    assert found == {"helpers/record/networks.py", "helpers/record/recorder.py"} | copies


def test_a_device_that_is_not_there_is_one_line():
    assert best_device() in ("cuda", "cpu") and usable_device("auto").type == best_device()
    there = {best_device()} | ({"mps"} if torch.backends.mps.is_available() else set())
    for name in {"cuda", "mps"} - there:
        with pytest.raises(SelectivityError, match=f"device '{name}' cannot be used") as error:
            usable_device(name)
        assert "\n" not in str(error.value)
