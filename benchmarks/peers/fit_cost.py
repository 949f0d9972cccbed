"""What `Model.fit` costs over the bare compiled step of the same network, in one process and in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

import pellucid as pc
from pellucid.training import History

from .. import moons, networks
from ..networks import NETWORKS, Network
from ..runner import arguments, report
from .pellucid_fit import Trainer

PAIRS = 9
EPOCHS, SHORT_EPOCHS = 20_000, 5


def seconds(run: Callable[[], object]) -> float:
    """Of one run."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def cost(model: pc.Model, fit: Callable[[], object], bare: Callable[[], object]) -> float:
    """The median of how many times as long the first takes as the second, one right after the other.

    Each fit begins with an empty history, as that of a new model does.
    """
    ratios = []
    for _ in range(PAIRS + 1):
        model.history = History()
        ratios.append(seconds(fit) / seconds(bare))
    return statistics.median(ratios[1:])


def bare_step(model: pc.Model, inputs: np.ndarray, labels: np.ndarray) -> pc.Function:
    """The training step that the model runs, as written by hand: the loss of a batch and the optimiser's updates."""
    x = pc.variable("x", ("batch", *inputs.shape[1:]), inputs.dtype)
    y = pc.variable("y", ("batch",), "int32")
    loss = pc.losses.cross_entropy(model.network(x, training=True), y).mean()
    return pc.function([x, y], loss, updates=model.optimizer.updates(loss, model.network.trainable_parameters))


def of_network(network: Network, problem: networks.Problem) -> float:
    """One of the networks on images: a few short epochs."""
    trainer = Trainer(network, problem, "")
    trainer.reset()
    model, rows = trainer.model, network.steps * network.batch
    images, labels = problem.images[:rows], problem.labels[:rows]
    step = bare_step(model, images, labels).minibatches(network.batch, SHORT_EPOCHS)
    fit = lambda: model.fit(images, labels, SHORT_EPOCHS, network.batch, verbose=0)  # noqa: E731
    return cost(model, fit, lambda: step(images, labels))


def of_moons(points: np.ndarray, labels: np.ndarray) -> float:
    """Two moons in full batch, very many epochs of one step."""
    network = pc.Sequential(pc.layers.Dense(3, activation="tanh"), pc.layers.Dense(2)).build((2,))
    model = pc.Model(network, "cross_entropy", pc.optimizers.SGD(0.1))
    x, y, size = points.astype("float32"), labels.astype("int32"), len(labels)
    step = bare_step(model, x, y).repeat(EPOCHS)
    return cost(model, lambda: model.fit(x, y, EPOCHS, size, verbose=0), lambda: step(x, y))


def main() -> None:
    """Measure, and report the ratio."""
    options = arguments()
    if options.network:
        network = NETWORKS[options.network]
        found = of_network(network, networks.read(network, options.problem))
    else:
        problem = moons.read(options.problem, (3,))
        found = of_moons(problem.points, problem.labels)
    report(seconds=found, runs=PAIRS, early=[], final=[], comparable=False)


if __name__ == "__main__":
    main()
