"""Data: readers of files, small sets that need no download, text for character models, splits and checks."""

from .checks import check_finite
from .idx import mnist, read_idx
from .sets import Split, addition, digits, moons, split
from .text import Characters, read_text, split_text, windows

__all__ = [
    "Characters",
    "Split",
    "addition",
    "check_finite",
    "digits",
    "mnist",
    "moons",
    "read_idx",
    "read_text",
    "split",
    "split_text",
    "windows",
]
