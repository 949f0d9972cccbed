"""Rules: a formula, what it rewrites, its condition, and the examples that prove it.

An elementwise rule is a row, ``rule("log(exp(x)) → x", lambda x: log(exp(x)), lambda x: x)``. Its left side is
called once on wildcards and becomes a small program that takes an expression apart; its right side is called
on what the wildcards met. A wildcard whose name starts with ``c`` meets only constants of one value. A
structural rule (axes, shapes, attributes) is a function from an expression to another, or None.

``symbol("log")`` stands for the operation of that name: on a wildcard it makes a pattern, on expressions it
applies the operation. So importing a table costs little, and a row reads like the mathematics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from ..core.dtypes import is_float
from ..core.expression import Expression
from ..core.operation import Operation, apply, operations
from ..core.origins import origin_of
from ..operations.movement import broadcast_to
from ..operations.source import scalar_value

Uses = Mapping[Expression, int]
Shapes = tuple[tuple[int, ...], ...]
Attempt = Callable[[Expression, Uses], Expression | None]
Build = Callable[..., Any]


class Term:
    """A pattern: a wildcard (a name only), a number (a value only), or an operation over patterns."""

    __slots__ = ("inputs", "name", "value")

    def __init__(self, name: str, inputs: tuple[Term, ...] = (), value: float | None = None) -> None:
        self.name, self.inputs, self.value = name, inputs, value

    def __add__(self, other: Any) -> Term:
        return _term("add", self, other)

    def __radd__(self, other: Any) -> Term:
        return _term("add", other, self)

    def __sub__(self, other: Any) -> Term:
        return _term("subtract", self, other)

    def __rsub__(self, other: Any) -> Term:
        return _term("subtract", other, self)

    def __mul__(self, other: Any) -> Term:
        return _term("multiply", self, other)

    def __rmul__(self, other: Any) -> Term:
        return _term("multiply", other, self)

    def __truediv__(self, other: Any) -> Term:
        return _term("divide", self, other)

    def __rtruediv__(self, other: Any) -> Term:
        return _term("divide", other, self)

    def __neg__(self) -> Term:
        return _term("negative", self)


def _term(name: str, *operands: Any) -> Term:
    return Term(name, tuple(o if isinstance(o, Term) else Term("", value=o) for o in operands))


def symbol(name: str) -> Callable[..., Any]:
    """Return a function that makes a pattern of wildcards and applies the named operation to expressions."""

    def call(*operands: Any) -> Any:
        if any(isinstance(o, Term) for o in operands):
            return _term(name, *operands)
        return apply(name, *operands)

    return call


absolute, exp, expm1 = symbol("abs"), symbol("exp"), symbol("expm1")
log, log1p, logaddexp = symbol("log"), symbol("log1p"), symbol("logaddexp")
maximum, minimum, power = symbol("maximum"), symbol("minimum"), symbol("pow")
reciprocal, relu, sqrt = symbol("reciprocal"), symbol("relu"), symbol("sqrt")
sigmoid, softplus, tanh = symbol("sigmoid"), symbol("softplus"), symbol("tanh")
where, logical_not = symbol("where"), symbol("logical_not")
equal, not_equal = symbol("equal"), symbol("not_equal")
less, less_equal = symbol("less"), symbol("less_equal")
greater, greater_equal = symbol("greater"), symbol("greater_equal")


def number(expression: Expression) -> float | int | None:
    """Return the value that every element of a constant has, or None for anything else."""
    if expression.operation.name != "constant":
        return None
    data: bytes = expression.attributes[0][1]
    return _scalar(data, expression.dtype) if len(data) <= 8 else scalar_value(expression)


@lru_cache(maxsize=4096)
def _scalar(data: bytes, dtype: str) -> float | int | None:
    values = np.frombuffer(data, dtype=dtype)
    return values[0].item() if values.size and (values == values[0]).all() else None


@dataclass(frozen=True, eq=False)
class Rule:
    """A rewriting rule.

    Attributes:
        name: the formula, ``before → after``.
        may: whether it can fire at an operation over inputs of these operations; asked once for each such
            combination, so that the engine tries few rules at a node.
        attempt: from an expression, and how often each expression of the graph is read, to the expression that
            takes its place, or None. What it makes has the expression's shape and dtype.
        example: builds an expression it fires at, from float64 variables (constants where their names start
            with ``c``).
        shapes: for each draw of the example one shape a variable.
        domain: the interval of the example's values.
        constants: the values of the example's constants.
    """

    name: str
    may: Callable[[Operation, tuple[Operation, ...]], bool]
    attempt: Attempt
    example: Build
    shapes: tuple[Shapes, ...]
    domain: tuple[float, float] = (-2.0, 2.0)
    constants: tuple[float, ...] = (3.0, -0.75)

    def __repr__(self) -> str:
        return f"<rule {self.name}>"


def names_of(function: Any) -> tuple[str, ...]:
    """Return the names of a plain function's arguments."""
    code = function.__code__  # inspect.signature says the same and takes 20 times as long, at every import
    return tuple(code.co_varnames[: code.co_argcount])


# Elementwise rules: rows


def rule(
    name: str,
    before: Build,
    after: Build,
    when: Callable[..., bool] | None = None,
    *,
    once: bool = False,
    integers: bool = False,
    domain: tuple[float, float] = (-2.0, 2.0),
    constants: tuple[float, ...] = (3.0, -0.75),
    shapes: tuple[Shapes, ...] = (),
) -> Rule:
    """Return an elementwise rule from its two sides.

    Args:
        name: the formula.
        before: the left side, over wildcards.
        after: the right side, over the same wildcards or fewer.
        when: a condition on what the wildcards met, by the same names.
        once: it fires only where nobody else reads the parts it takes apart, because otherwise they would be
            computed all the same and the right side on top.
        integers: it holds for integers too, which wrap.
        domain, constants, shapes: of the example; see ``Rule``.
    """
    wildcards = names_of(before)
    matcher = _Matcher(wildcards, before)
    kept = [wildcards.index(n) for n in names_of(after)]
    asked = [wildcards.index(n) for n in names_of(when)] if when else []

    def attempt(node: Expression, uses: Uses) -> Expression | None:
        if not integers and not is_float(node.inputs[-1].dtype):
            return None
        for found, parts in matcher.matches(node):
            if when is not None and not when(*(found[k] for k in asked)):
                continue
            if once and any(uses.get(p, 2) > 1 for p in parts[1:]):
                continue
            with origin_of(*parts), np.errstate(all="ignore"):
                return fitted(after(*(_given(wildcards[k], found[k]) for k in kept)), node)
        return None

    count = len(wildcards)
    drawn = shapes or (((),) * count, ((3,),) * count, *_mixed(count))
    return Rule(name, matcher.may, attempt, before, drawn, domain, constants)


def _given(wildcard: str, met: Expression) -> Any:
    """What a right side is called on: a constant wildcard's number, so that what becomes of it is computed at once."""
    return np.float64(number(met) or 0) if wildcard.startswith("c") and is_float(met.dtype) else met


def _mixed(count: int) -> Iterator[Shapes]:
    if count > 1:
        yield ((2, 1), (3,), (2, 3), ())[:count]
        yield ((), (2, 3), (2, 1), (3,))[:count]


def fitted(after: Any, before: Expression) -> Expression:
    """Return what takes the place of ``before``, in its shape and dtype."""
    made: Expression = after if isinstance(after, Expression) else apply("constant", after, before.dtype)
    if made.dtype != before.dtype:
        made = made.astype(before.dtype)
    return broadcast_to(made, before.shape)


OPEN, SAME, VALUE, CONSTANT = range(4)
Instruction = tuple[int, int, Any]


class _Matcher:
    """The left side of a row as programs, one for each order of its commutative operations' operands."""

    def __init__(self, wildcards: tuple[str, ...], before: Build) -> None:
        self.wildcards = wildcards
        self.pattern: Term = before(*(Term(w) for w in wildcards))
        self.programs: list[tuple[list[Instruction], list[int], list[int]]] | None = None

    def may(self, operation: Operation, inputs: tuple[Operation, ...]) -> bool:
        if operation.name != self.pattern.name:
            return False
        orders = [inputs, inputs[::-1]] if operation.facts.commutative else [inputs]
        return any(all(map(_may_be, self.pattern.inputs, order)) for order in orders)

    def matches(self, node: Expression) -> Iterator[tuple[list[Expression], list[Expression]]]:
        """Yield what the wildcards met and the parts that were taken apart, for every way to match."""
        if self.programs is None:
            self.programs = [self._compiled(variant) for variant in _orders(self.pattern)]
        for instructions, opened, kept in self.programs:
            registers = _run(instructions, node)
            if registers is not None:
                yield [registers[k] for k in kept], [registers[k] for k in opened]

    def _compiled(self, pattern: Term) -> tuple[list[Instruction], list[int], list[int]]:
        instructions: list[Instruction] = []
        opened: list[int] = []
        met: dict[str, int] = {}
        registers = [pattern]
        for k, term in enumerate(registers):  # it grows while it is walked
            if term.inputs:
                instructions.append((OPEN, k, term.name))
                opened.append(k)
                registers.extend(term.inputs)
            elif term.value is not None:
                instructions.append((VALUE, k, term.value))
            elif term.name in met:
                instructions.append((SAME, k, met[term.name]))
            else:
                met[term.name] = k
                if term.name.startswith("c"):
                    instructions.append((CONSTANT, k, None))
        return instructions, opened, [met[w] for w in self.wildcards]


def _may_be(term: Term, operation: Operation) -> bool:
    if term.inputs:
        return term.name == operation.name
    if term.value is not None or term.name.startswith("c"):
        return operation.name == "constant"
    return True


def _orders(term: Term) -> list[Term]:
    """Return the pattern with the operands of its commutative operations in every order."""
    if not term.inputs:
        return [term]
    result = [Term(term.name, inputs) for inputs in product(*map(_orders, term.inputs))]
    if operations[term.name].facts.commutative:
        result += [Term(t.name, t.inputs[::-1]) for t in result]
    return result


def _run(instructions: Sequence[Instruction], node: Expression) -> list[Expression] | None:
    registers = [node]
    for code, k, wanted in instructions:
        met = registers[k]
        if code == OPEN:
            if met.operation.name != wanted:
                return None
            registers.extend(met.inputs)
        elif code == SAME:
            if met is not registers[wanted]:
                return None
        elif code == VALUE:
            if number(met) != wanted:
                return None
        elif number(met) is None:
            return None
    return registers


# Structural rules

SHARED = 2


def read_once(x: Expression, uses: Uses) -> bool:
    """Whether nobody else reads x; of an expression made during the same walk that is not known, and not assumed."""
    return uses.get(x, SHARED) < SHARED


def structural(
    name: str,
    roots: str | tuple[str, ...],
    of: str | tuple[str, ...] = (),
    *,
    example: Build,
    shapes: tuple[Shapes, ...] = (),
    domain: tuple[float, float] = (-2.0, 2.0),
    constants: tuple[float, ...] = (3.0, -0.75),
) -> Callable[[Attempt], Rule]:
    """Return a decorator that makes a rule of a function.

    Args:
        name: the formula.
        roots: the operations, or the kind, it may fire at.
        of: operations one of which an input must be (any, if empty).
        example, shapes, domain, constants: see ``Rule``.
    """
    at = (roots,) if isinstance(roots, str) else roots
    reads = (of,) if isinstance(of, str) else of

    def may(operation: Operation, inputs: tuple[Operation, ...]) -> bool:
        if operation.name not in at and operation.kind not in at:
            return False
        return not reads or any(i.name in reads for i in inputs)

    def decorate(function: Attempt) -> Rule:
        def attempt(node: Expression, uses: Uses) -> Expression | None:
            with origin_of(node, *[i for i in node.inputs if i.operation.name in reads]):
                after = function(node, uses)
                return None if after is None else fitted(after, node)

        return Rule(name, may, attempt, example, shapes or (((3, 4),) * 4,), domain, constants)

    return decorate
