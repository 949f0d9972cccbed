"""Sizes that no machine has memory for, that this one has not, and sizes of zero."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pellucid as pc
from pellucid.core import memory as memory_of_the_machine
from pellucid.core.memory import Memory

SOURCE = Path(__file__).parents[2] / "src"
BACKENDS = ["native", "reference"]
LIMITED = f"""
import resource, sys
sys.path.insert(0, {str(SOURCE)!r})
import numpy as np, pellucid as pc
x = pc.variable("x", ("n",))
f = pc.function([x], x[:, None] * x)
f(np.ones(4))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
try:
    f(np.ones(2**14))
except pc.MemoryNeededError as error:
    print(error)
"""


@pytest.fixture
def small_machine(monkeypatch):
    """A machine that has 128 MiB left."""
    monkeypatch.setattr(memory_of_the_machine, "memory", lambda: Memory(2**30, 2**27))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_product_that_no_machine_holds_names_operand_and_sizes(backend):
    n = 2**40
    x, y = pc.variable("x", (n, n)), pc.variable("y", (n, n))
    with pytest.raises(pc.MemoryNeededError, match=rf"x has shape \({n}, {n}\), which is 4.4e\+12 TiB of float32"):
        pc.function([x, y], x @ y, backend=backend).compiled()


def test_a_product_is_refused_where_only_its_result_overflows():
    n = 2**40
    x, y = pc.variable("x", (n, 1)), pc.variable("y", (1, n))
    with pytest.raises(pc.MemoryNeededError, match=rf"x @ y has shape \({n}, {n}\).*test_sizes.py"):
        pc.function([x, y], (x @ y).sum()).compiled()


def test_the_largest_size_of_an_axis_itself():
    x = pc.variable("x", (2**63,), "uint8")
    with pytest.raises(pc.MemoryNeededError, match="more than any computer has"):
        pc.function([x], x.sum()).compiled()


def test_named_sizes_are_checked_once_they_are_known():
    x = pc.variable("x", ("n",))
    f = pc.function([x], (x[:, None, None] * x[:, None] * x).sum())
    assert f(np.ones(3)) == 27
    with pytest.raises(pc.MemoryNeededError, match=r"\(2097152, 2097152, 2097152\), which is 3.4e\+07 TiB of float32"):
        f(np.ones(2**21))


@pytest.mark.parametrize("backend", BACKENDS)
def test_outputs_that_do_not_fit_are_refused_before_they_are_made(small_machine, backend):
    x = pc.variable("x", ("n",))
    f = pc.function([x], x[:, None] - x, backend=backend)
    assert f(np.zeros(2**10)).shape == (2**10, 2**10)
    with pytest.raises(pc.MemoryNeededError, match=r"a call needs \d\.?\d* TiB of memory, and 128 MiB are available"):
        f(np.zeros(2**19))


def test_an_arena_that_does_not_fit_is_refused(small_machine):
    x = pc.variable("x", ("n",))
    each = pc.exp(x[:, None] - x)
    f = pc.function([x], (each @ each).sum())
    with pytest.raises(pc.MemoryNeededError, match=r"a call needs \d* MiB"):
        f(np.zeros(2**13))


def test_the_outputs_of_all_steps_count(small_machine):
    x, W = pc.variable("x", ("batch", 64)), pc.parameter(np.zeros(64), name="W")
    step = pc.function([x], W * 2, updates=[(W, W + x.sum(axis=0))])
    rows = np.ones((2**10, 64))
    with pytest.raises(pc.MemoryNeededError, match=r"a call needs 256 MiB of memory, and 128 MiB"):
        step.repeat(2**20)(rows)
    with pytest.raises(pc.MemoryNeededError, match=r"a call needs 256 MiB of memory, and 128 MiB"):
        step.minibatches(1, epochs=2**10)(rows)
    assert not W.value.any(), "it was refused before it started"


def test_a_limit_of_the_process_is_respected():
    result = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "a call needs 1 GiB of memory, and 2" in result.stdout


def test_the_memory_of_the_last_call_is_told_by_place():
    x, W = pc.variable("x", ("batch", 8)), pc.parameter(np.ones((8, 4)), name="W")
    table = pc.constant(np.arange(16.0, dtype="float32"))
    f = pc.function([x], [x @ W, table * 2 * x.sum()], updates=[(W, W * 0.5)])
    f(np.ones((3, 8)))
    assert f.memory() == {
        "inputs": 3 * 8 * 4,
        "parameters": 8 * 4 * 4,
        "constants": 16 * 4,
        "outputs": (3 * 4 + 16) * 4,
        "arena": f.compiled().executable.arena_bytes,
    }
    one = f.memory()
    loop = f.repeat(10)
    loop(np.ones((3, 8)))
    assert loop.memory() == {**one, "outputs": 10 * one["outputs"]}
    assert f.memory() == one, "what its loops take is their own"


def test_minibatches_count_full_and_short_batches_of_every_epoch():
    x = pc.variable("x", ("batch", 2))
    loop = pc.function([x], x * 2).minibatches(4, epochs=3)
    loop(np.ones((10, 2)))
    assert loop.memory()["outputs"] == 3 * 10 * 2 * 4
    assert loop.memory()["inputs"] == 10 * 2 * 4


def test_the_reference_keeps_every_value_of_a_step():
    x = pc.variable("x", (5,))
    f = pc.function([x], pc.exp(x) * pc.sin(x), backend="reference")
    assert f.memory()["arena"] == 3 * 5 * 4


ZERO = {
    "elementwise": lambda x, W: pc.exp(x) + 1,
    "all rows summed": lambda x, W: x.sum(axis=0),
    "all summed": lambda x, W: (x * 2).sum(),
    "product": lambda x, W: x @ W,
    "product of transposes": lambda x, W: x.T @ x,
    "softmax": lambda x, W: pc.softmax(x),
    "concatenated": lambda x, W: pc.concatenate([x, W.T], axis=0),
    "reshaped": lambda x, W: x.reshape(-1),
    "padded": lambda x, W: pc.pad(x, ((1, 1), (0, 0))),
    "sliced": lambda x, W: x[:0],
}


@pytest.mark.parametrize("name", ZERO)
@pytest.mark.parametrize("rows", [0, 3])
def test_zero_rows_agree_with_the_reference(name, rows):
    x, W = pc.variable("x", ("batch", 2)), pc.parameter([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], name="W")
    data = np.arange(2.0 * rows).reshape(rows, 2)
    native, reference = (pc.function([x], ZERO[name](x, W), backend=b)(data) for b in BACKENDS)
    assert native.shape == reference.shape
    np.testing.assert_allclose(native, reference, rtol=1e-6)


@pytest.mark.parametrize("columns", [0, 4])
def test_a_product_over_an_axis_of_zero_is_zero(columns):
    x, y = pc.variable("x", (3, 0)), pc.variable("y", (0, columns))
    result = pc.function([x, y], x @ y + 1)(np.zeros((3, 0)), np.zeros((0, columns)))
    np.testing.assert_array_equal(result, np.ones((3, columns)))


def test_a_gradient_with_an_axis_of_zero():
    x, W = pc.variable("x", ("batch", 0)), pc.parameter(np.zeros((0, 4)), name="W")
    step = pc.function([x], ((x @ W) ** 2).sum(), updates=[(W, W - pc.gradient(((x @ W) ** 2).sum(), W))])
    with pytest.raises(pc.EmptyBatchError):
        step(np.zeros((5, 0)))


def test_zero_steps_of_zero_outputs():
    x = pc.variable("x", ("n",))
    result = pc.function([x], x * 2).repeat(0)(np.zeros(0))
    assert result.shape == (0, 0)
