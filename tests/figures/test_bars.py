"""Bars are the record's class means, in their order, and say what they leave out."""

import numpy as np
import pytest

from helpers.figures import class_bars
from helpers.figures.style import ABOVE, BELOW, readable, short


def bars(axes):
    return np.array([bar.get_width() for bar in axes.patches])


@pytest.mark.parametrize("which", ["world", "googlenet"])
def test_lengths_are_the_means(which, request):
    found = request.getfixturevalue(which)
    record = found.record if which == "world" else found
    name = record.layers[-1]
    means = {s: record[name].means[s][5].numpy() for s in ("max", "mean")}
    figure = class_bars(means, record.class_names, most=10, least=5)
    for axes, values in zip(figure.axes, means.values(), strict=True):
        order = np.argsort(-values, kind="stable")
        order = np.r_[order[:10], order[-5:]]
        np.testing.assert_array_equal(bars(axes), values[order])
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert labels == [short(readable(record.class_names[c]), 22) for c in order]
        assert f"{len(values) - 15} between" in axes.texts[0].get_text()
    assert figure._repr_png_()


def test_marks_signs_and_empty_classes():
    means = np.array([1.0, np.nan, -2.0, 3.0])
    axes = class_bars({"max": means}, ("a_b", "empty", "c", "d"), marked=["c"]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["d", "a b", "● c"]
    assert bars(axes).tolist() == [3.0, 1.0, -2.0]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert colours[0] == colours[1] != colours[2]
    assert len({ABOVE, BELOW}) == 2
    assert not axes.texts


def test_a_unit_without_any_response():
    assert class_bars({"max": np.zeros(60)}, [f"c{i}" for i in range(60)])._repr_png_()
