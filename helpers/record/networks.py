"""Networks whose units are recorded: module, preprocessing, weights and layers in one object.

    load_network("googlenet")                        # BVLC GoogLeNet, weights from the cache
    load_network("torchvision:resnet18")             # the library's default weights
    load_network("timm:convnext_tiny", "mine.pth")   # its architecture, the reader's weights
    load_network("torchvision:vgg16", "random")      # initialised with a fixed seed: a control
    wrap(my_module, "mine")                          # any nn.Module
    untrained(network)                               # its control: the same, before training

Each network keeps the preprocessing it was trained with, as a function and in words; the words go into
every record, so that a record made from differently prepared images is recognised.
"""

import contextlib
import copy
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor, nn
from torchvision import models

from helpers.errors import SelectivityError
from helpers.paths import cache_home, data_path
from helpers.record.architectures import googlenet, vgg_cnn, worldnet
from helpers.record.preprocessing import PixelPreprocessing
from helpers.record.taps import Tap, find_taps
from helpers.record.weights import download, fit, load_state, resolve, tensors_sha256

SEED = 0  # of weights="random"

# The tensors of BVLC GoogLeNet as the Caffe model zoo published them (`tensors_sha256` of the weight file).
GOOGLENET_SHA256 = "29383745faed930105815abcfcda5390f8259aa1cb402c6fb958eb482d12363b"

# Caffe's networks, GoogLeNet of paper 1 and VGG-F/M/S of paper 4: module, its input, file in weights/.
CAFFE = {
    "googlenet": (googlenet.GoogLeNet, googlenet.PREPROCESSING, "bvlc_googlenet.safetensors")
} | {
    f"vgg_{v}": (partial(vgg_cnn.VGGCNN, v), vgg_cnn.PREPROCESSING, f"vgg_{v}.safetensors")
    for v in "fms"
}


@dataclass
class Network:
    """A network ready to be recorded, on the CPU, in evaluation mode, float32, channels_last.

    name: as `load_network` takes it. preprocess: PIL image in RGB -> float32 (3, H, W), what it takes.
    preprocessing: the same in words, the same on every machine. input_size: (H, W) in pixels. class_names: of
    the network's own output, in its order, or None if unknown. weights: "sha256:<hex>" over names and values
    of the weights (`weights.tensors_sha256`). taps: layer name -> where its units are read, in forward order
    (`taps.find_taps`).
    """

    name: str
    module: nn.Module
    preprocess: Callable[[Image.Image], Tensor]
    preprocessing: str
    input_size: tuple[int, int]
    class_names: tuple[str, ...] | None
    weights: str
    taps: dict[str, Tap] = field(repr=False)


def load_network(name: str, weights: str | Path | None = None) -> Network:
    """Open a network by name; its weights from the cache, from `weights`, or by the library's own loader.

    name: "worldnet-fine" and its siblings (shipped), "googlenet" (BVLC), "vgg_m", "vgg_f", "vgg_s",
    "timm:MODEL" or "torchvision:MODEL". weights: None for the ones published under that name; a local
    .safetensors or .pth file, or for Caffe's networks a .caffemodel; "URL#sha256=HEX"; or "random",
    initialised with a fixed seed, which downloads nothing (not for the shipped networks: their control is
    "worldnet-untrained"). Raises SelectivityError: an unknown name (with near ones), weights that are missing
    (with the command that gets them), damaged, not finite, or of another architecture.
    """
    library, colon, model = name.partition(":")
    if colon and library in _LIBRARIES:
        return _LIBRARIES[library](name, model, weights)
    if name in CAFFE:
        return _caffe(name, weights)
    if name in _worldnets() or (name.startswith("worldnet") and weights):
        return _worldnet(name, weights or data_path("networks", f"{name}.safetensors"))
    known = [*CAFFE, *(f"{library}:MODEL" for library in _LIBRARIES), *_worldnets()]
    raise _unknown(name, known)


def _unknown(name: str, known: Sequence[str], prefix: str = "") -> SelectivityError:
    near = get_close_matches(name, known, n=4, cutoff=0.4) or known[:12]
    names = ", ".join(prefix + n for n in near)
    return SelectivityError(f"unknown network {prefix + name!r}; did you mean {names}?")


def wrap(
    module: nn.Module,
    name: str,
    *,
    input_size: tuple[int, int] = (224, 224),
    preprocess: Callable[[Image.Image], Tensor] | None = None,
    class_names: Sequence[str] | None = None,
) -> Network:
    """Make a Network of the reader's own module; a copy is taken, so the module itself stays as it is.

    input_size: (H, W) that the module takes. preprocess: RGB image -> float32 (3, H, W); by default
    ImageNet's usual one (short side to 8/7 of the input, centre crop, mean and deviation of torchvision's
    models), which needs a square input. `str(preprocess)` describes one of your own in the record: give it a
    telling one. Raises SelectivityError if the module does not run on what the preprocessing gives.
    """
    if preprocess is None:
        if input_size[0] != input_size[1]:
            raise SelectivityError(f"{name}: {input_size} is not square: give `preprocess` as well")
        preprocess = PixelPreprocessing(short_side=round(input_size[0] * 8 / 7), crop=input_size[0])
    # Without the memory addresses that differ in every run.
    words = re.sub(r"\s+", " ", re.sub(r" at 0x[0-9a-fA-F]+", "", str(preprocess)))
    return _network(name, copy.deepcopy(module), preprocess, words, input_size, class_names)


def untrained(network: Network) -> Network:
    """A copy of a network as it was before training: the control for one that cannot be had by name.

    Every module that knows how to draw its weights (`reset_parameters`) does so, with a fixed seed; the
    statistics of batch norms start anew. Where parameters belong to no such module (class tokens, layer
    scales), a network that has its library's name is built anew by the library. Raises SelectivityError,
    naming them, for one of your own: build it without its weights and `wrap` it.
    """
    module = copy.deepcopy(network.module)
    drawn = [child for child in module.modules() if hasattr(child, "reset_parameters")]
    own = {id(p) for child in drawn for p in child.parameters(recurse=False)}
    left = [name for name, p in module.named_parameters() if id(p) not in own]
    if left:
        _build_anew(network.name, module, left)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            for child in drawn:
                child.reset_parameters()
    name = f"{network.name} before training"
    return _network(name, module, network.preprocess, network.preprocessing, network.input_size,
                    network.class_names)  # fmt: skip


def _build_anew(name, module, undrawn) -> None:
    """Give a module the weights with which its library first builds the network of that name."""
    if name.partition(":")[0] in _LIBRARIES:
        # Of one's own module that bears such a name the library may know nothing, or another network.
        with contextlib.suppress(SelectivityError, RuntimeError):
            module.load_state_dict(load_network(name, "random").module.state_dict())
            return
    raise SelectivityError(
        f"{name}: nothing says how {', '.join(undrawn[:3])}{', ...' if len(undrawn) > 3 else ''} "
        "were first drawn: build the network without its weights, and wrap it"
    )


def _network(name, module, preprocess, preprocessing, input_size, class_names) -> Network:
    module = module.cpu().float().eval().requires_grad_(False)
    module = module.to(memory_format=torch.channels_last)
    grey = preprocess(Image.new("RGB", (input_size[1] + 7, input_size[0] + 3), (124, 116, 104)))
    found = getattr(grey, "dtype", type(grey).__name__), tuple(getattr(grey, "shape", ()))
    if found != (torch.float32, (3, *input_size)):
        raise SelectivityError(
            f"{name}: preprocessing gives {found[0]} {found[1]}, the network takes float32 "
            f"{(3, *input_size)}: correct `preprocess` or `input_size`"
        )
    # Two different images, so that a module that mixes images into its first axis is noticed.
    example = torch.stack([grey, grey.flip(-1) * 0.5]).contiguous(memory_format=torch.channels_last)
    class_names = None if class_names is None else tuple(class_names)
    weights = f"sha256:{tensors_sha256(module.state_dict())}"
    words, size, taps = preprocessing, tuple(input_size), find_taps(module, example)
    return Network(name, module, preprocess, words, size, class_names, weights, taps)


def _build(build: Callable[[], nn.Module], weights: str | Path) -> nn.Module:
    """A module with the reader's weights, or with random ones, leaving the caller's random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        module = build()
    if str(weights) != "random":
        path = resolve(weights)
        shapes = {key: tuple(value.shape) for key, value in module.state_dict().items()}
        fit(module, load_state(path, shapes), path)
    return module


def _network_of_pixels(name, module, settings, class_names) -> Network:
    preprocess = PixelPreprocessing(**settings)
    size = (preprocess.crop, preprocess.crop)
    return _network(name, module, preprocess, str(preprocess), size, class_names)


def _imagenet_classes() -> list[str]:
    """ImageNet's 1,000 class names in the order of their WordNet ids, which every network here shares.

    VGG-F/M/S, too, in the Caffe files fetched here; their authors' other release has another order.
    """
    return models.ResNet18_Weights.DEFAULT.meta["categories"]


def _caffe(name: str, weights: str | Path | None) -> Network:
    build, input_, filename = CAFFE[name]
    command, path = f"python -m helpers fetch {name}", cache_home("weights", filename)
    if weights is None and not path.is_file():
        raise SelectivityError(f"{filename} is not in {path.parent}: get it with `{command}`")
    module = _build(build, weights or path)
    network = _network_of_pixels(name, module, input_, _imagenet_classes())
    if name == "googlenet" and weights is None and network.weights != f"sha256:{GOOGLENET_SHA256}":
        raise SelectivityError(
            f"{path} is not the published BVLC GoogLeNet (tensors "
            f"{network.weights}): delete it and run `{command}`, or give it as --weights"
        )
    return network


def _torchvision(name: str, model: str, weights: str | Path | None) -> Network:
    known = models.list_models(module=models)
    if model not in known:
        raise _unknown(model, known, "torchvision:")
    # Both were published with their input transformed inside the network, which only `weights=` would
    # switch on.
    special = {"transform_input": True, "init_weights": False}
    arguments = special if model in ("googlenet", "inception_v3") else {}
    default = models.get_model_weights(model).DEFAULT
    if weights is None:
        # torchvision names a file with the first digits of its SHA-256: resnet18-f37072fd.pth
        digits = re.search(r"-([0-9a-f]{8})\.pth$", default.url)
        path = cache_home("weights", default.url.rsplit("/", 1)[-1])
        weights = download(default.url, path, f"sha256:{digits[1]}" if digits else None)
    module = _build(partial(models.get_model, model, weights=None, **arguments), weights)
    transform = default.transforms()
    said = {k: v for k, v in vars(transform).items() if k[0] != "_" and k != "training"}
    words = f"torchvision {type(transform).__name__}: {_words(said)}"
    size = (transform.crop_size[0],) * 2
    return _network(name, module, transform, words, size, default.meta["categories"])


def _timm(name: str, model: str, weights: str | Path | None) -> Network:
    import timm  # a second of importing that only these networks need
    from timm.data import create_transform, resolve_data_config

    if not timm.is_model(model.split(".")[0]):
        raise _unknown(model, timm.list_models(), "timm:")
    if weights is None:
        try:
            module = timm.create_model(model, pretrained=True)
        except Exception as error:  # hub, connection and cache errors of several libraries
            raise SelectivityError(
                f"timm could not get the weights of {model} ({type(error).__name__}): "
                "connect and run this again, or give a local file as --weights"
            ) from error
    else:
        module = _build(partial(timm.create_model, model), weights)
    config = resolve_data_config({}, model=module)
    words = f"timm create_transform: {_words(config)}"
    classes = _imagenet_classes() if getattr(module, "num_classes", 0) == 1000 else None
    size = config["input_size"][1:]
    return _network(name, module, create_transform(**config), words, size, classes)


def _words(settings: dict) -> str:
    return "; ".join(f"{key} {value}" for key, value in sorted(settings.items()))


_LIBRARIES = {"torchvision": _torchvision, "timm": _timm}


def _worldnets() -> list[str]:
    return sorted(path.stem for path in data_path("networks").glob("worldnet-*.safetensors"))


def _worldnet(name: str, weights: str | Path) -> Network:
    """The file's own metadata says which variant it is, what it was trained on and what its classes are."""
    path = resolve(weights)
    try:
        with safe_open(path, "pt") as file:
            config = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
    except Exception as error:
        raise SelectivityError(f"{path} is no weight file of a worldnet") from error
    module = _build(partial(worldnet.build, config), path)
    return _network_of_pixels(name, module, worldnet.PREPROCESSING, config.get("class_names"))
