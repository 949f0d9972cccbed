"""Batches from an iterator: the next ones are fetched while one is trained on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..core.errors import InputError
from ..core.interruption import Interruption

AHEAD = 2  # batches that are fetched before they are needed


def is_stream(x: Any) -> bool:
    """Whether data come as batches: an iterator, something that gives one, or a function that returns one."""
    if hasattr(x, "__array__") or isinstance(x, list | tuple | Mapping | str):
        return False
    return callable(x) or isinstance(x, Iterable)


def check_streamed(y: Any, sample_weight: Any, validation_split: float) -> None:
    """Check that nothing was given beside a stream that its batches have themselves."""
    if y is not None or sample_weight is not None:
        raise InputError("x gives batches of (x, y) or (x, y, sample_weight); leave out y and sample_weight beside it")
    if validation_split:
        raise InputError("validation_split needs arrays; give validation_data=(x, y) beside a stream")


class Stream:
    """Batches of an iterator, fetched ahead by a thread.

    Args:
        source: an iterator of batches ``(x, y)`` or ``(x, y, sample_weight)``; or something that can be gone through
            again for each epoch: an iterable, or a function without arguments that returns one.
        steps_per_epoch: how many batches an epoch has; if it is None, an epoch has all that there are.
        epochs: how many epochs it is for.
    """

    def __init__(self, source: Any, steps_per_epoch: int | None, epochs: int) -> None:
        self.source, self.steps_per_epoch = source, steps_per_epoch
        self._iterator: Iterator[Any] | None = source if isinstance(source, Iterator) else None
        if self._iterator is not None and steps_per_epoch is None and epochs > 1:
            raise InputError(
                "an iterator does not say where an epoch ends; give steps_per_epoch, or a function that returns a new"
                " iterator for each epoch"
            )

    def epoch(self) -> Iterator[tuple[Any, ...]]:
        """Return a generator of the batches of one epoch; when it is closed or used up, its thread has ended."""
        batches = self._iterator
        if batches is None:
            given = self.source() if callable(self.source) else self.source
            if not isinstance(given, Iterable):
                raise InputError(f"the function that is to give batches returned {given!r}, which is no iterable")
            batches = iter(given)
        return _ahead(batches, self.steps_per_epoch)


def _ahead(batches: Iterator[Any], count: int | None) -> Iterator[tuple[Any, ...]]:
    """Yield as many batches; while one is used, a thread fetches the next ones."""
    waiting: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(AHEAD - 1)
    ended = threading.Event()

    def put(batch: Any, error: BaseException | None = None) -> bool:
        while not ended.is_set():
            try:
                waiting.put((batch, error), timeout=0.05)
            except queue.Full:
                continue
            return True
        return False

    def fetch() -> None:
        done = 0
        try:
            while count is None or done < count:
                batch = next(batches, None)
                if batch is None or not put(_checked(batch, done)):
                    break
                done += 1
            put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the batches are used
            put(None, error)

    thread = threading.Thread(target=fetch, name="pellucid batches", daemon=True)
    try:
        with Interruption():  # Ctrl-C waits until there is a thread to end
            thread.start()
        while True:
            batch, error = waiting.get()
            if error is not None:
                raise error
            if batch is None:
                return
            yield batch
    finally:
        ended.set()
        thread.join()


def _checked(batch: Any, number: int) -> tuple[Any, ...]:
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        what = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
        raise InputError(f"a batch is (x, y) or (x, y, sample_weight), and batch {number} of the epoch is {what}")
    return tuple(batch)


__all__ = ["Stream", "check_streamed", "is_stream"]
