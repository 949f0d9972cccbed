"""Training on streams: the same as on arrays, with threads that end and memory that stays small."""

from __future__ import annotations

import gc
import itertools
import signal
import threading
import traceback

import numpy as np
import pytest

import pellucid as pc
from training.models import classifier, data, line, same_bits, weights


def batches(x, y, *more, size=20):
    """Return a function that yields batches of arrays in order, the last of them short."""

    def all_of_them():
        for k in range(0, len(x), size):
            yield tuple(a[k : k + size] for a in (x, y, *more))

    return all_of_them


def threads():
    return [t for t in threading.enumerate() if t.name == "pellucid batches"]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert not threads()


def test_a_stream_trains_as_arrays_do():
    x, y = data()
    weight = np.random.default_rng(0).uniform(0.5, 2, len(x)).astype("float32")
    for more, arguments in (((), {}), ((weight,), {"sample_weight": weight})):
        model, other = (classifier(pc.optimizers.Adam(0.01), metrics=["accuracy"]) for _ in range(2))
        one = model.fit(batches(x, y, *more), epochs=3, verbose=0, validation_data=(x, y)).history
        two = other.fit(x, y, 3, 20, shuffle=False, verbose=0, validation_data=(x, y), **arguments).history
        assert one.keys() == two.keys()
        for key in one:
            np.testing.assert_allclose(one[key], two[key], rtol=1e-6)
        for a, b in zip(weights(model).values(), weights(other).values(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_class_weights_and_batches_without_a_class():
    x, y = data(rows=60)
    order = np.argsort(y, kind="stable")
    x, y = x[order], y[order]
    model, other = classifier(), classifier()
    model.fit(batches(x, y), verbose=0, class_weight={1: 3.0})
    other.fit(x, y, 1, 20, shuffle=False, verbose=0, class_weight={1: 3.0})
    assert same_bits(model, other)


def test_an_iterator_goes_on_from_epoch_to_epoch():
    x, y = data(rows=80)
    taken = []

    def forever():
        for batch in itertools.cycle(batches(x, y)()):
            taken.append(len(batch[0]))
            yield batch

    model, other = classifier(), classifier()
    model.fit(forever(), epochs=3, steps_per_epoch=4, verbose=0)
    other.fit(x, y, 3, 20, shuffle=False, verbose=0)
    assert same_bits(model, other)
    assert len(taken) == 12  # and no batch was fetched in vain


def test_anything_that_can_be_gone_through_again():
    x, y = data()
    model, other = classifier(), classifier()

    class Loader:
        def __iter__(self):
            return batches(x, y)()

    model.fit(Loader(), epochs=2, verbose=0)
    other.fit(batches(x, y), epochs=2, verbose=0)
    assert same_bits(model, other)


def test_an_iterator_without_a_length_is_one_epoch():
    x, y = data()
    model = classifier()
    assert model.fit(batches(x, y)(), verbose=0).epoch == [0]
    assert model.progress.steps == 6
    with pytest.raises(pc.InputError, match="does not say where an epoch ends; give steps_per_epoch, or a function"):
        model.fit(batches(x, y)(), epochs=2, verbose=0)


def test_each_size_of_batch_is_compiled_once():
    x, y = data(rows=60)
    model = classifier()
    sizes = [10, 20, 10, 20] * 3

    def varying():
        for k, size in enumerate(sizes):
            yield x[k : k + size], y[k : k + size]

    model.fit(varying, epochs=2, verbose=0)
    _, _, once = model.training_step(model.batch(x, y))
    assert len(once.compilations) == 2
    assert model.progress.steps == 24


def test_data_that_end_too_early():
    x, y = data()
    model = classifier()
    with pytest.raises(pc.InputError, match="the data ended after 2 batches of epoch 1, and steps_per_epoch is 4"):
        model.fit(batches(x, y)(), epochs=3, steps_per_epoch=4, verbose=0)
    assert (model.progress.epochs, model.progress.steps) == (1, 6)
    with pytest.raises(pc.EmptyBatchError, match="there are no batches for epoch 1; an iterator is used up"):
        model.fit(lambda: iter(()), verbose=0)


def test_an_error_of_the_generator_is_raised_with_its_own_lines():
    x, y = data()

    def failing():
        yield x[:10], y[:10]
        raise OSError("the disk is gone")

    model = classifier()
    with pytest.raises(OSError, match="the disk is gone") as caught:
        model.fit(failing, epochs=2, verbose=0)
    assert any(frame.name == "failing" for frame in traceback.extract_tb(caught.value.__traceback__))
    assert model.progress.steps == 1


def test_early_stopping_and_steps():
    x, y = data()
    model, seen = classifier(), []
    stopping = pc.callbacks.EarlyStopping("loss", threshold=0.8)
    looking = pc.callbacks.LambdaCallback(on_steps=lambda step, logs: seen.append((step, *logs)), every=4)
    history = model.fit(batches(x, y), epochs=200, callbacks=[stopping, looking], verbose=0).history["loss"]
    assert history[-1] <= 0.8 < history[-2]
    assert seen == [(k, "loss") for k in range(4, model.progress.steps + 1, 4)]
    stop = pc.callbacks.LambdaCallback(on_steps=lambda *_: setattr(model, "stop_training", True), every=1)
    before = model.progress.steps
    model.fit(batches(x, y), epochs=1, callbacks=[stop], verbose=0)
    assert model.progress.steps == before + 1
    assert not threads()


def test_ctrl_c_while_a_batch_is_awaited():
    x, y = data()
    model, stepped = classifier(), threading.Event()
    looking = pc.callbacks.LambdaCallback(on_steps=lambda *_: stepped.set(), every=1)

    def slow():
        yield x[:10], y[:10]
        assert stepped.wait(60)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        threading.Event().wait(0.2)
        yield x[:10], y[:10]

    with pytest.raises(KeyboardInterrupt):
        model.fit(slow, epochs=50, callbacks=[looking], verbose=0)
    assert model.progress.steps == 1
    assert not threads()


def test_a_loss_that_is_no_number_keeps_the_weights_before_it():
    x, y = data(rows=60)
    y = y[:, None].astype("float32")
    x[45] = 1e25
    model, other = line(), line()
    with pytest.raises(pc.NotANumberError, match="step 2 of epoch 0: every layer's output is finite, and so"):
        model.fit(batches(x, y), verbose=0)
    other.fit(x[:40], y[:40], 1, 20, shuffle=False, verbose=0)
    assert same_bits(model, other)
    assert model.progress.steps == 2
    assert model.progress.sums["loss"] == pytest.approx(other.history.history["loss"][0] * 40)


def test_a_weight_that_becomes_no_number_is_found_before_the_next_look():
    """An update may overflow where the loss does not; the steps before it are kept, whatever follows."""
    model, other = (line(pc.optimizers.SGD(1e30), loss="mae") for _ in range(2))
    x, y = data(rows=80)
    y = y[:, None].astype("float32")
    x[45] = 1e20
    seen = []
    looking = pc.callbacks.LambdaCallback(on_steps=lambda step, logs: seen.append(step), every=1)
    with pytest.raises(pc.NotANumberError, match=r"step 2 of epoch 0"):
        model.fit(batches(x, y), callbacks=[looking], verbose=0)
    with pytest.raises(pc.NotANumberError, match=r"step 2 of epoch 0"):
        other.fit(batches(x, y), verbose=0)
    assert seen == [1, 2]
    assert model.progress.steps == other.progress.steps == 2
    assert same_bits(model, other)


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        ([1, 2], {}, "batch 0 of the epoch is int"),
        ([(1, 2, 3, 4)], {}, "batch 0 of the epoch is 4 parts"),
        (3, {}, "returned 3, which is no iterable"),
    ],
)
def test_what_is_no_batch(source, arguments, message):
    with pytest.raises(pc.InputError, match=message):
        classifier().fit(lambda: source, verbose=0, **arguments)


def test_what_is_not_given_beside_a_stream():
    x, y = data()
    for arguments in ({"y": y}, {"sample_weight": np.ones(len(x))}):
        with pytest.raises(pc.InputError, match="leave out y and sample_weight beside it"):
            classifier().fit(batches(x, y), verbose=0, **arguments)
    with pytest.raises(pc.InputError, match="validation_split needs arrays"):
        classifier().fit(batches(x, y), validation_split=0.1, verbose=0)


def test_batches_of_two_kinds():
    x, y = data()

    def mixed():
        yield x[:10], y[:10]
        yield x[:10], y[:10], np.ones(10)

    with pytest.raises(pc.InputError, match=r"batch 1 of epoch 0 has other dtypes or shapes .* or has sample_weight"):
        classifier().fit(mixed, verbose=0)


def test_nan_in_a_batch_is_named():
    x, y = data()
    x[25, 2] = np.nan
    with pytest.raises(pc.NotANumberError, match="is NaN or infinite at row 5, column 2"):
        classifier().fit(batches(x, y), verbose=0)


def resident():
    """Return how many bytes of memory this process has now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def test_a_stream_of_200_mb_takes_little_memory():
    seen = []

    def large():
        random = np.random.default_rng(0)
        y = np.arange(256, dtype="int32") % 3
        for k in range(200):
            if k in (40, 199):
                gc.collect()
                seen.append(resident())
            yield random.standard_normal((256, 1024), dtype="float32"), y

    pc.Model(pc.Sequential(pc.layers.Dense(3)), "cross_entropy", pc.optimizers.SGD(1e-3)).fit(large, verbose=0)
    assert seen[1] - seen[0] < 20 * 2**20


def test_arrays_mapped_to_memory(tmp_path):
    x, y = data(rows=600)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    model, other = classifier(), classifier()
    model.fit(mapped, y, 2, 50, validation_split=0.2, verbose=0)
    other.fit(x, y, 2, 50, validation_split=0.2, verbose=0)
    assert same_bits(model, other)
    examples = model.batch(mapped, y)
    _, _, once = model.training_step(examples)
    assert np.shares_memory(once.minibatches(50).on(*examples.arrays).inputs[0], mapped)  # and is no copy
