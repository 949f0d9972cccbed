"""Functions that run many steps in a call: on the same inputs, or on batches of the rows of whole arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from .compile import Compilation
from .compiled import CompiledFunction, Progress
from .core.errors import EmptyBatchError, InputError
from .core.expression import Expression
from .core.origins import place
from .core.settings import is_whole
from .core.sizes import Size, show_shape
from .looping import Part, Run, batch_axis, epoch_of, is_by_rows, picking, row_numbers, seems_mostly_zero, taken
from .operations.batching import ORDER_DRAW
from .operations.random import permuted
from .step import Array, Batches, Call, Step


class Loop(CompiledFunction):
    """A loop over the steps of a function, whose programs and counters it shares."""

    def __init__(self, once: CompiledFunction) -> None:
        vars(self).update(vars(once))

    def repeat(self, n: int) -> NoReturn:
        """Say that this is a loop already."""
        self._refuse("repeat")

    def minibatches(self, *_: Any, **__: Any) -> NoReturn:
        """Say that this is a loop already."""
        self._refuse("minibatches")

    def _refuse(self, what: str) -> NoReturn:
        raise InputError(
            f"{what} was asked of a function that is a loop already; ask it of what pc.function returned"
            " (for several passes over the rows there is minibatches(..., epochs=n))"
        )


class Repeated(Loop):
    """A function that runs many steps on the same inputs."""

    def __init__(self, once: CompiledFunction, n: int) -> None:
        super().__init__(once)
        self.n = n

    def __call__(self, *arrays: Any, progress: Progress | None = None) -> Any:
        """Run the steps and return their outputs, stacked."""
        inputs, sizes = self._check(arrays)
        parts, state = [Part(self._compile(self.step, sizes))], self.state
        with state.lock:
            before = state.step

            def advance(done: int) -> None:
                state.step = before + done

            self._reserve([(parts[0].compilation, self.n)])
            run = Run(parts, inputs, 0, self.n, state.seed, before)
            return self._run_chunks(run, [False] * len(self.step.outputs), progress, advance)


class Minibatched(Loop):
    """A function that runs a step on each batch of the rows of whole arrays."""

    def __init__(self, once: CompiledFunction, batch_size: int, epochs: int, shuffle: bool, seed: int) -> None:
        super().__init__(once)
        self.batch_size, self.epochs, self.shuffle, self.seed = batch_size, epochs, shuffle, seed
        self.axis = batch_axis(once.inputs)

    def __call__(self, *arrays: Any, progress: Progress | None = None) -> Any:
        """Run the batches of every epoch and return their outputs."""
        prepared, state = self.on(*arrays), self.state
        per_epoch = prepared.steps_per_epoch
        with state.lock:
            step, epoch = state.step, state.epoch

            def advance(done: int) -> None:
                state.step, state.epoch = step + done, epoch + done // per_epoch

            first = epoch * per_epoch
            return prepared._run(first, self.epochs * per_epoch, step - first, progress, advance)

    def on(self, *arrays: Any, rows: Any = None) -> Prepared:
        """Return the loop over these arrays, checked and compiled, of which any steps may be run.

        Args:
            arrays: what a call takes. They are read at every run, and not copied if they are contiguous and have the
                dtypes of the inputs; so do not change them meanwhile.
            rows: the numbers of the rows to take, whole numbers along one axis, in the order that is then shuffled; all
                rows, unless told otherwise. Rows are picked one batch at a time, so that of an array mapped to memory
                the others are not read; where a batch has all of them, they are copied once, here.

        Raises:
            InputError: the arrays do not fit, or there are no such rows.

        >>> import pellucid as pc
        >>> x = pc.variable("x", ("batch",))
        >>> sums = pc.function([x], x.sum()).minibatches(2, shuffle=False).on([1.0, 2.0, 3.0, 4.0], rows=[3, 0, 1])
        >>> sums.steps_per_epoch, sums.run(first_step=1, steps=2)
        (2, array([2., 5.], dtype=float32))
        """
        inputs, sizes = self._check(arrays)
        total = self._rows(sizes)
        numbers = None if rows is None else row_numbers(rows, total)
        count = total if numbers is None else len(numbers)
        if self.batch_size >= count:
            if numbers is not None:
                inputs = [self._picked(i, a, numbers) for i, a in zip(self.inputs, inputs, strict=True)]
                sizes[str(self.axis)] = count
            return Prepared(self, inputs, [Part(self._compile(self.step, sizes))], count)
        epoch = epoch_of(count, self.batch_size)
        self._check_short_batch(epoch[1].rows if len(epoch) > 1 else 0)
        chosen = None if numbers is None else count
        zeros = tuple(is_by_rows(i, self.axis) and seems_mostly_zero(a, numbers)
                      for i, a in zip(self.inputs, inputs, strict=True))  # fmt: skip
        parts = [Part(self._part(sizes, batches, chosen, zeros)) for batches in epoch]
        return Prepared(self, inputs if numbers is None else [*inputs, numbers], parts, count, numbers)

    def _example(self, arrays: Sequence[Any]) -> tuple[Compilation, Call]:
        prepared, state = self.on(*arrays), self.state
        first = state.epoch * prepared.steps_per_epoch
        part = prepared.parts[0]
        batch = part.batches.before(first)
        return part.compilation, Call(prepared.inputs, [], state.seed, state.step - first, self.seed, batch)

    def _rows(self, sizes: Mapping[str, int]) -> int:
        """Return how many rows there are to pick from."""
        if sizes[str(self.axis)] == 0:
            raise EmptyBatchError(f"minibatches of no rows: the axis {self.axis} of the inputs is 0")
        return sizes[str(self.axis)]

    def _picked(self, declared: Expression, array: Array, numbers: Array) -> Array:
        return array[numbers] if is_by_rows(declared, self.axis) else array

    def _check_short_batch(self, short: int) -> None:
        name = str(self.axis)
        for k, output in enumerate(self.step.outputs, 1):
            inner = output.shape[1:] if is_by_rows(output, self.axis) else output.shape
            if short and any(isinstance(n, Size) and name in n.names for n in inner):
                raise InputError(
                    f"output {k} has shape {show_shape(output.shape)}, and the last batch is short, {short} of"
                    f" {self.batch_size} rows, so that its outputs do not stack{place(output)}; choose a batch size"
                    " that divides the rows"
                )

    def _part(
        self, sizes: Mapping[str, int], batches: Batches, chosen: int | None, zeros: tuple[bool, ...]
    ) -> Compilation:
        """Compile the step on batches of whole arrays, or of as many rows of them as are chosen."""

        def made() -> Step:
            return picking(self.step, self.axis, sizes, batches, chosen, self.shuffle, zeros)

        bound = {**sizes, str(self.axis): batches.rows}
        return self._compile(made, bound, "rows", sizes[str(self.axis)], batches, chosen, self.shuffle, zeros)


class Prepared:
    """A loop over minibatches of some arrays, which are checked already; see ``Minibatched.on``.

    Steps are counted across epochs from the first of epoch 0 on: step s is in epoch ``s // steps_per_epoch``. The
    rows of a step and its random draws depend on its number and the seeds alone, so that a run from any step on gives
    the same bits as one that came there from the beginning. Neither reads nor moves the counters of the function.

    Attributes:
        steps_per_epoch: how many batches an epoch has.
        count: how many rows.
    """

    def __init__(
        self, loop: Minibatched, inputs: list[Array], parts: list[Part], count: int, numbers: Array | None = None
    ) -> None:
        self.loop, self.inputs, self.parts, self.count, self.numbers = loop, inputs, parts, count, numbers
        self.steps_per_epoch = parts[0].batches.steps
        self._placed: dict[Any, Any] = {}

    def run(self, first_step: int, steps: int, progress: Progress | None = None) -> Any:
        """Run some steps and return their outputs, stacked; one that keeps the batch axis is concatenated.

        Args:
            first_step: the first of them, 0 or more.
            steps: how many, 0 or more.
            progress: called with how many are done, and how many there are.

        Raises:
            InputError: there are no such steps.
            Interrupted: Ctrl-C; it has how many steps are done, and their outputs.
        """
        if not is_whole(first_step) or not is_whole(steps) or first_step < 0 or steps < 0:
            raise InputError(
                f"run takes the first step and how many, whole numbers of 0 or more, not {first_step!r} and {steps!r}"
            )
        return self._run(int(first_step), int(steps), 0, progress, lambda done: None)

    def rows(self, step: int) -> Array:
        """Return the numbers of the rows, in the loop's arrays, that a step takes.

        >>> import pellucid as pc
        >>> x = pc.variable("x", ("batch",))
        >>> pc.function([x], x.sum()).minibatches(2, shuffle=False).on([1.0, 2.0, 3.0]).rows(1)
        array([2])
        """
        batches = next(part.batches for part in self.parts if part.batches.left(step))
        if not batches.rows:
            return np.arange(self.count)
        position: Array = batches.row(batches.before(step)) + np.arange(batches.rows)
        if self.loop.shuffle:
            epoch = step // self.steps_per_epoch
            position = permuted(np, position.astype(np.uint32), self.count, self.loop.seed, ORDER_DRAW, epoch)
        return position if self.numbers is None else self.numbers[position]

    def _run(self, first: int, steps: int, step: int, progress: Progress | None, advance: Callable[[int], None]) -> Any:
        """Run some steps; their draws are counted by their numbers plus ``step``."""
        loop = self.loop
        counts = taken(self.parts, first, steps)
        loop._reserve([(part.compilation, n) for part, n in zip(self.parts, counts, strict=True)])
        run = Run(self.parts, self.inputs, first, steps, loop.state.seed, step, loop.seed, self._placed)
        by_rows = [is_by_rows(output, loop.axis) for output in loop.step.outputs]
        return loop._run_chunks(run, by_rows, progress, advance)


__all__ = ["Minibatched", "Prepared", "Repeated"]
