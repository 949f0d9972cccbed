"""What is compared, and who takes part."""

from __future__ import annotations

from typing import NamedTuple

from .kernels import KERNELS
from .moons import SWEEP

PELLUCID = "Pellucid"
ON_XLA = "Pellucid on XLA"
KERAS = "Keras on TensorFlow"


class Runner(NamedTuple):
    """One way of computing a task: its name in the table, its module in peers/, and options of its own.

    Where there are `variants`, round 0 tries each and the other rounds take the fastest. `backend` is Pellucid's.
    """

    name: str
    module: str
    options: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    backend: str = ""


class Task(NamedTuple):
    """One comparison. `kind` says which yardstick judges it; times are seconds times `scale`, in `unit`.

    `beside` is for a step on XLA: the key of the task whose step it is.
    """

    key: str
    title: str
    kind: str
    unit: str
    scale: float
    runners: tuple[Runner, ...]
    hidden: tuple[int, ...] = ()
    network: str = ""
    beside: str = ""

    @property
    def subject(self) -> str:
        """The key of the task whose data and yardstick it has."""
        return self.beside or self.key


class Figure(NamedTuple):
    """The time (or another measure) of one runner in one task, or the smallest of several."""

    task: str
    runners: tuple[str, ...]
    measure: str = "seconds"


MICRO, MILLI = 1e6, 1e3
ENGINES = ("NumPy", "PyTorch", "JAX, jit per step", "JAX, whole loop", "scikit-learn")


def moons_task(key: str, title: str, hidden: int) -> Task:
    """Two moons with one hidden size."""
    modules = ("pellucid_moons", "c_moons", "numpy_moons", "torch_moons", "jax_step", "jax_loop", "sklearn_moons")
    names = (PELLUCID, "C loop", *ENGINES)
    runners = tuple(Runner(name, module) for name, module in zip(names, modules, strict=True))
    return Task(key, title, "moons", "µs a pass", MICRO, runners, (hidden,))


def estimator_task(key: str, title: str, data: str) -> Task:
    """Whole fits through scikit-learn's interface."""
    runners = ((PELLUCID, "pellucid_estimator"), ("scikit-learn", "sklearn_estimator"))
    made = tuple(Runner(name, module, ("--data", data)) for name, module in runners)
    return Task(key, title, "estimator", "s a fit", 1.0, made)


OPTIMISERS = ("default", "foreach", "fused")
LAYOUTS = ("channels first", "channels last")
TORCH_IMAGES = tuple(f"{layout}, {optimiser}" for layout in LAYOUTS for optimiser in OPTIMISERS)
ONEDNN = ("with oneDNN", "without oneDNN")
ADDITION_WAYS = tuple(
    f"{products}, {places}"
    for products in ("each place's products together", "all products with the inputs first")
    for places in ("a scan", "unrolled")
)
CHARACTER_MODELS = {"LSTM": "lstm", "transformer": "transformer"}
ONE_PROCESS, PLAIN_LOOP = "Pellucid, one process", "Pillow, plain loop"
SWEEP_WAYS = ("one network a thread", "one padded batch")


def network_task(key: str, title: str, torch: tuple[str, ...], *more: Runner) -> Task:
    """Training steps of one of the networks."""
    runners = (
        Runner(PELLUCID, "pellucid_network"),
        Runner("PyTorch", "torch_network", variants=torch),
        Runner("JAX", "jax_network"),
        Runner(KERAS, "keras_network", variants=ONEDNN),
        *more,
    )
    return Task(key, title, "network", "ms a step", MILLI, runners, network=key)


ON_CORES = (
    moons_task("moons-3", "Two moons, 2-3-2", 3),
    moons_task("moons-50", "Two moons, 2-50-2", 50),
    Task(
        "sweep",
        "Two moons, seven networks of 1 to 50 hidden units",
        "moons",
        "µs a pass of all seven",
        MICRO,
        (
            Runner(PELLUCID, "pellucid_sweep", variants=("one function of all", "one network a thread")),
            Runner("C loop", "c_moons"),
            Runner("NumPy", "numpy_sweep"),
            Runner("PyTorch", "torch_sweep", variants=("block-diagonal", "one padded batch")),
            Runner("JAX, whole loop", "jax_sweep", variants=SWEEP_WAYS),
        ),
        SWEEP,
    ),
    Task(
        "softmax",
        "Softmax regression 784-10, batch 100",
        "softmax",
        "µs a step",
        MICRO,
        (
            Runner(PELLUCID, "pellucid_softmax"),
            Runner("NumPy", "numpy_softmax"),
            Runner("PyTorch", "torch_softmax"),
            Runner("JAX, jit per step", "jax_step_softmax"),
            Runner("JAX, whole loop", "jax_loop_softmax"),
            Runner("scikit-learn", "sklearn_softmax"),
        ),
    ),
    Task(
        "import",
        "Import",
        "import",
        "ms",
        MILLI,
        tuple(
            Runner(name, "import_time", ("--module", module))
            for name, module in (
                (PELLUCID, "pellucid"),
                ("NumPy", "numpy"),
                ("PyTorch", "torch"),
                ("JAX", "jax"),
                ("scikit-learn", "sklearn"),
            )
        ),
    ),
    Task(
        "start",
        "From import to a trained 2-3-2, fresh process",
        "start",
        "ms",
        MILLI,
        (
            Runner("Pellucid, cached", "pellucid_start"),
            Runner("Pellucid, cold", "pellucid_start"),
            Runner("import torch alone", "import_time", ("--module", "torch")),
        ),
    ),
    network_task(
        "network-3072",
        "3072-768-384-2 network on cats and dogs, SGD, batch 128",
        TORCH_IMAGES[3:],
        Runner("scikit-learn", "sklearn_network"),
    ),
    network_task("mnist-cnn", "MNIST CNN, Adam, batch 50", TORCH_IMAGES),
    network_task("cifar-cnn", "CIFAR CNN, Nesterov, batch 128", TORCH_IMAGES),
    Task(
        "reach",
        "MNIST CNN from untrained to 98.5% of the test images (95% in a quick run), compile included",
        "reach",
        "s",
        1.0,
        (
            Runner(PELLUCID, "pellucid_network"),
            Runner("PyTorch", "torch_network", ("--variant", "channels last, fused")),
            Runner(KERAS, "keras_network", ("--variant", "with oneDNN")),
        ),
        network="mnist-cnn",
    ),
    Task(
        "recipe",
        "MNIST CNN, 3 epochs of Adam at 0.001, batch 50, compile included",
        "recipe",
        "s",
        1.0,
        (
            Runner(PELLUCID, "pellucid_fit"),
            Runner("PyTorch", "torch_network", ("--variant", "channels last, fused")),
            Runner(KERAS, "keras_network", ("--variant", "with oneDNN")),
        ),
        network="mnist-cnn",
    ),
    Task(
        "fit-mnist",
        "Model.fit of the MNIST CNN",
        "fit",
        "times the bare compiled step",
        1.0,
        (Runner(PELLUCID, "fit_cost"),),
        network="mnist-cnn",
    ),
    Task(
        "fit-moons",
        "Model.fit of two moons, 20,000 epochs in full batch",
        "fit",
        "times the bare compiled step",
        1.0,
        (Runner(PELLUCID, "fit_cost"),),
    ),
    Task(
        "compile",
        "Compiling the MNIST CNN's training step",
        "compile",
        "ms",
        MILLI,
        (
            Runner("Pellucid, cached", "pellucid_compile"),
            Runner("Pellucid, cold", "pellucid_compile"),
            Runner("import torch alone", "import_time", ("--module", "torch")),
        ),
        network="mnist-cnn",
    ),
    Task(
        "addition",
        "Binary addition of 8 bits, hidden 16, one sample at a time",
        "addition",
        "µs a sample",
        MICRO,
        (
            Runner(PELLUCID, "pellucid_addition"),
            Runner("NumPy", "numpy_addition"),
            Runner("PyTorch", "torch_addition"),
            Runner("JAX, whole loop", "jax_addition", variants=ADDITION_WAYS),
            Runner("JAX, a scan in a scan", "jax_addition", ("--variant", ADDITION_WAYS[0])),
        ),
    ),
    Task(
        "addition-exact",
        "Binary addition of 8 bits, 10,000 samples on each of 20 seeds",
        "learning",
        "s for all seeds",
        1.0,
        (
            Runner(PELLUCID, "pellucid_addition"),
            Runner("NumPy", "numpy_addition"),
            Runner("JAX, whole loop", "jax_addition"),
        ),
    ),
    Task(
        "lstm",
        "LSTM layer, batch 64, time 128, hidden 256, a training step",
        "layer",
        "ms a step",
        MILLI,
        (
            Runner(PELLUCID, "pellucid_lstm"),
            Runner("PyTorch", "torch_lstm"),
            Runner("JAX", "jax_lstm"),
            Runner(KERAS, "keras_lstm", variants=ONEDNN),
        ),
    ),
    Task(
        "transformer",
        "Causal transformer block, batch 16, time 256, width 256, 8 heads, a training step",
        "layer",
        "ms a step",
        MILLI,
        (
            Runner(PELLUCID, "pellucid_transformer"),
            Runner("PyTorch", "torch_transformer"),
            Runner("JAX", "jax_transformer", variants=("its attention function", "attention written out")),
        ),
    ),
    Task(
        "characters",
        "Character models of tinyshakespeare, compiling, looking at the held-out text and writing included",
        "characters",
        "s",
        1.0,
        tuple(
            Runner(f"{PELLUCID}, {name}", "pellucid_characters", ("--variant", module))
            for name, module in CHARACTER_MODELS.items()
        ),
    ),
    estimator_task("mlp-digits", "NetworkClassifier on digits, hidden (100,), Adam, batch 200, 100 epochs", "digits"),
    estimator_task("mlp-mnist", "NetworkClassifier on MNIST, hidden (100,), Adam, batch 200, 10 epochs", "mnist"),
    Task(
        "reading",
        "Reading a folder of 50,000 JPEGs of 32 x 32",
        "reading",
        "µs an image",
        MICRO,
        (
            Runner(PELLUCID, "pellucid_reading"),
            Runner(ONE_PROCESS, "pellucid_reading", ("--variant", "one process")),
            Runner(PLAIN_LOOP, "pillow_reading"),
        ),
    ),
    Task(
        "kernels",
        "Single kernels",
        "kernels",
        "ms",
        MILLI,
        tuple(Runner(name, "pellucid_kernels", ("--kernel", name)) for name in KERNELS),
    ),
)


def on_xla(task: Task) -> Task:
    """The same steps on XLA beside those that are written by hand in JAX, in rounds of their own.

    They are a task of their own so that they can be measured without all the other peers.
    """
    ours = task.runners[0]._replace(name=ON_XLA, backend="xla")
    others = (runner for runner in task.runners if runner.module.startswith("jax_"))
    return task._replace(key=f"xla-{task.key}", runners=(ours, *others), beside=task.key)


STEPS = ("moons", "softmax", "network", "addition", "layer")
"""Kinds of tasks whose training steps are written by hand in JAX."""

XLA_TASKS = tuple(on_xla(task) for task in ON_CORES if task.kind in STEPS)
TASKS = (*ON_CORES, *XLA_TASKS)


def base(task: Task) -> str:
    """The runner that the ratios of a task refer to: its first."""
    return task.runners[0].name
