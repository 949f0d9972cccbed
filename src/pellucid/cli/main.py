"""The entry point of the command ``pellucid``: from errors to one clear message and an exit code."""

from __future__ import annotations

import _thread
import io
import sys
import threading
import warnings
from typing import Any

from .. import distributed
from ..core.errors import PellucidError

try:
    from .application import application
except ImportError as error:
    missing: str | None = (error.name or "").partition(".")[0]
    if missing not in ("typer", "rich"):
        raise
else:
    missing = None

FAILED = 2


def main() -> None:
    """Run the command line; never returns.

    Exit codes: 0 where all went well, 2 with one message where what was given is wrong, 130 after Ctrl-C.
    """
    if missing is not None:
        sys.exit(_fail(f"the command line needs {missing}, which is not installed; try: pip install pellucid[cli]"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without the letters gets a mark in their place
    warnings.showwarning = _warn
    sys.unraisablehook = _interrupt_again
    try:
        application()
    except PellucidError as error:
        code = _fail(str(error))
        distributed.leave_process(code)
        sys.exit(code)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"pellucid: warning: {message}", file=sys.stderr)


def _interrupt_again(lost: sys.UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came in the middle of a weak reference's callback, out of which Python lets nothing."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, _thread.interrupt_main).start()  # when the callback is over
    else:
        sys.__unraisablehook__(lost)


def _fail(message: str) -> int:
    print(f"pellucid: {message}", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    main()
