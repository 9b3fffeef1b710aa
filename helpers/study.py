"""A study: a network, a set of labelled images, and the record of one on the other.

    study = open_study()             # the default: STUDY in the environment, or "world"
    study = study_of(network, "my_photographs/")      # your own network, recorded now
    study.network  study.images  study.record  study.units

    world               worldnet-fine on the embedded image world; works without any connection
    worldnet-...        any other shipped network on the same images
    world-faces         worldnet-fine on faces, illusory faces, cars, dogs and objects; worldnet-...-faces
    googlenet           BVLC GoogLeNet on photographs of 120 dog breeds and 100 other categories
    googlenet-faces     the same network on faces, illusory faces, cars, dogs and objects
    googlenet-imagenet  the same network on one photograph of each of ImageNet's 1,000 classes
    imagenette          the same network on the photographs of 10 classes that `fetch imagenette` gets
    imagewoof           the same network on 10 breeds of dogs, as `fetch imagewoof` gets them
    googlenet-photographs  the same network on all that `fetch googlenet` gets, 29,000 photographs
    NAME                a record kept as records/NAME.safetensors in SELECTIVITY_HOME
    FILE.safetensors    any record

A study opened from a shipped record has numbers at once. Its network and photographs are looked for in
SELECTIVITY_HOME when they are asked for, and what is missing is said together with how to get it. Fetched
photographs are recorded when they are first opened; the record is kept under the content of both.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from helpers.categories import classes_of
from helpers.errors import SelectivityError
from helpers.fetch import missing
from helpers.paths import cache_home, data_path
from helpers.record import (
    FolderImages,
    ImageSet,
    Record,
    WorldImages,
    load_network,
    open_images,
    record,
)
from helpers.record.architectures.googlenet import block_outputs
from helpers.record.images import batches
from helpers.record.patches import as_shown
from helpers.record.slim import write_slim
from helpers.selectivity import class_frequencies, relative_activations
from helpers.selectivity.nuisance import STATISTICS, image_statistics
from helpers.tables import load_table

# Name: image folders below SELECTIVITY_HOME/images, and the name that fetches them, if one does.
_SHIPPED = {
    "googlenet": (("stanford_dogs", "caltech101"), "googlenet"),
    "googlenet-faces": (("face_probe",), None),
    "googlenet-imagenet": (("imagenet1k_sample",), None),
}

# What photographs can be fetched for: image folders, and the name that fetches them with GoogLeNet.
FETCHED = {
    "imagenette": (("imagenette",), "imagenette"),
    "imagewoof": (("imagewoof",), "imagewoof"),
    "googlenet-photographs": (("stanford_dogs", "caltech101"), "googlenet"),
}


@dataclass(eq=False)  # one study is itself only, so that what is computed of it can be remembered
class Study:
    """The one object a chapter opens.

    `record` is always there. `network` and `images` are opened on first use and raise a
    SelectivityError with the command that gets them if they are not on this machine; `has_network`
    and `has_images` ask without raising, once: a library may look for weights for minutes. Open the
    study again after fetching. `before`: the study of the network before training on the same images.
    """

    name: str
    record: Record
    _open_network: Callable
    _open_images: Callable
    before: "Study | None" = None

    @cached_property
    def network(self):
        """The recorded network; refused if its weights are not the recorded ones."""
        network = self._open_network()
        self.record.check(network=network)
        return network

    @cached_property
    def images(self):
        """The recorded images; refused if the list is not the recorded one."""
        images = self._open_images()
        self.record.check(images=images)
        return images

    @cached_property
    def has_network(self) -> bool:
        return _is_there(lambda: self.network)

    @cached_property
    def has_images(self) -> bool:
        return _is_there(lambda: self.images)

    @cached_property
    def units(self) -> pd.DataFrame:
        """One row a unit: its extremes and the classes of its 100 strongest and most negative images.

        `highest` and `lowest` are pre-activations. `top_share` is the relative activation f_c of
        `top_class` among the strongest images, `bottom_share` the same among the most negative.
        """
        return pd.concat(
            [_layer_table(self.record, n) for n in self.record.layers], ignore_index=True
        )

    @cached_property
    def image_statistics(self) -> torch.Tensor:
        """(N, 6) lightness, colour, contrast and edges of each image, nan if it could not be read.

        See `selectivity.nuisance`. From a shipped table where there is one, else from the images.
        """
        for name in ("googlenet-opponency", "googlenet-faces-untrained"):
            about, tables = load_table(name)
            if about["images"].get(self.name) == self.record.metadata["images"]["digest"]:
                return tables[f"{self.name}/image_statistics"].double()
        images, preprocess = self.images, self.network.preprocess
        shown, found = as_shown(preprocess), torch.full((len(images), len(STATISTICS)), torch.nan)
        for read, batch, _ in batches(images, preprocess, np.arange(len(images)), 128):
            found[read] = image_statistics(torch.stack([shown(one) for one in batch])).float()
        return found.double()

    def category(self, category) -> tuple[torch.Tensor, torch.Tensor]:
        """(classes (C,), images (N,)) bool: what belongs to a category, by name or as class names.

        SelectivityError if no class of the study does. An image that could not be read belongs to
        none. See `helpers.categories`.
        """
        classes = classes_of(category, self.record.class_names)
        return classes, classes[self.record.classes] & torch.from_numpy(self.record.recorded)

    def __repr__(self) -> str:
        return f"<Study {self.name}: {self.record!r}>"


def open_study(name: str | None = None, images=None) -> Study:
    """Open a study by name; see the list at the top of this file.

    images: where the images of a record of your own are, as `record.open_images` takes it: a folder of
    classes, tar shards, or several of them. Raises SelectivityError for a name that is no study, and for
    images where a study has its own.
    """
    name = name or os.environ.get("STUDY") or "world"
    if images is not None and (_of_world(name) or name in FETCHED):
        raise SelectivityError(
            f"study {name} has images of its own; for a network on others: study_of(NETWORK, FOLDER)"
        )
    if _of_world(name):
        return _world(name)
    if name in _SHIPPED:
        path = data_path("records", f"{name}.safetensors")
        folders, command = _SHIPPED[name]
        return _recorded(name, path, "googlenet", folders, images, command)
    if name in FETCHED:
        return _fetched(name)
    path = Path(name) if name.endswith(".safetensors") else _kept(name)
    if not path.is_file():
        raise SelectivityError(
            f"there is no study {name!r}: use world, {', '.join([*_SHIPPED, *FETCHED])}, or make "
            f"{path} with `python -m helpers record`"
        )
    return _recorded(name, path, None, None, images)


def study_of(
    network,
    images,
    recorded=None,
    *,
    before: Study | None = None,
    name: str | None = None,
    **options,
) -> Study:
    """A study of your own network on your own images, recorded now, or with the record that you have.

    network: a `Network`, or a name as `load_network` takes it; images: an `ImageSet`, or what
    `open_images` takes. recorded: a `Record` or its file; without it, `options` are those of
    `record` (k, layers, device, checkpoint, ...). before: the study of the network before training
    on the same images, for example `study_of(untrained(network), images)`; claims that compare the
    two need it. name: the network's by default. A record of other weights, preprocessing or images is
    a SelectivityError.
    """
    network = load_network(network) if isinstance(network, str) else network
    images = images if isinstance(images, ImageSet) else open_images(images)
    if recorded is None:
        recorded = record(network, images, **options)
    elif options:
        raise ValueError(f"{', '.join(options)}: of no use with a record that is already there")
    elif not isinstance(recorded, Record):
        recorded = Record.load(recorded)
    recorded.check(network, images)
    if before is not None:
        before.record.check(images=images)
        if before.record.layers != recorded.layers:
            raise SelectivityError(
                f"{before.name} has other layers than {network.name}: record the same of both"
            )
    return Study(name or network.name, recorded, lambda: network, lambda: images, before)


def fetched_by(name: str) -> str | None:
    """What `python -m helpers fetch` calls the images of a study; None if they cannot be fetched."""
    return {**_SHIPPED, **FETCHED}.get(name, (None, None))[1]


def records_of(name: str) -> list[Path]:
    """The records of a study's fetched photographs that are kept here, the newest last."""
    found = cache_home("records").glob(f"{name}-googlenet-*.safetensors")
    return sorted(found, key=lambda path: path.stat().st_mtime)


def faces_of(study: Study) -> Study:
    """The study of the same network on faces, illusory faces, cars, dogs and objects (paper 2).

    SelectivityError if there is none: record the network on a folder of such categories.
    """
    name = "googlenet-faces" if study.name in FETCHED else f"{study.name}-faces"
    if not (name in _SHIPPED or _of_world(name) or _kept(name).is_file()):
        raise SelectivityError(
            f"the network of {study.name} was not recorded on faces: record it on a folder of "
            f"categories and keep it as {_kept(name)}"
        )
    return open_study(name)


def untrained_of(study: Study) -> Study | None:
    """The study of the same architecture before training on the same images.

    The world's, or the one given to `study_of`; None for others.
    """
    if study.before is not None:
        return study.before
    network = study.record.metadata["network"]["name"]
    if not _of_world(study.name) or not network.startswith("worldnet"):
        return None
    kind = "worldnet-vgg" if "vgg" in network else "worldnet"
    return open_study(f"{kind}-untrained" + "-faces" * study.name.endswith("-faces"))


def _world(name):
    plain = name.removesuffix("-faces")
    network = load_network("worldnet-fine" if plain == "world" else plain)
    images = WorldImages("eval" if plain == name else "probe")
    recorded = _recorded_once(
        network.name, network, images, batch_size=128, responses=("max", "min", "mean")
    )
    return Study(name, recorded, lambda: network, lambda: images)


def _fetched(name):
    """GoogLeNet on fetched photographs; without them, the newest record that was made of them here."""
    folders, command = FETCHED[name]
    if not missing(command):
        network = load_network("googlenet")
        images = _photographs(name, folders, command)
        blocks = [layer for block in block_outputs().values() for layer in block]
        recorded = _recorded_once(f"{name}-googlenet", network, images, _save_slim, layers=blocks)
        return Study(name, recorded, lambda: network, lambda: images)
    kept = records_of(name)
    if not kept:
        raise SelectivityError(
            f"study {name}: its weights and photographs are not in {cache_home()}; get them with "
            f"`python -m helpers fetch {command}`"
        )
    return _recorded(name, kept[-1], "googlenet", folders, None, command)


def _save_slim(recorded, path):
    """What the shipped record of photographs keeps: the strongest 5 % of the images, half precision."""
    longest = recorded.k
    write_slim(recorded, path, k=min(longest, max(190, len(recorded.names) // 20)),
               k_mean=min(longest, 100), positions=min(longest, 100))  # fmt: skip


def _recorded_once(stem, network, images, save=Record.save, **options) -> Record:
    """The record of a network on images; made the first time and kept under the content of both."""
    key = f"{stem}-{network.weights.split(':')[-1][:12]}-{images.digest()[:12]}.safetensors"
    path = cache_home("records", key)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of thousands of files, an interrupted recording goes on where it stopped.
        checkpoint = None if images.in_memory else path.with_name(f"{key}.checkpoint")
        kept = {"checkpoint": checkpoint, "keep_checkpoint": checkpoint is not None}
        save(record(network, images, **kept, **options), path)
        if checkpoint is not None:  # the record is in safety
            checkpoint.unlink(missing_ok=True)
    return Record.load(path)


def _recorded(name, path, network_name, folders, given, command=None):
    recorded = Record.load(path)
    known, network_name = network_name, network_name or recorded.metadata["network"]["name"]

    def network():
        try:
            return load_network(network_name)
        except SelectivityError as error:
            if known:
                raise
            raise SelectivityError(
                f"study {name}: {error} A module of your own comes with its record: "
                "study_of(network, images, recorded)"
            ) from error

    def images():
        if given is not None:
            return open_images(given)
        if folders is None:
            raise SelectivityError(
                f"study {name}: the record names its images, {recorded.metadata['images']['name']}, "
                "but not where they are; say it with open_study(name, images=FOLDER)"
            )
        found = _photographs(name, folders, command)
        if name == "googlenet" and found.digest() != recorded.metadata["images"]["digest"]:
            raise SelectivityError(
                f"study {name}: the photographs on this machine are not the {len(recorded.names):,} "
                "recorded ones; STUDY=googlenet-photographs records the network on them"
            )
        return found

    return Study(name, recorded, network, images)


def _photographs(name, folders, command) -> FolderImages:
    roots = [cache_home("images", folder) for folder in folders]
    lacking = [str(root) for root in roots if not root.is_dir()]
    if lacking:
        how = (
            f"get them with `python -m helpers fetch {command}`"
            if command
            else "none can be fetched"
        )
        raise SelectivityError(
            f"study {name}: its photographs are not on this machine ({lacking[0]}); {how}"
        )
    return FolderImages(roots if len(roots) > 1 else roots[0])


def _of_world(name) -> bool:
    return name.startswith("worldnet") or name.removesuffix("-faces") == "world"


def _kept(name) -> Path:
    return cache_home("records", f"{name}.safetensors")


def _is_there(open_it) -> bool:
    try:
        open_it()
    except SelectivityError:
        return False
    return True


def _layer_table(recorded, name) -> pd.DataFrame:
    layer = recorded[name]
    table = {"layer": name, "unit": range(layer.n_units)}
    for side, ranked, sign in (("top", layer.top, 1), ("bottom", layer.bottom, -1)):
        weights = relative_activations(sign * ranked.values)
        images = ranked.images[:, : weights.shape[1]]
        classes = torch.from_numpy(recorded.classes)[images.clamp(min=0)].masked_fill(
            images < 0, -1
        )
        share, best = class_frequencies(weights, classes, len(recorded.class_names)).max(1)
        table[f"{side}_class"] = [
            recorded.class_names[c] if s > 0 else None
            for c, s in zip(best.tolist(), share.tolist(), strict=True)
        ]
        table[f"{side}_share"] = share.numpy()
        table["highest" if side == "top" else "lowest"] = ranked.values[:, 0].numpy()
    return pd.DataFrame(table)
