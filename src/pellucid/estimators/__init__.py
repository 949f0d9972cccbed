"""Estimators: networks with scikit-learn's interface, for pipelines, searches and everything else that takes one.

    classifier = pc.NetworkClassifier(hidden_layer_sizes=(100,)).fit(X, y)

scikit-learn is loaded with this part only, and is one of the extras.
"""

from ..core.errors import MissingExtraError

try:
    from .classifier import NetworkClassifier
    from .regressor import NetworkRegressor
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("sklearn"):
        raise
    raise MissingExtraError(
        "NetworkClassifier and NetworkRegressor need scikit-learn 1.6 or later, which is not installed; try:"
        " pip install pellucid[learn]"
    ) from error

__all__ = ["NetworkClassifier", "NetworkRegressor"]
