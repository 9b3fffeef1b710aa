"""Units to look at, one at a time: on the published page, and live where a kernel answers.

explorer = explore(study, "conv7")    # displayed: a self-contained piece of HTML, no kernel needed
explorer.live()                       # any unit of any layer, with ipywidgets
OwnPicture(study, "conv4")            # one picture, the reader's own too, and the units that it drives

explorer    the object and its two faces
facts       what is said of a unit: numbers and names, from the record
indexes     its selectivity indexes among those of its layer
pictures    what is shown of a unit: neuron features and crops, as sheets of small tiles
live        the face that needs a kernel
own_picture   the units that one picture drives
"""

from helpers.explorers.explorer import UnitExplorer, explore
from helpers.explorers.own_picture import OwnPicture

__all__ = ["OwnPicture", "UnitExplorer", "explore"]
