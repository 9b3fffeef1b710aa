"""The built pages keep the rules, and every rule notices when it is broken."""

import json
import random
import zipfile

import archives
import check_site
import lighter_pictures
import numpy as np
import pytest
import yaml
from api_reference import to_rst
from bs4 import BeautifulSoup
from PIL import Image

from .conftest import ROOT

GOOD = """<html><body><article class="bd-article"><h1 id="top">Title</h1>
<a href="#top">up</a> <a href="index.html#top">here</a> <a href="https://arxiv.org/abs/1702.00382">paper</a>
<a href="https://colab.research.google.com/github/a/b/blob/main/book/chapter.ipynb">Colab</a>
<div class="math"><math><mi>x</mi></math></div>
<img src="a.png" alt="A curve falling from one to zero"></article></body></html>"""

FAULTS = {
    "third-party script": (
        "<script src='https://example.org/a.js'></script>",
        "fetches from another host",
    ),
    "protocol-relative image": (
        "<img alt='A long description' src='//example.org/a.png'>",
        "another host",
    ),
    "style sheet": (
        "<link rel='stylesheet' href='https://example.org/a.css'>",
        "fetches from another host",
    ),
    "font in a style": (
        "<style>@import url(https://example.org/f.css)</style>",
        "fetches from another host",
    ),
    "CDN in a script": ("<script>load('https://unpkg.com/x')</script>", "content delivery network"),
    "no alternative text": ("<img src='a.png'>", "without a real description"),
    "file name as text": (
        "<img src='a.png' alt='../_images/0af3.png'>",
        "without a real description",
    ),
    "traceback": ("<pre>Traceback (most recent call last): ValueError</pre>", "traceback"),
    "formula left as TeX": ("<span class='math'>\\(x\\)</span>", "not converted"),
    "Colab of a text": (
        "<a href='https://colab.research.google.com/x/blob/main/a.md'>",
        "Colab cannot open",
    ),
    "Colab of nothing": (
        "<a href='https://colab.research.google.com/x/blob/main/a.ipynb'>",
        "not there",
    ),
    "dead link": ("<a href='gone.html'>gone</a>", "dead link"),
    "missing place": ("<a href='#gone'>gone</a>", "missing place"),
    "an unfilled number": (
        "<p>of <code><span>{glue:text}</span></code>last_layer`` have</p>",
        "not filled in",
    ),
    "a role as text": ("<p>of {glue:text}`last_layer` have</p>", "not filled in"),
    # Noise as text: three quarters of it are left when it is compressed.
    "heavy": (
        "<p>" + random.Random(0).randbytes(check_site.MAXIMUM_BYTES).hex() + "</p>",
        "weighs",
    ),
}


def write_page(folder, markup):
    (folder / "book").mkdir(exist_ok=True)
    (folder / "book" / "chapter.ipynb").write_text("{}")
    (folder / "index.html").write_text(markup, encoding="utf-8")
    return check_site.check_site(folder, root=folder)


def test_a_good_page_passes(tmp_path):
    assert write_page(tmp_path, GOOD) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(tmp_path, fault):
    markup, expected = FAULTS[fault]
    findings = write_page(tmp_path, GOOD.replace("</article>", markup + "</article>"))
    assert any(expected in finding for finding in findings), findings


def test_a_heavy_picture_makes_a_page_heavy(tmp_path):
    (tmp_path / "heavy.png").write_bytes(b"0" * check_site.MAXIMUM_BYTES)
    picture = "<img src='heavy.png' alt='A picture that takes a minute'>"
    (finding,) = write_page(tmp_path, GOOD.replace("</article>", picture + "</article>"))
    assert "weighs 5.0 MB" in finding


def test_nothing_built_is_a_finding(tmp_path):
    assert "not built" in check_site.check_site(tmp_path)[0]


def test_every_chapter_of_the_contents_was_built(site):
    listed = [
        line.split("file:")[1].strip()
        for line in (ROOT / "_toc.yml").read_text().splitlines()
        if "file:" in line
    ]
    assert "book/reading-a-unit" in listed
    assert [name for name in listed if not (site / f"{name}.html").is_file()] == []


def test_chapters_have_a_colab_button(site):
    for chapter in sorted((ROOT / "book").glob("*.ipynb")):
        page = (site / "book" / f"{chapter.stem}.html").read_text(encoding="utf-8")
        assert f"/blob/main/book/{chapter.name}" in page
        assert "colab.research.google.com" in page


def test_pictures_of_chapters_carry_their_description():
    """Source side of the alternative texts: every cell that drew an image says what it shows."""
    executed = sorted((ROOT / "_build" / "jupyter_execute" / "book").glob("*.ipynb"))
    assert executed, "no executed chapters: run `make book`"
    for path in executed:
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            kinds = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
            # glue has a kind of its own; such pictures carry their text where they are pasted.
            if any(kind.startswith("image/") for kind in kinds):
                alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
                assert len(alt) >= check_site.SHORTEST_ALT, (
                    f"{path.name}: cell {number} draws without alt"
                )


def soup_of(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def contents(caption):
    """Pages that the table of contents lists under a caption."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]
    (listed,) = [part["chapters"] for part in parts if part["caption"] == caption]
    return [one["file"] for one in listed]


def test_each_chapter_says_paper_time_colab_and_download(site):
    table = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]["chapter_lines"]
    beyond = [page for page in contents("Beyond the papers") if page != "book/scoreboard"]
    assert list(table) == contents("Chapters") + beyond
    for page in table:
        items = soup_of(site / f"{page}.html").select("h1 + ul.chapter-line > li")
        assert len(items) == 4, page
        assert items[0].get_text().startswith("After ") and items[0].find("a")
        assert f"{table[page]['minutes']} minutes" in items[1].get_text()
        assert items[2].a["href"].endswith(f"{page}.ipynb") and "colab" in items[2].a["href"]
        notebook = (site / page).parent / items[3].a["href"]
        assert json.loads(notebook.read_text(encoding="utf-8"))["cells"]


def test_the_first_page_has_a_card_for_each_chapter(site):
    table = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]["chapter_lines"]
    cards = soup_of(site / "book" / "index.html").select(".chapters .sd-card")
    for page, card in zip(contents("Chapters"), cards, strict=True):
        assert (
            card.select_one("a.sd-stretched-link")["href"] == f"{page.removeprefix('book/')}.html"
        )
        assert f"{table[page]['minutes']} minutes" in card.get_text()
        picture = site / "book" / card.img["src"]
        assert picture.suffix == ".webp" and picture.stat().st_size < 40_000


def test_the_reference_names_what_a_package_exports(site):
    import helpers.figures
    import helpers.record
    import helpers.selectivity

    page = soup_of(site / "book" / "api.html")
    names = {element["id"].rpartition(".")[2] for element in page.select("dt.sig[id]")}
    for package in (helpers, helpers.record, helpers.figures, helpers.selectivity):
        assert set(package.__all__) <= names, set(package.__all__) - names
    assert "Alias for field number" not in page.get_text()


def test_a_plain_docstring_becomes_markup():
    plain = "Two * three_ of `a b`, *so*.\n\n    x = f(1)\n\nname    what it is\nlonger  what else"
    markup = "\n".join(to_rst(plain.split("\n")))
    assert r"Two \* three\_ of \ ``a b``\ , \ *so*\ ." in markup
    assert ".. code-block:: python\n\n    x = f(1)" in markup
    assert ".. code-block:: text\n\n    name    what it is\n    longer  what else" in markup


def test_the_site_can_be_taken_away(site, tmp_path):
    """The archive on the first page holds all pages, without a fault; `make book` has checked the site."""
    first = soup_of(site / "book" / "index.html")
    links = [a["href"] for a in first.select("a[download]") if a["href"].endswith(".zip")]
    assert len(links) == 2
    for link in links:
        with zipfile.ZipFile(site / "book" / link) as archive:
            archive.extractall(tmp_path)
    taken = tmp_path / "neuron-selectivity-site"
    pages = {path.relative_to(site) for path in check_site.pages_of(site)}
    assert {path.relative_to(taken) for path in check_site.pages_of(taken)} == pages
    assert (taken / "index.html").is_file() and not (taken / "downloads").exists()
    assert (
        check_site.check_site(taken) == []
    )  # the archive does not hold itself, and links to no archive
    chapters = {path.name for path in (ROOT / "book").glob("*.ipynb")}
    notebooks = {path.name for path in (tmp_path / "neuron-selectivity-notebooks").iterdir()}
    assert notebooks == chapters | {"LICENSE"}


def test_archives_of_the_same_files_are_the_same(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    for name in ("one", "two"):
        archives.write_archive(tmp_path / name / "x.zip", {"b/a.txt": tmp_path / "a.txt"})
        (tmp_path / "a.txt").touch()
    one, two = ((tmp_path / name / "x.zip").read_bytes() for name in ("one", "two"))
    assert one == two
    assert zipfile.ZipFile(tmp_path / "one" / "x.zip").read("x/b/a.txt") == b"a"


def test_lighter_pictures_keep_every_pixel(tmp_path):
    """Pixels under transparency too; 16 bits a channel stay a PNG, and pages name what is there."""
    (tmp_path / "_images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 4), dtype=np.uint8)
    pixels[:, :30] = pixels[0, 0]
    Image.fromarray(pixels).save(tmp_path / "_images" / "figure.png")
    Image.fromarray(np.arange(4, dtype=np.uint16)[None] * 257).save(
        tmp_path / "_images" / "deep.png"
    )
    page = tmp_path / "page.html"
    page.write_text('<img src="_images/figure.png"><img src="_images/deep.png">')
    before = (tmp_path / "_images" / "figure.png").stat().st_size
    assert lighter_pictures.main(tmp_path) == ["figure.png"]
    lighter = tmp_path / "_images" / "figure.webp"
    assert lighter.stat().st_size < before and not lighter.with_suffix(".png").exists()
    assert np.array_equal(np.asarray(Image.open(lighter)), pixels)
    assert page.read_text() == '<img src="_images/figure.webp"><img src="_images/deep.png">'
