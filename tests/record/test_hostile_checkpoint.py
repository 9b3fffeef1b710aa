"""Checkpoints whose parts do not fit: whole files with the right digest."""

import pytest
import torch

from helpers.errors import SelectivityError
from helpers.record import FolderImages
from helpers.record.recorder import CHECKPOINT_FORMAT
from helpers.record.store import read_tensors, write_tensors
from tests.record.test_interruptions import go, short_chunks  # noqa: F401


def _set(name, change):
    return lambda about, tensors: tensors.update({name: change(tensors[name])})


CHECKPOINTS = {
    "no lists": (lambda a, t: t.pop("top/keys"), "KeyError"),
    "longer lists": (_set("top/keys", lambda t: t.repeat(1, 3)), "top/keys: another type or shape"),
    "places of another type": (_set("top/payload", lambda t: t.long()), "top/payload: another"),
    "image that is not there": (_set("top/keys", torch.zeros_like), "top: an image that is not there"),
    "image twice": (_set("top/keys", lambda t: t[:, :1].expand_as(t).clone()), "top: not in order"),
    "sums of one class": (_set("sums.max", lambda t: t[:1]), "sums.max: another type or shape"),
    "sums in float32": (_set("sums.max", lambda t: t.float()), "sums.max: another type or shape"),
    "done more": (lambda a, t: a.update(done=65), "it holds 64 images, not 65"),
    "done in words": (lambda a, t: a.update(done="64"), "it holds 64 images, not 64"),
    "skipped a number": (lambda a, t: a.update(skipped=[3]), "TypeError"),
    "no run": (lambda a, t: a.update(run=[]), "a checkpoint of another run"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_checkpoints_whose_parts_do_not_fit_are_refused_in_one_line(kind, picture_folder, tmp_path):
    path, (change, says) = tmp_path / "c", CHECKPOINTS[kind]
    images = FolderImages(picture_folder)
    go(images, checkpoint=path, keep_checkpoint=True)
    about, tensors = read_tensors(path, CHECKPOINT_FORMAT)
    change(about, tensors)
    write_tensors(path, tensors, about)
    with pytest.raises(SelectivityError, match=f"{path}: .*{says}") as error:
        go(images, checkpoint=path)
    assert "\n" not in str(error.value)
