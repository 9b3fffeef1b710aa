"""Is the layer that the index recommends a good one? Each layer's filters, chosen by the index, put to use.

    worth = layer_worth({layer: responses (N, U), ...}, labels, size=5)
    worth.strength.corr(worth.accuracy, method="spearman")

Tests a sentence of paper 2, section 3: the approach "can be used to identify a particular layer which
contains sufficient amounts of detectors". `probes` compares sets of filters; here layers are compared.
"""

import numpy as np
import pandas as pd

from helpers.selectivity.probes import contrast_score, mean_choice, most_selective, predict, splits


def layer_worth(
    layers: dict, labels, *, n_filters: int = 32, size: int = 5, n_repeats: int = 10, seed: int = 0
) -> pd.DataFrame:
    """Strength of each layer by the index, and the accuracy of a linear probe on it; one row a layer.

    layers: {name: responses (N, U)}; labels (N,) integers 0 to K - 1. In every repeat `size` images of each
    class, the same for all layers, choose a layer's n_filters most selective units, as `probes` does, and
    train the probe; all other images test it. strength: mean contrast of the chosen filters on the training
    images; accuracy: balanced. Images with nan are left out.
    """
    layers = {name: np.asarray(responses, np.float32) for name, responses in layers.items()}
    labels = np.asarray(labels)
    read = ~np.logical_or.reduce([np.isnan(one).any(1) for one in layers.values()])
    layers, labels = {name: one[read] for name, one in layers.items()}, labels[read]
    random, rows = np.random.default_rng(seed), []
    for _ in range(n_repeats):
        ((train, test),) = splits(labels, size, random)
        for name, responses in layers.items():
            scores = contrast_score(responses[train], labels[train])
            chosen = most_selective(scores, n_filters)
            features = responses[:, chosen]
            right = predict(features[train], labels[train], features[test]) == labels[test]
            by_class = [right[labels[test] == k].mean() for k in np.unique(labels)]
            rows.append((name, mean_choice(scores, chosen), np.mean(by_class)))
    table = pd.DataFrame(rows, columns=["layer", "strength", "accuracy"])
    return table.groupby("layer", sort=False).mean().reset_index()
