"""Which backend trains a model: the one that was asked for, or a GPU where there is one and it is worth it."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from typing import Any

from .. import distributed
from ..backends.xla import library
from ..backends.xla.placement import OWN
from ..compile import Backend, chosen_backend
from ..core.expression import Expression
from ..core.settings import is_whole
from ..core.sizes import bind_sizes
from ..core.traversal import topological

WORTH = 1 << 26  # multiplications forward, of a step that takes a CPU of a few cores a millisecond or more
XLA, NATIVE = "xla", "native"


def asked_for(backend: str | Backend | None, devices: Any = None, precision: str | None = None) -> Backend | None:
    """Return the backend that a call of ``fit`` asks for; None where it leaves that open.

    Raises:
        PellucidError: there is none of this name, or it does not take what was asked for.
    """
    if isinstance(backend, Backend):
        return backend
    numbers = int(devices) if is_whole(devices) else devices
    if hasattr(devices, "__iter__") and not isinstance(devices, str):
        numbers = tuple(getattr(d, "number", d) for d in devices)
    if backend is None and (devices is not None or precision == "bfloat16"):
        backend = XLA
    if backend is None and os.environ.get("PELLUCID_BACKEND") is None and precision in (None, "float32"):
        return None
    chosen = chosen_backend(backend)._replace(devices=numbers, precision=precision)
    chosen.check()
    return chosen


def automatic(outputs: Expression, batch: int, verbose: int) -> Backend:
    """Return the backend for a network that nobody named one for.

    Args:
        outputs: what the network gives.
        batch: the rows of a step.
        verbose: whether it is said, in one line, where a GPU is taken.
    """
    if distributed.hosts() > 1:
        return Backend(XLA)  # which trains on the devices of all
    if not library.gpu_is_promised() or multiplications([outputs], batch) < WORTH:
        return Backend(NATIVE)
    name = library.gpu()
    if name is None:
        return Backend(NATIVE)
    if verbose:
        sys.stderr.write(f"training on {name} through XLA; backend='native' trains on the CPU\n")
    return Backend(XLA)


def judging(backend: str | Backend | None) -> str | Backend | None:
    """Return the backend that evaluates and predicts: of XLA on one device, the first of those that train.

    Of several hosts each does so by itself, on a device of its own, as the others may not have been asked to.
    """
    chosen = asked_for(backend)
    if chosen is None or chosen.name != XLA:
        return backend
    numbers = chosen.devices
    return chosen._replace(devices=numbers[:1] if isinstance(numbers, tuple) and distributed.hosts() == 1 else OWN)


def multiplications(roots: Sequence[Expression], batch: int) -> int:
    """Return how many multiplications the products and convolutions of some expressions take.

    >>> import pellucid as pc
    >>> multiplications([pc.variable("x", ("batch", 3)) @ pc.variable("w", (3, 5))], batch=10)
    150
    """
    total = 0
    for node in topological(roots):
        if node.operation.kind not in ("product", "convolution"):
            continue
        sizes = {name: batch for n in node.shape for name in getattr(n, "names", ())}
        shape: Any = bind_sizes(node.shape, sizes)
        w = node.inputs[1]
        if node.operation.kind == "product":
            shared: Any = w.shape[-1 if node.attribute("transpose_right") else -2]
        else:
            shared = math.prod(w.shape[:-1])
        total += math.prod(shape) * (shared if isinstance(shared, int) else batch)
    return total


__all__ = ["asked_for", "automatic", "judging", "multiplications"]
