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
from scipy import stats

from helpers.selectivity.classes import class_selectivity
from tests.planted import planted_study

from .conftest import ROOT

BOOK = ROOT / "book"
NOTEBOOKS = {path.stem: nbformat.read(path, 4) for path in sorted(BOOK.glob("*.ipynb"))}
PARTS = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))["parts"]
CHAPTERS = [
    chapter["file"].removeprefix("book/")
    for part in PARTS
    if part["caption"] in ("Chapters", "Beyond the papers")
    for chapter in part["chapters"]
    if chapter["file"] != "book/scoreboard"
]
PAGES = {n: (BOOK / f"{n}.md").read_text("utf-8") for n in ("instructors", "worksheet")}
EXERCISE = re.compile(
    r":::\{admonition\} Exercise (\d+): [^\n]+\n:class: exercise\n(.+?)\n:::", re.DOTALL
)
DISCUSSION = re.compile(r":::\{admonition\} Discussion\n:class: dropdown\n(.+?)\n:::", re.DOTALL)
ANSWER = re.compile(r":::\{admonition\} Answer\n:class: dropdown\n(.+?)\n:::", re.DOTALL)
CODE = "\n".join(c.source for nb in NOTEBOOKS.values() for c in nb.cells if c.cell_type == "code")

each_chapter = pytest.mark.parametrize("name", CHAPTERS)


def markdown(name):
    return "\n\n".join(c.source for c in NOTEBOOKS[name].cells if c.cell_type == "markdown")


def cell(name, cell_id):
    return next(c for c in NOTEBOOKS[name].cells if c.id == cell_id)


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
    cells = NOTEBOOKS[name].cells
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


def run(name, /, *cell_ids, **given):
    """Names after the chapter's imports and these cells of it."""
    names = dict(given)
    for cell_id in ("imports", *cell_ids):
        exec(compile(cell(name, cell_id).source, f"{name}:{cell_id}", "exec"), names)
    return names


def solve(name, n, /, *before, **given):
    """Names after the chapter's imports, the cells `before`, and the solution of exercise n."""
    return run(name, *before, f"solution-{n}", **given)


def purity(record, layer):
    """(U,) share of one class in each unit's 100 strongest responses, from the single responses."""
    responses, n_classes = record[layer].responses["max"].double().numpy(), len(record.class_names)
    shares = []
    for of_unit in responses.T:
        strongest = np.argsort(-of_unit, kind="stable")[:100]
        weights = of_unit[strongest].clip(min=0)
        sums = np.bincount(record.classes[strongest], weights, n_classes)
        shares.append(sums.max() / sums.sum() if sums.sum() else np.nan)
    return np.array(shares)


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


def test_the_least_selective_unit_and_its_feature():
    names = solve("reading-a-unit", 2, "open", "choose")
    study, layer, unit = names["study"], names["name"], names["plain"]
    assert unit == np.nanargmin(purity(study.record, layer))
    assert unit != names["unit"]  # the most selective one
    top, field = study.record[layer].top, study.record[layer].geometry.field
    values, total, weight = top.values[unit, :100].double(), 0, 0
    for value, image, (y, x) in zip(values, top.images[unit], top.positions[unit], strict=False):
        if value < 0.7 * values[0]:
            break  # they are sorted
        picture = names["as_shown"](study.network.preprocess)(
            study.network.preprocess(study.images.open(int(image)))
        )
        padded = torch.nn.functional.pad(picture, (200,) * 4, value=torch.nan)
        rows, columns = (200 + start + torch.arange(n) for start, n in zip(
            field.box(int(y), int(x))[:2], field.size, strict=True
        ))  # fmt: skip
        patch = padded[:, rows][:, :, columns]
        total = total + (value * patch).nan_to_num(0)
        weight = weight + value * ~patch.isnan()
    by_hand = (total / weight).float()
    shown = (weight >= 0.5 * weight.max()) & ~by_hand.isnan()
    assert torch.allclose(names["feature"][shown], by_hand[shown], atol=1e-4)
    all_alike = names["patches"].pixels[0].mean(0)  # without weights and without the 70 %
    assert (all_alike - by_hand)[shown].abs().max() > 0.02


def test_the_best_unit_of_an_untrained_network():
    from helpers import open_study

    there = open_study("world").record.layers[-3]
    names = solve("reading-a-unit", 3, "control-open", there=there)
    control, unit = names["control"], int(names["winner"].unit)
    assert unit == np.nanargmax(purity(control.record, there))
    assert unit != np.nanargmax(purity(open_study("world").record, there))  # the trained one
    strongest = control.record[there].responses["max"][:, unit].argsort(descending=True)[:12]
    pictures, values, classes = names["twelve"]
    labels = control.record.classes[strongest]
    assert classes == [control.record.class_names[c] for c in labels]
    assert values == sorted(values, reverse=True) and len(set(classes)) < 12
    for picture, image in zip(pictures, strongest.tolist(), strict=True):
        assert np.array_equal(np.asarray(picture), np.asarray(control.images.open(image)))


VEHICLES = ("sedan", "taxi", "van", "pickup", "bus", "sailboat")


def test_vehicles_at_both_ends():
    """Ten planted units answer to vehicles with both signs, ten with one, ten not at all."""
    random, classes = np.random.default_rng(0), np.arange(1800) % 30
    vehicle = classes < 6
    highest, lowest = random.normal(size=(2, 1800, 30))
    highest[vehicle, :20] += 5
    lowest[vehicle, :10] -= 5
    responses = {"max": highest, "min": lowest - 20, "mean": highest + lowest}
    names = [*VEHICLES, *(f"other {i}" for i in range(24))]
    study = planted_study({"conv": responses, "fc": responses}, classes, names)
    found = solve("opponent-responses", 1, study=study)["found"]
    assert found["chance"] == pytest.approx(0.2)
    assert found["units that like it"] == 20
    # All of the ten's lowest are vehicles, of the other ten's a fifth.
    assert found["of it among their lowest"] == pytest.approx((1 + 0.2) / 2, abs=0.03)
    assert found["and in the other units"] == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("odd_too", [True, False])
def test_units_chosen_with_one_half(odd_too):
    """Planted dogs lie at the lower end in the images of even number, and of odd number if they do."""
    random = np.random.default_rng(0)
    is_dog = random.random(4000) < 0.25
    study = planted_study({"fc": {s: random.normal(size=(4000, 20)) for s in ("max", "min", "mean")}},
                          (~is_dog).astype(int), ["pug", "taxi"])  # fmt: skip
    last, responses = study.record["fc"], torch.from_numpy(random.normal(size=(4000, 20)))
    at_top = torch.from_numpy(random.random(4000) < 0.5)
    responses[torch.from_numpy(is_dog) & at_top] += 8
    below = torch.from_numpy(is_dog) & ~at_top
    below &= torch.arange(4000) % 2 == 0 if not odd_too else True
    responses[below] -= 8
    last.responses["mean"] = responses
    given = {"study": study, "last": last, "own_dogs": torch.from_numpy(is_dog)}
    shares = solve("opponent-responses", 3, **given)["halves_say"]
    assert shares["same half"] == "100.0%"
    # The same half twice would say 100 % in both cases.
    assert (shares["other half"] == "100.0%") == odd_too
    if not odd_too:  # one in eight is a dog at the top; of the rest one in seven is a dog
        assert float(shares["other half"].rstrip("%")) == pytest.approx(100 / 7, abs=4)


def test_the_best_layer_by_strength_and_not_by_number():
    """Planted: many weak units for fruit in conv1, fewer strong ones in conv2; for dogs conv1."""
    random, classes = np.random.default_rng(0), np.arange(1200) % 6
    names = ["lemon", "lime", "pug", "beagle", "van", "bus"]
    conv1, conv2 = random.uniform(0, 1, (2, 1200, 80))
    conv1[classes < 2] += 0.3
    conv2[classes < 2, :32] += 2
    conv1[np.isin(classes, (2, 3)), :32] += 3
    layers = {n: {"max": r, "min": r, "mean": r} for n, r in (("conv1", conv1), ("conv2", conv2))}
    study = planted_study(layers, classes, names)
    answers = solve("category-selectivity", 2, study=study, sets={"fruit": names[:2]})["answers"]
    strength = {
        name: np.sort((r[classes < 2].mean(0) - r[classes >= 2].mean(0)) / np.ptp(r))[-32:].mean()
        for name, r in (("conv1", conv1), ("conv2", conv2))
    }
    fruit = answers["fruit"].set_index("layer")
    assert fruit.strength.to_dict() == pytest.approx(strength, abs=1e-4)
    assert answers["fruit"].layer[0] == "conv2" and answers["dogs"].layer[0] == "conv1"


def test_degrees_of_shuffled_labels():
    from helpers import open_study
    from helpers.claims.counts import class_rows, unit_facets

    study = open_study("world")
    names = solve(
        "single-multi-faceted",
        2,
        study=study,
        units=unit_facets(study),
        layers=list(class_rows(study)),
    )
    last, record, random = names["layers"][-1], study.record, np.random.default_rng(7)
    responses, means = record[last].responses["max"].numpy(), []
    lists = np.argsort(-responses, axis=0, kind="stable")[:100].T
    driven = np.take_along_axis(responses.T, lists, 1) > 0
    for _ in range(30):
        labels = random.permutation(record.classes)
        degrees = []
        for images, positive in zip(lists, driven, strict=True):
            p = np.bincount(labels[images[positive]], minlength=len(record.class_names))
            p = np.sort(p / p.sum())
            entropy = -(p[p > 0] * np.log(p[p > 0])).sum() / np.log(len(p))
            apart = np.abs(p[:, None] - p).sum() / (2 * len(p))  # Gini's mean difference
            degrees.append((2**entropy - 1) / apart)
        means.append(np.mean(degrees))
    shuffles, ten = names["shuffles"].numpy(), names["ten"]
    error = np.std(means) / np.sqrt(10)
    assert shuffles.mean() == pytest.approx(np.mean(means), abs=3 * error)
    assert ten["mean of the ten shuffles"] == pytest.approx(shuffles.mean())
    assert ten["random rows"] == pytest.approx(np.mean(means), abs=3 * error)
    assert abs(ten["true labels"] - np.mean(means)) > 10 * error  # labels that were not shuffled
    spreads = ten[["spread of the ten", "if units were independent"]]
    assert spreads.iloc[0] == pytest.approx(np.std(means), rel=0.6)  # of ten, so a rough one
    assert np.std(means) > 1.3 * spreads.iloc[1]  # of units that share no image


def test_the_colour_index_of_fewer_patches():
    from helpers import open_study
    from helpers.record.patches import crops
    from helpers.selectivity import color_selectivity, feature_weights, neuron_feature
    from helpers.selectivity.color import crop_sigma

    study = open_study("world")
    names = solve("color-and-class", 3, study=study, layers=study.record.layers)
    second, medians = study.record.layers[1], {}
    found = crops(study.record, study.network, study.images, second, k=25)
    for k in (2, 25):
        indexes = []
        for pixels, valid, values in zip(found.pixels, found.valid, found.values, strict=True):
            pixels, valid, weights = pixels[:k], valid[:k], feature_weights(values[:k])
            shown = (weights[:, None, None] * valid).sum(0) >= 0.1 * weights.sum()
            picture = neuron_feature(pixels, weights, valid)
            indexes.append(color_selectivity(picture, crop_sigma(pixels, weights, valid), shown))
        medians[k] = torch.stack(indexes).nanmedian().item()
    assert {k: names["fewer"][k] for k in medians} == pytest.approx(medians, abs=0.005)
    assert abs(medians[2] - medians[25]) > 0.02  # k that is not used would give one number


def test_units_that_the_colour_index_misses():
    import pandas as pd

    rows = [  # colour index, grey response
        (0.05, 0.3), (0.39, 0.7), (0.4, 0.9), (0.02, 0.4), (np.nan, 0.8), (0.2, np.nan), (0.1, 0.95),
    ]  # fmt: skip
    units = pd.DataFrame(rows, columns=["color_index", "grey_response"])
    units = units.assign(layer="conv1", unit=range(len(units)))
    names = solve("color-and-class", 5, units=units, shown=["unit", *units.columns[:2]])
    assert names["missed"].unit.tolist() == [
        6,
        1,
        3,
    ]  # 2 is selective by both; of 4 and 5 one is unknown


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


def test_questions_that_are_named_exist():
    named = re.findall(r"[Qq]uestions? (\d+)(?: (?:and|to) (\d+))?", PAGES["instructors"])
    assert len(named) >= 3 and {n for pair in named for n in pair if n} <= set("1234")


def test_code_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    tags = {t for nb in NOTEBOOKS.values() for c in nb.cells for t in c.metadata.get("tags", [])}
    ids = {c.id for nb in NOTEBOOKS.values() for c in nb.cells}
    said = CODE + "\n".join(map(markdown, NOTEBOOKS)) + (ROOT / "README.md").read_text("utf-8")
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
    assert not ANSWER.search(text) and text.count("**Question") == 4
    assert [int(n) for n, _ in EXERCISE.findall(text)] == exercises(name)
    hidden = ("solution-", "checked-")
    assert not [c.id for c in left.cells if c.id.startswith(hidden)]
    kept = [c.id for c in NOTEBOOKS[name].cells if not c.id.startswith(hidden)]
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


# Self-checks: in the chapters, after what they ask about


def checks(name):
    """[(question, answer)] of a chapter, in its order."""
    ids = [c.id for c in NOTEBOOKS[name].cells if re.fullmatch(r"check-\d", c.id)]
    return [(cell(name, i).source, cell(name, f"{i}-answer").source) for i in ids]


@each_chapter
def test_each_chapter_has_four_questions_with_folded_answers(name):
    assert re.findall(r"(?m)^\*\*Question (\d)\.\*\*", markdown(name)) == list("1234")
    assert len(checks(name)) == 4
    for question, answer in checks(name):
        assert question.count("**Question") == 1
        (text,) = ANSWER.findall(answer)
        assert len(text) > 120 and ANSWER.sub("", answer).strip() == ""
    assert len(ANSWER.findall(markdown(name))) == 4


@each_chapter
def test_questions_stand_where_a_reader_meets_them(name):
    """Under headings of their own, at two places or more, each at the end of a section."""
    found = re.findall(r"(?m)^(#+ .+)$", markdown(name))
    own = [i for i, heading in enumerate(found) if heading.startswith("### Check yourself")]
    assert len(own) >= 2 and len(own) == len({found[i] for i in own})
    for i in own:
        assert i > 3 and found[i + 1].startswith("#") and not found[i - 1].startswith("# ")
        assert i + 1 not in own
    assert own[-1] < found.index("## Exercises")
    cells = NOTEBOOKS[name].cells
    for i, c in enumerate(cells):
        if re.fullmatch(r"check-\d-answer", c.id) and not cells[i + 1].id.startswith("check-"):
            assert cells[i + 1].source.startswith("#"), "the next section follows"


@each_chapter
def test_computations_of_answers_are_folded_and_leave_the_chapter_alone(name):
    """What they define no other cell uses, so that a chapter runs without them."""
    cells = [c for c in NOTEBOOKS[name].cells if c.cell_type == "code"]
    place = [c.id for c in NOTEBOOKS[name].cells]
    for c in cells:
        if not (checked := re.fullmatch(r"checked-(\d)(-said)?", c.id)):
            continue
        assert place.index(f"check-{checked[1]}") < place.index(c.id)
        assert place.index(c.id) < place.index(f"check-{checked[1]}-answer")
        assert c.metadata["tags"] == ["remove-cell" if checked[2] else "hide-cell"]
        assert len(c.source.splitlines()) <= 15
        own, tree = {f"checked-{checked[1]}", f"checked-{checked[1]}-said"}, ast.parse(c.source)
        nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
        made = {n.id for n in nodes if isinstance(n.ctx, ast.Store)} - within_comprehensions(tree)
        for other in cells:
            if other.id not in own:
                loaded = before_it_is_made(ast.parse(other.source), made)
                assert not loaded, f"{other.id} uses {loaded} of {c.id}"


def within_comprehensions(tree):
    """Names that only live inside a comprehension."""
    kinds = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    made = [n.generators for n in ast.walk(tree) if isinstance(n, kinds)]
    return {
        n.id
        for some in made
        for one in some
        for n in ast.walk(one.target)
        if isinstance(n, ast.Name)
    }


def before_it_is_made(tree, names):
    """Which of these names a cell reads before it has given them a value itself."""
    read, written = set(), set()
    for statement in tree.body:
        nodes = [n for n in ast.walk(statement) if isinstance(n, ast.Name) and n.id in names]
        stored = {n.id for n in nodes if isinstance(n.ctx, ast.Store)}
        stored |= {n.arg for n in ast.walk(statement) if isinstance(n, ast.arg)}
        read |= {n.id for n in nodes if isinstance(n.ctx, ast.Load)} - written - stored
        written |= stored
    return read


@each_chapter
def test_answers_by_letter_are_among_the_choices(name):
    for question, answer in checks(name):
        choices = re.findall(r"(?m)^(?:- )?\*\*([a-d])\.\*\*", question)
        letter = re.match(r"\*\*([a-d])\*?\*?\b", ANSWER.match(answer)[1])
        assert bool(choices) == bool(letter), (name, question)
        assert not letter or letter[1] in choices


def test_answers_computed_for_reading():
    names = run("reading-a-unit", "open", "choose", "listen", "field", "checked-1", "checked-2")
    whole = abs(names["at_place"][2] - names["at_place"][0])
    assert 0 < names["corner_moves"].max() < whole / 2  # a corner is not the box
    mean = (20 - 48 * 0.5) / 49  # one place of 49
    assert names["two_numbers"]["a dog"]["mean"] == pytest.approx(mean)
    assert mean < 0 < 0.5 < 20  # so the two numbers rank the two images in opposite orders


def test_answers_computed_for_opponent_responses():
    names = run("opponent-responses", "checked-1", "checked-2")
    first, then = names["added"].values()
    assert first["share"] == pytest.approx(0.5, abs=0.01)
    assert then["share"] == pytest.approx(0.25, abs=0.01)
    assert max(abs(first["contrast"]), abs(then["contrast"])) < 0.01
    assert names["moved_by"]["before"].mean() > 0.005 and names["moved_by"]["after"].max() == 0


def test_answers_computed_for_category_selectivity():
    names = run("category-selectivity", "checked-1", "checked-2", "checked-4")
    passed = {n: row["share as printed"] for n, row in names["ignored"].items()}
    assert passed == {4: 1, 50: 1, 200: 0}  # 1/4 and 1/50 are above 0.01, 1/200 is not
    lucky = [row["contrast"] for row in names["ignored"].values()]
    assert 0.2 < min(lucky) and max(lucky) < 0.5 and max(lucky) - min(lucky) < 0.15
    chose = {sizes: pair[0] for sizes, pair in names["luckiest"].items()}
    assert chose[100, 1000] > chose[100, 100] > chose[1000, 100]  # units raise it, images lower it
    assert chose[1000, 1000] < chose[100, 100]
    assert all(pair[1] == pytest.approx(0.5, abs=0.05) for pair in names["luckiest"].values())
    tosses = np.arange(101)  # the largest of 58, from its distribution function
    below = stats.binom.cdf(tosses, 100, 0.5) ** 58
    expected = (tosses * np.diff(below, prepend=0)).sum() / 100
    assert names["best_of_58"].mean() == pytest.approx(expected, abs=0.002)


def test_answers_computed_for_facets():
    names = run("single-multi-faceted", "planted", "checked-1", "checked-2", "checked-4")
    few, many = names["twice"][20], names["twice"][40]
    assert few["gini"] == pytest.approx(0.5) and many["gini"] == pytest.approx(0.75)
    assert many["flatness"] < few["flatness"] and many["degree"] < few["degree"]
    assert few["effective classes"] == pytest.approx(many["effective classes"], rel=1e-3)
    pairs_and_singles = [
        (2 ** (np.log(m) / np.log(500)) - 1) / (1 - m / 500) for m in (50, 100)
    ]  # equal classes
    assert names["two_each"] == pytest.approx(pairs_and_singles, abs=0.001)
    assert names["one_label"] == 1 and 50 < names["any_breed"] < 70


def test_shuffled_labels_leave_ranks_and_take_the_null():
    from helpers import open_study
    from helpers.claims.counts import unit_facets

    google = open_study("googlenet")
    units = unit_facets(google)
    first = units[units.layer == units.layer.iloc[0]]
    names = run(
        "single-multi-faceted", "checked-3", google=google, google_units=units, first_layer=first
    )
    true, shuffled = names["p_values"].values()
    assert true["smallest p_rank"] == shuffled["smallest p_rank"] == 1 / len(first)
    assert max(true["smallest p_normal"], shuffled["smallest p_normal"]) < 0.05
    assert shuffled["units with p_labels < .05"] < 0.3 < true["units with p_labels < .05"]


def test_answers_computed_for_colour_and_class():
    names = run("color-and-class", "planted", "checked-1", "checked-3", "checked-4")
    sharp, tenth, lighter = names["blur_index"].values()
    assert tenth == pytest.approx(sharp, abs=0.01) and sharp > 0.5 and lighter < 0.1
    luck = names["from_luck"]
    fewer, more = luck["20 classes"], luck["1,000 classes"]
    assert (100 - 20) / 99 < fewer["by luck"] < fewer["index"] == pytest.approx(0.86, abs=0.002)
    assert more["index"] == pytest.approx(0.40, abs=0.005)
    assert more["corrected"] > fewer["corrected"]
    mixed, even = class_selectivity(names["two_rows"]).tolist()
    assert mixed == pytest.approx((100 - 41) / 99) and mixed < 0.6 < even
    assert names["two_rows"].sum(1).tolist() == pytest.approx([1, 1])


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
