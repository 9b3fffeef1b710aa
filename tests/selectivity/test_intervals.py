"""The bootstrap: its width on known samples, its coverage, and what it does with too little."""

import numpy as np

from helpers.selectivity.intervals import bootstrap, difference, mean, median


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
