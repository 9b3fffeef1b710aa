"""Tiles show the right pixels at the right place, and the same pixels give the same bytes."""

import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.explorers import pictures
from helpers.explorers.pictures import (
    CROP_SIDE,
    FEATURE_SIDE,
    make_sheet,
    shipped_sheets,
    thumbnail,
    unit_pictures,
)
from helpers.paths import data_path
from helpers.record.patches import as_shown, crops
from helpers.selectivity import feature_weights, neuron_feature

from .small import DEAD

pytestmark = pytest.mark.usefixtures("one_thread")


def opened(sheet):
    kind, data = sheet.address.split(",", 1)
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(float)


def tile_of(sheet, place, side):
    y, x = divmod(place, sheet.columns)
    return opened(sheet)[y * side : (y + 1) * side, x * side : (x + 1) * side]


def difference(a, b):
    return np.abs(a.astype(float) - b.astype(float)).mean()


def test_a_sheet_runs_row_by_row():
    colours = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [220, 220, 40], [10, 10, 10]])
    tiles = np.broadcast_to(colours[:, None, None], (5, 32, 32, 3)).astype(np.uint8)
    sheet = make_sheet(tiles, 3)
    assert (sheet.columns, sheet.rows) == (3, 2) and opened(sheet).shape == (64, 96, 3)
    for place, colour in enumerate(colours):
        assert np.abs(tile_of(sheet, place, 32)[8:24, 8:24] - colour).mean() < 12  # lossy
    assert make_sheet(tiles, 3) == sheet


def test_a_thumbnail_is_the_visible_part_in_its_proportions():
    pixels, visible = torch.zeros(3, 40, 40), torch.zeros(40, 40, dtype=torch.bool)
    pixels[0] = 1
    pixels[:, 10:20, 5:25], visible[10:20, 5:25] = (
        torch.tensor([0.0, 1.0, 0.0])[:, None, None],
        True,
    )
    tile = thumbnail(pixels, visible, 48)
    assert (tile[12:36] == [0, 255, 0]).all()  # twice as wide as high: the middle half
    assert (tile[:12] == 128).all() and (tile[36:] == 128).all()
    assert (thumbnail(pixels, torch.zeros_like(visible), 48) == 128).all()


def test_pictures_are_the_crops_and_the_feature_of_each_unit(study):
    units, strip = [5, DEAD, 0], 3
    features, strips = unit_pictures(study, "deep", units, strip)
    record, network, images = study.record, study.network, study.images
    for place, unit in enumerate(units):
        for row, which in ((0, "top"), (2, "bottom")):
            patches = crops(record, network, images, "deep", [unit], strip, which)
            for i in range(strip):
                expected = thumbnail(patches.pixels[0, i], patches.valid[0, i], CROP_SIDE)
                assert difference(tile_of(strips[place], row * strip + i, CROP_SIDE), expected) < 8
        patches = crops(record, network, images, "deep", [unit], 60)
        weights = feature_weights(patches.values[0])
        feature = neuron_feature(patches.pixels[0], weights, patches.valid[0])
        expected = thumbnail(feature, torch.ones(feature.shape[1:], dtype=torch.bool), FEATURE_SIDE)
        if unit == DEAD:
            assert difference(tile_of(features, place, FEATURE_SIDE), np.full(1, 128.0)) < 2
        elif patches.valid[0].all():
            assert difference(tile_of(features, place, FEATURE_SIDE), expected) < 8
    # The check can fail: another unit's crops are further away.
    other = thumbnail(patches.pixels[0, 0], patches.valid[0, 0], CROP_SIDE)
    assert difference(tile_of(strips[0], 0, CROP_SIDE), other) > 8


def test_nearest_to_zero_are_the_whole_images(study):
    """At most six, in the record's order, between the rows of crops; grey where there are no more."""
    units, strip = [5, 0], 8
    _, strips = unit_pictures(study, "deep", units, strip)
    preprocess = study.network.preprocess
    everywhere = torch.ones(study.network.input_size, dtype=torch.bool)
    for sheet, unit in zip(strips, units, strict=True):
        assert (sheet.columns, sheet.rows) == (strip, 3)
        numbers = study.record["deep"].near_zero.images[unit, :7].tolist()
        seen = [as_shown(preprocess)(preprocess(study.images.open(i))) for i in numbers]
        shown = [thumbnail(pixels, everywhere, CROP_SIDE) for pixels in seen]
        tiles = [tile_of(sheet, strip + i, CROP_SIDE) for i in range(strip)]
        assert all(difference(t, s) < 8 for t, s in zip(tiles, shown[:6], strict=False))
        assert all(difference(t, np.full(1, 128.0)) < 2 for t in tiles[6:])
        assert difference(tiles[0], shown[1]) > 8  # the order matters
        assert difference(tiles[6], shown[6]) > 8  # there was a seventh


def test_portions_change_nothing(study, monkeypatch):
    whole = unit_pictures(study, "shallow", list(range(12)), 4)
    monkeypatch.setattr(pictures, "MEMORY", 1)  # one unit at a time
    assert unit_pictures(study, "shallow", list(range(12)), 4) == whole


def test_shipped_pictures_belong_to_the_recorded_weights(study, monkeypatch):
    layer = "conv1.7x7_s2"
    about = json.loads(data_path("pictures", "googlenet-conv1.json").read_text())
    assert shipped_sheets(study.record, layer, [0, 1]) == []
    monkeypatch.setitem(study.record.metadata["network"], "weights", about["weights"])
    (sheet,) = shipped_sheets(study.record, layer, [9, 0])
    shipped = Image.open(data_path("pictures", "googlenet-conv1.webp")).convert("RGB")
    side = about["tile"]
    y, x = divmod(about["units"].index(f"{layer}:9"), shipped.width // side)
    expected = np.asarray(shipped)[y * side : (y + 1) * side, x * side : (x + 1) * side]
    assert sheet.what == "filter" and difference(tile_of(sheet, 0, side), expected) < 8
    assert shipped_sheets(study.record, layer, [0, 64]) == []  # not all of them: none


@pytest.mark.parametrize("name", sorted(p.name for p in data_path("pictures").glob("*.json")))
def test_every_shipped_sheet_has_a_kind(name):
    assert name.removesuffix(".json").rsplit("-", 1)[-1] in pictures.KINDS
