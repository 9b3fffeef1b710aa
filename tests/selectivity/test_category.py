"""The category indexes: against loops over the printed formula, on a real record, planted, degenerate."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import SelectivityError, open_study
from helpers.categories import classes_of
from helpers.record import WorldImages, load_network, record
from helpers.selectivity.category import (
    balanced,
    category_auc,
    category_aucs,
    category_indexes,
    category_share,
    contrast,
    contrast_of_maps,
    share,
    share_at,
    totals_of_responses,
    totals_of_sums,
)


@pytest.fixture(scope="module")
def recorded():
    """An eighth of the world's images on two layers; the others are as unreadable ones: rows of nan."""
    images = WorldImages("eval")
    return record(
        load_network("worldnet-fine"),
        images,
        20,
        layers="conv6,fc",
        batch_size=128,
        responses=("max", "min", "mean"),
        indices=np.arange(0, len(images), 8),
        progress=False,
    )


def responses_of(layer, statistic):
    """(N, U) single responses; relu is the maximum cut at zero, by its definition."""
    if statistic == "relu":
        return layer.responses["max"].clamp(min=0)
    return layer.responses[statistic]


def share_by_the_paper(responses, member):
    """Sum AC / (sum AN + epsilon), one unit and one image after the other."""
    responses, member = responses.double().numpy(), member.numpy()
    shares = []
    for unit in responses.T:
        read = [i for i in range(len(unit)) if not np.isnan(unit[i])]
        low, high = min(unit[i] for i in read), max(unit[i] for i in read)
        of_category = everything = 0.0
        for i in read:
            normalised = (unit[i] - low) / (high - low) if high > low else np.nan
            everything += normalised
            of_category += normalised if member[i] else 0
        shares.append(of_category / (everything + 1e-8))
    return torch.tensor(shares, dtype=torch.float64)


def indexes_by_hand(responses, member):
    """(balanced, contrast) from scaled means; the first by the unit's scale, the second by the layer's."""
    responses = responses.double().numpy()[~np.isnan(responses.numpy()).any(1)]
    own = (responses - responses.min(0)) / (responses.max(0) - responses.min(0))
    common = (responses - responses.min()) / (responses.max() - responses.min())
    inside, outside = own[member].mean(0), own[~member].mean(0)
    return inside / (inside + outside + 1e-8), common[member].mean(0) - common[~member].mean(0)


@pytest.fixture
def noise():
    """(responses (200, 7), member (200,)): skewed noise, units of very different size and sign."""
    generator = torch.Generator().manual_seed(0)
    responses = torch.randn(200, 7, generator=generator).exp() * 10.0 ** torch.arange(-3, 4) - 5
    return responses, torch.rand(200, generator=generator) < 0.3


def test_share_is_the_printed_formula(noise):
    torch.testing.assert_close(category_share(*noise), share_by_the_paper(*noise))


def test_scaling_a_unit_s_responses_changes_nothing(noise):
    responses, member = noise
    moved = responses.double() * 3.5 - 40
    torch.testing.assert_close(
        category_share(moved, member), category_share(responses.double(), member)
    )


@pytest.mark.parametrize("statistic", ["max", "min", "mean", "relu"])
@pytest.mark.parametrize("name", ["conv6", "fc"])
def test_a_record_s_sums_give_what_its_responses_give(recorded, name, statistic):
    layer, of_category = recorded[name], classes_of("dog", recorded.class_names)
    member = of_category[recorded.classes]
    responses = responses_of(layer, statistic)
    assert responses.isnan().any(1).sum() == 5040
    from_sums = share(
        totals_of_sums(layer.sums[statistic], layer.counts, *layer.extremes(statistic), of_category)
    )
    wanted = share_by_the_paper(responses[::8], member[::8])
    close = dict(rtol=1e-9, atol=1e-9, equal_nan=True)
    torch.testing.assert_close(from_sums, wanted, **close)
    torch.testing.assert_close(category_share(responses, member), wanted, **close)
    table = category_indexes(layer, of_category, statistic)
    np.testing.assert_allclose(table["share"], wanted, rtol=1e-9)
    assert (table["share_chance"] == 0.25).all()
    assert wanted.std() > 0.01  # units differ, so that equal columns mean something


def test_balanced_and_contrast_of_a_record(recorded):
    layer, of_category = recorded["conv6"], classes_of("dog", recorded.class_names)
    member = of_category[recorded.classes][::8].numpy()
    wanted = indexes_by_hand(layer.responses["max"], member)
    table = category_indexes(layer, of_category)
    np.testing.assert_allclose(table["balanced"], wanted[0], rtol=1e-9)
    np.testing.assert_allclose(table["contrast"], wanted[1], rtol=1e-9, atol=1e-12)


def test_a_selection_of_classes_has_its_own_scale(recorded):
    """Sums, counts and extremes of the chosen classes only: as if only they had been recorded."""
    part = recorded.select(["taxi", "pug", "cup", "poodle", "apple", "beagle"])
    of_category = classes_of("dog", part.class_names)
    member = of_category[part.classes]
    for statistic in ("max", "min", "mean"):
        responses = part["conv6"].responses[statistic]
        found = category_indexes(part["conv6"], of_category, statistic)
        np.testing.assert_allclose(found["share"], share_by_the_paper(responses, member), rtol=1e-9)
        of_all = totals_of_responses(responses, member, *recorded["conv6"].extremes(statistic))
        assert (np.abs(found["share"] - share(of_all).numpy()) > 0.01).any()
        assert (found["share_chance"] == 0.5).all()


def test_shuffled_labels_give_the_chance_share(noise):
    responses, member = noise
    generator = torch.Generator().manual_seed(1)
    orders = [torch.randperm(len(member), generator=generator) for _ in range(400)]
    shuffled = torch.stack([category_share(responses, member[order]) for order in orders])
    chance = totals_of_responses(responses, member).chance
    assert chance == member.double().mean()
    error = shuffled.std(0) / len(orders) ** 0.5
    assert ((shuffled.mean(0) - chance).abs() < 4 * error).all() and (error < 0.02).all()


def test_planted_units():
    member = torch.arange(8) < 2
    only_category, only_rest = torch.zeros(8), torch.zeros(8)
    only_category[0], only_rest[2:] = 5, 3
    half = torch.tensor([1.0, 1, 0, 0, 0, 1, 1, 1])  # 2 of 2 in the category, 3 of 6 in the rest
    constant = torch.full((8,), -2.0)
    responses = torch.stack([only_category, only_rest, half, constant], 1)
    totals = totals_of_responses(responses, member)
    assert totals.chance == 0.25 and (totals.n_category, totals.n_rest) == (2, 6)
    nan = torch.nan
    torch.testing.assert_close(
        share(totals), torch.tensor([1, 0, 2 / 5, nan]).double(), equal_nan=True
    )
    torch.testing.assert_close(
        balanced(totals), torch.tensor([1, 0, 1 / 1.5, nan]).double(), equal_nan=True
    )
    torch.testing.assert_close(
        contrast(totals), torch.tensor([0.5, -1, 0.5, nan]).double(), equal_nan=True
    )


def test_given_ends_of_the_scale():
    """With one scale for the layer, a weak unit has a small contrast, and a constant one has none."""
    member = torch.tensor([True, False, False])
    responses = torch.tensor([[10.0, 1, 4], [0, 0, 4], [0, 0, 4]])
    found = contrast(totals_of_responses(responses, member, low=0.0, high=10.0))
    assert found.tolist() == pytest.approx([1, 0.1, 0])
    own = contrast(totals_of_responses(responses, member))
    assert own[:2].tolist() == [1, 1] and own[2].isnan()


def test_rows_of_unreadable_images_are_left_out(noise):
    responses, member = noise
    gaps = responses.clone()
    gaps[::5, 3] = torch.nan
    read = torch.arange(len(member)) % 5 != 0
    torch.testing.assert_close(
        category_share(gaps, member), category_share(responses[read], member[read])
    )
    torch.testing.assert_close(
        category_auc(gaps, member), category_auc(responses[read], member[read])
    )


def test_a_category_needs_images_inside_and_outside():
    responses = torch.rand(6, 2)
    for member in (torch.zeros(6).bool(), torch.ones(6).bool()):
        for index in (category_share, category_auc):
            with pytest.raises(SelectivityError) as error:
                index(responses, member)
            assert "\n" not in str(error.value)
    unread = responses.clone()
    unread[:2] = torch.nan
    for index in (category_share, category_auc):  # members there are, but none could be read
        with pytest.raises(SelectivityError, match="no image of the category"):
            index(unread, torch.arange(6) < 2)
        with pytest.raises(SelectivityError):
            index(responses[:1], torch.tensor([True]))  # one image
    sums, counts, ends = torch.rand(2, 3), torch.tensor([4, 0, 2]), (torch.zeros(2), torch.ones(2))
    with pytest.raises(SelectivityError, match="no image of the category"):
        totals_of_sums(sums, counts, *ends, torch.tensor([False, True, False]))
    with pytest.raises(SelectivityError, match="no image of the category"):
        totals_of_sums(sums, counts, *ends, torch.zeros(3).bool())
    with pytest.raises(SelectivityError, match="no rest"):
        totals_of_sums(sums, counts, *ends, torch.tensor([True, False, True]))
    with pytest.raises(ValueError, match="do not fit"):
        totals_of_sums(sums, counts, *ends, torch.tensor([True, False]))
    with pytest.raises(ValueError):
        category_share(responses, torch.tensor([True, False]))


def test_auc_counts_pairs():
    generator = torch.Generator().manual_seed(2)
    responses = torch.randint(-2, 3, (60, 5), generator=generator).float()  # many ties
    responses[:, 4] = torch.randn(60, generator=generator)
    member = torch.rand(60, generator=generator) < 0.4
    inside, outside = responses[member], responses[~member]
    wins = (inside[:, None] > outside).double() + (inside[:, None] == outside).double() / 2
    torch.testing.assert_close(category_auc(responses, member), wins.mean((0, 1)))
    # The same number by ranks: Mann and Whitney's U over the number of pairs.
    column = responses[:, 4].numpy()
    ranks = column.argsort().argsort() + 1
    n, rest = int(member.sum()), int((~member).sum())
    u = ranks[member.numpy()].sum() - n * (n + 1) / 2
    assert category_auc(responses, member)[4].item() == pytest.approx(u / (n * rest))


def test_auc_of_planted_units():
    member = torch.tensor([True, True, False, False])
    responses = torch.tensor([[2.0, -2, 7, 1], [3, -3, 7, 0], [1, -1, 7, 1], [0, 0, 7, 0]])
    assert category_auc(responses, member).tolist() == [1, 0, 0.5, 0.5]


def test_auc_takes_member_as_numbers():
    """0 and 1 mean what False and True mean, as in `category_share`."""
    responses = torch.randn(30, 3, generator=torch.Generator().manual_seed(3))
    member = torch.arange(30) < 8
    for kind in (torch.int64, torch.uint8):
        torch.testing.assert_close(
            category_auc(responses, member.to(kind)), category_auc(responses, member)
        )
        torch.testing.assert_close(
            category_share(responses, member.to(kind)), category_share(responses, member)
        )


def test_a_shipped_record_s_indexes():
    """GoogLeNet's class means are in half precision: shares stay shares, and no unit is constant."""
    study = open_study("googlenet")
    of_category, member = study.category("dog")
    for name in ("inception_3a.1x1", "inception_5b.5x5"):
        for statistic in ("max", "min", "mean", "relu"):
            table = category_indexes(study.record[name], of_category, statistic)
            assert table["share"].between(0, 1).all() and table["balanced"].between(0, 1).all()
            assert table["share_chance"][0] == member.double().mean() == 1820 / 3800
    faces = open_study("googlenet-faces")
    with pytest.raises(SelectivityError, match="no class sums of the mean"):
        category_indexes(faces.record["conv2.3x3"], faces.category("dog")[0], "mean")


def test_the_share_at_another_proportion_is_that_of_repeated_images():
    """Every image of the category taken three times is the same unit at another proportion."""
    generator = torch.Generator().manual_seed(5)
    responses = torch.rand(60, 7, generator=generator)
    member = torch.arange(60) < 12
    often = torch.cat([responses, responses[member], responses[member]])
    members = torch.cat([member, torch.ones(24, dtype=torch.bool)])
    wanted = category_share(often, members)
    found = share_at(totals_of_responses(responses, member), 36 / 84)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
def test_auc_by_ranks_is_auc_by_pairs(images):
    """With many ties, and one or many images on either side."""
    values, member = (list(column) for column in zip(*images, strict=True))
    if len(set(member)) < 2:
        return
    inside = [v for v, m in images if m]
    outside = [v for v, m in images if not m]
    wins = sum((a > b) + (a == b) / 2 for a in inside for b in outside)
    responses = torch.tensor(values).float()[:, None]
    found = category_auc(responses, torch.tensor(member)).item()
    assert found == pytest.approx(wins / (len(inside) * len(outside)), abs=1e-12)
    # The rest seen as the category; and a response turned upside down.
    assert category_auc(responses, ~torch.tensor(member)).item() == pytest.approx(1 - found)
    assert category_auc(-responses, torch.tensor(member)).item() == pytest.approx(1 - found)


def test_several_categories_at_once():
    generator = torch.Generator().manual_seed(6)
    responses = torch.randn(90, 11, generator=generator)
    responses[::7] = torch.nan
    members = torch.stack([torch.arange(90) % 3 == 0, torch.arange(90) < 4, torch.arange(90) > 20])
    found = category_aucs(responses, members)
    assert found.shape == (3, 11)
    for row, member in zip(found, members, strict=True):
        torch.testing.assert_close(row, category_auc(responses, member))
    with pytest.raises(SelectivityError, match="no image of the category"):
        category_aucs(responses, torch.stack([members[0], torch.zeros(90).bool()]))


def test_auc_of_large_sets_is_exact():
    """The number of pairs is past what 32 bits hold."""
    responses = torch.arange(140_000.0)[:, None]
    assert category_auc(responses, torch.arange(140_000) >= 70_000).item() == 1
    assert category_auc(responses, torch.arange(140_000) % 2 == 1).item() == pytest.approx(
        0.5 + 0.5 / 70_000, abs=1e-12
    )


# What the published code of paper 2 computes


def contrast_by_the_published_steps(maps, member):
    """Scale the whole tensor of maps after the ReLU, difference at each place, mean over places."""
    after = np.maximum(maps, 0)
    scaled = (after - after.min()) / (after.max() - after.min() + 1e-18)
    apart = scaled[member].mean(0) - scaled[~member].mean(0)
    return apart.mean((1, 2))


def test_the_published_code_step_by_step():
    maps = np.random.default_rng(0).normal(size=(30, 5, 4, 3))
    kinds = np.arange(30) % 3
    members = torch.from_numpy(np.stack([kinds == k for k in range(3)]))
    after = torch.from_numpy(np.maximum(maps, 0))
    found = contrast_of_maps(after.mean((2, 3)), after.max().item(), members)
    wanted = [contrast_by_the_published_steps(maps, kinds == k) for k in range(3)]
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_a_unit_for_a_category_all_over_the_map_and_one_for_a_spot():
    """By the maximum both are the same; by the code the spot counts for a hundredth."""
    maps = torch.zeros(20, 3, 10, 10)
    maps[:10, 0] = 1.0
    maps[:10, 1, 4, 4] = 1.0
    maps[:, 2] = 1.0  # ignores the category
    member = (torch.arange(20) < 10)[None]
    found = contrast_of_maps(maps.mean((2, 3)), 1.0, member)[0]
    assert found.tolist() == pytest.approx([1, 0.01, 0])
    same = contrast(totals_of_responses(maps.amax((2, 3)), member[0], low=0.0, high=1.0))
    assert same.tolist() == pytest.approx([1, 1, 0], abs=1e-9)


def test_maps_without_a_positive_value_and_bad_input():
    member = (torch.arange(6) < 3)[None]
    assert contrast_of_maps(torch.zeros(6, 2), 0.0, member).isnan().all()
    with pytest.raises(ValueError, match="do not|members"):
        contrast_of_maps(torch.zeros(6, 2), 1.0, member[:, :5])
    with pytest.raises(SelectivityError):
        contrast_of_maps(torch.zeros(6, 2), 1.0, torch.ones(1, 6))
