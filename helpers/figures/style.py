"""How every figure looks: one width, one small palette, a white ground in light and dark pages.

The ground stays white on a dark page because the pictures on it are judged by their colours, and a
surround changes those. Vermillion means above zero and blue below, everywhere; colour-blind readers
tell the two apart (Okabe and Ito's palette), and position or text always says the same again.
"""

import io
import math
import re

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

WIDTH = 6.4  # inches; on a telephone the letters of a wider figure would be too small
RESOLUTION = 200  # dots an inch in a notebook: sharp on dense screens
INK, FAINT, GREY = "#222222", "#6b6b6b", "#b8b8b8"
ABOVE, BELOW = "#D55E00", "#0072B2"
ORANGE, GREEN, PURPLE = "#E69F00", "#009E73", "#CC79A7"
SERIES = (ABOVE, BELOW, GREEN, PURPLE, ORANGE)
SIGNED = LinearSegmentedColormap.from_list("signed", [BELOW, "#ffffff", ABOVE])

styled = matplotlib.rc_context(
    {
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters everywhere
        "font.size": 9.5,
        "axes.titlesize": 9.5,
        "axes.labelsize": 9.5,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "hatch.linewidth": 0.5,
    }
)


class Drawing(Figure):
    """A Figure that a notebook shows once, sharply, whichever matplotlib backend is active."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=RESOLUTION)
        return file.getvalue()


def canvas(height: float, into=None, layout="constrained"):
    """A new figure `height` inches high, or `into`, the part of a larger figure to draw in."""
    return into or Drawing(figsize=(WIDTH, height), layout=layout, facecolor="white")


def cells(figure, n: int, columns: int, text: float, title: float = 0.0) -> list:
    """n square axes in rows, `text` inches free below each row and `title` above the first."""
    width, height = (side / figure.dpi for side in figure.bbox.size)
    pitch, gap = width / columns, 0.06
    made = []
    for i in range(n):
        y, x = divmod(i, columns)
        bottom = height - title - (y + 1) * pitch - y * text + gap / 2
        box = (x * pitch + gap / 2, bottom, pitch - gap, pitch - gap)
        made.append(figure.add_axes([v / (width, height)[k % 2] for k, v in enumerate(box)]))
        made[-1].set_axis_off()
        made[-1].set_anchor("S")  # a picture that is not square still ends where its text begins
    return made


def cells_height(n: int, columns: int, text: float, title: float = 0.0) -> float:
    """Inches that `cells` needs over the whole width."""
    return math.ceil(max(n, 1) / columns) * (WIDTH / columns + text) + title


def pixels(picture) -> np.ndarray:
    """A PIL image, or a tensor (3, H, W) in [0, 1], as (H, W, 3) for matplotlib."""
    if hasattr(picture, "convert"):
        return np.asarray(picture.convert("RGB"))
    return np.asarray(picture).transpose(1, 2, 0).clip(0, 1)


def show(axes, picture) -> None:
    """Draw a picture without axes, its pixels as squares."""
    axes.imshow(pixels(picture), interpolation="nearest")
    axes.set_axis_off()


def readable(name: str) -> str:
    """A class name for people: `n02088364-beagle` -> `beagle`, `tabby_cat` -> `tabby cat`."""
    return re.sub(r"^n\d{8}[-_]", "", name.rsplit("/", 1)[-1]).replace("_", " ")


def short(name: str, most: int) -> str:
    """A name of at most `most` letters, the last an ellipsis if there were more."""
    return name if len(name) <= most else name[: most - 1] + "…"


def number(value: float) -> str:
    """Three significant digits but at most three decimals, a true minus sign: 0.031, 12.3, −1,230."""
    if not np.isfinite(value):
        return "none"
    decimals = 0 if value == 0 else int(np.clip(2 - np.floor(np.log10(abs(value))), 0, 3))
    written = f"{value:,.{decimals}f}"
    return written.lstrip("-") if not float(written.replace(",", "")) else written.replace("-", "−")
