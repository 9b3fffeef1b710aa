"""Networks whose units are recorded: module, preprocessing, weights and layers in one object.

    load_network("googlenet")                        # BVLC GoogLeNet, weights from the cache
    load_network("torchvision:resnet18")             # the library's default weights
    load_network("timm:convnext_tiny", "mine.pth")   # its architecture, the reader's weights
    load_network("torchvision:vgg16", "random")      # initialised with a fixed seed: a control
    wrap(my_module, "mine")                          # any nn.Module

Each network keeps the preprocessing it was trained with, as a function and in words; the words go
into every record, so that a record made from differently prepared images is recognised.
"""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from helpers.errors import SelectivityError
from helpers.paths import cache_home, data_path
from helpers.record.taps import Tap, find_taps
from helpers.record.weights import download, fit, load_state, locate, resolve, tensors_sha256

__all__ = ["Network", "PixelPreprocessing", "Tap", "load_network", "wrap"]

SEED = 0  # of weights="random"
# What an architecture says of its input in PREPROCESSING.
_PIXELS = ("short_side", "crop", "channels", "scale", "mean", "std")
IMAGENET_MEAN, IMAGENET_STD = (
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
)  # torchvision's, of RGB in 0..1

# The tensors of BVLC GoogLeNet as the Caffe model zoo published them (`tensors_sha256` of the
# weight file).
GOOGLENET_SHA256 = "29383745faed930105815abcfcda5390f8259aa1cb402c6fb958eb482d12363b"


@dataclass
class Network:
    """A network ready to be recorded, on the CPU, in evaluation mode, float32, channels_last.

    name: as `load_network` takes it.
    preprocess: PIL image in RGB -> float32 (3, H, W), what the module takes.
    preprocessing: the same in words, the same on every machine.
    input_size: (H, W) in pixels.
    class_names: of the network's own output, in its order, or None if unknown.
    weights: "sha256:<hex>" over names and values of the weights (`weights.tensors_sha256`).
    taps: layer name -> where its units are read, in forward order (`taps.find_taps`).
    """

    name: str
    module: nn.Module
    preprocess: Callable[[Image.Image], Tensor]
    preprocessing: str
    input_size: tuple[int, int]
    class_names: tuple[str, ...] | None
    weights: str
    taps: dict[str, Tap] = field(repr=False)


@dataclass(frozen=True)
class PixelPreprocessing:
    """Resize, crop, scale: an RGB PIL image -> float32 (3, crop, crop).

    short_side: the image is resized (PIL, antialiased) so that its shorter side has this many
    pixels. crop: side of the square cut from the centre; scale: values run from 0 to this before
    `mean` is subtracted and `std` divides; channels: "RGB" or "BGR", the order in which `mean` and
    `std` are given as well.
    """

    short_side: int
    crop: int
    channels: str = "RGB"
    scale: float = 1.0
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    resample: str = "bicubic"

    def __call__(self, image: Image.Image) -> Tensor:
        width, height = image.size
        # Rounded as torchvision's Resize and CenterCrop round, so that its pipelines give the same
        # pixels.
        short = min(width, height)
        size = int(self.short_side * width / short), int(self.short_side * height / short)
        if size != image.size:
            image = image.resize(size, Image.Resampling[self.resample.upper()])
        left, top = round((size[0] - self.crop) / 2), round((size[1] - self.crop) / 2)
        image = image.crop((left, top, left + self.crop, top + self.crop))
        pixels = np.asarray(image, dtype=np.float32) * np.float32(self.scale / 255)
        if self.channels == "BGR":
            pixels = pixels[..., ::-1]
        pixels = (pixels - np.float32(self.mean)) / np.float32(self.std)
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def __str__(self) -> str:
        return (
            f"RGB decode; short side to {self.short_side} px, PIL {self.resample} (antialiased); "
            f"centre crop {self.crop} x {self.crop}; {self.channels}, 0..{self.scale:g}; "
            f"minus {self.mean}, divided by {self.std}"
        )


def load_network(name: str, weights: str | Path | None = None) -> Network:
    """Open a network by name; its weights from the cache, from `weights`, or by the library's own
    loader.

    name: "worldnet-fine" and its siblings (shipped), "googlenet" (BVLC), "vgg_m", "vgg_f", "vgg_s",
    "timm:MODEL" or "torchvision:MODEL". weights: None for the ones published under that name; a
    local .safetensors or .pth file; "URL#sha256=HEX"; or "random", initialised with a fixed seed,
    which downloads nothing. Raises SelectivityError: an unknown name (with near ones), weights that
    are missing (with the command that gets them), damaged, not finite, or of another architecture.
    """
    library, colon, model = name.partition(":")
    if colon and library in _LIBRARIES:
        return _LIBRARIES[library](name, model, weights)
    if name in _CAFFE:
        return _caffe(name, weights)
    if name in _worldnets() or (name.startswith("worldnet") and weights not in (None, "random")):
        return _worldnet(name, weights)
    known = [*_worldnets(), *_CAFFE, *(f"{library}:MODEL" for library in _LIBRARIES)]
    near = get_close_matches(name, known, n=4, cutoff=0.5) or known
    raise SelectivityError(f"unknown network {name!r}; did you mean {', '.join(near)}?")


def wrap(
    module: nn.Module,
    name: str,
    *,
    input_size: tuple[int, int] = (224, 224),
    preprocess: Callable[[Image.Image], Tensor] | None = None,
    class_names: tuple[str, ...] | None = None,
) -> Network:
    """Make a Network of the reader's own module; a copy is taken, so the module itself stays as it
    is.

    input_size: (H, W) that the module takes. preprocess: RGB image -> float32 (3, H, W); by default
    ImageNet's usual one (short side to 8/7 of the input, centre crop, mean and standard deviation
    of torchvision's models), which needs a square input. With preprocessing of your own,
    `str(preprocess)` describes it in the record: give it a telling one. Raises SelectivityError if
    the module does not run on what the preprocessing gives.
    """
    if preprocess is None:
        if input_size[0] != input_size[1]:
            raise SelectivityError(
                f"{name}: an input of {input_size} is not square: give `preprocess` as well"
            )
        preprocess = PixelPreprocessing(short_side=round(input_size[0] * 8 / 7), crop=input_size[0])
    return _network(
        name, copy.deepcopy(module), preprocess, _describe(preprocess), input_size, class_names
    )


def _network(
    name, module, preprocess, preprocessing, input_size, class_names, weights=None
) -> Network:
    module = module.cpu().float().eval().requires_grad_(False)
    module = module.to(memory_format=torch.channels_last)
    grey = preprocess(Image.new("RGB", (input_size[1] + 7, input_size[0] + 3), (124, 116, 104)))
    if (
        not isinstance(grey, Tensor)
        or grey.dtype != torch.float32
        or grey.shape != (3, *input_size)
    ):
        found = (
            f"{grey.dtype} {tuple(grey.shape)}" if isinstance(grey, Tensor) else type(grey).__name__
        )
        raise SelectivityError(
            f"{name}: preprocessing gives {found}, the network takes float32 {(3, *input_size)}: "
            "correct `preprocess` or `input_size`"
        )
    # Two different images, so that a module that mixes images into its first axis is noticed.
    example = torch.stack([grey, grey.flip(-1) * 0.5]).contiguous(memory_format=torch.channels_last)
    return Network(
        name=name,
        module=module,
        preprocess=preprocess,
        preprocessing=preprocessing,
        input_size=tuple(input_size),
        class_names=tuple(class_names) if class_names is not None else None,
        weights=f"sha256:{weights or tensors_sha256(module.state_dict())}",
        taps=find_taps(module, example),
    )


def _describe(preprocess: Callable) -> str:
    """Words for a preprocessing function, without the memory addresses that differ in every run."""
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", str(preprocess))
    return re.sub(r"\s+", " ", text)


def _random(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a module with weights initialised from a fixed seed, leaving the caller's random state
    alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return build()


def _own_or_random(
    name: str, build: Callable[[], nn.Module], weights: str | Path
) -> tuple[nn.Module, str]:
    """(module, tensors_sha256) with the reader's weight file, or with random weights."""
    module = _random(build)
    if str(weights) == "random":
        return module, tensors_sha256(module.state_dict())
    path = resolve(weights)
    state = load_state(path)
    fit(module, state, path)
    return module, tensors_sha256(state)


# --- Caffe's networks: GoogLeNet of paper 1, VGG-F/M/S of paper 4 ---------------------------------


def _caffe(name: str, weights: str | Path | None) -> Network:
    build, preprocessing, filename = _CAFFE[name]()
    if weights is None:
        weights = locate(filename, command=f"python -m helpers fetch {name}")
        known = GOOGLENET_SHA256 if name == "googlenet" else None
    else:
        known = None
    module, sha256 = _own_or_random(name, build, weights)
    if known and sha256 != known:
        raise SelectivityError(
            f"{weights} is not the published BVLC GoogLeNet (tensors {sha256[:12]}..., not "
            f"{known[:12]}...): delete it and run `python -m helpers fetch {name}`, "
            "or give it as --weights"
        )
    preprocess = PixelPreprocessing(**{key: preprocessing[key] for key in _PIXELS})
    size = (preprocess.crop, preprocess.crop)
    return _network(name, module, preprocess, str(preprocess), size, _imagenet_classes(), sha256)


def _googlenet():
    from helpers.record.architectures import googlenet

    return googlenet.GoogLeNet, googlenet.PREPROCESSING, "bvlc_googlenet.safetensors"


def _vgg_cnn(variant: str):
    from helpers.record.architectures import vgg_cnn

    return lambda: vgg_cnn.VGGCNN(variant), vgg_cnn.PREPROCESSING, f"vgg_{variant}.safetensors"


_CAFFE = {
    "googlenet": _googlenet,
    "vgg_f": lambda: _vgg_cnn("f"),
    "vgg_m": lambda: _vgg_cnn("m"),
    "vgg_s": lambda: _vgg_cnn("s"),
}


def _imagenet_classes() -> tuple[str, ...]:
    """ImageNet's 1,000 class names in the order of their WordNet ids, which every network here
    shares."""
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.DEFAULT.meta["categories"])


# --- torchvision and timm -------------------------------------------------------------------------


def _torchvision(name: str, model: str, weights: str | Path | None) -> Network:
    from torchvision import models

    known = models.list_models(module=models)
    if model not in known:
        near = get_close_matches(model, known, n=4, cutoff=0.4) or known[:4]
        raise SelectivityError(
            f"torchvision has no classification model {model!r}; close names: "
            f"{', '.join(f'torchvision:{n}' for n in near)}"
        )
    # Both were published with their input transformed inside the network, which only `weights=`
    # would switch on.
    special = {"transform_input": True, "init_weights": False}
    arguments = special if model in ("googlenet", "inception_v3") else {}
    default = models.get_model_weights(model).DEFAULT

    if weights is None:
        # torchvision names a file with the first digits of its SHA-256: resnet18-f37072fd.pth
        digits = re.search(r"-([0-9a-f]{8})\.pth$", default.url)
        path = cache_home("weights", default.url.rsplit("/", 1)[-1])
        weights = download(default.url, path, f"sha256:{digits[1]}" if digits else None)
    module, sha256 = _own_or_random(
        name, lambda: models.get_model(model, weights=None, **arguments), weights
    )
    transform = default.transforms()
    words = "; ".join(
        f"{key} {value}"
        for key, value in sorted(vars(transform).items())
        if key[0] != "_" and key != "training"
    )
    size = (transform.crop_size[0],) * 2
    classes = default.meta["categories"]
    return _network(
        name,
        module,
        transform,
        f"torchvision {type(transform).__name__}: {words}",
        size,
        classes,
        sha256,
    )


def _timm(name: str, model: str, weights: str | Path | None) -> Network:
    try:
        import timm
        from timm.data import create_transform, resolve_data_config
    except ImportError as error:
        raise SelectivityError(f"{name} needs timm: install it with `pip install timm`") from error
    if not timm.is_model(model.split(".")[0]) or model.startswith(("hf-hub:", "hf_hub:")):
        known = timm.list_models()
        near = get_close_matches(model, known, n=4, cutoff=0.4) or known[:4]
        raise SelectivityError(
            f"timm has no model {model!r}; close names: {', '.join(f'timm:{n}' for n in near)}"
        )
    if weights is None:
        try:
            module = timm.create_model(model, pretrained=True)
        except Exception as error:  # hub, connection and cache errors of several libraries
            raise SelectivityError(
                f"timm could not get the weights of {model} ({type(error).__name__}): "
                "connect and run this again, or give a local file as --weights"
            ) from error
        sha256 = None
    else:
        module, sha256 = _own_or_random(name, lambda: timm.create_model(model), weights)
    config = resolve_data_config({}, model=module)
    transform = create_transform(**config)
    words = "; ".join(f"{key} {value}" for key, value in sorted(config.items()))
    classes = _imagenet_classes() if getattr(module, "num_classes", 0) == 1000 else None
    size = tuple(config["input_size"][1:])
    return _network(
        name, module, transform, f"timm create_transform: {words}", size, classes, sha256
    )


_LIBRARIES = {"torchvision": _torchvision, "timm": _timm}


# --- The small networks shipped with the book -----------------------------------------------------


def _worldnets() -> list[str]:
    return sorted(path.stem for path in data_path("networks").glob("worldnet-*.safetensors"))


def _worldnet(name: str, weights: str | Path | None) -> Network:
    """The file's own metadata says which variant it is, what it was trained on and what its classes
    are."""
    from helpers.record.architectures import worldnet

    if str(weights) == "random":
        raise SelectivityError(f"{name} has no random weights: the control is worldnet-untrained")
    path = resolve(weights if weights is not None else data_path("networks", f"{name}.safetensors"))
    config = _metadata(path)
    module = worldnet.build(config)
    state = load_state(path)
    fit(module, state, path)
    preprocess = PixelPreprocessing(**{key: worldnet.PREPROCESSING[key] for key in _PIXELS})
    size = (preprocess.crop, preprocess.crop)
    classes = config.get("class_names")
    return _network(name, module, preprocess, str(preprocess), size, classes, tensors_sha256(state))


def _metadata(path: Path) -> dict:
    """A safetensors file's metadata; values that are JSON (lists, numbers) as what they stand
    for."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise SelectivityError(f"{path} is no safetensors file") from error
    config = {}
    for key, value in metadata.items():
        try:
            config[key] = json.loads(value)
        except json.JSONDecodeError:
            config[key] = value
    return config
