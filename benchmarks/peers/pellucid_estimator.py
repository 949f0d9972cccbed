"""Pellucid's NetworkClassifier; the first seed's fit makes its programs, and those of the others share them."""

from __future__ import annotations

import pellucid as pc

from ..estimators import estimator_runner

if __name__ == "__main__":
    estimator_runner(pc.NetworkClassifier)
