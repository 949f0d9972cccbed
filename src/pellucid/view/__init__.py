"""Seeing: plots, pictures and the report page. All of it reads values and changes none."""

from .confusion import confusion
from .examples import misclassified, predictions
from .feature_maps import feature_maps
from .figures import data_address, png, save
from .folder import numbered_folder, prepare_folder, write_file
from .formula import formulas, mathml
from .kernels import filters, weights
from .plots import boundaries, boundary, losses, scatter
from .profiles import kernel_times, roofline
from .report import Section, page
from .show import show, stage_text, stages
from .states import addition_labels, states
from .training import history, sweep

__all__ = [
    "Section",
    "addition_labels",
    "boundaries",
    "boundary",
    "confusion",
    "data_address",
    "feature_maps",
    "filters",
    "formulas",
    "history",
    "kernel_times",
    "losses",
    "mathml",
    "misclassified",
    "numbered_folder",
    "page",
    "png",
    "predictions",
    "prepare_folder",
    "roofline",
    "save",
    "scatter",
    "show",
    "stage_text",
    "stages",
    "states",
    "sweep",
    "weights",
    "write_file",
]
