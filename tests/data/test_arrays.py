"""Arrays in files: what comes back, and one clear message for each way in which they are bad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import pellucid as pc
from pellucid.core.errors import DataFileError

X, Y = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([2, 0, 1, 1])


@pytest.fixture(params=["npz", "safetensors"])
def write(request, tmp_path):
    """Return a function that writes arrays into a file of either kind."""

    def written(**arrays):
        path = tmp_path / f"set.{request.param}"
        if request.param == "npz":
            np.savez_compressed(path, **arrays)
        else:
            save_file(arrays, path)
        return path

    return written


def test_inputs_and_labels(write):
    found = pc.data.read_arrays(write(x=X, y=Y))
    np.testing.assert_array_equal(found.inputs, X)
    assert found.labels.dtype == np.int32 and list(found.labels) == [2, 0, 1, 1] and found.classes == ("0", "1", "2")


def test_names_of_ones_own_and_columns(write):
    found = pc.data.read_arrays(write(a=X, b=Y.reshape(4, 1).astype(np.float64)), inputs="a", labels="b")
    assert found.labels.dtype == np.float32 and found.labels.shape == (4,) and found.classes == ()


def test_classes_by_name(tmp_path):
    np.savez(tmp_path / "set.npz", images=X, labels=np.array(["dog", "cat", "dog", "cat"]))
    found = pc.data.read_arrays(tmp_path / "set.npz")
    assert found.classes == ("cat", "dog") and list(found.labels) == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": X}, "has no array of labels called y or labels or targets or target; it has x"),
        ({"x": X, "y": Y[:3]}, r"inputs are \(4, 3\) and labels \(3,\)"),
        ({"x": X[:0], "y": Y[:0]}, "and some"),
        ({"x": X, "y": Y - 1}, "labels are int64 from -1 to 1"),
    ],
)
def test_what_does_not_fit(write, arrays, says):
    with pytest.raises(DataFileError, match=says):
        pc.data.read_arrays(write(**arrays))


def test_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "set.npz", x=np.array([{}, {}], dtype=object), y=np.zeros(2, int))
    with pytest.raises(DataFileError, match="plain arrays"):
        pc.data.read_arrays(tmp_path / "set.npz")


def test_no_file(tmp_path):
    with pytest.raises(DataFileError, match="cannot be read"):
        pc.data.read_arrays(tmp_path / "none.npz")


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    np.savez_compressed(folder / "a.npz", x=X, y=Y)
    np.savez(folder / "b.npz", x=X, y=Y)
    save_file({"x": X, "y": Y}, folder / "c.safetensors")
    return folder, [path.read_bytes() for path in sorted(folder.iterdir())]


def check(contents, data):
    folder, whole = contents
    content = bytearray(data.draw(st.sampled_from(whole)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    path = folder / "broken"
    path.write_bytes(content)
    try:
        found = pc.data.read_arrays(path)
        assert len(found.inputs) == len(found.labels)
    except DataFileError as error:
        assert str(path) in str(error)
    finally:
        path.unlink()


@given(st.data())
@settings(deadline=5_000)
def test_any_bytes_are_arrays_or_one_clear_message(contents, data):
    check(contents, data)


@pytest.mark.soak
@given(st.data())
@settings(max_examples=10_000, deadline=5_000)
def test_ten_thousand_broken_files(contents, data):
    check(contents, data)
