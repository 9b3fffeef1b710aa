"""Curves: a unit's response to every image, sorted; a measure over the units of a layer."""

import numpy as np
import torch

from helpers.figures.style import ABOVE, BELOW, FAINT, GREY, INK, SERIES, canvas, number, styled
from helpers.selectivity import tuning_curve as sorted_responses


@styled
def tuning_curves(curves: dict, *, into=None):
    """A unit's responses to all images, the largest first, with what the ReLU hides hatched.

    curves: {statistic: values (N,)}, one panel each, on one scale. Values are sorted; nan where the
    record kept nothing, drawn as a gap (`ordered_responses`). A panel of means is not hatched: the
    ReLU acts on places, and a map with a negative mean can have positive ones.
    """
    figure = canvas(2.7, into)
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for axes, (statistic, values) in zip(panels, curves.items(), strict=True):
        _draw_curve(axes, np.asarray(values, dtype=float))
        axes.set_title(statistic)
    low, high = panels[0].get_ylim()
    # Below zero there is always a band to see, also of a unit without negative responses.
    low, high = min(low, -0.15 * (high - low)), max(high, 0.15 * (high - low))
    panels[0].set_ylim(low, high)
    for axes, statistic in zip(panels, curves, strict=True):
        if "mean" in statistic:
            continue
        axes.axhspan(low, 0, facecolor="none", edgecolor=GREY, hatch="///", lw=0, zorder=0)
    panels[0].set_ylabel("response")
    panels[len(panels) // 2].set_xlabel("images, the largest response first")
    return figure


def _draw_curve(axes, values):
    ranks, known = np.arange(1, len(values) + 1), np.isfinite(values)
    gap = ranks[~known]
    if len(gap) > known.sum() / 4:  # a long gap would leave no room for the rest: it is cut short
        spared = gap[: max(1, int(known.sum() / 4))]
        chosen = known | np.isin(ranks, spared)
        ranks, values, known = ranks[chosen], values[chosen], known[chosen]
    places = np.arange(len(values))
    for side, colour in ((values > 0, ABOVE), (values <= 0, BELOW)):
        part = np.where(side, values, np.nan)
        axes.fill_between(places, 0, part, where=side, color=colour, alpha=0.25, lw=0)
        axes.plot(places, part, color=colour, lw=2, solid_capstyle="round")
    axes.axhline(0, color=INK, lw=0.8)
    axes.set_xlim(-0.5, len(values) - 0.5)
    words = f"{np.sum(values <= 0):,} of {len(values):,}\nat or below zero"
    if len(gap):
        words = ""
        empty = places[~known]
        axes.axvspan(empty[0], empty[-1], color="#eeeeee", lw=0, zorder=0.5)
        axes.text(empty.mean(), 0.96, f"{len(gap):,} images not kept", color=FAINT, fontsize=8,
                  ha="center", va="top", rotation=90, transform=axes.get_xaxis_transform())  # fmt: skip
    # Ranks at both ends and at the edges of what is kept.
    edges = np.flatnonzero(np.diff(np.r_[False, known, False].astype(int)))
    ticks = sorted({e - (i % 2) for i, e in enumerate(edges)})
    axes.set_xticks(ticks, [f"{ranks[t]:,}" for t in ticks])
    for label, align in (
        (axes.get_xticklabels()[0], "left"),
        (axes.get_xticklabels()[-1], "right"),
    ):
        label.set_horizontalalignment(align)
    if words:
        axes.text(0.03, 0.03, words, transform=axes.transAxes, color=BELOW, fontsize=8, va="bottom",
                  bbox=_PLATE)  # fmt: skip


_PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85}


def ordered_responses(layer, unit: int, n_images: int, statistic: str = "max") -> torch.Tensor:
    """One unit's responses as far as the record keeps them, largest first, else nan: (n_images,).

    A record with single responses has them all. Others have ends of a curve: both of the mean's,
    the first of the maximum's and the last of the minimum's.
    """
    if statistic in layer.responses:
        responses = layer.responses[statistic][:, unit]
        return sorted_responses(responses[~responses.isnan()])[0]  # nan: an unreadable image
    curve = torch.full((n_images,), torch.nan)
    first = {"max": layer.top, "mean": layer.mean_top}.get(statistic)
    last = {"min": layer.bottom, "mean": layer.mean_bottom}.get(statistic)
    if first is not None:
        values = first.values[unit][first.images[unit] >= 0]
        curve[: len(values)] = values
    if last is not None:
        values = last.values[unit][last.images[unit] >= 0]
        curve[n_images - len(values) :] = values.flip(0)
    return curve


@styled
def spread(groups: dict, *, measure: str, chance: float | None = None, written=number, into=None):
    """How a measure is spread over units, one row of dots and a median for each group.

    groups: {name: values (U,)}; chance: drawn as a line across all groups; written: how a value is
    written, for example `"{:.0%}".format`.
    """
    figure = canvas(0.75 * len(groups) + 0.85, into)
    axes = figure.subplots()
    for row, ((name, values), colour) in enumerate(zip(groups.items(), SERIES, strict=False)):
        values = np.sort(np.asarray(values, dtype=float))
        # Neighbours in size stand at different heights, so that equal values stay visible.
        height = row + 0.28 * np.cos(np.arange(len(values)) * 2.4)
        axes.scatter(values, height, s=14, color=colour, alpha=0.7, lw=0, label=name)
        middle = np.nanmedian(values)
        axes.plot([middle, middle], [row - 0.4, row + 0.4], color=INK, lw=2)
        axes.annotate(f"median {written(middle)}", (middle, row - 0.4), (4, 0), va="center",
                      textcoords="offset points", fontsize=8)  # fmt: skip
    if chance is not None:
        axes.axvline(chance, color=FAINT, ls="--", lw=1, zorder=0)
        axes.text(chance, len(groups) - 0.45, " chance", color=FAINT, fontsize=8, va="bottom")
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_ylim(len(groups) - 0.4, -0.75)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(lambda value, _: written(value))
    axes.set_xlabel(measure)
    return figure
