"""The shipped records of the real network: they open anywhere, say where they come from, and hold."""

import numpy as np
import pytest
import torch

from data.make.record_googlenet import SLICE, SLICE_LAYERS, STUDIES, images_of, slice_of
from helpers.paths import data_path
from helpers.record import Record, load_network, record
from helpers.record.architectures.googlenet import block_outputs

MEGABYTE = 1e6


@pytest.fixture(params=list(STUDIES))
def shipped(request):
    return request.param, Record.load(data_path("records", f"{request.param}.safetensors"))


def test_units_images_and_provenance(shipped):
    name, recorded = shipped
    if name == "googlenet-faces":  # paper 2 counts units in every layer
        assert recorded.n_units == 8280
        assert recorded.layers == list(load_network("googlenet", "random").taps)
    else:
        assert recorded.n_units == 5744
        assert recorded.layers == [layer for block in block_outputs().values() for layer in block]
    images = {"googlenet": 3800, "googlenet-faces": 1044, "googlenet-imagenet": 1000}[name]
    classes = {"googlenet": 220, "googlenet-faces": 5, "googlenet-imagenet": 1000}[name]
    assert int(recorded.counts.sum()) == images and len(recorded.class_names) == classes
    assert recorded.metadata["skipped"] == []
    assert recorded.metadata["network"]["weights"].startswith("sha256:")
    assert "BGR" in recorded.metadata["network"]["preprocessing"]
    assert set(recorded.metadata["software"]) >= {"torch", "pillow", "python"}


def test_lists_are_sorted_and_finite(shipped):
    _, recorded = shipped
    for layer in recorded.layers:
        top, bottom = recorded[layer].top, recorded[layer].bottom
        assert (top.values.diff(dim=1) <= 0).all() and (bottom.values.diff(dim=1) >= 0).all()
        assert top.values.isfinite().all() and bottom.values.isfinite().all()
        assert (top.images >= 0).all() and (top.images < len(recorded.names)).all()
        # Each image at most once on a list.
        assert (top.images.sort(1).values.diff(dim=1) != 0).all()


def test_places_lie_on_the_map():
    recorded = Record.load(data_path("records", "googlenet.safetensors"))
    for layer in recorded.layers:
        height, width = recorded[layer].geometry.map_size
        places = recorded[layer].top.positions[:, :100]
        assert (places >= 0).all()
        assert (places < torch.tensor([height, width])).all()
        # Not all in one corner: a forgotten lookup would leave zeros.
        assert places.float().std() > 0.1 * height


def test_records_carry_no_pixels_and_stay_small():
    sizes = [p.stat().st_size for p in data_path("records").iterdir()]
    assert sum(sizes) < 42 * MEGABYTE
    # The recipes in data/make are code, and not in the package.
    everything = [p for p in data_path().rglob("*") if p.is_file() and "make" not in p.parts]
    assert sum(p.stat().st_size for p in everything) < 60.5 * MEGABYTE
    assert not [p for p in everything if p.suffix.lower() in (".jpg", ".jpeg")]


def test_face_responses_are_kept_for_every_photograph():
    recorded = Record.load(data_path("records", "googlenet-faces.safetensors"))
    assert len(recorded.layers) == 58
    for layer in recorded.layers:
        responses = recorded[layer].responses["max"]
        assert responses.shape == (1044, recorded[layer].n_units) and responses.isfinite().all()
        # The largest response and the first of the list are the same photograph, up to 8 bits.
        best = responses.gather(0, recorded[layer].top.images[:, :1].T)[0]
        span = responses.amax(0) - responses.amin(0)
        # Halves keep eleven bits: of a large response that may be more than a step.
        assert ((responses.amax(0) - best) <= span / 255 + best.abs() / 2**10 + 1e-4).all()


def test_class_sums_of_the_face_record_are_those_of_its_responses():
    recorded = Record.load(data_path("records", "googlenet-faces.safetensors"))
    four = recorded.select(["face", "i-see-face", "car", "dog"])
    of_class = dict(zip(recorded.class_names, recorded.counts.tolist(), strict=True))
    assert four.counts.tolist() == [of_class[name] for name in four.class_names]
    for record_, layer in ((recorded, "conv2.3x3_reduce"), (four, "loss3.classifier")):
        found = record_[layer]
        assert set(found.sums) == {"max", "relu"}  # no mean and no minimum was stored
        for number in range(len(record_.class_names)):
            part = found.responses["max"][record_.classes == number]
            torch.testing.assert_close(found.sums["max"][:, number], part.double().sum(0))
            relu = part.clamp(min=0).double().sum(0)
            torch.testing.assert_close(found.sums["relu"][:, number], relu)
            assert torch.equal(found.minima["max"][:, number], part.amin(0))


def test_the_slice_is_reproduced(real_home):
    """150 photographs of the shipped record, recorded again here."""
    shipped = Record.load(data_path("records", f"{SLICE}.safetensors"))
    images = slice_of(images_of(STUDIES["googlenet"]["folders"]))
    network = load_network("googlenet")
    shipped.check(network, images)
    again = record(network, images, 20, layers=",".join(SLICE_LAYERS), progress=False)
    whole = Record.load(data_path("records", "googlenet.safetensors"))
    for layer in SLICE_LAYERS:
        old, new = shipped[layer], again[layer]
        torch.testing.assert_close(old.top.values, new.top.values, rtol=2e-3, atol=0.1)
        torch.testing.assert_close(old.bottom.values, new.bottom.values, rtol=2e-3, atol=0.1)
        same = (old.top.images == new.top.images).double().mean()
        assert same > 0.999, f"{layer}: {same:.4f} of the listed images agree"
        torch.testing.assert_close(old.sums["mean"], new.sums["mean"], rtol=5e-3, atol=0.05)
        # And the slice agrees with the big record: no image of it beats the big list's best.
        assert (new.top.values[:, 0] <= whole[layer].top.values[:, 0] * 1.002 + 0.1).all()
        both = np.isin(whole[layer].top.images.numpy(), _numbers(whole, images))
        assert both.any()


def _numbers(whole, images):
    numbers = {name: i for i, name in enumerate(whole.names)}
    return [numbers[name] for name in images.names]
