"""The reader's own picture in a real kernel, under both versions of ipywidgets that readers have."""

import ast
import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import scenes
from helpers.explorers import own_picture
from helpers.explorers.own_picture import SHOWN, VIEW, OwnPicture
from tests.explorers.small import open_small, with_hostile_names, without_images
from tests.kernels import execute

# Where `make install` puts the version of hosted notebooks, beside the current one.
SEVEN = Path(__file__).parents[2] / ".venv" / "ipywidgets7"
CELLS = [
    "import ipywidgets\nprint(ipywidgets.__version__)",
    "from tests.explorers.small import open_small\n"
    "from helpers.explorers.own_picture import OwnPicture\n"
    "study = open_small()\nown = OwnPicture(study, 'deep')\nown",
    "from helpers.explorers import explore\nlive = explore(study, 'deep', [1]).live()\nlive",
    "own.layer.value = 'shallow'\nown.grey.value = True",
    "own.covered.value = own.covered.options[1][1]",
    "print(own.view.value)",
    "own.scene.subject.value = 'taxi'\nown.scene.color.value = 'blue'\n"
    "own.scene.across.value = -1\nown.scene.setting.value = 'meadow'\nprint(own.view.value)",
    "own.source.value = own.source.options[1]\nown.of_class.value = 2\nown.number.value = 3\n"
    "print(own.view.value)",
    "print([control.tooltip for control in own.scene.controls])"
    " if hasattr(own.layer, 'tooltip') else"
    " print([control.description_tooltip for control in own.scene.controls])",
]


def notebook():
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])


@pytest.fixture(scope="module", params=["7.7.1", "8"])
def executed(request, repository):
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "7.7.1":
            assert SEVEN.is_dir(), f"{SEVEN} is missing: run make install"
            patch.setenv("PYTHONPATH", str(SEVEN))
        done = execute(notebook(), repository)
    assert done.cells[0].outputs[0].text.startswith(request.param)
    return done


def test_widgets_are_shown_and_a_page_without_a_kernel_has_a_picture(executed):
    (output,) = executed.cells[1].outputs
    assert VIEW in output.data
    page = output.data["text/html"]
    assert "running kernel" in page and page.count("Excites most") == 2
    for words in ("corgi, snow", "the same corgi, meadow"):
        assert f'alt="Picture shown to the network: {words}"' in page
    assert page.count("<img alt=") == 2 + 2 * SHOWN
    (output,) = executed.cells[2].outputs
    assert VIEW in output.data and "needs a running kernel" in output.data["text/html"]


def test_the_view_follows_the_controls(executed):
    page = executed.cells[5].outputs[0].text
    assert "shallow:" in page and "Corgi, snow, bright where covering it takes most" in page
    scene, image = (executed.cells[n].outputs[0].text for n in (6, 7))
    grey = "without its colour: each pixel the mean of its three channels</figcaption>"
    assert f">Taxi, meadow, {grey}" in scene and "covering" not in scene
    assert f">Tulip, {grey}" in image


def test_every_control_says_what_it_is_for(executed):
    tips = ast.literal_eval(executed.cells[8].outputs[0].text)
    assert len(tips) == 9 and all(len(tip.split()) >= 2 for tip in tips)


@pytest.fixture(scope="module")
def study():
    return open_small()


def png(colour):
    file = io.BytesIO()
    Image.new("RGB", (80, 60), colour).save(file, "PNG")
    return file.getvalue()


class Uploaded:
    """What the upload control holds: a dict by name in ipywidgets 7, a tuple in 8."""

    def __init__(self, content, version):
        file = {"content": content, "name": "own.png"}
        self.value = {"own.png": file} if version == 7 else (file,) if content else ()


@pytest.mark.parametrize("version", [7, 8])
def test_an_uploaded_picture_is_shown(study, version):
    own = OwnPicture(study, "deep")
    before = own.page()
    own.upload = Uploaded(png((250, 10, 10)), version)
    own._uploaded(None)
    assert own._file.size == (80, 60) and own._file.getpixel((0, 0)) == (250, 10, 10)
    assert own.source.value == "my own file"
    assert (
        own.page() != before and ">Your picture, as the network sees it</figcaption>" in own.page()
    )
    own.upload = Uploaded(png((10, 250, 10)), version)
    first = own.page()
    own._uploaded(None)
    assert own.page() != first


@pytest.mark.parametrize("content", [b"no picture", b"", png((0, 0, 0))[:60]])
def test_a_file_that_is_no_picture_leaves_the_last_one(study, content):
    own = OwnPicture(study, "deep")
    before = own.page()
    own.upload = Uploaded(content, 7)
    own._uploaded(None)
    assert own.page() == before and "cannot be shown" in own.view.value


def test_units_are_those_that_the_picture_drives(study):
    """Of the picture that drives a unit most, it is among the first, with all of its response."""
    own = OwnPicture(study, "deep")
    own.source.value = "an image of the study"
    image = int(study.record["deep"].top.images[5, 0])
    own.of_class.value = int(study.images.classes[image])
    of_class = np.flatnonzero(study.images.classes == study.images.classes[image])
    own.number.value = int(np.flatnonzero(of_class == image)[0])
    _, _, excited, _ = own._driven
    assert excited.shares[0].item() == pytest.approx(1, abs=0.01)
    assert f"deep:{excited.units[0]}" in own.page() and "100% of its strongest" in own.page()


def test_numbers_end_with_the_class(study):
    own = OwnPicture(study, "deep")
    for value in (0, 1, 3):
        own.of_class.value = value
        assert own.number.max == int((study.images.classes == value).sum()) - 1


@pytest.fixture
def bare(study):
    """The study as a reader has it who holds record and weights: quick, for there are no features to make."""
    bare = without_images(study)
    bare.network = study.network
    return bare


@pytest.fixture
def runs(monkeypatch):
    """How often the network has run on a picture."""
    calls, run = [], own_picture.responses_to
    monkeypatch.setattr(own_picture, "responses_to", lambda *a: calls.append(1) or run(*a))
    return calls


def change(own, runs, changes):
    """Change one control after the other; all but what is covered must run the network once."""
    for control, value in changes:
        runs.clear()
        before = own.view.value
        control.value = value if value is not None else control.options[1][1]
        assert len(runs) == (control is not own.covered), control.description
        assert own.view.value != before and own.page() == own.view.value


def test_the_network_runs_once_for_each_change_of_a_scene(bare, runs):
    own = OwnPicture(bare, "deep")
    assert len(runs) == 1
    changes = [
        (own.scene.subject, "beagle"),  # its views are called as the corgi's
        (own.scene.subject, "hat"),
        (own.scene.pose, ("on a hook", 1)),
        (own.scene.subject, "taxi"),
        (own.scene.up, 1),
        (own.covered, None),  # a unit that the picture drives
        (own.grey, True),  # covers nothing any more
        (own.layer, "shallow"),
    ]
    change(own, runs, changes)
    assert own.covered.value == -1


def test_the_network_runs_once_for_each_change_of_an_image(study, runs):
    own = OwnPicture(study, "deep")
    images = [(own.source, "an image of the study"), (own.number, 4), (own.of_class, 3)]
    change(own, runs, images)


def test_a_composed_scene_is_what_the_network_gets(bare):
    own = OwnPicture(bare, "deep")
    own.scene.subject.value, own.scene.setting.value = "pug", "beach"
    own.scene.pose.value, own.scene.variant.value = ("standing", 1), 2
    own.scene.size.value, own.scene.color.value, own.scene.flip.value = "small", "green", True
    asked = scenes.compose("pug", "beach", view="standing", individual=1, variant=2, color="green",
                           size=scenes.sizes("pug")[0], flip=True)  # fmt: skip
    assert torch.equal(own._driven[1], bare.network.preprocess(asked))
    assert ">Pug, beach, as the network sees it</figcaption>" in own.page()


def test_only_the_controls_of_the_source_are_there(study):
    own = OwnPicture(study, "deep")
    for source in own.source.options:
        own.source.value = source
        shown = [row for row in own.box.children if row.layout.display != "none"]
        controls = [c for row in shown for c in getattr(row, "children", [])]
        of_source = {
            "a composed scene": own.scene.controls,
            "an image of the study": [own.of_class, own.number],
            "my own file": [own.upload],
        }[source]
        assert controls == [own.source, *of_source, own.layer, own.grey, own.covered]
    assert "button above" in own.page()


def test_scenes_are_offered_where_the_classes_are_the_worlds(study):
    assert OwnPicture(study).source.options[0] == "a composed scene"
    other = with_hostile_names(study)
    other.network = study.network
    own = OwnPicture(other)
    assert own.source.options == ("my own file",) and own.scene is None


def test_without_images_there_are_no_features(bare):
    own = OwnPicture(bare, "deep")
    assert own.of_class.options == ()
    assert own.source.options == ("a composed scene", "my own file")
    assert "running kernel" in own._repr_mimebundle_()["text/html"]
    own.upload = Uploaded(png((10, 200, 10)), 8)
    own._uploaded(None)
    assert "of its strongest" in own.page() and own.page().count("<img") == 1  # no features


def test_without_the_network_it_says_what_is_missing(study):
    missing = without_images(study)
    own = OwnPicture(missing, "deep")
    assert own.page() == "<p>not on this machine: /a/path/that/must/not/be/published</p>"
    assert own.page() in own._repr_mimebundle_()["text/html"]
    own.upload = Uploaded(png((10, 200, 10)), 8)
    own._uploaded(None)
    assert own.page() == "<p>not on this machine: /a/path/that/must/not/be/published</p>"
