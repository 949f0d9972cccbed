"""CSV files: types of columns, labels, and one clear message for each way in which they are bad."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pc
from pellucid.core.errors import DataFileError, InputError, PellucidError


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a CSV file."""

    def written(text, name="rows.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(text, encoding=encoding, newline="")
        return path

    return written


def test_numbers_texts_and_classes(write):
    table = pc.data.read_csv(write('size,colour,kind\n1.5,red,b\n-2,"dark, green",a\n3e2,red,b\n'), "kind")
    np.testing.assert_array_equal(table.inputs, np.float32([[1.5, 0, 1], [-2, 1, 0], [300, 0, 1]]))
    assert table.inputs.dtype == np.float32 and table.labels.dtype == np.int32
    assert list(table.labels) == [1, 0, 1] and table.classes == ("a", "b")
    assert table.names == ("line 2", "line 3", "line 4") and table.target == "kind"
    assert [c.categories for c in table.columns] == [(), ("dark, green", "red")]


def test_numbers_as_labels(write):
    table = pc.data.read_csv(write("x,y\n1,0.5\n2,1.5\n"), "y")
    assert table.labels.dtype == np.float32 and table.classes == () and list(table.labels) == [0.5, 1.5]
    whole = write("x,y\n" + "\n".join(f"{k},{k}" for k in range(30)))
    assert pc.data.read_csv(whole, "y").classes == ()
    assert pc.data.read_csv(whole, "y", labels="classes").classes[:11] == tuple(map(str, range(11)))
    few = write("x,y\n1,10\n2,9\n3,9.0\n")
    assert pc.data.read_csv(few, "y").classes == ("9", "10")
    assert list(pc.data.read_csv(few, "y", labels="numbers").labels) == [10, 9, 9]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(write, delimiter):
    text = "\r\n".join(delimiter.join(row) for row in (("a", "b", "kind"), ("1", "2", "x"), ("3", "4", "y"))) + "\r\n"
    table = pc.data.read_csv(write(text), "kind")
    np.testing.assert_array_equal(table.inputs, [[1, 2], [3, 4]])


def test_some_columns(write):
    path = write("a,b,c,kind\n1,2,3,x\n4,5,6,y\n")
    np.testing.assert_array_equal(pc.data.read_csv(path, "kind", columns=["c", "a"]).inputs, [[3, 1], [6, 4]])
    with pytest.raises(DataFileError, match="has no column 'd'"):
        pc.data.read_csv(path, "kind", columns=["d"])
    with pytest.raises(InputError, match="expected others than the target"):
        pc.data.read_csv(path, "kind", columns=["kind"])
    with pytest.raises(InputError, match="missing is 'no'"):
        pc.data.read_csv(path, "kind", missing="no")


def test_missing_values(write):
    path = write("a,b,kind\n1,u,x\n,v,y\n3,NA,x\n5,u,?\n")
    with pytest.raises(DataFileError, match="line 3: the value of 'a' is missing; missing='drop'"):
        pc.data.read_csv(path, "kind", columns=["a"])
    with pytest.raises(DataFileError, match="in every row"):
        pc.data.read_csv(path, "kind", missing="drop")
    filled = pc.data.read_csv(path, "kind", missing="mean")
    np.testing.assert_array_equal(filled.inputs[:, 0], [1, 2, 3])
    assert filled.columns[1].categories == ("NA", "u", "v") and filled.names == ("line 2", "line 3", "line 4")


def test_other_rows_are_made_the_same_way(write):
    table = pc.data.read_csv(write("a,b,kind\n1,u,x\n,v,y\n3,u,x\n"), "kind", missing="mean")
    found = pc.data.read_rows(write("note,b,a\nhello,v,7\nbye,u,\n", "new.csv"), table.columns)
    np.testing.assert_array_equal(found, [[7, 0, 1], [2, 1, 0]])
    with pytest.raises(DataFileError, match="line 2: 'w' is none of the texts known in 'b'"):
        pc.data.read_rows(write("a,b\n1,w\n", "new.csv"), table.columns)
    with pytest.raises(DataFileError, match="has no column 'b'"):
        pc.data.read_rows(write("a\n1\n", "new.csv"), table.columns)


BAD = {
    "no such target": ("a,kind\n1,x\n", "Kind", "has no column 'Kind'; did you mean 'kind'"),
    "one value": ("a,kind\n1,x\n2,x\n", "kind", "the target 'kind' is 'x' in every row"),
    "ragged": ("a,kind\n1,x\n2\n", "kind", "line 3: has 1 values, and there are 2 columns"),
    "too long": ("a,kind\n1,x,3\n", "kind", "line 2: has 3 values"),
    "twice": ("a,a,kind\n1,2,x\n", "kind", "names a column 'a' twice"),
    "without a name": ("a,,kind\n1,2,x\n", "kind", "has a column without a name"),
    "only a header": ("a,kind\n\n", "kind", "has no rows"),
    "one wrong number": ("a,kind\n" + "1,x\n" * 19 + "one,y\n", "kind", "line 21: 'one' in column 'a' is no number"),
    "infinite": ("a,kind\n" + "1,x\n" * 19 + "inf,y\n", "kind", "line 21: 'inf'"),
    "huge": ("a,kind\n1,x\n1e300,y\n", "kind", "'1e300' in column 'a' is no number that float32 holds"),
    "a quote that never ends": ('a,kind\n1,"x\n2,y\n', "kind", "is no CSV"),
    "one huge value": ("a,kind\n1,x\n2," + "y" * 200_000 + "\n", "kind", "is no CSV: field larger"),
    "texts that all differ": (
        "a,kind\n" + "".join(f"t{k},{k % 2}\n" for k in range(1_200)),
        "kind",
        "too many to learn",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_say_where(write, case):
    text, target, says = BAD[case]
    with pytest.raises(DataFileError, match=says):
        pc.data.read_csv(write(text), target)


def test_another_encoding(write):
    path = write("größe,kind\n1,x\n2,y\n", encoding="latin-1")
    with pytest.raises(DataFileError, match="is not utf-8.*encoding='cp1252' or 'latin-1'"):
        pc.data.read_csv(path, "kind")
    assert pc.data.read_csv(path, "kind", encoding="latin-1").columns[0].name == "größe"


@given(st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), st.text("abc, \"\n'é", min_size=1)), min_size=2, max_size=20))
@settings(deadline=5_000)
def test_what_is_written_comes_back(tmp_path_factory, rows):
    texts = [text.strip() for _, text in rows]
    buffer = io.StringIO()
    csv.writer(buffer).writerows([("number", "kind"), *((repr(number), text) for number, text in rows)])
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_text(buffer.getvalue(), encoding="utf-8", newline="")
    if len(set(texts)) < 2 or not all(texts):
        with pytest.raises(PellucidError):
            pc.data.read_csv(path, "kind")
        return
    table = pc.data.read_csv(path, "kind")
    np.testing.assert_array_equal(table.inputs[:, 0], np.float32([number for number, _ in rows]))
    assert [table.classes[k] for k in table.labels] == texts


def check(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_bytes(content)
    try:
        table = pc.data.read_csv(path, "kind")
        assert len(table.inputs) == len(table.labels) and np.isfinite(table.inputs).all()
    except DataFileError as error:
        assert str(path) in str(error)


BYTES = st.one_of(st.binary(max_size=60), st.text('ab1,;.-\n"\t ', max_size=60).map(str.encode))


@given(BYTES, st.booleans())
@settings(deadline=5_000)
def test_any_bytes_are_a_table_or_one_clear_message(tmp_path_factory, content, headed):
    check(tmp_path_factory, b"a,kind\n" * headed + content)


@pytest.mark.soak
@given(BYTES, st.booleans())
@settings(max_examples=10_000, deadline=5_000)
def test_ten_thousand_broken_files(tmp_path_factory, content, headed):
    check(tmp_path_factory, b"a,kind\n" * headed + content)
