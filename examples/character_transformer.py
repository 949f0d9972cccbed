"""A small transformer that learns a text character by character, and writes some of its own as it learns.

The text is a file of yours, best of a million characters and more, such as tinyshakespeare. Its last tenth is held out.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

import pellucid as pc

TEXT = Path(os.environ.get("PELLUCID_DATA", ".")) / "tinyshakespeare.txt"
WHERE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"


def build_network(characters: int, context: int, width: int, blocks: int, seed: int) -> pc.Sequential:
    return pc.Sequential(
        pc.layers.Embedding(characters, width),
        pc.layers.PositionEmbedding(context),
        *(pc.layers.TransformerBlock(num_heads=4, dropout=0.02) for _ in range(blocks)),
        pc.layers.LayerNormalization(epsilon=1e-5),
        pc.layers.Dense(characters),
    ).build((context,), seed=seed, dtype="int32")


def writer(network: pc.Sequential, prompt: np.ndarray, seed: int, temperature: float = 0.8) -> pc.Function:
    """Return a function whose every step draws the next character, and moves the window that it is drawn from."""
    window = pc.parameter(prompt, name="window", trainable=False, dtype="int32")
    scores = network(pc.reshape(window, (1, len(prompt))))[0, -1]
    noise = -pc.log(-pc.log(pc.uniform(scores.shape)))  # Gumbel's: the largest sum is a draw by the softmax
    drawn = (scores / temperature + noise).argmax()
    moved = pc.concatenate([window[1:], pc.reshape(drawn, (1,))])
    return pc.function([], drawn, updates=[(window, moved)], seed=seed)


def main(
    path: Path = TEXT,
    steps: int = 5_000,
    context: int = 128,
    width: int = 128,
    blocks: int = 4,
    batch_size: int = 8,
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
    network = build_network(len(alphabet), context, width, blocks, seed)

    # The whole text is part of the program, and a batch is where its windows start.
    text = pc.parameter(codes, name="text", trainable=False, dtype="int32")
    start = pc.variable("start", ("batch",), dtype="int32")
    window = pc.take(text, start[:, None] + pc.arange(context + 1))
    given, following = window[:, :-1], window[:, 1:]
    loss = pc.losses.cross_entropy(network(given, training=True), following).mean()
    held_out = pc.losses.cross_entropy(network(given), following)  # a number for each window

    rate = pc.optimizers.CosineDecay(0.0, steps, warmup_target=3e-3, warmup_steps=max(1, steps // 50))
    optimizer = pc.optimizers.AdamW(rate, beta_2=0.99, weight_decay=0.05)
    train = pc.function([start], loss, updates=optimizer.updates(loss, network.trainable_parameters), seed=seed)
    train_on = train.minibatches(batch_size, shuffle=False)
    measure = pc.function([start], held_out).minibatches(batch_size, shuffle=False)
    write = writer(network, codes[learnt - context : learnt], seed)

    starts = np.random.default_rng(seed).integers(0, learnt - context, (steps, batch_size), dtype="int32")
    ends = np.arange(learnt, len(codes) - context, context, dtype="int32")
    began, found = time.perf_counter(), np.inf
    for part in np.array_split(starts, min(reports, steps)):
        losses = train_on(part.reshape(-1))  # one native call
        found = float(np.mean(measure(ends)))
        seconds = time.perf_counter() - began
        print(f"{seconds:4.0f} s: {np.mean(losses[-200:]):.3f} nats a character, {found:.3f} on the held-out text")
        print(alphabet.decode(write.repeat(200)()), end="\n\n", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path, nargs="?", default=TEXT, help="a file of text, in UTF-8")
    parser.add_argument("--steps", type=int, default=5_000, help="minibatches to learn from")
    parser.add_argument("--blocks", type=int, default=4, help="blocks of attention on top of each other")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    main(options.text, options.steps, blocks=options.blocks, seed=options.seed)
