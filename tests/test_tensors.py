"""Safetensors files: values come back bit for bit, as the format's own library sees them, and nothing is believed."""

from __future__ import annotations

import json
import os
import random
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pellucid.core.dtypes import DTYPES
from pellucid.core.errors import InputError, ModelFileError, OutputFolderError
from pellucid.tensors import LARGEST_HEADER, read_tensors, write_tensors

SHORT, LONG, PART = 2_000, 200_000, 20_000
STORED = (*DTYPES, "int8", "int16", "uint16", "uint64", "float16", "complex64")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = texts.filter(lambda name: name != "__metadata__")
tensors = st.sampled_from(STORED).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)


def same(found, expected):
    """Whether two arrays are the same in dtype, shape and every bit."""
    return (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def encoded(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@given(st.dictionaries(names, tensors, max_size=5), st.dictionaries(texts, texts, max_size=4))
def test_what_is_written_is_read_here_and_by_the_formats_own_library(written, metadata):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write_tensors(path, written, metadata)
        found, said = read_tensors(path)
        assert said == metadata
        assert list(said) == list(metadata)
        assert found.keys() == written.keys()
        assert all(same(found[name], written[name]) for name in written)
        assert all(a.flags.writeable and a.flags.aligned and a.flags.c_contiguous for a in found.values())
        other = safetensors.numpy.load(path.read_bytes())
        assert all(same(other[name], written[name]) for name in written)
        assert path.read_bytes()[8:9] == b"{"
        assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0


@given(st.dictionaries(names, tensors, max_size=5), st.dictionaries(texts, texts, max_size=4))
def test_what_the_formats_own_library_writes_is_read(written, metadata):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(safetensors.numpy.save(written, metadata or None))
        found, said = read_tensors(path)
        assert said == metadata
        assert all(same(found[name], written[name]) for name in written)
        assert found.keys() == written.keys()


@pytest.mark.parametrize(("kind", "bits"), [
    ("float32", [0x7FC00001, 0xFFC12345, 0x7F800001, 0x80000000, 0x7F800000, 1]),
    ("float64", [0x7FF8000000000001, 0xFFF0000000000001, 1 << 63, 1]),
])  # fmt: skip
def test_every_bit_of_nan_zero_and_the_smallest_numbers_is_kept(path, kind, bits):
    values = np.array(bits, kind.replace("float", "uint")).view(kind)
    write_tensors(path, {"values": values})
    assert read_tensors(path)[0]["values"].tobytes() == values.tobytes()


def test_arrays_of_any_layout_and_byte_order(path):
    whole = np.arange(24.0).reshape(2, 3, 4)
    given = {
        "T": whole.T,
        "step": whole[:, ::-2],
        "big": whole.astype(">f8"),
        "one": np.broadcast_to(whole[0], (5, 3, 4)),
    }
    write_tensors(path, given)
    found, _ = read_tensors(path)
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.float64


def test_the_same_arrays_give_the_same_bytes_in_any_order(path, tmp_path):
    given = {"b": np.ones(3, "float32"), "a": np.zeros((2, 2)), "c": np.array([True])}
    write_tensors(path, given, {"z": "1", "y": "2"})
    write_tensors(tmp_path / "other", dict(reversed(given.items())), {"z": "1", "y": "2"})
    assert path.read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(("given", "metadata", "said"), [
    ({"__metadata__": 1.0}, {}, "named __metadata__"),
    ({3: 1.0}, {}, "a tensor's name is 3, and text was expected"),
    ({"a\udc80": 1.0}, {}, "halves of surrogate pairs"),
    ({"a": 1j}, {}, "tensor 'a' is complex128, and a safetensors file holds bool"),
    ({"a": "text"}, {}, "tensor 'a' is <U4"),
    ({"a": object()}, {}, "tensor 'a' is object"),
    ({}, {"key": 3}, "the metadata 'key' is 3"),
    ({}, {"key": "\ud800"}, "the metadata 'key' is"),
    ({}, {3: "text"}, "a name in the metadata is 3"),
    ({}, {"key": "x" * LARGEST_HEADER}, "put what is large into a tensor"),
])  # fmt: skip
def test_what_the_format_does_not_have_is_refused_and_the_old_file_stays(path, given, metadata, said):
    path.write_bytes(b"old")
    with pytest.raises(InputError, match=said):
        write_tensors(path, given, metadata)
    assert path.read_bytes() == b"old"


def test_a_link_is_followed_and_what_is_no_file_is_not_replaced(tmp_path, path):
    (tmp_path / "link").symlink_to(path)
    write_tensors(tmp_path / "link", {"a": 1.0})
    assert (tmp_path / "link").is_symlink()
    assert read_tensors(path)[0] == read_tensors(tmp_path / "link")[0] == {"a": 1.0}
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OutputFolderError, match="is no ordinary file, and is not replaced"):
            write_tensors(other, {"a": 1.0})
    with pytest.raises(OutputFolderError, match="cannot be written: No such file or directory"):
        write_tensors(tmp_path / "nowhere" / "file", {"a": 1.0})


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, said in [
        ("nowhere", "cannot be read: No such file"),
        ("", "Is a directory"),
        ("pipe", "no ordinary file"),
    ]:
        with pytest.raises(ModelFileError, match=said):
            read_tensors(tmp_path / name)


def test_a_file_cut_anywhere_or_longer_is_refused(path):
    write_tensors(path, {"W": np.arange(6.0).reshape(2, 3), "b": np.array([True, False])}, {"made": "here"})
    content = path.read_bytes()
    for damaged in [*(content[:end] for end in range(len(content))), content + b"\0"]:
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match=r"model\.safetensors: "):
            read_tensors(path)


BAD = {
    "length": (encoded({}, length=2**63), "9,223,372,036,854,775,808 bytes, and 2 follow"),
    "longest": (encoded({}, length=2**64 - 1), "and 2 follow"),
    "no JSON": (encoded(b"{nonsense}"), "a header that is no JSON"),
    "no object": (encoded(b"[1, 2]"), "a JSON object was expected"),
    "space first": (encoded(b" {}"), "a JSON object was expected"),
    "no header": (encoded(b""), "a JSON object was expected"),
    "two objects": (encoded(b"{}{}"), "no JSON"),
    "no UTF-8": (encoded(b'{"\xff": 1}'), "no JSON"),
    "long number": (encoded(b'{"a": ' + b"1" * 5000 + b"}"), "no JSON"),
    "deep": (encoded(b'{"a":' * 100_000), "nested too deeply"),
    "deep lists": (encoded(b'{"a":' + b"[" * 100_000), "nested too deeply"),
    "twice": (encoded(b'{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a":{}}', b"1"), "names 'a' twice"),
    "twice inside": (encoded(b'{"a":{"dtype":"U8","dtype":"I8","shape":[],"data_offsets":[0,0]}}'), "'dtype' twice"),
    "metadata": (encoded({"__metadata__": {"a": 1}}), "not an object of texts"),
    "metadata list": (encoded({"__metadata__": ["a"]}), "not an object of texts"),
    "name": (encoded(b'{"\\ud800": {}}'), "which is no text"),
    "no entry": (encoded({"a": 1}), "should say dtype, shape and data_offsets of 'a'"),
    "more": (encoded({"a": entry() | {"code": "x"}}, bytes(8)), "should say dtype, shape and data_offsets of 'a'"),
    "dtype": (encoded({"a": entry("F33")}, bytes(8)), "the dtype 'F33'; expected one of BOOL, U8"),
    "dtype list": (encoded({"a": entry(["F32"])}, bytes(8)), "the dtype"),
    "bfloat16": (encoded({"a": entry("BF16", [4])}, bytes(8)), "NumPy has no bfloat16; store it as float32"),
    "negative": (encoded({"a": entry(shape=[-2])}, bytes(8)), "expected at most 64 sizes of 0 or more"),
    "fraction": (encoded({"a": entry(shape=[2.0])}, bytes(8)), "the shape"),
    "truth": (encoded({"a": entry(shape=[2, True])}, bytes(8)), "the shape"),
    "axes": (encoded({"a": entry(shape=[1] * 65, offsets=[0, 4])}, bytes(4)), "expected at most 64 sizes"),
    "overflow": (encoded({"a": entry(shape=[2**62, 2, 2, 2], offsets=[0, 0])}), "larger than any memory"),
    "overflow of nothing": (encoded({"a": entry(shape=[2**62, 8, 0], offsets=[0, 0])}), "larger than any memory"),
    "long size": (encoded({"a": entry(shape=[2**64])}, bytes(8)), "the shape"),
    "size": (encoded({"a": entry(shape=[3])}, bytes(8)), r"the shape \[3\] of F32, which is 12 bytes"),
    "one offset": (encoded({"a": entry(offsets=[0])}, bytes(8)), r"the offsets \[0\]"),
    "backwards": (encoded({"a": entry(offsets=[8, 0])}, bytes(8)), r"the offsets \[8, 0\]"),
    "before": (encoded({"a": entry(offsets=[-8, 0])}, bytes(8)), r"the offsets \[-8, 0\]"),
    "behind": (encoded({"a": entry(offsets=[8, 16])}, bytes(8)), "leaves a gap"),
    "beyond": (encoded({"a": entry(shape=[2**40], offsets=[0, 2**42])}, bytes(8)), "and 8 follow"),
    "overlap": (encoded({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12)), "'b' begin at 4, which overlaps"),
    "same": (encoded({"a": entry(), "b": entry()}, bytes(8)), "'b' begin at 0, which overlaps"),
    "gap": (encoded({"a": entry(), "b": entry(offsets=[9, 17])}, bytes(17)), "'b' begin at 9, which leaves a gap"),
    "unused": (encoded({}, bytes(3)), "the header promises 0 bytes of tensors, and 3 follow"),
    "truth value": (encoded({"a": entry("BOOL", [2], [0, 2])}, b"\1\2"), "holds 2 in 'a', whose values are 0"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=list(BAD))
def test_what_a_file_must_not_say(path, content, said):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=said) as raised:
        read_tensors(path)
    assert str(raised.value).startswith(str(path))
    assert len(str(raised.value)) < len(str(path)) + 400


def test_entries_may_stand_in_another_order_than_their_values(path):
    path.write_bytes(encoded({"b": entry("U8", [2], [1, 3]), "a": entry("U8", [], [0, 1])}, b"\1\2\3"))
    found, _ = read_tensors(path)
    assert {name: array.tolist() for name, array in found.items()} == {"a": 1, "b": [2, 3]}


def test_a_file_that_becomes_shorter_while_it_is_read(path, monkeypatch):
    write_tensors(path, {"a": np.ones(100_000)})
    monkeypatch.setattr("pellucid.tensors._check_layout", lambda *_: os.truncate(path, 500_000))
    with pytest.raises(ModelFileError, match="became shorter while 'a' was read"):
        read_tensors(path)


@pytest.mark.parametrize("content", [
    encoded({"a": entry(shape=[2**40], offsets=[0, 2**42])}, bytes(8)),
    encoded({}, length=2**62),
    encoded(b"{" + b" " * 2**20),
    encoded(b'{"a":[' + b"[]," * 2**18),
    encoded(b"{" + b",".join(b'"%d":{}' % k for k in range(2**15))),
], ids=["shape", "length", "spaces", "lists", "objects"])  # fmt: skip
def test_a_bomb_costs_no_more_than_some_times_its_size(path, content):
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ModelFileError):
        read_tensors(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * len(content) + 2**17


def test_memory_is_needed_once(path):
    given = {"a": np.ones(2**20), "b": np.ones(2**20)}
    tracemalloc.start()
    write_tensors(path, given)
    _, writing = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    kept = read_tensors(path)
    _, reading = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = sum(array.nbytes for array in given.values())
    assert kept
    assert writing - size < size / 10 or writing < 2**20
    assert reading < size + 2**20


def damage(content, draw):
    """Change, cut, repeat or insert somewhere, mostly in the header."""
    content = bytearray(content)
    header = min(8 + int.from_bytes(content[:8], "little"), len(content))
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(max(header if draw.random() < 0.9 else len(content), 1))
        match draw.randrange(5):
            case 0 if at < len(content):
                content[at] = draw.randrange(256)
            case 1:
                content[at:at] = draw.choice(
                    [b"0", b"9", b"-", b",", b"[", b"{", b"}", b'"', b"\\ud800", b"1e9", b"\xff"]
                )
            case 2:
                del content[at : at + draw.randrange(1, 4)]
            case 3:
                content[at:at] = content[at : at + draw.randrange(1, 40)]
            case _ if draw.random() < 0.5:
                content[:8] = draw.choice([0, 1, header - 9, header - 7, 2**32, 2**63]).to_bytes(8, "little")
    if draw.random() < 0.7:  # so that the header is looked at, and not only its length
        moved = max(len(content) - 8 - draw.choice([67, 67, 66, 68]), 0)
        content[:8] = moved.to_bytes(8, "little")
    return bytes(content)


def check_damage(path, seeds):
    """Damaged files are refused by the named error, or hold no more than they have bytes; return how many are read."""
    written = {"W": np.arange(6.0).reshape(2, 3), "b": np.ones(4, "float32"), "ü": np.array([True] * 3)}
    write_tensors(path, written, {"a": "b"})
    content, read = path.read_bytes(), 0
    for seed in seeds:
        path.unlink()  # some file systems wait for the disk when a file is written over
        path.write_bytes(damage(content, random.Random(seed)))
        try:
            found, _ = read_tensors(path)
        except ModelFileError:
            continue
        except Exception as error:
            raise AssertionError(f"damage of seed {seed}") from error
        read += 1
        assert sum(array.nbytes for array in found.values()) <= path.stat().st_size
    return read


def test_damaged_files_are_read_whole_or_refused(path):
    assert 0 < check_damage(path, range(SHORT)) < SHORT / 2


@pytest.mark.soak
@pytest.mark.parametrize("part", range(LONG // PART))
def test_damaged_files_at_length(path, part):
    assert check_damage(path, range(SHORT + part * PART, SHORT + (part + 1) * PART)) > 0
