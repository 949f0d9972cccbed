"""What this machine is: its processor, how much of it this process may use, its caches and its memory.

Cache sizes steer how work is divided, and never the order of a sum, so that they change no bits.
"""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path
from typing import NamedTuple

from ...core.errors import PellucidError
from ...core.memory import Memory, memory, parse_bytes
from .target import PROCESSORS, Target, host, processor_facts

VARIABLE = "PELLUCID_CACHE_SIZES"
SYSTEM = Path("/sys/devices/system/cpu/cpu0/cache")


class Caches(NamedTuple):
    """The sizes in bytes of the caches that one core reads data through; 0 where there is no such level.

    Attributes:
        l1: the first level, for data.
        l2: the second.
        l3: the third, which cores may share.
    """

    l1: int
    l2: int
    l3: int


# Where the system tells nothing: what the smaller ones of today's processors have.
USUAL = Caches(32 * 2**10, 512 * 2**10, 8 * 2**20)


class Machine(NamedTuple):
    """This machine, as this process sees it.

    Attributes:
        processor: the model's name.
        cores: how many processors this process may run on at once.
        target: what code is generated for.
        caches: the sizes of its caches.
        memory: how much there is.
    """

    processor: str
    cores: int
    target: Target
    caches: Caches
    memory: Memory

    @property
    def key(self) -> str:
        """What a measurement of it depends on."""
        return f"{self.processor} {self.cores} {self.target.key} {self.caches}"


def machine() -> Machine:
    """Return what this machine is.

    Raises:
        PellucidError: PELLUCID_TARGET or PELLUCID_CACHE_SIZES is set to what it cannot be.

    >>> machine().cores >= 1
    True
    """
    return Machine(processor(), cores(), host(), cache_sizes(), memory())


def cores() -> int:
    """Return how many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor(path: Path = PROCESSORS) -> str:
    """Return the name of the processor's model, or at least its architecture."""
    names: dict[str, str] = {}
    for name, value in processor_facts(path):
        names.setdefault(name, value)
    found = names.get("model name") or names.get("Model") or platform.processor() or platform.machine()
    return " ".join(found.split())


def cache_sizes(chosen: str | None = None, system: Path = SYSTEM) -> Caches:
    """Return the sizes of the caches: the chosen ones, or what the system tells.

    Args:
        chosen: sizes of the first, second and third level, as in "32K,512K,32M", a later one 0 if there is none;
            if not given, the environment variable PELLUCID_CACHE_SIZES.
        system: the folder where Linux describes the caches of a core.

    Raises:
        PellucidError: the chosen sizes are no such list.

    >>> cache_sizes("32K,1M,0")
    Caches(l1=32768, l2=1048576, l3=0)
    """
    chosen = os.environ.get(VARIABLE, "") if chosen is None else chosen
    return _chosen_sizes(chosen) if chosen else _system_sizes(system)


def third_level_caches(system: Path = SYSTEM) -> int:
    """Return how many third-level caches the processors of this process have between them, 1 or more."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    cores_of_each = {
        _text(index / "shared_cpu_list")
        for number in usable
        for index in (system.parent.parent / f"cpu{number}" / "cache").glob("index*")
        if _text(index / "level") == "3"
    }
    return max(len(cores_of_each), 1)


def instruction_set(target: Target) -> str:
    """Return the name of the vector instructions that are generated for a target.

    >>> instruction_set(Target("x86_64-unknown-linux-gnu", "x86-64", "", 128, False))
    'SSE2'
    """
    fused = " with FMA" if target.has_fma else ""
    if target.triple.startswith("x86_64"):
        wide = "AVX2" if target.cpu == "x86-64-v3" or "+avx2" in target.features.split(",") else "AVX"
        return {512: "AVX-512", 256: wide}.get(target.vector_bits, "SSE2") + fused
    name = "NEON" if target.triple.startswith(("aarch64", "arm64")) else target.triple.partition("-")[0]
    return name + fused


def _chosen_sizes(text: str) -> Caches:
    expected = (
        f"{VARIABLE} is {text!r}; expected the sizes of the first, second and third cache of a core, as in"
        ' "32K,512K,32M" (0 for a second or third that there is not)'
    )
    parts = text.split(",")
    if len(parts) != 3:
        raise PellucidError(expected)
    try:
        sizes = Caches(*(parse_bytes(part) for part in parts))
    except PellucidError as error:
        raise PellucidError(f"{expected}: {error}") from None
    present = [size for size in sizes if size]
    if sizes.l1 < 1024 or present != sorted(present) or (sizes.l3 and not sizes.l2):
        raise PellucidError(f"{expected}, each larger than the one before, the first 1K or more")
    return sizes


def _system_sizes(system: Path) -> Caches:
    found: dict[int, int] = {}
    with contextlib.suppress(OSError):
        for index in sorted(system.glob("index*")):
            level, kind, size = (_text(index / name) for name in ("level", "type", "size"))
            if kind in ("Data", "Unified") and level.isdigit():
                with contextlib.suppress(PellucidError):
                    found[int(level)] = max(found.get(int(level), 0), parse_bytes(size))
    if not found.get(1):
        return USUAL
    return Caches(found[1], found.get(2, 0), found.get(3, 0) if found.get(2) else 0)


def _text(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text().strip()
    return ""
