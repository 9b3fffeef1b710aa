"""Units to look at, one at a time: on the published page, and live where a kernel answers.

explorer = explore(study, "conv7")    # displayed: a self-contained piece of HTML, no kernel needed
explorer.live()                       # any unit of any layer, with ipywidgets

explorer    the object and its two faces
facts       what is said of a unit: numbers and names, from the record
pictures    what is shown of a unit: neuron features and crops, as sheets of small tiles
live        the face that needs a kernel
"""

from helpers.explorers.explorer import UnitExplorer, explore

__all__ = ["UnitExplorer", "explore"]
