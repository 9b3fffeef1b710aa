"""The scoreboard in a browser: by mouse, by keyboard, by address, on a telephone, and to take away."""

import csv
import io
import json
import re
import threading
from functools import partial
from http.server import ThreadingHTTPServer

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from selenium.webdriver.common.keys import Keys

from helpers.claims import CLAIMS, FAILS, HOLDS, UNTESTED
from helpers.scoreboard import Scoreboard, open_scoreboard, sections

from .conftest import NARROW, SITE, WIDE, Browser, _Quiet
from .test_accessibility import NO_COLOURS, findings
from .test_explorer import PAGE, texts
from .test_pages import CONTRAST, STICKING_OUT, keep_shot

ROWS = ".sb-row:not([hidden])"


@pytest.fixture(scope="module")
def board():
    return open_scoreboard()


@pytest.fixture(scope="module")
def site(browser, board, tmp_path_factory):
    root = tmp_path_factory.mktemp("scoreboard")
    wide = Scoreboard(board.columns * 2).html
    for name, body in {"one": board.html, "wide": wide}.items():
        (root / f"{name}.html").write_text(PAGE.format(body), encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Browser(browser.driver, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()


@pytest.fixture
def opened(site):
    """Open a page anew; the console must have stayed silent when the test is over."""

    def open_page(name="one.html", *arguments):
        site.driver.get("about:blank")  # else an address with another # is no new page
        site.errors()
        site.open(name, *arguments)
        return site

    yield open_page
    assert site.errors() == []


def find(browser, text):
    box = browser.driver.find_element("css selector", ".scoreboard .ux-filter input")
    box.clear()
    box.send_keys(text, Keys.BACKSPACE, text[-1])


def choose(browser, which, option):
    """An option of a select by what it says."""
    browser.driver.find_element(
        "xpath", f"//label[contains(@class, '{which}')]//option[.='{option}']"
    ).click()


def statements(browser):
    return texts(browser, f"{ROWS} .sb-claim")


def test_starts_with_counts_alone(opened, board):
    browser = opened()
    assert statements(browser) == []
    tallies = browser.driver.find_elements("css selector", ".sb-paper .sb-tally")
    assert len(tallies) == 5 * len(board.columns)
    counts = board.counts().groupby("verdict", sort=False).sum()
    for tally, column in zip(tallies, board.columns, strict=False):
        written = [int(n) for n in re.findall(r"\d+", tally.text)]
        assert sorted(written) == sorted(n for n in counts[column.name] if n)
    assert texts(browser, "thead th") == ["Claim", *(c.title for c in board.columns)]


def test_a_paper_and_a_claim_open_and_close(opened):
    browser = opened()
    paper = browser.driver.find_element("css selector", ".sb-group")
    paper.click()
    of_1 = [c for c in CLAIMS if c.paper in ("1", "1b")]
    assert statements(browser) == [c.statement for c in of_1]
    assert paper.get_attribute("aria-expanded") == "true"
    browser.driver.find_element("css selector", ".sb-claim").click()
    (detail,) = texts(browser, ".sb-detail:not([hidden])")
    for text in (of_1[0].rule, of_1[0].control, of_1[0].id):
        assert text in detail
    browser.driver.find_element("css selector", ".sb-claim").click()
    assert texts(browser, ".sb-detail:not([hidden])") == []
    paper.click()
    assert statements(browser) == []


def test_a_cell_tells_verdict_value_and_control(opened, board):
    browser = opened()
    browser.driver.find_element("css selector", ".sb-all").click()
    cells = browser.driver.find_elements("css selector", ".sb-row td")
    assert len(cells) == len(board.rows)
    for cell, row in list(zip(cells, board.rows, strict=True))[::17]:
        said = cell.get_property("textContent")
        assert said.startswith(row["verdict"])
        assert row["words"] in cell.get_attribute("title")
        if row["measured"]:
            assert row["measured"].split(" (")[0] in said
            assert row["measured"] in cell.get_attribute("title")
            assert (f"vs {row['null']}" in said) == (row["null"] is not None)


def test_signs_do_not_depend_on_colour(opened):
    browser = opened()
    drawn = browser.driver.execute_script(
        "return [...document.querySelectorAll('.sb-legend .sb-sign path')].map(p => p.getAttribute('d'))"
    )
    assert len(drawn) == len(set(drawn)) == 5  # four verdicts, and a tick on a line


def test_finds_words(opened):
    browser = opened()
    find(browser, "fully connected")
    expected = [
        c.statement
        for c in CLAIMS
        if "fully connected" in " ".join(
            (c.id, f"paper {c.paper}", c.place, c.statement, c.rule, c.control)
        ).lower()
    ]  # fmt: skip
    assert statements(browser) == expected != []
    assert texts(browser, ".sb-status") == [f"{len(expected)} of {len(CLAIMS)} claims shown."]
    find(browser, "zzz")
    assert statements(browser) == [] and texts(browser, ".sb-status") == ["No claim matches."]


def test_filters_by_verdict_and_study(opened, board):
    browser = opened()
    table = board.frame
    choose(browser, "sb-verdict", FAILS)
    expected = table[table.verdict == FAILS].id.nunique()
    assert len(statements(browser)) == expected
    title = next(c.title for c in board.columns if c.name == "googlenet")
    choose(browser, "sb-study", title)
    mine = table[(table.study == "googlenet") & (table.verdict == FAILS)]
    assert statements(browser) == mine.statement.tolist()
    choose(browser, "sb-verdict", UNTESTED)
    none = table[(table.study == "googlenet") & (table.verdict == UNTESTED)]
    assert statements(browser) == none.statement.tolist()
    choose(browser, "sb-verdict", "studies disagree")
    found = table.groupby("id").verdict.agg(set)
    assert len(statements(browser)) == sum({HOLDS, FAILS} <= one for one in found)
    choose(browser, "sb-verdict", "holds beyond its control")
    choose(browser, "sb-study", title)
    beyond = table[(table.study == "googlenet") & (table.verdict == HOLDS)]
    beyond = beyond[beyond.beside_control == "more"]
    assert statements(browser) == beyond.statement.tolist() != []
    choose(browser, "sb-verdict", "all claims")
    assert statements(browser) == []


@pytest.mark.parametrize("beside", ["not clearly more", "less"])
def test_what_was_changed_and_what_its_control_does_too(opened, board, beside):
    row = next(
        r for r in board.rows if r["study"] == "googlenet" and r["changed"] and r["verdict"] == HOLDS
        and r["beside_control"] == beside
    )  # fmt: skip
    browser = opened(f"one.html#claim={row['id']}")
    (detail,) = texts(browser, ".sb-detail:not([hidden])")
    assert row["changed"] in detail and f"holds, but {beside} than in its control" in detail
    (cell,) = browser.driver.find_elements(
        "css selector",
        f"tr:not([hidden]) td[title*='{row['measured']}; control {row['null']}'] .sb-weak",
    )
    assert cell.is_displayed()


def test_the_keyboard_alone(opened):
    browser = opened()
    group = browser.driver.find_element("css selector", ".sb-group")
    browser.driver.execute_script("arguments[0].focus()", group)
    active = browser.driver.switch_to
    active.active_element.send_keys(Keys.ENTER)
    active.active_element.send_keys(Keys.ARROW_DOWN)
    active.active_element.send_keys(Keys.ARROW_DOWN)
    assert active.active_element.text == CLAIMS[1].statement
    active.active_element.send_keys(Keys.SPACE)
    assert CLAIMS[1].rule in texts(browser, ".sb-detail:not([hidden])")[0]
    active.active_element.send_keys(Keys.ARROW_UP)
    assert active.active_element.text == CLAIMS[0].statement


def test_an_address_opens_its_claim(opened):
    one = CLAIMS[30]
    browser = opened(f"one.html#claim={one.id}")
    assert one.rule in texts(browser, ".sb-detail:not([hidden])")[0]
    assert browser.driver.switch_to.active_element.text == one.statement
    top = "document.activeElement.getBoundingClientRect().top"
    assert 0 < browser.driver.execute_script(f"return {top}") < WIDE[1]
    browser = opened("one.html#claim=no.such")
    assert statements(browser) == []


TAKE = """
const done = arguments[arguments.length - 1];
URL.createObjectURL = blob => { blob.text().then(done); return "#"; };
document.querySelector(`.sb-take [data-kind=${arguments[0]}]`).click();
"""


def test_the_table_can_be_taken_away(opened, board):
    browser = opened()
    as_json = json.loads(browser.driver.execute_async_script(TAKE, "json"))
    frame = board.frame
    assert list(as_json[0]) == list(frame.columns)
    expected = frame.astype(object).where(frame.notna(), None).to_dict("records")
    assert as_json == expected
    text = browser.driver.execute_async_script(TAKE, "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [r["words"] for r in rows] == frame["words"].tolist()
    read = pd.read_csv(io.StringIO(text))
    assert read["value"].tolist() == pytest.approx(frame["value"].tolist(), nan_ok=True)


@pytest.mark.parametrize(
    "view", [("light", WIDE), ("dark", WIDE), ("light", NARROW), ("dark", NARROW)]
)
def test_looks_and_reads(opened, view):
    browser = opened("one.html", *view)
    browser.driver.find_element("css selector", ".sb-group").click()
    browser.driver.find_element("css selector", ".sb-claim").click()
    assert browser.driver.execute_script(CONTRAST, ".scoreboard") == []
    assert browser.driver.execute_script(STICKING_OUT.replace(".bd-article", ".scoreboard")) == []
    width = browser.driver.execute_script("return document.documentElement.scrollWidth")
    assert width <= view[1][0]
    assert findings(browser, NO_COLOURS) == []
    keep_shot(browser, f"scoreboard-open-{view[0]}-{view[1][0]}")


def test_many_studies_scroll_in_the_table(opened):
    for size in (WIDE, NARROW):
        browser = opened("wide.html", "light", size)
        width = browser.driver.execute_script("return document.documentElement.scrollWidth")
        assert width <= size[0]


def test_links_lead_to_sections_of_the_built_chapters():
    """The script writes them, so that the check of links on the pages does not see them."""
    pages = {}
    for place in sections(SITE.parent.parent / "book").values():
        page = place["page"]
        if page not in pages:
            soup = BeautifulSoup((SITE / "book" / page).read_text("utf-8"), "html.parser")
            pages[page] = {e["id"] for e in soup.find_all(id=True)}
        assert place["anchor"] in pages[page], place


def test_the_built_page_has_the_links(browser):
    browser.open("book/scoreboard.html#claim=opponent.labels")
    link = browser.driver.find_element("css selector", ".sb-detail:not([hidden]) dd a")
    assert link.get_attribute("href").endswith("book/opponent-responses.html#the-cause")
