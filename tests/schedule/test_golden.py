"""What whole training steps become: golden texts of every stage, and the promise of one nest a step."""

import pytest

from networks import points, softmax_regression, tanh_softmax
from pellucid.backends.native.program import NativeStep
from pellucid.schedule.loops import Loop
from pellucid.schedule.schedule import schedule
from pellucid.schedule.text import is_main, kernels, program_text
from pellucid.step import Step
from pellucid.view.show import stage_text

BATCH = 200
NETWORKS = {"2-3-2": (2, 3, 2), "3-5-4": (3, 5, 4), "2-4-3-2": (2, 4, 3, 2)}


def trained(sizes):
    """Return the training step after one call, so that it is compiled for BATCH rows."""
    step, _ = tanh_softmax(*sizes)
    step(*points(BATCH, sizes[0], sizes[-1]))
    return step


@pytest.mark.parametrize("name", NETWORKS)
def test_a_small_network_is_one_nest_a_step(name):
    step = trained(NETWORKS[name])
    program = step.compiled().executable.program
    assert len(kernels(program.each)) == 1
    main = [s for s in program.each if is_main(s)]
    assert len(main) == 1
    assert isinstance(main[0], Loop)
    assert main[0].extent == BATCH


@pytest.mark.parametrize("stage", ["formula", "gradient", "rewrites", "schedule"])
@pytest.mark.parametrize("name", NETWORKS)
def test_stages_of_small_networks(name, stage, golden):
    golden(f"network-{name}-{stage}", stage_text(trained(NETWORKS[name]), stage))


def test_the_schedule_of_softmax_regression_on_minibatches(golden):
    step, _ = softmax_regression()
    loop = step.minibatches(100)
    x, label = points(300, 784, 10)
    loop(x, label)
    program = loop.compiled().executable.program
    golden("softmax-regression-784-10-schedule", program_text(program))


def test_the_schedule_does_not_depend_on_how_often_it_is_made():
    step = trained((2, 3, 2)).compiled().rewritten
    assert program_text(schedule(step)) == program_text(schedule(step))
    assert isinstance(step, Step)
    assert program_text(NativeStep(step).program) == program_text(schedule(step))
