"""What recurrent layers refuse, and how they say so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pc

L: Any = pc.layers
TIME, WIDTH = 6, 4
X = pc.variable("x", ("batch", "time", WIDTH))


class Wrong(L.Cell):  # type: ignore[misc]
    state_size = WIDTH

    def __init__(self, returned: Any) -> None:
        super().__init__()
        self.returned = returned

    def call(self, x: Any, states: Any) -> Any:
        return self.returned(x, states)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: L.LSTM(3)(L.Input((4,))), pc.ShapeError, r"takes sequences \(batch, time, width\).* \(batch, 4\)"),
        (lambda: L.LSTM(3)(L.Input((0, 4))), pc.ShapeError, r"reads 1 step or more, and \(batch, 0, 4\) has 0"),
        (
            lambda: L.LSTM(3)(X, initial_state=[pc.variable("h", ("batch", 4))] * 2),
            pc.ShapeError,
            r"begins with states \(batch, 3\), \(batch, 3\), and was given \(batch, 4\), \(batch, 4\)",
        ),
        (lambda: L.LSTM(3)(X, initial_state=pc.variable("h", ("batch", 3))), pc.ShapeError, r"was given \(batch, 3\)"),
        (lambda: L.GRU(3)(X, mask=pc.variable("m", ("batch", "time"))), pc.DtypeError, "mask is float32.*mask > 0"),
        (
            lambda: L.GRU(3)(X, mask=pc.variable("m", ("batch", 4), "bool")),
            pc.ShapeError,
            r"mask has the shape \(batch, 4\), and \(batch, time\) was expected",
        ),
        (lambda: L.GRU(3, stateful=True)(X), pc.ShapeError, r"axis is named \(batch\).*batch_size=32"),
        (lambda: L.GRU(3, stateful=True, batch_size=2)(X[:3]), pc.ShapeError, "states of 2 sequences.* batch of 3"),
        (lambda: L.GRU(3).reset_states(), pc.InputError, "is not stateful.*stateful=True"),
        (lambda: L.SimpleRNN(0), pc.InputError, "units is 0"),
        (lambda: L.SimpleRNN(3, dropout=2), pc.InputError, "dropout is 2, and a number from 0 to 1"),
        (lambda: L.RNN(L.LSTM(3)), pc.InputError, r"its cell is LSTM\(3\), and a pc.layers.Cell was expected"),
        (lambda: L.RNN(Wrong(None), recurrent_dropout=0.1), pc.InputError, "Wrong's does not.*multiplied by kept"),
        (lambda: L.LSTMCell(3)(X[:, 0]), pc.InputError, "layer lstm_cell: .* a list of a row and 2 states; .*RNN"),
        (lambda: L.GRUCell(3)([X, X]), pc.ShapeError, r"takes a row \(batch, inputs\) and states"),
        (lambda: L.Bidirectional(L.LSTM(3), "add"), pc.InputError, "merge_mode is 'add', and one of 'concat', 'sum'"),
        (lambda: L.Bidirectional(L.Dense(3)), pc.InputError, r"layer is Dense\(3\), and a recurrent layer"),
        (
            lambda: L.Bidirectional(L.LSTM(3), backward_layer=L.LSTM(3)),
            pc.InputError,
            "both have go_backwards=False",
        ),
        (
            lambda: L.Bidirectional(L.LSTM(3))(X, initial_state=pc.variable("h", ("batch", 3))),
            pc.InputError,
            "states of both layers, and was given 1",
        ),
        (lambda: L.RNN(Wrong(lambda x, s: s[0]))(X), pc.InputError, "its call returned .* a pair was expected"),
        (lambda: L.RNN(Wrong(lambda x, s: (x, [x, x])))(X), pc.InputError, "2 states, and its state_size says 1"),
        (lambda: L.RNN(Wrong(lambda x, s: (x, s)))(X), pc.InputError, "than its first state.*output_size"),
        (lambda: L.RNN(Wrong(lambda x, s: (x[:, 0], [x[:, 0]])))(X), pc.ShapeError, "carried value keeps its shape"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(make: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_no_steps_and_sequences_of_different_lengths_are_refused_when_a_function_is_called() -> None:
    f = pc.function([X], L.GRU(3)(X))
    with pytest.raises(pc.ShapeError, match=r"a loop of 0 steps was asked for.* layer gru"):
        f(np.zeros((2, 0, WIDTH), "float32"))
    sequences = [[[0.0] * WIDTH], [[0.0] * WIDTH] * 2]
    with pytest.raises(pc.InputError, match=r"rows differ in length.*pad them.*mask"):
        f(sequences)
    model = pc.Model(pc.Sequential(L.GRU(3)).build((2, WIDTH)), "mse")
    with pytest.raises(pc.InputError, match=r"rows that differ in length.*pad them.*mask"):
        model.fit(sequences, np.zeros((2, 3)))


def test_a_loss_that_explodes_names_the_layer_where_it_began() -> None:
    network = pc.Sequential(L.SimpleRNN(1, "linear", name="reader")).build((TIME, WIDTH), seed=1)
    model = pc.Model(network, "mse", pc.optimizers.SGD(1e6))
    values = np.random.default_rng(0)
    with pytest.raises(pc.NotANumberError, match=r"reader.*smaller learning rate, gradients that are clipped"):
        model.fit(values.normal(size=(8, TIME, WIDTH)), values.normal(size=(8, 1)), epochs=20, batch_size=4, verbose=0)
