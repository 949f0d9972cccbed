"""scikit-learn's MLPClassifier without a hidden layer: softmax regression."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier

from ..runner import softmax_runner
from ..softmax import BATCH, CLASSES, INPUTS, RATE, Problem


class Trainer:
    """partial_fit is one epoch; a first call on no more than a batch makes the weights, which are then set to zero."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.reset()

    def reset(self) -> None:
        self.model = MLPClassifier(
            hidden_layer_sizes=(),
            solver="sgd",
            batch_size=BATCH,
            learning_rate_init=RATE,
            momentum=0.0,
            nesterovs_momentum=False,
            alpha=0.0,
            random_state=0,
        )
        images, labels = self.problem
        self.model.partial_fit(images[:BATCH], labels[:BATCH], classes=np.arange(CLASSES))
        self.model.coefs_[0][...] = np.zeros((INPUTS, CLASSES))
        self.model.intercepts_[0][...] = np.zeros(CLASSES)

    def run_in_order(self, steps: int) -> None:
        self.model.shuffle = False
        rows = slice(0, steps * BATCH)
        self.model.partial_fit(self.problem.images[rows], self.problem.labels[rows])

    def run_shuffled(self, epochs: int) -> None:
        self.model.shuffle = True
        for _ in range(epochs):
            self.model.partial_fit(self.problem.images, self.problem.labels)

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        return self.model.coefs_[0], self.model.intercepts_[0]


if __name__ == "__main__":
    softmax_runner(Trainer)
