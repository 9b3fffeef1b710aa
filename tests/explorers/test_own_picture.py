"""The reader's own picture in a real kernel, under both versions of ipywidgets that readers have."""

import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from helpers.explorers.own_picture import VIEW, OwnPicture
from tests.explorers.small import open_small, without_images
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
    assert "running kernel" in page and "Excites most" in page and page.count("<img alt=") > 2
    (output,) = executed.cells[2].outputs
    assert VIEW in output.data and "needs a running kernel" in output.data["text/html"]


def test_the_view_follows_the_controls(executed):
    page = executed.cells[5].outputs[0].text
    assert "shallow:" in page and "bright where covering it takes most" in page


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
    assert own._picture.size == (80, 60) and own._picture.getpixel((0, 0)) == (250, 10, 10)
    assert own.page() != before


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
    image = int(study.record["deep"].top.images[5, 0])
    own.of_class.value = int(study.images.classes[image])
    of_class = np.flatnonzero(study.images.classes == study.images.classes[image])
    own.number.value = int(np.flatnonzero(of_class == image)[0])
    excited, _ = own._driven()
    assert excited.shares[0].item() == pytest.approx(1, abs=0.01)
    assert f"deep:{excited.units[0]}" in own.page() and "100% of its strongest" in own.page()


def test_numbers_end_with_the_class(study):
    own = OwnPicture(study, "deep")
    for value in (0, 1, 3):
        own.of_class.value = value
        assert own.number.max == int((study.images.classes == value).sum()) - 1


def test_without_images_only_upload_is_left(study):
    numbers_only = without_images(study)
    numbers_only.network = study.network  # weights are there, photographs are not
    own = OwnPicture(numbers_only, "deep")
    assert own.of_class.options == () and own._picture is None
    assert "running kernel" in own._repr_mimebundle_()["text/html"]
    own.upload = Uploaded(png((10, 200, 10)), 8)
    own._uploaded(None)
    assert "of its strongest" in own.page() and own.page().count("<img") == 1  # no features


def test_without_the_network_it_says_what_is_missing(study):
    missing = without_images(study)
    own = OwnPicture(missing, "deep")
    own.upload = Uploaded(png((10, 200, 10)), 8)
    own._uploaded(None)
    assert own.page() == "<p>not on this machine: /a/path/that/must/not/be/published</p>"
