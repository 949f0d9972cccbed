"""scikit-learn's MLPClassifier."""

from __future__ import annotations

from sklearn.neural_network import MLPClassifier

from ..estimators import estimator_runner

if __name__ == "__main__":
    estimator_runner(MLPClassifier)
