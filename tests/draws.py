"""How many examples a random test draws, where it compiles each of them and so takes longer than most."""

from __future__ import annotations

from hypothesis import settings

USUAL = 50  # of the profile ``dev``


def draws(number: int) -> settings:
    """Return settings for so many examples in the profile ``dev``: half as many in ``ci``, 100 times in ``soak``."""
    return settings(max_examples=max(2, number * settings.default.max_examples // USUAL))
