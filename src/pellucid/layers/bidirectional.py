"""Bidirectional layers: a sequence read forwards and backwards, so that each output knows what follows as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.configuration import describe, register, restore
from ..core.errors import InputError
from ..core.expression import Expression
from ..core.settings import check_choice
from ..operations.movement import concatenate, flip
from .arguments import shown
from .recurrent import AlongTime, Recurrent

MERGES: dict[str, Callable[[Expression, Expression], Expression]] = {
    "concat": lambda a, b: concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
}


@register
class Bidirectional(AlongTime):
    """Two recurrent layers, of which one reads forwards and the other backwards, each with weights of its own.

    Args:
        layer: a recurrent layer; the second one is made like it.
        merge_mode: what becomes of their outputs: "concat" side by side, "sum", "mul" their product, "ave" their mean,
            or None, for a list of both.
        backward_layer: the second layer, where it is to be another than the first with ``go_backwards``.

    Shapes: ``(batch, time, inputs)`` to ``(batch, outputs)``, or ``(batch, time, outputs)`` where the layers return
    sequences; "concat" has twice as many outputs. States to begin with are those of both layers, one after the other,
    and so are those that are returned. Weights are those of ``forward_layer`` and ``backward_layer``.

    Schuster and Paliwal, *Bidirectional recurrent neural networks*, 1997.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((7, 3))
    >>> pc.layers.Bidirectional(pc.layers.GRU(5, return_sequences=True))(x).shape
    (batch, 7, 10)
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        backward_layer: Any = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        check_choice(self, "merge_mode", merge_mode, [*MERGES, None])
        if not isinstance(layer, Recurrent):
            raise InputError(f"Bidirectional: layer is {layer!r}, and a recurrent layer was expected, such as LSTM(5)")
        self.merge_mode = merge_mode
        self.forward_layer = layer
        self.backward_layer = _turned(layer) if backward_layer is None else backward_layer
        for which in ("go_backwards", "return_sequences", "return_state"):
            same = getattr(layer, which) == getattr(self.backward_layer, which, None)
            if same == (which == "go_backwards"):
                raise InputError(
                    f"Bidirectional: its layers {'both have' if same else 'differ in'} {which}"
                    f"{f'={getattr(layer, which)}' if same else ''}: {layer!r} and {self.backward_layer!r}"
                )

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the outputs of both layers, merged."""
        x, states, mask = self._parts(inputs)
        half = len(states) // 2
        if len(states) % 2:
            raise InputError(f"{shown(self)} begins with states of both layers, and was given {len(states)}")
        results = [
            layer(x, training, mask, own or None)
            for layer, own in ((self.forward_layer, states[:half]), (self.backward_layer, states[half:]))
        ]
        ahead, back = ([r] if not isinstance(r, list) else r for r in results)
        outputs = [
            flip(r[0], 1) if layer.go_backwards and layer.return_sequences else r[0]
            for layer, r in ((self.forward_layer, ahead), (self.backward_layer, back))
        ]
        merged = outputs if self.merge_mode is None else [MERGES[self.merge_mode](*outputs)]
        found = [*merged, *ahead[1:], *back[1:]]
        return found if len(found) > 1 else found[0]


def _turned(layer: Recurrent) -> Any:
    """Return another layer like it that reads the other way."""
    other = restore(describe(layer))
    other.go_backwards = not layer.go_backwards
    return other


__all__ = ["Bidirectional"]
