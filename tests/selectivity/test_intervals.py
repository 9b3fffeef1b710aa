"""The bootstrap: its width on known samples, its coverage, and what it does with too little."""

import itertools

import numpy as np
import pytest

from helpers.selectivity.intervals import (
    bootstrap,
    difference,
    largest_of,
    mean,
    median,
    smallest_of,
)


def test_width_is_that_of_the_standard_error():
    sample = np.random.default_rng(1).normal(3, 2, 400)
    value, low, high = bootstrap(mean, sample)
    assert value == sample.mean() and low < value < high
    assert abs((high - low) / (2 * 1.96 * sample.std() / 20) - 1) < 0.08
    assert bootstrap(mean, sample) == (value, low, high)  # the same seed, the same interval


def test_an_interval_of_95_per_cent_covers_the_truth_about_that_often():
    random = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        _, low, high = bootstrap(difference, random.normal(1, 1, 60), random.normal(0, 1, 40))
        covered += low <= 1 <= high
    assert 0.90 <= covered / 200 <= 0.985


def test_nan_are_left_out_and_small_samples_have_no_interval():
    assert bootstrap(median, [1, np.nan, 3, 2])[0] == 2
    value, low, high = bootstrap(mean, [5.0, np.nan])
    assert value == 5 and np.isnan([low, high]).all()
    assert np.isnan(bootstrap(difference, [1.0, 2.0], [])).all()
    assert bootstrap(mean, [2.0, 2.0]) == (2, 2, 2)


@pytest.mark.parametrize("some", [1, 2, 4, 7])
def test_the_largest_of_some_is_the_mean_over_all_choices(some):
    values = np.random.default_rng(3).normal(size=7)
    chosen = list(itertools.combinations(values, some))
    assert largest_of(values, some) == pytest.approx(np.mean([max(c) for c in chosen]))
    assert smallest_of(values, some) == pytest.approx(np.mean([min(c) for c in chosen]))


def test_the_largest_of_many():
    values = np.random.default_rng(4).normal(size=900)
    assert largest_of(values, 900) == pytest.approx(values.max())
    assert largest_of(values, 1) == pytest.approx(values.mean())
    assert smallest_of(values, 300) < smallest_of(values, 20) < values.mean()
    for some in (0, 901):
        with pytest.raises(ValueError, match="of 900 values"):
            largest_of(values, some)
