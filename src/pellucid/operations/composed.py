"""Functions composed of the operations: plain Python, needing no operation of their own."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import is_float
from ..core.expression import Expression, as_expressions
from ..core.operation import composed
from ..core.sizes import Axis, count
from .activation import stop_gradient
from .comparison import equal, not_equal
from .elementwise import where
from .exponential import exp, log, sqrt
from .logical import logical_or
from .movement import reshape
from .reduction import max as max_over
from .reduction import min as min_over
from .reduction import normalise_axes
from .reduction import sum as sum_over
from .rounding import isfinite, isnan, maximum, minimum
from .source import arange, axis_size


def floats(x: Any) -> Expression:
    """Return x as an expression of floats; integers and truth values become float32."""
    expression: Expression = as_expressions(x)[0]
    return expression if is_float(expression.dtype) else expression.astype("float32")


def _number(x: Expression, axes: tuple[int, ...]) -> Axis:
    return count(x.shape[a] for a in axes)


@composed
def positive(x: Any) -> Expression:
    """Return x as it is, +x."""
    expression: Expression = as_expressions(x)[0]
    return expression


@composed
def square(x: Any) -> Expression:
    """Return x times x, element by element.

    >>> from pellucid.operations.source import variable
    >>> print(square(variable("x", ())))
    x * x
    """
    (x,) = as_expressions(x)
    return x * x  # type: ignore[no-any-return]


@composed
def clip(x: Any, min: Any = None, max: Any = None) -> Expression:
    """Return x limited to at least ``min`` and at most ``max``, either of which may be left out.

    >>> from pellucid.operations.source import variable
    >>> print(clip(variable("x", ()), 0, 1))
    minimum(maximum(x, 0), 1)
    """
    (x,) = as_expressions(x)
    x = x if min is None else maximum(x, min)
    return x if max is None else minimum(x, max)


@composed
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Expression:
    """Return the mean over some axes (all, if none is given); integers as float32, NaN over no elements.

    >>> from pellucid.operations.source import variable
    >>> print(mean(variable("x", ("batch",))))
    sum(x, axes=(0,)) / batch
    """
    x = floats(x)
    axes = normalise_axes("mean", x, axis)
    return sum_over(x, axes, keepdims) / axis_size(_number(x, axes), x.dtype)


@composed
def var(x: Any, axis: Any = None, correction: float = 0, keepdims: bool = False) -> Expression:
    """Return the variance over some axes: the mean squared distance from the mean.

    Args:
        correction: what is taken off the number of elements before dividing by it (1 for a sample's unbiased
            estimate), as in the array API.
    """
    x = floats(x)
    axes = normalise_axes("var", x, axis)
    squares = sum_over(square(x - mean(x, axes, keepdims=True)), axes, keepdims)
    number = axis_size(_number(x, axes), x.dtype)
    return squares / (maximum(number - correction, 0) if correction else number)


@composed
def std(x: Any, axis: Any = None, correction: float = 0, keepdims: bool = False) -> Expression:
    """Return the standard deviation over some axes, the root of ``var``."""
    return sqrt(var(x, axis, correction, keepdims))


@composed
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Expression:
    """Return the logarithm of the sum of exponentials over some axes, computed without overflow.

    Where every element is -inf the result is -inf, and where one is inf it is inf.
    Blanchard, Higham and Higham, *Accurately computing the log-sum-exp and softmax functions*, 2021.
    """
    x = floats(x)
    axes = normalise_axes("logsumexp", x, axis)
    largest = stop_gradient(max_over(x, axes, keepdims=True))
    shift = where(isfinite(largest), largest, 0)  # an infinite one would make inf - inf
    total = log(sum_over(exp(x - shift), axes, keepdims=True)) + shift
    return total if keepdims else reshape(total, tuple(n for k, n in enumerate(x.shape) if k not in axes))


@composed
def softmax(x: Any, axis: Any = -1) -> Expression:
    """Return exponentials that sum to 1 along an axis, computed without overflow.

    >>> import pellucid as pc
    >>> pc.function([], pc.softmax(pc.constant([1000.0, 1000.0])))()
    array([0.5, 0.5], dtype=float32)
    """
    x = floats(x)
    powers = exp(x - stop_gradient(max_over(x, axis, keepdims=True)))
    return powers / sum_over(powers, axis, keepdims=True)


@composed
def log_softmax(x: Any, axis: Any = -1) -> Expression:
    """Return the logarithm of softmax along an axis, computed without overflow or loss of digits.

    >>> import pellucid as pc
    >>> pc.function([], pc.log_softmax(pc.constant([0.0, 1000.0])))()
    array([-1000.,     0.], dtype=float32)
    """
    x = floats(x)
    shifted: Expression = x - stop_gradient(max_over(x, axis, keepdims=True))
    return shifted - log(sum_over(exp(shifted), axis, keepdims=True))


def _first(x: Any, axis: int | None, keepdims: bool, name: str, extreme: Any) -> Expression:
    (x,) = as_expressions(x)
    kept = (1,) * x.ndim
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    (axis,) = normalise_axes(name, x, axis)
    x = x.astype("int32") if x.dtype == "bool" else x
    size = x.shape[axis]
    positions = reshape(arange(size), (size, *(1,) * (x.ndim - axis - 1)))
    best = equal(x, extreme(x, axis, keepdims=True))
    best = logical_or(best, isnan(x)) if is_float(x.dtype) else best
    found = min_over(where(best, positions, axis_size(size, "int32")), axis, keepdims)
    return reshape(found, kept) if keepdims and found.ndim != len(kept) else found


@composed
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Expression:
    """Return the index (int32) of the first largest value along an axis; of the first NaN if there is one.

    Without an axis the index is into the flattened array.

    >>> import pellucid as pc
    >>> int(pc.function([], pc.argmax(pc.constant([1.0, 7.0, 7.0])))())
    1
    """
    return _first(x, axis, keepdims, "argmax", max_over)


@composed
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Expression:
    """Return the index (int32) of the first smallest value along an axis; of the first NaN if there is one.

    Without an axis the index is into the flattened array.
    """
    return _first(x, axis, keepdims, "argmin", min_over)


@composed
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Expression:
    """Return whether a value over some axes holds (is not 0); false over no elements."""
    held = not_equal(x, 0).astype("int32")
    return not_equal(sum_over(held, axis, keepdims), 0)


@composed
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Expression:
    """Return whether every value over some axes holds (is not 0); true over no elements."""
    failed = equal(x, 0).astype("int32")
    return equal(sum_over(failed, axis, keepdims), 0)


@composed
def norm(x: Any, axis: Any = None, keepdims: bool = False) -> Expression:
    """Return the Euclidean length over some axes (all, if none is given): the root of the sum of squares."""
    return sqrt(sum_over(square(floats(x)), axis, keepdims))


__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "clip",
    "floats",
    "log_softmax",
    "logsumexp",
    "mean",
    "norm",
    "positive",
    "softmax",
    "square",
    "std",
    "var",
]
