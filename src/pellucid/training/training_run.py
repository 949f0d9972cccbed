"""What every training run does, whatever it is fed with: callbacks, ends of epochs, and the last good weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .. import distributed
from ..core.arguments import first_not_finite
from ..core.dtypes import is_float
from ..core.expression import Parameter, storage_of
from .callbacks import Callback, Logs
from .history import History
from .progress import Progress

if TYPE_CHECKING:
    from .model import Model


class TrainingRun:
    """One call of ``fit``.

    Args:
        model: whose weights are trained, and whose ``progress`` and ``history`` go on.
        last: the number of the epoch to stop before.
        callbacks: those who look.
        validate: what measures the validation data, if there are any.

    Attributes:
        began: the epochs, steps, and steps of an unfinished epoch that were done when it began.
        finished: whether it came to its end.
    """

    finished = False

    def __init__(
        self, model: Model, last: int, callbacks: Sequence[Callback], validate: Callable[[], Logs] | None
    ) -> None:
        self.model, self.last, self.validate, self.began = model, last, validate, _place(model.progress)
        self.callbacks = sorted(callbacks, key=lambda callback: callback.rank)
        for callback in self.callbacks:
            callback.model, callback.run = model, self
        self.each_epoch = validate is not None or any(c.uses_model for c in self.callbacks)
        self._showing = [c for c in self.callbacks if type(c).on_progress is not Callback.on_progress]
        self._shown: Logs = {}  # the figures that these are told
        self._floats: list[Parameter] = []  # the network's weights

    def run(self) -> History:
        """Train until the last epoch, or until a callback sets ``model.stop_training``."""
        begun: list[Callback] = []
        for callback in self.callbacks:
            callback.resume()
        self._begin()
        try:
            for callback in self.callbacks:
                callback.on_train_begin()
                begun.append(callback)
            with distributed.watched(self._where):
                while self.model.progress.epochs < self.last and not self.model.stop_training:
                    self._block()
                    distributed.check()
            self.finished = True
        finally:
            for callback in begun:
                callback.on_train_end()
            for callback in self.callbacks:
                if callback.run is self:
                    del callback.run  # or one that is kept would keep the data too, and their copy on a device
        return self.model.history

    def _where(self) -> str:
        """Return where the training is, for a message."""
        progress = self.model.progress
        return f" after step {progress.steps} of the training, in epoch {progress.epochs}"

    def _begin(self) -> None:
        """Note where the model's progress is, which may be that of a run that was taken up."""

    def _block(self) -> None:
        """Do some steps, and account for them."""
        raise NotImplementedError

    def _begin_epoch(self) -> None:
        for callback in self.callbacks:
            if callback.uses_model:
                callback.on_epoch_begin(self.model.progress.epochs)

    def _end_epoch(self, logs: Logs) -> None:
        progress = self.model.progress
        epoch = progress.epochs
        progress.epochs, progress.step, progress.sums = epoch + 1, 0, {}
        watching = [callback for callback in self.callbacks if not callback.rank]
        try:
            if self.validate is not None:
                # One host measures for all, so that whatever is decided by these figures is decided alike.
                logs |= {f"val_{key}": value for key, value in distributed.from_first(self.validate).items()}
            for callback in watching:
                callback.on_epoch_end(epoch, logs)
        finally:  # the epoch was done, even where a callback raises an error
            self.model.history.add(epoch, logs)
        self._shown = logs
        for callback in self.callbacks[len(watching) :]:
            callback.on_epoch_end(epoch, logs)

    def _tell_of_steps(self, figures: Callable[[], Logs]) -> None:
        """Call those who wait for a step that was just done."""
        steps = self.model.progress.steps
        for callback in self.callbacks:
            if callback.every and steps % callback.every == 0:
                callback.on_steps(steps, figures())

    def _show(self, epoch: int, step: int, steps: int | None, rows: int) -> None:
        for callback in self._showing:
            callback.on_progress(epoch, step, steps, rows, self._shown)

    def _weights_are_finite(self) -> bool:
        if not self._floats:  # a network may be built by its first batch
            self._floats = [p for p in self.model.network.parameters.values() if is_float(p.dtype)]
        return all(first_not_finite(storage_of(p).array) is None for p in self._floats)


def _place(progress: Progress) -> tuple[int, int, int]:
    return progress.epochs, progress.steps, progress.step


__all__ = ["TrainingRun"]
