"""What an expression is: nodes, shapes, dtypes, the operation record, origins, notation and errors.

Imports nothing else of Pellucid. Read `expression.py` first, then `operation.py`.
"""

from . import notation

__all__ = ["notation"]
