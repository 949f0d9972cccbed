"""Contractions in blocks: products and convolutions of every size, on every kind of machine, however they are cut."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from backends.native.blocks import MACHINES, check_sums, contractions, lower_thresholds, normal, program_of, use
from draws import draws
from operations.geometry import Geometry, geometries
from pellucid.backends.native import blocking
from pellucid.backends.native.blocking import Blocking
from pellucid.backends.native.microkernel import tile_shape
from pellucid.backends.native.target import Target
from pellucid.backends.reference import evaluate
from pellucid.schedule.loops import Contraction

SIZES = st.integers(1, 40) | st.sampled_from([47, 48, 49, 64, 97, 100])
EXAMPLES = draws(12)
FEW = draws(6)


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of machine that this one can run code for, with low thresholds."""
    lower_thresholds(monkeypatch)
    use(monkeypatch, request.param)
    return str(request.param)


@pytest.fixture
def low(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine, with low thresholds."""
    lower_thresholds(monkeypatch)


def cut(draw: st.DrawFn, c: Contraction, target: Target) -> Blocking:
    """Draw any cut that a search, or a rule of another machine, may choose."""
    columns, steps = (axes[-1][1] if axes else 1 for axes in (c.columns, c.shared))
    rows, vectors = tile_shape(columns, steps, target, c.buffer.dtype)
    by_columns = len(c.columns) == 1 and draw(st.booleans())
    packs_left = blocking._rows_lie_together(c) and draw(st.booleans())
    bytes_ = draw(st.sampled_from([1, 2_000, 20_000, 1 << 20]))
    return Blocking(draw(st.integers(1, rows)), draw(st.integers(1, vectors)), bytes_, by_columns, packs_left)


def products(m: int, k: int, n: int, left: bool, right: bool, dtype: str, lead: tuple[int, ...] = ()) -> Any:
    """Return the variables of a product, and the product."""
    x = pc.variable("x", (*lead, k, m) if left else (*lead, m, k), dtype)
    y = pc.variable("y", (*lead, n, k) if right else (*lead, k, n), dtype)
    return [x, y], pc.matmul(x, y, transpose_left=left, transpose_right=right)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products(machine: str, dtype: str) -> None:
    @EXAMPLES
    @given(m=SIZES, k=SIZES, n=SIZES, left=st.booleans(), right=st.booleans())
    def agree(m: int, k: int, n: int, left: bool, right: bool) -> None:
        inputs, product = products(m, k, n, left, right, dtype)
        program = check_sums(inputs, [product], normal(m + k + n, *inputs), k)
        assert len(contractions(program)) == (m * n > 1)

    agree()


@pytest.mark.parametrize("machine", ["avx512", "avx2", "wide"], indirect=True)
@pytest.mark.parametrize("threads", [1, 3])
def test_products_however_they_are_cut(machine: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_THREADS", str(threads))

    @EXAMPLES
    @given(m=SIZES, k=SIZES, n=SIZES, left=st.booleans(), right=st.booleans(), data=st.data())
    def agree(m: int, k: int, n: int, left: bool, right: bool, data: st.DataObject) -> None:
        chosen: list[Blocking] = []

        def choose(c: Contraction, target: Target, _: Any) -> Blocking:
            if not chosen:  # hypothesis keeps what was drawn, and the code may be written more than once
                chosen.append(cut(data.draw, c, target))
            return chosen[0]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pellucid.backends.native.generate.blocking", choose)
            inputs, product = products(m, k, n, left, right, "float32")
            check_sums(inputs, [product], normal(m + k + n, *inputs), k)

    agree()


def test_batches_of_products(machine: str) -> None:
    @FEW
    @given(st.sampled_from([(3,), (2, 2)]), SIZES, SIZES, SIZES, st.booleans(), st.booleans())
    def agree(lead: tuple[int, ...], m: int, k: int, n: int, left: bool, right: bool) -> None:
        inputs, product = products(m, k, n, left, right, "float32", lead)
        assert len(contractions(check_sums(inputs, [product], normal(m + n, *inputs), k))) == (m * n > 1)

    agree()


@pytest.mark.parametrize("kept", [False, True])
def test_bodies(machine: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bias and activation, several stores of one element, masks; the sum itself stored or in no memory at all."""
    monkeypatch.setenv("PELLUCID_THREADS", "2")

    @FEW
    @given(m=SIZES, k=SIZES, n=SIZES, dtype=st.sampled_from(["float32", "float64"]))
    def agree(m: int, k: int, n: int, dtype: str) -> None:
        x, b, other = (pc.variable(name, s, dtype) for name, s in (("x", (m, k)), ("b", (n,)), ("other", (m, n))))
        arrays = normal(m + n, x, b, other)
        # Of variables alone a product is made once a call; a parameter's may differ from step to step.
        w = pc.parameter(np.random.default_rng(k).normal(size=(k, n)), name="w", dtype=dtype)
        product = x @ w
        activated = pc.relu(product + b)
        roots = [activated, activated * other, pc.where(product > 0.5, 2.0 * other, product), *[product] * kept]
        function = pc.function([x, b, other], roots)
        found = function(*arrays)
        values = dict(zip((x, b, other, w), [*arrays, w.value], strict=True))
        sums, size = (evaluate([product], v, precise=True)[0] for v in (values, {a: abs(v) for a, v in values.items()}))
        bound = (k + 4) * np.finfo(dtype).eps * (size + abs(arrays[1])) * (1 + abs(arrays[2]))
        sure = np.abs(sums - 0.5) > bound
        for position, (one, oracle) in enumerate(zip(found, evaluate(roots, values, precise=True), strict=True)):
            assert ((np.abs(one - oracle) <= bound) | (~sure & (position == 2))).all()
        for contraction in contractions(program_of(function)):
            assert len(contraction.body) >= 3
            assert contraction.kept == (kept or k > 24), "a sum that is cut needs memory"
        assert m * n == 1 or contractions(program_of(function))

    agree()


@pytest.mark.parametrize("steps", [1, 3])
def test_updates_where_the_gradient_is_made(machine: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_THREADS", "3")

    @FEW
    @given(m=SIZES, k=SIZES, n=SIZES)
    def agree(m: int, k: int, n: int) -> None:
        x, g = pc.variable("x", (k, m)), pc.variable("g", (k, n))
        arrays = normal(m + n, x, g)
        w, speed = (pc.parameter(np.ones((m, n)), name=name) for name in ("w", "speed"))
        gradient = pc.matmul(x, g, transpose_left=True)
        faster = 0.5 * speed - 0.25 * gradient
        step = pc.function([x, g], gradient.sum(), updates=[(speed, faster), (w, w + faster)])
        expected, moving = np.ones((m, n)), np.ones((m, n))
        precise, size = arrays[0].astype("float64").T @ arrays[1], abs(arrays[0]).T @ abs(arrays[1])
        for _ in range(steps):
            step(*arrays)
            moving = 0.5 * moving - 0.25 * precise
            expected = expected + moving
        bound = steps * (k + 8) * np.finfo("float32").eps * (size + steps)
        assert (np.abs(w.value - expected) <= bound).all()
        assert (np.abs(speed.value - moving) <= bound).all()

    agree()


def convolved(geometry: Geometry) -> tuple[list[pc.Expression], list[pc.Expression], int]:
    """Return the variables of a convolution; it and both its gradients; and how many terms its longest sum has."""
    x, w = (pc.variable(n, s, geometry.dtype) for n, s in (("x", geometry.input), ("w", geometry.kernel)))
    function = pc.conv1d if len(geometry.sizes) == 1 else pc.conv2d
    y = function(x, w, geometry.strides, geometry.padding, geometry.dilation, geometry.groups)
    g = pc.variable("g", y.shape, geometry.dtype)
    places = int(np.prod(y.shape[:-1]))
    terms = int(np.prod(geometry.window)) * max(geometry.channels, geometry.outputs) + places
    return [x, w, g], [y, *pc.gradient((y * g).sum(), [x, w])], terms


def test_convolutions_and_their_gradients(machine: str) -> None:
    @EXAMPLES
    @given(geometries(smallest=1))
    def agree(geometry: Geometry) -> None:
        inputs, roots, terms = convolved(geometry)
        check_sums(inputs, roots, normal(geometry.seed, *inputs), terms)

    agree()


LAYERS = {
    "first, of one channel": Geometry(3, (12, 11), (3, 3), (1, 1), (1, 1), "same", 1, 17, 1, "float32", 0),
    "first, of three": Geometry(2, (15, 15), (5, 5), (2, 2), (1, 1), "same", 3, 32, 1, "float32", 1),
    "middle": Geometry(2, (9, 9), (3, 3), (1, 1), (1, 1), "same", 24, 33, 1, "float32", 2),
    "more above than below": Geometry(2, (9, 8), (3, 3), (2, 1), (1, 1), ((2, 0), (0, 1)), 5, 9, 1, "float32", 3),
    "gaps": Geometry(1, (13, 9), (3, 2), (1, 2), (3, 2), ((3, 4), (1, 2)), 4, 6, 1, "float64", 4),
    "groups": Geometry(2, (8, 8), (3, 3), (1, 1), (1, 1), "same", 8, 24, 2, "float32", 5),
    "a channel each": Geometry(2, (8, 8), (3, 3), (1, 1), (1, 1), "same", 8, 8, 8, "float32", 6),
    "one axis": Geometry(3, (31,), (5,), (2,), (1,), ((2, 3),), 7, 18, 1, "float32", 7),
    "one output": Geometry(2, (8, 9), (3, 3), (1, 1), (1, 1), "same", 6, 1, 1, "float32", 8),
    "a kernel of one": Geometry(2, (8, 9), (1, 1), (1, 1), (1, 1), "valid", 17, 19, 1, "float32", 9),
    "whole windows of padding": Geometry(1, (4, 4), (2, 2), (1, 1), (1, 1), ((3, 3), (3, 2)), 3, 5, 1, "float64", 0),
}  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(machine: str, layer: str) -> None:
    inputs, roots, terms = convolved(LAYERS[layer])
    program = check_sums(inputs, roots, normal(LAYERS[layer].seed, *inputs), terms)
    assert bool(contractions(program)) == (layer != "a channel each"), (
        "whose elements lie apart, and so have other loops"
    )


@pytest.mark.usefixtures("low")
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("threads", [2, 5])
def test_layers_are_the_same_however_they_are_cut(layer: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, roots, _ = convolved(LAYERS[layer])
    arrays = normal(LAYERS[layer].seed, *inputs)
    monkeypatch.setenv("PELLUCID_THREADS", "1")
    expected = [a.tobytes() for a in pc.function(inputs, roots)(*arrays)]
    monkeypatch.setenv("PELLUCID_THREADS", str(threads))

    @FEW
    @given(st.data())
    def same(data: st.DataObject) -> None:
        chosen: dict[Any, Blocking] = {}

        def choose(c: Contraction, target: Target, _: Any) -> Blocking:
            key = (c.axes, c.index)
            if key not in chosen:
                chosen[key] = cut(data.draw, c, target)
            return chosen[key]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pellucid.backends.native.generate.blocking", choose)
            assert [a.tobytes() for a in pc.function(inputs, roots)(*arrays)] == expected

    same()


@pytest.mark.usefixtures("low")
def test_no_convolution_skips_what_is_stored() -> None:
    """A border that is skipped leaves the program's clips; its sums have fewer steps, not other ones."""
    inputs, roots, terms = convolved(LAYERS["middle"])
    program = check_sums(inputs, roots, normal(2, *inputs), terms)
    assert [len(c.clips) for c in contractions(program)] == [2, 2, 2], "what is given is not copied"
    assert {b.place for b in program.buffers} == {"input", "output"}
    x, w, _ = inputs
    made = pc.conv2d(pc.conv2d(x, w, padding="same"), pc.reshape(w, (3, 3, 33, 24)), padding="same")
    program = check_sums([x, w], [made], normal(2, x, w), terms + 9 * 33)
    assert [len(c.clips) for c in contractions(program)] == [2, 1], "what is made is made within its columns' padding"


WITHIN = """
import ctypes, mmap
import numpy as np
import pellucid as pc

PAGE = mmap.PAGESIZE
libc = ctypes.CDLL(None)
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

def between(shape, low):
    # An array that begins right after, or ends right before, a page that may not be touched.
    size = 4 * int(np.prod(shape))
    pages = -(-size // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    start = np.frombuffer(memory, np.uint8).ctypes.data
    assert libc.mprotect(start, PAGE, 0) == libc.mprotect(start + (pages + 1) * PAGE, PAGE, 0) == 0
    offset = PAGE if low else (pages + 1) * PAGE - size
    array = np.frombuffer(memory, np.float32, size // 4, offset).reshape(shape)
    array[...] = 1
    return array

for kernel, outputs, padding in [((3, 1), 1, "same"), ((3, 3), 1, 1), ((3, 3), 32, "same"), ((5, 4), 17, 6)]:
    shapes = [(24, 33, 34, 16), (*kernel, 16, outputs)]
    x, w = (pc.variable(name, shape) for name, shape in zip("xw", shapes))
    y = pc.conv2d(x, w, padding=padding)
    step = pc.function([x, w], [y, *pc.gradient((y * y).sum(), [x, w])])
    first, second = (step(*(between(shape, low) for shape in shapes)) for low in (True, False))
    assert all((a == b).all() for a, b in zip(first, second))
"""


def test_convolutions_read_nothing_beside_their_operands() -> None:
    """Where a border is skipped, nobody asks for what would lie there; in a process of its own, which it would end."""
    subprocess.run([sys.executable, "-c", WITHIN], check=True)
