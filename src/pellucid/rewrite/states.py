"""Loops over time: who reads the last of all states reads what is carried at the end."""

from __future__ import annotations

from ..core.expression import Expression, node
from ..operations.movement import reshape, slice_axes
from ..operations.recurrence import is_recurrence, loop_of
from ..operations.scan import scan
from ..operations.source import constant
from .pattern import Rule, Uses, structural


def _states(x: Expression) -> Expression:
    """Return a small loop's states, stacked."""

    def step(h: Expression, row: Expression) -> tuple[Expression, Expression]:
        h = h * row + row
        return h, h

    states: Expression = scan(step, constant(1, x.dtype) * x[0], x)[1]
    return states


@structural(
    "states[-1] → the state after the last step",
    "slice_axes",
    "recurrence",
    example=lambda x: _states(x)[-1] + _states(x)[-1:, 0],
    shapes=(((3, 2),), ((1, 4),)),
)
def last_of_states(outer: Expression, uses: Uses) -> Expression | None:
    """Its gradient then begins with one slope, and not with a slope for each step, all but one of which are 0."""
    (inner,) = outer.inputs
    if not is_recurrence(inner) or outer.shape[0] != 1:
        return None
    loop = loop_of(inner)
    k = inner.attribute("result") - len(loop.initial)
    if k < 0:
        return None
    if k < len(loop.outputs):
        carry, place = _carried_as(loop.new, loop.outputs[k]), loop.length + -1
    else:  # a history, which has the state before the first step as well
        carry, place = k - len(loop.outputs), loop.length
    starts = outer.attribute("starts")
    if carry is None or starts[0] != (0 if loop.reverse else place):
        return None
    last = loop.last(carry)
    whole = reshape(last, (1, *last.shape))
    attributes = {**dict(outer.attributes), "starts": (0, *starts[1:])}
    return node(slice_axes, [whole], **attributes)


def _carried_as(new: tuple[Expression, ...], root: Expression) -> int | None:
    """Return which carried value what steps return is, if it is one."""
    return new.index(root) if root in new else None


STATES: tuple[Rule, ...] = (last_of_states,)
