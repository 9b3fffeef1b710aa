"""Which classes make up a category, as a table in the data (`categories.json`), or as named by you."""

import json
from functools import cache

import torch

from helpers.errors import SelectivityError
from helpers.paths import data_path


def classes_of(category, class_names) -> torch.Tensor:
    """(C,) bool: which of the classes belong to the category.

    category: a name of the table, such as "dog", or a list of class names of your own. SelectivityError
    if none, or a name of yours, is among class_names.
    """
    if isinstance(category, str):
        known = _table()
        if category not in known:
            raise SelectivityError(
                f"there is no category {category!r}; use {', '.join(known)}, or a list of class names"
            )
        members = known[category]
    else:
        members = set(category)
        unknown = sorted(members - set(class_names))
        if unknown:
            raise SelectivityError(
                f"the images have no class {unknown[0]!r}; a category needs theirs"
            )
    inside = torch.tensor([name in members for name in class_names])
    if not inside.any():
        raise SelectivityError(
            f"none of the {len(class_names)} classes of these images is known to be of the category "
            f"{category!r}; name the classes in a list instead"
        )
    return inside


def one_each(class_names) -> dict[str, torch.Tensor]:
    """{class: of_category (C,) bool}: every class a category of its own."""
    return dict(zip(class_names, torch.eye(len(class_names), dtype=torch.bool), strict=True))


@cache
def _table() -> dict[str, set[str]]:
    table = json.loads(data_path("categories.json").read_text(encoding="utf-8"))["categories"]
    return {name: set().union(*sets.values()) for name, sets in table.items()}
