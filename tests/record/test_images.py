"""Image sets: which files are images, how they become RGB, in which order they arrive."""

import os
import pickle
import shutil
import struct
import sys
import tempfile
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from helpers.errors import SelectivityError
from helpers.paths import data_path
from helpers.record.images import (
    MAX_ASPECT,
    FolderImages,
    ImageSet,
    TorchvisionImages,
    WorldImages,
    batches,
    to_rgb,
)

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "images"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="needs the photographs in ../shared/real")


def _picture(path, color=(10, 20, 30), size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


@pytest.fixture
def root(tmp_path):
    for i, name in enumerate(["cat/b.png", "cat/a.jpg", "dog/1.PNG", "ant/x.webp"]):
        _picture(tmp_path / "pets" / name, (40 * i, 0, 0))
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "pets" / "cat" / "._a.jpg").write_bytes(b"no picture either")
    (tmp_path / "pets" / ".hidden").mkdir()
    return tmp_path / "pets"


def test_folder(root):
    images = FolderImages(root)
    assert images.name == "pets"
    assert images.names == ["ant/x.webp", "cat/a.jpg", "cat/b.png", "dog/1.PNG"]
    assert images.class_names == ("ant", "cat", "dog")
    assert images.classes.tolist() == [0, 1, 1, 2] and images.classes.dtype == np.int64
    assert images.open(2).getpixel((0, 0)) == (0, 0, 0)
    assert images.open(3).getpixel((0, 0)) == (80, 0, 0)
    with pytest.raises(IndexError):
        images.open(4)


def test_several_roots_follow_one_another_and_keep_names_apart(root, tmp_path):
    _picture(tmp_path / "more" / "bee" / "x.png")
    both = FolderImages([root, tmp_path / "more"])
    assert both.class_names == ("ant", "cat", "dog", "bee")
    assert both.names[0] == "more/bee/x.png" and both.classes[0] == 3
    assert both.names == sorted(both.names) and len(both) == 5
    assert both.name == "pets+more"
    _picture(tmp_path / "more" / "cat" / "a.jpg")
    assert "more/cat" in FolderImages([root, tmp_path / "more"]).class_names
    with pytest.raises(SelectivityError, match="different names"):
        FolderImages([root, root])


def test_digest_is_of_the_list_and_the_sizes(root, tmp_path):
    digest = FolderImages(root).digest()
    shutil.copytree(root, tmp_path / "elsewhere")
    assert FolderImages(tmp_path / "elsewhere").digest() == digest
    assert FolderImages(root).subset([0, 1]).digest() != digest
    assert FolderImages(root).select([2, 1, 0]).digest() != digest
    (root / "cat" / "b.png").rename(root / "cat" / "c.png")
    assert FolderImages(root).digest() != digest
    (root / "cat" / "c.png").rename(root / "cat" / "b.png")
    assert FolderImages(root).digest() == digest
    _picture(root / "cat" / "b.png", size=(30, 30))
    assert FolderImages(root).digest() != digest


def test_digest_is_the_same_for_both_spellings_of_an_accent(tmp_path):
    _picture(tmp_path / "linux" / "caf\u00e9" / "a.png")
    _picture(tmp_path / "mac" / "cafe\u0301" / "a.png")
    assert FolderImages(tmp_path / "linux").digest() == FolderImages(tmp_path / "mac").digest()


def test_views(root):
    images = FolderImages(root)
    part = images.subset([3, 1])
    assert part.names == ["cat/a.jpg", "dog/1.PNG"] and part.classes.tolist() == [1, 2]
    assert part.class_names == images.class_names
    assert part.subset([1]).open(0).getpixel((0, 0)) == (80, 0, 0)
    chosen = images.select(["dog", "ant"])
    assert chosen.class_names == ("dog", "ant") and chosen.classes.tolist() == [1, 0]
    assert chosen.names == ["ant/x.webp", "dog/1.PNG"]
    assert images.select([2]).names == ["dog/1.PNG"] and len(images) == 4
    for bad, message in [(["dgo"], "names: dog"), ([7], "no class 7"), ([], "one or more")]:
        with pytest.raises(SelectivityError, match=message):
            images.select(bad)
    for bad, message in [([0, 0], "twice"), ([9], "from 0 to 3")]:
        with pytest.raises(SelectivityError, match=message):
            images.subset(bad)


def test_folders_that_are_not_laid_out_as_classes(root, tmp_path):
    with pytest.raises(SelectivityError, match="no image folder at"):
        FolderImages(tmp_path / "nothing")
    (tmp_path / "void").mkdir()
    with pytest.raises(SelectivityError, match="holds no images"):
        FolderImages(tmp_path / "void")
    (root / "empty").mkdir()
    with pytest.raises(SelectivityError, match="class folders without images: empty"):
        FolderImages(root)
    (root / "empty").rmdir()
    with pytest.raises(SelectivityError, match="folder inside a class folder.*did you mean .*pets"):
        FolderImages(tmp_path)
    with pytest.raises(SelectivityError, match="2 images lie outside class folders"):
        FolderImages(root / "cat")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_links_out_of_the_folder_are_not_followed(root, tmp_path):
    _picture(tmp_path / "secret" / "s.png")
    (root / "cat" / "inside.png").symlink_to(root / "dog" / "1.PNG")
    (root / "cat" / "outside.png").symlink_to(tmp_path / "secret" / "s.png")
    (root / "secret").symlink_to(tmp_path / "secret")
    (root / "dog" / "loop").symlink_to(root)
    with pytest.raises(SelectivityError, match="dog/loop is a folder inside"):
        FolderImages(root)
    (root / "dog" / "loop").unlink()
    with pytest.warns(UserWarning, match="2 symbolic links"):
        images = FolderImages(root)
    assert "cat/inside.png" in images.names and not any("outside" in n for n in images.names)
    assert images.class_names == ("ant", "cat", "dog")
    alias = tmp_path / "alias"
    alias.symlink_to(root)  # the root itself may be a link
    with pytest.warns(UserWarning):
        assert FolderImages(alias).names == images.names


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs symbolic links and pipes")
def test_links_to_nothing_or_in_a_circle_and_pipes_are_not_read(root):
    (root / "cat" / "itself.png").symlink_to("itself.png")
    (root / "cat" / "gone.png").symlink_to("nothing.png")
    (root / "one").symlink_to("other")
    (root / "other").symlink_to("one")
    os.mkfifo(root / "dog" / "pipe.png")  # opening it would wait for ever
    with pytest.warns(UserWarning, match="5 symbolic links or special files are not read"):
        images = FolderImages(root)
    assert images.names == ["ant/x.webp", "cat/a.jpg", "cat/b.png", "dog/1.PNG"]
    assert images.class_names == ("ant", "cat", "dog")
    (root / "again").symlink_to(root)
    with pytest.raises(SelectivityError, match="again/again is a folder inside a class"):
        FolderImages(root)


@pytest.mark.skipif(os.sep != "/", reason="needs a file system that takes any bytes")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        (b"\xff.png", r"the name '\\udcff.png' is not UTF-8; rename it"),
        (b"two\nlines.png", r"the name 'two\\nlines.png' holds a control character; rename it"),
        (
            "cafe\u0301.png".encode(),
            "two entries are named caf\u00e9.png, accents apart; rename one",
        ),
    ],
)
def test_names_that_cannot_be_written_down_are_refused(root, name, says):
    _picture(root / "cat" / "caf\u00e9.png")
    (root / "cat" / os.fsdecode(name)).with_suffix(".txt").write_text("no image: passed over")
    assert len(FolderImages(root)) == 5
    _picture(root / "cat" / os.fsdecode(name))
    with pytest.raises(SelectivityError, match=f"cat: {says}$") as error:
        FolderImages(root)
    assert len(str(error.value).splitlines()) == 1
    (root / "cat" / os.fsdecode(name)).unlink()
    _picture(root / os.fsdecode(name).replace("png", "class") / "a.png")
    _picture(root / "caf\u00e9.class" / "a.png")
    with pytest.raises(SelectivityError, match=f"pets: {says.replace('png', 'class')}$"):
        FolderImages(root)


def test_one_class_is_enough(root):
    for class_name in ("cat", "dog"):
        shutil.rmtree(root / class_name)
    images = FolderImages(root)
    assert images.class_names == ("ant",) and images.classes.tolist() == [0]
    assert images.select(["ant"]).names == images.names


# --- any picture becomes RGB ---


def test_modes():
    half = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    half.putpixel((1, 0), (0, 0, 255, 255))
    assert list(to_rgb(half).get_flattened_data()) == [(255, 255, 255), (0, 0, 255)]
    assert to_rgb(Image.new("LA", (1, 1), (0, 0))).getpixel((0, 0)) == (255, 255, 255)
    assert to_rgb(Image.new("L", (1, 1), 7)).getpixel((0, 0)) == (7, 7, 7)
    assert to_rgb(Image.new("1", (1, 1), 1)).getpixel((0, 0)) == (255, 255, 255)
    assert to_rgb(Image.new("CMYK", (1, 1), (0, 255, 255, 0))).getpixel((0, 0)) == (255, 0, 0)
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 8, 7, 1, 2, 3])
    palette.putpixel((1, 0), 1)
    assert list(to_rgb(palette).get_flattened_data()) == [(9, 8, 7), (1, 2, 3)]
    palette.info["transparency"] = 0
    assert to_rgb(palette).getpixel((0, 0)) == (255, 255, 255)
    deep = Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16))
    assert [p[0] for p in to_rgb(deep).get_flattened_data()] == [0, 100, 255]
    with pytest.raises(OSError, match="floating-point"):
        to_rgb(Image.new("F", (1, 1)))
    with pytest.raises(OSError, match="no picture"):
        to_rgb(Image.new("L", (MAX_ASPECT + 1, 1)))


def _write(path, kind):
    gradient = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) * 5)
    if kind == "rotated.jpg":
        exif = Image.Exif()
        exif[0x0112] = 6  # turn by 90 degrees
        halves = Image.new("RGB", (8, 6), "white")
        halves.paste("black", (0, 0, 4, 6))
        halves.save(path, exif=exif, quality=100)
    elif kind == "bad_exif.jpg":
        Image.new("RGB", (8, 6)).save(path, exif=b"Exif\x00\x00garbage")
    elif kind in ("palette.png", "palette.gif"):
        palette = Image.new("P", (8, 6))
        palette.putpalette([0, 0, 255, 255, 0, 0])
        palette.paste(1, (4, 0, 8, 6))
        palette.save(path, transparency=0)
    elif kind.startswith("animated."):
        first, second = Image.new("RGB", (8, 6), "red"), Image.new("RGB", (8, 6), "blue")
        first.save(path, save_all=True, append_images=[second], lossless=True)
    elif kind == "sixteen.png":
        Image.fromarray((np.asarray(gradient).astype(np.uint16)) * 257).save(path)
    elif kind == "sixteen.tif":
        Image.fromarray((np.asarray(gradient).astype(np.uint16)) * 257).save(path)
    elif kind == "cmyk.jpg":
        Image.new("CMYK", (8, 6), (0, 0, 0, 255)).save(path)
    elif kind == "grey.jpg":
        gradient.save(path)
    elif kind == "truncated.jpg":
        Image.effect_noise((200, 200), 90).save(path)
        path.write_bytes(path.read_bytes()[:-3000])
    elif kind == "empty.jpg":
        path.write_bytes(b"")
    elif kind == "text.png":
        path.write_text("not a picture")
    elif kind == "bomb.png":  # a header that promises 10^10 pixels
        header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
        chunk = b"IHDR" + header
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + struct.pack(">I", 13)
            + chunk
            + struct.pack(">I", zlib.crc32(chunk))
        )
    elif kind.startswith("bomb."):  # small pictures, until their headers say otherwise
        gradient.convert("RGB").resize((500, 400)).save(path, quality=95)
        at, code, side = {"gif": (6, "<HH", 65_535), "bmp": (18, "<ii", 60_000)}[kind[5:]]
        content = bytearray(path.read_bytes())
        struct.pack_into(code, content, at, side, side)
        path.write_bytes(content)
    elif kind == "text_bomb.png":  # a comment that unfolds to a thousand times its size
        gradient.save(path)
        comment = b"zTXtkey\0\0" + zlib.compress(bytes(10_000_000))
        chunk = (
            struct.pack(">I", len(comment) - 4) + comment + struct.pack(">I", zlib.crc32(comment))
        )
        content = path.read_bytes()
        path.write_bytes(content[:33] + chunk + content[33:])
    elif kind == "huge.png":  # real, and just too large
        Image.new("1", (10_000, 9_000)).save(path)


READABLE = {
    "rotated.jpg": (6, 8), "bad_exif.jpg": (8, 6), "animated.gif": (8, 6), "sixteen.png": (8, 6),
    "sixteen.tif": (8, 6), "cmyk.jpg": (8, 6), "grey.jpg": (8, 6), "animated.png": (8, 6),
    "animated.webp": (8, 6), "palette.png": (8, 6), "palette.gif": (8, 6),
}  # fmt: skip
UNREADABLE = ["truncated.jpg", "empty.jpg", "text.png", "bomb.png", "bomb.gif", "bomb.bmp",
              "text_bomb.png", "huge.png"]  # fmt: skip


@pytest.fixture
def odd(tmp_path):
    folder = tmp_path / "odd" / "all"
    folder.mkdir(parents=True)
    for kind in [*READABLE, *UNREADABLE]:
        _write(folder / kind, kind)
    return FolderImages(tmp_path / "odd")


def test_files_of_every_kind(odd):
    for kind, size in READABLE.items():
        image = odd.open(odd.names.index(f"all/{kind}"))
        assert (image.mode, image.size) == ("RGB", size), kind
    for kind in ("gif", "png", "webp"):
        first = odd.open(odd.names.index(f"all/animated.{kind}"))
        assert first.getpixel((0, 0)) == (255, 0, 0)
    for kind in ("png", "gif"):
        clear = odd.open(odd.names.index(f"all/palette.{kind}"))
        assert clear.getpixel((0, 0)) == (255, 255, 255) and clear.getpixel((7, 0)) == (255, 0, 0)
    upright = odd.open(odd.names.index("all/rotated.jpg"))
    assert upright.getpixel((0, 0)) == (0, 0, 0) and upright.getpixel((0, 7)) == (255, 255, 255)
    assert odd.open(odd.names.index("all/cmyk.jpg")).getpixel((0, 0)) == (0, 0, 0)
    for kind in ("sixteen.png", "sixteen.tif"):
        deep = odd.open(odd.names.index(f"all/{kind}"))
        assert np.asarray(deep)[..., 0].ravel().tolist() == [5 * i for i in range(48)]
    for kind in UNREADABLE:
        with pytest.raises(OSError, match=f"^all/{kind}: ") as caught:
            odd.open(odd.names.index(f"all/{kind}"))
        assert "\n" not in str(caught.value)


def _prepare(image):
    return torch.from_numpy(np.asarray(image.resize((4, 4)), dtype=np.float32)).permute(2, 0, 1)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_keep_order_and_report_what_cannot_be_read(odd, workers):
    order = list(range(len(odd)))[::-1]
    seen, lost = [], {}
    for indices, batch, unreadable in batches(odd, _prepare, order, 3, workers):
        assert indices.dtype == torch.int64 and len(indices) + len(unreadable) in (3, len(odd) % 3)
        if len(indices):
            assert batch.shape == (len(indices), 3, 4, 4) and batch.dtype == torch.float32
        for i, tensor in zip(indices.tolist(), batch, strict=True):
            torch.testing.assert_close(tensor, _prepare(odd.open(i)))
        seen += indices.tolist()
        lost |= dict(unreadable)
    assert seen == [i for i in order if i not in lost]
    assert {odd.names[i] for i in lost} == {f"all/{kind}" for kind in UNREADABLE}
    assert all(odd.names[i] in reason for i, reason in lost.items())


def test_threads_read_what_one_alone_reads(odd):
    """Pillow's warnings are the process's, and a bomb is known by one: no thread may change another's."""
    before, threads = list(warnings.filters), torch.get_num_threads()
    lost = {i for i, name in enumerate(odd.names) if name.removeprefix("all/") in UNREADABLE}
    order = list(range(len(odd))) * 8
    torch.set_num_threads(6)
    try:
        [(read, batch, unreadable)] = batches(odd, _prepare, order, len(order), workers=0)
    finally:
        torch.set_num_threads(threads)
    assert {i for i, _ in unreadable} == lost and len(unreadable) == 8 * len(lost)
    assert read.tolist() == [i for i in order if i not in lost]
    for i, tensor in zip(read.tolist()[: len(odd)], batch, strict=False):
        assert torch.equal(tensor, _prepare(odd.open(i)))
    assert warnings.filters == before


def test_an_error_comes_to_the_caller_and_ends_the_threads(odd, monkeypatch):
    threads, opened, before = torch.get_num_threads(), [], set(threading.enumerate())
    open_one = odd.open

    def counted(i):
        opened.append(i)
        return open_one(i)

    monkeypatch.setattr(odd, "open", counted)
    readable = [i for i, name in enumerate(odd.names) if name.removeprefix("all/") in READABLE]
    many = readable * 200
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            list(batches(odd, lambda image: 1 / 0, many, len(many), workers=0))
    finally:
        torch.set_num_threads(threads)
    assert 1 <= len(opened) < len(many) / 2 and set(threading.enumerate()) <= before


def test_batch_without_a_readable_image(odd):
    i = odd.names.index("all/empty.jpg")
    [(indices, batch, unreadable)] = batches(odd, _prepare, [i], 4)
    assert len(indices) == len(batch) == 0 and unreadable[0][0] == i
    assert list(batches(odd, _prepare, [], 4)) == []


def test_errors_of_the_preprocessing_are_not_swallowed(odd):
    with pytest.raises(ZeroDivisionError):
        list(batches(odd, lambda image: 1 / 0, [odd.names.index("all/grey.jpg")], 1, 0))


# --- torchvision's datasets and the shipped world ---


def test_torchvision_image_folder_gives_the_same_images(root):
    shutil.rmtree(root / ".hidden")  # ImageFolder takes hidden files and folders as well
    (root / "cat" / "._a.jpg").unlink()
    mine, theirs = FolderImages(root), TorchvisionImages(datasets.ImageFolder(root))
    assert theirs.class_names == mine.class_names
    assert theirs.classes.tolist() == mine.classes.tolist()
    assert theirs.names == sorted(theirs.names) and theirs.names[1].startswith("cat/")
    for i in range(len(mine)):
        assert theirs.open(i).tobytes() == mine.open(i).tobytes()


def test_torchvision_fake_data_is_read_through_for_its_labels():
    data = datasets.FakeData(12, (3, 5, 5), num_classes=3)
    with pytest.raises(SelectivityError, match="no .classes"):
        TorchvisionImages(data)
    images = TorchvisionImages(data, class_names=["a/x", "b", "c"])
    assert len(images) == 12 and images.names == sorted(set(images.names))
    for i in range(12):
        original = int(images.names[i].rsplit("/", 1)[1])
        picture, label = data[original]
        assert images.classes[i] == label and images.open(i).tobytes() == picture.tobytes()
    assert images.digest() == TorchvisionImages(data, class_names=["a/x", "b", "c"]).digest()
    with pytest.raises(SelectivityError, match="do not fit"):
        TorchvisionImages(data, class_names=["a"])
    with pytest.raises(SelectivityError, match="without transform"):
        TorchvisionImages(datasets.FakeData(2, transform=lambda x: x), class_names=["a"])


def test_base_set_is_abstract():
    with pytest.raises(OSError):
        ImageSet("x", ["a"], [0], ["c"]).open(0)


needs_world = pytest.mark.skipif(
    not data_path("world", "world.json").is_file(), reason="the world is not built yet"
)


@needs_world
@pytest.mark.parametrize(("split", "each"), [("eval", 120), ("probe", 300)])
def test_world(split, each):
    images = WorldImages(split)
    assert set(np.bincount(images.classes)) == {each}
    assert images.names == sorted(images.names) and len(set(images.names)) == len(images)
    assert all(
        n.split("/")[0] == images.class_names[c]
        for n, c in zip(images.names, images.classes, strict=True)
    )
    first, again = images.open(len(images) - 1), pickle.loads(pickle.dumps(images)).open(-1)
    assert first.size == (64, 64) and first.mode == "RGB" and first.tobytes() == again.tobytes()
    assert all(len(values) == len(images) for values in images.truth.values())
    assert {"face", "background", "breed"} <= set(images.truth)
    one = images.select([images.class_names[1]])
    assert len(one) == each and len(next(iter(one.truth.values()))) == each
    tiles = {images.open(i).tobytes() for i in range(0, len(images), 7)}
    assert len(tiles) > 0.99 * len(range(0, len(images), 7))  # no tile is cut twice


def test_world_split_names():
    with pytest.raises(SelectivityError, match="'eval' or 'probe'"):
        WorldImages("train")


@needs_real
def test_real_folders_open():
    for folder, classes, each in [("stanford_dogs", 120, 15), ("caltech101", 100, 20)]:
        images = FolderImages(REAL / folder)
        assert len(images.class_names) == classes and set(np.bincount(images.classes)) == {each}
        assert images.open(0).mode == "RGB"
    both = FolderImages([REAL / "stanford_dogs", REAL / "caltech101"])
    assert len(both) == 3800 and len(set(both.names)) == 3800
    assert both.class_names[120] == "Faces"


@pytest.fixture
def forbidden():
    """A folder of which a class may not be listed; root, who may everything, is somebody else meanwhile."""
    root = Path(tempfile.mkdtemp())  # not under pytest's folders, which only their owner may enter
    root.chmod(0o755)
    (root / "cat").mkdir()
    (root / "dog").mkdir(mode=0)
    as_root = os.geteuid() == 0
    if as_root:
        os.seteuid(65534)
    yield root
    if as_root:
        os.seteuid(0)
    (root / "dog").chmod(0o700)
    shutil.rmtree(root)


@pytest.mark.skipif(sys.platform == "win32", reason="rights of folders are another matter there")
def test_a_folder_that_may_not_be_read_is_named(forbidden):
    with pytest.raises(SelectivityError, match="dog cannot be read .Permission denied.: make it"):
        FolderImages(forbidden)
