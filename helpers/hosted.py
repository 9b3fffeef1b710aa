"""The offer of a real network where a chapter runs in Colab: a choice, its price, and a place to keep it.

    choose_study("world")                              # prints what could be chosen, fetches nothing
    choose_study("imagenette", fetch=True)             # fetches it, and the chapter opens it
    choose_study("imagenette", on_drive=True)          # records and weights stay on the reader's Drive

Outside Colab it does nothing: there the word STUDY in the environment chooses, and `python -m helpers
fetch` fetches.
"""

import importlib.util
import math
import os
import shutil
from pathlib import Path

import torch

from helpers.errors import SelectivityError
from helpers.fetch import catalogue, missing
from helpers.fetch import fetch as fetch_entry
from helpers.paths import cache_home
from helpers.study import records_of

DRIVE = Path("/content/drive")  # where Colab shows the reader's Drive
KEPT = "records", "weights"  # few files; the photographs are thousands, which Drive is too slow for

# What a chapter can open: the catalogue's entry that it needs, and what it is.
OFFERS = {
    "world": (None, "the book's drawn images and small networks; everything is here"),
    "googlenet": (None, "BVLC GoogLeNet: its numbers come with the book, its photographs do not"),
    "imagenette": ("imagenette", "BVLC GoogLeNet on 10 classes of photographs, recorded by you"),
    "googlenet-photographs": (
        "googlenet",
        "BVLC GoogLeNet on breeds of dogs and 100 other things, recorded by you",
    ),
}

# Photographs recorded in a minute, an estimate: nobody has measured it in Colab, where two processors
# decode the photographs for a GPU, or do everything themselves.
PER_MINUTE = {"cuda": 6000, "cpu": 600}


def in_colab() -> bool:
    """Whether this is a Colab notebook: the only place that has the package google.colab."""
    try:
        return importlib.util.find_spec("google.colab") is not None
    except ModuleNotFoundError:  # there is no package google at all
        return False


def choose_study(study: str = "world", fetch: bool = False, on_drive: bool = False) -> None:
    """Offer the studies in Colab and choose one for `open_study()`; elsewhere do nothing.

    study: a name of `OFFERS`. What it lacks is fetched only if `fetch` says so; otherwise the price is told
    and the chapter goes on with the world. on_drive: keep records and weights on the reader's Drive, after
    asking for access. SelectivityError: an unknown name, or a Drive that is not opened.
    """
    if not in_colab():
        return
    if study not in OFFERS:
        raise SelectivityError(f"no study {study!r} is offered here; use {', '.join(OFFERS)}")
    if on_drive:
        keep_on_drive()
    entry = OFFERS[study][0]
    if fetch and entry:
        fetch_entry(entry)
    lacks = bool(entry and missing(entry))
    opened = "world" if lacks and not records_of(study) else study
    os.environ["STUDY"] = opened
    print(f"STUDY is {opened}, on {_processor()}.")
    if lacks:
        what = "is not here yet" if opened != study else "has its record here, without pictures"
        print(f"{study} {what}. Tick FETCH and run this cell again: it {price(study)}.")
    elif study == "world":
        print("A real network instead? Choose it in STUDY and run this cell again:")
        for name, (_, what) in list(OFFERS.items())[1:]:
            print(f"  {name}: {what}; {price(name)}")


def price(study: str) -> str:
    """What fetching and recording a study costs here, in megabytes, photographs and minutes."""
    entry = OFFERS[study][0]
    if entry is None:
        return "fetches nothing"
    size = sum(source.size for source in missing(entry)) / 1e6
    pictures = sum(source.pictures or 0 for source in catalogue()[entry])
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    return (
        f"fetches {size:,.0f} MB and records {pictures:,} photographs once, in about "
        f"{math.ceil(pictures / PER_MINUTE[kind])} minutes on {_processor()} (an estimate, not measured)"
    )


def keep_on_drive() -> Path:
    """Keep records and weights in the reader's Drive from now on, those made so far included; where."""
    from google.colab import drive

    try:
        drive.mount(str(DRIVE))
    except Exception as error:  # Colab's own kinds, when the reader declines
        raise SelectivityError(
            f"Drive was not opened ({error}): run this cell again, or untick KEEP_ON_DRIVE"
        ) from error
    home = DRIVE / "MyDrive" / "neuron-selectivity"
    for part in KEPT:
        here, there = cache_home(part), home / part
        there.mkdir(parents=True, exist_ok=True)
        if here.is_symlink():
            here.unlink()
        elif here.is_dir():
            shutil.copytree(here, there, dirs_exist_ok=True)
            shutil.rmtree(here)
        here.parent.mkdir(parents=True, exist_ok=True)
        here.symlink_to(there, target_is_directory=True)
    print(f"Records and weights are kept in {home}; photographs stay on this machine.")
    return home


def _processor() -> str:
    if torch.cuda.is_available():
        return f"this GPU, {torch.cuda.get_device_name()}"
    return "this processor (for a GPU: Runtime, Change runtime type)"
