"""The live face in a real kernel: widgets change, the shown unit follows."""

import nbformat
import pytest

from helpers.errors import SelectivityError
from helpers.explorers import explore
from helpers.explorers.live import VIEW, LiveExplorer
from tests.kernels import execute

CELLS = [
    "from tests.explorers.small import open_small\nfrom helpers.explorers import explore\n"
    "explorer = explore(open_small(), 'deep', [1, 5])\nexplorer",
    "live = explorer.live()\nlive",
    "live.unit.value = 7",
    "live.layer.value = 'head'",
    "print(live.layer.value, live.unit.value, live.unit.max, live.view.outputs[0]['data']['text/html'])",
    "live.layer.value = 'shallow'",
]


@pytest.fixture(scope="module")
def executed(repository):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    return execute(notebook, repository)


def test_the_explorer_shows_its_page(executed):
    (output,) = executed.cells[0].outputs
    assert "text/html" in output.data and VIEW not in output.data
    assert '"unit":1,' in output.data["text/html"]


def test_the_live_face_shows_widgets_and_says_what_it_needs(executed):
    (output,) = executed.cells[1].outputs
    assert VIEW in output.data and "needs a running kernel" in output.data["text/html"]


def test_the_view_follows_the_controls(executed):
    """To a layer of fewer units, and to one that has the same unit too."""
    printed = executed.cells[4].outputs[0].text
    assert (
        printed.startswith("head 3 3 ") and '"layer":"head"' in printed and '"unit":3,' in printed
    )
    state = executed.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    (view,) = [w["state"] for w in state.values() if w["model_name"] == "OutputModel"]
    (shown,) = view["outputs"]
    page = shown["data"]["text/html"]
    assert '"layer":"shallow"' in page and '"unit":3,' in page and '"linked":false' in page
    assert '"indexes":[{"key":"auc"' in page and '"indexes":[]' in printed  # none of the head


def test_observers_move_unit_and_layer(study):
    live = explore(study, "deep", [5]).live()
    assert (live.layer.value, live.unit.value, live.unit.max) == ("deep", 5, 23)
    live.unit.value = 99
    assert live.unit.value == 23
    live.layer.value = "shallow"
    assert (live.unit.value, live.unit.max) == (11, 11)
    live.layer.value = "deep"
    assert (live.unit.value, live.unit.max) == (11, 23)
    assert live.layer.options == tuple(study.record.layers)


@pytest.mark.parametrize("layer, unit", [("nowhere", 0), ("deep", 24)])
def test_what_is_not_there(study, layer, unit):
    with pytest.raises(SelectivityError):
        LiveExplorer(study, layer, unit)
