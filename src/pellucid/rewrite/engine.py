"""The engine: rules applied to a graph until none fires, and the log of what fired.

Inputs are rewritten before their users, each node once, with a stack of its own (nothing recurses). What a rule
makes is rewritten in turn. Because some rules look at how often a part is read, the walk is repeated until a whole
one changes nothing. It ends: the number of firings is bounded by the size of the graph, and a rule that would lead
back to an expression on its way is not followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..core.errors import InternalError
from ..core.expression import Expression, intern
from ..core.operation import Operation
from ..core.origins import Origin, name_of, origin_of, origins, set_name
from ..core.traversal import rebuild, substitute, topological, transform
from ..operations.source import variable
from .pattern import Rule

FIRINGS_A_NODE = 32
MOST_WALKS = 16
LONGEST_SHOWN = 100
LONGEST_LEFT = 16
LETTERS = "abcdefgh"


class Entry(NamedTuple):
    """One firing: the rule's formula, what it met, what took its place, and the user's lines it came from."""

    rule: str
    before: Expression
    after: Expression
    origins: tuple[Origin, ...]

    def __str__(self) -> str:
        before, after = map(_shown, _abbreviated(self.before, self.after))
        lines = f"   ({', '.join(map(str, self.origins))})" if self.origins else ""
        return f"{self.rule}:   {before}  →  {after}{lines}"


def _shown(expression: Expression) -> str:
    text = " ".join(str(expression).split())
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def _abbreviated(before: Expression, after: Expression) -> list[Expression]:
    """Return both sides with the long parts that they have in common, which the rule left alone, as letters."""
    common = set(topological([before])) & set(topological([after]))
    letters: dict[Expression, Expression] = {}
    pending = [before, after]
    seen = set(pending)
    for current in pending:
        if current in common and current.inputs and len(str(current)) > LONGEST_LEFT:
            name = LETTERS[len(letters) % len(LETTERS)]
            letters.setdefault(current, variable(name, current.shape, current.dtype))
        elif current not in letters:
            pending.extend(i for i in current.inputs if i not in seen)
            seen.update(current.inputs)
    return substitute([before, after], letters)


class Log:
    """The rules that fired, in order. It prints one line a firing, and replays them.

    >>> from pellucid.operations.source import variable
    >>> from pellucid.rewrite.rules import ALL
    >>> log, x = Log(), variable("x")
    >>> print(rewrite([x * 1 + 0], ALL, log)[0])
    x
    >>> [entry.rule for entry in log.entries]
    ['x * 1 → x', 'x + 0 → x']
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __str__(self) -> str:
        return "\n".join(map(str, self.entries))

    def replay(self, roots: Sequence[Expression]) -> Iterator[list[Expression]]:
        """Yield the roots after each firing."""
        current = list(roots)
        known: dict[Expression, Expression] = {}
        for entry in self.entries:
            known.pop(entry.after, None)  # a rule that leads back is taken back
            known[entry.before] = entry.after
            current = _replaced(current, known)
            yield current


def _replaced(roots: list[Expression], known: Mapping[Expression, Expression]) -> list[Expression]:
    """Return the roots with everything known replaced, also what replacing brings forth."""

    def change(old: Expression, inputs: tuple[Expression, ...]) -> Expression:
        made = rebuild(old, inputs)
        while made in known:
            made = known[made]
        return made

    before: list[Expression] = []
    while before != roots:
        before, roots = roots, transform(roots, change)
    return roots


class Table:
    """Rules, found by the operations of a node and of its inputs."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.found: dict[tuple[Operation, ...], tuple[Rule, ...]] = {}

    def at(self, node: Expression) -> tuple[Rule, ...]:
        """Return the rules that may fire at a node."""
        key = (node.operation, *[i.operation for i in node.inputs])
        found = self.found.get(key)
        if found is None:
            found = tuple(r for r in self.rules if r.may(key[0], key[1:]))
            self.found[key] = found
        return found


@lru_cache(maxsize=16)
def table(rules: tuple[Rule, ...]) -> Table:
    """Return the table of some rules; it fills as it is used, and is kept."""
    return Table(rules)


def rewrite(roots: Sequence[Expression], rules: Sequence[Rule], log: Log) -> list[Expression]:
    """Return the roots rewritten until no rule fires.

    Args:
        roots: the expressions; what they share stays shared.
        rules: in order of preference: at a node the first that fires is taken.
        log: where each firing is entered.
    """
    walk = _Walk(table(tuple(rules)), log)
    current = list(roots)
    for _ in range(MOST_WALKS):
        before, current = current, walk.over(current)
        if current == before:
            break
    return current


class _Walk:
    """Walks over a graph with one table and one log; the firings left are shared between them."""

    def __init__(self, rules: Table, log: Log) -> None:
        self.table, self.log = rules, log
        self.left: int | None = None
        self.uses: dict[Expression, int] = {}
        self.done: dict[Expression, Expression] = {}

    def over(self, roots: list[Expression]) -> list[Expression]:
        """Return the roots after one walk."""
        order = topological(roots)
        if self.left is None:
            self.left = FIRINGS_A_NODE * (len(order) + 8)
        self.done = {}
        self.uses = uses = dict.fromkeys(roots, 1)
        for node in order:
            for operand in node.inputs:
                uses[operand] = uses.get(operand, 0) + 1
        for node in order:
            self._normalise(node)
        return [self.done[root] for root in roots]

    def _normalise(self, start: Expression) -> None:
        """Rewrite one node and everything the rules make of it. Frames are (node, what stands for it)."""
        done = self.done
        stack: list[tuple[Expression, Expression | None]] = [(start, None)]
        while stack:
            node, instead = stack.pop()
            if instead is not None:
                done[node] = done[instead]
                continue
            if node in done:
                continue
            missing = [i for i in node.inputs if i not in done]
            if missing:
                stack.append((node, None))
                stack.extend((i, None) for i in reversed(missing))
                continue
            current = _over(node, tuple([done[i] for i in node.inputs]))
            if current is not node:
                stack.append((node, current))
                if current in done:
                    continue
            done[current] = current  # for now: a rule that leads back here stops here
            after = self._fire(current)
            if after is not None:
                stack.append((current, after))
                stack.append((after, None))

    def _fire(self, node: Expression) -> Expression | None:
        for rule in self.table.at(node):
            after = rule.attempt(node, self.uses)
            if after is None or after is node:
                continue
            if not self.left:
                return None
            self.left -= 1
            if after.shape != node.shape or after.dtype != node.dtype:
                raise InternalError(f"{rule.name} made {after!r} of {node!r}")
            _keep_name(node, after)
            self.log.entries.append(Entry(rule.name, node, after, origins(node)))
            return after
        return None


def _over(node: Expression, inputs: tuple[Expression, ...]) -> Expression:
    """Return the node over rewritten inputs, which have the shapes and dtypes of the old ones."""
    if inputs == node.inputs:
        return node
    with origin_of(node):
        made = intern(node.operation, inputs, node.attributes, node.shape, node.dtype)
    _keep_name(node, made)
    return made


def _keep_name(before: Expression, after: Expression) -> None:
    name = name_of(before)
    if name is not None and after.inputs and name_of(after) is None:
        set_name(after, name)
