"""What the command line tells of this machine: its processor, caches and memory, and what it reaches at best."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from ..backends.native.machine import Machine, instruction_set, machine
from ..backends.native.peak import Peak, Rates, encoded, peak
from ..backends.xla.library import is_there as xla_is_there
from ..backends.xla.placement import devices as xla_devices
from ..core.memory import show_bytes
from .screen import Screen

BUSY = 0.2  # a median so far below the best says that something else was running
NO_JAX = "not looked for: that takes JAX (pip install 'pellucid[xla]', and JAX's build for them)"


def devices(screen: Screen, refresh: bool = False, as_json: bool = False) -> None:
    """Show what this machine is and what it reaches, measured now or before.

    Args:
        screen: where it is shown.
        refresh: measure anew.
        as_json: write it as JSON, for programs.

    Raises:
        PellucidError: an environment variable is set to what it cannot be.
    """
    of = machine()
    with screen.progress(["measuring"], 1, "limits") as (report,):
        reached = peak(refresh, report=None if as_json else report)
    if as_json:
        screen.data(_as_data(of, reached))
        return
    screen.heading("Processor")
    screen.facts(_facts(of))
    screen.heading("Measured peak")
    screen.table(["arithmetic, GFLOP/s", *_columns(reached)], _rows(reached.arithmetic))
    screen.heading("Measured copy bandwidth")
    screen.table(["read and written, GB/s", *_columns(reached)], _rows(reached.bandwidth))
    if reached.spread > BUSY:
        screen.say(
            f"Runs differed by up to {reached.spread:.0%}, so the machine was probably busy with something else; the"
            " figures are the best of each. To measure again: pellucid devices --refresh"
        )


def _facts(of: Machine) -> list[tuple[str, str]]:
    target, caches = of.target, of.caches
    lanes = f"{target.lanes('float32')} float32 or {target.lanes('float64')} float64"
    sizes = [f"{name} {show_bytes(size)}" for name, size in zip(("L1", "L2", "L3"), caches, strict=True) if size]
    return [
        ("model", of.processor),
        ("cores for this process", str(of.cores)),
        ("vectors", f"{instruction_set(target)}, {target.vector_bits} bits: {lanes}"),
        ("caches", ", ".join(sizes)),
        ("memory", f"{show_bytes(of.memory.total)}, of which {show_bytes(of.memory.available)} are available"),
        ("GPUs", gpus()),
    ]


def gpus() -> str:
    """Return what XLA sees beside the processor, in words."""
    if not xla_is_there():
        return NO_JAX
    found = [d for d in xla_devices() if d.platform != "cpu"]
    names = Counter(f"{d.name} ({show_bytes(d.memory)})" if d.memory else d.name for d in found)
    return ", ".join(f"{count} x {name}" for name, count in names.items()) or "none that XLA sees"


def _columns(reached: Peak) -> list[str]:
    return ["1 thread"] if reached.threads == 1 else ["1 thread", f"{reached.threads} threads"]


def _rows(part: dict[str, Rates]) -> list[list[str]]:
    return [[name, *(f"{rate.best:,.1f}" for rate in rates.values())] for name, rates in part.items()]


def _as_data(of: Machine, reached: Peak) -> dict[str, Any]:
    return {
        "processor": of.processor,
        "cores": of.cores,
        "instruction_set": instruction_set(of.target),
        "vector_bits": of.target.vector_bits,
        "caches_bytes": of.caches._asdict(),
        "memory_bytes": of.memory._asdict(),
        "xla": [asdict(d) for d in xla_devices()] if xla_is_there() else None,
        "peak": {"unit": {"arithmetic": "GFLOP/s", "bandwidth": "GB/s"}, **encoded(reached)},
    }
