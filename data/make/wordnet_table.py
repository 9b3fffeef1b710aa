"""Make data/ontology.json: what ImageNet's and Caltech-101's classes are kinds of, from WordNet 3.0.

    python -m data.make.wordnet_table DIR

DIR holds WordNet 3.0's `data.noun` and `index.noun`; Debian's package `wordnet-base` has them. Kept are the
classes' synsets and everything above them, with all their names and all their hypernyms, first one first.
An ImageNet class is named by its synset's offset (n02084071), so it needs no map; Caltech's have one below.
"""

import argparse
import json
from pathlib import Path

from helpers.paths import data_path
from helpers.record import Record

# A class of Caltech-101 and its noun in WordNet with the number of its sense, chosen by what the pictures
# show: statues of Buddha, a drawn cat called Garfield. Classes not listed bear the name of their noun.
SAME = {
    "Faces": "human_face", "Leopards": "leopard#2", "Motorbikes": "motorcycle", "airplanes": "airplane",
    "barrel": "barrel#2", "bass": "bass#8", "beaver": "beaver#7", "binocular": "binoculars",
    "crayfish": "crayfish#3", "dalmatian": "dalmatian#2", "dolphin": "dolphin#2", "emu": "emu#2",
    "hedgehog": "hedgehog#2", "inline_skate": "in-line_skate", "lamp": "lamp#2", "lobster": "lobster#2",
    "menorah": "menorah#2", "nautilus": "nautilus#3", "octopus": "octopus#2", "pyramid": "pyramid#3",
    "schooner": "schooner#2", "scorpion": "scorpion#3", "sea_horse": "sea_horse#2", "tick": "tick#2",
    "wrench": "wrench#3", "cougar_body": "cougar", "cougar_face": "cougar", "crocodile_head": "crocodile",
    "flamingo_head": "flamingo", "water_lilly": "water_lily", "wild_cat": "wildcat#3",
}  # fmt: skip
# Classes without a noun of their own, and what they are a kind of.
KIND = {
    "buddha": "statue", "car_side": "car", "ceiling_fan": "electric_fan", "garfield": "cartoon",
    "snoopy": "cartoon", "stop_sign": "street_sign", "yin_yang": "symbol",
}  # fmt: skip

LICENCE = """\
This table is derived from WordNet 3.0. This software and database is being provided to you, the LICENSEE, \
by Princeton University under the following license. By obtaining, using and/or copying this software and \
database, you agree that you have read, understood, and will comply with these terms and conditions.: \
Permission to use, copy, modify and distribute this software and database and its documentation for any \
purpose and without fee or royalty is hereby granted, provided that you agree to comply with the following \
copyright notice and statements, including the disclaimer, and that the same appear on ALL copies of the \
software, database and documentation, including modifications that you make for internal use or for \
distribution. WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. THIS SOFTWARE AND \
DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR \
IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES \
OF MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, DATABASE \
OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS. The \
name of Princeton University or Princeton may not be used in advertising or publicity pertaining to \
distribution of the software and/or database. Title to copyright in this software, database and any \
associated documentation shall at all times remain with Princeton University and LICENSEE agrees to \
preserve same."""


def synsets(path: Path) -> dict[str, tuple[list[str], list[str]]]:
    """{"n" + offset: (names, hypernyms)} of every noun; an instance's class counts as its hypernym."""
    found = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.startswith(" "):  # the licence at the head of the file
            continue
        fields = line.split("|")[0].split()
        n_words = int(fields[3], 16)
        pointers = fields[5 + 2 * n_words :]
        above = [
            "n" + pointers[i + 1]
            for i in range(0, 4 * int(fields[4 + 2 * n_words]), 4)
            if pointers[i] in ("@", "@i")
        ]
        names = [word.replace("_", " ") for word in fields[4 : 4 + 2 * n_words : 2]]
        found["n" + fields[0]] = (names, above)
    return found


def senses(path: Path) -> dict[str, list[str]]:
    """{noun: ["n" + offset, ...]}, its senses in WordNet's order."""
    found = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        if not line.startswith(" "):
            fields = line.split()
            found[fields[0]] = ["n" + offset for offset in fields[-int(fields[2]) :]]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wordnet", type=Path)
    folder = parser.parse_args().wordnet
    nouns, known = senses(folder / "index.noun"), synsets(folder / "data.noun")

    def synset(noun):
        word, _, sense = noun.partition("#")
        return nouns[word][int(sense or 1) - 1]

    imagenet, mixed = (
        Record.load(data_path("records", f"{name}.safetensors")).class_names
        for name in ("googlenet-imagenet", "googlenet")
    )
    caltech = [name for name in mixed if not name.startswith("n0")]
    same = {c: synset(SAME.get(c, c)) for c in caltech if c not in KIND}
    kind = {c: synset(noun) for c, noun in KIND.items()}
    wanted = [
        *(c[:9] for c in (*imagenet, *mixed) if c not in caltech),
        *same.values(),
        *kind.values(),
    ]
    kept = {}
    while wanted:
        one = wanted.pop()
        if one not in kept:
            kept[one] = known[one]
            wanted += known[one][1]
    about = "Names and hypernyms of synsets (n + WordNet 3.0 noun offset). Made by make/wordnet_table.py."
    lines = [
        f' "about": {json.dumps(about)}',
        f' "licence": {json.dumps(LICENCE)}',
        f' "caltech101": {json.dumps(dict(sorted(same.items())))}',
        f' "caltech101_kind_of": {json.dumps(kind)}',
        ' "synsets": {\n'
        + ",\n".join(
            f'"{one}":{json.dumps(kept[one], ensure_ascii=False, separators=(",", ":"))}'
            for one in sorted(kept)
        )
        + "\n }",
    ]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    data_path("ontology.json").write_text(text, encoding="utf-8")
    print(f"{len(kept)} synsets, {len(text.encode()) / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
