"""Models of one structure share their programs, and nothing else; what differs in anything is told apart."""

import gc
import sys
import weakref
from collections import OrderedDict

import numpy as np
import pytest

import pellucid as pc
from pellucid.core.errors import PellucidError
from pellucid.core.expression import storage_of
from pellucid.training import sharing

LAYERS, OPTIMIZERS = pc.layers, pc.optimizers
RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(32, 4)).astype("float32")
Y = RANDOM.integers(0, 3, 32)


@pytest.fixture(autouse=True)
def templates(monkeypatch):
    """No template of another test is there."""
    monkeypatch.delenv("PELLUCID_BACKEND", raising=False)
    monkeypatch.setattr(sharing, "_templates", OrderedDict())


@pytest.fixture
def compiled(monkeypatch):
    """The steps that are compiled."""
    module, steps = sys.modules["pellucid.compiled"], []
    compile_step = module.compile_step
    monkeypatch.setattr(module, "compile_step", lambda *a: (steps.append(a[0]), compile_step(*a))[1])
    return steps


def made(
    optimizer="adam",
    loss="cross_entropy",
    seed=0,
    activation="tanh",
    dropout=0.25,
    units=5,
    last=None,
    metrics=(),
    **dense,
):
    """A model with random draws, state that is no weight, and whatever else is asked for."""
    layers = [
        LAYERS.Dense(units, activation=activation, **dense),
        LAYERS.BatchNormalization(),
        LAYERS.Dropout(dropout),
        last or LAYERS.Dense(3),
    ]
    return pc.Model(pc.Sequential(*layers), loss, optimizer, metrics, seed=seed)


def trained(model, **options):
    return model.fit(X, Y, 2, 8, verbose=0, **options) and model


def bits(model):
    return {name: p.value.tobytes() for name, p in [*model.network.parameters.items(), *model.rule.state.items()]}


def alone(make, **options):
    """What a model becomes where nothing is there to be shared."""
    kept = sharing._templates.copy()
    sharing._templates.clear()
    found = bits(trained(make(), **options))
    sharing._templates.clear()
    sharing._templates.update(kept)
    return found


RULES = {
    "sgd": lambda: OPTIMIZERS.SGD(0.1),
    "nesterov": lambda: OPTIMIZERS.SGD(0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda: OPTIMIZERS.Adagrad(0.1),
    "adadelta": lambda: OPTIMIZERS.Adadelta(1.0),
    "rmsprop": lambda: OPTIMIZERS.RMSprop(0.01, momentum=0.5, centered=True),
    "amsgrad": lambda: OPTIMIZERS.Adam(0.01, amsgrad=True),
    "adamw": lambda: OPTIMIZERS.AdamW(0.01, weight_decay=0.1),
    "adamax": lambda: OPTIMIZERS.Adamax(0.01, global_clipnorm=1.0),
    "nadam": lambda: OPTIMIZERS.Nadam(OPTIMIZERS.ExponentialDecay(0.01, 3, 0.5)),
    "accumulated": lambda: OPTIMIZERS.Adam(0.01, gradient_accumulation_steps=2),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_second_of_a_structure_compiles_nothing_and_has_the_bits_that_it_has_alone(rule, compiled):
    wanted = alone(lambda: made(RULES[rule](), seed=2))
    first = trained(made(RULES[rule](), seed=1))
    steps, before = len(compiled), bits(first)
    second = trained(made(RULES[rule](), seed=2))
    assert len(compiled) == steps
    assert bits(second) == wanted
    assert bits(first) == before
    assert list(second.rule.state) == list(first.rule.state)


def test_models_that_take_turns_have_states_of_their_own():
    wanted = [alone(lambda seed=seed: made(seed=seed)) for seed in (1, 2)]
    models = [made(seed=1), made(seed=2)]
    for _ in range(2):
        for model in models:
            model.fit(X, Y, 1, 8, verbose=0)
    assert [bits(model) for model in models] == wanted


DIFFERENT = {
    "activation": {"activation": "relu"},
    "a function as activation": {"activation": lambda x: pc.tanh(x) * 1.5},
    "dropout": {"dropout": 0.5},
    "units": {"units": 6},
    "regularizer": {"kernel_regularizer": pc.regularizers.L2(0.1)},
    "another regularizer": {"kernel_regularizer": pc.regularizers.L2(0.2)},
    "constraint": {"kernel_constraint": pc.constraints.MaxNorm(0.5)},
    "another constraint": {"kernel_constraint": pc.constraints.MaxNorm(0.25)},
    "no bias": {"use_bias": False},
    "loss": {"loss": pc.losses.CrossEntropy(label_smoothing=0.1)},
    "metrics": {"metrics": ["accuracy"]},
    "rule": {"optimizer": "sgd"},
    "setting of the rule": {"optimizer": lambda: OPTIMIZERS.Adam(beta_1=0.8)},
    "clipping": {"optimizer": lambda: OPTIMIZERS.Adam(clipnorm=0.1)},
    "schedule": {"optimizer": lambda: OPTIMIZERS.Adam(OPTIMIZERS.ExponentialDecay(0.001, 3, 0.5))},
    "another schedule": {"optimizer": lambda: OPTIMIZERS.Adam(OPTIMIZERS.ExponentialDecay(0.001, 3, 0.25))},
    "rate": {"optimizer": lambda: OPTIMIZERS.Adam(0.01)},
    "layer of one's own": {"last": LAYERS.Lambda(lambda x: x[:, :3] * 2.0)},
    "the same with another number": {"last": LAYERS.Lambda(lambda x: x[:, :3] * 3.0)},
}


def build(name):
    options = dict(DIFFERENT[name])
    if callable(options.get("optimizer")):
        options["optimizer"] = options["optimizer"]()
    return made(**options)


def test_whatever_differs_is_told_apart():
    trained(made())
    for name in DIFFERENT:
        assert bits(trained(build(name))) == alone(lambda name=name: build(name)), name


def test_weights_of_examples_frozen_layers_and_labels_are_told_apart():
    trained(made())
    for options in ({"class_weight": {0: 2.0}}, {"sample_weight": np.linspace(0, 1, 32)}, {"shuffle": False}):
        assert bits(trained(made(), **options)) == alone(made, **options)

    def frozen():
        model = made()
        model.network.build((4,), seed=0)
        model.network.layers[0].trainable = False
        return model

    assert bits(trained(frozen())) == alone(frozen)


def test_a_weight_that_two_layers_share_is_not_two():
    def siamese(shared):
        first, second = LAYERS.Dense(4), LAYERS.Dense(4)
        x = LAYERS.Input((4,))
        return pc.Model(
            pc.Network(x, LAYERS.Dense(3)(first(pc.tanh((first if shared else second)(x))))), "cross_entropy"
        )

    assert len(bits(trained(siamese(False)))) > len(bits(trained(siamese(True))))
    assert bits(trained(siamese(True))) == alone(lambda: siamese(True))


def test_rules_of_ones_own_are_not_shared(compiled):
    class Halved(OPTIMIZERS.SGD):
        factor = 0.5

        def decrease(self, parameter, gradient, rate):
            return super().decrease(parameter, gradient * self.factor, rate)

    first = trained(made(Halved(0.1)))
    Halved.factor = 0.25
    assert bits(trained(made(Halved(0.1)))) != bits(first)


def test_the_reference_is_not_shared():
    first, second = (trained(made(seed=seed), backend="reference") for seed in (1, 2))
    assert not sharing._templates
    assert bits(first) != bits(second)


def test_a_model_that_is_gone_is_not_kept():
    model = trained(made(metrics=["accuracy"]))
    model.evaluate(X, Y)
    model.predict(X)
    gone = [weakref.ref(storage_of(p)) for p in model.state_parameters()] + [weakref.ref(model.network)]
    assert sharing._templates
    del model
    gc.collect()
    assert [ref() for ref in gone] == [None] * len(gone)


def test_templates_are_kept_in_bounds(monkeypatch):
    monkeypatch.setattr(sharing, "MOST", 2)
    for units in (2, 3, 4):
        trained(made(units=units))
    assert len(sharing._templates) == 2


def test_errors_name_the_inputs_of_the_model():
    def named(name):
        x = LAYERS.Input((4,), name=name)
        return pc.Model(pc.Network(x, LAYERS.Dense(3)(x)), "mse")

    named("first").fit(X, X[:, :3], 1, verbose=0)
    with pytest.raises(PellucidError, match="second"):
        named("second").train_on_batch(X[:, :2], X[:, :3])


def test_predictions_and_figures_are_those_of_the_model():
    first, second = trained(made(seed=1, metrics=["accuracy"])), trained(made(seed=2, metrics=["accuracy"]))
    figures, predicted = second.evaluate(X, Y), second.predict(X)
    sharing._templates.clear()
    again = trained(made(seed=2, metrics=["accuracy"]))
    assert again.evaluate(X, Y) == figures
    assert (again.predict(X) == predicted).all()
    assert not (first.predict(X) == predicted).all()


def test_a_profile_runs_on_copies_of_the_models_own_parameters():
    trained(made(seed=1))
    model = trained(made(seed=2))
    (step,) = (f for (what, *_), f in model._functions.items() if what == "train")
    before = bits(model)
    assert step.minibatches(8).profile(X, Y.astype("int32"), steps=2).rows
    assert bits(model) == before


def test_saved_models_go_on_with_shared_programs(tmp_path, compiled):
    model = trained(made())
    model.save(tmp_path / "model")
    steps = len(compiled)
    again = trained(pc.load(tmp_path / "model"))
    assert len(compiled) == steps
    assert bits(again) == bits(trained(model))


def test_a_sweep_over_seeds_compiles_one_program_and_trains_side_by_side(compiled):
    found = [pc.sweep(made, X, Y, {"seed": range(6)}, epochs=3, batch_size=8, threads=threads) for threads in (1, 4)]
    steps = [step for step in compiled if step.updates]
    assert len(steps) == 1
    one, several = ([bits(model) for model in each.models] for each in found)
    assert one == several
    assert len({str(each) for each in one}) == 6
