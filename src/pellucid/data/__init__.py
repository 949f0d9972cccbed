"""Data: readers of files, small sets that need no download, splits and checks."""

from .checks import check_finite
from .idx import mnist, read_idx
from .sets import Split, digits, moons, split

__all__ = ["Split", "check_finite", "digits", "mnist", "moons", "read_idx", "split"]
