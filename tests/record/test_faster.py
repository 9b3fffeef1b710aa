"""Other arithmetic: what it is to be, what it costs, and that the record says so."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from helpers.errors import SelectivityError
from helpers.record import FolderImages, Record, record, wrap
from helpers.record.faster import check_ways, drift, fold_norms, quickened
from helpers.record.receptive_field import trace_layers
from helpers.record.recorder import MEASURED
from helpers.record.taps import find_taps
from tests.record.test_recorder import network

SIZE = (64, 64)


def settled(module, seed=0):
    """Batch norms as after training: no statistic or weight is 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    for child in module.modules():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor, low in ((child.running_mean, -1), (child.running_var, 0.5)):
                tensor.uniform_(low, 2, generator=generator)
            for parameter in child.parameters(recurse=False):
                parameter.data.uniform_(-1, 2, generator=generator)
    return module.eval().requires_grad_(False)


class Usual(nn.Module):
    """A norm after each kind of layer that can take it up, and after two that cannot."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8)
        self.groups, self.norm2 = nn.Conv2d(8, 8, 3, groups=4), nn.BatchNorm2d(8, affine=False)
        self.up, self.norm3 = nn.ConvTranspose2d(8, 6, 2, stride=2), nn.BatchNorm2d(6)
        self.made, self.norm4 = weight_norm(nn.Conv2d(6, 5, 3)), nn.BatchNorm2d(5)
        self.alone = nn.Conv2d(5, 4, 1)
        self.linear, self.norm5 = nn.Linear(4, 7), nn.BatchNorm1d(7)

    def forward(self, x):
        x = torch.relu_(self.norm(self.conv(x)))
        x = self.norm3(self.up(self.norm2(self.groups(x)).relu()))
        x = self.alone(self.norm4(self.made(x)).relu_())
        return self.norm5(self.linear(x.mean((2, 3))))


@pytest.fixture
def usual():
    torch.manual_seed(0)
    return settled(Usual())


def pictures(n=4):
    return torch.randn(n, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def test_a_planted_norm_becomes_known_weights():
    module = (
        nn.Sequential(nn.Conv2d(3, 1, 1), nn.BatchNorm2d(1, eps=0.0)).eval().requires_grad_(False)
    )
    nn.init.constant_(module[0].weight, 2.0)
    nn.init.constant_(module[0].bias, 5.0)
    module[1].running_mean.fill_(1.0)
    module[1].running_var.fill_(4.0)
    nn.init.constant_(module[1].weight, 3.0)
    nn.init.constant_(module[1].bias, -1.0)
    assert fold_norms(module, find_taps(module, pictures())) == ["0"]
    assert module[0].weight.flatten().tolist() == [3.0] * 3  # 2 x 3 / sqrt(4)
    assert module[0].bias.tolist() == [5.0]  # (5 - 1) x 3 / 2 - 1
    assert not list(module[1].parameters()) and not list(module[1].buffers())


def test_every_kind_of_layer_gives_what_it_gave(usual):
    taps, own = find_taps(usual, pictures()), usual(pictures())
    double = copy.deepcopy(usual)
    assert fold_norms(double, taps) == ["conv", "groups", "up", "linear"]
    torch.testing.assert_close(double(pictures()), own, rtol=1e-4, atol=1e-5)
    left = [n for n, c in double.named_modules() if isinstance(c, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert left == ["norm4"]
    assert list(find_taps(double, pictures())) == list(taps)


@pytest.mark.parametrize(
    "kind", ["in-place", "timm:test_resnet", "timm:test_efficientnet", "timm:test_vit"]
)
def test_a_folded_record_is_the_record_but_for_rounding(kind, picture_folder):
    own = network(kind)
    settled(own.module)
    weights = {name: tensor.clone() for name, tensor in own.module.state_dict().items()}
    images, settings = FolderImages(picture_folder), dict(k=5, progress=False, workers=0)
    plain = record(own, images, **settings)
    folded = record(own, images, faster=("fold",), **settings)
    assert all(torch.equal(t, weights[n]) for n, t in own.module.state_dict().items())
    price = folded.metadata["faster"]
    assert price["ways"] == ["fold"] and list(price["drift"]) == plain.layers
    assert max(price["drift"].values()) < 1e-4 and "faster" not in plain.metadata
    for layer in plain.layers:
        for side in ("top", "bottom"):
            a, b = getattr(plain[layer], side).values, getattr(folded[layer], side).values
            assert (a - b).abs().max() <= 1e-4 * a.std(correction=0), (layer, side)


def test_where_folding_would_change_more_than_rounding_it_is_refused(picture_folder):
    class Twice(nn.Sequential):
        def forward(self, x):
            x = self[0](x)
            return self[2](self[1](x) + x)  # the output that the norm takes is used once more

    module = settled(Twice(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3)))
    own, images = wrap(module, "twice", input_size=SIZE), FolderImages(picture_folder)
    for ways in (["fold"], ["fold", "bf16"]):
        with pytest.raises(
            SelectivityError, match="twice: with fold responses of 2 would move.* no rounding"
        ):
            record(own, images, 5, faster=ways, progress=False, workers=0)


class Shared(nn.Module):
    """Layers that share a norm, a norm over tokens, and a transposed convolution in groups."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.up, self.norm2 = nn.ConvTranspose2d(6, 4, 2, groups=2), nn.BatchNorm2d(4)
        self.tokens, self.norm3 = nn.Linear(16, 4), nn.BatchNorm1d(4)  # over 4 tokens of 4 units

    def forward(self, x):
        x = self.norm(self.other(self.norm(self.one(x)).relu())).relu()
        x = self.norm2(self.up(x)).relu()
        x = nn.functional.adaptive_avg_pool2d(x, 4).flatten(2)
        return self.norm3(self.tokens(x))


def test_norms_that_are_not_one_layers_own_stay():
    torch.manual_seed(0)
    module = settled(Shared())
    taps, own = find_taps(module, pictures()), module(pictures())
    double = copy.deepcopy(module)
    assert fold_norms(double, taps) == [] and list(taps) == ["one", "other", "up", "tokens"]
    assert torch.equal(double(pictures()), own)


def test_a_network_of_nan_is_named_by_the_recording(picture_folder):
    own = network("in-place")
    own.module.features[0].weight[3] = torch.nan
    with pytest.raises(SelectivityError, match="gives nan on image"):
        record(own, FolderImages(picture_folder), 5, faster="fold", progress=False, workers=0)


def test_what_a_record_says_of_its_arithmetic_must_fit_it(picture_folder, tmp_path):
    path, images = tmp_path / "r.safetensors", FolderImages(picture_folder)
    made = record(network("in-place"), images, 5, faster="fold", progress=False, workers=0)
    drift_of_all = made.metadata["faster"]["drift"]
    kept = made.keep_layers(made.layers[:1])
    assert list(kept.metadata["faster"]["drift"]) == kept.layers and len(made.layers) > 1
    kept.save(path)
    assert Record.load(path).layers == kept.layers
    for wrong in (
        [],
        {},
        {"ways": ["fold"], "drift": {}},
        {"ways": [], "drift": drift_of_all},
        {"ways": ["fold"], "drift": dict.fromkeys(made.layers, "small")},
    ):
        made.metadata["faster"] = wrong
        made.save(path)
        with pytest.raises(SelectivityError, match="damaged") as error:
            Record.load(path)
        assert "\n" not in str(error.value)


def test_drift_is_the_largest_difference_in_deviations_of_the_layer():
    own = network("in-place")
    geometry, batch = trace_layers(own), pictures(6)
    assert set(drift(own, quickened(own, (), "cpu"), geometry, batch).values()) == {0.0}
    double = quickened(own, ("fold",), "cpu")
    last = list(own.taps)[-1]
    layer = double.module.get_submodule(last)
    before = own.module(batch)
    layer.bias += 0.5  # all responses of the last layer by a half: its map is a single place
    found = drift(own, double, geometry, batch)
    assert found[last] == pytest.approx(0.5 / before.std(correction=0).item(), rel=1e-3)
    assert all(found[name] < 1e-4 for name in found if name != last)
    for module in (own.module.get_submodule(last), layer):
        module.weight.zero_()
        module.bias.zero_()
    assert drift(own, double, geometry, batch)[last] == 0
    layer.bias += 1
    assert drift(own, double, geometry, batch)[last] == float("inf")


def test_eight_bits_move_responses_and_the_record_says_by_how_much(picture_folder, tmp_path):
    own, images = network("timm:test_resnet"), FolderImages(picture_folder)
    settled(own.module)
    settings = dict(k=5, responses=("max", "min", "mean"), progress=False, workers=0)
    found = record(own, images, faster=("bf16", "fold"), **settings)
    assert found.metadata["faster"]["ways"] == ["fold", "bf16"]
    found.save(tmp_path / "r.safetensors")
    assert Record.load(tmp_path / "r.safetensors").metadata["faster"] == found.metadata["faster"]
    plain, first = record(own, images, **settings), slice(0, MEASURED)
    for layer, moved in found.metadata["faster"]["drift"].items():
        assert 1e-5 < moved < 0.2, layer
        apart = [
            (plain[layer].responses[s][first].double() - found[layer].responses[s][first].double())
            .abs()
            .max()
            / plain[layer].responses[s][first].double().std(correction=0)
            for s in ("max", "min", "mean")
        ]
        assert max(apart).item() == pytest.approx(
            moved, rel=0.05
        )  # batches differ in rounding only
    with pytest.raises(SelectivityError, match="differ in arithmetic"):
        half = dict(k=5, progress=False, workers=0)
        record(own, images, indices=range(30), **half).merge(
            record(own, images, indices=range(30, 64), faster=["fold"], **half)
        )


def test_a_checkpoint_of_other_arithmetic_is_refused(picture_folder, tmp_path):
    settings = dict(k=5, checkpoint=tmp_path / "c", keep_checkpoint=True, progress=False, workers=0)
    images = FolderImages(picture_folder)
    record(network("in-place"), images, faster=["fold"], **settings)
    with pytest.raises(SelectivityError, match="another run .differs in faster."):
        record(network("in-place"), images, **settings)


def test_ways_have_one_order_and_unknown_ones_are_one_line():
    assert check_ways(["bf16", "fold", "fold"]) == ("fold", "bf16") and check_ways(()) == ()
    assert check_ways("fold") == check_ways(way for way in ["fold"]) == ("fold",)
    with pytest.raises(SelectivityError, match="'fp8'; there are fold, bf16, compile"):
        check_ways(["fp8"])
