"""Recipes: models as TOML files, with their data and training, and the folders that their runs leave."""

from .asking import read_inputs
from .built_in import find, names
from .document import Document, parse, read
from .learning import train
from .pictures import illustrate
from .run import Run, begin, open_model, open_run, prepared
from .samples import said, write_samples
from .settings import parse_settings, with_settings

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
    "parse_settings",
    "prepared",
    "read",
    "read_inputs",
    "said",
    "train",
    "with_settings",
    "write_samples",
]
