"""The face that needs a kernel: any unit of any layer, chosen with core ipywidgets (7.7 and 8)."""

from IPython.display import HTML, clear_output, display

from helpers.explorers.explorer import explore
from helpers.explorers.facts import chosen_units

VIEW = "application/vnd.jupyter.widget-view+json"
NEEDS_KERNEL = (
    "<p><em>This control needs a running kernel: open the chapter in a notebook to choose any unit "
    "of any layer.</em></p>"
)


class LiveExplorer:
    """A layer's name to choose, a unit's number to type, and that unit below.

    `layer` and `unit` are the ipywidgets, `box` holds them all. Where no kernel answers, the
    notebook keeps a line that says so.
    """

    def __init__(self, study, layer: str, unit: int = 0):
        import ipywidgets

        last = study.record[layer].n_units - 1
        chosen_units(study.record[layer], [unit])
        self.study = study
        self.layer = ipywidgets.Dropdown(
            options=study.record.layers, value=layer, description="Layer"
        )
        self.unit = ipywidgets.BoundedIntText(value=unit, min=0, max=last, description="Unit")
        self.view = ipywidgets.Output()
        controls = ipywidgets.HBox([self.layer, self.unit])
        controls.layout.flex_flow = "row wrap"
        self.box = ipywidgets.VBox([controls, self.view])
        self.layer.observe(self._change_layer, "value")
        self.unit.observe(self._change_unit, "value")
        self._show()

    def _change_layer(self, change):
        # Lowering the largest number may change the unit, which then shows itself.
        before = self.unit.value
        self.unit.max = self.study.record[change["new"]].n_units - 1
        if self.unit.value == before:
            self._show()

    def _change_unit(self, change):
        self._show()

    def _show(self):
        explorer = explore(self.study, self.layer.value, [self.unit.value], linked=False)
        with self.view:
            clear_output(wait=True)
            display(HTML(explorer.html))

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        # Written out, for ipywidgets 7 has no such method; the HTML is for pages without a kernel.
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        return {VIEW: view, "text/html": NEEDS_KERNEL, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<LiveExplorer of {self.study.name}: {self.layer.value}, unit {self.unit.value}>"
