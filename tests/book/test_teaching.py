"""Teaching: exercises with hidden solutions that give right answers, and pages that name what exists."""

import ast
import json
import os
import re
import shutil
import subprocess

import nbformat
import numpy as np
import pytest
import torch
import yaml

from helpers.selectivity import category_share
from helpers.selectivity.category import contrast, totals_of_responses
from helpers.selectivity.classes import class_selectivity
from helpers.selectivity.facets import effective_classes, gini, spectral_flatness

from .conftest import ROOT

BOOK = ROOT / "book"
CHAPTERS = {path.stem: nbformat.read(path, 4) for path in sorted(BOOK.glob("*.ipynb"))}
PAGES = {
    n: (BOOK / f"{n}.md").read_text("utf-8") for n in ("instructors", "worksheet", "self-checks")
}
EXERCISE = re.compile(
    r":::\{admonition\} Exercise (\d+): [^\n]+\n:class: exercise\n(.+?)\n:::", re.DOTALL
)
DISCUSSION = re.compile(r":::\{admonition\} Discussion\n:class: dropdown\n(.+?)\n:::", re.DOTALL)
CODE = "\n".join(c.source for nb in CHAPTERS.values() for c in nb.cells if c.cell_type == "code")

each_chapter = pytest.mark.parametrize("name", CHAPTERS)


def markdown(name):
    return "\n\n".join(c.source for c in CHAPTERS[name].cells if c.cell_type == "markdown")


def cell(name, cell_id):
    return next(c for c in CHAPTERS[name].cells if c.id == cell_id)


def headings(name):
    return {h.strip() for h in re.findall(r"(?m)^#+ (.+)$", markdown(name))}


def exercises(name):
    """Numbers of a chapter's exercises, as they follow each other."""
    return [int(n) for n, _ in EXERCISE.findall(markdown(name))]


# Exercises: each has a folded solution and a folded discussion


@each_chapter
def test_exercises_are_numbered(name):
    assert exercises(name) == list(range(1, len(exercises(name)) + 1))
    assert len(exercises(name)) >= 3


@each_chapter
def test_each_exercise_is_followed_by_its_solution_and_discussion(name):
    cells = CHAPTERS[name].cells
    place = {c.id: i for i, c in enumerate(cells)}
    for n in exercises(name):
        asked = next(i for i, c in enumerate(cells) if f"Exercise {n}:" in c.source)
        assert place[f"solution-{n}"] == asked + 1
        solution, answer = cells[asked + 1], cells[place[f"answer-{n}"]]
        assert "hide-cell" in solution.metadata["tags"] and ast.parse(solution.source).body
        assert DISCUSSION.match(answer.source), f"the discussion of exercise {n} is not first"
        between = cells[asked + 2 : place[answer.id]]
        assert all("remove-cell" in c.metadata["tags"] for c in between)
    assert len(DISCUSSION.findall(markdown(name))) == len(exercises(name))


# Solutions: run alone, against an answer found another way and one that is wrong


def solve(name, n, /, *before, **given):
    """Names after the chapter's imports, the cells `before`, and the solution of exercise n."""
    names = dict(given)
    for cell_id in ("imports", *before, f"solution-{n}"):
        exec(compile(cell(name, cell_id).source, f"{name}:{cell_id}", "exec"), names)
    return names


def test_degree_of_twelve_classes():
    degrees = solve("single-multi-faceted", 1)["degrees"]
    for n_classes, found in degrees.items():
        assert found["gini"] == pytest.approx(1 - 12 / n_classes, abs=0.01)
        entropy = np.log2(12) / np.log2(n_classes)  # twelve equal parts, of n_classes
        assert found["flatness"] == pytest.approx(2**entropy - 1, abs=0.01)
        assert found["degree"] == pytest.approx(found["degree, equal parts"], rel=0.02)
    wrong = (2 ** np.log2(12) / 48 - 1) / (1 - 12 / 48)  # entropy never scaled to the classes
    assert degrees[48]["degree"] != pytest.approx(wrong, rel=0.1)
    assert degrees[48]["degree"] != pytest.approx(degrees[1000]["degree"], rel=0.1)


def test_the_largest_of_many_is_in_the_tail():
    passing = solve("single-multi-faceted", 3)["passing"]
    assert passing[64] > 0.95 and passing[512] > 0.99  # 1 - 0.95 ** 64 is 0.96 for a known curve
    assert passing[64] != pytest.approx(0.05, abs=0.1)  # what one would say without thinking


def test_likeness_of_shifted_and_blurred():
    found = solve("single-multi-faceted", 4)["found"]
    assert found["shifted"] == pytest.approx(1, abs=0.01)
    assert found["noise"] < found["noise, blurred"] / 2 < 0.3


def test_classes_within_a_bound():
    solution = cell("color-and-class", "solution-1").source
    head, last = solution.rsplit("\n", 1)
    names = {"torch": torch, "class_selectivity": class_selectivity}
    exec(head, names)
    found = eval(last, names)
    counted = {b: max(m for m in range(1, 101) if (100 - m) / 99 > b) for b in (0.6, 0.8)}
    assert found == counted
    assert found != {0.6: 39, 0.8: 19}  # the paper's "less than 40" and "less than 20"


def test_red_and_green_do_not_cancel_to_grey():
    names = solve("color-and-class", 2, "planted")
    index = names["color_selectivity"](names["mean"], names["differ"]).item()
    alone = names["color_selectivity"](names["half"][0], torch.zeros(32, 32)).item()
    assert 0.4 < index < alone  # neither 0, as if they cancelled, nor unchanged


def test_the_best_of_many_on_other_images():
    from helpers import open_study
    from helpers.claims.faces import four

    google = open_study("googlenet")
    is_face = torch.from_numpy(four(google).classes == 0)
    names = solve("category-selectivity", 1, study=google, is_face=is_face)
    assert names["chose"] > 0.55
    assert names["judged"] == pytest.approx(0.5, abs=0.03)


def test_noise_is_told_apart_only_if_test_images_leak():
    leak = solve("category-selectivity", 3)["leak"]
    assert leak["chosen on all images"] > 0.8
    assert leak["chosen on training images"] == pytest.approx(0.5, abs=0.15)


def test_shuffled_dogs_come_to_chance():
    from helpers import open_study
    from helpers.claims.dogs import chance_of, limit_of

    google = open_study("googlenet")
    names = solve(
        "opponent-responses",
        2,
        google=google,
        is_dog=google.category("dog")[1],
        chance=chance_of(google),
        limit=limit_of(google),
    )
    assert names["by_luck"].mean() == pytest.approx(chance_of(google), abs=0.03)
    real = names["share_below"](google)
    assert real.mean() > chance_of(google) + 0.05  # so the test could fail


def test_images_that_stay_in_the_list_by_the_mean():
    from helpers import open_study

    record = open_study("world").record
    name, unit = record.layers[-3], 5
    names = solve("reading-a-unit", 1, record=record, name=name, unit=unit)
    for n, u in ((name, unit), (record.layers[0], 0)):
        lists = [record[n].responses[s][:, u].argsort(descending=True) for s in ("max", "mean")]
        counted = len(set(lists[0][:100].tolist()) & set(lists[1][:100].tolist()))
        assert names["stay"][f"{n}:{u}"] == counted
        assert counted < 100  # the same list twice, which is what one expects


def test_shuffled_labels_give_the_class_index_of_luck():
    import pandas as pd

    from helpers import open_study
    from helpers.selectivity import class_frequencies
    from helpers.selectivity.classes import random_class_selectivity

    study = open_study("world")
    last = study.record.layers[-2]
    by_luck = random_class_selectivity(study.record.counts.tolist())
    given = {"study": study, "last": last, "luck": pd.DataFrame([[by_luck]])}
    names = solve("color-and-class", 4, **given)
    shuffled = class_selectivity(names["shuffled"], names["n_images"]).nanmean().item()
    assert shuffled == pytest.approx(by_luck, abs=0.02)
    classes = torch.from_numpy(study.record.classes)[names["top"].images.clamp(min=0)]
    rows = class_frequencies(names["weights"], classes, len(study.record.class_names))
    assert class_selectivity(rows, names["n_images"]).nanmean() > shuffled + 0.1


# For instructors: what the page names exists


def test_links_lead_to_pages():
    for page, text in PAGES.items():
        targets = re.findall(r"\]\(([^)#\s]+)[)#]", text)
        assert targets, page
        assert [t for t in targets if not (BOOK / t).is_file()] == []


def blocks(text):
    """Paragraphs and table rows, without fenced code: within one, sections belong to its links."""
    text = re.sub(r"(?ms)^```.*?^```$", "", text)
    return re.split(r"\n\s*\n|\n\* - ", text)


def test_sections_exist_in_the_chapters_linked_beside_them():
    named = 0
    for block in blocks(PAGES["instructors"]):
        linked = re.findall(r"\]\(([\w-]+)\.ipynb\)", block)
        known = set().union(*(headings(n) for n in linked or CHAPTERS))
        for section in re.findall(r"(?<!\*)\*([^*\s][^*]*)\*(?!\*)", block):
            named += 1
            assert " ".join(section.split()) in known, f"{section!r} beside {linked}"
    assert named > 40


def test_exercises_that_are_named_exist():
    named = 0
    for block in blocks(PAGES["instructors"]):
        linked = re.findall(r"\]\(([\w-]+)\.ipynb\)", block)
        for numbers in re.findall(r"[Ee]xercises? ((?:\d+(?:, | and | to )?)+)", block):
            for n in re.findall(r"\d+", numbers):
                named += 1
                assert any(int(n) in exercises(name) for name in linked or CHAPTERS), block
    assert named > 15


def test_code_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    tags = {t for nb in CHAPTERS.values() for c in nb.cells for t in c.metadata.get("tags", [])}
    ids = {c.id for nb in CHAPTERS.values() for c in nb.cells}
    said = CODE + "\n".join(map(markdown, CHAPTERS)) + (ROOT / "README.md").read_text("utf-8")
    prose = re.sub(r"(?ms)^```.*?^```$", "", PAGES["instructors"])
    for code in re.findall(r"`([^`\n]+)`", prose):
        if code.startswith("make "):
            assert f"\n{code.removeprefix('make ')}:" in makefile
        elif "/" not in code or not (ROOT / code).exists():
            built = code in ("_build/html", "index.html")
            assert built or code in tags | ids or code in said or code in makefile, code


def test_commands_that_are_named_exist(capsys):
    from helpers.__main__ import main

    for line in re.findall(r"python -m helpers (.+)", PAGES["instructors"].replace("\\\n", "")):
        command = re.match(r"[a-z]+", line)[0]
        with pytest.raises(SystemExit):
            main([command, "--help"])
        shown = capsys.readouterr().out
        options = re.findall(r"--[a-z-]+", line.split("`")[0])
        assert [o for o in options if o not in shown] == []


@each_chapter
def test_a_chapter_can_be_handed_out_without_solutions(name, tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", PAGES["instructors"], re.DOTALL)[1]
    os.symlink(BOOK, tmp_path / "book")
    monkeypatch.chdir(tmp_path)
    exec(code.replace("reading-a-unit", name), {})
    left = nbformat.read(tmp_path / f"{name}-exercises.ipynb", 4)
    nbformat.validate(left)
    text = "\n\n".join(c.source for c in left.cells if c.cell_type == "markdown")
    assert not DISCUSSION.search(text) and "Discussion" not in text
    assert [int(n) for n, _ in EXERCISE.findall(text)] == exercises(name)
    assert not [c.id for c in left.cells if c.id.startswith("solution-")]
    kept = [c.id for c in CHAPTERS[name].cells if not c.id.startswith("solution-")]
    assert [c.id for c in left.cells] == kept


# Worksheet


def test_the_worksheet_names_what_is_there():
    sheet = PAGES["worksheet"]
    planted = re.findall(r'"([a-z ]+)":', cell("color-and-class", "planted").source)
    assert len(planted) == 8
    assert [p for p in planted if f"<td>{p}</td>" not in sheet] == []
    assert "<em>Seek units by what they select</em>" in sheet
    assert "Seek units by what they select" in headings("color-and-class")
    assert "Look around" in headings("reading-a-unit") and "*Look around*" in sheet
    explorer = (ROOT / "helpers" / "explorers" / "explorer.html").read_text("utf-8")
    explorer += (ROOT / "helpers" / "explorers" / "explorer.js").read_text("utf-8")
    assert "share of top class" in explorer and "<em>share of top class</em>" in sheet


def test_the_answers_to_the_worksheet():
    key = re.findall(r"(?m)^\| [^|]+ \| ([\d/]+) \| (\d+) \| ([\d/]+) \|$", PAGES["instructors"])
    units = [[10], [9, 1], [5, 5], [2] * 5, [1] * 10]
    assert len(key) == len(units)
    for (share, n_classes, index), counts in zip(key, units, strict=True):
        row = torch.zeros(1, 10, dtype=torch.double)
        row[0, : len(counts)] = torch.tensor(counts, dtype=torch.double) / 10
        assert fraction(share) == pytest.approx(row.max().item())
        assert int(n_classes) == len(counts)
        found = class_selectivity(row, torch.tensor([10])).item()
        assert fraction(index) == pytest.approx(found)


def test_the_worksheet_prints_on_two_pages(site, tmp_path):
    page, pdf = site / "book" / "worksheet.html", tmp_path / "worksheet.pdf"
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={pdf}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert len(re.findall(rb"/Type /Page\b(?!s)", pdf.read_bytes())) == 2


def fraction(text):
    above, _, below = text.partition("/")
    return int(above) / int(below or 1)


def test_the_die():
    throws = np.random.default_rng(0).integers(0, 6, (20_000, 10))
    sides = np.mean([len(set(row)) for row in throws])
    assert sides == pytest.approx(6 * (1 - (5 / 6) ** 10), abs=0.02)
    assert sides == pytest.approx(5, abs=0.1) and 0.5 < (10 - sides) / 9 < 0.6


# Self-checks


def sections():
    """{chapter: text} of the self-check questions."""
    found = {}
    for text in PAGES["self-checks"].split("\n## ")[1:]:
        (name,) = re.findall(r"\]\(([\w-]+)\.ipynb\)", text)
        found[name] = text
    return found


def test_each_chapter_has_four_questions_in_its_order():
    contents = re.findall(r"file: book/([\w-]+)", (ROOT / "_toc.yml").read_text("utf-8"))
    assert list(sections()) == [name for name in contents if name in CHAPTERS]
    for name, text in sections().items():
        assert re.findall(r"(?m)^\*\*(\d)\.\*\*", text) == list("1234"), name
        answers = re.findall(
            r":::\{admonition\} Answer\n:class: dropdown\n(.+?)\n:::", text, re.DOTALL
        )
        assert len(answers) == 4 and all(len(a) > 80 for a in answers)


def test_answers_by_letter_are_among_the_choices():
    for name, text in sections().items():
        for part in re.split(r"(?m)^\*\*\d\.\*\* ", text)[1:]:
            question, answer = part.split(":::{admonition} Answer\n:class: dropdown\n")
            choices = re.findall(r"(?m)^- \*\*([a-d])\.\*\*", question)
            letter = re.match(r"\*\*([a-d])\b", answer)
            assert bool(choices) == bool(letter), (name, question)
            assert not letter or letter[1] in choices


def test_more_classes_that_a_unit_never_sees():
    row = torch.zeros(1, 20, dtype=torch.int64)
    row[0, :10] = 10
    few, many = row[:, :10].clone(), row
    few = torch.cat([few, torch.zeros(1, 2, dtype=torch.int64)], 1)
    assert gini(many) > gini(few) and spectral_flatness(many) < spectral_flatness(few)
    assert effective_classes(many).item() == pytest.approx(effective_classes(few).item(), rel=1e-3)


def test_half_dogs_then_as_many_cars_again():
    responses = torch.randn(4000, 200, generator=torch.Generator().manual_seed(0))
    dogs = torch.arange(4000) < 1000
    first = slice(0, 2000)
    assert category_share(responses[first], dogs[first]).mean() == pytest.approx(0.5, abs=0.01)
    assert category_share(responses, dogs).mean() == pytest.approx(0.25, abs=0.01)
    for images in (first, slice(None)):
        totals = totals_of_responses(responses[images], dogs[images])
        assert contrast(totals).mean().abs() < 0.01


def test_the_class_index_does_not_see_how_weight_is_spread():
    rows = torch.tensor([[0.5, 0.5], [0.99, 0.01]], dtype=torch.double)
    halves, nearly_all = class_selectivity(rows).tolist()
    assert halves == nearly_all


# Archive: Zenodo reads .zenodo.json, GitHub CITATION.cff, pip pyproject.toml


def test_the_archive_says_what_the_citation_says():
    zenodo = json.loads((ROOT / ".zenodo.json").read_text("utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert zenodo["title"] == citation["title"]
    assert [c["name"] for c in zenodo["creators"]] == [a["name"] for a in citation["authors"]]
    assert zenodo["license"] == citation["license"]
    assert f'license = "{zenodo["license"]}"' in project
    assert zenodo["version"] == str(citation["version"])
    assert re.search(r'(?m)^version = "(.+)"$', project)[1] == zenodo["version"]
    assert " ".join(citation["abstract"].split()) in zenodo["description"]
    assert zenodo["upload_type"] == citation["type"]
    keywords = re.search(r"(?m)^keywords = (\[.+\])$", project)[1]
    assert zenodo["keywords"] == json.loads(keywords)


def test_the_archive_points_to_the_papers():
    zenodo = json.loads((ROOT / ".zenodo.json").read_text("utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    found = {r["identifier"] for r in zenodo["related_identifiers"]}
    for reference in citation["references"]:
        if "doi" in reference:
            assert reference["doi"] in found
        elif "arxiv.org/abs/" in reference.get("url", ""):
            assert "arXiv:" + reference["url"].rsplit("/", 1)[1] in found
    bibliography = (BOOK / "references.bib").read_text("utf-8")
    assert [i for i in found if i not in bibliography] == []
    assert {r["scheme"] for r in zenodo["related_identifiers"]} <= {"doi", "arxiv"}
