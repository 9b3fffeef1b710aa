"""Which classes drive a unit, how few they are, and how general.

    frequencies = class_frequencies(relative_activations(values), classes, n_classes)      f_c, (U, C)
    class_selectivity(frequencies)          the index, from 0 (N classes) to 1 (one class)
    units = class_units(record, ontology)   all of it for every unit, beside what luck gives

The index depends on how many classes there are and how many images each has. So beside it stand what a unit
that ignores classes would get (`random_class_selectivity`), what the class sizes allow at most
(`largest_class_selectivity`), and the index on the scale from the one to a single class (`chance_corrected`).

Source: Rafegas, Vanrell and Alexandre, "Understanding trained CNNs by indexing neuron selectivity", section
3.2. Higher nodes of an ontology are what its section 4.3 leaves for later; the measures of them are ours.
"""

from functools import cache

import numpy as np
import pandas as pd
import torch

from helpers.selectivity.facets import merged_counts, most_concentrated_row, random_rows

FIRST = 100  # images of a unit that are counted, section 4.3
CLASS_SELECTIVE = 0.6  # section 4.3
_TOLERANCE = 1e-6  # of a share: no image in 100 weighs so little, and sums in float32 err by less


def class_frequencies(weights: torch.Tensor, classes: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Share of a unit's strongest responses that each class contributes, (U, C), rows sum to 1.

    weights (U, k): non-negative relative activations a/a_max of the k strongest images; classes
    (U, k) int64: their classes, entries below 0 count for none. A unit without positive weight has
    a row of zeros. Source: paper 4, equation 3, f_c.
    """
    if weights.shape != classes.shape or weights.ndim != 2:
        raise ValueError(f"weights {tuple(weights.shape)} and classes {tuple(classes.shape)}")
    counted = (classes >= 0) & (weights > 0)
    mass = torch.where(counted, weights.double(), 0.0)
    table = torch.zeros(len(weights), n_classes, dtype=torch.float64)
    table.scatter_add_(1, classes.clamp(min=0), mass)
    total = table.sum(1, keepdim=True)
    return torch.where(total > 0, table / total.where(total > 0, torch.ones_like(total)), 0.0)


def relative_activations(values: torch.Tensor, first: int = 100) -> torch.Tensor:
    """a/a_max of each unit's `first` strongest responses, (U, first), 0 where not positive.

    values (U, k), sorted, largest first. The relative activation of paper 4, section 2.
    """
    values = values[:, :first].double().nan_to_num(0.0)
    largest = values[:, :1].clamp(min=torch.finfo(torch.float64).tiny)
    return torch.where(values > 0, values / largest, 0.0)


def classes_covering(frequencies: torch.Tensor, threshold: float = 1.0) -> torch.Tensor:
    """M, the smallest number of classes that make up `threshold` of a unit's activation, (U,) int64.

    frequencies (U, C), rows that sum to 1. With a threshold of 1 every class with f_c > 0 counts, however
    small; below 1 a sum may fall short by 1e-6, so that rounding does not add a class. 0 for a row of zeros.
    """
    if frequencies.ndim != 2 or not 0 < threshold <= 1:
        raise ValueError(f"frequencies {tuple(frequencies.shape)}, threshold {threshold}")
    present = (frequencies > 0).sum(1)
    if threshold == 1:
        return present
    covered = frequencies.double().sort(dim=1, descending=True).values.cumsum(1)
    return torch.minimum((covered < threshold - _TOLERANCE).sum(1) + 1, present)


def class_selectivity(
    frequencies: torch.Tensor, n_images: int | torch.Tensor = FIRST, threshold: float = 1.0
) -> torch.Tensor:
    """The class selectivity index (N - M)/(N - 1), (U,): 1 for one class, 0 for a class an image.

    frequencies (U, C): `class_frequencies` of the N strongest images; n_images: N, or (U,) for units with
    fewer; M: `classes_covering`. nan for a row of zeros and for N = 1. Equation 4, no floor.
    """
    m = classes_covering(frequencies, threshold)
    n = torch.as_tensor(n_images, dtype=torch.float64)
    if (m > n).any():
        raise ValueError(f"{int(m.max())} classes of fewer images; give their number as n_images")
    return torch.where(m > 0, (n - m) / (n - 1), torch.nan)


def random_classes(class_sizes, n_images: int = FIRST) -> float:
    """How many classes n images have on average that are drawn at random, without replacement. Exact.

    class_sizes (C,): images of each class. A class of s among T images is missed with probability
    C(T - s, n)/C(T, n), and expectations add up.
    """
    sizes = np.asarray(class_sizes, dtype=np.float64)[:, None]
    if not 0 <= n_images <= sizes.sum():
        raise ValueError(f"{n_images} images from classes that hold {sizes.sum():g} in all")
    drawn = np.arange(n_images)
    missed = np.clip((sizes.sum() - sizes - drawn) / (sizes.sum() - drawn), 0, 1)
    return min(float((1 - missed.prod(1)).sum()), n_images)  # which rounding may pass


def random_class_selectivity(class_sizes, n_images: int = FIRST) -> float:
    """The mean index, at a threshold of 1, of a unit that ignores classes: its chance level."""
    return _index(random_classes(class_sizes, n_images), n_images)


def random_index_share(class_sizes, over: float, n_images: int = FIRST, draws: int = 1000) -> float:
    """The share of units with an index over a value, if units ignored classes: what luck gives of it.

    Of `draws` random units; nan for fewer than two images, which have no index.
    """
    if n_images < 2:
        return float("nan")
    m = (random_rows(n_images, class_sizes, draws) > 0).sum(1)
    return float((_index(m.double(), n_images) > over).double().mean())


def largest_class_selectivity(class_sizes, n_images: int = FIRST) -> float:
    """The largest index that the class sizes allow: below 1 if no class has n images."""
    return _index(int((most_concentrated_row(n_images, class_sizes) > 0).sum()), n_images)


def chance_corrected(m, m_null) -> torch.Tensor:
    """(M_null - M)/(M_null - 1): 1 for one class, 0 for as many as luck gives, below 0 for more.

    m: `classes_covering`, 0 without images; m_null: `random_classes`. Any shapes that fit. nan without
    images, and where luck gives one class too.
    """
    m, m_null = (torch.as_tensor(x, dtype=torch.float64) for x in (m, m_null))
    return torch.where((m > 0) & (m_null > 1), (m_null - m) / (m_null - 1), torch.nan)


def ancestor_frequencies(frequencies: torch.Tensor, ancestors: torch.Tensor) -> torch.Tensor:
    """What each node of an ontology contributes to a unit, (U, A): the sum of f_c over its classes.

    frequencies (U, C); ancestors (C, A) bool: which classes are kinds of a node. Each class counts once
    however many ways lead up to the node, and in all of its nodes: rows may sum to more than 1.
    """
    if frequencies.shape[1] != len(ancestors):
        raise ValueError(
            f"frequencies {tuple(frequencies.shape)}, ancestors {tuple(ancestors.shape)}"
        )
    return frequencies.double() @ ancestors.double()


def level_selectivity(frequencies: torch.Tensor, cuts, class_sizes, n_images) -> torch.Tensor:
    """The chance-corrected index at each of several levels of an ontology, (U, L).

    cuts: L tensors (C,), the number of the group of each class; class_sizes (C,); n_images: N, or (U,).
    nan where luck gives one group too. The plain index rises towards the root for any unit, because there are
    fewer groups; the corrected one rises only if the unit's classes lie together. It compares units and
    networks at a level. It does not find a unit's best level: where one group holds nearly all images, one
    group is all that luck needs. That is what `most_selective_node` is for.
    """
    sizes = np.asarray(class_sizes, dtype=np.int64)
    counted = torch.as_tensor(n_images).broadcast_to(len(frequencies)).tolist()
    columns = []
    for groups in cuts:
        of_groups = tuple(np.bincount(groups, sizes).astype(int).tolist())
        m_null = [_luck(of_groups, n) for n in counted]
        columns.append(
            chance_corrected(classes_covering(merged_counts(frequencies, groups)), m_null)
        )
    return torch.stack(columns, 1)


def node_information(frequencies: torch.Tensor, members: torch.Tensor, shares) -> torch.Tensor:
    """How much a unit's strongest images tell of each node, (U, A) in bits an image; below 0: it is avoided.

    members (C, A) bool: the classes of each node; shares (C,): the part of all images in each class. The
    divergence f log(f/s) + (1 - f) log((1 - f)/(1 - s)) of the node's frequency f from its share s: the
    log-likelihood ratio of a test on membership. A lift f/s alone would always choose a single class, and a
    frequency alone the root; this one is largest for the node that holds what the unit prefers and little
    else: all dogs alike -> dog, one breed -> that breed. 0 for the root, nan for a row of zeros.
    """
    f = ancestor_frequencies(frequencies, members).clamp(0, 1)
    s = torch.as_tensor(shares, dtype=torch.float64) @ members.double()
    bits = (torch.special.xlogy(f, f / s) + torch.special.xlogy(1 - f, (1 - f) / (1 - s))) / np.log(
        2
    )
    # All classes: 0/0. A node without images: no unit can have it.
    bits = torch.where((s > 0) & (s < 1), bits, 0.0) * torch.where(f < s, -1, 1)
    return bits.masked_fill((frequencies == 0).all(1, keepdim=True), torch.nan)


def most_selective_node(bits: torch.Tensor) -> torch.Tensor:
    """At which node a unit is most selective, (U,) int64: that with most information, -1 where all are nan.

    bits: `node_information` of nodes from the root down, then classes; of equal ones the last counts, which
    is the most specific.
    """
    best = bits >= bits.amax(1, keepdim=True) - 1e-12
    last = bits.shape[1] - 1 - best.flip(1).to(torch.int8).argmax(1)
    return last.masked_fill(bits.isnan().all(1), -1)


def random_information(members: torch.Tensor, class_sizes, n_images: int = FIRST, draws: int = 200):
    """Bits of the best node of units that ignore classes, (draws,): n images drawn without replacement.

    members (C, A) bool; class_sizes (C,). All images count alike, while a unit's count by their responses.
    """
    rows = random_rows(n_images, class_sizes, draws).double() / max(n_images, 1)
    sizes = torch.as_tensor(class_sizes, dtype=torch.float64)
    return node_information(rows, members, sizes / sizes.sum()).amax(1)


def layer_frequencies(record, layer: str, first: int = FIRST):
    """(frequencies (U, C), n_images (U,)) of a layer of a record; images with a positive response count."""
    top = record[layer].top.first(first)
    classes = torch.as_tensor(record.classes)[top.images.clamp(min=0)].masked_fill(
        top.images < 0, -1
    )
    weights = relative_activations(top.values, first)
    counted = ((weights > 0) & (classes >= 0)).sum(1)
    return class_frequencies(weights, classes, len(record.class_names)), counted


def class_units(record, ontology=None, layers=None, first: int = FIRST) -> pd.DataFrame:
    """How selective every unit is for classes, one row a unit; `..._null` is what luck gives.

    layer, unit, n_images (with a positive response, at most `first`), top_class, top_share (its f_c),
    m_classes, m_null, class_index (nan for fewer than two images), class_index_null, class_index_ceiling,
    class_corrected (`chance_corrected`). With an `Ontology` of the classes also the node or class at which it
    is most selective: node, node_classes (how many it holds), node_share (its frequency), node_chance (its
    share of all images), node_bits, node_bits_null (the mean of the best node of `random_information`, with
    as many images: a largest of many, and so above zero unless all images are drawn). layers: names; all by
    default.
    """
    sizes = tuple(record.counts.tolist())
    units = pd.concat(
        [_layer_units(record, name, sizes, ontology, first) for name in layers or record.layers],
        ignore_index=True,
    )
    if ontology is None:
        return units
    by_luck = {
        n: float(random_information(ontology.members, sizes, n).mean())
        for n in units["n_images"].unique()
        if n
    }
    return units.assign(node_bits_null=units["n_images"].map(by_luck))


def _layer_units(record, name, sizes, ontology, first):
    frequencies, counted = layer_frequencies(record, name, first)
    share, best = frequencies.max(1)
    m = classes_covering(frequencies)
    n = counted.tolist()
    m_null = torch.tensor([_luck(sizes, one) for one in n], dtype=torch.float64)
    ceiling = [largest_class_selectivity(sizes, one) if one > 1 else np.nan for one in n]
    names = np.array([*record.class_names, None], dtype=object)
    table = {
        "layer": name,
        "unit": range(len(frequencies)),
        "n_images": counted,
        "top_class": names[torch.where(share > 0, best, -1)],
        "top_share": share,
        "m_classes": m,
        "m_null": m_null,
        "class_index": class_selectivity(frequencies, counted),
        "class_index_null": torch.where(counted > 1, (counted - m_null) / (counted - 1), torch.nan),
        "class_index_ceiling": ceiling,
        "class_corrected": chance_corrected(m, m_null),
    }
    if ontology is not None:
        table |= _of_ontology(frequencies, sizes, ontology)
    return pd.DataFrame(table)


def _of_ontology(frequencies, sizes, ontology):
    members = ontology.members
    shares = torch.tensor(sizes, dtype=torch.float64) / sum(sizes)
    bits = node_information(frequencies, members, shares)
    node, each = most_selective_node(bits), torch.arange(len(frequencies))
    alive = torch.where(node < 0, torch.nan, 1.0)
    return {
        "node": np.array([*ontology.member_names, None], dtype=object)[node],
        "node_classes": members.sum(0)[node] * alive,
        "node_share": ancestor_frequencies(frequencies, members)[each, node] * alive,
        "node_chance": (shares @ members.double())[node] * alive,
        "node_bits": bits[each, node],
    }


def _index(m, n_images):
    return (n_images - m) / (n_images - 1) if n_images > 1 else float("nan")


@cache
def _luck(sizes, n_images):
    return random_classes(sizes, n_images)
