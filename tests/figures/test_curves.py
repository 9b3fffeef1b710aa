"""Curves draw every response the record keeps, and say how many the ReLU hides."""

import numpy as np
import pytest
import torch

from helpers.figures import ordered_responses, spread, tuning_curves


def drawn(axes):
    """Height of the curve at every place, nan where nothing is drawn."""
    above, below = (line.get_ydata() for line in axes.lines[:2])
    return np.where(np.isnan(above), below, above)


@pytest.mark.parametrize("statistic", ["max", "mean", "min"])
def test_the_curve_is_the_sorted_responses(world, statistic):
    layer, n = world.record["conv5"], len(world.images)
    values = ordered_responses(layer, 7, n, statistic)
    figure = tuning_curves({statistic: values})
    responses = layer.responses[statistic][:, 7].numpy()
    np.testing.assert_array_equal(drawn(figure.axes[0]), np.sort(responses)[::-1])
    said = f"{(responses <= 0).sum():,} of {n:,}\nat or below zero"
    assert figure.axes[0].texts[-1].get_text() == said
    hatched = [p for p in figure.axes[0].patches if p.get_hatch()]
    assert len(hatched) == (0 if statistic == "mean" else 1)  # a ReLU acts on places, not on means


def test_ends_of_a_curve_agree_with_all_of_it(world):
    layer, n = world.record["conv5"], len(world.images)
    kept = {s: layer.responses.pop(s) for s in list(layer.responses)}
    try:
        ends = {s: ordered_responses(layer, 7, n, s).numpy() for s in kept}
    finally:
        layer.responses.update(kept)
    k = world.record.k
    for statistic, known in (("max", (k, 0)), ("mean", (k, k)), ("min", (0, k))):
        whole = np.sort(layer.responses[statistic][:, 7].numpy())[::-1]
        first, last = known
        expected = np.where((np.arange(n) < first) | (np.arange(n) >= n - last), whole, np.nan)
        np.testing.assert_array_equal(ends[statistic], expected)


def test_a_slim_record_of_a_real_network(googlenet):
    layer, n = googlenet["inception_4c.3x3"], len(googlenet.names)
    values = ordered_responses(layer, 11, n, "mean")
    figure = tuning_curves({"mean": values})
    heights = drawn(figure.axes[0])
    np.testing.assert_array_equal(heights[~np.isnan(heights)], values[~values.isnan()])
    ticks = figure.axes[0].get_xticklabels()
    assert [t.get_text() for t in ticks] == ["1", "100", f"{n - 99:,}", f"{n:,}"]
    np.testing.assert_array_equal(values[:100], layer.mean_top.values[11, :100])
    assert values[-1] == layer.mean_bottom.values[11, 0]
    gap = int(values.isnan().sum())
    assert any(f"{gap:,} images" in text.get_text() for text in figure.axes[0].texts)
    assert not any("at or below" in text.get_text() for text in figure.axes[0].texts)
    assert figure._repr_png_()


@pytest.mark.parametrize(
    "values", [-torch.arange(1.0, 9.0), torch.zeros(8), torch.arange(9.0, 1, -1)]
)
def test_a_unit_of_one_sign_has_a_band_below_zero(values):
    figure = tuning_curves({"max": values, "mean": values})
    low, high = figure.axes[0].get_ylim()
    assert low < 0 < high
    np.testing.assert_array_equal(drawn(figure.axes[0]), values)
    assert figure._repr_png_()


def test_spread_draws_every_unit_and_the_median():
    groups = {"trained": [0.2, 0.9, 0.4], "untrained": torch.tensor([0.1, 0.3, 0.2])}
    figure = spread(groups, measure="share", chance=0.05, written="{:.0%}".format)
    axes = figure.axes[0]
    for dots, values in zip(axes.collections, groups.values(), strict=True):
        np.testing.assert_allclose(np.asarray(dots.get_offsets())[:, 0], np.sort(values), rtol=1e-6)
    assert [t.get_text() for t in axes.texts[:2]] == ["median 40%", "median 20%"]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(groups)
