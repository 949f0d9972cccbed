"""The nodes of a network's graph as plain data, and back.

A node is made from data by the public call of its operation, with all that checks, and has to come out as the very node
that the data say: what nobody could have written is refused, since native code trusts the nodes it is made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtypes import check_dtype
from ..core.errors import InputError
from ..core.expression import Expression, Parameter
from ..core.operation import operations
from ..core.traversal import topological
from ..operations.recurrence import Loop, is_recurrence, loop_of, step_variable
from ..operations.source import axis_size, constant, deferred_parameter, variable

INTERNAL = {"batch_indices", "constant", "parameter", "place_slice", "variable"}  # not to be made from data by name
TOKEN = "token"  # tells draws from each other; one that is made again has a new one


def describe_node(n: Expression, inputs: list[int]) -> dict[str, Any]:
    """Return a node of mathematics as data.

    Args:
        inputs: the numbers of its operands.

    Raises:
        InputError: if it is one that cannot be made again, such as what the gradient of a pooling layer uses.
    """
    name = n.operation.name
    if name == "constant":
        data = np.frombuffer(n.attribute("data"), n.dtype)
        return {"constant": data, "shape": n.shape, "dtype": n.dtype}
    attributes = {key: value for key, value in n.attributes if key != TOKEN}
    made = _made(name, list(n.inputs), attributes)
    if made is None:
        raise InputError(f"a network with {name} between its layers cannot be saved; make a layer of it: {n}")
    return {"operation": name, "inputs": inputs, "attributes": attributes}


def restore_node(described: Any, operands: Sequence[Expression]) -> Expression:
    """Return the node that data describe, over operands.

    Raises:
        InputError, ShapeError, DtypeError: if there is no such node.
    """
    if "input" in described:
        return variable(str(described["input"]), described["shape"], described["dtype"])
    if "parameter" in described:
        return _restored_parameter(described)
    if "constant" in described:
        array = np.asarray(described["constant"]).astype(described["dtype"], copy=False)
        return constant(array.reshape(described["shape"]), described["dtype"])
    name = described["operation"]
    made = _made(name, list(operands), dict(described["attributes"])) if name in operations else None
    if made is None:
        raise InputError(f"there is no operation {name!r} of such operands and attributes")
    return made


def _restored_parameter(described: Any) -> Parameter:
    """Return a parameter whose value is still to come; nothing is allocated for it."""
    axes, dtype = tuple(int(n) for n in described["shape"]), str(described["dtype"])
    name, trainable = str(described["parameter"]), bool(described["trainable"])
    return deferred_parameter(axes, dtype, lambda: np.zeros(axes, dtype), name, trainable)


def _made(name: str, operands: list[Expression], attributes: dict[str, Any]) -> Expression | None:
    """Return what an operation's public call makes of operands, if it is a node with just these attributes."""
    if name in INTERNAL:
        return None
    made = _call(name, operands, attributes)
    if made.operation.name != name or [*map(id, made.inputs)] != [*map(id, operands)]:
        return None
    kept = {key: value for key, value in made.attributes if key != TOKEN}
    return made if _alike(kept, attributes) else None


def _call(name: str, operands: list[Expression], attributes: dict[str, Any]) -> Expression:
    """Call an operation whose call takes other arguments than its node keeps."""
    operation, given = operations[name], dict(attributes)
    if name == "recurrence":
        return _recurrence(operands, **given)
    if "dtype" in given:
        check_dtype(given["dtype"])
    if name == "axis_size":
        return axis_size(given["size"], given["dtype"])
    if name == "slice_axes":
        if any(isinstance(length, int) and length < 0 for length in given["shape"]) or 0 in given["steps"]:
            raise InputError(f"there is no slice of lengths {given['shape']} in steps of {given['steps']}")
        return operation(*operands, given["starts"], given["shape"], given["steps"])
    if operation.kind == "reduction":
        return operation(*operands, axis=given["axes"])
    if name == "arange":
        return operation(given["shape"][0], given["dtype"])
    if name == "permutation":
        return operation(given["shape"][0])
    return operation(operands, **given) if name == "concatenate" else operation(*operands, **given)


def _recurrence(
    operands: list[Expression], counts: Any, length: Any, result: Any, reverse: Any, recompute: Any
) -> Expression:
    """Return a result of a loop, if that is one which ``pc.scan`` could have made."""
    carries, sequences, outputs = (int(n) for n in counts)
    if min(carries, sequences, outputs) < 0 or len(operands) != 3 * carries + 2 * sequences + outputs:
        raise InputError(f"there is no loop of {len(operands)} parts, of which {counts} were said to be of each kind")
    parts = iter(operands)
    initial, rows, carried, current, new, returned = (
        tuple(next(parts) for _ in range(n)) for n in (carries, sequences, carries, sequences, carries, outputs)
    )
    loop = Loop(initial, rows, carried, current, new, returned, length, reverse, recompute)
    flags = [type(flag) for flag in (reverse, recompute)] == [bool, bool]
    if not (flags and _is_sound(loop) and type(result) is int and 0 <= result < loop.results):
        raise InputError(f"there is no result {result} of such a loop: its parts do not fit each other")
    return loop.node(result)


def _is_sound(loop: Loop) -> bool:
    """Whether a loop's step variables are its own, and like what they stand for; and its carry keeps its form."""
    given, outside = (*loop.carried, *loop.current), topological((*loop.initial, *loop.sequences))
    inner = [loop_of(n).bound for n in topological((*loop.roots, *outside)) if is_recurrence(n)]
    alone = len(loop.bound) == len(given) and all(v.operation is step_variable for v in given)
    forms = [(v.shape, v.dtype) for v in loop.carried]
    return (
        alone
        and not loop.bound & {*outside, *(variable for bound in inner for variable in bound)}
        and forms == [(x.shape, x.dtype) for x in loop.initial]
        and forms == [(x.shape, x.dtype) for x in loop.new]
        and [((loop.length, *v.shape), v.dtype) for v in loop.current] == [(x.shape, x.dtype) for x in loop.sequences]
    )


def _alike(some: Any, others: Any) -> bool:
    """Whether attributes are the same, numbers in their type as well."""
    return type(some) is type(others) and repr(some) == repr(others)


__all__ = ["describe_node", "restore_node"]
