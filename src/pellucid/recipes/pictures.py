"""The pictures and the page of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.errors import MissingExtraError
from ..training.splits import are_classes
from ..view import Section, page, png, prepare_folder, write_file
from ..view.classes import predicted_classes
from ..view.confusion import confusion
from ..view.examples import misclassified
from ..view.feature_maps import feature_maps, has_maps
from ..view.inside import applied_layers
from ..view.kernels import filters, first_kernel, weights
from ..view.plots import CLASSES, boundary
from ..view.states import addition_labels, recurrent_layer, states
from ..view.training import history, sweep
from .run import CONFIGURATION, REPORT, Run
from .sweeping import SEED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
MOST_WRONG = 40
MOST_CLASSES = 30  # a confusion matrix of more cannot be read
MOST_POINTS = 1_000  # of a plane, above which they hide each other
MOST_STEPS = 40  # of a sequence
PLAIN_IMAGES = (64, 784)  # pixels in a row that are taken for an image, where the data are no table
LOOKED_THROUGH = 500  # sums, for one in which every kind of place occurs
TELLING = ("test_accuracy", "val_accuracy", "accuracy", "test_loss", "val_loss", "loss")  # the first that is there
SHOWN_AS = {"\n": "⏎", " ": "␣", "\t": "⇥"}


class Seen(NamedTuple):
    """What pictures are made of.

    Attributes:
        run: trained.
        inputs: what it is judged by.
        labels: the truth.
        predicted: what the model says of these inputs, where it is to tell classes; it is asked once.
        classes: the names of the classes.
    """

    run: Run
    inputs: Array
    labels: Array
    predicted: Array | None
    classes: tuple[str, ...]

    @property
    def images(self) -> Array | None:
        """The inputs as images, if they are images: as they are, or of pixels in a row."""
        shape = self.inputs.shape[1:]
        in_a_row = shape in ((PLAIN_IMAGES[0],), (PLAIN_IMAGES[1],)) and self.kind != "csv"
        return self.inputs if in_a_row or (len(shape) == 3 and shape[-1] in (1, 3)) else None

    @property
    def kind(self) -> str:
        """Which data they are."""
        return str(self.run.document.content["data"]["kind"])


def illustrate(run: Run, figures: dict[str, Any]) -> None:
    """Write the pictures and the report of a run.

    A picture that does not apply is left out. One that cannot be made does not fail the run: the report says why.

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
    for name, caption, image in pictures_of(run):
        if isinstance(image, bytes):
            write_file(folder / f"{name}.png", image)
            pictures.picture(image, caption)
        else:
            pictures.paragraph(f"The picture `{name}` could not be made: {image}")
    settings = Section("Configuration").code((run.folder / CONFIGURATION).read_text(encoding="utf-8"))
    title = str(run.document.content.get("title", run.document.name))
    write_file(
        run.folder / REPORT,
        page(title, f"Trained by `pellucid train`, in `{run.folder.name}`.", [results, pictures, settings]),
    )


def pictures_of(run: Run) -> Iterator[tuple[str, str, bytes | Exception]]:
    """Yield the name of each picture that applies to a run, its caption, and the bytes of a PNG file.

    In place of the bytes there is the exception for one that could not be made.
    """
    seen = _seen(run)
    for name, caption, draw in PICTURES:
        try:
            figure = draw(seen)
            if figure is not None:
                yield name, caption, png(figure)
        except MissingExtraError:
            raise
        except Exception as error:  # noqa: BLE001  hours of training are not to end in a picture
            yield name, caption, error


def _seen(run: Run) -> Seen:
    judged = run.parts.test or run.parts.train
    predicted, classes = None, run.parts.classes
    if are_classes(judged.labels):
        predicted = run.model.predict(judged.inputs)
        count = max(predicted.shape[-1], 2)
        classes = classes if len(classes) == count else tuple(map(str, range(count)))
    return Seen(run, judged.inputs, judged.labels, predicted, classes)


def _curves(seen: Seen) -> Figure | None:
    found = seen.run.model.history
    return history(found) if found.epoch else None


def _sweep(seen: Seen) -> Figure | None:
    found = seen.run.found
    if found is None:
        return None
    names = {key for row in found.rows for key in row}
    figure = next(name for name in TELLING if name in names)
    varied = [name for name in found.choices if name != SEED] or found.choices
    return sweep(found, varied[0], figure, f"{len(found)} networks")


def _confusion(seen: Seen) -> Figure | None:
    if seen.predicted is None or len(seen.classes) > MOST_CLASSES:
        return None
    guesses, _ = predicted_classes(seen.predicted)
    right = int((guesses == seen.labels).sum())
    return confusion(seen.labels, guesses, seen.classes, f"{right:,} of {len(guesses):,} are right")


def _wrong(seen: Seen) -> Figure | None:
    if seen.predicted is None or seen.images is None:
        return None
    count = int((predicted_classes(seen.predicted)[0] != seen.labels).sum())
    if not count:
        return None
    how_many = f"{MOST_WRONG} of the {count:,}" if count > MOST_WRONG else f"All {count}"
    title = f"{how_many} mistakes, the most certain first" if count > 1 else "The only mistake"
    return misclassified(seen.images, seen.labels, seen.predicted, seen.classes, title, MOST_WRONG)


def _filters(seen: Seen) -> Figure | None:
    if seen.images is None:
        return None
    found = first_kernel(seen.run.model)
    if found is None:
        return None
    kernel, image = found
    if kernel.ndim == 2 and kernel.shape[1] == len(seen.classes) <= MOST_CLASSES:
        return weights(kernel, "The weights of each class", classes=seen.classes)
    return filters(kernel, image=image)


def _feature_maps(seen: Seen) -> Figure | None:
    if seen.images is None or not any(map(has_maps, applied_layers(seen.run.model.network))):
        return None
    known = are_classes(seen.labels) and seen.classes
    title = f"One example: {seen.classes[int(seen.labels[0])]}" if known else "One example"
    return feature_maps(seen.run.model, seen.images[0], title=title)


def _boundary(seen: Seen) -> Figure | None:
    if seen.predicted is None or seen.inputs.shape[1:] != (2,) or len(seen.classes) > len(CLASSES):
        return None
    some = slice(MOST_POINTS)
    numbers = all(name.isdigit() for name in seen.classes)
    return boundary(
        seen.run.model, seen.inputs[some], seen.labels[some], classes=len(seen.classes) if numbers else seen.classes
    )


def _states(seen: Seen) -> Figure | None:
    layer = recurrent_layer(seen.run.model)
    if layer is None:
        return None
    labels: list[str] = []
    example, title = seen.inputs[0], f"The states of {layer} for one example"
    if seen.kind == "addition":
        example = seen.inputs[_telling(seen.inputs)]
        (a, b), labels = 2 ** np.arange(len(example)) @ example.astype(int), addition_labels(example)
        title = f"What {layer} remembers while {a} and {b} are added"
    elif seen.kind == "text":
        labels = [SHOWN_AS.get(seen.classes[k], seen.classes[k]) for k in example]
    return states(seen.run.model, labels, title, example=example, layer=layer, most=MOST_STEPS)


def _telling(pairs: Array) -> int:
    """Return which of some sums has the most kinds of places: of bits that are added and what they carry."""
    some = np.unique(np.linspace(0, len(pairs) - 1, LOOKED_THROUGH).astype(int))
    places = 2 ** np.arange(pairs.shape[1] + 1)
    bits = pairs[some].astype(int)
    sums = [np.cumsum(bits[..., k] * places[:-1], axis=1) for k in (0, 1)]
    kinds = 4 * (sums[0] + sums[1] >= places[1:]) + 2 * bits[..., 0] + bits[..., 1]
    return int(some[np.argmax([len(set(row)) for row in kinds.tolist()])])


PICTURES = (
    ("curves", "What was measured after each epoch.", _curves),
    ("sweep", "What each network of the sweep came to; the other pictures are of the best of them.", _sweep),
    ("confusion", "What was predicted for each class: a row for each true class, a column for each prediction.",
     _confusion),
    ("wrong", "Examples that are taken for something else: as what and how surely, and what they are.", _wrong),
    ("filters", "What the first layer answers to.", _filters),
    ("feature-maps", "What the convolutions make of one example; white is zero.", _feature_maps),
    ("boundary", "What the network says everywhere in the plane.", _boundary),
    ("states", "What a recurrent layer remembers: a column for each step, a row for each unit.", _states),
)  # fmt: skip

__all__ = ["illustrate", "pictures_of"]
