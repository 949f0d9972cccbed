"""scikit-learn's own checks of what calls itself an estimator: all of them, none skipped or expected to fail."""

import pytest

pytest.importorskip("pandas", reason="some of scikit-learn's checks are about pandas")
from sklearn.utils.estimator_checks import parametrize_with_checks

import pellucid as pc

ESTIMATORS = [pc.NetworkClassifier((20,), max_iter=100), pc.NetworkRegressor((20,), max_iter=100)]


@pytest.fixture(autouse=True)
def array_api(monkeypatch):
    """One check asks for this variable, else it skips itself."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_check(estimator, check):
    check(estimator)
