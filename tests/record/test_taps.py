"""Each tap reads exactly the pre-activation that a hand computation gives."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops.misc import FrozenBatchNorm2d

from helpers.errors import SelectivityError
from helpers.record.networks import load_network
from helpers.record.taps import find_taps, listening, match_layers

timm = pytest.importorskip("timm")


def _example(size=32):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def _read(module, taps, x):
    """What `listening` hands out, copied at that moment."""
    read = {}
    with listening(module, taps, lambda layer, values: read.update({layer: values.clone()})):
        with torch.inference_mode():
            module(x)
    return read


def _trained(norm):
    """Give a norm statistics and weights that are not the identity."""
    g = torch.Generator().manual_seed(2)
    for name, value in norm.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=g) + (0.5 if "var" in name else -0.3))
    return norm


def _normed(x, conv, norm):
    y = F.conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding)
    return F.batch_norm(
        y, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
    )


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, FrozenBatchNorm2d])
def test_batch_norm_is_part_of_the_unit_and_in_place_relu_does_not_reach_it(norm):
    conv = nn.Conv2d(3, 4, 3)
    module = nn.Sequential(conv, _trained(norm(4)), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 1))
    module.eval()
    x = _example()
    taps = find_taps(module, x)
    assert {k: (t.module, t.side) for k, t in taps.items()} == {
        "0": ("1", "output"),
        "3": ("3", "output"),
    }
    expected = _normed(x, conv, module[1])
    assert (expected < 0).any()
    torch.testing.assert_close(_read(module, taps, x)["0"], expected)


@pytest.mark.parametrize("frozen", [False, True])
def test_fused_norm_and_activation_is_read_before_its_activation(frozen):
    from timm.layers import BatchNormAct2d, freeze_batch_norm_2d

    conv = nn.Conv2d(3, 4, 3)
    norm = _trained(BatchNormAct2d(4))
    norm = freeze_batch_norm_2d(norm) if frozen else norm
    module = nn.Sequential(conv, norm).eval()
    x = _example()
    taps = find_taps(module, x)
    assert (taps["0"].module, taps["0"].side) == ("1.act", "input")
    torch.testing.assert_close(_read(module, taps, x)["0"], _normed(x, conv, norm))


def test_norms_that_depend_on_the_image_are_not_part_of_a_unit():
    for norm in (
        nn.GroupNorm(2, 4),
        nn.InstanceNorm2d(4),
        nn.BatchNorm2d(4, track_running_stats=False),
    ):
        module = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU())
        assert find_taps(module, _example())["0"].module == "0"


def test_norm_over_something_else_than_the_convolution_is_not_taken():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x):
            return self.norm(self.conv(x) + x)

    assert find_taps(Residual(), _example())["conv"].module == "conv"


def test_norm_after_an_in_place_activation_is_not_taken():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.BatchNorm2d(4))
    assert find_taps(module, _example())["0"].module == "0"


def test_two_norms_on_one_output_leave_the_convolution_itself():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.a, self.b = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

        def forward(self, x):
            y = self.conv(x)
            return self.a(y) + self.b(y)

    assert find_taps(Two(), _example())["conv"].module == "conv"


def test_layouts_and_their_order():
    class Layouts(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(7, 2)  # registered first, runs last
            self.conv = nn.Conv2d(3, 4, 3)
            self.nhwc = nn.Linear(4, 5)
            self.tokens = nn.Linear(5, 6)
            self.line = nn.Conv1d(6, 7, 1)

        def forward(self, x):
            y = self.nhwc(self.conv(x).permute(0, 2, 3, 1))
            y = self.tokens(y.flatten(1, 2))
            return self.last(self.line(y.transpose(1, 2)).mean(-1))

    module, x = Layouts(), _example(8)
    taps = find_taps(module, x)
    assert {name: tap.shape for name, tap in taps.items()} == {
        "conv": (4, 6, 6),
        "nhwc": (5, 6, 6),
        "tokens": (36, 6),
        "line": (36, 7),
        "last": (2,),
    }
    assert list(taps) == ["conv", "nhwc", "tokens", "line", "last"]
    assert [tap.n_units for tap in taps.values()] == [4, 5, 6, 7, 2]
    read = _read(module, taps, x)
    assert {name: tuple(v.shape[1:]) for name, v in read.items()} == {
        n: t.shape for n, t in taps.items()
    }
    by_hand = module.nhwc(module.conv(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(read["nhwc"], by_hand.detach())


def test_shared_modules_and_windows_are_left_out_by_name():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.once, self.twice = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
            self.window, self.never = nn.Linear(3, 3), nn.Linear(1, 1)

        def forward(self, x):
            y = self.twice(self.twice(self.once(x)))
            return self.window(y.permute(0, 2, 3, 1).reshape(-1, 16, 3))

    with pytest.warns(UserWarning, match="twice, window"):
        assert list(find_taps(Shared(), _example())) == ["once"]


def test_modes_are_kept_and_dropout_does_not_act():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(), nn.Conv2d(4, 4, 1))
    module.train()
    module[1].eval()
    before = module[1].running_mean.clone(), module[0].weight.clone()
    find_taps(module, _example())
    assert [m.training for m in module] == [True, False, True, True] and module.training
    torch.testing.assert_close((module[1].running_mean, module[0].weight), before)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


def test_hooks_go_after_an_error():
    module = nn.Sequential(nn.Conv2d(3, 4, 1))
    taps = find_taps(module, _example())
    with pytest.raises(ZeroDivisionError), listening(module, taps, lambda *_: 1 / 0):
        module(_example())
    assert not module[0]._forward_hooks


def test_unusable_modules_give_one_line():
    with pytest.raises(SelectivityError, match="no convolution or linear module"):
        find_taps(nn.Sequential(nn.ReLU()), _example())
    with pytest.raises(SelectivityError, match="does not run.*input_size") as caught:
        find_taps(nn.Sequential(nn.Linear(5, 5)), _example())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "layers", "units", "some"),
    [
        ("torchvision:resnet18", 21, 5_800, {"layer1.0.conv1": ("layer1.0.bn1", "output")}),
        ("timm:resnet18", 21, 5_800, {"conv1": ("bn1", "output")}),
        ("torchvision:googlenet", 58, 8_280, {"conv1.conv": ("conv1.bn", "output")}),
        ("torchvision:vgg11", 11, 11_944, {"features.0": ("features.0", "output")}),
        ("timm:convnext_atto", None, None, {"stem.0": ("stem.0", "output")}),
        ("timm:mobilenetv3_small_050", None, None, {"conv_stem": ("bn1.act", "input")}),
        ("timm:vit_tiny_patch16_224", 50, None, {"blocks.3.mlp.fc1": ("blocks.3.mlp.fc1", "output")}),  # noqa: E501
    ],
)  # fmt: skip
def test_libraries(name, layers, units, some):
    network = load_network(name, "random")
    taps = network.taps
    if layers:
        assert len(taps) == layers
    if units:
        assert sum(tap.n_units for tap in taps.values()) == units
    for layer, place in some.items():
        assert (taps[layer].module, taps[layer].side) == place
    batch = torch.randn(2, 3, *network.input_size)
    read = _read(network.module, taps, batch)
    assert list(read) == list(taps)
    for layer, tap in taps.items():
        assert read[layer].shape == (2, *tap.shape)


def test_resnet_tap_equals_the_functions_it_is_made_of():
    network = load_network("torchvision:resnet18", "random")
    net = network.module
    _trained(net.bn1)
    x = torch.randn(1, 3, 64, 64)
    expected = _normed(x, net.conv1, net.bn1)
    torch.testing.assert_close(_read(net, network.taps, x)["conv1"], expected)


def test_match_layers():
    names = ["conv1", "block.a", "block.b", "fc"]
    assert match_layers(names) == names
    assert match_layers(names, "block.*") == ["block.a", "block.b"]
    assert match_layers(names, "fc, conv*") == ["conv1", "fc"]
    assert match_layers(names, ["fc"]) == ["fc"]
    with pytest.raises(SelectivityError, match="no layer matches 'conv2'; close names: conv1"):
        match_layers(names, "conv2")
    with pytest.raises(SelectivityError, match="no layer asked for"):
        match_layers(names, " ")
