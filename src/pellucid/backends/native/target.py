"""The machine that code is generated for: its name to LLVM, and its vector width."""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from ...core.errors import PellucidError
from .values import BYTES

VARIABLE = "PELLUCID_TARGET"

# The x86-64 micro-architecture levels of the System V ABI: what code for each restricted target may use, and
# what this machine must have to run it.
_LEVELS = {
    "avx512": ("x86-64-v4", ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma")),
    "avx2": ("x86-64-v3", ("avx2", "fma", "bmi2")),
    "generic": ("x86-64", ()),
}


class Target(NamedTuple):
    """A machine as LLVM names it.

    Attributes:
        triple: architecture, vendor and system.
        cpu: the processor that scheduling is tuned for.
        features: instruction sets that may be used, as ``+avx2,-avx512f``.
        vector_bits: the width of a vector register.
        has_fma: whether a fused multiply-add is one instruction.
    """

    triple: str
    cpu: str
    features: str
    vector_bits: int
    has_fma: bool

    def lanes(self, dtype: str) -> int:
        """Return how many elements of a dtype fill a vector register (a bool takes a byte)."""
        return self.vector_bits // (8 * BYTES[dtype])

    @property
    def has_scatter(self) -> bool:
        """Whether lanes under a mask are read and written all over memory by one instruction."""
        return self.vector_bits >= 512

    @property
    def key(self) -> str:
        """What compiled code depends on."""
        return f"{self.triple} {self.cpu} {self.features}"


def host() -> Target:
    """Return the machine this process runs on, or the part of it that PELLUCID_TARGET allows.

    The environment variable may be ``avx512``, ``avx2`` or ``generic`` (SSE2 alone on x86-64).

    Raises:
        PellucidError: the variable names something else, or more than this machine has.
    """
    return _host(os.environ.get(VARIABLE, ""))


@cache
def _host(restricted: str) -> Target:
    import llvmlite.binding as llvm

    triple: str = llvm.get_process_triple()
    available = dict(llvm.get_host_cpu_features())
    if not restricted:
        features = ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(available.items()))
        return _make(triple, llvm.get_host_cpu_name(), features, available)
    if restricted not in _LEVELS:
        raise PellucidError(f"{VARIABLE} is {restricted!r}; expected one of {', '.join(_LEVELS)}, or leave it unset")
    cpu, needed = _LEVELS[restricted]
    missing = [name for name in needed if not available.get(name)]
    if missing:
        raise PellucidError(
            f"{VARIABLE} is {restricted!r}, and this machine lacks {', '.join(missing)}; choose a smaller target"
        )
    if not triple.startswith("x86_64"):
        cpu = "generic"
    return _make(triple, cpu, "", dict.fromkeys(needed, True))


def _make(triple: str, cpu: str, features: str, available: dict[str, bool]) -> Target:
    def has(name: str) -> bool:
        return available.get(name, False)

    bits = 512 if has("avx512f") else 256 if has("avx2") or has("avx") else 128
    return Target(triple, cpu, features, bits, has("fma") or triple.startswith(("aarch64", "arm64")))
