"""Numbers about units: tensors in, numbers out; no file, no network, no plot.

feature     the neuron feature and its weights                 (paper 4)
classes     the share of each class among the strongest images (paper 4)
tuning      the ordered responses of a unit                    (paper 1)
"""

from helpers.selectivity.classes import class_frequencies, relative_activations
from helpers.selectivity.feature import feature_weights, neuron_feature
from helpers.selectivity.tuning import share_hidden, tuning_curve

__all__ = [
    "class_frequencies",
    "feature_weights",
    "neuron_feature",
    "relative_activations",
    "share_hidden",
    "tuning_curve",
]
