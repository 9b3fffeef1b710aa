"""Numbers about the independent components of the world's units, trained and untrained.

    python -m data.make.world_facets

Writes data/tables/STUDY-facets.safetensors for the studies world and worldnet-untrained, numbers only:

    components/LAYER    (U, 5) float16: of the 8 components of the 100 top patches of each unit; the metadata
                        name the columns, `helpers.claims.components` says what they are
    chance/LAYER        (3,) float32: the same of what no single unit is behind
Two minutes on one core. Readers have not got them: the chapter would spend half of its time on these numbers.
"""

import torch

from helpers import open_study
from helpers.claims.components import component_numbers, grey_patches
from helpers.claims.depth import convolutions
from helpers.paths import data_path
from helpers.record.store import write_tensors
from helpers.tables import FORMAT


def main():
    for name in ("world", "worldnet-untrained"):
        study, tensors = open_study(name), {}
        for layer in convolutions(study.record):
            units, chance = component_numbers(grey_patches(study, layer))
            tensors[f"components/{layer}"] = torch.tensor(units.to_numpy(dtype="float16"))
            tensors[f"chance/{layer}"] = torch.tensor(list(chance.values()))
            print(name, layer, units["likeness"].mean(), chance, flush=True)
        about = {
            "format": FORMAT,
            "columns": list(units),
            "chance": list(chance),
            "network": study.network.weights,
            "images": {name: study.images.digest()},
            "made_by": "data/make/world_facets.py",
        }
        write_tensors(data_path("tables", f"{name}-facets.safetensors"), tensors, about)


if __name__ == "__main__":
    main()
