"""Mean similarity of units that are drawn again: what the interval over units is made of."""

import itertools

import numpy as np
import pytest
import torch

from helpers.selectivity.similarity import drawn_means, mean_of_pairs

pytestmark = pytest.mark.usefixtures("one_thread")


def symmetric(n, seed=0):
    half = torch.rand(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (half + half.T) / 2


def redrawn(matrix, draws, seed):
    """The same by loops and another generator: one mean a draw, of the pairs of different units."""
    random, n, found = np.random.default_rng(seed), len(matrix), []
    for _ in range(draws):
        units = random.integers(0, n, n).tolist()
        pairs = [matrix[a, b].item() for a, b in itertools.combinations(units, 2) if a != b]
        found.append(np.mean(pairs))
    return np.array(found)


def test_on_average_it_is_the_mean_of_all_pairs():
    matrix = symmetric(30)
    found = drawn_means(matrix, 4000)
    error = found.std().item() / 4000**0.5
    assert abs(found.mean().item() - mean_of_pairs(matrix)) < 4 * error
    assert found.std() > 0


def test_as_by_loops_over_drawn_units():
    """Means and quantiles of the draws, not their seed, must be those of an independent loop."""
    matrix = symmetric(7, seed=1)
    mine, theirs = drawn_means(matrix, 20_000).numpy(), redrawn(matrix, 3000, 2)
    assert mine.mean() == pytest.approx(theirs.mean(), abs=4 * theirs.std() / 3000**0.5)
    assert mine.std() == pytest.approx(theirs.std(), rel=0.07)
    for level in (0.025, 0.5, 0.975):
        assert np.quantile(mine, level) == pytest.approx(
            np.quantile(theirs, level), abs=0.15 * theirs.std()
        )


def test_no_unit_makes_a_pair_with_itself():
    matrix = symmetric(9)
    wanted = drawn_means(matrix, 200)
    for own in (1e9, torch.nan, torch.inf):
        assert torch.equal(drawn_means(matrix.clone().fill_diagonal_(own), 200), wanted)
    # Units that are all alike have one mean, however often each is drawn.
    same = torch.full((6, 6), 0.25).fill_diagonal_(1)
    torch.testing.assert_close(drawn_means(same, 100), torch.full((100,), 0.25).double())


def test_pairs_without_a_value_are_left_out():
    """A unit without images correlates with nothing: as if it were drawn and then put aside."""
    matrix = symmetric(12)
    matrix[3], matrix[:, 3] = torch.nan, torch.nan
    found = drawn_means(matrix, 4000)
    rest = [unit for unit in range(12) if unit != 3]
    wanted = mean_of_pairs(matrix[rest][:, rest])
    assert not found.isnan().any() and mean_of_pairs(matrix) == pytest.approx(wanted)
    assert found.mean().item() == pytest.approx(wanted, abs=4 * found.std().item() / 4000**0.5)


def test_two_units_and_one():
    pair = torch.tensor([[1, 0.3], [0.3, 1]])
    found = drawn_means(pair, 1000)
    there = found[~found.isnan()]
    torch.testing.assert_close(there, torch.full_like(there, 0.3))
    assert 400 < len(there) < 600  # half of the draws take one unit twice
    assert drawn_means(torch.ones(1, 1), 5).isnan().all()
