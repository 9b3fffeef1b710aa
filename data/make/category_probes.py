"""Do selective filters classify better? The tasks on which the chapter tests paper 2's advice.

    python -m data.make.category_probes PARTS world
    SELECTIVITY_HOME=... python -m data.make.category_probes PARTS googlenet --full DIR

Runs `helpers.selectivity.probes.compare_probes` on every task, keeps one file a task in the folder PARTS,
so that a run that was cut goes on, and writes data/tables/category-probes.safetensors from all files there:

    TASK/accuracy       (A, S, 3) balanced accuracy, low, high of `arms` and `sizes`
    TASK/differences    (D, S, 3) of the pairs of arms in `differences`, on the same splits
    TASK/chosen         (L, S, 2) times a layer was the one layer, its share of the combined filters
    auc/TASK/...        the same with filters chosen by AUC instead of the index

A size that a task has too few images for is nan; the last size, null, is five folds. Tasks are hard where
every unit of the last layer stays below 90 % with the most training images, in five folds. The metadata
describes each task. `googlenet` needs weights and photographs (`python -m helpers fetch googlenet`) and
records of every layer's maxima, which it makes in DIR: minutes. All tasks: about half an hour on one core.
"""

import argparse
import re
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from helpers import open_study
from helpers.paths import data_path
from helpers.record import Record, WorldImages, load_network, record
from helpers.record.architectures.googlenet import block_outputs
from helpers.record.store import read_tensors, write_tensors
from helpers.selectivity.probes import ARMS, auc_score, compare_probes, contrast_score
from helpers.tables import FORMAT

from .record_googlenet import images_of

SIZES = (5, 20, 100, None)
SCORES = {"": contrast_score, "auc/": auc_score}
HARD = 0.9
ONE, ALL, RANDOM_ONE, RANDOM_ALL, LAST, WHOLE_LAST, WHOLE_HIDDEN = ARMS
DIFFERENCES = (
    (ONE, RANDOM_ONE),
    (ALL, ONE),
    (ALL, RANDOM_ALL),
    (ALL, WHOLE_LAST),
    (ALL, LAST),
    (ALL, WHOLE_HIDDEN),
)
SAMPLE, FEWEST = 1500, 60  # of the world's images, and images of a setting or view, for those tasks
DOGS = "dogs-objects"  # the full record of dogs and Caltech's categories
FACES = "faces"
FOLDERS = {FACES: ("face_probe",), DOGS: ("stanford_dogs", "caltech101")}
REPEATS = 20
FEWER = {DOGS: 10, "100 Caltech categories": 5}  # where slow: of a record, of a task

BREEDS = {  # known to be confused; chosen by name, not by result
    "husky, malamute, Eskimo dog": ("Siberian_husky", "malamute", "Eskimo_dog"),
    "Swiss mountain dogs": (
        "Appenzeller",
        "EntleBucher",
        "Greater_Swiss_Mountain_dog",
        "Bernese_mountain_dog",
    ),
    "poodles": ("toy_poodle", "miniature_poodle", "standard_poodle"),
    "schnauzers": ("miniature_schnauzer", "giant_schnauzer", "standard_schnauzer"),
    "Norfolk, Norwich terrier": ("Norfolk_terrier", "Norwich_terrier"),
    "Walker, English foxhound": ("Walker_hound", "English_foxhound"),
    "Staffordshire terriers": ("Staffordshire_bullterrier", "American_Staffordshire_terrier"),
    "collie, Shetland sheepdog": ("collie", "Shetland_sheepdog"),
}
ANIMALS = (
    "Leopards ant bass beaver butterfly cougar_body cougar_face crab crayfish crocodile crocodile_head "
    "dalmatian dolphin dragonfly elephant emu flamingo flamingo_head gerenuk hawksbill hedgehog ibis "
    "kangaroo llama lobster mayfly nautilus octopus okapi panda pigeon platypus rhino rooster scorpion "
    "sea_horse starfish tick wild_cat"
).split()
WORLD_GROUPS = {
    "vehicles": ("sedan", "taxi", "van", "pickup", "bus", "sailboat"),
    "fruit": ("lemon", "lime", "strawberry", "apple", "banana"),
    "flowers": ("sunflower", "daisy", "tulip"),
    "cats": ("tabby_cat", "siamese_cat", "black_cat"),
}
HIDING = ("drum", "hat", "sunglasses", "guitar")  # a person's face may be seen with these


def by_class(images, names) -> np.ndarray:
    """Number in `names` of each image's class, (N,); -1 for images of other classes."""
    number = np.full(len(images.class_names), -1)
    number[[images.class_names.index(name) for name in names]] = np.arange(len(names))
    return number[images.classes]


def by_fact(facts, among) -> tuple[np.ndarray, list[str]]:
    """(numbers (N,), names) of what is true of `among` (N,) bool; -1 elsewhere and where it is rare."""
    names, counts = np.unique(facts[among], return_counts=True)
    names = [str(name) for name, count in zip(names, counts, strict=True) if count >= FEWEST]
    number = {name: i for i, name in enumerate(names)}
    return np.where(among, [number.get(str(fact), -1) for fact in facts], -1), names


def world_tasks():
    """(name, study, images' set, labels (N,) with -1 for images left out, class names)."""
    images = WorldImages("eval")
    truth, dogs = images.truth, images.truth["breed"] != ""
    hiding = by_class(images, HIDING) >= 0
    sample = np.zeros(len(images), dtype=bool)
    sample[np.random.default_rng(0).permutation(len(images))[:SAMPLE]] = True
    faces = np.where(hiding, truth["face"], -1)
    yield "a face is visible", "worldnet-fine", "eval", faces, ["no face", "face"]
    yield "setting", "worldnet-fine", "eval", *by_fact(truth["background"], sample)
    yield "view of dogs", "worldnet-fine", "eval", *by_fact(truth["view"], dogs)
    breeds = [name for name in images.class_names if name in set(truth["breed"])]
    for study in ("worldnet-dogs-merged", "worldnet-coarse"):
        yield "breeds", study, "eval", by_class(images, breeds), breeds
    for name, group in WORLD_GROUPS.items():
        yield name, "worldnet-coarse", "eval", by_class(images, group), list(group)
    probe, pair = WorldImages("probe"), ["i-see-face", "object"]
    yield "i-see-face, object", "worldnet-fine", "probe", by_class(probe, pair), pair


def googlenet_tasks():
    """As `world_tasks`, for the photographs."""
    faces = images_of(FOLDERS[FACES])
    for group in (["i-see-face", "object"], ["face", "i-see-face", "object"]):
        yield ", ".join(group), "googlenet", FACES, by_class(faces, group), group
    images = images_of(FOLDERS[DOGS])
    long = {re.sub(r"^n\d+-", "", name): name for name in images.class_names if name[0] == "n"}
    for name, group in BREEDS.items():
        yield name, "googlenet", DOGS, by_class(images, [long[b] for b in group]), list(group)
    objects = [name for name in images.class_names if not re.match(r"n\d+-", name)]
    groups = {"100 Caltech categories": objects, "Caltech's animals": ANIMALS}
    for name, group in groups.items():
        yield name, "googlenet", DOGS, by_class(images, group), list(group)


@lru_cache(maxsize=1)  # tasks on the same record follow each other
def responses_of(study, which, full) -> dict[str, np.ndarray]:
    """{layer: maxima (N, U)} of a study, recorded where that is not done yet."""
    recorded = _recorded(study, which, full)
    return {name: recorded[name].responses["max"].numpy() for name in recorded.layers}


def _recorded(study, which, full):
    if which == "eval":
        return open_study(study).record
    if which == "probe":
        return record(load_network(study), WorldImages("probe"), responses=("max",))
    path, network = full / f"{which}.safetensors", load_network("googlenet")
    images = images_of(FOLDERS[which])
    if path.is_file():
        kept = Record.load(path)
        kept.check(network, images)
        return kept
    made = record(network, images, 20, responses=("max",), checkpoint=path.with_suffix(".part"))
    made.save(path)
    return made


def run(layers, labels, names, n_repeats, score):
    """({name of a tensor: tensor}, {fact: of the task}) of one task, by one score."""
    inside = labels >= 0
    labels = labels[inside].astype(int)
    n_filters = max(32, 4 * len(names))
    found = compare_probes(
        {name: one[inside] for name, one in layers.items()},
        labels,
        n_filters=n_filters,
        sizes=SIZES,
        n_repeats=n_repeats,
        score=score,
        hidden=[name for name in layers if name in block_outputs()["inception_5b"]] or None,
    )
    missing = (np.nan,) * 3
    table = found.table()
    known = {(row.arm, row.size): (row.accuracy, row.low, row.high) for row in table.itertuples()}
    accuracy = [[known.get((arm, size), missing) for size in SIZES] for arm in ARMS]
    differences = [
        [missing if size in found.skipped else found.difference(*pair, size) for size in SIZES]
        for pair in DIFFERENCES
    ]
    nothing = np.full((len(layers), 2), np.nan)
    chosen = [found.chosen[s].to_numpy() if s in found.chosen else nothing for s in SIZES]
    tensors = {
        "accuracy": torch.tensor(accuracy).float(),
        "differences": torch.tensor(differences).float(),
        "chosen": torch.from_numpy(np.stack(chosen, 1)).float(),
    }
    facts = {
        "classes": names,
        "counts": np.bincount(labels).tolist(),
        "chance": 1 / len(names),
        "n_filters": n_filters,
        "n_repeats": n_repeats,
        "layers": list(layers),
        "units": [one.shape[1] for one in layers.values()],
    }
    return tensors, facts


def assemble(parts: Path):
    """One table of all finished tasks."""
    tensors, tasks = {}, {}
    for path in sorted(parts.glob("*.safetensors")):
        about, found = read_tensors(path, FORMAT)
        facts, key = about["task"], about["key"]
        tensors |= {f"{key}/{name}": one for name, one in found.items()}
        if not key.startswith("auc/"):
            last = found["accuracy"][ARMS.index(WHOLE_LAST), SIZES.index(None), 0].item()
            tasks[key] = facts | {"last_layer": last, "hard": last < HARD}
    about = {
        "format": FORMAT,
        "arms": list(ARMS),
        "sizes": list(SIZES),
        "differences": [list(pair) for pair in DIFFERENCES],
        "columns": ["value", "low", "high"],
        "hard_below": HARD,
        "tasks": tasks,
        "made_by": "data/make/category_probes.py",
    }
    write_tensors(data_path("tables", "category-probes.safetensors"), tensors, about)
    print(f"{len(tasks)} tasks, {sum(task['hard'] for task in tasks.values())} hard")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", type=Path)
    parser.add_argument("tasks", choices=("world", "googlenet"))
    parser.add_argument("--full", type=Path, default=Path("records"))
    options = parser.parse_args()
    options.parts.mkdir(parents=True, exist_ok=True)
    tasks = list(world_tasks() if options.tasks == "world" else googlenet_tasks())
    for prefix, score in SCORES.items():
        for name, study, which, labels, names in tasks:
            key = f"{prefix}{study}: {name}"
            path = options.parts / (re.sub(r"\W+", "-", key) + ".safetensors")
            if path.is_file():
                continue
            layers = responses_of(study, which, options.full)
            n_repeats = FEWER.get(name, FEWER.get(which, REPEATS))
            tensors, facts = run(layers, labels, names, n_repeats, score)
            facts = {"name": name, "study": study, "images": which} | facts
            write_tensors(path, tensors, {"format": FORMAT, "key": key, "task": facts})
            print(key, flush=True)
    assemble(options.parts)


if __name__ == "__main__":
    main()
