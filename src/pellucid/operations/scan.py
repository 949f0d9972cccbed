"""``scan``: a function of one step, made into a loop over time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..core.errors import DtypeError, InputError, ShapeError, UnknownVariableError
from ..core.expression import Expression, as_expressions, fresh_token, is_expression, node
from ..core.operation import composed
from ..core.origins import place
from ..core.sizes import Axis, as_axis, show_shape
from ..core.traversal import substitute, topological
from .recurrence import Loop, make_step_variable, scopes

PLAIN_DRAW = {"token", "shape", "dtype"}


@composed
def scan(
    f: Callable[[Any, Any], Any],
    init: Any,
    xs: Any = None,
    length: Any = None,
    reverse: bool = False,
    recompute: bool = False,
) -> tuple[Any, Any]:
    """Return what a loop over time carries on at last, and what its steps return, stacked.

    In effect ``for x in xs: carry, y = f(carry, x)``. ``f`` is called once, with expressions; what it reads besides its
    arguments (parameters, other expressions) is the same at every step. Its gradient is back-propagation through time,
    as another loop. What does not depend on the carried values is computed for all steps at once, outside the loop.

    Args:
        f: a function ``(carry, x) -> (new carry, y)``; the new carry has the structure, shapes and dtypes of the old.
            Random draws in it are drawn anew at each step.
        init: the carry before the first step: an expression or array, or nested tuples, lists and dicts of them.
        xs: what is read along its first axis, one row a step: nested like the carry; ``f`` gets None if there is none.
        length: how many steps, where no sequence says so.
        reverse: whether the last row comes first. What is returned is in the order of the rows in any case.
        recompute: whether the gradient computes again what is needed of a step, instead of storing it: less memory,
            more arithmetic.

    Returns:
        The last carry; and ``y`` with a first axis of steps in front (None if y is None).

    Raises:
        ShapeError: sequences of different lengths; no length; no steps; a carry that changes its shape.
        DtypeError: a carry that changes its dtype.
        InputError: ``f`` does not return a pair, or a carry of another structure.

    Werbos, *Backpropagation through time: what it does and how to do it*, 1990; Goodfellow et al., *Deep Learning*,
    section 10.2. The interface is that of ``jax.lax.scan``.

    >>> import pellucid as pc
    >>> total, so_far = pc.scan(lambda s, x: (s + x, s + x), 0.0, pc.constant([1.0, 2.0, 3.0]))
    >>> pc.function([], [total, so_far])()
    [np.float32(6.0), array([1., 3., 6.], dtype=float32)]
    """
    initial = [as_expressions(leaf)[0] for _, leaf in _leaves(init)]
    sequences = [as_expressions(leaf)[0] for _, leaf in _leaves(xs)]
    steps = _length(sequences, [path for path, _ in _leaves(xs)], length)
    carried = [make_step_variable(x.shape, x.dtype, _without_zero(x.name or "c")) for x in initial]
    current = [make_step_variable(x.shape[1:], x.dtype, x.name or "x") for x in sequences]
    mark = fresh_token()
    returned = f(_filled(init, iter(carried)), _filled(xs, iter(current)))
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise InputError(
            f"scan: the step returned {type(returned).__name__}, and a pair was expected: (new carry, what the step"
            " returns, or None)"
        )
    new = _checked(init, initial, carried, returned[0])
    outputs = [as_expressions(leaf)[0] for _, leaf in _leaves(returned[1])]
    roots, draws = _drawn_each_step([*new, *outputs], mark, steps)
    loop = Loop(
        tuple(initial),
        (*sequences, *draws.values()),
        tuple(carried),
        (*current, *draws),
        tuple(roots[: len(new)]),
        tuple(roots[len(new) :]),
        steps,
        bool(reverse),
        bool(recompute),
    )
    last = _filled(init, iter([loop.last(k) for k in range(len(new))]))
    return last, _filled(returned[1], iter([loop.stacked(k) for k in range(len(outputs))]))


def _leaves(tree: Any, path: str = "") -> list[tuple[str, Any]]:
    """Return what nested tuples, lists and dicts hold, each with where it lies."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in _leaves(value, f"{path}[{key!r}]")]
    if isinstance(tree, tuple | list):
        return [leaf for k, value in enumerate(tree) for leaf in _leaves(value, f"{path}[{k}]")]
    return [(path, tree)]


def _filled(tree: Any, leaves: Iterator[Any]) -> Any:
    """Return the same structure with other leaves."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: _filled(value, leaves) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        parts = [_filled(value, leaves) for value in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return next(leaves)


def _without_zero(name: str) -> str:
    """Return what a carried value is called, by the name of its first value: h for h0.

    >>> _without_zero("h0"), _without_zero("h_0"), _without_zero("h10"), _without_zero("state")
    ('h', 'h', 'h10', 'state')
    """
    return re.sub(r"(?<=[^\W\d_])_?0$", "", name)


def _length(sequences: list[Expression], paths: list[str], length: Any) -> Axis:
    for path, x in zip(paths, sequences, strict=True):
        if not x.ndim:
            raise ShapeError(f"scan: xs{path} is a single number, and a sequence has a first axis of steps{place(x)}")
    found: list[tuple[str, Axis]] = [(f"xs{path}", x.shape[0]) for path, x in zip(paths, sequences, strict=True)]
    if length is not None:
        found.append(("length", as_axis(length)))
    if not found:
        raise ShapeError("scan: without sequences, length is needed: how many steps are to be done")
    name, steps = found[0]
    for other, size in found[1:]:
        if size != steps:
            raise ShapeError(
                f"scan: {name} has {steps} steps and {other} has {size}{place(*sequences)}; make them equally long: pad"
                " the shorter, and pass a mask as another sequence that pc.where chooses the old carry by"
            )
    if steps == 0:
        raise ShapeError(f"scan: {name} has 0 steps, and at least 1 is needed{place(*sequences)}")
    return steps


def _checked(init: Any, initial: list[Expression], carried: list[Expression], returned: Any) -> list[Expression]:
    """Return the new carry's leaves, if they fit those of the old one."""
    before, after = _leaves(init), _leaves(returned)
    if [path for path, _ in before] != [path for path, _ in after]:
        raise InputError(
            f"scan: the carry is {_structure(before)} before a step and {_structure(after)} after it; a step returns"
            " the carry in the structure in which it came"
        )
    new = []
    for (path, value), old, first in zip(after, carried, initial, strict=True):
        x: Expression = value if is_expression(value) else as_expressions(old, value)[1]
        name = f"carry{path}" + (f" ({first.name})" if first.name else "")
        if x.shape != old.shape:
            raise ShapeError(
                f"scan: {name} has the shape {show_shape(old.shape)} before a step and {show_shape(x.shape)} after it"
                f"{place(x)}; a carried value keeps its shape"
            )
        if x.dtype != old.dtype:
            raise DtypeError(
                f"scan: {name} is {old.dtype} before a step and {x.dtype} after it{place(x)}; a carried value keeps its"
                f" dtype: begin with {x.dtype}, or convert with .astype('{old.dtype}')"
            )
        new.append(x)
    return new


def _structure(leaves: list[tuple[str, Any]]) -> str:
    return ", ".join(f"carry{path}" for path, _ in leaves) or "empty"


def _drawn_each_step(
    roots: list[Expression], mark: int, steps: Axis
) -> tuple[list[Expression], dict[Expression, Expression]]:
    """Replace draws that a step makes by step variables; return the roots, and all steps' draws for each variable."""
    replaced: dict[Expression, Expression] = {}
    draws: dict[Expression, Expression] = {}
    for current in topological(roots):
        if current.operation.kind != "random" or current.attribute("token") < mark:
            continue
        attributes = dict(current.attributes)
        if set(attributes) != PLAIN_DRAW:
            raise InputError(
                f"scan: a step draws {current.operation.name}{place(current)}, which only a whole function can; draw it"
                " outside the loop, for all steps at once, and pass it as a sequence"
            )
        attributes["shape"] = (steps, *current.shape)
        variable = make_step_variable(current.shape, current.dtype)
        draws[variable] = node(current.operation, (), **attributes)
        replaced[current] = variable
    return (substitute(roots, replaced) if replaced else roots), draws


def check_steps(roots: Sequence[Expression]) -> None:
    """Check that nothing that belongs to one step of a loop is used outside that step.

    Raises:
        UnknownVariableError: something is: a Python variable carried it out of the step.
    """
    found = scopes(topological(roots))
    for root in roots:
        for variable in found.get(root, ()):
            raise UnknownVariableError(
                f"{root} uses a value of a step of a loop outside the step{place(root)}: it depends on {variable},"
                f" which has a value only within a step{place(variable)}; return it from the step as its second value,"
                " and use what scan returns"
            )


__all__ = ["check_steps", "scan"]
