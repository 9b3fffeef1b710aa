"""The shipped table of GoogLeNet's facets: of the recorded units, and what it says it is."""

import numpy as np
import pytest
import torch

from data.make.googlenet_facets import share_cut
from helpers import open_study
from helpers.categories import classes_of
from helpers.claims.components import SIDE
from helpers.claims.counts import NO_CLASS
from helpers.paths import data_path
from helpers.record.patches import thumbnails
from helpers.selectivity.components import layer_components, likeness, sharpness
from helpers.selectivity.facets import FIRST
from helpers.selectivity.opponency import PART, list_length
from helpers.tables import load_table

SMALL = "inception_3a.5x5"  # 32 units

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def shipped():
    return load_table("googlenet-facets")


def column(shipped, layer, name):
    about, tables = shipped
    return tables[f"components/{layer}"][:, about["columns"].index(name)].float()


def test_it_is_of_the_recorded_units_and_small(shipped, recorded):
    about, tables = shipped
    assert about["layers"] == recorded.layers and len(tables) == 3 * len(recorded.layers)
    assert about["images"] == {"googlenet": recorded.metadata["images"]["digest"]}
    assert about["network"] == recorded.metadata["network"]["weights"] != about["untrained"]
    for layer in recorded.layers:
        n_units = recorded[layer].n_units
        assert tables[f"untrained/{layer}"].shape == (n_units, FIRST)
        assert tables[f"components/{layer}"].shape == (n_units, len(about["columns"]))
        assert tables[f"chance/{layer}"].shape == (len(about["chance"]),)
    assert data_path("tables", "googlenet-facets.safetensors").stat().st_size < 1.2e6


def test_no_class_is_listed_more_often_than_it_has_images(shipped, recorded):
    sizes = recorded.counts
    for layer in recorded.layers:
        listed = shipped[1][f"untrained/{layer}"].long()
        there = listed != NO_CLASS
        assert (listed[there] < len(sizes)).all()
        # The strongest come first: after a response that is not positive there is no other.
        assert (there.int().diff(dim=1) <= 0).all()
        counts = torch.zeros(len(listed), NO_CLASS + 1).scatter_add_(1, listed, there.float())
        assert (counts[:, : len(sizes)] <= sizes).all()


def test_the_strongest_images_are_those_of_the_other_table_of_random_weights(shipped, recorded):
    """Dogs among the first 95, counted in another pass of the same network."""
    other = load_table("googlenet-opponency")[1]
    is_dog = torch.zeros(NO_CLASS + 1, dtype=torch.bool)
    is_dog[: len(recorded.class_names)] = classes_of("dog", recorded.class_names)
    first = list_length(len(recorded.names), PART)
    for layer in recorded.layers:
        listed = shipped[1][f"untrained/{layer}"][:, :first].long()
        full = (listed != NO_CLASS).all(1)
        share = is_dog[listed].float().mean(1)
        torch.testing.assert_close(share[full], other[f"untrained/{layer}"][full, 0])


def test_numbers_about_components_lie_where_they_can(shipped, recorded):
    for layer in recorded.layers:
        assert shipped[1][f"components/{layer}"].isfinite().all()
        assert shipped[1][f"chance/{layer}"].isfinite().all()
        alike = column(shipped, layer, "likeness")
        assert 0 < alike.min() and alike.max() <= 1
        assert column(shipped, layer, "spectral_likeness").abs().max() <= 1
        # A picture has no frequency beyond that of a fine chequerboard.
        sharp = column(shipped, layer, "sharpness")
        assert 0 < sharp.min() and sharp.max() < SIDE / 2 * 2**0.5
        assert set(column(shipped, layer, "n_found").tolist()) <= set(range(2, 9))
        assert set(column(shipped, layer, "converged").tolist()) <= {0.0, 1.0}


def test_patches_that_leave_the_image_are_counted(shipped, recorded):
    """Box by box, for some units of layers whose fields are small, middling and larger than the image."""
    for layer in ("conv1.7x7_s2", SMALL, "inception_4c.5x5", "inception_5b.5x5"):
        field, places = recorded[layer].geometry.field, recorded[layer].top.positions[:, :FIRST]
        cut = column(shipped, layer, "cut")
        torch.testing.assert_close(
            cut.double(), share_cut(recorded[layer], (224, 224)), atol=5e-4, rtol=0
        )
        for unit in range(0, len(cut), 13):
            boxes = [field.box(*place) for place in places[unit].tolist()]
            out = [min(box[:2]) < 0 or max(box[2:]) > 224 for box in boxes]
            assert cut[unit] == pytest.approx(np.mean(out), abs=5e-4)
    assert (cut == 1).all()  # a field of 715 pixels always does


def test_units_are_measured_again(shipped, real_home):
    study = open_study("googlenet")
    converged = column(shipped, SMALL, "converged") == 1
    units = converged.nonzero()[:3, 0]
    pixels = thumbnails(study.record, study.network, study.images, SMALL, units, FIRST, SIDE).pixels
    found = layer_components(pixels.mean(2))
    assert (found.n_found == 8).all()
    for name, again in (("likeness", likeness), ("sharpness", sharpness)):
        far = (column(shipped, SMALL, name)[units] - again(found.pictures)).abs()
        # On another machine the last digits of a sum may lead one unit's search elsewhere.
        assert far.median() < 2e-3 and far.max() < 0.1
