"""The third and fourth parts: handwritten digits, by softmax regression and by a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...data import Split, digits, split
from ...function import Function
from ...view import Section, confusion, formulas, losses, predictions, weights
from .guide import Guide, derivatives, fired
from .networks import accuracy, one_layer, two_layers

Array = np.ndarray[Any, Any]
RATE = 0.5
REGRESSION_BATCH, REGRESSION_STEPS = 100, 1_000
NETWORK_BATCH, NETWORK_EPOCHS, HIDDEN = 50, 40, 64
SHOWN, SMOOTH = 30, 50


def softmax_regression(guide: Guide, given: Split | None = None, steps: int = REGRESSION_STEPS) -> None:
    """Learn one matrix from scikit-learn's digits, or from MNIST if that is given."""
    parts = given or split(*digits(), seed=guide.seed)
    where = "MNIST" if given else "scikit-learn's 8x8 digits"
    section = guide.section(
        "Softmax regression",
        f"{where}: {len(parts.train_inputs):,} to learn from, {len(parts.test_inputs):,} to test with. "
        "One matrix says what speaks for each digit.",
    )
    network = one_layer(parts.train_inputs.shape[1], 10)
    loss = network.cross_entropy.mean()
    step, predict = network.descent(loss, RATE), network.predictor()
    section.add(formulas({r"\mathrm{loss}": loss}))
    section.add(derivatives(loss, network.parameters))
    guide.screen.formula("loss", loss)
    with (
        guide.timed(f"softmax regression in batches of {REGRESSION_BATCH}", steps),
        guide.screen.progress(["softmax regression"], steps, "steps") as (report,),
    ):
        curve = run_steps(step, REGRESSION_BATCH, steps, parts, guide.seed, report)
    guide.picture(
        section,
        "softmax-loss",
        losses({"loss": curve}, "Softmax regression", unit="step", smooth=SMOOTH),
        "The loss of each minibatch, and its mean over 50.",
    )
    picture = weights(network.parameters[0].value, "The weights of each digit")
    guide.picture(section, "softmax-weights", picture, "Where ink speaks for a digit, and where against it.")
    results(guide, section, "softmax", predict, parts)


def run_steps(step: Function, batch: int, steps: int, parts: Split, seed: int, report: Any, *numbers: float) -> Array:
    """Train on minibatches, in whole epochs and part of one, with other inputs of the step; returns a loss a step."""
    inputs, labels = parts.train_inputs, parts.train_labels
    each = -(-len(inputs) // batch)
    epochs, rest = divmod(steps, each)
    curves = []
    if epochs:
        whole = step.minibatches(batch, epochs=epochs, seed=seed)
        curves.append(whole(inputs, labels, *numbers, progress=lambda done, _: report(done, steps)))
    if rest:
        some = np.random.default_rng(seed).permutation(len(inputs))[: rest * batch]
        part = step.minibatches(batch, seed=seed + 1)
        begun = epochs * each
        curves.append(part(inputs[some], labels[some], *numbers, progress=lambda done, _: report(begun + done, steps)))
    return np.concatenate(curves)


def digits_network(guide: Guide, epochs: int = NETWORK_EPOCHS) -> None:
    """Train a 64-64-10 network on three quarters of scikit-learn's digits."""
    parts = split(*digits(), test=0.25, seed=guide.seed)
    section = guide.section(
        "A network for digits",
        f"A hidden layer of {HIDDEN} units, on scikit-learn's 8x8 digits: {len(parts.train_inputs):,} to learn from, "
        f"a quarter, {len(parts.test_inputs):,}, held out.",
    )
    network = two_layers(64, HIDDEN, 10, guide.seed)
    loss = network.cross_entropy.mean()
    step, predict = network.descent(loss, RATE), network.predictor()
    section.add(formulas({r"\mathrm{loss}": loss}))
    guide.screen.formula("loss", loss)
    steps = epochs * -(-len(parts.train_inputs) // NETWORK_BATCH)
    training = step.minibatches(NETWORK_BATCH, epochs=epochs, seed=guide.seed)
    with (
        guide.timed(f"64-64-10 network in batches of {NETWORK_BATCH}", steps),
        guide.screen.progress(["64-64-10 network"], steps, "steps") as (report,),
    ):
        curve = training(parts.train_inputs, parts.train_labels, progress=report)
    guide.picture(
        section,
        "digits-loss",
        losses({"loss": curve}, "64-64-10 network", unit="step", smooth=SMOOTH),
        "The loss of each minibatch, and its mean over 50.",
    )
    results(guide, section, "digits", predict, parts)
    section.heading("What was rewritten")
    section.table(["rule", "times", "before", "after"], fired(training))


def results(guide: Guide, section: Section, name: str, predict: Callable[[Array], Any], parts: Split) -> None:
    """Show how often a model is right, a sheet of test digits with the wrong ones first, and what it confuses."""
    rows = [
        [
            "training",
            f"{len(parts.train_labels):,}",
            f"{accuracy(predict, parts.train_inputs, parts.train_labels):.3f}",
        ],
        ["test", f"{len(parts.test_labels):,}", f"{accuracy(predict, parts.test_inputs, parts.test_labels):.3f}"],
    ]
    guide.table(section, ["digits", "how many", "accuracy"], rows)
    guessed = np.asarray(predict(parts.test_inputs))
    wrong = np.flatnonzero(guessed != parts.test_labels)[: SHOWN // 2]
    correct = np.flatnonzero(guessed == parts.test_labels)[: SHOWN - len(wrong)]
    chosen = np.concatenate([wrong, correct])
    sheet = predictions(parts.test_inputs[chosen], parts.test_labels[chosen], guessed[chosen], "Test digits")
    guide.picture(section, f"{name}-examples", sheet, "Test digits and what was predicted; mistakes first, in colour.")
    counts = confusion(parts.test_labels, guessed, title="What is taken for what")
    guide.picture(section, f"{name}-confusion", counts, "How many test digits of each class got each prediction.")
