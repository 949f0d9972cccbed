"""Sweeps: many networks at once, on the cores of this process or wherever joblib's workers are."""

from .job import ERROR, FOLD, SECONDS, Row
from .sweeping import sweep
from .table import Sweep

__all__ = ["ERROR", "FOLD", "SECONDS", "Row", "Sweep", "sweep"]
