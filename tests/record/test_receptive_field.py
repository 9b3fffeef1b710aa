"""Analytic fields against known figures and against the gradient."""

import pytest
import torch
from torch import nn

from helpers.record import load_network, trace_layers, wrap
from helpers.record.receptive_field import ReceptiveField


class Branches(nn.Module):
    """Padding, dilation, uneven strides, an explicit pad, pooling and a concatenation, in functional code."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, (3, 5), stride=(2, 1), padding=(1, 2))
        self.narrow = nn.Conv2d(4, 4, 1)
        self.wide = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.last = nn.Conv2d(8, 4, 3, stride=2)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        x = nn.functional.pad(self.a(x), (1, 0, 2, 0))
        x = nn.functional.avg_pool2d(x, 2, ceil_mode=True)
        x = torch.cat([self.narrow(x), self.wide(x)], 1)
        return self.fc(self.last(x).mean((2, 3)))


def gradient_box(network, layer, y, x):
    """Rows and columns of the input that reach one unit: the non-zero extent of its gradient."""
    image = torch.rand(1, 3, *network.input_size, requires_grad=True)
    seen = []
    handle = network.module.get_submodule(layer).register_forward_hook(
        lambda m, i, o: seen.append(o)
    )
    network.module(image)
    handle.remove()
    seen[0][0, :, y, x].sum().backward()
    reached = image.grad[0].abs().sum(0) > 0
    rows, columns = reached.any(1).nonzero(), reached.any(0).nonzero()
    return rows.min().item(), columns.min().item(), rows.max().item() + 1, columns.max().item() + 1


def clipped(box, size):
    top, left, bottom, right = box
    return max(top, 0), max(left, 0), min(bottom, size[0]), min(right, size[1])


@pytest.mark.parametrize("layer", ["a", "narrow", "wide", "last"])
def test_equals_the_gradient(layer):
    torch.manual_seed(0)
    network = wrap(Branches(), "branches", input_size=(64, 64))
    for parameter in network.module.parameters():  # positive weights: no path can cancel another
        parameter.data.abs_().add_(0.01)
        parameter.requires_grad_(True)
    geometry = trace_layers(network)[layer]
    height, width = geometry.map_size
    inside = 0
    for y, x in [
        (2, 2),
        (height // 2, width // 2),
        (height // 2, width - 2),
        (height - 1, width - 1),
    ]:
        box = geometry.field.box(y, x)
        reached = gradient_box(network, layer, y, x)
        if box == clipped(box, (64, 64)):
            inside += 1
            assert reached == box
        # Where the window touches zero padding the unit may see less, never more.
        top, left, bottom, right = clipped(box, (64, 64))
        assert (
            top <= reached[0]
            and left <= reached[1]
            and reached[2] <= bottom
            and reached[3] <= right
        )
    assert inside


def test_known_sizes():
    vgg16 = trace_layers(load_network("torchvision:vgg16", "random"))
    assert vgg16["features.28"].field.size == (196, 196)
    vgg_m = trace_layers(load_network("vgg_m", "random"))
    assert [vgg_m[f"conv{i}"].field.size[0] for i in range(1, 6)] == [7, 27, 75, 107, 139]
    googlenet = trace_layers(load_network("googlenet", "random"))
    assert googlenet["inception_4b.5x5"].field.size == (235, 235)
    # 5b's own field is 715 pixels; the box is capped at 2 x 224 - 1.
    assert googlenet["inception_5b.5x5"].field.size == (447, 447)
    assert googlenet["loss3.classifier"].field == ReceptiveField((224, 224), (0, 0), (0, 0))


def test_a_capped_box_still_covers_the_image():
    field = ReceptiveField((715, 715), (32, 32), (-329, -329)).capped((224, 224))
    assert field.size == (447, 447)
    for place in range(7):
        top, _, bottom, _ = field.box(place, place)
        assert top <= 0 and bottom >= 224


def test_attention_sees_the_whole_image():
    fields = trace_layers(load_network("timm:test_vit", "random"))
    size = fields["patch_embed.proj"].field.size
    assert size[0] < 160
    assert fields["blocks.0.mlp.fc1"].field.stride == (0, 0)
