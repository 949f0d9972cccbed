"""A callback made of plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core.errors import InputError
from .callback import Callback

MOMENTS = ("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_steps")


class LambdaCallback(Callback):
    """Calls functions of yours.

    Args:
        on_epoch_end: ``(epoch, logs)``.
        on_epoch_begin: ``(epoch)``.
        on_train_begin, on_train_end: no arguments.
        on_steps: ``(step, logs)``, called each ``every`` steps.
        every: how many steps.
        uses_model: whether they look at the model's weights, or change the model; many short epochs run in one native
            call where no callback does.

    >>> import numpy as np, pellucid as pc
    >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(64, 1)
    >>> model = pc.Model(pc.Sequential(pc.layers.Dense(1)), "mse", "sgd")
    >>> shown = pc.callbacks.LambdaCallback(lambda epoch, logs: print(epoch, *logs), uses_model=False)
    >>> _ = model.fit(x, 3 * x, epochs=2, callbacks=[shown], verbose=0)
    0 loss
    1 loss
    """

    def __init__(
        self,
        on_epoch_end: Callable[..., Any] | None = None,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_steps: Callable[..., Any] | None = None,
        every: int = 0,
        uses_model: bool = True,
    ) -> None:
        if bool(every) != (on_steps is not None):
            raise InputError("LambdaCallback: on_steps and every are given together: what to call, and each how often")
        given = (on_train_begin, on_train_end, on_epoch_begin, on_epoch_end, on_steps)
        for name, function in zip(MOMENTS, given, strict=True):
            if function is not None:
                setattr(self, name, function)
        self.every, self.uses_model = every, uses_model or on_epoch_begin is not None


__all__ = ["LambdaCallback"]
