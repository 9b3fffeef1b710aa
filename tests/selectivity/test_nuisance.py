"""Colour and edges: known pictures, planted dependences, known chances."""

import pytest
import torch

from helpers.selectivity.nuisance import (
    STATISTICS,
    class_separability,
    image_statistics,
    propensity,
    residual,
)
from helpers.selectivity.opponency import expected_by_looks, listed_share

pytestmark = pytest.mark.usefixtures("one_thread")


def named(pixels):
    """The statistics of one picture (3, H, W) by name."""
    return dict(zip(STATISTICS, image_statistics(pixels[None])[0].tolist(), strict=True))


def checkerboard(light, dark, side=8):
    """(3, side, side) of two colours, one pixel a field."""
    even = (torch.arange(side)[:, None] + torch.arange(side)) % 2 == 0
    return torch.where(even, torch.tensor(light)[:, None, None], torch.tensor(dark)[:, None, None])


def test_a_flat_picture_has_colour_and_no_contrast():
    found = named(torch.tensor([0.9, 0.3, 0.2])[:, None, None].expand(3, 5, 7))
    assert found["lightness"] == pytest.approx(1.4 / 3)
    assert found["red - green"] == pytest.approx(0.6)
    assert found["yellow - blue"] == pytest.approx(0.4)
    for name in ("contrast", "colour contrast", "edges"):
        assert found[name] == pytest.approx(0, abs=1e-7)


def test_a_grey_checkerboard_has_contrast_and_edges():
    found = named(checkerboard((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
    assert found["lightness"] == pytest.approx(0.5)
    assert found["contrast"] == pytest.approx(0.5 * (64 / 63) ** 0.5)
    assert found["edges"] == pytest.approx(2)  # every step is 1, across and down
    for name in ("red - green", "yellow - blue", "colour contrast"):
        assert found[name] == 0
    half = named(checkerboard((0.75,) * 3, (0.25,) * 3))
    assert half["contrast"] == pytest.approx(found["contrast"] / 2)
    assert half["edges"] == pytest.approx(found["edges"] / 2)


def test_a_checkerboard_of_equally_light_colours_has_colour_contrast_only():
    found = named(checkerboard((0.8, 0.2, 0.5), (0.2, 0.8, 0.5)))
    assert found["lightness"] == pytest.approx(0.5) and found["red - green"] == pytest.approx(0)
    assert found["contrast"] == pytest.approx(0, abs=1e-6)
    assert found["edges"] == pytest.approx(0, abs=1e-6)
    assert found["colour contrast"] == pytest.approx(0.6 * (64 / 63) ** 0.5)


def test_coarse_fields_keep_the_contrast_and_lose_edges():
    fine, coarse = checkerboard((1.0,) * 3, (0.0,) * 3), checkerboard((1.0,) * 3, (0.0,) * 3, 2)
    coarse = coarse.repeat_interleave(4, 1).repeat_interleave(4, 2)
    fine, coarse = named(fine), named(coarse)
    assert coarse["contrast"] == pytest.approx(fine["contrast"])
    assert coarse["edges"] == pytest.approx(2 / 7)  # one step of seven, across and down


def test_statistics_of_many_pictures():
    pixels = torch.rand(4, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    found = image_statistics(pixels)
    assert found.shape == (4, len(STATISTICS)) and found.dtype == torch.float64
    torch.testing.assert_close(found[2], image_statistics(pixels[2:3])[0])


@pytest.fixture
def planted():
    """(statistics (3000, 6), an independent signal (3000,), a generator)."""
    generator = torch.Generator().manual_seed(1)
    scale = torch.tensor([1.0, 0.1, 100, 1, 3, 1e-3])
    statistics = torch.randn(3000, 6, generator=generator).double() * scale + scale
    return statistics, torch.randn(3000, generator=generator).double(), generator


def test_residual_takes_away_what_statistics_tell_and_leaves_the_rest(planted):
    statistics, signal, _ = planted
    driven = 3 * statistics[:, 0] - 2 * statistics[:, 0] ** 2 + 500 * statistics[:, 5] + 7
    mixed = driven + signal
    left = residual(torch.stack([driven, mixed, signal], 1), statistics)
    means = torch.stack([driven, mixed, signal], 1).mean(0)
    torch.testing.assert_close(left.mean(0), means, atol=1e-9, rtol=0)
    assert left[:, 0].std() < 1e-9 * driven.std()
    for column in (1, 2):
        both = torch.corrcoef(torch.stack([left[:, column], signal]))[0, 1]
        assert both > 0.99
    for column in statistics.T:
        for power in (column, column**2):
            assert torch.corrcoef(torch.stack([left[:, 1], power]))[0, 1].abs() < 1e-6
    assert torch.corrcoef(torch.stack([mixed, statistics[:, 0]]))[0, 1].abs() > 0.2


def test_residual_with_a_statistic_that_never_changes(planted):
    statistics, signal, _ = planted
    statistics = statistics.clone()
    statistics[:, 3] = 0.5
    left = residual((signal + statistics[:, 0])[:, None].float(), statistics)
    assert left.isfinite().all()
    assert torch.corrcoef(torch.stack([left[:, 0], signal]))[0, 1] > 0.99


def test_residual_leaves_unreadable_images_out(planted):
    """Their responses are rows of nan and stay so; the others are fitted without them."""
    statistics, signal, _ = planted
    responses = torch.stack([signal, signal + statistics[:, 0]], 1)
    gaps, read = responses.clone(), torch.arange(3000) % 10 != 0
    gaps[~read] = torch.nan
    left = residual(gaps, statistics)
    assert left[~read].isnan().all() and left[read].isfinite().all()
    assert torch.corrcoef(torch.stack([left[read, 1], signal[read]]))[0, 1] > 0.99


def category_by(statistic, generator):
    """(N,) bool: the more likely, the larger the statistic."""
    score = (statistic - statistic.mean()) / statistic.std()
    return torch.rand(len(score), generator=generator) < torch.sigmoid(1.5 * score - 1).float()


def quantiles(scores, n=10):
    """(N,) number of the tenth that a score lies in."""
    return scores.argsort().argsort() * n // len(scores)


def test_propensity_is_the_chance_of_being_of_the_category(planted):
    """Known chances are found again; in every tenth of the scores the labels agree with them."""
    statistics, _, generator = planted
    scaled = (statistics - statistics.mean(0)) / statistics.std(0)
    chances = torch.sigmoid(1.5 * scaled[:, 2] - scaled[:, 4] ** 2 + 0.3 * scaled[:, 0] - 0.5)
    member = torch.rand(3000, generator=generator) < chances
    found = propensity(statistics, member)
    assert found.dtype == torch.float64 and ((found > 0) & (found < 1)).all()
    assert (found - chances).abs().mean() < 0.03
    assert found.mean().item() == pytest.approx(member.double().mean().item(), abs=1e-4)
    tenths = quantiles(found)
    for tenth in range(10):
        chosen = tenths == tenth
        assert (found[chosen].mean() - member[chosen].double().mean()).abs() < 0.09
    # Its defining property: at equal chances, the category looks like the rest.
    raw = gap(statistics[:, 2], member)
    within = [gap(statistics[:, 2], member, tenths == t) for t in range(10)]
    assert raw > 0.8 and abs(sum(within) / 10) < 0.1


def gap(statistic, member, chosen=None):
    """Difference of the means inside and outside, in standard deviations of all."""
    chosen = torch.ones_like(member) if chosen is None else chosen
    inside, outside = statistic[chosen & member].mean(), statistic[chosen & ~member].mean()
    return ((inside - outside) / statistic.std()).item()


def test_propensity_does_not_depend_on_units_or_precision(planted):
    statistics, _, generator = planted
    member = category_by(statistics[:, 2], generator)
    found = propensity(statistics, member)
    torch.testing.assert_close(propensity(statistics * 255 + 3, member), found)
    torch.testing.assert_close(propensity(statistics.float(), member), found, atol=1e-4, rtol=1e-3)


def test_labels_that_no_statistic_tells(planted):
    statistics, _, generator = planted
    member = torch.rand(3000, generator=generator) < 0.3
    found = propensity(statistics, member)
    assert (found - member.double().mean()).abs().mean() < 0.05


def test_images_without_statistics_have_no_propensity(planted):
    statistics, _, generator = planted
    member = category_by(statistics[:, 2], generator)
    gaps, read = statistics.clone(), torch.arange(3000) % 10 != 0
    gaps[~read] = torch.nan
    found = propensity(gaps, member)
    assert found[~read].isnan().all()
    torch.testing.assert_close(found[read], propensity(statistics[read], member[read]))


def test_kinds_that_the_statistics_separate():
    """Without the ridge the fit has no optimum, and outliers make plain Newton steps run away."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        statistics = torch.randn(300, 6, generator=generator)
        statistics[:5] *= 50
        member = statistics[:, 0] ** 2 + statistics[:, 1] > 1
        found = propensity(statistics, member)
        assert ((found > 0.5) == member).double().mean() > 0.85
        assert found.mean().item() == pytest.approx(member.double().mean().item(), abs=1e-3)


def test_a_unit_of_a_statistic_is_no_opponent_of_the_category(planted):
    """From end to end: what a statistic drives exceeds chance by far, and what looks explain hardly."""
    statistics, _, generator = planted
    member = category_by(statistics[:, 2], generator)
    looks_like = propensity(statistics, member)
    scaled = (statistics[:, 2] - statistics[:, 2].mean()) / statistics[:, 2].std()
    driven = scaled[:, None] + torch.randn(3000, 200, generator=generator)
    images = driven.T.topk(75).indices
    observed = listed_share(images, member)
    raw = (observed - member.double().mean()).mean()
    left = (observed - expected_by_looks(images, looks_like)).mean()
    assert raw > 0.25 and left.abs() < 0.1 * raw
    # After regression nothing of it is left to explain.
    images = residual(driven, statistics).T.topk(75).indices
    assert (listed_share(images, member) - member.double().mean()).mean().abs() < 0.05


def gaussian(sizes, seed):
    """(statistics (N, 6), classes (N,)) of classes that do not differ."""
    classes = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(classes), 6, generator=generator).double(), classes


def test_a_class_with_a_colour_of_its_own_is_told_and_the_others_are_not():
    statistics, classes = gaussian((30,) * 6, 0)
    statistics[classes == 2, 1] += 12
    found = class_separability(statistics, classes)
    assert found.shape == (6,) and found[2] > 0.99
    assert found[[0, 1, 3, 4, 5]].mean() < 0.75
    # A class of one hue among grey and varied ones is told by the square.
    statistics, classes = gaussian((60,) * 2, 1)
    statistics[classes == 1] *= 6
    assert class_separability(statistics, classes).min() > 0.9


def test_separability_of_a_planted_difference_is_that_of_its_normal_curves():
    """Two classes two standard deviations apart in one statistic: Phi(2 / sqrt 2)."""
    statistics, classes = gaussian((2000, 2000), 2)
    statistics[classes == 1, 4] += 2
    wanted = torch.special.ndtr(torch.tensor(2**0.5)).item()
    for value in class_separability(statistics, classes).tolist():
        assert value == pytest.approx(wanted, abs=0.015)


def test_random_labels_are_not_told_however_small_the_class():
    sizes = (2, 3, 5, 10, 40, 100)
    found = torch.stack([class_separability(*gaussian(sizes, seed)) for seed in range(120)])
    error = found.std(0) / 120**0.5
    assert ((found.mean(0) - 0.5).abs() < 4 * error).all() and (error < 0.025).all()


def test_separability_does_not_depend_on_units_and_is_repeatable():
    statistics, classes = gaussian((20, 30, 40), 3)
    found = class_separability(statistics, classes)
    torch.testing.assert_close(class_separability(statistics * 255 + 3, classes), found)
    assert torch.equal(class_separability(statistics, classes), found)
    assert not torch.equal(class_separability(statistics, classes, seed=1), found)


def test_a_class_of_one_image_has_no_separability_and_spoils_no_other():
    statistics, classes = gaussian((20, 1, 20), 4)
    statistics[classes == 2, 0] += 9
    found = class_separability(statistics, classes)
    assert found[1].isnan() and found[[0, 2]].min() > 0.9
    none = class_separability(statistics, classes.masked_fill(classes == 1, 0))
    assert none[1].isnan() and none[2] > 0.9  # no image at all


def test_separability_leaves_unreadable_images_out():
    statistics, classes = gaussian((20, 20, 20), 5)
    gaps = torch.cat([statistics, torch.full((7, 6), torch.nan).double()])
    labels = torch.cat([classes, torch.tensor([0, 0, 1, 1, 2, 2, 2])])
    found, wanted = class_separability(gaps, labels), class_separability(statistics, classes)
    torch.testing.assert_close(found, wanted)


def test_a_last_class_that_could_not_be_read_keeps_its_place():
    statistics, classes = gaussian((20, 20, 20), 6)
    statistics[classes == 2] = torch.nan
    found = class_separability(statistics, classes)
    assert found.shape == (3,) and found[2].isnan()


def test_pictures_that_all_look_alike_tell_no_class():
    """Equal scores are ties, and a tie is one half whatever the order of the images."""
    found = class_separability(torch.full((60, 6), 0.5), torch.arange(60) // 20)
    assert found.tolist() == pytest.approx([0.5] * 3)
