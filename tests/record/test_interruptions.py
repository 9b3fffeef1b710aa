"""What ends a recording early: each one clear line, and nothing lost that was checkpointed."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from functools import partial

import nbformat
import pytest
from PIL import Image

from helpers.errors import SelectivityError
from helpers.record import FolderImages, ImageSet, interruptions, record
from helpers.record import recorder as recorder_module
from helpers.record.interruptions import Interrupted, StopRequests
from helpers.record.recorder import CHECKPOINT_FORMAT
from helpers.record.store import STATISTICS, read_tensors
from tests.kernels import execute
from tests.record.test_recorder import assert_same, network

K = 12
FULL = 10_000


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    """A merge every 16 images, so that 64 are enough to be interrupted between two."""
    monkeypatch.setattr(recorder_module, "CHUNK", (16, 16))


@pytest.fixture(autouse=True)
def usual_handlers():
    """Python's own handlers, also where the tests run in the background, which ignores Ctrl-C."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Disturbed(ImageSet):
    """The pictures of a folder; before image `at` is opened, `what` happens, once."""

    def __init__(self, folder, at, what):
        images = FolderImages(folder)
        super().__init__(images.name, images.names, images.classes, images.class_names)
        self._images, self._content, self._at, self._what = images, images._content, at, what

    def _open(self, row):
        if row == self._at:
            self._at = None
            self._what()
        return self._images._open(row)


def go(images, of=None, **options):
    of = of or network("in-place")
    return record(of, images, K, batch_size=6, progress=False, **options)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_request_to_stop_is_granted_after_the_batch(number, status, picture_folder, tmp_path):
    checkpoint, before = tmp_path / "c", signal.getsignal(number)
    images = Disturbed(picture_folder, 38, lambda: signal.raise_signal(number))
    with pytest.raises(
        Interrupted, match=f"after 42 of 64 images; run the same .* {checkpoint}$"
    ) as stop:
        go(images, checkpoint=checkpoint, checkpoint_seconds=1e6, workers=0, responses=("max",))
    assert stop.value.status == status and isinstance(stop.value, KeyboardInterrupt)
    assert signal.getsignal(number) is before
    metadata, tensors = read_tensors(checkpoint, CHECKPOINT_FORMAT)
    assert metadata["done"] == 42 == tensors["recorded"].sum()
    images = FolderImages(picture_folder)
    go(images, checkpoint=checkpoint, responses=("max",)).save(tmp_path / "resumed")
    go(images, responses=("max",)).save(tmp_path / "undisturbed")
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "undisturbed").read_bytes()
    assert not checkpoint.exists()


def test_without_a_checkpoint_it_says_that_nothing_is_kept(picture_folder):
    images = Disturbed(picture_folder, 3, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted, match="after 6 of 64 images; nothing was kept"):
        go(images, workers=0)


def test_a_second_request_ends_at_once_and_an_echo_does_not(monkeypatch):
    with pytest.raises(Interrupted, match="at once"), StopRequests() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert stop.status == 130
        monkeypatch.setattr(stop, "_asked", stop._asked - 10)
        signal.raise_signal(signal.SIGTERM)


def test_what_was_ended_at_once_is_no_record(picture_folder, monkeypatch):
    """Typed in a notebook's cell, an ordinary request gives the images so far; not all lists hold these."""
    monkeypatch.setattr(interruptions, "IMPATIENT", -1.0)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    for times, kept in ((1, 24), (2, None)):
        stop = [signal.SIGINT] * times
        images = Disturbed(picture_folder, 20, lambda s=stop: [signal.raise_signal(n) for n in s])
        cell = {"__name__": "__main__", "go": partial(record, network("in-place"), images, K,
                batch_size=6, progress=False, workers=0)}  # fmt: skip
        if kept:
            with pytest.warns(UserWarning, match="those images only"):
                exec("found = go()", cell)
            assert cell["found"].recorded.sum() == kept
        else:
            with pytest.raises(Interrupted, match="at once"):
                exec("found = go()", cell)


def test_handlers_of_others_and_other_threads_are_left_alone():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        with StopRequests() as stop:
            signal.raise_signal(signal.SIGINT)
        assert heard and stop.status is None
    finally:
        signal.signal(signal.SIGINT, before)

    def elsewhere():
        with StopRequests():
            heard.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert heard[-1] is before


def test_an_image_that_vanishes_is_skipped_and_named(picture_folder, tmp_path):
    folder = shutil.copytree(picture_folder, tmp_path / "pictures")
    for i in range(200):  # one of 264 may be missing
        Image.new("RGB", (90, 70), (i, 0, 0)).save(folder / "class3" / f"more{i:03d}.png")
    lost = FolderImages(folder).names[100]
    made = go(Disturbed(folder, 20, (folder / lost).unlink), workers=0)
    assert made.metadata["skipped"] == [[lost, "No such file or directory"]]
    assert not made.recorded[100] and made.recorded.sum() == 263


def test_a_folder_that_vanishes_ends_the_run_and_keeps_the_checkpoint(picture_folder, tmp_path):
    folder, checkpoint = shutil.copytree(picture_folder, tmp_path / "pictures"), tmp_path / "c"
    images = Disturbed(folder, 40, lambda: folder.rename(tmp_path / "away"))
    with pytest.raises(SelectivityError, match="more than 1 %.*No such file") as error:
        go(images, checkpoint=checkpoint, checkpoint_seconds=0, workers=0)
    assert "\n" not in str(error.value)
    (tmp_path / "away").rename(folder)
    assert read_tensors(checkpoint, CHECKPOINT_FORMAT)[0]["done"] == 36
    images = FolderImages(folder)
    assert_same(go(images), go(images, checkpoint=checkpoint))


@pytest.mark.parametrize("seconds", [0, 1], ids=["at once", "slowly"])
def test_a_lost_worker_is_one_line_and_keeps_the_checkpoint(seconds, picture_folder, tmp_path):
    def die():
        assert multiprocessing.parent_process() is not None
        if seconds:  # as every process does at its end, only faster
            os.closerange(3, 4096)
            time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    images, checkpoint = Disturbed(picture_folder, 50, die), tmp_path / "c"
    slow = network("in-place")
    # The batch before is still in the worker's hands when its connections close.
    slow.module.register_forward_pre_hook(lambda *_: time.sleep(seconds / 4))
    with pytest.raises(
        SelectivityError, match=f"was lost .*; run the same .* {checkpoint}"
    ) as error:
        go(images, slow, checkpoint=checkpoint, checkpoint_seconds=0, workers=1)
    assert "\n" not in str(error.value)
    images = FolderImages(picture_folder)
    assert_same(go(images), go(images, checkpoint=checkpoint))


@pytest.fixture
def full_disk():
    """A context in which no file may grow beyond `FULL` bytes."""
    resource = pytest.importorskip("resource")

    @contextlib.contextmanager
    def full():
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return full


def test_a_full_disk_is_one_line_and_keeps_the_checkpoint(full_disk, picture_folder, tmp_path):
    folder, checkpoint = tmp_path / "disk", tmp_path / "disk" / "c"
    folder.mkdir()
    stopped = Disturbed(picture_folder, 20, lambda: signal.raise_signal(signal.SIGTERM))
    options = dict(checkpoint=checkpoint, workers=0, responses=STATISTICS)
    with pytest.raises(Interrupted):
        go(stopped, **options)
    kept, images = checkpoint.read_bytes(), FolderImages(picture_folder)
    assert len(kept) > 2 * FULL
    says = "cannot be written .File too large.*; make room there and run the same again"
    with full_disk(), pytest.raises(SelectivityError, match=f"{checkpoint}: {says}") as error:
        go(images, checkpoint_seconds=0, **options)
    assert "\n" not in str(error.value)
    assert checkpoint.read_bytes() == kept and list(folder.iterdir()) == [checkpoint]
    made = go(images, keep_checkpoint=True, **options)
    with full_disk(), pytest.raises(SelectivityError, match="r: cannot be written"):
        made.save(folder / "r")
    assert list(folder.iterdir()) == [checkpoint]  # so the record is not lost with the disk full
    assert_same(go(images, responses=STATISTICS), go(images, **options))


NOTEBOOK = [
    """
    import os, signal, sys, warnings
    import numpy as np
    from PIL import Image
    from helpers.record import ImageSet, load_network, record

    class Pressed(ImageSet):
        "800 plain pictures; the kernel is interrupted before number 600 is opened."
        in_memory, pressed = True, False
        def __init__(self):
            super().__init__("plain", [f"{i:03d}" for i in range(800)], np.arange(800) // 400, "ab")
        def open(self, i):
            if i == 600 and not Pressed.pressed:
                Pressed.pressed = True
                os.kill(os.getpid(), signal.SIGINT)
            return Image.new("RGB", (64, 64), (i % 256, i // 4, 255 - i % 256))

    network, images = load_network("worldnet-fine"), Pressed()
    options = dict(k=30, layers="conv1,conv2", progress=False)
    """,
    """
    with warnings.catch_warnings(record=True) as said:
        part = record(network, images, **options)
    assert "interrupted after 608 of 800 images" in str(said[0].message)
    assert part.metadata["interrupted"] == {"images": 608, "of": 800}
    assert part.recorded.sum() == 608 and "interrupted" in repr(part)
    """,
    """
    rest = record(network, images, indices=np.flatnonzero(~part.recorded), **options)
    whole, direct = part.merge(rest), record(network, images, **options)
    assert whole.metadata == direct.metadata
    for layer in direct.layers:
        assert (whole[layer].top.images == direct[layer].top.images).all()
        np.testing.assert_allclose(whole[layer].sums["mean"], direct[layer].sums["mean"], 1e-12)
    """,
    """
    Pressed.pressed = False
    with warnings.catch_warnings(record=True) as said:
        part = record(network, images, checkpoint="c", **options)
    assert "run the same again" in str(said[0].message) and os.path.exists("c")
    part.save("part.safetensors")
    again = record(network, images, checkpoint="c", **options)
    assert not os.path.exists("c") and again.recorded.all()
    again.save("again.safetensors"); direct.save("direct.safetensors")
    assert open("again.safetensors", "rb").read() == open("direct.safetensors", "rb").read()
    """,
    """
    sys.path.insert(0, "")
    import module_of_mine
    Pressed.pressed = False
    try:
        module_of_mine.go(network, images, options)
    except KeyboardInterrupt as stop:
        print("raised", type(stop).__name__)
    """,
]


def test_in_a_notebook_the_partial_record_is_returned(tmp_path):
    """Only to a cell that asked for it: a module would take the part for the whole."""
    (tmp_path / "module_of_mine.py").write_text(
        "from helpers.record import record\n\n"
        "def go(network, images, options):\n    return record(network, images, **options)\n"
    )
    cells = [nbformat.v4.new_code_cell(_dedent(source)) for source in NOTEBOOK]
    done = execute(nbformat.v4.new_notebook(cells=cells), tmp_path)
    assert done.cells[-1].outputs[0].text == "raised Interrupted\n"


def _dedent(source):
    return "\n".join(line.removeprefix("    ") for line in source.strip("\n").splitlines())
