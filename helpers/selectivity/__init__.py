"""Numbers about units: tensors in, numbers out; no file, no network, no plot.

feature     the neuron feature and its weights                  (paper 4)
classes     which classes drive a unit, and how few             (paper 4)
color       which colours drive a unit, and how much            (paper 4)
tuning      the ordered responses of a unit                     (paper 1)
category    how much of a unit's response is a category's       (papers 1, 2)
profile     where in a network the units for a category are      (paper 2)
pairs       a test on matched pairs of pictures                 (paper 2)
complexity  how many filters respond to a class, and how deep   (paper 2)
probes      do selective filters classify better                (paper 2)
layer_choice is the recommended layer a good one                (paper 2)
opponency   a category at both ends of a unit's responses       (paper 1)
nuisance    what colour, contrast and edges explain of that     (paper 1)
confusion   whether opponent units foretell mistakes            (paper 1)
facets      how many classes drive a unit                       (paper 3)
sizes       how that depends on the number of classes and images
similarity  which units the same classes drive                  (paper 3)
components  what a unit's patches are made of                   (paper 3)
intervals   how sure a number about many units is
agreement   which indexes say the same of units, and which do not   (all papers)
reliability how an index depends on the number of images
"""

from helpers.selectivity.agreement import agreement, rank_correlations, verdicts
from helpers.selectivity.category import (
    balanced,
    category_auc,
    category_indexes,
    category_share,
    contrast,
    share,
    share_at,
    totals_of_responses,
    totals_of_sums,
)
from helpers.selectivity.classes import (
    class_frequencies,
    class_selectivity,
    relative_activations,
)
from helpers.selectivity.color import color_selectivity
from helpers.selectivity.components import independent_components
from helpers.selectivity.facets import (
    class_counts,
    effective_classes,
    facet_units,
    gini,
    multifaceted_degree,
    spectral_flatness,
)
from helpers.selectivity.feature import feature_weights, neuron_feature
from helpers.selectivity.intervals import bootstrap
from helpers.selectivity.opponency import (
    class_inversions,
    ends_table,
    expected_by_looks,
    expected_if_shifted,
    first_share,
    listed_share,
    opponency,
    selective,
)
from helpers.selectivity.reliability import by_number, images_needed
from helpers.selectivity.similarity import pairwise_correlation, pairwise_distance
from helpers.selectivity.tuning import share_hidden, tuning_curve

__all__ = [
    "agreement",
    "balanced",
    "bootstrap",
    "by_number",
    "category_auc",
    "category_indexes",
    "category_share",
    "class_counts",
    "class_frequencies",
    "class_inversions",
    "class_selectivity",
    "color_selectivity",
    "contrast",
    "effective_classes",
    "ends_table",
    "expected_by_looks",
    "expected_if_shifted",
    "facet_units",
    "feature_weights",
    "first_share",
    "gini",
    "images_needed",
    "independent_components",
    "listed_share",
    "multifaceted_degree",
    "neuron_feature",
    "opponency",
    "pairwise_correlation",
    "pairwise_distance",
    "rank_correlations",
    "relative_activations",
    "selective",
    "share",
    "share_at",
    "share_hidden",
    "spectral_flatness",
    "totals_of_responses",
    "totals_of_sums",
    "tuning_curve",
    "verdicts",
]
