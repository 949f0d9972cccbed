"""Loops around stores run in the order of memory, where no pass needs what another one makes."""

from __future__ import annotations

import pytest

import pellucid as pc
from backends.native.blocks import program_of
from pellucid.core.indices import loop_variable
from pellucid.schedule.loops import Buffer, Load, Loop, Store
from pellucid.schedule.text import program_text
from pellucid.schedule.vectorise import in_memory_order

I, J = loop_variable("i"), loop_variable("j")
X, Y, Z = (Buffer(name, "float32", 1 << 16, "arena") for name in "xyz")
ROW = J * 64 + I  # j counts rows, and is the loop inside


def order(*body: Store) -> str:
    """Return the variables of two loops around stores, from the outermost in."""
    (outer,) = in_memory_order([Loop("i", 64, [Loop("j", 32, list(body))])])
    assert isinstance(outer, Loop)
    (inner,) = outer.body
    assert isinstance(inner, Loop)
    return outer.variable + inner.variable


TURNED = {
    "one store": [Store(Y, ROW, Load(X, I * 32 + J))],
    "one after another": [Store(Y, ROW, Load(X, ROW)), Store(Z, ROW, Load(Y, ROW))],
    "in place": [Store(Y, ROW, Load(Y, ROW)), Store(Z, ROW, Load(Y, ROW))],
    "from far away": [Store(Y, ROW, Load(Y, ROW + 64 * 32))],
}
KEPT = {
    "the neighbour's": [Store(Y, ROW, Load(Y, ROW + 1))],
    "another row": [Store(Y, ROW, Load(X, ROW)), Store(Z, ROW, Load(Y, I))],
    "other orders": [Store(Y, ROW, Load(X, ROW)), Store(Z, I * 32 + J, Load(X, ROW))],
    "two places": [Store(Y, ROW, Load(X, ROW)), Store(Y, ROW + 1, Load(X, ROW))],
}


@pytest.mark.parametrize("case", TURNED)
def test_turned(case):
    assert order(*TURNED[case]) == "ji"


@pytest.mark.parametrize("case", KEPT)
def test_kept(case):
    assert order(*KEPT[case]) == "ij"


def test_an_update_is_one_loop_over_the_memory_of_its_weights():
    """Also where a bias, which is shorter, has the axis of the weights that lies together."""
    W, b = pc.parameter([[0.1] * 24] * 20, name="W"), pc.parameter([0.0] * 24, name="b")
    x = pc.variable("x", (16, 20))
    updates = pc.optimizers.Adam(0.1).updates(pc.square(x @ W + b).mean(), [W, b])
    f = pc.function([x], [], updates=updates)
    f([[1.0] * 20] * 16)
    text = program_text(program_of(f))
    (loop,) = [part for part in text.split("    for ") if "W.velocity[" in part]
    assert " in 480 vector:" in loop
    assert "W.momentum[" in loop
    assert "sqrt(W.velocity[" in loop
