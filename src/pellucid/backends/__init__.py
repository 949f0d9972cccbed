"""Loops or graph to a callable: `reference` (NumPy) and `native` (LLVM). Neither imports the other."""
