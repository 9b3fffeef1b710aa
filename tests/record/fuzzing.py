"""Damaged files by the thousand, for `test_fuzz.py`: mutations of small real files, read in one process.

    python -m tests.record.fuzzing FOLDER FIRST COUNT READER ...

Case i of a reader is the same on every machine. For every case the reader must give a right result or refuse
in one line, within `SECONDS`, and the process may grow by `MEMORY` at most. One line of JSON tells of each
reader; the first case that fails is told on the last line, and is in FOLDER/case if the process dies.
"""

import copy
import io
import itertools
import json
import os
import signal
import struct
import sys
import tarfile
import time
import traceback
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from benchmarks.common import own_peak
from helpers.errors import SelectivityError
from helpers.record import Record
from helpers.record.images import FolderImages
from helpers.record.recorder import CHECKPOINT_FORMAT
from helpers.record.shards import ShardImages
from helpers.record.slim import write_slim
from helpers.record.store import FORMAT, SEALED, read_tensors, write_tensors
from helpers.record.weights import load_state
from helpers.tables import FORMAT as TABLE_FORMAT
from tests.planted import planted_study
from tests.record.test_weights import caffemodel

SECONDS = 10
MEMORY = 2**31  # bytes; a transparent image of the most pixels allowed takes 1.5 GB
NUMBERS = [
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**62,
    2**64 - 1,
]


class TooSlow(BaseException):
    """Not an Exception, so that no reader takes it for its own."""


# --- mutations of bytes: (content, random, other samples) -> content ---


def flip_bit(content, random, _):
    at = _place(content, random)
    content[at] ^= 1 << random.integers(8)


def flip_bits(content, random, _):
    for _ in range(random.integers(2, 64)):
        flip_bit(content, random, None)


def set_bytes(content, random, _):
    for _ in range(random.integers(1, 8)):
        content[_place(content, random)] = random.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF])


def set_number(content, random, _):
    size, order = random.choice([1, 2, 4, 8]), random.choice(["little", "big"])
    number = NUMBERS[random.integers(len(NUMBERS))] & (256 ** int(size) - 1)
    at = _place(content, random)
    content[at : at + size] = number.to_bytes(int(size), order)


def truncate(content, random, _):
    del content[_place(content, random) :]


def delete(content, random, _):
    at = _place(content, random)
    del content[at : at + random.integers(1, 200)]


def insert(content, random, _):
    at = _place(content, random)
    content[at:at] = random.bytes(random.integers(1, 200))


def repeat(content, random, _):
    at, to = _place(content, random), _place(content, random)
    content[to:to] = content[at : at + random.integers(1, 2000)] * int(random.integers(1, 5))


def splice(content, random, others):
    other = others[random.integers(len(others))]
    at, start = _place(content, random), random.integers(max(1, len(other)))
    content[at : at + len(other) - start] = other[start:]


def clear(content, random, _):
    at = _place(content, random)
    length = min(int(random.integers(1, 600)), len(content) - at)
    content[at : at + length] = bytes(length)


MUTATIONS = [
    flip_bit,
    flip_bits,
    set_bytes,
    set_number,
    truncate,
    delete,
    insert,
    repeat,
    splice,
    clear,
]


def _place(content, random):
    """Half of the places lie in the first 600 bytes, where headers are."""
    return int(random.integers(min(len(content), 600) if random.random() < 0.5 else len(content)))


def mutated(samples, random):
    """One to three mutations of one of the samples."""
    content = bytearray(samples[random.integers(len(samples))])
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        if content:
            MUTATIONS[random.integers(len(MUTATIONS))](content, random, samples)
    return bytes(content)


def changed_json(value, random):
    """A JSON value with one part of it changed, lost or given another type."""
    parts = list(_parts(value))
    holder, key = parts[random.integers(len(parts))]
    odd = [None, True, "", "x", "a\nb", [], {}, [[]], -1, 1.5, float("nan"), *NUMBERS, "9" * 5000]
    choice = random.integers(4)
    if choice == 0:
        del holder[key]
    elif choice == 1 and isinstance(holder, dict):
        holder["more" if random.random() < 0.5 else f"{key}/"] = holder.pop(key)
    elif choice == 2:
        other, name = parts[random.integers(len(parts))]
        holder[key] = json.loads(json.dumps(other[name]))
    else:
        holder[key] = odd[random.integers(len(odd))]
    return value


def _parts(value):
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _parts(value[key])


# --- readers: each makes its samples in a folder and reads one case; AssertionError if it is wrong ---


class Images:
    """Every format that may come as a photograph, in the modes that it knows."""

    def __init__(self, folder):
        noise = np.random.default_rng(0).integers(0, 256, (24, 32, 4), dtype=np.uint8)
        colour = Image.fromarray(noise[..., :3]).resize((40, 30))
        seen = Image.fromarray(noise, "RGBA").resize((40, 30))
        grey, deep = colour.convert("L"), Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
        exif = Image.Exif()
        exif[0x0112] = 6
        film = dict(save_all=True, append_images=[colour.rotate(90), grey.convert("RGB")])
        made = {
            "jpg": [(colour, dict(exif=exif)), (grey, {}), (colour.convert("CMYK"), {}),
                    (colour, dict(progressive=True))],
            "png": [(seen, {}), (colour.quantize(8), dict(transparency=3)), (deep, {}), (colour, film),
                    (grey.convert("1"), {})],
            "webp": [(colour, {}), (seen, dict(lossless=True)), (colour, film)],
            "gif": [(colour.quantize(16), dict(transparency=2)), (colour, film)],
            "bmp": [(colour, {}), (colour.quantize(8), {}), (grey.convert("1"), {})],
            "tif": [(colour, {}), (deep, {}), (colour, dict(compression="tiff_lzw")),
                    (grey.convert("1"), dict(compression="group4")), (colour, film)],
        }  # fmt: skip
        (folder / "all").mkdir()
        self.samples = {}
        for kind, pictures in made.items():
            self.path = folder / "all" / f"x.{kind}"
            self.samples[kind] = []
            for picture, options in pictures:
                picture.save(self.path, **options)
                self.samples[kind].append(self.path.read_bytes())
        self.images = FolderImages(folder)

    def read(self, number, random):
        kinds = list(self.samples)
        kind = kinds[number % len(kinds)]
        content = mutated(self.samples[kind], random)
        if kind == "png" and random.random() < 0.5:
            content = _with_crc(content)
        i = self.images.names.index(f"all/x.{kind}")
        Path(self.images._paths[i]).write_bytes(content)
        try:
            image = self.images.open(i)
        except OSError as error:
            return _one_line(error)
        assert image.mode == "RGB" and image.width * image.height <= Image.MAX_IMAGE_PIXELS
        return True


def _with_crc(content):
    """A PNG whose checksums hold again, so that what they guard is looked at."""
    out, at = bytearray(content), 8
    while at + 12 <= len(out):
        size = int.from_bytes(out[at : at + 4], "big")
        end = at + 8 + size
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(out)


def _one_line(error):
    text = str(error)
    assert text.strip() and len(text.splitlines()) == 1, f"not one line: {text!r}"
    return False


def small_record():
    """A record of two layers and 30 images with every part that a record may have."""
    random = np.random.default_rng(5)
    layers = {
        name: {s: random.normal(size=(30, units)) for s in ("max", "min", "mean")}
        for name, units in (("conv1", 4), ("fc", 3))
    }
    made = planted_study(layers, np.arange(30) % 4, ["ant", "bee", "cat", "dog"], k=20).record
    made.recorded[7] = False
    made.metadata["skipped"] = [[made.names[7], "cannot identify image file"]]
    made.metadata["interrupted"] = {"images": 30, "of": 31}
    return made


class Container:
    """Files of `write_tensors`: what is read is what was written, or it is refused."""

    def __init__(self, folder):
        self.path = folder / "x.safetensors"
        self.write()
        self.content = self.path.read_bytes()
        small_record().save(self.path)
        self.others = [self.content, self.path.read_bytes()]
        self.path.write_bytes(self.content)
        self.right = self.load()

    def read(self, number, random):
        content = self.content if number % 3 else self._other_header(random)
        self.path.write_bytes(content if content != self.content else self._damaged(random))
        try:
            found = self.load()
        except SelectivityError as error:
            return _one_line(error)
        self.check(found)
        return True

    def _damaged(self, random):
        content = bytearray(self.content)
        for _ in range(random.choice([1, 1, 2])):
            if content:
                MUTATIONS[random.integers(len(MUTATIONS))](content, random, self.others)
        return bytes(content)

    def _other_header(self, random):
        """The same tensors with a header that says something else, of the right length."""
        size = int.from_bytes(self.content[:8], "little")
        header = json.loads(self.content[8 : 8 + size])
        if random.random() < 0.5:
            about = json.loads(header["__metadata__"]["metadata"])
            header["__metadata__"]["metadata"] = json.dumps(changed_json(about, random))
        else:
            changed_json(header, random)
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + self.content[8 + size :]

    def load(self):
        return read_tensors(self.path, self.format)

    def check(self, found):
        (about, tensors), (right, its) = found, self.right
        assert about == right and tensors.keys() == its.keys()
        for name, tensor in tensors.items():
            assert tensor.dtype == its[name].dtype and tensor.shape == its[name].shape
            assert tensor.numpy().tobytes() == its[name].numpy().tobytes(), name


class Tables(Container):
    format = TABLE_FORMAT

    def write(self):
        random = np.random.default_rng(1)
        tensors = {f"t/{i}": torch.from_numpy(random.normal(size=(5, i))) for i in range(4)}
        write_tensors(
            self.path, tensors, {"format": TABLE_FORMAT, "columns": ["a", "b"], "limit": 0.5}
        )


class Checkpoints(Container):
    format = CHECKPOINT_FORMAT

    def write(self):
        tensors = {"keys": torch.arange(400).view(20, 20), "recorded": torch.ones(30).bool()}
        run = {"network": ["n", "w", "p"], "k": 20, "layers": ["a", "b"]}
        about = {"format": CHECKPOINT_FORMAT, "done": 30, "skipped": [["x", "y"]], "run": run}
        write_tensors(self.path, tensors, about)


class Records(Container):
    def write(self):
        small_record().save(self.path)

    def load(self):
        return Record.load(self.path)

    def check(self, found):
        right = self.right
        assert found.names == right.names and found.layers == right.layers
        assert np.array_equal(found.classes, right.classes)
        assert np.array_equal(found.recorded, right.recorded)
        assert found.metadata == right.metadata
        for name in right.layers:
            assert found[name].geometry == right[name].geometry
            its, theirs = tensors_of(right[name]), tensors_of(found[name])
            assert its.keys() == theirs.keys()
            for key, tensor in its.items():
                assert tensor.numpy().tobytes() == theirs[key].numpy().tobytes(), key


class SlimRecords(Records):
    def write(self):
        options = dict(k=10, k_mean=6, positions=4, responses=("max",), means=("mean",))
        write_slim(small_record(), self.path, **options)


class OldRecords(Records):
    """Files of before the digest: a changed number cannot be seen, but the record can be used."""

    def write(self):
        super().write()
        without_digest(self.path)

    def check(self, found):
        use(found, self.path)


class OldSlimRecords(OldRecords):
    def write(self):
        SlimRecords.write(self)
        without_digest(self.path)


class Rewritten(OldRecords):
    """Hostile records: whole, with the right digest, and with parts that do not fit."""

    def __init__(self, folder):
        self.path, self.whole = folder / "x.safetensors", []
        for write in (Records.write, SlimRecords.write):
            write(self)
            self.whole.append(read_tensors(self.path, FORMAT))

    def read(self, number, random):
        about, tensors = copy.deepcopy(self.whole[number % 2])
        for _ in range(random.choice([1, 1, 2])):
            if random.random() < 0.4:
                changed_json(about, random)
            else:
                _change_tensor(tensors, random)
        about["format"] = str(about.get("format", FORMAT))
        try:
            write_tensors(self.path, tensors, about)
            found = self.load()
        except SelectivityError as error:
            return _one_line(error)
        self.check(found)
        return True


def _change_tensor(tensors, random):
    name = sorted(tensors)[random.integers(len(tensors))]
    other = tensors[sorted(tensors)[random.integers(len(tensors))]]
    tensor = tensors.pop(name)
    kinds = [torch.uint8, torch.int8, torch.int32, torch.int64, torch.float16, torch.float32,
             torch.float64, torch.bool, torch.bfloat16, torch.uint16, torch.complex64]  # fmt: skip
    choice = random.integers(9)
    if choice == 0:
        return
    if choice == 1:
        tensor = tensor.to(kinds[random.integers(len(kinds))])
    elif choice == 2:
        tensor = tensor[: random.integers(len(tensor) + 1)]
    elif choice == 3:
        tensor = tensor.flatten() if random.random() < 0.5 else tensor[None]
    elif choice == 4:
        tensor = other.clone()
    elif choice == 5:
        tensor = torch.empty(int(random.choice([0, 2**20, 2**40])), 0, *tensor.shape[2:])
    elif choice == 6 and tensor.numel():
        tensor = tensor.clone()
        limits = torch.finfo if tensor.is_floating_point() else torch.iinfo
        most = [-1, 254, 65534, limits(tensor.dtype).max, limits(tensor.dtype).min]
        tensor.view(-1)[random.integers(tensor.numel())] = torch.tensor(
            most[random.integers(5)]).to(tensor.dtype)  # fmt: skip
    elif choice == 7:
        name += str(random.choice(["x", "/y.z", ".max"]))
    elif choice == 8 and name == "images/names":
        text = changed_json(json.loads(bytes(tensor.numpy())), random)
        tensor = torch.frombuffer(bytearray(json.dumps(text).encode()), dtype=torch.uint8)
    tensors[name] = tensor


class Shards:
    """Two archives; every checksum of a header holds again in half of the cases."""

    def __init__(self, folder):
        picture = io.BytesIO()
        Image.new("RGB", (8, 6), (10, 20, 30)).save(picture, "PNG")
        self.samples, self.path = [], folder / "x.tar"
        for form in (tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            with tarfile.open(self.path, "w", format=form) as tar:
                for key, kind in itertools.product(("a", "é", "deep/" * 30 + "b"), ("png", "cls")):
                    info = tarfile.TarInfo(f"{key}.{kind}")
                    body = picture.getvalue() if kind == "png" else b"0"
                    info.size = len(body)
                    tar.addfile(info, io.BytesIO(body))
            self.samples.append(self.path.read_bytes())

    def read(self, number, random):
        content = bytearray(mutated(self.samples, random))
        for _ in range(random.integers(4)):  # more in headers, where it matters
            at = 512 * random.integers(max(1, len(content) // 512))
            field = [0, 100, 124, 156, 157, 257, 345][random.integers(7)]
            values = [b"../", b"/", b"\xff", b"\0", b"7" * 11, b"\x80" + b"\xff" * 11, b"\xff" * 12,
                      b"x", b"g", b"L", b"S", b"2", b"99999999999 size=-1\n"]  # fmt: skip
            value = values[random.integers(len(values))]
            content[at + field : at + field + len(value)] = value
        if number % 2:
            for at in range(0, len(content) - 511, 512):
                if content[at + 257 : at + 262] == b"ustar":
                    total = sum(content[at : at + 148]) + 8 * 32 + sum(content[at + 156 : at + 512])
                    content[at + 148 : at + 156] = b"%06o\0 " % (total % 8**6)
        self.path.write_bytes(content)
        try:
            images = ShardImages(self.path)
        except SelectivityError as error:
            return _one_line(error)
        for i in range(len(images)):
            try:
                images.open(i)
            except OSError as error:
                _one_line(error)
        return True


class Weights:
    """PyTorch files of two kinds, safetensors and Caffe: finite dense tensors, or a refusal."""

    def __init__(self, folder):
        torch.manual_seed(0)
        state = {
            "conv.weight": torch.randn(4, 3, 3),
            "conv.bias": torch.zeros(4),
            "n": torch.tensor(3),
        }
        self.folder, self.samples = folder, []
        for kind, save in (
            ("pth", torch.save),
            (
                "pth",
                lambda s, p: torch.save({"state_dict": s}, p, _use_new_zipfile_serialization=False),
            ),
            ("safetensors", save_file),
        ):
            save(state, folder / f"x.{kind}")
            self.samples.append((kind, (folder / f"x.{kind}").read_bytes()))

        arrays = {"conv": [state["conv.weight"].numpy(), state["conv.bias"].numpy()]}
        self.shapes = {"conv.weight": (4, 3, 3), "conv.bias": (4,)}
        self.samples += [("caffemodel", caffemodel(arrays, old)) for old in (False, True)]

    def read(self, number, random):
        kind, content = self.samples[number % len(self.samples)]
        path = self.folder / f"x.{kind}"
        path.write_bytes(mutated([content], random))
        try:
            state = load_state(path, self.shapes)
        except SelectivityError as error:
            return _one_line(error)
        assert all(torch.isfinite(tensor).all() for tensor in state.values())
        return True


READERS = {
    "images": Images, "records": Records, "slim": SlimRecords, "old": OldRecords,
    "old-slim": OldSlimRecords, "hostile": Rewritten, "tables": Tables, "checkpoints": Checkpoints,
    "shards": Shards, "weights": Weights,
}  # fmt: skip


def tensors_of(layer):
    """Everything a layer holds, by name."""
    from helpers.record.store import _layer_tensors

    return _layer_tensors(layer)


def without_digest(path):
    """Make a file as it was written before there was a digest."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    about = json.loads(header["__metadata__"]["metadata"])
    about["format"] = about["format"].partition(SEALED)[0]
    header["__metadata__"]["metadata"] = json.dumps(about, sort_keys=True)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


def use(found, path):
    """What is done with any record: nothing in it may surprise."""
    assert repr(found) and found.n_units and found.k and len(found.counts)
    for name in found.layers:
        layer = found[name]
        repr(layer.means), [layer.extremes(s) for s in layer.minima]
        assert layer.top.images.max() < len(found.names)
    try:
        repr(found.select([0]))
    except SelectivityError as error:  # a slim record that keeps no extremes of each class
        _one_line(error)
    found.save(path.with_name("again"))
    assert Record.load(path.with_name("again")).names == found.names


def main(folder, first, count, readers):
    def too_slow(*_):
        raise TooSlow

    import resource  # not on every system

    signal.signal(signal.SIGALRM, too_slow)
    os.fsync = lambda _: None  # thousands of files that need not outlive the machine
    warnings.simplefilter("ignore")
    if os.path.exists("/proc"):  # an array that is promised and not there is refused, not swapped
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 2 * MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for name in readers:
        (folder / name).mkdir(parents=True)
        reader, before, right, start = READERS[name](folder / name), own_peak(), 0, time.monotonic()
        for number in range(first, first + count):
            (folder / "case").write_text(f"{name} {number}")
            random = np.random.default_rng([zlib.crc32(name.encode()), number])
            signal.alarm(SECONDS)
            try:
                right += reader.read(number, random)
            except BaseException as error:
                signal.alarm(0)
                traceback.print_exc()
                sys.exit(f"{name} {number}: {type(error).__name__}: {error}")
            signal.alarm(0)
            if own_peak() - before > MEMORY / 1e6:
                sys.exit(f"{name} {number}: {own_peak() - before:.0f} MB more memory")
        said = {"reader": name, "cases": count, "read": int(right)}
        said |= {"grown_MB": round(own_peak() - before)}
        said |= {"seconds": round(time.monotonic() - start, 1)}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
