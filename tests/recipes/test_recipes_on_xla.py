"""The network of every recipe, on XLA: it learns as the reference does."""

import numpy as np
import pytest

from pellucid import recipes
from pellucid.data.labelled import Labelled
from pellucid.recipes.run import model_of
from pellucid.recipes.sources import Parts

ROWS, LENGTH, CLASSES = 8, 6, ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
random = np.random.default_rng(5)
IMAGES = {"mnist": (28, 28, 1), "digits": (8, 8, 1), "images": (32, 32, 3)}


def made_up(document):
    """Return rows of the form that a recipe's data have."""
    section = document.content["data"]
    kind = section["kind"]
    if kind in IMAGES:
        shape = tuple(section.get("shape") or [int(np.prod(IMAGES[kind]))] if kind != "images" else IMAGES[kind])
        return random.integers(0, 256, (ROWS, *shape)).astype("uint8"), random.integers(0, 2, ROWS)
    if kind == "text":
        return (random.integers(0, 10, (ROWS, LENGTH)).astype("int32") for _ in range(2))
    if kind == "addition":
        bits = section.get("bits", 8)
        sequences = random.integers(0, 2, (ROWS, bits + 1, 2)).astype("float32")
        return sequences, random.integers(0, 2, (ROWS, bits + 1, 1)).astype("float32")
    return random.standard_normal((ROWS, 2)).astype("float32"), random.integers(0, 2, ROWS)


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_learns_on_xla(name):
    document = recipes.find(name)
    if document.content["data"]["kind"] == "text":
        document = recipes.with_settings(document, {"data.length": LENGTH})
    x, y = made_up(document)
    parts = Parts(Labelled(x, y, CLASSES), None, 0.0, CLASSES, "")
    losses = []
    for backend in ("reference", "xla"):
        model = model_of(document, parts)
        history = model.fit(x, y, epochs=3, batch_size=ROWS, verbose=0, backend=backend)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-3)
    assert losses[0][2] != losses[0][0]
