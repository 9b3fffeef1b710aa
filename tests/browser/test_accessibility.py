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
const rules = {"color-contrast": {enabled: arguments[0]}};
axe.run(document, {resultTypes: ["violations"], rules}).then(
  results => done(results.violations
    .filter(one => ["serious", "critical"].includes(one.impact))
    .flatMap(one => one.nodes.map(node => `${one.id} (${one.impact}): ${node.target.join(" ")}`))),
  error => done([String(error)]));
"""


def findings(browser, contrast=True):
    """Every serious or critical finding on the open page, as "rule (impact): element"."""
    browser.driver.set_script_timeout(300)
    browser.driver.execute_script(AXE)
    return browser.driver.execute_async_script(RUN, contrast)


@pytest.mark.parametrize("view", [("light", WIDE), ("dark", WIDE), ("light", NARROW)], ids=str)
def test_no_serious_finding(browser, page, view):  # noqa: F811
    browser.open(page, *view)
    # Colours do not change with the width, and comparing them is what takes long.
    assert findings(browser, contrast=view[1] == WIDE) == []


def test_a_fault_is_found(browser):
    """A picture without words, a button without a name, text that is hard to see."""
    browser.open("book/glossary.html")
    browser.driver.execute_script(
        "const p = document.querySelector('.bd-article p');"
        "p.innerHTML = 'faint'; p.style.color = '#ccc';"
        "p.append(new Image(), document.createElement('button'))"
    )
    rules = {finding.split(" ")[0] for finding in findings(browser)}
    assert {"image-alt", "button-name", "color-contrast"} <= rules
