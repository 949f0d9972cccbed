"""Parameters whose values are drawn when they are first needed."""

import gc
import threading
import weakref

import numpy as np
import pytest

import pellucid as pc
from pellucid.core.expression import storage_of
from pellucid.operations.source import deferred_parameter


class Drawing:
    """Draws ones, and counts how often."""

    def __init__(self, value=1.0, shape=(2, 3), dtype="float32"):
        self.array, self.times = np.full(shape, value, dtype), 0

    def __call__(self):
        self.times += 1
        return self.array


def test_nothing_is_drawn_before_it_is_needed():
    draw = Drawing()
    W = deferred_parameter((2, 3), "float32", draw, name="W", trainable=False)
    loss = (W * W).sum()
    f = pc.function([], loss, updates=[(W, W - pc.gradient(loss, W))])
    f.compiled()
    assert (W.shape, W.dtype, W.name, W.trainable) == ((2, 3), "float32", "W", False)
    assert draw.times == 0
    assert not storage_of(W).drawn
    assert f() == 6
    np.testing.assert_array_equal(W.value, -np.ones((2, 3)))
    assert draw.times == 1
    assert storage_of(W).drawn


def test_the_reference_draws_as_well():
    W = deferred_parameter((2, 3), "float32", Drawing(2.0))
    assert pc.function([], W.sum(), backend="reference")() == 12


def test_what_was_drawn_is_copied():
    draw = Drawing()
    W = deferred_parameter((2, 3), "float32", draw)
    assert W.value.sum() == 6
    draw.array[:] = 9
    assert W.value.sum() == 6
    assert storage_of(W).array.ctypes.data % 64 == 0


def test_another_way_to_draw_counts_until_the_first_value():
    first, second, third = Drawing(1), Drawing(2), Drawing(3)
    W = deferred_parameter((2, 3), "float32", first)
    storage_of(W).draw_by(second)
    assert W.value[0, 0] == 2
    storage_of(W).draw_by(third)
    assert W.value[0, 0] == 2
    assert (first.times, second.times, third.times) == (0, 1, 0)


def test_a_value_that_is_set_is_not_drawn():
    draw = Drawing()
    W = deferred_parameter((2, 3), "float32", draw)
    W.value = np.full((2, 3), 5)
    assert storage_of(W).drawn
    np.testing.assert_array_equal(W.value, np.full((2, 3), 5, "float32"))
    assert draw.times == 0


def test_threads_draw_once():
    draw, started = Drawing(shape=(200, 300)), threading.Barrier(8)
    W = deferred_parameter((200, 300), "float32", draw)
    found = []

    def read():
        started.wait()
        found.append(storage_of(W).array)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert draw.times == 1
    assert all(array is found[0] for array in found)


@pytest.mark.parametrize(
    ("draw", "error", "says"),
    [
        (Drawing(shape=(3, 2)), pc.ShapeError, r"shape \(2, 3\) returned an array of shape \(3, 2\)"),
        (Drawing(dtype="float64"), pc.DtypeError, r"of float32 returned float64; convert it with .astype\('float32'\)"),
    ],
)
def test_what_draws_something_else_is_told_and_may_be_replaced(draw, error, says):
    W = deferred_parameter((2, 3), "float32", draw)
    with pytest.raises(error, match=says):
        _ = W.value
    assert not storage_of(W).drawn
    storage_of(W).draw_by(Drawing(4))
    assert W.value[0, 0] == 4


def test_named_axes_have_no_memory():
    with pytest.raises(pc.ShapeError, match="whole numbers"):
        deferred_parameter(("batch", 3), "float32", Drawing())


def test_a_parameter_that_was_never_drawn_leaves_no_trace():
    draw = Drawing()
    gone = weakref.ref(deferred_parameter((2, 3), "float32", draw))
    kept = weakref.ref(draw)
    del draw
    gc.collect()
    assert gone() is None
    assert kept() is None
