"""CSV files: the right inputs and labels, or one error that names the line; and the same encoding for later rows."""

import csv
import io
import json
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.errors import DataFileError, InputError, PellucidError
from pellucid.data import Encoding, read_csv
from pellucid.data.labelled import Labelled

FRUIT = "weight,colour,fruit\n150,red,apple\n120,yellow,banana\n170,green,apple\n"
SHORT, PART, LONG = 200, 1_000, 10_000


@pytest.fixture
def write(tmp_path):
    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_numbers_and_categories_become_columns(write):
    table = read_csv(write(FRUIT), "fruit")
    assert table.columns == ("weight", "colour=green", "colour=red", "colour=yellow")
    np.testing.assert_array_equal(table.inputs, [[150, 0, 1, 0], [120, 0, 0, 1], [170, 1, 0, 0]])
    assert (table.inputs.dtype, table.labels.dtype) == (np.float32, np.int32)
    assert table.labels.tolist() == [0, 1, 0]
    assert table.classes == ("apple", "banana")
    assert table.names == ("table.csv:2", "table.csv:3", "table.csv:4")


def test_a_table_begins_as_labelled_does(write):
    table = read_csv(write(FRUIT), "fruit")
    assert table._fields[:4] == Labelled._fields
    assert table._replace(inputs=table.inputs[:1]).inputs.shape == (1, 4)


@pytest.mark.parametrize("target", ["fruit", 2, -1])
def test_the_target_is_a_name_or_a_number(write, target):
    assert read_csv(write(FRUIT), target).classes == ("apple", "banana")


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_seen_or_given(write, mark):
    path = write(FRUIT.replace(",", mark))
    np.testing.assert_array_equal(read_csv(path, "fruit").inputs, read_csv(path, "fruit", delimiter=mark).inputs)


def test_a_comma_within_cells_is_not_the_delimiter_of_a_semicolon_file(write):
    table = read_csv(write('a;place;y\n1;"Rome, Italy";u\n2;"Oslo, Norway";v\n'), "y")
    assert table.columns == ("a", "place=Oslo, Norway", "place=Rome, Italy")


def test_quotes_keep_delimiters_quotes_and_line_ends(write):
    table = read_csv(write('a,y\n"one, ""two""\nthree",u\nfour,v\n'), "y")
    assert table.columns == ("a=four", 'a=one, "two"\nthree')
    assert table.names == ("table.csv:2", "table.csv:4")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_and_empty_lines_do_not_count(write, ends):
    assert read_csv(write((FRUIT + "\n\n").replace("\n", ends)), "fruit").inputs.shape == (3, 4)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
def test_utf8_with_its_mark_or_without(write, mark):
    assert read_csv(write(mark + "größe,y\n1,é\n2,ü\n".encode()), "y").columns == ("größe",)


def test_another_encoding_is_named_with_its_line_or_given(write):
    path = write("a,y\n1,café\n2,thé\n".encode("latin-1"))
    with pytest.raises(DataFileError, match=r"is not utf-8: byte e9 .*\(line 2\)"):
        read_csv(path, "y")
    assert read_csv(path, "y", encoding="latin-1").classes == ("café", "thé")


def test_a_header_is_seen_or_said(write):
    assert read_csv(write("1,2,0\n3,4,1\n"), -1).columns == ("column 0", "column 1")
    assert read_csv(write("a,b,c\nd,e,f\ng,h,i\n"), -1, header=False).inputs.shape == (3, 6)
    assert read_csv(write("1,2,y\n3,4,0\n5,6,1\n"), "y").columns == ("1", "2")


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["1", "0", "1.0"], None, ("0", "1")),
        (["10", "9", "-1"], None, ("-1", "9", "10")),
        (["0.5", "1", "2"], None, ()),
        ([str(k) for k in range(20)], None, tuple(map(str, range(20)))),
        ([str(k) for k in range(21)], None, ()),
        (["1", "0", "1"], "numbers", ()),
        (["0.5", "1.5", "0.5"], "classes", ("0.5", "1.5")),
        (["b", "a", "1"], None, ("1", "a", "b")),
    ],
)
def test_a_target_is_classes_or_numbers(write, values, task, classes):
    table = read_csv(write("a,y\n" + "".join(f"{k},{value}\n" for k, value in enumerate(values))), "y", task=task)
    assert table.classes == classes
    assert table.labels.dtype == (np.int32 if classes else np.float32)
    if not classes:
        np.testing.assert_array_equal(table.labels, np.array(values, np.float32))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no text"),
        ("\n\n", "only empty lines"),
        ("a,b,y\n", "has a header and no rows"),
        ("a,b,y\n1,2,u\n1,2\n", r"line 3: has 2 cells, and line 1 has 3"),
        ("a,b,y\n1,2,u\n1,2,3,v\n", r"line 3: has 4 cells, and line 1 has 3"),
        ("a,a,y\n1,2,u\n3,4,v\n", r"line 1: columns 0 and 1 are both called 'a'"),
        ("a,b,y\n1,,u\n3,4,v\n", r"line 2, column 'b': the value is missing"),
        ("a,b,y\n1,NA,u\n3,4,v\n", r"line 2, column 'b': the value is missing"),
        ("a,b,y\n1,2,u\n3,4,\n", r"line 3, column 'y': the target is missing"),
        ("a,b,y\n1,2,u\n3,4,u\n", r"the target 'y' is 'u' in every row"),
        ("a,b,y\n1,2,1.5\n3,4,1.50\n", r"the target 'y' is '1.5' in every row"),
        ("a,b,y\n1,2,u\n3,inf,v\n", r"line 3, column 'b': inf is infinite"),
        ("a,b,y\n1,2,u\n3,-Infinity,v\n", r"line 3, column 'b': -Infinity is infinite"),
        ("a,b,y\n1,2,u\n3,1e39,v\n", r"line 3, column 'b': 1e39 is infinite in float32"),
        ("a,b,y\n1,2,0.5\n3,4,inf\n", r"line 3, column 'y': inf is infinite"),
        ("a,b,y\n1,,u\n3,,v\n", r"column 'b' holds no values"),
        ("a,b,y\n1,2024-01-31,u\n3,2024-02-01,v\n", r"column 'b' holds dates, such as '2024-01-31'"),
        ('a,b,y\n1,"2,u\n3,4,v\n', r"line 2: is no row of CSV"),
        ('a,b,y\n1,"2"x,u\n3,4,v\n', r"line 2: is no row of CSV"),
        ("a,b,y\n1," + "x" * 131_073 + ",u\n", r"line 2: is no row of CSV: field larger"),
        ("y\nu\nv\n", r"no column to learn from beside the target 'y'"),
    ],
)
def test_a_bad_table_is_one_clear_error(write, content, said):
    path = write(content)
    with pytest.raises(DataFileError, match=said) as raised:
        read_csv(path, "y")
    assert str(path) in str(raised.value)


def test_too_many_categories_name_the_cell_that_is_no_number(write):
    rows = [f"{k}.5,{'uv'[k % 2]}\n" for k in range(1_500)]
    rows[700] = "7oo,u\n"
    with pytest.raises(DataFileError, match=r"line 702, column 'a': '7oo' is no number.*has 1,500"):
        read_csv(write("a,y\n" + "".join(rows)), "y")


def test_a_target_that_is_absent_suggests_the_nearest(write):
    with pytest.raises(InputError, match="has no column 'friut'; did you mean 'fruit'"):
        read_csv(write(FRUIT), "friut")
    with pytest.raises(InputError, match="has 3 columns, and no column 3"):
        read_csv(write(FRUIT), 3)


@pytest.mark.parametrize(
    "wrong", [{"task": "both"}, {"missing": "zero"}, {"dates": "x"}, {"delimiter": ",,"}, {"encoding": "utf-9"}]
)
def test_arguments_that_cannot_be_are_refused(write, wrong):
    with pytest.raises(InputError):
        read_csv(write(FRUIT), "fruit", **wrong)


def test_columns_are_left_out(write):
    assert read_csv(write(FRUIT), "fruit", ignore=["colour"]).columns == ("weight",)
    with pytest.raises(InputError, match="is among the columns to ignore"):
        read_csv(write(FRUIT), "fruit", ignore=[-1])
    with pytest.raises(InputError, match="expected a list"):
        read_csv(write(FRUIT), "fruit", ignore="colour")


def test_dates_are_categories_when_asked(write):
    path = write("day,y\n2024-01-31,u\n2024-02-01,v\n")
    assert read_csv(path, "y", dates="text").columns == ("day=2024-01-31", "day=2024-02-01")


HOLES = "a,b,y\n1,red,u\n,blue,v\n3,?,u\n5,red,\n"


def test_rows_with_missing_values_are_dropped(write):
    with pytest.raises(DataFileError, match="'u' in every row"):  # of one row that is left
        read_csv(write(HOLES), "y", missing="drop")
    table = read_csv(write(HOLES + "7,blue,v\n"), "y", missing="drop")
    assert table.names == ("table.csv:2", "table.csv:6")


def test_missing_values_are_filled(write):
    path = write(HOLES.replace("5,red,\n", "5,red,v\n"))
    table = read_csv(path, "y", missing="mean")
    np.testing.assert_array_equal(table.inputs, [[1, 0, 1], [3, 1, 0], [3, 0, 0], [5, 0, 1]])
    np.testing.assert_array_equal(table.encode([["", "blue"], {"b": None, "a": 2}]), [[3, 1, 0], [2, 0, 0]])


def test_a_missing_target_is_never_filled(write):
    with pytest.raises(DataFileError, match="line 5, column 'y': the target is missing"):
        read_csv(write(HOLES), "y", missing="mean")


def test_nothing_left_says_so(write):
    with pytest.raises(DataFileError, match="none is left"):
        read_csv(write("a,y\n,u\n1,\n"), "y", missing="drop")


def test_another_file_is_encoded_by_the_names_of_its_columns(write):
    how = read_csv(write(FRUIT), "fruit").encoding
    inputs, names = how.read(write("colour,id,weight\nred,7,100\n", "new.csv"))
    np.testing.assert_array_equal(inputs, [[100, 0, 1, 0]])
    assert names == ("new.csv:2",)


@pytest.mark.parametrize("content", ["5,6\n", "5,6,0\n"])
def test_a_file_without_a_header_has_the_inputs_or_all_columns(write, content):
    how = read_csv(write("1,2,0\n3,4,1\n"), -1).encoding
    np.testing.assert_array_equal(how.read(write(content, "new.csv"))[0], [[5, 6]])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("colour,wieght\nred,1\n", "has no column 'weight'; did you mean 'wieght'"),
        ("colour,weight\nred,1\nyelow,2\n", r"line 3, column 'colour': 'yelow' is none of .*'yellow'"),
        ("colour,weight\nred,heavy\n", r"line 2, column 'weight': 'heavy' is no number"),
        ("colour,weight\nred,\n", r"line 2, column 'weight': the value is missing"),
    ],
)
def test_a_later_file_that_does_not_fit_is_named(write, content, said):
    how = read_csv(write(FRUIT), "fruit").encoding
    with pytest.raises(DataFileError, match=said):
        how.read(write(content, "new.csv"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([1], "row 0: is .* expected 2 cells"),
        ("1,red", "row 0: is '1,red'"),
        ({"weight": 1}, "row 0: has no 'colour'"),
        ([1, "pink"], "row 0, column 'colour': 'pink'"),
        ([float("inf"), "red"], "row 0, column 'weight': inf is infinite"),
        ([float("nan"), "red"], "row 0, column 'weight': the value is missing"),
    ],
)
def test_rows_that_cannot_be_encoded_are_named(write, row, said):
    with pytest.raises(InputError, match=said):
        read_csv(write(FRUIT), "fruit").encode([row])


def test_an_encoding_survives_json(write):
    table = read_csv(write(FRUIT), "fruit")
    again = Encoding.from_json(table.encoding.to_json())
    assert again == table.encoding
    np.testing.assert_array_equal(again.encode([[150, "red"]]), table.inputs[:1])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        pytest.param("[" * 100_000, id="deep"),
        '{"columns": [], "target": "y", "classes": [], "width": 1, "header": true, "fill": false}',
    ],
)
def test_json_of_another_kind_is_refused(text):
    with pytest.raises(InputError, match="encoding of a table"):
        Encoding.from_json(text)


@pytest.mark.parametrize(("key", "value"), [("place", 5), ("mean", float("nan")), ("name", 1), ("kind", "x")])
def test_json_of_wrong_values_is_refused(write, key, value):
    told = json.loads(read_csv(write(FRUIT), "fruit").encoding.to_json())
    told["columns"][0][key] = value
    with pytest.raises(InputError, match="encoding of a table"):
        Encoding.from_json(json.dumps(told))


NUMBERS = st.floats(-(2.0**100), 2.0**100, width=32)  # bounds that float32 has
LETTERS = st.characters(codec="utf-8", exclude_characters="\r\0", exclude_categories=("Cs",))
TEXTS = st.text(LETTERS, min_size=1, max_size=8)
WORDS = TEXTS.map(lambda text: "w" + text.strip() + "w")  # neither numbers nor missing


@given(rows=st.lists(st.tuples(NUMBERS, WORDS, WORDS), min_size=2, max_size=20), mark=st.sampled_from([",", ";", "\t"]))
def test_what_csv_writes_is_read_back(tmp_path_factory, rows, mark):
    classes = tuple(sorted({row[2] for row in rows}))
    if len(classes) == 1:
        rows, classes = [*rows, (0.0, "w", classes[0] + "x")], (classes[0], classes[0] + "x")
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=mark).writerows([("number", "word", "label"), *rows])
    path = tmp_path_factory.mktemp("csv", numbered=True) / "t.csv"
    path.write_bytes(text.getvalue().encode())
    table = read_csv(path, "label", delimiter=mark)
    path.unlink()
    np.testing.assert_array_equal(table.inputs[:, 0], np.array([row[0] for row in rows], np.float32))
    words = sorted({row[1] for row in rows})
    assert [words[k] for k in table.inputs[:, 1:].argmax(axis=1)] == [row[1] for row in rows]
    assert [table.classes[k] for k in table.labels] == [row[2] for row in rows]


def damage(content: bytes, draw: random.Random) -> bytes:
    """Return content with a few bytes changed, put in, taken out, or its end cut off."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(data) + 1)
        what = draw.randrange(4)
        if what == 0:
            data[at:at] = draw.choice([b'"', b",", b"\n", b"\0", b"\xff", b"inf", b"1e99", b"NA", draw.randbytes(3)])
        elif what == 1:
            data[at : at + 1] = draw.randbytes(1)
        elif what == 2:
            del data[at : at + draw.randint(1, 9)]
        else:
            del data[len(data) - draw.randint(0, 5) :]
    return bytes(data)


def check_damage(path, seeds):
    content = FRUIT.encode() + b'9,"a, b",banana\n8.5,red,apple\n'
    read = 0
    for seed in seeds:
        path.write_bytes(damage(content, random.Random(seed)))
        try:
            table = read_csv(path, random.Random(seed).choice(["fruit", -1]), missing="mean")
        except PellucidError as error:
            assert str(path) in str(error)
            continue
        except Exception as error:
            raise AssertionError(f"damage of seed {seed}") from error
        read += 1
        assert np.isfinite(table.inputs).all()
        assert len(table.inputs) == len(table.labels) == len(table.names)
        assert math.prod(table.inputs.shape) < 1_000
    return read


def test_damaged_tables_are_read_or_refused(tmp_path):
    assert 0 < check_damage(tmp_path / "t.csv", range(SHORT)) < SHORT


@pytest.mark.soak
@pytest.mark.parametrize("part", range(LONG // PART))
def test_damaged_tables_at_length(tmp_path, part):
    assert check_damage(tmp_path / "t.csv", range(SHORT + part * PART, SHORT + (part + 1) * PART)) > 0
