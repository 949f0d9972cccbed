"""The contract of every operation, from the registry: a new operation arrives tested.

Shape and dtype rules, the meaning in NumPy and JAX, the native body on arrays, gradients against finite differences,
edge values against a float64 oracle, facts, notation and documentation.
"""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.cases import CASES, Case, assert_close, each_case, each_operation, is_summed, magnitude
from pellucid.backends.reference import evaluate
from pellucid.core.dtypes import is_float, promote
from pellucid.core.expression import Expression
from pellucid.core.operation import Operation, functions, operations
from pellucid.core.wellformed import check
from pellucid.gradient import backpropagate
from pellucid.operations.arrays import ArrayArithmetic
from pellucid.operations.formulas import latex, text
from pellucid.operations.source import constant, variable

STEP = 1e-6
# float32 results that the mathematics of a float64 oracle does not describe
OWN_PRECISION = ("nextafter",)


def run(expression: Expression, variables: list[Expression], arrays: list[Any], **options: Any) -> Any:
    """Return the value of an expression."""
    return evaluate([expression], dict(zip(variables, arrays, strict=True)), **options)[0]


@each_operation()
def test_every_operation_is_tried(operation: Operation) -> None:
    assert operation.tries or operation.kind == "loop" or operation.name == "batch_indices"


@each_case()
def test_shape_and_dtype_are_what_numpy_gives(case: Case) -> None:
    variables = case.variables()
    expression = case.build(*variables)
    check([expression], "building it", specialised=True)
    result = run(expression, variables, case.arrays())
    assert result.shape == expression.shape
    assert result.dtype.name == expression.dtype


@each_case("elementwise")
def test_elementwise_shapes_broadcast(case: Case) -> None:
    expression = case.build(*case.variables())
    assert expression.shape == np.broadcast_shapes(*case.instance.shapes)


@each_case()
def test_numpy_and_jax_agree(case: Case) -> None:
    jax = pytest.importorskip("jax")
    arrays = [_flushed(a) for a in case.arrays(special=case.operation.kind == "elementwise")]
    variables = case.variables()
    expression = case.build(*variables)
    with jax.enable_x64(True):
        ours = run(expression, variables, arrays)
        theirs = lambda *given: run(expression, variables, list(given), xp=jax.numpy)  # noqa: E731
        # compiled as a whole, which is faster than step by step; draws do not compile
        found = (jax.jit(theirs) if arrays else theirs)(*map(jax.numpy.asarray, arrays))
    scale = magnitude(arrays) if is_summed(case.operation) else 1.0
    assert_close(np.asarray(found), _flushed(ours), expression.dtype, 64, scale)


def _flushed(array: Any) -> Any:
    """XLA takes numbers below the smallest normal one for zero."""
    if array.dtype.kind != "f":
        return array
    return np.where(np.abs(array) < np.finfo(array.dtype).tiny, np.copysign(0, array), array).astype(array.dtype)


@each_case("elementwise")
def test_the_native_body_means_the_same(case: Case) -> None:
    """The body runs on arrays here; tests/contract/test_native.py runs what is compiled from it."""
    variables, arrays = case.variables(), case.arrays(special=True)
    expression = case.build(*variables)
    if case.operation.name in ("erf", "gelu") or expression.operation is not case.operation:
        pytest.skip("NumPy has no erf for the builder, and a conversion to the same dtype is no operation")
    (expected,) = evaluate([expression], dict(zip(variables, arrays, strict=True)))
    operands = evaluate(list(expression.inputs), dict(zip(variables, arrays, strict=True)))
    assert case.operation.scalar is not None
    with np.errstate(all="ignore"):
        body = case.operation.scalar(OwnArithmetic(np), *operands, **dict(expression.attributes))
    assert body.dtype.name == expression.dtype
    assert_close(np.reshape(body, expected.shape), expected, expression.dtype)


class OwnArithmetic(ArrayArithmetic):
    """Arrays with the builder's functions that NumPy lacks or that need a call."""

    def sigmoid(self, x: Any) -> Any:
        return operations["sigmoid"].array(self.xp, x)


@each_case()
def test_gradient_agrees_with_finite_differences(case: Case) -> None:
    """Central differences in float64, weighted by random numbers so that no two elements cancel."""
    floats = [k for k, d in enumerate(case.dtypes) if is_float(d)]
    wide = Case(case.operation, case.instance, case.number, tuple("float64" if is_float(d) else d for d in case.dtypes))
    variables, arrays = wide.variables(), wide.arrays()
    expression = wide.build(*variables)
    if not floats or expression.dtype != "float64" or case.operation.name == "stop_gradient":
        pytest.skip("nothing here has a derivative")
    generator = np.random.default_rng(1)
    loss = (expression * constant(generator.uniform(0.5, 1.5, expression.shape), "float64")).sum()
    targets = [variables[k] for k in floats]
    if case.operation.gradient is None:
        pytest.fail(f"{case.operation.name} has no gradient; give None for each operand that has no derivative")
    found = backpropagate(loss, targets)
    check(found, "differentiating", specialised=True)
    values = dict(zip(variables, arrays, strict=True))
    for target, array, gradient in zip(targets, [arrays[k] for k in floats], evaluate(found, values), strict=True):
        expected = np.zeros(array.shape)
        for place in itertools.islice(np.ndindex(array.shape), 12):
            sides = [_shifted(loss, values, target, place, sign * STEP) for sign in (1, -1)]
            expected[place] = (sides[0] - sides[1]) / (2 * STEP)
            assert gradient[place] == pytest.approx(expected[place], rel=2e-4, abs=2e-6), (target, place)
        assert gradient.shape == array.shape


def _shifted(loss: Expression, values: dict[Expression, Any], target: Expression, place: Any, step: float) -> float:
    moved = values[target].copy()
    moved[place] += step
    return float(evaluate([loss], {**values, target: moved})[0])


@each_case()
def test_edge_values_agree_with_a_float64_oracle(case: Case) -> None:
    """Infinities and NaN stand where the mathematics puts them, and nothing overflows on the way."""
    arrays = case.arrays(special=True)
    if is_summed(case.operation):  # 1e30 - 1e30 + 1 has no digits left in float32
        arrays = [np.where(np.abs(a) > 100, np.sign(a), a) if is_float(a.dtype.name) else a for a in arrays]
    variables = case.variables()
    expression = case.build(*variables)
    if not any(map(is_float, case.dtypes)) or case.operation.name in OWN_PRECISION:
        pytest.skip("exact in its own dtype")
    ours = run(expression, variables, arrays)
    oracle = run(expression, variables, arrays, precise=True)
    scale = magnitude(arrays) if is_summed(case.operation) else 0.0
    assert_close(ours, oracle, expression.dtype, 16, scale)


@each_case("elementwise")
def test_special_values_one_by_one(case: Case) -> None:
    """Every special value of every operand, beside every other's."""
    if case.number or not case.dtypes or case.operation.name in OWN_PRECISION:
        pytest.skip("tried with the first instance")
    floating = [is_float(d) for d in case.dtypes]
    choices = [d.special if f else (0, 1) for d, f in zip(case.instance.domains, floating, strict=True)]
    rows = np.array(list(itertools.product(*choices)), dtype="float64").T
    arrays = [row.astype(d) for row, d in zip(rows, case.dtypes, strict=True)]
    variables = case.variables(tuple(a.shape for a in arrays))
    expression = case.build(*variables)
    ours, oracle = (run(expression, variables, arrays, precise=p) for p in (False, True))
    assert_close(ours, oracle, expression.dtype, 16)


def test_facts_hold() -> None:
    """Commutative, odd, even, monotone and range are true of the meaning."""
    tried = 0
    for case in CASES:
        facts, operation = case.operation.facts, case.operation
        if operation.kind != "elementwise" or case.number or not all(map(is_float, case.dtypes)):
            continue
        shapes = tuple((200,) for _ in case.dtypes)
        variables, arrays = case.variables(shapes), case.arrays(shapes=shapes)
        y = run(case.build(*variables), variables, arrays)
        low, high = facts.range
        assert (y >= low - 1e-6).all() and (y <= high + 1e-6).all(), operation.name
        if facts.commutative:
            np.testing.assert_array_equal(run(case.build(*variables[::-1]), variables, arrays), y, operation.name)
        if facts.odd or facts.even:
            mirrored = run(case.build(*variables), variables, [-a for a in arrays])
            np.testing.assert_allclose(mirrored, -y if facts.odd else y, rtol=1e-6, err_msg=operation.name)
        if facts.monotone:
            arrays = [np.sort(a) for a in arrays]
            rises = np.diff(run(case.build(*variables), variables, arrays).astype("float64")) * facts.monotone
            assert (rises >= -1e-6).all(), operation.name
        tried += 1
    assert tried > 80


@each_case()
def test_notation_renders(case: Case) -> None:
    variables = case.variables()
    expression = case.build(*variables)
    for shown in (text(expression), latex(expression)):
        assert shown.strip()
        assert "{}" not in shown
        assert "None" not in shown
        assert shown.count("(") == shown.count(")")
    assert latex(expression).count("{") == latex(expression).count("}")


@each_operation()
def test_documentation(operation: Operation) -> None:
    assert operation.summary.endswith(".")
    assert len(operation.summary.split()) >= 3
    assert inspect.signature(operation.make)


@given(st.data())
def test_elementwise_operations_take_any_shapes_and_dtypes(data: st.DataObject) -> None:
    """Drawn shapes that broadcast, and any dtypes that the operation takes, give what NumPy's rules say."""
    named = sorted(o.name for o in operations.values() if o.kind == "elementwise" and o.name != "astype")
    operation = operations[data.draw(st.sampled_from(named))]
    domains = operation.tries[0].domains
    shape = tuple(data.draw(st.lists(st.integers(0, 3), max_size=3)))
    variables, arrays = [], []
    for k, domain in enumerate(domains):
        own = [1 if data.draw(st.booleans()) else n for n in shape[data.draw(st.integers(0, len(shape))) :]]
        dtype = data.draw(st.sampled_from(domain.dtypes))
        variables.append(variable(f"x{k}", tuple(own), dtype))
        arrays.append(np.ones(own, dtype))
    expression = operation(*variables)
    check([expression], "building it", specialised=True)
    assert expression.shape == np.broadcast_shapes(*(a.shape for a in arrays))
    if expression.dtype != "bool" and operation.name != "where" and is_float(expression.dtype):
        common = promote(*(a.dtype.name for a in arrays))
        assert expression.dtype == (common if is_float(common) else "float32")
    result = run(expression, variables, arrays)
    assert (result.shape, result.dtype.name) == (expression.shape, expression.dtype)


def test_the_array_api_elementwise_set_is_complete() -> None:
    """The functions of the array API standard 2024.12, section "Element-wise functions", but for complex numbers."""
    names = (
        "abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert bitwise_or"
        " bitwise_right_shift bitwise_xor ceil clip copysign cos cosh divide equal exp expm1 floor floor_divide greater"
        " greater_equal hypot isfinite isinf isnan less less_equal log log1p log2 log10 logaddexp logical_and"
        " logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow"
        " reciprocal remainder round sign signbit sin sinh sqrt square subtract tan tanh trunc"
    )
    assert [n for n in names.split() if n not in functions] == []
