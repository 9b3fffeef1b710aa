"""One call from a folder to an answer: planted studies, generated pictures, refusals."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import SelectivityError
from helpers.analysis import CategoryAnalysis, analyse_categories, recommend_layers
from helpers.record import FolderImages, load_network
from helpers.selectivity.profile import N_BEST
from tests.planted import planted_study

NAMES = ("cat", "dog", "house")
SIZES = (12, 10, 45)
CLASSES = np.repeat(np.arange(3), SIZES)
DETECTORS = {"conv1": 0, "conv2": 4, "conv3": 12, "conv4": 2, "fc": 20}


def detectors(n, seed, units=40):
    """Weak noise whose first n units answer to cats."""
    weak = 0.02 * torch.randn(len(CLASSES), units, generator=torch.Generator().manual_seed(seed))
    weak[0, -1] = 1.0  # one strong answer gives a layer without detectors its range
    weak[:, :n] += 1.0 * torch.from_numpy(CLASSES == 0)[:, None]
    return weak


def study_of(layers, classes=CLASSES, names=NAMES, **more):
    made = {n: {"max": r, "mean": r - 1, "min": r - 2} for n, r in layers.items()}
    return planted_study(made, classes, names, **more)


@pytest.fixture(scope="module")
def planted():
    layers = {name: detectors(n, i) for i, (name, n) in enumerate(DETECTORS.items())}
    return analyse_categories(study_of(layers))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """40 pictures of three categories: a hue each, of unequal number."""
    root = tmp_path_factory.mktemp("mine")
    random = np.random.default_rng(0)
    for number, (name, count) in enumerate(zip(("green", "red", "sky"), (14, 10, 16), strict=True)):
        (root / name).mkdir()
        for i in range(count):
            pixels = random.integers(0, 60, (64, 64, 3), dtype=np.uint8)
            pixels[..., number] += 120
            Image.fromarray(pixels).save(root / name / f"{i:02d}.png")
    return root


@pytest.fixture(scope="module")
def analysed(pictures):
    return analyse_categories(pictures, network="worldnet-fine", progress=False)


def test_planted_detectors_are_found_and_their_layer_recommended(planted):
    assert isinstance(planted, CategoryAnalysis) and planted.categories == NAMES
    profile = planted.profile(threshold=0.1, by="layer")
    assert profile["cat"].to_dict() == {name: n / 40 for name, n in DETECTORS.items()}
    assert (profile[["dog", "house"]] == 0).all(axis=None)
    table = planted.recommend("cat")
    assert table["layer"][:3].tolist() == ["fc", "conv3", "conv2"]
    assert (table["units"] == 40).all()


def test_luck_stands_beside_each_number(planted):
    profile, luck = planted.profile(), planted.luck()
    assert profile.index.tolist() == luck.index.tolist() == list(DETECTORS)
    assert profile.columns.tolist() == luck.columns.tolist() == list(NAMES)
    assert luck.to_numpy().max() < 0.5 and (luck.to_numpy() >= 0).all()
    assert (planted.profile(0.1) <= profile).all(axis=None)


def test_the_best_units_are_the_planted_ones_and_no_outputs(planted):
    best = planted.best("cat", n=18)
    assert set(zip(best["layer"], best["unit"], strict=True)) == {
        (name, unit) for name, n in DETECTORS.items() if name != "fc" for unit in range(n)
    }
    assert best["contrast"].is_monotonic_decreasing and (best["category"] == "cat").all()
    spread = planted.best("cat", n=6, per_layer=2)
    assert (spread["layer"].value_counts() == 2).all() and len(spread) == 6
    assert len(planted.best("cat", n=10**6)) == 4 * 40


def test_the_figure_draws_the_profile(planted):
    figure = planted.figure(threshold=0.1)
    drawn = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    profile = planted.profile(0.1)
    matching = [y for y in drawn.values() if len(y) == len(profile)]
    for name in NAMES:
        assert any(np.allclose(y, profile[name]) for y in matching)
    assert figure._repr_png_()


def test_a_category_that_is_not_there(planted):
    for ask in (planted.recommend, planted.best):
        with pytest.raises(SelectivityError, match="no category 'cow'; there are cat, dog, house"):
            ask("cow")


def test_a_folder_of_pictures_in_one_call(analysed, pictures):
    record = analysed.study.record
    assert analysed.categories == ("green", "red", "sky")
    assert dict(zip(record.class_names, record.counts.tolist(), strict=True)) == {
        "green": 14, "red": 10, "sky": 16,
    }  # fmt: skip
    assert len(analysed.units) == 3 * record.n_units
    assert analysed.units[["contrast", "auc", "luck"]].notna().all(axis=None)
    # Categories of one hue each: the network tells them by its first layers already.
    for name in analysed.categories:
        assert analysed.recommend(name)["best auc"].max() > 0.95
    assert analysed.profile(by="layer").index.tolist() == record.layers
    assert analysed.study.has_network and analysed.study.has_images
    assert analysed.study.images.digest() == FolderImages(pictures).digest()


def test_folder_image_set_network_and_study_are_the_same(analysed, pictures):
    network = load_network("worldnet-fine")
    again = analyse_categories(FolderImages(pictures), network, batch_size=7, progress=False)
    for column in ("contrast", "auc"):
        np.testing.assert_allclose(again.units[column], analysed.units[column], atol=1e-4)
    recorded = analyse_categories(analysed.study, network="not used")
    assert recorded.units.equals(analysed.units)


def test_recommend_layers_of_a_record(planted):
    record = planted.study.record
    table = recommend_layers(record, ["cat"])
    assert table.equals(planted.recommend("cat"))
    assert list(table.columns) == ["layer", "units", "selective", "by luck", "strength", "best auc"]
    of_layer = planted.units.query("layer == 'conv3' and category == 'cat'")
    strength = table.set_index("layer")["strength"]["conv3"]
    assert strength == pytest.approx(of_layer["contrast"].nlargest(N_BEST).mean())
    two = recommend_layers(record, ["cat", "dog"])
    assert (two.set_index("layer")["strength"] < table.set_index("layer")["strength"])["fc"]
    with pytest.raises(SelectivityError, match="no class 'cow'"):
        recommend_layers(record, ["cow"])
    with pytest.raises(SelectivityError, match="no category 'cow'"):
        recommend_layers(record, "cow")
    with pytest.raises(SelectivityError, match="no rest"):
        recommend_layers(record, NAMES)


def test_one_category_only(tmp_path, pictures):
    one = planted_study(
        {"conv": {s: torch.rand(30, 3) for s in ("max", "min", "mean")}}, np.zeros(30, int), ["cat"]
    )
    with pytest.raises(SelectivityError, match="one category, cat: a second one") as error:
        analyse_categories(one)
    assert "\n" not in str(error.value)
    (tmp_path / "red").mkdir()
    for picture in (pictures / "red").iterdir():
        (tmp_path / "red" / picture.name).write_bytes(picture.read_bytes())
    with pytest.raises(SelectivityError, match="one category, red"):
        analyse_categories(tmp_path, network="worldnet-fine", progress=False)


@pytest.mark.parametrize("few", [0, 1, 9])
def test_fewer_than_ten_images(few):
    classes = np.repeat(np.arange(2), (30, few))
    layer = torch.rand(len(classes), 3)
    with pytest.raises(SelectivityError, match=f"the category dog has {few} readable") as error:
        analyse_categories(study_of({"conv": layer}, classes, ("cat", "dog")))
    assert "\n" not in str(error.value)


def test_unbalanced_categories():
    """Ten cats beside 600 houses: the planted detectors are found all the same."""
    classes = np.repeat(np.arange(2), (10, 600))
    weak = 0.02 * torch.randn(610, 40, generator=torch.Generator().manual_seed(5))
    weak[:10, :7] += 1.0
    analysis = analyse_categories(study_of({"conv": weak, "fc": weak}, classes, ("cat", "house")))
    assert analysis.profile(0.1, by="layer")["cat"]["conv"] == 7 / 40
    assert analysis.best("cat", 7)["unit"].sort_values().tolist() == list(range(7))
    assert (analysis.best("cat", 7)["share"] < 0.7).all()  # what the printed index makes of them


def test_a_record_without_responses():
    study = study_of({"conv": detectors(5, 0), "fc": detectors(0, 1)})
    for name in study.record.layers:
        study.record[name].responses = {}
    analysis = analyse_categories(study)
    assert analysis.luck().isna().all(axis=None) and analysis.units["auc"].isna().all()
    assert analysis.recommend("cat")["layer"].tolist() == ["conv", "fc"]
    assert analysis.profile(0.1, by="layer")["cat"].tolist() == [5 / 40, 0]


def test_a_figure_holds_five_categories_and_luck(planted):
    axes = planted.figure(["dog", "cat"]).axes[0]
    drawn = {line.get_label(): line.get_ydata() for line in axes.lines if len(line.get_xdata()) > 2}
    assert list(drawn) == ["dog", "cat", "labels shuffled"]
    assert drawn["cat"].tolist() == planted.profile()["cat"].tolist()
    assert drawn["labels shuffled"] == pytest.approx(planted.luck()[["dog", "cat"]].mean(axis=1))
    with pytest.raises(SelectivityError, match="5 categories, not 6"):
        planted.figure(["cat"] * 6)
    with pytest.raises(SelectivityError, match="no category 'owl'"):
        planted.figure(["owl"])
    with pytest.raises(SelectivityError, match="'stage' or by 'layer'"):
        planted.profile(by="unit")
