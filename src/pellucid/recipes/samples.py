"""What a run's model says: of rows that were held out, and, if it has learnt a text, in its own words."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.labelled import Labelled
from ..metrics.accuracy import THRESHOLD
from ..training.model import Model
from ..training.splits import are_classes
from ..view.folder import write_file
from .run import Run

Array = np.ndarray[Any, Any]
MOST_ROWS = 200
WRITTEN = 400  # characters
TEMPERATURE = 0.8
COLUMNS = ("name", "class", "probability")


def write_samples(run: Run) -> None:
    """Write what a run's model says: ``predictions.csv``, or ``sample.txt`` if it has learnt a text.

    Raises:
        OutputFolderError: if the file cannot be written.
    """
    judged = run.parts.test or run.parts.train
    if run.document.content["data"]["kind"] == "text":
        written = continued(run.model, judged.inputs[0], WRITTEN, run.plan.seed)
        write_file(run.folder / "sample.txt", "".join(run.parts.classes[k] for k in written) + "\n")
    else:
        write_file(run.folder / "predictions.csv", _predicted(run.model, judged, run.parts.classes))


def _predicted(model: Model, judged: Labelled, classes: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "true", *COLUMNS[1:]])
    outputs = model.predict(judged.inputs[:MOST_ROWS])
    for k, output in enumerate(outputs):
        answer = said(judged.names[k] if judged.names else str(k), output, classes)
        label = judged.labels[k]
        true = classes[int(label)] if classes and are_classes(judged.labels) else _numbers(label)
        writer.writerow([answer["name"], true, answer["class"], answer["probability"]])
    return text.getvalue()


def said(name: str, output: Array, classes: Sequence[str]) -> dict[str, Any]:
    """Return what the outputs for one row mean: its class and how probable it is, or the numbers themselves.

    Args:
        name: what the row is called.
        output: probabilities of classes, one probability of the second of two classes, or other numbers. Of several
            steps the last counts, unless each has a yes or no of its own, which are all said.
        classes: their names; empty if numbers were learnt.

    >>> said("a row", np.array([0.2, 0.8]), ["cat", "dog"])
    {'name': 'a row', 'class': 'dog', 'probability': 0.8}
    """
    if not classes:
        return dict(zip(COLUMNS, (name, _numbers(output), None), strict=True))
    if output.ndim > 1 and output.shape[-1] == 1:
        chances = output.ravel()
        told = " ".join(classes[int(chance > THRESHOLD)] for chance in chances)
        return dict(zip(COLUMNS, (name, told, float(np.maximum(chances, 1 - chances).prod())), strict=True))
    last = output[-1] if output.ndim > 1 else output
    chances = last if len(last) > 1 else np.array([1 - last[0], last[0]])
    best = int(chances.argmax())
    return dict(zip(COLUMNS, (name, classes[best], float(chances[best])), strict=True))


def _numbers(output: Any) -> str:
    return " ".join(f"{value:.4g}" for value in np.ravel(output))


def continued(model: Model, given: Array, length: int, seed: int) -> list[int]:
    """Return the numbers of characters that a model goes on with, each drawn from what it says of the next.

    Args:
        model: gives probabilities of the next character at each place of a window.
        given: the window to begin from.
        length: how many to write.
        seed: draws them.
    """
    random = np.random.default_rng(seed)
    window, written = np.array(given), []
    for _ in range(length):
        chances = model.predict(window[None])[0, -1].astype(np.float64) ** (1 / TEMPERATURE)
        written.append(int(random.choice(len(chances), p=chances / chances.sum())))
        window = np.append(window[1:], written[-1]).astype(window.dtype)
    return written


__all__ = ["COLUMNS", "continued", "said", "write_samples"]
