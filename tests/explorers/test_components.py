"""Components that an explorer shows are those of the unit's patches, and only where they are asked for."""

import numpy as np
import pytest
from PIL import Image

from helpers.explorers import components, explore
from helpers.explorers.components import SHOWN, unit_components
from helpers.explorers.pictures import Sheet
from helpers.record.patches import thumbnails
from helpers.selectivity.components import as_8bit, layer_components

from .small import without_images
from .test_pictures import difference, opened

pytestmark = pytest.mark.usefixtures("one_thread")


def expected(study, layer, unit):
    """(pictures uint8, explained) of one unit, made by hand."""
    patches = thumbnails(study.record, study.network, study.images, layer, [unit], side=64)
    found = layer_components(patches.pixels.mean(2))
    n = int(found.n_found[0])
    return as_8bit(found.pictures)[0, :n].numpy(), found.explained[0, :n].tolist()


def shrunk(picture):
    return np.asarray(Image.fromarray(picture).resize((SHOWN, SHOWN)))[..., None]


def test_pictures_and_shares_are_the_units_own(study):
    units = [5, 0]
    shown = unit_components(study, "deep", units)
    for one, unit in zip(shown, units, strict=True):
        pictures, explained = expected(study, "deep", unit)
        assert one["explained"] == pytest.approx(explained, rel=1e-3)
        sheet = opened(Sheet(one["address"], 8, 1))
        assert sheet.shape == (SHOWN, 8 * SHOWN, 3)
        for i, picture in enumerate(pictures):
            tile = sheet[:, i * SHOWN : (i + 1) * SHOWN]
            assert difference(tile, shrunk(picture)) < 8
            assert difference(tile, shrunk(pictures[i - 1])) > 8  # the order matters


def test_portions_change_nothing(study, monkeypatch):
    whole = unit_components(study, "deep", [1, 4, 8])
    monkeypatch.setattr(components, "_TOGETHER", 1)
    for one, alone in zip(whole, unit_components(study, "deep", [1, 4, 8]), strict=True):
        assert alone["explained"] == pytest.approx(one["explained"], rel=2e-3)


def test_patches_without_a_component(study, monkeypatch):
    """Plain patches have none: no picture, no share, and no error."""
    plain = thumbnails(study.record, study.network, study.images, "deep", [0], side=64)
    plain.pixels[:] = 0.25
    monkeypatch.setattr(components, "thumbnails", lambda *args, **kwargs: plain)
    assert unit_components(study, "deep", [0]) == [{"address": "", "explained": []}]


def test_only_where_asked_for_and_possible(study):
    (one,) = explore(study, "deep", [4], components=True).data["units"]
    assert len(one["components"]["explained"]) == 8
    assert "components" not in explore(study, "deep", [4]).data["units"][0]
    bare = explore(without_images(study), "deep", [4], components=True)
    assert "components" not in bare.data["units"][0] and bare.data["missing"]


def test_weight(study):
    """Less than 5 kB a unit."""
    shown = unit_components(study, "deep", list(range(24)))
    assert sum(len(one["address"]) for one in shown) / len(shown) < 5e3
