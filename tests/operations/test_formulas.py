"""Loops as mathematics: recurrences in text and LaTeX, their gradients, and the stages that show them."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pc
from pellucid.operations.formulas import latex
from pellucid.view.formula import formulas
from pellucid.view.show import stage_text
from recurrences import CASES, loss_of, parameters


def rnn(time=5, reverse=False, name="h0"):
    """Return a small recurrent network's last state, all its states, and its weights."""
    x, h0 = pc.variable("x", (time, 2, 3)), pc.variable(name, (2, 4))
    W, U = pc.parameter(np.ones((3, 4)), name="W"), pc.parameter(np.ones((4, 4)), name="U")

    def step(h, x):
        h = pc.tanh(x @ W + h @ U)
        return h, h

    last, ys = pc.scan(step, h0, x, reverse=reverse)
    return last, ys, [W, U], [x, h0]


def lines(expression):
    return [line.removeprefix("  where ").strip() for line in str(expression).split("\n")]


def test_a_loop_is_a_recurrence():
    last, ys, *_ = rnn()
    where = ["h[t] = tanh(x[t] @ W + h[t-1] @ U), t = 1…5", "h[0] = h0"]
    assert lines(last) == ["h[5]", *where]
    assert lines(ys) == ["h[1…5]", *where]


def test_a_loop_from_the_last_row_to_the_first():
    last, ys, *_ = rnn(reverse=True)
    where = ["h[t] = tanh(x[t] @ W + h[t+1] @ U), t = 5…1", "h[6] = h0"]
    assert lines(last) == ["h[1]", *where]
    assert lines(ys) == ["h[1…5]", *where]


def test_a_length_with_a_name():
    last, *_ = rnn("time")
    assert lines(last) == ["h[time]", "h[t] = tanh(x[t] @ W + h[t-1] @ U), t = 1…time", "h[0] = h0"]
    last, *_ = rnn("time", reverse=True)
    assert lines(last)[-1] == "h[time + 1] = h0"
    assert r"t = \mathrm{time}, \dots, 1" in latex(last)
    assert r"h_{\mathrm{time} + 1} &= h_{0}" in latex(last)


def test_latex():
    last, *_ = rnn(name="start")
    assert latex(last) == (
        r"\begin{aligned}&\mathrm{start}_{1, 5} \\ \text{where } "
        r"\mathrm{start}_{1, t} &= \tanh\left(x_{t} \, W + \mathrm{start}_{1, t-1} \, U\right),"
        r" \quad t = 1, \dots, 5 \\ \mathrm{start}_{1, 0} &= \mathrm{start} \\\end{aligned}"
    )
    assert formulas({"h": last}).count("<math") == 3


def test_the_names_of_values_of_steps_are_used():
    x = pc.variable("x", (3, 2))

    def step(carry, x):
        new = (carry + x).named("s")
        slow = (new * 0.5 + new * new).named("slow")
        return new, (slow * slow, slow)

    last, (ys, _) = pc.scan(step, pc.constant(np.zeros(2)), x)
    assert lines(last)[:2] == ["s[3]", "s[t] = s[t-1] + x[t], t = 1…3"]
    assert lines(ys.named("squares"))[1:4] == [
        "s[t] = s[t-1] + x[t], t = 1…3",
        "slow[t] = s[t] * 0.5 + s[t] * s[t]",
        "squares[t] = slow[t] * slow[t]",
    ]


def test_letters_that_are_taken_are_not_used_again():
    """Of steps, and of what is carried; a carry without a name is called c."""
    t, c = pc.variable("t", (3, 2)), pc.variable("c", (2,))
    last, _ = pc.scan(lambda c, x: (c * x, None), c * 2, t)
    assert lines(last) == ["c1[3]", "c1[s] = c1[s-1] * t[s], s = 1…3", "c1[0] = c * 2"]


def test_only_what_a_result_needs_is_written():
    x = pc.variable("x", (3, 2))
    (a, b), ys = pc.scan(lambda c, x: ((c[0] + x, c[1] * c[0]), c[0] - x), (x[0], x[1]), x)
    assert len(lines(a)) == 3
    assert len(lines(b)) == 5
    assert not any(" - " in line for line in lines(b))
    assert any(line == "y[t] = c[t-1] - x[t]" for line in lines(ys))


def test_values_that_a_step_passes_on():
    x = pc.variable("x", (3,))
    (a, _), ys = pc.scan(lambda c, x: ((c[1], c[0] + c[1]), (x, c[1])), (pc.constant(0.0), pc.constant(1.0)), x)
    assert lines(a) == ["c[3]", "c1[t] = c[t-1] + c1[t-1], t = 1…3", "c[t] = c1[t-1]", "c[0] = 0", "c1[0] = 1"]
    assert lines(ys[0]) == ["y[1…3]", "y[t] = x[t], t = 1…3"]
    assert lines(ys[1])[0] == "y[1…3]"


def test_loops_inside_loops_count_with_other_letters(golden):
    last, ys = CASES["thrice_nested"](pc.scan, *parameters("thrice_nested"))
    golden("recurrence-nested", f"{last}\n\n{ys}")


def test_two_loops_after_each_other():
    x = pc.variable("x", (3, 2))
    zero = pc.constant([0.0, 0.0])
    _, ys = pc.scan(lambda a, x: (pc.exp(a + x), a), zero, x)
    last, _ = pc.scan(lambda b, y: (pc.tanh(b * y), None), zero, ys, reverse=True)
    assert lines(last) == [
        "c1[1]",
        "c[t] = exp(c[t-1] + x[t]), t = 1…3",
        "c[0] = [0, 0]",
        "y[t] = c[t-1]",
        "c1[t] = tanh(c1[t+1] * y[t]), t = 3…1",
        "c1[4] = [0, 0]",
    ]


def test_an_expression_within_a_step_has_the_names_it_will_have():
    seen = []
    x, h0 = pc.variable("x", (5, 3)), pc.variable("h0", (3,))
    pc.scan(lambda h, x: (seen.append(str(h * x)) or h * x, None), h0, x)
    assert seen == ["h * x"]


def test_the_gradient_of_a_recurrent_network(golden):
    last, ys, weights, inputs = rnn()
    loss = (last * last).sum() + ys.sum()
    golden("gradient-recurrence", "\n\n".join(str(g) for g in pc.gradient(loss, [*weights, *inputs])))
    golden("gradient-recurrence-latex", "\n\n".join(latex(g) for g in pc.gradient(loss, [*weights, *inputs])))


@pytest.mark.parametrize("stage", ["formula", "gradient", "rewrites"])
def test_stages_of_a_recurrent_network(stage, golden):
    last, _, weights, inputs = rnn()
    loss = (last * last).sum()
    updates = [(p, p - 0.1 * g) for p, g in zip(weights, pc.gradient(loss, weights), strict=True)]
    f = pc.function(inputs, loss, updates, backend="reference")
    golden(f"recurrence-{stage}", stage_text(f, stage))


def test_the_graph_says_which_result_of_a_loop_a_node_is():
    _, ys, _, _ = rnn()
    assert "recurrence[1](" in stage_text(ys, "graph")


@pytest.mark.parametrize(
    ("case", "reverse"), [(case, False) for case in CASES] + [(case, True) for case in ("lstm", "nested", "stacked")]
)
def test_loops_and_their_derivatives_can_be_written(case, reverse):
    made = parameters(case)
    outputs = CASES[case](pc.scan, *made, reverse=reverse)
    first = pc.gradient(loss_of(outputs), made)
    second = pc.gradient(sum((g * g).sum() for g in first), made)
    for expression in (*outputs, *first, *second):
        shown = str(expression)
        for bad in ("recurrence", "step_variable", "None"):
            assert bad not in shown
        left = [line.split(" = ")[0] for line in lines(expression)[1:]]
        assert len(set(left)) == len(left)
        written = latex(expression)
        assert written.count("{") == written.count("}")


@pytest.mark.parametrize(
    ("write", "as_text", "as_latex"),
    [
        (lambda x, v, W: x[0], "x[0]", r"x\left[0\right]"),
        (lambda x, v, W: x[:, 1:3], "x[:, 1:3]", r"x\left[{:}, 1{:}3\right]"),
        (lambda x, v, W: x[..., ::2], "x[:, :, 0:6:2]", r"x\left[{:}, {:}, 0{:}6{:}2\right]"),
        (lambda x, v, W: x[1, ::-1, -1], "x[1, 3::-1, 4]", r"x\left[1, 3{:}{:}-1, 4\right]"),
        (lambda x, v, W: (x + 1)[:1], "(x + 1)[:1]", r"\left(x + 1\right)\left[{:}1\right]"),
        (lambda x, v, W: v[1:] - v[:-1], "v[1:] - v[:4]", r"v\left[1{:}\right] - v\left[{:}4\right]"),
        (lambda x, v, W: v @ W, "v @ W", r"v \, W"),
        (lambda x, v, W: x[0] @ v, "x[0] @ v", r"x\left[0\right] \, v"),
        (lambda x, v, W: v @ v, "v @ v", r"v \, v"),
        (lambda x, v, W: (v + 1) @ W[:, :2], "(v + 1) @ W[:, :2]", r"\left(v + 1\right) \, W\left[{:}, {:}2\right]"),
        (lambda x, v, W: x[0].reshape(5, 4), "reshape(x[0], (5, 4))", None),
        (lambda x, v, W: (x[:2] + 1).reshape(-1), "reshape(x[:2] + 1, (40,))", None),
    ],
)
def test_parts_and_products_of_vectors_are_written_as_one_writes_them(write, as_text, as_latex):
    x, v, W = pc.variable("x", ("batch", 4, 5)), pc.variable("v", (5,)), pc.variable("W", (5, 3))
    made = write(x, v, W)
    assert str(made) == as_text
    assert as_latex is None or latex(made) == as_latex
