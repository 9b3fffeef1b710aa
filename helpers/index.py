"""Every index of every unit of a record, in one table: what `python -m helpers index` writes.

    index_units(record)                                  from the lists alone
    index_units(record, category=of_category)            with the indexes of a category
    index_units(record, network=network, images=images)  with those that need pictures

helpers.selectivity has what each column means; `COLUMNS` names them.
"""

import pandas as pd
import torch
from tqdm.auto import tqdm

from helpers.features import layer_features
from helpers.replay import responses_in_grey, responses_to_features
from helpers.selectivity.category import category_indexes
from helpers.selectivity.classes import class_units
from helpers.selectivity.color import color_name, color_selectivity, grey_response, hue
from helpers.selectivity.facets import facet_units, layer_counts
from helpers.selectivity.feature import activation_curve, area_percent, curve_area, self_response

COLUMNS = (
    "layer",
    "unit",
    "n_images",  # of the 100 strongest, with a positive response
    "dead",
    "auc",  # area under the activation curve, in per cent of the largest in the network
    "class_index",
    "class_index_null",
    "top_class",
    "m_classes",
    "gini",
    "flatness",
    "mf_degree",
    "mf_null",
)
OF_CATEGORY = ("share", "share_chance", "balanced", "contrast")
OF_PICTURES = ("color_index", "grey_response", "hue", "color", "self_response")
CURVE = 400  # images, paper 4, figure 1
_BYTES = 1 << 30  # of features at once


def index_units(
    record, category=None, network=None, images=None, device="auto", progress=True
) -> pd.DataFrame:
    """One row a unit of the record: `COLUMNS`, then `OF_CATEGORY` and `OF_PICTURES` where asked for.

    category (C,) bool: the classes of a category, held against all others; "max" responses are indexed.
    network and images, those of the record: each image on the lists is read once for each layer.
    """
    sizes, names = record.counts.tolist(), record.class_names
    facets = facet_units({n: layer_counts(record, n) for n in record.layers}, sizes, names)
    classes = class_units(record)
    areas = area_percent(
        {n: curve_area(activation_curve(record[n].top.values[:, :CURVE])) for n in record.layers}
    )
    table = facets[["layer", "unit", "n_images"]].assign(
        dead=facets["n_images"].to_numpy() == 0,
        auc=torch.cat(list(areas.values())).numpy(),
        class_index=classes["class_index"],
        class_index_null=classes["class_index_null"],
        top_class=classes["top_class"],
        m_classes=classes["m_classes"],
        gini=facets["gini"],
        flatness=facets["flatness"],
        mf_degree=facets["degree"],
        mf_null=facets["degree_null"],
    )
    if category is not None:
        parts = [category_indexes(record[name], category) for name in record.layers]
        table = table.join(pd.concat(parts, ignore_index=True)[list(OF_CATEGORY)])
    if network is not None:
        table = table.join(picture_units(record, network, images, device, progress))
    return table


def picture_units(record, network, images, device="auto", progress=True) -> pd.DataFrame:
    """`OF_PICTURES` of every unit of the record, a row a unit, in its order."""
    in_grey = responses_in_grey(record, network, images, device=device, progress=progress)
    parts = []
    for name in tqdm(record.layers, unit="layer", desc="neuron features", disable=not progress):
        layer = record[name]
        top, (height, width) = layer.top.values, layer.geometry.field.size
        together = max(1, _BYTES // (24 * height * width))
        lost = grey_response(top[:, : in_grey[name].shape[1]], in_grey[name])
        columns = {"color_index": [], "hue": [], "color": [], "own": []}
        for units in torch.arange(layer.n_units).split(together):
            found = layer_features(record, network, images, name, units)
            shown = found.pictures, found.sigma, found.valid
            columns["color_index"] += color_selectivity(*shown).tolist()
            columns["hue"] += hue(*shown).tolist()
            columns["color"] += color_name(*shown)
            columns["own"] += responses_to_features(
                record, network, name, units, found.pictures, device=device
            ).tolist()
        own = self_response(torch.tensor(columns.pop("own")), top[:, 0])
        parts.append(pd.DataFrame({**columns, "grey_response": lost, "self_response": own}))
    return pd.concat(parts, ignore_index=True)[list(OF_PICTURES)]
