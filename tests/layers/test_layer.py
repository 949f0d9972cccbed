"""Layers by themselves: names, weights and when they are drawn, layers in layers, training, state, errors."""

from dataclasses import dataclass

import numpy as np
import pytest

import pellucid as pc
from pellucid.core.errors import InputError, ShapeError

L = pc.layers


class Scale(L.Layer):
    """A layer of one's own, without a word more than needed."""

    def build(self, shape):
        self.factor = self.weight("factor", shape[-1:], "ones")

    def call(self, x):
        return x * self.factor


class Counter(L.Layer):
    """Counts the examples it met in training."""

    def build(self, shape):
        self.seen = self.weight("seen", (), "zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.update(self.seen, self.seen + x[:, 0].sum() * 0 + 1)
        return x


class Mode(L.Layer):
    """Shows whether it was called for training."""

    def call(self, x, training=False):
        return x + 1 if training else x


class Block(L.Layer):
    """Layers inside a layer: as attributes, and in a list."""

    def __init__(self, units, **named):
        super().__init__(**named)
        self.first = L.Dense(units, activation="tanh")
        self.rest = [L.Dense(units), Scale()]

    def call(self, x):
        x = self.first(x)
        for layer in self.rest:
            x = layer(x)
        return x


@dataclass(eq=False, repr=False)
class Twins(L.Layer):
    """Returns two expressions."""

    units: int = 2

    def build(self, shape):
        self.kernel = self.weight("kernel", (shape[-1], self.units))

    def call(self, x):
        return [x @ self.kernel, -(x @ self.kernel)]


def x3(name="x"):
    return pc.variable(name, ("batch", 3))


# names and paths


def test_layers_on_one_variable_are_numbered():
    x = x3()
    assert str(L.Dense(1)(x)) == "x @ dense/kernel + dense/bias"
    assert str(L.Dense(1)(x)) == "x @ dense_1/kernel + dense_1/bias"
    assert str(L.Dense(1, name="last")(x)) == "x @ last/kernel + last/bias"
    assert str(L.Dense(1)(x3())) == "x @ dense/kernel + dense/bias"


def test_paths_of_layers_in_layers():
    block = Block(4)
    block(x3())
    assert list(block.parameters) == [
        *("first/kernel", "first/bias"), *("rest_0/kernel", "rest_0/bias"), "rest_1/factor",
    ]  # fmt: skip
    assert [str(p) for p in block.parameters.values()][:2] == ["block/first/kernel", "block/first/bias"]


def test_a_description_shows_what_was_given():
    assert repr(L.Dense(3, activation="relu")) == "Dense(3, activation='relu')"
    assert repr(Block(4, name="b")) == "Block(4, name='b')"


# weights


def test_weights_are_drawn_once_from_seed_and_path():
    a, b, c = L.Dense(4), L.Dense(4), L.Dense(4)
    for layer, seed in ((a, 1), (b, 1), (c, 2)):
        layer(x3())
        layer.draw(seed)
    np.testing.assert_array_equal(a.kernel.value, b.kernel.value)
    assert (a.kernel.value != c.kernel.value).any()
    before = a.kernel.value
    a.draw(seed=5)
    np.testing.assert_array_equal(a.kernel.value, before)
    a.draw(seed=2, again=True)
    np.testing.assert_array_equal(a.kernel.value, c.kernel.value)


def test_weights_of_a_layer_differ_from_each_other():
    block = Block(3)
    block(x3())
    block.draw(0)
    assert (block.first.kernel.value != block.rest[0].kernel.value).any()


def test_weights_used_at_once_have_values_without_a_word():
    x = x3()
    y = pc.function([x], L.Dense(4)(x))(np.ones((2, 3)))
    assert np.abs(y).max() > 0


def test_weights_take_the_dtype_of_the_inputs():
    for dtype, wanted in (("uint8", "float32"), ("float32", "float32"), ("float64", "float64")):
        layer = L.Dense(2)
        layer(pc.variable("x", ("batch", 3), dtype))
        assert layer.kernel.dtype == wanted


def test_what_is_kept_for_a_weight():
    layer = L.Dense(2, kernel_regularizer="l2", kernel_constraint="non_neg", bias_initializer="ones")
    layer(x3())
    assert layer.weights["kernel"].regularizer == pc.regularizers.L2()
    assert layer.weights["kernel"].constraint == pc.constraints.NonNeg()
    assert layer.weights["bias"].initializer == pc.initializers.Ones()
    assert layer.weights["bias"].constraint is None


def test_freezing_leaves_out_what_is_inside():
    block = Block(2)
    block(x3())
    block.first.trainable = False
    assert block.trainable_parameters == [block.rest[0].kernel, block.rest[0].bias, block.rest[1].factor]
    block.trainable = False
    assert block.trainable_parameters == []
    assert len(block.parameters) == 5


def test_a_layer_used_twice_has_one_set_of_weights():
    layer, a, b = L.Dense(2), x3("a"), x3("b")
    y = layer(a) + layer(b)
    g = pc.gradient(y.sum(), layer.bias)
    found = pc.function([a, b], [y, g])(np.ones((2, 3)), np.ones((2, 3)))
    np.testing.assert_array_equal(found[1], [4, 4])


def test_a_layer_held_by_two_names_is_counted_once():
    class Tied(L.Layer):
        def __init__(self):
            super().__init__()
            self.there = self.back = L.Dense(3)

        def call(self, x):
            return self.back(self.there(x))

    layer = Tied()
    layer(x3())
    assert list(layer.parameters) == ["there/kernel", "there/bias"]


# calling


def test_several_outputs():
    layer, x = Twins(), x3()
    a, b = layer(x)
    np.testing.assert_array_equal(*pc.function([x], [a, -b])(np.ones((2, 3))))


def test_layers_inside_train_as_the_outer_one_does():
    class Outer(L.Layer):
        def __init__(self, forced=None):
            super().__init__()
            self.inner, self.forced = Mode(), forced

        def call(self, x):
            return self.inner(x) if self.forced is None else self.inner(x, training=self.forced)

    def value(layer, training):
        x = pc.variable("x", ())
        return float(pc.function([x], layer(x, training=training))(0.0))

    assert [value(Outer(), t) for t in (None, False, True)] == [0, 0, 1]
    assert [value(Outer(forced=True), t) for t in (False, True)] == [1, 1]
    assert [value(Outer(forced=False), t) for t in (False, True)] == [0, 0]


def test_training_is_found_by_its_name():
    class Wordy(L.Layer):
        def call(self, x, scale=2, *, training=False):
            return x * scale + (1 if training else 0)

    x = pc.variable("x", ())
    assert [float(pc.function([x], Wordy()(x, training=t))(3.0)) for t in (False, True)] == [6, 7]


def test_a_layer_that_changes_nothing_is_a_call_of_its_own():
    x = x3()
    y = L.Dropout(0.5)(x)
    assert y is not x
    assert str(y) == "x"
    np.testing.assert_array_equal(pc.function([x], y)([[1, 2, 3]]), [[1, 2, 3]])


def test_plain_functions_are_layers():
    x = pc.variable("x", ("batch", 2))
    assert str(L.Lambda(lambda x: x / 255)(x)) == "x / 255"
    a, b = pc.variable("a", ()), pc.variable("b", ())
    assert str(L.Lambda(lambda pair: pair[0] - pair[1])([a, b])) == "a - b"


# state


def test_state_is_stored_by_a_training_step_and_no_other():
    layer, x = Counter(), x3()
    y = layer(x, training=True)
    assert pc.state_updates(layer(x)) == []
    step = pc.function([x], y, updates=pc.state_updates(y))
    step.repeat(3)(np.ones((2, 3)))
    assert layer.seen.value == 3
    assert layer.trainable_parameters == []
    assert list(layer.parameters) == ["seen"]


def test_state_of_layers_inside_and_below():
    inner = Counter()

    class Outer(L.Layer):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def call(self, x):
            return pc.exp(self.inner(x))

    x = x3()
    y = pc.exp(L.Dense(2)(Outer()(x, training=True)).sum())
    assert [p for p, _ in pc.state_updates([y])] == [inner.seen]


def test_state_of_a_layer_called_twice_goes_on_from_the_first_call():
    layer, x = Counter(), x3()
    y = layer(layer(x, training=True) * 2, training=True)
    pc.function([x], y, updates=pc.state_updates(y))(np.ones((2, 3)))
    assert layer.seen.value == 2


def test_state_of_a_layer_whose_second_output_alone_is_used():
    class Pair(Counter):
        def call(self, x, training=False):
            x = super().call(x, training)
            return [x + 1, x + 2]

    layer = Pair()
    _, second = layer(x3(), training=True)
    assert [p for p, _ in pc.state_updates(second)] == [layer.seen]


# errors


def test_update_belongs_in_call():
    layer = Counter()
    layer(x3())
    with pytest.raises(InputError, match="while the layer's call runs"):
        layer.update(layer.seen, layer.seen + 1)


def test_a_weight_is_named_once():
    class Double(L.Layer):
        def build(self, shape):
            self.a = self.weight("kernel", (3,))
            self.b = self.weight("kernel", (3,))

        def call(self, x):
            return x

    with pytest.raises(InputError, match="layer double: a weight 'kernel' was made already"):
        Double()(x3())


def test_build_is_called_by_the_layer():
    layer = L.Dense(2)
    layer.build((None, 3))
    with pytest.raises(InputError, match=r"made already; .* build is called once"):
        layer(x3())


def test_a_layer_whose_first_call_failed_can_be_called_again():
    class Picky(L.Layer):
        def build(self, shape):
            self.a = self.weight("a", (3,), "ones")
            if shape[-1] != 3:
                raise ShapeError("3, please")

        def call(self, x):
            return x * self.a

    layer = Picky()
    with pytest.raises(ShapeError, match="3, please"):
        layer(pc.variable("x", ("batch", 4)))
    assert str(layer(x3())) == "x * picky/a"


def test_a_weight_has_numbers_for_axes():
    with pytest.raises(ShapeError, match=r"layer dense: weight kernel would have the shape \(width, 2\).* numbers"):
        L.Dense(2)(pc.variable("x", ("batch", "width")))


def test_a_call_returns_expressions():
    class Wrong(L.Layer):
        def call(self, x):
            return 3

    with pytest.raises(InputError, match="its call returned 3, and an expression was expected"):
        Wrong()(x3())


def test_a_layer_without_call():
    with pytest.raises(NotImplementedError, match="Layer has no call"):
        L.Layer()(x3())


@pytest.mark.parametrize("units", [0, -1, 2.5, True, "3", None])
def test_a_number_of_units(units):
    with pytest.raises(InputError, match=r"Dense: units is .* whole number of 1 or more"):
        L.Dense(units)


def test_dense_takes_two_axes_or_more():
    with pytest.raises(ShapeError, match=r"Dense\(2\) takes inputs \(batch, ..., inputs\)"):
        L.Dense(2)(pc.variable("x", ("batch",)))


def test_dense_names_itself_where_inputs_do_not_fit():
    layer = L.Dense(2)
    layer(x3())
    with pytest.raises(ShapeError, match="dense"):
        layer(pc.variable("x", ("batch", 4)))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(L.Dense(2), ()), (L.SpatialDropout1D(0.5), ()), (L.GroupNormalization(2), (3,)), (L.PReLU(shared_axes=5), (3,))],
)
def test_an_error_says_which_layer_of_the_network_it_is_in(layer, shape):
    inner = pc.Sequential(layer, name="inner")
    with pytest.raises(
        pc.ShapeError, match=rf"layer outer/inner/{inner.children().popitem()[0]}: {type(layer).__name__}"
    ):
        pc.Sequential(inner, name="outer")(pc.variable("x", ("batch", *shape)))
