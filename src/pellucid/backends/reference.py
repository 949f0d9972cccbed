"""The reference backend: NumPy, node by node. It is the oracle of every test and the plainest explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.dtypes import is_float
from ..core.errors import InternalError
from ..core.expression import Expression
from ..core.traversal import topological


def evaluate(
    roots: Sequence[Expression],
    values: Mapping[Expression, Any],
    xp: Any = np,
    precise: bool = False,
) -> list[Any]:
    """Return the values of expressions, computed one node at a time.

    Args:
        roots: what to compute; sizes must be numbers.
        values: an array for each variable and parameter (and, if wished, for any other node).
        xp: NumPy, or jax.numpy.
        precise: compute every float32 node in float64, as an oracle.
    """
    done: dict[Expression, Any] = {}
    with np.errstate(all="ignore"):
        for current in topological(roots):
            done[current] = _widened(_value(current, values, done, xp, precise), xp, precise)
    return [done[root] for root in roots]


def _value(current: Expression, values: Mapping[Expression, Any], done: Any, xp: Any, precise: bool) -> Any:
    if current in values:
        return xp.asarray(values[current])
    operands = [done[i] for i in current.inputs]
    result = current.operation.array(xp, *operands, **dict(current.attributes))
    wanted = "float64" if precise and is_float(current.dtype) else current.dtype
    result = xp.asarray(result)
    if result.dtype.name != wanted and not (precise and is_float(result.dtype.name)):
        raise InternalError(f"{current} is {current.dtype}, and its meaning in {xp.__name__} gave {result.dtype}")
    return result


def _widened(value: Any, xp: Any, precise: bool) -> Any:
    return value.astype("float64") if precise and is_float(value.dtype.name) else value
