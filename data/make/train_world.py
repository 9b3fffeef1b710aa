"""Train the embedded networks on the image world and write them to data/networks.

    python -m data.make.train_world --images                 # render the training images, once
    python -m data.make.train_world worldnet-fine worldnet-coarse ...
    python -m data.make.train_world                          # all of them, one after the other

Training images are drawn from their own seeds and pass through the same WebP codec as the shipped
ones. Networks with batch normalisation are folded before they are written, in float16; the
accuracy in the file's metadata is that of the written weights on the shipped evaluation sheets.
Run from the repository root; needs the extra `world` (skia-python). One core: OMP_NUM_THREADS=1;
a network takes about five minutes.
"""

import argparse
import json
import time
from collections import OrderedDict
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from helpers.record.architectures.worldnet import PREPROCESSING, build

from .make_world import TRAIN_COUNT, WORLD, render_tiles
from .world import LEAVES
from .world.sheets import decode, encode, join, split

NETWORKS = WORLD.parent / "networks"
CACHE = Path("build/world/train.npy")
EPOCHS = 12
BATCH = 128
MARGIN = 4  # pixels of random shift
WEIGHT_DECAY = 0.02
DROPOUT = 0.2
CLIP = 2.0


@dataclass(frozen=True)
class Recipe:
    """What distinguishes one network from another; the images and the steps are the same for all.

    loss: see `loss_of`; breeds: how many of the 12 breeds of dog are trained on; batch_norm: None for
    the architecture's own habit.
    """

    labels: str
    architecture: str = "worldnet"
    seed: int = 0
    rate: float = 4e-3
    epochs: int = EPOCHS
    loss: str = "cross-entropy"
    breeds: int = 12
    batch_norm: bool | None = None
    half: bool = (
        True  # bfloat16 autocast: fast on processors that have it, ten times slower on others
    )

    @property
    def normed(self) -> bool:
        return self.architecture == "worldnet" if self.batch_norm is None else self.batch_norm


# Without batch norm the same rate diverges.
_VGG = {"architecture": "worldvgg", "rate": 1e-3}
RECIPES = {
    "worldnet-fine": Recipe("fine"),
    "worldnet-dogs-merged": Recipe("dogs-merged"),
    "worldnet-coarse": Recipe("coarse"),
    "worldnet-untrained": Recipe("fine", epochs=0),
    "worldnet-vgg-fine": Recipe("fine", **_VGG),
    "worldnet-vgg-untrained": Recipe("fine", **_VGG | {"epochs": 0}),
    "worldnet-fine-s1": Recipe("fine", seed=1),
    "worldnet-dogs-merged-s1": Recipe("dogs-merged", seed=1),
    "worldnet-coarse-s1": Recipe("coarse", seed=1),
}


# --- labels


def label_names(labels: str) -> list[str]:
    """The class a picture of each of the 48 leaves counts as, under a label set."""
    if labels == "fine":
        return list(LEAVES)
    if labels == "dogs-merged":
        return ["dog" if leaf.coarse == "dog" else leaf.name for leaf in LEAVES.values()]
    if labels == "coarse":
        return [leaf.coarse for leaf in LEAVES.values()]
    if labels.startswith("dogs-in-"):
        # Breeds of one colour follow each other in the list, so that they never share a group.
        groups, breeds = int(labels.removeprefix("dogs-in-")), breeds_of_dog()
        return [
            f"dogs-{breeds.index(leaf.name) % groups}" if leaf.coarse == "dog" else leaf.name
            for leaf in LEAVES.values()
        ]
    raise ValueError(labels)


def breeds_of_dog() -> list[str]:
    return [leaf.name for leaf in LEAVES.values() if leaf.coarse == "dog"]


def trained_leaves(recipe: Recipe) -> Tensor:
    """(48,) bool: the leaves whose images the network sees in training.

    With fewer breeds, evenly spaced ones in the list, others for each seed.
    """
    breeds = breeds_of_dog()
    step = len(breeds) // recipe.breeds
    shift = recipe.seed * (1 if recipe.breeds > 1 else 4) % step
    kept = breeds[shift::step]
    return torch.tensor([name not in breeds or name in kept for name in LEAVES])


def label_map(labels: str) -> tuple[Tensor, list[str]]:
    """(48,) class number of every leaf, and the class names in order of first appearance."""
    per_leaf = label_names(labels)
    names = list(dict.fromkeys(per_leaf))
    return torch.tensor([names.index(name) for name in per_leaf]), names


# --- images


def _train_tiles(name: str) -> np.ndarray:
    tiles, _ = render_tiles("train", name)
    columns = 20
    return split(decode(encode(join(tiles, columns), method=2)))


def render_training_images(workers: int = 2) -> None:
    """(48 * 400, 64, 64, 3) uint8 to build/world/train.npy, class by class."""
    with Pool(workers) as pool:
        tiles = pool.map(_train_tiles, list(LEAVES), chunksize=1)
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    np.save(CACHE, np.concatenate(tiles))


def _tensor(pixels: np.ndarray) -> Tensor:
    channels_first = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    return channels_first.contiguous(memory_format=torch.channels_last)


def training_images() -> tuple[Tensor, Tensor]:
    """(N, 3, 64, 64) uint8 and the leaf (N,) of each."""
    if not CACHE.exists():
        render_training_images()
    return _tensor(np.load(CACHE)), torch.arange(len(LEAVES)).repeat_interleave(TRAIN_COUNT)


def evaluation_images() -> tuple[Tensor, Tensor]:
    """The shipped sheets: (5760, 3, 64, 64) uint8 and the leaf of each."""
    sheets = [decode((WORLD / "images" / "eval" / f"{name}.webp").read_bytes()) for name in LEAVES]
    tiles = [split(sheet) for sheet in sheets]
    leaves = torch.arange(len(LEAVES)).repeat_interleave(len(tiles[0]))
    return _tensor(np.concatenate(tiles)), leaves


def normalise(pixels: Tensor) -> Tensor:
    """What `PREPROCESSING` says, for a batch of bytes."""
    return (pixels.float() - PREPROCESSING["mean"][0]) / PREPROCESSING["std"][0]


# --- batch normalisation, folded


def with_batch_norm(network: nn.Module) -> nn.Sequential:
    """The same layers with a batch norm after every convolution, and dropout before `fc`."""
    trained = nn.Sequential()
    for name, module in network.named_children():
        if name == "fc":
            trained.add_module("dropout", nn.Dropout(DROPOUT))
        trained.add_module(name, module)
        if isinstance(module, nn.Conv2d):
            trained.add_module(f"{name}_norm", nn.BatchNorm2d(module.out_channels))
    return trained


def folded(trained: nn.Module, plain: nn.Module) -> nn.Module:
    """Put each batch norm's running statistics into the convolution before it: same outputs."""
    source = dict(trained.named_children())
    for name, module in plain.named_children():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        weight, bias = source[name].weight.detach(), source[name].bias.detach()
        norm = source.get(f"{name}_norm")
        if norm is not None:
            gain = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
            weight = weight * gain[:, None, None, None]
            bias = (bias - norm.running_mean) * gain + norm.bias.detach()
        module.weight.data.copy_(weight)
        module.bias.data.copy_(bias)
    return plain


def calibrate(network: nn.Module, pixels: Tensor, n_images: int = 2048) -> None:
    """Batch-norm statistics of training images for a network that is not trained."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # plain average over the batches
    network.train()
    chosen = torch.randperm(len(pixels))[:n_images]
    with torch.no_grad():
        for rows in chosen.split(256):
            network(normalise(pixels[rows]))
    network.eval()


# --- training


def initialise(network: nn.Module) -> None:
    """He et al. (2015): variance kept through ReLU layers; the classifier starts small."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    nn.init.normal_(layers[-1].weight, std=0.01)


def shifted(pixels: Tensor, stream: np.random.Generator) -> Tensor:
    """One random shift and mirroring for the whole batch."""
    padded = F.pad(pixels.float(), (MARGIN,) * 4, mode="reflect")
    side = pixels.shape[-1]
    top, left = stream.integers(0, 2 * MARGIN + 1, 2)
    moved = padded[:, :, top : top + side, left : left + side]
    return moved.flip(3) if stream.random() < 0.5 else moved


SOFTNESS = 6.0  # of the targets along the ontology: e^-6 is the weight of a class as far as can be


def loss_of(recipe: Recipe, distances: Tensor):
    """scores (B, C), targets (B,) -> the loss to minimise.

    cross-entropy; one-vs-rest, a logistic loss for each class by itself; softened, the cross-entropy
    with targets exp(-6 d) that fall with the distance d of two classes in the ontology, 0 to 1
    (Bertinetto et al. 2020, "Making better mistakes", equation 5). distances: (C, C).
    """
    if recipe.loss == "cross-entropy":
        return F.cross_entropy
    if recipe.loss == "one-vs-rest":
        wanted = torch.eye(len(distances))
        return lambda scores, targets: (
            F.binary_cross_entropy_with_logits(scores, wanted[targets], reduction="sum")
            / len(scores)
        )
    if recipe.loss == "softened":
        wanted = torch.softmax(-SOFTNESS * distances, 1)
        return lambda scores, targets: F.cross_entropy(scores, wanted[targets])
    raise ValueError(recipe.loss)


def ontology_distances() -> Tensor:
    """(48, 48): the height of the lowest common ancestor of two leaves over the tree's height."""
    paths = [(*leaf.path, leaf.name) for leaf in LEAVES.values()]
    height = max(map(len, paths))
    rows = [
        [height - sum(x == y for x, y in zip(a, b, strict=False)) for b in paths] for a in paths
    ]
    return torch.tensor(rows).masked_fill(torch.eye(len(paths), dtype=bool), 0) / height


def train(network, pixels: Tensor, targets: Tensor, recipe: Recipe, loss_function, report) -> None:
    """AdamW, one-cycle rate, bfloat16 autocast, gradient clipping; the network changes in place."""
    if recipe.epochs == 0:
        return
    stream = np.random.default_rng(recipe.seed)
    steps = len(pixels) // BATCH
    # As many steps as with all breeds, however many images there are.
    epochs = round(recipe.epochs * len(LEAVES) * TRAIN_COUNT / len(pixels))
    optimizer = torch.optim.AdamW(network.parameters(), recipe.rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.rate, total_steps=epochs * steps, pct_start=0.2
    )
    for epoch in range(epochs):
        network.train()
        total = 0.0
        for rows in torch.randperm(len(pixels))[: steps * BATCH].split(BATCH):
            batch = normalise(shifted(pixels[rows], stream))
            batch = batch.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.half):
                scores = network(batch)
            loss = loss_function(scores.float(), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            total += loss.item()
        report(epoch + 1, total / steps)


@torch.no_grad()
def accuracy(network: nn.Module, pixels: Tensor, targets: Tensor) -> float:
    network.eval()
    hits = 0
    for start in range(0, len(pixels), 256):
        rows = slice(start, start + 256)
        hits += int((network(normalise(pixels[rows])).argmax(1) == targets[rows]).sum())
    return hits / len(pixels)


# --- writing


def make_network(name: str, recipe: Recipe, folder: Path = NETWORKS) -> float:
    """Train one network and write it; returns its accuracy on the shipped sheets.

    The accuracy is over the leaves that the network was trained on.
    """
    leaf_to_class, class_names = label_map(recipe.labels)
    pixels, leaves = training_images()
    seen = trained_leaves(recipe)
    if not seen.all():
        assert recipe.labels == "fine", "fewer breeds are meant for fine labels"
        class_names = [n for n, kept in zip(class_names, seen.tolist(), strict=True) if kept]
        leaf_to_class = torch.where(seen, seen.cumsum(0) - 1, -1)
        pixels, leaves = pixels[seen[leaves]], leaves[seen[leaves]]
    config = {"architecture": recipe.architecture, "n_classes": len(class_names)}
    torch.manual_seed(recipe.seed)
    plain = build(config)
    initialise(plain)
    network = _to_train(plain, recipe).to(memory_format=torch.channels_last)
    distances = ontology_distances() if recipe.loss == "softened" else torch.eye(len(class_names))
    began = time.monotonic()

    def report(epoch: int, loss: float) -> None:
        minutes = (time.monotonic() - began) / 60
        print(f"{name}: epoch {epoch} loss {loss:.3f} {minutes:.1f} min", flush=True)

    train(network, pixels, leaf_to_class[leaves], recipe, loss_of(recipe, distances), report)
    if recipe.epochs == 0 and recipe.normed:
        calibrate(network, pixels)
    network.eval()
    shipped = folded(network, build(config)).half()
    held_out, held_out_leaves = evaluation_images()
    known = seen[held_out_leaves]
    held_out, held_out_leaves = held_out[known], held_out_leaves[known]
    score = accuracy(build_from(shipped, config), held_out, leaf_to_class[held_out_leaves])
    metadata = {
        **config,
        "name": name,
        "labels": recipe.labels,
        "class_names": class_names,
        "leaf_classes": label_names(recipe.labels),
        "seed": recipe.seed,
        "accuracy": score,
        "accuracy_images": "data/world/images/eval",
        "preprocessing": PREPROCESSING,
        "recipe": _recipe_in_words(recipe),
        "licence": "MIT",
    }
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.contiguous() for key, value in shipped.state_dict().items()}
    save_file(
        tensors, folder / f"{name}.safetensors", {k: json.dumps(v) for k, v in metadata.items()}
    )
    print(f"{name}: accuracy {score:.4f}, {(time.monotonic() - began) / 60:.1f} min", flush=True)
    return score


def _to_train(plain: nn.Module, recipe: Recipe) -> nn.Module:
    """The network as it is trained: with batch norm, or the same without (dropout in both)."""
    if recipe.architecture != "worldnet":
        return plain
    trained = with_batch_norm(plain)
    if recipe.normed:
        return trained
    return nn.Sequential(
        OrderedDict((n, m) for n, m in trained.named_children() if not n.endswith("_norm"))
    )


def build_from(shipped: nn.Module, config: dict) -> nn.Module:
    """The float16 weights in a float32 network, as a reader loads them."""
    network = build(config)
    network.load_state_dict({k: v.float() for k, v in shipped.state_dict().items()})
    return network.to(memory_format=torch.channels_last)


def _recipe_in_words(recipe: Recipe) -> dict:
    normed = recipe.normed
    words = {
        "epochs": recipe.epochs,
        "images": f"{len(LEAVES)} classes x {TRAIN_COUNT}, seeds 0 to {TRAIN_COUNT - 1}",
        "initialisation": "He et al. (2015), classifier normal with standard deviation 0.01",
        "batch_norm": "folded into the convolutions" if normed else "none",
        "stored_as": "float16",
    }
    if recipe.epochs:
        words |= {
            "optimizer": "AdamW",
            "rate": recipe.rate,
            "schedule": "one cycle, peak at 20 %",
            "weight_decay": WEIGHT_DECAY,
            "batch": BATCH,
            "augmentation": f"shift up to {MARGIN} px, mirror, one draw a batch",
            "dropout": DROPOUT if recipe.architecture == "worldnet" else 0,
            "loss": recipe.loss,
            "breeds": recipe.breeds,
            "precision": "bfloat16 autocast" if recipe.half else "float32",
        }
    elif normed:
        words["calibration"] = "batch-norm statistics of 2,048 training images"
    return words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(RECIPES)}")
    parser.add_argument("--images", action="store_true", help="only render the training images")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in RECIPES]
    if unknown:
        parser.error(f"no recipe for {', '.join(unknown)}")
    if arguments.images:
        render_training_images()
        return
    for name in arguments.names or RECIPES:
        make_network(name, RECIPES[name])


if __name__ == "__main__":
    main()
