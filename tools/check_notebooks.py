"""Fail when a committed chapter breaks the book's rules. usage: check_notebooks.py FOLDER

- no outputs and no execution counts (they go stale and fill the history);
- code cells define no function and no class: those belong in helpers/, where they are tested;
- the first code cell is the set-up cell: it installs the package where it is missing, only there;
- cell ids are present and unique (stored outputs and links hang on them).
"""

import ast
import json
import sys
from pathlib import Path

import repository


def check_notebook(path):
    """List of findings, one line each; empty for a chapter that keeps the rules."""
    notebook = json.loads(Path(path).read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    findings = [f"{path}: no title: the first cell is not '# ...'"] if not _title(notebook) else []
    ids = [cell.get("id") for cell in notebook["cells"]]
    if None in ids or len(set(ids)) < len(ids):
        findings.append(f"{path}: cells without an id, or with the same one")
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        findings.append(f"{path}: the kernel is not 'python3', which every installation has")
    if "widgets" in notebook["metadata"]:
        findings.append(f"{path}: committed with widget state")
    for number, cell in enumerate(code, 1):
        where = f"{path}: code cell {number}"
        if cell.get("outputs") or cell.get("execution_count"):
            findings.append(f"{where}: committed with outputs; run nbstripout --keep-id")
        findings += [f"{where}: {finding}" for finding in _definitions("".join(cell["source"]))]
    findings += [f"{path}: {finding}" for finding in _setup_cell(code)]
    return findings


def _title(notebook):
    first = notebook["cells"][0] if notebook["cells"] else {"cell_type": "", "source": ""}
    return first["cell_type"] == "markdown" and "".join(first["source"]).lstrip().startswith("# ")


def _definitions(source):
    plain = "\n".join(  # magics are not Python
        "pass" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()
    )
    try:
        tree = ast.parse(plain)
    except SyntaxError as error:
        return [f"not Python: {error.msg}"]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [
        f"defines {node.name}; move it into helpers/"
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]


def _setup_cell(code):
    source = "".join(code[0]["source"]) if code else ""
    tags = code[0]["metadata"].get("tags", []) if code else []
    missing = [
        what
        for what, there in {
            'find_spec("helpers") is None': 'find_spec("helpers") is None' in source,
            f"git+{repository.address()}@<tag>": f"git+{repository.address()}@v" in source,
            "tag setup": "setup" in tags,
            "tag hide-cell": "hide-cell" in tags,
        }.items()
        if not there
    ]
    return (
        [f"first code cell is not the set-up cell: it lacks {', '.join(missing)}"]
        if missing
        else []
    )


if __name__ == "__main__":
    chapters = sorted(Path(sys.argv[1]).glob("*.ipynb"))
    problems = [finding for chapter in chapters for finding in check_notebook(chapter)]
    if not chapters:
        problems = [f"no chapters in {sys.argv[1]}"]
    print("\n".join(problems) or f"{len(chapters)} chapters ok")
    sys.exit(bool(problems))
