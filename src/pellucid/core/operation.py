"""The operation record and the registry: what every other part knows about an operation.

The gradient, the schedule and the backends read the record: its meaning, its body, its *kind* and its *facts*. They
name an operation only where they know something better for just that one; rewriting rules name those of their formulas.
A file in ``operations/`` that makes a record has thereby added the operation to everything: the public names, the
backends, the gradient, the contract tests and the documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from . import configuration

if TYPE_CHECKING:
    from .expression import Expression
    from .indices import Index
    from .sizes import Shape

Kind = Literal[
    "source",
    "elementwise",
    "reduction",
    "movement",
    "product",
    "convolution",
    "pooling",
    "attention",
    "indexing",
    "random",
    "loop",
]
Attributes = tuple[tuple[str, Any], ...]
F = TypeVar("F", bound=Callable[..., Any])


class Facts(NamedTuple):
    """What rewriting and the tests may assume of an operation, beyond its kind.

    Attributes:
        commutative: op(a, b) = op(b, a).
        odd, even: op(-x) = -op(x); op(-x) = op(x).
        monotone: 1 where it never decreases, -1 where it never increases, 0 where neither is known.
        range: the smallest and largest value it takes.
        cheap: computing it again costs less than storing it.
    """

    commutative: bool = False
    odd: bool = False
    even: bool = False
    monotone: int = 0
    range: tuple[float, float] = (float("-inf"), float("inf"))
    cheap: bool = True


class Notation(NamedTuple):
    """How an operation is written: templates over its operands ``{0}``, ``{1}`` and its attributes by name.

    Operands that bind weaker than ``precedence`` are put in parentheses (as Python's: 1 comparisons, 4 sums,
    5 products, 6 signs, 7 powers, 9 calls). ``tight`` lists the operands that need them at equal strength too.
    """

    text: str
    latex: str
    precedence: int = 9
    tight: tuple[int, ...] = ()


class Domain(NamedTuple):
    """Values that one operand is tried with: dtypes, an interval, and special values the tests add."""

    low: float = -4.0
    high: float = 4.0
    dtypes: tuple[str, ...] = ("float32", "float64")
    special: tuple[float, ...] = (0.0, -0.0, 1.0, -1.0, float("inf"), float("-inf"), float("nan"), 1e30, -1e30, 1e-40)


class Try(NamedTuple):
    """One instance an operation is tried with: operands' shapes and domains, and the call's keyword arguments.

    ``call`` builds the expression from the operands where the public call takes more than keywords.
    """

    shapes: tuple[tuple[int, ...], ...]
    domains: tuple[Domain, ...]
    arguments: Mapping[str, Any] = MappingProxyType({})
    call: Callable[..., Any] | None = None


def reals(low: float = -4.0, high: float = 4.0) -> Domain:
    """Floats of an interval, with the special values."""
    return Domain(low, high)


def numbers(low: float = -4.0, high: float = 4.0) -> Domain:
    """Floats and signed integers."""
    return Domain(low, high, ("float32", "float64", "int32"))


def integers(low: int = -50, high: int = 50, dtypes: tuple[str, ...] = ("int32", "int64")) -> Domain:
    """Integers of an interval."""
    return Domain(low, high, dtypes, (0, 1))


def booleans() -> Domain:
    """False and True."""
    return Domain(0, 1, ("bool",), ())


@dataclass(frozen=True, eq=False, kw_only=True)
class Operation:
    """What is known of one operation. Calling it builds an expression.

    Attributes:
        name: the registered name, which is also the public one.
        kind: the family it is scheduled as.
        summary: one sentence, the first of its documentation.
        make: the public call, from operands and keywords to an expression.
        shape, dtype: the rules, from inputs and attributes; they raise a named error where inputs do not fit.
        array: its meaning, ``array(xp, *arrays, **attributes)``, on NumPy or jax.numpy.
        gradient: ``gradient(g, y, *inputs, **attributes)``, one expression (or None) for each input; None where
            the operation has no derivative.
        scalar: its body in native loops, ``scalar(builder, *values, **attributes)``; for a reduction
            ``scalar(builder, accumulated, value)``.
        identity: a reduction's value over nothing, by dtype; None where it has none.
        read: for a movement whose output elements each come from one input element: the input's indices.
        write: for a movement that places its inputs into its output: for each input the output's indices.
        accumulates: for a movement that writes: whether, for these inputs and attributes, several elements may be
            placed at one, which is then their sum.
        stacked: for a movement: its attributes where its inputs have one more axis in front, ``stacked(size,
            **attributes)``.
        expand: the same value in simpler operations, applied before scheduling until it gives the expression itself.
        tries: what tests and documentation feed it.
    """

    name: str
    kind: Kind
    summary: str
    make: Callable[..., Expression]
    shape: Callable[..., Shape]
    dtype: Callable[..., str]
    array: Callable[..., Any]
    gradient: Callable[..., tuple[Expression | None, ...]] | None = None
    scalar: Callable[..., Any] | None = None
    identity: Callable[[str], float] | None = None
    read: Callable[..., tuple[Index, ...]] | None = None
    write: Callable[..., tuple[tuple[Index, ...], ...]] | None = None
    accumulates: Callable[..., bool] | None = None
    stacked: Callable[..., dict[str, Any]] | None = None
    expand: Callable[..., Expression] | None = None
    notation: Notation
    facts: Facts = Facts()
    tries: tuple[Try, ...] = ()
    source: str = ""

    def __call__(self, *operands: Any, **arguments: Any) -> Expression:
        """Build an expression from operands and keywords, as ``make`` does."""
        return self.make(*operands, **arguments)

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


operations: dict[str, Operation] = {}
functions: dict[str, Callable[..., Any]] = {}


def register(operation: Operation) -> Operation:
    """Enter an operation in the registry, under a name nobody has taken."""
    if operation.name in operations:
        raise ValueError(f"an operation called {operation.name} is registered already")
    operations[operation.name] = operation
    functions.setdefault(operation.name, operation)
    configuration.register(operation, f"operations.{operation.name}")
    return operation


def composed(function: F) -> F:
    """Enter a plain function of expressions under its own name, so that operators and methods can call it."""
    functions[function.__name__] = function
    configuration.register(function, f"operations.{function.__name__}")
    return function


def apply(name: str, *operands: Any, **arguments: Any) -> Any:
    """Call a registered operation or composed function by name."""
    return functions[name](*operands, **arguments)
