"""From a network and a folder to table and page: a ResNet, a ConvNeXt, a ViT, and a module of one's own.

Weights are random and inputs small; every number that a record or a table is checked on is found again from
the network's own maps, kept as a whole.
"""

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from bs4 import BeautifulSoup
from PIL import Image
from torch import nn
from torchvision import models

from helpers.__main__ import main
from helpers.errors import SelectivityError
from helpers.index import COLUMNS, OF_PICTURES, index_units
from helpers.record import FolderImages, Record, load_network, networks, record, untrained, wrap
from helpers.report import write_report
from helpers.study import open_study, study_of

pytestmark = pytest.mark.usefixtures("one_thread")
LETTERS = ("left", "right")


class Odd(nn.Module):
    """Wide maps, functional relu, a dictionary as output, a shared module, a branch sometimes taken."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, (3, 5), (2, 3))
        self.norm = nn.BatchNorm2d(6)
        self.shared = nn.Conv2d(6, 6, 1)
        self.bright = nn.Conv2d(6, 4, 3, padding=1)
        self.deep = nn.ModuleDict({"maps": nn.Conv2d(6, 8, 3, 2), "logits": nn.Linear(8, 3)})

    def forward(self, x, *, scale=1.0):
        x = nn.functional.relu(self.norm(self.stem(x)), inplace=True)
        x = nn.functional.relu(self.shared(nn.functional.relu(self.shared(x))) * scale)
        extra = self.bright(x).mean() if x.mean() > self.level else 0
        maps = self.deep["maps"](x) + extra
        return {"maps": [maps], "logits": self.deep["logits"](maps.relu().mean((2, 3)))}

    level = -1.0  # always taken


class Wide:
    """Any picture as 40 x 72 pixels in [-1, 1]."""

    def __call__(self, image):
        pixels = np.asarray(image.resize((72, 40)), dtype=np.float32)
        return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1).contiguous()

    def __str__(self):
        return "squeezed to 40 x 72 px, RGB from -1 to 1"


def opened(kind):
    torch.manual_seed(1)
    if kind == "resnet":
        return wrap(models.resnet18(num_classes=5), "resnet", input_size=(64, 64))
    if kind == "convnext":
        return wrap(timm.create_model("convnext_atto", num_classes=5), kind, input_size=(64, 64))
    if kind == "vit":
        module = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=5)
        return wrap(module, kind, input_size=(64, 64))
    with pytest.warns(UserWarning, match="left out.*: shared"):
        return wrap(Odd(), kind, input_size=(40, 72), preprocess=Wide())


KINDS = {  # layers to look at closely: units, map
    "resnet": {"conv1": (64, (32, 32)), "layer2.0.conv2": (128, (8, 8)), "fc": (5, (1, 1))},
    "convnext": {
        "stem.0": (40, (16, 16)),
        "stages.0.blocks.0.mlp.fc1": (160, (16, 16)),
        "stages.3.blocks.1.conv_dw": (320, (2, 2)),
    },
    "vit": {
        "patch_embed.proj": (192, (4, 4)),
        "blocks.3.attn.proj": (192, (1, 17)),
        "blocks.11.mlp.fc1": (768, (1, 17)),
    },
    "odd": {"stem": (6, (19, 23)), "bright": (4, (19, 23)), "deep.maps": (8, (9, 11))},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Fifteen pictures of two classes of unequal size and shape: a colour on the left, or on the right."""
    root, random = tmp_path_factory.mktemp("architectures") / "pictures", np.random.default_rng(5)
    for name, count in zip(LETTERS, (9, 6), strict=True):
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = random.integers(0, 90, (70, 90, 3), dtype=np.uint8)
            where = slice(0, 45) if name == "left" else slice(45, None)
            pixels[:, where] += random.integers(60, 160, 3, dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module", params=KINDS)
def made(request, folder):
    """(kind, its study, {layer: maps (N, U, places)} by hooks of the test's own)"""
    network = opened(request.param)
    study = study_of(network, folder, batch_size=4, progress=False)
    batch = torch.stack([network.preprocess(study.images.open(i)) for i in range(15)])
    maps, hooks = {}, []
    for name in KINDS[request.param]:
        place = {"conv1": "bn1", "layer2.0.conv2": "layer2.0.bn2", "stem": "norm"}.get(name, name)

        def keep(module, inputs, output, name=name):
            last = output.ndim == 3 or "mlp.fc1" in name and output.shape[-1] in (160, 768)
            values = output.movedim(-1, 1) if last else output
            maps[name] = values.clone().reshape(*values.shape[:2], -1)

        hooks.append(network.module.get_submodule(place).register_forward_hook(keep))
    with torch.inference_mode():
        network.module(batch)
    for hook in hooks:
        hook.remove()
    return request.param, study, maps


def test_the_record_is_what_the_network_did(made):
    kind, study, maps = made
    assert study.record.counts.tolist() == [9, 6]
    for name, (units, size) in KINDS[kind].items():
        layer, of_maps = study.record[name], maps[name]
        assert (layer.n_units, layer.geometry.map_size) == (units, size)
        assert of_maps.shape[:2] == (15, units)
        for found, extreme, sign in (
            (layer.top, of_maps.amax(2), 1),
            (layer.bottom, of_maps.amin(2), -1),
        ):
            expected = (sign * extreme).sort(0, descending=True).values.T * sign
            torch.testing.assert_close(found.values, expected, rtol=1e-4, atol=1e-4)
            listed = extreme.T.gather(1, found.images)
            torch.testing.assert_close(found.values, listed, rtol=1e-4, atol=1e-4)
        at = layer.top.positions[..., 0] * size[1] + layer.top.positions[..., 1]
        there = of_maps[layer.top.images, torch.arange(units)[:, None], at]
        torch.testing.assert_close(layer.top.values, there, rtol=1e-4, atol=1e-4)
        sums = torch.stack([of_maps[:9].mean(2).sum(0), of_maps[9:].mean(2).sum(0)], 1).double()
        torch.testing.assert_close(layer.sums["mean"], sums, rtol=1e-3, atol=1e-3)


def test_the_table_is_of_these_responses(made):
    kind, study, maps = made
    few = study.record.keep_layers(list(KINDS[kind]))
    units = index_units(few, None, study.network, study.images, progress=False)
    assert tuple(units) == COLUMNS + OF_PICTURES and len(units) == few.n_units
    for name in few.layers:
        rows, highest = units[units.layer == name], maps[name].amax(2)
        assert (rows.n_images.to_numpy() == (highest > 0).sum(0).numpy()).all()
        weights = highest.clamp(min=0)
        shares = torch.stack([weights[:9].sum(0), weights[9:].sum(0)], 1)
        clear = (shares[:, 0] - shares[:, 1]).abs() > 1e-3 * shares.sum(1)
        top = np.array(LETTERS)[shares.argmax(1)]
        assert (rows.top_class.to_numpy() == top)[clear.numpy()].all()
        alive = rows[~rows.dead]
        assert alive.color_index.between(0, 1).all() and (alive.self_response <= 1e6).all()


def test_a_page_can_be_sent(made, tmp_path):
    kind, study, _ = made
    wanted, few = list(KINDS[kind])[1:2], study.record.keep_layers(list(KINDS[kind]))
    study = study_of(study.network, study.images, few)
    path = write_report(study, tmp_path / "page.html", ",".join(wanted), units=3)
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    assert [h.get_text() for h in page.select("section h2")] == wanted
    assert {*KINDS[kind]} <= {th.get_text() for th in page.select("table.layers th")}
    assert "data:image/webp;base64" in str(page) and not page.select("[src^=http]")


# The same by the command line, with networks that have a name


@pytest.mark.parametrize("model", ["test_resnet", "test_convnext", "test_vit"])
def test_from_the_command_line(model, folder, tmp_path, monkeypatch, capsys):
    """Recorded, as CSV with pictures and as Parquet without, and as a page."""
    monkeypatch.chdir(tmp_path)
    images = ["--images", str(folder)]
    made = ["--network", f"timm:{model}", "--weights", "random", *images, "--out", "r.safetensors"]
    assert main(["record", *made]) == 0
    recorded = Record.load("r.safetensors")
    network = load_network(f"timm:{model}", "random")
    assert recorded.layers == list(network.taps) and recorded.counts.tolist() == [9, 6]
    recorded.check(network, FolderImages(folder))
    layers = recorded.layers[1:3]
    recorded.keep_layers(layers).save("few.safetensors")
    with_images = ["index", "few.safetensors", *images, "--weights", "random", "--out", "u.csv"]
    assert main(with_images) == 0
    assert main(["index", "few.safetensors", "--out", "u.parquet"]) == 0
    csv = pd.read_csv("u.csv", keep_default_na=False, na_values=[""])
    parquet = pd.read_parquet("u.parquet")
    assert tuple(csv) == COLUMNS + OF_PICTURES and tuple(parquet) == COLUMNS
    pd.testing.assert_frame_equal(csv[list(COLUMNS)], parquet, check_dtype=False)
    assert csv.groupby("layer", sort=False).size().to_dict() == {
        name: recorded[name].n_units for name in layers
    }
    page = ["report", "few.safetensors", *images, "--weights", "random", "--units", "2"]
    assert main([*page, "--layers", layers[1], "--out", "page.html"]) == 0
    assert f'id="layer-{layers[1]}"' in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "15 images" in capsys.readouterr().out


# What a module of one's own may do, and what cannot be recorded


def test_a_shared_module_is_left_out_and_all_others_are_there():
    network = opened("odd")
    assert list(network.taps) == ["stem", "bright", "deep.maps", "deep.logits"]
    assert network.taps["stem"].module == "norm"  # batch norm belongs to the unit


@pytest.mark.parametrize("level", [0.35, 1e9])
def test_a_branch_that_is_not_taken_is_said_and_not_made_up(level, folder):
    """The first pass, which finds the layers, takes the branch; then some images, or all, do not."""
    network = opened("odd")
    network.module.level = level
    images = FolderImages(folder)
    with pytest.raises(SelectivityError, match="layer bright of Odd ran 0 times") as error:
        record(network, images, batch_size=1, progress=False)
    assert "\n" not in str(error.value)
    without = record(network, images, layers="stem,deep.*", batch_size=1, progress=False)
    assert without.layers == ["stem", "deep.maps", "deep.logits"]


def test_a_layer_that_sees_some_of_the_images_is_refused(folder):
    class Early(nn.Module):
        """An early exit: only images that are not clear yet go on; in the first pass all do."""

        every = True

        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

        def forward(self, x):
            x = self.first(x)
            go_on = torch.arange(len(x)) % 2 == 0
            return self.second(x if self.every else x[go_on])

    network = wrap(Early(), "early", input_size=(40, 72), preprocess=Wide())
    network.module.every = False
    with pytest.raises(SelectivityError, match="layer second of Early saw 2 of 4 images"):
        record(network, FolderImages(folder), batch_size=4, progress=False)


def test_a_module_that_cannot_be_drawn_anew_is_named(made):
    kind, study, _ = made
    if kind in ("vit", "convnext"):  # class token, layer scale: parameters that no module draws
        with pytest.raises(SelectivityError, match="nothing says how .* were first drawn"):
            untrained(study.network)
    else:
        assert untrained(study.network).weights != study.network.weights


# The recipe of the contributing page: a network is one entry


def test_adding_a_network_is_one_entry(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path))

    def lab(name, model, weights):
        """lab:small and lab:large, always with random weights."""
        units = {"small": 4, "large": 16}[model]
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, units, 5, 4), nn.ReLU(), nn.Conv2d(units, units, 3))
        return wrap(module, name, input_size=(40, 72), preprocess=Wide())

    monkeypatch.setitem(networks._LIBRARIES, "lab", lab)  # the entry
    assert load_network("lab:large").taps["2"].n_units == 16
    assert main(["layers", "lab:small"]) == 0
    assert "Conv2d" in capsys.readouterr().out
    (tmp_path / "records").mkdir()
    out = tmp_path / "records" / "mine.safetensors"
    made = ["record", "--network", "lab:small", "--images", str(folder), "--out", str(out)]
    assert main(made) == 0
    study = open_study("mine", images=folder)
    assert study.has_network and study.has_images and study.record.n_units == 8
    assert len(index_units(study.record, None, study.network, study.images, progress=False)) == 8
    with pytest.raises(SelectivityError, match="lab:MODEL"):
        load_network("lab")
