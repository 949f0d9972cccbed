"""Plots: each is a function of what it shows, and returns a matplotlib figure.

    pc.plot.history(model.history)
    pc.plot.save(pc.plot.misclassified(images, labels, model.predict(images)), "wrong.png")

In a notebook a figure shows itself. Nothing is opened, kept or changed; no screen is needed.
"""

from __future__ import annotations

from .view.confusion import confusion
from .view.examples import misclassified, predictions
from .view.feature_maps import feature_maps
from .view.figures import png, save
from .view.kernels import filters, weights
from .view.plots import boundaries, boundary, losses, scatter
from .view.profiles import kernel_times, roofline
from .view.states import addition_labels, states
from .view.training import history, sweep

__all__ = [
    "addition_labels",
    "boundaries",
    "boundary",
    "confusion",
    "feature_maps",
    "filters",
    "history",
    "kernel_times",
    "losses",
    "misclassified",
    "png",
    "predictions",
    "roofline",
    "save",
    "scatter",
    "states",
    "sweep",
    "weights",
]
