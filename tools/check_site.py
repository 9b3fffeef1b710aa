"""Fail when the built pages would break for a reader. usage: check_site.py _build/html

One finding a line: what the page asks other hosts for, images without a description, tracebacks,
links that lead nowhere, Colab links that cannot open, formulas left as TeX, pages that weigh too much, with
all that a browser loads for them, for a slow connection.
"""

import gzip
import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parent.parent
MAXIMUM_BYTES = 5_000_000
COMPRESSED = {".html", ".js", ".css", ".svg", ".json"}
# What a browser fetches without a click. Plain links (a href) are the reader's choice.
FETCHED = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "object": ("data",),
    "embed": ("src",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
NOT_FETCHED = {"canonical", "author", "license", "help", "next", "prev", "search", "index"}
REMOTE = re.compile(r"^\s*(https?:)?//")
# Addresses a style or a script would fetch.
REMOTE_IN_STYLE = re.compile(r"""(?:url\(|@import)\s*['"]?((?:https?:)?//[^'")\s]+)""")
CONTENT_NETWORK = re.compile(
    r"https?://(?:[\w.-]*\.)?(?:unpkg\.com|jsdelivr\.net|cdnjs\.[\w.]+|bootstrapcdn\.com"
    r"|fonts\.googleapis\.com|fonts\.gstatic\.com|mathjax\.org)[^\"' )]*"
)
FILE_NAME = re.compile(
    r"^\S*\.(png|svg|jpe?g|webp|gif)$|^(image|figure|picture|plot|output)\W*\d*$", re.IGNORECASE
)
SHORTEST_ALT = 15  # characters; nothing shorter says what is in a figure


def pages_of(site):
    """The pages a reader can reach (not the theme's own files nor downloadable sources)."""
    return [
        path
        for path in sorted(site.rglob("*.html"))
        if path.relative_to(site).parts[0] not in ("_static", "_sources", "_modules", "reports")
    ]


def check_requests(soup):
    """Everything the page would fetch from another host."""
    for tag, attributes in FETCHED.items():
        for element in soup.find_all(tag):
            if (
                tag == "link"
                and set(element.get("rel") or []) <= NOT_FETCHED
                and element.get("rel")
            ):
                continue
            for attribute in attributes:
                if REMOTE.match(element.get(attribute) or ""):
                    yield f"fetches from another host: <{tag} {attribute}={element[attribute]}>"
    styles = [tag.get_text() for tag in soup.find_all("style")]
    styles += [tag["style"] for tag in soup.find_all(style=True)]
    for address in sorted({a for style in styles for a in REMOTE_IN_STYLE.findall(style)}):
        yield f"fetches from another host: style {address}"
    for script in soup.find_all("script", src=False):
        for address in CONTENT_NETWORK.findall(script.get_text()):
            yield f"a script names a content delivery network: {address}"


def check_images(main):
    """Images whose alternative text is missing, a file name, or too short to describe anything."""
    for image in main.find_all("img"):
        alt = (image.get("alt") or "").strip()
        decorative = image.get("alt") == "" and image.get("role") == "presentation"
        if decorative or "logo" in " ".join(image.get("class", [])):
            continue
        if FILE_NAME.match(alt) or len(alt) < SHORTEST_ALT:
            yield f"image without a real description: {str(image.get('src'))[:60]} (alt {alt!r})"


def check_outputs(main):
    """Tracebacks, formulas that stayed TeX, and numbers that the run did not fill in."""
    text = main.get_text(" ")
    if (
        main.select(".traceback, .highlight-ipythontb")
        or "Traceback (most recent call last)" in text
    ):
        yield "a traceback is on the page"
    for text in main.find_all(string=re.compile(r"\{glue:text\}")):
        code = text.find_parent("code")
        # Backticks too many: the role is code, and the number's name stands behind it.
        behind = str(code.next_sibling or "") if code else "a name`"
        if not text.find_parent("pre") and re.match(r"[\w -]*`", behind):
            yield f"a number was not filled in: {str(text).strip()[:60]!r}"
    for formula in main.select(".math"):
        if not formula.find("math"):
            yield f"a formula was not converted: {formula.get_text()[:60]!r}"


def check_colab(soup, root):
    """Colab opens notebooks only, and only those that are in the repository."""
    for link in soup.find_all("a", href=re.compile("colab.research.google.com")):
        path = re.sub(r"^.*?/blob/[^/]+/", "", urlsplit(link["href"]).path)
        if not path.endswith(".ipynb"):
            yield f"Colab cannot open {link['href']}"
        elif not (root / path).is_file():
            yield f"the Colab link names a notebook that is not there: {path}"


def check_links(page, soup, site, anchors):
    """Links inside the site whose page or place on it does not exist."""
    for link in soup.find_all("a", href=True):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc or link["href"] in ("", "#"):
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if target.is_dir():
            target = target / "index.html"
        if not target.is_relative_to(site) or not target.exists():
            yield f"dead link: {link['href']}"
        elif parts.fragment and target.suffix == ".html":
            # After "=" stands state that a script on the page reads, not a place.
            if "=" not in parts.fragment and unquote(parts.fragment) not in anchors(target):
                yield f"link to a missing place: {link['href']}"


def fetched(page, soup):
    """Files of the site that a browser loads with the page: scripts, styles, pictures."""
    named = [
        urlsplit(element[attribute])
        for tag, attributes in FETCHED.items()
        for element in soup.find_all(tag)
        for attribute in attributes
        if element.get(attribute) and not set(element.get("rel") or []) & NOT_FETCHED
    ]
    local = {page.parent / unquote(one.path) for one in named if not (one.scheme or one.netloc)}
    return {path.resolve() for path in local if path.is_file()}


@cache
def sent(path):
    """Bytes that travel for a file: servers of pages compress text."""
    content = path.read_bytes()
    return len(gzip.compress(content, 6)) if path.suffix in COMPRESSED else len(content)


def check_page(page, site, root=ROOT, anchors=None):
    """All findings for one page."""
    markup = page.read_text(encoding="utf-8")
    soup = BeautifulSoup(markup, "html.parser")
    main = soup.select_one("article.bd-article") or soup
    findings = [
        *check_requests(soup),
        *check_images(main),
        *check_outputs(main),
        *check_colab(soup, root),
        *check_links(page, soup, site, anchors or anchors_of),
    ]
    weight = sum(sent(path) for path in {page.resolve(), *fetched(page, soup)})
    if weight > MAXIMUM_BYTES:
        findings.append(f"weighs {weight / 1e6:.1f} MB, the limit is {MAXIMUM_BYTES / 1e6:g}")
    return findings


class _Places(HTMLParser):
    """Collects what links can name; a tree of every page that one leads to would take most of the time."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attrs):
        self.found.update(v for k, v in attrs if k == "id" or (k == "name" and tag == "a"))


def anchors_of(page):
    """Places on a page that a link can name."""
    places = _Places()
    places.feed(page.read_text(encoding="utf-8"))
    return places.found


def check_site(site, root=ROOT):
    """All findings, one line each, for the site built in `site`."""
    site = Path(site).resolve()
    if not (site / "index.html").is_file():
        return [f"{site / 'index.html'}: not built"]
    anchors = cache(anchors_of)  # for this call: pages may be written anew before the next
    return [
        f"{page.relative_to(site)}: {finding}"
        for page in pages_of(site)
        for finding in check_page(page, site, root, anchors)
    ]


if __name__ == "__main__":
    problems = check_site(sys.argv[1])
    print("\n".join(problems) or f"{len(pages_of(Path(sys.argv[1])))} pages ok")
    sys.exit(bool(problems))
