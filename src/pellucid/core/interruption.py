"""Ctrl-C during a loop of native calls: remembered while one runs, and let happen between two.

Python runs a signal's handler at the first bytecode it comes to, which after a native call is before the caller could
note that the call was made. What a loop then reports it has done would not be what its parameters hold.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interruption:
    """While it is entered on the main thread, an interrupt waits for ``check``.

    What it then does is for the handler that was there before to say: Python's own raises KeyboardInterrupt. On other
    threads, which interrupts never reach, it does nothing.

    >>> try:
    ...     with Interruption() as interruption:
    ...         signal.raise_signal(signal.SIGINT)
    ...         print("the work is finished first")
    ...         interruption.check()
    ... except KeyboardInterrupt:
    ...     print("and then the loop stops")
    the work is finished first
    and then the loop stops
    """

    def __init__(self) -> None:
        self._pending: tuple[int, FrameType | None] | None = None
        self._before: Any = None

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
            if callable(self._before):
                signal.signal(signal.SIGINT, self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if callable(self._before):
            signal.signal(signal.SIGINT, self._before)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Let an interrupt that came meanwhile happen."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self._before(*pending)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._pending = number, frame


__all__ = ["Interruption"]
