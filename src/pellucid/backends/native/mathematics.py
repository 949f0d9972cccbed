"""Vector mathematics (first form)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .values import Value

if TYPE_CHECKING:
    from .arithmetic import Arithmetic


def exp(b: Arithmetic, x: Value) -> Value:
    return b.call("exp", x)


def expm1(b: Arithmetic, x: Value) -> Value:
    return b.call("expm1", x)


def log(b: Arithmetic, x: Value) -> Value:
    return b.call("log", x)


def log1p(b: Arithmetic, x: Value) -> Value:
    return b.call("log1p", x)


def tanh(b: Arithmetic, x: Value) -> Value:
    return b.call("tanh", x)


def sigmoid(b: Arithmetic, x: Value) -> Value:
    one = b.constant(1.0, like=x)
    return b.divide(one, b.add(one, b.exp(b.negative(x))))


def sin(b: Arithmetic, x: Value) -> Value:
    return b.call("sin", x)


def cos(b: Arithmetic, x: Value) -> Value:
    return b.call("cos", x)


def erf(b: Arithmetic, x: Value) -> Value:
    return b.call("erf", x)
