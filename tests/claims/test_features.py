"""What the claims of paper 4 are measured on: tables of units, read from shipped numbers or measured."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from helpers import open_study
from helpers.claims import features as measured_on
from helpers.claims.claim import CannotTest
from helpers.claims.features import (
    COLUMNS,
    answers_in_grey,
    class_columns,
    feature_units,
    first_frequencies,
    image_hues_of,
    measured_pictures,
    picture_columns,
    shipped_answers,
    untrained_classes,
    untrained_features,
)
from helpers.errors import SelectivityError
from helpers.features import layer_features
from helpers.record import FolderImages, record
from helpers.record.patches import as_shown
from helpers.replay import RIGHT
from helpers.selectivity.color import BASIC_TERMS, COLOR_SELECTIVE
from helpers.study import Study
from helpers.tables import load_table
from tests.planted import planted_study

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = np.repeat(np.arange(6), 20)
NAMES = [f"class{c}" for c in range(6)]


@pytest.fixture(scope="module", autouse=True)
def no_photographs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELECTIVITY_HOME", "")
        yield


@pytest.fixture(scope="module")
def world():
    return open_study("world")


@pytest.fixture(scope="module")
def googlenet():
    return open_study("googlenet")


def responses(seed, units=8):
    return torch.randn(len(CLASSES), units, generator=torch.Generator().manual_seed(seed))


def study_of(layers, name="planted", k=100):
    made = {n: dict.fromkeys(("max", "mean", "min"), one) for n, one in layers.items()}
    return planted_study(made, CLASSES, NAMES, name, k=k)


# Classes


def check_classes(study, table, every=1):
    """`class_columns` against loops over the lists: each image's class and response by itself."""
    record = study.record
    layers = [n for n in record.layers if max(record[n].geometry.map_size) > 1]
    assert table["layer"].unique().tolist() == layers
    areas, rows = {}, iter(range(len(table)))
    for layer in layers:
        for ranked in record[layer].top.values[:, :400].tolist():
            positive = ranked[0] > 0
            areas[next(rows)] = (
                sum(max(v, 0) for v in ranked) / ranked[0] / len(ranked) if positive else math.nan
            )
    largest = np.nanmax(list(areas.values()))
    got = table["auc"].to_numpy()
    np.testing.assert_allclose(got, 100 * np.array(list(areas.values())) / largest, rtol=1e-6)
    for i in range(0, len(table), every):
        row = table.iloc[i]
        top = record[row["layer"]].top
        shares = {}
        ranked = zip(
            top.values[row["unit"], :100].tolist(),
            top.images[row["unit"], :100].tolist(),
            strict=True,
        )
        n = 0
        for value, image in ranked:
            if value > 0:
                n += 1
                name = record.class_names[record.classes[image]]
                shares[name] = shares.get(name, 0) + value
        assert row["n_images"] == n and row["m_classes"] == len(shares)
        if n > 1:
            assert row["class_index"] == pytest.approx((n - len(shares)) / (n - 1))
            assert row["top_class"] == max(shares, key=shares.get)
            assert row["top_share"] == pytest.approx(max(shares.values()) / sum(shares.values()))
        else:
            assert math.isnan(row["class_index"])


def test_classes_of_planted_units():
    """A dead unit, one that answers to a single image, and layers whose lists are cut."""
    first = responses(1)
    first[:, 2] = -first[:, 2].abs()  # dead
    first[:, 3] = -first[:, 3].abs()
    first[7, 3] = 2.0
    study = study_of({"conv1": first, "conv2": responses(2, 5), "fc": responses(3, 4)})
    table = class_columns(study)
    check_classes(study, table)
    assert len(table) == 13 and "fc" not in set(table["layer"])
    dead, single = table.iloc[2], table.iloc[3]
    assert dead["n_images"] == 0 and pd.isna(dead["top_class"])
    assert math.isnan(dead["class_index"]) and math.isnan(dead["auc"])
    assert single["n_images"] == 1 and single["top_class"] == "class0"
    assert math.isnan(single["class_index"]) and single["auc"] < 5
    assert table["auc"].max() == 100 and list(table)[:3] == ["layer", "stage", "unit"]


def test_outputs_are_not_the_network_s_largest_area():
    """Percentages are of the largest among the convolutions, whatever the outputs do."""
    flat = torch.ones(len(CLASSES), 1)
    study = study_of({"conv1": responses(1), "fc": flat})
    assert class_columns(study)["auc"].max() == 100


def test_stages_are_of_convolutions():
    names = ("conv1.a", "inception_3a.x", "inception_3a.y", "inception_3b.x", "inception_4a.x")
    study = study_of({n: responses(i, 2) for i, n in enumerate(names)})
    assert class_columns(study)["stage"].tolist() == [
        s for s in ("conv1", "3a", "3a", "3b", "4a") for _ in range(2)
    ]


def test_a_record_without_convolutions():
    with pytest.raises(CannotTest, match="no convolutions"):
        class_columns(study_of({"fc": responses(1)}))
    for function in (picture_columns, feature_units, measured_pictures, first_frequencies):
        with pytest.raises(CannotTest):
            function(study_of({"fc": responses(1)}))


def test_a_network_of_dead_units_cannot_be_tested():
    study = study_of({"conv1": -responses(1).abs() - 1, "conv2": -responses(2).abs() - 1})
    with pytest.raises(CannotTest):
        class_columns(study)


@pytest.mark.parametrize(("name", "every"), [("world", 5), ("googlenet", 97)])
def test_classes_of_real_units(name, every, request):
    study = request.getfixturevalue(name)
    check_classes(study, class_columns(study), every)


def test_the_node_of_a_unit_is_above_its_classes(world):
    table = class_columns(world)
    known = table[table["node"].notna()]
    assert len(known) == len(table)
    assert (
        known["node_share"].between(0, 1).all()
        and (known["node_share"] > known["node_chance"]).all()
    )
    single = known[known["node_classes"] == 1]
    assert len(single) and single["node_share"].to_numpy() == pytest.approx(
        single["top_share"].to_numpy()
    )


# Pictures


def test_shipped_pictures_are_in_the_order_of_the_units(world):
    table, (about, tensors) = picture_columns(world), load_table("world-features")
    assert list(table) == list(COLUMNS)
    places = feature_units(world)
    for i in range(0, len(places), 7):
        layer, unit = places["layer"][i], places["unit"][i]
        shipped = dict(
            zip(about["columns"], tensors[f"features/{layer}"][unit].tolist(), strict=True)
        )
        number = int(shipped.pop("color"))
        assert places["color"][i] == (about["colors"][number] if number >= 0 else "none")
        for column in set(COLUMNS) - {"color"}:
            assert places[column][i] == shipped[column] or math.isnan(shipped[column])


@pytest.mark.parametrize("name", ["world", "worldnet-untrained", "googlenet"])
def test_shipped_numbers_are_in_their_ranges(name, googlenet, world):
    study = {"world": world, "googlenet": googlenet}.get(name) or open_study(name)
    table = feature_units(study)
    assert list(picture_columns(study)) == list(COLUMNS)
    assert len(table) == sum(
        study.record[n].n_units
        for n in study.record.layers
        if max(study.record[n].geometry.map_size) > 1
    )
    known = table[table["n_images"] > 0]
    assert known["color_index"].dropna().between(0, 1).all()
    assert (known["hue"].dropna().between(0, 360) & (known["hue"].dropna() < 360)).all()
    assert set(known["color"]) <= {*BASIC_TERMS, "none"}
    named = known["color"] != "none"
    assert (known["color_index"][named] >= COLOR_SELECTIVE - 5e-4).all()
    assert (
        known["color_index"][~named & known["color_index"].notna()] <= COLOR_SELECTIVE + 5e-4
    ).all()
    assert (known["self_response"].dropna() >= 0).all() and (
        known["grey_response"].dropna() <= 1
    ).all()
    assert (known["structure"].dropna() <= 1.001).all() and known["structure"].notna().mean() > 0.9
    assert (known["variance_among"].dropna() >= 0).all()
    frequencies = first_frequencies(study)
    assert frequencies.shape == (int((table["layer"] == table["layer"][0]).sum()),)
    assert image_hues_of(study).shape == (360,) and image_hues_of(study).sum() > 0


def test_colours_by_name_lie_where_their_hues_do(world):
    """Pure red is at 27 degrees, yellow 90, green 153, blue 270."""
    table = feature_units(world)
    expected = {"red": 27, "yellow": 90, "green": 153, "blue": 270}
    seen = 0
    for name, degrees in expected.items():
        hues = table["hue"][table["color"] == name].to_numpy()
        seen += len(hues)
        away = np.abs((hues - degrees + 180) % 360 - 180)
        if len(hues) >= 5:
            assert np.median(away) < 45, name
    assert seen > 20
    assert table["color"].nunique() > 4 and (table["color"] == "none").any()


@pytest.fixture(scope="module")
def two_layers(world):
    """The world's first two layers, measured."""
    study = replace(world, record=world.record.keep_layers(["conv1", "conv2"]))
    return study, measured_pictures(study)


def test_shipped_pictures_are_those_that_are_measured(two_layers):
    study, measured = two_layers
    shipped = picture_columns(study)
    assert list(measured) == list(shipped) == list(COLUMNS) and len(measured) == len(shipped) == 80
    assert measured["color"].tolist() == shipped["color"].tolist()
    for column in set(COLUMNS) - {"color"}:
        a, b = (t[column].to_numpy(dtype=float) for t in (measured, shipped))
        assert (np.isnan(a) == np.isnan(b)).all(), column
        if column == "hue":
            away = np.abs((a - b + 180) % 360 - 180)
            assert np.nanmax(away) < 0.13  # half a step of float16 at 256
        else:
            np.testing.assert_allclose(a, b, rtol=6e-4, atol=1e-4, err_msg=column)
    assert feature_units(study)["layer"].tolist() == ["conv1"] * 32 + ["conv2"] * 48


def test_the_numbers_of_one_unit_from_its_crops(two_layers, world):
    """Structure and variance of a unit of the second layer by loops over its crops."""
    from helpers.record.patches import crops

    _, measured = two_layers
    unit = 9
    patches = crops(world.record, world.network, world.images, "conv2", [unit])
    values = patches.values[0].double()
    n = int(((values > 0) & (values / values[0] >= 0.7)).sum())
    pixels, valid = patches.pixels[0][:n].double().numpy(), patches.valid[0][:n].numpy()
    weights = (values / values[0])[:n].numpy()
    height, width = pixels.shape[-2:]
    shown = np.array([[weights[valid[:, y, x]].sum() >= 0.1 * weights.sum() for x in range(width)]
                      for y in range(height)])  # fmt: skip
    spread = []
    for y, x in np.argwhere(shown):
        seen = valid[:, y, x]
        mean = np.average(pixels[seen, :, y, x], axis=0, weights=weights[seen])
        square = ((pixels[seen, :, y, x] - mean) ** 2).mean(1)
        spread.append(np.average(square, weights=weights[seen]))
    assert measured["variance_among"][32 + unit] == pytest.approx(np.mean(spread), rel=1e-3)


def test_frequencies_are_of_the_first_layer_s_features(world):
    """Each by a plain discrete Fourier sum on a fine grid of frequencies."""
    shipped = first_frequencies(world)
    found = layer_features(world.record, world.network, world.images, "conv1", [0, 7, 20])
    for i, unit in enumerate((0, 7, 20)):
        picture, valid = found.pictures[i].double().numpy(), found.valid[i].numpy()
        around = picture - picture[:, valid].mean(1)[:, None, None]
        around = around * valid
        side = max(picture.shape[-2:])
        best = (0.0, 0.0)
        steps = np.arange(-side / 2, side / 2, 1 / 8)
        y, x = np.arange(picture.shape[1]), np.arange(picture.shape[2])
        rows = np.exp(-2j * np.pi * np.outer(steps, y) / side)
        columns = np.exp(-2j * np.pi * np.outer(steps, x) / side)
        power = sum(np.abs(rows @ c @ columns.T) ** 2 for c in around)
        at = np.unravel_index(power.argmax(), power.shape)
        best = math.hypot(steps[at[0]], steps[at[1]])
        assert shipped[unit].item() == pytest.approx(best, abs=1e-6)


# What is shipped, and for which study


def test_a_table_is_of_the_same_network_and_images(world):
    assert measured_on._shipped(world) is not None
    assert measured_on._shipped(open_study("worldnet-fine-s1")) is None  # has no table
    for part, key in (("network", "weights"), ("images", "digest")):
        about = dict(world.record.metadata)
        about[part] = {**about[part], key: "another"}
        other = type(world.record)(
            about, {n: world.record[n] for n in world.record.layers}, world.record.names,
            world.record.classes, world.record.recorded,
        )  # fmt: skip
        assert measured_on._shipped(replace(world, record=other)) is None
    assert measured_on._shipped(study_of({"conv1": responses(1)}, name="world")) is None


def test_tables_name_what_they_are_of():
    for name in ("world", "worldnet-untrained", "googlenet"):
        about, tensors = load_table(f"{name}-features")
        study = open_study(name)
        assert set(COLUMNS) <= set(about["columns"]) and tuple(about["colors"]) == BASIC_TERMS
        assert about["images"][name] == study.record.metadata["images"]["digest"]
        assert about["network"] == study.record.metadata["network"]["weights"]
        colors = torch.cat(
            [tensors[f"features/{n}"][:, about["columns"].index("color")] for n in about["layers"]]
        )
        assert set(colors.tolist()) <= set(map(float, range(-1, len(BASIC_TERMS))))


def test_without_images_pictures_cannot_be_tested():
    study = study_of({"conv1": responses(1), "conv2": responses(2)})
    for function in (
        picture_columns, measured_pictures, feature_units, first_frequencies, image_hues_of,
        answers_in_grey,
    ):  # fmt: skip
        with pytest.raises(CannotTest, match="not here"):
            function(study)
    assert untrained_features(study) is None
    assert len(class_columns(study)) == 16


def test_frequencies_are_of_the_record_s_first_layer(world, monkeypatch):
    """A record that starts with the second layer has no use for the first's numbers."""
    asked = []

    def of_two_units(*given):
        asked.append(given[-1])
        return layer_features(*given, [0, 1])

    monkeypatch.setattr(measured_on, "layer_features", of_two_units)
    study = replace(world, record=world.record.keep_layers(["conv2", "conv3"]))
    assert len(first_frequencies(study)) == 2 and asked == ["conv2"]


# Before training


def test_units_before_training(world, googlenet):
    twin = open_study("worldnet-untrained")
    pd.testing.assert_frame_equal(untrained_features(world), feature_units(twin))
    found = untrained_classes(world)
    assert list(found) == ["layer", "stage", "unit", "n_images", "class_index"]
    pd.testing.assert_frame_equal(found, class_columns(twin)[list(found)])
    assert untrained_features(googlenet) is None


def test_classes_of_googlenet_before_training(googlenet):
    """Of the shipped lists of classes, 255 for an image without a positive response."""
    study, tensors = googlenet, load_table("googlenet-facets")[1]
    found = untrained_classes(study)
    assert (found["layer"] == class_columns(study)["layer"]).all()
    assert (found["stage"] == class_columns(study)["stage"]).all()
    for i in range(0, len(found), 61):
        row = found.iloc[i]
        classes = [
            c for c in tensors[f"untrained/{row['layer']}"][row["unit"]].tolist() if c != 255
        ]
        assert row["n_images"] == len(classes)
        if len(classes) > 1:
            wanted = (len(classes) - len(set(classes))) / (len(classes) - 1)
            assert row["class_index"] == pytest.approx(wanted)
        else:
            assert math.isnan(row["class_index"])


def test_dead_units_before_training(monkeypatch):
    """A row without images, and one of a single image, have no index."""
    rows = {"conv1": torch.tensor([[0, 0, 0], [1, 0, 0], [3, 1, 0], [4, 0, 0]])}
    monkeypatch.setattr(measured_on, "untrained_rows", lambda study: rows)
    found = untrained_classes(study_of({"conv1": responses(1)}, name="other"))
    assert found["n_images"].tolist() == [0, 1, 4, 4]
    assert found["class_index"].tolist()[2:] == [pytest.approx(2 / 3), 1.0]
    assert found["class_index"].isna().tolist() == [True, True, False, False]


def test_an_own_record_has_nothing_before_training():
    with pytest.raises(CannotTest, match="before training"):
        untrained_classes(study_of({"conv1": responses(1)}))


# Answers in grey


def test_shipped_answers(googlenet):
    for which, study, n in (("world", "world", 5760), ("imagenet", "googlenet-imagenet", 1000),
                            ("dogs", "googlenet", 1800)):  # fmt: skip
        table = shipped_answers(which)
        assert list(table) == [*RIGHT, "class_name"] and len(table) == n
        assert (table["top5 colour"] >= table["top1 colour"]).all()
        assert (table["top5 grey"] >= table["top1 grey"]).all()
        assert set(table["class_name"]) <= set(open_study(study).record.class_names)
        assert all(table[column].dtype.kind == "b" for column in RIGHT)
    assert shipped_answers("dogs")["class_name"].nunique() == 120
    assert shipped_answers("imagenet")["class_name"].nunique() == 1000
    pd.testing.assert_frame_equal(answers_in_grey(googlenet), shipped_answers("imagenet"))
    with pytest.raises(KeyError):
        shipped_answers("cats")


def by_network(study, image):
    """(colour, grey) scores of one image, which is shown by itself."""
    preprocess, module = study.network.preprocess, study.network.module
    pixels = preprocess(study.images.open(image))
    plain = as_shown(preprocess)(pixels[None])
    grey = plain.mean(1, keepdim=True).repeat(1, 3, 1, 1)
    mean = as_shown(preprocess)(torch.zeros_like(pixels)[None])
    scale = as_shown(preprocess)(torch.ones_like(pixels)[None]) - mean
    with torch.inference_mode():
        return [module(x)[0] for x in (pixels[None], (grey - mean) / scale)]


def test_answers_image_by_image(world):
    shipped = answers_in_grey(world)
    names = world.network.class_names
    assert (shipped["class_name"] == np.array(world.record.class_names)[world.record.classes]).all()
    wrong = 0
    for image in range(7, 5760, 331):
        wanted = names.index(shipped["class_name"][image])
        for how, scores in zip(("colour", "grey"), by_network(world, image), strict=True):
            rank = int((scores > scores[wanted]).sum())
            wrong += shipped[f"top1 {how}"][image] != (rank < 1)
            wrong += shipped[f"top5 {how}"][image] != (rank < 5)
    assert wrong == 0


@pytest.fixture(scope="module")
def own(world, tmp_path_factory):
    """A folder of a dozen of the world's pictures: two of its classes, and one it does not know."""

    def of(*folders):
        root = tmp_path_factory.mktemp("own")
        for folder, real in folders:
            (root / folder).mkdir()
            number = world.record.class_names.index(real)
            for i in np.flatnonzero(world.record.classes == number)[:4]:
                picture = world.images.open(int(i))
                assert isinstance(picture, Image.Image)
                picture.save(root / folder / f"{i}.png")
        images = FolderImages(root)
        kept = record(world.network, images, progress=False)
        return Study("own", kept, lambda: world.network, lambda: images)

    return of


def test_answers_on_images_of_one_s_own(own, world):
    """Classes that the network cannot name are left out, and the others keep their order."""
    names = world.record.class_names
    study = own(("aaa", names[3]), (names[5], names[5]), (names[9], names[9]))
    table = answers_in_grey(study)
    assert table["class_name"].tolist() == sorted([names[5]] * 4 + [names[9]] * 4)
    shown = [i for i, c in enumerate(study.images.classes) if study.images.class_names[c] != "aaa"]
    for row, image in zip(table.itertuples(index=False), shown, strict=True):
        wanted = world.network.class_names.index(row[4])
        for at, scores in zip((0, 2), by_network(study, image), strict=True):
            rank = int((scores > scores[wanted]).sum())
            assert (row[at], row[at + 1]) == (rank < 1, rank < 5)
    # Nothing is shipped of them: pictures are measured.
    assert measured_on._shipped(study) is None
    with pytest.raises(SelectivityError):
        load_table("own-features")


def test_hues_of_images_pixel_by_pixel(own, world):
    """Of eight pictures, each pixel by itself; the shipped sum is that of all 5,760."""
    study = own(("aaa", world.record.class_names[0]), ("bbb", world.record.class_names[20]))
    wanted = np.zeros(360)
    for i in range(len(study.images)):
        for red, green, blue in np.asarray(study.images.open(i)).reshape(-1, 3) / 255:
            red_green, yellow_blue = red - green, (red + green - 2 * blue) / 2
            degrees = math.degrees(math.atan2(yellow_blue, red_green)) % 360
            wanted[int(degrees) % 360] += math.hypot(red_green, yellow_blue)
    found = image_hues_of(study).numpy()
    assert found.sum() == pytest.approx(wanted.sum(), rel=1e-4)
    assert np.abs(found - wanted).sum() < 0.02 * wanted.sum()  # hues on the bound of two degrees


def test_hues_of_all_images_by_a_sample(world):
    """Every 40th picture has about a fortieth of the shipped hues, degree by degree."""
    some = range(3, 5760, 40)
    pixels = np.stack([np.asarray(world.images.open(i)) for i in some]).reshape(-1, 3) / 255
    red_green, yellow_blue = pixels[:, 0] - pixels[:, 1], pixels[:, :2].mean(1) - pixels[:, 2]
    degrees = np.degrees(np.arctan2(yellow_blue, red_green)) % 360
    sample = np.bincount(degrees.astype(int) % 360, np.hypot(red_green, yellow_blue), minlength=360)
    shipped = image_hues_of(world).numpy()
    assert shipped.sum() == pytest.approx(40 * sample.sum(), rel=0.05)
    shared = np.minimum(
        (shipped / shipped.sum()).reshape(36, 10).sum(1),
        (sample / sample.sum()).reshape(36, 10).sum(1),
    )
    assert shared.sum() > 0.9


def test_classes_that_the_network_does_not_know(own, world):
    study = own(("aaa", world.record.class_names[3]), ("bbb", world.record.class_names[4]))
    with pytest.raises(CannotTest, match="classes"):
        answers_in_grey(study)
