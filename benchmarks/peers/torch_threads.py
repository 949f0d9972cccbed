"""One thread or two: PyTorch gets whichever is faster for the work at hand."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def choose_threads(run: Callable[[], None]) -> None:
    """Try a short run with each, and keep the faster: on a busy machine two threads can wait long for each other."""
    run()
    taken = {}
    for count in (1, 2):
        torch.set_num_threads(count)
        begin = time.perf_counter()
        run()
        taken[count] = time.perf_counter() - begin
    torch.set_num_threads(min(taken, key=lambda count: taken[count]))
