"""Every claim of the papers on the book's studies, for the scoreboard.

    SELECTIVITY_HOME=... python -m data.make.scoreboard [STUDY ...]

Writes data/tables/scoreboard.json: for each study its network and images with their digests, and for each
claim the verdict, the measured value with its interval, the control, and the rule that judged it. No date:
the same inputs give the same bytes. STUDY: measure these columns only and keep the others as they are.

The studies of the world need nothing. GoogLeNet's claims are measured on the shipped record and tables; with
its weights and photographs in SELECTIVITY_HOME the column says so. What claims read is in data/records,
data/tables and data/networks, whose recipes stand beside this one. About ten minutes on one core.
"""

import sys
from platform import python_version

import numpy
import scipy
import torch

from helpers import open_study
from helpers.errors import SelectivityError
from helpers.paths import data_path
from helpers.scoreboard import Scoreboard, measure_column, open_scoreboard, write_scoreboard

STUDIES = {
    "googlenet": (
        "GoogLeNet",
        "BVLC GoogLeNet on photographs of 120 breeds of dogs and 100 other categories",
    ),
    "world": ("World", "the world's network, trained on 48 labels, on pictures of all of them"),
    "worldnet-fine-s1": ("World, second seed", "the same network from another random start"),
    "worldnet-dogs-merged": (
        "Dogs merged",
        "the same network, trained with one label for all breeds of dogs, on the same pictures",
    ),
    "worldnet-coarse": (
        "Coarse labels",
        "the same network, trained with coarse labels only, on the same pictures",
    ),
    "worldnet-untrained": (
        "Untrained",
        "the same network before training, on the same pictures: where the control is the network before "
        "training, it is this one, and the claim is compared with itself",
    ),
}


def main():
    torch.set_num_threads(1)
    try:
        kept = {column.name: column for column in open_scoreboard().columns}
    except SelectivityError:
        kept = {}
    libraries = {one.__name__: one.__version__ for one in (numpy, scipy, torch)}
    for name in sys.argv[1:] or STUDIES:
        kept[name] = measure_column(open_study(name), *STUDIES[name])
        write_scoreboard(
            Scoreboard(tuple(kept[one] for one in STUDIES if one in kept)),
            data_path("tables", "scoreboard.json"),
            made_by="data/make/scoreboard.py",
            software={"python": python_version(), **libraries},
        )
        print(name, flush=True)


if __name__ == "__main__":
    main()
