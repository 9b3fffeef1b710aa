"""What one picture drives: as in the record, the part that matters, and nothing where nothing can be."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import open_study
from helpers.answers import Answers, most_driven, occlusion, prepared, responses_to
from helpers.errors import SelectivityError
from helpers.record import wrap
from helpers.record.patches import as_shown
from tests.planted import planted_layer

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def world():
    return open_study("world")


class Corner(torch.nn.Module):
    """Two units: the mean of the upper left quarter of a picture of 16 pixels, and its negative."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2, 8, stride=8)
        with torch.no_grad():
            self.conv.weight[0] = 1 / 192
            self.conv.weight[1] = -1 / 192
            self.conv.bias[:] = 0

    def forward(self, x):
        return self.conv(x).mean((2, 3))


@pytest.fixture(scope="module")
def planted():
    module = Corner().eval()
    return wrap(module, "corner", input_size=(16, 16))


def test_a_recorded_image_answers_as_in_the_record(world):
    layer = world.record["conv4"]
    image = int(layer.top.images[7, 0])
    inputs = prepared(world.network, world.images.open(image))
    answers = responses_to(world.network, inputs)
    assert list(answers) == world.record.layers
    found = answers["conv4"]
    assert found.largest[7].item() == pytest.approx(layer.top.values[7, 0].item(), rel=1e-4)
    assert found.place[7].tolist() == layer.top.positions[7, 0].tolist()
    every = layer.responses["min"][image]
    assert torch.allclose(found.smallest, every.float(), atol=0.02 * every.abs().max().item())


def test_the_image_that_drives_a_unit_most_drives_it_wholly(world):
    layer = world.record["conv5"]
    inputs = prepared(world.network, world.images.open(int(layer.top.images[3, 0])))
    excited, inhibited = most_driven(layer, responses_to(world.network, inputs)["conv5"], n=96)
    at = excited.units.tolist().index(3)
    assert excited.shares[at].item() == pytest.approx(1, rel=1e-3)
    assert (excited.shares.diff() <= 0).all() and (inhibited.shares.diff() <= 0).all()
    assert excited.shares.min() > 0 and inhibited.shares.min() > 0


def test_units_are_held_against_their_own_strongest():
    random = np.random.default_rng(0)
    responses = torch.tensor(random.normal(size=(50, 4))).float()
    responses[:, 3] = -responses[:, 3].abs()  # never excited
    of_record = planted_layer(
        "a", {"max": responses, "min": responses, "mean": responses}, [0] * 50, 1, 10
    )
    highest, lowest = responses.amax(0), responses.amin(0)
    half = Answers(highest * torch.tensor([0.5, 2.0, 0.1, 1.0]), lowest * 0.25, torch.zeros(4, 2))
    excited, inhibited = most_driven(of_record, half, 2)
    assert excited.units.tolist() == [1, 0] and excited.shares.tolist() == pytest.approx([2, 0.5])
    assert inhibited.shares.tolist() == pytest.approx([0.25, 0.25])
    nothing = most_driven(of_record, Answers(-highest.abs(), -lowest, torch.zeros(4, 2)), 4)
    assert [len(one.units) for one in nothing] == [0, 0]


def test_only_covering_the_part_that_is_seen_takes_anything(planted):
    inputs = torch.zeros(3, 16, 16)
    inputs[:, :8, :8] = 1
    lost = occlusion(planted, inputs, "conv", 0, across=4)
    assert lost.shape == (4, 4)
    # Squares of 8 pixels, centred on places 4 apart: what they share with the corner, by hand.
    by_hand = torch.zeros(4, 4)
    for row in range(4):
        for column in range(4):
            top, left = (max(0, 4 * n - 2) for n in (row, column))
            bottom, right = (4 * n + 6 for n in (row, column))
            by_hand[row, column] = max(0, min(8, bottom) - top) * max(0, min(8, right) - left) / 64
    assert torch.allclose(lost, by_hand, atol=1e-6)
    assert lost[:, 3].abs().max() == 0 and lost[3].abs().max() == 0


def test_what_is_not_there(planted):
    inputs = torch.ones(3, 16, 16)
    with pytest.raises(SelectivityError, match="not excited"):
        occlusion(planted, inputs, "conv", 1)
    with pytest.raises(SelectivityError, match="no unit 2"):
        occlusion(planted, inputs, "conv", 2)


def test_grey_is_the_mean_of_the_channels(world):
    picture = Image.new("RGB", (64, 64), (200, 90, 10))
    show = as_shown(world.network.preprocess)
    grey = show(prepared(world.network, picture, grey=True))
    assert torch.allclose(grey, torch.full_like(grey, 100 / 255), atol=1e-3)
    colour = show(prepared(world.network, picture))[:, 32, 32]
    assert torch.allclose(colour, torch.tensor([200, 90, 10]) / 255, atol=1e-3)
