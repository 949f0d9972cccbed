"""What every operation is tried with: from the registry's tries to expressions and arrays."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pellucid import operations as families
from pellucid.core.expression import Expression
from pellucid.core.operation import Domain, Operation, Try, operations
from pellucid.operations.source import variable

Array = np.ndarray[Any, Any]
SUMMED = ("reduction", "product", "convolution", "pooling", "attention", "indexing")
assert families.__all__  # importing them fills the registry


@dataclass(frozen=True)
class Case:
    """One try of one operation, in one choice of dtypes."""

    operation: Operation
    instance: Try
    number: int
    dtypes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.operation.name}-{self.number}-{'-'.join(self.dtypes) or 'none'}"

    @property
    def is_kind(self) -> str:
        return self.operation.kind

    def build(self, *operands: Any) -> Expression:
        """Return the expression of the case over its operands."""
        call = self.instance.call or self.operation
        result: Expression = call(*operands, **self.instance.arguments)
        return result

    def variables(self, shapes: tuple[Any, ...] | None = None) -> list[Expression]:
        """Return a variable for each operand."""
        shapes = shapes or self.instance.shapes
        return [variable(f"x{k}", s, d) for k, (s, d) in enumerate(zip(shapes, self.dtypes, strict=True))]

    def arrays(self, special: bool = False, shapes: tuple[Any, ...] | None = None) -> list[Array]:
        """Return an array for each operand, always the same ones; with ``special``, of special values among others."""
        generator = np.random.default_rng(zlib.crc32(str(self).encode()))
        shapes = shapes or self.instance.shapes
        pairs = zip(shapes, self.instance.domains, self.dtypes, strict=True)
        return [values(generator, domain, shape, dtype, special) for shape, domain, dtype in pairs]


def values(generator: Any, domain: Domain, shape: Any, dtype: str, special: bool) -> Array:
    """Return random values of a domain."""
    low = max(domain.low, 0) if dtype.startswith("u") else domain.low
    if dtype == "bool":
        return np.asarray(generator.integers(0, 2, shape)).astype(bool)
    if dtype in ("float32", "float64"):
        array = np.asarray(generator.uniform(low, domain.high, shape)).astype(dtype)
    else:
        array = np.asarray(generator.integers(int(low), int(domain.high) + 1, shape)).astype(dtype)
    if special and array.size:
        flat = array.reshape(-1)
        allowed = [
            s for s in domain.special if dtype.startswith("float") or (np.isfinite(s) and abs(s) < 2 and s >= low)
        ]
        for k in generator.permutation(flat.size)[: len(allowed)]:
            flat[k] = allowed[generator.integers(len(allowed))]
    return array


def is_summed(operation: Operation) -> bool:
    """Whether its elements are sums, which are compared relative to the size of what was summed."""
    return operation.kind in SUMMED or operation.accumulates is not None


def _cases() -> Iterator[Case]:
    for operation in operations.values():
        for number, instance in enumerate(operation.tries):
            several = max((len(d.dtypes) for d in instance.domains), default=1)
            for k in range(several if number == 0 else 1):
                turn = k + number
                yield Case(operation, instance, number, tuple(d.dtypes[turn % len(d.dtypes)] for d in instance.domains))


CASES = list(_cases())
BY_OPERATION = [o for o in operations.values() if o.kind != "source"]


def each_case(*kinds: str) -> Any:
    """Parametrize a test over the cases of some kinds (of all, if none is given)."""
    chosen = [c for c in CASES if not kinds or c.operation.kind in kinds]
    return pytest.mark.parametrize("case", chosen, ids=str)


def each_operation(*kinds: str) -> Any:
    """Parametrize a test over the operations of some kinds (of all but sources, if none is given)."""
    chosen = [o for o in BY_OPERATION if not kinds or o.kind in kinds]
    return pytest.mark.parametrize("operation", chosen, ids=lambda o: o.name)


def assert_close(found: Any, expected: Any, dtype: str, ulps: float = 8, scale: float = 0.0) -> None:
    """Assert equality: exact of integers and booleans, of floats within some units in the last place.

    NaN and infinities must stand in the same places. ``scale`` adds an absolute tolerance: the size of what was
    summed, for results of cancellation.
    """
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    if not dtype.startswith("float"):
        np.testing.assert_array_equal(found, expected)
        return
    unit = float(np.finfo(dtype).eps)
    tiny = float(np.finfo(dtype).smallest_subnormal)
    with np.errstate(over="ignore"):
        expected = expected.astype(dtype)
    np.testing.assert_allclose(found, expected, rtol=ulps * unit, atol=ulps * unit * scale + 2 * tiny)


def magnitude(arrays: list[Array]) -> float:
    """Return how large sums of products of these arrays may get on the way."""
    sizes = [float(np.abs(a[np.isfinite(a)]).max(initial=1.0)) * max(1, a.size) for a in arrays if a.dtype.kind == "f"]
    return float(np.prod(sizes)) if sizes else 0.0
