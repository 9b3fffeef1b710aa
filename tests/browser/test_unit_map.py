"""Maps of units in a browser: points open units, by pointer and by keyboard, alone and beside an explorer."""

import dataclasses
import html
import threading
from functools import partial
from http.server import ThreadingHTTPServer

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from helpers.explorers import ends_map, explore, hue_map, profile_map
from tests.explorers.maps import ends_table, hue_table, profile_table
from tests.explorers.small import DEAD, open_small, with_hostile_names

from .conftest import NARROW, WIDE, Browser, _Quiet
from .test_accessibility import findings
from .test_explorer import NO_SCRIPTS, PAGE, VIEWS, status, texts
from .test_pages import CONTRAST, keep_shot

pytestmark = pytest.mark.usefixtures("one_thread")
CHAPTERS = {"opponent-responses": 1, "color-and-class": 1, "single-multi-faceted": 1}


@pytest.fixture(scope="module")
def site(browser, tmp_path_factory):
    """Pages with maps on them, served by themselves."""
    study, root = open_small(), tmp_path_factory.mktemp("maps")
    ends = ends_map(study, ends_table(), chance=0.25)
    wheel = hue_map(study, hue_table())
    profile = profile_map(study, profile_table(), "gini", "Gini index", luck=0.4)
    explorer = explore(study, "deep", list(range(3, 24))).html
    frame = '<iframe sandbox="allow-scripts" style="width:100%;height:900px" srcdoc="{}"></iframe>'
    hostile = profile_map(with_hostile_names(study), profile_table(), "gini", "Gini index")
    pages = {
        "ends": ends.html,
        "hues": wheel.html,
        "profile": profile.html,
        "beside": profile.html + "<p>between</p>" * 60 + explorer,
        "twice": ends.html + ends.html,
        "frame": frame.format(html.escape(ends.html)),
        "notebook": f"<template>{profile.html}{explorer}</template><div class='jp-OutputArea'></div>",
        "hostile": hostile.html,
        "many": many(profile).html,
    }
    for name, body in pages.items():
        (root / f"{name}.html").write_text(PAGE.format(body), encoding="utf-8")
    blocked = PAGE.format(ends.html).replace("<head>", f"<head>{NO_SCRIPTS}")
    (root / "blocked.html").write_text(blocked, encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Browser(browser.driver, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()


def many(profile, n=6000):
    """The same map with thousands of points."""
    data, size = profile.data, len(profile.data["unit"])
    lists = {k: (data[k] * n)[:n] for k in ("layer", "unit", "top", "picture", "mark")}
    (value,) = data["values"]
    heights = [round(0.1 + 0.7 * ((i * 7919) % n) / n, 4) for i in range(n)]
    assert size < n
    return dataclasses.replace(
        profile, data={**data, **lists, "values": [{**value, "values": heights}]}
    )


@pytest.fixture
def opened(site):
    """Open a page anew; the console must have stayed silent when the test is over."""

    def open_page(name, *arguments):
        site.driver.get("about:blank")
        site.errors()
        site.open(name, *arguments)
        return site

    yield open_page
    assert site.errors() == []


def focus(browser):
    """On the point that Tab leads to."""
    browser.driver.find_element("css selector", ".unit-map input").click()
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    return browser.driver.switch_to.active_element


def press(browser, *keys):
    for key in keys:
        browser.driver.switch_to.active_element.send_keys(key)
    return browser.driver.switch_to.active_element


def find(browser, text):
    box = browser.driver.find_element("css selector", ".unit-map input")
    box.clear()
    box.send_keys(text)


def click_point(browser, number):
    point = browser.driver.find_elements("css selector", ".um-point")[number]
    ActionChains(browser.driver).move_to_element(point).click().perform()


def facts(browser):
    """{what the card says: value}."""
    pairs = [t.split("\n") for t in texts(browser, ".um-facts li")]
    return {name: value for name, value in pairs}


def test_every_unit_is_a_point_and_one_is_open(opened):
    browser, table = opened("ends.html"), ends_table().dropna()
    assert len(browser.driver.find_elements("css selector", ".um-point")) == len(table)
    assert len(browser.driver.find_elements("css selector", ".um-point.um-mark")) == 3
    assert status(browser) == "deep, unit 23"
    assert facts(browser)["dogs among the strongest images"] == "94 %"
    assert facts(browser)["index"] == "0.800"


def test_points_are_where_their_values_are(opened):
    """The distances between points are those of their values, in both directions."""
    browser, table = opened("ends.html"), ends_table().dropna().reset_index(drop=True)
    at = browser.driver.execute_script(
        "return [...document.querySelectorAll('.um-point')].map(p => {"
        " const b = p.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })"
    )
    plot = "document.querySelector('.um-plot').getBoundingClientRect()"
    left, bottom, width, height = browser.driver.execute_script(
        f"return [{plot}.left, {plot}.bottom, {plot}.width, {plot}.height]"
    )
    for (x, y), row in zip(at, table.itertuples(), strict=True):
        assert (x - left) / width == pytest.approx((row.top_max + 0.02) / 1.04, abs=0.01)
        assert (bottom - y) / height == pytest.approx((row.bottom_min + 0.02) / 1.04, abs=0.01)


def test_a_click_opens_the_unit(opened):
    browser = opened("ends.html")
    click_point(browser, 10)
    unit = ends_table().dropna().unit.iloc[10]
    assert status(browser) == f"deep, unit {unit}"
    active = browser.driver.switch_to.active_element
    assert active.accessible_name.startswith(f"deep, unit {unit}; dogs among the strongest images")
    assert active.get_attribute("href").endswith(f"#small/deep-{unit}")
    # A click beside it means it, one on free ground means nothing.
    point = browser.driver.find_elements("css selector", ".um-point")[12]
    ActionChains(browser.driver).move_to_element_with_offset(point, 6, 6).click().perform()
    assert status(browser) == f"deep, unit {ends_table().dropna().unit.iloc[12]}"
    plot = browser.driver.find_element("css selector", ".um-plot")
    corner = -plot.size["width"] // 2 + 3, -plot.size["height"] // 2 + 3
    ActionChains(browser.driver).move_to_element_with_offset(plot, *corner).click().perform()
    assert status(browser) == f"deep, unit {ends_table().dropna().unit.iloc[12]}"


def test_clicking_again_leads_through_points_in_one_place(opened):
    browser, seen = opened("ends.html"), []
    for _ in range(3):
        click_point(browser, 1)
        seen.append(status(browser))
    assert seen[0] == seen[2] and {*seen} == {"deep, unit 0", "deep, unit 1"}


def test_one_point_at_a_time_is_a_link_with_a_name(opened):
    """Roving: one Tab stop, and of thousands of points one that a screen reader meets."""
    browser = opened("profile.html")
    focus(browser)
    for key in (Keys.ARROW_UP, Keys.ARROW_LEFT, Keys.HOME):
        active = press(browser, key)
        assert active.accessible_name.startswith(status(browser) + "; Gini index ")
        assert active.aria_role == "link"
        reachable = browser.driver.find_elements("css selector", ".um-point:not([aria-hidden])")
        assert reachable == [active]
        assert browser.driver.find_elements("css selector", ".um-point[href]") == [active]
    link = press(browser, Keys.TAB)
    assert link.text == "link to this unit"


@pytest.mark.parametrize("page", ["ends", "hues", "profile"])
def test_arrow_keys_reach_every_point(opened, page):
    key = Keys.ARROW_UP if page == "profile" else Keys.ARROW_RIGHT
    browser = opened(f"{page}.html")
    focus(browser)
    press(browser, Keys.HOME)
    seen = [status(browser)]
    for _ in browser.driver.find_elements("css selector", ".um-point")[1:]:
        press(browser, key)
        seen.append(status(browser))
    assert len(set(seen)) == len(seen)
    last = seen[-1]
    press(browser, key)
    assert status(browser) == last  # the end is the end
    press(browser, Keys.HOME, Keys.END)
    assert status(browser) == last


def test_up_and_down_follow_the_value(opened):
    browser, table = opened("ends.html"), ends_table().dropna()
    focus(browser)
    shares = []
    for _ in range(6):
        shares.append(int(facts(browser)["dogs among the most negative images"].split()[0]))
        press(browser, Keys.ARROW_DOWN)
    assert shares == sorted(shares, reverse=True) and shares[0] == 100 * table.bottom_min.max()


def test_between_layers_the_value_stays_near(opened):
    browser = opened("profile.html")
    focus(browser)
    press(browser, Keys.END)
    assert status(browser) == "deep, unit 23"  # 0.79; all of "shallow" have 0.5
    press(browser, Keys.ARROW_LEFT)
    assert status(browser).startswith("shallow, unit ")
    press(browser, Keys.ARROW_RIGHT)
    assert facts(browser)["Gini index"] in ("0.490", "0.520")


def test_finds_classes_layers_units_and_colours(opened):
    browser = opened("profile.html")
    find(browser, "shallow")
    assert texts(browser, ".ux-note") == ["12 of 35 units match; the others are faint."]
    assert status(browser).startswith("shallow")
    focus(browser)
    press(browser, Keys.END, Keys.ARROW_UP, Keys.ARROW_RIGHT)
    assert status(browser).startswith("shallow")  # keys stay among what was found
    find(browser, "deep-7")
    assert status(browser) == "deep, unit 7"
    assert texts(browser, ".ux-note") == ["1 of 35 units matches; the others are faint."]
    find(browser, "7")
    assert texts(browser, ".ux-note") == ["2 of 35 units match; the others are faint."]
    find(browser, "beagle")
    assert "beagle" in facts(browser)["classes of its strongest images"]
    find(browser, "no such")
    assert texts(browser, ".ux-note") == ["No of 35 units match."]
    browser = opened("hues.html")
    find(browser, "blue")
    assert texts(browser, ".ux-note") == ["6 of 12 units match; the others are faint."]
    assert facts(browser)["colour"] == "blue"


def test_features_stand_beside_their_dots_and_open_their_unit(opened):
    """None covers a dot or another feature; each is the one of its own unit."""
    browser = opened("hues.html")
    boxes = browser.driver.execute_script(
        "return ['.um-picture', '.um-point'].map(s => [...document.querySelectorAll(s)].map(e => {"
        " const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; }))"
    )
    pictures, points = boxes
    assert len(pictures) == len(points) == 12
    for i, (left, top, right, bottom) in enumerate(pictures):
        for x0, y0, x1, y1 in pictures[:i]:
            assert min(right, x1) <= max(left, x0) + 1 or min(bottom, y1) <= max(top, y0) + 1
        for x0, y0, x1, y1 in points:
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            assert not (left < x < right and top < y < bottom)
    for picture in browser.driver.find_elements("css selector", ".um-picture")[3:6]:
        picture.click()
        points = browser.driver.find_elements("css selector", ".um-point")
        own = points[int(picture.get_attribute("data-point"))]
        assert own == browser.driver.switch_to.active_element
        shown = browser.driver.find_element("css selector", ".um-card .ux-tile")
        place = "background-position"
        assert shown.value_of_css_property(place) == picture.value_of_css_property(place)
        assert shown.accessible_name == "neuron feature of " + status(browser)


def test_leads_to_the_explorer_that_has_the_unit(opened):
    browser = opened("beside.html")
    find(browser, "deep-9")
    link = browser.driver.find_element("css selector", ".um-link a")
    assert link.text == "open it in the explorer"
    assert link.get_attribute("href").endswith("#deep-9")
    link.click()
    assert texts(browser, ".ux-status")[1] == "deep, unit 9"
    assert browser.driver.current_url.endswith("#deep-9")
    top = "document.querySelector('.unit-explorer').getBoundingClientRect().top"
    assert 0 <= browser.driver.execute_script(f"return {top}") < WIDE[1] / 3
    # By keyboard alone: Enter on the point. A second time, too, when the address is already there.
    for _ in range(2):
        focus(browser)
        press(browser, Keys.ENTER)
        assert texts(browser, ".ux-status")[1] == "deep, unit 9"
        assert 0 <= browser.driver.execute_script(f"return {top}") < WIDE[1] / 3
    find(browser, "deep-0")  # which the explorer has not
    assert texts(browser, ".um-link") == ["link to this unit"]
    find(browser, "shallow-3")
    assert texts(browser, ".um-link") == ["link to this unit"]


def test_each_unit_has_an_address(opened):
    browser = opened("profile.html#deep-9")
    assert status(browser) == "deep, unit 9"
    browser.driver.execute_script("location.hash = '#small/shallow-4'")
    browser.wait("document.querySelector('.ux-status').textContent == 'shallow, unit 4'")
    browser.driver.find_element("css selector", ".um-link a").click()
    assert browser.driver.current_url.endswith("#small/shallow-4")
    opened("profile.html#deep-99")
    assert status(browser) == "deep, unit 23"
    opened("profile.html#%")
    assert status(browser) == "deep, unit 23"
    browser = opened("beside.html#deep-9")  # both open it, and the explorer is what one sees
    assert texts(browser, ".ux-status") == ["deep, unit 9", "deep, unit 9"]
    assert browser.driver.execute_script("return scrollY") > WIDE[1]


def test_the_same_map_twice_on_a_page(opened):
    browser = opened("twice.html")
    every = "[...document.querySelectorAll('[id]')].map(e => e.id)"
    identities = browser.driver.execute_script(f"return {every}")
    assert len(set(identities)) == len(identities) == 2
    find(browser, "deep-7")
    assert texts(browser, ".ux-status") == ["deep, unit 7", "deep, unit 23"]


def test_in_a_sandboxed_frame(opened):
    browser = opened("frame.html")
    browser.driver.switch_to.frame(0)
    try:
        focus(browser)
        press(browser, Keys.ARROW_LEFT)
        assert status(browser) == "deep, unit 22"
        press(browser, Keys.ENTER)
        assert status(browser) == "deep, unit 22"
        assert not browser.driver.find_element("css selector", ".um-link a").is_displayed()
    finally:
        browser.driver.switch_to.default_content()


def test_as_a_notebook_inserts_it(opened):
    """Each script made anew, as JupyterLab does; the explorer follows, the address stays its own."""
    browser = opened("notebook.html")
    browser.insert_as_a_notebook()
    find(browser, "deep-7")
    browser.driver.find_element("css selector", ".um-link a").click()
    assert texts(browser, ".ux-status") == ["deep, unit 7", "deep, unit 7"]
    assert "#" not in browser.driver.current_url


def test_without_scripts_it_says_so(site):
    site.open("blocked.html")
    assert "does not allow" in texts(site, ".ux-off")[0]
    site.errors()  # the browser's own note on the blocked script


def test_names_are_text(opened):
    browser = opened("hostile.html")
    find(browser, "<script>")
    assert "</script><script>alert(1)</script>" in facts(browser)["classes of its strongest images"]
    assert browser.driver.find_elements("css selector", ".um-view :is(img, script)") == []
    assert texts(browser, ".ux-none") == ["no picture here"]


def test_a_unit_without_a_value_is_no_point(opened):
    browser = opened("profile.html")
    find(browser, f"deep-{DEAD}")  # 2, as in 20 to 23
    assert texts(browser, ".ux-note") == ["4 of 35 units match; the others are faint."]


def test_nothing_jumps(opened):
    """From unit to unit the height stays."""
    for page in ("ends", "hues", "profile"):
        for size in (WIDE, NARROW):
            browser = opened(f"{page}.html", "light", size)
            height = "return document.querySelector('.unit-map').offsetHeight"
            focus(browser)
            heights = {browser.driver.execute_script(height)}
            for _ in range(12):
                press(browser, Keys.ARROW_LEFT)
                heights.add(browser.driver.execute_script(height))
            assert len(heights) == 1, (page, size)


def test_thousands_of_points_stay_smooth(opened):
    browser = opened("many.html")
    assert len(browser.driver.find_elements("css selector", ".um-point")) == 6000
    focus(browser)
    took = browser.driver.execute_script(
        "const plot = document.querySelector('.um-plot'), b = plot.getBoundingClientRect();"
        "const each = [n => document.activeElement.dispatchEvent("
        "    new KeyboardEvent('keydown', {key: 'ArrowUp', bubbles: true})),"
        "  n => plot.dispatchEvent(new PointerEvent('pointermove',"
        "    {clientX: b.left + 5 * n, clientY: b.top + 100, bubbles: true}))];"
        "return each.map(act => [...Array(40).keys()].map(n => { const start = performance.now();"
        "  act(n); plot.offsetHeight; return performance.now() - start; }).sort((a, b) => a - b)[10])"
    )
    assert max(took) < 50, took  # milliseconds; of the quicker steps, for the machine may be busy


@pytest.mark.parametrize("name", ["ends", "hues", "profile"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_finding(opened, name, theme):
    assert findings(opened(f"{name}.html", theme)) == []


@pytest.mark.parametrize("name", ["ends", "hues", "profile", "many"])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view[0]}-{view[1][0]}")
def test_looks(opened, name, view):
    """Readable in both themes, within the window; a screenshot for people."""
    theme, size = view
    browser = opened(f"{name}.html#deep-8", theme, size)
    assert browser.driver.execute_script(CONTRAST, "article") == []
    inside = browser.driver.execute_script(
        "const width = document.documentElement.clientWidth;"
        "return [document.documentElement.scrollWidth, width,"
        " ...[...document.querySelectorAll('.unit-map *')]"
        "   .filter(e => e.getBoundingClientRect().right > width).map(e => e.className)]"
    )
    assert inside[0] <= inside[1] and inside[2:] == []
    keep_shot(browser, f"map-{name}-{theme}-{size[0]}")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_in_the_built_chapters(browser, chapter):
    """Each chapter's map is alive, and its points open units."""
    browser.open(f"book/{chapter}.html")
    maps = browser.driver.find_elements("css selector", ".unit-map[data-ready]")
    assert len(maps) == CHAPTERS[chapter]
    before = maps[0].find_element("css selector", ".ux-status").text
    point = maps[0].find_element("css selector", ".um-point[href]")
    browser.driver.execute_script("arguments[0].focus()", point)
    press(browser, Keys.ARROW_LEFT, Keys.ARROW_DOWN)
    after = maps[0].find_element("css selector", ".ux-status").text
    active = browser.driver.switch_to.active_element
    assert after != before and active.accessible_name.startswith(after)
