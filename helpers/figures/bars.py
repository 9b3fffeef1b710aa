"""Bars: the mean response to each class, the most and the least of them."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from helpers.figures.style import ABOVE, BELOW, FAINT, INK, canvas, readable, short, styled


@styled
def class_bars(means: dict, names, *, marked=(), most=10, least=5, into=None):
    """Mean response to the classes that drive a unit most and least.

    means: {statistic: values (C,)}, one panel each, nan for classes without images, which are left
    out; names: C class names; marked: names of classes to point out with a dot (a category, say).
    """
    rows = min(len(names), most + least + 1)
    figure = canvas(0.2 * rows + 1.05, into)
    panels = figure.subplots(1, len(means), squeeze=False)[0]
    for axes, (statistic, values) in zip(panels, means.items(), strict=True):
        _draw_bars(axes, np.asarray(values, dtype=float), names, set(marked), most, least)
        axes.set_title(statistic)
    figure.supxlabel("mean response to the class", fontsize=9.5)
    return figure


def _draw_bars(axes, means, names, marked, most, least):
    order = [c for c in np.argsort(-means, kind="stable") if np.isfinite(means[c])]
    between = len(order) - most - least
    chosen = order if between <= 1 else order[:most] + order[-least:]
    # Where classes are left out, the bars leave room for a line that says how many.
    places = [i + (between > 1 and i >= most) for i in range(len(chosen))]
    values = means[chosen]
    axes.barh(places, values, color=[ABOVE if v > 0 else BELOW for v in values], height=0.75)
    if between > 1:
        axes.text(0.01, most, f"…  {between} between", va="center", color=FAINT, fontsize=8,
                  transform=axes.get_yaxis_transform())  # fmt: skip
    labels = [("● " if names[c] in marked else "") + short(readable(names[c]), 22) for c in chosen]
    axes.set_yticks(places, labels)
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_ylim(max(places, default=0) + 0.7, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
