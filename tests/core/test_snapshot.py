"""Copies of parameters' values, and going back to them."""

import threading

import numpy as np
import pytest

import pellucid as pc
from pellucid.core.snapshot import snapshot
from pellucid.operations.source import deferred_parameter


def pair():
    return pc.parameter(np.arange(6.0).reshape(2, 3), name="W"), pc.parameter(7, dtype="int32")


def test_restore_gives_back_every_value():
    parameters = pair()
    before = snapshot(parameters)
    for p in parameters:
        p.value = p.value * 2 + 1
    before.restore()
    np.testing.assert_array_equal(parameters[0].value, np.arange(6.0).reshape(2, 3))
    assert parameters[1].value == 7
    assert [v.dtype.name for v in before.values] == ["float32", "int32"]


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_steps_do_not_reach_the_copy_and_go_on_from_what_was_restored(backend):
    W, _ = pair()
    step = pc.function([], W, updates=[(W, W * 2)], backend=backend)
    before = snapshot([W])
    first = step.repeat(3)()
    before.restore()
    np.testing.assert_array_equal(step.repeat(3)(), first)
    np.testing.assert_array_equal(before.values[0], np.arange(6.0).reshape(2, 3))


def test_take_copies_into_the_same_memory():
    W, _ = pair()
    kept = snapshot([W])
    memory = kept.values[0]
    W.value = np.ones((2, 3))
    kept.take()
    W.value = np.zeros((2, 3))
    kept.restore()
    assert kept.values[0] is memory
    np.testing.assert_array_equal(W.value, np.ones((2, 3)))


def test_what_was_not_drawn_is_drawn():
    W = deferred_parameter((2,), "float32", lambda: np.array([1, 2], "float32"))
    before = snapshot([W])
    W.value = [5, 6]
    before.restore()
    np.testing.assert_array_equal(W.value, [1, 2])


def test_all_values_are_of_one_moment():
    a, b = pc.parameter(np.zeros(1000)), pc.parameter(np.zeros(1000))
    step = pc.function([], [], updates=[(a, a + 1), (b, b + 1)])
    step()
    stop = threading.Event()

    def train():
        while not stop.is_set():
            step()

    thread = threading.Thread(target=train)
    thread.start()
    try:
        kept = snapshot([b, a])
        for _ in range(300):
            kept.take()
            np.testing.assert_array_equal(kept.values[0], kept.values[1])
    finally:
        stop.set()
        thread.join()
