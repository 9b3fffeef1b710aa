"""Pictures of real units that come with the package, made from a network's weights alone."""

import json

import torch
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from helpers.errors import SelectivityError
from helpers.paths import data_path


def shipped_tiles(name: str) -> dict[str, torch.Tensor]:
    """{"layer:unit": (3, S, S) in [0, 1]} of a shipped sheet, for example `googlenet-conv1`.

    Raises SelectivityError where the package has no such sheet.
    """
    description, path = shipped_description(name), data_path("pictures", f"{name}.webp")
    sheet = pil_to_tensor(Image.open(path).convert("RGB")).float() / 255
    side = description["tile"]
    tiles = sheet.unfold(1, side, side).unfold(2, side, side)  # (3, rows, columns, S, S)
    tiles = tiles.movedim(0, 2).flatten(0, 1)
    return dict(zip(description["units"], tiles, strict=False))


def shipped_description(name: str) -> dict:
    """What is written down about a shipped sheet: its units in order, how it was made, what it drives."""
    path = data_path("pictures", f"{name}.json")
    if not path.is_file():
        raise SelectivityError(f"{path} is missing: the package lacks its data, install it again")
    return json.loads(path.read_text(encoding="utf-8"))
