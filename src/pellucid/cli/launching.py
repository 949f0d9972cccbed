"""Several hosts on one machine: processes that train together, of which the first has the terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

from ..distributed.party import FAILED
from ..distributed.relay import LOOPBACK, free_port

PATIENCE = 15.0  # seconds in which a process may find out by itself that another one is gone
START = "from pellucid.cli.main import main; main()"


def launch(arguments: Sequence[str], hosts: int) -> int:
    """Start all hosts of a command, wait for them, and return the exit code.

    What the first says is seen; the others are heard only where that one came to no end.

    Args:
        arguments: of the command, without ``--host`` and ``--coordinator``.
        hosts: how many.
    """
    at = f"{LOOPBACK}:{free_port()}"
    with ExitStack() as opened:
        said = [opened.enter_context(tempfile.TemporaryFile()) for _ in range(1, hosts)]
        processes: list[subprocess.Popen[bytes]] = []
        opened.callback(_end_all, processes)
        for k, file in enumerate([None, *said]):
            processes += [_start([*arguments, "--host", str(k), "--coordinator", at, "--launched"], file)]
        with _passing_on(processes[0]):
            _wait(processes)
        code = processes[0].returncode
        if code >= 0:  # it has said why itself; one below 0 is that of a signal
            return code
        for process, file in zip(processes[1:], said, strict=True):
            if process.returncode == FAILED and (last := _last_line(file)):
                print(last, file=sys.stderr)
                return FAILED
        print(f"pellucid: host 0 was ended by {signal.Signals(-code).name}", file=sys.stderr)
        return FAILED


def _start(arguments: Sequence[str], said: BinaryIO | None) -> subprocess.Popen[bytes]:
    """Start a process, which finds the same Pellucid; with the terminal, or with a file for what it says."""
    quiet: dict[str, Any] = {} if said is None else {"stdout": subprocess.DEVNULL, "stderr": said}
    path = os.pathsep.join(dict.fromkeys(folder for folder in sys.path if folder))
    return subprocess.Popen(
        [sys.executable, "-P", "-c", START, *arguments],
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        process_group=0,  # Ctrl-C is passed on to the first alone, which tells the others
        **quiet,
    )


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait until all have ended; when one is gone, the others have some time to find out."""
    gone: float | None = None
    while any(process.poll() is None for process in processes):
        if gone is None and any(process.returncode for process in processes):
            gone = time.monotonic()
        if gone is not None and time.monotonic() > gone + PATIENCE:
            return
        time.sleep(0.05)


@contextmanager
def _passing_on(first: subprocess.Popen[bytes]) -> Iterator[None]:
    """Pass on to the first process what is to stop this one."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, lambda number, _: first.send_signal(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def _last_line(file: BinaryIO) -> str:
    """Return the last message that a process wrote, with the lines that belong to it."""
    file.seek(0)
    _, mark, last = file.read().decode(errors="replace").rpartition("pellucid: ")
    return (mark + last).strip()


__all__ = ["launch"]
