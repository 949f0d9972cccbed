"""Objects linked by ourselves: what they compute, what is left to LLVM's linker, and that memory is given back."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends.native.images import MNIST
from backends.native.test_same_bits import trained
from pellucid.backends.native import engine, libm, linking, parts, workers
from pellucid.backends.native.target import host
from pellucid.core.errors import InternalError

pytestmark = pytest.mark.skipif(not linking.usable(), reason="here LLVM links")

CALLS = """
@state = dso_local global [4 x i64] zeroinitializer, align 32
@table = internal constant [2 x double] [double 3.0, double 5.0]
declare double @pow(double, double)
declare double @other(double)
define double @power(double %x, i64 %which) {
  %place = getelementptr inbounds double, ptr @table, i64 %which
  %exponent = load double, ptr %place
  %count = load i64, ptr getelementptr (i8, ptr @state, i64 8)
  %more = add i64 %count, 1
  store i64 %more, ptr getelementptr (i8, ptr @state, i64 8)
  %power = call double @pow(double %x, double %exponent)
  %sum = call double @other(double %power)
  ret double %sum
}
"""
OTHER = "define double @other(double %x) {\n  %y = fadd double %x, 0.25\n  ret double %y\n}\n"
POWER = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_int64)


def objects(*texts: str) -> list[bytes]:
    return [code for text in texts for code in engine.emit_objects(text, host())]


def linked(*texts: str) -> linking.Linked:
    found = linking.link(objects(*texts), libm.anywhere)
    assert isinstance(found, linking.Linked)
    return found


def test_constants_state_and_functions_here_and_elsewhere() -> None:
    found = linked(CALLS, OTHER)
    power = POWER(found["power"])
    assert power(2.0, 0) == 8.25
    assert power(2.0, 1) == 32.25
    assert found["state"] % 32 == 0
    assert list((ctypes.c_int64 * 4).from_address(found["state"])) == [0, 2, 0, 0]


def test_code_cannot_be_written() -> None:
    found = linked(CALLS, OTHER)
    modes = {}
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, mode, *_ = line.split()
        start, end = (int(part, 16) for part in place.split("-"))
        modes |= {name: mode for name, at in found.items() if start <= at < end}
    assert modes["power"] == "r-xp"
    assert modes["state"] == "rw-p"


def test_memory_is_given_back() -> None:
    found = linked(CALLS, OTHER)
    base = f"{found.base:x}-"
    assert base in Path("/proc/self/maps").read_text()
    del found
    gc.collect()
    assert base not in Path("/proc/self/maps").read_text()


def test_training_has_the_bits_of_llvms_linker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "0")
    monkeypatch.setenv("PELLUCID_THREADS", "2")
    monkeypatch.setattr(parts, "SMALLEST", 10_000)
    ours = trained(MNIST)
    monkeypatch.setattr(linking, "usable", lambda: False)
    assert trained(MNIST) == ours


def test_workers_are_linked_here() -> None:
    assert {"launch", "start", "team"} <= linked(workers.text(host())).keys()


def test_what_is_not_known_is_left_to_llvm() -> None:
    (code,) = objects(OTHER)
    assert linking.link([code], libm.anywhere) is not None
    for_arm = code[:18] + bytes([183, 0]) + code[20:]
    assert linking.link([for_arm], libm.anywhere) is None
    assert linking.link([b"\x7fELF" + bytes(100)], libm.anywhere) is None
    thread_local = "@own = thread_local global i64 1\ndefine i64 @f() {\n  %x = load i64, ptr @own\n  ret i64 %x\n}\n"
    assert linking.link(objects(thread_local), libm.anywhere) is None
    address = "declare double @pow(double, double)\ndefine ptr @f() {\n  ret ptr @pow\n}\n"
    assert linking.link(objects(address), libm.anywhere) is None


def test_functions_that_there_are_not() -> None:
    with pytest.raises(InternalError, match="does not link"):
        engine.compile_module(
            "declare void @nowhere()\ndefine void @f() {\n  call void @nowhere()\n  ret void\n}\n", host()
        )


CACHED = """
import sys
import numpy as np, pellucid as pc
x, W = pc.variable("x", ("batch", 300)), pc.parameter(np.ones((300, 300)))
step = pc.function([x], (x @ W).sum(), updates=[(W, W - pc.gradient(pc.tanh(x @ W).sum(), W))])
print(float(step(np.ones((200, 300)))), "llvmlite.binding" in sys.modules)
"""


def test_a_process_that_finds_its_programs_does_not_load_llvm(tmp_path: Path) -> None:
    environment = {**os.environ, "PELLUCID_CACHE": str(tmp_path), "PELLUCID_THREADS": "2"}
    environment.pop("PELLUCID_CACHE_SIZE", None)
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", CACHED], env=environment, capture_output=True, text=True, check=True, timeout=120
        )
        said.append(done.stdout.split())
    assert said == [["18000000.0", "True"], ["18000000.0", "False"]]
