"""Expressions to loops: the passes in order.

Lower, fuse, order as memory lies, make private, update in place, join chains, cut sums, choose lanes, narrow what they
keep, share out, plan memory, prove bounds.
"""

from __future__ import annotations

from ..core.expression import Expression
from ..core.origins import origin_of
from ..core.traversal import rebuild, transform
from ..step import Step
from .access import accesses
from .chains import join_chains
from .contraction import tidy
from .fuse import fuse, update_in_place
from .loops import Program
from .lower import Lowering
from .memory import check_bounds, pack_inputs, plan_arena
from .private import make_private, narrow
from .share import cut_sums, share_out
from .vectorise import in_memory_order, vectorise


def schedule(step: Step) -> Program:
    """Return the loops of a step."""
    # Simpler forms may meet the parameters in another order, and a caller binds them in that of the step it gave.
    lowering = Lowering(step.with_roots(expand(step.roots)), step.parameters)
    lowering.run()
    once, each = in_memory_order(fuse(lowering.once)), in_memory_order(fuse(lowering.each))
    first, then = accesses(once).keys(), accesses(each).keys()
    once, each = make_private(once, set(then)), make_private(each, set(first))
    touched = dict.fromkeys([*accesses(once), *accesses(each)])
    program = Program(once, each, [b for b in touched if b.place != "private"])
    update_in_place(program)
    tidy(program)
    join_chains(program)
    cut_sums(program)
    program.once, program.each = narrow(vectorise(program.once)), narrow(vectorise(program.each))
    pack_inputs(program)
    share_out(program)
    plan_arena(program)
    check_bounds(program.once)
    check_bounds(program.each)
    return program


def expand(roots: list[Expression]) -> list[Expression]:
    """Return the roots with operations that have a simpler form replaced by it."""

    def change(old: Expression, inputs: tuple[Expression, ...]) -> Expression:
        new = rebuild(old, inputs)
        while new.operation.expand:
            with origin_of(old):
                simpler = new.operation.expand(*new.inputs, **dict(new.attributes))
            if simpler is new:
                break
            new = simpler
        return new

    return transform(roots, change)
