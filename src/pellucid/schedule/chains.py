"""Chains over a batch: what goes row by row from one small product to the next runs in parts of the rows, together.

A small network takes its batch through products, activations, the loss and back, and each example goes its own way
until the gradients of the weights add up over all of them. Shared out one by one, these statements would have threads
meet between any two, which takes as long as the statements do. In one loop over parts of the rows a thread takes its
parts all the way, and what one statement makes is still in the nearest cache when the next one reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .access import Touches, accesses, conflict
from .contraction import is_blocked
from .loops import Buffer, Contraction, Loop, Program, Statement, leaves
from .share import (
    CUT_PRODUCT,
    is_safe,
    part_of_loop,
    part_of_product,
    part_of_sum,
    part_of_sum_of_products,
    work,
)

FEWEST_ROWS = 16  # of a part, so that they fill a product's tile
PARTS = (4, 5, 6, 7, 8, 3, 2)  # how many there may be, the best first

Cut = tuple[list[Statement], list[Statement], list[Buffer]]


def join_chains(program: Program) -> None:
    """Make one loop over parts of the rows of each product that is worth cutting and what goes row by row with it."""
    done = set[int]()
    for product in [s for s in program.each if isinstance(s, Contraction)]:
        if id(product) in done or is_blocked(product) or work(product) < CUT_PRODUCT:
            continue
        for _, rows in product.rows:
            parts = next((p for p in PARTS if rows % p == 0 and rows // p >= FEWEST_ROWS), 1)
            chain = _Chain(f"rows{len(done)}", rows, parts)
            if parts > 1 and chain.is_around(product, program.each):
                done |= chain.joins.keys()
                program.each = chain.put(product, program.each)
                program.buffers += chain.copies
                break


class _Chain:
    """Statements that go row by row together.

    Attributes:
        body: what is done with a part of the rows.
        touches: what that touches.
        joins: for each statement that the chain takes, by its identity, what adds up the sums of the parts.
        copies: the buffers of these sums.
    """

    def __init__(self, part: str, rows: int, parts: int) -> None:
        self.part, self.rows, self.parts = part, rows, parts
        self.body: list[Statement] = []
        self.touches: Touches = {}
        self.joins: dict[int, list[Statement]] = {}
        self.copies: list[Buffer] = []

    def is_around(self, product: Contraction, statements: Sequence[Statement]) -> bool:
        """Take a product, and of the other statements those that go with it; return whether there are any."""
        if not self._take(product):
            return False
        place = next(k for k, s in enumerate(statements) if s is product)
        self._gather(statements[place + 1 :])
        self._gather(statements[:place][::-1], before=True)
        return len(self.joins) > 1

    def put(self, product: Contraction, statements: Sequence[Statement]) -> list[Statement]:
        """Return the statements with the chain in the place of its product."""
        result = list[Statement]()
        for statement in statements:
            if statement is product:
                result.append(Loop(self.part, self.parts, self.body, "parts", True))
            elif id(statement) not in self.joins:
                result.append(statement)
            result += self.joins.get(id(statement), [])
        return result

    def _gather(self, statements: Sequence[Statement], before: bool = False) -> None:
        """Take what has to do with the chain and may move to it, past all that stays where it is."""
        passed: list[Touches] = []
        for statement in statements:
            stays = self.joins[id(statement)] if self._take(statement, passed, before) else [statement]
            passed.append(accesses(stays))

    def _take(self, statement: Statement, passed: Sequence[Touches] = (), before: bool = False) -> bool:
        """Take a statement as the last of the chain, or as the first, if no part needs what another makes."""
        for inner, joins, copies in self._cuts(statement):
            touches = accesses(inner)
            moves = not self.body or conflict(touches, self.touches)
            if not moves or any(conflict(touches, other) for other in passed) or (before and joins):
                continue
            body = [*inner, *self.body] if before else [*self.body, *inner]
            if is_safe(Loop(self.part, self.parts, body)):
                self.body, self.touches = body, accesses(body)
                self.joins[id(statement)] = joins
                self.copies += copies
                return True
        return False

    def _cuts(self, statement: Statement) -> Iterator[Cut]:
        """Yield how a statement may be cut."""
        if isinstance(statement, Contraction) and not is_blocked(statement):
            for name in [v for v, n in (*statement.rows, *statement.columns) if n == self.rows]:
                yield [part_of_product(statement, name, self.parts, self.part)], [], []
            for name in [v for v, n in statement.shared if n == self.rows and self._is_small(statement)]:
                yield part_of_sum_of_products(statement, name, self.parts, self.part, f"{self.part}_{len(self.joins)}")
        elif isinstance(statement, Loop) and statement.extent == self.rows and statement.mode == "serial":
            if any(isinstance(leaf, Contraction) for leaf in leaves([statement])):
                return
            if is_safe(statement):
                yield [part_of_loop(statement, self.parts, self.part)], [], []
            else:
                yield part_of_sum(statement, self.parts, self.part, f"{self.part}_{len(self.joins)}")

    def _is_small(self, product: Contraction) -> bool:
        """Whether a sum of products over the rows, one for each part, is far less than what it is made of."""
        made = [
            b for b in {product.left.buffer, product.right.buffer} if any(a.writes for a in self.touches.get(b, ()))
        ]
        result = product.buffer
        kept = result.place != "arena" or result.updates is not None
        return not kept and 2 * self.parts * result.size <= sum(b.size for b in made)
