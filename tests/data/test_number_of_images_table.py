"""The shipped table of GoogLeNet and the number of images: of the recorded units, and measured again."""

import numpy as np
import pytest
import torch

from data.make.number_of_images import LAYERS, single, size_part, untrained_columns
from helpers import open_study
from helpers.categories import classes_of
from helpers.paths import data_path
from helpers.record import record
from helpers.selectivity import category_auc
from helpers.selectivity.reliability import INDEXES, LISTS, across_halves, by_number
from helpers.tables import load_table

SMALL = "inception_3a.5x5"  # 32 units

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def shipped():
    return load_table("googlenet-number-of-images")


def test_it_is_of_the_recorded_units_and_small(shipped, recorded):
    about, tables = shipped
    assert about["images"] == {"googlenet": recorded.metadata["images"]["digest"]}
    assert about["network"] == recorded.metadata["network"]["weights"] != about["random"]
    assert about["random"] == load_table("googlenet-facets")[0]["untrained"]
    assert about["layers"] == list(LAYERS) and about["indexes"] == list(INDEXES)
    assert len(tables) == 2 * len(recorded.layers) + (len(LISTS) + 1) * len(LAYERS)
    for layer in recorded.layers:
        n_units = recorded[layer].n_units
        assert tables[f"trained/{layer}"].shape == (n_units,)
        assert tables[f"untrained/{layer}"].shape == (n_units, len(about["untrained"]))
    path = data_path("tables", "googlenet-number-of-images.safetensors")
    assert path.stat().st_size < 150_000


def test_auc_goes_with_the_recorded_share(shipped, recorded):
    """Of other passes of the same network: the share of dogs among the strongest images."""
    dogs = torch.from_numpy(classes_of("dog", recorded.class_names).numpy()[recorded.classes])
    for layer in recorded.layers[1:]:
        auc = shipped[1][f"trained/{layer}"].double()
        assert ((auc > 0.05) & (auc < 0.99)).all()
        top = dogs[recorded[layer].top.images[:, :190]].double().mean(1)
        assert np.corrcoef(auc, top)[0, 1] > 0.6, layer


def test_more_images_are_more_reliable_and_the_last_row_is_of_all(shipped):
    about, tables = shipped
    columns = {name: i for i, name in enumerate(about["columns"])}
    for layer in LAYERS:
        for lists in LISTS:
            values = tables[f"{lists}/{layer}"]
            assert values.shape == (len(about["numbers"]), len(INDEXES), len(columns))
            reliability = values[:, :, columns["reliability"]]
            assert reliability[-1].isnan().all() and reliability[:-1].abs().max() <= 1
            assert (values[-1, :, columns["bias"]] == 0).all()
            for name in ("balanced", "category_auc", "contrast", "below"):
                assert (reliability[:-1, INDEXES_AT[name]].diff() > -0.01).all()
            low, high = (values[:-1, :, columns[one]] for one in ("low", "high"))
            assert (low <= reliability[:-1] + 1e-6).all() and (
                reliability[:-1] <= high + 1e-6
            ).all()


INDEXES_AT = {name: i for i, name in enumerate(INDEXES)}


def test_a_slice_is_measured_again(shipped, real_home):
    """Thirty-two units on every fortieth photograph, by another way than the table's."""
    study = open_study("googlenet")
    images = study.images.subset(np.arange(0, len(study.images), 40))
    found = record(study.network, images, layers=SMALL, responses=("max", "min"), progress=False)
    whole = study.record[SMALL].top
    strongest = found[SMALL].responses["max"]
    # A recorded image of the full set that is in the slice has the recorded response.
    listed = whole.images[:, :100]
    places = (listed % 40 == 0).nonzero()
    mine = strongest[listed[tuple(places.T)] // 40, places[:, 0]]
    assert torch.allclose(mine, whole.values[tuple(places.T)], rtol=2e-3, atol=0.05)
    dogs = classes_of("dog", found.class_names)[found.classes]
    auc = category_auc(strongest, dogs)
    far = (auc - shipped[1][f"trained/{SMALL}"].double()).abs()
    assert far.mean() < 0.06  # of 95 photographs instead of 3,800
    assert untrained_columns(found, SMALL, 50).shape == (32, 5)
    columns, values = size_part(found, SMALL, LISTS[0], [20, 40], repeats=1)
    by_hand = by_number(*single(found, SMALL), [20, 40], repeats=1)
    assert columns == list(by_hand.columns[2:])
    again = by_hand[columns].to_numpy().reshape(3, len(INDEXES), len(columns))
    assert np.allclose(values, again, equal_nan=True, atol=1e-5)
    assert across_halves(*single(found, SMALL), repeats=1).shape == (10, 10)
