"""Numbers for the text are written where MyST-NB looks for them, and nowhere else."""

from myst_nb.ext.glue import GLUE_PREFIX

from helpers import prose


def test_values_go_where_the_pages_look(monkeypatch):
    shown = []
    monkeypatch.setattr(prose, "display", lambda data, **how: shown.append((data, how)))
    prose.glue(share="5,760", n=12)
    assert [data for data, _ in shown] == [
        {f"{GLUE_PREFIX}text/plain": "'5,760'"},  # evaluated by the page: a text, not two numbers
        {f"{GLUE_PREFIX}text/plain": "'12'"},
    ]
    names = [how["metadata"]["scrapbook"]["name"] for _, how in shown]
    assert names == ["share", "n"]
    assert all(how["raw"] for _, how in shown)
