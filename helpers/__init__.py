"""Neuron selectivity: what single units of convolutional networks respond to.

    from helpers import open_study
    study = open_study("world")

One recording, everything else a pure function of it:

    record/        network + images -> record          one pass, on the processor or a GPU
    selectivity/   tensors in, numbers out
    figures/       numbers in, pictures out            matplotlib
    explorers/     a unit to look at, live and static  ipywidgets, HTML
    study.py       a network, its images and their record as one object
    analysis.py    a folder of your own categories, in one call
    optimise.py    pictures made to drive a unit
    claims/        what the papers claim, measured
"""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from helpers.errors import SelectivityError

if TYPE_CHECKING:
    from helpers.study import Study, open_study, study_of

__version__ = "0.1.0"
__all__ = ["SelectivityError", "Study", "open_study", "study_of"]


def __getattr__(name):
    """What needs PyTorch is read in when it is first asked for: `python -m helpers --help` need not wait."""
    if name in __all__:
        return getattr(import_module("helpers.study"), name)
    if name.isidentifier() and find_spec(f"helpers.{name}"):
        return import_module(f"helpers.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*__all__, "__version__", *(module.name for module in iter_modules(__path__))})
