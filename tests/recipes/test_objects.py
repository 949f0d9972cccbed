"""Objects from tables, and tables within them."""

import pytest

from pellucid import constraints, initializers, regularizers
from pellucid.core.errors import InputError
from pellucid.recipes.objects import LAYERS, make


def test_a_layers_regulariser_initialiser_and_constraint_are_tables():
    made = make(
        LAYERS,
        {
            "kind": "Bidirectional",
            "layer": {
                "kind": "LSTM",
                "units": 3,
                "kernel_regularizer": {"kind": "L2", "l2": 0.1},
                "kernel_initializer": {"kind": "RandomNormal", "stddev": 0.5},
                "recurrent_constraint": {"kind": "MaxNorm", "max_value": 2.0},
            },
        },
        "m.toml",
    )
    inner = made.layer
    assert inner.kernel_regularizer == regularizers.L2(0.1)
    assert inner.kernel_initializer == initializers.RandomNormal(stddev=0.5)
    assert inner.recurrent_constraint == constraints.MaxNorm(2.0)
    with pytest.raises(InputError, match=r"m.toml: kernel_regularizer: there is no 'L3'; did you mean 'L1'"):
        make(LAYERS, {"kind": "Dense", "units": 2, "kernel_regularizer": {"kind": "L3"}}, "m.toml")
