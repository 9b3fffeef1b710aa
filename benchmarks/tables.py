"""python -m benchmarks.tables: write what benchmarks/results/*.jsonl hold into benchmarks/README.md.

python -m benchmarks | tee benchmarks/results/record.jsonl
python -m benchmarks.peers | tee benchmarks/results/peers.jsonl
python -m benchmarks.faster | tee benchmarks/results/faster.jsonl
python -m benchmarks.end_to_end | tee benchmarks/results/end_to_end.jsonl
python -m benchmarks.tables
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"
TITLES = {
    "speed": "With and without the record: the recorder's own lists, as long as they are by default",
    "memory": "Peak memory of a fresh process",
    "end to end": "From JPEG files to the record, and how long ImageNet's 1,281,167 would take",
    "reading": "Ways to read the files",
    "faster": "Recording with other arithmetic than the network's own",
    "peers": "Against other ways to find the strongest images",
    "memory of peers": "Peak memory of a fresh process in which one side sees so many images",
}


def lines(folder=HERE / "results"):
    """[dict] of all result lines, each with the machine that it was measured on."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        machine = {}
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if line["benchmark"] == "machine":
                machine = line
            else:
                found.append({**line, "machine": machine})
    return found


def table(rows):
    """Markdown of rows that have the same keys; a value that is missing is a dash."""
    names = [name for name in rows[0] if name not in ("benchmark", "machine")]
    text = ["| " + " | ".join(name.replace("_", " ") for name in names) + " |"]
    text.append("|" + " --- |" * len(names))
    for row in rows:
        cells = ("–" if row[name] is None else f"{row[name]}" for name in names)
        text.append("| " + " | ".join(cells) + " |")
    return "\n".join(text)


def tables(found):
    """All tables, one a kind of benchmark, each under the machine's own line."""
    parts = []
    for kind, title in TITLES.items():
        rows = [line for line in found if line["benchmark"] == kind]
        if not rows:
            continue
        machine = rows[0]["machine"]
        on = f"{machine['processor']}, threads: {machine['threads']}, torch {machine['torch']}"
        parts.append(f"### {title}\n\nMachine: {on}.\n\n{table(rows)}")
    return "\n\n".join(parts)


def written(text, found):
    """The README with the tables of `found` between its marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{tables(found)}\n\n{END}{rest.split(END)[1]}"


def main():
    path = HERE / "README.md"
    path.write_text(written(path.read_text(encoding="utf-8"), lines()), encoding="utf-8")


if __name__ == "__main__":
    main()
