"""The pipeline: a step goes through ordered pure passes to a backend, and a ``Compilation`` keeps what they made.

written → sizes bound → rewritten (loops over time twice, before and after they are made small)
        → schedule and code, in the backend → run
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from .core.errors import InputError, PellucidError
from .core.expression import Parameter
from .core.memory import bytes_of, check_addressable
from .core.sizes import Size
from .core.traversal import topological
from .core.wellformed import check
from .operations.recurrence import Loop, is_recurrence, is_short, loop_of
from .rewrite.engine import Log, rewrite
from .rewrite.rules import ALL
from .rewrite.time import spread_over_time
from .step import Call, Executable, Step, numbered

if TYPE_CHECKING:
    from .backends.native.profile import Profile

# Each is a module with a ``compile_step``, loaded when it is first used: neither LLVM nor JAX is needed before.
BACKENDS = {
    "native": "pellucid.backends.native.program",
    "reference": "pellucid.backends.reference",
    "xla": "pellucid.backends.xla.executable",
}
PROFILER = "pellucid.backends.native.profile"  # as late: it loads what writes code


class Backend(NamedTuple):
    """What computes a step, and how.

    Attributes:
        name: "native", "xla" or "reference".
        devices: of XLA: how many, or the numbers of those; None for one, or for those of all hosts; "own" for one of
            this host's.
        precision: of XLA: "bfloat16" to multiply matrices in it.
    """

    name: str
    devices: int | tuple[int, ...] | str | None = None
    precision: str | None = None

    def check(self) -> None:
        """Check that there is such a backend.

        Raises:
            PellucidError: if there is none, or it does not take what was asked for.
        """
        if self.name not in BACKENDS:
            raise PellucidError(f"there is no backend {self.name!r}; choose one of {', '.join(BACKENDS)}")
        if self.precision not in PRECISIONS:
            raise InputError(f"the precision is float32 or bfloat16, not {self.precision!r}")
        if self.name != "xla" and (self.devices is not None or self.precision == "bfloat16"):
            raise InputError(
                f"the backend {self.name} computes on this machine's cores, in the dtypes of the expressions; devices"
                " and precision are for backend='xla'"
            )


PRECISIONS = (None, "float32", "bfloat16")


@dataclass
class Compilation:
    """A compiled step with everything that led to it.

    Attributes:
        written: the step as it was written, its sizes bound.
        rewritten: the step after the rewriting.
        log: the rules that fired.
        executable: the backend's result.
        parameters: what stands in for the parameters of these steps when it runs, where these have no values.
    """

    written: Step
    rewritten: Step
    log: Log
    executable: Executable
    parameters: Mapping[Parameter, Parameter] | None = None

    def on_parameters(self, parameters: Mapping[Parameter, Parameter]) -> Compilation:
        """Return the same on other parameters, which stand in for those of its steps."""
        executable = self.executable.on_parameters(parameters)
        return Compilation(self.written, self.rewritten, self.log, executable, parameters)

    @cached_property
    def output_bytes(self) -> int:
        """How much memory the outputs of one step take."""
        return bytes_of(self.rewritten.outputs)

    def memory(self, steps: int = 1) -> dict[str, int]:
        """Return how many bytes of memory a call of some steps takes, by what they are for.

        The arena holds what is computed on the way; places in it are used again where they can be.

        >>> import pellucid as pc
        >>> x, W = pc.variable("x", (2,)), pc.parameter([[1.0, 2.0], [3.0, 4.0]])
        >>> pc.function([x], x * W).compiled().memory(steps=10)
        {'inputs': 8, 'parameters': 16, 'constants': 0, 'outputs': 160, 'arena': 0}
        """
        constants = [n for n in topological(self.rewritten.roots) if n.shape and "data" in dict(n.attributes)]
        return {
            "inputs": bytes_of(self.rewritten.inputs),
            "parameters": bytes_of(self.rewritten.parameters),
            "constants": bytes_of(constants),
            "outputs": steps * self.output_bytes,
            "arena": self.executable.arena_bytes,
        }


def checking() -> bool:
    """Whether every pass is followed by the well-formedness check (the tests set PELLUCID_CHECK)."""
    return bool(os.environ.get("PELLUCID_CHECK"))


def chosen_backend(given: str | Backend | None) -> Backend:
    """Return the backend that is named, or else that of $PELLUCID_BACKEND, or else native."""
    if isinstance(given, Backend):
        return given
    return Backend(given or os.environ.get("PELLUCID_BACKEND", "native"))


def compile_step(step: Step, sizes: Mapping[str, int], backend: str | Backend | None) -> Compilation:
    """Compile a step at the given sizes of its named axes.

    Raises:
        PellucidError: if there is no such backend.
        MemoryNeededError: if a value is larger than any memory.
    """
    chosen = chosen_backend(backend)
    chosen.check()
    log = Log()
    written = numbered(step, sizes)
    check_addressable(topological([*written.inputs, *written.roots]))
    roots = rewrite(written.roots, ALL, log)
    loops = [loop_of(node) for node in topological(roots) if is_recurrence(node)]
    if loops and not _stay(loops, chosen):
        roots = rewrite(spread_over_time(roots, log), ALL, log)
    rewritten = written.with_roots(roots)
    if checking():
        check(written.roots, "binding sizes", specialised=True)
        check(rewritten.roots, "rewriting", specialised=True)
    options: dict[str, Any] = {}
    if chosen.name == "xla":
        rows = [k for k, x in enumerate(step.inputs) if x.shape and isinstance(x.shape[0], Size)]
        options = {"rows": rows, "devices": chosen.devices, "precision": chosen.precision}
    executable: Executable = importlib.import_module(BACKENDS[chosen.name]).compile_step(rewritten, **options)
    return Compilation(written, rewritten, log, executable)


def _stay(loops: Sequence[Loop], chosen: Backend) -> bool:
    """Whether loops over time stay as they are: short ones, which XLA writes out, so that nothing waits for a carry.

    Not on several devices, which would send each other what each step adds to the gradient of a weight.
    """
    if chosen.name != "xla" or not all(map(is_short, loops)):
        return False
    count: int = importlib.import_module(BACKENDS[chosen.name]).placed(chosen.devices).count
    return count == 1


def profile(compilation: Compilation, call: Call, steps: int | None, threads: int | None) -> Profile:
    """Return how long each kernel of a step takes as native code; see ``Function.profile``."""
    memory, step = sum(compilation.memory().values()), compilation.rewritten
    if compilation.parameters is not None:
        step = step.with_parameters(compilation.parameters)
    made: Profile = importlib.import_module(PROFILER).profile(step, call, steps, threads, memory)
    return made
