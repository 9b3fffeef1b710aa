"""Computed numbers in a chapter's text: the text names them, the run says what they are.

glue(share="93 %")        # in a code cell
{glue:text}`share`        # in the text of the same chapter
"""

from IPython.display import display

_HIDDEN = "application/papermill.record/"  # where MyST-NB looks, and what no notebook displays


def glue(**values) -> None:
    """Keep values, written as the text shall show them, under their names; nothing is displayed.

    The built pages read what MyST-NB's own `glue` would write; this one needs nothing that only
    the book's tools install, so that chapters run in hosted notebooks too.
    """
    for name, value in values.items():
        about = {"scrapbook": {"name": name, "mime_prefix": _HIDDEN}}
        # Quoted, because MyST-NB evaluates what it finds: 5,760 would come out as (5, 760).
        display({_HIDDEN + "text/plain": repr(str(value))}, raw=True, metadata=about)
