"""The layers of a network before it is recorded: what stands in the table is what a recording finds."""

import pytest
import torch
from torch import nn

from helpers.__main__ import main
from helpers.errors import SelectivityError
from helpers.layers import layers_of
from helpers.record import load_network, wrap


class Unusual(nn.Module):
    """Two branches put together, a layer called by keyword, a dictionary of modules, and one as output."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2)
        self.wide = nn.Conv2d(8, 4, 5, dilation=2, padding=4)
        self.deep = nn.ModuleDict({"a": nn.Conv2d(12, 6, 1), "b": nn.Linear(6, 5)})

    def forward(self, x, *, scale=1.0):
        x = self.first(input=x).relu()
        both = torch.cat([x, self.wide(x) * scale], dim=1)
        maps = self.deep["a"](both)
        return {"maps": maps, "logits": self.deep["b"](maps.mean((2, 3)))}


def rows(network, **options):
    return {row.pop("layer"): row for row in layers_of(network, **options).to_dict("records")}


def test_a_network_whose_geometry_is_known():
    found = rows(load_network("torchvision:alexnet", "random"), layers="features.*")
    assert found["features.0"] == {
        "kind": "Conv2d", "units": 64, "map": "55 x 55", "sees": "11 x 11", "stride": 4,
    }  # fmt: skip
    # 195 is published for the 3 x 3 pooling after it, whose two further places lie 16 pixels apart.
    assert found["features.10"]["sees"] == "163 x 163"
    assert "classifier.1" not in found


def test_an_unusual_module():
    found = rows(wrap(Unusual(), "unusual", input_size=(40, 40)))
    assert list(found) == ["first", "wide", "deep.a", "deep.b"]
    assert found["first"]["sees"] == "3 x 3" and found["first"]["stride"] == 2
    assert found["wide"]["sees"] == "19 x 19"  # 3 + (5 - 1) * dilation 2 * stride 2
    assert found["deep.a"]["sees"] == "19 x 19" and found["deep.a"]["units"] == 6
    assert found["deep.b"] == {
        "kind": "Linear", "units": 5, "map": "1 x 1", "sees": "image", "stride": 0,
    }  # fmt: skip


def test_tokens_are_places():
    found = rows(load_network("timm:test_vit", "random"))
    assert found["patch_embed.proj"]["sees"] == "16 x 16"
    tokens = {row["map"] for name, row in found.items() if ".mlp." in name}
    assert tokens == {"1 x 101"}  # ten by ten patches and the class token


def test_a_pattern_that_fits_nothing():
    with pytest.raises(SelectivityError, match="no layer matches 'frist'; close names: first"):
        layers_of(wrap(Unusual(), "unusual", input_size=(40, 40)), "frist")


def test_from_the_command_line(capsys):
    assert main(["layers", "worldnet-fine", "--layers", "conv*"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["layer", "kind", "units", "map", "sees", "stride"]
    assert [line[0] for line in lines[1:]] == [f"conv{i}" for i in range(1, 8)]
    assert main(["layers", "wordlnet-fine"]) == 2
    assert "did you mean worldnet-fine" in capsys.readouterr().err
