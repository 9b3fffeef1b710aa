"""The unit explorer in a browser: on a bare page, beside others, in a sandboxed frame, on a telephone."""

import html
import re
import threading
from functools import cache, partial
from http.server import ThreadingHTTPServer

import pytest
from selenium.webdriver.common.keys import Keys

from helpers.explorers import explore
from helpers.explorers.components import unit_components
from helpers.explorers.facts import layer_facts, unit_facts
from helpers.explorers.indexes import index_facts
from helpers.explorers.words import unit_words
from tests.explorers.small import CLASSES, DEAD, open_small, with_hostile_names, without_images

from .conftest import NARROW, WIDE, Browser, _Quiet
from .test_pages import CONTRAST, VIEWS, keep_shot

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>explorer</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>body {{ font: 16px/1.5 sans-serif; max-width: 46rem; margin: 1rem auto; padding: 0 1rem }}
:root[data-theme=dark] body {{ background: #14181e; color: #ced6dd }}</style></head>
<body><article>{}</article></body></html>"""
NO_SCRIPTS = '<meta http-equiv="Content-Security-Policy" content="script-src \'none\'">'
UNITS = list(range(2, 24))
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def site(browser, tmp_path_factory):
    """Pages with explorers on them, served by themselves."""
    study, root = open_small(), tmp_path_factory.mktemp("explorers")
    deep, shallow = explore(study, "deep", UNITS).html, explore(study, "shallow").html
    started = explore(study, "deep", UNITS, start=11).html
    bare = explore(without_images(study), "deep", UNITS).html
    frame = '<iframe sandbox="allow-scripts" style="width:100%;height:900px" srcdoc="{}"></iframe>'
    pages = {
        "one": deep,
        "started": started,
        "two": "<p>first</p>" * 60 + deep + shallow,
        "same": deep + deep + bare,
        "bare": bare,
        "parts": explore(study, "deep", [4, 5, 6], components=True).html,
        "hostile": explore(with_hostile_names(study), "deep").html,
        "frame": frame.format(html.escape(deep)),
        "notebook": f"<template>{deep}</template><div class='jp-OutputArea'></div>",
        "head": explore(study, "head").html,
        "single": explore(study, "head", [1], linked=False).html,
    }
    for name, body in pages.items():
        (root / f"{name}.html").write_text(PAGE.format(body), encoding="utf-8")
    blocked = PAGE.format(deep).replace("<head>", f"<head>{NO_SCRIPTS}")
    (root / "blocked.html").write_text(blocked, encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Browser(browser.driver, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()


@pytest.fixture
def opened(site):
    """Open a page anew; the console must have stayed silent when the test is over."""

    def open_page(name, *arguments):
        site.driver.get("about:blank")  # else an address with another # is no new page
        site.errors()
        site.open(name, *arguments)
        return site

    yield open_page
    assert site.errors() == []


def status(browser, number=0):
    return texts(browser, ".ux-status")[number]


def texts(browser, selector):
    return [e.text for e in browser.driver.find_elements("css selector", selector)]


def press(browser, *keys):
    root = browser.driver.find_element("css selector", ".unit-explorer")
    browser.driver.execute_script("arguments[0].focus()", root)
    for key in keys:
        browser.driver.switch_to.active_element.send_keys(key)


def find(browser, text):
    box = browser.driver.find_element("css selector", ".ux-filter input")
    box.clear()
    box.send_keys(text, Keys.BACKSPACE, text[-1])


def sort(browser, key):
    browser.driver.find_element("css selector", f"option[value={key}]").click()


def test_shows_the_first_unit(opened):
    browser = opened("one.html")
    assert status(browser) == "deep, unit 2" and texts(browser, ".ux-count") == ["1 of 22"]
    assert len(texts(browser, ".ux-strip li")) == 22
    assert not browser.driver.find_element("css selector", ".ux-previous").is_enabled()


def test_moves_by_keyboard_when_it_has_the_focus(opened):
    browser = opened("one.html")
    browser.driver.find_element("tag name", "body").send_keys(Keys.ARROW_RIGHT)
    assert status(browser) == "deep, unit 2"  # another part of the page has the focus
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert status(browser) == "deep, unit 4" and texts(browser, ".ux-count") == ["3 of 22"]
    press(browser, Keys.ARROW_LEFT)
    assert status(browser) == "deep, unit 3"
    press(browser, Keys.END, Keys.ARROW_RIGHT)
    assert status(browser) == "deep, unit 23"
    press(browser, Keys.HOME)
    assert status(browser) == "deep, unit 2"
    outline = "getComputedStyle(document.querySelector('.unit-explorer')).outlineStyle"
    assert browser.driver.execute_script(f"return {outline}") == "solid"


def test_buttons_slider_and_shelf_move_too(opened):
    browser = opened("one.html")
    browser.driver.find_element("css selector", ".ux-next").click()
    assert status(browser) == "deep, unit 3"
    browser.driver.find_element("css selector", ".ux-slider").send_keys(Keys.ARROW_RIGHT)
    assert status(browser) == "deep, unit 4"  # once: the explorer leaves the slider its own keys
    browser.driver.find_elements("css selector", ".ux-shelf .ux-tile")[10].click()
    assert status(browser) == "deep, unit 12"
    assert len(browser.driver.find_elements("css selector", ".ux-current")) == 1


def test_starts_where_it_was_told(opened):
    browser = opened("started.html")
    assert status(browser) == "deep, unit 11" and texts(browser, ".ux-count") == ["10 of 22"]
    press(browser, Keys.ARROW_RIGHT)
    assert status(browser) == "deep, unit 12"
    opened("started.html#deep-9")
    assert status(browser) == "deep, unit 9"  # the address has the last word
    opened("started.html#deep-99")
    assert status(browser) == "deep, unit 11"


def test_finds_by_unit(opened):
    browser = opened("one.html")
    find(browser, "17")
    assert status(browser) == "deep, unit 17"
    assert texts(browser, ".ux-count") == ["1 of 1 found, 22 in all"]
    assert "a unit's number, or a class" in texts(browser, ".ux-note")[0]


def test_finds_units_by_their_top_class_first(opened):
    """And says how many these are; then those with the class among their others."""
    browser = opened("one.html")
    facts = unit_facts(open_small().record, "deep", UNITS)
    classes = {f["unit"]: [CLASSES[c] for c, _ in f["top"]["bars"]] for f in facts}
    first = [unit for unit, names in classes.items() if "beagle" in names[:1]]
    others = [unit for unit, names in classes.items() if "beagle" in names[1:]]
    assert len(first) > 1 and len(others) > 1 and min(others) < max(first)  # the order differs
    press(browser, *[Keys.ARROW_RIGHT] * 9)  # wherever it was before
    find(browser, "Beagle")
    assert texts(browser, ".ux-note") == [
        f"Top class of {len(first)} units, shown first; "
        f"among the other classes of {len(others)} more units."
    ]
    assert texts(browser, ".ux-count") == [f"1 of {len(first + others)} found, 22 in all"]
    for unit in first + others:
        assert status(browser) == f"deep, unit {unit}"
        press(browser, Keys.ARROW_RIGHT)
    find(browser, "tabby cat")  # as shown; the record writes tabby_cat
    assert texts(browser, ".ux-note") == [
        "Top class of no unit; among the other classes of 21 units."
    ]
    assert "tabby cat" in texts(browser, ".ux-warm .ux-bars .ux-class")


def test_nothing_found_is_said_and_the_old_unit_is_gone(opened):
    browser = opened("one.html#deep-7")
    find(browser, "no such class")
    assert status(browser) == "No unit matches “no such class”"
    assert not browser.driver.find_element("css selector", ".ux-link").is_displayed()
    assert not any(texts(browser, ".ux-body li, .ux-title, .ux-count"))  # only what is visible
    assert browser.driver.find_elements("css selector", ".ux-current") == []
    press(browser, Keys.ARROW_RIGHT)  # nothing to move to, and no error
    assert status(browser) == "No unit matches “no such class”"
    box = browser.driver.find_element("css selector", ".ux-filter input")
    box.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE)
    assert status(browser) == "deep, unit 7" and all(texts(browser, ".ux-title"))
    find(browser, "99")  # a number that none of them has
    assert status(browser) == "No unit matches “99”"
    find(browser, "5")
    assert status(browser) == "deep, unit 5"


def test_strips_say_what_their_numbers_are(opened):
    browser = opened("one.html#deep-5")
    (fact,) = unit_facts(open_small().record, "deep", [5])
    titles = texts(browser, ".ux-strips .ux-title")
    assert [t.split("\n")[0] for t in titles] == ["Strongest", "Nearest to zero", "Most negative"]
    assert "values are means over the whole image" in titles[1]
    for title, end, count in zip(titles, ("top", "near_zero", "bottom"), (8, 6, 8), strict=True):
        assert f"mean of these {count}" in title
        said = float(title.split()[-1].replace("−", "-"))
        assert said == pytest.approx(fact[end]["mean"], rel=5e-3)


def test_bars_have_one_scale_and_say_it(opened):
    """Ratio of length and share is the same for every bar of every unit."""
    browser = opened("one.html")
    largest = layer_facts(open_small().record, "deep")["largest_share"]
    assert f"A full bar is {round(100 * largest)} %" in texts(browser, ".ux-body > p")[0]
    for fact in unit_facts(open_small().record, "deep", UNITS[:6]):
        widths = browser.driver.execute_script(
            "return [...document.querySelectorAll('.ux-fill')].map(e => parseFloat(e.style.width))"
        )
        shares = [share for end in ("top", "bottom") for _, share in fact[end]["bars"]]
        assert widths == pytest.approx([100 * share / largest for share in shares], rel=1e-3)
        press(browser, Keys.ARROW_RIGHT)


@pytest.mark.parametrize(
    "key, end, falling", [("highest", "top", True), ("lowest", "bottom", False)]
)
def test_sorts(opened, key, end, falling):
    browser, record = opened("one.html"), open_small().record
    values = getattr(record["deep"], end).values[:, 0].tolist()
    expected = sorted(UNITS, key=lambda unit: (-values[unit] if falling else values[unit], unit))
    sort(browser, key)
    for unit in expected[:4]:
        assert status(browser) == f"deep, unit {unit}"
        press(browser, Keys.ARROW_RIGHT)
    sort(browser, "top_share")
    press(browser, Keys.END)
    assert status(browser) == f"deep, unit {DEAD}"  # without a top class: last
    sort(browser, "unit")
    assert status(browser) == "deep, unit 2"


def index_row(browser, name):
    """[value (or name), by luck, place] of an index, as text."""
    rows = browser.driver.find_elements("css selector", ".ux-indexes tbody tr")
    (row,) = [r for r in rows if r.find_element("css selector", "th").text == name]
    return [cell.text for cell in row.find_elements("css selector", "td")]


def choose(browser, colour):
    browser.driver.find_element("css selector", f".ux-colour option[value='{colour}']").click()


@cache
def deep_indexes():
    return {index["key"]: index for index in index_facts(open_small(), "deep")}


def test_indexes_say_value_luck_and_place(opened):
    """Of a unit as the tables have it; every row is text, the line beside it is not read."""
    browser, found = opened("one.html#deep-5"), deep_indexes()
    assert texts(browser, ".ux-indexes tbody th") == [index["name"] for index in found.values()]
    for key in ("class_index", "effective", "degree", "color_index"):
        index = found[key]
        value, luck, place = index_row(browser, index["name"])
        assert float(value) == pytest.approx(index["values"][5], rel=5e-3)
        if index["luck"]:
            assert float(luck) == pytest.approx(index["luck"][5], rel=5e-3)
        else:
            assert luck == ""
        known = [v for v in index["values"] if v is not None]
        rank = 1 + sum(v > index["values"][5] for v in known)
        joint = "joint " if known.count(index["values"][5]) > 1 else ""
        assert re.fullmatch(rf"{joint}{rank}(st|nd|rd|th) of {len(known)}", place), place
    assert index_row(browser, "curve area")[0] == f"{100 * found['auc']['values'][5]:.0f} %"
    value, luck, _ = index_row(browser, "bits of that node")
    wanted = [found["node_bits"][one][5] for one in ("values", "luck")]
    assert [value, luck] == [f"{bits:.2f} bits" for bits in wanted]
    for key, name in (("color", "colour"), ("node", "most selective node")):
        names = found[key]["words"]
        shared = f"shared by {names.count(names[5])} of 24"
        assert index_row(browser, name) == [names[5].replace("_", " "), shared]
    drawn = browser.driver.find_elements("css selector", ".ux-place svg")
    assert len(drawn) == sum(index["values"] is not None for index in found.values())
    assert {line.get_attribute("aria-hidden") for line in drawn} == {"true"}


def test_a_unit_without_responses_has_no_indexes(opened):
    browser = opened(f"one.html#deep-{DEAD}")
    assert index_row(browser, "class index") == ["none", "", ""]
    assert index_row(browser, "bits of that node") == ["none", "", ""]
    assert index_row(browser, "most selective node")[0] == "none"
    assert index_row(browser, "colour")[0] == "none"


@pytest.mark.parametrize("key", ["auc", "color_index", "grey_response", "node_bits", "degree"])
def test_sorts_by_an_index(opened, key):
    browser, values = opened("one.html"), deep_indexes()[key]["values"]
    sort(browser, key)
    for unit in sorted(set(UNITS) - {DEAD}, key=lambda unit: (-values[unit], unit))[:4]:
        assert status(browser) == f"deep, unit {unit}"
        press(browser, Keys.ARROW_RIGHT)
    press(browser, Keys.END)
    assert status(browser) == f"deep, unit {DEAD}"


def test_sorts_by_colour_and_chooses_one(opened):
    """By name, those without last; a colour alone; with a class; and none that has both."""
    browser, names = opened("one.html"), deep_indexes()["color"]["words"]
    brown = [unit for unit in UNITS if names[unit] == "brown"]
    blue = [unit for unit in UNITS if names[unit] == "blue"]
    assert brown and blue
    options = texts(browser, ".ux-colour option")
    none = len(UNITS) - len(brown + blue)
    assert options == ["any", f"blue ({len(blue)})", f"brown ({len(brown)})", f"none ({none})"]
    sort(browser, "color")
    for unit in blue + brown:
        assert status(browser) == f"deep, unit {unit}"
        press(browser, Keys.ARROW_RIGHT)
    choose(browser, "brown")
    assert status(browser) == f"deep, unit {brown[0]}"
    assert browser.driver.current_url.endswith(f"#deep-{brown[0]}")
    assert texts(browser, ".ux-count") == [f"1 of {len(brown)} found, {len(UNITS)} in all"]
    shown = browser.driver.find_elements("css selector", ".ux-shelf .ux-tile:not(.ux-other)")
    assert len(shown) == len(brown)
    press(browser, Keys.END)
    assert status(browser) == f"deep, unit {brown[-1]}"
    find(browser, str(blue[0]))
    assert status(browser) == f"No unit matches “{blue[0]}”, colour brown"
    choose(browser, "blue")
    assert status(browser) == f"deep, unit {blue[0]}"
    (fact,) = unit_facts(open_small().record, "deep", blue)
    find(browser, CLASSES[fact["top"]["bars"][0][0]].replace("_", " "))
    assert status(browser) == f"deep, unit {blue[0]}"
    assert texts(browser, ".ux-note") == ["Top class of 1 unit. Only those of colour blue count."]


def test_a_link_opens_its_unit_whatever_the_order(opened):
    browser, values = opened("one.html#deep-9"), deep_indexes()["auc"]["values"]
    sort(browser, "auc")
    browser.driver.execute_script("location.hash = '#deep-3'")
    browser.wait("document.querySelector('.ux-status').textContent == 'deep, unit 3'")
    order = sorted(set(UNITS) - {DEAD}, key=lambda unit: (-values[unit], unit)) + [DEAD]
    place = order.index(3)
    assert texts(browser, ".ux-count") == [f"{place + 1} of {len(UNITS)}"]
    press(browser, Keys.ARROW_RIGHT)  # to the next in that order
    assert status(browser) == f"deep, unit {order[place + 1]}"
    choose(browser, "blue")
    browser.driver.execute_script(f"location.hash = '#deep-{DEAD}'")  # which has no colour
    browser.wait(f"document.querySelector('.ux-status').textContent == 'deep, unit {DEAD}'")
    colour = "document.querySelector('.ux-colour select').value"
    assert browser.driver.execute_script(f"return {colour}") == ""


def test_indexes_by_keyboard_alone(opened):
    """Tab from the explorer through its controls; colours, order and explanations by their keys."""
    browser = opened("one.html")
    root = browser.driver.find_element("css selector", ".unit-explorer")
    browser.driver.execute_script("arguments[0].focus()", root)

    def tab_to(selector):
        for _ in range(9):
            active = browser.driver.switch_to.active_element
            if browser.driver.execute_script(f"return arguments[0].matches('{selector}')", active):
                return active
            active.send_keys(Keys.TAB)
        raise AssertionError(f"Tab does not reach {selector}")

    tab_to(".ux-colour select").send_keys("br")
    names = deep_indexes()["color"]["words"]
    brown = [unit for unit in UNITS if names[unit] == "brown"]
    assert status(browser) == f"deep, unit {brown[0]}"
    tab_to(".ux-sort select").send_keys("colour ind")
    values = deep_indexes()["color_index"]["values"]
    brown.sort(key=lambda unit: -values[unit])
    assert status(browser) == f"deep, unit {brown[0]}"
    says = tab_to(".ux-says summary")
    says.send_keys(Keys.ENTER)
    explained = texts(browser, ".ux-says dt")
    names = [index["name"] for index in deep_indexes().values()]
    assert explained == [*names, "by luck", "words"]
    says.send_keys(Keys.ARROW_RIGHT)  # moves on; what was opened stays open
    assert status(browser) == f"deep, unit {brown[1]}"
    assert browser.driver.switch_to.active_element == says and all(texts(browser, ".ux-says dd"))


def test_words_are_text_and_the_larger_the_larger_their_share(opened):
    """Each says its share to those who cannot see sizes; kinds above the classes are set apart."""
    words, clouds = unit_words(open_small().record, "deep", UNITS)
    unit, cloud = max(zip(UNITS, clouds, strict=True), key=lambda one: len(one[1]))
    browser = opened(f"one.html#deep-{unit}")
    shown = browser.driver.execute_script(
        "return [...document.querySelectorAll('.ux-cloud li')].map(e => [e.textContent,"
        " parseFloat(getComputedStyle(e).fontSize), getComputedStyle(e).fontStyle])"
    )
    assert len(shown) == len(cloud) > 2
    for (text, size, style), (word, share) in zip(shown, cloud, strict=True):
        name, chance, holds = words[word]
        kind = f"a kind of {holds} classes, " if holds > 1 else ""
        assert text == f"{name}: {100 * share:.0f} %; {kind}{100 * chance:.0f} % of all images"
        assert size == pytest.approx(16 * (0.75 + share**0.5), abs=0.1)
        assert style == ("italic" if holds > 1 else "normal")
    press(browser, Keys.HOME)  # unit 2, which no image drives
    assert texts(browser, ".ux-cloud") == ["no response above zero"]
    assert browser.driver.find_elements("css selector", ".ux-components") == []
    opened("hostile.html")  # classes that nothing is known of
    assert browser.driver.find_elements("css selector", ".ux-cloud") == []


def test_components_where_they_were_asked_for(opened):
    browser = opened("parts.html#deep-5")
    (unit,) = unit_components(open_small(), "deep", [5])
    tiles = browser.driver.find_elements("css selector", ".ux-components .ux-tile")
    assert texts(browser, ".ux-components li b") == [f"{100 * e:.0f} %" for e in unit["explained"]]
    assert [t.accessible_name for t in tiles[:2]] == [
        f"independent component {i} of deep unit 5: {100 * e:.0f} % of the variance"
        for i, e in enumerate(unit["explained"][:2], 1)
    ]
    assert unit["address"] in tiles[0].value_of_css_property("background-image")
    heights = set()
    for _ in range(3):
        heights.add(browser.driver.find_element("css selector", ".unit-explorer").size["height"])
        press(browser, Keys.ARROW_RIGHT)
    assert len(heights) == 1


def test_without_indexes_nothing_of_them_is_there(opened):
    browser = opened("head.html")
    assert browser.driver.find_elements("css selector", ".ux-indexes") == []
    for part in (".ux-colour", ".ux-says"):
        assert not browser.driver.find_element("css selector", part).is_displayed()
    assert len(texts(browser, ".ux-sort option")) == 4
    browser = opened("bare.html")  # classes are known, colours are not
    assert "class index" in texts(browser, ".ux-indexes tbody th")
    assert not browser.driver.find_element("css selector", ".ux-colour").is_displayed()


def test_each_unit_has_an_address(opened):
    browser = opened("one.html#deep-9")
    assert status(browser) == "deep, unit 9"
    press(browser, Keys.ARROW_RIGHT)
    assert browser.driver.current_url.endswith("#deep-10")
    link = browser.driver.find_element("css selector", ".ux-link")
    assert link.get_attribute("href") == browser.driver.current_url
    find(browser, "17")
    browser.driver.execute_script("location.hash = '#deep-3'")  # a link elsewhere on the page
    browser.wait("document.querySelector('.ux-status').textContent == 'deep, unit 3'")
    opened("one.html#deep-99")
    assert status(browser) == "deep, unit 2"
    opened("one.html#%")
    assert status(browser) == "deep, unit 2"


def test_two_layers_share_a_page(opened):
    browser = opened("two.html#shallow-7")
    assert texts(browser, ".ux-status") == ["deep, unit 2", "shallow, unit 7"]
    box = browser.driver.execute_script(
        "const box = document.querySelectorAll('.unit-explorer')[1].getBoundingClientRect();"
        "return [box.top, box.bottom]"
    )
    assert 0 <= box[0] < WIDE[1] / 3 and box[1] > WIDE[1] / 2  # scrolled to it
    press(browser, Keys.ARROW_RIGHT)  # in the first
    assert texts(browser, ".ux-status") == ["deep, unit 3", "shallow, unit 7"]
    assert browser.driver.current_url.endswith("#deep-3")


def test_the_same_explorer_twice_on_a_page(opened):
    browser = opened("same.html")
    identities = "[...document.querySelectorAll('[id]')].map(e => e.id)"
    found = browser.driver.execute_script(f"return {identities}")
    assert len(set(found)) == len(found) == 3
    press(browser, Keys.ARROW_RIGHT)
    assert texts(browser, ".ux-status") == ["deep, unit 3", "deep, unit 2", "deep, unit 2"]
    assert browser.driver.current_url.endswith("#small/deep-3")


def test_in_a_sandboxed_frame(opened):
    browser = opened("frame.html")
    browser.driver.switch_to.frame(0)
    try:
        assert status(browser) == "deep, unit 2"
        press(browser, Keys.ARROW_RIGHT)
        assert status(browser) == "deep, unit 3"
        assert not browser.driver.find_element("css selector", ".ux-link").is_displayed()
    finally:
        browser.driver.switch_to.default_content()


def test_as_a_notebook_inserts_it(opened):
    """Markup set first, each script then made anew, as JupyterLab does; the address stays its own."""
    browser = opened("notebook.html")
    browser.insert_as_a_notebook()
    assert status(browser) == "deep, unit 2"
    press(browser, Keys.ARROW_RIGHT)
    assert status(browser) == "deep, unit 3" and "#" not in browser.driver.current_url


def test_without_scripts_it_says_so(site):
    site.open("blocked.html")
    assert "does not allow" in texts(site, ".ux-off")[0]
    site.errors()  # the browser's own note on the blocked script


def test_one_unit_has_nothing_to_move(opened):
    browser = opened("single.html")
    assert status(browser) == "head, unit 1"
    assert not browser.driver.find_element("css selector", ".ux-bar").is_displayed()


def test_without_images_their_names_are_listed(opened):
    browser, record = opened("bare.html"), open_small().record
    expected = [record.names[i] for i in record["deep"].top.images[2, :8]]
    names = browser.driver.find_elements("css selector", ".ux-warm .ux-name")
    assert [name.get_attribute("title") for name in names] == expected
    assert [name.text for name in names] == [name.rsplit("/", 1)[-1] for name in expected]
    assert "not on the machine" in texts(browser, ".ux-missing")[0]
    assert "/a/path" not in browser.driver.page_source


def test_names_are_text(opened):
    browser = opened("hostile.html")
    press(browser, *[Keys.ARROW_RIGHT] * 3)
    shown = set(texts(browser, ".ux-bars .ux-class"))
    assert {"</script><script>alert(1)</script>", "ü&quot;'"} <= shown
    assert index_row(browser, "most selective node")[0] in texts(browser, ".ux-bars .ux-class")
    assert browser.driver.find_elements("css selector", ".ux-body :is(img, script)") == []


def test_what_is_drawn_has_words(opened):
    browser = opened("one.html")
    labels = browser.driver.execute_script(
        "return [...document.querySelectorAll('.ux-body [role=img]')].map(e => e.getAttribute('aria-label'))"
    )
    press(browser, Keys.ARROW_RIGHT)
    assert len(labels) == 23  # of unit 2, which has no feature: the curve, 16 crops, 6 images
    assert all(labels) and labels[0].startswith(
        "Tuning curves. maximum in the 60 strongest images from −"
    )
    assert sum("nearest to zero: " in label and ", mean −" in label for label in labels) == 6
    controls = browser.driver.find_elements("css selector", "button, input, select")
    assert all(c.accessible_name for c in controls)
    feature = browser.driver.find_element("css selector", ".ux-pictures .ux-tile").accessible_name
    assert feature.startswith("neuron feature of deep unit 3; most frequent class ")


def test_nothing_jumps(opened):
    """From unit to unit, found or not, with classes or without, the height stays."""
    for size in (WIDE, NARROW):
        browser = opened("one.html", "light", size)
        height = "return document.querySelector('.unit-explorer').offsetHeight"
        heights = {browser.driver.execute_script(height)}
        for _ in UNITS:
            press(browser, Keys.ARROW_RIGHT)
            heights.add(browser.driver.execute_script(height))
        for text in ("no such class", "beagle", "17"):
            find(browser, text)
            heights.add(browser.driver.execute_script(height))
        assert len(heights) == 1


@pytest.mark.parametrize("name", ["one", "bare", "same"])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view[0]}-{view[1][0]}")
def test_looks(opened, name, view):
    """Readable in both themes, within the window; a screenshot for people."""
    theme, size = view
    browser = opened(f"{name}.html#deep-5", theme, size)
    assert browser.driver.execute_script(CONTRAST, "article") == []
    inside = browser.driver.execute_script(
        "const width = document.documentElement.clientWidth;"
        "return [document.documentElement.scrollWidth, width,"
        " ...[...document.querySelectorAll('.unit-explorer *')]"
        "   .filter(e => e.getBoundingClientRect().right > width).map(e => e.className)]"
    )
    assert inside[0] <= inside[1] and inside[2:] == []
    keep_shot(browser, f"explorer-{name}-{theme}-{size[0]}")
