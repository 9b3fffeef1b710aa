"""Do selective filters classify better? Linear probes on chosen, random and last-layer filters.

    result = compare_probes({layer: responses (N, U), ...}, labels)
    result.table()                                     balanced accuracy of each arm and size
    result.difference("selective, all layers", "selective, one layer", 20)

Tests the advice of paper 2, section 3: take the layer that the index names, or combine the selective
filters of several layers. Filters are chosen, scaled and fitted on the training images alone, and arms that
are compared have equally many (`select_filters` says where there are not enough).

Source: Malakhova, "Representation of categories in filters of deep neural networks", section 3.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn import config_context
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from helpers.errors import SelectivityError
from helpers.selectivity.category import category_aucs

ARMS = (
    "selective, one layer",
    "selective, all layers",
    "random, one layer",
    "random, all layers",
    "selective, last layer",
    "last layer, all",
    "last hidden layer, all",
)
FOLDS = 5
FEWEST_TESTED = 5  # images of a class that must be left to test a drawn size on
_ALPHAS = np.logspace(-3, 7, 11)
_DRAWS = 1000


def contrast_score(responses: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Each class's mean minus that of the rest, of responses scaled to 0..1 over the layer, (K, U).

    `contrast` of every class. responses (n, U), labels (n,). nan if the layer answers all images alike.
    """
    of_class, responses = _one_hot(labels), responses.astype(float)
    low, span = responses.min(), np.ptp(responses) or np.nan
    scaled = (responses - low) / span
    sums, n = of_class.T @ scaled, of_class.sum(0)[:, None]
    return sums / n - (scaled.sum(0) - sums) / (len(labels) - n)


def auc_score(responses: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Chance that an image of the class drives the unit more than one of the rest, (K, U).

    responses (n, U), labels (n,); a constant unit has 1/2.
    """
    members = torch.from_numpy(_one_hot(labels).T)
    return category_aucs(torch.from_numpy(responses), members).numpy()


def most_selective(scores: np.ndarray, n: int) -> np.ndarray:
    """Units that the classes choose in turn, each its best not yet taken, (min(n, U),) in that order.

    scores (K, U), largest best, nan last. The i-th is the choice of class i modulo K.
    """
    left, taken = np.where(np.isnan(scores), -np.inf, scores), []
    free = np.ones(scores.shape[1], dtype=bool)
    for turn in range(min(n, scores.shape[1])):
        units = np.flatnonzero(free)
        taken.append(units[left[turn % len(scores), units].argmax()])
        free[taken[-1]] = False
    return np.array(taken)


def select_filters(layers, labels, n_filters: int, score: Callable, random, hidden) -> dict:
    """{arm: {layer: units}} for training images alone: layers {name: (n, U)}, labels (n,), hidden: names.

    "One layer" is the one whose n_filters most selective units have the largest mean score, each for the
    class that chose it. A layer with fewer units gives all of them, and its random arm is then the same.
    """
    scores = {name: score(responses, labels) for name, responses in layers.items()}
    best = {name: most_selective(one, n_filters) for name, one in scores.items()}
    strength = {name: mean_choice(scores[name], best[name]) for name in layers}
    one, last = max(strength, key=strength.get), list(layers)[-1]
    together = most_selective(np.concatenate(list(scores.values()), 1), n_filters)
    sizes = {name: found.shape[1] for name, found in scores.items()}
    drawn = random.choice(sizes[one], len(best[one]), replace=False)
    drawn_of_all = random.choice(sum(sizes.values()), len(together), replace=False)
    chosen = (
        {one: best[one]},
        _by_layer(together, sizes),
        {one: drawn},
        _by_layer(drawn_of_all, sizes),
        {last: best[last]},
        {last: np.arange(sizes[last])},
        {name: np.arange(sizes[name]) for name in hidden},
    )
    return dict(zip(ARMS, chosen, strict=True))


def probe_once(
    layers, labels, train, test, *, n_filters=32, score=contrast_score, hidden=None, seed=0
):
    """({arm: predicted labels of the test rows}, {arm: {layer: units}}), learned from the train rows.

    layers {name: (N, U)}, labels (N,); train, test: row numbers. Labels of other rows are not looked at.
    """
    known = labels[train]
    shown = {name: responses[train] for name, responses in layers.items()}
    hidden = list(layers)[-2:][:1] if hidden is None else hidden  # of one layer: itself
    chosen = select_filters(shown, known, n_filters, score, np.random.default_rng(seed), hidden)
    predicted = {}
    for arm, filters in chosen.items():
        features = np.concatenate([layers[name][:, units] for name, units in filters.items()], 1)
        predicted[arm] = predict(features[train], known, features[test])
    return predicted, chosen


def predict(features, labels, of) -> np.ndarray:
    """Labels of the rows `of` (m, F) by ridge regression on standardised features (n, F), (m,).

    Its penalty is chosen by leave-one-out on the n rows; classes weigh equally.
    """
    with config_context(assume_finite=True, skip_parameter_validation=True):  # half of the time
        scaler = StandardScaler().fit(features)
        ridge = RidgeClassifierCV(alphas=_ALPHAS, class_weight="balanced")
        ridge.fit(scaler.transform(features), labels)
        return ridge.predict(scaler.transform(of))


def splits(labels, size: int | None, random) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(train, test) rows: `size` drawn images of each class against all others, or five stratified folds."""
    rows = np.arange(len(labels))
    if size is None:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=int(random.integers(2**31)))
        yield from folds.split(rows, labels)
        return
    drawn = [random.permutation(rows[labels == k])[:size] for k in range(labels.max() + 1)]
    train = np.sort(np.concatenate(drawn))
    yield train, np.setdiff1d(rows, train)


def balanced_accuracy(right, labels):
    """(value, low, high): the mean over classes of their share right, and a 95 % interval.

    right (repeats, N), nan where not tested; labels (N,). Repeats and images, within their class, are
    drawn again at once: the pigeonhole bootstrap, which is if anything too wide (Owen 2007, Annals of
    Applied Statistics 1, 386-411).
    """
    random, of_class = np.random.default_rng(0), _one_hot(labels)
    n, counts = len(right), of_class.sum(0).astype(int)
    repeats, images = np.ones((1 + _DRAWS, n)), np.ones((1 + _DRAWS, len(labels)))
    repeats[1:] = random.multinomial(n, np.full(n, 1 / n), _DRAWS)  # row 0: the sample itself
    for k, count in enumerate(counts):
        images[1:, labels == k] = random.multinomial(count, np.full(count, 1 / count), _DRAWS)
    sums = ((repeats @ np.nan_to_num(right)) * images) @ of_class
    tested = ((repeats @ (~np.isnan(right))) * images) @ of_class
    with np.errstate(invalid="ignore"):  # a class of which a draw tested no image
        found = np.nanmean(sums / tested, axis=1)
    return float(found[0]), *map(float, np.quantile(found[1:], [0.025, 0.975]))


@dataclass(frozen=True)
class ProbeComparison:
    """Which images each arm got right.

    labels (N,) of the images used; correct[arm, size] (repeats, N): 1 right, 0 wrong, nan not tested.
    chosen[size]: one row a layer, `times` it was the one layer, and its mean `share` of the filters of
    "selective, all layers". skipped: sizes for which a class has too few images. size None: five folds.
    """

    labels: np.ndarray
    correct: dict[tuple, np.ndarray]
    chosen: dict[int | None, pd.DataFrame]
    skipped: list

    def table(self) -> pd.DataFrame:
        """arm, size, balanced accuracy with its interval (low, high); chance is 1/K."""
        rows = [
            (*key, *balanced_accuracy(right, self.labels)) for key, right in self.correct.items()
        ]
        table = pd.DataFrame(rows, columns=["arm", "size", "accuracy", "low", "high"], dtype=object)
        return table.astype(dict.fromkeys(["accuracy", "low", "high"], float))

    def difference(self, arm: str, other: str, size: int | None) -> tuple[float, float, float]:
        """(value, low, high): balanced accuracy of one arm minus another's, on the same splits."""
        mine, theirs = self.correct[arm, size], self.correct[other, size]
        return balanced_accuracy(mine - theirs, self.labels)


def compare_probes(
    layers: dict,
    labels,
    *,
    n_filters: int = 32,
    sizes=(5, 20, 100, None),
    n_repeats: int = 20,
    score: Callable = contrast_score,
    hidden=None,
    seed: int = 0,
) -> ProbeComparison:
    """Linear probes on seven sets of filters (`ARMS`), trained on few and on most of the images.

    layers: {name: responses (N, U)} in forward order, the network's last layer last; labels (N,) integers 0
    to K - 1. hidden: names of the layers that make up the last hidden one, such as the branches of a block;
    by default the layer before the last. sizes: training images of each class, drawn anew every repeat, the
    others being tested; None: five folds, so that every repeat tests each image once. Images with a nan
    response are left out.
    A size is skipped if a class has fewer than size + 5 images (5 for folds). SelectivityError for one
    class, for fewer filters than classes, or if no size is left.
    """
    layers = {name: np.asarray(responses, np.float32) for name, responses in layers.items()}
    labels = np.asarray(labels)
    if any(one.ndim != 2 or one.shape[:1] != labels.shape for one in layers.values()):
        raise ValueError("each layer needs responses (N, U) for labels (N,)")
    read = ~np.logical_or.reduce([np.isnan(one).any(1) for one in layers.values()])
    layers, labels = {name: one[read] for name, one in layers.items()}, labels[read]
    counts = np.bincount(labels)
    if len(counts) < 2:
        raise SelectivityError("the images are of one class: a probe needs at least two")
    if n_filters < len(counts):
        raise SelectivityError(f"{n_filters} filters for {len(counts)} classes: use one a class")
    fewest = {size: FOLDS if size is None else size + FEWEST_TESTED for size in sizes}
    used = [size for size in sizes if counts.min() >= fewest[size]]
    if not used:
        raise SelectivityError(
            f"a class has {counts.min()} images and probes need {min(fewest.values())}: leave it out, "
            "or use smaller sizes"
        )
    correct, chosen = {}, {}
    for size in used:
        random = np.random.default_rng([seed, size or 0])
        found = {arm: np.full((n_repeats, len(labels)), np.nan) for arm in ARMS}
        selections = []
        for repeat in range(n_repeats):
            for train, test in splits(labels, size, random):
                drawn = int(random.integers(2**31))
                predicted, filters = probe_once(
                    layers,
                    labels,
                    train,
                    test,
                    n_filters=n_filters,
                    score=score,
                    hidden=hidden,
                    seed=drawn,
                )
                selections.append(filters)
                for arm in ARMS:
                    found[arm][repeat, test] = predicted[arm] == labels[test]
        correct |= {(arm, size): right for arm, right in found.items()}
        chosen[size] = _origins(selections, list(layers))
    return ProbeComparison(labels, correct, chosen, [size for size in sizes if size not in used])


def _origins(selections, names):
    """One row a layer: times it was the one layer, mean share of the filters of all layers."""
    one = [next(iter(filters[ARMS[0]])) for filters in selections]
    together = [{k: len(v) for k, v in filters[ARMS[1]].items()} for filters in selections]
    share = pd.DataFrame(together).reindex(columns=names).fillna(0)
    share = share.div(share.sum(axis=1), axis=0).mean()
    return pd.DataFrame({"times": [one.count(name) for name in names], "share": share}, index=names)


def _one_hot(labels):
    return (labels[:, None] == np.unique(labels)).astype(float)


def mean_choice(scores, units):
    """Mean score of chosen units, each for the class whose turn it was; -inf without any number."""
    found = scores[np.arange(len(units)) % len(scores), units]
    return -np.inf if np.isnan(found).all() else np.nanmean(found)


def _by_layer(columns, sizes):
    """{layer: units} of columns counted through all layers side by side."""
    starts = np.cumsum([0, *sizes.values()])
    of_layer = {
        name: columns[(columns >= a) & (columns < b)] - a
        for name, a, b in zip(sizes, starts[:-1], starts[1:], strict=True)
    }
    return {name: units for name, units in of_layer.items() if len(units)}
