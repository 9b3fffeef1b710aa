"""A page to send: what it says of the record, which layers and units it shows, and what it never does."""

import re
import sys

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup

from helpers.__main__ import main
from helpers.errors import SelectivityError
from helpers.report import chosen_by_share, layer_table, spread, write_report
from helpers.selectivity import class_frequencies, relative_activations
from tests.book.conftest import ROOT
from tests.explorers.small import DEAD, open_small, with_hostile_names, without_images

sys.path.insert(0, str(ROOT / "tools"))


@pytest.fixture(scope="module")
def study():
    return open_small()


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    path = write_report(study, tmp_path_factory.mktemp("report") / "small.html", units=6)
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_layers_are_spread_through_the_network():
    assert spread(list("abcdefgh")) == ["b", "d", "f", "h"]
    assert spread(list("abc")) == ["a", "b", "c"]
    assert spread(list("abcdefgh"), 1) == ["h"]


def test_units_with_the_largest_share_of_a_class(study):
    record = study.record
    weights = relative_activations(record["deep"].top.values)
    classes = record.classes[record["deep"].top.images[:, : weights.shape[1]]]
    shares = class_frequencies(weights, torch.from_numpy(classes), 4).amax(1)
    order = np.argsort(-shares.numpy(), kind="stable")
    assert chosen_by_share(study, "deep", 5) == sorted(order[:5].tolist())
    assert chosen_by_share(study, "deep", None) == list(range(24))
    assert chosen_by_share(study, "deep", 100) == list(range(24))


def test_it_says_what_was_recorded(page):
    assert page.h1.get_text() == "Units of small on world-eval"
    terms, said = ([e.get_text() for e in page.select(tag)] for tag in ("dt", "dd"))
    facts = dict(zip(terms, said, strict=True))
    assert "80 of 4 classes" in facts["Images"] and facts["Each list holds"] == "60 images"
    assert "torch" in facts["Software"]


def test_layers_that_have_maps_are_shown(page):
    assert [h["id"] for h in page.select("section h2")] == ["layer-shallow", "layer-deep"]
    links = {a["href"] for a in page.select("table.layers a")}
    assert links == {"#layer-shallow", "#layer-deep"}
    assert len(page.select("section .unit-explorer")) == 2
    assert "Not on this page: head." in page.get_text()


def test_the_table_counts_units_without_a_response(study):
    rows = {row["layer"]: row for row in layer_table(study.record)}
    dead = [(study.record[n].top.values[:, 0] <= 0).sum().item() for n in rows]
    assert [int(row["dead"]) for row in rows.values()] == dead
    assert study.record["deep"].top.values[DEAD, 0] <= 0  # so that there is one to count
    assert rows["deep"]["map"] == "{} x {}".format(*study.record["deep"].geometry.map_size)


def test_it_asks_no_other_host(page):
    import check_site

    assert list(check_site.check_requests(page)) == []


def test_layers_can_be_asked_for(study, tmp_path):
    path = write_report(study, tmp_path / "r.html", layers="head", units=None)
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    assert [h["id"] for h in page.select("section h2")] == ["layer-head"]
    assert "Every unit of these layers is shown" in page.get_text()
    with pytest.raises(SelectivityError, match="no layer matches 'haed'"):
        write_report(study, tmp_path / "r.html", layers="haed")


def test_without_images_they_are_named(study, tmp_path):
    path = write_report(without_images(study), tmp_path / "r.html", units=2)
    text = path.read_text(encoding="utf-8")
    assert study.record.names[int(study.record["deep"].top.images[0, 0])].split("/")[-1] in text
    assert "data:image" not in text and "/a/path/that" not in text


def test_hostile_names_stay_text(study, tmp_path):
    path = write_report(with_hostile_names(study), tmp_path / "r.html", units=2)
    markup = path.read_text(encoding="utf-8")
    assert not re.search(r"<script>alert|<img src=x", markup)


def test_the_same_record_gives_the_same_page(study, tmp_path):
    one = write_report(study, tmp_path / "a.html", units=2).read_bytes()
    assert write_report(study, tmp_path / "b.html", units=2).read_bytes() == one
    assert not list(tmp_path.glob("*.part"))


def test_from_the_command_line(study, tmp_path, capsys):
    study.record.save(tmp_path / "small.safetensors")
    file, out = str(tmp_path / "small.safetensors"), tmp_path / "small.html"
    assert main(["report", file, "--out", str(out), "--units", "3", "--layers", "deep"]) == 0
    assert "open it in any browser" in capsys.readouterr().out
    assert 'id="layer-deep"' in out.read_text(encoding="utf-8")
    for wrong, says in (
        (["--out", str(tmp_path / "small.pdf")], "must end in .html"),
        (["--out", str(tmp_path / "gone" / "small.html")], "no such folder"),
        (["--out", str(out), "--layers", "depe"], "no layer matches 'depe'"),
        (["--out", str(out), "--images", str(tmp_path)], "unknown network 'small'"),
    ):
        assert main(["report", file, *wrong]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert says in line
