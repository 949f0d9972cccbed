"""The accuracy that mathematics.py states, against NumPy in more precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backends.native.kernels import FLOATS, TARGETS, Array, apply, available
from pellucid.backends.native import mathematics

ORACLES: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
LANES = 16


def arguments(dtype: str) -> Array:
    """Return numbers of every size up to where results are 0, 1 or infinite, both signs, and the special ones."""
    draw = np.random.default_rng(0)
    largest = 110 if dtype == "float32" else 760
    sizes = [np.exp(draw.uniform(-80, 0, 20_000)), draw.uniform(0, 10, 40_000), draw.uniform(0, largest, 20_000)]
    found = np.concatenate([*sizes, [0.0, np.inf, np.nan]])
    both = np.concatenate([found, -found])
    return np.resize(both, -(-len(both) // LANES) * LANES).astype(dtype)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ORACLES)
def test_errors_stay_below_what_is_stated(name: str, dtype: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = available(monkeypatch, target)
    if machine is None:
        pytest.skip(f"this machine has no {target}")
    x = arguments(dtype)
    found = apply(getattr(mathematics, name), x, lanes=LANES, target=machine)
    with np.errstate(all="ignore"):
        exact = ORACLES[name](x.astype(np.longdouble))
        nearest = exact.astype(dtype)
    finite = np.isfinite(nearest)
    np.testing.assert_array_equal(found[~finite], nearest[~finite])
    np.testing.assert_array_equal(np.signbit(found[finite]), np.signbit(nearest[finite]))
    ulps = np.abs(found[finite] - exact[finite]) / np.spacing(np.abs(nearest[finite]))
    assert ulps.max() <= mathematics.ULP[name, dtype]
