"""A line under each chapter's title: the paper it repeats, time, Colab, the notebook to download.

`chapter_lines` in _config.yml is the table, {page: {papers: [[words, address], ...], minutes: number}};
without an address a paper is named only. The notebooks themselves stay as they are.
"""

from html import escape
from posixpath import relpath

from docutils import nodes

COLAB = "https://colab.research.google.com/github"


def link(words, address, attributes=""):
    return f'<a href="{escape(address)}"{attributes}>{escape(words)}</a>'


def parts(chapter, page, options):
    """What the line says of a chapter, each part as HTML."""
    papers = [link(*paper) if len(paper) > 1 else escape(paper[0]) for paper in chapter["papers"]]
    yield "After " + ", ".join(papers)
    yield f"About {chapter['minutes']} minutes"
    repository = options["repository_url"].removeprefix("https://github.com")
    source = f"{page}.ipynb"
    yield link("Open in Colab", f"{COLAB}{repository}/blob/{options['repository_branch']}/{source}")
    here = relpath(f"_sources/{source}", page.rpartition("/")[0])
    yield link("Download the notebook", here, " download")


def add_line(app, doctree, docname):
    """Put the line below the title of a page that the table names."""
    chapter = app.config.chapter_lines.get(docname)
    title = next(doctree.findall(nodes.title), None)
    if not chapter or title is None or app.builder.format != "html":
        return
    said = parts(chapter, docname, app.config.html_theme_options)
    markup = "".join(f"<li>{part}</li>" for part in said)
    line = nodes.raw("", f'<ul class="chapter-line">{markup}</ul>', format="html")
    title.parent.insert(title.parent.index(title) + 1, line)


def setup(app):
    app.add_config_value("chapter_lines", {}, "html")
    app.connect("doctree-resolved", add_line)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
