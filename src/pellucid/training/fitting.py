"""The loop over epochs of arrays: native blocks of steps, and between them whoever wants to look.

A block is as many steps as take about a second, or up to where somebody wants to look: the end of an epoch with
validation data or with a callback that uses the model, or a step that a callback waits for. Before each block a
snapshot is taken. If it turns out that training was to stop inside the block, at the end of an epoch or where the loss
became NaN, or a callback raises an error there, the snapshot is put back and just the steps before that are done again:
the same steps, to the bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import distributed
from ..core.errors import Interrupted, NotANumberError
from ..core.interruption import Interruption
from ..core.snapshot import Snapshot
from ..repeating import Prepared
from .callbacks import Callback, Logs
from .divergence import diverged
from .program import LOSS, Program
from .training_run import TrainingRun

if TYPE_CHECKING:
    from .model import Model

Array = np.ndarray[Any, Any]
BLOCK_SECONDS = 1.0
GROWTH = 256  # by how much a block may have more steps than the one before, whose time told too little


class Fitting(TrainingRun):
    """One training run on arrays.

    Args:
        model, last, callbacks, validate: see ``TrainingRun``.
        program: the training program, for its figures.
        prepared: the training function on its data.
    """

    def __init__(
        self,
        model: Model,
        program: Program,
        prepared: Prepared,
        last: int,
        callbacks: Sequence[Callback],
        validate: Callable[[], Logs] | None,
    ) -> None:
        super().__init__(model, last, callbacks, validate)
        self.program, self.prepared = program, prepared
        self.length = prepared.steps_per_epoch
        self._rows = prepared.parts[0].batches.rows or prepared.count  # in a step
        self._snapshot = Snapshot(model.state_parameters())
        self._longest = min([BLOCK_SECONDS, *(callback.block_seconds for callback in self.callbacks)])
        self._most = 1  # steps that take about so many seconds, as far as is known
        self._reached = self._first_row = 0

    def _begin(self) -> None:
        self.model.progress.length = self.length
        self._reached = self._next  # the step that the weights are at
        self._first_row = self._row(self._next)

    @property
    def _next(self) -> int:
        """The number of the next step, counted from the first of epoch 0 on."""
        return self.model.progress.epochs * self.length + self.model.progress.step

    def _row(self, step: int) -> int:
        """Return how many examples were taken before a step, in all epochs."""
        epoch, place = divmod(step, self.length)
        return epoch * self.prepared.count + place * self._rows

    def _size(self) -> int:
        """Return how many steps the next block has."""
        progress = self.model.progress
        rest = self.length - progress.step
        left = rest if self.each_epoch else self.last * self.length - self._next
        wanted = self._most
        if wanted > rest:
            wanted = rest + (wanted - rest) // self.length * self.length  # whole epochs
        waited_for = [c.every - progress.steps % c.every for c in self.callbacks if c.every]
        return max(min([wanted, left, *waited_for]), 1)

    def _block(self) -> None:
        progress = self.model.progress
        if progress.step == 0 and self.each_epoch:
            self._begin_epoch()
        self._snapshot.take()
        size = distributed.from_first(self._size)  # which depends on the clock
        first, began = self._next, time.perf_counter()
        if progress.step == 0 and size <= self.length:
            self._shown = {}
        try:
            sums = self.prepared.run(first, size, self._following(first))
            self._most = min(int(self._longest * size / max(time.perf_counter() - began, 1e-9)), size * GROWTH)
            self._account(sums, size)
        except Interrupted as stopped:
            if self._next == first:  # it was the steps that were stopped, and not a callback
                self._account(stopped.outputs, stopped.steps)  # type: ignore[arg-type]
            raise
        finally:
            if self._reached != self._next:
                self._replay(first, self._next - first)
        self._tell_of_steps(lambda: self._figures(progress.sums, progress.step) if progress.step else self._shown)
        if self._showing and progress.step:
            self._shown = self._figures(progress.sums, progress.step)

    def _following(self, first: int) -> Callable[[int, int], None]:
        """Return what is told how many steps are done, several times a second."""

        def advance(done: int, _: int) -> None:
            self._reached = first + done
            if self._showing:
                epoch, step = divmod(self._reached - 1, self.length)
                self._show(epoch, step + 1, self.length, self._row(self._reached) - self._first_row)

        return advance

    def _account(self, sums: Mapping[str, Array], size: int) -> None:
        """Add the sums of some steps to those of their epochs, and tell callbacks of the epochs that ended.

        It leaves off where a callback stops the training, or raises an error.

        Raises:
            NotANumberError: the loss or a weight became no number; the steps before are accounted for.
        """
        good, error = self._good(sums, size)
        self._tell({key: value[:good] for key, value in sums.items()}, good)
        if error is not None and not self.model.stop_training:
            raise error

    def _tell(self, sums: Mapping[str, Array], size: int) -> None:
        progress, done = self.model.progress, 0
        while done < size and not (done and self.model.stop_training):
            taken = min(size - done, self.length - progress.step)
            epochs = (size - done) // self.length if progress.step == 0 else 0
            if epochs:
                whole = {key: value[done : done + epochs * self.length] for key, value in sums.items()}
                done += self._whole_epochs(whole, epochs) * self.length
                continue
            progress.sums = {k: _added(progress.sums.get(k), v[done : done + taken]) for k, v in sums.items()}
            done += taken
            progress.steps += taken
            progress.step += taken
            if progress.step == self.length:
                self._end_epoch(self._figures(progress.sums, self.length))

    def _whole_epochs(self, sums: Mapping[str, Array], epochs: int) -> int:
        """Account for whole epochs, until one of them is the last; return how many."""
        totals = {
            key: _running(value.reshape(epochs, self.length, *value.shape[1:]), axis=1)[:, -1]
            for key, value in sums.items()
        }
        figures = self.program.figures_by_epoch(totals, self.prepared.count, epochs)
        progress = self.model.progress
        if not self.callbacks and self.validate is None:
            self.model.history.extend(range(progress.epochs, progress.epochs + epochs), figures)
            progress.epochs += epochs
            progress.steps += epochs * self.length
            return epochs
        for k in range(epochs):
            progress.steps += self.length
            self._end_epoch({key: values[k] for key, values in figures.items()})
            if self.model.stop_training:
                return k + 1
        return epochs

    def _figures(self, sums: Mapping[str, Any], steps: int) -> Logs:
        """Return the figures of the first steps of an epoch."""
        return self.program.figures(sums, min(steps * self._rows, self.prepared.count))

    def _replay(self, first: int, steps: int) -> None:
        """Put the weights back to where they were before the block, and do just the first of its steps again."""
        with Interruption():  # Ctrl-C waits, or the weights would be at no step that is accounted for
            self._snapshot.restore()
            self.prepared.run(first, steps)
            self._reached = first + steps

    def _good(self, sums: Mapping[str, Array], size: int) -> tuple[int, NotANumberError | None]:
        """Return how many of a block's steps left losses and weights that are numbers, and what is wrong then."""
        wrong = np.flatnonzero(~np.isfinite(sums[LOSS]))
        if not len(wrong) and self._weights_are_finite():
            return size, None
        first, good, bad = self._next, 0, int(wrong[0]) if len(wrong) else size
        self._replay(first, bad)
        if self._weights_are_finite():
            return bad, self._error(first + bad)
        while bad - good > 1:  # the weights are numbers after as many steps as are good
            self._replay(first, middle := (good + bad) // 2)
            good, bad = (middle, bad) if self._weights_are_finite() else (good, middle)
        self._replay(first, bad)
        return good, self._error(first + bad)

    def _error(self, step: int) -> NotANumberError:
        """Return what to say of a step that gave no number, from the weights before it."""
        rows = self.prepared.rows(step)
        inputs = [array[rows] for array in self.prepared.inputs[: len(self.program.variables)]]
        return diverged(self.model, self.program, inputs, *divmod(step, self.length))


def _running(values: Array, axis: int = 0) -> Array:
    """Return the sums up to each value, in float64, added one by one.

    Into which blocks the steps of an epoch fall depends on the clock. Sums that are added in this one order do not.
    """
    if values.shape[axis] == 1:
        return values.astype(np.float64)
    return np.add.accumulate(values, axis=axis, dtype=np.float64)


def _added(total: Any, values: Array) -> Any:
    """Return a sum with further values, which come on a first axis, added to it."""
    first = values[:0] if total is None else np.asarray(total)[None]
    return _running(np.concatenate([first, values]))[-1]


__all__ = ["Fitting"]
