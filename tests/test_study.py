"""Studies: what opens where, what is cached, what is refused."""

import shutil
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import SelectivityError, open_study
from helpers import study as study_module
from helpers.fetch import catalogue
from helpers.record import FolderImages, Record, load_network, record, untrained, wrap
from helpers.selectivity import class_frequencies, relative_activations
from helpers.study import Study, faces_of, fetched_by, records_of, study_of, untrained_of


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    """A machine that has neither weights nor photographs."""
    monkeypatch.setenv("SELECTIVITY_HOME", str(tmp_path))
    monkeypatch.delenv("STUDY", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def recorded_home(tmp_path_factory):
    """A machine on which the world was opened once."""
    home = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELECTIVITY_HOME", str(home))
        open_study("world")
    return home


def test_the_world_opens_on_an_empty_machine_and_is_recorded_once(empty_home):
    study = open_study()
    assert study.name == "world" and study.has_network and study.has_images
    assert int(study.record.counts.sum()) == len(study.images) == 5760
    files = list((empty_home / "records").iterdir())
    assert len(files) == 1
    written = files[0].stat().st_mtime_ns
    again = open_study("world")
    assert files[0].stat().st_mtime_ns == written
    assert again.record.layers == study.record.layers


def test_the_table_of_units_says_what_the_lists_say(recorded_home, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_HOME", str(recorded_home))
    study = open_study("world")
    units = study.units
    assert len(units) == study.record.n_units
    row = units[(units.layer == "conv6") & (units.unit == 5)].iloc[0]
    top = study.record["conv6"].top
    assert (
        row.highest == top.values[5, 0] and row.lowest == study.record["conv6"].bottom.values[5, 0]
    )
    classes = torch.from_numpy(study.record.classes)[top.images[5:6, :100]]
    shares = class_frequencies(relative_activations(top.values[5:6]), classes, 48)[0]
    assert row.top_class == study.record.class_names[shares.argmax()]
    assert row.top_share == pytest.approx(shares.max().item())


def test_googlenet_opens_without_weights_and_photographs(empty_home):
    study = open_study("googlenet")
    assert len(study.units) == 5744 and not study.has_network and not study.has_images
    with pytest.raises(SelectivityError, match="python -m helpers fetch googlenet") as error:
        _ = study.images
    assert "\n" not in str(error.value)
    with pytest.raises(SelectivityError, match="python -m helpers fetch googlenet"):
        _ = study.network


def test_googlenet_finds_its_network_and_photographs(real_home):
    study = open_study("googlenet")
    assert study.has_network and study.has_images and len(study.images) == 3800


@pytest.mark.parametrize("name", ["world", "worldnet-coarse", "googlenet-photographs"])
def test_images_for_a_study_that_has_its_own_are_refused(name, picture_folder):
    with pytest.raises(SelectivityError, match=f"{name} has images of its own.*study_of.NETWORK"):
        open_study(name, images=str(picture_folder))


def test_a_reader_s_own_record_is_a_study(empty_home, picture_folder, monkeypatch):
    network = load_network("timm:test_resnet", "random")
    own = record(network, FolderImages(picture_folder), 5, layers="*conv1", progress=False)
    own.save(empty_home / "mine.safetensors")
    study = open_study(str(empty_home / "mine.safetensors"), images=picture_folder)
    assert len(study.units) == own.n_units and len(study.images) == len(own.names)
    with pytest.raises(SelectivityError, match="images=FOLDER"):
        _ = open_study(str(empty_home / "mine.safetensors")).images
    (empty_home / "records").mkdir()
    own.save(empty_home / "records" / "mine.safetensors")
    monkeypatch.setenv("STUDY", "mine")
    assert open_study().record.n_units == own.n_units


def test_unknown_studies_and_stale_caches(empty_home, recorded_home):
    with pytest.raises(SelectivityError, match="no study 'wrold'") as error:
        open_study("wrold")
    assert "\n" not in str(error.value)
    shutil.copytree(recorded_home / "records", empty_home / "records")
    path = next((empty_home / "records").iterdir())
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SelectivityError, match="not a complete file"):
        open_study()
    path.unlink()
    assert open_study().record.k == 576


def test_labels_leave_the_images_alone(empty_home):
    """The same images under other labels: classes of the study stay those of the world."""
    merged = open_study("worldnet-dogs-merged")
    assert len(merged.record.class_names) == 48
    assert merged.record["fc"].n_units == 37  # twelve breeds became one output
    assert isinstance(merged.record, Record) and np.array_equal(
        merged.record.classes, merged.images.classes
    )


FACES = ("face", "i-see-face", "car", "dog", "object")


@pytest.mark.parametrize(
    ("name", "network"),
    [("world-faces", "worldnet-fine"), ("worldnet-untrained-faces", "worldnet-untrained")],
)
def test_the_world_s_networks_on_faces(monkeypatch, name, network):
    monkeypatch.delenv("SELECTIVITY_HOME", raising=False)
    study = open_study(name)
    assert study.name == name and study.has_network and study.has_images
    assert study.network.name == study.record.metadata["network"]["name"] == network
    assert set(study.record.class_names) == set(FACES)
    assert study.record.counts.tolist() == [300] * 5
    assert set(study.record["conv1"].responses) == {"max", "min", "mean"}
    assert study.category("dog")[1].sum() == 300


def test_the_same_network_on_faces(monkeypatch):
    monkeypatch.delenv("SELECTIVITY_HOME", raising=False)
    world = open_study("world")
    faces = faces_of(world)
    assert faces.name == "world-faces"
    assert faces.record.metadata["network"] == world.record.metadata["network"]
    assert faces.record.metadata["images"]["digest"] != world.record.metadata["images"]["digest"]
    assert faces.record.layers == world.record.layers
    googlenet = faces_of(open_study("googlenet"))
    assert googlenet.name == "googlenet-faces" and set(googlenet.record.class_names) == set(FACES)


def test_matched_pictures_are_in_one_order(monkeypatch):
    """Picture k of the objects is picture k of the illusory faces without the face."""
    monkeypatch.delenv("SELECTIVITY_HOME", raising=False)
    for name in ("world-faces", "googlenet-faces"):
        recorded = open_study(name).record
        numbers = [recorded.class_names.index(c) for c in ("i-see-face", "object")]
        first, second = (
            [n.rsplit("/", 1)[-1] for n, c in zip(recorded.names, recorded.classes, strict=True)
             if c == number]
            for number in numbers
        )  # fmt: skip
        assert len(first) == len(second) > 0
        digits = [["".join(filter(str.isdigit, n)) for n in side] for side in (first, second)]
        assert digits[0] == digits[1]


def test_a_network_that_was_not_recorded_on_faces(empty_home):
    with pytest.raises(SelectivityError, match="was not recorded on faces") as error:
        faces_of(open_study("googlenet-imagenet"))
    assert "\n" not in str(error.value) and "googlenet-imagenet-faces" in str(error.value)


def test_a_reader_s_own_record_on_faces_is_found(empty_home, picture_folder):
    network = load_network("timm:test_resnet", "random")
    own = record(network, FolderImages(picture_folder), 5, layers="*conv1", progress=False)
    (empty_home / "records").mkdir()
    own.save(empty_home / "records" / "mine.safetensors")
    with pytest.raises(SelectivityError, match="mine was not recorded on faces"):
        faces_of(open_study("mine"))
    own.save(empty_home / "records" / "mine-faces.safetensors")
    assert faces_of(open_study("mine")).name == "mine-faces"


# --- fetched photographs; a few generated pictures and an untrained GoogLeNet stand for them ---


@pytest.fixture
def fetched_home(empty_home, picture_folder, monkeypatch):
    """A cache as `fetch imagenette` leaves it, but for the pixels and the weights."""
    for source in catalogue()["imagenette"]:
        target = empty_home / source.target
        target.parent.mkdir(parents=True, exist_ok=True)
        if not source.rename:
            target.touch()
            continue
        for number, name in enumerate(list(source.rename.values())[:2]):
            (target / name).mkdir(parents=True)
            for i in range(4 + number):
                picture = picture_folder / f"class{number}" / f"{i:03d}.png"
                (target / name / picture.name).write_bytes(picture.read_bytes())

    def untrained(name, weights="random"):
        return load_network(name, weights)

    monkeypatch.setattr(study_module, "load_network", untrained)
    return empty_home


def test_fetched_photographs_are_recorded_once_and_kept_by_content(fetched_home, capsys):
    study = open_study("imagenette")
    assert "recording googlenet" in capsys.readouterr().err  # a bar: of thousands it takes minutes
    assert study.has_network and study.has_images and len(study.images) == 9
    assert study.record.counts.tolist() == [4, 5]
    assert study.record.layers == open_study("googlenet").record.layers
    assert study.category("dog")[0].tolist() == [False, True]  # tench, and a springer
    (kept,) = records_of("imagenette")
    written = kept.stat().st_mtime_ns
    assert open_study("imagenette").record.k == study.record.k
    assert kept.stat().st_mtime_ns == written and not list(kept.parent.glob("*.checkpoint"))
    assert len(study.units) == 5744 and faces_of(study).name == "googlenet-faces"

    (fetched_home / "images" / "imagenette" / "n01440764-tench" / "000.png").unlink()
    assert len(open_study("imagenette").record.names) == 8  # other content, another record
    assert len(records_of("imagenette")) == 2


def test_a_kept_record_is_opened_without_its_photographs(fetched_home):
    whole = open_study("imagenette").record
    (fetched_home / "images" / "imagenette").rename(fetched_home / "elsewhere")
    study = open_study("imagenette")
    assert study.record.metadata == whole.metadata and not study.has_images
    with pytest.raises(SelectivityError, match="python -m helpers fetch imagenette") as error:
        _ = study.images
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("imagenette", "imagenette"),
        ("imagewoof", "imagewoof"),
        ("googlenet-photographs", "googlenet"),
    ],
)
def test_photographs_that_were_not_fetched(empty_home, name, command):
    with pytest.raises(SelectivityError, match=f"python -m helpers fetch {command}`$") as error:
        open_study(name)
    assert "\n" not in str(error.value) and str(empty_home) in str(error.value)


def test_other_photographs_than_the_recorded_ones_are_said_to_be_others(empty_home):
    """What `fetch googlenet` gets is more than the 3,800 photographs of the shipped record."""
    from PIL import Image

    for folder in ("stanford_dogs/one", "caltech101/two"):
        (empty_home / "images" / folder).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(empty_home / "images" / folder / "a.png")
    study = open_study("googlenet")
    assert not study.has_images
    with pytest.raises(SelectivityError, match="STUDY=googlenet-photographs records") as error:
        _ = study.images
    assert "\n" not in str(error.value)


def test_fetched_classes_have_names_that_people_and_the_ontology_know():
    from helpers.ontology import ontology_of

    for entry in ("imagenette", "imagewoof"):
        (source,) = [s for s in catalogue()[entry] if s.rename]
        assert len(source.rename) == 10
        assert all(new.startswith(f"{old}-") for old, new in source.rename.items())
        assert ontology_of(source.rename.values()).ancestors.any(1).all()


# --- a network and images of one's own ---


@pytest.fixture(scope="module")
def own(picture_folder):
    """(a module of one's own as a network, a record of it on the pictures)"""
    torch.manual_seed(3)
    parts = [torch.nn.Conv2d(3, 5, 5, 3), torch.nn.ReLU(), torch.nn.Conv2d(5, 7, 3, 2)]
    network = wrap(torch.nn.Sequential(*parts), "mine", input_size=(48, 48))
    return network, record(network, FolderImages(picture_folder), 20, progress=False)


def test_a_study_of_one_s_own_is_recorded_on_the_spot(own, picture_folder):
    network, recorded = own
    study = study_of(network, picture_folder, k=20, progress=False)
    assert study.name == "mine" and study.network is network
    assert study.has_network and study.has_images and len(study.images) == len(recorded.names)
    for layer in recorded.layers:
        assert torch.equal(study.record[layer].top.images, recorded[layer].top.images)
    assert len(study.units) == 12 and untrained_of(study) is None


def test_a_record_that_is_there_is_taken_and_must_fit(own, picture_folder, tmp_path):
    network, recorded = own
    recorded.save(tmp_path / "mine.safetensors")
    images = FolderImages(picture_folder)
    for given in (recorded, tmp_path / "mine.safetensors", str(tmp_path / "mine.safetensors")):
        study = study_of(network, images, given, name="again")
        assert study.name == "again" and study.record.n_units == 12 and study.images is images
    with pytest.raises(SelectivityError, match="another image list"):
        study_of(network, images.subset(range(9)), recorded)
    with pytest.raises(SelectivityError, match="another network"):
        study_of(untrained(network), images, recorded)
    with pytest.raises(ValueError, match="k: of no use"):
        study_of(network, images, recorded, k=3)
    with pytest.raises(SelectivityError, match="unknown network 'mien'"):
        study_of("mien", images)


def test_the_partner_before_training(own, picture_folder):
    network, recorded = own
    images = FolderImages(picture_folder)
    before = study_of(untrained(network), images, k=20, progress=False)
    study = study_of(network, images, recorded, before=before)
    assert untrained_of(study) is before and untrained_of(before) is None
    fewer = study_of(untrained(network), images, k=20, layers="0", progress=False)
    with pytest.raises(SelectivityError, match="other layers than mine"):
        study_of(network, images, recorded, before=fewer)
    other = study_of(untrained(network), images.subset(range(30)), k=20, progress=False)
    with pytest.raises(SelectivityError, match="another image list"):
        study_of(network, images, recorded, before=other)


def test_claims_find_the_partner(own, picture_folder):
    from helpers.claims import CLAIMS, UNTESTED

    network, recorded = own
    images = FolderImages(picture_folder)
    before = study_of(untrained(network), images, k=20, progress=False)
    (claim,) = [c for c in CLAIMS if c.id == "facets.sparsity-rises"]
    alone = claim.row(study_of(network, images, recorded))
    beside = claim.row(study_of(network, images, recorded, before=before))
    assert alone["verdict"] == UNTESTED and "before training" in alone["words"]
    assert "before training on these images" not in beside["words"]


def test_a_record_of_an_unnamed_module_says_how_to_open_it(own, tmp_path):
    own[1].save(tmp_path / "mine.safetensors")
    study = open_study(str(tmp_path / "mine.safetensors"))
    assert not study.has_network
    with pytest.raises(SelectivityError, match="study_of\\(network, images, recorded\\)") as error:
        _ = study.network
    assert "\n" not in str(error.value) and "unknown network 'mine'" in str(error.value)


def test_images_of_a_record_may_lie_in_shards(own, picture_folder, tmp_path):
    own[1].save(tmp_path / "mine.safetensors")
    (tmp_path / "shards").mkdir()
    with tarfile.open(tmp_path / "shards" / "0.tar", "w") as tar:
        for path in sorted(picture_folder.glob("*/*.png")):
            name = path.relative_to(picture_folder).with_suffix("").as_posix()
            label = tmp_path / "label"
            label.write_text(path.parent.name)
            tar.add(path, f"{name}.png")
            tar.add(label, f"{name}.cls")
    for places in (tmp_path / "shards", [tmp_path / "shards" / "0.tar"], picture_folder):
        study = open_study(str(tmp_path / "mine.safetensors"), images=places)
        assert study.images.digest() == own[1].metadata["images"]["digest"]


def test_what_is_not_there_is_looked_for_once(own):
    """A library may look for weights for minutes; a study asks it once."""
    asked = []

    def nothing():
        asked.append(1)
        raise SelectivityError("not here")

    study = Study("mine", own[1], nothing, nothing)
    assert [study.has_network, study.has_network, study.has_images, study.has_images] == [False] * 4
    assert len(asked) == 2
    with pytest.raises(SelectivityError, match="not here"):
        _ = study.network  # who asks for it is told why
    assert replace(study, name="other").has_images is False and len(asked) == 4


def test_only_what_can_be_fetched_is_offered(empty_home):
    known = catalogue()
    for name in ("googlenet", "imagenette", "imagewoof", "googlenet-photographs"):
        assert fetched_by(name) in known
    assert fetched_by("mine") is fetched_by("googlenet-faces") is None
    with pytest.raises(SelectivityError, match="none can be fetched") as error:
        _ = open_study("googlenet-faces").images
    assert "helpers fetch" not in str(error.value)


def test_an_explorer_without_pictures_names_the_right_images(own):
    from helpers.explorers import explore

    def nothing():
        raise SelectivityError("not here")

    for name, says in (("imagenette", "helpers fetch imagenette” gets them."), ("mine", "page.")):
        study = Study(name, own[1], nothing, nothing)
        missing = explore(study, "0", [0]).data["missing"]
        assert missing.endswith(says) and "googlenet" not in missing
