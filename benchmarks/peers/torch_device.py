"""Where PyTorch's compiled steps run: on a GPU, or, to try them, on a CPU, where nothing is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that `torch.compile` compiles when it is first called."""
    made: Callable[..., Any] = torch.compile(function) if DEVICE == "cuda" else function
    return made


def finished() -> None:
    """Return when the device has done all that it was asked for."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
