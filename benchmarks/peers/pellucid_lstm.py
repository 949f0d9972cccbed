"""Pellucid, an LSTM layer, whose gates are in the order of the problem's."""

from __future__ import annotations

import pellucid as pc

from ..layer_runner import layer_runner
from ..layers import Problem
from .pellucid_layer import ALL, Trainer

PLACES = {"cell/kernel": ("kernel", ALL), "cell/recurrent_kernel": ("recurrent", ALL), "cell/bias": ("bias", ALL)}


def prepare(problem: Problem, rate: float, variant: str) -> Trainer:
    """Its trainer."""
    layer = pc.layers.LSTM(len(problem.start["recurrent"]), return_sequences=True)
    return Trainer(layer, PLACES, problem, rate, variant)


if __name__ == "__main__":
    layer_runner("lstm", prepare)
