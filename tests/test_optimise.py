"""Optimised pictures: they drive their units, repeat exactly, and see what the network sees."""

import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from helpers import SelectivityError
from helpers.optimise import as_input, framed, optimised_pictures, responses_to
from helpers.record import WorldImages, load_network, record, wrap
from helpers.record.networks import PixelPreprocessing


@pytest.fixture(scope="module")
def network():
    return load_network("worldnet-fine")


@pytest.fixture(scope="module")
def recorded(network):
    """All 1,500 probe images on two layers."""
    return record(network, WorldImages("probe"), 1, layers="conv4,conv6", progress=False)


UNITS = [("conv6", 12), ("conv4", 3), ("conv6", 0)]  # layers mixed, not in the network's order


@pytest.fixture(scope="module")
def optimised(network):
    return optimised_pictures(network, UNITS, steps=32)


def test_a_picture_drives_its_unit_above_every_probe_image(optimised, recorded):
    assert recorded.recorded.sum() == 1500
    best = optimised.best_in(recorded)
    assert best.tolist() == [recorded[layer].top.values[u, 0].item() for layer, u in UNITS]
    assert (optimised.responses > best).all()


def test_responses_are_those_of_the_shown_picture_in_the_ordinary_way(optimised, network):
    """As 8-bit images through the network's own preprocessing and an own hook on the convolution."""
    bytes_ = (optimised.pictures * 255).round()
    assert optimised.pictures.shape == (3, 3, 64, 64)
    torch.testing.assert_close(optimised.pictures * 255, bytes_, rtol=0, atol=1e-4)
    images = [Image.fromarray(p) for p in bytes_.byte().permute(0, 2, 3, 1).numpy()]
    maps = {}
    hooks = [
        network.module.get_submodule(layer).register_forward_hook(
            lambda _, __, output, layer=layer: maps.update({layer: output.clone()})
        )
        for layer in ("conv4", "conv6")
    ]
    network.module(torch.stack([network.preprocess(image) for image in images]))
    for hook in hooks:
        hook.remove()
    ordinary = torch.stack([maps[layer][i, u].max() for i, (layer, u) in enumerate(UNITS)])
    torch.testing.assert_close(optimised.responses, ordinary, rtol=1e-4, atol=1e-3)


def test_more_steps_drive_the_units_more(optimised, network):
    started = optimised_pictures(network, UNITS, steps=1)
    assert (optimised.responses > 2 * started.responses).all()


def test_the_same_seed_gives_the_same_bytes_and_leaves_the_caller_s_random_state(network):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again = (optimised_pictures(network, UNITS[:2], steps=4, seed=7) for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.pictures, again.pictures)
    assert torch.equal(first.responses, again.responses)
    other = optimised_pictures(network, UNITS[:2], steps=4, seed=8)
    assert not torch.equal(first.pictures, other.pictures)


def test_more_units_than_fit_one_pass_stay_in_their_order(network, monkeypatch):
    monkeypatch.setattr("helpers.optimise.TOGETHER", 2)
    apart = optimised_pictures(network, UNITS, steps=4)
    last = optimised_pictures(network, UNITS[2:], steps=4, seed=2)  # a pass has its own seed
    assert torch.equal(apart.pictures[2:], last.pictures)
    assert apart.responses[2] == last.responses[0]


def picture_of(size):
    """A smooth picture of every colour, size x size, as an image and as (1, 3, size, size)."""
    coarse = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
    return image, torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize(
    ("name", "weights", "side"),
    [
        ("worldnet-fine", None, 64),
        ("googlenet", "random", 256),  # its short side: nothing is resized before the crop of 224
        ("torchvision:squeezenet1_1", "random", 256),
        ("timm:test_resnet", "random", 168),
    ],
)
def test_differentiable_preprocessing_is_the_ordinary_one(name, weights, side):
    network = load_network(name, weights)
    image, rgb = picture_of(side)
    ordinary = network.preprocess(image)
    margin = (side - network.input_size[0]) // 2
    inner = slice(margin, margin + network.input_size[0])
    found = as_input(network)(rgb.requires_grad_())
    scale = ordinary.abs().max()
    torch.testing.assert_close(
        found[0, :, inner, inner] / scale, ordinary / scale, rtol=0, atol=1e-5
    )
    found.sum().backward()
    assert rgb.grad.abs().min() > 0


@pytest.mark.parametrize("broken", ["gamma", "contrast of the image"])
def test_preprocessing_that_is_not_affine_in_colour_is_refused(broken):
    usual = PixelPreprocessing(short_side=36, crop=32)

    def preprocess(image):
        pixels = usual(image)
        if broken == "gamma":
            return pixels.sigmoid()
        return (pixels - pixels.mean()) / (pixels.std() + 1e-3)

    module = nn.Sequential(OrderedDict(only=nn.Conv2d(3, 4, 3)))
    mine = wrap(module, "mine", input_size=(32, 32), preprocess=preprocess)
    with pytest.raises(SelectivityError, match="^mine: preprocessing is no affine map"):
        optimised_pictures(mine, [("only", 0)])


def test_units_behind_a_fully_connected_layer_need_the_input_s_size():
    vgg = load_network("worldnet-vgg-fine")
    with pytest.raises(SelectivityError, match="does not take pictures of 48 px.*input size, 64"):
        optimised_pictures(vgg, [("fc1", 0)], steps=1, size=48)
    small = optimised_pictures(vgg, [("conv5", 0)], steps=1, size=48)  # the pass ends before fc1
    assert small.pictures.shape == (1, 3, 48, 48)
    assert optimised_pictures(vgg, [("fc2", 5), ("conv1", 0)], steps=1).responses.isfinite().all()


def test_a_small_picture_is_measured_in_the_middle_of_zeros(network):
    made = optimised_pictures(network, [("conv6", 12)], steps=2, size=41)
    pixels = as_input(network)(made.pictures)
    to_conv6 = nn.Sequential(*list(network.module)[:13])
    canvas = torch.zeros(1, 3, 64, 64)
    canvas[:, :, 11:52, 11:52] = pixels
    assert torch.equal(framed(pixels, (64, 64)), canvas)
    assert framed(pixels, (32, 32)).shape == pixels.shape
    ordinary = to_conv6(canvas)[0, 12].max()
    torch.testing.assert_close(made.responses[0], ordinary)
    assert responses_to(network, [("conv6", 12)], made.pictures) == made.responses


def test_token_sequences_and_inplace_activations_are_read():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.act = nn.Conv2d(3, 8, 8, stride=8), nn.ReLU(inplace=True)
            self.mix = nn.Linear(8, 6)

        def forward(self, x):
            return self.mix(self.act(self.patch(x)).flatten(2).mT).relu_().mean(1)

    network = wrap(Tokens(), "tokens", input_size=(32, 32))
    made = optimised_pictures(network, [("mix", 4), ("patch", 2)], steps=8)
    module, pixels = network.module, as_input(network)(made.pictures)
    patches = module.patch(pixels)
    tokens = module.mix(patches.clamp(min=0).flatten(2).mT)
    expected = torch.stack([tokens[0, :, 4].max(), patches[1, 2].max()])
    torch.testing.assert_close(made.responses, expected.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ([("conv66", 0)], "no layer 'conv66'; close names: .*conv6"),
        ([("conv6", 128)], "conv6: no unit 128; units go from 0 to 127"),
        ([("conv6", -1)], "conv6: no unit -1"),
        ([], "no unit to make a picture of"),
    ],
)
def test_unknown_units_are_named_in_one_line(network, units, words):
    with pytest.raises(SelectivityError, match=words) as caught:
        optimised_pictures(network, units)
    assert "\n" not in str(caught.value)


def test_a_missing_library_is_named_with_the_way_to_get_it(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "horama", None)
    with pytest.raises(SelectivityError, match="pip install horama einops"):
        optimised_pictures(network, UNITS, steps=1)
