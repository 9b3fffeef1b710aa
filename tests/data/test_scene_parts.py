"""The shipped parts are what their code draws, and put together they are what the renderer draws at once."""

import hashlib
import json
import random

import numpy as np
import pytest
from PIL import Image, features

from data.make import scene_parts
from data.make.world import LEAVES, scene
from data.make.world.drawing import Painter
from data.make.world.sheets import pixel_digest
from helpers import scenes
from helpers.paths import data_path

WORLD = data_path("world")


@pytest.fixture(scope="module")
def about() -> dict:
    return json.loads((WORLD / "parts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["subjects", "settings"])
def test_the_shipped_sheet_is_drawn_again(about, kind):
    tiles, facts = getattr(scene_parts, kind)()
    assert pixel_digest(scene_parts.sheet(tiles)) == about["sheets"][kind]["pixels_sha256"]
    assert json.loads(json.dumps(facts)) == about[kind]
    data = (WORLD / f"parts-{kind}.webp").read_bytes()
    assert hashlib.sha256(data).hexdigest() == about["sheets"][kind]["file_sha256"]
    if features.version("webp") == about["made_with"]["libwebp"]:
        assert scene_parts.encode(kind, tiles) == data


def test_there_are_as_many_as_the_package_counts(about):
    assert {len(one["seeds"]) for one in about["subjects"].values()} == {scenes.INDIVIDUALS}
    assert {len(one["seeds"]) for one in about["settings"].values()} == {scenes.VARIANTS}
    assert list(about["subjects"]) == list(LEAVES)


def test_parts_are_small():
    assert sum(path.stat().st_size for path in WORLD.glob("parts*")) < 250_000


@pytest.mark.parametrize(
    "name, view, setting, choice",
    [
        ("corgi", "standing", "snow", {"across": 0.5}),
        ("corgi", "portrait", "meadow", {"flip": True}),
        ("owl", "usual", "forest", {"up": -1}),  # its branch goes from side to side
        ("hat", "worn", "room", {"size": 0.75}),
        ("banana", "usual", "table", {"size": 0.62, "up": 1}),
        ("sailboat", "usual", "water", {"across": -1, "flip": True}),
    ],
)
def test_a_composed_scene_is_what_the_renderer_draws_at_once(about, name, view, setting, choice):
    composed = np.asarray(scenes.compose(name, setting, view=view, **choice)).astype(int)
    drawn = draw(about, name, view, setting, **choice).astype(int)
    assert (
        np.abs(composed - drawn).mean() < 6
    )  # of 255: what compression costs the world's pictures
    moved = draw(about, name, view, setting, **{**choice, "across": choice.get("across", 0) + 0.3})
    assert np.abs(composed - moved).mean() > 1.5 * np.abs(composed - drawn).mean()


@pytest.mark.parametrize("name", ["corgi", "banana", "parrot", "tulip", "hat"])
def test_subjects_are_put_where_the_world_puts_them(about, name):
    for shown, facts in zip(LEAVES[name].views, about["subjects"][name]["views"], strict=True):
        for size in facts["sizes"]:
            drawn = [scene._placement(random.Random(k), shown, (size, size)) for k in range(300)]
            y = [scenes._height(facts, size, up, -1) for up in (-1, 0, 1)]
            lowest, highest = max(p.y for p in drawn), min(p.y for p in drawn)
            assert lowest + 0.03 >= y[0] >= y[1] >= y[2] >= highest - 0.03
            assert y[0] == pytest.approx(lowest, abs=0.1)
            assert y[2] == pytest.approx(highest, abs=0.1)
            assert scenes._margin(size) == pytest.approx(max(p.x for p in drawn), abs=0.02)


def draw(about, name, view, setting, size=None, across=0, up=0, flip=False):
    """The same scene by the renderer, setting and subject on one canvas: (64, 64, 3)."""
    seed, horizon = (about["settings"][setting][k][0] for k in ("seeds", "horizons"))
    number = scene_parts._SETTING_NUMBERS + list(about["settings"]).index(setting)
    stream = random.Random(number * scene._SEED_STRIDE + seed)
    stream.uniform(-0.2, 0.2)  # the horizon
    side = scene.SIZE * scene.OVERSAMPLING
    surface, buffer = scene._surface(side)
    canvas, light = surface.getCanvas(), scene_parts._light(stream)
    scene._paint_background(canvas, stream, light, setting, horizon, side)
    canvas.scale(side / 2, side / 2)
    canvas.translate(1, 1)
    leaf = LEAVES[name]
    shown = next(v for v in leaf.views if v.name == view)
    low, high = shown.sizes or leaf.sizes
    size = size or (low + high) / 2
    facts = next(v for v in about["subjects"][name]["views"] if v["view"] == view)
    x, y = across * scenes._margin(size), scenes._height(facts, size, up, horizon)
    seed = about["subjects"][name]["seeds"][0]
    stream = random.Random((list(LEAVES).index(name) + 1) * scene._SEED_STRIDE + seed)
    painter = Painter(canvas, stream, scene_parts._light(stream))
    with painter.frame(x, y, size, 0, (-1 if flip else 1, 1)):
        shown.draw(painter)
    return np.asarray(Image.fromarray(buffer).convert("RGB").reduce(scene.OVERSAMPLING))
