"""axe-core on every page, in light and in dark: no serious and no critical finding."""

from importlib.resources import files

import pytest

from .conftest import NARROW, WIDE
from .test_pages import page  # noqa: F401  (the fixture: every page of the book)

# axe-core comes with a package of the `test` extra and is never committed. Without it the import
# fails, and with it these tests: nothing is skipped.
AXE = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"], ...arguments[0]}).then(
  results => done(results.violations
    .filter(one => ["serious", "critical"].includes(one.impact))
    .flatMap(one => one.nodes.map(node => `${one.id} (${one.impact}): ${node.target.join(" ")}`))),
  error => done([String(error)]));
"""


COLOURS_ALONE = {"runOnly": ["color-contrast", "link-in-text-block"]}  # the rules on colours
NO_COLOURS = {"rules": {"color-contrast": {"enabled": False}}}


def findings(browser, options=None):
    """Every serious or critical finding on the open page, as "rule (impact): element"."""
    browser.driver.set_script_timeout(300)
    browser.driver.execute_script(AXE)
    return browser.driver.execute_async_script(RUN, options or {})


# Colours do not change with the width, and the rest does not change with the theme.
@pytest.mark.parametrize(
    ("view", "options"),
    [
        (("light", WIDE), None),
        (("dark", WIDE), COLOURS_ALONE),
        (("light", NARROW), NO_COLOURS),
    ],
    ids=["light", "dark", "narrow"],
)
def test_no_serious_finding(browser, page, view, options):  # noqa: F811
    browser.open(page, *view)
    assert findings(browser, options) == []


def test_a_fault_is_found(browser):
    """A picture without words, a button without a name, text that is hard to see."""
    browser.open("book/glossary.html")
    browser.driver.execute_script(
        "const p = document.querySelector('.bd-article p');"
        "p.innerHTML = 'faint'; p.style.color = '#ccc';"
        "p.append(new Image(), document.createElement('button'))"
    )
    every = {finding.split(" ")[0] for finding in findings(browser)}
    assert {"image-alt", "button-name", "color-contrast"} <= every
    colours = {finding.split(" ")[0] for finding in findings(browser, COLOURS_ALONE)}
    assert "color-contrast" in colours and not colours & {"image-alt", "button-name"}
    others = {finding.split(" ")[0] for finding in findings(browser, NO_COLOURS)}
    assert {"image-alt", "button-name"} <= others and "color-contrast" not in others
