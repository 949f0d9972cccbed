"""How long it takes from a network's expressions to its compiled training step, in this fresh process.

Counted are the formulas, the gradient, the optimiser, compiling and the first step, less the second step. The harness
chooses the disk cache with $PELLUCID_CACHE: an empty folder, or one that an earlier run has filled.
"""

from __future__ import annotations

import time

from .. import networks
from ..networks import NETWORKS
from ..runner import arguments, report
from .pellucid_network import Trainer


def timed(trainer: Trainer) -> float:
    """Seconds of one step."""
    begin = time.perf_counter()
    trainer.run_shuffled(1)
    return time.perf_counter() - begin


def main() -> None:
    """Compile, and report the seconds."""
    options = arguments()
    network = NETWORKS[options.network]
    trainer = Trainer(network, networks.read(network, options.problem), "")
    begin = time.perf_counter()
    trainer.reset()
    building = time.perf_counter() - begin
    first, second = timed(trainer), timed(trainer)
    report(seconds=building + max(first - second, 0.0), runs=1, early=[], final=[], comparable=False)


if __name__ == "__main__":
    main()
