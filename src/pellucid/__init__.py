"""Pellucid: deep learning you can see through.

    import pellucid as pc

An *expression* is written with ``variable``, ``parameter`` and NumPy's names; ``gradient`` derives another;
``function`` compiles it to native code; ``show`` shows every step between.
"""

import importlib
from typing import Any

from . import core, operations
from .core.errors import (
    AxisError,
    DataFileError,
    DtypeError,
    EmptyBatchError,
    GradientError,
    InputError,
    Interrupted,
    MemoryNeededError,
    MissingExtraError,
    NotANumberError,
    OutputFolderError,
    PellucidError,
    ShapeError,
    TruthError,
    UnknownVariableError,
    UnusedVariableError,
    UpdateError,
)
from .core.expression import Expression, Parameter
from .core.operation import functions as _functions
from .function import Function, function
from .gradient import gradient

__version__ = "0.2.0"

_PARTS = ("data", "optimizers", "view")


def __getattr__(name: str) -> Any:
    """Find an operation or composed function by its name, or a part that is loaded when it is first used."""
    if name in _functions:
        return _functions[name]
    if name == "show":
        return importlib.import_module(f"{__name__}.view.show").show
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"pellucid has no {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_functions, *_PARTS, "show"})


__all__ = [
    "AxisError",
    "DataFileError",
    "DtypeError",
    "EmptyBatchError",
    "Expression",
    "Function",
    "GradientError",
    "InputError",
    "Interrupted",
    "MemoryNeededError",
    "MissingExtraError",
    "NotANumberError",
    "OutputFolderError",
    "Parameter",
    "PellucidError",
    "ShapeError",
    "TruthError",
    "UnknownVariableError",
    "UnusedVariableError",
    "UpdateError",
    "core",
    "function",
    "gradient",
    "operations",
]
