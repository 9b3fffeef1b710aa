"""The Caffe networks: names, shapes and geometry of their layers, known outputs on photographs."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from torch import nn

from helpers.errors import SelectivityError
from helpers.record import load_network
from helpers.record.architectures.googlenet import PREPROCESSING, GoogLeNet, block_outputs
from helpers.record.architectures.vgg_cnn import VGGCNN
from helpers.record.caffemodel import state_for

RECTIFIED = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")


@pytest.fixture(scope="module")
def googlenet():
    torch.manual_seed(0)
    return GoogLeNet().eval().requires_grad_(False)


def outputs(network: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """What every leaf module returned in one forward pass, copied at once."""
    seen, hooks = {}, []
    for name, module in network.named_modules():
        if not list(module.children()):
            hooks.append(
                module.register_forward_hook(
                    lambda module, inputs, output, name=name: seen.update({name: output.clone()})
                )
            )
    with torch.inference_mode():
        network(x)
    for hook in hooks:
        hook.remove()
    return seen


def test_parameters_are_those_of_the_published_weights(real_home):
    with safe_open(real_home / "weights" / "bvlc_googlenet.safetensors", "pt") as published:
        expected = {key: published.get_slice(key).get_shape() for key in published.keys()}
    own = {key: list(value.shape) for key, value in GoogLeNet().state_dict().items()}
    assert own == expected


def test_number_of_parameters(googlenet):
    # The Caffe model zoo's file holds 6,998,552 values; auxiliary classifiers are not among them.
    assert sum(p.numel() for p in googlenet.parameters()) == 6_998_552


def test_layers_are_found_under_their_caffe_names(googlenet):
    modules = dict(googlenet.named_modules())
    five = modules["inception_4c.5x5"]
    assert (five.in_channels, five.out_channels, five.kernel_size) == (24, 64, (5, 5))
    assert isinstance(modules["loss3.classifier"], nn.Linear)
    convolutions = [m for m in modules.values() if isinstance(m, nn.Conv2d)]
    assert sum(m.out_channels for m in convolutions) == 7280
    assert all(m.bias is not None for m in convolutions)


def test_units_that_leave_the_blocks(googlenet):
    modules = dict(googlenet.named_modules())
    widths = {
        block: sum(modules[layer].out_channels for layer in layers)
        for block, layers in block_outputs().items()
    }
    assert sum(widths.values()) == 5744
    assert widths["inception_4c"] == 512
    # What leaves a block is what the next one takes.
    assert modules["inception_4d.1x1"].in_channels == widths["inception_4c"]
    assert modules["loss3.classifier"].in_features == widths["inception_5b"]
    assert list(widths)[:3] == ["conv1", "conv2", "inception_3a"]


def test_map_sizes_of_googlenet(googlenet):
    seen = outputs(googlenet, torch.zeros(2, 3, 224, 224))
    sides = {
        "conv1.7x7_s2": 112, "pool1.norm1": 56, "conv2.norm2": 56, "pool2.3x3_s2": 28,
        "inception_3b.5x5": 28, "inception_4a.1x1": 14, "inception_4e.pool_proj": 14,
        "inception_5b.3x3": 7,
    }  # fmt: skip
    assert {name: seen[name].shape[-1] for name in sides} == sides
    assert seen["loss3.classifier"].shape == (2, 1000)


def test_block_concatenates_its_four_rectified_branches(googlenet):
    block = googlenet.inception_3a
    x = torch.randn(2, 192, 9, 9)

    def rectified(name, y):
        return F.relu(getattr(block, name)(y))

    expected = [
        rectified("1x1", x),
        rectified("3x3", rectified("3x3_reduce", x)),
        rectified("5x5", rectified("5x5_reduce", x)),
        rectified("pool_proj", F.max_pool2d(x, 3, stride=1, padding=1)),
    ]
    torch.testing.assert_close(block(x), torch.cat(expected, 1))


def test_pre_activations_keep_their_negative_values(googlenet):
    """An in-place ReLU would overwrite the very maps that a hook was handed."""
    kept = {}

    def keep(module, inputs, output):
        kept["map"] = output  # not copied: as a careless reader would

    hook = googlenet.inception_4c.get_submodule("5x5").register_forward_hook(keep)
    with torch.inference_mode():
        googlenet(torch.randn(1, 3, 224, 224) * 60)
    hook.remove()
    assert (kept["map"] < 0).any()
    relus = [m for m in googlenet.modules() if isinstance(m, nn.ReLU)]
    assert len(relus) == 3 + 9 * len(RECTIFIED) and not any(m.inplace for m in relus)


@pytest.mark.parametrize(
    ("norm", "alpha", "k"),
    [
        (lambda: GoogLeNet().get_submodule("conv2.norm2"), 1e-4, 1.0),
        (lambda: VGGCNN("f").norm1, 5e-4, 2.0),
    ],
    ids=["googlenet", "vgg_f"],
)
def test_local_response_normalisation_by_hand(norm, alpha, k):
    x = np.random.default_rng(0).normal(0, 40, (1, 9, 2, 3)).astype(np.float32)
    expected = np.empty_like(x)
    for c in range(9):
        window = x[:, max(0, c - 2) : c + 3].astype(float)  # five channels, fewer at the ends
        scale = k + alpha / 5 * (window**2).sum(1)  # yet always divided by five, as Caffe does
        expected[:, c] = x[:, c] / scale**0.75
    torch.testing.assert_close(norm()(torch.from_numpy(x)), torch.from_numpy(expected))
    assert not np.allclose(expected, x, rtol=0.01)  # the normalisation does something here


def test_dropout_is_inert_in_evaluation(googlenet):
    x = torch.randn(1, 3, 224, 224) * 60
    with torch.inference_mode():
        assert torch.equal(googlenet(x), googlenet(x))


# Folder, the ImageNet class it is, and the logit of that class, from BVLC's weights with torch 2.15
# on one processor core; a wrong channel order, mean or pooling moves them by far more than 0.02.
PHOTOGRAPHS = {
    "n02110341": (251, 21.112),
    "n03063599": (504, 12.470),
    "n07753592": (954, 14.912),
}


def test_known_outputs_on_photographs(real_home):
    network = load_network("googlenet")
    for wnid, (index, logit) in PHOTOGRAPHS.items():
        folder = real_home / "images" / "imagenet1k_sample" / wnid
        with Image.open(next(folder.iterdir())) as image, torch.inference_mode():
            logits = network.module(network.preprocess(image.convert("RGB"))[None])[0]
        assert int(logits.argmax()) == index
        assert float(logits[index]) == pytest.approx(logit, abs=0.02)


def test_channel_order_and_mean_matter(real_home):
    """The check above must be able to fail: with RGB instead of BGR the logits are others."""
    network = load_network("googlenet")
    folder = real_home / "images" / "imagenet1k_sample" / "n07753592"
    with Image.open(next(folder.iterdir())) as image, torch.inference_mode():
        x = network.preprocess(image.convert("RGB"))[None]
        swapped = network.module(x.flip(1))[0]
        no_mean = network.module(x + torch.tensor(PREPROCESSING["mean"]).view(1, 3, 1, 1))[0]
    logit = PHOTOGRAPHS["n07753592"][1]
    assert abs(float(swapped[954]) - logit) > 0.5 and abs(float(no_mean[954]) - logit) > 0.5


# Chatfield et al. 2014, Table 1: filters, kernel, stride, padding, LRN, pooling of each convolution. The
# line of VGG-M is also Table 1 of paper 4.
VGG_TABLE = {
    "f": [
        (64, 11, 4, 0, True, 2), (256, 5, 1, 2, True, 2), (256, 3, 1, 1, False, 1),
        (256, 3, 1, 1, False, 1), (256, 3, 1, 1, False, 2),
    ],
    "m": [
        (96, 7, 2, 0, True, 2), (256, 5, 2, 1, True, 2), (512, 3, 1, 1, False, 1),
        (512, 3, 1, 1, False, 1), (512, 3, 1, 1, False, 2),
    ],
    "s": [
        (96, 7, 2, 0, True, 3), (256, 5, 1, 1, False, 2), (512, 3, 1, 1, False, 1),
        (512, 3, 1, 1, False, 1), (512, 3, 1, 1, False, 3),
    ],
}  # fmt: skip

# The published Caffe definitions in their order. conv: filters, kernel, stride, padding; pool: window,
# stride; fc: outputs. Every LRN is over 5 channels with alpha 5e-4, beta 0.75, k 2.
_END = "fc6 4096, relu6, fc7 4096, relu7, fc8 1000"
CAFFE_DEFINITIONS = {
    "f": "conv1 64 11 4 0, relu1, norm1, pool1 3 2, conv2 256 5 1 2, relu2, norm2, pool2 3 2, "
    "conv3 256 3 1 1, relu3, conv4 256 3 1 1, relu4, conv5 256 3 1 1, relu5, pool5 3 2, " + _END,
    "m": "conv1 96 7 2 0, relu1, norm1, pool1 3 2, conv2 256 5 2 1, relu2, norm2, pool2 3 2, "
    "conv3 512 3 1 1, relu3, conv4 512 3 1 1, relu4, conv5 512 3 1 1, relu5, pool5 3 2, " + _END,
    "s": "conv1 96 7 2 0, relu1, norm1, pool1 3 3, conv2 256 5 1 0, relu2, pool2 2 2, "
    "conv3 512 3 1 1, relu3, conv4 512 3 1 1, relu4, conv5 512 3 1 1, relu5, pool5 3 3, " + _END,
}


def caffe_steps(variant: str) -> list[tuple]:
    """(name, numbers) of each layer of a published definition."""
    parts = [step.split() for step in CAFFE_DEFINITIONS[variant].split(", ")]
    return [(name, *map(int, numbers)) for name, *numbers in parts]


def caffe_arrays(variant: str, hidden: int = 4096) -> dict[str, list[np.ndarray]]:
    """Random weights and biases of each layer, in Caffe's shapes; `hidden` units in fc6 and fc7."""
    rng, inputs, arrays = np.random.default_rng(0), 3, {}
    for name, outputs, *numbers in (s for s in caffe_steps(variant) if s[0][:2] in ("co", "fc")):
        outputs = hidden if name in ("fc6", "fc7") else outputs
        shape = (outputs, inputs, numbers[0], numbers[0]) if numbers else (outputs, inputs)
        arrays[name] = [rng.random(n, np.float32) - np.float32(0.5) for n in (shape, outputs)]
        arrays[name][0] *= np.float32(np.sqrt(24 / np.prod(shape[1:])))  # responses keep their size
        inputs = outputs * 6 * 6 if name == "conv5" else outputs
    return arrays


def caffe_logits(variant: str, arrays: dict[str, list[np.ndarray]], x: np.ndarray) -> np.ndarray:
    """Logits of one (3, 224, 224) input by Caffe's formulas in numpy: a definition of its own."""
    for name, *numbers in caffe_steps(variant):
        if name.startswith("conv"):
            _, kernel, stride, pad = numbers
            x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
            patches = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (1, 2))
            patches = patches[:, ::stride, ::stride]
            weights, bias = arrays[name]
            x = np.tensordot(weights, patches, ([1, 2, 3], [0, 3, 4])) + bias[:, None, None]
        elif name.startswith("relu"):
            x = np.maximum(x, 0)
        elif name.startswith("norm"):
            squares = np.pad(x**2, ((2, 2), (0, 0), (0, 0)))
            near = sum(squares[i : i + len(x)] for i in range(5))
            x = x / (2 + 5e-4 / 5 * near) ** 0.75
        elif name.startswith("pool"):
            window, stride = numbers
            starts = range(0, -(-(x.shape[1] - window) // stride) * stride + 1, stride)  # round up
            x = np.stack(
                [[x[:, i : i + window, j : j + window].max((1, 2)) for j in starts] for i in starts]
            ).transpose(2, 0, 1)
        else:
            weights, bias = arrays[name]
            x = weights @ x.reshape(-1).astype(np.float32) + bias
    return x


VGG_SIDES = {"f": [54, 27, 13, 13, 13], "m": [109, 26, 13, 13, 13], "s": [109, 33, 17, 17, 17]}


@pytest.fixture(scope="module", params="fms")
def vgg(request):
    torch.manual_seed(0)
    return request.param, VGGCNN(request.param).eval().requires_grad_(False)


def test_layers_and_parameters_of_vgg(vgg):
    variant, network = vgg
    channels, expected = 3, {}
    for i, (filters, kernel, *_) in enumerate(VGG_TABLE[variant], start=1):
        expected[f"conv{i}"] = filters * channels * kernel**2 + filters
        channels = filters
    for name, inputs, units in (
        ("fc6", channels * 6 * 6, 4096), ("fc7", 4096, 4096), ("fc8", 4096, 1000)
    ):  # fmt: skip
        expected[name] = inputs * units + units
    modules = dict(network.named_modules())
    counts = {
        name: sum(p.numel() for p in modules[name].parameters())
        for name in modules
        if isinstance(modules[name], nn.Conv2d | nn.Linear)
    }
    assert counts == expected and list(counts) == list(expected)
    assert sum(p.numel() for p in network.parameters()) == sum(expected.values())


def test_map_sizes_of_vgg(vgg):
    variant, network = vgg
    seen = outputs(network, torch.zeros(1, 3, 224, 224))
    assert [seen[f"conv{i}"].shape[-1] for i in range(1, 6)] == VGG_SIDES[variant]
    assert seen["pool5"].shape[-2:] == (6, 6)
    assert seen["fc8"].shape == (1, 1000)


def test_vgg_computes_what_its_caffe_definition_says(vgg):
    variant, network = vgg
    arrays = caffe_arrays(variant)
    flat = {name: [array.ravel() for array in pair] for name, pair in arrays.items()}
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    state = {n: torch.from_numpy(a) for n, a in state_for(shapes, flat, "arrays").items()}
    x = np.random.default_rng(1).normal(0, 60, (3, 224, 224)).astype(np.float32)
    logits = torch.func.functional_call(network, state, torch.from_numpy(x)[None])[0].numpy()
    expected = caffe_logits(variant, arrays, x)
    assert expected.std() > 0.1
    np.testing.assert_allclose(logits, expected, atol=1e-3 * expected.std())


def test_vgg_is_table_1_but_for_one_padding(vgg):
    variant, network = vgg
    rows = []
    for i in range(1, 6):
        conv, pool = getattr(network, f"conv{i}"), getattr(network, f"pool{i}", None)
        sizes = conv.out_channels, conv.kernel_size[0], conv.stride[0], conv.padding[0]
        rows.append((*sizes, hasattr(network, f"norm{i}"), pool.stride if pool else 1))
    table = list(VGG_TABLE[variant])
    if variant == "s":  # the table pads conv2 by 1, the published network does not
        table[1] = (256, 5, 1, 0, False, 2)
    assert rows == table


def test_receptive_fields_of_vgg(vgg):
    variant, network = vgg
    size, stride, fields = 1, 1, []
    for module in network.children():
        if not isinstance(module, nn.Conv2d | nn.MaxPool2d):
            continue
        kernel, step = np.ravel(module.kernel_size)[0], np.ravel(module.stride)[0]
        size, stride = size + (kernel - 1) * stride, stride * step
        if isinstance(module, nn.Conv2d):
            fields.append(int(size))
    by_hand = {
        "f": [11, 51, 99, 131, 163],
        "m": [7, 27, 75, 107, 139],  # as paper 4 states
        "s": [7, 35, 65, 89, 113],
    }
    assert fields == by_hand[variant]


def test_relu_and_rounding_of_vgg(vgg):
    _, network = vgg
    assert not any(m.inplace for m in network.modules() if isinstance(m, nn.ReLU))
    assert all(m.ceil_mode for m in network.modules() if isinstance(m, nn.MaxPool2d))


def test_an_unknown_variant_is_refused():
    with pytest.raises(SelectivityError, match="'f', 'm' or 's'"):
        VGGCNN("vgg_m")
