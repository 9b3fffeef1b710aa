"""Tar shards, written by webdataset's own writer: the same images as a folder, and what is refused."""

import io
import pickle
import tarfile
import warnings

import numpy as np
import pytest
import webdataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.errors import SelectivityError
from helpers.record import FolderImages, ShardImages, open_images, record
from helpers.record.images import batches
from tests.record.test_images import _prepare
from tests.record.test_recorder import assert_same, network


def write(folder, samples, per_shard=1000):
    """Samples as shards `train-000.tar`, ...; a sample is a dict of webdataset's."""
    folder.mkdir(exist_ok=True)
    pattern = str(folder / "train-%03d.tar")
    with webdataset.ShardWriter(pattern, maxcount=per_shard, encoder=False, verbose=0) as writer:
        for sample in samples:
            writer.write(sample)
    return folder


def sample(key, label="0", kind="png", color=(10, 20, 30), **more):
    picture = io.BytesIO()
    Image.new("RGB", (8, 6), color).save(picture, "JPEG" if kind == "jpg" else kind)
    label = {} if label is None else {"cls": str(label).encode()}
    return {"__key__": key, kind: picture.getvalue()} | label | more


def archive(path, *members):
    """A tar of (name or TarInfo, content) as they come, for what no writer writes."""
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


PNG = sample("x")["png"]
GOOD = ("a.png", PNG), ("a.cls", b"0")


@pytest.fixture(scope="module")
def both(picture_folder, tmp_path_factory):
    """The same pictures as a folder and, in another order, as shards of at most 25."""
    images = FolderImages(picture_folder)
    order = np.random.default_rng(1).permutation(len(images)).tolist()
    shards = tmp_path_factory.mktemp("both") / "shards"
    write(shards, [
        {"__key__": images.names[i].removesuffix(".png"),
         "png": (picture_folder / images.names[i]).read_bytes(),
         "cls": images.class_names[images.classes[i]].encode()}
        for i in order
    ], per_shard=25)  # fmt: skip
    return images, shards


def test_a_folder_and_its_shards_are_the_same_images(both):
    images, folder = both
    shards = ShardImages(folder / "train-{000..002}.tar")
    assert shards.names == images.names and shards.class_names == images.class_names
    assert shards.classes.tolist() == images.classes.tolist()
    assert shards.digest() == images.digest()
    for i in range(len(images)):
        assert shards.open(i).tobytes() == images.open(i).tobytes()
    part = pickle.loads(pickle.dumps(shards)).select(["class2"]).subset([1, 3])
    wanted = images.select(["class2"]).subset([1, 3])
    assert part.names == wanted.names and part.digest() == wanted.digest()
    assert part.open(1).tobytes() == wanted.open(1).tobytes()


def test_a_folder_and_its_shards_leave_the_same_record(both):
    images, folder = both
    net = network("in-place")
    of_folder = record(net, images, 12, progress=False)
    of_shards = record(net, ShardImages(folder), 12, workers=2, progress=False)
    assert_same(of_folder, of_shards)
    of_folder.check(images=ShardImages(folder))


def test_what_opens_as_shards(both, tmp_path):
    images, folder = both
    for places in (
        folder,
        [folder],
        str(folder / "train-{000..002}.tar"),
        sorted(folder.iterdir()),
    ):
        assert len(open_images(places)) == len(images)
    first = open_images(folder / "train-000.tar")
    assert isinstance(first, ShardImages) and len(first) == 25 and first.name == "shards"
    pictures = tmp_path / "pictures"  # an archive beside class folders does not hide them
    (pictures / "c").mkdir(parents=True)
    (pictures / "c" / "a.png").write_bytes(PNG)
    (pictures / "all.tar").write_bytes(b"")
    assert isinstance(open_images(pictures), FolderImages)
    for missing in (folder / "train-{000..003}.tar", tmp_path / "no.tar"):
        with pytest.raises(SelectivityError, match=r"there is no shard .*(003|no)\.tar"):
            open_images(missing)
    for braces in ("train-{000..002.tar", "${UNKNOWN}/a.tar"):
        with pytest.raises(SelectivityError, match="these braces name no shards"):
            open_images(braces)
    for elsewhere in ("https://example.org/a.tar", "pipe:cat a.tar"):
        with pytest.raises(SelectivityError, match="files of this machine"):
            open_images(elsewhere)


def test_classes_by_number_and_their_names(tmp_path):
    made = [sample("n1", 7), sample("n2", 10, "jpg"), sample("n3", 7, "webp"), sample("n4", "0007")]
    folder = write(tmp_path / "s", made)
    images = ShardImages(folder)
    assert images.class_names == ("7", "10") and images.classes.tolist() == [1, 0, 0, 0]
    assert images.names == ["10/n2.jpg", "7/n1.png", "7/n3.webp", "7/n4.png"]
    (folder / "classnames.txt").write_text("\n".join([*"abcdefg", "crane", "h", "i", "crane", ""]))
    assert ShardImages(folder).class_names == ("crane (7)", "crane (10)")
    (folder / "classnames.txt").write_text("a\nb\n")
    with pytest.raises(SelectivityError, match="no name for each class up to 10"):
        ShardImages(folder)


def test_other_members_are_passed_over(tmp_path):
    more = {"json": b"{}", "seg.png": b"x", "txt": b"a caption"}
    folder = write(tmp_path / "s", [sample("a", **more), sample("b.c", 1)])
    archive(folder / "x.tar", ("./dir/d.png", PNG), ("./dir/d.cls", b"1"), ("README", b"hello"),
            ("._d.png", b"mac"), ("dir/._d.cls", b"mac"), ("__MACOSX/d.png", b"mac"))  # fmt: skip
    with pytest.raises(SelectivityError, match="b has no .jpg"):  # a key ends at the first dot
        ShardImages(folder)
    write(folder, [sample("a", **more), sample("b", 1)])
    assert ShardImages(folder).names == ["0/a.png", "1/b.png", "1/dir/d.png"]


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        ([sample("a"), sample("b", None)], "b has no .cls"),
        ([sample("a"), sample("a")], r"a.(png|cls) occurs twice"),
        ([sample("a", jpg=b"x")], "a has .jpg and .png; every key needs one image"),
        ([{"__key__": "a", "cls": b"0", "gif": b"x"}], "a has no .jpg"),
        ([sample("a", "")], "a.cls is not the name or number of a class"),
        ([sample("a", "two\nlines")], "a.cls is not the name"),
        ([sample("a", "x" * 2000)], "a.cls is too long"),
        ([{"__key__": "a", "txt": b"x"}], "no images in these shards"),
    ],
)
def test_samples_that_are_not_one_image_and_one_class(samples, says, tmp_path):
    with pytest.raises(SelectivityError, match=says) as error:
        ShardImages(write(tmp_path / "s", samples))
    assert "\n" not in str(error.value)


def test_a_key_in_two_shards_is_refused(tmp_path):
    folder = write(tmp_path / "s", [sample("a"), sample("b"), sample("a", 1)], per_shard=2)
    with pytest.raises(SelectivityError, match=r"train-001.tar: a is in train-000.tar too"):
        ShardImages(folder)


@pytest.mark.parametrize(
    "name",
    ["../a.png", "x/../../a.png", "/etc/a.png", "..\\a.png", "./../a.cls", "\\\\host\\a.png"],
)
def test_names_that_lead_out_of_the_archive_are_refused(name, tmp_path):
    with pytest.raises(SelectivityError, match="leads out of the archive"):
        ShardImages(archive(tmp_path / "x.tar", *GOOD, (name, PNG)))
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


def test_names_that_are_not_utf8_are_refused(tmp_path):
    path = archive(tmp_path / "x.tar", *GOOD)
    content = bytearray(path.read_bytes())
    content[0] = 0xFF
    content[148:156] = b"%06o\0 " % (sum(content[:148]) + 8 * 32 + sum(content[156:512]))
    path.write_bytes(content)
    with pytest.raises(SelectivityError, match=r"the name '\\udcff.png' is not UTF-8"):
        ShardImages(path)


def test_control_characters_in_names_are_refused(tmp_path):
    with pytest.raises(SelectivityError, match=r"the name 'a\\nb.png' holds a control") as error:
        ShardImages(archive(tmp_path / "x.tar", *GOOD, ("a\nb.png", PNG)))
    assert "\n" not in str(error.value)


def test_class_names_that_are_not_utf8_are_refused(tmp_path):
    path = archive(tmp_path / "x.tar", *GOOD)
    (tmp_path / "classnames.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(SelectivityError, match="classnames.txt: is not UTF-8"):
        ShardImages(path)


def test_links_and_devices_are_not_followed(tmp_path):
    (tmp_path / "secret.png").write_bytes(PNG)
    members = [special("l.png", tarfile.SYMTYPE, str(tmp_path / "secret.png")),
               special("h.png", tarfile.LNKTYPE, "a.png"), special("d.png", tarfile.CHRTYPE),
               special("f.png", tarfile.FIFOTYPE), special("folder", tarfile.DIRTYPE)]  # fmt: skip
    with pytest.warns(UserWarning, match="4 links or special files are not read"):
        images = ShardImages(archive(tmp_path / "x.tar", *GOOD, *members))
    assert images.names == ["0/a.png"]


def test_cut_and_foreign_archives_are_refused(tmp_path):
    whole = archive(tmp_path / "w.tar", *GOOD, ("b.png", PNG), ("b.cls", b"0")).read_bytes()
    path = tmp_path / "x.tar"
    # In a header, in a picture, exactly between two members, before the closing block; nothing at all.
    for keep in (100, 600, 1024, 2048, 3072, 4096, 0):
        path.write_bytes(whole[:keep])
        with pytest.raises(SelectivityError, match="not a whole, uncompressed tar archive"):
            ShardImages(path)
    damaged = bytearray(whole)
    damaged[2048 + 10] ^= 1  # a later header whose checksum no longer holds
    path.write_bytes(damaged)
    with pytest.raises(SelectivityError, match="not a whole"):
        ShardImages(path)
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tmp_path / "w.tar", "w.tar")
    with pytest.raises(SelectivityError, match="uncompressed"):
        ShardImages(path)


def test_unreadable_pictures_and_shards_that_change_are_skipped_and_named(tmp_path):
    folder = write(tmp_path / "s", [sample("a"), sample("b"), sample("c")])
    shard = folder / "train-000.tar"
    images = ShardImages(folder)
    content = bytearray(shard.read_bytes())
    at = images._places[1, 1]
    content[at : at + 8] = b"no image"
    shard.write_bytes(content)
    [(read, _, unreadable)] = batches(images, _prepare, [0, 1, 2], 4, workers=0)
    assert read.tolist() == [0, 2] and unreadable[0][1].startswith("0/b.png: cannot identify")
    shard.write_bytes(content[: images._places[2, 1] + 5])
    with pytest.raises(OSError, match="0/c.png: train-000.tar has become shorter"):
        images.open(2)
    shard.unlink()
    with pytest.raises(OSError, match="0/a.png: No such file or directory$"):
        images.open(0)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    cut=st.floats(0.1, 1.5),
    changes=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=6),
    mend=st.booleans(),
)
def test_a_mutated_archive_opens_or_is_refused_in_one_line(cut, changes, mend, both, tmp_path):
    content = bytearray((both[1] / "train-002.tar").read_bytes())
    content = content[: int(cut * len(content))]
    for at, value in changes:  # every second one in a header, where it matters
        headers = 512 * (at % max(1, len(content) // 512)) + at % 345
        content[(headers if value % 2 else at) % len(content)] = value
    for at in range(0, len(content) - 511, 512) if mend else ():  # checksums that hold
        if content[at + 257 : at + 262] == b"ustar":
            total = sum(content[at : at + 148]) + 8 * 32 + sum(content[at + 156 : at + 512])
            content[at + 148 : at + 156] = b"%06o\0 " % total
    path = tmp_path / "mutated.tar"
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images = ShardImages(path)
    except SelectivityError as error:
        assert "\n" not in str(error)
    else:
        for i in range(len(images)):
            try:
                images.open(i)
            except OSError as error:
                assert "\n" not in str(error)
