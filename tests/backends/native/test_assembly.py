"""The machine code of the micro-kernels, for processors that this machine need not be."""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import pytest

import pellucid as pc
from backends.native.blocks import lower_thresholds
from backends.native.images import MNIST, SMALL, data, training
from pellucid.backends.native import engine
from pellucid.backends.native.generate import Generated
from pellucid.backends.native.target import Target

LINUX = "x86_64-unknown-linux-gnu"
YMM, ZMM, NEON = r"vfmadd\d+ps\b.*%ymm", r"vfmadd\d+ps\b.*%zmm", r"fmla\s+v\d+\.4s"
X86_SPILL, ARM_SPILL = r"\bv?mov\w+\s+%[yz]mm\d+, [-\w]*\(%rsp", r"\bst[pru]+\s+q\d+.*\[sp"
PROCESSORS = {  # each with what adds up, and what a spilled register looks like
    "avx2": (Target(LINUX, "x86-64-v3", "", 256, True), YMM, X86_SPILL),
    "avx512": (Target(LINUX, "x86-64-v4", "", 512, True), ZMM, X86_SPILL),
    "zen 4": (Target(LINUX, "znver4", "", 512, True), ZMM, X86_SPILL),
    "neon": (Target("aarch64-unknown-linux-gnu", "generic", "", 128, True), NEON, ARM_SPILL),
}


@pytest.fixture(scope="module")
def step():
    """The training step of a convolutional network, which is neither compiled nor run."""
    function, _ = training(MNIST, pc.optimizers.Adam())
    function(*data(MNIST))
    return function.compiled().rewritten


def functions(text: str) -> dict[str, list[str]]:
    """Return the lines of each micro-kernel."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        begins = re.match(r"(\w+):", line)
        if begins:
            name = begins[1]
        if name.startswith("tile"):
            found.setdefault(name, []).append(line)
        if ".Lfunc_end" in line:
            name = ""
    return found


def inner_loops(lines: list[str]) -> list[list[str]]:
    """Return the lines of each loop in which no other loop lies: from a label to a jump back to it."""
    labels = {line.partition(":")[0]: k for k, line in enumerate(lines) if re.match(r"\.L\w+:", line)}
    loops = []
    for end, line in enumerate(lines):
        jump = re.match(r"\s+(?:j\w+|b\.\w+|cbnz?|cbz|tbn?z|b)\s.*?(\.L\w+)", line)
        if jump and labels.get(jump[1], end) < end:
            loops.append((labels[jump[1]], end))
    return [lines[a:b] for a, b in loops if not any(a <= c and d < b for c, d in loops if (c, d) != (a, b))]


@pytest.mark.parametrize("name", PROCESSORS)
def test_inner_loops_multiply_and_add_in_registers(step, name):
    target, multiply_add, spill = PROCESSORS[name]
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    text = engine.assembly(Generated(step).llvm(target), target)
    kernels = functions(text)
    assert len(kernels) >= 6
    loops = ["\n".join(loop) for lines in kernels.values() for loop in inner_loops(lines)]
    working = [loop for loop in loops if re.search(multiply_add, loop)]
    spilling = [loop for loop in working if re.search(spill, loop)]
    assert len(working) >= 8, "a loop of each kind of product"
    assert not spilling, spilling[-1]


def test_spills_would_be_seen():
    """The expressions above do match what they look for."""
    for _, multiply_add, spill in PROCESSORS.values():
        lines = [
            "\tvmovups\t%zmm3, 64(%rsp)",
            "\tvmovaps\t%ymm3, (%rsp)",
            "\tstr\tq3, [sp, #16]",
            "\tstp\tq0, q1, [sp]",
        ]
        assert any(re.search(spill, line) for line in lines)
        sums = ["vfmadd231ps\t%zmm1, %zmm2, %zmm3", "vfmadd231ps\t(%rax), %ymm2, %ymm3", "fmla\tv3.4s, v1.4s, v2.s[0]"]
        assert any(re.search(multiply_add, line) for line in sums)
    assert inner_loops([".L1:", " a", ".L2:", " b", " jne .L2", " c", " jne .L1"]) == [[".L2:", " b"]]


@pytest.mark.parametrize("name", PROCESSORS)
def test_small_networks_compile_for_them(name, monkeypatch):
    """Every kind of tail and tile becomes code, not only those of round sizes."""
    lower_thresholds(monkeypatch)
    target = PROCESSORS[name][0]
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    function, _ = training(SMALL, pc.optimizers.Adam())
    function(*data(SMALL))
    assert "tile0" in engine.assembly(Generated(function.compiled().rewritten).llvm(target), target)
