"""The pipeline: a step goes through ordered pure passes to a backend, and a snapshot is kept after each.

written → sizes bound → rewritten → (schedule → code, in the backend) → run
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from .core.errors import PellucidError
from .core.wellformed import check
from .rewrite.engine import Log, rewrite
from .rewrite.rules import ALL
from .step import Executable, Step, numbered

# Each is a module with a ``compile_step``, loaded when it is first used: LLVM is not needed before.
BACKENDS = {"native": "pellucid.backends.native.program", "reference": "pellucid.backends.reference"}


@dataclass
class Compilation:
    """A compiled step with everything that led to it.

    Attributes:
        written: the step as it was written, its sizes bound.
        rewritten: the step after the rewriting.
        log: the rules that fired.
        executable: the backend's result.
    """

    written: Step
    rewritten: Step
    log: Log
    executable: Executable


def checking() -> bool:
    """Whether every pass is followed by the well-formedness check (the tests set PELLUCID_CHECK)."""
    return bool(os.environ.get("PELLUCID_CHECK"))


def default_backend() -> str:
    """Return the backend used where none is named: $PELLUCID_BACKEND, or native."""
    return os.environ.get("PELLUCID_BACKEND", "native")


def compile_step(step: Step, sizes: Mapping[str, int], backend: str | None) -> Compilation:
    """Compile a step at the given sizes of its named axes.

    Raises:
        PellucidError: if there is no such backend.
    """
    name = backend or default_backend()
    if name not in BACKENDS:
        raise PellucidError(f"there is no backend {name!r}; choose one of {', '.join(BACKENDS)}")
    log = Log()
    written = numbered(step, sizes)
    rewritten = written.with_roots(rewrite(written.roots, ALL, log))
    if checking():
        check(written.roots, "binding sizes", specialised=True)
        check(rewritten.roots, "rewriting", specialised=True)
    executable: Executable = importlib.import_module(BACKENDS[name]).compile_step(rewritten)
    return Compilation(written, rewritten, log, executable)
