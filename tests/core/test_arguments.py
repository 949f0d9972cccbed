"""Finding the first NaN or infinity of an array."""

import numpy as np
import pytest

from pellucid.core import arguments
from pellucid.core.arguments import first_nan, first_not_finite


@pytest.fixture(params=[1, 64, 2**20], ids="{} bytes a piece".format)
def _pieces(request, monkeypatch):
    monkeypatch.setattr(arguments, "PIECE_BYTES", request.param)


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (7,), (5, 4), (6, 3, 2), (0, 3), (3, 0)])
def test_the_first_place_of_any(shape, dtype):
    draw = np.random.default_rng(0)
    plain = draw.normal(size=shape).astype(dtype)
    assert first_nan(plain) is None
    assert first_not_finite(plain) is None
    for k in range(plain.size):
        array = plain.copy()
        where = np.unravel_index(k, shape)
        array.reshape(-1)[k:] = np.inf
        assert first_nan(array) is None
        assert first_not_finite(array) == arguments.position(where)
        array.reshape(-1)[k] = np.nan
        array.reshape(-1)[:k] = -np.inf
        assert first_nan(array) == arguments.position(where)


@pytest.mark.usefixtures("_pieces")
def test_large_numbers_whose_squares_overflow_are_finite():
    array = np.full((40, 3), np.finfo("float32").max, "float32")
    assert first_not_finite(array) is None
    array[31, 1] = np.nan
    assert first_not_finite(array) == first_nan(array) == "row 31, column 1"


@pytest.mark.usefixtures("_pieces")
def test_arrays_with_gaps_and_mapped_files(tmp_path):
    array = np.zeros((20, 6))
    array[14, 3] = np.inf
    assert first_not_finite(array[::2, ::3]) == "row 7, column 1"
    assert first_not_finite(array.T) == "row 3, column 14"
    np.save(tmp_path / "array.npy", array)
    assert first_not_finite(np.load(tmp_path / "array.npy", mmap_mode="r")) == "row 14, column 3"
