"""The recorder against brute force, and everything it promises about repetition."""

import numpy as np
import pytest
import torch
from torch import nn

from helpers.errors import SelectivityError
from helpers.record import FolderImages, Record, load_network, record, wrap
from helpers.record.recorder import default_k
from helpers.record.store import LISTS, STATISTICS
from tests.reference import keep_everything, ranked

K = 12


class InPlace(nn.Module):
    """Convolutions followed by in-place ReLUs, the trap that corrupts captured activations."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 5, 2), nn.ReLU(inplace=True), nn.Conv2d(8, 16, 3, padding=1),
            nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(3),
        )  # fmt: skip
        self.head = nn.Linear(16 * 9, 5)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


def network(kind):
    torch.manual_seed(0)
    if kind == "in-place":
        module = InPlace()
        module.features[3].running_mean.normal_()
        return wrap(module, "in-place", input_size=(64, 64))
    return load_network(kind, "random")


NETWORKS = ["in-place", "timm:test_resnet", "torchvision:squeezenet1_1", "timm:test_vit"]


def assert_list(found, values, k, places=None, largest=True):
    """A ranked list equals the sorted responses, ranks and places included."""
    expected, images = ranked(values if largest else -values, k)
    assert torch.equal(found.images[:, : len(values)], images)
    expected = expected if largest else -expected
    torch.testing.assert_close(found.values, expected, rtol=1e-5, atol=1e-5)
    if places is not None:
        assert torch.equal(found.positions, places[images, torch.arange(len(images))[:, None]])


def assert_exact(recorded, maps_of, classes):
    for layer in recorded.layers:
        found, maps = recorded[layer], maps_of[layer]
        width = found.geometry.map_size[1]
        high, low, mean = maps.max(2), maps.min(2), maps.mean(2)

        def place(flat, width=width):
            return torch.stack([flat // width, flat % width], -1)

        k = found.top.values.shape[1]
        assert_list(found.top, high.values, k, place(high.indices))
        assert_list(found.bottom, low.values, k, place(low.indices), largest=False)
        # The two sides add a map's values in different orders, so equal means may rank either way:
        # each listed value must be its image's mean, and the values those of the sorted responses.
        for which, sign in (("mean_top", 1), ("mean_bottom", -1)):
            listed = getattr(found, which)
            of_images = mean[listed.images, torch.arange(found.n_units)[:, None]]
            torch.testing.assert_close(listed.values, of_images, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(
                listed.values, sign * ranked(sign * mean, k)[0], rtol=1e-4, atol=1e-5
            )
        zero = ranked(-mean.abs(), found.near_zero.values.shape[1])[0]
        torch.testing.assert_close(-found.near_zero.values.abs(), zero, rtol=1e-3, atol=1e-5)
        statistics = {"max": high.values, "min": low.values, "mean": mean,
                      "relu": high.values.clamp(min=0)}  # fmt: skip
        for name, values in statistics.items():
            for c in range(len(recorded.class_names)):
                rows = values[classes == c]
                torch.testing.assert_close(
                    found.sums[name][:, c], rows.double().sum(0), rtol=1e-4, atol=1e-4
                )
                torch.testing.assert_close(
                    found.minima[name][:, c], rows.amin(0), rtol=1e-4, atol=1e-5
                )
                torch.testing.assert_close(
                    found.maxima[name][:, c], rows.amax(0), rtol=1e-4, atol=1e-5
                )


@pytest.mark.parametrize("kind", NETWORKS)
def test_equals_brute_force(kind, picture_folder):
    images, net = FolderImages(picture_folder), network(kind)
    recorded = record(net, images, K, progress=False)
    assert set(recorded.layers) == set(net.taps)
    assert_exact(recorded, keep_everything(net, images, recorded.layers), images.classes)


def test_equals_brute_force_on_googlenet_and_photographs(real_home):
    images = FolderImages(real_home / "images" / "caltech101")
    images = images.subset(np.arange(0, 2000, 10))
    net = load_network("googlenet")
    layers = [f"{block}.*" for block in ("conv1", "conv2", "inception_3b", "inception_4c", "loss3")]
    recorded = record(net, images, 50, layers=",".join(layers), progress=False)
    assert_exact(recorded, keep_everything(net, images, recorded.layers), images.classes)


def test_short_lists_and_many_merges_are_exact(picture_folder):
    images, net = FolderImages(picture_folder), network("in-place")
    from helpers.record import recorder

    default = recorder.CHUNK
    try:
        recorder.CHUNK = 8, 8
        recorded = record(net, images, 4, batch_size=8, progress=False)
    finally:
        recorder.CHUNK = default
    assert_exact(recorded, keep_everything(net, images, recorded.layers), images.classes)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_batch_size_does_not_matter(batch_size, picture_folder):
    images, net = FolderImages(picture_folder), network("in-place")
    a = record(net, images, K, progress=False)
    b = record(net, images, K, batch_size=batch_size, progress=False)
    for layer in a.layers:
        for which in LISTS:
            torch.testing.assert_close(getattr(a[layer], which).values, getattr(b[layer], which).values,
                                       rtol=1e-4, atol=1e-5)  # fmt: skip
        for s in STATISTICS:
            torch.testing.assert_close(a[layer].sums[s], b[layer].sums[s], rtol=1e-4, atol=1e-4)


def test_the_same_settings_give_the_same_bytes(picture_folder, tmp_path):
    images, net = FolderImages(picture_folder), network("timm:test_resnet")
    for name in ("a", "b"):
        record(net, images, K, responses=("max",), progress=False).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def assert_same(a: Record, b: Record, exact_sums=True):
    assert a.layers == b.layers and a.names == b.names
    assert torch.equal(a.counts, b.counts)
    for layer in a.layers:
        for which in LISTS:
            x, y = getattr(a[layer], which), getattr(b[layer], which)
            assert torch.equal(x.images, y.images), (layer, which)
            torch.testing.assert_close(x.values, y.values, rtol=0, atol=0, equal_nan=True)
            assert x.positions is None or torch.equal(x.positions, y.positions)
        for s in STATISTICS:
            tolerance = 0 if exact_sums else 1e-12
            torch.testing.assert_close(a[layer].sums[s], b[layer].sums[s], rtol=tolerance, atol=0)
            assert torch.equal(a[layer].minima[s], b[layer].minima[s])
            assert torch.equal(a[layer].maxima[s], b[layer].maxima[s])
        for s in a[layer].responses:
            torch.testing.assert_close(
                a[layer].responses[s], b[layer].responses[s], rtol=0, atol=0, equal_nan=True
            )


@pytest.mark.parametrize("split", ["halves", "alternate"])
def test_merged_shards_equal_one_pass(split, picture_folder):
    images, net = FolderImages(picture_folder), network("in-place")
    n = len(images)
    first = np.arange(n // 2) if split == "halves" else np.arange(0, n, 2)
    second = np.setdiff1d(np.arange(n), first)
    options = dict(
        batch_size=1, responses=("max",), progress=False
    )  # one image a batch: same floats
    whole = record(net, images, K, **options)
    parts = [record(net, images, K, indices=part, **options) for part in (first, second)]
    assert_same(whole, parts[0].merge(parts[1]), exact_sums=False)
    assert_same(whole, parts[1].merge(parts[0]), exact_sums=False)
    with pytest.raises(SelectivityError, match="same image"):
        parts[0].merge(parts[0])


def test_select_equals_recording_only_those_classes(picture_folder):
    images, net = FolderImages(picture_folder), network("in-place")
    options = dict(batch_size=1, progress=False)
    classes = ["class2", "class0"]
    complete = record(net, images, len(images), **options).select(classes)
    direct = record(net, images.select(classes), len(images), **options)
    for layer in direct.layers:
        k = direct[layer].top.values.shape[1]
        for which in LISTS:
            got, want = getattr(complete[layer], which), getattr(direct[layer], which)
            if (
                which == "near_zero"
            ):  # 20 of 64 images are kept, so those of two classes may be fewer
                kept = (got.images >= 0).sum(1)
                for unit, m in enumerate(kept.tolist()):
                    assert torch.equal(got.images[unit, :m], want.images[unit, :m])
                continue
            assert torch.equal(got.images[:, :k], want.images)
            assert torch.equal(got.values[:, :k], want.values)
            assert (got.images[:, k:] == -1).all()
        for s in STATISTICS:
            assert torch.equal(complete[layer].sums[s], direct[layer].sums[s])
            assert torch.equal(complete[layer].minima[s], direct[layer].minima[s])
            assert torch.equal(complete[layer].maxima[s], direct[layer].maxima[s])
    assert complete.names == direct.names and complete.class_names == direct.class_names
    assert complete.classes.tolist() == direct.classes.tolist()


def test_select_from_short_lists_gives_exact_beginnings(picture_folder):
    images, net = FolderImages(picture_folder), network("in-place")
    options = dict(batch_size=1, progress=False)
    short = record(net, images, K, **options).select(["class1"])
    direct = record(net, images.select(["class1"]), K, **options)
    lengths = []
    for layer in direct.layers:
        got, want = short[layer].top, direct[layer].top
        for unit, m in enumerate((got.images >= 0).sum(1).tolist()):
            lengths.append(m)
            assert torch.equal(got.images[unit, :m], want.images[unit, :m])
            assert got.values[unit, m:].isnan().all()
    assert 0 < sum(lengths) < K * len(lengths)  # some entries are there, and some are missing


def test_training_mode_and_missing_k(picture_folder):
    images, net = FolderImages(picture_folder), network("in-place")
    net.module.train()
    recorded = record(net, images, progress=False)
    assert net.module.training, "the recorder must leave the module as it found it"
    net.module.eval()
    assert_same(recorded, record(net, images, progress=False))
    assert recorded.k == len(images)
    assert [default_k(n) for n in (50, 3800, 5760, 10**6)] == [50, 400, 576, 1000]


def test_nan_weights_are_named(picture_folder):
    net = network("in-place")
    with torch.no_grad():
        net.module.features[2].weight[3] = float("nan")
    with pytest.raises(SelectivityError, match=r"features\.2 .* nan on image class0/"):
        record(net, FolderImages(picture_folder), K, progress=False)


def test_bad_requests_are_one_clear_line(picture_folder):
    images, net = FolderImages(picture_folder), network("in-place")
    for options, message in [
        (dict(layers="conv9*"), "no layer matches"),
        (dict(responses=("median",)), "no statistic"),
    ]:
        with pytest.raises(SelectivityError, match=message) as error:
            record(net, images, K, progress=False, **options)
        assert "\n" not in str(error.value)
