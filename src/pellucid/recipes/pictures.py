"""The pictures and the page of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..training.splits import are_classes
from ..view import Section, boundary, confusion, filters, history, page, png, predictions, prepare_folder, write_file
from .run import CONFIGURATION, REPORT, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_WRONG = 40
MOST_FILTERS = 64
MOST_CLASSES = 30  # a confusion matrix of more cannot be read


def illustrate(run: Run, figures: dict[str, Any]) -> None:
    """Write the pictures and the report of a run.

    Args:
        run: trained.
        figures: what was measured at its end.

    Raises:
        MissingExtraError: if matplotlib is not installed.
        OutputFolderError: if a file cannot be written.
    """
    folder = prepare_folder(run.folder / "pictures")
    results = Section("Result").table(["figure", "value"], [[k, f"{v:.4g}"] for k, v in figures.items()])
    pictures = Section("Pictures")
    for name, caption, figure in _figures(run):
        image = png(figure)
        write_file(folder / f"{name}.png", image)
        pictures.picture(image, caption)
    settings = Section("Configuration").code((run.folder / CONFIGURATION).read_text(encoding="utf-8"))
    title = str(run.document.content.get("title", run.document.name))
    write_file(
        run.folder / REPORT,
        page(title, f"Trained by `pellucid train`, in `{run.folder.name}`.", [results, pictures, settings]),
    )


def _figures(run: Run) -> Iterator[tuple[str, str, Figure]]:
    if run.model.history.epoch:
        yield "curves", "What was measured after each epoch.", history(run.model.history)
    judged = run.parts.test or run.parts.train
    if are_classes(judged.labels):
        yield from _of_classes(run, judged.inputs, judged.labels)
    kernel = next(iter(run.model.network.parameters.values())).value
    if kernel.ndim == 4 and kernel.shape[2] == 1:
        yield "filters", "The first layer's filters.", filters(kernel[..., :MOST_FILTERS])


def _of_classes(run: Run, inputs: Any, labels: Any) -> Iterator[tuple[str, str, Figure]]:
    found = run.model.predict(inputs)
    predicted = found.argmax(axis=-1) if found.shape[-1] > 1 else (found[:, 0] > 0.5).astype(int)
    count = max(found.shape[-1], 2)
    if count <= MOST_CLASSES:
        yield "confusion", "What was predicted for each class.", confusion(labels, predicted, count)
    wrong = np.flatnonzero(predicted != labels)[:MOST_WRONG]
    if len(wrong) and inputs.shape[1:] in ((64,), (784,), (8, 8, 1), (28, 28, 1)):
        yield (
            "wrong",
            "Examples that are taken for something else.",
            predictions(inputs[wrong].reshape(len(wrong), -1), labels[wrong], predicted[wrong]),
        )
    if inputs.shape[1:] == (2,) and count == 2:

        def second(points: Any) -> Any:
            return run.model.predict(points)[:, -1]

        yield "boundary", "What the network says everywhere in the plane.", boundary(second, inputs, labels)


__all__ = ["illustrate"]
