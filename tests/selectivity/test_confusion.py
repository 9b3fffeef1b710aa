"""Opposed pairs, distances and their rank association: planted, against scipy-free brute force, null."""

import numpy as np
import pytest
import torch

from helpers import SelectivityError
from helpers.selectivity.confusion import (
    mean_probabilities,
    pair_distance,
    pair_opponency,
    rank_association,
    symmetric,
)


def test_a_planted_pair_is_opposed():
    others = torch.linspace(-1, 1, 9)
    means = torch.stack(
        [
            torch.cat([torch.tensor([5.0, -5.0, 0.0]), others]),
            torch.cat([torch.tensor([-5.0, 5.0, 0.0]), others]),
            torch.cat([torch.tensor([5.0, 5.0, 5.0]), others]),
            torch.cat([torch.tensor([5.0, 0.0, -5.0]), others]),
        ]
    )
    opposed = pair_opponency(means, torch.arange(12) < 3)
    assert opposed.tolist() == [[0, 0.5, 0.25], [0.5, 0, 0], [0.25, 0, 0]]


def test_distance_is_one_minus_the_correlation():
    torch.manual_seed(0)
    means = torch.randn(200, 8)
    inside = torch.arange(8) < 5
    mine = pair_distance(means, inside)
    scaled = means[:, :5].double().numpy()
    scaled = (scaled - scaled.mean(1, keepdims=True)) / scaled.std(1, ddof=1, keepdims=True)
    np.testing.assert_allclose(mine.numpy(), 1 - np.corrcoef(scaled.T), atol=1e-12)


def test_rank_association_of_tables_that_agree_disagree_and_are_unrelated():
    random = np.random.default_rng(0)
    a = random.random((20, 20))
    a = a + a.T
    rho, p = rank_association(a, a**3)  # ranks only: a monotone change is none
    assert rho == pytest.approx(1) and p == 0.001
    assert rank_association(a, -a)[0] == pytest.approx(-1)
    small = []
    for seed in range(60):
        b = np.random.default_rng(seed + 1).random((20, 20))
        small.append(rank_association(a, b + b.T)[1])
    assert 0.25 < np.mean(small) < 0.75 and min(small) > 0.0015  # p is spread, not small


def test_what_a_third_table_explains_is_taken_out():
    random = np.random.default_rng(3)
    third = random.random((30, 30))
    third = third + third.T
    noise = [random.normal(0, 0.2, (30, 30)) for _ in range(2)]
    a, b = (third + n + n.T for n in noise)
    assert rank_association(a, b)[0] > 0.5
    rho, p = rank_association(a, b, given=third)
    assert abs(rho) < 0.15 and p > 0.01


def test_ties_share_their_rank():
    table = np.zeros((4, 4))
    table[0, 1] = table[1, 0] = 1
    assert rank_association(table, table)[0] == pytest.approx(1)
    assert np.isnan(rank_association(np.ones((5, 5)), np.eye(5))).all()
    with pytest.raises(SelectivityError, match="too few"):
        rank_association(np.ones((3, 3)), np.ones((3, 3)))


def test_mean_probabilities():
    scores = torch.log(torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]))
    table = mean_probabilities(scores, torch.tensor([0, 0, 1]), 2)
    torch.testing.assert_close(table, torch.tensor([[0.7, 0.3], [0.2, 0.8]]).double())
    torch.testing.assert_close(symmetric(table)[0, 1], torch.tensor(0.25).double())
