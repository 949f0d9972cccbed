"""Initialisers: the values that weights start from, by Keras's names, arguments and defaults.

    W = pc.initializers.HeNormal()((784, 100), "float32", pc.initializers.key_of(seed, "hidden/kernel"))

The same shape, dtype and key give the same array. Keys come from a seed and the weight's path, so that a weight does
not depend on which others there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.configuration import register
from ..core.settings import by_name, is_number
from .constant import Constant, Given, Identity, Ones, Zeros
from .distributions import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)
from .draws import key_of
from .initializer import Initializer

INITIALIZERS: Mapping[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_uniform": RandomUniform,
    "random_normal": RandomNormal,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "orthogonal": Orthogonal,
    "identity": Identity,
    "uniform": RandomUniform,
    "normal": RandomNormal,
}
for _class in (*INITIALIZERS.values(), Given):
    register(_class)


def get(initializer: Any) -> Callable[..., np.ndarray[Any, Any]]:
    """Return an initialiser by its name, with its defaults; of a number or an array; or the one that was given.

    One of your own is a subclass of ``Initializer``, or any function of shape, dtype and key.

    Raises:
        InputError: which lists the names, for anything else, None among them.

    >>> get("glorot_uniform"), get(0.5), get(np.ones(3))((3,))
    (GlorotUniform(), Constant(value=0.5), array([1., 1., 1.], dtype=float32))
    """
    if is_number(initializer):
        return Constant(initializer)
    if isinstance(initializer, np.ndarray):
        return Given(initializer)
    if callable(initializer) and not isinstance(initializer, type):
        return initializer  # type: ignore[no-any-return]
    return by_name("an initialiser", initializer, INITIALIZERS, "pc.initializers.GlorotUniform()")()


__all__ = [
    "INITIALIZERS",
    "Constant",
    "Given",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "get",
    "key_of",
]
