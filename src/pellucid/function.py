"""Compiled functions: what users call. Checks of what they are given, and loops over steps.

A loop of many steps runs natively in chunks of about 50 ms on the thread that called: between two chunks
progress is reported and Ctrl-C is seen, and no thread outlives the call.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .compile import Compilation, compile_step, profile
from .core.arguments import bind, check_labels, convert, first_nan
from .core.declarations import check_inputs, check_updates
from .core.dtypes import is_float
from .core.errors import (
    EmptyBatchError,
    InputError,
    Interrupted,
    NotANumberError,
)
from .core.expression import Expression, Parameter, is_expression, storage_of
from .core.interruption import Interruption
from .core.memory import require_memory
from .core.origins import place
from .core.sizes import Size, show_shape
from .core.traversal import specialise, topological
from .operations.batching import batch_indices
from .operations.indexing import pick, take
from .operations.source import variable
from .step import Array, Call, Step

if TYPE_CHECKING:
    from .backends.native.profile import Profile

CHUNK_SECONDS = 0.05
SHOWN_SIZE = 32
Progress = Callable[[int, int], None]


class State:
    """What a function keeps between calls, shared with its loops: the seed and the counters of random draws."""

    def __init__(self, seed: int) -> None:
        if not _are_whole(seed):
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

    def __call__(self, *arrays: Any, progress: Progress | None = None) -> Any:
        """Run one step and return its outputs."""
        inputs, sizes = self._check(arrays)
        compilation = self._compile(self.step, sizes)
        self._reserve([(compilation, 1)])
        with self._locked():
            call = Call(inputs, _room(compilation, 1), self.state.seed, self.state.step)
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
        if not _are_whole(n) or n < 0:
            raise InputError(f"repeat takes how many steps to run, 0 or more, not {n!r}")
        return Repeated(self, int(n))

    def minibatches(self, batch_size: int, epochs: int = 1, shuffle: bool = True, seed: int = 0) -> Function:
        """Return a function that takes whole arrays and runs a step on each batch of their rows, natively.

        Outputs are stacked per step; one that keeps the batch axis is concatenated. The last short batch is run.

        Args:
            batch_size: rows in a batch, 1 or more.
            epochs: passes over the rows.
            shuffle: take the rows in another order each epoch, keyed by ``seed`` and the epoch.

        >>> import pellucid as pc
        >>> x = pc.variable("x", ("batch",))
        >>> sums = pc.function([x], x.sum())
        >>> sums.minibatches(2, shuffle=False)([1.0, 2.0, 3.0, 4.0, 5.0])
        array([3., 7., 5.], dtype=float32)
        """
        self._check_is_plain("minibatches")
        if not _are_whole(batch_size, epochs, seed) or batch_size < 1 or epochs < 0:
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
        taken = [c.memory(steps) for c, steps in self._runs or [(self.compiled(), 1)]]
        joined = {name: max(part[name] for part in taken) for name in taken[0]}
        return {**joined, "outputs": sum(part["outputs"] for part in taken)}

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
        compilation, call, batches = self._example(arrays)
        with self._locked():
            return profile(compilation, call, batches, steps, threads)

    def _example(self, arrays: Sequence[Any]) -> tuple[Compilation, Call, int]:
        """Return a step, a call of it on some inputs (without outputs), and how many batches these are, or 0."""
        inputs, sizes = self._check(arrays)
        return self._compile(self.step, sizes), Call(inputs, [], self.state.seed, self.state.step), 0

    def _reserve(self, runs: list[tuple[Compilation, int]]) -> None:
        """Check that there is room for the arena and the outputs of a call, which runs some steps of each."""
        self._runs = runs
        arena = max((c.executable.arena_bytes for c, _ in runs), default=0)
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
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.state.lock)
            for parameter in sorted(self.step.parameters, key=lambda p: p.attribute("token")):
                stack.enter_context(storage_of(parameter).lock)
            yield

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
        compilation = self._compile(self.step, sizes)
        self._reserve([(compilation, self.n)])
        outputs = _room(compilation, self.n)
        done = 0
        try:
            with self._locked(), Interruption() as interruption:
                call = Call(inputs, outputs, self.state.seed, self.state.step)
                for count in _chunks(compilation, call, self.n, interruption):
                    done += count
                    self.state.step += count
                    if progress:
                        progress(done, self.n)
        except KeyboardInterrupt:
            raise Interrupted(done, self._structure([o[:done] for o in outputs])) from None
        return self._structure(outputs)


class Minibatched(Function):
    """A function that runs a step on each batch of the rows of whole arrays."""

    def __init__(self, once: Function, batch_size: int, epochs: int, shuffle: bool, seed: int) -> None:
        super().__init__(once.step, once._outputs, once.state, once.backend, once.allow_nan)
        self.batch_size, self.epochs, self.shuffle, self.seed = batch_size, epochs, shuffle, seed
        self._compiled = once._compiled
        self.axis = _batch_axis(once.inputs)

    def __call__(self, *arrays: Any, progress: Progress | None = None) -> Any:
        """Run the batches of every epoch and return their outputs."""
        inputs, sizes = self._check(arrays)
        rows = self._rows(sizes)
        full, short = divmod(rows, self.batch_size)
        parts = [(count, size) for count, size in ((full, self.batch_size), (1, short)) if count and size]
        compiled = [self._part(sizes, rows, size) for _, size in parts]
        self._check_short_batch(short if full else 0)
        self._reserve([(c, self.epochs * steps) for (steps, _), c in zip(parts, compiled, strict=True)])
        outputs: list[list[Array]] = []
        done, total = 0, self.epochs * sum(count for count, _ in parts)
        try:
            with self._locked(), Interruption() as interruption:
                for _ in range(self.epochs):
                    start = 0
                    for (steps, size), compilation in zip(parts, compiled, strict=True):
                        room = _room(compilation, steps)
                        outputs.append([o[:0] for o in room])
                        state, before = self.state, done
                        call = Call(inputs, room, state.seed, state.step, self.seed, state.epoch, start)
                        for count in _chunks(compilation, call, steps, interruption):
                            done += count
                            state.step += count
                            outputs[-1] = [o[: done - before] for o in room]
                            if progress:
                                progress(done, total)
                        start += steps * size
                    self.state.epoch += 1
        except KeyboardInterrupt:
            raise Interrupted(done, self._structure(self._joined(outputs, compiled[0]))) from None
        return self._structure(self._joined(outputs, compiled[0]))

    def _example(self, arrays: Sequence[Any]) -> tuple[Compilation, Call, int]:
        inputs, sizes = self._check(arrays)
        rows, state = self._rows(sizes), self.state
        size = min(self.batch_size, rows)
        call = Call(inputs, [], state.seed, state.step, self.seed, state.epoch)
        return self._part(sizes, rows, size), call, rows // size

    def _rows(self, sizes: Mapping[str, int]) -> int:
        """Return how many rows there are to pick from."""
        if sizes[str(self.axis)] == 0:
            raise EmptyBatchError(f"minibatches of no rows: the axis {self.axis} of the inputs is 0")
        return sizes[str(self.axis)]

    def _check_short_batch(self, short: int) -> None:
        name = str(self.axis)
        for k, output in enumerate(self.step.outputs, 1):
            inner = output.shape[1:] if output.shape and output.shape[0] == self.axis else output.shape
            if short and any(isinstance(n, Size) and name in n.names for n in inner):
                raise InputError(
                    f"output {k} has shape {show_shape(output.shape)}, and the last batch is short, {short} of"
                    f" {self.batch_size} rows, so that its outputs do not stack{place(output)}; choose a batch size"
                    " that divides the rows"
                )

    def _part(self, sizes: Mapping[str, int], rows: int, size: int) -> Compilation:
        """Compile the step on ``size`` rows picked from ``rows``."""
        bound = {**sizes, str(self.axis): size}
        return self._compile(lambda: self._picking(bound, rows, size), bound, "rows", rows, self.shuffle)

    def _picking(self, bound: Mapping[str, int], rows: int, size: int) -> Step:
        """Return the step on ``size`` rows picked from ``rows``: the inputs become rows of whole arrays."""
        order = batch_indices(rows, size, self.shuffle)
        whole, replaced = [], {}
        for declared in self.inputs:
            if declared.shape and declared.shape[0] == self.axis:
                everything = variable(str(declared), (rows, *declared.shape[1:]), declared.dtype)
                whole.append(everything)
                replaced[declared] = take(everything, order)
            else:
                whole.append(declared)
        step = Step(tuple(whole), self.step.outputs, self.step.updates, size)
        return step.with_roots(specialise(self.step.roots, bound, replaced))

    def _joined(self, outputs: list[list[Array]], compilation: Compilation) -> list[Array]:
        joined = []
        for k, output in enumerate(self.step.outputs):
            parts = [part[k] for part in outputs or [_room(compilation, 0)]]
            if output.shape and output.shape[0] == self.axis:
                parts = [p.reshape(p.shape[0] * p.shape[1], *p.shape[2:]) for p in parts]
            joined.append(np.concatenate(parts))
        return joined


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
        if current.operation in (pick, take) and current.inputs[1] in step.inputs:
            table = current.inputs[0]
            found.append((current.inputs[1], table.shape[-1 if current.operation is pick else 0]))
    return found


def _are_whole(*numbers: object) -> bool:
    return all(isinstance(number, int | np.integer) for number in numbers)


def _batch_axis(inputs: Sequence[Expression]) -> Size:
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
        later = given.shape[1:] if given.shape and given.shape[0] == axis else given.shape
        if any(isinstance(n, Size) and n.names & axis.names for n in later):
            raise InputError(
                f"minibatches takes rows of the inputs along their first axis, and input {given} has the axis {axis}"
                f" elsewhere: {show_shape(given.shape)}{place(given)}; transpose it, or give that axis another name"
            )
    return axis


def _room(compilation: Compilation, n: int) -> list[Array]:
    return [np.empty((n, *o.shape), o.dtype) for o in compilation.rewritten.outputs]


def _chunks(compilation: Compilation, call: Call, n: int, interruption: Interruption) -> Iterator[int]:
    """Run the steps of a call in chunks of about CHUNK_SECONDS; yields how many each was, and then sees Ctrl-C."""
    done, chunk = 0, 1
    while done < n:
        count = min(chunk, n - done)
        began = time.perf_counter()
        compilation.executable.run(call, done, count)
        done += count
        each = max(time.perf_counter() - began, 1e-7) / count
        yield count
        interruption.check()
        chunk = max(1, min(int(CHUNK_SECONDS / each), chunk * 32))
