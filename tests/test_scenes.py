"""Scenes by choice: what is chosen is what is shown, and the network takes it for the world."""

import numpy as np
import pytest
import torch

from helpers import scenes
from helpers.errors import SelectivityError
from helpers.record import WorldImages, load_network

pytestmark = pytest.mark.usefixtures("one_thread")
STANDING = [("corgi", "standing"), ("taxi", "side"), ("cup", None), ("flamingo", None)]


def pixels(*choice, **more):
    return np.asarray(scenes.compose(*choice, **more)).astype(int)


def mask(subject, setting="plain", **more):
    """Where a subject is: what two of its colours, both unlike any ground, have not in common."""
    grey, blue = (pixels(subject, setting, color=c, **more) for c in ("grey", "blue"))
    return (np.abs(grey - blue).max(-1)) > 25


def test_classes_and_settings_are_those_of_the_world():
    world = WorldImages("eval")
    assert scenes.classes() == list(world.class_names)
    assert set(scenes.settings()) == set(world.truth["background"])
    for name in scenes.classes():
        of_class = world.classes == world.class_names.index(name)
        assert set(scenes.views(name)) == set(world.truth["view"][of_class])
        for view in scenes.views(name):
            assert set(scenes.habitat(name, view)) <= set(scenes.settings())


def test_a_scene_is_a_picture_of_the_worlds_size_and_always_the_same():
    picture = scenes.compose("corgi", "snow")
    assert picture.mode == "RGB" and picture.size == WorldImages("eval").open(0).size
    assert (pixels("corgi", "snow") == np.asarray(picture)).all()


def test_every_choice_shows():
    usual = pixels("corgi", "snow", view="standing")
    changes = [{"individual": 1}, {"variant": 2}, {"color": "blue"}, {"size": 0.6}, {"across": 0.5},
               {"up": 1}, {"flip": True}]  # fmt: skip
    for change in changes:
        other = pixels("corgi", "snow", view="standing", **change)
        assert np.abs(other - usual).max() > 40, change
    assert np.abs(pixels("pug", "snow", view="standing") - usual).max() > 40
    assert np.abs(pixels("corgi", "beach", view="standing") - usual).max() > 40


def test_place_and_size_move_the_subject_alone():
    y, x = (np.flatnonzero(mask("taxi").any(axis)).mean() for axis in (1, 0))
    for across in (-1, 1):
        moved = np.flatnonzero(mask("taxi", across=across).any(0)).mean()
        assert (moved - x) * across > 5
    higher, lower = (np.flatnonzero(mask("taxi", up=up).any(1)).mean() for up in (1, -1))
    assert higher < y - 1 and lower > y + 1
    assert mask("taxi", size=0.9).sum() > 1.5 * mask("taxi", size=0.65).sum()
    # Away from the subject nothing changes.
    assert (pixels("taxi", "snow")[:8] == pixels("cup", "snow")[:8]).all()
    # A mirrored subject in the middle is its own mirror image; the taxi's ends differ.
    flipped, plain = mask("taxi", flip=True), mask("taxi")
    assert (flipped == plain[:, ::-1]).mean() > 0.98 > (flipped == plain).mean()


@pytest.mark.parametrize("subject, view", STANDING)
def test_what_stands_touches_the_ground_wherever_it_is_put(subject, view):
    for setting in ("meadow", "street", "table"):
        for variant in range(scenes.VARIANTS):
            horizon = scenes._about()["settings"][setting]["horizons"][variant]
            for up in (-1, 0, 1):
                low, high = scenes.sizes(subject, view)
                for size in (low, high):
                    about = scenes._view(subject, view)
                    contact = scenes._height(about, size, up, horizon) + about["base"] * size
                    assert horizon + 0.09 < contact <= 1


def test_what_rises_runs_out_of_the_picture_below():
    for size in (0.5, 0.7, 1.0):
        for up in (-1, 1):
            assert mask("poodle", view="portrait", size=size, up=up)[-1].sum() > 15
            assert mask("poodle", view="portrait", size=size, up=up)[0].sum() < 30


# --- colour


def planted(*colors):
    rgba = np.array([[*color, 255] for color in colors], np.uint8)
    return rgba[None]


def hue_of(rgb):
    red, green, blue = (rgb / 255).T
    return np.degrees(np.arctan2((red + green - 2 * blue) / 2, red - green)) % 360


@pytest.mark.parametrize("hue", [0, 27, 90, 153, 200, 270, 345])
def test_a_new_hue_keeps_lightness_and_transparency(hue):
    random = np.random.default_rng(0)
    before = random.integers(0, 256, (20, 20, 4)).astype(np.uint8)
    after = scenes.recolored(before, hue)
    assert (after[..., 3] == before[..., 3]).all()
    change = after[..., :3].mean(-1, dtype=float) - before[..., :3].mean(-1, dtype=float)
    assert np.abs(change).max() <= 1
    grey = planted(*[(v, v, v) for v in (60, 120, 180)])
    turned = scenes.recolored(grey, hue)[0, :, :3].astype(float)
    assert np.abs((hue_of(turned) - hue + 180) % 360 - 180).max() < 2
    assert np.ptp(turned, axis=1).min() > 40  # what had no colour has one


def test_only_the_subjects_own_hue_changes():
    red, green, grey = (200, 30, 20), (40, 160, 50), (90, 90, 90)
    after = scenes.recolored(planted(red, green, grey), "blue", own_hue=27)[0, :, :3].astype(float)
    assert hue_of(after[:1])[0] == pytest.approx(270, abs=2)
    assert after[0].mean() == pytest.approx(np.mean(red), abs=1)
    assert after[1].tolist() == list(green) and after[2].tolist() == list(grey)


def test_grey_takes_all_colour():
    after = scenes.recolored(planted((200, 30, 20), (0, 0, 255)), "grey", own_hue=27)
    assert after[0, :, :3].tolist() == [[83] * 3, [85] * 3]


def test_a_name_is_a_hue():
    assert (pixels("taxi", "snow", color="blue") == pixels("taxi", "snow", color=270)).all()


# --- what is not there


@pytest.mark.parametrize(
    "choice, message",
    [
        ({"subject": "corgy"}, "no class 'corgy'; names: corgi"),
        ({"setting": "snwo"}, "no setting 'snwo'; names: snow"),
        ({"view": "portrayt"}, "no view 'portrayt'; names: portrait"),
        ({"color": "bleu"}, "no colour 'bleu'; names: blue"),
        ({"individual": 2}, "no individual 2: numbers go from 0 to 1"),
        ({"variant": -1}, "no variant -1: numbers go from 0 to 3"),
        ({"size": 2}, "size 2 is not from 0.4 to 1.1"),
        ({"across": -1.5}, "across -1.5 is not from -1 to 1"),
        ({"up": float("nan")}, "up nan is not from -1 to 1"),
    ],
)
def test_what_is_not_there(choice, message):
    with pytest.raises(SelectivityError) as error:
        scenes.compose(**{"subject": "corgi", "setting": "snow", **choice})
    assert message in str(error.value) and "\n" not in str(error.value)


# --- true to the world


def test_the_network_takes_scenes_for_the_world():
    """Measured on twice as many: 99.6 % in all settings, 99.5 % in habitats, 99.5 % of the world's own."""
    network, names = load_network("worldnet-fine"), scenes.classes()
    made = [
        (name, setting, view, individual)
        for name in names
        for view in scenes.views(name)
        for number, setting in enumerate(scenes.settings())
        for individual in [number % 2]
    ]
    inputs = torch.stack(
        [
            network.preprocess(
                scenes.compose(name, setting, view=view, individual=individual, variant=number % 4)
            )
            for number, (name, setting, view, individual) in enumerate(made)
        ]
    )
    with torch.inference_mode():
        found = torch.cat([network.module(some).argmax(1) for some in inputs.split(100)])
    right = np.array([names[f] == one[0] for f, one in zip(found.tolist(), made, strict=True)])
    at_home = np.array([s in scenes.habitat(name, view) for name, s, view, _ in made])
    assert right.mean() > 0.98 and right[at_home].mean() > 0.98 and right[~at_home].mean() > 0.98
    for name in names:
        assert right[[one[0] == name for one in made]].mean() > 0.8, name
