"""A module in parts, compiled side by side, computes what it computes in one piece."""

from __future__ import annotations

import re
import threading

import pytest

from backends.native.images import MNIST, data, training
from backends.native.test_same_bits import trained
from pellucid import optimizers
from pellucid.backends.native import engine, parts
from pellucid.backends.native.generate import Generated
from pellucid.backends.native.target import host
from pellucid.core.errors import InternalError

DEFINED = re.compile(r"^define [^@]*@([\w.]+)\(", re.MULTILINE)


@pytest.fixture(scope="module")
def text() -> str:
    """The code of a convolutional network's training step."""
    function, _ = training(MNIST, optimizers.Adam())
    function(*data(MNIST))
    return Generated(function.compiled().rewritten).llvm(host())


@pytest.mark.parametrize("count", [2, 3])
def test_every_function_is_in_one_part_and_known_in_the_others(text: str, count: int) -> None:
    found = parts.cut(text, count)
    names = [DEFINED.findall(part) for part in found]
    assert len(found) == count
    assert sorted(name for part in names for name in part) == sorted(DEFINED.findall(text))
    for part, own in zip(found, names, strict=True):
        declared = re.findall(r"^declare [^@]*@([\w.]+)\(", part, re.MULTILINE)
        assert set(own) | set(declared) >= set(DEFINED.findall(text))
    lengths = [len(part) for part in found]
    assert max(lengths) < 1.5 * min(lengths)


def test_a_short_module_stays_whole(text: str) -> None:
    assert parts.cut(text[: parts.SMALLEST], 8) == [text[: parts.SMALLEST]]
    assert parts.cut(text, 1) == [text]


def test_functions_have_the_same_code_in_parts(text: str) -> None:
    whole = _instructions(engine.assembly(text, host()))
    cut: dict[str, list[str]] = {}
    for part in parts.cut(text, 2):
        cut |= _instructions(engine.assembly(part, host()))
    assert len(whole) > 20
    assert cut.keys() == whole.keys()
    for name, lines in whole.items():
        assert cut[name] == lines, name


def _instructions(assembly: str) -> dict[str, list[str]]:
    """Return the instructions of each function, without the numbers of labels."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in assembly.splitlines():
        begins = re.match(r"(\w+):", line)
        name = begins[1] if begins else "" if ".Lfunc_end" in line else name
        if name and line.startswith("\t") and not line.startswith("\t."):
            code = re.sub(r"\s*#.*", "", re.sub(r"\.L\w+", ".L", line)).replace("@PLT", "")
            found.setdefault(name, []).append(code)
    return found


def test_training_has_the_same_bits_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "0")
    monkeypatch.setenv("PELLUCID_THREADS", "2")
    found = set()
    for smallest in (10**9, 10_000):
        monkeypatch.setattr(parts, "SMALLEST", smallest)
        found.add(trained(MNIST))
    assert len(found) == 1


def test_what_fails_on_another_thread_is_raised_on_this_one() -> None:
    def work(item: int) -> int:
        if item:
            raise InternalError(f"part {item}")
        return item

    with pytest.raises(InternalError, match="part 1"):
        parts.side_by_side(work, [0, 1, 2])


def test_no_further_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert parts.side_by_side(str, [1, 2, 3]) == ["1", "2", "3"]
