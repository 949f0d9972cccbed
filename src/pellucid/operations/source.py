"""Sources: what an expression starts from. Variables, parameters, constants and ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtypes import check_dtype
from ..core.errors import ShapeError
from ..core.expression import Expression, Parameter, as_array, fresh_token, make_deferred, make_parameter, node
from ..core.operation import Notation, Operation, composed, register
from ..core.sizes import Axis, Shape, as_axis, as_shape, named, show_shape

NAME = Notation("{name}", "{name}")


def _source(name: str, summary: str, make: Any, array: Any) -> Operation:
    return register(
        Operation(
            name=name,
            kind="source",
            summary=summary,
            make=make,
            shape=lambda *, shape=(), **_: shape,
            dtype=lambda *, dtype="float32", **_: dtype,
            array=array,
            notation=NAME,
        )
    )


def variable(name: str, shape: Any = (), dtype: Any = "float32", mostly_zero: bool = False) -> Expression:
    """Return a symbolic input of a function.

    Args:
        name: the name it prints under and is reported by.
        shape: its axes, each a size or a name; a name (``"batch"``) gets its size at the call.
        dtype: its dtype, float32 unless told otherwise.
        mostly_zero: whether most of its elements will be 0, as those of one-hot rows or counts of words are: products
            with it then pass over zeros, and take as much less time. What they are remains the same. Minibatches look
            at their arrays and need not be told.

    >>> x = variable("x", ("batch", 2))
    >>> x.shape, x.dtype, x.name
    ((batch, 2), 'float32', 'x')
    """
    token, axes = fresh_token(), as_shape(shape)
    hints = {"mostly_zero": True} if mostly_zero else {}
    return node(_variable, (), token=token, shape=axes, dtype=check_dtype(dtype), **hints).named(name)


def parameter(value: Any, name: str | None = None, trainable: bool = True, dtype: Any = "float32") -> Parameter:
    """Return state with a value, which functions read and update.

    Args:
        value: the initial value, a number or an array of any shape; it is copied.
        name: the name it prints under.
        trainable: whether optimisers update it.
        dtype: its dtype, float32 unless told otherwise.

    >>> W = parameter([0.2, 0.7], name="W")
    >>> W.value
    array([0.2, 0.7], dtype=float32)
    """
    return make_parameter(_parameter, as_array(value, check_dtype(dtype)), name, trainable)


def deferred_parameter(
    shape: Any,
    dtype: str,
    draw: Callable[[], np.ndarray[Any, Any]],
    name: str | None = None,
    trainable: bool = True,
) -> Parameter:
    """Return state whose value is drawn, and its memory allocated, when it is first needed.

    Args:
        shape: its axes, whole numbers.
        dtype: its dtype.
        draw: returns the first value, an array of that shape and dtype; it is called at most once.
        name: the name it prints under.
        trainable: whether optimisers update it.

    Raises:
        ShapeError: an axis is named. When the value is needed: it has another shape.
        DtypeError: when the value is needed: it has another dtype.

    >>> W = deferred_parameter((2,), "float32", lambda: np.ones(2, "float32"), name="W")
    >>> W.value
    array([1., 1.], dtype=float32)
    """
    axes = as_shape(shape)
    if not all(isinstance(n, int) for n in axes):
        raise ShapeError(f"a parameter has whole numbers as axes, and {show_shape(axes)} was given; it needs memory")
    return make_deferred(_parameter, axes, check_dtype(dtype), draw, name, trainable)


def constant(value: Any, dtype: Any = None) -> Expression:
    """Return a fixed number or array as an expression; equal constants are one expression.

    Floats become float32 and integers int32 unless ``dtype`` says otherwise.

    >>> constant([1, 2, 3]).dtype
    'int32'
    """
    array = as_array(value, check_dtype(dtype) if dtype is not None else None)
    return node(_constant, (), data=array.tobytes(), shape=as_shape(array.shape), dtype=array.dtype.name)


def arange(length: Any, dtype: Any = "int32") -> Expression:
    """Return the whole numbers from 0 to ``length`` - 1; the length may be a named size.

    >>> arange("batch").shape
    (batch,)
    """
    return node(_arange, (), shape=(as_axis(length),), dtype=check_dtype(dtype))


def axis_size(size: Axis | str, dtype: Any = "float32") -> Expression:
    """Return the size of a named axis (or a derived size) as a number.

    >>> print(axis_size("batch") * 2)
    batch * 2
    """
    size = named(size) if isinstance(size, str) else size
    if isinstance(size, int):
        return constant(size, dtype)
    return node(_axis_size, (), size=size, dtype=check_dtype(dtype)).named(str(size))


def is_mostly_zero(expression: Expression) -> bool:
    """Whether the expression is an input of which most elements are said to be 0."""
    return "mostly_zero" in dict(expression.attributes)


def is_constant(expression: Expression) -> bool:
    """Whether the expression is a fixed number or array."""
    return expression.operation is _constant


def constant_value(expression: Expression) -> np.ndarray[Any, Any]:
    """Return the array of a constant."""
    data = np.frombuffer(expression.attribute("data"), dtype=expression.dtype)
    return data.reshape(tuple(expression.shape))


def scalar_value(expression: Expression) -> float | int | None:
    """Return the number every element of a constant has, or None for anything else."""
    if not is_constant(expression):
        return None
    values = constant_value(expression)
    return values.flat[0].item() if values.size and (values == values.flat[0]).all() else None


def _array_constant(xp: Any, *, data: bytes, shape: Shape, dtype: str) -> Any:
    return xp.asarray(np.frombuffer(data, dtype=dtype).reshape(shape))  # type: ignore[arg-type]


def _unbound(xp: Any, **_: Any) -> Any:
    raise LookupError("a variable or parameter has no value until one is bound")


_variable = _source("variable", "A symbolic input of a function.", variable, _unbound)
_parameter = _source("parameter", "State with a value, which functions read and update.", parameter, _unbound)
_constant = _source("constant", "A fixed number or array.", constant, _array_constant)
_arange = _source(
    "arange",
    "The whole numbers from 0 up.",
    arange,
    lambda xp, *, shape, dtype: xp.arange(shape[0], dtype=dtype),
)
_axis_size = _source(
    "axis_size",
    "The size of a named axis, as a number.",
    axis_size,
    lambda xp, *, size, dtype: xp.asarray(size, dtype=dtype),
)
composed(variable)
composed(parameter)
composed(constant)
composed(arange)
