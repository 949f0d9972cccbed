"""What LLVM leaves in memory is given back, and it works as before."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks.memory import field

from pellucid.backends.native import engine, residue
from pellucid.backends.native.target import host

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is given back")

TEXT = "define double @f(double %x) {\n  %y = fadd double %x, 0.25\n  ret double %y\n}\n"


def library() -> str:
    return str(engine._llvm().ffi.lib._name)


def test_only_what_was_never_written() -> None:
    written = []
    for line in residue.MAPS.read_text().splitlines():
        place, mode, *rest = line.split()
        if rest[-1] == library() and "w" in mode:
            written.append(tuple(int(part, 16) for part in place.split("-")))
    found = list(residue.never_written(Path(library())))
    assert found
    for start, size in found:
        assert all(start + size <= low or high <= start for low, high in written)


def test_what_is_relocated_stays() -> None:
    """A page that the loader has written differs from the file, whatever its protection is by now."""
    changed, last = [], (0, 0)
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0]:
            low, _, high = words[0].partition("-")
            last = (int(low, 16), int(high, 16)) if words[-1] == library() else (0, 0)
        elif words[0] == "Anonymous:" and words[1] != "0" and last[1]:
            changed.append(last)
    assert changed
    for start, size in residue.never_written(Path(library())):
        assert all(start + size <= low or high <= start for low, high in changed)


def test_memory_falls_and_code_is_the_same() -> None:
    before = engine.emit_objects(TEXT, host())
    resident = field("VmRSS") or 0
    engine.give_back()
    assert (field("VmRSS") or 0) < resident - 10 * 2**20
    assert engine.emit_objects(TEXT, host()) == before


def test_a_library_that_there_is_not() -> None:
    residue.give_back("/nowhere/libllvmlite.so")
