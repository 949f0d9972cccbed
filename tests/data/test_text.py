"""Texts in files, characters as numbers, and windows of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from pellucid.core.errors import DataFileError, InputError, ShapeError
from pellucid.data import Characters, read_text, split_text, windows

TEXTS = st.text(min_size=1, max_size=60)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "text.txt"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("größer\n".encode(), "utf-8"),
        ("größer\n".encode("utf-8-sig"), "UTF8"),
        ("größer\r\n".encode("latin-1"), "latin-1"),
        ("größer\r".encode("utf-16"), "utf-16"),
        ("größer\n".encode("utf-16-be"), "utf-16-be"),
    ],
)
def test_a_text_is_read_in_its_encoding(path, data, encoding):
    path.write_bytes(data)
    assert read_text(path, encoding) == "größer\n"
    assert read_text(str(path), encoding=encoding) == "größer\n"


@pytest.mark.parametrize(
    ("data", "encoding", "said"),
    [
        ("one\ntwo é".encode("latin-1"), "utf-8", "is not utf-8: byte e9 at offset 8 (line 2)"),
        ("one\ntwo é".encode("latin-1"), "utf-8", "try encoding='cp1252' or 'latin-1'"),
        (b"\xef\xbb\xbfab\xe9", "utf-8", "byte e9 at offset 5 (line 1)"),
        ("größer".encode("utf-16"), "utf-8", "begins as utf-16 does, try encoding='utf-16'"),
        ("größer".encode("utf-32"), "utf-8", "try encoding='utf-32'"),
        (b"\xc3(\0\0", "utf-8", "is it a text at all"),
        ("abc".encode("utf-16-le"), "utf-8", "character of code 0 at position 1"),
        ("é".encode(), "ascii", "is not ascii: byte c3 at offset 0"),
        ("ab".encode("utf-16")[:-1], "utf-16", "is not utf-16: byte 62 at offset 4"),
        (b"", "utf-8", "holds no text"),
        (b"\xef\xbb\xbf", "utf-8", "holds no text"),
    ],
)
def test_what_is_no_text_says_where_and_what_to_try(path, data, encoding, said):
    path.write_bytes(data)
    with pytest.raises(DataFileError) as raised:
        read_text(path, encoding)
    assert said in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(path):
    for absent in (path, path.parent):
        with pytest.raises(DataFileError, match="expected a text file"):
            read_text(absent)


@pytest.mark.parametrize("encoding", ["klingon", "hex"])
def test_an_unknown_encoding_is_refused(path, encoding):
    path.write_bytes(b"abc")
    with pytest.raises(InputError, match=f"no text encoding '{encoding}'"):
        read_text(path, encoding)


@given(st.binary(max_size=40), st.sampled_from(["utf-8", "utf-16", "utf-32", "cp1252", "ascii", "shift_jis"]))
def test_any_bytes_are_a_text_or_one_clear_error(tmp_path_factory, data, encoding):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(data)
    said = ""
    try:
        assert "\0" not in read_text(path, encoding)
    except DataFileError as error:
        said = str(error)
    assert said.startswith(f"{path}: ") or not said


@given(TEXTS)
def test_characters_go_to_numbers_and_back(text):
    vocabulary = Characters(text)
    numbers = vocabulary.encode(text)
    assert (numbers.dtype, numbers.shape) == (np.int32, (len(text),))
    assert vocabulary.decode(numbers) == vocabulary.decode(numbers.tolist()) == text
    assert vocabulary.characters == "".join(sorted(set(text)))
    assert numbers.max() == len(vocabulary) - 1
    assert Characters(vocabulary.characters) == vocabulary


@given(TEXTS, TEXTS)
def test_the_unknown_stands_for_all_others(text, other):
    vocabulary = Characters(text, unknown="?")
    expected = "".join(c if c in text else "?" for c in other)
    assert vocabulary.decode(vocabulary.encode(other)) == expected
    assert Characters(vocabulary.characters, "?") == vocabulary
    assert Characters(vocabulary.characters, "?") != Characters(vocabulary.characters)


def test_a_character_never_seen_is_named_with_its_place():
    vocabulary = Characters("to be, or not\n")
    with pytest.raises(InputError) as raised:
        vocabulary.encode("to be\nor é not ñ é")
    assert "'é' (U+00E9) at position 9 (line 2, column 4)" in str(raised.value)
    assert "nor are 1 others" in str(raised.value)
    with pytest.raises(InputError, match=r"U\+1F600\) at position 0 \(line 1, column 1\) is not among the \d+ of the"):
        vocabulary.encode("\U0001f600")
    assert vocabulary.encode("").shape == (0,)


@pytest.mark.parametrize("arguments", [("",), (b"abc",), ("abc", ""), ("abc", "??"), ("abc", 3)])
def test_a_vocabulary_that_cannot_be_made_is_refused(arguments):
    with pytest.raises(InputError, match="Characters: "):
        Characters(*arguments)


@pytest.mark.parametrize(
    ("numbers", "error", "said"),
    [
        ([0, 3], InputError, "number 3 at position 1 stands for no character; expected 0 to 2"),
        ([-1], InputError, "number -1 at position 0"),
        ([0.0], InputError, "expected integers"),
        ([[0]], ShapeError, r"shape \(1, 1\)"),
    ],
)
def test_numbers_that_stand_for_nothing_are_refused(numbers, error, said):
    with pytest.raises(error, match=said):
        Characters("abc").decode(numbers)


def test_one_number_and_none_are_texts():
    assert Characters("abc").decode(np.int32(1)) == "b"
    assert Characters("abc").decode([]) == ""


def test_the_end_of_a_text_is_held_out():
    train, held = split_text(np.arange(95), 0.1)
    assert np.array_equal(np.concatenate([train, held]), np.arange(95))
    assert len(held) == 10
    assert np.shares_memory(train, split_text(train, 0.5)[0])
    assert split_text("abcd", 0.5) == ("ab", "cd")


@pytest.mark.parametrize(("text", "share"), [("abcd", 0.0), ("abcd", 1.0), ("abcd", 0.1), ("", 0.5)])
def test_a_split_with_an_empty_part_is_refused(text, share):
    with pytest.raises(InputError, match="expected some of each"):
        split_text(text, share)
    with pytest.raises(InputError, match="validation is 2"):
        split_text(text, 2)


def test_windows_are_views_and_targets_one_later():
    numbers = np.arange(1001, dtype=np.int32)
    x, y = windows(numbers, 10)
    assert (x.shape, y.shape, x.dtype) == ((100, 10), (100, 10), np.int32)
    assert np.array_equal(x.ravel(), numbers[:-1])
    assert np.array_equal(y, x + 1)
    assert x.flags.c_contiguous and y.flags.c_contiguous
    assert np.shares_memory(x, numbers) and np.shares_memory(y, numbers)
    assert not x.flags.writeable


@pytest.mark.parametrize(
    ("size", "length", "step", "count"), [(11, 10, 1, 1), (12, 10, 1, 2), (30, 10, 7, 3), (30, 10, None, 2)]
)
def test_windows_that_fit(size, length, step, count):
    x, y = windows(range(size), length, step)
    assert x[:, 0].tolist() == [k * (step or length) for k in range(count)]
    assert np.array_equal(y, x + 1)
    assert y.max() < size


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((np.arange(10), 10), InputError, "10 characters are too few for a window of 10"),
        ((np.arange(10), 0), InputError, "length is 0"),
        ((np.arange(10), 4, 0), InputError, "step is 0"),
        ((np.zeros((2, 9)), 4), ShapeError, r"shape \(2, 9\)"),
    ],
)
def test_windows_that_cannot_be_are_refused(arguments, error, said):
    with pytest.raises(error, match=said):
        windows(*arguments)


def test_a_model_learns_from_windows_in_place():
    vocabulary = Characters("abcd")
    x, y = windows(vocabulary.encode("abcd" * 200 + "a"), 8)
    table = pc.Sequential(pc.layers.Embedding(4, 8), pc.layers.Dense(4))
    model = pc.Model(table, "cross_entropy", pc.optimizers.Adam(0.05), metrics=["accuracy"])
    history = model.fit(x, y, epochs=20, batch_size=10, verbose=0)
    assert history.history["accuracy"][-1] == 1.0
