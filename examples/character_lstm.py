"""Two LSTM layers that learn a text character by character, and write some of their own as they learn.

The text is a file of yours, best of a million characters and more, such as tinyshakespeare. Its last tenth is held out.
It is read in several places at once, from each of them on: the layers' states are kept from one step to the next, and
back-propagation through time is truncated there.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

import pellucid as pc

TEXT = Path(os.environ.get("PELLUCID_DATA", ".")) / "tinyshakespeare.txt"
WHERE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"


def build_network(characters: int, width: int, layers: int, seed: int) -> pc.Sequential:
    return pc.Sequential(
        pc.layers.Embedding(characters, 64),
        *(pc.layers.LSTM(width, return_sequences=True) for _ in range(layers)),
        pc.layers.Dense(characters),
    ).build(("time",), seed=seed, dtype="int32")


def with_states(network: pc.Sequential, texts: int) -> pc.Sequential:
    """Return a network of the same weights that goes on where it was, in so many texts at once."""
    embed, *recurrent, scores = network.layers
    kept = {"return_sequences": True, "stateful": True, "batch_size": texts}
    return pc.Sequential(embed, *(pc.layers.RNN(layer.cell, **kept) for layer in recurrent), scores)


def reset(network: pc.Sequential) -> None:
    for layer in network.layers[1:-1]:
        layer.reset_states()


class Writer:
    """Goes on with a text: each step draws a character, and reads it."""

    def __init__(self, network: pc.Sequential, seed: int, temperature: float = 0.8) -> None:
        self.network = with_states(network, 1)
        self.last = pc.parameter(np.zeros((1, 1)), name="last", trainable=False, dtype="int32")
        codes = pc.variable("codes", (1, "time"), "int32")
        read, scores = self.network(codes), self.network(self.last)
        noise = -pc.log(-pc.log(pc.uniform(scores.shape)))  # Gumbel's: the largest sum is a draw by the softmax
        drawn = (scores / temperature + noise).argmax(axis=-1)
        self.read = pc.function([codes], read, updates=pc.state_updates(read))
        self.draw = pc.function([], drawn, updates=[(self.last, drawn), *pc.state_updates(scores)], seed=seed)

    def write(self, prompt: np.ndarray, length: int = 200) -> np.ndarray:
        reset(self.network)
        self.read(prompt[None, :-1])
        self.last.value = prompt[None, -1:]
        return self.draw.repeat(length)().ravel()


def places(first: int, end: int, texts: int, context: int, steps: int) -> np.ndarray:
    """Return where each step's windows begin, (steps, texts): in each text where the step before ended."""
    begins = np.linspace(0, end - first - context, texts, endpoint=False, dtype="int32")
    return first + (begins + np.arange(steps, dtype="int32")[:, None] * context) % (end - first - context)


def main(
    path: Path = TEXT,
    steps: int = 4_000,
    context: int = 64,
    width: int = 256,
    layers: int = 2,
    batch_size: int = 32,
    reports: int = 12,
    seed: int = 0,
) -> float:
    """Return the loss on the held-out text, in nats a character."""
    if not path.is_file():
        raise SystemExit(
            f"there is no text {path}; name a file of yours, or fetch tinyshakespeare (1.1 MB) from {WHERE}"
        )
    whole = pc.data.read_text(path)
    alphabet = pc.data.Characters(whole)
    codes = alphabet.encode(whole)
    if len(codes) < 20 * context:
        raise SystemExit(f"{len(codes)} characters in {path} are too few; {20 * context} or more were expected")
    learnt = len(pc.data.split_text(codes)[0])
    network = build_network(len(alphabet), width, layers, seed)

    # The whole text is part of the program, and a batch is where its windows start.
    text = pc.parameter(codes, name="text", trainable=False, dtype="int32")
    start = pc.variable("start", ("batch",), dtype="int32")
    window = pc.take(text, start[:, None] + pc.arange(context + 1))
    given, following = window[:, :-1], window[:, 1:]

    learner, reader = with_states(network, batch_size), with_states(network, batch_size)
    scores, read = learner(given, training=True), reader(given)
    loss = pc.losses.cross_entropy(scores, following).mean()
    rate = pc.optimizers.CosineDecay(0.0, steps, warmup_target=3e-3, warmup_steps=max(1, steps // 50))
    optimizer = pc.optimizers.Adam(rate, beta_2=0.99, global_clipnorm=1.0)
    updates = [*optimizer.updates(loss, network.trainable_parameters), *pc.state_updates(scores)]
    train_on = pc.function([start], loss, updates=updates, seed=seed).minibatches(batch_size, shuffle=False)
    held_out = pc.losses.cross_entropy(read, following).mean()
    measure = pc.function([start], held_out, updates=pc.state_updates(read)).minibatches(batch_size, shuffle=False)
    writer = Writer(network, seed)

    starts = places(0, learnt, batch_size, context, steps)
    windows = max(1, (len(codes) - learnt) // (batch_size * context))
    ends = places(learnt, len(codes), batch_size, context, windows)
    began, found = time.perf_counter(), np.inf
    for part in np.array_split(starts, min(reports, steps)):
        losses = train_on(part.reshape(-1))  # one native call
        reset(reader)
        found = float(np.mean(measure(ends.reshape(-1))))
        seconds = time.perf_counter() - began
        print(f"{seconds:4.0f} s: {np.mean(losses[-200:]):.3f} nats a character, {found:.3f} on the held-out text")
        print(alphabet.decode(writer.write(codes[learnt - context : learnt])), end="\n\n", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path, nargs="?", default=TEXT, help="a file of text, in UTF-8")
    parser.add_argument("--steps", type=int, default=4_000, help="minibatches to learn from")
    parser.add_argument("--width", type=int, default=256, help="of each layer's state")
    parser.add_argument("--layers", type=int, default=2, help="LSTM layers on top of each other")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    main(options.text, options.steps, width=options.width, layers=options.layers, seed=options.seed)
