"""scikit-learn's MLPClassifier, the dense network.

For two classes it has one logistic output instead of a softmax over two, so its weights are not compared.
"""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier

from ..network_runner import network_runner
from ..networks import Dense, Network, Problem


class Trainer:
    """partial_fit is one epoch, here over the rows of the steps; images are scaled ahead, as it wants floats."""

    note = "trains one logistic output, not a softmax over two, on images scaled ahead"

    def __init__(self, network: Network, problem: Problem, variant: str) -> None:
        self.network = network
        self.images, self.labels = problem.images.astype(np.float32) / np.float32(255), problem.labels

    def reset(self) -> None:
        self.model = MLPClassifier(
            hidden_layer_sizes=tuple(layer.units for layer in self.network.layers if isinstance(layer, Dense))[:-1],
            solver="sgd",
            batch_size=self.network.batch,
            learning_rate_init=self.network.rate,
            momentum=0.0,
            nesterovs_momentum=False,
            alpha=0.0,
            random_state=0,
        )

    def run_in_order(self, steps: int) -> None:
        self.run_shuffled(steps)

    def run_shuffled(self, steps: int) -> None:
        rows = slice(0, steps * self.network.batch)
        self.model.partial_fit(self.images[rows], self.labels[rows], classes=np.arange(self.network.classes))

    def weights(self) -> list[np.ndarray]:
        return []


if __name__ == "__main__":
    network_runner(Trainer, comparable=False)
