"""What one pass of a loop needs alone is kept for that pass, however deep the loop lies, and lanes hold it."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pc
from backends.native.blocks import program_of
from pellucid.backends.reference import evaluate
from pellucid.schedule.loops import Buffer, Loop, Program, Statement, leaves

SIDE = 64  # of images so large that a whole one's pooled elements are too many for lanes


def pooled(channels: int) -> tuple[pc.Function, np.ndarray, list[np.ndarray]]:
    """Return a function of the largest of overlapping windows and what they give back, an image, and what is right."""
    image = np.random.default_rng(2).integers(-3, 4, (3, SIDE, SIDE, channels)).astype(np.float32)  # many are equal
    x, scale = pc.variable("x", image.shape), pc.parameter(np.float32(0.5), name="scale")
    y = pc.max_pool2d(x * scale, 3, 2, "same")
    outputs = [pc.tanh(y), pc.gradient((pc.tanh(y) ** 2).sum(), x)]
    values = {x: image, scale: np.float32(0.5)}
    return pc.function([x], outputs), image, evaluate(outputs, values)


def loops(statements: list[Statement]) -> list[Loop]:
    found = [s for s in statements if isinstance(s, Loop)]
    return [*found, *(inner for s in found for inner in loops(s.body))]


def private(program: Program) -> set[Buffer]:
    return {leaf.buffer for leaf in leaves(program.each) if leaf.buffer.place == "private"}


@pytest.mark.parametrize("channels", [8, 19, 32])
def test_a_window_needs_one_element_and_channels_run_in_lanes(channels):
    function, image, _ = pooled(channels)
    function(image)
    program = program_of(function)
    firsts = {buffer for buffer in private(program) if buffer.name.startswith("min")}
    assert [buffer.size for buffer in firsts] == [1], "where a window's largest is, and of no other window"
    lanes = [loop for loop in loops(program.each) if loop.mode == "vector"]
    assert any(leaf.buffer in firsts for loop in lanes for leaf in leaves(loop.body))


@pytest.mark.parametrize("channels", [1, 3, 8, 19, 32])
def test_lanes_with_an_element_each_inside_other_loops_agree_with_the_reference(channels):
    function, image, expected = pooled(channels)
    for found, right in zip(function(image), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=2e-6, atol=2e-6)
