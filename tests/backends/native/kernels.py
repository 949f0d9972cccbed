"""Small kernels for the tests of the native backend: one body, applied to whole arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.backends.native.arithmetic import Arithmetic, Value, memory_type
from pellucid.backends.native.engine import Module, compile_module
from pellucid.backends.native.target import VARIABLE, Target, host
from pellucid.backends.native.writer import MODULE_END, Writer
from pellucid.core.errors import PellucidError

TARGETS = ("avx512", "avx2", "generic")
FLOATS = ("float32", "float64")
INTEGERS = ("uint8", "int32", "uint32", "int64")
Array = np.ndarray[Any, Any]


def available(monkeypatch: Any, name: str) -> Target | None:
    """Return a restricted target, or None where this machine lacks it."""
    monkeypatch.setenv(VARIABLE, name)
    try:
        return host()
    except PellucidError:
        return None


def compiled(
    write: Callable[[Arithmetic, list[str]], None], addresses: int, target: Target | None = None, **options: Any
) -> tuple[Module, Callable[..., None]]:
    """Compile a function of some addresses, its body what ``write(builder, addresses)`` writes."""
    declarations: dict[str, None] = {}
    names = [f"%a{i}" for i in range(addresses)]
    writer = Writer(f"void @f({', '.join(f'ptr {n}' for n in names)})", declarations)
    write(Arithmetic(writer, target or host()), names)
    text = "\n".join([*declarations, writer.text(), MODULE_END])
    module = compile_module(text, target or host(), **options)
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * addresses)(module.address("f"))

    def run(*arrays: Array) -> None:
        assert module.address("f")  # and so the code lives as long as this function
        function(*[a.ctypes.data for a in arrays])

    return module, run


def apply(
    body: Callable[..., Value | tuple[Value, ...]], *arrays: Array, lanes: int, target: Target | None = None
) -> Any:
    """Apply a body element by element, ``lanes`` at a time (0: as scalars); a tuple of results gives a tuple."""
    count, step, dtypes = len(arrays[0]), lanes or 1, [a.dtype.name for a in arrays]
    assert count % step == 0
    results: list[Array] = []

    def write(b: Arithmetic, addresses: list[str]) -> None:
        with b.writer.loop(0, count, step) as i:
            operands = [
                b.load(b.writer.address(address, i, memory_type(dtype)), dtype, lanes)
                for address, dtype in zip(addresses, dtypes, strict=False)
            ]
            values = body(b, *operands)
            for k, value in enumerate(values if isinstance(values, tuple) else (values,)):
                results.append(np.zeros(count, value.dtype))
                b.store(value, b.writer.address(addresses[len(arrays) + k], i, memory_type(value.dtype)))

    # Three places for results: how many there are is known only once the body has run.
    _, run = compiled(write, len(arrays) + 3, target)
    spare = [np.zeros(1)] * (3 - len(results))
    run(*arrays, *results, *spare)
    return results[0] if len(results) == 1 else tuple(results)
