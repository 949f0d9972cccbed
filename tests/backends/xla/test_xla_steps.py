"""What a step on XLA does with parameters, arrays, memory and errors."""

import gc

import numpy as np
import pytest

import pellucid as pc
from pellucid.backends.xla import executable, library, program
from pellucid.compile import Backend
from pellucid.core.errors import InputError, MemoryNeededError, MissingExtraError, PellucidError
from pellucid.core.expression import storage_of
from pellucid.training import choosing
from training.models import classifier, data, weights


def counting(**options):
    """Return a parameter, and a function that adds to it and returns it."""
    W = pc.parameter([1.0, 2.0], name="W")
    return W, pc.function([], W, updates=[(W, W + 1)], backend="xla", **options)


def test_parameters_stay_on_the_device_until_they_are_asked_for():
    W, step = counting()
    step()
    assert storage_of(W).lent is not None
    step.repeat(3)()
    np.testing.assert_array_equal(W.value, [5, 6])
    assert storage_of(W).lent is None
    W.value = [10.0, 20.0]
    np.testing.assert_array_equal(step(), [10, 20])
    native = pc.function([], W * 2)
    np.testing.assert_array_equal(native(), [22, 42])
    np.testing.assert_array_equal(step(), [11, 21])


def test_two_parameters_may_swap_and_one_may_stay():
    a, b, c = (pc.parameter(float(k)) for k in range(3))
    step = pc.function([], [a, b, c], updates=[(a, b + c), (b, a)], backend="xla")
    found = np.array(step.repeat(3)())
    np.testing.assert_array_equal(found.T, [[0, 1, 2], [3, 0, 2], [2, 3, 2]])
    assert (float(a.value), float(b.value), float(c.value)) == (5.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("said", "kind"), [("RESOURCE_EXHAUSTED: of memory", MemoryNeededError), ("INTERNAL: of a device", Exception)]
)
def test_values_that_a_failed_step_lost_are_those_before_and_it_says_so(monkeypatch, said, kind):
    jax = library.jax()
    W, step = counting()
    step()
    np.testing.assert_array_equal(W.value, [2, 3])  # home
    step()  # and away again

    def failing(*arguments):
        for value in jax.tree.leaves(arguments[0]):
            value.delete()
        raise jax.errors.JaxRuntimeError(said)

    (compiled,) = step.compilations[0].executable.programs.values()
    monkeypatch.setattr(compiled, "_compiled", failing)
    with pytest.raises(kind) as failed:
        step()
    assert "last read or set" in f"{failed.value}{getattr(failed.value, '__notes__', '')}"
    assert "rows" not in str(failed.value)  # of which this step has none
    np.testing.assert_array_equal(W.value, [2, 3])


def test_a_device_without_room_says_how_many_rows_would_fit(monkeypatch):
    x = pc.variable("x", ("batch", 300))
    W = pc.parameter(np.ones((300, 300)), name="W")
    step = pc.function([x], pc.tanh(pc.tanh(x @ W) @ W).sum(), backend="xla")
    monkeypatch.setattr(program, "memory_of", lambda device: 3 * 2**20)
    with pytest.raises(
        MemoryNeededError, match=r"a step on 5000 rows needs .* MiB .* and 3 MiB are there; its data and"
    ):
        step(np.ones((5000, 300)))
    rows = step.minibatches(1000)
    monkeypatch.setattr(program, "memory_of", lambda device: 7 * 2**20)
    with pytest.raises(MemoryNeededError, match=r"a step on 1000 rows .*batches of \d+ rows would fit"):
        rows(np.ones((5000, 300)))


def test_running_out_of_memory_in_a_step_is_said_in_rows(monkeypatch):
    x = pc.variable("x", ("batch", 3))
    W = pc.parameter(np.ones(3))
    step = pc.function([x], (x * W).sum(), updates=[(W, W + 1)], backend="xla").minibatches(64)
    step(np.ones((128, 3)))
    jax = library.jax()

    def failing(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 bytes.")

    (compiled,) = step.compilations[0].executable.programs.values()
    monkeypatch.setattr(compiled, "_compiled", failing)
    with pytest.raises(MemoryNeededError, match=r"a step on 64 rows; try batches of 32 rows"):
        step(np.ones((128, 3)))


def test_a_short_last_batch_is_picked_from_the_same_copy_of_the_data():
    x = pc.variable("x", ("batch", 613))
    W = pc.parameter(np.zeros(613))
    rows = np.ones((21, 613), "float32")
    loop = pc.function([x], updates=[(W, W + x.sum(axis=0))], outputs=[], backend="xla").minibatches(5).on(rows)
    loop.run(0, 2 * loop.steps_per_epoch)
    np.testing.assert_array_equal(W.value, np.full(613, 42))
    assert [array.shape for array in library.jax().live_arrays()].count(rows.shape) == 1


def test_a_callback_that_is_kept_keeps_no_data_on_the_device():
    x, y = data(rows=53)
    x = np.tile(x, (1, 7))
    model, callback = classifier(), pc.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    model.fit(x, y, batch_size=16, verbose=0, backend="xla", callbacks=[callback])
    gc.collect()
    assert callback.model is model
    assert x.shape not in {array.shape for array in library.jax().live_arrays()}


def test_a_memory_map_is_read_batch_by_batch(tmp_path):
    x, y = data(rows=50)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for rows in (None, np.arange(5, 37)):
        one, other = classifier(), classifier()
        expected = one.fit(x, y, epochs=2, batch_size=16, verbose=0, backend="native", rows=rows).history
        found = other.fit(mapped, y, epochs=2, batch_size=16, verbose=0, backend="xla", rows=rows).history
        np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-5)
        (once,) = [f for key, f in other._functions.items() if key[0] == "train"]
        assert all(c.executable.programs[True].picking.kept == () for c in once.compilations)


def test_a_model_trained_here_predicts_the_same_there_and_goes_on(tmp_path):
    x, y = data()
    model = classifier(pc.optimizers.Adam(1e-2), metrics=["accuracy"])
    model.fit(x, y, epochs=3, verbose=0, backend="xla")
    model.save(tmp_path / "model.safetensors")
    again = pc.load(tmp_path / "model.safetensors")
    expected = model.predict(x, backend="xla")
    np.testing.assert_allclose(again.predict(x, backend="native"), expected, rtol=1e-5, atol=1e-6)
    on_native = again.fit(x, y, epochs=2, verbose=0, backend="native").history["loss"]
    on_xla = model.fit(x, y, epochs=2, verbose=0, backend="xla").history["loss"]
    np.testing.assert_allclose(on_native, on_xla, rtol=1e-5)
    np.testing.assert_allclose(
        again.predict(x, backend="xla"), model.predict(x, backend="native"), rtol=1e-4, atol=1e-5
    )
    for figure, value in model.evaluate(x, y, backend="xla").items():
        assert value == pytest.approx(model.evaluate(x, y, backend="native")[figure], rel=1e-5)


def test_bfloat16_multiplies_in_fewer_bits_and_keeps_its_weights_in_float32():
    x, y = data(rows=200)
    exact, narrow = classifier(), classifier()
    expected = exact.fit(x, y, epochs=5, verbose=0, backend="xla").history["loss"]
    found = narrow.fit(x, y, epochs=5, verbose=0, precision="bfloat16").history["loss"]
    assert {p.dtype for p in narrow.network.parameters.values()} == {"float32"}
    np.testing.assert_allclose(found, expected, rtol=0.02)
    assert found != expected
    (once,) = [f for key, f in narrow._functions.items() if key[0] == "train"]
    assert "bf16" in once.compilations[0].executable.programs[False].text()


def test_what_xla_makes_of_a_function_is_shown():
    x = pc.variable("x", ("batch", 3))
    made = pc.function([x], (x * x).sum(axis=1), backend="xla")
    assert pc.view.stages(made)[-1] == "hlo"
    assert "assembly" not in pc.view.stages(made)
    assert "f32[32,3]" in pc.view.stage_text(made, "hlo")
    native = pc.function([x], (x * x).sum(axis=1))
    assert "hlo" not in pc.view.stages(native)
    assert "ENTRY" in pc.view.stage_text(native, "hlo")
    step = pc.function([x], [], updates=[(W := pc.parameter(np.ones(3)), W + x.sum(axis=0))], backend="xla")
    assert "input_output_alias" in pc.view.stage_text(step, "hlo")


def test_what_does_not_fit_together_is_refused():
    x, y = data()
    with pytest.raises(InputError, match=r"backend native .*devices and precision are for backend='xla'"):
        classifier().fit(x, y, verbose=0, backend="native", devices=2)
    with pytest.raises(InputError, match="precision is float32 or bfloat16, not 'float8'"):
        classifier().fit(x, y, verbose=0, precision="float8")
    with pytest.raises(PellucidError, match="no backend 'gpu'; choose one of native, reference, xla"):
        classifier().fit(x, y, verbose=0, backend="gpu")


def test_float32_asks_for_nothing_and_several_hosts_for_all_their_devices(monkeypatch):
    assert choosing.asked_for(None, None, "float32") is None
    assert choosing.asked_for(None, None, "bfloat16") == Backend("xla", None, "bfloat16")
    monkeypatch.setattr(choosing.distributed, "hosts", lambda: 2)
    assert choosing.automatic(pc.variable("x", ("batch", 4)), 8, 1) == Backend("xla")


def test_single_batches_on_xla():
    x, y = data(rows=12)
    native, xla = classifier(), classifier()
    for _ in range(3):
        expected = native.train_on_batch(x, y)
        assert xla.train_on_batch(x, y, backend="xla")["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert any(storage_of(p).lent is not None for p in xla.network.parameters.values())


def test_parts_of_jax_that_do_not_fit_together(monkeypatch):
    real = __import__

    def failing(name, *rest):
        if name == "jax":
            raise RuntimeError("jaxlib version 0.9 is newer than and incompatible with jax version 0.8")
        return real(name, *rest)

    monkeypatch.setattr("builtins.__import__", failing)
    with pytest.raises(MissingExtraError, match=r"cannot be loaded: jaxlib version 0\.9 .*pip install --upgrade jax"):
        library.jax()


def test_the_environment_names_a_backend(monkeypatch):
    monkeypatch.setenv("PELLUCID_BACKEND", "xla")
    x, y = data()
    model = classifier()
    model.fit(x, y, verbose=0)
    (once,) = [f for key, f in model._functions.items() if key[0] == "train"]
    assert isinstance(once.compilations[0].executable, executable.XlaStep)
    found = weights(model)
    monkeypatch.delenv("PELLUCID_BACKEND")
    other = classifier()
    other.fit(x, y, verbose=0)
    for path, value in weights(other).items():
        np.testing.assert_allclose(found[path], value, rtol=1e-4, atol=1e-6)


class Chosen:
    """A network's output that takes a lot of arithmetic, or little."""

    much = pc.variable("x", ("batch", 4096)) @ pc.variable("w", (4096, 512))
    little = pc.variable("x", ("batch", 4)) @ pc.variable("w", (4, 5))


def test_a_gpu_is_taken_for_a_large_network_and_it_is_said(monkeypatch, capsys):
    monkeypatch.setattr(library, "gpu_is_promised", lambda: True)
    monkeypatch.setattr(library, "gpu", lambda: "NVIDIA H200")
    assert choosing.automatic(Chosen.little, 128, 1) == Backend("native")
    assert choosing.automatic(Chosen.much, 128, 0) == Backend("xla")
    assert capsys.readouterr().err == ""
    assert choosing.automatic(Chosen.much, 128, 1) == Backend("xla")
    assert capsys.readouterr().err == "training on NVIDIA H200 through XLA; backend='native' trains on the CPU\n"


def test_a_build_for_gpus_that_finds_none_says_so(monkeypatch):
    monkeypatch.setattr(library, "gpu_is_promised", lambda: True)
    monkeypatch.delenv("JAX_PLATFORMS")
    with pytest.warns(UserWarning, match="finds no GPU; is its driver installed"):
        assert choosing.automatic(Chosen.much, 128, 1) == Backend("native")
    monkeypatch.setattr(library, "gpu_is_promised", lambda: False)
    assert choosing.automatic(Chosen.much, 128, 1) == Backend("native")
