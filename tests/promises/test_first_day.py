"""What must be right from the first day: draws, seeds, updates, and loops that are interrupted or abandoned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pellucid as pc

TESTS = Path(__file__).parents[1]
TRAIN = """
import sys, hashlib, numpy as np
sys.path.insert(0, sys.argv[1])
import pellucid as pc
if len(sys.argv) > 2:
    unrelated = [pc.tanh(pc.variable(f"u{k}", (k + 1,)) * k).sum() for k in range(100)]
    pc.function([], pc.uniform((3,)).sum())()
from networks import points, tanh_softmax
step, parameters = tanh_softmax(2, 3, 2)
losses = step.repeat(300)(*points(200, 2, 2))
mask = pc.uniform((4, 3)) < 0.5
x = pc.variable("x", ("batch", 3))
W = pc.parameter(np.ones((3, 3)), name="W")
four = pc.variable("four", (4, 3))
drop = pc.function([four], ((four @ W) * mask).sum(), updates=[(W, W * 0.99)], seed=7)
dropped = drop.repeat(50)(np.ones((4, 3)))
batch = pc.function([x], (x @ W).sum(axis=1)).minibatches(5, epochs=3, shuffle=True, seed=3)
rows = batch(np.arange(51, dtype="float32").reshape(17, 3))
digest = hashlib.sha256(b"".join(a.tobytes() for a in (losses, dropped, rows))).hexdigest()
code = hashlib.sha256(step.compiled().executable.text.encode()).hexdigest()
print(digest, code)
"""
INTERRUPT = """
import os, random, signal, sys, threading, time
import pellucid as pc
a, b = pc.parameter(0.0, dtype="float64"), pc.parameter(0.0, dtype="float64")
count = pc.function([], a, updates=[(a, a + 1), (b, b + 1)]).repeat(200_000_000)
pc.function([], a, updates=[(a, a + 1), (b, b + 1)]).repeat(10)()
a.value, b.value = 0.0, 0.0
expected, seen = 0, 0
for k in range(int(sys.argv[1])):
    timer = threading.Timer(random.Random(k).uniform(0.0, 0.02), os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        count()
        raise SystemExit("the loop ended before it was interrupted")
    except pc.Interrupted as stopped:
        expected, seen = expected + stopped.steps, seen + 1
        assert stopped.outputs.shape == (stopped.steps,)
    except KeyboardInterrupt:
        seen += 1  # before the loop began or after it was left
    assert float(a.value) == float(b.value) == expected, (a.value, b.value, expected)
    timer.join()
assert seen == int(sys.argv[1])
print("clean")
"""
ABANDON = """
import gc, sys, threading, time
import numpy as np
import pellucid as pc
def start():
    a = pc.parameter(np.zeros(64))
    loop = pc.function([], [], updates=[(a, a * 0.5 + 1)]).repeat(int(sys.argv[1]))
    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    return thread
thread = start()
for _ in range(20):
    gc.collect()
    time.sleep(0.005)
if sys.argv[2] == "wait":
    thread.join()
print("clean")
"""


def run(code: str, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_two_processes_give_the_same_bits_and_the_same_code():
    plain, again, busy = run(TRAIN, str(TESTS)), run(TRAIN, str(TESTS)), run(TRAIN, str(TESTS), "after 100 others")
    assert plain == again == busy


def test_interrupts_stop_after_whole_steps():
    assert run(INTERRUPT, "30").endswith("clean\n")


@pytest.mark.soak
def test_a_thousand_interrupts():
    assert run(INTERRUPT, "1000").endswith("clean\n")


@pytest.mark.parametrize("end", ["wait", "exit"])
def test_a_collection_or_an_exit_during_a_loop_is_clean(end):
    assert run(ABANDON, "3000000" if end == "wait" else "2000000000", end).endswith("clean\n")


def test_two_equal_dropouts_differ_and_a_gradient_reuses_its_mask():
    x = pc.variable("x", (1000,))
    first, second = (x * (pc.uniform((1000,)) < 0.5) for _ in range(2))
    f = pc.function([x], [first, second, *pc.gradient(first.sum() + (2 * second).sum(), [x])], seed=3)
    one, two, slope = f(np.ones(1000))
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(slope, one + 2 * two)
    assert 400 < one.sum() < 600
    assert not np.array_equal(f(np.ones(1000))[0], one), "the next step draws anew"


def test_another_seed_draws_other_numbers():
    draw = pc.uniform((8,))
    seeds = [pc.function([], draw, seed=s)() for s in (1, 1, 2)]
    np.testing.assert_array_equal(seeds[0], seeds[1])
    assert not np.array_equal(seeds[0], seeds[2])


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_updates_swap_and_rotate(backend):
    a, b, c = (pc.parameter(np.full(5, v)) for v in (1.0, 2.0, 3.0))
    pc.function([], [], updates=[(a, b), (b, a)], backend=backend)()
    assert (a.value[0], b.value[0]) == (2, 1)
    pc.function([], [], updates=[(a, b), (b, c), (c, a)], backend=backend).repeat(4)()
    assert (a.value[0], b.value[0], c.value[0]) == (1, 3, 2)


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_a_weight_used_twice_updates_once(backend):
    W = pc.parameter([1.0, 2.0])
    loss = (W * W).sum() + (3 * W).sum()
    f = pc.function([], loss, updates=[(W, W - 0.1 * pc.gradient(loss, W))], backend=backend)
    assert float(f()) == pytest.approx(14.0)
    np.testing.assert_allclose(W.value, [0.5, 1.3], rtol=1e-6)


def test_an_old_value_read_after_its_update_is_the_old_one():
    a, b = pc.parameter(np.arange(40.0)), pc.parameter(np.zeros(40))
    f = pc.function([], [a.sum(), a[::-1]], updates=[(a, a + 1), (b, a[::-1] * 2)])
    total, reverse = f()
    assert float(total) == 780
    np.testing.assert_array_equal(reverse, np.arange(40.0)[::-1])
    np.testing.assert_array_equal(b.value, np.arange(40.0)[::-1] * 2)
    np.testing.assert_array_equal(a.value, np.arange(40.0) + 1)
