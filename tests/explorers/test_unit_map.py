"""What a map of units holds: the table's rows, the record's classes, the units' own pictures."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import open_study
from helpers.claims.counts import unit_facets
from helpers.claims.dogs import chance_of, shown_units
from helpers.errors import SelectivityError
from helpers.explorers import ends_map, hue_map, profile_map
from helpers.explorers.pictures import Sheet, thumbnail
from helpers.explorers.unit_map import HUES, SIDE
from helpers.features import layer_features
from helpers.record.patches import thumbnails
from helpers.selectivity.classes import layer_frequencies

from .maps import ends_table, hue_table, profile_table
from .small import CLASSES, DEAD, with_hostile_names, without_images
from .test_pictures import difference, tile_of

pytestmark = pytest.mark.usefixtures("one_thread")


def values(found, name):
    (one,) = [v["values"] for v in found.data["values"] if v["name"] == name]
    return one


def keys(found):
    layers = [found.data["layers"][number] for number in found.data["layer"]]
    return list(zip(layers, found.data["unit"], strict=True))


def test_ends_are_the_tables(study):
    table = ends_table()
    found = ends_map(study, table, chance=0.25)
    assert keys(found) == [("deep", u) for u in table.unit if u != 5]  # nan: no place
    known = table.dropna()
    assert values(found, "dogs among the strongest images") == known.top_max.tolist()
    assert values(found, "dogs among the most negative images") == known.bottom_min.tolist()
    assert found.data["mark"] == (known["index"] >= 0.7).astype(int).tolist()
    assert found.data["x"]["line"] == found.data["y"]["line"] == 0.25
    marked = known[known["index"] >= 0.7]
    start = known.iloc[found.data["start"]]
    assert start.unit in marked.unit.tolist() and start.bottom_min == marked.bottom_min.max()
    assert found.data["key"][0] == ["mark", f"index 0.7 or more: {len(marked)} units"]


def test_the_wheel_has_the_largest_index_first(study):
    table = hue_table()
    found = hue_map(study, table)
    ranked = table.sort_values("color_index", ascending=False)
    assert keys(found) == list(zip(ranked.layer, ranked.unit, strict=True))
    assert values(found, "hue") == ranked.hue.tolist()
    assert values(found, "colour") == ranked.color.tolist()
    assert found.data["names"] == [[n, h] for n, h in HUES.items()]
    red, green, blue = (int(found.data["colour"][0][i : i + 2], 16) for i in (1, 3, 5))
    assert red == 255 and green < 60 and blue < 160  # a hue of 10 degrees


def test_the_profile_has_every_layer_in_its_place(study):
    table = profile_table()
    found = profile_map(study, table, "gini", "Gini index", luck=0.4)
    everyone = list(zip(table.layer, table.unit, strict=True))
    assert keys(found) == [key for key in everyone if key != ("deep", DEAD)]
    assert found.data["column"] == [0, 1] and found.data["layers"] == ["shallow", "deep"]
    assert [name for _, name in found.data["x"]["ticks"]] == ["shallow", "deep"]
    axis = found.data["y"]
    shown = values(found, "Gini index")
    assert axis["from"] <= min(shown) and max(shown) <= axis["to"] and axis["line"] == 0.4
    assert shown[found.data["start"]] == max(shown)
    assert profile_map(study, table, "gini", "Gini index").data["y"]["line"] is None


def test_classes_are_the_records(study):
    found = profile_map(study, profile_table(), "gini", "Gini index")
    for (layer, unit), top in zip(keys(found), found.data["top"], strict=True):
        shares, best = layer_frequencies(study.record, layer)[0][unit].topk(3)
        assert [c for c, _ in top] == best[shares > 0].tolist()
        assert [s for _, s in top] == pytest.approx(shares[shares > 0].tolist(), rel=0.06)
    assert found.data["classes"] == list(CLASSES)


def sheet_of(found):
    sheet = found.data["sheet"]
    return Sheet(sheet["address"], sheet["columns"], sheet["rows"])


def test_pictures_are_the_units_own(study):
    """Of the wheel the features, of the profile the strongest patches."""
    found = hue_map(study, hue_table())
    assert found.data["what"] == {0: "neuron feature"}
    made = layer_features(study.record, study.network, study.images, "deep", [3, 7])
    for row, unit in enumerate((3, 7)):
        place = found.data["picture"][found.data["unit"].index(unit)]
        expected = thumbnail(made.pictures[row], made.valid[row], SIDE)
        assert difference(tile_of(sheet_of(found), place, SIDE), expected) < 8
        other = thumbnail(made.pictures[1 - row], made.valid[1 - row], SIDE)
        assert difference(tile_of(sheet_of(found), place, SIDE), other) > 8
    profile = profile_map(study, profile_table(), "gini", "Gini index")
    assert set(profile.data["what"].values()) == {"strongest patch"}
    patch = thumbnails(study.record, study.network, study.images, "deep", [7], 1, SIDE)
    place = profile.data["picture"][keys(profile).index(("deep", 7))]
    expected = 255 * patch.pixels[0, 0].permute(1, 2, 0).numpy()
    assert difference(tile_of(sheet_of(profile), place, SIDE), expected) < 8


def test_features_that_were_made_before(study):
    """In the order of the table's rows, whatever order the map has; layers without any are dots."""
    table = hue_table()
    plain = torch.linspace(0, 1, len(table))[:, None, None, None].expand(-1, 3, 20, 20)
    found = hue_map(study, table, {"deep": plain})
    for unit in (0, 7, 11):
        place = found.data["unit"].index(unit)
        tile = tile_of(sheet_of(found), found.data["picture"][place], SIDE)
        assert difference(tile, 255 * plain[unit, 0, 0, 0].numpy()) < 4
    none = hue_map(study, table, {"deep": None})
    assert none.data["sheet"] is None and set(none.data["picture"]) == {-1}
    assert none.data["tile"] == 0


def test_without_images_the_classes_remain(study):
    found = profile_map(without_images(study), profile_table(), "gini", "Gini index")
    assert found.data["sheet"] is None and set(found.data["picture"]) == {-1}
    assert found.data["top"][0]


def test_nothing_to_show(study):
    with pytest.raises(SelectivityError, match="no unit has a value"):
        profile_map(study, profile_table().assign(gini=np.nan), "gini", "Gini index")


def test_the_fragment_asks_for_nothing_and_is_the_same_each_time(study):
    html = ends_map(study, ends_table(), chance=0.25).html
    assert html == ends_map(study, ends_table(), chance=0.25).html
    assert not re.search(r"https?:|//[a-z]+\.|@import|src=|fetch\(|XMLHttpRequest|import\(", html)
    assert set(re.findall(r"\bdata:[a-z]+/[a-z]+", html)) == {"data:image/webp"}
    identities = {
        re.search(r'<div id="(unit-map-[0-9a-f]{12})"', m.html)[1]
        for m in (ends_map(study, ends_table(), chance=c) for c in (0.25, 0.3))
    }
    assert len(identities) == 2


def test_names_stay_inside_the_data(study):
    found = profile_map(with_hostile_names(study), profile_table(), "gini", "Gini index")
    assert found.html.count("<script>") == found.html.count("</script>") == 1
    text = re.search(r"const data = (.*);\n", found.html)[1]
    assert json.loads(text) == json.loads(json.dumps(found.data))


def test_shipped_studies():
    """GoogLeNet's 5,744 units stay below 1 MB; block 4c has its optimised pictures."""
    google = open_study("googlenet")
    units = shown_units(google)
    ends = ends_map(google, units, chance=chance_of(google))
    assert set(ends.data["what"].values()) == {"optimised picture"}
    assert len(ends.data["unit"]) == 512 and min(ends.data["picture"]) == 0
    profile = profile_map(google, unit_facets(google), "ratio", "degree", luck=1)
    assert len(profile.data["unit"]) == 5744
    assert max(len(ends.html.encode()), len(profile.html.encode())) < 1e6
    assert [name for _, name in profile.data["x"]["ticks"]][:3] == ["conv1", "conv2", "3a"]
    assert isinstance(profile.data["column"][0], int) and max(profile.data["column"]) == 10


def test_a_table_without_the_column(study):
    with pytest.raises(KeyError):
        profile_map(study, pd.DataFrame({"layer": ["deep"], "unit": [0]}), "gini", "Gini index")
