"""Steps to machine code through LLVM. Read `program.py` first, then `generate.py`, `emit.py` and `contraction.py`."""
