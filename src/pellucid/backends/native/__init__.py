"""Loops to machine code through LLVM. Read `program.py` first, then `emit.py` and `contraction.py`."""
