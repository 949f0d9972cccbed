"""How the parts of loops are named: each value of a step by a letter, with the number of the step as its index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..core.expression import Expression
from ..core.notation import identifier
from ..core.origins import name_of
from ..core.sizes import Axis
from .recurrence import NOTHING, Loop, is_recurrence, loop_of, scopes

LETTERS = "tsrqponmlkji"  # numbers of the steps of a loop, and of those inside of it
Reads = dict[Expression, tuple[Expression, ...]]


class Symbol(NamedTuple):
    """A name with indices.

    Attributes:
        base: the name.
        indices: the numbers of the steps.
        counts: where the symbol's definition says which steps there are: the letter, the first and the last of them.
        apart: whether its definition is written elsewhere than where it is met.
    """

    base: str
    indices: tuple[str, ...] = ()
    counts: tuple[str, str, str] | None = None
    apart: bool = False

    def at(self, index: str) -> Symbol:
        """Return the symbol with one index more, whose definition is elsewhere."""
        return Symbol(self.base, (*self.indices, index), None, True)

    def written(self, style: str) -> str:
        """Return it as text or LaTeX."""
        return identifier(self.base, style, self.indices)

    def range(self, style: str) -> str:
        """Return which steps there are, to be put behind a definition."""
        if self.counts is None:
            return ""
        letter, first, last = self.counts
        if style == "text":
            return f", {letter} = {first}…{last}"
        ends = [identifier(n, style) if n.isidentifier() else n for n in (first, last)]
        return rf", \quad {letter} = {ends[0]}, \dots, {ends[1]}"


def reading_order(roots: Iterable[Expression]) -> Reads:
    """Return the nodes that formulas are written from, inputs before users, and for each what it reads.

    A result of a loop reads nothing of what the loop's steps compute for other results alone.
    """
    found: Reads = {}
    stack = [(root, False) for root in reversed(list(roots))]
    reads: Reads = {}
    while stack:
        current, ready = stack.pop()
        if current in found:
            continue
        if ready:
            found[current] = reads[current]
            continue
        reads[current] = _read(current)
        stack.append((current, True))
        stack.extend((i, False) for i in reversed(reads[current]) if i not in found)
    return found


def _read(current: Expression) -> tuple[Expression, ...]:
    if not is_recurrence(current):
        return current.inputs
    loop, root = loop_of(current), _output(current)
    reached = _reached(loop, loop.new[_carry(current)] if root is None else root)
    carries = [k for k, c in enumerate(loop.carried) if c in reached or (root is None and k == _carry(current))]
    rows = [k for k, c in enumerate(loop.current) if c in reached]
    parts = [[loop.initial[k] for k in carries], [loop.sequences[k] for k in rows]]
    parts += [[loop.carried[k] for k in carries], [loop.current[k] for k in rows], [loop.new[k] for k in carries]]
    return (*(x for part in parts for x in part), *([] if root is None else [root]))


def _reached(loop: Loop, root: Expression) -> set[Expression]:
    """Return what a value of a step depends on, in this step or in those before it."""
    seen: set[Expression] = set()
    pending = [root]
    while pending:
        current = pending.pop()
        if current not in seen:
            seen.add(current)
            pending.extend(current.inputs)
            if current in loop.carried:
                pending.append(loop.new[loop.carried.index(current)])
    return seen


def _carry(result: Expression) -> int:
    """Return which carried value a result is of."""
    loop, k = loop_of(result), int(result.attribute("result"))
    return k if k < len(loop.initial) else k - len(loop.initial) - len(loop.outputs)


def _output(result: Expression) -> Expression | None:
    """Return of a result that stacks what steps return, what that is."""
    loop = loop_of(result)
    k = result.attribute("result") - len(loop.initial)
    return loop.outputs[k] if 0 <= k < len(loop.outputs) else None


class _Named:
    """A loop, its letter, and what its values are called.

    Attributes:
        around: the letters of the loops that it is inside of.
        letter: the number of a step.
        carries, outputs: what is carried, and what steps return.
    """

    def __init__(self, loop: Loop, around: tuple[str, ...], letter: str) -> None:
        self.loop, self.around, self.letter = loop, around, letter
        self.carries: dict[int, str] = {}
        self.outputs: dict[Expression, str] = {}
        self.said = False

    @property
    def indices(self) -> tuple[str, ...]:
        return (*self.around, self.letter)

    @property
    def counts(self) -> tuple[str, str, str]:
        first, last = "1", str(self.loop.length)
        return (self.letter, last, first) if self.loop.reverse else (self.letter, first, last)

    def before(self, k: int) -> Symbol:
        """Return what a step is given of a carried value."""
        return Symbol(self.carries[k], self.around).at(f"{self.letter}{'+' if self.loop.reverse else '-'}1")

    def first(self, k: int) -> Symbol:
        """Return a carried value before the first step."""
        return Symbol(self.carries[k], self.around).at(str(self.loop.length + 1) if self.loop.reverse else "0")

    def last(self, k: int) -> Symbol:
        """Return a carried value after the last step."""
        return Symbol(self.carries[k], self.around).at("1" if self.loop.reverse else str(self.loop.length))

    def all_of(self, base: str, first: Axis, last: Axis) -> Symbol:
        """Return the values of several steps."""
        return Symbol(base, self.around).at(f"{first}…{last}")


class Steps:
    """What everything in the steps of loops is called."""

    def __init__(self, order: Mapping[Expression, tuple[Expression, ...]]) -> None:
        self.order, self.scopes = order, scopes(order)
        outside = [n for n in order if n not in self.scopes and not is_recurrence(n)]
        self.taken = {name for n in outside if (name := name_of(n)) is not None}
        self.letters = [letter for letter in LETTERS if letter not in self.taken] or list(LETTERS)
        self.loops: dict[frozenset[Expression], _Named] = {}
        self.owners: dict[Expression, frozenset[Expression]] = {}
        self.symbols: dict[Expression, Symbol] = {}
        results = [n for n in order if is_recurrence(n)]
        for result in results:
            for variable in loop_of(result).bound:
                self.owners.setdefault(variable, self.loop(result))
        first: dict[frozenset[Expression], Expression] = {}
        for result in results:
            first.setdefault(self.loop(result), result)
        for key in sorted(first, key=lambda key: len(self._around(first[key], first))):
            self._name(key, first[key], first)
        for result in results:
            self._result(result)
        for current in order:
            self._part(current)
        for named in self.loops.values():
            self._rows(named)

    def loop(self, result: Expression) -> frozenset[Expression]:
        """Return what tells a loop from others."""
        return loop_of(result).bound

    def symbol(self, current: Expression) -> Symbol | None:
        """Return what a node is called, if loops call it something."""
        return self.symbols.get(current)

    def called(self, current: Expression, name: str) -> Symbol:
        """Return a name for another node, with the numbers of the steps that it belongs to."""
        indices = self._indices(self.scopes.get(current, NOTHING))
        return Symbol(self._fresh(name) if indices else name, indices)

    def rest(self, result: Expression) -> list[tuple[Symbol, Expression]]:
        """Return what of a loop has no definition of its own, and its value."""
        named, loop = self.loops[self.loop(result)], loop_of(result)
        found = []
        for k, new in enumerate(loop.new):
            if loop.carried[k] not in self.order[result]:
                continue
            after = Symbol(named.carries[k], named.indices)
            if self.symbols.get(new, Symbol(""))[:2] != after[:2]:
                found.append((self._counted(named, after), new))
            found.append((named.first(k), loop.initial[k]))
        root = _output(result)
        if root is not None and root in named.outputs and self.symbols.get(root, Symbol(""))[0] != named.outputs[root]:
            found.append((self._counted(named, Symbol(named.outputs[root], named.indices)), root))
        return found

    def _fresh(self, name: str) -> str:
        made = next(n for n in (name, *(f"{name}{k}" for k in range(1, len(self.taken) + 2))) if n not in self.taken)
        self.taken.add(made)
        return made

    def _around(self, result: Expression, first: Mapping[frozenset[Expression], Expression]) -> tuple[str, ...]:
        """Return the letters of the loops that a loop is inside of."""
        outer = {self.owners[v] for v in self.scopes.get(result, NOTHING) if v in self.owners}
        depth = max((len(self._around(first[key], first)) + 1 for key in outer), default=0)
        return tuple(self.letters[:depth])

    def _indices(self, scope: Iterable[Expression]) -> tuple[str, ...]:
        """Return the numbers of the steps that something belongs to, by the step variables that it depends on."""
        inside = [self.loops[self.owners[v]].indices for v in scope if v in self.owners]
        return max(inside, key=len, default=())

    def _name(
        self, key: frozenset[Expression], result: Expression, first: Mapping[frozenset[Expression], Expression]
    ) -> None:
        """Name what a loop carries, before and after each step."""
        loop, around = loop_of(result), self._around(result, first)
        named = self.loops[key] = _Named(loop, around, self.letters[min(len(around), len(self.letters) - 1)])
        carried = {k: c for k, c in enumerate(loop.carried) if c in self.order}
        for k, variable in carried.items():
            if variable in self.symbols:  # another form of the same loop, as a rewriting leaves it
                named.carries[k] = self.symbols[variable].base
                continue
            own = name_of(loop.new[k]) if self._is_free(loop.new[k], loop) else None
            named.carries[k] = self._fresh(own or name_of(variable) or "c")
            self.symbols[variable] = named.before(k)
        for k in carried:
            if self._is_free(loop.new[k], loop):
                self.symbols[loop.new[k]] = self._counted(named, Symbol(named.carries[k], named.indices))

    def _counted(self, named: _Named, symbol: Symbol) -> Symbol:
        """Return a symbol that says which steps there are, if no other symbol of the loop does."""
        if named.said:
            return symbol
        named.said = True
        return symbol._replace(counts=named.counts)

    def _is_free(self, current: Expression, loop: Loop) -> bool:
        """Whether a step computes a node that is not called anything yet."""
        belongs = bool(current.inputs) and bool(self.scopes.get(current, NOTHING) & loop.bound)
        return belongs and current not in self.symbols and not is_recurrence(current)

    def _result(self, result: Expression) -> None:
        named, loop = self.loops[self.loop(result)], loop_of(result)
        root = _output(result)
        if root is not None:
            self.symbols[result] = named.all_of(self._output_name(named, root, result), 1, loop.length)
        elif result.attribute("result") < len(loop.initial):
            self.symbols[result] = named.last(_carry(result))
        else:
            first, last = (1, loop.length + 1) if loop.reverse else (0, loop.length)
            self.symbols[result] = named.all_of(named.carries[_carry(result)], first, last)

    def _output_name(self, named: _Named, root: Expression, result: Expression) -> str:
        """Return what the values that steps return are called."""
        known = self.symbols.get(root)
        if known is not None and known.indices == named.indices:
            return known.base  # the carry itself
        if root not in named.outputs:
            free = self._is_free(root, named.loop)
            named.outputs[root] = self._fresh(name_of(result) or (name_of(root) if free else None) or "y")
            if free:
                self.symbols[root] = self._counted(named, Symbol(named.outputs[root], named.indices))
        return named.outputs[root]

    def _part(self, current: Expression) -> None:
        """Name a part of a history: what was carried before each step, or after each."""
        if current.operation.name != "slice_axes" or not is_recurrence(current.inputs[0]):
            return
        whole, loop = self.symbols[current.inputs[0]], loop_of(current.inputs[0])
        if _is_history(current):
            first = current.attribute("starts")[0] + loop.reverse
            index = f"{first}…{loop.length + (first - 1)}"
            self.symbols[current] = Symbol(whole.base, whole.indices[:-1]).at(index)

    def _rows(self, named: _Named) -> None:
        """Name the current row of each sequence."""
        for variable, sequence in zip(named.loop.current, named.loop.sequences, strict=True):
            if variable not in self.order:
                continue
            known = self._sequence(sequence, variable)
            shift = ""
            if known.indices and "…" in known.indices[-1]:  # values of steps, from a first one on
                shift = {"0": "-1", "1": "", "2": "+1"}[known.indices[-1].split("…")[0]]
                known = Symbol(known.base, known.indices[:-1])
            self.symbols[variable] = known.at(named.letter + shift)

    def _sequence(self, sequence: Expression, variable: Expression) -> Symbol:
        """Return what a sequence is called; one without a name gets that of its rows."""
        known = self.symbols.get(sequence)
        if known is None:
            name = name_of(sequence)
            if sequence.inputs or name is None:
                name = self._fresh(name or name_of(variable) or "x")
            known = Symbol(name, self._indices(self.scopes.get(sequence, NOTHING)))
            if sequence.inputs or name != name_of(sequence):
                self.symbols[sequence] = known
        return known


def _is_history(part: Expression) -> bool:
    """Whether a part of a result is what was carried before each step, or after each."""
    result, (start, *rest) = part.inputs[0], part.attribute("starts")
    whole = _output(result) is None and result.attribute("result") >= len(loop_of(result).initial)
    shape = (loop_of(result).length, *result.shape[1:])
    return whole and part.shape == shape and start in (0, 1) and not any(rest)


__all__ = ["Steps", "Symbol", "reading_order"]
