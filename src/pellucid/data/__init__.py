"""Data: readers of files, small sets that need no download, text for character models, splits and checks."""

from .arrays import read_arrays
from .checks import check_finite
from .encoding import Column, Encoding
from .idx import mnist, read_idx
from .images import SkippedImageWarning, images, parts_of, read_image
from .known import find
from .labelled import Labelled
from .preparing import Parts, Scaling, one_hot, split_parts
from .sets import Split, addition, digits, split
from .shapes import blobs, circles, moons, spirals
from .tables import Table, read_csv
from .text import Characters, read_text, split_text, windows

__all__ = [
    "Characters",
    "Column",
    "Encoding",
    "Labelled",
    "Parts",
    "Scaling",
    "SkippedImageWarning",
    "Split",
    "Table",
    "addition",
    "blobs",
    "check_finite",
    "circles",
    "digits",
    "find",
    "images",
    "mnist",
    "moons",
    "one_hot",
    "parts_of",
    "read_arrays",
    "read_csv",
    "read_idx",
    "read_image",
    "read_text",
    "spirals",
    "split",
    "split_parts",
    "split_text",
    "windows",
]
