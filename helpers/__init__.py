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

from helpers.errors import SelectivityError
from helpers.study import Study, open_study, study_of

__version__ = "0.1.0"
__all__ = ["SelectivityError", "Study", "open_study", "study_of"]
