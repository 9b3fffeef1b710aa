"""Every page of the book as a reader sees it: light, dark, on a wide screen and on a telephone."""

import base64
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from .conftest import NARROW, SCREENSHOTS, SITE, WIDE, pages

VIEWS = [(theme, size) for theme in ("light", "dark") for size in (WIDE, NARROW)]
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
# Elements that stick out of the window, other than those inside something that scrolls by itself.
STICKING_OUT = """
const width = document.documentElement.clientWidth;
const page = [document.body, document.documentElement];
const scrolls = e => e && (
  !page.includes(e) && /auto|scroll|hidden|clip/.test(getComputedStyle(e).overflowX)
  || scrolls(e.parentElement));
return [...document.querySelectorAll(".bd-article *")]
  .filter(e => e.getBoundingClientRect().right > width + 1 && !scrolls(e.parentElement))
  .map(e => e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 40)).slice(0, 5);
"""


def view_name(view):
    theme, (width, _) = view
    return f"{theme}-{width}"


@pytest.fixture(params=pages() or ["no pages"])
def page(request):
    return request.param


def test_there_are_pages():
    assert {"book/index.html", "book/notes.html", "book/glossary.html"} <= set(pages())


def test_a_first_visit_asks_no_other_host_and_is_silent(browser, page):
    browser.open(page)
    browser.driver.execute_script("localStorage.clear()")
    browser.requests()
    browser.errors()
    browser.open(page)
    browser.driver.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    assert browser.errors() == []
    asked = browser.requests()
    assert asked, "the log of requests is empty, so this test would see nothing"
    hosts = {
        urlsplit(a).netloc for a in asked if urlsplit(a).scheme not in ("data", "blob", "about")
    }
    assert hosts == {urlsplit(browser.base).netloc}


@pytest.mark.parametrize("view", VIEWS, ids=view_name)
def test_looks(browser, page, view):
    """Screenshot of the whole page, for people; asserted here: it is not blank and in its theme."""
    theme, size = view
    browser.open(page, theme, size)
    with Image.open(keep_shot(browser, f"{Path(page).stem}-{view_name(view)}")) as shot:
        shot.draft("L", (shot.width // 4, shot.height // 4))
        grey = np.asarray(shot, dtype=float)
    assert grey.std() > 5, "the page is blank"
    assert (np.median(grey) > 200) if theme == "light" else (np.median(grey) < 60)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out(browser, page, theme):
    browser.open(page, theme)
    assert browser.driver.execute_script(CONTRAST, ".bd-article") == []


def test_nothing_sticks_out_on_a_telephone(browser, page):
    browser.open(page, size=NARROW)
    assert browser.driver.execute_script(STICKING_OUT) == []
    widths = browser.driver.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert widths[0] <= widths[1] == NARROW[0]
    # A figure is a little wider than the screen, so that its letters are readable; no more than that.
    figures = browser.driver.execute_script(
        "return [...document.querySelectorAll('.cell_output img')].map(i => i.clientWidth)"
    )
    assert all(width < 1.2 * NARROW[0] for width in figures)


def test_formulas_are_drawn(browser):
    """MathML that the browser lays out: a fraction is taller than a letter."""
    browser.open("book/notes.html")
    heights = browser.driver.execute_script(
        "return ['mfrac', 'mi'].map(tag =>"
        " document.querySelector('math ' + tag).getBoundingClientRect().height)"
    )
    assert heights[0] > 1.5 * heights[1] > 0


def test_works_from_a_disk(browser):
    """The offline copy: opened as a file, styles and pictures load and links lead on."""
    browser.driver.get((SITE / "index.html").as_uri())
    browser.wait(
        "location.pathname.endsWith('book/index.html') && document.readyState == 'complete'"
    )
    assert browser.driver.execute_script("return document.styleSheets.length") > 2
    browser.driver.find_element("css selector", "a[href='notes.html']").click()
    browser.wait("document.title.includes('Reproduction notes')")
    assert browser.errors() == []


def test_search_finds_a_word(browser):
    browser.open("search.html?q=opponency")
    browser.wait("document.querySelectorAll('#search-results li').length > 0")


def test_the_checks_can_fail(browser):
    """A page spoilt on purpose: each of the checks above sees what was done to it."""
    browser.open("book/notes.html", "dark", NARROW)
    browser.requests(), browser.errors()
    browser.driver.execute_script(
        "const p = document.querySelector('.bd-article p');"
        "p.style.color = '#333'; p.style.width = '900px'; p.style.maxWidth = 'none';"
        "const image = new Image(); image.src = 'https://example.org/a.png'; p.append(image);"
        "console.error('spoilt')"
    )
    assert browser.driver.execute_script(CONTRAST, ".bd-article")
    assert browser.driver.execute_script(STICKING_OUT)
    assert "https://example.org/a.png" in browser.requests()
    assert any("spoilt" in error for error in browser.errors())


def keep_shot(browser, name):
    """Screenshot of everything above and below the window, kept for people; the file."""
    height = browser.driver.execute_script(
        "return Math.min(document.documentElement.scrollHeight, 12000)"
    )
    width = browser.driver.execute_script("return document.documentElement.clientWidth")
    browser.resize((width, height))
    kind = {"format": "jpeg", "quality": 85}  # ten times as fast as a PNG of a long page
    shot = browser.driver.execute_cdp_cmd("Page.captureScreenshot", kind)["data"]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.jpg"
    path.write_bytes(base64.b64decode(shot))
    return path
