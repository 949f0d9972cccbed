"""The well-formedness check: run after every pass in the tests, so that a guilty pass is named."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import InternalError
from .expression import Expression
from .operation import operations
from .sizes import Size
from .traversal import topological


def check(roots: Iterable[Expression], after: str, specialised: bool = False) -> None:
    """Raise InternalError, naming the pass, if a node breaks the rules its operation states.

    With ``specialised``, sizes must be numbers as well.
    """
    for current in topological(roots):
        attributes = dict(current.attributes)
        if operations.get(current.operation.name) is not current.operation:
            raise InternalError(f"after {after}: {current.operation.name} is not in the registry")
        if list(attributes) != sorted(attributes):
            raise InternalError(f"after {after}: the attributes of {current} are not in order")
        if current.operation.kind == "source" and not attributes.get("shape"):
            continue
        shape = current.operation.shape(*current.inputs, **attributes)
        dtype = current.operation.dtype(*current.inputs, **attributes)
        if (shape, dtype) != (current.shape, current.dtype):
            raise InternalError(
                f"after {after}: {current} is {current.dtype} {current.shape}, and its rule says {dtype} {shape}"
            )
        if specialised and any(isinstance(axis, Size) for axis in current.shape):
            raise InternalError(f"after {after}: {current} still has a named size")
