"""What a function is made of: checks of its inputs and updates, before anything is compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import InputError, UnknownVariableError, UnusedVariableError, UpdateError
from .expression import Expression, Parameter, is_expression
from .origins import place
from .sizes import show_shape
from .traversal import topological

Pairs = list[tuple[Parameter, Expression]]
"""Parameters and their new values."""


def check_updates(updates: Any) -> Pairs:
    """Return pairs of a parameter and its new value.

    Raises:
        UpdateError: if they are something else, or do not fit each other.
    """
    if is_expression(updates):
        raise UpdateError(
            f"updates is the expression {updates}, and a list of pairs (parameter, new value) was expected"
        )
    seen: set[Expression] = set()
    pairs = list(updates.items()) if isinstance(updates, dict) else list(updates)
    for k, pair in enumerate(pairs, 1):
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not is_expression(pair[1]):
            raise UpdateError(
                f"update {k} is {pair!r}, and a pair (parameter, expression of its new value) was expected"
            )
        target, new = pair
        if not isinstance(target, Parameter):
            kind = f"a {target.operation.name}" if is_expression(target) else f"a {type(target).__name__}"
            where = place(target) if is_expression(target) else ""
            raise UpdateError(
                f"update {k} stores into {target}, which is {kind}; only a parameter keeps a value{where}"
            )
        if target in seen:
            raise UpdateError(
                f"update {k} stores into {target} a second time; add the two changes into one{place(new)}"
            )
        if (target.shape, target.dtype) != (new.shape, new.dtype):
            raise UpdateError(
                f"update {k} stores {new.dtype} {show_shape(new.shape)} into {target}, which is {target.dtype}"
                f" {show_shape(target.shape)}{place(new)}; a parameter keeps its shape and dtype"
            )
        seen.add(target)
    return [(target, new) for target, new in pairs]


def check_inputs(inputs: Sequence[Expression], roots: Sequence[Expression]) -> None:
    """Check that inputs are variables, each of them given once and used, and that there are no others.

    Raises:
        InputError: one is no variable, or is given twice.
        UnknownVariableError: the roots use a variable that is no input.
        UnusedVariableError: they do not use an input.
    """
    if is_expression(inputs):
        raise InputError(f"inputs is the expression {inputs}, and a list of variables was expected, such as [x]")
    for k, given in enumerate(inputs):
        if not is_expression(given) or given.operation.name != "variable":
            raise InputError(f"input {k + 1} is {given!r}, and a variable was expected; make one with pc.variable")
        if given in inputs[:k]:
            raise InputError(f"the variable {given} is an input twice{place(given)}")
    order = topological(roots)
    for current in order:
        if current.operation.name == "variable" and current not in inputs:
            raise UnknownVariableError(
                f"the outputs use the variable {current}, which is not an input{place(current)}; add it to the inputs"
            )
    used = set(order)
    for given in inputs:
        if given not in used:
            raise UnusedVariableError(
                f"the input {given} is used by no output and no update{place(given)}; remove it from the inputs"
            )
