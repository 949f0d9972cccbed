"""A schedule depends on what is computed, not on where in memory its expressions happen to lie."""

import pytest

import pellucid as pc
from fuzz.graphs import random_graph
from pellucid.schedule.text import program_text


def text_of(inputs, outputs):
    """Return the schedule and the LLVM code of a function that nobody compiled before."""
    program = pc.function(inputs, outputs).compiled().executable
    return program_text(program.program) + program.text


@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
def test_products_are_scheduled_alike_each_time(transposed):
    left, right = transposed
    kept, texts = [], set()
    for _ in range(30):
        x = pc.variable("x", (16, 15) if left else (15, 16))
        y = pc.variable("y", (17, 16) if right else (16, 17))
        kept.append((x, y, pc.matmul(x, y, transpose_left=left, transpose_right=right)))  # other addresses next time
        texts.add(text_of([x, y], kept[-1][2]))
    assert len(texts) == 1


@pytest.mark.parametrize("seed", range(15))
def test_random_graphs_are_scheduled_alike_each_time(seed):
    kept, texts = [], set()
    for _ in range(3):
        graph = random_graph(seed)
        kept.append(graph)
        gradients = pc.gradient(graph.scalar, graph.variables)
        texts.add(text_of(graph.variables, [graph.scalar, graph.array, *gradients]))
    assert len(texts) == 1


def test_two_inputs_of_one_height_are_laid_out_by_column():
    x, y = pc.variable("x", (40, 3)), pc.variable("y", (40, 5))
    gram = pc.matmul(x, y, transpose_left=True)
    text = text_of([x, y], [gram, pc.tanh(x).sum(axis=1) * pc.tanh(y).sum(axis=1)])
    assert "x by column" in text
    assert "y by column" in text


def test_parameters_keep_their_memory_where_a_simpler_form_meets_them_in_another_order():
    """The loops of a pick compare the labels before they read the table."""
    table = pc.parameter([[1.0, 2.0], [3.0, 4.0]], name="table")
    labels = pc.parameter([1, 0], name="labels", trainable=False, dtype="int32")
    assert pc.function([], pc.pick(2 * table, labels))().tolist() == [4.0, 6.0]
