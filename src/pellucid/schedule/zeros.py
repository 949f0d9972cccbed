"""Which values are mostly zeros: inputs that were said or seen to be, and what keeps their zeros."""

from __future__ import annotations

from ..core.expression import Expression
from ..operations.source import is_mostly_zero, scalar_value


def holds_zeros(expression: Expression) -> bool:
    """Whether most elements are zeros, as far as is known: a hint, on which no result depends.

    Rows of what is mostly zero are, and what is moved, cut out of it, or multiplied by a number.

    >>> from pellucid import take, variable
    >>> words, rows = variable("words", (9, 5), "uint8", mostly_zero=True), variable("rows", (3,), "int32")
    >>> holds_zeros(take(words, rows).astype("float32") / 255), holds_zeros(words + 1)
    (True, False)
    """
    while expression.inputs:
        first, *others = expression.inputs
        name, kind = expression.operation.name, expression.operation.kind
        if name == "multiply" and scalar_value(first) is not None:
            first, others = others[0], [first]
        scaled = name in ("multiply", "divide") and len(others) == 1 and scalar_value(others[0]) is not None
        if not (name in ("take", "astype") or kind == "movement" or scaled):
            return False
        expression = first
    return is_mostly_zero(expression)
