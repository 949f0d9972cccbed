"""Native code and XLA against the reference: every operation, over sizes around a vector's width, compared.

Floats agree within a few units in the last place; NaN and infinities stand in the same places; integers and
truth values are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pc
from contract.cases import Case, assert_close, each_case, each_operation, is_summed, magnitude
from pellucid.core.dtypes import is_float
from pellucid.core.expression import Expression
from pellucid.core.operation import Operation, operations

# XLA is compiled anew for each size, and has no rest of a vector that could go wrong.
SIZES = {"native": (0, 1, 2, 15, 16, 17, 33, 1000), "xla": (0, 33)}
MATHEMATICS_ULPS = 8
LOOSER = {("xla", "log1p"): 128}  # XLA's own logarithm, near -1/2
SUM_ULPS = 16


@pytest.fixture(params=SIZES)
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend that is compared with the reference."""
    return str(request.param)


def without_subnormals(array: Any) -> Any:
    """Return the array with zeros in place of the numbers that XLA takes for zeros on a CPU."""
    if array.dtype.kind != "f":
        return array
    return np.where(np.abs(array) < np.finfo(array.dtype).tiny, np.copysign(0, array), array).astype(array.dtype)


def compare(
    backend: str,
    inputs: list[Expression],
    output: Expression,
    arrays: list[Any],
    ulps: float,
    scale: float = 0.0,
    seed: int = 0,
) -> None:
    """Assert that a backend and the reference give the same."""
    used = [k for k, x in enumerate(inputs) if _uses(output, x)]
    inputs, arrays = [inputs[k] for k in used], [arrays[k] for k in used]
    arrays = list(map(without_subnormals, arrays)) if backend == "xla" else arrays
    found, reference = (
        pc.function(inputs, output, seed=seed, backend=b, allow_nan=True)(*arrays) for b in (backend, "reference")
    )
    assert found.dtype == reference.dtype
    assert_close(found, reference, output.dtype, ulps, scale)


def _uses(output: Expression, x: Expression) -> bool:
    stack, seen = [output], set()
    while stack:
        current = stack.pop()
        if current is x:
            return True
        if current not in seen:
            seen.add(current)
            stack.extend(current.inputs)
    return False


@each_case()
def test_agrees_with_the_reference(backend: str, case: Case) -> None:
    variables = case.variables()
    arrays = case.arrays(special=not is_summed(case.operation))
    scale = magnitude(arrays) if is_summed(case.operation) else 0.0
    # indices given straight as inputs are checked at the call; computed ones, which these become, are clamped
    operands = [v + 0 if k and case.operation.kind == "indexing" else v for k, v in enumerate(variables)]
    compare(backend, variables, case.build(*operands), arrays, SUM_ULPS, scale)


@pytest.mark.parametrize("dtype", [0, 1])
@each_operation("elementwise")
def test_elementwise_over_sizes(backend: str, operation: Operation, dtype: int) -> None:
    """Sizes around a vector's width, with every special value somewhere in them."""
    instance = operation.tries[0]
    dtypes = tuple(d.dtypes[dtype % len(d.dtypes)] for d in instance.domains)
    case = Case(operation, instance, dtype, dtypes)
    inputs = case.variables(tuple(("n",) for _ in dtypes))
    output = case.build(*inputs)
    if output in inputs:
        pytest.skip("a conversion to the same dtype")
    functions = [pc.function(inputs, output, backend=b, allow_nan=True) for b in (backend, "reference")]
    for size in SIZES[backend] if dtype == 0 else SIZES[backend][-3:]:
        arrays = case.arrays(special=True, shapes=tuple((size,) for _ in dtypes))
        arrays = list(map(without_subnormals, arrays)) if backend == "xla" else arrays
        found, reference = (f(*arrays) for f in functions)
        assert_close(found, reference, output.dtype, LOOSER.get((backend, operation.name), MATHEMATICS_ULPS))


@each_operation("reduction")
@pytest.mark.parametrize("axis", [0, 1])
def test_reductions_over_sizes(backend: str, operation: Operation, axis: int) -> None:
    x = pc.variable("x", ("n", 3) if axis == 0 else (3, "n"))
    functions = [pc.function([x], operation(x, axis=axis), backend=b) for b in (backend, "reference")]
    generator = np.random.default_rng(7)
    for size in SIZES[backend][1:]:
        array = generator.uniform(0.9, 1.1, (size, 3) if axis == 0 else (3, size)).astype("float32")
        found, reference = (f(array) for f in functions)
        exact = operation.array(np, array.astype("float64"), axes=(axis,))
        np.testing.assert_allclose(found, exact, rtol=2e-6 * max(1, size / 50))
        np.testing.assert_allclose(reference, exact, rtol=2e-6 * max(1, size / 50))


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 3, 4), (15, 16, 17), (33, 1, 2), (1, 33, 64), (3, 0, 2)])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
def test_products_over_sizes(backend: str, sizes: tuple[int, int, int], transposed: tuple[bool, bool]) -> None:
    m, k, n = sizes
    left, right = transposed
    x = pc.variable("x", (k, m) if left else (m, k))
    y = pc.variable("y", (n, k) if right else (k, n))
    generator = np.random.default_rng(3)
    arrays = [generator.normal(size=v.shape).astype("float32") for v in (x, y)]
    product = pc.matmul(x, y, transpose_left=left, transpose_right=right)
    compare(backend, [x, y], product, arrays, SUM_ULPS, magnitude(arrays) / max(1, m * n))


def _read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


VIEWS: dict[str, Any] = {
    "reversed": lambda a: a[::-1],
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2],
    "transposed": np.asfortranarray,
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), dtype=a.dtype, offset=1).reshape(a.shape),
    "read-only": _read_only,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
}


@pytest.mark.parametrize("view", VIEWS)
def test_inputs_need_not_be_contiguous(backend: str, view: str) -> None:
    x = pc.variable("x", ("n", 5))
    array = np.arange(85, dtype="float32").reshape(17, 5)
    compare(backend, [x], pc.tanh(x / 50) + x.sum(axis=1, keepdims=True), [VIEWS[view](array)], MATHEMATICS_ULPS)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "uint32", "int64", "float32", "float64"])
@pytest.mark.parametrize("target", ["bool", "uint8", "int32", "uint32", "int64", "float32", "float64"])
def test_conversions(backend: str, dtype: str, target: str) -> None:
    """Every pair of dtypes; floats outside an integer's range saturate, and NaN becomes 0."""
    values = [
        0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        254.9,
        255.0,
        256.0,
        2.0**31 - 1,
        2.0**31,
        -(2.0**31),
        2.0**32,
        2.0**63,
        -(2.0**63),
    ]
    array = np.array([*values, 1e30, -1e30, np.inf, -np.inf, np.nan])
    with np.errstate(all="ignore"):
        array = pc.operations.arrays.to_dtype(np, array, dtype)
    x = pc.variable("x", array.shape, dtype)
    compare(
        backend,
        [x],
        pc.add(x.astype(target), 0) if target != "bool" else pc.logical_or(x.astype(target), False),
        [array],
        1,
    )


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint32", "int64"])
@pytest.mark.parametrize("name", ["floor_divide", "remainder", "pow", "bitwise_left_shift", "bitwise_right_shift"])
def test_whole_numbers_at_their_limits(backend: str, name: str, dtype: str) -> None:
    """Division by zero, the lowest number by -1, shifts beyond the width, and powers that wrap."""
    limits = np.iinfo(dtype)
    numbers = [limits.min, limits.max, 0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 100] + [-1, -2, -7] * (limits.min < 0)
    pairs = np.array([(a, b) for a in numbers for b in numbers], dtype=dtype).T
    x, y = (pc.variable(v, pairs[0].shape, dtype) for v in "xy")
    compare(backend, [x, y], operations[name](x, y), list(pairs), 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_random_draws_are_the_same_numbers(backend: str, dtype: str, seed: int) -> None:
    """Uniform numbers are the same bits; normal ones go through a logarithm and a cosine."""
    for size in (1, 17, 1000) if backend == "native" else (33,):
        compare(backend, [], pc.uniform((size, 3), dtype=dtype), [], 0, seed=seed)
        compare(backend, [], pc.normal((size,), dtype=dtype), [], 16, 1.0, seed=seed)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 16, 17, 100, 1025])
def test_permutations_are_the_same(backend: str, n: int) -> None:
    compare(backend, [], pc.permutation(n), [], 0)


def test_steps_of_a_draw_differ_and_agree_between_backends(backend: str) -> None:
    draws = [pc.function([], pc.normal((3,)), seed=5, backend=b).repeat(4)() for b in (backend, "reference")]
    np.testing.assert_allclose(*draws, rtol=1e-5, atol=1e-6)
    assert len(np.unique(draws[0])) == 12


def test_composed_functions(backend: str) -> None:
    x, labels = pc.variable("x", ("n", 4)), pc.variable("labels", ("n",), "int32")
    table = pc.parameter(np.arange(20.0).reshape(5, 4))
    outputs = {
        "softmax": pc.softmax(x),
        "log_softmax": pc.log_softmax(x),
        "logsumexp": pc.logsumexp(x, axis=0),
        "var": pc.var(x, axis=1, correction=1),
        "std": x.std(),
        "mean": x.mean(axis=0),
        "argmax": x.argmax(axis=1),
        "argmin": x.argmin(),
        "picked": x[pc.arange("n"), labels],
        "taken": table[labels],
        "hot": pc.one_hot(labels, 3),
        "slice": x[1:, ::-2],
        "any": pc.any(x > 2, axis=1),
        "all": pc.all(x > -2, axis=0),
        "norm": pc.norm(x, axis=1),
        "clipped": pc.clip(x, -1, 1),
    }
    functions = [pc.function([x, labels], outputs, backend=b) for b in (backend, "reference")]
    generator = np.random.default_rng(2)
    for size in (1, 2, 17, 100) if backend == "native" else (1, 17):
        arrays = generator.normal(size=(size, 4)).astype("float32"), generator.integers(0, 4, size)
        found, reference = (f(*arrays) for f in functions)
        for name in outputs:
            assert_close(found[name], reference[name], str(reference[name].dtype), 64, 1.0)
    assert is_float(outputs["mean"].dtype)
