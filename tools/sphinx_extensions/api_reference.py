"""The API reference from docstrings that are plain text: autodoc reads reStructuredText.

- Indented blocks, and columns of names with what they are, are shown as they stand.
- `name` is code, *word* is emphasis, a list is a list; nothing else is markup, so that a star or an
  underscore in a formula stays what it is.
"""

import ast
import re

COLUMNS = re.compile(r"\S {2,}\S")  # "name    what it is"
ITEM = re.compile(r"^- ")
CODE = re.compile(r"`([^`]+)`")
EMPHASIS = re.compile(r"(?<![\w*])\*(\w[^*\n]*\w|\w)\*(?![\w*])")


def to_rst(lines):
    """A plain docstring's lines, dedented as autodoc gives them, as reStructuredText."""
    blocks = re.split(r"\n(?:[ ]*\n)+", "\n".join(lines).strip("\n"))
    return "\n\n".join(_block(block) for block in blocks).split("\n") + [""]


def _block(block):
    lines = block.split("\n")
    if all(line.startswith("    ") for line in lines):
        return _verbatim(line[4:] for line in lines)
    if sum(bool(COLUMNS.search(line)) for line in lines) * 2 > len(lines):
        return _verbatim(lines)
    return _prose(block)  # a list's further lines are indented already


def _verbatim(lines):
    """Coloured as Python where it is Python."""
    lines = list(lines)
    try:
        language = ast.parse("\n".join(lines)) and "python"
    except SyntaxError:
        language = "text"
    return f".. code-block:: {language}\n\n" + "\n".join("    " + line for line in lines)


def _prose(text):
    """Code and emphasis kept, everything else escaped."""
    parts = CODE.split(text)
    return "".join(
        f"\\ ``{_one_line(part)}``\\ " if i % 2 else _escaped(part) for i, part in enumerate(parts)
    )


def _one_line(code):
    return " ".join(code.split())


def _escaped(text):
    parts = EMPHASIS.split(text)
    return "".join(
        f"\\ *{part}*\\ " if i % 2 else re.sub(r"([\\*_|`<>])", r"\\\1", part)
        for i, part in enumerate(parts)
    )


def convert(app, what, name, obj, options, lines):
    lines[:] = to_rst(lines)


def skip(app, what, name, obj, skipped, options):
    """Fields of named tuples: Python's own text says only their number."""
    if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number"):
        return True
    return None


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.viewcode")
    app.connect("autodoc-process-docstring", convert)
    app.connect("autodoc-skip-member", skip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
