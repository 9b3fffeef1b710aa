"""The map that is drawn is the network's, and its box is the receptive field of the maximum."""

import numpy as np
import pytest
import torch

from helpers.figures import activation_map
from helpers.record import ReceptiveField
from helpers.record.patches import as_shown
from helpers.record.taps import listening


def drawn_map(world, layer, unit):
    image = int(world.record[layer].top.images[unit, 0])
    picture = world.network.preprocess(world.images.open(image))
    found = {}
    taps = {layer: world.network.taps[layer]}
    with torch.inference_mode(), listening(world.network.module, taps, found.__setitem__):
        world.network.module(picture[None])
    values = found[layer][0, unit]
    shown = as_shown(world.network.preprocess)(picture)
    return activation_map(shown, values, world.record[layer].geometry.field), values


@pytest.mark.parametrize("layer", ["conv2", "conv5"])
def test_box_and_map(world, layer):
    places = world.record[layer].top.positions[:, 0].tolist()
    unit = next(u for u, (y, x) in enumerate(places) if y != x)
    figure, values = drawn_map(world, layer, unit)
    seen, numbers, laid = figure.axes[:3]
    np.testing.assert_array_equal(numbers.images[0].get_array(), values)
    # The record found the same maximum in the same place.
    y, x = world.record[layer].top.positions[unit, 0].tolist()
    top, left, bottom, right = world.record[layer].geometry.field.box(y, x)
    for axes in (seen, laid):
        box = axes.patches[0]
        assert (*box.get_xy(), box.get_width(), box.get_height()) == (
            left, top, right - left, bottom - top,
        )  # fmt: skip
    frame = numbers.patches[0]
    assert frame.get_xy() == (x - 0.5, y - 0.5)


def test_a_place_of_the_map_lies_at_the_centre_of_its_field(world):
    figure, values = drawn_map(world, "conv5", 0)
    left, right, bottom, top = figure.axes[2].images[1].get_extent()
    height, width = values.shape
    field = world.record["conv5"].geometry.field
    for y, x in ((0, 0), (3, 5)):
        centre = (
            left + (x + 0.5) * (right - left) / width,
            top + (y + 0.5) * (bottom - top) / height,
        )
        box = field.box(y, x)
        assert centre == ((box[1] + box[3]) / 2, (box[0] + box[2]) / 2)


def test_small_maps_have_their_numbers_written(world):
    figure, values = drawn_map(world, "conv5", 2)
    texts = [text.get_text() for text in figure.axes[1].texts]
    assert len(texts) == values.numel()
    assert float(texts[0].replace("−", "-")) == pytest.approx(float(values[0, 0]), abs=0.06)


def test_a_unit_without_places_sees_the_whole_image():
    whole = ReceptiveField((8, 8), (0, 0), (0, 0))
    figure = activation_map(torch.rand(3, 8, 8), torch.zeros(1, 1), whole)
    assert figure.axes[2].images[1].get_extent() == [0, 8, 8, 0]
    assert figure._repr_png_()
