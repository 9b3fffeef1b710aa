"""Figures: numbers in, one matplotlib Figure out; no file, no network, no measure.

style     width, colours, fonts; how names and numbers are written
strips    images in order of response
maps      an activation map and the receptive field behind its maximum
curves    the tuning curve; how a measure is spread over a layer
bars      mean response to each class
opponency what of a category is at both ends of a unit's responses
categories how many detectors a category has, what drives them and in which layers they stand
facets    how many classes drive a unit, by stage; units that are alike; components of patches
features  what units prefer: ranked responses, indexes by layer, hues, clouds of classes
lenses    indexes side by side: which agree, where they point, how many images they need
profiles  a measure over layers and doses; effects; one measure against another
sheets    a unit's patches and feature; a layer's features side by side
shipped   pictures of real units that come with the package
"""

from helpers.figures.bars import class_bars
from helpers.figures.categories import (
    complexity_chart,
    pair_scatter,
    representatives,
    threshold_curves,
)
from helpers.figures.curves import ordered_responses, spread, tuning_curves
from helpers.figures.facets import (
    component_rows,
    degree_profile,
    distributions,
    facet_counts,
    index_against_size,
    similarity_maps,
)
from helpers.figures.features import (
    activation_curves,
    binned,
    degree_bars,
    feature_gallery,
    hue_colours,
    hue_wheel,
    tag_clouds,
)
from helpers.figures.lenses import agreement_map, compass, image_numbers, pair_profiles
from helpers.figures.maps import activation_map
from helpers.figures.opponency import ends_scatter, ladder, list_sensitivity
from helpers.figures.profiles import binned_scatter, dose, effects, layer_profiles
from helpers.figures.sheets import contact_sheet, feature_and_patches
from helpers.figures.shipped import shipped_description, shipped_tiles
from helpers.figures.strips import entries, image_rows, image_strip
from helpers.figures.style import number, readable

__all__ = [
    "activation_curves",
    "activation_map",
    "agreement_map",
    "binned",
    "binned_scatter",
    "class_bars",
    "compass",
    "complexity_chart",
    "component_rows",
    "contact_sheet",
    "degree_bars",
    "degree_profile",
    "distributions",
    "dose",
    "effects",
    "ends_scatter",
    "entries",
    "facet_counts",
    "feature_and_patches",
    "feature_gallery",
    "hue_colours",
    "hue_wheel",
    "image_numbers",
    "image_rows",
    "image_strip",
    "index_against_size",
    "ladder",
    "layer_profiles",
    "list_sensitivity",
    "number",
    "ordered_responses",
    "pair_profiles",
    "pair_scatter",
    "readable",
    "representatives",
    "shipped_description",
    "shipped_tiles",
    "similarity_maps",
    "spread",
    "tag_clouds",
    "threshold_curves",
    "tuning_curves",
]
