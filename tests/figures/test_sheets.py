"""Sheets show every unit's picture once, in order; shipped ones carry their units' names."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.errors import SelectivityError
from helpers.figures import contact_sheet, feature_and_patches, shipped_tiles
from helpers.figures.sheets import tile
from helpers.paths import data_path
from helpers.record.patches import crops
from helpers.selectivity import feature_weights, neuron_feature


def test_every_picture_in_order_and_repeated_captions_once():
    pictures = torch.rand(5, 3, 6, 6)
    figure = contact_sheet(pictures, ["owl", "owl", "black_cat", "owl", None], columns=3)
    for axes, picture in zip(figure.axes, pictures, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), picture.permute(1, 2, 0))
    captions = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert captions == [["owl"], [], ["black\ncat"], ["owl"], ["none"]]


def test_tiles_lie_row_by_row():
    pictures = torch.arange(1, 6).view(5, 1, 1, 1).expand(5, 3, 2, 2) / 10
    sheet = tile(pictures, 3)
    assert sheet.shape == (8, 12, 3)
    assert sheet[1::4, 1::4, 0].tolist() == pytest.approx(
        np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 1]])
    )


def test_feature_and_patches_of_a_unit(world):
    found = crops(world.record, world.network, world.images, "conv5", [4], 40)
    weights = feature_weights(found.values)[0]
    feature = neuron_feature(found.pixels[0], weights, found.valid[0])
    figure = feature_and_patches(feature, found.pixels[0][weights > 0])
    drawn = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(drawn, feature.permute(1, 2, 0).clamp(0, 1))
    assert f"{int((weights > 0).sum())} patches" in figure.axes[1].get_title()


def test_a_unit_without_positive_response_has_no_patches():
    figure = feature_and_patches(torch.full((3, 5, 5), 0.5), torch.empty(0, 3, 5, 5))
    assert "0 patches" in figure.axes[1].get_title()
    assert figure._repr_png_()


@pytest.mark.parametrize("name", ["googlenet-conv1", "googlenet-4c-optimised"])
def test_shipped_tiles_are_named_and_cut_where_the_sheet_says(name):
    about = json.loads(data_path("pictures", f"{name}.json").read_text())
    sheet = np.asarray(Image.open(data_path("pictures", f"{name}.webp")).convert("RGB"))
    tiles = shipped_tiles(name)
    assert list(tiles) == about["units"]
    side, columns = about["tile"], about["columns"]
    for place in (0, columns, len(tiles) - 1):
        y, x = divmod(place, columns)
        expected = sheet[y * side : (y + 1) * side, x * side : (x + 1) * side]
        drawn = tiles[about["units"][place]].permute(1, 2, 0) * 255
        np.testing.assert_array_equal(drawn.round(), expected)


def test_a_sheet_that_is_not_shipped_is_said_to_be_missing():
    with pytest.raises(SelectivityError, match="install it again"):
        shipped_tiles("googlenet-conv9")
