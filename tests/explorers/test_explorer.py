"""The fragment: all in it, nothing asked for, the same text each time."""

import json
import re

import pytest

from helpers.errors import SelectivityError
from helpers.explorers import explore

from .small import with_hostile_names, without_images

pytestmark = pytest.mark.usefixtures("one_thread")


def identity(html):
    return re.search(r'<div id="(unit-explorer-[0-9a-f]{12})"', html)[1]


def test_asks_for_nothing(study):
    html = explore(study, "deep").html
    assert not re.search(r"https?:|//[a-z]+\.|@import|src=|fetch\(|XMLHttpRequest|import\(", html)
    assert set(re.findall(r"\bdata:[a-z]+/[a-z]+", html)) == {"data:image/webp"}


def test_the_same_explorer_gives_the_same_text(study):
    assert explore(study, "deep", [1, 4]).html == explore(study, "deep", [1, 4]).html


def test_identities_come_from_the_content(study):
    some = [explore(study, "deep"), explore(study, "deep", [3]), explore(study, "shallow"),
            explore(without_images(study), "deep")]  # fmt: skip
    assert len({identity(e.html) for e in some}) == len(some)


def test_a_page_is_shown_and_no_widget(study):
    bundle = explore(study, "head")._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}


def test_no_place_of_this_machine_and_no_random_word_is_published(study):
    without = explore(without_images(study), "deep")
    assert "/a/path" not in without.html and "not on the machine" in without.data["missing"]
    assert without.data["sheets"] == [] and "strip" not in without.data["units"][0]
    assert explore(study, "deep").data["missing"] == ""


def test_names_stay_inside_the_data(study):
    explorer = explore(with_hostile_names(study), "deep")
    assert explorer.html.count("<script>") == explorer.html.count("</script>") == 1
    assert "<!--" not in explorer.html and "<img" not in explorer.html
    text = re.search(r"const data = (.*);\n", explorer.html)[1]
    assert json.loads(text) == json.loads(json.dumps(explorer.data))


def test_weight_of_a_layer(study):
    """A layer of 128 units with pictures stays below 2.5 MB."""
    explorer = explore(study, "deep")
    assert len(explorer.html.encode()) / len(explorer.units) * 128 < 2.5e6


def test_where_it_starts(study):
    assert explore(study, "deep", [4, 1]).data["start"] == 4
    started = explore(study, "deep", [4, 1], start=1)
    assert started.data["start"] == 1
    assert identity(started.html) != identity(explore(study, "deep", [4, 1]).html)
    live = started.live()
    assert (live.layer.value, live.unit.value) == ("deep", 1)


@pytest.mark.parametrize("start", [0, 24, -1])
def test_it_cannot_start_at_a_unit_that_it_does_not_show(study, start):
    with pytest.raises(SelectivityError, match=f"unit {start}, which is not among"):
        explore(study, "deep", [4, 1], start=start)


@pytest.mark.parametrize("layer, units", [("nowhere", None), ("deep", [99])])
def test_what_is_not_there(study, layer, units):
    with pytest.raises(SelectivityError):
        explore(study, layer, units)
