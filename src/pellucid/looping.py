"""Loops over steps: which rows a step takes, which steps a native call runs, and what they return together.

A loop runs natively in chunks of about 50 ms on the thread that called: between two chunks progress is reported and
Ctrl-C is seen, and no thread outlives the call. A chunk goes on from epoch to epoch by itself, unless an epoch ends
with a shorter batch, which is a program of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .compile import Compilation
from .core.errors import InputError, InternalError
from .core.expression import Expression
from .core.origins import place
from .core.sizes import Size, bind_sizes, show_shape
from .core.traversal import specialise
from .operations.batching import batch_indices
from .operations.indexing import take
from .operations.source import variable
from .step import Array, Batches, Call, Step

CHUNK_SECONDS = 0.05
SAMPLED_ROWS, SAMPLED_ELEMENTS = 256, 1 << 20  # of an array that is looked at for zeros, at most


class Part:
    """Steps of a loop that are one program: all of them, or those on batches of one size.

    Attributes:
        batches: which batches of an epoch they take.
        memory: what they are computed in, one call after another.
        most: how many of them take about CHUNK_SECONDS, as far as is known.
    """

    def __init__(self, compilation: Compilation) -> None:
        self.compilation, self.batches = compilation, compilation.rewritten.batches
        self.memory: dict[str, Any] = {}
        self.most = 1

    def run(self, call: Call, first: int, count: int) -> None:
        """Run some steps of a call."""
        began = time.perf_counter()
        self.compilation.executable.run(call, first, count)
        each = max(time.perf_counter() - began, 1e-7) / count
        self.most = max(1, min(int(CHUNK_SECONDS / each), self.most * 32))


class Run:
    """Some steps of a loop, with room for what they return.

    Args:
        parts: its programs, whose batches make an epoch.
        inputs: an array for each of their inputs.
        first: the first step, counted from the first of epoch 0.
        steps: how many.
        seed: the key of random draws.
        step: what is added to a step's number to count its random draws by.
        order_seed: the key of the shuffle.
        placed: what runs on the same inputs share; see ``Call``.

    Attributes:
        done: how many steps have been run.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        inputs: list[Array],
        first: int,
        steps: int,
        seed: int,
        step: int = 0,
        order_seed: int = 0,
        placed: dict[Any, Any] | None = None,
    ) -> None:
        placed = {} if placed is None else placed
        self.parts, self.first, self.steps, self.done = parts, first, steps, 0
        self.calls = [
            Call(inputs, room(p.compilation, n), seed, step, order_seed, p.batches.before(first), p.memory, placed)
            for p, n in zip(parts, taken(parts, first, steps), strict=True)
        ]

    def chunks(self) -> Iterator[int]:
        """Run the steps chunk by chunk; after each of them, yield how many steps are done."""
        while self.done < self.steps:
            part, call, left = self._next()
            count = min(part.most, left, self.steps - self.done)
            part.run(call, part.batches.before(self.first + self.done) - call.batch, count)
            self.done += count
            yield self.done

    def _next(self) -> tuple[Part, Call, int]:
        """Return the part whose turn it is, its call, and for how many steps it goes on."""
        if len(self.parts) == 1:
            return self.parts[0], self.calls[0], self.steps
        for part, call in zip(self.parts, self.calls, strict=True):
            left = part.batches.left(self.first + self.done)
            if left:
                return part, call, left
        raise InternalError(f"no part of the loop has step {self.first + self.done}")

    def outputs(self, by_rows: Sequence[bool]) -> list[Array]:
        """Return what the steps that are done returned.

        Args:
            by_rows: for each output, whether rows of steps follow each other, or the steps are stacked on a new axis.
        """
        counts = taken(self.parts, self.first, self.done)
        joined = []
        for k, flat in enumerate(by_rows):
            pieces = [call.outputs[k][:n] for call, n in zip(self.calls, counts, strict=True)]
            if flat:
                pieces = [p.reshape(p.shape[0] * p.shape[1], *p.shape[2:]) for p in pieces]
            joined.append(pieces[0] if len(pieces) == 1 else self._interleaved(pieces, counts, flat))
        return joined

    def _interleaved(self, pieces: list[Array], counts: Sequence[int], flat: bool) -> Array:
        """Return the outputs of all parts in the order of the steps."""
        batches = [part.batches for part in self.parts]
        steps = [b.step(call.batch + np.arange(n)) - self.first
                 for b, call, n in zip(batches, self.calls, counts, strict=True)]  # fmt: skip
        widths = [b.rows if flat else 1 for b in batches]
        width = np.empty(self.done, dtype=np.int64)
        for numbers, rows in zip(steps, widths, strict=True):
            width[numbers] = rows
        starts = np.cumsum(width) - width
        result = np.empty((sum(map(len, pieces)), *pieces[0].shape[1:]), pieces[0].dtype)
        for numbers, rows, piece in zip(steps, widths, pieces, strict=True):
            result[(starts[numbers][:, None] + np.arange(rows)).reshape(-1)] = piece
        return result


def room(compilation: Compilation, steps: int) -> list[Array]:
    """Return an array for each output of some steps."""
    return [np.empty((steps, *o.shape), o.dtype) for o in compilation.rewritten.outputs]


def taken(parts: Sequence[Part], first: int, steps: int) -> list[int]:
    """Return how many of some steps each part runs."""
    return [part.batches.before(first + steps) - part.batches.before(first) for part in parts]


def epoch_of(rows: int, size: int) -> list[Batches]:
    """Return the batches of an epoch: the full ones, and the short last one where there is one.

    >>> [(b.rows, b.count) for b in epoch_of(22, 5)]
    [(5, 4), (2, 1)]
    """
    full, short = divmod(rows, size)
    steps = full + bool(short)
    last = [Batches(short, 1, full * size, full, steps)] if short else []
    return [Batches(size, full, 0, 0, steps), *last]


def picking(
    step: Step,
    axis: Size,
    sizes: Mapping[str, int],
    batches: Batches,
    chosen: int | None,
    shuffle: bool,
    mostly_zero: Sequence[bool],
) -> Step:
    """Return a step on batches of rows: its inputs become rows of whole arrays.

    Args:
        step: the step on a batch.
        axis: the name of the inputs' axis of rows.
        sizes: of all named axes; ``axis`` is that of the whole arrays.
        batches: the batches it takes.
        chosen: how many rows an epoch has, where a further input gives their numbers; None where it has all.
        shuffle: whether each epoch has another order.
        mostly_zero: for each input, whether most of its array are zeros.
    """
    rows = sizes[str(axis)]
    bound = {**sizes, str(axis): batches.rows}
    order = batch_indices(rows if chosen is None else chosen, batches.rows, shuffle)
    whole, replaced = [], {}
    if chosen is not None:
        numbers = variable("rows", (chosen,), "int32")
        order = take(numbers, order)
    for declared, zeros in zip(step.inputs, mostly_zero, strict=True):
        if is_by_rows(declared, axis):
            shape = (rows, *bind_sizes(declared.shape[1:], bound))
            everything = variable(str(declared), shape, declared.dtype, zeros)
            whole.append(everything)
            replaced[declared] = take(everything, order)
        else:
            whole.append(declared)
    inputs = (*whole, numbers) if chosen is not None else tuple(whole)
    return Step(inputs, step.outputs, step.updates, batches).with_roots(specialise(step.roots, bound, replaced))


def seems_mostly_zero(array: Array, numbers: Array | None = None) -> bool:
    """Whether two thirds or more of an array's elements are 0, as far as some of its rows show.

    Args:
        array: rows along its first axis.
        numbers: of the rows that count; all, unless told otherwise.

    >>> seems_mostly_zero(np.eye(3)), seems_mostly_zero(np.eye(2)), seems_mostly_zero(np.zeros(9))
    (True, False, False)
    """
    if array.ndim < 2 or not array.size:
        return False
    count = len(array) if numbers is None else len(numbers)
    looked_at = min(count, SAMPLED_ROWS, max(1, SAMPLED_ELEMENTS * len(array) // array.size))
    places = np.linspace(0, count - 1, looked_at).astype(np.int64)
    seen = array[places if numbers is None else numbers[places]]
    return bool(3 * np.count_nonzero(seen) <= seen.size)


def is_by_rows(expression: Expression, axis: Size) -> bool:
    """Whether the first axis of an input or output is that of the rows."""
    return bool(expression.shape) and expression.shape[0] == axis


def batch_axis(inputs: Sequence[Expression]) -> Size:
    """Return the named axis that batches are made along: the first of the inputs that have one.

    Raises:
        InputError: there is none, or more than one, or an input has it elsewhere.
    """
    leading = {i.shape[0] for i in inputs if i.shape and isinstance(i.shape[0], Size)}
    if len(leading) != 1:
        names = ", ".join(sorted(str(s) for s in leading)) or "none"
        raise InputError(
            "minibatches needs inputs whose first axis has one name, such as 'batch'; the named first axes are:"
            f" {names}"
        )
    (axis,) = leading
    assert isinstance(axis, Size)
    for given in inputs:
        later = given.shape[1:] if is_by_rows(given, axis) else given.shape
        if any(isinstance(n, Size) and n.names & axis.names for n in later):
            raise InputError(
                f"minibatches takes rows of the inputs along their first axis, and input {given} has the axis {axis}"
                f" elsewhere: {show_shape(given.shape)}{place(given)}; transpose it, or give that axis another name"
            )
    return axis


def row_numbers(given: Any, rows: int) -> Array:
    """Return the numbers of the rows that an epoch has, as a copy of int32.

    Raises:
        InputError: they are not whole numbers along one axis, or not of rows that there are.

    >>> row_numbers([2, 0], 3)
    array([2, 0], dtype=int32)
    """
    numbers = np.asarray(given)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not numbers.size:
        raise InputError(
            f"rows takes the numbers of one or more rows along one axis, whole numbers, not {numbers.dtype} of shape"
            f" {show_shape(numbers.shape)}"
        )
    if numbers.min() < 0 or numbers.max() >= rows:
        wrong = numbers[(numbers < 0) | (numbers >= rows)][0]
        raise InputError(f"rows has the number {wrong}, and the arrays have {rows} rows: 0 to {rows - 1}")
    return numbers.astype(np.int32)


__all__ = [
    "CHUNK_SECONDS", "Part", "Run", "batch_axis", "epoch_of", "is_by_rows", "picking", "room", "row_numbers",
    "seems_mostly_zero", "taken"
]  # fmt: skip
