"""Shipped pictures of GoogLeNet's units: complete, in order, and driving their own units."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.paths import data_path
from helpers.record import Record, load_network
from helpers.record.architectures.googlenet import block_outputs
from helpers.record.taps import listening
from helpers.selectivity.category import contrast, totals_of_responses

SHEETS = {"googlenet-4c-optimised": 512, "googlenet-conv1": 64}
MEAN_RGB = (123, 117, 104)
CATEGORIES = "face", "i-see-face", "car", "dog"
CHECKED = (0, 131, 255, 384, 447, 448, 500, 511)  # units of 4c: both ends of every branch and more


def opened(name: str) -> tuple[np.ndarray, dict]:
    """The tiles (n, S, S, 3) uint8 of a shipped sheet and its description."""
    path = data_path("pictures", name)
    description = json.loads(path.with_suffix(".json").read_text())
    pixels = np.asarray(Image.open(path.with_suffix(".webp")).convert("RGB"))
    side = description["tile"]
    rows = np.split(pixels, pixels.shape[0] // side, axis=0)
    tiles = [t for row in rows for t in np.split(row, pixels.shape[1] // side, axis=1)]
    return np.stack(tiles), description


@pytest.fixture(scope="module")
def optimised():
    return opened("googlenet-4c-optimised")


@pytest.fixture(scope="module", params=["googlenet-4c-optimised", "googlenet-categories"])
def any_optimised(request):
    return opened(request.param)


def responses(network, pixels: torch.Tensor, layers=None) -> np.ndarray:
    """Spatial maximum of the units of these layers (4c's) for prepared pixels (N, 3, 224, 224)."""
    layers = layers or block_outputs()["inception_4c"]
    found = {}

    def keep(layer, values):
        found[layer] = values.amax((2, 3)).numpy()

    with (
        torch.inference_mode(),
        listening(network.module, {n: network.taps[n] for n in layers}, keep),
    ):
        network.module(pixels)
    return np.concatenate([found[layer] for layer in layers], axis=1)


def seen(network, tile: np.ndarray, size: int) -> torch.Tensor:
    """A tile enlarged to `size`, amid the mean colour, prepared in the network's ordinary way."""
    canvas = Image.new("RGB", (224, 224), MEAN_RGB)
    picture = Image.fromarray(tile).resize((size, size), Image.Resampling.BICUBIC)
    canvas.paste(picture, ((224 - size) // 2, (224 - size) // 2))
    # Cropped as it is: resizing to 256 px, as photographs are, would enlarge the picture.
    framed = Image.new("RGB", (256, 256), MEAN_RGB)
    framed.paste(canvas, (16, 16))
    return network.preprocess(framed)


@pytest.mark.parametrize(("name", "units"), SHEETS.items())
def test_a_sheet_has_one_tile_for_every_unit_in_order(name, units):
    tiles, description = opened(name)
    assert len(tiles) == len(description["units"]) == units
    assert tiles.shape[1:] == (64, 64, 3)
    layers = dict.fromkeys(unit.rpartition(":")[0] for unit in description["units"])
    counted = [f"{n}:{u}" for n in layers for u in range(_count(description["units"], n))]
    assert description["units"] == counted
    assert description["network"] == "googlenet" and description["licence"]


def _count(units: list[str], layer: str) -> int:
    return sum(unit.rpartition(":")[0] == layer for unit in units)


def test_units_of_4c_follow_the_order_of_the_block(optimised):
    _, description = optimised
    assert list(description["layers"]) == block_outputs()["inception_4c"]
    assert list(description["layers"].values()) == [128, 256, 64, 64]
    assert description["units"][384] == "inception_4c.5x5:0"
    for values in description["responses"].values():
        assert len(values) == len(description["units"])


def test_sheets_stay_small(optimised):
    assert data_path("pictures", "googlenet-4c-optimised.webp").stat().st_size < 1_000_000
    assert data_path("pictures", "googlenet-conv1.webp").stat().st_size < 50_000
    assert data_path("pictures", "googlenet-categories.webp").stat().st_size < 60_000


def test_pictures_are_neither_flat_nor_alike(any_optimised):
    tiles = any_optimised[0].astype(float) / 255
    contrast = tiles.std(axis=(1, 2)).mean(axis=1)
    assert contrast.min() > 0.08  # an evenly grey picture has none, a photograph about 0.2
    coarse = tiles.reshape(len(tiles), 8, 8, 8, 8, 3).mean(axis=(2, 4)).reshape(len(tiles), -1)
    correlation = np.corrcoef(coarse) - 2 * np.eye(len(tiles))
    assert correlation.max() < 0.9


def test_shares_follow_from_the_responses(any_optimised):
    _, description = any_optimised
    values = {name: np.array(v) for name, v in description["responses"].items()}
    for size in ("full_size", "as_shipped"):
        share = np.mean(values[size] > values["best_photograph"])
        assert description["shares"][f"{size}_beats_best_photograph"] == pytest.approx(
            share, abs=1e-3
        )


def test_shipped_pictures_drive_their_units_as_described(optimised, real_home):
    tiles, description = optimised
    network = load_network("googlenet")
    assert network.weights == description["weights"]
    size = description["size"]
    canvases = [seen(network, tiles[unit], size) for unit in CHECKED]
    measured = np.diag(responses(network, torch.stack(canvases))[:, list(CHECKED)])
    described = {name: np.array(v)[list(CHECKED)] for name, v in description["responses"].items()}
    np.testing.assert_allclose(measured, described["as_shipped"], rtol=0.02, atol=1)
    beats = described["as_shipped"] > described["best_photograph"] * 1.05
    assert beats.any()
    assert (measured > described["best_photograph"])[beats].all()


def test_no_photograph_exceeds_the_best_one(optimised, real_home):
    """The bar that the pictures are measured against is the record of all photographs named."""
    _, description = optimised
    best = np.array(description["responses"]["best_photograph"])
    network = load_network("googlenet")
    largest = np.full(len(best), -np.inf)
    for collection, count in description["photographs"].items():
        paths = sorted((real_home / "images" / collection).glob("*/*"))
        assert len(paths) == count
        pixels = [network.preprocess(Image.open(p).convert("RGB")) for p in paths[:: count // 12]]
        largest = np.maximum(largest, responses(network, torch.stack(pixels)).max(0))
    assert (largest <= best + 0.1).all()
    assert (largest > 0.4 * best).mean() > 0.5  # and it is of the photographs' order


def test_the_categories_sheet_has_a_row_of_representative_units_for_each_category():
    """Against the shipped record's own responses, which are kept in 8 bits of each unit's range."""
    tiles, description = opened("googlenet-categories")
    units = [u.rpartition(":")[::2] for u in description["units"]]
    assert len(tiles) == len(set(units)) == 24
    assert tiles.shape[1:] == (64, 64, 3) and description["columns"] == 6
    assert description["category"] == [c for c in CATEGORIES for _ in range(6)]
    record = Record.load(data_path("records", "googlenet-faces.safetensors"))
    assert description["weights"] == record.metadata["network"]["weights"]
    assert description["photographs"] == {"face_probe": len(record.classes)}
    names = np.array(record.class_names)[record.classes]
    four = torch.from_numpy(np.isin(names, CATEGORIES))
    for row, category in enumerate(CATEGORIES):
        member, found = torch.from_numpy(names == category)[four], {}
        for layer in record.layers[:-1]:  # none of the classifier
            values = record[layer].responses["max"][four].double()
            low, high = values.min().expand(values.shape[1]), values.max().expand(values.shape[1])
            found[layer] = contrast(totals_of_responses(values, member, low, high))
        row = slice(6 * row, 6 * row + 6)
        described = description["contrast"][row]
        assert described == sorted(described, reverse=True)
        of_record = [found[layer][int(unit)].item() for layer, unit in units[row]]
        np.testing.assert_allclose(of_record, described, atol=0.01)
        two_of_each = torch.cat([f.topk(2).values for f in found.values()])
        np.testing.assert_allclose(two_of_each.topk(6).values, described, atol=0.01)
        assert max(_count(description["units"][row], layer) for layer, _ in units[row]) <= 2


def test_category_pictures_drive_their_units_as_described(real_home):
    tiles, description = opened("googlenet-categories")
    network = load_network("googlenet")
    assert network.weights == description["weights"]
    units = [u.rpartition(":")[::2] for u in description["units"]]
    layers = list(dict.fromkeys(layer for layer, _ in units))
    starts = np.cumsum([0] + [network.taps[layer].n_units for layer in layers])
    columns = [starts[layers.index(layer)] + int(unit) for layer, unit in units]
    pixels = torch.stack([seen(network, tile, description["size"]) for tile in tiles])
    measured = responses(network, pixels, layers)[range(len(tiles)), columns]
    described = description["responses"]
    np.testing.assert_allclose(measured, described["as_shipped"], rtol=0.02, atol=1)
    record = Record.load(data_path("records", "googlenet-faces.safetensors"))
    best = [record[layer].top.values[int(unit), 0].item() for layer, unit in units]
    np.testing.assert_allclose(described["best_photograph"], best, rtol=0.01)


def test_filters_are_remade_from_the_weights(real_home, repository: Path, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "data" / "make"))
    from googlenet_filters import LAYER, filter_tiles

    tiles, description = opened("googlenet-conv1")
    network = load_network("googlenet")
    weights = network.module.get_submodule(LAYER).weight.numpy()
    assert network.weights == description["weights"]
    np.testing.assert_array_equal(filter_tiles(weights), tiles)


def test_filters_are_shown_in_red_green_blue(repository: Path, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "data" / "make"))
    from googlenet_filters import BORDER, MAGNIFICATION, filter_tiles

    weights = np.zeros((1, 3, 7, 7), np.float32)
    weights[0, 2, 0, 0] = 2  # the third input channel is red
    weights[0, 0, 6, 6] = -1  # the first is blue
    tile = filter_tiles(weights)[0]
    assert tile[BORDER, BORDER].tolist() == [255, 128, 128]
    last = BORDER + 6 * MAGNIFICATION
    assert tile[last, last].tolist() == [128, 128, 64]
