"""One thread or two: PyTorch gets whichever is faster for the work at hand."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

TRIALS = 3


def choose_threads(run: Callable[[], None]) -> None:
    """Try short runs with each in turns, and keep the faster: on a busy machine two threads can wait for each other."""
    run()
    taken = {1: float("inf"), 2: float("inf")}
    for count in tuple(taken) * TRIALS:
        torch.set_num_threads(count)
        begin = time.perf_counter()
        run()
        taken[count] = min(taken[count], time.perf_counter() - begin)
    torch.set_num_threads(min(taken, key=lambda count: taken[count]))
