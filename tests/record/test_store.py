"""The file: what it refuses, what a slim one keeps, what it is asked to match."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from helpers.errors import SelectivityError
from helpers.record import FolderImages, Record, load_network, record, wrap
from helpers.record.slim import write_slim
from helpers.record.store import FORMAT, LISTS, _text, read_tensors, write_tensors
from tests.record.fuzzing import without_digest
from tests.record.test_recorder import assert_same, network


@pytest.fixture(scope="module")
def recorded(picture_folder):
    images = FolderImages(picture_folder)
    return record(network("in-place"), images, 15, responses=("max",), progress=False)


def test_round_trip(recorded, tmp_path):
    recorded.save(tmp_path / "r.safetensors")
    again = Record.load(tmp_path / "r.safetensors")
    assert_same(recorded, again)
    assert again.metadata == {**recorded.metadata, "format": again.metadata["format"]}
    assert [again[name].geometry for name in again.layers] == [
        recorded[n].geometry for n in recorded.layers
    ]
    again.save(tmp_path / "s.safetensors")
    assert (tmp_path / "r.safetensors").read_bytes() == (tmp_path / "s.safetensors").read_bytes()


def test_metadata_says_from_what(recorded, picture_folder):
    metadata, images = recorded.metadata, FolderImages(picture_folder)
    assert metadata["network"]["weights"].startswith("sha256:")
    assert metadata["images"]["digest"] == images.digest()
    assert (
        metadata["software"]["torch"] == torch.__version__.split("+")[0]
        or "torch" in metadata["software"]
    )
    assert "time" not in json.dumps(metadata["images"])


@pytest.mark.parametrize("keep", [0, 7, 0.3, 0.99])
def test_truncated_files_are_refused_in_one_line(recorded, tmp_path, keep):
    path = tmp_path / "r.safetensors"
    recorded.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(SelectivityError, match="not a complete file") as error:
        Record.load(path)
    assert "\n" not in str(error.value)


def test_foreign_and_damaged_files_are_refused(recorded, tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.zeros(2)}, {"format": "something else"})
    with pytest.raises(SelectivityError, match="something else"):
        Record.load(path)
    with pytest.raises(SelectivityError, match="no such file"):
        Record.load(tmp_path / "missing.safetensors")
    recorded.save(path)
    metadata, tensors = read_tensors(path, FORMAT)
    del tensors["features.0/top.values"]
    write_tensors(path, tensors, metadata)
    with pytest.raises(SelectivityError, match="damaged"):
        Record.load(path)


def test_one_flipped_bit_anywhere_is_seen(recorded, tmp_path):
    path = tmp_path / "r.safetensors"
    recorded.save(path)
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    for at in np.random.default_rng(0).integers(start, len(content), 50):
        flipped = bytearray(content)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        with pytest.raises(SelectivityError, match="damaged since it was written") as error:
            Record.load(path)
        assert "\n" not in str(error.value)


def test_files_of_before_the_digest_still_open(recorded, tmp_path):
    path = tmp_path / "r.safetensors"
    recorded.save(path)
    without_digest(path)
    assert b"sha256 " not in path.read_bytes()
    assert_same(recorded, Record.load(path))


def test_a_record_stays_as_it_was_read_when_its_file_changes(recorded, tmp_path):
    path = tmp_path / "r.safetensors"
    recorded.save(path)
    loaded = Record.load(path)
    with open(path, "r+b") as file:  # in place, as a copy over it does
        file.seek(0)
        file.write(bytes(path.stat().st_size))
    assert_same(recorded, loaded)


def framed(about, tensors="", body=b"", length=None):
    """A container whose header is written out as text."""
    about = about if isinstance(about, str) else json.dumps(json.dumps(about))
    header = f'{{"__metadata__":{{"metadata":{about}}}{tensors}}}'.encode()
    return (length or len(header)).to_bytes(8, "little") + header + body


def tensor(name, dtype, shape, *offsets):
    return f',"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{list(offsets)}}}'


OURS = {"format": FORMAT}
HOSTILE = {
    "promises a long header": (framed(OURS, length=2**63), "header too large"),
    "ends in its header": (framed(OURS, length=10_000), "invalid header length"),
    "deep": (framed(json.dumps("[" * 100_000)), "nested too deeply"),
    "deep outside": (framed("[" * 100_000), "not a complete file"),
    "number without end": (framed(json.dumps("9" * 10_000)), "not a complete file"),
    "key twice": (framed('"{}","metadata":"{}"'), "gives a key twice"),
    "key twice inside": (framed(json.dumps('{"k":1,"k":2}')), "gives a key twice"),
    "tensor twice": (
        framed(OURS, 2 * tensor("a", "U8", [1], 0, 1), b"x"), "gives a key twice"),
    "tensors overlap": (
        framed(OURS, tensor("a", "U8", [2], 0, 2) + tensor("b", "U8", [2], 1, 3), b"xyz"), "offset"),
    "bytes left over": (framed(OURS, tensor("a", "U8", [1], 0, 1), b"xyz"), "not fully covered"),
    "shape larger than its bytes": (framed(OURS, tensor("a", "U8", [9], 0, 1), b"x"), "not a complete"),
    "shape without end": (framed(OURS, tensor("a", "U8", [2**63, 0], 0, 0)), "not a complete file"),
    "unknown type": (framed(OURS, tensor("a", "U7", [1], 0, 1), b"x"), "not a complete file"),
    "not UTF-8": (framed(OURS).replace(b"neuron", b"neur\xff\xfe"), "invalid UTF-8"),
    "of another version": (framed({"format": "neuron-selectivity record 9"}), "but .*record 9"),
    "a list": (framed([1]), "of another kind"),
    "nothing": (framed(OURS), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_headers_are_refused_in_one_line(kind, tmp_path):
    path, (content, says) = tmp_path / "x.safetensors", HOSTILE[kind]
    path.write_bytes(content)
    with pytest.raises(SelectivityError, match=f"x.safetensors: .*{says}") as error:
        Record.load(path)
    assert len(str(error.value).splitlines()) == 1


def _class_without_end(about, tensors):
    tensors["images/classes"][0] = 2**31 - 1  # counted, an array of 16 GB


def _names_twice(about, tensors):
    names = json.loads(bytes(tensors["images/names"].numpy()))
    tensors["images/names"] = _text(json.dumps([names[1], *names[1:]]))


def _set(name, change):
    return lambda about, tensors: tensors.update({name: change(tensors[name])})


def _rows(name, rows):
    """As many rows, without any bytes, that are then to be filled up."""
    return _set(name, lambda t: torch.empty(rows, 0, 2, dtype=torch.uint8))


MISFITS = {
    "class 2147483647": (_class_without_end, "classes and marks"),
    "fewer classes than images": (_set("images/classes", lambda t: t[1:]), "numbers of images"),
    "classes in halves": (_set("images/classes", lambda t: t.float()), "types of classes"),
    "image names twice": (_names_twice, "image names"),
    "class names twice": (lambda a, t: a["images"]["class_names"].append("class1"), "class names"),
    "no network": (lambda a, t: a.pop("network"), "KeyError"),
    "k of text": (lambda a, t: a.update(k="15"), "k: does not fit"),
    "k of nothing": (lambda a, t: a.update(k=0), "k: does not fit"),
    "units of none": (lambda a, t: a["layers"]["head"].update(units=0), "geometry"),
    "units without end": (lambda a, t: a["layers"]["head"].update(units=2**40), "geometry"),
    "another number of units": (lambda a, t: a["layers"]["head"].update(units=4), "shape or type"),
    "a map of three sides": (
        lambda a, t: a["layers"]["head"].update(map_size=[1, 1, 1]),
        "geometry",
    ),
    "layer without order": (lambda a, t: a["layer_order"].pop(), "order of the layers"),
    "tensor of no layer": (
        lambda a, t: t.update({"x/top.values": torch.zeros(1, 1)}),
        "name x/top",
    ),
    "unknown tensor": (lambda a, t: t.update({"head/code": torch.zeros(1)}), "name head/code"),
    "image 2000": (_set("head/top.images", lambda t: t.fill_(2000)), "images of head/top"),
    "image -2": (_set("head/near_zero.images", lambda t: t.fill_(-2)), "images of head/near_zero"),
    "place off the map": (_set("head/top.positions", lambda t: t.fill_(7)), "places of head/top"),
    "values in bytes": (_set("head/top.values", lambda t: t.byte()), "shape or type"),
    "a shorter list": (_set("head/top.values", lambda t: t[:, 1:]), "shape of head/top"),
    "a longer list": (_set("head/top.values", lambda t: t.repeat(1, 9)), "length of head/top"),
    "rows without end": (_rows("head/top.positions", 2**40), "shape or type"),
    "sums without extremes": (lambda a, t: t.pop("head/minima.max"), "statistics of head"),
    "responses of other images": (_set("head/responses.max", lambda t: t[1:]), "shape or type"),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_records_whose_parts_do_not_fit_are_refused_in_one_line(kind, recorded, tmp_path):
    """Whole files with the right digest, as someone who wants harm would write them."""
    path, (change, says) = tmp_path / "x.safetensors", MISFITS[kind]
    recorded.save(path)
    about, tensors = read_tensors(path, FORMAT)
    change(about, tensors)
    write_tensors(path, tensors, about)
    with pytest.raises(
        SelectivityError, match=f"x.safetensors: the record is damaged .*{says}"
    ) as error:
        Record.load(path)
    assert len(str(error.value).splitlines()) == 1


def test_a_slim_record_that_unfolds_without_end_is_refused(recorded, tmp_path):
    path = tmp_path / "slim.safetensors"
    write_slim(recorded, path, k=5, k_mean=5, positions=0, responses=("max",), means=())
    about, tensors = read_tensors(path, FORMAT)
    about["images"]["class_names"] += [f"{i}" for i in range(2**20)]  # 8 MB; the sums would be 700
    write_tensors(path, tensors, about)
    with pytest.raises(SelectivityError, match="number of classes"):
        Record.load(path)


def test_slim_places_of_missing_images_stay_missing(picture_folder, tmp_path):
    images = FolderImages(picture_folder)
    few = record(network("in-place"), images, 9, indices=range(4), progress=False)
    write_slim(few, tmp_path / "slim", k=9, k_mean=5, positions=9)
    top = Record.load(tmp_path / "slim")["head"].top
    assert (top.images[:, 4:] == -1).all() and (top.positions[:, 4:] == -1).all()


def test_records_that_keep_different_things_are_not_merged(picture_folder):
    images, net = FolderImages(picture_folder), network("in-place")

    def half(indices, **options):
        return record(net, images, 9, indices=indices, progress=False, **options)

    whole, more = half(range(8)), half(range(8, 16), responses=("max",))
    with pytest.raises(SelectivityError, match="differ in what is kept and cannot be merged"):
        whole.merge(more)
    with pytest.raises(SelectivityError, match="differ in layers"):
        whole.merge(half(range(8, 16), layers="head"))
    more.names[0] = "another"
    with pytest.raises(SelectivityError, match="differ in image names, what is kept"):
        whole.merge(more)


def test_a_record_of_one_class(picture_folder):
    images = FolderImages(picture_folder).select(["class1"])
    one = record(network("in-place"), images, 5, progress=False)
    assert one.class_names == ("class1",) and one.counts.tolist() == [len(images)]
    assert one["head"].means["max"].shape == (5, 1) and one["head"].means["max"].isfinite().all()


def test_a_record_of_something_else_is_refused(recorded, picture_folder):
    images = FolderImages(picture_folder)
    recorded.check(network("in-place"), images)
    with pytest.raises(SelectivityError, match="another image list"):
        recorded.check(images=images.select(["class1"]))
    with pytest.raises(SelectivityError, match="another network"):
        recorded.check(network=load_network("timm:test_resnet", "random"))
    other = network("in-place")
    other.weights = "sha256:0"
    with pytest.raises(SelectivityError, match="another weights"):
        recorded.check(network=other)


def test_slim_keeps_ranks_and_places_exactly_and_numbers_nearly(recorded, tmp_path):
    path = tmp_path / "slim.safetensors"
    write_slim(recorded, path, k=10, k_mean=6, positions=4, responses=("max",))
    slim = Record.load(path)
    assert slim.k == 10 and slim.names == recorded.names
    for layer in recorded.layers:
        full, small = recorded[layer], slim[layer]
        for which in LISTS:
            a, b = getattr(full, which), getattr(small, which)
            k = b.images.shape[1]
            assert torch.equal(a.images[:, :k], b.images)
            torch.testing.assert_close(a.values[:, :k], b.values, rtol=1e-3, atol=1e-6)
        assert torch.equal(full.top.positions[:, :4], small.top.positions[:, :4])
        assert (small.top.positions[:, 4:] == -1).all()
        torch.testing.assert_close(full.sums["max"], small.sums["max"], rtol=2e-3, atol=1e-3)
        for a, b in zip(full.extremes("min"), small.extremes("min"), strict=True):
            assert torch.equal(a, b)
        span = full.responses["max"].amax(0) - full.responses["max"].amin(0)
        error = (full.responses["max"] - small.responses["max"]).abs().amax(0)
        assert (error <= span / 255 * 0.51 + 1e-6).all() and error.max() > 0
    full_path = tmp_path / "full.safetensors"
    recorded.save(full_path)
    assert path.stat().st_size < full_path.stat().st_size / 2


def test_empty_classes_and_unknown_names(picture_folder):
    images = FolderImages(picture_folder)
    part = np.flatnonzero(images.classes != 2)
    partial = record(network("in-place"), images, 5, indices=part, progress=False)
    assert partial.counts[2] == 0
    assert (partial["head"].sums["max"][:, 2] == 0).all()
    assert partial["head"].means["max"][:, 2].isnan().all()
    with pytest.raises(SelectivityError, match="no class 'cat'"):
        partial.select(["cat"])
    with pytest.raises(SelectivityError, match="no layer 'conv9'"):
        partial["conv9"]


class Backwards(nn.Module):
    """Layers whose alphabetical order is not the forward order."""

    def __init__(self):
        super().__init__()
        self.zebra = nn.Conv2d(3, 6, 5, 4)
        self.middle = nn.Conv2d(6, 5, 3, 2)
        self.conv10 = nn.Conv2d(5, 4, 3)
        self.conv9 = nn.Conv2d(4, 4, 1)
        self.aardvark = nn.Linear(4, 3)

    def forward(self, x):
        for layer in (self.zebra, self.middle, self.conv10, self.conv9):
            x = layer(x).relu()
        return self.aardvark(x.mean((2, 3)))


FORWARD = ["zebra", "middle", "conv10", "conv9", "aardvark"]


@pytest.fixture(scope="module")
def backwards(picture_folder):
    torch.manual_seed(1)
    wrapped = wrap(Backwards(), "backwards", input_size=(64, 64))
    return record(
        wrapped, FolderImages(picture_folder), 12, responses=("max", "min"), progress=False
    )


def test_layers_keep_their_forward_order(backwards, tmp_path):
    assert backwards.layers == FORWARD
    full, small = tmp_path / "full.safetensors", tmp_path / "slim.safetensors"
    backwards.save(full)
    write_slim(backwards, small, k=5, k_mean=5, positions=0, responses=("max",), means=())
    again = tmp_path / "again.safetensors"
    for path in (full, small):
        loaded = Record.load(path)
        assert loaded.layers == FORWARD
        assert "layer_order" not in loaded.metadata and "layers" not in loaded.metadata
        loaded.keep_layers(["middle", "aardvark"]).save(again)
        assert Record.load(again).layers == ["middle", "aardvark"]
        assert loaded.select(["class1", "class0"]).layers == FORWARD
    # Each name still has its own numbers.
    assert [Record.load(full)[n].n_units for n in FORWARD] == [6, 5, 4, 4, 3]
    assert_same(backwards, Record.load(full))


def test_an_older_file_without_the_order_still_opens(backwards, tmp_path):
    path = tmp_path / "old.safetensors"
    backwards.save(path)
    metadata, tensors = read_tensors(path, FORMAT)
    assert metadata.pop("layer_order") == FORWARD
    write_tensors(path, tensors, metadata)
    assert sorted(Record.load(path).layers) == sorted(FORWARD)
    metadata["layer_order"] = [*FORWARD, "conv77"]
    write_tensors(path, tensors, metadata)
    with pytest.raises(SelectivityError, match="damaged"):
        Record.load(path)


@pytest.fixture(scope="module")
def slim(backwards, tmp_path_factory):
    path = tmp_path_factory.mktemp("slim") / "slim.safetensors"
    write_slim(backwards, path, k=5, k_mean=5, positions=0, responses=("max", "min"), means=())
    return Record.load(path)


def test_slim_sums_and_extremes_follow_from_its_responses(backwards, slim):
    labels = torch.from_numpy(slim.classes)
    for name in FORWARD:
        full, small = backwards[name], slim[name]
        assert set(small.sums) == set(small.minima) == set(small.maxima) == {"max", "min", "relu"}
        for statistic in small.sums:
            responses = small.responses.get(statistic)
            if statistic == "relu":
                responses = small.responses["max"].clamp(min=0)
            step = full.responses["min" if statistic == "min" else "max"]
            step = (step.amax(0) - step.amin(0)) / 255
            for number, count in enumerate(slim.counts.tolist()):
                part = responses[labels == number]
                torch.testing.assert_close(
                    small.sums[statistic][:, number], part.double().sum(0), rtol=1e-12, atol=1e-12
                )
                assert torch.equal(small.minima[statistic][:, number], part.amin(0))
                assert torch.equal(small.maxima[statistic][:, number], part.amax(0))
                # And near the full record's, by the half of a step that rounding takes.
                gap = (small.sums[statistic] - full.sums[statistic])[:, number].abs()
                assert (gap <= count * step * 0.51 + 1e-5).all()
                for end in ("minima", "maxima"):
                    gap = getattr(small, end)[statistic] - getattr(full, end)[statistic]
                    assert (gap[:, number].abs() <= step * 0.51 + 1e-5).all()
            # The ends of all images are kept whole.
            for mine, theirs in zip(
                small.extremes(statistic), full.extremes(statistic), strict=True
            ):
                torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_a_selection_of_a_slim_record_is_that_of_its_responses(slim):
    part = slim.select(["class3", "class1"])
    assert part.class_names == ("class3", "class1")
    for name in FORWARD:
        layer, rows = part[name], np.flatnonzero(np.isin(slim.classes, [3, 1]))
        assert torch.equal(layer.responses["max"], slim[name].responses["max"][rows])
        for number in (0, 1):
            its = layer.responses["max"][part.classes == number]
            torch.testing.assert_close(layer.sums["max"][:, number], its.double().sum(0))
            assert torch.equal(layer.maxima["max"][:, number], its.amax(0))
        assert torch.equal(layer.extremes("max")[0], layer.responses["max"].amin(0))


def test_a_slim_record_with_stored_means_cannot_be_selected_from(backwards, tmp_path):
    path = tmp_path / "means.safetensors"
    write_slim(backwards, path, k=5, k_mean=5, positions=0, responses=("max",))
    loaded = Record.load(path)
    assert loaded["zebra"].maxima["max"].shape == (6, 4)
    assert loaded["zebra"].maxima["mean"].shape == (6, 1)
    with pytest.raises(SelectivityError, match="no extremes of each class"):
        loaded.select(["class0"])


def test_slim_responses_of_unread_images_and_empty_classes(picture_folder, tmp_path):
    images = FolderImages(picture_folder)
    torch.manual_seed(1)
    wrapped = wrap(Backwards(), "backwards", input_size=(64, 64))
    part = np.flatnonzero(images.classes != 2)[::2]
    partial = record(wrapped, images, 5, indices=part, responses=("max",), progress=False)
    path = tmp_path / "partial.safetensors"
    write_slim(partial, path, k=5, k_mean=5, positions=0, responses=("max",), means=())
    slim = Record.load(path)
    assert torch.equal(slim.counts, partial.counts) and slim.counts[2] == 0
    for name in FORWARD:
        mine, full = slim[name], partial[name]
        assert mine.responses["max"].isnan().all(1).tolist() == (~partial.recorded).tolist()
        assert (mine.sums["max"][:, 2] == 0).all()
        assert (mine.minima["max"][:, 2] == torch.inf).all()
        assert (mine.maxima["relu"][:, 2] == -torch.inf).all()
        span = full.extremes("max")[1] - full.extremes("max")[0]
        gap = (mine.means["max"] - full.means["max"]).abs()[:, [0, 1, 3]]
        assert (gap <= span[:, None] / 255 * 0.51 + 1e-5).all()
