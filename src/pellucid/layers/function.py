"""A plain function of an expression as a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.configuration import register
from .layer import Layer


@register
@dataclass(eq=False, repr=False)
class Lambda(Layer):
    """What a function computes, as a layer without weights.

    Args:
        function: of an expression (or a list of them), returning an expression. It can be saved if it was registered by
            name with ``pc.register``.

    Shapes: what the function makes of them; no weights.

    >>> import pellucid as pc
    >>> print(pc.layers.Lambda(lambda x: x / 255)(pc.variable("x", ("batch", 3))))
    x / 255
    """

    function: Callable[..., Any]

    def call(self, inputs: Any) -> Any:
        """Return what the function returns."""
        return self.function(inputs)


__all__ = ["Lambda"]
