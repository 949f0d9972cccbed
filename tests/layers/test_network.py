"""Networks: layers in a row and as a graph, shared, nested, called on other inputs, described, built again."""

import json

import numpy as np
import pytest

import pellucid as pc
from pellucid.core.configuration import describe, restore
from pellucid.core.errors import InputError, ShapeError, UnknownVariableError

L = pc.layers


def run(network, *arrays, training=False, seed=0):
    """Return what a network computes of arrays, on variables of its own."""
    inputs = [pc.variable(f"v{k}", ("rows", *a.shape[1:]), a.dtype) for k, a in enumerate(arrays)]
    y = network(inputs if len(inputs) > 1 else inputs[0], training=training)
    return pc.function(inputs, y, seed=seed)(*arrays)


def ones(*shape):
    return np.ones(shape, "float32")


def again(network):
    """Return the network made anew from its description, with the weights of the old one."""
    made = restore(json.loads(json.dumps(describe(network))))
    assert list(made.parameters) == list(network.parameters)
    for path, parameter in network.parameters.items():
        made.parameters[path].value = parameter.value
    assert describe(made) == describe(network)
    return made


def agree(network, *arrays, training=False):
    found, expected = run(again(network), *arrays, training=training), run(network, *arrays, training=training)
    for have, want in zip(*(y if isinstance(y, list) else [y] for y in (found, expected)), strict=True):
        np.testing.assert_array_equal(have, want)


# in a row


def test_layers_in_a_row():
    network = pc.Sequential([L.Dense(4, activation="relu"), lambda x: x * 2, L.Dense(2)]).build((3,), seed=1)
    assert list(network.children()) == ["dense", "lambda", "dense_1"]
    assert network["dense_1"] is network[2] is list(network)[2]
    assert len(network) == 3
    first, second = network[0], network[2]
    expected = np.maximum(ones(5, 3) @ first.kernel.value, 0) * 2 @ second.kernel.value
    np.testing.assert_allclose(run(network, ones(5, 3)), expected, rtol=1e-5)


def test_an_input_builds_at_once():
    assert pc.Sequential(L.Input((3,)), L.Dense(2)).parameters["dense/kernel"].shape == (3, 2)


@pytest.mark.parametrize("shape", [3, (3,), [3], (None, 3), ("batch", 3)])
def test_shapes_to_build_for(shape):
    network = pc.Sequential(L.Dense(2)).build(shape)
    assert network.inputs[0].shape[1:] == (3,)


def test_the_seed_decides_the_weights_and_building_again_draws_anew():
    def kernels(network):
        return [p.value.copy() for p in network.parameters.values()]

    one = kernels(pc.Sequential(L.Dense(4), L.Dense(4)).build((3,), seed=1))
    network = pc.Sequential(L.Dense(4), L.Dense(4)).build((3,), seed=2)
    assert all((a != b).any() for a, b in zip(one[::2], kernels(network)[::2], strict=True))
    network.build(seed=1)
    for have, want in zip(kernels(network), one, strict=True):
        np.testing.assert_array_equal(have, want)


def test_a_network_for_one_shape_is_not_built_for_another():
    network = pc.Sequential(L.Dense(2)).build((3,))
    with pytest.raises(InputError, match=r"made for inputs of shape \(batch, 3\)"):
        network.build((4,))


def test_weights_brought_along_keep_their_values():
    trained = L.Dense(4, name="features")
    pc.Sequential(trained).build((3,), seed=7)
    trained.kernel.value = ones(3, 4) * 5
    network = pc.Sequential(trained, L.Dense(2)).build((3,), seed=8)
    np.testing.assert_array_equal(network.parameters["features/kernel"].value, ones(3, 4) * 5)


def test_names_of_ones_own_and_numbers_keep_apart():
    network = pc.Sequential(L.Dense(1), L.Dense(1, name="dense"), L.Dense(1), L.Dense(1, name="dense_2"), L.Dense(1))
    assert list(network.children()) == ["dense_1", "dense", "dense_3", "dense_2", "dense_4"]


def test_one_name_twice_is_an_error():
    with pytest.raises(InputError, match="two layers of Sequential are called 'a'"):
        pc.Sequential(L.Dense(1, name="a"), L.Dense(1, name="a"))
    x = L.Input((3,))
    with pytest.raises(InputError, match="two layers of the network"):
        pc.Network(x, L.Dense(1, name="a")(L.Dense(1, name="a")(x)))


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([L.Dense], "layer 1 of Sequential is .* call it: Dense"),
        ([L.Dense(1), 3], "layer 2 of Sequential is 3, which is no layer"),
        ([None], "layer 1 of Sequential is None"),
    ],
)
def test_what_is_no_layer(layers, says):
    with pytest.raises(InputError, match=says):
        pc.Sequential(*layers)


def test_sequential_takes_one_input():
    with pytest.raises(InputError, match="takes one input, and was given 2"):
        pc.Sequential(L.Dense(1))([L.Input((3,)), L.Input((3,))])


def test_a_shape_is_needed():
    with pytest.raises(InputError, match="does not know the shape of its inputs"):
        pc.Sequential(L.Dense(1)).build()
    with pytest.raises(InputError, match=r"call network\.build"):
        pc.Sequential(L.Dense(1)).summary()
    with pytest.raises(KeyError, match="there is no layer 'x'; there are dense"):
        pc.Sequential(L.Dense(1))["x"]


# as a graph


def test_mathematics_between_layers():
    x = L.Input((3,))
    first, second = L.Dense(4), L.Dense(3)
    network = pc.Network(x, second(pc.tanh(first(x)) * 2) + x / 2).build(seed=1)
    values = np.random.default_rng(0).standard_normal((5, 3)).astype("float32")
    expected = np.tanh(values @ first.kernel.value) * 2 @ second.kernel.value + values / 2
    np.testing.assert_allclose(run(network, values), expected, rtol=1e-5, atol=1e-6)
    assert list(network.parameters) == ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
    agree(network, values)


def test_constants_sizes_and_named_axes_go_along():
    x = L.Input((2, 3))
    flat = pc.Network(x, x.reshape(x.shape[0], 6).mean(axis=0, keepdims=True) + pc.constant([1.0] * 6))
    values = np.random.default_rng(0).standard_normal((4, 2, 3)).astype("float32")
    np.testing.assert_allclose(run(flat, values), values.reshape(4, 6).mean(axis=0, keepdims=True) + 1, rtol=1e-6)
    np.testing.assert_allclose(pc.function([z := L.Input((2, 3), name="z")], flat(z))(values[:2]),
                               values[:2].reshape(2, 6).mean(axis=0, keepdims=True) + 1, rtol=1e-6)  # fmt: skip
    agree(flat, values)


def test_a_fixed_size_in_place_of_a_name():
    x = L.Input((3,))
    network = pc.Network(x, x - x.mean(axis=0, keepdims=True))
    fixed = pc.variable("fixed", (2, 3))
    assert network(fixed).shape == (2, 3)
    np.testing.assert_array_equal(pc.function([fixed], network(fixed))([[0, 0, 0], [2, 2, 2]]), [[-1] * 3, [1] * 3])


def test_parameters_of_the_mathematics_belong_to_the_network():
    x, scale = L.Input((3,)), pc.parameter(2.0, name="scale")
    network = pc.Network(x, L.Dense(1)(x) * scale).build(seed=1)
    network.build(seed=2)
    assert list(network.parameters) == ["scale", "dense/kernel", "dense/bias"]
    assert scale in network.trainable_parameters
    assert scale.value == 2
    agree(network, ones(2, 3))
    twice = pc.Network(x, x * scale * pc.parameter(3.0, name="scale"))
    assert list(twice.parameters) == ["scale", "scale_1"]


def test_several_inputs_and_outputs():
    a, b = L.Input((3,), name="a"), L.Input((2,), name="b")
    joined = L.Concatenate()([a, b])
    network = pc.Network([a, b], [L.Dense(1)(joined), L.Dense(2)(joined)]).build()
    first, second = run(network, ones(4, 3), ones(4, 2))
    assert (first.shape, second.shape) == ((4, 1), (4, 2))
    agree(network, ones(4, 3), ones(4, 2))


def test_a_layer_shared_between_branches():
    a, b = L.Input((3,), name="a"), L.Input((3,), name="b")
    tower = pc.Sequential(L.Dense(4), L.Dense(2), name="tower")
    network = pc.Network([a, b], L.Subtract()([tower(a), tower(b)])).build()
    assert len(network.parameters) == 4
    np.testing.assert_array_equal(run(network, ones(2, 3), ones(2, 3)), np.zeros((2, 2)))
    agree(network, ones(2, 3), 3 * ones(2, 3))
    assert len(again(network).parameters) == 4


def test_a_layer_twice_in_a_row():
    layer = L.Dense(3)
    network = pc.Sequential(layer, layer).build((3,))
    assert list(network.parameters) == ["dense/kernel", "dense/bias"]
    agree(network, ones(2, 3))
    np.testing.assert_allclose(
        run(network, ones(2, 3)), ones(2, 3) @ layer.kernel.value @ layer.kernel.value, rtol=1e-5
    )


def test_networks_in_networks_and_their_paths():
    inner = pc.Sequential(L.Dense(3), pc.Sequential(L.Dense(3), name="deep"))
    x = L.Input((3,))
    network = pc.Network(x, L.Dense(1)(inner(x))).build(seed=4)
    assert list(network.parameters) == [
        *("sequential/dense/kernel", "sequential/dense/bias"),
        *("sequential/deep/dense/kernel", "sequential/deep/dense/bias"),
        *("dense/kernel", "dense/bias"),
    ]
    assert [str(p) for p in network.parameters.values()] == list(network.parameters)
    agree(network, ones(2, 3))


def test_part_of_a_network_as_a_network():
    x = L.Input((3,))
    features = L.Dense(4, activation="tanh")(x)
    whole = pc.Network(x, L.Dense(1)(features)).build(seed=1)
    part = pc.Network(x, features)
    np.testing.assert_allclose(run(part, ones(2, 3)), np.tanh(ones(2, 3) @ whole.layers[0].kernel.value), rtol=1e-6)
    assert part.layers == whole.layers[:1]


def test_a_network_from_the_middle():
    x = L.Input((3,))
    h = L.Input((4,), name="h")
    decoder = L.Dense(3)
    autoencoder = pc.Network(x, decoder(L.Dense(4)(x)))
    part = pc.Network(h, decoder(h))
    assert part.layers[0] is autoencoder.layers[1]
    assert run(part, ones(2, 4)).shape == (2, 3)


def test_layers_that_change_nothing_are_found_again():
    x = L.Input((3,))
    network = pc.Network(x, L.Dropout(0.5)(L.Activation("linear")(L.Dropout(0.9)(x))))
    assert [type(layer).__name__ for layer in network.layers] == ["Dropout", "Activation", "Dropout"]
    np.testing.assert_array_equal(run(network, ones(2, 3)), ones(2, 3))
    trained = run(network, ones(200, 3), training=True)
    assert 0 < (trained != 0).mean() < 0.12
    assert set(np.unique(trained).round(3)) == {0.0, 20.0}
    agree(network, ones(200, 3), training=True)


def test_a_layer_called_twice_on_one_input_stays_two_calls():
    x, layer = L.Input((50,)), L.Dropout(0.5)
    network = pc.Network(x, [layer(x), layer(x)])
    a, b = run(again(network), ones(2, 50), training=True)
    assert (a != b).any()


def test_state_of_a_shared_layer_in_a_network():
    layer, x = L.BatchNormalization(momentum=0.5, center=False, scale=False), L.Input((1,))
    network = pc.Network(x, layer(layer(x) + 4))
    z = L.Input((1,))
    y = network(z, training=True)
    pc.function([z], y, updates=pc.state_updates(y))([[2.0]])
    assert layer.moving_mean.value.tolist() == [(2 / 2) / 2 + 4 / 2]


def test_a_network_within_a_function_of_layers():
    class Residual(L.Layer):
        def __init__(self, units):
            super().__init__()
            self.path = pc.Sequential(L.Dense(units, activation="relu"), L.Dropout(0.5))

        def call(self, x):
            return x + self.path(x)

    network = pc.Sequential(Residual(3), L.Dense(1)).build((3,))
    assert next(iter(network.parameters)) == "residual/path/dense/kernel"
    assert run(network, ones(2, 3)).shape == (2, 1)
    assert len(np.unique(run(network, ones(50, 3), training=True))) > 1


def test_a_layer_with_several_outputs():
    class Split(L.Layer):
        def call(self, x):
            return [x[:, :1], x[:, 1:]]

    x = L.Input((3,))
    a, b = Split()(x)
    network = pc.Network(x, L.Dense(1)(a) + L.Dense(1)(b))
    assert [type(layer).__name__ for layer in network.layers] == ["Split", "Dense", "Dense"]
    assert run(network.build(), ones(2, 3)).shape == (2, 1)


def test_frozen_state_goes_along():
    network = pc.Sequential(L.Dense(4), L.Dense(2)).build((3,))
    network[0].trainable = False
    made = again(network)
    assert [p.shape for p in made.trainable_parameters] == [(4, 2), (2,)]
    made[0].trainable = True
    assert len(made.trainable_parameters) == 4


# errors


def test_a_variable_that_is_no_input():
    x, z = L.Input((3,)), L.Input((3,), name="z")
    with pytest.raises(UnknownVariableError, match="use the variable z, which is not among its inputs"):
        pc.Network(x, L.Add()([x, z]))


@pytest.mark.parametrize(
    ("inputs", "outputs", "says"),
    [
        (lambda x: x, lambda x: 3, "output 1 of the network is 3"),
        (lambda x: [x, x * 2], lambda x: x, "input 2 of the network is"),
        (lambda x: "x", lambda x: x, "input 1 of the network is 'x'"),
    ],
)
def test_inputs_are_variables_and_outputs_expressions(inputs, outputs, says):
    x = L.Input((3,))
    with pytest.raises(InputError, match=says):
        pc.Network(inputs(x), outputs(x))


def test_inputs_that_do_not_fit():
    a, b = L.Input((3,), name="a"), L.Input((2,), name="b")
    network = pc.Network([a, b], L.Concatenate()([a, b]))
    with pytest.raises(InputError, match="takes 2 inputs, and was given 1"):
        network(a)
    with pytest.raises(ShapeError, match=r"input b has shape \(batch, 2\), and a has \(batch, 3\)"):
        network([a, a])
    with pytest.raises(ShapeError, match="input a has shape"):
        network([pc.variable("c", ("batch", 3, 1)), b])


def test_one_name_for_two_sizes():
    a, b = L.Input((3,), name="a"), L.Input((3,), name="b")
    network = pc.Network([a, b], a + b)
    with pytest.raises(ShapeError, match="share the axis batch, which would be 2 and 5 long"):
        network([pc.variable("c", (2, 3)), pc.variable("d", (5, 3))])


# summaries


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int32"])
def test_a_summary_counts_the_bytes_of_every_dtype(dtype):
    x = L.Input((3,))
    mask = pc.parameter(np.ones(3), "mask", trainable=False, dtype=dtype)
    summary = pc.Network(x, L.Dense(1)(x * mask)).summary()
    assert summary.endswith(f"; {4 * 4 + 3 * np.dtype(dtype).itemsize} B")


def test_summary_of_a_graph(golden):
    x = L.Input((8,))
    block = pc.Sequential(L.Dense(8, activation="relu"), L.BatchNormalization(), name="block")
    frozen = L.Dense(8, trainable=False)
    network = pc.Network(x, L.Dense(2)(L.Add()([block(x), block(frozen(x))]))).build()
    golden("network-summary", str(network.summary()))


def test_a_weight_of_a_layer_in_the_mathematics_beside_it_is_the_layers():
    x, hidden = L.Input((3,)), L.Dense(2, use_bias=False)
    network = pc.Network(x, hidden(x) @ hidden.weights["kernel"].parameter.T).build(seed=3)
    alone = pc.Sequential(L.Input((3,)), L.Dense(2, use_bias=False)).build(seed=3)
    assert list(network.parameters) == ["dense/kernel"]
    assert (network.parameters["dense/kernel"].value == alone.parameters["dense/kernel"].value).all()
    hidden.trainable = False
    assert network.trainable_parameters == []
