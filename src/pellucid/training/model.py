"""A model: a network, what it is to make smaller, and by which rule; trained, judged and asked with arrays."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import distributed, losses, optimizers
from ..compile import Backend
from ..core.errors import InputError
from ..core.expression import Expression, Parameter
from ..core.settings import check_number, check_whole, is_whole
from ..function import Function
from ..layers.composed import ComposedLayer, Input
from ..layers.layer import Layer
from ..layers.sequential import Sequential
from ..metrics import get as get_metric
from ..operations.source import parameter
from ..optimizers.optimizer import Optimizer
from .callbacks import Callback
from .choosing import asked_for, automatic, judging
from .display import display
from .examples import Examples, checked, input_arrays
from .fitting import Fitting
from .history import History
from .program import Program, input_dtype
from .progress import Progress
from .same_data import check_continued, described_data
from .saving import save
from .stream_fitting import StreamFitting
from .streams import Stream, check_streamed, is_stream
from .training_run import TrainingRun
from .weights import load_weights, save_weights

Array = np.ndarray[Any, Any]
EVALUATED_ROWS = 256  # in a batch, unless told otherwise


class Model:
    """A network that learns.

    Args:
        network: a layer: ``pc.Sequential``, ``pc.Network``, or one of your own. If it is not built yet, it is built for
            the first data, its weights drawn from ``seed``.
        loss: a name such as "cross_entropy" or "mse", a loss of ``pc.losses``, or a function of outputs and labels that
            returns one value an example. Losses of classes take logits: the last layer has no softmax.
        optimizer: a name such as "adam", or one of ``pc.optimizers``.
        metrics: names such as "accuracy", or metrics of ``pc.metrics``.
        seed: the key of everything random: weights, dropout, the order of examples, the validation split.

    Attributes:
        history: what was measured, over all calls of ``fit``.
        progress: how many epochs and steps were done.
        stop_training: callbacks set it to end the training.
        rule: the optimiser that is used, whose rate, if it is a number, is the parameter ``rate``.

    >>> import numpy as np, pellucid as pc
    >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(64, 1)
    >>> model = pc.Model(pc.Sequential(pc.layers.Dense(1)), loss="mse", optimizer=pc.optimizers.SGD(0.1))
    >>> history = model.fit(x, 3 * x + 1, epochs=50, batch_size=16, verbose=0)
    >>> bool(history.history["loss"][-1] < 1e-3), model.predict([[2.0]]).round(1)
    (True, array([[7.]], dtype=float32))
    """

    def __init__(self, network: Any, loss: Any, optimizer: Any = "adam", metrics: Any = (), seed: int = 0) -> None:
        if not isinstance(network, Layer):
            raise InputError(f"a model is made of a network, and was given {network!r}; expected pc.Sequential(...)")
        if not is_whole(seed):
            raise InputError(f"the seed of a model is a whole number, not {seed!r}")
        self.network: Any = network if isinstance(network, ComposedLayer) else Sequential(network)
        self.loss = losses.get(loss)
        self.optimizer: Optimizer = optimizers.get(optimizer)
        self.metrics = [get_metric(m) for m in ([metrics] if isinstance(metrics, str) else metrics)]
        self.seed = int(seed)
        self.history, self.progress, self.stop_training = History(), Progress(), False
        self.rule, self.rate = _with_rate(self.optimizer)
        self._trained: set[Parameter] = set()  # the weights that this rule has been used for
        self._input_names: list[str] = []
        self._programs: dict[Any, Program] = {}
        self._functions: dict[Any, Function] = {}

    # What it is made of

    @property
    def learning_rate(self) -> Any:
        """The optimiser's rate: a number that may be set between epochs, or the schedule that it was given."""
        return float(self.rate.value) if self.rate is not None else self.optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        if self.rate is None:
            raise InputError(f"the learning rate follows {self.optimizer.learning_rate!r}, and cannot be set beside it")
        check_number(self, "learning_rate", rate, "nonnegative")
        self.rate.value = float(rate)

    def state_parameters(self) -> list[Parameter]:
        """Return everything that training changes: the network's weights, and the optimiser's moments and counters."""
        return [*self.network.parameters.values(), *self.rule.state.values()]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model and its training state into one file, from which ``pc.load`` makes it again.

        The file is in the safetensors format, and is written whole or not at all: until all of it is on the disk, an
        older file of the same name stays.

        Args:
            path: the file, by convention ``*.safetensors``.

        Raises:
            InputError: if a layer or function is not registered (see ``pc.register``), or the learning rate is an
                expression.
            OutputFolderError: if the file cannot be written.
        """
        self._build_if_known()
        save(self, path)

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write the network's weights alone into a safetensors file, by their paths."""
        self._build_if_known()
        save_weights(self.network, path)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Give the network the weights of a file that ``save_weights`` or ``save`` wrote.

        Raises:
            InputError: if the network is not built yet.
            ModelFileError: if the file is damaged, or of another network: it says what is different, layer by layer.
        """
        self._build_if_known()
        load_weights(self.network, path)

    def summary(self) -> Any:
        """Return the table of the network's layers."""
        return self.network.summary()

    def _program(self, inputs: Sequence[Array], labels: Array | None, weighted: bool) -> tuple[Any, Program]:
        """Return the program for arrays like these, and what tells it from others; builds an unbuilt network."""
        self._build(inputs)
        declared: list[Expression] = self.network.inputs
        dtypes = tuple(input_dtype(a, x.dtype) for a, x in zip(inputs, declared, strict=True))
        frozen = tuple(self.network.all_trainable())
        label_form = None if labels is None else (labels.dtype.name, labels.shape[1:])
        key = (dtypes, label_form, weighted, frozen)
        if key not in self._programs:
            made = Program(self.network, self.loss, self.metrics, declared, dtypes, labels, weighted)
            self._programs[key] = made
        return key, self._programs[key]

    def _build(self, inputs: Sequence[Array]) -> None:
        network = self.network
        if network.built:
            return
        if not network.inputs:
            if len(inputs) != 1:
                raise InputError(f"{network!r} takes one input; use pc.Network for several")
            (x,) = inputs
            dtype = {"float64": "float32", "int64": "int32", "bool": "uint8"}.get(x.dtype.name, x.dtype.name)
            network.inputs = [Input(x.shape[1:], dtype)]
        network.build(seed=self.seed)

    def _build_if_known(self) -> None:
        """Build a network that knows its inputs, so that its weights are those that training would begin with."""
        if self.network.inputs and not self.network.built:
            self.network.build(seed=self.seed)

    def _function(self, what: str, program: Program, key: Any, backend: str | Backend | None) -> Function:
        known = (what, key, backend)
        if known not in self._functions:
            if what == "train":
                self._renew_rule()
                made = program.training(self.rule, self.seed, backend)
            else:
                made = program.evaluating(backend) if what == "evaluate" else program.predicting(backend)
            self._functions[known] = made
        return self._functions[known]

    def _renew_rule(self) -> None:
        """Begin the optimiser's averages anew if weights that were frozen are trained now, which have none yet."""
        trained = set(self.network.trainable_parameters)
        if self._trained and not trained <= self._trained:
            self.rule = dataclasses.replace(self.rule)
            self._functions = {key: made for key, made in self._functions.items() if key[0] != "train"}
        self._trained |= trained

    def _names(self) -> list[str]:
        """Return the names of the network's inputs."""
        if not self._input_names:
            self._input_names = [str(x) for x in self.network.inputs]
        return self._input_names or ["x"]

    def _examples(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, **kind: Any) -> Examples:
        return checked(x, y, self._names(), self.loss, sample_weight, class_weight, **kind)

    def batch(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> Examples:
        """Return one batch of many as checked examples; not all classes need to be in it."""
        return self._examples(x, y, sample_weight, class_weight, are_all=False)

    def training_step(self, examples: Examples, backend: str | Backend | None = None) -> tuple[Any, Program, Function]:
        """Return what tells programs for such examples from others, the program, and its compiled step."""
        key, program = self._program(examples.inputs, examples.labels, examples.weights is not None)
        return key, program, self._function("train", program, key, backend)

    # Training

    def fit(
        self,
        x: Any,
        y: Any = None,
        epochs: int = 1,
        batch_size: int = 32,
        validation_split: float = 0.0,
        validation_data: Any = None,
        callbacks: Sequence[Callback] = (),
        verbose: int = 1,
        backend: str | None = None,
        devices: Any = None,
        *,
        precision: str | None = None,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        shuffle: bool = True,
        steps_per_epoch: int | None = None,
        initial_epoch: int | None = None,
        rows: Any = None,
    ) -> History:
        """Train for some epochs more, and return the history of all of them.

        Args:
            x: examples, an array with a row for each (a list or dict of arrays where the network has several inputs);
                arrays mapped to memory are read batch by batch, if they have the network's dtype or are of bytes. Or
                an iterator, or a function that returns one, of batches ``(x, y)`` or ``(x, y, sample_weight)``, of
                which the next is fetched while one is trained on.
            y: their labels: whole numbers of classes, or numbers.
            epochs: how many epochs are added to those that were done already.
            batch_size: examples in a step; the last step of an epoch takes what is left.
            validation_split: the share of the examples that is held out and measured after each epoch: a seeded draw,
                stratified for labels that are whole numbers.
            validation_data: ``(x, y)`` or ``(x, y, sample_weight)`` to measure after each epoch instead.
            callbacks: see ``pc.callbacks``.
            verbose: 1 shows the progress in a terminal or notebook, 2 prints a line an epoch, 0 is silent.
            backend: see ``pc.function``. Unless told otherwise, a GPU if there is one, x is arrays and the network is
                large enough to gain from it, which is then said in one line; else native code.
            devices: how many devices of XLA share each batch, or the numbers of those among ``pc.devices()``; each has
                all weights. Of a backend that is not named it makes "xla".
            precision: "bfloat16" to multiply matrices in it, on XLA; weights stay what they are.
            sample_weight: how much each example counts.
            class_weight: how much the examples of a class count, by label.
            shuffle: take the examples in another order each epoch.
            steps_per_epoch: batches in an epoch, for iterators.
            initial_epoch: if given, the number of epochs done is taken to be this, as in Keras: training goes on to
                epoch ``epochs`` instead of adding as many.
            rows: the numbers of the examples to train on, if not all; nothing is copied.

        Raises:
            InputError, DtypeError, NotANumberError, EmptyBatchError: what is wrong with the data, and where.
            NotANumberError: the loss became NaN; the last good weights are kept.
            Interrupted: Ctrl-C; the model has the weights after the last whole step.
        """
        check_whole("fit", "epochs", epochs, 0)
        check_whole("fit", "batch_size", batch_size)
        check_whole("fit", "steps_per_epoch", steps_per_epoch, or_none=True)
        check_whole("fit", "initial_epoch", initial_epoch, 0, or_none=True)
        chosen = asked_for(backend, devices, precision)
        last = self.progress.epochs + epochs if initial_epoch is None else epochs
        if initial_epoch is not None:
            self._go_to(initial_epoch)
        held = None if validation_data is None else self._held_out(validation_data)
        if is_stream(x):
            check_streamed(y, sample_weight, validation_split)
            self.progress.data = None
            stream = Stream(x, steps_per_epoch, last - self.progress.epochs)
            validate = self._validation(held, chosen)
            watching = self._watching(callbacks, verbose, last, steps_per_epoch)
            return self._run(StreamFitting(self, stream, last, watching, validate, class_weight, chosen))
        if steps_per_epoch is not None:
            raise InputError("steps_per_epoch is for streams; an epoch of arrays has all their batches")
        examples = self._examples(x, y, sample_weight, class_weight, rows=rows)
        if validation_split and held is None:
            examples, held = examples.split(validation_split, self.seed)
        if chosen is None:
            _, program = self._program(examples.inputs, examples.labels, examples.weights is not None)
            chosen = automatic(program.outputs, min(batch_size, examples.count), verbose)
        _, program, once = self.training_step(examples, chosen)
        minibatches = once.minibatches(batch_size, shuffle=shuffle, seed=self.seed)
        prepared = minibatches.on(*examples.arrays, rows=examples.rows)
        data = described_data(examples, batch_size, shuffle, held)
        check_continued(self.progress, data)
        self.progress.data = data
        watching = self._watching(callbacks, verbose, last, prepared.steps_per_epoch)
        return self._run(Fitting(self, program, prepared, last, watching, self._validation(held, chosen)))

    def _go_to(self, epoch: int) -> None:
        if epoch != self.progress.epochs:
            self.progress.epochs, self.progress.step, self.progress.sums = epoch, 0, {}

    def _watching(self, callbacks: Any, verbose: int, last: int, steps: int | None) -> list[Callback]:
        watching = [*callbacks, *display(verbose if distributed.is_first() else 0, last, steps)]
        for callback in watching:
            if not isinstance(callback, Callback):
                raise InputError(f"callbacks has {callback!r}, which is no pc.callbacks.Callback")
        return watching

    def _run(self, run: TrainingRun) -> History:
        self.stop_training = False
        return run.run()

    def _held_out(self, given: Any) -> Examples:
        if not isinstance(given, list | tuple) or len(given) not in (2, 3):
            raise InputError("validation_data is (x, y) or (x, y, sample_weight)")
        return self._examples(*given)

    def _validation(self, held: Examples | None, backend: Backend | None) -> Any:
        return None if held is None else self._judging(held, None, backend)

    def train_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, *, backend: str | None = None
    ) -> dict[str, Any]:
        """Do one step on these examples; return its loss and metrics, as they were before it.

        Args:
            x, y, sample_weight, class_weight, backend: as in ``fit``; native code, unless told otherwise.

        Raises:
            InputError, DtypeError, NotANumberError, EmptyBatchError: what is wrong with the data, and where.
        """
        _, program, once = self.training_step(examples := self._examples(x, y, sample_weight, class_weight), backend)
        once.state.step = self.progress.steps
        sums = once(*examples.arrays)
        self.progress.steps += 1
        return program.figures(sums, examples.count)

    # Judging and asking

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        *,
        sample_weight: Any = None,
        backend: str | Backend | None = None,
        rows: Any = None,
    ) -> dict[str, Any]:
        """Return the mean loss and the metrics over examples, as a dict.

        Args:
            x, y, sample_weight, rows: as in ``fit``.
            batch_size: examples at a time, which changes memory and speed but not the result.
            backend: see ``pc.function``.

        Raises:
            InputError, DtypeError, EmptyBatchError: what is wrong with the data, and where.

        >>> import pellucid as pc
        >>> network = pc.Sequential(pc.layers.Dense(1, kernel_initializer="ones"))
        >>> pc.Model(network, loss="mse", metrics="mae").evaluate([[1.0], [3.0]], [0.0, 1.0])
        {'loss': 2.5, 'mae': 1.5}
        """
        check_whole("evaluate", "batch_size", batch_size, or_none=True)
        return self._judging(self._examples(x, y, sample_weight, rows=rows, finite=False), batch_size, backend)()

    def _judging(
        self, examples: Examples, batch_size: int | None, backend: str | Backend | None
    ) -> Callable[[], dict[str, Any]]:
        """Return what measures examples, which are checked here once."""
        key, program = self._program(examples.inputs, examples.labels, examples.weights is not None)
        once = self._function("evaluate", program, key, judging(backend))
        size = batch_size or _evaluated_rows(examples.count)
        prepared = once.minibatches(size, shuffle=False).on(*examples.arrays, rows=examples.rows)

        def measure() -> dict[str, Any]:
            sums = prepared.run(0, prepared.steps_per_epoch)
            return program.figures({k: np.sum(v, axis=0, dtype=np.float64) for k, v in sums.items()}, examples.count)

        return measure

    def predict(self, x: Any, batch_size: int | None = None, *, backend: str | None = None) -> Array:
        """Return what the network makes of examples: probabilities for a loss of classes, else its outputs.

        Args:
            x: as in ``fit``.
            batch_size: examples at a time, which changes memory and speed but not the result.
            backend: see ``pc.function``.

        Returns:
            An array with a row for each example, of the shape that the network has for one.

        Raises:
            InputError, DtypeError, EmptyBatchError: what is wrong with the data, and where.

        >>> import pellucid as pc
        >>> network = pc.Sequential(pc.layers.Dense(2, kernel_initializer="zeros"))
        >>> pc.Model(network, loss="cross_entropy").predict([[1.0], [2.0], [3.0]])
        array([[0.5, 0.5],
               [0.5, 0.5],
               [0.5, 0.5]], dtype=float32)
        """
        check_whole("predict", "batch_size", batch_size, or_none=True)
        inputs = input_arrays(x, self._names())
        key, program = self._program(inputs, None, False)
        once = self._function("predict", program, key, judging(backend))
        size = batch_size or _evaluated_rows(len(inputs[0]))
        found: Array = once.minibatches(size, shuffle=False)(*inputs)
        return found


def _with_rate(optimizer: Optimizer) -> tuple[Optimizer, Parameter | None]:
    """Return the optimiser with its rate, if that is a number, as a parameter that can be set while it is used."""
    if not isinstance(optimizer.learning_rate, int | float):
        return optimizer, None
    rate = parameter(optimizer.learning_rate, "learning_rate", trainable=False, dtype="float64")
    return dataclasses.replace(optimizer, learning_rate=rate), rate


def _evaluated_rows(count: int) -> int:
    """Return a batch size that divides the number of rows, so that one program serves, if there is a good one."""
    sizes = range(EVALUATED_ROWS, EVALUATED_ROWS // 8, -1)
    return count if count <= EVALUATED_ROWS else next((n for n in sizes if count % n == 0), EVALUATED_ROWS)


__all__ = ["Model"]
