"""How much a kernel does, counted from its loops, against what one counts by hand."""

import numpy as np
import pytest

import pellucid as pc
from pellucid.backends.native.program import NativeStep
from pellucid.core.indices import Index, loop_variable
from pellucid.schedule.counts import count, mark
from pellucid.schedule.loops import Clip

FLOAT = 4


def counted(inputs, outputs, updates=()):
    """Return what is counted for all loops of a step."""
    compilation = pc.function(inputs, outputs, updates=updates, backend="reference").compiled()
    return count(NativeStep(compilation.rewritten).program.each)


def test_a_product():
    x, y = pc.variable("x", (96, 80)), pc.variable("y", (80, 64))
    found = counted([x, y], x @ y)
    assert found.operations == {"float32": 2 * 96 * 80 * 64}
    assert (found.read, found.written) == (FLOAT * (96 * 80 + 80 * 64), FLOAT * 96 * 64)
    assert found.touched == found.read + found.written


def test_a_product_in_float64_is_counted_as_such():
    x, y = pc.variable("x", (96, 80), "float64"), pc.variable("y", (80, 64), "float64")
    found = counted([x, y], x @ y)
    assert found.operations == {"float64": 2 * 96 * 80 * 64}
    assert found.written == 8 * 96 * 64


def test_what_follows_a_product_is_counted_element_by_element():
    x, y, b = pc.variable("x", (96, 80)), pc.parameter(np.ones((80, 64))), pc.parameter(np.ones(64))
    found = counted([x], pc.relu(x @ y + b))
    assert found.operations == {"float32": 2 * 96 * 80 * 64 + 2 * 96 * 64}
    assert (found.read, found.written) == (FLOAT * (96 * 80 + 80 * 64 + 64), FLOAT * 96 * 64), "the sum stays at hand"


def test_a_convolution_without_padding():
    x, kernel = pc.variable("x", (4, 12, 12, 16)), pc.variable("kernel", (3, 3, 16, 32))
    found = counted([x, kernel], pc.conv2d(x, kernel))
    assert found.operations == {"float32": 2 * 4 * 10 * 10 * 32 * 3 * 3 * 16}
    assert (found.read, found.written) == (FLOAT * (4 * 12 * 12 * 16 + 9 * 16 * 32), FLOAT * 4 * 10 * 10 * 32)


def test_rows_that_a_convolution_skips_are_no_operations():
    x, kernel = pc.variable("x", (4, 12, 12, 16)), pc.variable("kernel", (3, 3, 16, 32))
    found = counted([x, kernel], pc.conv2d(-x, kernel, padding="same"))
    rows = 3 * 12 - 2  # of each position in the kernel all places, but for one at the top and one at the bottom
    assert found.operations == {"float32": 2 * 4 * rows * 12 * 32 * 3 * 16 + 4 * 12 * 12 * 16}
    padded = 4 * 12 * 14 * 16  # columns are padded in memory, by the same step
    assert found.written == FLOAT * (padded + 4 * 12 * 12 * 32)
    assert found.read == FLOAT * (4 * 12 * 12 * 16 + 9 * 16 * 32)


def test_nor_are_columns_of_what_is_given():
    x, kernel = pc.variable("x", (4, 12, 12, 16)), pc.variable("kernel", (3, 3, 16, 32))
    found = counted([x, kernel], pc.conv2d(x, kernel, padding="same"))
    assert found.operations == {"float32": 2 * 4 * (3 * 12 - 2) ** 2 * 32 * 16}
    assert (found.read, found.written) == (FLOAT * (4 * 12 * 12 * 16 + 9 * 16 * 32), FLOAT * 4 * 12 * 12 * 32)


def test_elementwise_operations_count_once_each():
    x, y = pc.variable("x", (1000,)), pc.parameter(np.ones(1000))
    found = counted([x], pc.exp(x * y) + x * y)
    assert found.operations == {"float32": 3 * 1000}, "the product is one, though it is used twice"
    assert (found.read, found.written) == (2 * FLOAT * 1000, FLOAT * 1000)


def test_a_sum_counts_what_it_adds():
    W = pc.parameter(np.ones((300, 7)))
    found = counted([], pc.exp(W).sum())
    parts = 15  # the sum is cut into as many, which are added up
    assert found.operations["float32"] in {2 * 300 * 7, 2 * 300 * 7 + parts}
    assert found.read == FLOAT * 300 * 7


def test_an_update_reads_and_writes_its_parameter():
    W, g = pc.parameter(np.ones(500), name="W"), pc.variable("g", (500,))
    found = counted([g], [], [(W, W - 0.5 * g)])
    assert found.operations == {"float32": 2 * 500}
    assert (found.read, found.written, found.touched) == (FLOAT * 1000, FLOAT * 500, FLOAT * 1000)


def test_picked_rows_are_as_many_as_are_picked():
    table, rows = pc.variable("table", (1000, 32)), pc.variable("rows", (50,), "int32")
    found = counted([table, rows], pc.exp(pc.take(table, rows)))
    assert found.read == FLOAT * 50 * 32 + FLOAT * 50
    assert found.written == FLOAT * 50 * 32


@pytest.mark.parametrize(
    ("index", "sizes"),
    [
        (loop_variable("i") * 3 + 2, {"i": 5}),
        (loop_variable("i") * 3 + loop_variable("j"), {"i": 5, "j": 4}),
        (loop_variable("i") * -7 + loop_variable("j") * 2 + 40, {"i": 5, "j": 3}),
        (loop_variable("i") * 12 + loop_variable("j") * 8 + loop_variable("k") * 3, {"i": 3, "j": 4, "k": 3}),
        (Index((), 9), {}),
    ],
)
def test_the_elements_an_index_reaches(index, sizes):
    marked, expected = np.zeros(100, bool), np.zeros(100, bool)
    mark(marked, index, sizes, ())
    for values in np.ndindex(*sizes.values()):
        expected[index.offset + sum(index.coefficient(n) * v for n, v in zip(sizes, values, strict=True))] = True
    np.testing.assert_array_equal(marked, expected)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_what_is_clipped_is_not_touched(stride):
    place, position, channel = (loop_variable(name) for name in "iwc")
    clip = Clip(place * stride + position - 2, 0, 10)
    marked, expected = np.zeros(40, bool), np.zeros(40, bool)
    mark(marked, clip.index * 4 + channel, {"i": 4, "w": 2, "c": 3}, (clip,))
    for i, w, c in np.ndindex(4, 2, 3):
        if 0 <= i * stride + w - 2 < 10:
            expected[4 * (i * stride + w - 2) + c] = True
    np.testing.assert_array_equal(marked, expected)
