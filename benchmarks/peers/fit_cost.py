"""What `Model.fit` costs over the bare compiled step of the same network, in one process and in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

import pellucid as pc

from .. import moons, networks
from ..networks import NETWORKS, Network
from ..runner import arguments, report
from .pellucid_fit import Trainer

PAIRS = 9
EPOCHS = 20_000


def seconds(run: Callable[[], object]) -> float:
    """Of one run."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def cost(fit: Callable[[], object], bare: Callable[[], object], pairs: int) -> float:
    """The median of how many times as long the first takes as the second, one right after the other."""
    for run in (fit, bare):
        run()
    return statistics.median(seconds(fit) / seconds(bare) for _ in range(pairs))


def bare_step(model: pc.Model, inputs: np.ndarray, labels: np.ndarray) -> pc.Function:
    """The training step that the model runs, as written by hand: the loss of a batch and the optimiser's updates."""
    x = pc.variable("x", ("batch", *inputs.shape[1:]), inputs.dtype)
    y = pc.variable("y", ("batch",), "int32")
    loss = pc.losses.cross_entropy(model.network(x, training=True), y).mean()
    return pc.function([x, y], loss, updates=model.optimizer.updates(loss, model.network.trainable_parameters))


def of_network(network: Network, problem: networks.Problem, enough: float) -> float:
    """One of the networks on images: an epoch of some steps."""
    trainer = Trainer(network, problem, "")
    trainer.reset()
    rows = network.steps * network.batch
    images, labels = problem.images[:rows], problem.labels[:rows]
    step = bare_step(trainer.model, images, labels).minibatches(network.batch)
    fit = lambda: trainer.run_shuffled(network.steps)  # noqa: E731
    return cost(fit, lambda: step(images, labels), PAIRS)


def of_moons(points: np.ndarray, labels: np.ndarray) -> float:
    """Two moons in full batch, very many epochs of one step."""
    network = pc.Sequential(pc.layers.Dense(3, activation="tanh"), pc.layers.Dense(2)).build((2,))
    model = pc.Model(network, "cross_entropy", pc.optimizers.SGD(0.1))
    x, y, size = points.astype("float32"), labels.astype("int32"), len(labels)
    step = bare_step(model, x, y).repeat(EPOCHS)
    return cost(lambda: model.fit(x, y, EPOCHS, size, verbose=0), lambda: step(x, y), PAIRS)


def main() -> None:
    """Measure, and report the ratio."""
    options = arguments()
    if options.network:
        network = NETWORKS[options.network]
        found = of_network(network, networks.read(network, options.problem), options.enough)
    else:
        problem = moons.read(options.problem, (3,))
        found = of_moons(problem.points, problem.labels)
    report(seconds=found, runs=PAIRS, early=[], final=[], comparable=False)


if __name__ == "__main__":
    main()
