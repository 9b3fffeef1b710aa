"""Fetch and record what the published edition shows beside the book's own world. usage: published_studies.py

Into SELECTIVITY_HOME, once: what is there is neither fetched nor recorded again, and a record is kept under
the content of its network and its images. A study that cannot be had is named, the others go on, and the
command fails.
"""

import sys

from helpers import open_study
from helpers.errors import SelectivityError
from helpers.fetch import fetch

STUDIES = {  # study: the catalogue's entry with its weights and photographs
    "googlenet-photographs": "googlenet",
    "imagenette": "imagenette",
}


def prepare(study, entry):
    """Fetch what a study needs and record it where no record is kept; a line that says what there is."""
    fetch(entry)
    opened = open_study(study)
    seen = opened.network, opened.images  # refused if they are not what was recorded
    return f"{study}: {seen[0].name} on {len(seen[1]):,} images, {len(opened.record.layers)} layers"


def main():
    failed = 0
    for study, entry in STUDIES.items():
        try:
            print(prepare(study, entry), flush=True)
        except (SelectivityError, OSError) as error:
            print(f"{study}: {error}", file=sys.stderr, flush=True)
            failed += 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
