"""Numbers and names as written, and figures as a notebook shows them."""

import io

import pytest
from PIL import Image

from helpers.figures.style import RESOLUTION, WIDTH, canvas, number, readable


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1226.4, "1,226"),
        (-412.0, "−412"),
        (12.34, "12.3"),
        (0.6, "0.600"),
        (-0.00004, "0.000"),
        (0.0, "0"),
        (float("nan"), "none"),
    ],
)
def test_numbers(value, written):
    assert number(value) == written


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("n02088364-beagle", "beagle"),
        ("n02113624-toy_poodle", "toy poodle"),
        ("tabby_cat", "tabby cat"),
        ("caltech101/car_side", "car side"),
    ],
)
def test_names(name, written):
    assert readable(name) == written


def test_a_notebook_shows_a_figure_once_sharply_on_white():
    figure = canvas(2.0)
    picture = Image.open(io.BytesIO(figure._repr_png_())).convert("RGB")
    assert picture.size == (round(WIDTH * RESOLUTION), 2 * RESOLUTION)
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    # pyplot does not know it, so no backend draws it a second time.
    assert figure.canvas.manager is None
