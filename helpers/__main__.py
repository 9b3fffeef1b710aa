"""The command line: python -m helpers record | layers | index | report | info | fetch | claims."""

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path

from helpers.errors import SelectivityError
from helpers.paths import all_or_nothing


def main(arguments=None) -> int:
    """Run one command; 0 on success, 2 after a line that says what is wrong; 130, 143 when interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except SelectivityError as error:
        _tell(parser, error)
        return 2
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        _tell(parser, what)
        return 2
    except KeyboardInterrupt as interrupted:
        _tell(parser, str(interrupted) or "interrupted; run the same again to go on")
        return getattr(interrupted, "status", 130)
    return 0


def _tell(parser, what):
    """One line on what went wrong; of several processes the first to end speaks for all."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        from helpers.record.distributed import first_to_end

        if not first_to_end():
            return
    print(f"{parser.prog}: {what}", file=sys.stderr)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    p = commands.add_parser("record", help="record a network on a folder of images")
    p.set_defaults(run=_record)
    p.add_argument(
        "--network",
        required=True,
        metavar="NAME",
        help="worldnet-fine, googlenet, vgg_m, timm:MODEL, torchvision:MODEL, ...",
    )
    p.add_argument(
        "--weights", metavar="FILE", help="a local weight file (default: the published ones)"
    )
    p.add_argument(
        "--images",
        required=True,
        metavar="DIR",
        nargs="+",
        help="one folder per class, or tar shards: a folder of them, or 'train-{000..099}.tar'; several "
        "DIRs are put together",
    )
    p.add_argument("--out", required=True, metavar="FILE.safetensors", type=Path)
    p.add_argument(
        "--k",
        type=_positive,
        help="images kept per list (default: 400, a tenth of all if more, at most 1,000)",
    )
    p.add_argument("--layers", default="*", metavar="GLOB", help="layers to record (default: all)")
    p.add_argument(
        "--batch-size",
        type=_positive_or_auto,
        default=32,
        metavar="N",
        help="images at once, or auto: as many as make it fastest (default: 32)",
    )
    p.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    p.add_argument(
        "--faster",
        metavar="WAYS",
        default="",
        help="fold, bf16, compile or several (fold,bf16): other arithmetic; the record says by how much it "
        "moves responses",
    )
    p.add_argument(
        "--workers",
        metavar="N",
        type=_whole,
        help="processes that read images beside the network: for slow drives, or 0 for none (default: on a "
        "GPU one per core, at most 8; on the processor none, threads read between batches)",
    )
    p.add_argument(
        "--checkpoint",
        metavar="FILE",
        type=Path,
        help="continue from and write to this file (default: OUT with .checkpoint added)",
    )
    p.add_argument(
        "--checkpoint-seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds between two checkpoints (default: 60)",
    )

    p = commands.add_parser("layers", help="the layers of units of a network, before recording it")
    p.set_defaults(run=_layers)
    p.add_argument(
        "network", metavar="NAME", help="as for record: timm:MODEL, torchvision:MODEL, ..."
    )
    p.add_argument(
        "--weights", metavar="FILE", help="a local weight file (layers do not depend on it)"
    )
    p.add_argument("--layers", default="*", metavar="GLOB", help="only these (default: all)")

    p = commands.add_parser("index", help="the indexes of every unit of a record, as a table")
    p.set_defaults(run=_index)
    p.add_argument("file", metavar="FILE.safetensors")
    p.add_argument("--out", required=True, metavar="units.csv", type=Path)
    p.add_argument(
        "--category",
        metavar="NAME=CLASS,CLASS",
        help="a category's own indexes too: dog, or NAME=CLASS,CLASS,... of the record's classes",
    )
    p.add_argument(
        "--images",
        metavar="DIR",
        nargs="+",
        help="the recorded images: the indexes of colour too, and the response to the neuron feature",
    )
    p.add_argument("--weights", metavar="FILE", help="a local weight file, with --images")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")

    p = commands.add_parser(
        "report", help="one page with the units of a record, to look at and to send"
    )
    p.set_defaults(run=_report)
    p.add_argument("file", metavar="FILE.safetensors")
    p.add_argument("--out", required=True, metavar="report.html", type=Path)
    p.add_argument(
        "--layers", metavar="GLOB", help="layers to show (default: four of those with maps)"
    )
    p.add_argument(
        "--units",
        metavar="N",
        type=_number_or_all,
        default=64,
        help="units of each layer, the most class-selective; or all (default: 64)",
    )
    p.add_argument("--images", metavar="DIR", nargs="+", help="the recorded images: pictures, too")
    p.add_argument("--weights", metavar="FILE", help="a local weight file, with --images")

    p = commands.add_parser("info", help="what a record holds, from what, by which versions")
    p.set_defaults(run=_info)
    p.add_argument("file", metavar="FILE.safetensors")

    p = commands.add_parser("fetch", help="download the weights and images of a study")
    p.set_defaults(run=_fetch)
    p.add_argument("name", metavar="NAME", help="googlenet, imagenette, ...")
    p.add_argument("--to", metavar="DIR", type=Path, help="where to (default: SELECTIVITY_HOME)")

    p = commands.add_parser("claims", help="what the papers claim, measured on a study")
    p.set_defaults(run=_claims)
    p.add_argument(
        "--study", metavar="NAME", help="world, googlenet, ... (default: STUDY, or world)"
    )
    p.add_argument("--paper", choices=["1", "2", "3", "4"], help="only one paper's claims")
    p.add_argument("--json", action="store_true", help="as JSON, for other programs")
    return parser  # fmt: skip


def _positive(text):
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return number


def _whole(text):
    return int(text) if text == "0" else _positive(text)


def _positive_or_auto(text):
    return text if text == "auto" else _positive(text)


def _number_or_all(text):
    return None if text == "all" else _positive(text)


def _record(options):
    from helpers.record import load_network, open_images
    from helpers.record.distributed import first_alone, join_group, record_distributed

    join_group()
    if options.out.suffix != ".safetensors":
        raise SelectivityError(f"{options.out}: the name of a record must end in .safetensors")
    if not options.out.parent.is_dir():
        raise SelectivityError(f"{options.out.parent}: there is no such folder to write to")
    images = open_images(options.images)
    with first_alone():
        network = load_network(options.network, options.weights)
    checkpoint = options.checkpoint or options.out.with_name(options.out.name + ".checkpoint")
    result = record_distributed(
        network, images, options.k, out=options.out, layers=options.layers,
        faster=[way.strip() for way in options.faster.split(",") if way.strip()],
        batch_size=options.batch_size, device=options.device, checkpoint=checkpoint,
        checkpoint_seconds=options.checkpoint_seconds, workers=options.workers, progress=sys.stderr.isatty(),
    )  # fmt: skip
    if result is None:
        return  # one process of several tells
    skipped = result.metadata["skipped"]
    print(f"{options.out}: {result!r}")
    if "faster" in result.metadata:
        print(_told_price(result.metadata["faster"]))
    print(f"{len(skipped)} images skipped" + "".join(f"; {n} ({why})" for n, why in skipped))


def _told_price(faster):
    """One line on what other arithmetic costs."""
    layer = max(faster["drift"], key=faster["drift"].get)
    return (
        f"{' and '.join(faster['ways'])}: on the first images, responses moved by at most "
        f"{faster['drift'][layer]:.2g} standard deviations of their layer ({layer})"
    )


def _layers(options):
    from helpers.layers import layers_of
    from helpers.record import load_network

    # Layers are the same for any weights, and the world's networks have theirs with them.
    shipped = options.network.startswith("worldnet")
    weights = options.weights or (None if shipped else "random")
    print(layers_of(load_network(options.network, weights), options.layers).to_string(index=False))


def _index(options):
    from helpers.categories import classes_of
    from helpers.index import index_units
    from helpers.record import Record, load_network, open_images

    if options.out.suffix not in (".csv", ".parquet"):
        raise SelectivityError(f"{options.out}: the name of a table must end in .csv or .parquet")
    if options.out.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise SelectivityError("Parquet needs pyarrow: pip install pyarrow, or name a .csv file")
    if not options.out.parent.is_dir():
        raise SelectivityError(f"{options.out.parent}: there is no such folder to write to")
    record = Record.load(options.file)
    category = network = images = None
    if options.category:
        name, _, classes = options.category.partition("=")
        category = classes_of(classes.split(",") if classes else name, record.class_names)
    if options.images:
        images = open_images(options.images)
        network = load_network(record.metadata["network"]["name"], options.weights)
    elif options.weights:
        raise SelectivityError("--weights is of use with --images only: say where the images are")
    units = index_units(
        record, category, network, images, device=options.device, progress=sys.stderr.isatty()
    )
    with all_or_nothing(options.out) as part:
        if options.out.suffix == ".csv":
            units.to_csv(part, index=False)
        else:
            units.to_parquet(part, index=False)
    print(
        f"{options.out}: {len(units)} units of {len(record.layers)} layers, {units.shape[1]} columns"
    )


def _report(options):
    from helpers.record import Record, load_network, open_images
    from helpers.report import write_report
    from helpers.study import Study

    if options.out.suffix != ".html":
        raise SelectivityError(
            f"{options.out}: the report is a page, so its name must end in .html"
        )
    if not options.out.parent.is_dir():
        raise SelectivityError(f"{options.out.parent}: there is no such folder to write to")
    record = Record.load(options.file)

    def network():
        return load_network(record.metadata["network"]["name"], options.weights)

    def images():
        if not options.images:
            raise SelectivityError("say with --images where they are")
        return open_images(options.images)

    study = Study(Path(options.file).stem, record, network, images)
    if options.images:  # what is named must fit the record: pictures are not left out in silence
        study.network, study.images  # noqa: B018
    path = write_report(study, options.out, options.layers, options.units)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, open it in any browser")


def _info(options):
    from helpers.record import Record

    record = Record.load(options.file)
    metadata = record.metadata
    print(record)
    for part in ("network", "images", "software", "slim"):
        for key, value in metadata.get(part, {}).items():
            text = f"{len(value)} names" if key == "class_names" else value
            print(f"{part + '.' + key:24s} {text}")
    if "faster" in metadata:
        print(f"{'arithmetic':24s} {_told_price(metadata['faster'])}")
    for name, why in metadata["skipped"]:
        print(f"{'skipped':24s} {name} ({why})")
    print(f"\n{'layer':28s} {'units':>6s} {'map':>9s} {'field':>9s} {'stride':>6s}")
    for name in record.layers:
        g = record[name].geometry
        size, field = "x".join(map(str, g.map_size)), "x".join(map(str, g.field.size))
        print(f"{name:28s} {g.units:6d} {size:>9s} {field:>9s} {g.field.stride[0]:6d}")


def _fetch(options):
    from helpers.fetch import fetch

    fetch(options.name, options.to)


def _claims(options):
    from helpers import open_study
    from helpers.claims import measure_claims
    from helpers.claims.claim import control_of, mark

    rows = measure_claims(open_study(options.study), options.paper)
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for row in rows:
        print(f"{row['id']}  (paper {row['paper']}, {row['place']})")
        print(f"    {row['statement']}")
        measured = f"{row['measured']}, control {control_of(row)}: " if row["measured"] else ""
        changed = f"    (changed: {row['changed']})\n" if row["changed"] else ""
        print(f"    {mark(row).upper()}: {measured}{row['words']}\n{changed}")


if __name__ == "__main__":
    sys.exit(main())
