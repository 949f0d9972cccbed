"""Objects as plain data that JSON can hold, and back: layers, losses, optimisers and what they are made with.

An object is described by the name of its class and the arguments it was made with. Only classes and functions that are
registered here are ever made or found from data; nothing in the data is executed or imported.

An object that occurs several times is described once, and is one object again when it is restored: objects are counted
as they are finished, in the same order both ways. Arrays may be kept beside the data, which then has their numbers.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar

import numpy as np

from .errors import InputError, shortened
from .sizes import Size

T = TypeVar("T", bound=Callable[..., Any])
Array = np.ndarray[Any, Any]
CLASS: Final = "class"
FUNCTION: Final = "function"
SAME: Final = "same"
NUMBER: Final = "number"
ARRAY: Final = "array"
TUPLE: Final = "tuple"
MAPPING: Final = "mapping"
SIZE: Final = "size"
RESERVED: Final = {CLASS, FUNCTION, SAME, NUMBER, ARRAY, TUPLE, MAPPING, SIZE}  # keys that say what a dict describes
MOST_NESTED: Final = 100  # objects, lists and mappings in each other: a network and its list of layers are two
# What making an object of wrong arguments may raise, whatever its class.
DAMAGE: Final = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError,
)  # fmt: skip

_registered: dict[str, Callable[..., Any]] = {}
_names: dict[int, str] = {}  # by identity


def register(given: T, name: str | None = None) -> T:
    """Let a class or function of yours be named in a saved model; usable as a decorator.

    Args:
        given: a subclass of Layer, Loss, Metric, Optimizer and the like, or a function such as an activation.
        name: what it is called in files; its own name unless told otherwise. A later one takes an earlier one's place.
            Pellucid's own are called ``layers.Dense`` and the like, so that yours never take theirs.

    >>> def cube(x):
    ...     return x * x * x
    >>> describe(register(cube, "cube"))
    {'function': 'cube'}
    """
    if not callable(given):
        raise InputError(f"register takes a class or a function, and was given {given!r}")
    if name is None and not hasattr(given, "__name__"):
        raise InputError(f"{given!r} has no name of its own; give it one: pc.register(function, name)")
    known = name or _own_name(given)
    _registered[known] = given
    if _name_of(given) is None:
        _names[id(given)] = known
    return given


def _own_name(given: Any) -> str:
    """Return what a class or function is called: with the part of Pellucid it is from, if it is from one."""
    package, _, inner = given.__module__.partition(".")
    own = package == __name__.partition(".")[0]
    return f"{inner.partition('.')[0]}.{given.__name__}" if own else str(given.__name__)


def describe(given: Any, path: str = "", arrays: list[Array] | None = None) -> Any:
    """Return an object as data: numbers, strings, lists and dicts.

    Args:
        given: plain values, tuples, mappings by strings, arrays, sizes, registered functions, and objects of registered
            classes.
        path: what it is called in errors.
        arrays: if given, arrays are appended to this list, and the data has their numbers in it.

    Raises:
        InputError: if a part of it is something else; it says which.

    >>> import pellucid as pc
    >>> describe(pc.optimizers.SGD(0.1, momentum=0.9))
    {'class': 'optimizers.SGD', 'arguments': {'learning_rate': 0.1, 'momentum': 0.9}}
    """
    return _Describing(arrays).data(given, path)


class _Describing:
    """Objects that become data; those that have are counted, so that they are described once."""

    def __init__(self, arrays: list[Array] | None) -> None:
        self.arrays = arrays
        self.done: dict[int, tuple[int, Any]] = {}  # by identity: number, and the object, which keeps the identity its
        self.depth = 0

    def data(self, given: Any, path: str) -> Any:
        if given is None or isinstance(given, bool | str):
            return given
        if isinstance(given, np.bool_):
            return bool(given)
        if isinstance(given, int | np.integer):
            return int(given)
        if isinstance(given, float | np.floating):
            return float(given) if math.isfinite(given) else {NUMBER: str(float(given))}
        if isinstance(given, np.ndarray):
            return self._array(given)
        if isinstance(given, Size):
            return {SIZE: [[list(names), count] for names, count in given.terms]}
        with self._nested(path):
            if isinstance(given, tuple):
                return {TUPLE: self._items(given, path)}
            if isinstance(given, list):
                return self._items(given, path)
            if isinstance(given, Mapping):
                pairs = {_key(k, path): self.data(v, f"{path}.{k}".lstrip(".")) for k, v in given.items()}
                return pairs if RESERVED.isdisjoint(pairs) else {MAPPING: [[k, v] for k, v in pairs.items()]}
            return self._object(given, path)

    @contextmanager
    def _nested(self, path: str) -> Iterator[None]:
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise InputError(f"{path[:80]}... is nested too deeply to be saved")
        yield
        self.depth -= 1

    def _items(self, given: Sequence[Any], path: str) -> list[Any]:
        return [self.data(item, f"{path}[{k}]") for k, item in enumerate(given)]

    def _array(self, given: Array) -> Any:
        if self.arrays is not None:
            self.arrays.append(given)
            return {ARRAY: len(self.arrays) - 1}
        return {ARRAY: self._items(given.tolist(), ARRAY) if given.ndim else self.data(given.item(), ARRAY),
                "dtype": given.dtype.name}  # fmt: skip

    def _object(self, given: Any, path: str) -> Any:
        where = f"{path}: " if path else ""
        if callable(given) and (name := _name_of(given)) is not None:
            return {FUNCTION: name}
        if id(given) in self.done:
            return {SAME: self.done[id(given)][0]}
        name = _name_of(type(given))
        if name is None:
            what = given if inspect.isroutine(given) or isinstance(given, type) else type(given).__name__
            raise InputError(
                f"{where}{given!r} cannot be saved: {what} is not registered; register it by name with pc.register,"
                " before saving and before loading"
            )
        arguments = given.describe() if _describes_itself(type(given)) else arguments_of(given)
        found = {CLASS: name, "arguments": {k: self.data(v, f"{path}.{k}".lstrip(".")) for k, v in arguments.items()}}
        self.done[id(given)] = (len(self.done), given)
        return found


def _name_of(given: Any) -> str | None:
    """Return the name under which exactly this was registered, and not something since that took its place."""
    name = _names.get(id(given))
    return name if name is not None and _registered[name] is given else None


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise InputError(f"{path or 'a mapping'} has the key {key!r}, and only mappings by text can be saved")
    return key


def _describes_itself(cls: type) -> bool:
    """Whether a class has its own ``describe`` and ``from_description``, no less its own than how it is made."""
    owners = {name: next((c for c in cls.__mro__ if name in vars(c)), object) for name in ("describe", "__init__")}
    return issubclass(owners["describe"], owners["__init__"]) and owners["describe"] is not object


def arguments_taken(cls: type) -> inspect.Signature:
    """Return what making an object of a class takes.

    ``inspect.signature(cls)`` is what ``__new__`` takes, up to Python 3.11.2, where ``__init__`` is inherited.
    """
    if cls.__init__ is object.__init__:  # type: ignore[misc]
        return inspect.signature(cls)
    own = inspect.signature(cls.__init__)  # type: ignore[misc]
    return own.replace(parameters=list(own.parameters.values())[1:])


def arguments_of(given: Any) -> dict[str, Any]:
    """Return the arguments an object was made with, those left out that have their defaults.

    Of an object made as a dataclass they are its fields as they are now; another keeps what it was given in ``_given``:
    a tuple and a dict.
    """
    taken = arguments_taken(type(given))
    parameters = taken.parameters
    own = [f for f in fields(given) if f.init] if is_dataclass(given) else []
    if own and {f.name for f in own} == {*parameters}:
        pairs = [(f.name, getattr(given, f.name), f.default) for f in own]
        return {name: value for name, value, default in pairs if value is not default and not _same(value, default)}
    if parameters and not hasattr(given, "_given"):
        raise InputError(f"{given!r} cannot be saved: what it was made with is not known; make its class a dataclass")
    positional, named = getattr(given, "_given", ((), {}))
    result: dict[str, Any] = {}
    for name, value in taken.bind(*positional, **named).arguments.items():
        kind = parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            raise InputError(f"{given!r} cannot be saved: it takes *{name}, and saved arguments go by name")
        result |= value if kind is inspect.Parameter.VAR_KEYWORD else {name: value}
    return result


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and isinstance(value, int | float | str) and value == default


def restore(data: Any, arrays: Sequence[Array] = ()) -> Any:
    """Return the object that data describe.

    Args:
        data: what ``describe`` returned, which may have gone through JSON.
        arrays: those that lie beside the data.

    Raises:
        InputError: if they describe none: an unregistered name, arguments a class does not take, a wrong form.

    >>> restore({"class": "optimizers.SGD", "arguments": {"learning_rate": 0.1}})
    SGD(learning_rate=0.1)
    """
    return _Restoring(arrays).value(data, 0)


class _Restoring:
    """Data that become objects, which are counted as they were when they were described."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.arrays = arrays
        self.done: list[Any] = []

    def value(self, data: Any, depth: int) -> Any:
        if depth > MOST_NESTED:
            raise InputError(f"a description is nested more than {MOST_NESTED} deep")
        if data is None or isinstance(data, bool | int | float | str):
            return data
        if isinstance(data, list):
            return [self.value(item, depth + 1) for item in data]
        if not isinstance(data, dict):
            raise InputError(f"a description holds {type(data).__name__}")
        try:
            return self._object(data, depth + 1)
        except InputError:
            raise
        except DAMAGE as error:
            raise InputError(f"the description {_shown(data)} is damaged: {str(error) or repr(error)}") from error

    def _object(self, data: dict[str, Any], depth: int) -> Any:
        match data:
            case {"number": text}:
                return float(str(text))
            case {"array": content}:
                return self._array(content, data.get("dtype"))
            case {"size": terms}:
                return Size(tuple((tuple(str(n) for n in names), int(count)) for names, count in terms))
            case {"tuple": [*items]}:
                return tuple(self.value(item, depth) for item in items)
            case {"mapping": pairs}:
                return {str(key): self.value(item, depth) for key, item in pairs}
            case {"function": name}:
                return _find(name)
            case {"same": number}:
                return self.done[number]
            case {"class": name}:
                return self._made(_find(name), data.get("arguments", {}), depth)
        return {key: self.value(item, depth) for key, item in data.items()}

    def _array(self, content: Any, dtype: Any) -> Array:
        if dtype is None:
            found: Array = self.arrays[content]
            return found
        kind = np.dtype(str(dtype))
        if kind.kind not in "biuf":
            raise InputError(f"an array of {kind} holds no numbers")
        return np.array(self.value(content, 0), kind)

    def _made(self, cls: Any, given: dict[str, Any], depth: int) -> Any:
        if not isinstance(cls, type):
            raise InputError(f"{cls.__name__} is a function, and a class was expected")
        arguments = {str(name): self.value(item, depth) for name, item in given.items()}
        make: Any = cls.from_description if _describes_itself(cls) else cls  # type: ignore[attr-defined]
        made = make(**arguments)
        self.done.append(made)
        return made


def _find(name: Any) -> Callable[..., Any]:
    found = _registered.get(name) if isinstance(name, str) else None
    if found is None:
        raise InputError(
            f"{_shown(name)} is not registered here; if it is a class or function of yours, define it and call"
            " pc.register on it before loading"
        )
    return found


def _shown(data: Any) -> str:
    return shortened(repr(data), 60)


def differences(have: Any, want: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two data differ: the path, and both values; None where one has nothing there.

    >>> list(differences({"units": 4, "layers": [1, 2]}, {"units": 8, "layers": [1, 2, 3]}))
    [('units', 4, 8), ('layers[2]', None, 3)]
    """
    if isinstance(have, dict) and isinstance(want, dict):
        for key in dict.fromkeys([*have, *want]):
            inner = path if key == "arguments" else f"{path}.{key}".lstrip(".")
            yield from differences(have.get(key), want.get(key), inner)
    elif isinstance(have, list) and isinstance(want, list):
        for k in range(max(len(have), len(want))):
            a, b = (items[k] if k < len(items) else None for items in (have, want))
            yield from differences(a, b, f"{path}[{k}]")
    elif type(have) is not type(want) or have != want:
        yield path, have, want


__all__ = ["DAMAGE", "arguments_of", "arguments_taken", "describe", "differences", "register", "restore"]
