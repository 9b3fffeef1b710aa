"""One page to send to a colleague: a record's layers in a table, and its most selective units to look at.

    write_report(study, "report.html")
    write_report(study, "report.html", layers="layer4*", units=None)      every unit of these

The page carries its pictures, style and script, and asks no other host for anything.
"""

import os
from html import escape
from importlib import metadata, resources
from pathlib import Path
from string import Template

from helpers.claims.depth import convolutions
from helpers.explorers import explore
from helpers.index import index_units
from helpers.paths import all_or_nothing
from helpers.record.taps import match_layers

LAYERS = 4  # shown unless others are asked for
UNITS = 64  # of each layer: with pictures about a megabyte
_DISTRIBUTION = "neuron-selectivity"
_COLUMNS = (  # of the table of layers
    ("units", "units"),
    ("map", "map"),
    ("sees", "sees (pixels)"),
    ("dead", "no positive response"),
    ("class_index", "class index"),
    ("class_index_null", "by luck"),
    ("m_classes", "classes in its 100 strongest"),
    ("mf_degree", "MF degree"),
    ("mf_null", "by luck"),
)


def spread(names: list[str], n: int = LAYERS) -> list[str]:
    """At most n of the layers, evenly through the network, the last always among them."""
    n = min(n, len(names))
    return [names[round((i + 1) * len(names) / n) - 1] for i in range(n)]


def chosen_by_share(study, layer: str, n: int | None) -> list[int]:
    """The n units of a layer whose strongest images come most from one class, in the order of their numbers.

    All units where n is None or larger than the layer.
    """
    shares = study.units.query("layer == @layer").set_index("unit").top_share
    return sorted(shares.nlargest(n if n is not None else len(shares), keep="first").index)


def write_report(study, path, layers=None, units: int | None = UNITS) -> Path:
    """Write the page of a study to `path`; return it.

    layers: a glob, or several split by commas; four through the network by default. units: how many of each
    layer, the most class-selective ones; all with None. Pictures need the study's network and images; without
    them images are named. Raises SelectivityError for a layer that the record does not have.
    """
    record = study.record
    with_maps = (
        convolutions(record) or record.layers
    )  # what a last linear layer answers to is known
    shown = match_layers(record.layers, layers) if layers else spread(with_maps)
    sections = [_section(study, layer, chosen_by_share(study, layer, units)) for layer in shown]
    network, images = record.metadata["network"], record.metadata["images"]
    name = os.path.basename(images["name"].rstrip("/")) or images["name"]
    says = {
        "Network": f"{network['name']}, weights {network['weights']}",
        "Images": f"{int(record.recorded.sum()):,} of {len(record.class_names)} classes ({name})",
        "Left out": f"{len(record.metadata['skipped'])} images that could not be read",
        "Each list holds": f"{record.metadata['k']} images",
        "Software": ", ".join(f"{k} {v}" for k, v in record.metadata["software"].items()),
    }
    choice = "" if units is None else f"Of each layer shown, up to {units} units whose strongest "
    choice += (
        "images come most from one class." if choice else "Every unit of these layers is shown."
    )
    unseen = [escape(layer) for layer in record.layers if layer not in shown]
    page = Template(resources.files("helpers").joinpath("report.html").read_text("utf-8"))
    text = page.substitute(
        title=escape(f"Units of {network['name']} on {name}"),
        choice=escape(choice),
        about="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in says.items()),
        columns="".join(f'<th scope="col">{t}</th>' for t in ("layer", *(t for _, t in _COLUMNS))),
        rows="".join(_row(one, shown) for one in layer_table(record)),
        note=f"Not on this page: {', '.join(unseen)}." if unseen else "",
        sections="\n".join(sections),
        address=_address(),
        version=metadata.version(_DISTRIBUTION),
    )
    path = Path(path)
    with all_or_nothing(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def layer_table(record) -> list[dict]:
    """One dict a layer: its size, what its units see, and the medians of their indexes."""
    units = index_units(record, progress=False).groupby("layer", sort=False)
    dead = units.dead.sum()
    medians = units[
        ["class_index", "class_index_null", "m_classes", "mf_degree", "mf_null"]
    ].median()
    rows = []
    for name in record.layers:
        geometry, of_layer = record[name].geometry, medians.loc[name]
        written = {key: f"{value:.2f}" for key, value in of_layer.items()}
        written |= {"layer": name, "units": str(geometry.units), "dead": str(dead[name])}
        written |= {"map": "{} x {}".format(*geometry.map_size)}
        written |= {"sees": "{} x {}".format(*geometry.field.size)}
        rows.append({**written, "m_classes": f"{of_layer.m_classes:.0f}"})
    return rows


def _row(of_layer, shown):
    name = escape(of_layer["layer"])
    if of_layer["layer"] in shown:
        name = f'<a href="#layer-{name}">{name}</a>'
    cells = "".join(f"<td>{of_layer[key].replace('nan', 'none')}</td>" for key, _ in _COLUMNS)
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _section(study, layer, units):
    name = escape(layer, quote=True)
    return (
        f'<section><h2 id="layer-{name}">{name}</h2>{explore(study, layer, units).html}</section>'
    )


def _address():
    """Where the project lives, as its own metadata says."""
    links = metadata.metadata(_DISTRIBUTION).get_all("Project-URL") or []
    return dict(link.split(", ", 1) for link in links).get("Repository", "")
