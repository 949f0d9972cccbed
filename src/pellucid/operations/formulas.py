"""Expressions as mathematics: one line of text, or LaTeX. Loops are written as recurrences.

A sub-expression that is used more than once is written once, under its name or a letter, after "where". What belongs to
the steps of a loop is written there as well, with the number of the step as an index: ``h[t]``, and in LaTeX h_t. Steps
are counted from 1, and the carry begins at 0 (the other way round, after the last step).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.expression import Expression
from ..core.notation import ATOM, Written, written
from ..core.operation import composed
from ..core.origins import name_of
from .idioms import shortened
from .recurrence import is_recurrence
from .recurrence_notation import Steps, reading_order

LONGEST_INLINE = 160
LONGEST_REPEATED = 12
Definitions = list[tuple[str, str]]


@composed
def text(expression: Expression) -> str:
    """Return an expression as one line of text, with definitions after "where" if parts are shared."""
    bodies, definitions = render([expression], "text")
    lines = [f"{name} = {value}" for name, value in definitions]
    return bodies[0] + ("\n  where " + "\n        ".join(lines) if lines else "")


@composed
def latex(expression: Expression) -> str:
    """Return an expression as LaTeX mathematics."""
    bodies, definitions = render([expression], "latex")
    if not definitions:
        return bodies[0]
    lines = [rf"&{bodies[0]} \\ \text{{where }}", *(rf"{name} &= {body} \\" for name, body in definitions)]
    return r"\begin{aligned}" + " ".join(lines) + r"\end{aligned}"


def render(roots: Iterable[Expression], style: str) -> tuple[list[str], Definitions]:
    """Return the roots' texts and the definitions they share, in an order in which each can be read.

    Args:
        roots: the expressions.
        style: "text" or "latex".
    """
    roots = list(roots)
    formulas = _Formulas(roots, style)
    return [formulas.done[root][0] for root in roots], formulas.definitions


class _Formulas:
    """How each node is written, and what is defined on the way."""

    def __init__(self, roots: list[Expression], style: str) -> None:
        order = reading_order(roots)
        self.roots, self.style, self.steps = set(roots), style, Steps(order)
        self.readers = self._readers(order)
        self.taken = {name_of(n) for n in order}
        self.letters = iter(range(1, len(order) + 2))
        self.done: dict[Expression, Written] = {}
        self.definitions: Definitions = []
        self.defined: set[str] = set()
        for current in order:
            self.done[current] = self._written(current)

    def _readers(self, order: dict[Expression, tuple[Expression, ...]]) -> dict[Expression, set[Any]]:
        """Return what reads each node; all results of a loop are one reader."""
        readers: dict[Expression, set[Any]] = {current: set() for current in order}
        for current, read in order.items():
            for operand in read:
                readers[operand].add(self.steps.loop(current) if is_recurrence(current) else current)
        return readers

    def _written(self, current: Expression) -> Written:
        if is_recurrence(current):
            for symbol, value in self.steps.rest(current):
                self._define(symbol.written(self.style), self.done[value][0] + symbol.range(self.style))
        if (known := self.steps.symbol(current)) is not None and known.apart:
            return known.written(self.style), ATOM
        short = shortened(current, self.done.__getitem__, self.style)
        body, precedence = short or written(current, [self.done[i] for i in current.inputs], self.style)
        label = self._label(current, body)
        if label is None:
            return body, precedence
        self._define(label, body + (known.range(self.style) if known else ""))
        return label, ATOM

    def _label(self, current: Expression, body: str) -> str | None:
        """Return what a node is called, if it is to be defined apart from where it is read."""
        if (symbol := self.steps.symbol(current)) is not None:
            return symbol.written(self.style)
        if current in self.roots or not current.inputs:
            return None
        shared = len(self.readers[current]) > 1 and len(body) > LONGEST_REPEATED
        long = len(body) > LONGEST_INLINE and self.readers[current]
        name = name_of(current)
        if not (shared or name or long):
            return None
        return self.steps.called(current, name or self._letter()).written(self.style)

    def _letter(self) -> str:
        return next(f"t{k}" for k in self.letters if f"t{k}" not in self.taken)

    def _define(self, label: str, body: str) -> None:
        if label not in self.defined and label != body:  # h_0, the carry at the start, may be called just that
            self.defined.add(label)
            self.definitions.append((label, body))


__all__ = ["latex", "render", "text"]
