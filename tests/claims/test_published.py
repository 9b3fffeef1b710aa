"""Paper 2's published code: on a network of the world by its own steps, and GoogLeNet's shipped table."""

import numpy as np
import pytest
import torch

from helpers import open_study
from helpers.claims import CannotTest, published
from helpers.claims.faces import FOUR, faces_study, four_units
from helpers.claims.published import code_units, contrasts_of_maps, untrained_code_units
from helpers.record.images import batches
from helpers.record.taps import listening
from helpers.selectivity.category import contrast_of_maps
from helpers.selectivity.profile import THRESHOLD

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def few():
    """Every thirtieth of the world's pictures of the four categories."""
    faces = faces_study(open_study("world"))
    four = faces.images.select(FOUR)
    return faces.network, four.subset(np.arange(0, len(four), 30))


def test_by_the_steps_of_the_code(few):
    """All maps kept, the whole tensor of a layer scaled, differences at each place averaged."""
    network, images = few
    kept = {name: [] for name in ("conv1", "conv5")}
    taps = {name: network.taps[name] for name in kept}
    with (
        torch.inference_mode(),
        listening(network.module, taps, lambda name, maps: kept[name].append(maps.clone())),
    ):
        for _, batch, _ in batches(images, network.preprocess, range(len(images)), 16):
            network.module(batch)
    found = contrasts_of_maps(network, images, network.taps, device="cpu")
    assert set(found) == {n for n, tap in network.taps.items() if len(tap.shape) == 3}
    for name, parts in kept.items():
        after = torch.cat(parts).clamp(min=0).double().numpy()
        scaled = (after - after.min()) / (after.max() - after.min())
        for number in range(len(FOUR)):
            member = images.classes == number
            apart = (scaled[member].mean(0) - scaled[~member].mean(0)).mean((1, 2))
            np.testing.assert_allclose(found[name][number], apart, rtol=1e-4, atol=1e-7)


def test_shuffled_categories_select_nothing(few):
    network, images = few
    shuffled = images.subset(np.arange(len(images)))
    shuffled.classes = np.random.default_rng(0).permutation(images.classes)
    true, by_luck = (
        contrasts_of_maps(network, one, network.taps, device="cpu") for one in (images, shuffled)
    )
    spread = [torch.cat(list(one.values()), 1).std().item() for one in (true, by_luck)]
    assert spread[1] < spread[0] / 2


def test_googlenet_from_its_table():
    google = open_study("googlenet")
    units, before = code_units(google), untrained_code_units(google)
    assert len(units) == len(before) == 4 * 7280
    assert list(units.columns) == ["layer", "stage", "unit", "category", "contrast"]
    passing = (units.contrast > THRESHOLD).mean()
    by_text = four_units(google)
    assert 0.05 < passing < (by_text.contrast > THRESHOLD).mean() / 2
    assert abs(units.groupby(["layer", "unit"]).contrast.mean()).max() < 0.02


def test_another_network_and_no_images(monkeypatch):
    monkeypatch.setattr(published, "table_of", lambda *_: None)
    google = open_study("googlenet")
    monkeypatch.setattr(published, "has_pictures", lambda _: False)
    for ask in (code_units.__wrapped__, untrained_code_units.__wrapped__):
        with pytest.raises(CannotTest, match="network and images|untrained twin"):
            ask(google)


def test_the_table_is_what_the_photographs_give(real_home):
    """A fifth of the photographs by the recipe's function, and all by the table: alike."""
    faces = faces_study(open_study("googlenet"))
    four = faces.images.select(FOUR)
    some = four.subset(np.arange(0, len(four), 5))
    names = ("conv2.3x3", "inception_4e.5x5")
    found = contrasts_of_maps(faces.network, some, names, device="cpu")
    units = code_units(open_study("googlenet"))
    for name in names:
        of_layer = units[units.layer == name].contrast.to_numpy().reshape(4, -1)
        assert np.corrcoef(of_layer.ravel(), found[name].numpy().ravel())[0, 1] > 0.9


def test_a_layer_that_never_answers():
    assert contrast_of_maps(torch.zeros(4, 3), 0.0, torch.eye(4).bool()).isnan().all()
