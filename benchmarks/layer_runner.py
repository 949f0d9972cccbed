"""What the runners of single layers share: how a training step is timed, its memory counted and its losses checked."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Protocol

from . import layers
from .layers import EARLY_STEPS, LAYERS, Array, Problem
from .memory import Memory
from .network_runner import time_runs
from .runner import arguments, report


class LayerTrainer(Protocol):
    """Trains a layer."""

    def reset(self) -> None:
        """To the starting weights, keeping whatever is compiled."""

    def run(self, steps: int) -> None:
        """So many steps."""

    def weights(self) -> Mapping[str, Array]:
        """The weights now, by the names and in the layout of the start."""


def layer_runner(key: str, prepare: Callable[[Problem, float, str], LayerTrainer]) -> None:
    """Run a layer's trainer, made of the problem, the rate and a variant; report seconds a step and bytes of memory.

    Memory counts from after the data are drawn to the end of the timed steps: compiling is in it, checking is not.
    """
    options, layer = arguments(), LAYERS[key]
    problem = layers.draw(layer)
    memory = Memory()
    trainer = prepare(problem, layer.rate, options.variant)
    trainer.reset()
    trainer.run(layer.steps)
    taken = time_runs(lambda: trainer.run(layer.steps), options.enough)
    bytes_taken = memory.taken()
    trainer.reset()
    trainer.run(EARLY_STEPS)
    return report(
        seconds=statistics.median(taken) / layer.steps,
        fastest=min(taken) / layer.steps,
        memory=bytes_taken,
        runs=len(taken),
        early=[layers.loss(layer, trainer.weights(), problem)],
        final=[],
        comparable=True,
        note=getattr(trainer, "note", ""),
    )
