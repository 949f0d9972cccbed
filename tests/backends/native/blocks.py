"""What the tests of contractions in blocks share: machines, low thresholds, and bounds for sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pc
from backends.native.kernels import TARGETS, available
from pellucid.backends.native.target import host
from pellucid.backends.reference import evaluate
from pellucid.schedule.contraction import is_blocked
from pellucid.schedule.loops import Contraction, Program, leaves

MACHINES = (*TARGETS, "wide")
Array = np.ndarray[Any, Any]


def lower_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every contraction in blocks, however small, and cut sums of more than 24 steps, about 16 at a time.

    The disk cache keeps nothing: its keys do not tell.
    """
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "0")
    for name, value in {
        "schedule.layout.NESTED_TOTAL": 0,
        "schedule.layout.NESTED_WORK": 0,
        "schedule.contraction.BLOCKED_WORK": 1,
        "schedule.contraction.WHOLE_SUM": 24,
        "backends.native.blocking.BLOCK": 16,
        "backends.native.blocking.FAR_APART": 8,
        "backends.native.blocking.FEWEST_UNITS": 2,
        "backends.native.blocked.MANY_UNITS": 8,
        "operations.convolution.LARGE": 1,
        "operations.convolution.FEWEST_CHANNELS": 2,
    }.items():
        monkeypatch.setattr(f"pellucid.{name}", value)


def use(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    """Generate code for a machine, or skip the test where this one cannot run it.

    "wide" is this machine with registers of 512 bits, which LLVM splits where there are none: tiles have the shapes
    that AVX-512 has. Exponents are not for it, since their instructions cannot be split.
    """
    if machine == "wide":
        target = host()._replace(vector_bits=512)
        monkeypatch.setattr("pellucid.backends.native.program.host", lambda: target)
    elif available(monkeypatch, machine) is None:
        pytest.skip(f"this machine has no {machine}")


def contractions(program: Program) -> list[Contraction]:
    """Return the contractions of a program that run in blocks."""
    found = [leaf for leaf in leaves([*program.once, *program.each]) if isinstance(leaf, Contraction)]
    return [c for c in found if is_blocked(c)]


def program_of(function: pc.Function) -> Program:
    """Return the loops of a function that has been compiled."""
    program: Program = function.compiled().executable.program
    return program


def check_sums(inputs: list[pc.Expression], roots: list[pc.Expression], arrays: list[Array], terms: int) -> Program:
    """Check sums of products: each within ``terms`` roundings of the sum of their magnitudes; return the program.

    A sum of n products, in any order, is off by at most n roundings of the sum of their magnitudes (Higham, Accuracy
    and Stability of Numerical Algorithms, section 3.1). What is checked must be linear in every operand.
    """
    function = pc.function(inputs, roots)
    found = function(*arrays)
    expected = evaluate(roots, dict(zip(inputs, arrays, strict=True)), precise=True)
    sizes = evaluate(roots, dict(zip(inputs, map(np.abs, arrays), strict=True)), precise=True)
    for one, oracle, size, root in zip(found, expected, sizes, roots, strict=True):
        bound = (terms + 2) * np.finfo(root.dtype).eps * np.abs(size)
        assert one.shape == oracle.shape
        assert (np.abs(one - oracle) <= bound).all(), (root, float(np.max(np.abs(one - oracle) - bound)))
    return program_of(function)


def normal(seed: int, *expressions: pc.Expression) -> list[Array]:
    """Return random arrays for expressions, always the same ones."""
    generator = np.random.default_rng(seed)
    return [generator.normal(size=e.shape).astype(e.dtype) for e in expressions]
