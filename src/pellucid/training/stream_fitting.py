"""The loop over epochs of batches that come from a stream: a native call for each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import distributed
from ..compile import Backend
from ..core.errors import EmptyBatchError, InputError
from ..core.interruption import Interruption
from ..core.snapshot import Snapshot
from ..function import Function
from .callbacks import Callback, Logs
from .divergence import diverged
from .examples import Examples
from .history import History
from .program import LOSS, Program
from .streams import Stream
from .training_run import TrainingRun

if TYPE_CHECKING:
    from .model import Model

SHOW_SECONDS = 0.05
KEPT_BYTES, KEPT_SECONDS = 2**22, 1.0  # of batches, after which the weights are checked and copied

Counts = tuple[dict[str, Any], int, int, int]


class StreamFitting(TrainingRun):
    """One training run on a stream.

    Every few batches the weights are checked and copied, and the batches since then are kept. Where one of these makes
    the loss or a weight NaN, the copy is put back, and the steps before that one are done again.

    Args:
        model, last, callbacks, validate: see ``TrainingRun``.
        stream: the batches.
        class_weight, backend: see ``Model.fit``.
    """

    def __init__(
        self,
        model: Model,
        stream: Stream,
        last: int,
        callbacks: Sequence[Callback],
        validate: Callable[[], Logs] | None,
        class_weight: Mapping[Any, float] | None,
        backend: Backend | None,
    ) -> None:
        super().__init__(model, last, callbacks, validate)
        self.stream, self.class_weight, self.backend = stream, class_weight, backend
        progress = model.progress  # an epoch left unfinished cannot be gone on with: its batches are gone
        progress.step, progress.length, progress.sums = 0, 0, {}
        self._batches: Iterator[tuple[Any, ...]] | None = None
        self._kind: list[Any] = []  # of the batches, and what is made for them when the first is there
        self._program: Program
        self._once: Function
        self._snapshot: Snapshot
        self._kept: list[Examples] = []  # the batches since the snapshot
        self._held, self._since = 0, 0.0  # how many bytes these have, and when it was taken
        self._before: Counts = {}, 0, 0, 0  # what was counted then
        self._rows = self._rows_before = 0  # examples so far, and those before this epoch
        self._shown_at = 0.0

    def run(self) -> History:
        """Train until the last epoch, or until a callback sets ``model.stop_training``."""
        try:
            return super().run()
        finally:
            self._close()

    def _close(self) -> None:
        if self._batches is not None:
            self._batches.close()  # type: ignore[attr-defined]  # a generator, whose thread ends with it
        self._batches = None

    def _block(self) -> None:
        """Do the step of the next batch, and end the epoch where it was the last."""
        progress = self.model.progress
        if self._batches is None:
            self._begin_epoch()
            self._batches, self._shown, self._rows_before = self.stream.epoch(), {}, self._rows
        batch = next(self._batches, None)
        if batch is not None:
            with Interruption():  # Ctrl-C waits until the step is accounted for
                self._step(*batch)
            self._show_now_and_then()
        if batch is None or progress.step == self.stream.steps_per_epoch:
            self._settle()
            self._close()
            self._check_length()
            self._end_epoch(self._figures())
        if batch is not None:
            if any(c.every and progress.steps % c.every == 0 for c in self.callbacks):
                self._settle()
            self._tell_of_steps(lambda: self._figures() if progress.step else self._shown)

    def _step(self, x: Any, y: Any, sample_weight: Any = None) -> None:
        examples = self.model.batch(x, y, sample_weight, self.class_weight)
        self._prepare(examples)
        if not self._kept:
            self._snapshot.take()
            self._held, self._since = 0, time.perf_counter()
            self._before = self._counts()
        loss = self._do(examples)
        self._kept.append(examples)
        self._held += sum(array.nbytes for array in examples.arrays)
        is_long = self._held > KEPT_BYTES or self._kept_for_long()
        if is_long or not np.isfinite(loss):
            self._settle()

    def _kept_for_long(self) -> bool:
        """Whether the oldest kept batch is some time old; several hosts, whose clocks differ, go by bytes alone."""
        return distributed.hosts() == 1 and time.perf_counter() - self._since > KEPT_SECONDS

    def _prepare(self, examples: Examples) -> None:
        """Make the program for batches of a kind, that of the first; check that the others are of it too."""
        kind = [(array.dtype, array.shape[1:]) for array in examples.arrays]
        if kind == self._kind:
            return
        if self._kind:
            progress = self.model.progress
            raise InputError(
                f"batch {progress.step} of epoch {progress.epochs} has other dtypes or shapes than those before, or has"
                " sample_weight and they have none; all batches of a stream are to be of one kind"
            )
        _, self._program, self._once = self.model.training_step(examples, self.backend)
        self._kind, self._snapshot = kind, Snapshot(self.model.state_parameters())

    def _do(self, examples: Examples) -> float:
        """Do the step of a batch, account for it, and return its loss, summed over the batch."""
        progress = self.model.progress
        self._once.state.step = progress.steps
        sums = self._once(*examples.arrays)
        progress.sums = {key: progress.sums.get(key, 0.0) + np.float64(value) for key, value in sums.items()}
        progress.steps += 1
        progress.step += 1
        self._rows += examples.count
        return float(sums[LOSS])

    def _counts(self) -> Counts:
        progress = self.model.progress
        return progress.sums, progress.steps, progress.step, self._rows

    def _count_from(self, counts: Counts) -> None:
        progress = self.model.progress
        progress.sums, progress.steps, progress.step, self._rows = counts

    def _settle(self) -> None:
        """Check the weights and forget the batches that led to them, or go back to before the first that spoilt them.

        Raises:
            NotANumberError: which names the step, and the layer where it began.
        """
        progress, kept, self._kept = self.model.progress, self._kept, []
        if not kept or np.isfinite(progress.sums[LOSS]) and self._weights_are_finite():
            return
        self._snapshot.restore()
        self._count_from(self._before)
        for examples in kept:
            self._snapshot.take()
            before = self._counts()
            if not (np.isfinite(self._do(examples)) and self._weights_are_finite()):
                self._snapshot.restore()
                self._count_from(before)
                raise diverged(self.model, self._program, examples.inputs, progress.epochs, progress.step)

    def _figures(self) -> Logs:
        """Return the figures of the epoch so far."""
        return self._program.figures(self.model.progress.sums, self._rows - self._rows_before)

    def _show_now_and_then(self) -> None:
        now, progress = time.perf_counter(), self.model.progress
        if self._showing and now - self._shown_at > SHOW_SECONDS:
            self._shown, self._shown_at = self._figures(), now
            self._show(progress.epochs, progress.step, self.stream.steps_per_epoch, self._rows)

    def _check_length(self) -> None:
        """Check that the epoch had batches, and not fewer than were asked for.

        Raises:
            EmptyBatchError, InputError: it had not; the weights are those after its last batch.
        """
        progress, wanted = self.model.progress, self.stream.steps_per_epoch
        if progress.step == 0:
            raise EmptyBatchError(
                f"there are no batches for epoch {progress.epochs}; an iterator is used up after one pass: give a"
                " function that returns a new one"
            )
        if wanted is not None and progress.step < wanted:
            raise InputError(
                f"the data ended after {progress.step} batches of epoch {progress.epochs}, and steps_per_epoch is"
                f" {wanted}; give fewer, or a stream that goes on"
            )


__all__ = ["StreamFitting"]
