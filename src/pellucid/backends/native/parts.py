"""A module of LLVM IR cut into parts that compile side by side: LLVM itself uses one core.

Each part has some of the functions, and declarations of those in the others; loaded together they are the module again.
No pass of ours looks from one function into another, so that a function's code does not depend on how the module is
cut.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

SMALLEST = 100_000  # characters: some 50 ms of LLVM's, beside which starting a thread is nothing
_FUNCTION = re.compile(r"^define .*?^}\n", re.MULTILINE | re.DOTALL)


def cut(text: str, most: int) -> list[str]:
    """Return a module as up to so many parts of about the same length; a short module is one.

    >>> text = "define internal void @f() {" + chr(10) + "}" + chr(10)
    >>> cut(text, 2) == [text]
    True
    """
    count = min(most, len(text) // SMALLEST)
    if count < 2:
        return [text]
    functions = list(_FUNCTION.finditer(text))
    before, after = text[: functions[0].start()], text[functions[-1].end() :]
    lengths, part_of = [0] * count, {}
    for function in sorted(functions, key=lambda f: -len(f[0])):
        part_of[function] = lengths.index(min(lengths))
        lengths[part_of[function]] += len(function[0])
    shared = {function: function[0].replace("define internal", "define hidden", 1) for function in functions}
    return [
        "".join([before, *(shared[f] if part_of[f] == k else _declaration(shared[f]) for f in functions), after])
        for k in range(count)
    ]


def _declaration(function: str) -> str:
    head = function.partition("{\n")[0].strip()
    return f"declare{head.removeprefix('define')}\n"


def side_by_side(work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Return what some work makes of each item, each on a thread of its own, the first on the caller's.

    Raises:
        Exception: what the work on the first item that failed raised.
    """
    made: list[Any] = [None] * len(items)
    failed: dict[int, BaseException] = {}

    def do(k: int) -> None:
        try:
            made[k] = work(items[k])
        except BaseException as error:  # noqa: BLE001 - it is raised again by the caller's thread
            failed[k] = error

    started = []
    for k in range(1, len(items)):
        thread = threading.Thread(target=do, args=(k,))
        try:
            thread.start()
        except RuntimeError:  # the system starts no further thread
            do(k)
        else:
            started.append(thread)
    do(0)
    for thread in started:
        thread.join()
    if failed:
        raise failed[min(failed)]
    return made
