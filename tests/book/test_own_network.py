"""The chapter on your own network: its table of what takes responses, its exercises and its answers."""

import re
import warnings
from collections import Counter

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from helpers.__main__ import main
from helpers.layers import layers_of
from helpers.record import WorldImages, record, wrap
from helpers.record.architectures.worldnet import PREPROCESSING
from helpers.record.networks import PixelPreprocessing

from .conftest import ROOT
from .test_teaching import ANSWER, DISCUSSION, EXERCISE, cell, checks, markdown, run, solve

NAME = "your-own-network"
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def three():
    """The chapter's ResNet, ConvNeXt and ViT, and its groups of layers."""
    return run(NAME, "three", "groups", "groups-table")


# What takes the responses


def test_each_layer_is_in_one_group(three):
    for name, network in three["of"].items():
        found = Counter()
        for (of, pattern), _ in three["groups"].items():
            if of == name:
                found.update(layers_of(network, pattern).layer)
        assert found == Counter(dict.fromkeys(network.taps, 1)), name
    assert three["kinds"].layers.sum() == sum(len(n.taps) for n in three["of"].values())


def takers(network, shown):
    """{layer: kinds of module that take exactly what its tap reads}, from one forward pass."""
    made, kept, found = {}, [], {name: set() for name in network.taps}
    places = {tap.module: name for name, tap in network.taps.items()}

    def after(name):
        def hook(module, inputs, output):
            kept.append(output)
            made[output.data_ptr(), output.numel(), output._version] = name

        return hook

    def before(module, inputs):
        if inputs and isinstance(inputs[0], torch.Tensor):
            it = inputs[0]  # its version tells what was written into it, such as a sum
            layer = made.get((it.data_ptr(), it.numel(), it._version))
            if layer:
                found[layer].add(type(module).__name__)

    hooks = [
        network.module.get_submodule(p).register_forward_hook(after(n)) for p, n in places.items()
    ]
    leaves = [m for m in network.module.modules() if not list(m.children())]
    hooks += [m.register_forward_pre_hook(before) for m in leaves]
    with torch.no_grad():
        network.module(shown(network))
    for hook in hooks:
        hook.remove()
    return found


def test_the_chapter_says_rightly_what_takes_a_response(three):
    """An activation or a layer norm takes the layers that are said to have one, and no others."""
    picture = three["world"].open(7)
    acts = {"its own ReLU": "ReLU", "its own GELU": "GELU", "a layer norm": "LayerNorm"}
    for name, network in three["of"].items():
        found = takers(network, lambda n: n.preprocess(picture)[None])
        for (of, pattern), said in three["groups"].items():
            for layer in layers_of(network, pattern).layer if of == name else ():
                kinds = found[layer] - {"Identity", "Dropout"}
                act = [a for a in acts.values() if any(k.startswith(a) for k in kinds)]
                assert act == ([acts[said]] if said in acts else []), (layer, kinds)


def test_the_table_of_measures_has_every_group(three):
    table = cell(NAME, "groups-after").source
    rows = re.findall(r"(?m)^\| ([^|]+) \|", table)[1:]
    said = {re.sub(r" \(.*", "", row) for row in rows}
    assert said == set(three["groups"].values())
    dip = nn.functional.gelu(torch.linspace(-5, 0, 5001, dtype=torch.double)).min().item()
    assert "at most 0.17" in table and dip == pytest.approx(-0.17, abs=0.001)


def test_turning_the_stream_changes_nothing_and_turning_hidden_units_does(three):
    names = run(NAME, "turn", "turn-stream", "turn-hidden", "turn-table",
                vit=three["vit"], world=three["world"])  # fmt: skip
    moved = list(names["moved"].values())
    assert moved[0] < 1e-4 < 0.1 < moved[1]
    assert moved[0] < names["spread"] / 1000
    vit, turned = three["vit"].module, names["turned"]
    assert not torch.allclose(vit.blocks[0].mlp.fc2.weight, turned.blocks[0].mlp.fc2.weight)
    # A rotation that moves the mean over the units is no symmetry: layer norms take the mean off.
    wrong = run(NAME, "turn", vit=three["vit"])
    wrong["turn"] = torch.linalg.qr(torch.randn(192, 192))[0]
    exec(cell(NAME, "turn-stream").source, wrong)
    with torch.no_grad():
        off = (wrong["turned"](names["shown"]) - names["scores"]).abs().max()
    assert off > 100 * moved[0]


# Exercises and self-checks: as in the other chapters


def test_exercises_have_solutions_and_discussions():
    cells = nbformat.read(ROOT / "book" / f"{NAME}.ipynb", 4).cells
    numbers = [int(n) for n, _ in EXERCISE.findall(markdown(NAME))]
    assert numbers == [1, 2, 3] and len(DISCUSSION.findall(markdown(NAME))) == 3
    ids = [c.id for c in cells]
    for n in numbers:
        asked = next(i for i, c in enumerate(cells) if f"Exercise {n}:" in c.source)
        assert ids[asked + 1] == f"solution-{n}"
        assert DISCUSSION.match(cell(NAME, f"answer-{n}").source)


def test_questions_have_folded_answers_of_their_own():
    assert re.findall(r"(?m)^\*\*Question (\d)\.\*\*", markdown(NAME)) == list("1234")
    for question, answer in checks(NAME):
        (text,) = ANSWER.findall(answer)
        assert len(text) > 120
        choices = re.findall(r"(?m)^- \*\*([a-d])\.\*\*", question)
        letter = re.match(r"\*\*([a-d])\.", text)
        assert bool(choices) == bool(letter)
    lines = [len(c.source.splitlines()) for c in nbformat.read(ROOT / "book" / f"{NAME}.ipynb", 4).cells
             if c.cell_type == "code" and c.id != "imports"]  # fmt: skip
    assert max(lines) <= 15


def planted_units(**layers):
    """{layer: (class indexes, which are dead)} as a table."""
    parts = [
        pd.DataFrame({"layer": n, "class_index": i, "dead": d}) for n, (i, d) in layers.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_units_above_the_untrained_copy():
    """Of four planted units three are above 95 % of the copy's; a dead one is no unit, here or there."""
    alive = np.linspace(0, 1, 101)
    units = planted_units(
        a=([0.5, 0.96, 0.97, 0.99, 9.0], [False] * 4 + [True]), b=([0.1] * 4, [False] * 4)
    )
    before = planted_units(
        a=([*alive, *[9.0] * 50], [False] * 101 + [True] * 50), b=(alive, [False] * 101)
    )
    above = solve(NAME, 1, units=units, units_before=before)["above"]
    assert above == {"a": 0.75, "b": 0}
    # With dead units counted it would be none; against the copy's mean, all four.
    assert (
        units[units.layer == "a"].class_index > np.quantile([*alive, *[9.0] * 50], 0.95)
    ).sum() == 0
    assert (units.class_index[:4] > 0.45).all()


@pytest.fixture(scope="module")
def small():
    """A module like the chapter's, untrained, on 200 images."""
    names = run(NAME, "build", images=WorldImages("eval").select(range(10)))
    prepare = PixelPreprocessing(**PREPROCESSING)
    network = wrap(names["module"], "mine", input_size=(64, 64), preprocess=prepare)
    images = WorldImages("eval").select(range(10))
    rest = images.subset(np.arange(0, len(images), 6))
    how = {"batch_size": 64, "progress": False}
    given = {"mine": network, "rest": rest, "how": how, "prepare": prepare}

    class study:  # what the solution reads of one
        pass

    study.record = record(network, rest, **how)
    return {**given, "study": study}


def test_two_halves_are_the_whole(small):
    names = solve(NAME, 2, **small)
    assert names["agrees"]["merged"] > 0.99
    assert names["agrees"]["one half"] < 0.1  # the wrong answer: that half would do
    whole, halves = names["whole"], names["halves"]
    assert whole.counts.tolist() == small["study"].record.counts.tolist()
    assert [int(h.recorded.sum()) for h in halves] == [100, 100]
    expected = small["study"].record["conv3"].sums["max"]
    torch.testing.assert_close(whole["conv3"].sums["max"], expected)


def test_a_layer_that_runs_twice_and_its_copy(small):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the solution keeps the warning for itself
        names = solve(NAME, 3, prepare=small["prepare"])
    assert names["listed"] == {"shared": ["0"], "apart": ["0", "2", "4"]}
    assert "2" in str(names["told"][0].message) and len(names["told"]) == 1
    batch = torch.randn(2, 3, 64, 64)
    with torch.no_grad():  # they compute the same
        torch.testing.assert_close(names["shared"](batch), names["unshared"](batch))


def test_negative_is_not_cut_off_before_a_sum(three):
    names = run(NAME, "checked-1", resnet=three["resnet"], world=three["world"])
    block, module = three["resnet"].module.layer1[0], three["resnet"].module
    with torch.no_grad():
        x = module.maxpool(module.relu(module.bn1(module.conv1(names["batch"]))))
        part = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))
        expected = ((part + x)[part < 0] > 0).float().mean().item()
    assert names["let_through"] == pytest.approx(expected, abs=1e-4)
    assert names["let_through"] > 0.05  # cut off, one would think, is all of it


def test_the_strongest_place_may_be_the_class_token(three):
    vit = three["vit"]
    shown = torch.stack([vit.preprocess(three["world"].open(i)) for i in (0, 2000)])
    share = run(NAME, "checked-2", vit=vit, shown=shown)["by_class_token"]
    with torch.no_grad():
        x = vit.module.patch_embed(shown)
        x = torch.cat([vit.module.cls_token.expand(2, -1, -1), x], 1) + vit.module.pos_embed
        for block in vit.module.blocks[:-1]:
            x = block(x)
        last = vit.module.blocks[-1]
        x = x + last.attn(last.norm1(x))
        hidden = last.mlp.fc1(last.norm2(x))
    assert hidden.shape == (2, 197, 768)
    assert share == pytest.approx((hidden.argmax(1) == 0).float().mean().item(), abs=1e-3)
    assert 0 < share < 1


def test_how_many_units_have_a_large_index():
    trained = planted_units(a=([0.9, 0.85, 0.5, 0.86], [False] * 4)).assign(class_index_null=0.77)
    copy = planted_units(a=([0.9, 0.2, 0.3, 0.4], [False] * 4))
    found = run(NAME, "checked-3", alive=trained, alive_before=copy)["as_large"]
    assert found == {"trained": 0.75, "untrained": 0.25}


# The command line does the same


def test_the_commands_exist_with_their_options(capsys):
    table = cell(NAME, "shell-md").source
    commands = re.findall(r"`python -m helpers ([a-z]+)([^`]*)`", table)
    assert [c for c, _ in commands] == ["layers", "record", "index", "report", "claims"]
    for command, rest in commands:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        shown = capsys.readouterr().out
        assert [o for o in re.findall(r"--[a-z-]+", rest) if o not in shown] == []


def test_a_record_of_an_unnamed_module_goes_without_images_only(
    small, tmp_path, monkeypatch, capsys
):
    """As the chapter says of a module that exists in a notebook only."""
    monkeypatch.chdir(tmp_path)
    small["study"].record.keep_layers(["conv1", "conv2"]).save("mine.safetensors")
    assert main(["index", "mine.safetensors", "--out", "units.csv"]) == 0
    assert main(["report", "mine.safetensors", "--out", "page.html", "--units", "2"]) == 0
    assert main(["claims", "--study", "mine.safetensors", "--paper", "1"]) == 0
    assert "CANNOT BE TESTED HERE" in capsys.readouterr().out
    (tmp_path / "a" / "b").mkdir(parents=True)
    small["rest"].open(0).save(tmp_path / "a" / "b" / "0.png")
    assert main(["index", "mine.safetensors", "--out", "u.csv", "--images", "a"]) == 2
    assert "unknown network 'mine'" in capsys.readouterr().err
