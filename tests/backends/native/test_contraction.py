"""Matrix products on every kind of machine, over sizes that fill lanes and tiles and over sizes that do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from backends.native.kernels import TARGETS, available
from draws import draws
from pellucid.schedule.text import program_text

SIZES = st.integers(1, 70) | st.sampled_from([16, 32, 48, 64, 100, 129])


@pytest.fixture
def no_nested_products(monkeypatch, cache_folder):
    """Make small products statements of their own too; the cache is a new one, since its keys do not tell."""
    monkeypatch.setattr("pellucid.schedule.layout.NESTED_TOTAL", 0)
    monkeypatch.setattr("pellucid.schedule.layout.NESTED_WORK", 0)


def product(m, k, n, left, right, dtype):
    """Return a product by the native backend, the same in float64 by NumPy, and the sum of magnitudes."""
    generator = np.random.default_rng(m * 1000 + n * 100 + k)
    x = pc.variable("x", (k, m) if left else (m, k), dtype)
    y = pc.variable("y", (n, k) if right else (k, n), dtype)
    arrays = [generator.normal(size=v.shape).astype(dtype) for v in (x, y)]
    found = pc.function([x, y], pc.matmul(x, y, transpose_left=left, transpose_right=right))(*arrays)
    a, b = (np.asarray(array, "float64") for array in arrays)
    a, b = a.T if left else a, b.T if right else b
    return found, a @ b, np.abs(a) @ np.abs(b)


@pytest.mark.usefixtures("no_nested_products")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_agree_with_numpy(target, dtype, monkeypatch):
    if available(monkeypatch, target) is None:
        pytest.skip(f"this machine has no {target}")

    @draws(40)
    @given(m=SIZES, k=SIZES, n=SIZES, left=st.booleans(), right=st.booleans())
    def agree(m, k, n, left, right):
        found, expected, magnitude = product(m, k, n, left, right, dtype)
        bound = (k + 2) * np.finfo(dtype).eps * magnitude
        assert (np.abs(found - expected) <= bound).all()

    agree()


def test_the_same_bits_at_every_call():
    first, _, _ = product(33, 65, 17, False, True, "float32")
    again, _, _ = product(33, 65, 17, False, True, "float32")
    assert np.array_equal(first, again)


@pytest.mark.usefixtures("no_nested_products")
@pytest.mark.parametrize("target", TARGETS)
def test_products_read_the_rows_that_data_picks_where_they_lie(target, monkeypatch):
    if available(monkeypatch, target) is None:
        pytest.skip(f"this machine has no {target}")

    @draws(30)
    @given(
        rows=SIZES, picks=SIZES, k=SIZES, n=SIZES, way=st.sampled_from(["left", "left turned", "right", "right turned"])
    )
    def agree(rows, picks, k, n, way):
        generator = np.random.default_rng(rows + picks)
        order = generator.integers(0, rows, picks)
        table = pc.variable("table", (rows, k))
        index = pc.variable("index", (picks,), dtype="int32")
        turned = way.endswith("turned")
        shape = {"left": (k, n), "left turned": (picks, n), "right": (n, picks), "right turned": (n, k)}[way]
        other = pc.variable("other", shape)
        a, b = (generator.normal(size=v.shape).astype("float32") for v in (table, other))
        if way.startswith("left"):
            made = pc.matmul(pc.take(table, index), other, transpose_left=turned)
            expected = (a[order].T if turned else a[order]).astype("float64") @ b
        else:
            made = pc.matmul(other, pc.take(table, index), transpose_right=turned)
            expected = b.astype("float64") @ (a[order].T if turned else a[order])
        f = pc.function([table, index, other], made)
        np.testing.assert_allclose(f(a, order, b), expected, rtol=1e-4, atol=1e-4)
        assert "take" not in program_text(f.compiled().executable.program)

    agree()
