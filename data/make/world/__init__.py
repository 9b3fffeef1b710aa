"""The embedded image world: small pictures, drawn by this package, about which everything is known.

    render_leaf("beagle", seed)     one picture of a class, with its truth (face, setting, view)
    render_probe("face", seed)      one picture of a probe category

`drawing` (canvas, light, paint), `shapes` (paths), `colours` and `noise` are the tools; `dogs`,
`cats_birds`, `small_animals`, `people`, `vehicles`, `plants`, `food`, `objects`, `pareidolia`
draw subjects; `backgrounds` draws what is behind them; `ontology` lists the classes; `scene` puts
a picture together.
"""

from .ontology import LEAVES, PROBES
from .scene import render_leaf, render_probe

__all__ = ["LEAVES", "PROBES", "render_leaf", "render_probe"]
