"""Which backend a variant of Pellucid's is for."""

from __future__ import annotations

from pellucid.compile import Backend


def backend_of(variant: str) -> Backend | None:
    """XLA in bfloat16 where that is asked for; otherwise what $PELLUCID_BACKEND says."""
    return Backend("xla", precision="bfloat16") if variant == "bfloat16" else None
