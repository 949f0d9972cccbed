"""Products with what is mostly zero: the same as through all steps, on every kind of machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from backends.native.blocks import MACHINES, contractions, lower_thresholds, program_of, use
from draws import draws
from pellucid import looping
from pellucid.schedule.text import program_text

Array = np.ndarray[Any, Any]
SIZES = st.integers(1, 40) | st.sampled_from([64, 97, 100])
COLUMNS = st.integers(1, 120)
STRANGE = {"none": 1.0, "infinity": np.inf, "minus infinity": -np.inf, "NaN": np.nan, "huge": 3e38}


def sparse(random: np.random.Generator, shape: tuple[int, ...], dtype: str, share: float) -> Array:
    """Return an array of which a share is not 0; some zeros are -0."""
    values = random.standard_normal(shape).astype(dtype)
    values[random.random(shape) >= share] = 0.0
    values[random.random(shape) < 0.1] *= -0.0
    return values


def both(shape: tuple[int, ...], right: tuple[int, ...], dtype: str, left: bool) -> list[pc.Function]:
    """Return a product with an input that is said to be mostly zero, and with one that is not."""
    found = []
    for hint in (True, False):
        x = pc.variable("x", shape, dtype, mostly_zero=hint)
        y = pc.variable("y", right, dtype)
        found.append(pc.function([x, y], pc.matmul(x, y, transpose_left=left)))
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("machine", MACHINES)
def test_products_are_the_same(machine: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lower_thresholds(monkeypatch)
    use(monkeypatch, machine)

    @draws(20)
    @given(
        threads=st.sampled_from([1, 3]),
        m=SIZES,
        k=SIZES,
        n=COLUMNS,
        left=st.booleans(),
        share=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
        strange=st.sampled_from(sorted(STRANGE)),
        place=st.integers(0, 1 << 20),
    )
    def agree(m: int, k: int, n: int, left: bool, share: float, strange: str, place: int, threads: int) -> None:
        monkeypatch.setenv("PELLUCID_THREADS", str(threads))
        random = np.random.default_rng(m + k + n)
        x = sparse(random, (k, m) if left else (m, k), dtype, share)
        y = random.standard_normal((k, n)).astype(dtype)
        y.flat[place % y.size] = STRANGE[strange]
        quick, plain = both(x.shape, y.shape, dtype, left)
        with np.errstate(all="ignore"):
            expected = (x.T if left else x).astype(np.float64) @ y.astype(np.float64)
        found = quick(x, y)
        np.testing.assert_array_equal(found, plain(x, y))
        if strange != "huge":
            np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))

    agree()


@pytest.mark.parametrize("strange", ["infinity", "NaN"])
def test_what_is_no_number_in_the_mostly_zero_input_is_not_lost(strange: str) -> None:
    x = np.zeros((200, 300), "float32")
    x[7, 123] = STRANGE[strange]
    y = np.random.default_rng(0).standard_normal((300, 100)).astype("float32")
    quick, plain = both(x.shape, y.shape, "float32", False)
    np.testing.assert_array_equal(quick(x, y), plain(x, y))
    assert not np.isfinite(quick(x, y)[7]).any()


def test_few_columns_go_through_all_steps() -> None:
    x = pc.variable("x", (200, 300), mostly_zero=True)
    narrow, wide = (pc.function([x, y], x @ y).compiled().executable for y in (_columns(10), _columns(100)))
    assert "ptr noalias readonly %list" not in narrow.text
    assert ", mostly zero, and y[" in program_text(wide.program)
    assert "ptr noalias readonly %list" in wide.text


def _columns(n: int) -> pc.Expression:
    return pc.variable("y", (300, n))


def test_rows_are_as_many_as_the_rule_says() -> None:
    x, y = pc.variable("x", (200, 300), mostly_zero=True), _columns(100)
    (product,) = contractions(program_of(pc.function([x, y], x @ y)))
    assert product.left.buffer.mostly_zero and not product.right.buffer.mostly_zero


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("machine", MACHINES)
def test_picked_rows_are_read_where_they_lie(machine: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lower_thresholds(monkeypatch)
    use(monkeypatch, machine)
    monkeypatch.setattr("pellucid.schedule.layout.READ_IN_PLACE", 0)  # without the hint they are copied

    @draws(12)
    @given(
        rows=st.integers(1, 60),
        sizes=st.tuples(*[st.integers(30, 70)] * 3),
        share=st.sampled_from([0.0, 0.2, 1.0]),
        strange=st.sampled_from(sorted(STRANGE)),
        threads=st.sampled_from([1, 3]),
    )
    def agree(rows: int, sizes: tuple[int, int, int], share: float, strange: str, threads: int) -> None:
        monkeypatch.setenv("PELLUCID_THREADS", str(threads))
        (batch, k, n), random = sizes, np.random.default_rng(rows + sum(sizes))
        arrays = [sparse(random, (rows, k), dtype, share), random.integers(0, rows, batch).astype("int32")]
        arrays += [random.standard_normal(shape).astype(dtype) for shape in ((k, n), (batch, n))]
        arrays[2][k // 2, n // 3] = STRANGE[strange]
        found = []
        for hint in (True, False):
            x, picked = pc.variable("x", (rows, k), dtype, mostly_zero=hint), pc.variable("rows", (batch,), "int32")
            w, g = pc.variable("w", (k, n), dtype), pc.variable("g", (batch, n), dtype)
            function = pc.function([x, picked, w, g], [pc.take(x, picked) @ w, pc.take(x, picked).T @ g])
            found.append(function(*arrays))
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)

    agree()


def test_no_batch_of_mostly_zero_rows_is_gathered() -> None:
    random = np.random.default_rng(0)
    x = (random.random((600, 300)) * (random.random((600, 300)) < 0.2)).astype("float32")
    loops = step(300, scaled=False)[0].minibatches(200).on(x, random.integers(0, 10, 600).astype("int32"))
    text = program_text(loops.parts[0].compilation.executable.program)
    assert "take" not in text
    assert "product 200 x 100 x 300 of x[" in text and "product 300 x 100 x 200 of x[" in text
    assert "relu" in text[text.index("product 200 x 100 x 300") : text.index("kernel 2")]


# which arrays are


def step(k: int, dtype: str = "float32", scaled: bool = True) -> tuple[pc.Function, pc.Parameter]:
    """Return a step of a small network of which the first product is with the input, and its weights."""
    x, y = pc.variable("x", ("batch", k), dtype), pc.variable("y", ("batch",), "int32")
    weights = pc.parameter(np.random.default_rng(1).standard_normal((k, 100)) * 0.1, name="W")
    out = pc.parameter(np.random.default_rng(2).standard_normal((100, 10)) * 0.1, name="V")
    rows = x.astype("float32") * np.float32(1 / 255) if scaled else x
    scores = pc.relu(rows @ weights) @ out
    loss = pc.losses.cross_entropy(scores, y).mean()
    return pc.function([x, y], loss, updates=pc.optimizers.Adam(0.01).updates(loss, [weights, out])), weights


@pytest.mark.parametrize("batch", [200, 170])
@pytest.mark.parametrize(("dtype", "scaled"), [("float32", True), ("float32", False), ("uint8", True)])
def test_training_on_what_is_mostly_zero_is_the_same(
    dtype: str, scaled: bool, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    x = (random.integers(0, 256, (600, 300)) * (random.random((600, 300)) < 0.2)).astype(dtype)
    y = random.integers(0, 10, 600).astype("int32")
    found = []
    for hint in (True, False):
        if not hint:
            monkeypatch.setattr("pellucid.repeating.seems_mostly_zero", lambda *_: False)
        function, weights = step(300, dtype, scaled)
        loops = function.minibatches(batch, epochs=3)
        losses, chosen = loops(x, y), loops.on(x, y, rows=np.arange(0, 600, 2)).run(0, 4)
        assert ("mostly zero" in program_text(program_of(function))) == hint
        found.append((losses, chosen, weights.value))
    for one, other in zip(*found, strict=True):
        if scaled:
            np.testing.assert_array_equal(one, other)
        else:  # no copy of the rows is made in a loop that others share, and so the loss is added up in another order
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_one_function_on_full_and_on_empty_arrays() -> None:
    random = np.random.default_rng(0)
    full = random.random((400, 300)).astype("float32")
    y = random.integers(0, 10, 400).astype("int32")
    loops = step(300)[0].minibatches(200)
    for x, hint in ((full, False), (full * (full < 0.2), True), (full, False)):
        assert ("mostly zero" in program_text(loops.on(x, y).parts[0].compilation.executable.program)) == hint


class Watched(np.ndarray[Any, Any]):
    """An array that says which of its rows are read."""

    seen: set[int]

    def __getitem__(self, places: Any) -> Any:
        self.seen.update(np.atleast_1d(places).tolist())
        return np.asarray(self)[places]


def test_only_some_rows_are_looked_at_and_of_chosen_rows_only_these() -> None:
    array = np.zeros((10_000, 3)).view(Watched)
    array.seen = set()
    assert looping.seems_mostly_zero(array)
    assert len(array.seen) == looping.SAMPLED_ROWS and {0, 9_999} <= array.seen
    array.seen = set()
    assert looping.seems_mostly_zero(array, np.array([5, 7, 9]))
    assert array.seen == {5, 7, 9}


def test_of_rows_that_are_large_few_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looping, "SAMPLED_ELEMENTS", 100)
    array = np.zeros((1_000, 30)).view(Watched)
    array.seen = set()
    assert looping.seems_mostly_zero(array)
    assert len(array.seen) == 3


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (5,), ()])
def test_what_has_no_rows_is_not_mostly_zero(shape: tuple[int, ...]) -> None:
    assert not looping.seems_mostly_zero(np.zeros(shape))


def test_a_third_is_the_most_that_may_be_something() -> None:
    array = np.zeros((3, 100))
    array[0] = np.nan
    assert looping.seems_mostly_zero(array)
    array[1, 0] = 1
    assert not looping.seems_mostly_zero(array)
