"""Recipes: models as TOML files, with their data and training, and the folders that their runs leave."""

from .built_in import find, names
from .document import Document, parse, read
from .pictures import illustrate
from .run import Run, begin, open_model, open_run, prepared, train, with_settings

__all__ = [
    "Document",
    "Run",
    "begin",
    "find",
    "illustrate",
    "names",
    "open_model",
    "open_run",
    "parse",
    "prepared",
    "read",
    "train",
    "with_settings",
]
