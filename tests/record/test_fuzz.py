"""Damaged and hostile files, thousands of them, and properties of records that any numbers must have.

`FUZZ_CASES=20000` (`make fuzz`) reads that many damaged files instead of 3,000; see `fuzzing.py`.
"""

import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.errors import SelectivityError
from helpers.record import Record
from helpers.record.store import FORMAT, LISTS, read_tensors, write_tensors
from helpers.record.toplist import RankedList
from tests.planted import planted_layer
from tests.record.fuzzing import READERS, tensors_of

pytestmark = pytest.mark.usefixtures("one_thread")
CASES = int(os.environ.get("FUZZ_CASES", 3000))
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory, repository):
    """{reader: what its cases came to}, from one process that is left to die of them."""
    pytest.importorskip("resource")
    folder = tmp_path_factory.mktemp("fuzz")
    each = max(1, CASES // len(READERS))
    with open(folder / "says", "w") as says:  # the decoders' own libraries say much
        ended = subprocess.run(
            [sys.executable, "-m", "tests.record.fuzzing", folder / "files", "0", str(each), *READERS],
            cwd=repository, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True,
            stdout=subprocess.PIPE, stderr=says, timeout=120 + CASES / 10,
        )  # fmt: skip
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    told = (folder / "says").read_text(errors="replace")[-1500:]
    case = (folder / "files" / "case").read_text()
    return (
        {line["reader"]: line for line in lines},
        each,
        f"status {ended.returncode} at {case}: {told}",
    )


@pytest.mark.timeout(600 + CASES)
@pytest.mark.parametrize("reader", READERS)
def test_damaged_files_are_read_rightly_or_refused_in_one_line(fuzzed, reader):
    """No other exception, no crash, no case of 10 seconds, no 2 GB more memory."""
    found, each, told = fuzzed
    assert reader in found, told
    assert found[reader]["cases"] == each
    print(found[reader])  # shown by pytest -rP
    # Some mutations hurt nothing; a fuzz that is refused whole would test the door only.
    if reader in ("images", "old", "old-slim", "hostile", "shards", "weights") and each >= 100:
        assert 0 < found[reader]["read"] < each


# --- records of any numbers ---

numbers = st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, -0.0, 1.0, 1e-40])


@st.composite
def tables(draw):
    """(responses, classes, class names, k): what a record is made of; ties are frequent."""
    n, units = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    class_names = draw(st.lists(st.text(max_size=5), min_size=1, max_size=4, unique=True))
    classes = draw(st.lists(st.integers(0, len(class_names) - 1), min_size=n, max_size=n))
    row = st.lists(numbers, min_size=units, max_size=units)
    table = torch.tensor(draw(st.lists(row, min_size=n, max_size=n)))
    responses = {"max": table, "min": -table.flip(0), "mean": table.flip(1)}
    return responses, np.array(classes), class_names, draw(st.integers(1, n + 3))


def made(table, keep=None) -> Record:
    """The record of the images `keep` of a table, all without it."""
    responses, classes, class_names, k = table
    keep = np.arange(len(classes)) if keep is None else np.array(keep, dtype=np.int64)
    part = {s: r[keep] for s, r in responses.items()}
    layer = planted_layer("a", part, classes[keep], len(class_names), k)
    for which in LISTS:
        setattr(
            layer,
            which,
            _padded(getattr(layer, which), keep, min(k, 20) if which == "near_zero" else k),
        )
    for s in layer.responses:
        layer.responses[s] = torch.full_like(responses[s], torch.nan)
        layer.responses[s][keep] = responses[s][keep]
    metadata = {
        "network": {"name": "n", "weights": "w", "preprocessing": "p"},
        "images": {"name": "i", "class_names": class_names, "digest": "d"},
        "k": k, "skipped": [], "software": {},
    }  # fmt: skip
    recorded = np.isin(np.arange(len(classes)), keep)
    return Record(metadata, {"a": layer}, [str(i) for i in range(len(classes))], classes, recorded)


def _padded(ranked, keep, k):
    """A list of a part, with the numbers that its images have in the whole, k entries long."""
    ranked = ranked.first(k)
    missing = k - ranked.images.shape[1]
    pad = torch.nn.functional.pad
    return RankedList(
        pad(ranked.values, (0, missing), value=torch.nan),
        pad(torch.from_numpy(keep)[ranked.images], (0, missing), value=-1),
        pad(ranked.positions[:, : k - missing], (0, 0, 0, missing), value=-1),
    )


def same(one, other, exact=True):
    """All numbers equal, bit by bit; without `exact`, sums and signs of zero up to rounding."""
    assert one.names == other.names and one.class_names == other.class_names
    assert np.array_equal(one.recorded, other.recorded) and torch.equal(one.counts, other.counts)
    its, theirs = tensors_of(one["a"]), tensors_of(other["a"])
    assert its.keys() == theirs.keys()
    for key, tensor in its.items():
        if exact:
            assert tensor.numpy().tobytes() == theirs[key].numpy().tobytes(), key
        elif key.startswith("sums"):
            torch.testing.assert_close(tensor, theirs[key], rtol=1e-9, atol=1e-6)
        else:
            torch.testing.assert_close(tensor, theirs[key], rtol=0, atol=0, equal_nan=True, msg=key)


@quick
@given(tables())
def test_any_record_survives_its_file_bit_by_bit(tmp_path_factory, table):
    folder, record = tmp_path_factory.getbasetemp(), made(table)
    record.save(folder / "one")
    again = Record.load(folder / "one")
    same(record, again)
    again.save(folder / "two")
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()


@quick
@given(tables(), st.randoms(use_true_random=False))
def test_merged_parts_are_the_whole_in_any_order(table, random):
    n = len(table[1])
    owner = np.array([random.randrange(3) for _ in range(n)])
    parts = [made(table, np.flatnonzero(owner == i)) for i in range(3)]
    whole = made(table)
    same(whole, parts[0].merge(parts[1]).merge(parts[2]), exact=False)
    same(whole, parts[2].merge(parts[0].merge(parts[1])), exact=False)


@quick
@given(tables())
def test_selecting_all_classes_in_order_changes_nothing(table):
    record = made(table)
    same(record, record.select(range(len(record.class_names))), exact=False)


# --- headers of any kind ---

texts = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@quick
@given(st.dictionaries(texts, values, max_size=4), st.lists(st.integers(0, 3), max_size=3))
def test_any_metadata_and_shape_survive_the_file(tmp_path_factory, about, shape):
    path = tmp_path_factory.getbasetemp() / "any"
    about |= {"format": FORMAT}
    tensor = torch.arange(int(np.prod(shape))).reshape(shape)
    write_tensors(path, {"x": tensor}, about)
    found, tensors = read_tensors(path, FORMAT)
    assert found == about and torch.equal(tensors["x"], tensor)


@settings(quick, max_examples=300)
@given(st.binary(max_size=80) | values.map(lambda value: json.dumps(value).encode()), st.booleans())
def test_any_bytes_are_refused_in_one_line(tmp_path_factory, content, framed):
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes((struct.pack("<Q", len(content)) if framed else b"") + content)
    with pytest.raises(SelectivityError) as error:
        Record.load(path)
    assert len(str(error.value).splitlines()) == 1


@settings(quick, max_examples=300)
@given(values)
def test_any_metadata_of_a_record_are_refused_in_one_line(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "about"
    about = json.dumps(value if not isinstance(value, dict) else value | {"format": FORMAT})
    header = json.dumps({"__metadata__": {"metadata": about}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(SelectivityError) as error:
        Record.load(path)
    assert len(str(error.value).splitlines()) == 1
