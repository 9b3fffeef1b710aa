"""The tally of classes against sums, minima and maxima over each class's rows."""

import numpy as np
import torch

from helpers.record.statistics import Responses
from helpers.record.store import STATISTICS
from helpers.record.tally import ClassTally, statistic


def rows(n, units, seed=0):
    made = torch.Generator().manual_seed(seed)
    found = Responses.empty(n, units, "cpu")
    for name in ("max", "min", "mean"):
        getattr(found, name).normal_(generator=made)
    return found


def test_equals_reductions_of_each_class_in_any_order_and_chunking():
    whole, classes = rows(60, 37), np.random.default_rng(0).integers(0, 4, 60) * 2  # 1, 3, 5 empty
    for chunk in (1, 7, 60):
        tally = ClassTally(7, 37)
        for start in range(0, 60, chunk):
            tally.add(whole.rows(start, start + chunk), classes[start : start + chunk])
        for name in STATISTICS:
            sums, minima, maxima = tally.sums[name], tally.minima[name], tally.maxima[name]
            for c in range(7):
                values = statistic(whole, name)[torch.from_numpy(classes == c)]
                torch.testing.assert_close(sums[c], values.double().sum(0), rtol=1e-12, atol=1e-12)
                if len(values):
                    assert torch.equal(minima[c], values.amin(0))
                    assert torch.equal(maxima[c], values.amax(0))
                else:
                    assert (minima[c] == torch.inf).all() and (maxima[c] == -torch.inf).all()


def test_sums_do_not_depend_on_how_many_images_come_at_once():
    whole, classes = rows(50, 9), np.zeros(50, dtype=np.int64)
    together, singly = ClassTally(1, 9), ClassTally(1, 9)
    together.add(whole, classes)
    for i in range(50):
        singly.add(whole.rows(i, i + 1), classes[i : i + 1])
    for name in STATISTICS:
        assert torch.equal(together.sums[name], singly.sums[name])
