"""What the writers of other extensions leave in a page that assistive technology stumbles over."""

# A list for screen readers must hold list items; sphinxcontrib-bibtex's holds entries of a deprecated role.
REPLACED = {
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    ' role="doc-biblioentry"': "",
}


def mend(app, pagename, templatename, context, doctree):
    """Replace the markup in the page's body."""
    for old, new in REPLACED.items():
        context["body"] = context.get("body", "").replace(old, new)


def setup(app):
    app.connect("html-page-context", mend)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
