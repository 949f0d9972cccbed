"""The expression: an interned, immutable node of five fields.

Two expressions that are the same mathematics are the same object, so equality is identity and common
sub-expressions are shared from the start. Variables, parameters and random draws carry a token of their own and
are never merged. Names, origins and parameter values live in weak side tables.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np

from . import origins
from .dtypes import DTYPES, check_dtype, check_whole_numbers, default_dtype, weak_dtype
from .errors import DtypeError, ShapeError, TruthError
from .operation import Attributes, Operation, apply
from .sizes import Axis, Shape, as_shape, show_shape

_interned: WeakValueDictionary[Any, Expression] = WeakValueDictionary()
_lock = threading.Lock()
_tokens = itertools.count(1)
Draw = Callable[[], np.ndarray[Any, Any]]


class Expression:
    """A node: an operation, its inputs and attributes, and the shape and dtype that follow from them.

    Operators and methods are NumPy's. ``==`` is identity (an expression is a key of dicts and sets); write
    ``pc.equal(x, y)`` to compare values.

    >>> import pellucid as pc
    >>> x = pc.variable("x", (3,))
    >>> (x * 2 + 1).operation.name, (x * 2 + 1).shape, x * 2 + 1 is x * 2 + 1
    ('add', (3,), True)
    """

    __slots__ = ("__weakref__", "attributes", "dtype", "inputs", "operation", "shape")
    __array_ufunc__ = None  # so that array * expression reaches __rmul__

    operation: Operation
    inputs: tuple[Expression, ...]
    attributes: Attributes
    shape: Shape
    dtype: str

    def attribute(self, name: str) -> Any:
        """Return one attribute by name."""
        return dict(self.attributes)[name]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def name(self) -> str | None:
        """The name it prints under, if it was given one."""
        return origins.name_of(self)

    def named(self, name: str) -> Expression:
        """Give this expression a name to print under, and return it."""
        origins.set_name(self, name)
        return self

    @property
    def origins(self) -> tuple[origins.Origin, ...]:
        """The places in the user's code that it came from."""
        return origins.origins(self)

    def __repr__(self) -> str:
        return f"<{self.dtype} {show_shape(self.shape)}: {self}>"

    def __str__(self) -> str:
        return str(apply("text", self))

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {apply('latex', self)}$"

    def __bool__(self) -> bool:
        raise TruthError(
            f"'{self}' has no value yet, so it cannot decide an if, and, or, not or while"
            f"{origins.place(self)}; use pc.where(condition, a, b), pc.logical_and, pc.logical_or or pc.logical_not"
        )

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError(
                f"{self} is a scalar, of shape (), and has neither a length nor elements to go through"
                f"{origins.place(self)}; write it without len, for or unpacking"
            )
        if not isinstance(self.shape[0], int):
            raise ShapeError(f"the length of {self}, {show_shape(self.shape)}, is not known before the call")
        return self.shape[0]

    def __iter__(self) -> Iterator[Expression]:
        return (self[i] for i in range(len(self)))

    # Operators apply operations by name, because the operations are defined in a folder below this one.
    def __add__(self, other: Any) -> Expression:
        return _apply("add", self, other)

    def __radd__(self, other: Any) -> Expression:
        return _apply("add", other, self)

    def __sub__(self, other: Any) -> Expression:
        return _apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Expression:
        return _apply("subtract", other, self)

    def __mul__(self, other: Any) -> Expression:
        return _apply("multiply", self, other)

    def __rmul__(self, other: Any) -> Expression:
        return _apply("multiply", other, self)

    def __truediv__(self, other: Any) -> Expression:
        return _apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> Expression:
        return _apply("divide", other, self)

    def __floordiv__(self, other: Any) -> Expression:
        return _apply("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Expression:
        return _apply("floor_divide", other, self)

    def __mod__(self, other: Any) -> Expression:
        return _apply("remainder", self, other)

    def __rmod__(self, other: Any) -> Expression:
        return _apply("remainder", other, self)

    def __pow__(self, other: Any) -> Expression:
        return _apply("pow", self, other)

    def __rpow__(self, other: Any) -> Expression:
        return _apply("pow", other, self)

    def __matmul__(self, other: Any) -> Expression:
        return _apply("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Expression:
        return _apply("matmul", other, self)

    def __neg__(self) -> Expression:
        return _apply("negative", self)

    def __pos__(self) -> Expression:
        return self

    def __abs__(self) -> Expression:
        return _apply("abs", self)

    def __lt__(self, other: Any) -> Expression:
        return _apply("less", self, other)

    def __le__(self, other: Any) -> Expression:
        return _apply("less_equal", self, other)

    def __gt__(self, other: Any) -> Expression:
        return _apply("greater", self, other)

    def __ge__(self, other: Any) -> Expression:
        return _apply("greater_equal", self, other)

    def __and__(self, other: Any) -> Expression:
        return _apply("bitwise_and", self, other)

    def __or__(self, other: Any) -> Expression:
        return _apply("bitwise_or", self, other)

    def __xor__(self, other: Any) -> Expression:
        return _apply("bitwise_xor", self, other)

    def __invert__(self) -> Expression:
        return _apply("bitwise_invert", self)

    def __lshift__(self, other: Any) -> Expression:
        return _apply("bitwise_left_shift", self, other)

    def __rshift__(self, other: Any) -> Expression:
        return _apply("bitwise_right_shift", self, other)

    def __getitem__(self, key: Any) -> Expression:
        return _apply("getitem", self, key)

    @property
    def T(self) -> Expression:
        """The expression with its axes reversed."""
        return _apply("permute", self, None)

    def transpose(self, *axes: int) -> Expression:
        """Return the expression with its axes in another order (reversed, if none is given)."""
        return _apply("permute", self, axes or None)

    def reshape(self, *shape: Any) -> Expression:
        """Return the same elements in another shape; one axis may be -1."""
        return _apply("reshape", self, shape[0] if len(shape) == 1 else shape)

    def astype(self, dtype: Any) -> Expression:
        """Return the values converted to another dtype."""
        return _apply("astype", self, dtype=check_dtype(dtype))

    def sum(self, axis: Any = None, keepdims: bool = False) -> Expression:
        """Return the sum over some axes (all, if none is given)."""
        return _apply("sum", self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Expression:
        """Return the mean over some axes (all, if none is given)."""
        return _apply("mean", self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Expression:
        """Return the largest value over some axes (all, if none is given)."""
        return _apply("max", self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Expression:
        """Return the smallest value over some axes (all, if none is given)."""
        return _apply("min", self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Expression:
        """Return the product over some axes (all, if none is given)."""
        return _apply("prod", self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, keepdims: bool = False) -> Expression:
        """Return the variance over some axes (all, if none is given)."""
        return _apply("var", self, axis=axis, keepdims=keepdims)

    def std(self, axis: Any = None, keepdims: bool = False) -> Expression:
        """Return the standard deviation over some axes (all, if none is given)."""
        return _apply("std", self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None) -> Expression:
        """Return the index of the first largest value along an axis."""
        return _apply("argmax", self, axis=axis)

    def argmin(self, axis: int | None = None) -> Expression:
        """Return the index of the first smallest value along an axis."""
        return _apply("argmin", self, axis=axis)


def _apply(name: str, *operands: Any, **arguments: Any) -> Expression:
    result: Expression = apply(name, *operands, **arguments)
    return result


class Parameter(Expression):
    """State that a compiled function reads and updates: an expression with a value."""

    __slots__ = ()

    @property
    def value(self) -> np.ndarray[Any, Any]:
        """A copy of the value; assigning replaces it, converted to the parameter's dtype.

        Raises:
            ShapeError, DtypeError: what is assigned has another shape, or is not numbers that fit the dtype.
        """
        storage = _storages[self]
        with storage.lock:
            return storage.array.copy()  # which is drawn now, if it was not yet

    @value.setter
    def value(self, value: Any) -> None:
        storage, array = _storages[self], np.asarray(value)
        if array.shape != self.shape:
            raise ShapeError(
                f"parameter {self} has shape {show_shape(self.shape)}, and the new value has {show_shape(array.shape)}"
                f"{origins.place(self)}; a parameter keeps its shape"
            )
        storage.store(as_array(value, self.dtype))

    @property
    def trainable(self) -> bool:
        """Whether optimisers update it."""
        return _storages[self].trainable


class Storage:
    """A parameter's memory: an aligned array that native code writes in place, and the lock that guards it.

    A device may have a newer value (``lend``), which comes back into the memory when that is next asked for.

    Args:
        shape, dtype: of the value.
        trainable: whether optimisers update it.
        draw: what returns the first value; it is called when that is first needed, and never again.
    """

    def __init__(self, shape: Shape, dtype: str, trainable: bool, draw: Draw) -> None:
        self.shape, self.dtype, self.trainable, self.lock = shape, dtype, trainable, threading.RLock()
        self._draw: Draw | None = draw
        self._array: np.ndarray[Any, Any] | None = None
        self._lent: tuple[Any, Callable[[Any], np.ndarray[Any, Any]]] | None = None

    @property
    def lent(self) -> Any:
        """What a device has that is newer than the memory, if it has."""
        return None if self._lent is None else self._lent[0]

    def lend(self, value: Any, fetch: Callable[[Any], np.ndarray[Any, Any]]) -> None:
        """Say that a device has the value; ``fetch(value)`` is called when the memory is next asked for."""
        with self.lock:
            self._lent = value, fetch

    def forget(self) -> None:
        """Say that what a device had is lost; the memory has the value before."""
        with self.lock:
            self._lent = None

    @property
    def drawn(self) -> bool:
        """Whether it has a value yet."""
        return self._array is not None

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """The memory itself.

        Raises:
            ShapeError, DtypeError: what was drawn has another shape or dtype than the parameter.
        """
        if self._array is None:
            with self.lock:
                if self._array is None:
                    assert self._draw is not None
                    self.store(self._checked(self._draw()))
        assert self._array is not None
        if self._lent is not None:
            with self.lock:
                if self._lent is not None:
                    value, fetch = self._lent
                    self._array[...], self._lent = fetch(value), None
        return self._array

    def store(self, value: np.ndarray[Any, Any]) -> None:
        """Copy an array of the right shape and dtype into the memory; nothing is drawn any more."""
        with self.lock:
            if self._array is None:
                self._array, self._draw = aligned_copy(value), None
            else:
                self._array[...] = value
            self._lent = None

    def draw_by(self, draw: Draw) -> None:
        """Replace what returns the first value; where there is a value already, this changes nothing."""
        with self.lock:
            if self._array is None:
                self._draw = draw

    def _checked(self, value: Any) -> np.ndarray[Any, Any]:
        array = np.asarray(value)
        if array.shape != self.shape:
            raise ShapeError(
                f"what draws a parameter of shape {show_shape(self.shape)} returned an array of shape"
                f" {show_shape(array.shape)}; it must return the parameter's own shape"
            )
        if array.dtype.name != self.dtype:
            raise DtypeError(
                f"what draws a parameter of {self.dtype} returned {array.dtype.name}; convert it with"
                f" .astype({self.dtype!r})"
            )
        return array


_storages: WeakKeyDictionary[Expression, Storage] = WeakKeyDictionary()


def storage_of(parameter: Expression) -> Storage:
    """Return the memory of a parameter."""
    return _storages[parameter]


@contextlib.contextmanager
def locked(parameters: Iterable[Expression]) -> Iterator[None]:
    """Hold the locks of some parameters, always taken in one order, so that two who wait never wait for each other."""
    with contextlib.ExitStack() as stack:
        for parameter in sorted(parameters, key=lambda p: p.attribute("token")):
            stack.enter_context(_storages[parameter].lock)
        yield


def aligned_copy(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a contiguous copy that starts on a cache line (64 bytes), as vector loads like it."""
    raw = np.empty(array.nbytes + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    copy: np.ndarray[Any, Any] = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def fresh_token() -> int:
    """Return a number no other variable, parameter or draw has."""
    return next(_tokens)


def node(operation: Operation, inputs: Sequence[Expression] = (), **attributes: Any) -> Expression:
    """Return the expression of an operation, its shape and dtype by the operation's rules."""
    kept = tuple(sorted(attributes.items()))
    operands = tuple(inputs)
    shape = operation.shape(*operands, **attributes)
    return intern(operation, operands, kept, shape, operation.dtype(*operands, **attributes))


def intern(
    operation: Operation,
    inputs: tuple[Expression, ...],
    attributes: Attributes,
    shape: Shape,
    dtype: str,
    cls: type[Expression] = Expression,
) -> Expression:
    """Return the one node with these fields."""
    key = (operation.name, inputs, attributes, shape, dtype)
    with _lock:
        found = _interned.get(key)
        if found is None:
            found = object.__new__(cls)
            found.operation, found.inputs, found.attributes = operation, inputs, attributes
            found.shape, found.dtype = shape, dtype
            _interned[key] = found
    origins.record(found)
    return found


def is_expression(value: Any) -> bool:
    """Whether the value is an expression."""
    return isinstance(value, Expression)


def as_array(value: Any, dtype: str | None) -> np.ndarray[Any, Any]:
    """Return a user's number, list or array as an array of ``dtype`` (by default float32, int32 or bool).

    It is the user's own array where that has the dtype: copies of large weights would double the memory they take.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"{type(value).__name__} of dtype {array.dtype} is not numbers; expected one of {DTYPES}")
    target = dtype or default_dtype(array)
    if np.dtype(target).kind in "iu" and array.dtype.kind == "f":
        check_whole_numbers(array, target)
    if np.dtype(target).kind in "iu" and array.dtype.kind in "iuf" and array.size:
        limits = np.iinfo(target)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            raise DtypeError(f"values from {array.min()} to {array.max()} do not fit {target}; pass dtype='int64'")
    with np.errstate(over="ignore"):
        return array.astype(target, copy=False)


def as_expressions(*operands: Any) -> tuple[Expression, ...]:
    """Return operands as expressions; a Python number takes the dtype of the expressions beside it."""
    known = [o.dtype for o in operands if isinstance(o, Expression)]
    known += [default_dtype(o) for o in operands if isinstance(o, np.ndarray)]
    widest = max(known, key=DTYPES.index, default=None)
    result = []
    for operand in operands:
        if isinstance(operand, Expression):
            result.append(operand)
        elif isinstance(operand, bool | int | float | np.number | np.bool_):
            result.append(_apply("constant", operand, dtype=weak_dtype(operand, widest)))
        else:
            result.append(_apply("constant", operand))
    return tuple(result)


def make_parameter(operation: Operation, array: np.ndarray[Any, Any], name: str | None, trainable: bool) -> Parameter:
    """Return a new parameter that holds a copy of ``array``."""
    made = make_deferred(operation, as_shape(array.shape), array.dtype.name, lambda: array, name, trainable)
    storage_of(made).store(array)
    return made


def make_deferred(
    operation: Operation, shape: Shape, dtype: str, draw: Draw, name: str | None, trainable: bool
) -> Parameter:
    """Return a new parameter whose value ``draw`` returns when it is first needed."""
    made = intern(operation, (), (("token", fresh_token()),), shape, dtype, Parameter)
    assert isinstance(made, Parameter)
    _storages[made] = Storage(shape, dtype, trainable, draw)
    if name is not None:
        made.named(name)
    return made


__all__ = [
    "Axis", "Expression", "Parameter", "Shape", "Storage", "aligned_copy", "as_array", "as_expressions",
    "fresh_token", "intern", "is_expression", "locked", "make_deferred", "make_parameter", "node", "storage_of"
]  # fmt: skip
