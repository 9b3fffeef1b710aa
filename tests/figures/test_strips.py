"""Strips draw the record's own images, numbers and classes, in the record's order."""

import numpy as np
import torch

from helpers.figures import entries, image_rows, image_strip
from helpers.figures.style import ABOVE, BELOW, number, readable, short
from helpers.record import RankedList


def written(figure):
    """Texts under the pictures, two for each: number and caption."""
    return [[text.get_text() for text in axes.texts] for axes in figure.axes]


def test_values_and_classes_are_the_record_s(world):
    ranked = world.record["conv5"].top
    figure = image_strip(*entries(world.record, world.images, ranked, 3, 8))
    chosen = ranked.images[3, :8].tolist()
    names = [world.record.class_names[world.record.classes[i]] for i in chosen]
    expected = [
        [number(v), short(readable(n), 15)]
        for v, n in zip(ranked.values[3, :8].tolist(), names, strict=True)
    ]
    assert written(figure) == expected
    for axes, image in zip(figure.axes, chosen, strict=True):
        drawn = np.asarray(axes.images[0].get_array())
        np.testing.assert_array_equal(drawn, np.asarray(world.images.open(image)))


def test_sign_has_a_colour():
    figure = image_strip([torch.rand(3, 4, 4)] * 3, [2.0, 0.0, -2.0])
    assert [axes.texts[0].get_color() for axes in figure.axes] == [ABOVE, BELOW, BELOW]


def test_rows_keep_their_order(world):
    layer = world.record["conv5"]
    rows = {
        name: entries(world.record, world.images, ranked, 0, 6)
        for name, ranked in (("top", layer.top), ("zero", layer.near_zero), ("low", layer.bottom))
    }
    figure = image_rows(rows)
    assert [part.texts[0].get_text() for part in figure.subfigs] == ["top", "zero", "low"]
    for part, (_, values, _) in zip(figure.subfigs, rows.values(), strict=True):
        assert [text[0] for text in written(part)] == [number(v) for v in values]
    assert figure._repr_png_()


def test_a_list_that_ends_early_is_drawn_as_far_as_it_goes(world):
    ranked = RankedList(torch.tensor([[1.0, torch.nan]]), torch.tensor([[5, -1]]))
    pictures, values, captions = entries(world.record, world.images, ranked, 0, 2)
    assert len(pictures) == len(values) == len(captions) == 1
    assert image_strip([], [])._repr_png_()


def test_pictures_do_not_overlap():
    figure = image_strip([torch.rand(3, 4, 4)] * 9, range(9), columns=4)
    boxes = [axes.get_position() for axes in figure.axes]
    assert min(box.y0 for box in boxes) > 0 and max(box.x1 for box in boxes) <= 1
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
