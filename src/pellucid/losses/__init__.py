"""Losses: one value per example, as an expression. What is reduced, and how examples are weighed, a model decides.

    loss = pc.losses.cross_entropy(logits, labels).mean()
    loss = pc.losses.CrossEntropy(label_smoothing=0.1)(logits, labels).mean()

Classes are scored by logits, numbers before any softmax or sigmoid; probabilities are ``.predictions(logits)``.
Formulas and names are those of Keras 3.
"""

from __future__ import annotations

from typing import Any

from ..core.configuration import register
from ..core.settings import by_name
from .classification import (
    BinaryCrossEntropy,
    CrossEntropy,
    Hinge,
    SquaredHinge,
    binary_cross_entropy,
    cross_entropy,
    hinge,
    squared_hinge,
)
from .distributions import KLDivergence, Poisson, kl_divergence, poisson
from .loss import Loss, LossFunction
from .regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)

LOSSES: dict[str, type[Loss]] = {
    cls.function.__name__: cls
    for cls in (
        CrossEntropy,
        BinaryCrossEntropy,
        MeanSquaredError,
        MeanAbsoluteError,
        Huber,
        LogCosh,
        Hinge,
        SquaredHinge,
        KLDivergence,
        Poisson,
        CosineSimilarity,
        MeanSquaredLogarithmicError,
        MeanAbsolutePercentageError,
    )
}
for _class in (*LOSSES.values(), LossFunction):
    register(_class)
# Keras's other names, and short ones.
ALIASES = {
    "sparse_categorical_crossentropy": "cross_entropy",
    "categorical_crossentropy": "cross_entropy",
    "crossentropy": "cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
    "bce": "binary_cross_entropy",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "msle": "mean_squared_logarithmic_error",
    "mape": "mean_absolute_percentage_error",
    "logcosh": "log_cosh",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
}
_BY_NAME = LOSSES | {alias: LOSSES[name] for alias, name in ALIASES.items()}


def get(loss: Any) -> Loss:
    """Return a loss by its name, with its defaults; the loss that was given; or a plain function as a loss.

    Args:
        loss: a name of ours or Keras's, a Loss, one of its classes, or a function of outputs and labels that gives one
            value per example.

    Raises:
        InputError: for anything else; it lists the names.

    >>> get("sparse_categorical_crossentropy"), get("mse"), get(Huber(delta=2.0))
    (CrossEntropy(label_smoothing=0.0), MeanSquaredError(), Huber(delta=2.0))
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, type) and issubclass(loss, Loss):
        return loss()
    if callable(loss) and not isinstance(loss, type):
        of_ours = next((cls for cls in LOSSES.values() if cls.function is loss), None)
        return of_ours() if of_ours else LossFunction(loss)
    return by_name("a loss", loss, _BY_NAME, "pc.losses.CrossEntropy(), a function of outputs and labels")()


__all__ = [
    "ALIASES",
    "LOSSES",
    "BinaryCrossEntropy",
    "CosineSimilarity",
    "CrossEntropy",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunction",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SquaredHinge",
    "binary_cross_entropy",
    "cosine_similarity",
    "cross_entropy",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "squared_hinge",
]
