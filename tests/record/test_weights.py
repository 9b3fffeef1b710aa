"""Weight files: found or named, checked, finite, fitting; downloads resume over a real server."""

import hashlib
import pickle
import struct
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from helpers.errors import SelectivityError
from helpers.record import weights as weights_module
from helpers.record.caffemodel import read_caffemodel, state_for
from helpers.record.weights import (
    download,
    fit,
    load_state,
    resolve,
    tensors_sha256,
)


@pytest.fixture
def state():
    torch.manual_seed(0)
    return {"b.weight": torch.randn(3, 2), "a.bias": torch.randn(3), "n": torch.tensor(4)}


def test_the_hash_is_of_names_and_values_alone(state, tmp_path):
    same = {name: state[name].clone() for name in reversed(state)}
    assert tensors_sha256(state) == tensors_sha256(same)
    save_file(state, tmp_path / "a.safetensors", metadata={"comment": "x"})
    torch.save(state, tmp_path / "a.pth")
    for file in ("a.safetensors", "a.pth"):
        assert tensors_sha256(load_state(tmp_path / file)) == tensors_sha256(state)
    digest = hashlib.sha256()
    for name in ("a.bias", "b.weight", "n"):
        digest.update(name.encode() + b"\0" + state[name].numpy().tobytes())
    assert tensors_sha256(state) == digest.hexdigest()
    same["a.bias"][1] += 1e-6
    assert tensors_sha256(state) != tensors_sha256(same)
    renamed = {("c" if n == "n" else n): v for n, v in state.items()}
    assert tensors_sha256(state) != tensors_sha256(renamed)


def test_half_precision_becomes_float32(tmp_path):
    save_file({"w": torch.tensor([1.5, -2.0]).half()}, tmp_path / "w.safetensors")
    loaded = load_state(tmp_path / "w.safetensors")["w"]
    assert loaded.dtype == torch.float32 and loaded.tolist() == [1.5, -2.0]


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_checkpoints_are_unwrapped(state, tmp_path, wrapper):
    parallel = {f"module.{name}": value for name, value in state.items()}
    torch.save({"epoch": 3, wrapper: parallel}, tmp_path / "c.pth")
    assert tensors_sha256(load_state(tmp_path / "c.pth")) == tensors_sha256(state)


def _break(kind, path):
    if kind == "nan":
        torch.save({"w": torch.tensor([1.0, float("nan")])}, path)
    elif kind == "code":
        with open(path, "wb") as file:
            pickle.dump(print, file)
    elif kind == "list":
        torch.save([torch.ones(2)], path)
    elif kind == "empty":
        path.write_bytes(b"")
    else:
        path.write_bytes(b"\x00" * 100)


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", ["nan", "code", "list", "empty", "zeros"])
def test_bad_files_give_one_line_that_names_the_file(kind, ending, tmp_path):
    path = tmp_path / f"bad{ending}"
    _break(kind, path)
    with pytest.raises(SelectivityError, match="bad") as caught:
        load_state(path)
    assert "\n" not in str(caught.value)
    if kind == "nan" and ending == ".pth":
        assert "w holds nan" in str(caught.value)


NOT_PLAIN = {
    "repeats a value": lambda: {"w": torch.zeros(1).expand(2**42)},  # 16 TB, in a file of 1 kB
    "sparse": lambda: {"w": torch.eye(3).to_sparse()},
    "of no device": lambda: {"w": torch.zeros(2, device="meta")},
    "named by a number": lambda: {1: torch.zeros(2)},
    "two lines": lambda: {"a\nb": torch.zeros(2)},
}


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_tensors_that_are_not_dense_and_named_are_refused(kind, tmp_path):
    torch.save(NOT_PLAIN[kind](), tmp_path / "w.pth")
    with pytest.raises(SelectivityError, match="w.pth is no state dict of dense tensors") as error:
        load_state(tmp_path / "w.pth")
    assert "\n" not in str(error.value)


def test_an_archive_that_unfolds_is_refused(tmp_path):
    torch.save({"w": torch.zeros(10_000_000)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as stored:
        with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as packed:
            for name in stored.namelist():
                packed.writestr(name, stored.read(name))
    assert (tmp_path / "bomb.pth").stat().st_size < 100_000
    with pytest.raises(SelectivityError, match="bomb.pth is a compressed archive"):
        load_state(tmp_path / "bomb.pth")


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_files_that_are_cut_short_are_refused(state, ending, tmp_path):
    path = tmp_path / f"w{ending}"
    (torch.save if ending == ".pth" else save_file)(state, path)
    whole = path.read_bytes()
    for keep in range(0, len(whole), 37):
        path.write_bytes(whole[:keep])
        with pytest.raises(SelectivityError, match="damaged or holds more than tensors") as error:
            load_state(path)
        assert "\n" not in str(error.value)


def test_fit_says_what_does_not_fit(tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    good = {n: torch.full_like(v, 2) for n, v in module.state_dict().items()}
    del good["1.num_batches_tracked"]  # old files lack it
    fit(module, good, "good.pth")
    assert (module[0].weight == 2).all() and (module[1].running_var == 2).all()
    for change, expected in [
        (lambda s: s.pop("0.bias"), "missing: 0.bias"),
        (lambda s: s.update(extra=torch.ones(1)), "unexpected: extra"),
        (
            lambda s: s.update({"0.weight": torch.ones(4, 3, 3, 3)}),
            r"0.weight \(4, 3, 3, 3\) instead",
        ),
    ]:
        bad = dict(good)
        change(bad)
        with pytest.raises(SelectivityError, match=expected):
            fit(module, bad, "bad.pth")


def test_weights_of_one_s_own_are_a_file_or_a_url_with_its_hash(tmp_path):
    with pytest.raises(SelectivityError, match="no weight file at"):
        resolve(tmp_path / "nothing.pth")
    with pytest.raises(SelectivityError, match="needs its SHA-256"):
        resolve("https://example.org/w.pth")


# --- downloads, against a server on this machine ---


class _Server(ThreadingHTTPServer):
    """Serves `content` at any path; `cuts`: after how many bytes successive answers break off."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = np.random.default_rng(0).bytes(2_000_000)
        self.cuts, self.ranges, self.tag = [], True, '"v1"'
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, content = self.server, self.server.content
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if self.path == "/missing":
            return self.send_error(404)
        start = int(wanted[6:-1]) if wanted and server.ranges else 0
        if self.headers.get("If-Range", server.tag) != server.tag:
            start = 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return None
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", server.tag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        body = content[start:]
        if server.cuts:
            body = body[: server.cuts.pop(0)]
            self.wfile.write(body)
            self.wfile.flush()
            self.connection.close()  # in the middle of the answer
        else:
            self.wfile.write(body)
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(weights_module, "PAUSE", 0.01)
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def _get(server, path, **options):
    return download(server.url, path, progress=False, **options)


def _sha(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def test_download_resumes_after_broken_connections(server, tmp_path):
    server.cuts = [700_000, 300_000]
    path = _get(server, tmp_path / "new" / "f.bin", checksum=_sha(server.content))
    assert path.read_bytes() == server.content
    assert server.asked[0] is None and len(server.asked) == 3
    assert all(asked.startswith("bytes=") for asked in server.asked[1:])
    assert [f.name for f in path.parent.iterdir()] == ["f.bin"]
    _get(server, path, checksum=_sha(server.content))  # there already: nothing is asked
    assert len(server.asked) == 3


def test_part_of_an_earlier_run_is_continued_but_not_one_of_another_file(server, tmp_path):
    path = tmp_path / "f.bin"
    part, tag = tmp_path / "f.bin.part", tmp_path / "f.bin.part.tag"
    part.write_bytes(server.content[:1_500_000])
    tag.write_text(server.tag)
    assert _get(server, path).read_bytes() == server.content
    assert server.asked == ["bytes=1500000-"]
    path.unlink()
    part.write_bytes(b"old" * 1000)
    tag.write_text('"v0"')  # the file has changed since: the server sends it from its start
    assert _get(server, path).read_bytes() == server.content


def test_whole_part_is_recognised_and_too_long_a_part_is_dropped(server, tmp_path):
    part = tmp_path / "f.bin.part"
    part.write_bytes(server.content)
    assert _get(server, tmp_path / "f.bin").read_bytes() == server.content
    (tmp_path / "f.bin").unlink()
    part.write_bytes(server.content + b"more")
    assert _get(server, tmp_path / "f.bin").read_bytes() == server.content


def test_server_that_ignores_ranges(server, tmp_path):
    server.ranges, server.cuts = False, [900_000]
    assert (
        _get(server, tmp_path / "f.bin", checksum=_sha(server.content)).read_bytes()
        == server.content
    )


def test_connection_that_keeps_breaking_keeps_the_part_and_says_so(server, tmp_path):
    server.cuts = [500_000] + [0] * 20
    with pytest.raises(SelectivityError, match="500,000 bytes so far.*again to resume"):
        _get(server, tmp_path / "f.bin")
    assert (tmp_path / "f.bin.part").stat().st_size == 500_000
    assert not (tmp_path / "f.bin").exists()
    server.cuts = []
    assert _get(server, tmp_path / "f.bin").read_bytes() == server.content


def test_wrong_hash_leaves_nothing(server, tmp_path):
    with pytest.raises(SelectivityError, match="f.bin has sha256 .* expected 00000000"):
        _get(server, tmp_path / "f.bin", checksum="sha256:" + "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_wrong_hash_of_a_file_already_there(server, tmp_path):
    (tmp_path / "f.bin").write_bytes(b"other")
    with pytest.raises(SelectivityError, match="expected"):
        _get(server, tmp_path / "f.bin", checksum="sha1:" + "0" * 40)
    assert (tmp_path / "f.bin").read_bytes() == b"other"  # the reader's file is not deleted


def test_refusals_are_one_line(server, tmp_path):
    with pytest.raises(SelectivityError, match="says 404"):
        download(server.url.replace("file.bin", "missing"), tmp_path / "f", progress=False)
    with pytest.raises(SelectivityError, match="refused|resume"):
        download("http://127.0.0.1:9/f", tmp_path / "f", progress=False)
    with pytest.raises(SelectivityError, match="local file|unknown url"):
        download("nonsense://x/f", tmp_path / "f", progress=False)


def test_url_with_its_hash(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path))
    digest = hashlib.sha256(server.content).hexdigest()
    path = resolve(f"{server.url}#sha256={digest}")
    assert path == tmp_path / "weights" / f"{digest[:8]}-file.bin"
    assert path.read_bytes() == server.content


# --- Caffe models, written here field by field as caffe.proto numbers them ---


def _varint(n):
    out = b""
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def _bytes(field, value):
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def _message(field, parts):
    """Header and parts of a nested message, not yet joined: a model may hold 400 MB."""
    return [_varint(field << 3 | 2) + _varint(sum(map(len, parts))), *parts]


def caffemodel(layers, old=False):
    """Protobuf bytes of a Caffe model with these layers: name -> arrays."""
    field, name_field, blob_field = (2, 4, 6) if old else (100, 1, 7)
    model = [_bytes(1, b"net")]
    for name, arrays in layers.items():
        layer = [_bytes(name_field, name.encode()), _number(10 if not old else 5, 4)]
        for array in arrays:
            data = _message(5, [np.ascontiguousarray(array, "<f4").data.cast("B")])
            if old:
                shape = (1,) * (4 - array.ndim) + array.shape
                blob = [*(_number(i + 1, n) for i, n in enumerate(shape)), *data]
            else:
                blob = [*data, _bytes(7, _bytes(1, b"".join(map(_varint, array.shape))))]
            layer += _message(blob_field, blob)
        model += _message(field, layer)
    return b"".join([*model, _varint(9 << 3 | 5), struct.pack("<f", 1.0)])


@pytest.mark.parametrize("old", [False, True])
def test_caffemodel(tmp_path, old):
    rng = np.random.default_rng(0)
    layers = {
        "conv1/7x7_s2": [rng.normal(size=(4, 3, 7, 7)), rng.normal(size=4)],
        "relu": [],
        "loss3/classifier": [rng.normal(size=(300, 4)), rng.normal(size=300)],
    }
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffemodel(layers, old))
    read = read_caffemodel(path)
    assert list(read) == ["conv1/7x7_s2", "loss3/classifier"]
    shapes = {
        "conv1.7x7_s2.weight": (4, 3, 7, 7),
        "conv1.7x7_s2.bias": (4,),
        "loss3.classifier.weight": (300, 4),
    }
    state = state_for(shapes, read, path)
    np.testing.assert_array_equal(
        state["conv1.7x7_s2.weight"], layers["conv1/7x7_s2"][0].astype("f4")
    )
    assert {key: value.shape for key, value in state.items()} == shapes
    with pytest.raises(
        SelectivityError, match="net.caffemodel does not fit.* conv9: its weight is missing"
    ):
        state_for({"conv9.weight": (1,)}, read, path)
    with pytest.raises(SelectivityError, match="expected"):
        state_for({"loss3.classifier.weight": (2, 2)}, read, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SelectivityError, match="no readable Caffe model"):
        read_caffemodel(path)
    path.write_bytes(b"")
    with pytest.raises(SelectivityError, match="no Caffe layers"):
        read_caffemodel(path)
