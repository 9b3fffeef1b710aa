"""Train the networks that tell what makes units opponent; only a table of their units is shipped.

    python -m data.make.train_variants               # all of them; finished ones are not repeated
    python -m data.make.train_variants --seed 0 NAME ...

Same images, same architecture, same steps, same seed; one thing differs from `fine` at a time: how many
labels the dogs carry, the loss, the breeds that are trained on, batch norm. A third of the steps of the
shipped networks, in float32.
Weights go to build/world/variants, which is not committed; `opponency_table` makes the table from
them. About six minutes a network on one core.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from .train_world import Recipe, make_network

HOME = Path("build/world/variants")
SEEDS = (0, 1)
_SHORT = {"epochs": 4, "half": False}
_PLAIN = {**_SHORT, "batch_norm": False, "rate": 1e-3}  # the usual rate diverges without batch norm

VARIANTS = {
    "fine": Recipe("fine", **_SHORT),
    "dogs-merged": Recipe("dogs-merged", **_SHORT),
    "dogs-in-3": Recipe("dogs-in-3", **_SHORT),
    "softened": Recipe("fine", loss="softened", **_SHORT),
    "one-vs-rest": Recipe("fine", loss="one-vs-rest", **_SHORT),
    "plain-fine": Recipe("fine", **_PLAIN),
    "plain-dogs-merged": Recipe("dogs-merged", **_PLAIN),
    "breeds-1": Recipe("fine", breeds=1, **_SHORT),
    "dogs-in-6": Recipe("dogs-in-6", **_SHORT),
    "breeds-3": Recipe("fine", breeds=3, **_SHORT),
    "untrained": Recipe("fine", epochs=0),
}


def network_file(variant: str, seed: int) -> Path:
    return HOME / f"{variant}-s{seed}.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=list(VARIANTS), help=", ".join(VARIANTS))
    parser.add_argument("--seed", type=int, choices=SEEDS, help="one seed only")
    arguments = parser.parse_args()
    for seed in SEEDS if arguments.seed is None else [arguments.seed]:
        for name in arguments.names or VARIANTS:
            path = network_file(name, seed)
            if not path.exists():
                make_network(path.stem, replace(VARIANTS[name], seed=seed), path.parent)


if __name__ == "__main__":
    main()
