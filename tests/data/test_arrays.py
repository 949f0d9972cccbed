"""Files of arrays: inputs and labels, or one error that names the file; and nothing in them is executed."""

import io
import random
import struct
import zipfile

import numpy as np
import pytest

from pellucid.core.errors import DataFileError, InputError, NotANumberError, PellucidError
from pellucid.data import read_arrays
from pellucid.tensors import write_tensors

X, Y = np.arange(12.0).reshape(4, 3), np.array([0, 2, 1, 0])
SHORT, PART, LONG = 200, 1_000, 10_000


def save(path, **arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        write_tensors(path, arrays)
    return path


@pytest.fixture(params=[".npz", ".safetensors"])
def path(request, tmp_path):
    return tmp_path / f"arrays{request.param}"


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("X", "y"), ("inputs", "labels"), ("data", "target")])
def test_inputs_and_labels_are_found_by_their_names(path, x, y):
    found = read_arrays(save(path, **{x: X, y: Y}))
    np.testing.assert_array_equal(found.inputs, X)
    assert (found.inputs.dtype, found.labels.dtype) == (np.float32, np.int32)
    assert found.labels.tolist() == [0, 2, 1, 0]
    assert found.classes == ("0", "1", "2")


def test_other_names_are_given(path):
    save(path, points=X, kinds=Y, more=X)
    with pytest.raises(DataFileError, match="'points'"):
        read_arrays(path)
    assert read_arrays(path, x="points", y="kinds").inputs.shape == (4, 3)
    with pytest.raises(InputError, match="holds no array 'point'"):
        read_arrays(path, x="point", y="kinds")
    with pytest.raises(InputError, match="give the names of both"):
        read_arrays(path, x="points")


def test_images_stay_bytes_and_floats_are_numbers(path):
    found = read_arrays(save(path, x=np.zeros((4, 2, 2, 3), np.uint8), y=np.linspace(0, 1, 4)[:, None]))
    assert found.inputs.dtype == np.uint8
    assert (found.labels.dtype, found.labels.shape, found.classes) == (np.float32, (4,), ())


def test_a_packed_npz_is_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=X.astype(">f8"), y=Y)
    np.testing.assert_array_equal(read_arrays(tmp_path / "a.npz").inputs, X)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": X, "y": Y[:3]}, "x has 4 rows, and y 3"),
        ({"x": X[:, 0], "y": Y}, "expected rows of numbers"),
        ({"x": X[:0], "y": Y[:0]}, "expected rows of numbers"),
        ({"x": X, "y": np.eye(4)}, "expected one label a row"),
        ({"x": X, "y": Y - 1}, "whole numbers from -1 to 1"),
        ({"x": X, "y": Y * 100_000}, "whole numbers from 0 to 200000"),
    ],
)
def test_arrays_that_do_not_fit_are_named(path, arrays, said):
    with pytest.raises(DataFileError, match=said) as raised:
        read_arrays(save(path, **arrays))
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_what_is_not_finite_is_named(path, value):
    with pytest.raises(NotANumberError, match="row 1, column 2"):
        read_arrays(save(path, x=np.where(X == 5, value, X), y=Y))


class Touch:
    """What writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_objects_are_refused_unread(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([[Touch(tmp_path / "touched")]], dtype=object), y=Y[:1])
    with pytest.raises(DataFileError, match="holds object; expected numbers"):
        read_arrays(tmp_path / "a.npz")
    assert not (tmp_path / "touched").exists()


def npy(shape, data, descr="<f8"):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy((10**12,), b""), "8,000,000,000,000 bytes, and 0 follow"),
        (npy((-2,), bytes(16)), "promises an array of shape"),
        (npy((2,), bytes(17)), "16 bytes, and 17 follow"),
        (npy((2,), bytes(4), "<U2"), "expected numbers"),
        (b"\x93NUMPY\x09\x00", "version"),
        (b"no array", "damaged, or no .npz file"),
        (npy("__import__", b""), "damaged, or no .npz file"),
    ],
)
def test_a_lying_member_is_refused(tmp_path, content, said):
    with pytest.raises(DataFileError, match=said):
        read_arrays(archive(tmp_path / "a.npz", x=content, y=npy((1,), bytes(8))))


def test_a_bomb_is_refused_before_it_is_inflated(tmp_path):
    archive(tmp_path / "a.npz", x=npy((2**20,), bytes(2**23)), y=npy((1,), bytes(8)))
    with pytest.raises(DataFileError, match="more than the 1,000,000 allowed"):
        read_arrays(tmp_path / "a.npz", largest=1_000_000)


def test_files_that_are_none_are_named(tmp_path):
    for name in ("a.npz", "a.safetensors"):
        with pytest.raises(DataFileError, match=name):
            read_arrays(tmp_path / name)
        (tmp_path / name).write_bytes(b"<html>")
        with pytest.raises(DataFileError, match=name):
            read_arrays(tmp_path / name)
    with pytest.raises(InputError, match=r"neither .npz nor .safetensors"):
        read_arrays(tmp_path / "a.pkl")


def check_damage(path, seeds):
    packed = io.BytesIO()
    np.savez_compressed(packed, x=X, y=Y)
    for seed in seeds:
        draw, data = random.Random(seed), bytearray(packed.getvalue())
        for _ in range(draw.randint(1, 5)):
            at = draw.randrange(len(data))
            data[at : at + draw.randint(0, 3)] = draw.randbytes(draw.randint(0, 3))
        path.write_bytes(data)
        try:
            found = read_arrays(path, largest=2**20)
        except PellucidError as error:
            assert str(path) in str(error)
        except Exception as error:
            raise AssertionError(f"damage of seed {seed}") from error
        else:
            assert np.isfinite(found.inputs).all()


@pytest.mark.filterwarnings("ignore:Reading .np")
def test_damaged_arrays_are_read_or_refused(tmp_path):
    check_damage(tmp_path / "a.npz", range(SHORT))


@pytest.mark.filterwarnings("ignore:Reading .np")
@pytest.mark.soak
@pytest.mark.parametrize("part", range(LONG // PART))
def test_damaged_arrays_at_length(tmp_path, part):
    check_damage(tmp_path / "a.npz", range(SHORT + part * PART, SHORT + (part + 1) * PART))
