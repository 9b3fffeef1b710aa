"""Answers without colours: against a plain loop, and of a network that sees nothing but colours."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from helpers import open_study
from helpers.record import FolderImages, wrap
from helpers.record.architectures.worldnet import PREPROCESSING
from helpers.replay import RIGHT, right_in_grey

pytestmark = pytest.mark.usefixtures("one_thread")
EVERY = 83  # of the world's 5,760 images


@pytest.fixture(scope="module")
def study():
    return open_study("world")


@pytest.fixture(scope="module")
def some(study):
    return study.images.subset(range(0, len(study.images), EVERY))


@pytest.fixture(scope="module")
def whole(study, some):
    return right_in_grey(study.network, some, some.classes, 16, "cpu", progress=False)


def as_taken(pixels):
    """What the world's network takes from (64, 64, 3) pixels of 0 to 255, by its published numbers."""
    mean, std = (np.array(PREPROCESSING[key]) for key in ("mean", "std"))
    return torch.tensor(((pixels - mean) / std).transpose(2, 0, 1)[None]).float()


@torch.inference_mode()
def test_it_is_a_plain_loop_over_images(study, some, whole):
    expected = []
    for i in range(len(some)):
        pixels, answers = np.asarray(some.open(i), dtype=np.float64), []
        grey = pixels.mean(2, keepdims=True).repeat(3, axis=2)
        for shown in (pixels, grey):
            ranked = study.network.module(as_taken(shown))[0].argsort(descending=True).tolist()
            answers += [ranked[0] == some.classes[i], some.classes[i] in ranked[:5]]
        expected.append(answers)
    assert whole.dtype == torch.bool and whole.shape == (len(some), len(RIGHT))
    assert whole.tolist() == expected
    # Colour and grey, first and first five: none could stand in for another.
    assert 0 < whole[:, 2].sum() < whole[:, 3].sum() < len(some)


@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_batches_change_nothing(study, some, whole, batch_size):
    again = right_in_grey(study.network, some, some.classes, batch_size, "cpu", progress=False)
    assert torch.equal(again, whole)


def test_images_without_a_wanted_answer_are_left_out_and_order_is_kept(study, some, whole):
    left_out = np.random.default_rng(0).random(len(some)) < 0.6
    wanted = np.where(left_out, -1, some.classes)
    found = right_in_grey(study.network, some, wanted.tolist(), 5, "cpu", progress=False)
    assert torch.equal(found, whole[~left_out]) and not torch.equal(found, whole[: len(found)])
    nothing = right_in_grey(study.network, some, -np.ones(len(some)), 5, "cpu", progress=False)
    assert nothing.shape == (0, len(RIGHT))


def test_every_image_needs_a_wanted_answer(study, some):
    with pytest.raises(ValueError, match=f"3 answers for {len(some)} images"):
        right_in_grey(study.network, some, [1, 2, -1], progress=False)


def test_another_wanted_answer_is_not_given(study, some, whole):
    """It is the wanted class that counts, not the one of the images."""
    shifted = (some.classes + 1) % len(some.class_names)
    found = right_in_grey(study.network, some, shifted, 32, "cpu", progress=False)
    assert not (found[:, 0] & whole[:, 0]).any() and not (found[:, 2] & whole[:, 2]).any()


def test_an_image_that_cannot_be_read_counts_as_wrong(study, some, whole, tmp_path):
    """Files of the same pictures, three of them broken: a whole batch, and one among others."""
    assert whole[:8, 0].all()
    for i in range(8):
        (tmp_path / some.class_names[some.classes[i]]).mkdir(exist_ok=True)
        path = tmp_path / some.class_names[some.classes[i]] / f"{i}.png"
        some.open(i).save(path)
        if i in (2, 3, 6):
            path.write_bytes(path.read_bytes()[:100])
    files = FolderImages(tmp_path)
    number = [int(name.split("/")[-1].removesuffix(".png")) for name in files.names]
    found = right_in_grey(study.network, files, some.classes[number], 2, "cpu", progress=False)
    expected = whole[number]
    expected[np.isin(number, [2, 3, 6])] = False
    assert torch.equal(found, expected)


class Pictures(FolderImages):
    """Plain pictures, one a colour."""

    in_memory = True


@pytest.fixture
def plain(tmp_path):
    for name, colour in {
        "1 red": (250, 20, 30),
        "2 green": (9, 240, 9),
        "3 blue": (0, 0, 255),
    }.items():
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 40), colour).save(tmp_path / name / "a.png")
    return Pictures(tmp_path)


def test_a_network_that_sees_only_colour(plain):
    """Its scores are the mean red, green and blue, with green ahead in doubt: in grey it says green."""
    paint = nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        paint.weight.copy_(torch.eye(3)[..., None, None])
        paint.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    network = wrap(
        nn.Sequential(paint, nn.AdaptiveAvgPool2d(1), nn.Flatten()), "painter", input_size=(32, 32)
    )
    found = right_in_grey(network, plain, plain.classes, device="cpu", progress=False)
    right = dict(zip(RIGHT, found.T.tolist(), strict=True))
    assert right["top1 colour"] == [True] * 3
    assert right["top1 grey"] == [False, True, False]
    # There are three classes: the right one is always among the first five.
    assert right["top5 colour"] == right["top5 grey"] == [True] * 3
