"""scikit-learn's MLPClassifier, full batch, plain gradient descent.

For two classes it has one logistic output instead of a softmax over two, so it trains a slightly smaller network
and its weights are not compared. Its loss is a mean over the rows: rate and penalty are scaled to match the sum.
"""

from __future__ import annotations

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from ..moons import PENALTY, RATE, Problem, Weights
from ..runner import moons_runner


class Trainer:
    """Fits anew on every run."""

    note = "trains one logistic output, not a softmax over two"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        warnings.simplefilter("ignore", ConvergenceWarning)

    def reset(self) -> None:
        return None

    def run(self, passes: int) -> None:
        rows = len(self.problem.labels)
        MLPClassifier(
            hidden_layer_sizes=(len(self.problem.starts[0].b1),),
            activation="tanh",
            solver="sgd",
            batch_size=rows,
            learning_rate_init=RATE * rows,
            momentum=0.0,
            nesterovs_momentum=False,
            alpha=PENALTY,
            shuffle=False,
            tol=0.0,
            max_iter=passes,
            n_iter_no_change=passes + 1,
            random_state=0,
        ).fit(self.problem.points, self.problem.labels)

    def weights(self) -> list[Weights]:
        return []


if __name__ == "__main__":
    moons_runner(Trainer, comparable=False)
