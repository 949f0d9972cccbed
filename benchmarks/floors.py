"""The floors that Pellucid must reach, part by part: small loops; networks and kernels; models; recurrence."""

from __future__ import annotations

from typing import NamedTuple

from .kernels import LARGE
from .tasks import CHARACTER_MODELS, ENGINES, KERAS, ON_XLA, PELLUCID, PLAIN_LOOP, XLA_TASKS, Figure, Task


class Floor(NamedTuple):
    """A ratio of two figures of the same round, or one figure alone, in its unit; its median must keep the bound."""

    text: str
    above: Figure
    below: Figure | None
    bound: float
    at_most: bool
    unit: str = "x"


PEERS = (*ENGINES, "JAX", KERAS)


def ahead(text: str, task: str, peers: tuple[str, ...], bound: float) -> Floor:
    """How many times as many steps a second as the best of these peers."""
    return Floor(text, Figure(task, peers), Figure(task, (PELLUCID,)), bound, at_most=False)


def faster(text: str, task: str, torch: float, best: float) -> tuple[Floor, Floor]:
    """Ahead of PyTorch, and of the best of all peers."""
    return (
        ahead(f"{text}: steps a second to PyTorch's", task, ("PyTorch",), torch),
        ahead(f"{text}: steps a second to the best of all peers", task, PEERS, best),
    )


def network_floors(text: str, task: str, torch: float, best: float) -> tuple[Floor, ...]:
    """The same, and memory."""
    ours, theirs = (Figure(task, (name,), "memory") for name in (PELLUCID, "PyTorch"))
    return (*faster(text, task, torch, best), Floor(f"{text}: memory to PyTorch's", ours, theirs, 0.6, at_most=True))


def share(kernel: str, bound: float) -> Floor:
    """A kernel's share of the limit that this machine was measured to have in the same minute."""
    return Floor(f"{kernel}: share of the limit", Figure("kernels", (kernel,), "share"), None, bound, at_most=False)


def compile_floor(state: str, bound: float) -> Floor:
    """Compiling the MNIST CNN's training program beside `import torch`."""
    return Floor(
        f"MNIST CNN: compile time, {state}, beside import torch",
        Figure("compile", (f"Pellucid, {state}",)),
        Figure("compile", ("import torch alone",)),
        bound,
        at_most=True,
    )


def estimator_floors(text: str, task: str) -> tuple[Floor, Floor]:
    """Faster than MLPClassifier, and as often right."""
    accuracies = (Figure(task, (PELLUCID,), "accuracy"), Figure(task, ("scikit-learn",), "accuracy"))
    return (
        ahead(f"NetworkClassifier on {text}: fits a second to MLPClassifier's", task, ("scikit-learn",), 5),
        Floor(f"NetworkClassifier on {text}: accuracy to MLPClassifier's", *accuracies, 0.995, at_most=False),
    )


def learnt(measure: str) -> Figure:
    """What binary addition learns on several seeds."""
    return Figure("addition-exact", (PELLUCID,), measure)


def characters(model: str, measure: str) -> Figure:
    """What a character model learns."""
    return Figure("characters", (f"{PELLUCID}, {model}",), measure)


def xla_floor(task: Task) -> Floor:
    """A step on XLA beside the fastest of those that are written by hand in JAX."""
    by_hand = tuple(runner.name for runner in task.runners if runner.name != ON_XLA)
    text = f"on XLA: {task.title}"
    return Floor(text, Figure(task.key, (ON_XLA,)), Figure(task.key, by_hand), 1.05, at_most=True)


XLA_FLOORS = tuple(map(xla_floor, XLA_TASKS))

FLOORS = (
    Floor(
        "two moons 2-3-2: time beside the C loop",
        Figure("moons-3", (PELLUCID,)),
        Figure("moons-3", ("C loop",)),
        2.0,
        at_most=True,
    ),
    Floor(
        "two moons 2-50-2: ahead of JAX's whole loop",
        Figure("moons-50", ("JAX, whole loop",)),
        Figure("moons-50", (PELLUCID,)),
        2.5,
        at_most=False,
    ),
    Floor(
        "import to trained model, cold, beside import torch",
        Figure("start", ("Pellucid, cold",)),
        Figure("start", ("import torch alone",)),
        1 / 2,
        at_most=True,
    ),
    Floor(
        "import to trained model, cached, beside import torch",
        Figure("start", ("Pellucid, cached",)),
        Figure("start", ("import torch alone",)),
        1 / 6,
        at_most=True,
    ),
    Floor("import beside import numpy", Figure("import", (PELLUCID,)), Figure("import", ("NumPy",)), 1.6, at_most=True),
    *faster("two moons 2-3-2", "moons-3", 150, 8),
    *faster("seven networks of the sweep", "sweep", 60, 6),
    *faster("softmax regression", "softmax", 3, 3),
    *network_floors("3072-768-384-2 network", "network-3072", 1.2, 1.1),
    *network_floors("MNIST CNN", "mnist-cnn", 1.3, 1.0),
    *network_floors("CIFAR CNN", "cifar-cnn", 1.3, 1.0),
    share("product 1024x1024x1024", 0.8),
    *(share(f"convolution {size}, forward", 0.8) for size in LARGE),
    *(share(f"convolution {size}, {part} gradient", 0.7) for size in LARGE for part in ("data", "weight")),
    share("fused Adam, 3.2 M parameters", 0.8),
    share("softmax rows, 8192 x 1024", 0.8),
    Floor("MNIST CNN, 3 epochs: test accuracy", Figure("recipe", (PELLUCID,), "accuracy"), None, 0.99, False),
    Floor("Model.fit on the MNIST CNN: time beside the bare step", Figure("fit-mnist", (PELLUCID,)), None, 1.03, True),
    Floor("Model.fit on two moons, 20,000 epochs: the same", Figure("fit-moons", (PELLUCID,)), None, 1.10, True),
    compile_floor("cold", 2 / 3),
    compile_floor("cached", 1 / 10),
    *estimator_floors("digits", "mlp-digits"),
    *estimator_floors("MNIST", "mlp-mnist"),
    ahead("binary addition: samples a second to the best of all peers", "addition", PEERS, 5),
    Floor("binary addition: seeds that learn all sums, float32", learnt("exact"), None, 18 / 20, False),
    Floor("binary addition: sums given while learning that are NumPy's, float64", learnt("same"), None, 1.0, False),
    *(
        Floor(
            f"character {name}: nats a character of text held out", characters(name, "nats"), None, most, True, " nats"
        )
        for name, most in (("LSTM", 1.65), ("transformer", 1.75))
    ),
    *(
        Floor(f"character {name}: the time that took", characters(name, "minutes"), None, 10, True, " min")
        for name in CHARACTER_MODELS
    ),
    ahead("50,000 JPEGs: images a second to Pillow's in a plain loop", "reading", (PLAIN_LOOP,), 1.4),
    Floor("50,000 JPEGs: memory to the decoded size", Figure("reading", (PELLUCID,), "growth"), None, 1.3, True),
    ahead("LSTM layer: steps a second to PyTorch's", "lstm", ("PyTorch",), 1.2),
    ahead("transformer block: steps a second to PyTorch's", "transformer", ("PyTorch",), 1.2),
    *XLA_FLOORS,
)
