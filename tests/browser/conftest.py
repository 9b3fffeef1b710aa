"""A real Chromium on the built pages, served locally and cut off from every other host."""

import json
import shutil
import tempfile
import threading
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
SCREENSHOTS = ROOT / "_build" / "screenshots"
WIDE, NARROW = (1280, 900), (390, 844)


def pages():
    """Addresses of the book's own pages, relative to the site."""
    return sorted(path.relative_to(SITE).as_posix() for path in (SITE / "book").glob("*.html"))


@dataclass
class Browser:
    """A driver and the few things the tests ask of it."""

    driver: webdriver.Chrome
    base: str

    def open(self, page, theme="light", size=WIDE):
        """Load a page in a theme and window size; wait until its scripts and pictures are done."""
        self.resize(size)
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": theme}]},
        )
        self.driver.get(f"{self.base}/{page}")
        self.wait(
            "document.readyState == 'complete'"
            " && [...document.images].every(i => i.complete || i.loading == 'lazy')"
        )
        self.driver.execute_script(
            "document.documentElement.dataset.mode = arguments[0];"
            "document.documentElement.dataset.theme = arguments[0];"
            # Colours that fade in would be measured half-way.
            "const s = document.createElement('style');"
            "s.textContent = '*{transition:none!important;animation:none!important}';"
            "document.head.append(s);",
            theme,
        )

    def wait(self, condition, seconds=30):
        """Until a JavaScript expression holds on the page."""
        WebDriverWait(self.driver, seconds).until(
            lambda driver: driver.execute_script(f"return {condition}"), message=condition
        )

    def resize(self, size):
        # The smallest real window is wider than a telephone, so the size is emulated.
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def insert_as_a_notebook(self):
        """Put the page's template into its output area as JupyterLab does: each script is made anew."""
        self.driver.execute_script(
            "const host = document.querySelector('.jp-OutputArea');"
            "host.innerHTML = document.querySelector('template').innerHTML;"
            "for (const old of host.querySelectorAll('script')) {"
            "  const script = document.createElement('script');"
            "  script.textContent = old.textContent;"
            "  old.replaceWith(script); }"
        )

    def requests(self):
        """Addresses asked for since the last call."""
        asked = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.append(message["params"]["request"]["url"])
        return asked

    def errors(self):
        """What the console complained about since the last call."""
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """The tests report; the server need not."""


@pytest.fixture(scope="session")
def site_address():
    assert (SITE / "index.html").is_file(), "no built book: run `make book`"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser(site_address):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    chromedriver = shutil.which("chromedriver")
    # Absent, it is a failure and not a skip: these tests are the only eyes on the pages.
    assert chromium and chromedriver, "no Chromium: apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory() as profile:
        for flag in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--force-color-profile=srgb",
            # What a page might ask of another host fails at once and never leaves this machine.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(chromedriver))
        driver.get("about:blank")  # leave the start page, which loads parts of the browser itself
        driver.get_log("performance")
        try:
            yield Browser(driver, site_address)
        finally:
            driver.quit()
