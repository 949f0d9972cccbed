"""Reductions and products: what is repeated or the same for all the terms leaves a sum; transposes enter products.

Every rule holds for named sizes. A sum of products that is a matrix product stays one: a factor leaves a sum only if
it is the same for all its terms.
"""

from __future__ import annotations

from ..core.expression import Expression, node
from ..core.sizes import Shape, count
from ..operations.movement import broadcast_to, permute, reshape
from ..operations.pooling import max_pool
from ..operations.product import matmul
from ..operations.reduction import sum as sum_over
from ..operations.source import axis_size
from .movement import collected, one_sized, padded
from .pattern import Rule, Uses, number, read_once, relu, structural

REDUCTIONS = ("sum", "max", "min", "prod")


def _axes(reduced: Expression) -> tuple[int, ...]:
    axes: tuple[int, ...] = reduced.attribute("axes")
    return axes


def _reduce(operation: Expression, x: Expression, axes: tuple[int, ...]) -> Expression:
    return node(operation.operation, [x], axes=axes) if axes else x


@structural(
    "reduce(x) → reshape(x), over axes of 1",
    REDUCTIONS,
    example=lambda x: sum_over(x, (0, 2)),
    shapes=(((1, 3, 1),), ((1, 1, 1),)),
)
def reduce_ones(outer: Expression, uses: Uses) -> Expression | None:
    """The sum (maximum, product) of one element is the element."""
    (x,) = outer.inputs
    if any(x.shape[a] != 1 for a in _axes(outer)):
        return None
    return reshape(x, outer.shape)


@structural(
    "reduce(reduce(x)) → reduce(x)",
    REDUCTIONS,
    REDUCTIONS,
    example=lambda x: sum_over(sum_over(x, 1), 0),
    shapes=(((3, 4),), ((2, 3, 4),)),
)
def reduce_reduce(outer: Expression, uses: Uses) -> Expression | None:
    """A sum of sums (a maximum of maxima) is one, over the axes of both."""
    (inner,) = outer.inputs
    if inner.operation is not outer.operation or not read_once(inner, uses):
        return None
    (x,) = inner.inputs
    left = [k for k in range(x.ndim) if k not in _axes(inner)]
    return _reduce(outer, x, tuple(sorted((*_axes(inner), *(left[a] for a in _axes(outer))))))


@structural(
    "sum(broadcast_to(x)) → n * sum(x)",
    REDUCTIONS,
    "broadcast_to",
    example=lambda x: sum_over(broadcast_to(x, (3, 4)), 0) + sum_over(broadcast_to(x, (2, 3, 4)), (0, 1)),
    shapes=(((4,),), ((1, 4),), ((),), ((3, 1),)),
)
def reduce_broadcast(outer: Expression, uses: Uses) -> Expression | None:
    """A sum over repeated elements is a multiple; a maximum over them does not see the repetition."""
    (inner,) = outer.inputs
    (x,) = inner.inputs
    own = padded(x, inner.ndim)
    repeated = [a for a in _axes(outer) if own[a] == 1 and inner.shape[a] != 1]
    name = outer.operation.name
    if not repeated or name == "prod":
        return None
    kept = tuple(n for k, n in enumerate(own) if k not in repeated)
    left = [k for k in range(inner.ndim) if k not in repeated]
    rest = tuple(left.index(a) for a in _axes(outer) if a not in repeated)
    stretched = broadcast_to(reshape(x, kept), tuple(inner.shape[k] for k in left))
    reduced = _reduce(outer, stretched, rest)
    return axis_size(count(inner.shape[a] for a in repeated), outer.dtype) * reduced if name == "sum" else reduced


@structural(
    "reduce(reshape(x)) → reshape(reduce(x)), axes of 1 added or removed",
    REDUCTIONS,
    "reshape",
    example=lambda x: sum_over(reshape(x, (3, 1, 4)), (1, 2)) * sum_over(reshape(x, (2, 6)), (0, 1)),
)
def reduce_reshape(outer: Expression, uses: Uses) -> Expression | None:
    """An added axis of 1 is not summed over; a sum over everything does not mind the shape."""
    (inner,) = outer.inputs
    (x,) = inner.inputs
    if not outer.shape:
        return _reduce(outer, x, tuple(range(x.ndim)))
    if not one_sized(x.shape, inner.shape):
        return None
    wide = [k for k, n in enumerate(x.shape) if n != 1]
    places = dict(zip((k for k, n in enumerate(inner.shape) if n != 1), wide, strict=True))
    return reshape(_reduce(outer, x, tuple(places[a] for a in _axes(outer) if a in places)), outer.shape)


@structural(
    "reduce(permute(x)) → permute(reduce(x))",
    REDUCTIONS,
    "permute",
    example=lambda x: sum_over(permute(x, (2, 0, 1)), 1),
    shapes=(((2, 3, 4),),),
)
def reduce_permute(outer: Expression, uses: Uses) -> Expression | None:
    """What is left over after a reduction is less to move."""
    (inner,) = outer.inputs
    (x,) = inner.inputs
    order = inner.attribute("axes")
    reduced = tuple(sorted(order[a] for a in _axes(outer)))
    left = [k for k in range(x.ndim) if k not in reduced]
    return permute(_reduce(outer, x, reduced), [left.index(a) for k, a in enumerate(order) if k not in _axes(outer)])


@structural("sum(-x) → -sum(x)", "sum", "negative", example=lambda x: sum_over(-x, 0))
def sum_negative(outer: Expression, uses: Uses) -> Expression | None:
    """The sign is turned once."""
    return -_reduce(outer, outer.inputs[0].inputs[0], _axes(outer))


@structural(
    "sum(s * x) → s * sum(x), s the same along the axes",
    "sum",
    ("multiply", "divide"),
    example=lambda x, y: sum_over(y * x, 1) + sum_over(x / y, 1) + sum_over(2 * x, 1),
    shapes=(((3, 4), (3, 1)), ((3, 4), ()), ((1, 4), (3, 1))),
    domain=(0.2, 2.0),
)
def sum_factor(outer: Expression, uses: Uses) -> Expression | None:
    """A factor that is the same for all the terms is multiplied once."""
    (inner,) = outer.inputs
    if not read_once(inner, uses):
        return None
    left, right = inner.inputs
    for factor, x in ((right, left), (left, right)):
        own = padded(factor, inner.ndim)
        if all(own[a] == 1 for a in _axes(outer)) and (inner.operation.name == "multiply" or factor is right):
            kept = (
                reshape(factor, tuple(n for k, n in enumerate(own) if k not in _axes(outer))) if factor.ndim else factor
            )
            reduced = _reduce(outer, broadcast_to(x, inner.shape), _axes(outer))
            return reduced / kept if inner.operation.name == "divide" else kept * reduced
    return None


# Products


def _transposes(x: Expression) -> bool:
    if x.operation is not permute:
        return False
    axes = x.attribute("axes")
    return len(axes) > 1 and axes == (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)


MATRICES = (((3, 4), (3, 5)), ((2, 3, 4), (2, 3, 5)))


def _swapped(x: Expression) -> Expression:
    return permute(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@structural(
    "xᵀ @ y → matmul(x, y, transpose_left)",
    "matmul",
    "permute",
    example=lambda x, y: matmul(_swapped(x), _swapped(_swapped(y) * 2)),
    shapes=MATRICES,
)
def product_transpose(outer: Expression, uses: Uses) -> Expression | None:
    """Products read their operands either way."""
    left, right = outer.inputs
    if not _transposes(left) and not _transposes(right):
        return None
    return matmul(
        left.inputs[0] if _transposes(left) else left,
        right.inputs[0] if _transposes(right) else right,
        transpose_left=outer.attribute("transpose_left") != _transposes(left),
        transpose_right=outer.attribute("transpose_right") != _transposes(right),
    )


@structural(
    "(x @ y)ᵀ → yᵀ @ xᵀ",
    "permute",
    "matmul",
    example=lambda x, y: _swapped(matmul(x, y, transpose_left=True)),
    shapes=MATRICES,
)
def transpose_product(outer: Expression, uses: Uses) -> Expression | None:
    """The transpose of a product is the product of the transposes, in the other order."""
    (inner,) = outer.inputs
    if not _transposes(outer) or not read_once(inner, uses):
        return None
    left, right = inner.inputs
    return matmul(
        right,
        left,
        transpose_left=not inner.attribute("transpose_right"),
        transpose_right=not inner.attribute("transpose_left"),
    )


def _smaller(first: Shape, second: Shape) -> bool:
    """Whether a shape surely has no more elements than another: fewer or equal, or the same names and no more."""
    a, b = count(first), count(second)
    if isinstance(a, int):
        return not isinstance(b, int) or a <= b
    return a == b


@structural(
    "(c * x) @ y → c * (x @ y), a smaller result",
    "matmul",
    ("multiply", "divide", "negative"),
    example=lambda x, y: matmul(x * 2, y, transpose_left=True) - matmul(x, -y, transpose_left=True),
    shapes=(((9, 2), (9, 3)),),
)
def product_factor(outer: Expression, uses: Uses) -> Expression | None:
    """A constant factor is multiplied where there are fewer elements."""
    for k, operand in enumerate(outer.inputs):
        if not collected(operand) or not read_once(operand, uses) or not _smaller(outer.shape, operand.shape):
            continue
        x = operand.inputs[0] if number(operand.inputs[0]) is None else operand.inputs[1]
        if operand.operation.name == "divide" and x is operand.inputs[1]:
            continue
        product = node(outer.operation, [*outer.inputs[:k], x, *outer.inputs[k + 1 :]], **dict(outer.attributes))
        return node(operand.operation, [product if i is x else i for i in operand.inputs])
    return None


@structural(
    "sum(a @ b + c @ d) → sum(a @ b) + sum(c @ d), over axes of matrices",
    "sum",
    ("add", "subtract"),
    example=lambda x, y: sum_over(matmul(x, y, transpose_left=True) - matmul(x * x, y * y, transpose_left=True), 0),
    shapes=(((2, 3, 4), (2, 3, 5)),),
)
def sum_of_products(outer: Expression, uses: Uses) -> Expression | None:
    """The sum of the products of many pairs of matrices is the product of two long ones."""
    (inner,) = outer.inputs
    if not read_once(inner, uses) or any(a >= inner.ndim - 2 for a in _axes(outer)):
        return None
    if not all(x.operation is matmul and x.shape == inner.shape and read_once(x, uses) for x in inner.inputs):
        return None
    return node(inner.operation, [_reduce(outer, x, _axes(outer)) for x in inner.inputs])


# Functions that never decrease, from -inf to inf, and keep NaN. (exp would do too, but what is infinite then comes
# of the largest alone; log and sqrt would not: they make NaN of what a larger element hides.)
NEVER_DECREASING = ("relu", "tanh", "sigmoid", "softplus", "erf")


@structural(
    "max_pool(f(x)) → f(max_pool(x)), f never decreasing",
    "max_pool",
    NEVER_DECREASING,
    example=lambda x: max_pool(relu(x), 2, padding="same"),
    shapes=(((2, 5, 3),), ((1, 4, 4, 2),)),
)
def max_pool_monotone(outer: Expression, uses: Uses) -> Expression | None:
    """The function of the largest is the largest of the function, and is computed once a window.

    The derivative stays right: where f is the same for two elements, so that the two sides may choose another one,
    it is constant between them, and its derivative is 0 for both (or the two differ by rounding only).
    """
    (inner,) = outer.inputs
    if inner.operation.name not in NEVER_DECREASING or not read_once(inner, uses):
        return None
    pooled = node(outer.operation, inner.inputs, **dict(outer.attributes))
    return node(inner.operation, [pooled], **dict(inner.attributes))


REDUCTION: tuple[Rule, ...] = (
    reduce_ones,
    reduce_reduce,
    reduce_broadcast,
    reduce_reshape,
    reduce_permute,
    sum_negative,
    sum_factor,
    product_transpose,
    transpose_product,
    product_factor,
    sum_of_products,
    max_pool_monotone,
)
