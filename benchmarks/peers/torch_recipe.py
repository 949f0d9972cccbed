"""PyTorch, a recipe: the networks of its document, trained as it says on the rows that Pellucid is trained on."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from .torch_layers import network
from .torch_threads import choose_threads

JUDGED = 500  # rows at once
TRIED = 5  # steps, to see how many threads are faster
EPSILON = 1e-7  # of Pellucid's optimisers
Figures = dict[str, float]


def rate(given: Any, step: int, steps: int) -> float:
    """The learning rate of a step: a number, or half a wave of the cosine after a straight climb."""
    if not isinstance(given, dict):
        return float(given)
    assert given["kind"] == "CosineDecay"
    first, climb = given["initial_learning_rate"], given.get("warmup_steps", 0)
    highest = given.get("warmup_target", first)
    if step < climb:
        return float(first + (highest - first) * step / climb)
    share, alpha = min((step - climb) / given.get("decay_steps", steps), 1), given.get("alpha", 0.0)
    return float(highest * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * share)) + alpha))


def optimizer(table: dict[str, Any], parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
    """The optimiser of a document."""
    betas = table.get("beta_1", 0.9), table.get("beta_2", 0.999)
    if table["kind"] == "SGD":
        momentum = {"momentum": table.get("momentum", 0.0), "nesterov": table.get("nesterov", False)}
        return torch.optim.SGD(parameters, weight_decay=table.get("weight_decay", 0.0), fused=True, **momentum)
    if table["kind"] == "AdamW":
        decay = table.get("weight_decay", 0.004)
        return torch.optim.AdamW(parameters, betas=betas, eps=EPSILON, weight_decay=decay, fused=True)
    assert table["kind"] == "Adam"
    return torch.optim.Adam(parameters, betas=betas, eps=EPSILON, fused=True)


def loss_of(kind: str, scores: torch.Tensor, labels: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """The loss of a document, from scores."""
    if kind == "binary_cross_entropy":
        return functional.binary_cross_entropy_with_logits(scores, labels, reduction=reduction)
    assert kind == "cross_entropy"
    return functional.cross_entropy(scores.flatten(0, -2), labels.flatten(), reduction=reduction)


def batches(rows: int, size: int, steps: int) -> Iterator[torch.Tensor]:
    """Which rows each step takes, all of them once in an epoch, in another order each time."""
    done = 0
    while done < steps:
        for chosen in torch.randperm(rows).split(size)[: steps - done]:
            done += 1
            yield chosen


def train(document: dict[str, Any], inputs: torch.Tensor, labels: torch.Tensor, steps: int = 0) -> torch.nn.Module:
    """The network of a document, trained; for some steps only, if they are given."""
    section = document["training"]
    size = section["batch_size"]
    steps = steps or section.get("steps") or section["epochs"] * -(-len(inputs) // size)
    made = network(document["layers"], inputs[:1]).train()
    learning = [weight for weight in made.parameters() if weight.requires_grad]
    rule, table = optimizer(section["optimizer"], learning), section["optimizer"]
    for step, rows in enumerate(batches(len(inputs), size, steps)):
        for group in rule.param_groups:
            group["lr"] = rate(table["learning_rate"], step, steps)
        rule.zero_grad()
        loss_of(section["loss"], made(inputs[rows]), labels[rows]).backward()
        if "global_clipnorm" in table:
            torch.nn.utils.clip_grad_norm_(learning, table["global_clipnorm"])
        rule.step()
    return made


@torch.no_grad()
def judged(made: torch.nn.Module, loss: str, inputs: torch.Tensor, labels: torch.Tensor) -> Figures:
    """Loss, accuracy, and the share of rows of which all is right."""
    made.eval()
    total, right = 0.0, []
    for x, y in zip(inputs.split(JUDGED), labels.split(JUDGED), strict=True):
        scores = made(x)
        total += float(loss_of(loss, scores, y, "sum"))
        said = scores > 0 if loss == "binary_cross_entropy" else scores.argmax(-1)
        right.append(said == y)
    every = torch.cat(right)
    exact = every.flatten(1).all(1) if every.ndim > 1 else every
    return {
        "loss": total / every.numel(),
        "accuracy": float(every.float().mean()),
        "exact_match": float(exact.float().mean()),
    }


def tensor(path: Path) -> torch.Tensor:
    """An array of a file, in the type that PyTorch computes in."""
    array = np.load(path)
    kind = {"f": np.float32, "i": np.int64}.get(array.dtype.kind, array.dtype)
    return torch.from_numpy(np.ascontiguousarray(array, dtype=kind))


def main() -> None:
    """Train the networks of a recipe, and print the mean of what they come to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", type=Path, required=True, help="what pellucid_recipe --write has written")
    parser.add_argument("--seed", type=int, required=True)
    chosen = parser.parse_args()
    inputs, labels, test_inputs, test_labels = (
        tensor(chosen.problem / f"{name}.npy") for name in ("inputs", "labels", "test_inputs", "test_labels")
    )
    rows = tensor(chosen.problem / f"rows-{chosen.seed}.npy")
    if len(rows) < len(inputs):
        inputs, labels = inputs[rows], labels[rows]
    found, seconds = [], 0.0
    documents = json.loads((chosen.problem / "documents.json").read_text(encoding="utf-8"))
    choose_threads(lambda: train(documents[0], inputs, labels, TRIED))
    for document in documents:
        torch.manual_seed(chosen.seed)
        begin = time.perf_counter()
        made = train(document, inputs, labels)
        seconds += time.perf_counter() - begin
        found.append(judged(made, document["training"]["loss"], test_inputs, test_labels))
    figures = {name: float(np.mean([each[name] for each in found])) for name in found[0]}
    print(json.dumps({**figures, "seconds": seconds, "version": torch.__version__}))


if __name__ == "__main__":
    main()
