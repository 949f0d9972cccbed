"""A training script that is killed at random moments and run again, until it was killed so often.

    python killed.py FOLDER KILLS SEED

Writes what an undisturbed run and each of the killed ones ended with, as JSON, into FOLDER/result.json. It forks
instead of starting Python anew, so that a thousand kills take minutes; nothing native runs before the fork.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import pellucid as pc
from pellucid.core.atomic import UNFINISHED

LONGEST = 0.6  # seconds before a kill


@pc.register
@dataclass(eq=False, repr=False)
class Dropping(pc.layers.Layer):
    """Dropout, as a layer of the user's own."""

    rate: float = 0.5

    def call(self, x, training):
        return pc.where(pc.bernoulli(self.rate, x.shape), 0.0, x / (1 - self.rate)) if training else x


class Patience(pc.callbacks.Callback):
    """Keeps in mind what it saw, and lowers the rate where the loss did not improve."""

    def __init__(self):
        self.best, self.waited, self.weights = np.inf, 0, np.zeros(3)

    def on_epoch_end(self, epoch, logs):
        self.waited = 0 if logs["val_loss"] < self.best else self.waited + 1
        self.best = min(self.best, logs["val_loss"])
        self.weights = self.weights + logs["loss"]
        logs["rate"] = self.model.learning_rate
        if self.waited > 1:
            self.model.learning_rate *= 0.9

    def state(self):
        return {"best": self.best, "waited": self.waited, "weights": self.weights}

    def restore(self, state):
        self.best, self.waited, self.weights = state["best"], state["waited"], state["weights"]


class Beginning(pc.callbacks.Callback):
    """Says through a pipe that training begins."""

    uses_model = False

    def __init__(self, pipe):
        self.pipe = pipe

    def on_train_begin(self):
        os.write(self.pipe, b".")


def train(folder, pipe, save_freq=4, epochs=14):
    """Train as a user's script does; return a digest of everything it ends with."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(133, 6)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("int64")
    layers = pc.layers.Dense(16, activation="tanh"), Dropping(0.3), pc.layers.Dense(2)
    model = pc.Model(pc.Sequential(*layers), "cross_entropy", "adam", ["accuracy"], seed=7)
    patience = Patience()
    callbacks = [
        pc.callbacks.BackupAndRestore(folder / "backup.safetensors", save_freq=save_freq),
        pc.callbacks.ModelCheckpoint(folder / "best.safetensors", save_best_only=True),
        patience,
        Beginning(pipe),
    ]
    model.fit(x, y, epochs, batch_size=16, validation_split=0.2, callbacks=callbacks, verbose=0)
    return digest(model, patience, pc.load(folder / "best.safetensors"))


def digest(model, patience, best):
    found = hashlib.sha256()
    for each in (model, best):
        for parameter in [*each.state_parameters(), each.rate]:
            found.update(parameter.value.tobytes())
        progress = each.progress
        found.update(repr((each.history.history, each.history.epoch, progress.epochs, progress.steps)).encode())
    found.update(repr(patience.state()).encode())
    return found.hexdigest()


def start(folder):
    """Return the number of a new process that trains, and a pipe that can be read from when its training begins."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            (folder / "digest").write_text(train(folder, writing))
        except BaseException as error:  # noqa: BLE001 - said by the exit status
            (folder / "error").write_text(repr(error))
            os._exit(1)
        os._exit(0)
    os.close(writing)
    return child, reading


def kill(child, reading, chance):
    """Kill a process at a random moment: mostly while it trains, now and then before."""
    if chance.random() < 0.9:
        os.read(reading, 1)
    time.sleep(0.002 * (LONGEST / 0.002) ** chance.random())
    os.kill(child, signal.SIGKILL)


def check_files(folder):
    """Load every file there is: none may be damaged, whenever the writer was killed."""
    files = list(folder.glob("*.safetensors"))
    for path in files:
        pc.load(path)
    return len(files)


def kill_and_resume(folder, kills, seed):
    """Kill and start again; return what the runs ended with, and what was seen."""
    chance, digests, seen = random.Random(seed), [], {"kills": 0, "files": 0, "unfinished": 0}
    while seen["kills"] < kills:
        run = folder / f"run-{len(digests)}"
        run.mkdir()
        ended = False
        while not ended:
            child, reading = start(run)
            if seen["kills"] < kills:
                kill(child, reading, chance)
            os.close(reading)
            _, status = os.waitpid(child, 0)
            ended = os.WIFEXITED(status)
            if ended:
                assert os.WEXITSTATUS(status) == 0, (run / "error").read_text()
            else:
                seen["kills"] += 1
                seen["files"] += check_files(run)
                seen["unfinished"] += sum(p.name.endswith(UNFINISHED) for p in run.iterdir())
        digests.append((run / "digest").read_text())
    return {"digests": digests, **seen}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    (place / "whole").mkdir()
    whole, _ = start(place / "whole")
    os.waitpid(whole, 0)
    result = {"whole": (place / "whole" / "digest").read_text(), **kill_and_resume(place, *map(int, sys.argv[2:]))}
    (place / "result.json").write_text(json.dumps(result))
