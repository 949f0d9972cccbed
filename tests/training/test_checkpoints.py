"""Checkpoints and backups while a model is trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pellucid as pc
from pellucid.tensors import read_tensors, write_tensors
from pellucid.training.writing import Writer
from training.networks import CLASSES, WIDTH, Dropping, bits, data

SOURCE = Path(__file__).parents[2] / "src"
# A disk that has room for so many bytes a file and no more, after the first epoch.
SQUEEZED = """
import resource, signal, sys, numpy as np, pellucid as pc
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
class Fill(pc.callbacks.Callback):
    def on_epoch_end(self, epoch, logs):
        if epoch == 1:
            for callback in self.run.callbacks:
                callback.flush()
            resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
x = np.ones((8, 2), "float32")
model = pc.Model(pc.Sequential(pc.layers.Dense(1)), "mse", "sgd")
callbacks = [Fill(), getattr(pc.callbacks, sys.argv[2])(sys.argv[1])]
try:
    model.fit(x, x[:, :1], 3, callbacks=callbacks, verbose=0, backend="reference")
except pc.OutputFolderError as error:
    print(error)
"""


class Failing(pc.callbacks.Callback):
    """Stops a run at a step, as a loss of power does, but where it is wanted."""

    every = 1

    def __init__(self, at):
        self.at = at

    def on_steps(self, step, logs):
        if step == self.at:
            raise KeyboardInterrupt


class Counting(pc.callbacks.Callback):
    """Has a state, and stops the training early."""

    def __init__(self, last=100):
        self.last, self.seen = last, []

    def on_epoch_end(self, epoch, logs):
        self.seen.append(logs["loss"])
        self.model.stop_training = len(self.seen) == self.last

    def state(self):
        return {"seen": self.seen}

    def restore(self, state):
        self.seen = state["seen"]


def made(units=6, seed=4, **options):
    layers = pc.layers.Dense(units, activation="tanh"), Dropping(0.2), pc.layers.Dense(CLASSES)
    return pc.Model(pc.Sequential(*layers), "cross_entropy", "adam", ["accuracy"], seed=seed, **options)


def run(path, epochs=4, model=None, others=(), rows=45, batch_size=8, **options):
    model = model or made()
    backup = pc.callbacks.BackupAndRestore(path, **options)
    model.fit(*data(rows=rows), epochs, batch_size, callbacks=[backup, *others], verbose=0, backend="reference")
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "backup.safetensors"


@pytest.mark.parametrize("save_freq", ["epoch", 1, 4])
@pytest.mark.parametrize("stops", [(2,), (7, 12, 13, 20)])
def test_a_script_that_is_run_again_goes_on_to_the_same_bits(path, save_freq, stops):
    whole, counted = run(path.with_name("whole"), others=[first := Counting()]), Counting()
    for at in stops:
        with pytest.raises(KeyboardInterrupt):
            run(path, save_freq=save_freq, others=[Counting(), Failing(at)])
    resumed = run(path, save_freq=save_freq, others=[counted])
    assert bits(resumed) == bits(whole)
    assert counted.seen == first.seen
    assert resumed.progress.epochs == 4


def test_a_run_that_was_done_is_not_done_again_and_epochs_may_be_added(path):
    once = run(path)
    again = run(path)
    assert bits(again) == bits(once)
    assert again.history.epoch == [0, 1, 2, 3]
    assert bits(run(path, epochs=6)) == bits(run(path.with_name("whole"), epochs=6))


def test_a_run_that_was_stopped_early_stays_stopped(path):
    once = run(path, others=[Counting(last=2)])
    again = run(path, others=[counting := Counting(last=2)])
    assert again.progress.epochs == 2
    assert bits(again) == bits(once)
    assert len(counting.seen) == 2


def test_the_file_is_removed_at_the_end_where_that_is_wanted_and_not_before(path):
    with pytest.raises(KeyboardInterrupt):
        run(path, others=[Failing(14)], delete_checkpoint=True)
    assert path.exists()
    run(path, delete_checkpoint=True)
    assert not path.exists()


def test_a_second_fit_has_a_backup_of_its_own(path):
    def script(name, **options):
        model = run(path.with_name(f"{name}-1"), 2)
        return run(path.with_name(f"{name}-2"), 3, model, **options)

    with pytest.raises(KeyboardInterrupt):
        script("stopped", others=[Failing(25)])
    assert bits(script("stopped")) == bits(script("whole"))
    model = run(path, 2)
    with pytest.raises(pc.InputError, match=r"began after .*\[0\]: in the backup 0, here 2"):
        run(path, 2, model)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": {"units": 7}}, "model.network.layers[0].units: in the backup 6, here 7"),
        ({"model": {"seed": 5}}, "model.seed: in the backup 4, here 5"),
        ({"rows": 44}, "data.rows: in the backup 45, here 44"),
        ({"batch_size": 9}, "data.batch_size: in the backup 8, here 9"),
        ({"others": [Counting()]}, "callbacks[0]: in the backup nothing, here Counting"),
    ],
)
def test_the_backup_of_another_run_is_refused(path, change, said):
    run(path, 1)
    change = {**change, **({"model": made(**change["model"])} if "model" in change else {})}
    with pytest.raises(pc.InputError) as caught:
        run(path, 1, **change)
    assert "is the backup of another run:\n" in str(caught.value)
    assert said in str(caught.value)


def test_a_model_is_no_backup(path):
    made().save(path)
    with pytest.raises(pc.ModelFileError, match="is a model, and no backup of a run; give BackupAndRestore a file"):
        run(path)


@pytest.mark.parametrize(
    "change", [{"callbacks": 3}, {"callbacks": [{}]}, {"began": None}, {"stopped": "x", "began": 1}]
)
def test_a_damaged_backup_is_refused(path, change):
    run(path, 1, others=[Counting()])
    tensors, texts = read_tensors(path)
    text = json.loads(texts["pellucid"])
    text["run"] |= change
    write_tensors(path, tensors, {"pellucid": json.dumps(text)})
    with pytest.raises(pc.ModelFileError, match="describes no model that can be made here"):
        run(path, 1, others=[Counting()])


def test_a_state_that_a_callback_cannot_take_up_is_said(path):
    run(path, 1, others=[Counting()])
    tensors, texts = read_tensors(path)
    write_tensors(path, tensors, {"pellucid": texts["pellucid"].replace('"seen"', '"other"')})
    with pytest.raises(pc.ModelFileError, match="KeyError: 'seen'"):
        run(path, 1, others=[Counting()])


def test_a_backup_is_a_model_as_well(path):
    model = run(path)
    assert bits(pc.load(path)) == bits(model)


def fit(model, *callbacks, epochs=3):
    model.fit(*data(), epochs, 8, callbacks=callbacks, verbose=0, backend="reference", validation_data=data(seed=1))


def test_checkpoints_are_named_by_epoch_step_and_figures(tmp_path):
    model = made()
    fit(model, pc.callbacks.ModelCheckpoint(tmp_path / "{epoch:02d}-{val_loss:.2f}-{step}.safetensors"))
    losses = model.history.history["val_loss"]
    expected = [f"{k + 1:02d}-{loss:.2f}-{6 * (k + 1)}.safetensors" for k, loss in enumerate(losses)]
    assert sorted(os.listdir(tmp_path)) == expected
    assert [pc.load(tmp_path / name).progress.epochs for name in expected] == [1, 2, 3]
    assert pc.load(tmp_path / expected[1]).history.history["val_loss"] == losses[:2]


def test_checkpoints_by_steps(tmp_path):
    fit(made(), pc.callbacks.ModelCheckpoint(tmp_path / "{epoch}-{step}", save_freq=6), epochs=2)
    assert sorted(os.listdir(tmp_path)) == ["1-6", "2-12"]
    fit(made(), pc.callbacks.ModelCheckpoint(tmp_path / "{epoch}-{step}-{loss:.1f}", save_freq=4), epochs=1)
    assert [name[:4] for name in sorted(os.listdir(tmp_path))[:1]] == ["1-4-"]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_model_is_kept(tmp_path, mode):
    class Given(pc.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            logs["given"] = [2.0, 1.0, 3.0, 1.5][epoch]

    keep = pc.callbacks.ModelCheckpoint(tmp_path / "best", "given", save_best_only=True, mode=mode)
    fit(made(), keep, Given(), epochs=4)
    assert pc.load(tmp_path / "best").progress.epochs == {"min": 2, "max": 3}[mode]


def test_weights_alone(tmp_path):
    model, other = made(), made(seed=5)
    fit(model, pc.callbacks.ModelCheckpoint(tmp_path / "weights", save_weights_only=True))
    other.network.build((WIDTH,))
    other.load_weights(tmp_path / "weights")
    assert bits(other)["weights"] == bits(model)["weights"]


def test_wrong_arguments_are_explained(tmp_path):
    with pytest.raises(pc.InputError, match='save_freq is 0, and "epoch" or a number of steps of 1 or more'):
        pc.callbacks.ModelCheckpoint("x", save_freq=0)
    with pytest.raises(pc.InputError, match="can have the names loss, accuracy, val_loss, val_accuracy, epoch, step"):
        fit(made(), pc.callbacks.ModelCheckpoint(tmp_path / "{nothing}"))
    with pytest.raises(pc.InputError, match=r"ModelCheckpoint watches 'nothing', and an epoch's figures are loss"):
        fit(made(), pc.callbacks.ModelCheckpoint(tmp_path / "x", monitor="nothing", save_best_only=True))


@pytest.mark.parametrize("kind", ["ModelCheckpoint", "BackupAndRestore"])
def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, kind):
    file = tmp_path / "checkpoint"
    done = subprocess.run(
        [sys.executable, "-c", SQUEEZED, str(file), kind],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cannot be written: File too large; what was there before is unchanged" in done.stdout, done
    assert pc.load(file).progress.epochs == 1
    assert os.listdir(tmp_path) == ["checkpoint"]


def test_a_failure_to_write_is_raised_where_one_waits(tmp_path):
    writer = Writer()
    writer.write(tmp_path / "missing" / "file", ({}, {}))
    with pytest.raises(pc.OutputFolderError, match="cannot be written"):
        writer.wait()
    writer.wait()
