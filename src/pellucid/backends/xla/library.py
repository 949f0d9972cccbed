"""JAX, loaded when it is first needed."""

from __future__ import annotations

import importlib.util
import os
import warnings
from functools import cache
from typing import Any

from ...core.errors import MissingExtraError

INSTALL = "pip install 'pellucid[xla]'"
GPU_PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin", "jax_rocm7_plugin", "jax_rocm60_plugin")


def jax() -> Any:
    """Return the module.

    Raises:
        MissingExtraError: it is not installed, or its parts do not fit together.
    """
    try:
        import jax as found
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the XLA backend needs {error.name}, which is not installed; try: {INSTALL}"
        ) from error
    except (ImportError, RuntimeError, AttributeError) as error:  # what JAX and jaxlib of different versions raise
        raise MissingExtraError(
            f"JAX is installed and cannot be loaded: {str(error).splitlines()[0]}; install JAX and jaxlib of one"
            f" version, for example: pip install --upgrade jax jaxlib"
        ) from error
    return found


def precise() -> Any:
    """Return a context in which JAX has float64 and int64."""
    return jax().enable_x64(True)


def is_there() -> bool:
    """Whether JAX is installed; it is not loaded."""
    return importlib.util.find_spec("jax") is not None


@cache
def gpu_is_promised() -> bool:
    """Whether a build of JAX for GPUs is installed, which says nothing of whether there is one; JAX is not loaded.

    Looking for it on the disk takes half a millisecond, as long as many a fit, and is done once.
    """
    return is_there() and any(map(importlib.util.find_spec, GPU_PLUGINS))


def gpu() -> str | None:
    """Return the name of the first GPU that XLA sees; None, after a warning, if a build for GPUs sees none."""
    try:
        first = jax().devices()[0]
    except (MissingExtraError, RuntimeError) as error:
        warnings.warn(f"{NO_GPU}: {str(error).splitlines()[0]}", stacklevel=2)
        return None
    if first.platform == "cpu":
        if not os.environ.get("JAX_PLATFORMS"):
            warnings.warn(f"{NO_GPU}; is its driver installed (nvidia-smi shows it)? The CPU computes", stacklevel=2)
        return None
    return str(first.device_kind)


NO_GPU = "a build of JAX for GPUs is installed, and it finds no GPU"

__all__ = ["INSTALL", "NO_GPU", "gpu", "gpu_is_promised", "is_there", "jax", "precise"]
