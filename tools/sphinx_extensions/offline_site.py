"""Pages that ask no other host for anything: formulas as MathML, no dormant third-party scripts.

- `mathml`: a maths renderer for Sphinx (`html_math_renderer`). TeX becomes MathML while building,
  with latex2mathml; the TeX stays in the formula's `alttext`. A formula that cannot be converted
  is a warning, which the build turns into an error.
- Jupyter Book always loads sphinx-thebe, whose configuration names a content delivery network even
  where live code is off; that script, and widget state that no page can run, are taken out again.
"""

import re
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)

# latex2mathml knows align; these mean the same inside a displayed formula.
_ALIGNED = re.compile(r"\\(begin|end)\{(?:aligned|split)\}")
# Elements with a fixed number of parts: with fewer, the formula was not understood.
_PARTS = {
    "mfrac": 2,
    "mroot": 2,
    "msub": 2,
    "msup": 2,
    "munder": 2,
    "mover": 2,
    "msubsup": 3,
    "munderover": 3,
}


def tex_to_mathml(tex, display):
    """MathML for a formula (`display`: on its own line); ValueError if it cannot be converted."""
    source = tex.strip()
    rows = [row for row in re.split(r"\n\s*\n", source) if row.strip()]
    converted = _ALIGNED.sub(r"\\\1{align*}", source)
    if len(rows) > 1:  # Sphinx's convention: a blank line starts the next equation
        converted = r"\begin{align*}" + r" \\ ".join(rows) + r"\end{align*}"
    elif display and r"\\" in source and r"\begin" not in source:
        converted = r"\begin{align*}" + source + r"\end{align*}"
    try:
        markup = convert(converted, display="block" if display else "inline")
        fault = _fault(ElementTree.fromstring(markup))
    except Exception as error:  # latex2mathml raises many kinds; the author needs the formula
        fault = f"{type(error).__name__} {error}"
    if fault:
        raise ValueError(f"cannot convert {source!r}: {fault}")
    return markup.replace("<math ", f"<math alttext={quoteattr(source)} ", 1)


def _fault(formula):
    """What shows that the converter gave up silently, or None."""
    for element in formula.iter():
        name = element.tag.rpartition("}")[2]
        if (element.text or "").startswith("\\"):
            return f"{element.text} is not known"
        if len(element) != _PARTS.get(name, len(element)):
            return f"a part of {name} is missing"
        if element.get("linebreak"):
            return "a new line outside align"
    return None


def _markup(node, display):
    try:
        return tex_to_mathml(node.astext(), display)
    except ValueError as error:
        logger.warning("%s", error, location=node)
        return ""


def visit_inline(self, node):
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(_markup(node, display=False) + "</span>")
    raise nodes.SkipNode


def visit_display(self, node):
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    self.body.append(_markup(node, display=True))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def drop_live_code_scripts(app, pagename, templatename, context, doctree):
    """Remove sphinx-thebe's scripts and notebook widget state from the page's list of scripts."""
    context["script_files"] = [s for s in context.get("script_files", []) if not _is_live_code(s)]


def _is_live_code(script):
    attributes = getattr(script, "attributes", {})
    return (
        "sphinx-thebe" in str(getattr(script, "filename", script))
        or "THEBE_JS_URL" in (attributes.get("body") or "")
        or "widget-state" in (attributes.get("type") or "")
    )


def drop_live_code_configuration(app, doctree, docname):
    """Remove the `text/x-thebe-config` node that sphinx-thebe appends to every page."""
    for node in list(doctree.findall(nodes.raw)):
        if "text/x-thebe-config" in node.astext() or "thebelab" in node.astext():
            node.parent.remove(node)


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    # After sphinx-thebe (priority 500), which adds what these two remove.
    app.connect("doctree-resolved", drop_live_code_configuration, priority=900)
    app.connect("html-page-context", drop_live_code_scripts, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
