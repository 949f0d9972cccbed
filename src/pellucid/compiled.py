"""What every compiled function has: checks of what it is given, a compilation for each set of sizes, and its state."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .compile import Backend, Compilation, compile_step, profile
from .core.arguments import bind, check_labels, convert, first_nan
from .core.dtypes import is_float
from .core.errors import EmptyBatchError, InputError, Interrupted, NotANumberError
from .core.expression import Expression, locked
from .core.interruption import Interruption
from .core.memory import require_memory
from .core.origins import place
from .core.settings import is_whole
from .core.sizes import Size
from .core.traversal import topological
from .looping import Run
from .operations.indexing import pick, take
from .step import Array, Call, Step

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


class CompiledFunction:
    """A step, or a loop over it, that is compiled at the first call for each set of sizes.

    Attributes:
        step: what is compiled.
        inputs: the variables it takes.
    """

    def __init__(
        self, step: Step, shape_outputs: Any, state: State, backend: str | Backend | None, allow_nan: bool
    ) -> None:
        self.step, self.state, self.backend, self.allow_nan = step, state, backend, allow_nan
        self._outputs = shape_outputs
        self._compiled: dict[tuple[Any, ...], Compilation] = {}
        self._runs: list[tuple[Compilation, int]] = []
        self._indices = _direct_indices(step)
        self.inputs, self._parameters = step.inputs, step.parameters
        self._template: CompiledFunction | None = None

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
        """Note that a call runs some steps of each, for ``memory``; check that there is room for arena and outputs."""
        self._runs = runs
        arena = sum(c.executable.arena_bytes for c, _ in runs)
        require_memory(arena + sum(steps * c.output_bytes for c, steps in runs), "a call")

    def _compile(self, step: Step | Callable[[], Step], sizes: Mapping[str, int], *key: Any) -> Compilation:
        """Compile a step, or the step that is made only if nothing was compiled yet for these sizes and this key."""
        known = (*sorted(sizes.items()), *key)
        if known not in self._compiled:
            if self._template is None:
                made = step if isinstance(step, Step) else step()
                self._compiled[known] = compile_step(made, sizes, self.backend)
            else:
                stands = dict(zip(self._template._parameters, self._parameters, strict=True))
                self._compiled[known] = self._template._compile(step, sizes, *key).on_parameters(stands)
        return self._compiled[known]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of the counters and those of every parameter of the step, always taken in one order."""
        with self.state.lock, locked(self._parameters):
            yield

    def _run_chunks(
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
        for k, limit in self._indices:
            check_labels(self.inputs[k], converted[k], limit, sizes)
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


def _direct_indices(step: Step) -> list[tuple[int, Any]]:
    """Return which inputs are used directly as labels or row numbers, each with the number of classes or rows."""
    found = []
    for current in topological(step.roots):
        if current.operation in (pick, take):
            table, indices = current.inputs
            while indices.operation.name == "reshape":  # labels of shape (batch, 1)
                (indices,) = indices.inputs
            if indices in step.inputs:
                limit = table.shape[-1 if current.operation is pick else 0]
                found.append((step.inputs.index(indices), limit))
    return found


__all__ = ["SHOWN_SIZE", "CompiledFunction", "Progress", "State"]
