"""Derivatives: reverse mode over expressions; the result is an expression you can read.

The loss is first put in its stable form (`rewrite/stability.py`), because the derivative of
``log(exp(z) / sum(exp(z)))`` is short and exact only once the logarithm and the exponential have met.
Griewank and Walther, *Evaluating Derivatives*, chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from .core.dtypes import is_float
from .core.errors import GradientError
from .core.expression import Expression, is_expression
from .core.origins import origin_of, place
from .core.sizes import show_shape
from .core.traversal import substitute, topological
from .operations.movement import broadcast_to, unbroadcast
from .operations.recurrence import is_recurrence, loop_key, loop_of
from .operations.source import constant, variable
from .rewrite.engine import Log, rewrite
from .rewrite.rules import SIMPLIFY, STABILISE
from .through_time import loop_gradient


@overload
def gradient(scalar: Expression, wrt: Expression) -> Expression: ...
@overload
def gradient(scalar: Expression, wrt: Sequence[Expression]) -> list[Expression]: ...
def gradient(scalar: Expression, wrt: Expression | Sequence[Expression]) -> Expression | list[Expression]:
    """Return the derivative of a scalar expression with respect to one expression, or a list for a list.

    Args:
        scalar: what is differentiated, of shape () and a float dtype.
        wrt: variables, parameters or inner expressions of a float dtype. Those the scalar does not depend on get
            zeros.

    Raises:
        GradientError: if ``scalar`` is no float scalar, or one of ``wrt`` is of integers.

    >>> from pellucid.operations.source import parameter, variable
    >>> x, W = variable("x", (2,)), parameter([0.2, 0.7], name="W")
    >>> print(gradient((x * W).sum(), W))
    x
    """
    targets = [wrt] if isinstance(wrt, Expression) else list(wrt)
    _check(scalar, targets)
    found = backpropagate(_stable(scalar, targets), targets)
    simplified = rewrite(found, SIMPLIFY, Log())
    return simplified[0] if is_expression(wrt) else simplified


def _check(scalar: Expression, targets: Sequence[Expression]) -> None:
    if not is_expression(scalar):
        raise GradientError(f"the gradient is of an expression, not of {type(scalar).__name__}")
    if scalar.shape != ():
        raise GradientError(
            f"the gradient is of a scalar, and this has shape {show_shape(scalar.shape)}: {scalar}{place(scalar)};"
            " take .sum() or .mean() of it first"
        )
    for target in (scalar, *targets):
        if not is_expression(target):
            raise GradientError(f"the gradient is with respect to expressions, not {type(target).__name__}")
        if not is_float(target.dtype):
            raise GradientError(
                f"{target} is {target.dtype}, and only floats have a derivative{place(target)};"
                " make it float32, with .astype('float32') or dtype='float32'"
            )


def _stable(scalar: Expression, targets: Sequence[Expression]) -> Expression:
    """Return the scalar in its stable form, which is one of the same targets.

    An inner expression must survive as it is. So a variable stands in for it meanwhile, which no rule looks into.
    """
    inner = {t: variable("x", t.shape, t.dtype) for t in targets if t.inputs}
    (stable,) = rewrite(substitute([scalar], inner) if inner else [scalar], STABILISE, Log())
    return substitute([stable], {stands: t for t, stands in inner.items()})[0] if inner else stable


def backpropagate(scalar: Expression, targets: Sequence[Expression]) -> list[Expression]:
    """Return the derivatives of ``scalar`` in reverse mode, before any simplification."""
    sums = _propagate({scalar: constant(1.0, scalar.dtype)}, targets)
    return [_in_shape(sums.get(t), t) for t in targets]


def _within(
    seeds: dict[Expression, Expression], targets: Sequence[Expression], body: set[Expression]
) -> list[Expression | None]:
    """Return derivatives within a step of a loop, through the nodes of its body."""
    sums = _propagate(seeds, targets, body)
    return [sums.get(t) for t in targets]


def _propagate(
    seeds: dict[Expression, Expression], targets: Sequence[Expression], through: set[Expression] | None = None
) -> dict[Expression, Expression]:
    """Return the adjoints of all expressions on the way from the seeds to the targets.

    The *adjoint* of an expression is the derivative of the scalar with respect to it.

    Args:
        seeds: expressions whose adjoints are known, and these.
        targets: what derivatives are wanted of.
        through: the nodes that may be gone through; all, unless they are given.
    """
    order = topological(seeds)
    wanted = set(targets)
    depends: set[Expression] = set()
    for current in order:  # only what leads to a target needs a derivative
        if current in wanted or any(i in depends for i in current.inputs):
            depends.add(current)
    results = _results(order)
    sums = dict(seeds)
    for current in reversed(order):
        if current not in depends or not current.inputs or (through is not None and current not in through):
            continue
        if is_recurrence(current):
            if results[loop_key(current)][0] is current:  # all that reads any of its results has been met by now
                _propagate_loop(results[loop_key(current)], sums, depends)
        elif current in sums:
            with origin_of(current):
                for operand, part in zip(current.inputs, _parts(sums[current], current), strict=True):
                    if part is not None and operand in depends:
                        _add(sums, operand, part)
    return sums


def _results(order: Sequence[Expression]) -> dict[tuple[Any, ...], list[Expression]]:
    """Return the results of each recurrence, in order."""
    found: dict[tuple[Any, ...], list[Expression]] = {}
    for current in order:
        if is_recurrence(current):
            found.setdefault(loop_key(current), []).append(current)
    return found


def _propagate_loop(
    results: Sequence[Expression], sums: dict[Expression, Expression], depends: set[Expression]
) -> None:
    adjoints = {r.attribute("result"): sums[r] for r in results if r in sums}
    if adjoints:
        with origin_of(results[0]):
            for operand, part in loop_gradient(loop_of(results[0]), adjoints, depends, _within):
                if operand in depends:
                    _add(sums, operand, part)


def _add(sums: dict[Expression, Expression], operand: Expression, part: Expression) -> None:
    if is_float(operand.dtype):  # where it met a wider dtype, its derivative did as well
        part = part.astype(operand.dtype)
    sums[operand] = sums[operand] + part if operand in sums else part


def _parts(g: Expression, current: Expression) -> tuple[Expression | None, ...]:
    rule = current.operation.gradient
    if rule is None:
        raise GradientError(
            f"{current.operation.name} has no derivative{place(current)}; use pc.stop_gradient if none should flow"
        )
    parts = rule(g, current, *current.inputs, **dict(current.attributes))
    if current.operation.kind != "elementwise":
        return parts
    # an elementwise operation stretches its operands: its derivative sums back what was stretched
    return tuple(
        None if part is None else unbroadcast(broadcast_to(part, current.shape), operand.shape)
        for part, operand in zip(parts, current.inputs, strict=True)
    )


def _in_shape(found: Expression | None, target: Expression) -> Expression:
    zeros = constant(0.0, target.dtype)
    return broadcast_to(found if found is not None else zeros, target.shape)
