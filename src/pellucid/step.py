"""One step: what a backend compiles. And one call: what it then runs on.

A *step* reads inputs and parameters, gives outputs, and stores updates, all computed from the old values. As it is
written its axes may have names; ``numbered`` makes of it what a backend compiles, whose sizes are numbers and whose
variables and random draws are numbered in the order in which they are met, so that what else a process built changes
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from .core.expression import Expression, Parameter, intern
from .core.sizes import bind_sizes
from .core.traversal import specialise, substitute, topological
from .operations.recurrence import step_variable

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Batches:
    """Which batches of every epoch a step takes: some of one size that follow each other.

    Steps and batches are counted from the first of epoch 0 on: a *step* among all of a loop, a *batch* among those that
    are meant here. Where no rows are picked, every step is an epoch, and its one batch is all there is.

    Attributes:
        rows: how many rows each batch has; 0 where no rows are picked.
        count: how many of these batches an epoch has.
        first_row, first_step: how many rows and steps of an epoch come before them.
        steps: how many steps an epoch has in all.

    >>> short = Batches(rows=2, count=1, first_row=20, first_step=4, steps=5)  # the last of 22 rows in batches of 5
    >>> [short.before(step) for step in (4, 5, 9, 10)], short.step(1)
    ([0, 1, 1, 2], 9)
    """

    rows: int = 0
    count: int = 1
    first_row: int = 0
    first_step: int = 0
    steps: int = 1

    def before(self, step: int) -> int:
        """Return how many of these batches come before a step."""
        epoch, place = divmod(step, self.steps)
        return epoch * self.count + min(max(place - self.first_step, 0), self.count)

    def left(self, step: int) -> int:
        """Return how many of these batches come from a step on without another step between them."""
        place = step % self.steps - self.first_step
        return self.count - place if 0 <= place < self.count else 0

    def step(self, batch: Any) -> Any:
        """Return the step, or the array of steps, that takes a batch."""
        epoch, place = divmod(batch, self.count)
        return epoch * self.steps + self.first_step + place

    def row(self, batch: Any) -> Any:
        """Return where in an epoch's order the rows of a batch begin; of an array of batches, an array."""
        return self.first_row + batch % self.count * self.rows


@dataclass(frozen=True)
class Step:
    """One step of a function.

    Attributes:
        inputs: the variables it reads, in the order of the function's inputs.
        outputs: what it returns.
        updates: parameters and their new values.
        batches: for minibatches, which batches of an epoch it takes.
    """

    inputs: tuple[Expression, ...]
    outputs: tuple[Expression, ...]
    updates: tuple[tuple[Parameter, Expression], ...]
    batches: Batches = Batches()

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
        return Step(self.inputs, tuple(roots[:split]), pairs, self.batches)

    def with_parameters(self, others: Mapping[Parameter, Parameter], variables: Sequence[Expression] = ()) -> Step:
        """Return the same step on other parameters, and on other variables if any are given."""
        inputs = tuple(variables) or self.inputs
        replaced = dict[Expression, Expression](zip(self.inputs, inputs, strict=True))
        replaced.update(others.items())
        pairs = tuple((others[p], new) for p, new in self.updates)
        return Step(inputs, self.outputs, pairs, self.batches).with_roots(substitute(self.roots, replaced))


@dataclass
class Call:
    """What a compiled step runs on.

    Attributes:
        inputs: an array for each input.
        outputs: for each output an array with one row for each step of the call.
        seed: the key of random draws.
        step: what is added to the number of a step (``Batches.step``) to count its random draws by.
        order_seed: for minibatches, the key of the shuffle.
        batch: the batch of the call's first step, among those that the step is for.
        memory: what a backend works in; calls one after another may share it.
        placed: what a backend keeps of the inputs elsewhere; calls of other steps on the same inputs may share it too.
        table: what a backend makes of all this, for this call alone.
    """

    inputs: list[Array]
    outputs: list[Array]
    seed: int
    step: int = 0
    order_seed: int = 0
    batch: int = 0
    memory: dict[str, Any] = field(default_factory=dict)
    placed: dict[Any, Any] = field(default_factory=dict)
    table: Any = field(default=None, init=False)


class Executable(Protocol):
    """A compiled step. ``run`` does ``count`` steps, writing outputs from row ``first`` on."""

    @property
    def arena_bytes(self) -> int:
        """How much memory a call takes for what is computed on the way and not returned."""
        ...

    def on_parameters(self, parameters: Mapping[Parameter, Parameter]) -> Executable:
        """Return the same on other parameters, which stand in for its own."""
        ...

    def run(self, call: Call, first: int, count: int) -> None:
        """Run some steps of a call; the first time, with ``first`` 0."""
        ...


def numbered(step: Step, sizes: Mapping[str, int]) -> Step:
    """Return the step with its sizes bound, and its variables and draws renumbered."""
    replacements: dict[Expression, Expression] = {}
    draws = variables = 0
    for current in topological([*step.roots, *step.inputs]):
        attributes = dict(current.attributes)
        if current in step.inputs:
            attributes["shape"] = tuple(n if isinstance(n, int) else n.bind(sizes) for n in current.shape)
            attributes["token"] = step.inputs.index(current)
        elif current.operation.kind == "random":
            attributes["token"], draws = draws, draws + 1
        elif current.operation is step_variable:
            attributes["token"], variables = variables, variables + 1
        else:
            continue
        kept = tuple(sorted(attributes.items()))
        replacements[current] = _renumbered(current, kept, sizes)
    roots = specialise(step.roots, sizes, replacements)
    inputs = tuple(replacements[i] for i in step.inputs)
    return Step(inputs, step.outputs, step.updates, step.batches).with_roots(roots)


def _renumbered(old: Expression, attributes: tuple[tuple[str, Any], ...], sizes: Mapping[str, int]) -> Expression:
    bound = tuple((k, bind_sizes(v, sizes)) for k, v in attributes)
    shape = old.operation.shape(*old.inputs, **dict(bound))
    new = intern(old.operation, old.inputs, bound, shape, old.dtype)
    return new.named(old.name) if old.name else new


def step_text(step: Step) -> str:
    """Return a step as text, the same in every process for steps that compute the same in the same way.

    Variables, parameters and draws are numbered in it, whether or not they are in the step (see ``numbered``). Names
    and origins are left out: nothing that is computed depends on them.
    """
    parameters = {p: k for k, p in enumerate(step.parameters)}
    order = topological([*step.inputs, *parameters, *step.roots])
    numbers = {node: k for k, node in enumerate(order)}
    draws = [node for node in order if node.operation.kind == "random"]
    given = [node for node in order if node.operation is step_variable]
    tokens = {node: k for nodes in (step.inputs, draws, given) for k, node in enumerate(nodes)}
    lines = []
    for node in order:
        attributes = f"parameter {parameters[node]}" if isinstance(node, Parameter) else _attributes(node, tokens)
        inputs = [numbers[i] for i in node.inputs]
        lines.append(f"{node.operation.name} {inputs} {attributes} {node.shape} {node.dtype}")
    outputs = [numbers[o] for o in step.outputs]
    updates = [(parameters[p], numbers[new]) for p, new in step.updates]
    inputs = [numbers[i] for i in step.inputs]
    return "\n".join([*lines, f"inputs {inputs} outputs {outputs} updates {updates} {step.batches}"])


def _attributes(node: Expression, tokens: Mapping[Expression, int]) -> str:
    if node not in tokens:
        return repr(node.attributes)
    return repr(tuple((key, tokens[node] if key == "token" else value) for key, value in node.attributes))
