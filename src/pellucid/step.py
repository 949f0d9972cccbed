"""One step: what a backend compiles. And one call: what it then runs on.

A *step* reads inputs and parameters, gives outputs, and stores updates, all computed from the old values. Its
sizes are numbers, and its variables and random draws are numbered in the order in which they are met, so that
what else a process built changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from .core.expression import Expression, Parameter, intern
from .core.sizes import bind_sizes
from .core.traversal import specialise, topological

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Step:
    """One step of a function.

    Attributes:
        inputs: the variables it reads, in the order of the function's inputs.
        outputs: what it returns.
        updates: parameters and their new values.
        rows: for minibatches, how many rows one step takes; otherwise 0.
    """

    inputs: tuple[Expression, ...]
    outputs: tuple[Expression, ...]
    updates: tuple[tuple[Parameter, Expression], ...]
    rows: int = 0

    @property
    def roots(self) -> list[Expression]:
        """The outputs, then the updates' new values."""
        return [*self.outputs, *(new for _, new in self.updates)]

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters it reads or updates, in the order in which they are met."""
        met = [n for n in topological(self.roots) if isinstance(n, Parameter)]
        return list(dict.fromkeys([*met, *(p for p, _ in self.updates)]))

    def with_roots(self, roots: Sequence[Expression]) -> Step:
        """Return the step with its outputs and new values replaced, as a pass does."""
        split = len(self.outputs)
        pairs = tuple((p, new) for (p, _), new in zip(self.updates, roots[split:], strict=True))
        return Step(self.inputs, tuple(roots[:split]), pairs, self.rows)


@dataclass
class Call:
    """What a compiled step runs on.

    Attributes:
        inputs: an array for each input.
        outputs: for each output an array with one row for each step of the call.
        seed: the key of random draws.
        step: the number of the first step, which random draws are counted by.
        order_seed, epoch, start: for minibatches, the key of the shuffle, and the epoch and the first row of the
            first step.
    """

    inputs: list[Array]
    outputs: list[Array]
    seed: int
    step: int = 0
    order_seed: int = 0
    epoch: int = 0
    start: int = 0
    memory: dict[str, Any] = field(default_factory=dict)


class Executable(Protocol):
    """A compiled step. ``run`` does ``count`` steps, writing outputs from row ``first`` on."""

    @property
    def arena_bytes(self) -> int:
        """How much memory a call takes for what is computed on the way and not returned."""
        ...

    def run(self, call: Call, first: int, count: int) -> None:
        """Run some steps of a call; the first time, with ``first`` 0."""
        ...


def numbered(step: Step, sizes: Mapping[str, int]) -> Step:
    """Return the step with its sizes bound, and its variables and draws renumbered."""
    replacements: dict[Expression, Expression] = {}
    draws = 0
    for current in topological([*step.roots, *step.inputs]):
        attributes = dict(current.attributes)
        if current in step.inputs:
            attributes["shape"] = tuple(n if isinstance(n, int) else n.bind(sizes) for n in current.shape)
            attributes["token"] = step.inputs.index(current)
        elif current.operation.kind == "random":
            attributes["token"], draws = draws, draws + 1
        else:
            continue
        kept = tuple(sorted(attributes.items()))
        replacements[current] = _renumbered(current, kept, sizes)
    roots = specialise(step.roots, sizes, replacements)
    inputs = tuple(replacements[i] for i in step.inputs)
    return Step(inputs, step.outputs, step.updates, step.rows).with_roots(roots)


def _renumbered(old: Expression, attributes: tuple[tuple[str, Any], ...], sizes: Mapping[str, int]) -> Expression:
    bound = tuple((k, bind_sizes(v, sizes)) for k, v in attributes)
    shape = old.operation.shape(*old.inputs, **dict(bound))
    new = intern(old.operation, old.inputs, bound, shape, old.dtype)
    return new.named(old.name) if old.name else new


def step_text(step: Step) -> str:
    """Return a step as text, the same in every process for steps that compute the same in the same way.

    The step is numbered (see ``numbered``). Names and origins are left out: nothing that is computed depends on them.
    """
    parameters = {p: k for k, p in enumerate(step.parameters)}
    order = topological([*step.inputs, *parameters, *step.roots])
    numbers = {node: k for k, node in enumerate(order)}
    lines = []
    for node in order:
        attributes = f"parameter {parameters[node]}" if isinstance(node, Parameter) else repr(node.attributes)
        inputs = [numbers[i] for i in node.inputs]
        lines.append(f"{node.operation.name} {inputs} {attributes} {node.shape} {node.dtype}")
    outputs = [numbers[o] for o in step.outputs]
    updates = [(parameters[p], numbers[new]) for p, new in step.updates]
    inputs = [numbers[i] for i in step.inputs]
    return "\n".join([*lines, f"inputs {inputs} outputs {outputs} updates {updates} rows {step.rows}"])
