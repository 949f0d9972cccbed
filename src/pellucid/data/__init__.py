"""Data: readers of files, small sets that need no download, text for character models, splits and checks."""

from .arrays import read_arrays
from .checks import check_finite
from .idx import mnist, read_idx
from .images import SkippedImageWarning, images, parts_of, read_image
from .labelled import Labelled
from .sets import Split, addition, digits, moons, split
from .tables import Column, Table, read_csv, read_rows
from .text import Characters, read_text, split_text, windows

__all__ = [
    "Characters",
    "Column",
    "Labelled",
    "SkippedImageWarning",
    "Split",
    "Table",
    "addition",
    "check_finite",
    "digits",
    "images",
    "mnist",
    "moons",
    "parts_of",
    "read_arrays",
    "read_csv",
    "read_idx",
    "read_image",
    "read_rows",
    "read_text",
    "split",
    "split_text",
    "windows",
]
