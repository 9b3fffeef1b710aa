"""Units to look at, one at a time: on the published page, and live where a kernel answers.

explorer = explore(study, "conv7")    # displayed: a self-contained piece of HTML, no kernel needed
explorer.live()                       # any unit of any layer, with ipywidgets
OwnPicture(study, "conv4")            # one picture, the reader's own too, and the units that it drives
ends_map(study, units, chance=0.25)   # many units as points, each of which opens its unit
hue_map(study, units)
profile_map(study, units, "ratio", "degree over that of random labels", luck=1)

explorer    the object and its two faces
facts       what is said of a unit: numbers and names, from the record
indexes     its selectivity indexes among those of its layer
words       its tag cloud: classes, and what they are kinds of
components  its patches taken apart
pictures    what is shown of a unit: neuron features and crops, as sheets of small tiles
unit_map    many units at once, as points
plane_map   the same, laid out by several indexes
fragment    a view as a self-contained piece of HTML
live        the face that needs a kernel
own_picture   the units that one picture drives
"""

from helpers.explorers.explorer import UnitExplorer, explore
from helpers.explorers.own_picture import OwnPicture
from helpers.explorers.plane_map import plane_map
from helpers.explorers.unit_map import UnitMap, ends_map, hue_map, profile_map

__all__ = [
    "OwnPicture",
    "UnitExplorer",
    "UnitMap",
    "ends_map",
    "explore",
    "hue_map",
    "plane_map",
    "profile_map",
]
