"""The command line: python -m helpers record | index | info | fetch | claims."""

import argparse
import json
import sys
from pathlib import Path

from helpers.errors import SelectivityError


def main(arguments=None) -> int:
    """Run one command; 0 on success, 2 after a line that says what is wrong, 130 when interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except SelectivityError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"{parser.prog}: {what}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"{parser.prog}: interrupted; run the same command again to continue", file=sys.stderr
        )
        return 130
    return 0


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
        help="one folder per class; several DIRs are put together",
    )
    p.add_argument("--out", required=True, metavar="FILE.safetensors", type=Path)
    p.add_argument(
        "--k",
        type=_positive,
        help="images kept per list (default: 400, a tenth of all if more, at most 1,000)",
    )
    p.add_argument("--layers", default="*", metavar="GLOB", help="layers to record (default: all)")
    p.add_argument("--batch-size", type=_positive, default=32, metavar="N")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
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
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")

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


def _record(options):
    from helpers.record import FolderImages, load_network, record

    if options.out.suffix != ".safetensors":
        raise SelectivityError(f"{options.out}: the name of a record must end in .safetensors")
    if not options.out.parent.is_dir():
        raise SelectivityError(f"{options.out.parent}: there is no such folder to write to")
    images = FolderImages(options.images if len(options.images) > 1 else options.images[0])
    network = load_network(options.network, options.weights)
    checkpoint = options.checkpoint or options.out.with_name(options.out.name + ".checkpoint")
    result = record(
        network, images, options.k, layers=options.layers, batch_size=options.batch_size,
        device=options.device, checkpoint=checkpoint,
        checkpoint_seconds=options.checkpoint_seconds, progress=sys.stderr.isatty(),
    )  # fmt: skip
    result.save(options.out)
    skipped = result.metadata["skipped"]
    print(f"{options.out}: {result!r}")
    print(f"{len(skipped)} images skipped" + "".join(f"; {n} ({why})" for n, why in skipped))


def _index(options):
    from helpers.categories import classes_of
    from helpers.index import index_units
    from helpers.record import FolderImages, Record, load_network

    if options.out.suffix != ".csv":
        raise SelectivityError(f"{options.out}: the table is CSV, so its name must end in .csv")
    if not options.out.parent.is_dir():
        raise SelectivityError(f"{options.out.parent}: there is no such folder to write to")
    record = Record.load(options.file)
    category = network = images = None
    if options.category:
        name, _, classes = options.category.partition("=")
        category = classes_of(classes.split(",") if classes else name, record.class_names)
    if options.images:
        images = FolderImages(options.images if len(options.images) > 1 else options.images[0])
        network = load_network(record.metadata["network"]["name"], options.weights)
    elif options.weights:
        raise SelectivityError("--weights is of use with --images only: say where the images are")
    units = index_units(
        record, category, network, images, device=options.device, progress=sys.stderr.isatty()
    )
    part = options.out.with_name(options.out.name + ".part")
    units.to_csv(part, index=False)
    part.replace(options.out)
    print(
        f"{options.out}: {len(units)} units of {len(record.layers)} layers, {units.shape[1]} columns"
    )


def _info(options):
    from helpers.record import Record

    record = Record.load(options.file)
    metadata = record.metadata
    print(record)
    for part in ("network", "images", "software", "slim"):
        for key, value in metadata.get(part, {}).items():
            text = f"{len(value)} names" if key == "class_names" else value
            print(f"{part + '.' + key:24s} {text}")
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

    rows = measure_claims(open_study(options.study), options.paper)
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for row in rows:
        print(f"{row['id']}  (paper {row['paper']}, {row['place']})")
        print(f"    {row['statement']}")
        measured = f"{row['measured']}, null {row['null']}: " if row["measured"] else ""
        print(f"    {row['verdict'].upper()}: {measured}{row['words']}\n")


if __name__ == "__main__":
    sys.exit(main())
