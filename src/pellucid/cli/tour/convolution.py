"""The fifth part: handwritten digits, read by a convolutional network that Adam trains."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.expression import Expression
from ...data import Split, digits, split
from ...function import Function, function
from ...operations.activation import relu
from ...operations.convolution import conv2d
from ...operations.elementwise import where
from ...operations.pooling import max_pool2d
from ...operations.random import bernoulli
from ...operations.source import parameter, variable
from ...optimizers import Adam
from ...view import filters, formulas, losses
from .digits import SMOOTH, results, run_steps
from .guide import Guide
from .networks import Network

Array = np.ndarray[Any, Any]
BATCH, RATE, DROPPED = 50, 1e-3, 0.4
STEPS = 150
READ = 1_000  # digits that are read afterwards, of each part: enough for a percent


def convolutional_network(guide: Guide, given: Split | None = None, steps: int = STEPS) -> None:
    """Train two convolutions and two dense layers on scikit-learn's digits, or on MNIST if that is given."""
    parts = given or split(*digits(), seed=guide.seed)
    side = math.isqrt(parts.train_inputs.shape[1])
    where_from = "MNIST" if given else "scikit-learn's 8x8 digits"
    section = guide.section(
        "A convolutional network",
        f"{where_from}: filters of 5x5 pixels, 32 and then 64, each followed by the largest of 2x2; a layer of 1,024 "
        f"units, of which each step drops {DROPPED:.0%}; ten scores. Images stay bytes, and a step scales its {BATCH}.",
    )
    dropped = variable("rate", ())
    network = convolutions(side, dropped, guide.seed)
    loss = network.cross_entropy.mean()
    updates = Adam(RATE).updates(loss, network.parameters)
    step = function([network.x, network.label, dropped], loss, updates=updates, seed=guide.seed)
    section.add(formulas({r"\mathrm{loss}": loss}))
    guide.screen.formula("loss", loss)
    with (
        guide.timed(f"convolutional network in batches of {BATCH}", steps),
        guide.screen.progress(["convolutional network"], steps, "steps") as (report,),
    ):
        images = parts._replace(train_inputs=as_bytes(parts.train_inputs))
        curve = run_steps(step, BATCH, steps, images, guide.seed, report, DROPPED)
    guide.picture(
        section,
        "convolution-loss",
        losses({"loss": curve}, "Convolutional network", unit="step", smooth=SMOOTH),
        "The loss of each minibatch, and its mean over 50.",
    )
    picture = filters(network.parameters[0].value, "The first filters")
    caption = f"What each filter answers to. After {steps} steps, most of each is still what was drawn at the start."
    guide.picture(section, "convolution-filters", picture, caption)
    read = Split(*(part[:READ] for part in parts))
    results(guide, section, "convolution", reader(function([network.x, dropped], network.scores.argmax(axis=1))), read)


def convolutions(side: int, dropped: Expression, seed: int) -> Network:
    """Return the network for square images, given as bytes in a row; ``dropped`` is the share of units not kept.

    Weights start normal, scaled for layers of positive parts (He, Zhang, Ren and Sun, *Delving deep into rectifiers*,
    2015, equation 10).
    """
    draw = np.random.default_rng(seed).standard_normal
    flat = (side // 4) ** 2 * 64
    shapes = [(5, 5, 1, 32), (5, 5, 32, 64), (flat, 1024), (1024, 10)]
    W1, W2, W3, W4 = (
        parameter(draw(shape) * np.sqrt(2 / math.prod(shape[:-1])), name=f"W{k}") for k, shape in enumerate(shapes, 1)
    )
    b1, b2, b3, b4 = (parameter(np.zeros(shape[-1]), name=f"b{k}") for k, shape in enumerate(shapes, 1))
    x = variable("x", ("batch", side * side), dtype="uint8")
    image = (x.astype("float32") / 255).reshape(-1, side, side, 1)
    first = max_pool2d(relu(conv2d(image, W1, padding="same") + b1))
    second = max_pool2d(relu(conv2d(first, W2, padding="same") + b2))
    hidden = relu(second.reshape(-1, flat) @ W3 + b3)
    kept = where(bernoulli(1 - dropped, hidden.shape), hidden / (1 - dropped), 0)
    return Network(x, kept @ W4 + b4, [W1, b1, W2, b2, W3, b3, W4, b4])


def reader(predict: Function) -> Callable[[Array], Any]:
    """Return the function from pixels of 0 to 1 to digits; batch by batch, for what lies between is large."""
    batched = predict.minibatches(BATCH, shuffle=False)
    return lambda inputs: batched(as_bytes(inputs), 0.0)


def as_bytes(pixels: Array) -> Array:
    """Return pixels of 0 to 1 as bytes of 0 to 255."""
    rounded: Array = np.rint(255 * pixels).astype(np.uint8)
    return rounded
