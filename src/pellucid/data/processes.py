"""Image files decoded by several processes: this one, and others that run `decoding.py` and nothing else.

Threads would wait for each other, since most of what is done for a small image is done in Python. The other processes
are plain ones and not multiprocessing's, which import the user's program a second time, or copy a process that has
threads. Images come back through pipes, straight into their places: there is no file and no shared memory that could
be left behind, and whoever loses its pipe ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.native.cores import thread_count
from ..core.errors import PellucidError
from .decoding import READY, Entry, Shape, decode_files

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int], None]

SCRIPT = Path(__file__).with_name("decoding.py")
START = "import runpy, sys; sys.path += sys.argv[2:]; runpy.run_path(sys.argv[1], run_name='__main__')"
SECONDS_A_FILE, SECONDS_A_BYTE = 7e-5, 1e-8  # what decoding takes, roughly, to say what is worth another process
WORTH_A_PROCESS = 0.3  # seconds of decoding: a process takes a tenth of one to begin
MOST_FILES, MOST_BYTES = 64, 1 << 24  # files, and bytes of them or of images, that are decoded between two reports
AHEAD = 2  # how many pieces another process has at once, so that it need not wait for the next


def worthwhile(files: Sequence[Entry]) -> int:
    """Return how many processes are worth starting, this one among them: PELLUCID_THREADS at most, or all cores."""
    seconds = len(files) * SECONDS_A_FILE + sum(file.size for file in files) * SECONDS_A_BYTE
    return max(1, min(thread_count(), int(seconds / WORTH_A_PROCESS)))


def _can_start() -> bool:
    """Whether there is a Python to start: a frozen program, which brings its own, would start itself again."""
    return bool(sys.executable) and not getattr(sys, "frozen", False) and SCRIPT.is_file()


def decode_all(
    path: Path, files: Sequence[Entry], into: Array, processes: int, progress: Progress | None
) -> dict[int, str]:
    """Read and decode files into the rows of an array; return what is wrong with those that could not be, by row.

    Args:
        path: of the folder or archive that they are in.
        files: which they are.
        into: uint8 of shape (n, height, width, channels).
        processes: how many decode, this one among them.
        progress: called with how many files are done and how many there are.

    Raises:
        PellucidError: if one of the other processes is killed, or crashes.
    """
    work = _Work(str(path), files, into, progress)
    # The processes end before the threads that wait for them are waited for.
    with ThreadPoolExecutor(max(processes - 1, 1)) as threads, ExitStack() as ending:
        others: list[_Other] = []
        feeding: list[Future[None]] = []
        for _ in range(min(processes, len(work.pieces)) - 1 if _can_start() else 0):
            with contextlib.suppress(OSError):  # where no more can be started, there are fewer
                others.append(_Other())
                ending.callback(others[-1].end)
                feeding.append(threads.submit(others[-1].feed, work))
        work.do(feeding)
        for other in others:
            if not other.ready:
                other.end()  # nothing is left for it
        for fed in as_completed(feeding):
            fed.result()
            work.tell()
    return work.bad


class _Work:
    """What is to be decoded, piece by piece, which several threads take and report."""

    def __init__(self, path: str, files: Sequence[Entry], into: Array, progress: Progress | None):
        self.path, self.files, self._into, self._progress = path, files, into, progress
        self.shape: Shape = into.shape[1:]
        self.pieces = deque(_pieces(files, into[0].nbytes))
        self.bad: dict[int, str] = {}
        self._done: list[int] = []
        self._told = 0

    def take(self) -> range | None:
        """Return the rows to be decoded next, or None if there are none left."""
        try:
            return self.pieces.popleft()
        except IndexError:
            return None

    def bytes_of(self, rows: range) -> memoryview:
        """Return the memory that rows of the array take."""
        return self._into[rows.start : rows.stop].reshape(-1).data

    def report(self, rows: range, bad: dict[int, str]) -> None:
        """Note that rows are decoded, except for those that could not be."""
        self.bad.update({rows[row]: why for row, why in bad.items()})
        self._done.append(len(rows))

    def tell(self) -> None:
        """Say how far all is, where that is news."""
        done = sum(self._done)
        if self._progress is not None and done > self._told:
            self._told = done
            self._progress(done, len(self.files))

    def do(self, feeding: Sequence[Future[None]]) -> None:
        """Decode in this process, until there is nothing left or one of the others has failed."""
        while (rows := self.take()) is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's, which do not say which file they are about
                bad = decode_files(self.path, self.files[rows.start : rows.stop], self.shape, self.bytes_of(rows))
            self.report(rows, bad)
            self.tell()
            for fed in feeding:
                if fed.done():
                    fed.result()


def _pieces(files: Sequence[Entry], image_bytes: int) -> Iterator[range]:
    """Yield ranges of rows that are neither many files nor many bytes."""
    first, size = 0, 0
    for row, file in enumerate(files):
        size += max(file.size, image_bytes)
        if row + 1 - first == MOST_FILES or size >= MOST_BYTES:
            yield range(first, row + 1)
            first, size = row + 1, 0
    if first < len(files):
        yield range(first, len(files))


class _Other:
    """Another process that decodes, and the thread that feeds it."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            OSError: if the system does not let it start.
        """
        # It must find the same Pillow, and read names of files alike.
        folders = dict.fromkeys(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, str(SCRIPT), *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONUTF8": str(sys.flags.utf8_mode)},
        )
        assert isinstance(self._process.stdin, BufferedWriter) and isinstance(self._process.stdout, BufferedReader)
        self._questions, self._answers = self._process.stdin, self._process.stdout
        self.ready = False

    def feed(self, work: _Work) -> None:
        """Let it decode pieces until there are none left; nothing if it cannot begin.

        Raises:
            PellucidError: if it ends before it has decoded what it was given.
        """
        given: deque[range] = deque()
        try:
            self._ask([work.path, work.shape])
            if self._answers.read(len(READY)) != READY:
                return
            self.ready = True
            while True:
                while len(given) < AHEAD and (rows := work.take()) is not None:
                    given.append(rows)
                    self._ask(work.files[rows.start : rows.stop])
                if not given:
                    return
                rows = given[0]
                work.report(rows, self._answer(work.bytes_of(rows)))
                given.popleft()
        except (OSError, EOFError):
            if given:
                raise PellucidError(self._message(work.files[given[0].start : given[0].stop])) from None
        finally:
            self._close()

    def _ask(self, what: Any) -> None:
        self._questions.write(json.dumps(what).encode() + b"\n")
        self._questions.flush()

    def _answer(self, into: memoryview) -> dict[int, str]:
        line = self._answers.readline()
        if not line.endswith(b"\n") or self._answers.readinto(into) != into.nbytes:
            raise EOFError
        return {int(row): why for row, why in json.loads(line).items()}

    def end(self) -> None:
        """Stop it, whatever it is doing."""
        self._process.kill()

    def _close(self) -> None:
        with contextlib.suppress(OSError):  # a question that it no longer takes
            self._questions.close()
        self._answers.close()
        self._process.wait()

    def _message(self, files: Sequence[Entry]) -> str:
        code = self._process.wait()
        how = f"signal {-code}, {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return (
            f"a process that decodes images was ended ({how}) while it had {len(files)} of them, from"
            f" {files[0].name!r} to {files[-1].name!r}; it may have been killed, or memory was short, or one of these"
            " files makes Pillow crash. Try again, or with workers=1, in this process alone"
        )


__all__ = ["Progress", "decode_all", "worthwhile"]
