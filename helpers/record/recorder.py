"""One pass over the images: forward, reduce in the hook, keep the best, add up per class.

    record(network, images) -> Record

Maps are reduced where the network runs; what is left of them, five numbers each, is merged on the processor,
on a GPU's side while it goes on with the next images. Memory is O(units x (k + classes)), the processor's,
and does not grow with the number of images. Lists are exact, ranks and places included; see `toplist` for
the order and `statistics` for what is read from a map.
"""

import contextlib
import importlib.metadata
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from helpers.errors import SelectivityError
from helpers.record.batch_size import images_at_once
from helpers.record.faster import check_ways, drift, quickened, refuse_more_than_rounding
from helpers.record.images import batches
from helpers.record.interruptions import (
    Interrupted,
    StopRequests,
    how_to_go_on,
    lost_workers,
    typed_in,
)
from helpers.record.memory import ForwardPass, kept_memory
from helpers.record.receptive_field import trace_layers
from helpers.record.shortlist import Shortlists
from helpers.record.statistics import ResponseReader, Responses, columns_of
from helpers.record.store import (
    LISTS,
    NEAR_ZERO,
    STATISTICS,
    WITH_POSITIONS,
    LayerRecord,
    Record,
    read_tensors,
    write_tensors,
)
from helpers.record.tally import ClassTally, statistic
from helpers.record.taps import match_layers
from helpers.record.threads import Background
from helpers.record.toplist import RankedList, unpack
from helpers.record.weights import first_line

CHUNK = 32, 512  # images between two merges into the lists, at least and at most
BUFFERED = 2**22  # responses of one statistic that may wait for a merge between these bounds
CHECKPOINT_FORMAT = "neuron-selectivity checkpoint 3"
ALLOWED_UNREADABLE = 0.01
MEASURED = 32  # images on which other arithmetic is compared with the network's own


def default_k(n_images: int) -> int:
    """How many images a list keeps: 400, or a tenth of the images up to 1,000; never more than n."""
    return min(n_images, 1000, max(400, n_images // 10))


def best_device() -> str:
    """CUDA where it is, or the processor; Apple's MPS only if asked for, because it was never checked."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def usable_device(name: str) -> torch.device:
    """The device of that name ("auto": the fastest), after trying it."""
    name = best_device() if name == "auto" else name
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise SelectivityError(
            f"device {name!r} cannot be used here ({reason}); use auto or cpu"
        ) from None
    return torch.device(name)


@contextlib.contextmanager
def moved(module, device):
    """The module on a device, in evaluation mode; after the block where it was, in the mode it was in.

    Everything else in the package hands a network's module tensors of the processor's memory, so no
    function may leave it elsewhere.
    """
    home, training = next(module.parameters()).device, module.training
    try:
        yield module.to(device, memory_format=torch.channels_last).eval()
    finally:
        module.to(home).train(training)


def record(
    network,
    images,
    k: int | None = None,
    *,
    layers="*",
    batch_size: int | str = 32,
    device: str = "auto",
    responses=(),
    faster=(),
    indices=None,
    checkpoint=None,
    checkpoint_seconds: float = 60.0,
    keep_checkpoint: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> Record:
    """Record what a network's units do on a set of images.

    network: a `Network`; images: an `ImageSet`. k: list length (`default_k`). layers: a glob or a
    list of names. batch_size: images at once, or "auto" for as many as make it fastest. responses:
    statistics of which every single response is kept, (N, U) each: for small sets only. faster: "fold",
    "bf16", "compile" or several, other arithmetic by which responses move (see the module `faster`);
    `metadata["faster"]` says by how much, on the first images. indices: record only these images of the
    list (a shard, to `merge` later). checkpoint: a file written every `checkpoint_seconds`; if it exists the
    run continues from it and ends with the same record; it is removed at the end, or with keep_checkpoint
    left there, of the whole run, until the caller has the record in safety. workers: processes that read
    images beside the network (see `batches`). Unreadable images are skipped and named in
    `metadata["skipped"]`; more than 1 % of the set is a SelectivityError, and so is a nan response. Where
    memory does not hold a batch, half of it is tried, and so on; a warning says so.

    Ctrl-C and SIGTERM end the run after the batch at hand, write the checkpoint and raise
    `Interrupted`, a KeyboardInterrupt. Only where this call was typed in a notebook's cell, Ctrl-C gives
    the record of the images so far: a warning and `metadata["interrupted"]` say of how many. It can be
    merged with a record of the others (`indices`), or the cell run again with its checkpoint.
    """
    names = match_layers(list(network.taps), layers)
    if len(images) == 0:
        raise SelectivityError(f"{images.name}: there are no images to record")
    bad = [s for s in responses if s not in STATISTICS]
    if bad:
        raise SelectivityError(f"no statistic {bad[0]!r}; there are {', '.join(STATISTICS)}")
    indices = np.arange(len(images)) if indices is None else np.unique(indices)
    device, ways = usable_device(device), check_ways(faster)
    k = min(k or default_k(len(images)), len(images))

    with kept_memory(), moved(network.module, device):
        geometry = trace_layers(network, names)
        run = _Run(network, images, geometry, k, device, tuple(responses), ways)
        done = run.resume(checkpoint, indices)
        double = quickened(network, ways, device)
        batch_size = images_at_once(batch_size, double, network.input_size, device, len(indices))
        double.images = min(batch_size, len(images))  # for every part of a run the same
        run.make_room(batch_size)
        if ways:
            run.price = _measured_price(network, images, double, ways, geometry, device)
        try:
            _pass(run, double, indices, done, batch_size, workers, checkpoint,
                  checkpoint_seconds, progress)  # fmt: skip
        except Interrupted as interrupted:
            by_hand = interrupted.status == 130 and typed_in(sys._getframe(1))
            if not (by_hand and interrupted.between_batches):
                raise
            return run.part(str(interrupted), len(indices))
        result = run.finish()
    if checkpoint is not None and keep_checkpoint:
        run.save(checkpoint, len(indices))
    elif checkpoint is not None:
        Path(checkpoint).unlink(missing_ok=True)
    return result


def _measured_price(network, images, double, ways, geometry, device):
    """What other arithmetic costs, on the first images that can be read: the same for every part of a run."""
    first = batches(images, network.preprocess, range(len(images)), MEASURED, workers=0)
    batch = next((batch for _, batch, _ in first if len(batch)), None)
    if batch is None:
        return {"ways": list(ways), "drift": dict.fromkeys(geometry, 0.0)}
    moved = drift(network, double, geometry, batch)
    if "bf16" not in ways:
        refuse_more_than_rounding(network, ways, moved)
    elif "fold" in ways:
        folded = quickened(network, ("fold",), device)
        refuse_more_than_rounding(network, ("fold",), drift(network, folded, geometry, batch))
    return {"ways": list(ways), "drift": moved}


def _pass(run, double, indices, done, batch_size, workers, checkpoint, every, progress):
    """The loop over the images from number `done` on."""
    network, images, device = run.network, run.images, run.device
    stream = batches(images, network.preprocess, indices[done:], batch_size, workers, device)
    bar = tqdm(total=len(indices), initial=done, unit="image", disable=not progress,
               desc=f"recording {network.name}", file=sys.stderr)  # fmt: skip
    saved = time.monotonic()
    reader = ResponseReader(run.geometry)
    taps = {layer: network.taps[layer] for layer in run.geometry}
    with (
        double.reading(taps, reader) as passing, torch.inference_mode(), double.computing(),
        bar, StopRequests() as stop, lost_workers(checkpoint),
    ):  # fmt: skip
        forward = ForwardPass(passing, reader)
        for numbers, batch, unreadable in stream:
            run.skip(unreadable, len(images))
            if len(numbers):
                batch = batch.contiguous(memory_format=torch.channels_last)
                forward(batch, run.free_rows(len(numbers)))
                run.took(numbers)
            read = len(numbers) + len(unreadable)
            done += read
            bar.update(read)
            if run.filled >= run.chunk:
                run.flush()
            if checkpoint is not None and time.monotonic() - saved >= every:
                run.save(checkpoint, done)
                saved = time.monotonic()
            if stop.status is not None:
                if checkpoint is not None:
                    run.save(checkpoint, done)
                kept = f"interrupted after {done:,} of {len(indices):,} images; "
                raise Interrupted(kept + how_to_go_on(checkpoint), stop.status)
        run.flush()


class _Run:
    """The accumulators of one recording, over all units of all layers side by side."""

    def __init__(self, network, images, geometry, k, device, kept, ways):
        self.network, self.images, self.geometry = network, images, geometry
        self.k, self.device, self.kept, self.ways = k, device, kept, ways
        self.price = None  # of the ways to be faster, once it is measured
        self.columns = columns_of(geometry)
        self.units = units = sum(g.units for g in geometry.values())
        self.chunk = min(max(CHUNK[0], BUFFERED // units), CHUNK[1])
        self.buffer, self.numbers, self.filled = None, [], 0
        payload = dict.fromkeys(LISTS)
        payload |= dict.fromkeys(WITH_POSITIONS, torch.int32) | {"near_zero": torch.float32}
        sizes = dict.fromkeys(LISTS, k) | {"near_zero": min(k, NEAR_ZERO)}
        self.lists = {name: Shortlists(units, sizes[name], payload[name]) for name in LISTS}
        self.by_class = ClassTally(len(images.class_names), units)
        self.responses = {s: torch.full((len(images), units), torch.nan) for s in kept}
        self.recorded = np.zeros(len(images), dtype=bool)
        self.skipped: list[list[str]] = []
        self._background = Background()

    def make_room(self, batch_size) -> None:
        """Be ready for batches of so many images at most."""
        self.buffer = Responses.empty(self.chunk + batch_size, self.units, self.device)

    def free_rows(self, n) -> Responses:
        """The next n free rows, for a reader to fill."""
        return self.buffer.rows(self.filled, self.filled + n)

    def took(self, numbers) -> None:
        """Note which images the rows just written belong to."""
        self.numbers.append(np.asarray(numbers))
        self.filled += len(numbers)

    def skip(self, unreadable, total) -> None:
        """Note unreadable images; too many end the run."""
        for i, reason in unreadable:
            name = self.images.names[i]
            self.skipped.append([name, reason.removeprefix(f"{name}: ")])
        refuse_unreadable(self.skipped, total, self.images.name)

    def flush(self) -> None:
        """Take the buffered rows into every accumulator; on a device, while it goes on."""
        if not self.filled:
            return
        numbers, rows = np.concatenate(self.numbers), self.buffer.rows(0, self.filled).here()
        self.numbers, self.filled = [], 0
        if self.device.type == "cpu":
            self._merge(rows, numbers)
        else:
            self._background.run(self._merge, rows, numbers)

    def _merge(self, rows, numbers):
        """Take responses in the processor's memory into every accumulator."""
        self._refuse_nan(rows, numbers)
        images = torch.from_numpy(numbers)
        self.lists["top"].add(rows.max, images, rows.max_at)
        self.lists["bottom"].add(-rows.min, images, rows.min_at)
        self.lists["mean_top"].add(rows.mean, images)
        self.lists["mean_bottom"].add(-rows.mean, images)
        self.lists["near_zero"].add(-rows.mean.abs(), images, rows.mean)
        self.by_class.add(rows, self.images.classes[numbers])
        for name, table in self.responses.items():
            table[numbers] = statistic(rows, name)
        self.recorded[numbers] = True

    def _refuse_nan(self, rows, numbers):
        found = rows.mean.isnan()  # a nan anywhere on a map is in its mean
        if not found.any():
            return
        row, column = found.nonzero()[0].tolist()
        name = self.images.names[numbers[row]]
        raise SelectivityError(
            f"layer {self._layer_of(column)} of {self.network.name} gives nan on image {name}; "
            "check the weights and the preprocessing"
        )

    def _layer_of(self, column):
        return next(layer for layer, columns in self.columns.items() if column < columns.stop)

    def _tensors(self):
        """Everything that a checkpoint must hold, by name; all but the lists by reference."""
        tensors = {"recorded": torch.from_numpy(self.recorded)}
        for what, tables in (vars(self.by_class) | {"responses": self.responses}).items():
            tensors |= {f"{what}.{s}": t for s, t in tables.items()}
        return tensors

    def _fingerprint(self, indices):
        network, images = self.network, self.images
        return {
            "network": [network.name, network.weights, network.preprocessing],
            "images": images.digest(),
            "shard": [len(indices), int(indices[0]), int(indices[-1])],
            "layers": list(self.geometry),
            "k": self.k,
            "responses": list(self.kept),
            "faster": list(self.ways) or None,
        }

    def save(self, path, done) -> None:
        """Write a checkpoint after `done` images of the run's list."""
        self.flush()
        self._background.wait()
        lists = {
            f"{name}/{key}": tensor
            for name, accumulator in self.lists.items()
            for key, tensor in accumulator.state().items()
        }
        metadata = {"format": CHECKPOINT_FORMAT, "done": done, "skipped": self.skipped}
        write_tensors(path, self._tensors() | lists, metadata | {"run": self.run_id})

    def resume(self, path, indices) -> int:
        """Continue from a checkpoint if there is one; returns how many images it holds."""
        self.run_id = self._fingerprint(indices)
        if path is None or not Path(path).is_file():
            return 0
        metadata, tensors = read_tensors(path, CHECKPOINT_FORMAT)
        made_by = metadata.get("run")
        made_by = made_by if isinstance(made_by, dict) else {}
        different = [key for key, value in self.run_id.items() if made_by.get(key) != value]
        if different:
            raise SelectivityError(
                f"{path}: a checkpoint of another run (differs in {', '.join(different)}); "
                "delete it, or name another with --checkpoint"
            )
        try:
            return self._restore(metadata, tensors, len(indices))
        except (LookupError, ValueError, TypeError, RuntimeError) as error:
            raise SelectivityError(
                f"{path}: the checkpoint is damaged ({type(error).__name__}: {first_line(error)}); "
                "delete it and run the same again"
            ) from None

    def _restore(self, metadata, tensors, total) -> int:
        """Take over a checkpoint's state; ValueError or another if it does not fit this run."""
        for name, accumulator in self.lists.items():
            state = {key: tensors[f"{name}/{key}"] for key in accumulator.state()}
            length = min(accumulator.k, state["keys"].shape[1])
            for key, own in accumulator.state().items():
                _need_like(state[key], own.new_empty(self.units, length), f"{name}/{key}")
            keys = state["keys"]
            images = unpack(keys)[1]
            if images.numel() and images.max() >= len(self.images):
                raise ValueError(f"{name}: an image that is not there")
            if not (keys[:, 1:] < keys[:, :-1]).all():
                raise ValueError(f"{name}: not in order")
            accumulator.load(state)
        for name, tensor in self._tensors().items():
            _need_like(tensors[name], tensor, name)
            tensor.copy_(tensors[name])
        self.skipped = [[str(name), str(why)] for name, why in metadata["skipped"]]
        done = int(self.recorded.sum()) + len(self.skipped)
        if not done == metadata["done"] <= total:
            raise ValueError(f"it holds {done} images, not {metadata['done']}")
        return done

    def part(self, reason, of) -> Record:
        """The record of an interrupted run, which says so."""
        self.flush()
        warnings.warn(f"{reason}. This record holds those images only", stacklevel=3)
        result = self.finish()
        read = int(self.recorded.sum()) + len(self.skipped)
        result.metadata["interrupted"] = {"images": read, "of": of}
        return result

    def finish(self) -> Record:
        """The record of what has been accumulated."""
        self._background.wait()
        ranked = {name: self._ranked(name) for name in LISTS}
        counts = np.bincount(self.images.classes[self.recorded],
                             minlength=len(self.images.class_names))  # fmt: skip
        counts = torch.from_numpy(counts.astype(np.int64))
        layers = {
            name: self._layer(name, self.geometry[name], columns, ranked, counts)
            for name, columns in self.columns.items()
        }
        return Record(
            self._metadata(), layers, self.images.names, self.images.classes, self.recorded
        )

    def _ranked(self, name):
        values, images, payload = self.lists[name].ranked()
        if name == "near_zero":
            return payload.masked_fill(images < 0, torch.nan), images, None
        sign = -1.0 if name in ("bottom", "mean_bottom") else 1.0
        return values * sign, images, payload

    def _layer(self, name, geometry, columns, ranked, counts):
        width = geometry.map_size[1]

        # Copies, not views: pickled, every view would carry the table of all layers.
        def ranked_list(values, images, places):
            values, images = values[columns].clone(), images[columns].clone()
            if places is None:
                return RankedList(values, images)
            places = places[columns].long()
            positions = torch.stack([places // width, places % width], -1)
            return RankedList(values, images, positions.masked_fill(places[..., None] < 0, -1))

        by_class = {
            what: {s: t[:, columns].T.contiguous() for s, t in tables.items()}
            for what, tables in vars(self.by_class).items()
        }
        responses = {s: t[:, columns].clone() for s, t in self.responses.items()}
        lists = {which: ranked_list(*parts) for which, parts in ranked.items()}
        return LayerRecord(name, geometry, **lists, **by_class, counts=counts, responses=responses)

    def _metadata(self):
        network, images = self.network, self.images
        return {
            "network": {
                "name": network.name,
                "weights": network.weights,
                "preprocessing": network.preprocessing,
                "input_size": list(network.input_size),
            },
            "images": {
                "name": images.name,
                "digest": images.digest(),
                "class_names": list(images.class_names),
            },
            "k": self.k,
            "skipped": sorted(self.skipped),
            "software": software(),
        } | ({"faster": self.price} if self.price else {})


def _need_like(found, own, name):
    """ValueError unless a checkpoint's tensor has the type and shape of the run's own."""
    if found.dtype != own.dtype or found.shape != own.shape:
        raise ValueError(f"{name}: another type or shape")


def refuse_unreadable(skipped, total, where) -> None:
    """SelectivityError if more images of a set were skipped, as [name, reason] each, than is allowed."""
    if len(skipped) > ALLOWED_UNREADABLE * total:
        name, reason = skipped[-1]
        raise SelectivityError(
            f"{len(skipped)} of {total} images cannot be read, more than 1 % "
            f"(the last: {name}: {reason}); mend or remove them in {where}"
        )


def software() -> dict[str, str]:
    """Versions of what can change a number."""
    packages = ("torch", "torchvision", "timm", "numpy", "pillow", "safetensors")
    versions = {p: importlib.metadata.version(p) for p in packages}
    return versions | {"python": ".".join(map(str, sys.version_info[:2]))}
