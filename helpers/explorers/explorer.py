"""The unit explorer: one object, two faces.

Displayed, it is a piece of HTML that carries its data, style and script, asks for nothing, and works
alike on the published page, in JupyterLab, in a sandboxed frame and from a file. `live()` is the face
that needs a kernel.
"""

from dataclasses import asdict, dataclass
from functools import cached_property

from helpers.errors import SelectivityError
from helpers.explorers.components import unit_components
from helpers.explorers.facts import chosen_units, layer_facts, unit_facts
from helpers.explorers.fragment import fragment
from helpers.explorers.indexes import index_facts
from helpers.explorers.pictures import shipped_sheets, unit_pictures
from helpers.explorers.words import unit_words
from helpers.study import fetched_by


@dataclass(frozen=True)
class UnitExplorer:
    """Units of one layer, one of them shown at a time. Made by `explore`.

    data: all that the page is told, as plain lists and numbers; see `facts` and `pictures`.
    """

    study: object
    layer: str
    units: list[int]
    data: dict

    @cached_property
    def html(self) -> str:
        """The explorer as a fragment of HTML; the same explorer gives the same text."""
        name = f"Units of {self.layer}, {self.data['network']}"
        return fragment("explorer", name, self.data)

    def live(self):
        """Any unit of any layer of the study, chosen by hand; needs a kernel and ipywidgets.

        Starts at the unit that this explorer starts at.
        """
        from helpers.explorers.live import LiveExplorer

        return LiveExplorer(self.study, self.layer, self.data["start"])

    def __repr__(self) -> str:
        return f"<UnitExplorer of {self.layer}: {len(self.units)} units>"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        # No widget in this bundle: a saved notebook would show a dead one in place of the page.
        return {"text/html": self.html, "text/plain": repr(self)}


def explore(
    study,
    layer: str,
    units=None,
    *,
    strip: int = 8,
    linked: bool = True,
    start: int | None = None,
    components: bool = False,
) -> UnitExplorer:
    """Look at units of a layer: feature, indexes, images at both ends and at zero, classes, tuning curve.

    Where the classes have an ontology also a cloud of words, classes and what they are kinds of.

    units: numbers, all of the layer by default; strip: images shown of each end (at most six of
    those nearest to zero). linked: each unit has an address, the page's with #LAYER-UNIT behind it.
    start: the unit shown where the address names none, the first by default. Pictures need the
    study's network and images, which are then read; without them the images' names are listed, and
    pictures shipped with the book shown where there are some. components: independent components of
    each unit's patches too, about a sixth of a second
    and 3 kB a unit. Indexes are those of `index_facts`, which the
    units can be sorted by. Raises SelectivityError for a layer or a unit that the record does not
    have, and for a `start` that is not among the units.
    """
    units = chosen_units(study.record[layer], units)
    start = units[0] if start is None else int(start)
    if start not in units:
        raise SelectivityError(
            f"{layer}: cannot start at unit {start}, which is not among the units"
        )
    shown = unit_facts(study.record, layer, units, strip)
    missing = _missing(study, layer)
    sheets = shipped_sheets(study.record, layer, units)
    if not missing:
        features, strips = unit_pictures(study, layer, units, strip)
        sheets = [features, *sheets]
        shown = [{**one, "strip": s.address} for one, s in zip(shown, strips, strict=True)]
        if components:
            found = unit_components(study, layer, units)
            shown = [{**one, "components": c} for one, c in zip(shown, found, strict=True)]
    words, clouds = unit_words(study.record, layer, units)
    shown = [{**one, "cloud": cloud} for one, cloud in zip(shown, clouds, strict=True)]
    data = {
        "study": study.name,
        **layer_facts(study.record, layer),
        "words": words,
        "indexes": index_facts(study, layer),
        "start": start,
        "shown": strip,
        "linked": linked,
        "missing": missing,
        "sheets": [asdict(sheet) for sheet in sheets],
        "units": shown,
    }
    return UnitExplorer(study, layer, units, data)


def _missing(study, layer) -> str:
    """Why there are no crops, in words that hold on every machine; "" if there are."""
    if study.record[layer].top.positions is None:
        return "The record does not keep where in its images this layer responded."
    network = study.record.metadata["network"]["name"]
    command = fetched_by(study.name)
    if not study.has_images:
        how = f" “python -m helpers fetch {command}” gets them." if command else ""
        return f"The recorded images are not on the machine that made this page.{how}"
    if not study.has_network:
        return (
            f"The recorded network, {network}, is not on the machine that made this page. "
            f"Where it is one of the book's studies, “python -m helpers fetch {command or network}” "
            "gets it."
        )
    return ""
