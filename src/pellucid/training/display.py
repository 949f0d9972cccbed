"""How a training run shows where it is: a line that is rewritten in a terminal, a bar in a notebook, plain lines."""

from __future__ import annotations

import html
import shutil
import sys
import time
from typing import Any, TextIO

from .callbacks import Callback, Logs

LINE_SECONDS = 0.3  # between two lines that stay; shorter epochs are left out, all but the last
REWRITE_SECONDS = 0.1
SURE_SECONDS = 1.0  # after which it is said how much time is left
FEWEST, MOST = 6, 30  # characters of a bar
REMEMBERED = 10  # lines in a notebook


def display(verbose: int, last: int, steps: int | None) -> list[Callback]:
    """Return what shows the progress, if anything does.

    Args:
        verbose: see ``Model.fit``.
        last: the number of the epoch to stop before.
        steps: how many an epoch has, where that is known.
    """
    if verbose == 2:
        return [LinePerEpoch(last)]
    if verbose == 1 and "ipykernel" in sys.modules and "IPython.display" in sys.modules:
        return [Display(last, Notebook())]
    if verbose == 1 and sys.stderr is not None and sys.stderr.isatty():
        return [Display(last, Terminal(sys.stderr))]
    return []


class LinePerEpoch(Callback):
    """Prints a line for each epoch."""

    uses_model = False

    def __init__(self, last: int) -> None:
        self.last = last

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Print a line."""
        sys.stderr.write(f"epoch {epoch + 1:,}/{self.last:,}  {figures(logs)}\n")


class Terminal:
    """The last line of a terminal, which can be written anew."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self._length = stream, 0

    @property
    def width(self) -> int:
        """How many characters a line may have."""
        return shutil.get_terminal_size().columns - 1

    def rewrite(self, line: str, done: float) -> None:
        """Show a line in place of the one before."""
        self.stream.write("\r" + line.ljust(self._length))
        self.stream.flush()
        self._length = len(line)

    def keep(self, line: str) -> None:
        """Show a line in place of the one before, and begin another."""
        self.stream.write("\r" + line.ljust(self._length) + "\n")
        self.stream.flush()
        self._length = 0

    def close(self) -> None:
        """Leave what is shown, and begin another line."""
        if self._length:
            self.stream.write("\n")


class Notebook:
    """A place under a notebook's cell: a bar, and the last lines."""

    width = 100

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._handle: Any = None

    def rewrite(self, line: str, done: float) -> None:
        """Show a line under the lines that were kept, and a bar for how much is done."""
        bar = f'<progress value="{done:.3f}" max="1" style="width: 20em"></progress>'
        shown = "\n".join([*self._lines, line])
        bundle = {"text/plain": shown, "text/html": f"{bar}<pre>{html.escape(shown)}</pre>"}
        if self._handle is None:
            self._handle = sys.modules["IPython.display"].display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def keep(self, line: str) -> None:
        """Let a line stay, among the last few."""
        self._lines = [*self._lines, line][-REMEMBERED:]
        self.rewrite("", 1.0)

    def close(self) -> None:
        """Leave what is shown."""
        if self._handle is not None:
            self.rewrite("", 1.0)


class Display(Callback):
    """Shows the epoch, how far it is, the figures so far, how fast it goes, and the time left.

    It writes a few times a second at most, however short the epochs are.
    """

    uses_model = False

    def __init__(self, last: int, place: Terminal | Notebook) -> None:
        self.last, self.place = last, place
        self._began = self._written = self._kept = 0.0  # when the run began, a line was last written, and one was kept
        self._first = self._rows = self._reached = 0
        self._waiting: tuple[int, Logs] | None = None  # an epoch that was not shown

    def on_train_begin(self) -> None:
        """Look at the clock."""
        self._first = self.model.progress.epochs
        self._began = time.perf_counter()

    def on_progress(self, epoch: int, step: int, steps: int | None, rows: int, logs: Logs) -> None:
        """Write the line anew, if it is time."""
        now = time.perf_counter()
        self._rows, self._reached = rows, epoch
        if now - self._written < REWRITE_SECONDS:
            return
        self._written = now
        line, done = self._line(now, epoch, step, steps, logs)
        self.place.rewrite(line, done)

    def _line(self, now: float, epoch: int, step: int, steps: int | None, logs: Logs) -> tuple[str, float]:
        elapsed, whole = now - self._began, self.last - self._first
        done = epoch - self._first + (step / steps if steps else 0.0)
        are_short = done > max(2.0, elapsed)  # epochs pass by so quickly that only their number tells anything
        place = "" if are_short else f"{step:,}/{steps:,}" if steps else f"{step:,}"
        share = done / whole if are_short else step / steps if steps else 0.0
        left = f"{duration(elapsed / done * (whole - done))} left" if steps and elapsed > SURE_SECONDS else ""
        speed = compact(self._rows / elapsed) if elapsed else "0"
        for unit, shown in ((" samples/s", figures(logs)), ("/s", figures(logs)), ("/s", figures(logs, 1))):
            texts = [f"epoch {epoch + 1:,}/{self.last:,}", place, shown, speed + unit, left]
            room = self.place.width - sum(len(t) + 2 for t in texts if t)
            if room >= FEWEST:
                break
        if room >= FEWEST and (steps or are_short):
            texts.insert(1, bar(share, min(room, MOST)))
        return "  ".join(t for t in texts if t)[: self.place.width], done / whole

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Keep a line for the epoch, unless another was kept just before, or it is not the last of a native block."""
        now = time.perf_counter()
        self._waiting = epoch, logs
        if epoch + 1 == self.last or (epoch >= self._reached and now - self._kept >= LINE_SECONDS):
            self._keep(now)

    def _keep(self, now: float) -> None:
        if self._waiting is None:
            return
        epoch, logs = self._waiting
        self._waiting, self._kept = None, now
        self.place.keep(f"epoch {epoch + 1:,}/{self.last:,}  {figures(logs)}  {duration(now - self._began)}")

    def on_train_end(self) -> None:
        """Show the last epoch."""
        if self._waiting is None:
            self.place.close()
        self._keep(time.perf_counter())


def figures(logs: Logs, most: int | None = None) -> str:
    """Return the numbers among the figures of an epoch in words, the first of them if not all.

    >>> figures({"loss": 0.25, "accuracy": 1.0, "learning_rate": 1e-4})
    'loss 0.2500  accuracy 1.0000  learning_rate 1.000e-04'
    """
    shown = [f"{key} {_number(value)}" for key, value in logs.items() if isinstance(value, int | float)]
    return "  ".join(shown[:most])


def _number(value: float) -> str:
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.3e}"


def compact(number: float) -> str:
    """Return a number in few characters.

    >>> compact(87.2), compact(36_446.0), compact(1.25e7)
    ('87', '36.4k', '12.5M')
    """
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"


def bar(share: float, width: int) -> str:
    """Return a bar of some characters.

    >>> bar(0.5, 10)
    '[====    ]'
    """
    inner = width - 2
    return f"[{'=' * min(int(share * inner), inner):{inner}}]"


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(2.34), duration(75), duration(7322)
    ('2.3 s', '1:15', '2:02:02')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}" if minutes else f"{rest} s"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


__all__ = ["Display", "LinePerEpoch", "Notebook", "Terminal", "display"]
