"""Fetching: the catalogue is honest, archives are unpacked safely, conversions are checked."""

import http.server
import io
import re
import tarfile
import threading
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from helpers.errors import SelectivityError
from helpers.fetch import Source, catalogue, fetch, get, unpack
from helpers.record import weights as weights_module
from helpers.record.architectures import vgg_cnn
from helpers.record.images import FolderImages
from helpers.record.networks import GOOGLENET_SHA256, load_network
from helpers.record.weights import tensors_sha256
from tests.record.test_architectures import caffe_arrays, caffe_logits
from tests.record.test_weights import caffemodel

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="needs the files in ../shared/real")


def _sources():
    for sources in catalogue().values():
        for source in sources:
            while source is not None:
                yield source
                source = source.otherwise


def test_catalogue_is_complete_and_claims_nothing_unchecked():
    for source in _sources():
        assert source.url.startswith(("http://", "https://")) and source.licence
        assert source.target.split("/")[0] in ("weights", "images")
        assert not source.checked  # no address could be tried so far
        assert source.kind in ("file", "caffemodel", "caffejs", "tar")
        assert source.tensors in (None, GOOGLENET_SHA256)
        assert bool(source.checksum) == bool(source.checksum_from)
        if source.checksum:
            kind, digits = source.checksum.split(":")
            whole = {"sha256": 64, "sha1": 40, "md5": 32}[kind]
            assert re.fullmatch("[0-9a-f]+", digits) and len(digits) in (8, whole)
    assert {"googlenet", "imagenette", "imagewoof", "vgg_m", "vgg_f", "vgg_s"} <= set(catalogue())


def test_every_network_s_command_exists():
    for name in ("googlenet", "vgg_m", "vgg_f", "vgg_s"):
        assert any(source.target.startswith("weights/") for source in catalogue()[name])


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A real server of a folder; (folder, its address)."""
    monkeypatch.setattr(weights_module, "PAUSE", 0.01)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def _jpeg(shade):
    file = io.BytesIO()
    Image.new("RGB", (9, 9), (shade, 0, 0)).save(file, "JPEG")
    return file.getvalue()


def _tar(path, members, mode="w:gz"):
    """A tar of name -> bytes, or -> a TarInfo for special members."""
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


GOOD = {
    "set/train/cat/a.jpg": _jpeg(1),
    "set/train/dog/b.JPEG": _jpeg(2),
    "set/val/cat/c.jpg": _jpeg(3),
    "set/val/noise/d.jpg": _jpeg(4),
    "set/labels.csv": b"text",
    "set/train/cat/._a.jpg": b"not a picture",
}


def test_pictures_arrive_where_folder_images_looks(served, tmp_path):
    folder, url = served
    _tar(folder / "set.tgz", GOOD)
    source = Source("images/set", f"{url}/set.tgz", "tar", "free", leave_out=("noise",))
    said = []
    goal = get(source, tmp_path / "home", said.append)
    images = FolderImages(goal)
    assert images.names == ["cat/a.jpg", "cat/c.jpg", "dog/b.JPEG"]
    assert [p.name for p in (tmp_path / "home" / "images").iterdir()] == ["set"]
    assert list((tmp_path / "home" / "downloads").iterdir()) == []  # the archive is not kept
    text = "\n".join(said)
    assert "licence free" in text and "not tried" in text and url in text
    (folder / "set.tgz").unlink()
    assert get(source, tmp_path / "home", said.append) == goal and "already there" in said[-1]


def test_tar_inside_a_zip(served, tmp_path):
    folder, url = served
    _tar(tmp_path / "inner.tar.gz", GOOD)
    with zipfile.ZipFile(folder / "set.zip", "w") as outer:
        outer.write(tmp_path / "inner.tar.gz", "set/inner.tar.gz")
    source = Source("images/set", f"{url}/set.zip", "tar", "free", inner="set/inner.tar.gz")
    assert len(FolderImages(get(source, tmp_path / "home", lambda _: None))) == 4


def _link(name, to):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


def _device(name):
    info = tarfile.TarInfo(name)
    info.type = tarfile.CHRTYPE
    return info


@pytest.mark.parametrize(
    "hostile",
    [
        {"../../escaped/x.jpg": _jpeg(1)},
        {"set/../../x/escaped.jpg": _jpeg(1)},
        {"set/cat/link": _link("set/cat/link", "/etc")},
        {"set/cat/link": _link("set/cat/link", "../../../..")},
        {"set/cat/dev.jpg": _device("set/cat/dev.jpg")},
    ],
    ids=["parent", "inner parent", "absolute link", "relative link", "device"],
)
def test_hostile_archives_are_refused_and_leave_nothing(hostile, tmp_path):
    archive = tmp_path / "in" / "bad.tgz"
    archive.parent.mkdir()
    _tar(archive, {**GOOD, **hostile})
    with pytest.raises(SelectivityError, match="bad.tgz is refused, nothing was kept"):
        unpack(archive, tmp_path / "home" / "images" / "set")
    assert list((tmp_path / "home" / "images").iterdir()) == []
    assert {p.name for p in tmp_path.iterdir()} == {"in", "home"}


def test_absolute_names_stay_inside(tmp_path):
    _tar(tmp_path / "a.tgz", {f"{tmp_path}/outside/cat/x.jpg": _jpeg(1)})
    unpack(tmp_path / "a.tgz", tmp_path / "goal")
    assert FolderImages(tmp_path / "goal").names == ["cat/x.jpg"]
    assert not (tmp_path / "outside").exists()


def test_archives_that_are_none(tmp_path):
    damaged = tmp_path / "damaged.tgz"
    _tar(damaged, {f"set/cat/{i}.jpg": np.random.default_rng(i).bytes(5000) for i in range(40)})
    damaged.write_bytes(damaged.read_bytes()[:90_000])
    with pytest.raises(SelectivityError, match="cannot be unpacked"):
        unpack(damaged, tmp_path / "goal")
    _tar(tmp_path / "text.tgz", {"set/cat/readme.txt": b"x"})
    with pytest.raises(SelectivityError, match="holds no pictures"):
        unpack(tmp_path / "text.tgz", tmp_path / "goal")
    _tar(tmp_path / "twice.tgz", {"a/cat/x.jpg": _jpeg(1), "b/cat/x.jpg": _jpeg(2)})
    with pytest.raises(SelectivityError, match="two pictures cat/x.jpg"):
        unpack(tmp_path / "twice.tgz", tmp_path / "goal")
    (tmp_path / "page.tgz").write_text("<html>moved</html>")
    with pytest.raises(SelectivityError, match="cannot be unpacked"):
        unpack(tmp_path / "page.tgz", tmp_path / "goal")
    assert not (tmp_path / "goal").exists()


def test_unknown_names():
    with pytest.raises(SelectivityError, match="did you mean .*imagenette"):
        fetch("imagenet")


def _googlenet_arrays():
    """The published tensors under Caffe's names, the heads of training included."""
    state = load_file(REAL / "weights" / "bvlc_googlenet.safetensors")
    layers = {}
    for key in sorted(state, key=lambda k: (k.rpartition(".")[0], k.endswith(".bias"))):
        layers.setdefault(key.rpartition(".")[0].replace(".", "/"), []).append(state[key])
    layers["loss1/classifier"] = [np.zeros((1000, 8), np.float32), np.zeros(1000, np.float32)]
    return layers


def _entry(**changes):
    source = catalogue()["googlenet"][0]
    return Source(**{**source.__dict__, "checksum": None, "otherwise": None, **changes})


@needs_real
@pytest.mark.parametrize("old", [False, True])
def test_googlenet_is_converted_from_caffe_bit_by_bit(served, tmp_path, monkeypatch, old):
    folder, url = served
    (folder / "net.caffemodel").write_bytes(caffemodel(_googlenet_arrays(), old))
    goal = get(_entry(url=f"{url}/net.caffemodel"), tmp_path / "home", lambda _: None)
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path / "home"))
    assert load_network("googlenet").weights == f"sha256:{GOOGLENET_SHA256}"
    assert goal == tmp_path / "home" / "weights" / "bvlc_googlenet.safetensors"


@needs_real
def test_other_weights_are_refused_and_the_second_source_is_tried(served, tmp_path):
    folder, url = served
    layers = _googlenet_arrays()
    second = folder / "js"
    for name, arrays in layers.items():
        for ending, array in zip(("filter", "bias"), arrays, strict=True):
            path = second / f"{name}_{ending}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            array.tofile(path)
    layers["conv1/7x7_s2"][1] = layers["conv1/7x7_s2"][1] + 1
    (folder / "net.caffemodel").write_bytes(caffemodel(layers))
    alone = _entry(url=f"{url}/net.caffemodel")
    with pytest.raises(SelectivityError, match="these are other weights; nothing was kept"):
        get(alone, tmp_path / "a", lambda _: None)
    assert list((tmp_path / "a" / "weights").iterdir()) == []
    said = []
    instead = _entry(url=f"{url}/js", kind="caffejs")
    both = _entry(url=f"{url}/net.caffemodel", otherwise=instead)
    goal = get(both, tmp_path / "b", said.append)
    assert any("trying another source" in line for line in said)
    state = load_file(goal)
    found = tensors_sha256({name: torch.from_numpy(value) for name, value in state.items()})
    assert found == GOOGLENET_SHA256


@needs_real
def test_the_shared_files_are_a_home_that_needs_no_fetching(monkeypatch, capsys):
    monkeypatch.setenv("SELECTIVITY_HOME", str(REAL))
    paths = fetch("googlenet")
    assert [p.name for p in paths] == ["bvlc_googlenet.safetensors", "stanford_dogs", "caltech101"]
    assert capsys.readouterr().out.count("already there") == 3


# --- VGG-F, VGG-M and VGG-S: no published file is at hand, so one of the same form is written ---


def test_vgg_m_fetched_or_local_gives_the_logits_of_its_caffe_definition(
    served, tmp_path, monkeypatch
):
    folder, url = served
    [source] = catalogue()["vgg_m"]
    # In full it would be 412 MB; 64 hidden units instead of 4,096 leave 31.
    monkeypatch.setattr(vgg_cnn, "_HIDDEN", 64)
    arrays = caffe_arrays("m", hidden=64)
    file = folder / "VGG_CNN_M.caffemodel"
    file.write_bytes(caffemodel(arrays, old=True))  # the form of 2014
    said = []
    get(Source(**{**source.__dict__, "url": f"{url}/{file.name}"}), tmp_path / "home", said.append)
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path / "home"))
    network = load_network("vgg_m")
    text = "\n".join(said)
    assert "non-commercial" in text and network.weights.removeprefix("sha256:") in text
    assert load_network("vgg_m", file).weights == network.weights

    pixels = np.random.default_rng(1).integers(0, 256, (256, 256, 3)) * (1.0, 0.6, 0.3)
    image = Image.fromarray(pixels.astype(np.uint8))  # channels that differ
    with torch.inference_mode():
        logits = network.module(network.preprocess(image)[None])[0].numpy()
    bgr = np.asarray(image)[16:240, 16:240, ::-1].transpose(2, 0, 1)
    expected = caffe_logits("m", arrays, bgr - np.array([103.939, 116.779, 123.68])[:, None, None])
    np.testing.assert_allclose(logits, expected, atol=1e-3 * expected.std())


@pytest.mark.parametrize("name", ["vgg_f", "vgg_m", "vgg_s"])
def test_vgg_without_a_connection_is_one_line_after_the_licence(
    name, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(weights_module, "PAUSE", 0.0)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(
        SelectivityError, match=r"robots\.ox\.ac\.uk.*run the same command"
    ) as caught:
        fetch(name, to=tmp_path)
    assert "\n" not in str(caught.value)
    assert "non-commercial use only" in capsys.readouterr().out


def test_files_that_are_not_the_network_s_weights_are_refused(served, tmp_path):
    folder, url = served
    other = folder / "other.caffemodel"
    other.write_bytes(caffemodel({"conv1": [np.ones((4, 3, 7, 7)), np.ones(4)]}))
    (folder / "page.caffemodel").write_text("<html>moved</html>")
    with pytest.raises(SelectivityError, match=r"other\.caffemodel .*Caffe layer conv1"):
        load_network("vgg_f", other)
    for file, problem in [("other", "Caffe layer conv1"), ("page", "delete it and get it again")]:
        source = Source(**{**catalogue()["vgg_f"][0].__dict__, "url": f"{url}/{file}.caffemodel"})
        with pytest.raises(SelectivityError, match=rf"{file}\.caffemodel .*{problem}"):
            get(source, tmp_path / "home", lambda _: None)
    assert not (tmp_path / "home" / "weights" / "vgg_f.safetensors").exists()
    values = np.ones(4)
    values[1] = np.nan
    other.write_bytes(caffemodel({"conv1": [np.ones((4, 3, 7, 7)), values]}))
    with pytest.raises(SelectivityError, match="conv1.bias holds nan"):
        weights_module.load_state(other, {"conv1.bias": (4,), "conv1.weight": (4, 3, 7, 7)})
