"""A view as a fragment of HTML that carries its data, style and script and asks for nothing."""

import hashlib
import json
from html import escape
from importlib import resources
from string import Template


def fragment(view: str, name: str, data: dict) -> str:
    """The HTML of a view, such as "explorer", of this data; the same data give the same text.

    name: what screen readers call it. Style and script are what all views share, then the view's own.
    """
    written = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Template(_file(f"{view}.html")).substitute(
        id=hashlib.sha256(written.encode()).hexdigest()[:12],
        name=escape(name, quote=True),
        style=_file("shared.css") + _file(f"{view}.css"),
        script=_file("shared.js") + _file(f"{view}.js"),
        # No text of the data can end the script or open a comment in it.
        data=written.replace("<", "\\u003c"),
    )


def _file(name):
    return resources.files("helpers.explorers").joinpath(name).read_text(encoding="utf-8")
