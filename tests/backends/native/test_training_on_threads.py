"""A training step gives the same bits on any number of threads, in child processes as well, and can be interrupted."""

import multiprocessing
import os
import sys

import numpy as np
import pytest

import pellucid as pc
from backends.native.meeting import in_a_process


def trained(threads, steps=3):
    """Return the bytes of losses and weights after some steps of a product of 256x512 and 512x256."""
    os.environ["PELLUCID_THREADS"] = str(threads)
    random = np.random.default_rng(1)
    x, w = pc.variable("x", (256, 512)), pc.parameter(random.normal(size=(512, 256)).astype("float32"), name="W")
    loss = ((x @ w) ** 2).mean()
    step = pc.function([x], loss, [(w, w - 0.01 * pc.gradient(loss, w))])
    values = random.normal(size=(256, 512)).astype("float32")
    losses = [np.asarray(step(values)).tobytes() for _ in range(steps)]
    assert len(set(losses)) == steps  # it does train
    return b"".join([*losses, np.asarray(w.value).tobytes()])


@pytest.fixture(autouse=True)
def _variable(monkeypatch):
    monkeypatch.setenv("PELLUCID_THREADS", "1")  # and what it was comes back


@pytest.mark.parametrize("threads", [2, 3, 4, 7])
def test_the_same_bits_on_any_number_of_threads(threads):
    assert trained(threads) == trained(1)


@pytest.mark.filterwarnings("ignore:os.fork\\(\\) was called:RuntimeWarning")  # by JAX, if another test has loaded it
@pytest.mark.skipif(sys.platform != "linux", reason="forking a process with threads is safe on Linux only")
def test_the_same_bits_in_forked_processes():
    expected = trained(2)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(trained, [1, 2, 3, 7]).get(timeout=120) == [expected] * 4


def test_the_same_bits_in_processes_of_joblib():
    joblib = pytest.importorskip("joblib")
    assert (
        joblib.Parallel(n_jobs=2, backend="loky", timeout=120)(joblib.delayed(trained)(threads) for threads in (2, 3))
        == [trained(1)] * 2
    )


INTERRUPTED = """
import os, signal, threading, time
os.environ["PELLUCID_THREADS"] = "3"
import numpy as np
import pellucid as pc
x, w = pc.variable("x", (256, 512)), pc.parameter(np.full((512, 256), 1e-3, np.float32), name="W")
loss = ((x @ w) ** 2).mean()
step = pc.function([x], loss, [(w, w - 0.01 * pc.gradient(loss, w))])
values = np.ones((256, 512), np.float32)
step(values)
begun = threading.Event()
def interrupt():
    begun.wait()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
try:
    step.repeat(10**6)(values, progress=lambda done, total: begun.set())
except pc.Interrupted:
    print("interrupted", np.isfinite(np.asarray(step(values))))
"""


def test_an_interrupt_ends_a_long_run_and_leaves_the_function_usable():
    assert in_a_process(INTERRUPTED) == "interrupted True\n"


BETWEEN_STARTS = """
import os, signal
from backends.native.meeting import meet
from pellucid.backends.native import workers
begin = workers._START
def interrupted(address):
    start = begin(address)
    def once(*arguments):
        start(*arguments)
        workers._START = begin
        raise KeyboardInterrupt
    return once
workers._START = interrupted
try:
    meet(3)
except KeyboardInterrupt:
    print(signal.pthread_sigmask(signal.SIG_BLOCK, []), [meet(3), meet(4)], len(os.listdir('/proc/self/task')))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="this counts threads as Linux shows them")
def test_an_interrupt_while_workers_start_loses_none_and_blocks_no_signals():
    assert in_a_process(BETWEEN_STARTS, OPENBLAS_NUM_THREADS="1") == "set() [3, 4] 4\n"
