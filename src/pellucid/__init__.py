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
    HostLostError,
    HostsDifferError,
    InputError,
    Interrupted,
    MemoryNeededError,
    MissingExtraError,
    ModelFileError,
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
from .core.version import __version__
from .function import Function, function
from .gradient import gradient

_PARTS = (
    "activations", "constraints", "data", "distributed", "initializers", "layers", "losses", "metrics", "optimizers",
    "plot", "regularizers", "view",
)  # fmt: skip
# Names of the parts that are public at the top as well; a part is loaded when one of them is first used.
_FROM = {
    "Model": "training", "Network": "layers", "NetworkClassifier": "estimators", "NetworkRegressor": "estimators",
    "Sequential": "layers", "callbacks": "training",
    "devices": "backends.xla.placement", "load": "training", "register": "core.configuration",
    "show": "view.show", "state_updates": "layers", "sweep": "sweeps",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Find an operation or composed function by its name, or a part that is loaded when it is first used."""
    if name in _functions:
        return _functions[name]
    if name in _FROM:
        return getattr(importlib.import_module(f"{__name__}.{_FROM[name]}"), name)
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"pellucid has no {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_functions, *_PARTS, *_FROM})


__all__ = [
    "AxisError",
    "DataFileError",
    "DtypeError",
    "EmptyBatchError",
    "Expression",
    "Function",
    "GradientError",
    "HostLostError",
    "HostsDifferError",
    "InputError",
    "Interrupted",
    "MemoryNeededError",
    "MissingExtraError",
    "ModelFileError",
    "NotANumberError",
    "OutputFolderError",
    "Parameter",
    "PellucidError",
    "ShapeError",
    "TruthError",
    "UnknownVariableError",
    "UnusedVariableError",
    "UpdateError",
    "__version__",
    "core",
    "function",
    "gradient",
    "operations",
]
