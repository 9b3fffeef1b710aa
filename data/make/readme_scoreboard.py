"""The scoreboard in the README: a table of counts between two marks, and a picture of every verdict.

    python -m data.make.readme_scoreboard     # writes README.md and book/assets/scoreboard.webp

Both say what data/tables/scoreboard.json says, and a test compares them. Run it after
`python -m data.make.scoreboard`.
"""

import io
from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from PIL import Image

from helpers.claims import FAILS, HOLDS, UNDECIDED, UNTESTED
from helpers.figures.style import BELOW, FAINT, ORANGE, Drawing, styled
from helpers.scoreboard import Scoreboard, open_scoreboard

ROOT = Path(__file__).resolve().parents[2]
README, PICTURE = ROOT / "README.md", ROOT / "book" / "assets" / "scoreboard.webp"
BEGIN, END = "<!-- scoreboard: python -m data.make.readme_scoreboard -->", "<!-- /scoreboard -->"
SHOWN = {HOLDS: BELOW, FAILS: ORANGE, UNDECIDED: "#b3d4ea", UNTESTED: "#f0f0f0"}
TOPICS = {
    "1": "opponent responses",
    "2": "categories, faces",
    "3": "facets",
    "4": "colour and class",
}
SIZE, RESOLUTION = (9.6, 2.5), 133
_GAP = 1.5  # claims wide, between two papers


def summary(board: Scoreboard) -> str:
    """A Markdown table, one row a study: how many claims have each verdict."""
    counts = board.counts().groupby("verdict").sum()
    lines = [
        f"| {len(board.claims)} claims on | {' | '.join(SHOWN)} |",
        f"|---|{'--:|' * len(SHOWN)}",
    ]
    for column in board.columns:
        numbers = " | ".join(str(counts.loc[verdict, column.name]) for verdict in SHOWN)
        lines.append(f"| {column.title} | {numbers} |")
    return "\n".join(lines)


def between_marks(text: str, table: str) -> str:
    """The README with this table between the two marks; ValueError if it has not one of each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"README.md needs one {BEGIN} and one {END}")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}"


@styled
def draw(board: Scoreboard) -> Drawing:
    """A row a study, a cell a claim, those of one paper together."""
    figure = Drawing(figsize=SIZE, facecolor="white", layout="constrained")
    axes, colours, start = figure.subplots(), ListedColormap(list(SHOWN.values())), 0.0
    ordered = sorted(board.claims, key=lambda claim: claim.paper)
    for paper, claims in groupby(ordered, lambda claim: claim.paper.rstrip("b")):
        claims = list(claims)
        verdicts = [[column.cell(c)["verdict"] for c in claims] for column in board.columns]
        numbers = np.vectorize(list(SHOWN).index)(verdicts)
        edges = start + np.arange(len(claims) + 1), np.arange(len(board.columns) + 1)
        axes.pcolormesh(
            *edges, numbers, cmap=colours, vmin=-0.5, vmax=3.5, edgecolors="white", linewidth=1
        )
        middle, title = start + len(claims) / 2, f"paper {paper}: {TOPICS[paper]}"
        axes.text(middle, -0.25, title, ha="center", va="bottom")
        start += len(claims) + _GAP
    axes.set(xlim=(0, start - _GAP), ylim=(len(board.columns), -1.1), xticks=[])
    axes.set_yticks(np.arange(len(board.columns)) + 0.5, [c.title for c in board.columns])
    axes.tick_params(length=0, labelcolor="black", labelsize=9.5)
    axes.spines[:].set_visible(False)
    keys = [Patch(facecolor=c, edgecolor=FAINT, lw=0.5, label=v) for v, c in SHOWN.items()]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False)
    return figure


def drawn(board: Scoreboard) -> Image.Image:
    """The picture, as pixels."""
    file = io.BytesIO()
    draw(board).savefig(file, format="png", dpi=RESOLUTION)
    return Image.open(file).convert("RGB")


def main() -> None:
    board = open_scoreboard()
    text = between_marks(README.read_text(encoding="utf-8"), summary(board))
    README.write_text(text, encoding="utf-8")
    drawn(board).save(PICTURE, "WEBP", lossless=True, method=6)


if __name__ == "__main__":
    main()
