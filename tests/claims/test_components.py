"""Numbers on the components of units' patches: of planted patches, and the shipped tables of the world."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import open_study
from helpers.claims import components
from helpers.claims.claim import CannotTest
from helpers.claims.components import (
    SIDE,
    component_chance,
    component_numbers,
    component_units,
    grey_patches,
)
from helpers.claims.depth import convolutions
from helpers.record.patches import crops
from helpers.tables import load_table
from tests.planted import planted_study

pytestmark = pytest.mark.usefixtures("one_thread")

COLUMNS = ["likeness", "spectral_likeness", "sharpness", "n_found", "converged"]
CHANCE = ["likeness_between", "likeness_mixed", "sharpness_mixed"]
K = 24


def blobs(n, width, seed=0, side=32):
    """n sparse pictures: one round spot of the given width each, at a place of its own."""
    random, y = np.random.default_rng(seed), np.arange(side)
    places = random.permutation(16)[:n]
    spots = [
        np.exp(-((y[:, None] - 4 - 8 * (p // 4)) ** 2 + (y - 4 - 8 * (p % 4)) ** 2) / 2 / width**2)
        for p in places
    ]
    return torch.from_numpy(np.stack(spots)).float()


def mixtures(pictures, k=K, seed=0):
    """(k, H, W): patches, each a random mixture of the pictures."""
    weights = torch.rand(k, len(pictures), generator=torch.Generator().manual_seed(seed))
    return torch.einsum("kn,nhw->khw", weights, pictures)


def noise(n, seed=0, side=32):
    return torch.rand(n, side, side, generator=torch.Generator().manual_seed(seed)) ** 6


def test_a_row_a_unit():
    patches = torch.stack([mixtures(blobs(n, 1.5, seed=n), seed=n) for n in (2, 3, 5)])
    units, chance = component_numbers(patches)
    assert list(units) == COLUMNS and list(chance) == CHANCE
    assert units["n_found"].tolist() == [2, 3, 5] and (units["converged"] == 1).all()
    assert units.dtypes.eq("float64").all() and all(isinstance(v, float) for v in chance.values())
    again = component_numbers(patches)
    assert again[0].equals(units) and again[1] == chance


def test_units_of_one_shape_at_many_places_have_like_components():
    """Spots at four places are one shape; noise pictures have none in common."""
    different = [mixtures(noise(4, seed=s), seed=s) for s in range(5)]
    units, _ = component_numbers(torch.stack([mixtures(blobs(4, 1.5)), *different]))
    # Each component recovered is one spot; the largest correlation over shifts finds it again.
    assert units["likeness"][0] > 0.9 and units["likeness"][1:].max() < 0.3
    assert units["spectral_likeness"][0] > 0.2 + units["spectral_likeness"][1:].max()


def test_wide_spots_are_less_sharp():
    patches = torch.stack([mixtures(blobs(4, width)) for width in (1.0, 2.0, 3.0)])
    sharpness = component_numbers(patches)[0]["sharpness"]
    assert sharpness.is_monotonic_decreasing and sharpness[0] > 1.5 * sharpness[2]


def test_components_of_two_units():
    """All units of the same four noise pictures: one pair in four is a picture with itself."""
    pictures = noise(4)
    same = torch.stack([mixtures(pictures, seed=s) for s in range(5)])
    units, chance = component_numbers(same)
    own = units["likeness"].mean()
    assert own < 0.3
    assert chance["likeness_between"] == pytest.approx((1 + 3 * own) / 4, abs=0.04)
    others = torch.stack([mixtures(noise(4, seed=s), seed=s) for s in range(5)])
    assert component_numbers(others)[1]["likeness_between"] == pytest.approx(own, abs=0.04)


def test_mixed_units_have_patches_of_all():
    """Each unit repeats one noise picture of its own, and so has one component: no likeness, but mixed."""
    pictures = noise(6)
    patches = torch.stack([mixtures(pictures[[u]], seed=u) for u in range(6)])
    units, chance = component_numbers(patches)
    assert (units["n_found"] == 1).all() and units["likeness"].isna().all()
    assert chance["likeness_between"] < 0.3
    assert 0 < chance["likeness_mixed"] < 0.3  # of six pictures, in every mixed unit
    assert chance["sharpness_mixed"] == pytest.approx(units["sharpness"].mean(), rel=0.05)


def test_mixed_units_of_spots_are_as_sharp_and_alike_as_spots():
    """Everyone mixes the same four spots: mixing the patches of all changes nothing."""
    patches = torch.stack([mixtures(blobs(4, 1.5), seed=s) for s in range(4)])
    units, chance = component_numbers(patches)
    assert chance["likeness_mixed"] == pytest.approx(units["likeness"].mean(), abs=0.02)
    assert chance["likeness_between"] == pytest.approx(units["likeness"].mean(), abs=0.02)
    assert chance["sharpness_mixed"] == pytest.approx(units["sharpness"].mean(), rel=0.02)


def test_at_most_32_units_are_mixed_and_every_patch_once(monkeypatch):
    seen = []

    def noted(patches):
        seen.append(patches)
        return real(patches)

    real = components.layer_components
    monkeypatch.setattr(components, "layer_components", noted)
    for n_units in (3, 40):
        patches = torch.rand(n_units, 2, 4, 4, generator=torch.Generator().manual_seed(0))
        component_numbers(patches)
        own, mixed = seen[-2:]
        assert own is patches and mixed.shape == (min(n_units, 32), 2, 4, 4)
        kept = {tuple(p.flatten().tolist()) for p in mixed.flatten(0, 1)}
        assert len(kept) == 2 * min(n_units, 32)
        assert kept <= {tuple(p.flatten().tolist()) for p in patches.flatten(0, 1)}


def test_a_unit_without_patches_has_no_numbers_and_spoils_none():
    grey = torch.full((K, 32, 32), 0.5)
    patches = torch.stack([mixtures(blobs(4, 1.5)), grey, mixtures(noise(4))])
    units, chance = component_numbers(patches)
    assert units["n_found"].tolist() == [4, 0, 4] and units["converged"].tolist() == [1, 1, 1]
    assert units.loc[1, ["likeness", "spectral_likeness", "sharpness"]].isna().all()
    assert units.drop(1).notna().all(axis=None) and all(np.isfinite(list(chance.values())))


def test_a_single_unit_has_nobody_to_compare_with():
    units, chance = component_numbers(mixtures(noise(3))[None])
    assert len(units) == 1 and np.isnan(chance["likeness_between"])
    assert np.isfinite(chance["likeness_mixed"])


# Of a study


def study_of(*layers):
    classes = np.repeat([0, 1], 10)
    responses = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    made = {n: dict.fromkeys(("max", "mean", "min"), responses) for n in layers}
    return planted_study(made, classes, ["a", "b"], k=20)


def test_without_images_or_table_there_is_nothing_to_measure():
    for of in (component_units, component_chance):
        with pytest.raises(CannotTest, match="images"):
            of(study_of("conv1", "fc"))


def test_from_a_table_of_these_images(monkeypatch):
    numbers = torch.arange(12, dtype=torch.float16).view(3, 4)
    about = {"columns": list("pqrs"), "chance": ["x", "y"], "images": {"planted": "planted"}}
    tensors = {f"components/{n}": numbers + 20 * i for i, n in enumerate(("b", "a"))}
    tensors |= {f"chance/{n}": torch.tensor([0.5, i]) for i, n in enumerate(("b", "a"))}
    asked = []
    monkeypatch.setattr(components, "load_table", lambda n: asked.append(n) or (about, tensors))
    study = study_of("b", "a", "fc")
    table = component_units(study)
    assert asked == ["planted-facets"]
    assert (
        table["layer"].tolist() == ["b"] * 3 + ["a"] * 3 and table["unit"].tolist() == [0, 1, 2] * 2
    )
    assert table[list("pqrs")].to_numpy().tolist() == [
        *numbers.tolist(), *(numbers + 20).tolist()
    ]  # fmt: skip
    wanted = pd.DataFrame({"b": {"x": 0.5, "y": 0.0}, "a": {"x": 0.5, "y": 1.0}}).T
    assert component_chance(study).equals(wanted)
    about["images"]["planted"] = "of others"
    with pytest.raises(CannotTest, match="images"):
        component_units(study_of("b", "a"))


@pytest.fixture(params=["world", "worldnet-untrained"])
def world(request, monkeypatch):
    monkeypatch.delenv("SELECTIVITY_HOME", raising=False)
    return open_study(request.param)


def test_the_shipped_tables_of_the_world(world):
    about, tensors = load_table(f"{world.name}-facets")
    layers = convolutions(world.record)
    assert set(tensors) == {f"{kind}/{n}" for kind in ("components", "chance") for n in layers}
    assert about["columns"] == COLUMNS and about["chance"] == CHANCE
    assert about["images"] == {world.name: world.record.metadata["images"]["digest"]}
    assert about["network"] == world.record.metadata["network"]["weights"]
    table = component_units(world)
    assert list(table) == [*COLUMNS, "layer", "unit"]
    assert table["layer"].tolist() == [n for n in layers for _ in range(world.record[n].n_units)]
    there = table[table["n_found"] > 1]
    assert len(there) > 0.95 * len(table) and there.notna().all(axis=None)
    assert there["likeness"].between(0, 1).all() and there["spectral_likeness"].abs().max() <= 1
    # The largest frequency of a picture: half of its diagonal.
    assert there["sharpness"].between(0, SIDE / 2**0.5).all()
    assert table["n_found"].between(0, 8).all() and set(table["converged"]) <= {0, 1}
    chance = component_chance(world)
    assert chance.index.tolist() == layers and (chance > 0).all(axis=None)


def test_the_first_layer_measured_again(world):
    layer = convolutions(world.record)[0]
    units, chance = component_numbers(grey_patches(world, layer))
    table = load_table(f"{world.name}-facets")[1]
    kept = table[f"components/{layer}"].double().numpy()
    # Where the path did not settle, its end depends on the last digits of a sum.
    sure = (units["converged"] == 1).to_numpy() & (kept[:, COLUMNS.index("converged")] == 1)
    assert sure.sum() >= 8
    for place, name in enumerate(COLUMNS):
        allowed = 2e-3 * np.abs(kept[sure, place]) + 1e-3  # float16 keeps eleven bits
        assert (np.abs(units[name][sure] - kept[sure, place]) <= allowed).all(), name
    assert list(chance.values()) == pytest.approx(table[f"chance/{layer}"].tolist(), rel=0.02)


def test_grey_is_the_mean_of_the_channels(monkeypatch):
    monkeypatch.delenv("SELECTIVITY_HOME", raising=False)
    study = open_study("world")
    layer = convolutions(study.record)[0]
    found = grey_patches(study, layer)
    assert found.shape == (study.record[layer].n_units, 100, SIDE, SIDE)
    exact = crops(study.record, study.network, study.images, layer, [4], k=3)
    for rank in range(3):
        inside = exact.pixels[0, rank][:, exact.valid[0, rank]]
        # Resizing keeps the mean, to what the filter weighs differently at the edges.
        assert found[4, rank].mean().item() == pytest.approx(inside.mean().item(), abs=0.05)
