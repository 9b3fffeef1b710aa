"""The shipped tables of experiments: what they hold, and that their rows are what their columns say."""

import numpy as np
import pytest
import torch

from helpers import SelectivityError, open_study
from helpers.claims.dogs import moved_below, shown_layers, shown_units
from helpers.record import WorldImages, load_network, record
from helpers.selectivity import category_auc, category_share
from helpers.selectivity.opponency import PART, expected_if_moved, list_length
from helpers.selectivity.probes import ARMS, compare_probes
from helpers.tables import load_table, open_probes, open_variants


def test_a_table_that_is_not_there():
    with pytest.raises(SelectivityError, match="install it again"):
        load_table("nothing")


def test_every_variant_is_there_twice_with_all_layers():
    variants = open_variants()
    labels = {"fine", "dogs-in-6", "dogs-in-3", "dogs-merged"}
    losses = {"softened", "one-vs-rest"}
    plain = {"plain-fine", "plain-dogs-merged"}
    for name in labels | losses | plain | {"breeds-1", "breeds-3", "untrained"}:
        assert variants.seeds(name) == [0, 1]
        assert variants.layers(name) == ["conv" + str(i) for i in range(1, 8)] + ["fc"]
    for name in labels:
        assert min(variants.accuracy[f"{name}/{seed}"] for seed in (0, 1)) > 0.9
    assert variants.accuracy["untrained/0"] < 0.05
    units = variants.units("fine", 0, "conv7")
    assert len(units) == 128 and units.bottom_mean.between(0, 1).all()


def test_the_row_of_a_shipped_network_is_measured_again():
    """fine-long/0 is worldnet-fine, whose weights are here; every eighth column of its table, by hand."""
    images = WorldImages("eval")
    recorded = record(
        load_network("worldnet-fine"), images, 144, layers="conv7", batch_size=128,
        responses=("max", "mean"), progress=False,
    )  # fmt: skip
    layer, member = recorded["conv7"], torch.from_numpy(images.classes < 12)
    units = open_variants().units("fine-long", 0, "conv7")
    np.testing.assert_allclose(
        units.share, category_share(layer.responses["max"], member), atol=1e-5
    )
    means = layer.responses["mean"].numpy()
    lowest = np.argsort(means, 0, kind="stable")[:144]
    np.testing.assert_allclose(units.bottom_mean, member.numpy()[lowest].mean(0), atol=0.008)
    np.testing.assert_array_equal(units.favourite, layer.means["mean"].argmax(1))
    unit = int(units.twin_auc.notna().idxmax())
    favourite = int(units.favourite[unit])
    names = images.class_names
    twin = {"dalmatian": "bulldog", "husky": "schnauzer", "shepherd": "rottweiler",
            "beagle": "corgi", "retriever": "pug", "poodle": "dachshund"}  # fmt: skip
    twin |= {b: a for a, b in twin.items()}
    is_twin = torch.from_numpy(images.classes == names.index(twin[names[favourite]]))
    asked = is_twin | ~member
    auc = category_auc(layer.responses["mean"][asked][:, [unit]], is_twin[asked])
    assert units.twin_auc[unit] == pytest.approx(auc.item(), abs=1e-5)


def test_statistics_of_the_photographs(real_home):
    """The shipped numbers are those of the photographs, and of the same photographs."""
    study = open_study("googlenet")
    shipped = study.image_statistics[:40]
    from helpers.record.images import batches
    from helpers.record.patches import as_shown
    from helpers.selectivity.nuisance import image_statistics

    shown = as_shown(study.network.preprocess)
    ((_, batch, _),) = batches(study.images, study.network.preprocess, np.arange(40), 40)
    again = image_statistics(torch.stack([shown(one) for one in batch]))
    torch.testing.assert_close(shipped, again, atol=1e-4, rtol=1e-3)


def test_breeds_of_the_confusion_table():
    about, tables = load_table("googlenet-opponency")
    confusion = tables["googlenet/breed_confusion"]
    assert confusion.shape == (120, 120) and len(about["breeds"]) == 120
    torch.testing.assert_close(confusion.sum(1), torch.ones(120), atol=1e-4, rtol=0)
    # ImageNet's own photographs: for nearly every breed itself is the likeliest.
    assert (confusion.argmax(1) == torch.arange(120)).float().mean() > 0.9


def test_every_task_of_the_probes_is_there_by_both_scores():
    probes = open_probes()
    assert len(probes.tasks) == 22 and probes.tasks.network.nunique() == 4
    assert (probes.tasks.hard == (probes.tasks["last layer"] < 0.9)).all()
    accuracies = probes.accuracies().astype(float)
    assert list(accuracies.columns) == list(ARMS)
    assert (
        accuracies["last layer, all"] - probes.tasks["last layer"].astype(float)
    ).abs().max() < 1e-6
    for score in ("contrast", "auc"):
        assert probes.mean_differences(ARMS[1], ARMS[5], score).notna().all()
    gains = probes.differences(ARMS[1], ARMS[5])
    for task, (value, low, high) in gains.items():
        plain = accuracies.loc[task, ARMS[1]] - accuracies.loc[task, ARMS[5]]
        assert low <= value <= high and value == pytest.approx(plain, abs=1e-5)


def test_a_task_of_the_probes_is_measured_again():
    """The cats of the network with coarse labels, with fewer repeats: within the shipped interval."""
    cats = ["tabby_cat", "siamese_cat", "black_cat"]
    recorded = record(
        load_network("worldnet-coarse"), WorldImages("eval").select(cats), 10, batch_size=128,
        responses=("max",), progress=False,
    )  # fmt: skip
    layers = {n: recorded[n].responses["max"].numpy() for n in recorded.layers}
    found = compare_probes(layers, recorded.classes, sizes=(5,), n_repeats=4).table()
    about, tables = load_table("category-probes")
    shipped = tables["worldnet-coarse: cats/accuracy"][:, about["sizes"].index(5)]
    for row, (value, low, high) in zip(found.itertuples(), shipped.tolist(), strict=True):
        assert row.accuracy == pytest.approx(value, abs=high - low + 0.03), row.arm


def test_the_untrained_units_are_those_of_the_probe():
    about, tables = load_table("googlenet-faces-untrained")
    faces = open_study("googlenet-faces").record
    assert about["images"] == {"googlenet-faces": faces.metadata["images"]["digest"]}
    assert about["layers"] == faces.layers
    for layer in faces.layers:
        assert tables[f"units/{layer}"].shape == (3, 4, faces[layer].n_units)
    contrast, luck, auc = tables["units/conv1.7x7_s2"].double()
    # Without training a contrast still has the sign of its AUC, far from luck.
    far = contrast.abs() > 5 * luck
    assert far.any() and (((auc > 0.5) == (contrast > 0))[far]).double().mean() > 0.95


def test_what_dogs_would_be_below_if_they_only_moved_responses():
    """The table's studies, and that a study with single responses gives such numbers, too."""
    about, tables = load_table("googlenet-moved")
    for name in ("googlenet", "googlenet-imagenet"):
        study = open_study(name)
        assert about["images"][name] == study.record.metadata["images"]["digest"]
        moved = moved_below(study)
        assert moved.shape == (512,) and -0.5 < moved.min() and moved.max() < 1.5
        assert abs(tables[f"{name}/simulated"].item()) < 0.05
    google = open_study("googlenet")
    top = shown_units(google)["top_mean"].to_numpy()
    # The more dogs above, the fewer below.
    assert np.corrcoef(top, moved_below(google))[0, 1] < -0.8
    assert moved_below(open_study("world")).shape == (128,)


def test_the_table_of_moved_responses_is_made_again(real_home):
    """One branch of block 4c on the sample of ImageNet, by the recipe's functions."""
    name = "inception_4c.5x5"
    shipped, study = load_table("googlenet-moved")[1], open_study("googlenet-imagenet")
    layers = shown_layers(study.record)
    before = sum(study.record[n].n_units for n in layers[: layers.index(name)])
    made = record(
        load_network("googlenet"),
        study.images,
        50,
        layers=name,
        responses=("mean",),
        progress=False,
    )
    member = study.category("dog")[1]
    found = expected_if_moved(made[name].responses["mean"], member, list_length(1000, PART))
    own = shipped["googlenet-imagenet"][before : before + len(found)].numpy()
    assert found == pytest.approx(own, abs=1e-3)
