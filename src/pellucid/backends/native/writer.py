"""Writing LLVM IR as text: lines, labels, counted loops and the declarations they need.

Text is several times faster to produce than objects, and it is what the user sees. This file knows nothing of
dtypes or vectors; `arithmetic.py` builds on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Writer:
    """The text of one LLVM function.

    Offsets and loop counters are ``int`` where they are known and the text of an ``i64`` otherwise.
    """

    def __init__(self, signature: str, declarations: dict[str, None]) -> None:
        self.signature = signature
        self.declarations = declarations
        self.lines: list[str] = []
        self.allocations: list[str] = []
        self.label = "entry"
        self.counter = 0

    def fresh(self, stem: str = "v") -> str:
        """Return a local name nobody has."""
        self.counter += 1
        return f"{stem}{self.counter}"

    def value(self, instruction: str) -> str:
        """Write an instruction and return the name of its result."""
        name = "%" + self.fresh()
        self.lines.append(f"  {name} = {instruction}")
        return name

    def line(self, instruction: str) -> None:
        """Write an instruction that has no result."""
        self.lines.append(f"  {instruction}")

    def declare(self, declaration: str) -> None:
        """Ask for a declaration of an external function or intrinsic, written once in the module."""
        self.declarations.setdefault(f"declare {declaration}")

    def start_block(self, label: str) -> None:
        """Begin a block; what is written next belongs to it."""
        self.lines.append(f"{label}:")
        self.label = label

    def allocate(self, kind: str, count: int = 1, align: int = 64) -> str:
        """Reserve stack memory for the whole call and return its address."""
        name = "%" + self.fresh("a")
        self.allocations.append(f"  {name} = alloca [{count} x {kind}], align {align}")
        return name

    def add(self, a: str | int, b: str | int) -> str | int:
        """Return a + b, computed now if both are known."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if b == 0:
            return a
        if a == 0:
            return b
        return self.value(f"add nsw i64 {a}, {b}")

    def multiply(self, a: str | int, b: str | int) -> str | int:
        """Return a * b, computed now if both are known."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 0 or b == 0:
            return 0
        if b == 1:
            return a
        if a == 1:
            return b
        return self.value(f"mul nsw i64 {a}, {b}")

    def subtract(self, a: str | int, b: str | int) -> str | int:
        """Return a - b, computed now if both are known."""
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        return a if b == 0 else self.value(f"sub nsw i64 {a}, {b}")

    def smaller(self, a: str | int, b: str | int) -> str | int:
        """Return the smaller of a and b."""
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        self.declare("i64 @llvm.smin.i64(i64, i64)")
        return a if a == b else self.value(f"call i64 @llvm.smin.i64(i64 {a}, i64 {b})")

    def larger(self, a: str | int, b: str | int) -> str | int:
        """Return the larger of a and b."""
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        self.declare("i64 @llvm.smax.i64(i64, i64)")
        return a if a == b else self.value(f"call i64 @llvm.smax.i64(i64 {a}, i64 {b})")

    def up(self, a: str | int, divisor: int) -> str | int:
        """Return a / divisor rounded up; where a is negative, some number that is not positive."""
        if isinstance(a, int):
            return -(-a // divisor)
        return a if divisor == 1 else self.value(f"sdiv i64 {self.add(a, divisor - 1)}, {divisor}")

    def down(self, a: str | int, divisor: int) -> str | int:
        """Return a / divisor rounded down, of an a that is not negative."""
        if isinstance(a, int):
            return a // divisor
        return a if divisor == 1 else self.value(f"udiv i64 {a}, {divisor}")

    def address(self, base: str, offset: str | int, kind: str) -> str:
        """Return the address ``offset`` elements of an LLVM type after ``base``."""
        if offset == 0:
            return base
        return self.value(f"getelementptr inbounds {kind}, ptr {base}, i64 {offset}")

    def prefetch(self, address: str, near: bool = False) -> None:
        """Ask for the memory at an address, which need not be valid, to be brought near, or into the next level."""
        self.declare("void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.line(f"call void @llvm.prefetch.p0(ptr {address}, i32 0, i32 {3 if near else 2}, i32 1)")

    @contextmanager
    def loop(self, start: str | int, stop: str | int, step: int = 1, unroll: bool = False) -> Iterator[str]:
        """Write a counted loop, its body what the block writes; yields the counter."""
        before, head, body, after = self.label, self.fresh("head"), self.fresh("body"), self.fresh("after")
        counter = "%" + self.fresh("i")
        self.line(f"br label %{head}")
        self.start_block(head)
        phi = len(self.lines)
        self.lines.append("")
        going = self.value(f"icmp slt i64 {counter}, {stop}")
        self.line(f"br i1 {going}, label %{body}, label %{after}")
        self.start_block(body)
        yield counter
        advanced = self.value(f"add nsw i64 {counter}, {step}")
        self.line(f"br label %{head}" + ("" if unroll else ", !llvm.loop !0"))
        self.lines[phi] = f"  {counter} = phi i64 [{start}, %{before}], [{advanced}, %{self.label}]"
        self.start_block(after)

    @contextmanager
    def repeated(self, times: int) -> Iterator[str | int]:
        """Write a loop from 0, or nothing around the block where it would run once; yields the counter."""
        if times == 1:
            yield 0
        else:
            with self.loop(0, times) as counter:
                yield counter

    @contextmanager
    def carrying(
        self, start: str | int, stop: str | int, step: int, values: list[str], kind: str
    ) -> Iterator[tuple[str, list[str]]]:
        """Write a counted loop that hands values, all of one LLVM type, from pass to pass.

        Yields the counter and a list of the values, which the block replaces by new ones; when the loop is written,
        ``values`` holds what the last pass left.
        """
        before, head, body, after = self.label, self.fresh("head"), self.fresh("body"), self.fresh("after")
        counter, names = "%" + self.fresh("i"), ["%" + self.fresh("c") for _ in values]
        self.line(f"br label %{head}")
        self.start_block(head)
        phi = len(self.lines)
        self.lines.extend([""] * (1 + len(values)))
        going = self.value(f"icmp slt i64 {counter}, {stop}")
        self.line(f"br i1 {going}, label %{body}, label %{after}")
        self.start_block(body)
        carried = list(names)
        yield counter, carried
        advanced = self.value(f"add nsw i64 {counter}, {step}")
        self.line(f"br label %{head}, !llvm.loop !0")
        self.lines[phi] = f"  {counter} = phi i64 [{start}, %{before}], [{advanced}, %{self.label}]"
        for k, (name, first, last) in enumerate(zip(names, values, carried, strict=True), phi + 1):
            self.lines[k] = f"  {name} = phi {kind} [{first}, %{before}], [{last}, %{self.label}]"
        values[:] = names
        self.start_block(after)

    @contextmanager
    def branch(self, condition: str) -> Iterator[None]:
        """Write a block that runs only where the ``i1`` condition holds."""
        taken, after = self.fresh("then"), self.fresh("after")
        self.line(f"br i1 {condition}, label %{taken}, label %{after}")
        self.start_block(taken)
        yield
        self.line(f"br label %{after}")
        self.start_block(after)

    def text(self, result: str = "ret void") -> str:
        """Return the function as LLVM IR."""
        return "\n".join(
            [f"define {self.signature} {{", "entry:", *self.allocations, *self.lines, f"  {result}", "}", ""]
        )


MODULE_END = """
!0 = distinct !{!0, !1}
!1 = !{!"llvm.loop.unroll.disable"}
!2 = !{i32 1}
"""

PAST_CACHES = ", !nontemporal !2"
"""What makes a store go past the caches; it has to begin at a multiple of its own size."""
