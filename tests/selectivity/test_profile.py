"""From units to layers: planted detectors, labels shuffled by hand, records against responses."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import SelectivityError, open_study
from helpers.categories import one_each
from helpers.selectivity.category import contrast, share, totals_of_responses
from helpers.selectivity.profile import (
    COLUMNS,
    N_BEST,
    THRESHOLD,
    best_unit_auc,
    category_units,
    proportions,
    proportions_by_luck,
    recommend,
    stages,
)
from tests.planted import planted_study

NAMES = ("face", "car", "dog")
CLASSES = np.repeat(np.arange(3), 30)
UNITS = 60
DETECTORS = {"early": 3, "middle": 15, "late": 6}  # of the 60 units of a layer, for faces


pytestmark = pytest.mark.usefixtures("one_thread")


def noise(units, seed, n=90):
    return torch.randn(n, units, generator=torch.Generator().manual_seed(seed))


def study_of(layers, classes=CLASSES, names=NAMES):
    """A study whose maxima are the given responses; minima and means are there and say nothing."""
    return planted_study(
        {n: {"max": r, "mean": r - 1, "min": r - 2} for n, r in layers.items()}, classes, names
    )


def units_of(layers, classes=CLASSES, names=NAMES):
    return category_units(study_of(layers, classes, names).record, one_each(names))


@pytest.fixture(scope="module")
def planted():
    """Three layers of weak noise with a known number of strong detectors of faces in each."""
    layers = {}
    for seed, (name, n) in enumerate(DETECTORS.items()):
        layers[name] = 0.1 * noise(UNITS, seed)
        layers[name][:, :n] += 5.0 * torch.from_numpy(CLASSES == 0)[:, None]
    return units_of(layers)


def test_one_row_a_unit_and_category(planted):
    assert tuple(planted.columns) == COLUMNS
    assert len(planted) == 3 * UNITS * 3
    assert not planted.duplicated(["layer", "unit", "category"]).any()
    assert planted["layer"].unique().tolist() == list(DETECTORS)


def test_planted_proportions_are_found(planted):
    # By luck a weak unit's contrast stays below a tenth of the layer's range.
    found = proportions(planted, threshold=0.1)
    assert found.index.tolist() == list(DETECTORS) and found.columns.tolist() == list(NAMES)
    assert found["face"].to_dict() == {name: n / UNITS for name, n in DETECTORS.items()}
    assert (found[["car", "dog"]] == 0).all(axis=None)
    rows = planted[planted["category"] == "face"]
    for name, n in DETECTORS.items():
        of_layer = rows[rows["layer"] == name]
        assert (of_layer["auc"][of_layer["unit"] < n] == 1).all()
        assert of_layer["auc"][of_layer["unit"] >= n].between(0.2, 0.8).all()


def test_the_layer_with_most_detectors_is_recommended_first(planted):
    found = recommend(planted, "face", n_best=10)
    assert found["layer"].tolist() == ["middle", "late", "early"]
    assert (found["units"] == UNITS).all() and (found["best auc"] == 1).all()
    assert found["selective"][0] >= DETECTORS["middle"]
    assert found["strength"][0] > 0.8 and found["strength"].is_monotonic_decreasing
    # Another category has no detectors: no layer is strong.
    assert (recommend(planted, "car")["strength"] < 0.05).all()


def test_a_narrow_layer_is_judged_by_all_its_units():
    narrow, wide = 0.1 * noise(4, 0), 0.1 * noise(200, 1)
    for layer in (narrow, wide):
        layer[:, :4] += 5.0 * torch.from_numpy(CLASSES == 0)[:, None]
    units = units_of({"wide": wide, "narrow": narrow})
    found = recommend(units, "face").set_index("layer")
    of_face = units[units["category"] == "face"].groupby("layer")["contrast"]
    assert found["strength"]["narrow"] == pytest.approx(of_face.mean()["narrow"])
    best = of_face.get_group("wide").sort_values().to_numpy()[-N_BEST:]
    assert found["strength"]["wide"] == pytest.approx(best.mean())
    assert found.index[0] == "narrow"


def test_luck_is_the_spread_over_shuffled_labels():
    """Equal and very unequal categories, units of every strength and shape."""
    classes = np.repeat(np.arange(3), (80, 6, 34))
    responses = noise(50, 3, 120) * torch.linspace(0.2, 1, 50)
    responses[:, ::2] = responses[:, ::2].exp()
    study = study_of({"conv": responses}, classes)
    units = category_units(study.record, one_each(NAMES))
    expected = proportions_by_luck(units)
    low, high = responses.min().item(), responses.max().item()
    random = torch.Generator().manual_seed(0)
    for number, name in enumerate(NAMES):
        member = torch.from_numpy(classes == number)
        shuffled = torch.stack(
            [
                contrast(totals_of_responses(responses, member[order], low, high))
                for order in (torch.randperm(120, generator=random) for _ in range(800))
            ]
        )
        luck = units[units["category"] == name]["luck"].to_numpy()
        assert ((shuffled.std(0) / luck - 1).abs() < 0.12).all()
        assert ((shuffled.mean(0) / luck * 800**0.5).abs() < 4.5).all()
        by_hand = (shuffled > THRESHOLD).double().mean().item()
        assert expected[name]["conv"] == pytest.approx(by_hand, abs=0.02)
        assert 0.02 < by_hand < 0.5  # the paper's threshold is passed by luck alone


def test_units_of_noise_pass_the_threshold_as_often_as_by_luck():
    classes = np.repeat(np.arange(2), (150, 10))
    units = units_of({"conv": noise(3000, 4, 160)}, classes, ("many", "few"))
    found, luck = proportions(units), proportions_by_luck(units)
    np.testing.assert_allclose(found, luck, atol=0.03)
    assert (recommend(units, "few")["by luck"] / 3000).item() == pytest.approx(
        luck["few"]["conv"], abs=1e-12
    )


def test_contrast_and_auc_do_not_depend_on_the_size_of_a_category_and_the_share_does():
    """The same detectors, with 10 or 200 images of the category beside the same 200 others."""
    found = {}
    for size in (10, 200):
        classes = np.repeat(np.arange(2), (size, 200))
        responses = noise(400, 5, len(classes)).clamp(-3, 3)
        responses[:size] = (responses[:size] + 1.0).clamp(-3, 3)
        units = units_of({"conv": responses}, classes, ("it", "rest"))
        found[size] = units[units["category"] == "it"][["share", "contrast", "auc"]].mean()
    assert found[10]["contrast"] == pytest.approx(found[200]["contrast"], abs=0.01)
    assert found[10]["auc"] == pytest.approx(found[200]["auc"], abs=0.015)
    assert found[10]["auc"] == pytest.approx(0.76, abs=0.02)  # Phi(1 / sqrt 2)
    assert found[10]["share"] < 0.1 and found[200]["share"] > 0.5


SOME = slice(0, None, 12)  # units: counting pairs is slow


def by_responses(responses, member):
    """(share, contrast, auc) of some units by loops and pairs; the second on the scale of all units."""
    responses, member = responses.double(), torch.as_tensor(member)
    span, responses = responses.max() - responses.min(), responses[:, SOME]
    inside, outside = responses[member], responses[~member]
    shares, aucs = [], []
    for unit in range(responses.shape[1]):
        low, high = responses[:, unit].min(), responses[:, unit].max()
        scaled = (responses[:, unit] - low) / (high - low)
        shares.append((scaled[member].sum() / (scaled.sum() + 1e-8)).item())
        pairs = inside[:, unit, None] - outside[:, unit]
        aucs.append(((pairs > 0).double() + (pairs == 0).double() / 2).mean().item())
    contrasts = (inside.mean(0) - outside.mean(0)) / span
    return np.array(shares), contrasts.numpy(), np.array(aucs)


@pytest.mark.parametrize(
    ("name", "layers"),
    [("world-faces", ("conv1", "conv5", "fc")), ("googlenet-faces", ("inception_3a.5x5",))],
)
def test_a_record_s_sums_give_what_its_responses_give(name, layers):
    record = open_study(name).record.keep_layers(layers)
    units = category_units(record, one_each(record.class_names))
    for layer in layers:
        responses = record[layer].responses["max"]
        for number, category in enumerate(record.class_names):
            rows = units[(units["layer"] == layer) & (units["category"] == category)]
            wanted = by_responses(responses, record.classes == number)
            for column, values in zip(("share", "contrast", "auc"), wanted, strict=True):
                np.testing.assert_allclose(rows[column][SOME], values, rtol=1e-9, atol=1e-9)
            assert rows["share_chance"].iloc[0] == pytest.approx((record.classes == number).mean())


@pytest.mark.parametrize("statistic", ["min", "mean", "relu"])
def test_other_statistics(statistic):
    record = open_study("world-faces").record.keep_layers(["conv4"])
    units = category_units(record, {"dog": one_each(record.class_names)["dog"]}, statistic)
    kept = record["conv4"].responses
    responses = kept["max"].clamp(min=0) if statistic == "relu" else kept[statistic]
    member = record.classes == record.class_names.index("dog")
    alive = (responses.amax(0) > responses.amin(0)).numpy()
    wanted = by_responses(responses[:, alive], member)
    for column, values in zip(("share", "contrast", "auc"), wanted, strict=True):
        np.testing.assert_allclose(units[column][alive][SOME], values, rtol=1e-9, atol=1e-9)


def test_images_that_could_not_be_read_change_nothing():
    responses = noise(8, 6)
    whole = study_of({"conv": responses}).record
    gaps = torch.cat([responses, torch.full((5, 8), torch.nan)])
    padded = study_of({"conv": responses}).record
    padded.classes = np.concatenate([CLASSES, [0, 0, 1, 1, 2]])
    padded.recorded = np.arange(95) < 90
    padded["conv"].responses["max"] = gaps
    categories = one_each(NAMES)
    pd.testing.assert_frame_equal(
        category_units(padded, categories), category_units(whole, categories)
    )


def test_a_constant_unit_is_not_selective():
    responses = noise(3, 7)
    responses[:, 1] = 0.3
    units = units_of({"conv": responses})
    constant = units[units["unit"] == 1]
    assert constant["share"].isna().all() and constant["balanced"].isna().all()
    assert (constant["auc"] == 0.5).all()
    of_constant = constant.copy()
    assert (proportions(of_constant) == 0).all(axis=None)
    assert (proportions_by_luck(of_constant) == 0).all(axis=None)
    # It still counts among the units of its layer.
    assert proportions(units, -1.0).le(1).all(axis=None)


def test_a_dead_layer_is_recommended_last():
    units = units_of({"dead": torch.full((90, 4), 2.0), "conv": noise(4, 8)})
    assert (proportions(units).loc["dead"] == 0).all()
    assert recommend(units, "dog")["layer"].tolist() == ["conv", "dead"]


def test_without_responses_there_is_no_luck_and_no_auc():
    study = study_of({"conv": noise(5, 9)})
    study.record["conv"].responses = {}
    units = category_units(study.record, one_each(NAMES))
    assert units["luck"].isna().all() and units["auc"].isna().all()
    assert units["contrast"].notna().all()
    assert proportions(units).notna().all(axis=None)
    assert proportions_by_luck(units).isna().all(axis=None)
    found = recommend(units, "face")
    assert np.isnan(found["by luck"][0]) and np.isfinite(found["strength"][0])


def test_a_category_needs_images_inside_and_outside():
    record = study_of({"conv": noise(5, 10)}, names=(*NAMES, "nothing")).record
    with pytest.raises(SelectivityError, match="no image of the category"):
        category_units(record, one_each(record.class_names))
    with pytest.raises(SelectivityError, match="no rest"):
        category_units(record, {"all": torch.tensor([True, True, True, False])})


def test_grouped_by_a_column_of_one_s_own(planted):
    half = planted.assign(half=np.where(planted["layer"] == "late", "b", "a"))
    found = proportions(half, 0.1, by="half")
    assert found["face"].to_dict() == {"a": 18 / 120, "b": 6 / 60}
    assert proportions_by_luck(half, 0.1, by="half").index.tolist() == ["a", "b"]


def test_the_order_of_layers_and_categories_is_kept():
    units = units_of({"zebra": noise(3, 0), "ant": noise(3, 1)}, names=("z", "a", "m"))
    for table in (proportions(units), proportions_by_luck(units)):
        assert table.index.tolist() == ["zebra", "ant"]
        assert table.columns.tolist() == ["z", "a", "m"]


def test_stages():
    blocks = [
        "conv1.7x7_s2",
        "conv2.3x3",
        "inception_3a.1x1",
        "inception_3a.3x3",
        "loss3.classifier",
    ]
    assert list(stages(blocks).values()) == ["conv1", "conv2", "3a", "3a", "loss3"]
    few = ["features.0", "features.2", "features.4", "head", "fc"]
    assert stages(few) == {name: name for name in few}
    assert stages(["conv1", "conv2", "conv3", "fc"])["conv2"] == "conv2"


MEMBER = torch.arange(120) < 40


def test_the_best_of_many_noise_units_is_good_on_the_images_that_chose_it_only():
    found = best_unit_auc(noise(2000, 11, 120), MEMBER, n_splits=20)
    assert found.shape == (40, 2)
    assert found[:, 0].min() > 0.7
    assert abs(found[:, 1].mean() - 0.5) < 0.04
    # Many independent layers: the judged AUC has no bias.
    judged = [best_unit_auc(noise(100, s, 120), MEMBER, 1)[:, 1].mean() for s in range(150)]
    assert abs(np.mean(judged) - 0.5) < 4 * np.std(judged) / 150**0.5
    assert np.std(judged) / 150**0.5 < 0.01


def test_a_planted_unit_is_found_among_many():
    responses = noise(1000, 12, 120)
    responses[:, 700] += 4.0 * MEMBER
    found = best_unit_auc(responses, MEMBER)
    assert (found > 0.95).all()
    # Detectors by inhibition are no detectors: a response is expected.
    responses[:, 700] -= 8.0 * MEMBER
    assert best_unit_auc(responses, MEMBER)[:, 1].mean() < 0.75


def test_the_same_seed_halves_alike_whatever_the_width():
    responses = noise(50, 13, 120)
    responses[:, 0] += 3.0 * MEMBER
    narrow, wide = best_unit_auc(responses[:, :1], MEMBER), best_unit_auc(responses, MEMBER)
    np.testing.assert_array_equal(narrow, wide)  # unit 0 is the best in both
    other = best_unit_auc(responses, MEMBER, seed=1)
    assert (other != wide).any()
    # Each half judges once and is judged once: with one unit both give the same two numbers.
    np.testing.assert_array_equal(narrow[::2], narrow[1::2, ::-1])


def test_halves_divide_category_and_rest_each_for_itself():
    """With two images of the category, each half has one; a single one cannot be divided."""
    member = torch.arange(30) < 2
    responses = torch.arange(30.0, 0, -1)[:, None]
    assert (best_unit_auc(responses, member) == 1).all()
    with pytest.raises(SelectivityError, match="no image of the category"):
        best_unit_auc(responses, torch.arange(30) < 1)


def test_halves_leave_out_unreadable_images():
    responses = noise(20, 14, 120)
    responses[:, 3] += 5.0 * MEMBER
    responses[::10] = torch.nan
    found = best_unit_auc(responses, MEMBER)
    assert np.isfinite(found).all() and (found > 0.95).all()


def test_shares_of_all_categories_add_up():
    """Every image is of one category: a unit's shares over the categories make one."""
    units = units_of({"conv": noise(20, 15).exp()})
    total = units.groupby("unit")["share"].sum()
    np.testing.assert_allclose(total, 1, atol=1e-6)
    responses = noise(20, 15).exp()
    member = torch.from_numpy(CLASSES == 1)
    wanted = share(totals_of_responses(responses, member))
    np.testing.assert_allclose(units[units["category"] == "car"]["share"], wanted, rtol=1e-9)
