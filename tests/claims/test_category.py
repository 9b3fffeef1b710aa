"""Each claim of paper 2 holds on units made to bear it out, and fails on units made not to."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import claims, open_study
from helpers.claims import FAILS, HOLDS, UNDECIDED, UNTESTED, measure_claims
from helpers.claims import category as of_paper_2
from helpers.claims.depth import convolutions, third
from helpers.claims.faces import (
    FEWEST,
    FOUR,
    best_face_units,
    face_units,
    four,
    four_units,
    pairs,
    rivals,
    within_classes,
    within_sources,
)
from helpers.selectivity.category import category_auc
from tests.planted import planted_study

THINGS = tuple(f"thing{i}" for i in range(18))
NAMES = (*FOUR, "object", "Faces", *THINGS)
PER_CLASS = 30
CLASSES = np.repeat(np.arange(len(NAMES)), PER_CLASS)
UNITS = 20


pytestmark = pytest.mark.usefixtures("one_thread")


def noise(seed=0, units=UNITS):
    return torch.randn(len(CLASSES), units, generator=torch.Generator().manual_seed(seed))


def units(*names, seed=0, n=UNITS, spread=0.01, by=3.0, **more):
    """(N, n): units that answer to the named classes by 3, and to classes of `more` by what it says.

    i-see-face is written illusion, a class with no good name for Python.
    """
    found = spread * noise(seed, n)
    for name, strength in {**dict.fromkeys(names, by), **more}.items():
        number = NAMES.index("i-see-face" if name == "illusion" else name)
        found[CLASSES == number] += strength
    return found


def layer(*groups):
    """A layer of the groups, and of one unit that gives it its range and knows no class."""
    alternating = torch.tensor([3.0, -3.0]).repeat(len(CLASSES) // 2)[:, None]
    return torch.cat([*groups, alternating], 1)


QUIET = layer(units(seed=9))
FC = layer(units(seed=8))


def study_of(name="planted", **layers):
    """A study of the given layers; three convolutions and an output layer, quiet if not given."""
    layers = {"conv1": QUIET, "conv2": QUIET, "conv3": QUIET, "fc": FC, **layers}
    made = {n: {"max": r, "mean": r - 1, "min": r - 2} for n, r in layers.items()}
    return planted_study(made, CLASSES, NAMES, name)


def row_of(claim, study):
    (found,) = [c for c in of_paper_2.CLAIMS if c.id == "category." + claim]
    return found.row(study)


def verdict(claim, study):
    row = row_of(claim, study)
    assert row["words"] and set(row) >= {"id", "paper", "statement", "measured", "null", "verdict"}
    return row["verdict"]


@pytest.fixture
def untrained(monkeypatch):
    """Before training no unit is selective for anything."""
    quiet = study_of()
    monkeypatch.setattr(of_paper_2.studies, "untrained_of", lambda study: quiet)
    noisy = study_of(conv1=noise(1), conv2=noise(2), conv3=noise(3))
    monkeypatch.setattr(of_paper_2, "best_untrained", lambda study: best_face_units(noisy))
    return noisy


def test_every_claim_of_paper_2_is_a_claim_of_the_book():
    mine = [claim for claim in claims.CLAIMS if claim.paper == "2"]
    assert mine == list(of_paper_2.CLAIMS)
    assert len({claim.id for claim in claims.CLAIMS}) == len(claims.CLAIMS)


def test_what_counts_as_selective_and_which_layers_are_low():
    study = study_of(conv1=layer(units("car", n=4), units("face", "dog", seed=1, n=3)))
    table = of_paper_2.passing(four_units(study))
    of_first = table[table["layer"] == "conv1"]
    assert of_first[list(FOUR)].sum().to_dict() == {"face": 3, "i-see-face": 0, "car": 4, "dog": 3}
    assert convolutions(study.record) == ["conv1", "conv2", "conv3"]
    names = list("abcdefgh")
    assert third(names, 0) == list("abc") and third(names, -1) == list("fgh")
    assert third(["a"], 0) == third(["a"], -1) == ["a"]


@pytest.mark.parametrize(("claim", "of"), [("cars-low", "car"), ("illusions-low", "illusion")])
def test_many_in_low_layers(untrained, claim, of):
    assert verdict(claim, study_of(conv1=layer(units(of)))) == HOLDS
    assert verdict(claim, study_of(conv3=layer(units(of)))) == FAILS
    mixed = layer(units(of, n=10), units("face", seed=1, n=10), units("dog", seed=2, n=10))
    assert verdict(claim, study_of(conv1=mixed)) == UNDECIDED  # as many for each
    assert verdict(claim, study_of(conv1=layer(units("face", "dog")))) == FAILS


@pytest.mark.parametrize(("claim", "of"), [("cars-lower", "car"), ("illusions-lower", "illusion")])
def test_more_in_low_than_in_high_layers(untrained, claim, of):
    assert verdict(claim, study_of(conv1=layer(units(of)))) == HOLDS
    assert verdict(claim, study_of(conv3=layer(units(of)))) == FAILS
    everywhere = layer(units(of, n=10), units(seed=1, n=10))
    assert verdict(claim, study_of(conv1=everywhere, conv3=everywhere)) == UNDECIDED


def test_dogs_outnumber_faces(untrained):
    dogs, faces = layer(units("dog")), layer(units("face"))
    assert verdict("dogs-outnumber-faces", study_of(conv1=faces, conv2=dogs, conv3=dogs)) == HOLDS
    assert verdict("dogs-outnumber-faces", study_of(conv1=faces, conv2=faces)) == FAILS
    assert verdict("dogs-outnumber-faces", study_of(conv1=dogs, conv2=faces)) == UNDECIDED


def with_dogs(n):
    """A study in which n of 20 units of conv3 are for dogs."""
    return study_of(conv3=layer(units("dog", n=n), units(seed=1, n=UNITS - n)))


@pytest.mark.parametrize(
    ("fine", "merged", "wanted"),
    [
        ((20, 20), (0, 0), HOLDS),
        ((0, 0), (20, 20), FAILS),
        ((10, 10), (10, 10), UNDECIDED),
        ((20, 4), (0, 5), FAILS),  # more on average, but not in both seeds
    ],
)
def test_dogs_by_labels(monkeypatch, fine, merged, wanted):
    kept = {
        f"worldnet-{labels}{seed}-faces": with_dogs(n)
        for labels, numbers in (("fine", fine), ("dogs-merged", merged))
        for seed, n in zip(("", "-s1"), numbers, strict=True)
    }
    monkeypatch.setattr(of_paper_2.studies, "open_study", kept.__getitem__)
    assert verdict("dogs-by-labels", study_of(name="world")) == wanted
    assert verdict("dogs-by-labels", study_of()) == UNTESTED


def test_faces_in_the_fully_connected_layers():
    faces = layer(units("face"))

    def study(**layers):
        """The layer without a map is hidden: an output layer follows."""
        return study_of(**layers, out=QUIET)

    assert verdict("faces-fully-connected", study(fc=faces)) == HOLDS
    assert verdict("faces-fully-connected", study(conv2=faces)) == FAILS
    assert verdict("faces-fully-connected", study(conv2=faces, fc=faces)) == UNDECIDED
    assert verdict("faces-fully-connected", study_of(conv2=faces)) == UNTESTED  # fc is the output


def test_faces_in_the_last_convolutions(untrained, monkeypatch):
    faces = layer(units("face"))
    late = study_of(conv3=faces)
    assert verdict("faces-late", late) == HOLDS
    assert verdict("faces-late", study_of(conv1=faces, conv2=faces)) == FAILS
    # As many before training: nothing that training brought.
    monkeypatch.setattr(of_paper_2.studies, "untrained_of", lambda study: late)
    assert verdict("faces-late", study_of(conv3=faces)) != HOLDS


def test_faces_without_a_class(untrained):
    hidden = study_of(conv1=noise(4), conv2=noise(5) + units("face", spread=0), conv3=noise(6))
    assert verdict("faces-without-class", hidden) == HOLDS
    blind = study_of(conv1=noise(4), conv2=noise(5), conv3=noise(6))
    assert verdict("faces-without-class", blind) in (FAILS, UNDECIDED)
    assert row_of("faces-without-class", blind)["value"] == pytest.approx(0, abs=0.1)
    # An output that answers to faces is a class of faces, no hidden detector.
    output = study_of(
        conv1=noise(4), conv2=noise(5), conv3=noise(6), fc=noise(7) + units("face", spread=0)
    )
    assert verdict("faces-without-class", output) != HOLDS


def test_an_untrained_network_with_as_good_units_is_no_evidence(monkeypatch):
    good = study_of(conv1=noise(4), conv2=noise(5) + units("face", spread=0), conv3=noise(6))
    monkeypatch.setattr(of_paper_2, "best_untrained", lambda study: best_face_units(good))
    assert verdict("faces-without-class", good) == FAILS


def test_class_sizes():
    """Only where all answers, or none, fall on faces does the share not depend on their number."""
    face = torch.from_numpy(CLASSES == 0)[:, None]
    strength = 1 + noise(1).abs()
    all_or_none = torch.cat([strength * face, strength * ~face], 1)
    alike = dict.fromkeys(("conv1", "conv2", "conv3", "fc"), all_or_none)
    assert verdict("class-sizes", study_of(**alike)) == HOLDS
    noisy = {f"conv{i}": noise(i) for i in (1, 2, 3)}
    row = row_of("class-sizes", study_of(**noisy, fc=noise(4)))
    assert row["verdict"] == FAILS and row["value"] > 1


def test_a_threshold_on_the_share():
    strength = 1 + noise(1).abs()
    one_only = torch.cat([strength * torch.from_numpy(CLASSES == c)[:, None] for c in range(4)], 1)
    alike = dict.fromkeys(("conv1", "conv2", "conv3", "fc"), one_only)
    row = row_of("threshold", study_of(**alike))
    assert row["verdict"] == HOLDS and row["value"] == 0.75
    noisy = {f"conv{i}": noise(i) for i in (1, 2, 3)}
    row = row_of("threshold", study_of(**noisy, fc=noise(4)))
    assert row["verdict"] == FAILS and row["value"] == 0 and row["null"] != row["measured"]


def test_illusory_faces():
    answers = {"face": 6.0, "illusion": 2.0, "object": 0.0}
    shown = layer(units(**answers, spread=1.0))
    assert verdict("illusions", study_of(conv3=shown)) == HOLDS
    answers = {"face": 6.0, "illusion": 0.0, "object": 2.0}
    assert verdict("illusions", study_of(conv3=layer(units(**answers, spread=1.0)))) == FAILS
    assert verdict("illusions", study_of(conv3=layer(units("face", spread=1.0)))) == UNDECIDED


def test_illusory_faces_and_face_units_in_particular():
    def study(of_face_units, of_others):
        chosen = units(face=8.0, illusion=of_face_units, spread=1.0)
        others = units(illusion=of_others, spread=1.0, seed=1)
        return study_of(conv3=torch.cat([chosen, others], 1))

    assert verdict("illusions-in-particular", study(2.0, 0.0)) == HOLDS
    assert verdict("illusions-in-particular", study(0.3, 3.0)) == FAILS
    # Everyone prefers them alike: true of face units, nothing about them in particular.
    everyone = study(1.0, 1.0)
    assert verdict("illusions", everyone) == HOLDS
    assert verdict("illusions-in-particular", everyone) in (UNDECIDED, FAILS)


def test_units_that_prefer_faces_to_all_else():
    faces = layer(units("face", "Faces"))
    assert verdict("concept", study_of(conv3=faces)) == HOLDS
    things = dict.fromkeys(THINGS[:9], 6.0)
    assert verdict("concept", study_of(conv3=layer(units("face", "Faces", **things)))) == FAILS


def test_simple_classes_lie_low():
    """Twelve classes have a look of their own; their units lie in the first layer, or in the last."""
    statistics = torch.randn(len(CLASSES), 6, generator=torch.Generator().manual_seed(3)).double()
    for number in range(12):
        statistics[CLASSES == number, number % 6] += 4 + number

    def study(low, high):
        groups = [
            layer(*(units(NAMES[c] if c != 1 else "illusion", seed=c, n=2) for c in some))
            for some in (low, high)
        ]
        made = study_of(conv1=groups[0], fc=groups[1])
        made.__dict__["image_statistics"] = statistics
        return made

    simple, difficult = range(12), range(12, 24)
    assert verdict("simple-is-low", study(simple, difficult)) == HOLDS
    assert verdict("simple-is-low", study(difficult, simple)) == FAILS
    even, odd = range(0, 24, 2), range(1, 24, 2)
    assert verdict("simple-is-low", study(even, odd)) == UNDECIDED
    assert verdict("simple-is-low", study_of()) == UNTESTED  # no images to look at


def test_studies_that_lack_what_a_claim_is_about():
    made = {"conv": {s: noise() for s in ("max", "mean", "min")}}
    strange = planted_study(made, CLASSES, [f"thing{i}" for i in range(24)])
    assert {row["verdict"] for row in measure_claims(strange, paper="2")} == {UNTESTED}
    no_objects = planted_study(
        {n: {s: noise(i)[:120] for s in ("max", "mean", "min")} for i, n in enumerate(("a", "fc"))},
        CLASSES[:120], FOUR,
    )  # fmt: skip
    for claim in ("illusions", "illusions-in-particular", "concept", "simple-is-low", "faces-late"):
        assert verdict(claim, no_objects) == UNTESTED
    assert verdict("threshold", no_objects) == FAILS


@pytest.mark.parametrize("claim", [c.id.removeprefix("category.") for c in of_paper_2.CLAIMS])
def test_a_record_without_single_responses_gives_no_error(claim):
    study = study_of(conv1=noise(1), conv2=noise(2), conv3=noise(3))
    for name in study.record.layers:
        study.record[name].responses = {}
    assert verdict(claim, study) in (UNTESTED, HOLDS, FAILS, UNDECIDED)


def test_every_unit_a_face_unit():
    """A layer of ten units or fewer leaves no other units to compare with: no error."""
    small = units("face", n=4, illusion=1.0)
    study = planted_study(
        {n: {"max": small, "mean": small - 1, "min": small - 2} for n in ("conv1", "fc")},
        CLASSES, NAMES,
    )  # fmt: skip
    for claim in ("illusions", "illusions-in-particular", "concept"):
        assert verdict(claim, study) in (HOLDS, UNTESTED, UNDECIDED)


def test_a_wider_study_without_the_layers_of_the_face_units(monkeypatch):
    faces = study_of(conv3=layer(units("face", "Faces")))
    wide = planted_study(
        {"other": {s: noise() for s in ("max", "mean", "min")}}, CLASSES,
        ["Faces", *(f"thing{i}" for i in range(23))],
    )  # fmt: skip
    monkeypatch.setattr(of_paper_2.studies, "faces_of", lambda study: faces)
    assert verdict("concept", wide) == UNTESTED


def test_face_units_are_chosen_without_illusory_faces_and_objects():
    detectors = units("face", n=12)
    lures = units("face", "car", illusion=30.0, seed=1)  # cars as much as faces
    study = study_of(conv2=torch.cat([lures, detectors], 1), fc=units("face"))
    found = face_units(study)
    assert set(found["layer"]) == {"conv2"} and len(found) == 12  # outputs do not count
    assert sorted(found["unit"]) == list(range(UNITS, UNITS + 12)) and (found["auc"] == 1).all()
    # Where no unit is good, the best ten.
    weak = face_units(study_of(conv1=noise(1), conv2=noise(2), conv3=noise(3)))
    assert len(weak) == FEWEST and weak["auc"].is_monotonic_decreasing and weak["auc"][0] < 0.9


def test_pairs_are_in_the_order_of_the_images():
    study = study_of(conv3=layer(units("face")))
    chosen = face_units(study)
    first, second = pairs(study, chosen)
    responses = study.record["conv3"].responses["max"][:, chosen["unit"].tolist()]
    assert torch.equal(first, responses[CLASSES == 1]) and torch.equal(
        second, responses[CLASSES == 4]
    )


def test_four_holds_each_category_against_the_other_three():
    study = study_of(conv1=noise(1))
    record = four(study)
    assert record.class_names == FOUR and record.counts.tolist() == [PER_CLASS] * 4
    table = four_units(study)
    row = table.query("layer == 'conv1' and unit == 3 and category == 'dog'").iloc[0]
    kept = CLASSES < 4
    responses = noise(1)[kept][:, [3]]
    member = torch.from_numpy(CLASSES[kept] == 3)
    assert row["auc"] == pytest.approx(category_auc(responses, member).item())
    assert row["stage"] == "conv1"


@pytest.fixture(scope="module")
def world():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SELECTIVITY_HOME", raising=False)
        yield open_study("world")


def test_what_drives_the_world_s_face_units(world):
    some = face_units(world)[:3]
    found = rivals(world, some)
    visible = np.asarray(world.images.truth["face"], dtype=bool)
    names, classes = world.record.class_names, world.record.classes
    for row in found.itertuples():
        responses = world.record[row.layer].responses["max"][:, row.unit].double().numpy()
        means = np.array([responses[(classes == c) & ~visible].mean() for c in range(len(names))])
        assert row.rival == names[means.argmax()]
        assert row.inversions == pytest.approx((means > responses[visible].mean()).mean())
    table = within_classes(world, some)
    assert table.index.tolist() == some.index.tolist()
    assert set(table.columns) == {names[c] for c in np.unique(classes[visible])}
    hat = table.columns[0]
    of_class = classes == names.index(hat)
    one = some.iloc[0]
    responses = world.record[one["layer"]].responses["max"][of_class][:, [one["unit"]]]
    wanted = category_auc(responses, torch.from_numpy(visible[of_class]))
    assert table[hat].iloc[0] == pytest.approx(wanted.item())


def test_the_shipped_real_network():
    rows = measure_claims(open_study("googlenet"), paper="2")
    assert len(rows) >= len(of_paper_2.CLAIMS)
    measured = [row for row in rows if row["verdict"] != UNTESTED]
    assert len(measured) >= 9
    for row in measured:
        low, high = row["interval"]
        assert low <= row["value"] <= high and row["measured"] and row["null"]
    for row in rows:
        assert row["words"] and "\n" not in row["words"]


def test_faces_within_one_collection_by_hand():
    """GoogLeNet's photographs are named by collection; a study of one collection has no such names."""
    study = open_study("googlenet")
    units = face_units(study)[:5]
    table = within_sources(study, units)
    assert set(table) == {
        "illusoryeeg: face, i-see-face", "illusoryeeg: face, object", "naturalimages: face, dog",
    }  # fmt: skip
    record = open_study("googlenet-faces").record
    unit = units.iloc[2]
    values = record[unit.layer].responses["max"][:, unit.unit].numpy()
    names = record.names
    faces = [values[i] for i, n in enumerate(names) if n.startswith("face/illusoryeeg")]
    objects = [values[i] for i, n in enumerate(names) if n.startswith("object/illusoryeeg")]
    wins = np.mean([(f > o) + 0.5 * (f == o) for f in faces for o in objects])
    assert table["illusoryeeg: face, object"].iloc[2] == pytest.approx(wins, abs=1e-12)


def test_rivals_without_a_category_leave_its_classes_out():
    study = open_study("googlenet")
    units = face_units(study)
    dogs = {n for n, d in zip(study.record.class_names, study.category("dog")[0], strict=True) if d}
    assert dogs & set(rivals(study, units)["rival"])
    assert not dogs & set(rivals(study, units, without="dog")["rival"])


def depth_and_strength(strength):
    """A study of twelve layers; `strength` of the detectors in each, by its place."""
    layers = {}
    for place in range(12):
        by = strength(place)
        layers[f"conv{place:02d}"] = layer(
            *(
                units(name, n=5, seed=10 * place + k, spread=1.0, by=by)
                for k, name in enumerate(FOUR)
            )
        )
    return study_of(**layers)


def test_a_layer_choice_that_depth_could_not_make():
    """Strong layers first, weak ones last: the index finds the good ones, depth the bad ones."""
    early = depth_and_strength(lambda place: 2.2 - 0.2 * place)
    assert verdict("layer-choice", early) == HOLDS
    assert verdict("layer-choice-beyond-depth", early) == HOLDS


def test_a_layer_choice_that_depth_makes_as_well():
    late = depth_and_strength(lambda place: 0.2 * place)
    assert verdict("layer-choice", late) == HOLDS
    assert verdict("layer-choice-beyond-depth", late) in (FAILS, UNDECIDED)


@pytest.mark.parametrize("claim", ["selected-help", "combined-help", "beat-last", "beat-hidden"])
def test_probes_are_judged_over_the_hard_tasks(claim, monkeypatch):
    """Gains planted in the shipped table decide the verdict; an easy task has no say."""
    world = open_study("world")
    shipped = of_paper_2.open_probes()
    for by, wanted in ((0.1, HOLDS), (-0.1, FAILS)):
        hard = shipped.tasks.hard.astype(bool)
        gains = np.where(hard, by, -100 * by)
        planted = type(shipped)(shipped.tasks, {}, shipped.about)
        monkeypatch.setattr(
            type(planted),
            "mean_differences",
            lambda self, *arms, g=gains: pd.Series(g, self.tasks.index),
        )
        assert verdict(claim, world) == wanted
    assert verdict(claim, study_of(conv1=noise(1))) == UNTESTED


# The author's code, which averages over the map


def by_code(study, **shares):
    """`code_units` of a study: the given share of each layer's units passes, for one category a layer."""
    parts = []
    for name in study.record.layers[:-1]:
        for category in FOUR:
            of, share = shares.get(name, (None, 0.0))
            passes = np.arange(60) < (60 * share if category == of else 0)
            table = {"layer": name, "unit": range(60), "category": category}
            parts.append(pd.DataFrame({**table, "contrast": np.where(passes, 0.02, 0.0)}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("claim", "holds", "fails"),
    [
        ("cars-low", {"conv1": ("car", 0.5)}, {"conv1": ("dog", 0.5)}),
        ("illusions-low", {"conv1": ("i-see-face", 0.5)}, {"conv1": ("face", 0.5)}),
        ("cars-lower", {"conv1": ("car", 0.5)}, {"conv3": ("car", 0.5)}),
        ("illusions-lower", {"conv1": ("i-see-face", 0.5)}, {"conv3": ("i-see-face", 0.5)}),
        ("dogs-outnumber-faces", {"conv2": ("dog", 0.5)}, {"conv2": ("face", 0.5)}),
        ("faces-late", {"conv3": ("face", 0.5)}, {"conv1": ("face", 0.5)}),
    ],
)
def test_claims_by_the_code(claim, holds, fails):
    study = study_of()
    for shares, wanted in ((holds, HOLDS), (fails, FAILS)):
        tables = by_code(study, **shares), by_code(study)
        reading = tuple((lambda _, table=table: table) for table in tables)
        assert READ_BY[claim](study, reading).verdict == wanted
    assert row_of(f"{claim}-code", study)["verdict"] == UNTESTED  # no images, no network, no table


READ_BY = {
    "cars-low": lambda study, how: of_paper_2.more_in_low_layers(study, "car", how),
    "illusions-low": lambda study, how: of_paper_2.more_in_low_layers(study, "i-see-face", how),
    "cars-lower": lambda study, how: of_paper_2.lower_than_higher(study, "car", how),
    "illusions-lower": lambda study, how: of_paper_2.lower_than_higher(study, "i-see-face", how),
    "dogs-outnumber-faces": of_paper_2.dogs_outnumber_faces,
    "faces-late": of_paper_2.late_layers,
}
