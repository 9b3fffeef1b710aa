"""Networks: names, weights, preprocessing and its words; GoogLeNet's accuracy on photographs."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision import transforms

from helpers.errors import SelectivityError
from helpers.record.architectures import worldnet
from helpers.record.images import FolderImages, batches
from helpers.record.networks import (
    GOOGLENET_SHA256,
    PixelPreprocessing,
    _worldnets,
    load_network,
    untrained,
    wrap,
)
from helpers.record.weights import tensors_sha256

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="needs the files in ../shared/real")


@pytest.fixture
def noise():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 401, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path))
    return tmp_path


def test_pixels_are_prepared_as_torchvision_prepares_them(noise):
    mine = PixelPreprocessing(256, 224, resample="bicubic")
    theirs = transforms.Compose(
        [
            transforms.Resize(256, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mine.mean, mine.std),
        ]
    )
    for image in (
        noise,
        noise.rotate(90, expand=True),
        noise.resize((256, 256)),
        noise.resize((90, 31)),
    ):
        torch.testing.assert_close(mine(image), theirs(image))


def test_caffe_pixels_are_bgr_minus_the_mean():
    prepare = PixelPreprocessing(256, 224, "BGR", 255.0, (104, 117, 123), (1, 1, 1))
    tensor = prepare(Image.new("RGB", (300, 300), (1, 2, 250)))
    assert tensor.shape == (3, 224, 224) and tensor.dtype == torch.float32
    assert tensor[:, 100, 100].tolist() == [250 - 104, 2 - 117, 1 - 123]
    assert "BGR" in str(prepare) and "(104, 117, 123)" in str(prepare) and "bicubic" in str(prepare)
    assert pickle.loads(pickle.dumps(prepare)) == prepare


def test_unknown_names_list_near_ones():
    for name, near in [
        ("googlnet", "googlenet"),
        ("torchvision:resnet81", "torchvision:resnet18"),
        ("timm:vit_tinny_patch16_224", "timm:vit_tiny_patch16_224"),
        ("tim:resnet18", "timm:MODEL"),
    ]:
        with pytest.raises(SelectivityError, match=near):
            load_network(name, "random")


@pytest.mark.parametrize("name", ["googlenet", "vgg_m"])
def test_missing_weights_name_the_command(name, empty_home):
    if name != "googlenet":
        pytest.importorskip("helpers.record.architectures.vgg_cnn")
    with pytest.raises(
        SelectivityError, match=rf"{name}.safetensors is not in .*`python -m helpers fetch {name}`"
    ):
        load_network(name)


@pytest.mark.parametrize("name", ["googlenet", "vgg_f", "vgg_m", "vgg_s"])
def test_caffe_networks_with_random_weights(name, empty_home):
    if name != "googlenet":
        pytest.importorskip("helpers.record.architectures.vgg_cnn")
    network = load_network(name, "random")
    assert network.input_size == (224, 224) and len(network.class_names) == 1000
    assert list(network.taps.values())[-1].shape == (1000,)
    assert all(layer == tap.module for layer, tap in network.taps.items())  # no norm: read as is
    assert not network.module.training


def test_random_weights_are_the_same_each_time_and_leave_the_random_state():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = load_network("torchvision:resnet18", "random")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    second = load_network("torchvision:resnet18", "random")
    assert first.weights == second.weights and first.weights.startswith("sha256:")
    assert first.preprocessing == second.preprocessing
    weight = first.module.layer1[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.requires_grad
    assert len(first.class_names) == 1000


def test_own_weights(tmp_path):
    network = load_network("torchvision:squeezenet1_1", "random")
    # (a saved file holds plain, contiguous tensors; the network itself is channels_last)
    state = {name: (value + 1).contiguous() for name, value in network.module.state_dict().items()}
    for file, save in [("w.pth", torch.save), ("w.safetensors", save_file)]:
        save(state, tmp_path / file)
        own = load_network("torchvision:squeezenet1_1", tmp_path / file)
        assert own.weights == f"sha256:{tensors_sha256(state)}" != network.weights
        assert torch.equal(own.module.state_dict()["features.0.bias"], state["features.0.bias"])
    with pytest.raises(SelectivityError, match="does not fit.*missing.*unexpected"):
        load_network("torchvision:resnet18", tmp_path / "w.pth")


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_published_weights_without_a_connection_are_one_line(library, empty_home, monkeypatch):
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # its retries take most of a minute
    monkeypatch.setenv("HF_HOME", str(empty_home))
    monkeypatch.setattr("helpers.record.weights.PAUSE", 0.0)
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # nobody listens there
    model = "squeezenet1_1" if library == "torchvision" else "mobilenetv3_small_050"
    with pytest.raises(SelectivityError) as caught:
        load_network(f"{library}:{model}")
    assert "\n" not in str(caught.value)


def test_torchvision_file_in_the_cache_is_used(empty_home, monkeypatch):
    random = load_network("torchvision:squeezenet1_1", "random")
    (empty_home / "weights").mkdir()
    file = empty_home / "weights" / "squeezenet1_1-b8a52dc0.pth"
    torch.save(random.module.state_dict(), file)
    with pytest.raises(SelectivityError, match="expected b8a52dc0"):  # not the published file
        load_network("torchvision:squeezenet1_1")


def test_wrap_leaves_the_reader_s_module_alone(noise):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)).train()
    before = copy.deepcopy(module.state_dict())
    network = wrap(module, "mine", input_size=(32, 32), class_names=["a", "b"])
    assert module.training and module[0].weight.requires_grad
    torch.testing.assert_close(module.state_dict(), before)
    assert network.name == "mine" and network.class_names == ("a", "b")
    assert network.taps["0"].shape == (4, 30, 30)
    assert network.preprocess(noise).shape == (3, 32, 32)
    assert "short side to 37 px" in network.preprocessing
    assert network.weights == f"sha256:{tensors_sha256(module.state_dict())}"


def test_an_untrained_copy_forgets_what_was_learned():
    trained = load_network("torchvision:resnet18", "random")
    with torch.no_grad():
        for parameter in trained.module.parameters():
            parameter += 7.0
        trained.module.bn1.running_mean += 3.0
    before, state = untrained(trained), torch.get_rng_state()
    assert before.name == "torchvision:resnet18 before training"
    assert before.preprocessing == trained.preprocessing and list(before.taps) == list(trained.taps)
    # torch's own first weights of this layer lie within 1 / sqrt(fan in), nothing near 7.
    first = before.module.conv1.weight
    assert first.abs().max() <= (3 * 7 * 7) ** -0.5 and first.std() > 0.5 * (3 * 3 * 7 * 7) ** -0.5
    assert before.module.bn1.running_mean.abs().max() == 0
    assert all(
        (p - 1).abs().max() == 0 for n, p in before.module.named_parameters() if n == "bn1.weight"
    )
    assert trained.module.conv1.weight.mean() > 6  # the reader's own stays
    assert untrained(trained).weights == before.weights != trained.weights
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["timm:test_vit", "timm:test_convnext"])
def test_what_no_module_draws_is_built_anew_by_its_library(name):
    trained = load_network(name, "random")
    first = {n: p.clone() for n, p in trained.module.named_parameters()}
    with torch.no_grad():
        for parameter in trained.module.parameters():
            parameter += 7.0
    before = untrained(trained)
    assert before.name == f"{name} before training"
    assert all(torch.equal(p, first[n]) for n, p in before.module.named_parameters())
    assert list(before.taps) == list(trained.taps)


@pytest.mark.parametrize(
    "name", ["mine", "timm:test_vit2"]
)  # the second names another architecture
def test_parameters_that_nothing_draws_are_named(name):
    module = load_network("timm:test_vit", "random").module
    with pytest.raises(SelectivityError, match="nothing says how cls_token, pos_embed"):
        untrained(wrap(module, name, input_size=(160, 160)))


def test_wrap_with_preprocessing_of_its_own():
    def prepare(image):
        return torch.zeros(3, 20, 30)

    module = nn.Sequential(nn.Conv2d(3, 4, 3))
    network = wrap(module, "mine", input_size=(20, 30), preprocess=prepare)
    assert "0x" not in network.preprocessing and "prepare" in network.preprocessing
    with pytest.raises(SelectivityError, match=r"preprocessing gives.*\(3, 20, 30\).*\(3, 9, 9\)"):
        wrap(module, "mine", input_size=(9, 9), preprocess=prepare)
    with pytest.raises(SelectivityError, match="not square"):
        wrap(module, "mine", input_size=(20, 30))


def test_words_of_the_libraries_say_everything():
    words = load_network("torchvision:resnet18", "random").preprocessing
    assert all(
        w in words for w in ("resize_size [256]", "crop_size [224]", "BILINEAR", "0.485", "0.229")
    )
    words = load_network("timm:resnet18", "random").preprocessing
    assert all(w in words for w in ("crop_pct", "bicubic", "0.485", "0.229", "(3, 224, 224)"))


@pytest.mark.parametrize("architecture", ["worldnet", "worldvgg"])
def test_worldnet_is_built_from_the_metadata_of_its_file(architecture, tmp_path, noise):
    module = worldnet.build({"architecture": architecture, "n_classes": 3})
    tensors = {name: value.half() for name, value in module.state_dict().items()}
    metadata = {"architecture": architecture, "n_classes": 3, "class_names": ["a", "b", "c"]}
    path = tmp_path / "mine.safetensors"
    save_file(tensors, path, {key: json.dumps(value) for key, value in metadata.items()})
    network = load_network("worldnet-mine", path)
    assert network.class_names == ("a", "b", "c") and network.input_size == (64, 64)
    assert network.preprocess(noise).shape == (3, 64, 64)
    stored = network.module.state_dict()
    assert all(torch.equal(stored[name], value.float()) for name, value in tensors.items())
    save_file(tensors, path)
    with pytest.raises(SelectivityError, match="metadata"):
        load_network("worldnet-mine", path)


@pytest.mark.skipif(not _worldnets(), reason="the small networks are not trained yet")
@pytest.mark.parametrize("name", _worldnets())
def test_worldnets(name):
    network = load_network(name)
    assert network.input_size == (64, 64) and len(network.taps) >= 7
    assert (
        network.class_names is None
        or len(network.class_names) == list(network.taps.values())[-1].n_units
    )


# --- the real network on real photographs ---


@needs_real
def test_published_googlenet(monkeypatch, tmp_path):
    monkeypatch.setenv("SELECTIVITY_HOME", str(REAL))
    network = load_network("googlenet")
    assert network.weights == f"sha256:{GOOGLENET_SHA256}"
    assert list(network.taps)[0] == "conv1.7x7_s2" and list(network.taps)[-1] == "loss3.classifier"
    assert len(network.taps) == 58 and sum(t.n_units for t in network.taps.values()) == 8280
    state = load_file(REAL / "weights" / "bvlc_googlenet.safetensors")
    state["conv1.7x7_s2.bias"][3] += 1  # another training in the place of the published one
    (tmp_path / "weights").mkdir()
    save_file(state, tmp_path / "weights" / "bvlc_googlenet.safetensors")
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path))
    with pytest.raises(SelectivityError, match="is not the published BVLC GoogLeNet"):
        load_network("googlenet")
    own = load_network("googlenet", tmp_path / "weights" / "bvlc_googlenet.safetensors")
    assert own.weights != network.weights


@needs_real
def test_googlenet_recognises_photographs(monkeypatch):
    """Top-1 on every eighth photograph, to be quick; on all 1,000 it is 74.0 %, top-5 92.3 %."""
    monkeypatch.setenv("SELECTIVITY_HOME", str(REAL))
    network = load_network("googlenet")
    images = FolderImages(REAL / "images" / "imagenet1k_sample")
    right = []
    with torch.inference_mode():
        for indices, batch, unreadable in batches(
            images, network.preprocess, range(1, 1000, 8), 25
        ):
            assert not unreadable
            logits = network.module(batch.contiguous(memory_format=torch.channels_last))
            right.append(logits.argmax(1).numpy() == images.classes[indices.numpy()])
    accuracy = np.concatenate(right).mean()
    assert (
        len(images) == 1000 and 0.744 <= accuracy <= 0.768
    )  # measured .756, 3 photographs either way
