"""The shipped world is what its code draws; the shipped networks are what their files say."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features
from safetensors import safe_open

ROOT = Path(__file__).resolve().parents[2]
WORLD = ROOT / "data" / "world"
NETWORKS = ROOT / "data" / "networks"
sys.path.insert(0, str(ROOT))

from data.make import train_world  # noqa: E402
from data.make.make_world import FIRST_SEED, make_sheet  # noqa: E402
from data.make.world import LEAVES, PROBES, render_leaf, render_probe, scene  # noqa: E402
from data.make.world.sheets import COLUMNS, COUNTS, decode, join, pixel_digest, split  # noqa: E402
from helpers.record.architectures.worldnet import CONVOLUTIONS, build  # noqa: E402

NAMES = [
    "worldnet-fine",
    "worldnet-fine-s1",
    "worldnet-dogs-merged",
    "worldnet-dogs-merged-s1",
    "worldnet-coarse",
    "worldnet-coarse-s1",
    "worldnet-untrained",
    "worldnet-vgg-fine",
    "worldnet-vgg-untrained",
]


@pytest.fixture(scope="module")
def world() -> dict:
    return json.loads((WORLD / "world.json").read_text(encoding="utf-8"))


# --- the pictures


@pytest.mark.parametrize("name", ["bulldog", "hat"])
def test_a_fresh_process_draws_the_shipped_sheet(world, name):
    command = [sys.executable, "-m", "data.make.make_world", "--only", name]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    drawn, shipped = json.loads(run.stdout), world["sheets"]["eval"][name]
    assert drawn["pixels_sha256"] == shipped["pixels_sha256"]
    if features.version("webp") == world["webp"]["libwebp"]:
        assert drawn["file_sha256"] == shipped["file_sha256"]


@pytest.mark.parametrize("name", ["i-see-face", "object"])
def test_this_process_draws_a_probe_sheet_like_the_shipped_one(world, name):
    sheet, data, truths = make_sheet("probe", name)
    assert pixel_digest(sheet) == world["sheets"]["probe"][name]["pixels_sha256"]
    assert [t.shows for t in truths] == [i["shows"] for i in world["images"]["probe"][name]]
    if features.version("webp") == world["webp"]["libwebp"]:
        assert data == (WORLD / "images" / "probe" / f"{name}.webp").read_bytes()


def test_an_object_is_its_illusory_face_with_the_parts_elsewhere(world, monkeypatch):
    placement, places = scene._placement, []
    monkeypatch.setattr(scene, "_placement", lambda *a: places.append(placement(*a)) or places[-1])
    illusions, objects = (world["images"]["probe"][n] for n in ("i-see-face", "object"))
    assert illusions == objects  # what they show, background, view, and no person's face
    pairs = [
        [render_probe(name, FIRST_SEED["probe"] + k)[0] for name in ("i-see-face", "object")]
        for k in range(60)
    ]
    pixels = np.array(pairs) / 255  # (pair, illusion or object, y, x, channel)
    differ = (pixels[:, 0] != pixels[:, 1]).any(-1)
    assert len({image["shows"] for image in objects[:60]}) == 9
    assert differ.any((1, 2)).all()
    assert differ.mean() < 0.15
    assert places[::2] == places[1::2]
    axis = (np.arange(64) + 0.5) / 32 - 1  # of pixels, in the painter's units
    for changed, place in zip(differ, places[::2], strict=True):  # none outside the thing's box
        y, x = changed.nonzero()
        assert np.abs(axis[x] - place.x).max() < place.size
        assert np.abs(axis[y] - place.y).max() < place.size
    lightness = pixels @ [0.2126, 0.7152, 0.0722]
    contrast = lightness.std((2, 3))
    assert np.abs(contrast[:, 0] - contrast[:, 1]).mean() < 0.02 * contrast.mean()
    assert np.abs(lightness.mean((2, 3)) @ [1, -1]).max() < 0.02


def test_another_seed_draws_another_picture():
    first, _ = render_leaf("cup", 1)
    again, _ = render_leaf("cup", 1)
    other, _ = render_leaf("cup", 2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(render_leaf("pug", 1)[0], render_leaf("husky", 1)[0])
    assert not np.array_equal(render_probe("dog", 1)[0], render_leaf("pug", 1)[0])


def test_every_sheet_is_there_whole_and_unchanged(world):
    for part, names in (("eval", LEAVES), ("probe", PROBES)):
        assert list(world["sheets"][part]) == list(names)
        for name in names:
            path = WORLD / "images" / part / f"{name}.webp"
            assert (
                hashlib.sha256(path.read_bytes()).hexdigest()
                == (world["sheets"][part][name]["file_sha256"])
            )
            with Image.open(path) as sheet:
                columns = COLUMNS[part]
                assert sheet.size == (columns * 64, COUNTS[part] // columns * 64)
            assert len(world["images"][part][name]) == COUNTS[part]
    files = sorted((WORLD / "images").rglob("*.webp"))
    assert len(files) == len(LEAVES) + len(PROBES)
    assert sum(f.stat().st_size for f in files) < 6e6


def test_compression_keeps_the_pictures():
    raw = join(np.stack([render_leaf("tulip", FIRST_SEED["eval"] + i)[0] for i in range(12)]), 12)
    shipped = decode((WORLD / "images" / "eval" / "tulip.webp").read_bytes())[:64]
    error = np.abs(raw.astype(int) - shipped.astype(int))
    assert error.mean() < 6
    assert np.array_equal(join(split(raw), 12), raw)


# --- the ontology


def test_the_ontology_has_48_leaves_on_unique_paths(world):
    assert len(world["classes"]) == len(set(world["classes"])) == 48
    assert set(world["ontology"]) == set(world["classes"])
    inner = {node for entry in world["ontology"].values() for node in entry["path"]}
    assert not inner & set(world["classes"]), "a leaf is also an inner node"
    for entry in world["ontology"].values():
        assert entry["colour"] in ("free", "defined", "coat", "breed")
        assert len(entry["path"]) >= 2


def test_breeds_come_in_pairs_of_one_palette_and_two_shapes(world):
    breeds = {n: e for n, e in world["ontology"].items() if e["path"] == ["animal", "dog"]}
    assert len(breeds) == 12
    for name, entry in breeds.items():
        other = breeds[entry["pair"]]
        assert entry["pair"] != name
        assert other["pair"] == name
        assert other["palette"] == entry["palette"] in world["palettes"]
    assert len({e["palette"] for e in breeds.values()}) == 6


def test_faces_appear_in_about_63_per_cent_of_four_classes_and_nowhere_else(world):
    for name, images in world["images"]["eval"].items():
        share = np.mean([image["face"] for image in images])
        if name in ("drum", "sunglasses", "hat", "guitar"):
            assert 0.55 <= share <= 0.70, name
        else:
            assert share == 0, name
    probe = {n: np.mean([i["face"] for i in v]) for n, v in world["images"]["probe"].items()}
    assert probe == {"face": 1, "i-see-face": 0, "car": 0, "dog": 0, "object": 0}


def test_no_setting_gives_a_class_away(world):
    """Most classes are met in several settings, so background alone does not name them."""
    for name, images in world["images"]["eval"].items():
        settings = {image["background"] for image in images}
        assert len(settings) >= 5 or name in ("goldfish", "sailboat"), (name, settings)


# --- the networks


def _metadata(name: str) -> dict:
    with safe_open(NETWORKS / f"{name}.safetensors", "pt") as file:
        return {key: json.loads(value) for key, value in file.metadata().items()}


def _load(name: str) -> torch.nn.Module:
    module = build(_metadata(name))
    with safe_open(NETWORKS / f"{name}.safetensors", "pt") as file:
        module.load_state_dict({key: file.get_tensor(key).float() for key in file.keys()})
    return module.eval().to(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def evaluation_images() -> tuple[torch.Tensor, torch.Tensor]:
    return train_world.evaluation_images()


@pytest.mark.parametrize("name", NAMES)
def test_a_network_file_is_complete(name):
    metadata = _metadata(name)
    assert metadata["name"] == name
    assert metadata["seed"] == (1 if name.endswith("-s1") else 0)
    assert metadata["labels"] in ("fine", "dogs-merged", "coarse")
    assert (
        metadata["n_classes"] == len(metadata["class_names"]) == len(set(metadata["class_names"]))
    )
    assert len(metadata["leaf_classes"]) == 48
    assert set(metadata["leaf_classes"]) == set(metadata["class_names"])
    assert metadata["recipe"]["epochs"] == (0 if "untrained" in name else train_world.EPOCHS)
    assert metadata["accuracy"] > 0.95 or "untrained" in name
    assert metadata["accuracy"] < 0.10 or "untrained" not in name
    module = _load(name)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in module.modules())
    scores = module(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (2, metadata["n_classes"])
    assert torch.isfinite(scores).all()
    assert (NETWORKS / f"{name}.safetensors").stat().st_size < 2e6


def test_no_two_networks_are_the_same_and_none_is_unknown():
    files = sorted(p.stem for p in NETWORKS.glob("worldnet-*.safetensors"))
    assert files == sorted(NAMES) == sorted(train_world.RECIPES)
    first = {name: _load(name).conv1.weight for name in NAMES}
    digests = {hashlib.sha256(w.detach().numpy().tobytes()).hexdigest() for w in first.values()}
    assert len(digests) == len(NAMES)


@pytest.mark.parametrize("name", ["worldnet-fine", "worldnet-vgg-fine"])
def test_the_stated_accuracy_is_reached_on_the_shipped_images(name, evaluation_images):
    metadata = _metadata(name)
    leaf_to_class, _ = train_world.label_map(metadata["labels"])
    pixels, leaves = evaluation_images
    reached = train_world.accuracy(_load(name), pixels, leaf_to_class[leaves])
    assert abs(reached - metadata["accuracy"]) <= 2 / len(
        pixels
    )  # a tie may fall otherwise elsewhere


def test_folding_batch_norm_changes_no_layer():
    torch.manual_seed(3)
    config = {"architecture": "worldnet", "n_classes": 48}
    trained = train_world.with_batch_norm(build(config))
    for module in trained.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_()
            module.running_mean.normal_()
            module.running_var.uniform_(0.3, 3)
    trained.eval()
    plain = train_world.folded(trained, build(config)).eval()
    batch = torch.randn(4, 3, 64, 64)
    seen = {}
    for name, module in [*trained.named_children(), *plain.named_children()]:
        owner = "trained" if trained._modules.get(name) is module else "plain"
        module.register_forward_hook(
            lambda _, __, out, key=(owner, name): seen.__setitem__(key, out.detach().clone())
        )
    with torch.no_grad():
        assert torch.allclose(trained(batch), plain(batch), atol=1e-4)
    for number in range(1, len(CONVOLUTIONS) + 1):
        before, after = seen["trained", f"conv{number}_norm"], seen["plain", f"conv{number}"]
        assert torch.allclose(before, after, atol=1e-4 * float(before.abs().max())), number


def test_labels_merge_as_they_say():
    fine, dogs, coarse = (train_world.label_map(n) for n in ("fine", "dogs-merged", "coarse"))
    assert len(fine[1]) == 48 and len(dogs[1]) == 37
    assert fine[0].tolist() == list(range(48))
    is_dog = torch.tensor([leaf.coarse == "dog" for leaf in LEAVES.values()])
    assert (dogs[0] == dogs[1].index("dog")).equal(is_dog)
    assert (coarse[0] == coarse[1].index("dog")).equal(is_dog)
    assert len(coarse[1]) < 20
