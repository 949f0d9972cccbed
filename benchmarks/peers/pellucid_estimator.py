"""Pellucid's NetworkClassifier; each seed's fit makes its programs anew."""

from __future__ import annotations

import pellucid as pc

from ..estimators import estimator_runner

if __name__ == "__main__":
    estimator_runner(pc.NetworkClassifier)
