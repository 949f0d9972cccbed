"""Every operation between layers is made again from data as the very node it was, or is refused when it is saved."""

from __future__ import annotations

import json

import numpy as np
import pytest

import pellucid as pc
from contract.cases import Case
from pellucid.core.configuration import describe, restore
from pellucid.core.operation import operations
from pellucid.core.traversal import topological
from pellucid.layers.graph import INTERNAL, describe_node, restore_node

CASES = [
    Case(operation, instance, k, tuple(domain.dtypes[0] for domain in instance.domains))
    for operation in operations.values()
    if operation.name not in INTERNAL
    for k, instance in enumerate(operation.tries)
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_node_comes_back(case):
    variables = case.variables()
    order = topological([case.build(*variables)])
    made = {}
    for n in order:
        if n in variables:
            made[n] = n
            continue
        arrays = []
        places = list(range(len(n.inputs)))
        data = json.loads(json.dumps(describe(describe_node(n, places), arrays=arrays), allow_nan=False))
        made[n] = restore_node(restore(data, arrays), [made[i] for i in n.inputs])
        assert (made[n].shape, made[n].dtype) == (n.shape, n.dtype)
        assert made[n] is n or n.operation.kind == "random" or any(i.operation.kind == "random" for i in order)


@pytest.mark.parametrize("name", sorted(INTERNAL))
def test_internal_operations_are_not_made_by_name(name):
    with pytest.raises(pc.InputError, match="there is no operation"):
        restore_node({"operation": name, "attributes": {}}, [])


def test_a_draw_that_is_made_again_is_another_draw():
    drawn = pc.operations.random.standard_normal((2,))
    again = restore_node(describe_node(drawn, []), [])
    assert again is not drawn
    assert again.shape == drawn.shape


def test_attributes_that_the_call_would_not_give_are_refused():
    x = pc.variable("x", (4, 3))
    for operation, attributes in (
        ("pad", {"widths": ((-1, 0), (0, 0)), "value": 0.0}),
        ("permute", {"axes": (0, 0)}),
        ("sum", {"axes": (0, 0)}),
        ("sum", {"axes": (-1,)}),
        ("reshape", {"shape": (4, 4)}),
        ("concatenate", {"axis": 5}),
        ("astype", {"dtype": "object"}),
        ("slice_axes", {"starts": (0, 0), "shape": (4, -3), "steps": (1, 1)}),
        ("tanh", {"unknown": 1}),
    ):
        with pytest.raises((pc.InputError, pc.ShapeError, pc.AxisError, pc.DtypeError, TypeError)):
            restore_node({"operation": operation, "attributes": attributes}, [x])


def test_two_parameters_of_one_name_are_both_weights():
    x = pc.layers.Input((2,))
    network = pc.Network(x, x * pc.parameter(np.ones(2), name="w") + pc.parameter(np.zeros(2), name="w"))
    assert list(network.parameters) == ["w", "w_1"]
    network.build()
    network.build()
    assert network.parameters["w"].value.tolist() == [1, 1]
