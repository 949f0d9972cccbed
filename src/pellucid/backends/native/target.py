"""The machine that code is generated for: its name to LLVM, and its vector width.

LLVM is asked what this machine is once, and its answer kept on disk: a process that finds its programs there as well
never loads LLVM.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import llvmlite
from llvmlite.utils import get_library_name

from ...core.errors import PellucidError
from . import cache as disk
from .values import BYTES

VARIABLE = "PELLUCID_TARGET"
PROCESSORS = Path("/proc/cpuinfo")
_KIND = ("vendor_id", "cpu family", "model", "stepping", "flags")  # what tells one kind of processor from another

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
def llvm_version() -> str:
    """Return which LLVM there is, without loading it: llvmlite's version, and its library's size and time."""
    with contextlib.suppress(OSError):
        status = os.stat(Path(llvmlite.__file__).parent / "binding" / get_library_name())
        return f"llvmlite {llvmlite.__version__} {status.st_size} {status.st_mtime_ns}"
    return f"llvmlite {llvmlite.__version__}"


def _this_machine() -> tuple[str, str, dict[str, bool]]:
    """Return what LLVM calls this machine, its processor, and which instruction sets it has."""
    kind = _kind()
    key = disk.MEASURED + disk.key("host", llvm_version(), kind)
    kept = disk.read(key) if kind else None
    if kept is not None:
        triple, cpu, available = json.loads(kept)
        return triple, cpu, available
    import llvmlite.binding as llvm

    triple, cpu = llvm.get_process_triple(), llvm.get_host_cpu_name()
    available = dict(llvm.get_host_cpu_features())
    if kind:
        disk.write(key, json.dumps([triple, cpu, available]).encode())
    return triple, cpu, available


def processor_facts(path: Path = PROCESSORS) -> Iterator[tuple[str, str]]:
    """Yield the names and values that the system has of each processor, as far as they can be read."""
    with contextlib.suppress(OSError, UnicodeDecodeError), path.open() as lines:
        for line in lines:
            name, _, value = line.partition(":")
            yield name.strip(), value.strip()


def _kind(path: Path = PROCESSORS) -> str:
    """Return what the system says of the first processor, as far as it is the same at every start; "" if nothing."""
    found = dict(takewhile(lambda fact: fact[0], processor_facts(path)))  # up to the empty line after the first
    return "; ".join(f"{name} {found[name]}" for name in _KIND) if all(name in found for name in _KIND) else ""


@cache
def _host(restricted: str) -> Target:
    triple, cpu, available = _this_machine()
    if not restricted:
        features = ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(available.items()))
        return _make(triple, cpu, features, available)
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
