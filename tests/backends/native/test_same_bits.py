"""Training is the same bit for bit on any number of threads, whatever the caches, and however a search cuts loops."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pc
from backends.native.blocks import contractions, lower_thresholds, program_of
from backends.native.images import MNIST, SMALL, Images, data, training

THREADS = (1, 2, 3, 7)
CACHES = ("16K,128K,1M", "48K,2M,64M")


def trained(images: Images, steps: int = 3) -> bytes:
    """Return the bits of the losses of some steps, and of all parameters after them."""
    step, parameters = training(images, pc.optimizers.Adam(learning_rate=0.01))
    x, label = data(images)
    losses = [step(x, label) for _ in range(steps)]
    assert np.isfinite(losses).all()
    assert losses[-1] != losses[0]
    assert len(contractions(program_of(step))) >= 6, "or nothing here would be shared out"
    return b"".join([np.asarray(losses).tobytes(), *(p.value.tobytes() for p in parameters)])


@pytest.fixture(params=["small", "real"])
def images(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Images:
    """Sizes: small ones with low thresholds, or real ones as they are."""
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "0")
    if request.param == "real":
        return MNIST
    lower_thresholds(monkeypatch)
    monkeypatch.setattr("pellucid.schedule.share.SHARED_WORK", 1 << 8)
    monkeypatch.setattr("pellucid.schedule.share.CUT_WORK", 1 << 9)
    return SMALL


def test_on_any_number_of_threads(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for threads in THREADS:
        monkeypatch.setenv("PELLUCID_THREADS", str(threads))
        found.add(trained(images))
    assert len(found) == 1


def test_whatever_the_caches(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {trained(images)}
    for threads, sizes in zip((1, 3), CACHES, strict=True):
        monkeypatch.setenv("PELLUCID_THREADS", str(threads))
        monkeypatch.setenv("PELLUCID_CACHE_SIZES", sizes)
        found.add(trained(images))
    assert len(found) == 1


def test_other_draws_are_other_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the tests above would compare too little: dropout takes part in every bit."""
    lower_thresholds(monkeypatch)
    step, _ = training(SMALL, pc.optimizers.Adam())
    without, _ = training(SMALL, pc.optimizers.Adam(), dropout=0)
    assert step(*data(SMALL)) != without(*data(SMALL))
