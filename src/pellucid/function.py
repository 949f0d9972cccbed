"""Compiled functions: what users call. Checks of what they are given, and loops over their steps."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .compile import Compilation, compile_step, profile
from .core.arguments import bind, check_labels, convert, first_nan
from .core.declarations import check_inputs, check_updates
from .core.dtypes import is_float
from .core.errors import EmptyBatchError, InputError, Interrupted, NotANumberError
from .core.expression import Expression, Parameter, is_expression, locked
from .core.interruption import Interruption
from .core.memory import require_memory
from .core.origins import place
from .core.settings import is_whole
from .core.sizes import Size, show_shape
from .core.traversal import topological
from .looping import Part, Run, batch_axis, epoch_of, is_by_rows, picking, room, row_numbers, taken
from .operations.batching import ORDER_DRAW
from .operations.indexing import pick, take
from .operations.random import permuted
from .step import Array, Batches, Call, Step

if TYPE_CHECKING:
    from .backends.native.profile import Profile

SHOWN_SIZE = 32
Progress = Callable[[int, int], None]


class State:
    """What a function keeps between calls, shared with its loops: the seed and the counters of random draws."""

    def __init__(self, seed: int) -> None:
        if not is_whole(seed):
            raise InputError(f"the seed of a function is a whole number, not {seed!r}")
        self.seed, self.step, self.epoch = int(seed), 0, 0
        self.lock = threading.RLock()


class Function:
    """A compiled function; see ``pellucid.function``. It is compiled at the first call for each set of sizes."""

    def __init__(self, step: Step, shape_outputs: Any, state: State, backend: str | None, allow_nan: bool) -> None:
        self.step, self.state, self.backend, self.allow_nan = step, state, backend, allow_nan
        self._outputs = shape_outputs
        self._compiled: dict[tuple[Any, ...], Compilation] = {}
        self._runs: list[tuple[Compilation, int]] = []
        self._indices = _direct_indices(step)
        self._parameters = step.parameters

    def __call__(self, *arrays: Any, progress: Progress | None = None) -> Any:
        """Run one step and return its outputs."""
        inputs, sizes = self._check(arrays)
        compilation = self._compile(self.step, sizes)
        self._reserve([(compilation, 1)])
        with self._locked():
            call = Call(inputs, room(compilation, 1), self.state.seed, self.state.step)
            self.state.step += 1
            compilation.executable.run(call, 0, 1)
        return self._structure([o[0] if o.ndim == 1 else o.reshape(o.shape[1:]) for o in call.outputs])

    def repeat(self, n: int) -> Function:
        """Return a function that runs ``n`` steps on the same inputs in one native call.

        Each output becomes an array stacked on a new first axis of ``n``.

        >>> import pellucid as pc
        >>> W = pc.parameter(8.0)
        >>> halve = pc.function([], W, updates=[(W, W / 2)])
        >>> halve.repeat(3)()
        array([8., 4., 2.], dtype=float32)
        """
        self._check_is_plain("repeat")
        if not is_whole(n) or n < 0:
            raise InputError(f"repeat takes how many steps to run, 0 or more, not {n!r}")
        return Repeated(self, int(n))

    def minibatches(self, batch_size: int, epochs: int = 1, shuffle: bool = True, seed: int = 0) -> Minibatched:
        """Return a function that takes whole arrays and runs a step on each batch of their rows, natively.

        Outputs are stacked per step; one that keeps the batch axis is concatenated. The last short batch is run.
        ``minibatches(...).on(arrays)`` checks arrays once, and then runs any steps of such a loop.

        Args:
            batch_size: rows in a batch, 1 or more.
            epochs: passes over the rows.
            shuffle: take the rows in another order each epoch, keyed by ``seed`` and the epoch. A batch of all
                rows has them in the order in which they were given.

        >>> import pellucid as pc
        >>> x = pc.variable("x", ("batch",))
        >>> sums = pc.function([x], x.sum())
        >>> sums.minibatches(2, shuffle=False)([1.0, 2.0, 3.0, 4.0, 5.0])
        array([3., 7., 5.], dtype=float32)
        """
        self._check_is_plain("minibatches")
        if not all(map(is_whole, (batch_size, epochs, seed))) or batch_size < 1 or epochs < 0:
            raise InputError(
                f"minibatches takes 1 or more rows, 0 or more epochs and a seed, all of them whole numbers, not"
                f" {batch_size!r}, {epochs!r} and {seed!r}"
            )
        return Minibatched(self, int(batch_size), int(epochs), bool(shuffle), int(seed))

    @property
    def inputs(self) -> tuple[Expression, ...]:
        """The variables it takes."""
        return self.step.inputs

    @property
    def compilations(self) -> list[Compilation]:
        """What it was compiled to so far, one for each set of sizes."""
        return list(self._compiled.values())

    @property
    def log(self) -> Any:
        """The rewriting rules that fired when it was last compiled."""
        return self.compilations[-1].log if self._compiled else ()

    def compiled(self) -> Compilation:
        """Return what it was last compiled to; if it was never called, with SHOWN_SIZE for each named size."""
        if self._compiled:
            return self.compilations[-1]
        names = {name for i in self.inputs for n in i.shape if isinstance(n, Size) for name in n.names}
        return self._compile(self.step, dict.fromkeys(sorted(names), SHOWN_SIZE))

    def memory(self) -> dict[str, int]:
        """Return how many bytes of memory the last call took, by what they were for.

        Before the first call, it is what ``compiled()`` takes for a step. ``arena`` is for what is computed on the way
        and not returned; its places are used again where they can be.

        >>> import pellucid as pc
        >>> x, W = pc.variable("x", ("batch", 2)), pc.parameter([[1.0], [2.0]], name="W")
        >>> f = pc.function([x], x @ W)
        >>> _ = f([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        >>> f.memory()
        {'inputs': 24, 'parameters': 8, 'constants': 0, 'outputs': 12, 'arena': 0}
        """
        used = [c.memory(steps) for c, steps in self._runs or [(self.compiled(), 1)]]
        joined = {name: max(part[name] for part in used) for name in used[0]}
        return {**joined, **{name: sum(part[name] for part in used) for name in ("outputs", "arena")}}

    def profile(self, *arrays: Any, steps: int | None = None, threads: int | None = None) -> Profile:
        """Return how long each kernel of a step takes on these inputs, beside what this machine could do at best.

        ``print`` shows it as a table, ``pc.view.roofline`` and ``pc.view.kernel_times`` as pictures. Neither
        parameters nor counters change: steps run on copies. What is measured is the native code, with clocks
        compiled in between its kernels.

        Args:
            arrays: what a call takes. Minibatches are picked from them.
            steps: how many steps to measure; as many as take about a second, unless told otherwise.
            threads: how many threads run it; as many as in a call, unless told otherwise.

        Raises:
            InputError: if the arrays do not fit, or there are not so many steps or threads.

        >>> import pellucid as pc
        >>> W = pc.parameter([[1.0, 2.0], [3.0, 4.0]], name="W")
        >>> square = pc.function([], updates=[(W, W * W)], outputs=[])
        >>> found = square.profile(steps=3)
        >>> [(row.name, row.phase, row.operations, row.bytes) for row in found.rows]
        [('update W', 'update', 4, 32)]
        """
        compilation, call = self._example(arrays)
        with self._locked():
            return profile(compilation, call, steps, threads)

    def _example(self, arrays: Sequence[Any]) -> tuple[Compilation, Call]:
        """Return a step, and a call of it on some inputs (without outputs)."""
        inputs, sizes = self._check(arrays)
        return self._compile(self.step, sizes), Call(inputs, [], self.state.seed, self.state.step)

    def _reserve(self, runs: list[tuple[Compilation, int]]) -> None:
        """Check that there is room for the arena and the outputs of a call, which runs some steps of each."""
        self._runs = runs
        arena = sum(c.executable.arena_bytes for c, _ in runs)
        require_memory(arena + sum(steps * c.output_bytes for c, steps in runs), "a call")

    def _compile(self, step: Step | Callable[[], Step], sizes: Mapping[str, int], *key: Any) -> Compilation:
        """Compile a step, or the step that is made only if nothing was compiled yet for these sizes and this key."""
        known = (*sorted(sizes.items()), *key)
        if known not in self._compiled:
            made = step if isinstance(step, Step) else step()
            self._compiled[known] = compile_step(made, sizes, self.backend)
        return self._compiled[known]

    def _check_is_plain(self, what: str) -> None:
        if type(self) is not Function:
            raise InputError(
                f"{what} was asked of a function that is a loop already; ask it of what pc.function returned"
                " (for several passes over the rows there is minibatches(..., epochs=n))"
            )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of the counters and those of every parameter of the step, always taken in one order."""
        with self.state.lock, locked(self._parameters):
            yield

    def _finish(
        self, run: Run, by_rows: Sequence[bool], progress: Progress | None, advance: Callable[[int], None]
    ) -> Any:
        """Run the steps of a loop and return their outputs; ``advance`` is told how many are done after each chunk."""
        try:
            with self._locked(), Interruption() as interruption:
                for done in run.chunks():
                    advance(done)
                    if progress:
                        progress(done, run.steps)
                    interruption.check()
        except KeyboardInterrupt:
            raise Interrupted(run.done, self._structure(run.outputs(by_rows))) from None
        return self._structure(run.outputs(by_rows))

    def _structure(self, outputs: list[Any]) -> Any:
        if isinstance(self._outputs, dict):
            return dict(zip(self._outputs, outputs, strict=True))
        return outputs if isinstance(self._outputs, list) else outputs[0]

    def _check(self, arrays: Sequence[Any]) -> tuple[list[Array], dict[str, int]]:
        if len(arrays) != len(self.inputs):
            names = ", ".join(str(i) for i in self.inputs)
            raise InputError(f"the function takes {len(self.inputs)} inputs ({names}), and was given {len(arrays)}")
        sizes: dict[str, int] = {}
        converted = [convert(i, a) for i, a in zip(self.inputs, arrays, strict=True)]
        for declared, array in zip(self.inputs, converted, strict=True):
            bind(declared, array, sizes)
        for declared, array in zip(self.inputs, converted, strict=True):
            self._check_values(declared, array)
        for declared, limit in self._indices:
            check_labels(declared, converted[self.inputs.index(declared)], limit, sizes)
        return converted, sizes

    def _check_values(self, declared: Expression, array: Array) -> None:
        if not self.step.updates:
            return
        if array.size == 0:
            axis = next((d for d, n in zip(declared.shape, array.shape, strict=True) if n == 0), 0)
            raise EmptyBatchError(
                f"input {declared} has no rows: its axis {axis} is 0, and a step that updates parameters needs one or"
                f" more{place(declared)}"
            )
        if is_float(declared.dtype) and not self.allow_nan and (where := first_nan(array)):
            raise NotANumberError(
                f"input {declared} is NaN at {where}, which would spoil the parameters{place(declared)}; remove or"
                " replace it first, or pass allow_nan=True to pc.function"
            )


class Repeated(Function):
    """A function that runs many steps on the same inputs."""

    def __init__(self, once: Function, n: int) -> None:
        super().__init__(once.step, once._outputs, once.state, once.backend, once.allow_nan)
        self.n = n
        self._compiled = once._compiled

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
            return self._finish(run, [False] * len(self.step.outputs), progress, advance)


class Minibatched(Function):
    """A function that runs a step on each batch of the rows of whole arrays."""

    def __init__(self, once: Function, batch_size: int, epochs: int, shuffle: bool, seed: int) -> None:
        super().__init__(once.step, once._outputs, once.state, once.backend, once.allow_nan)
        self.batch_size, self.epochs, self.shuffle, self.seed = batch_size, epochs, shuffle, seed
        self._compiled = once._compiled
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
        parts = [Part(self._part(sizes, batches, chosen)) for batches in epoch]
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

    def _part(self, sizes: Mapping[str, int], batches: Batches, chosen: int | None) -> Compilation:
        """Compile the step on batches of whole arrays, or of as many rows of them as are chosen."""

        def made() -> Step:
            return picking(self.step, self.axis, sizes, batches, chosen, self.shuffle)

        bound = {**sizes, str(self.axis): batches.rows}
        return self._compile(made, bound, "rows", sizes[str(self.axis)], batches, chosen, self.shuffle)


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
        position = batches.row(batches.before(step)) + np.arange(batches.rows)
        if self.loop.shuffle:
            epoch = step // self.steps_per_epoch
            position = permuted(np, position.astype(np.uint32), self.count, self.loop.seed, ORDER_DRAW, epoch)
        return position if self.numbers is None else self.numbers[position]

    def _run(self, first: int, steps: int, step: int, progress: Progress | None, advance: Callable[[int], None]) -> Any:
        """Run some steps; their draws are counted by their numbers plus ``step``."""
        loop = self.loop
        counts = taken(self.parts, first, steps)
        loop._reserve([(part.compilation, n) for part, n in zip(self.parts, counts, strict=True)])
        run = Run(self.parts, self.inputs, first, steps, loop.state.seed, step, loop.seed)
        by_rows = [is_by_rows(output, loop.axis) for output in loop.step.outputs]
        return loop._finish(run, by_rows, progress, advance)


def function(
    inputs: Sequence[Expression],
    outputs: Any,
    updates: Sequence[tuple[Parameter, Expression]] = (),
    seed: int = 0,
    backend: str | None = None,
    *,
    allow_nan: bool = False,
) -> Function:
    """Return a compiled function of some variables.

    Args:
        inputs: the variables it takes, in order.
        outputs: an expression, or a list or dict of them: what a call returns, computed from the old values of
            the parameters.
        updates: pairs of a parameter and the expression of its new value (same shape and dtype); all are computed
            from the old values and then stored at once, so that two may swap.
        seed: the key of the function's random draws.
        backend: "native" (the default) or "reference" (NumPy, one operation at a time).
        allow_nan: let NaN in the inputs reach the parameters.

    Raises:
        UnknownVariableError, UnusedVariableError, UpdateError: if the parts do not fit together.

    >>> import pellucid as pc
    >>> x = pc.variable("x", (2,))
    >>> W = pc.parameter([0.2, 0.7], name="W")
    >>> print(function([x], (x * W).sum())([1, 1]))
    0.9
    """
    structure: Any = None
    flat = [outputs]
    if isinstance(outputs, dict):
        structure, flat = dict.fromkeys(outputs), list(outputs.values())
    elif isinstance(outputs, list | tuple):
        structure, flat = [], list(outputs)
    for k, output in enumerate(flat):
        if not is_expression(output):
            raise InputError(f"output {k + 1} is {type(output).__name__} {output!r}, and an expression was expected")
    pairs = check_updates(updates)
    check_inputs(inputs, [*flat, *(new for _, new in pairs)])
    return Function(Step(tuple(inputs), tuple(flat), tuple(pairs)), structure, State(seed), backend, allow_nan)


def _direct_indices(step: Step) -> list[tuple[Expression, Any]]:
    """Return the inputs used directly as labels or row numbers, each with the number of classes or rows."""
    found = []
    for current in topological(step.roots):
        if current.operation in (pick, take):
            table, indices = current.inputs
            while indices.operation.name == "reshape":  # labels of shape (batch, 1)
                (indices,) = indices.inputs
            if indices in step.inputs:
                found.append((indices, table.shape[-1 if current.operation is pick else 0]))
    return found
