"""The search for the fastest loops: winners are kept and read again, change the loops, and change no bits."""

from __future__ import annotations

import json

import numpy as np
import pytest

import pellucid as pc
from backends.native.blocks import contractions, lower_thresholds, normal, program_of
from backends.native.images import SMALL, data, training
from pellucid.backends.native import cache, program, tuning
from pellucid.backends.native.blocking import blocking, candidates
from pellucid.backends.native.machine import cache_sizes
from pellucid.backends.native.target import host
from pellucid.schedule.contraction import oriented


@pytest.fixture
def searching(cache_folder, monkeypatch):
    """A search with an empty cache; its runs are short."""
    monkeypatch.setenv(program.VARIABLE, "1")
    monkeypatch.setattr(cache._Report, "given", False)
    monkeypatch.setattr(tuning, "ROUNDS", 1)
    monkeypatch.setattr(tuning, "SECONDS", 1e-6)
    return cache_folder


def product(m=96, k=80, n=64):
    """Return a compiled product that is large enough for blocks, and the arrays that it is of."""
    x, y = pc.variable("x", (m, k)), pc.variable("y", (k, n))
    function, arrays = pc.function([x, y], x @ y), normal(0, x, y)
    np.testing.assert_allclose(function(*arrays), arrays[0] @ arrays[1], rtol=1e-3, atol=1e-4)
    return function.compiled().executable


def contraction(step):
    (found,) = contractions(step.program)
    return oriented(found)


def prefer(monkeypatch, place):
    """Let one of the cuts be the fastest."""
    asked = []

    def seconds(c, tried, target):
        asked.append(tried)
        return [0.5 if k == place % len(tried) else 1.0 for k in range(len(tried))]

    monkeypatch.setattr(tuning, "seconds", seconds)
    return asked


def kept(folder):
    return list(folder.glob(f"{cache.MEASURED}*.object"))


def test_winners_are_kept_and_read_again(searching, monkeypatch):
    asked = prefer(monkeypatch, -1)
    first = product()
    assert not first.cached
    assert len(asked) == 1
    assert len(kept(searching)) == 1
    again = product()
    assert again.cached
    assert len(asked) == 1, "the winner was read, not searched for again"


def test_winners_change_the_loops(searching, monkeypatch):
    prefer(monkeypatch, 0)
    by_rule = product()
    monkeypatch.setenv("PELLUCID_CACHE", f"{searching}-other")
    prefer(monkeypatch, -1)
    searched = product()
    c = contraction(searched)
    assert searched.generated.choose(c, host()) == list(dict.fromkeys(candidates(c, host(), cache_sizes())))[-1]
    assert by_rule.generated.choose(c, host()) == blocking(c, host(), cache_sizes())
    assert searched.text != by_rule.text


def test_programs_with_and_without_a_search_are_not_confused(searching, monkeypatch):
    prefer(monkeypatch, -1)
    searched = product()
    monkeypatch.setenv(program.VARIABLE, "0")
    plain = product()
    assert not plain.cached
    assert plain.text != searched.text
    monkeypatch.setenv(program.VARIABLE, "1")
    assert product().cached


def test_the_number_of_threads_has_winners_of_its_own(searching, monkeypatch):
    asked = prefer(monkeypatch, 0)
    for threads in (1, 2):
        monkeypatch.setenv("PELLUCID_THREADS", str(threads))
        product()
    assert len(asked) == 2


@pytest.mark.parametrize("content", [b"nonsense", json.dumps([0, 0, 0, 0, 0]).encode(), b"{}", b""])
def test_what_is_no_cut_falls_back_to_the_rule(searching, monkeypatch, content):
    prefer(monkeypatch, -1)
    product()
    (winner,) = kept(searching)
    cache.write(winner.stem, content)
    c = contraction(product())
    assert tuning.winner(c, host()) == blocking(c, host(), cache_sizes())


def test_a_damaged_winner_is_searched_for_again(searching, monkeypatch):
    asked = prefer(monkeypatch, 0)
    product()
    (winner,) = kept(searching)
    winner.write_bytes(winner.read_bytes()[:-1] + b"?")
    with pytest.warns(UserWarning, match="is damaged, and was removed"):
        product()
    assert len(asked) == 2


def test_measuring_runs_every_cut(searching):
    c = contraction(product())
    tried = list(dict.fromkeys(candidates(c, host(), cache_sizes())))
    times = tuning.seconds(c, tried, host())
    assert len(times) == len(tried) > 3
    assert all(t > 0 for t in times)


@pytest.mark.parametrize("given", ["yes", "2", "true", " 1"])
def test_other_values_are_errors(given, monkeypatch):
    monkeypatch.setenv(program.VARIABLE, given)
    with pytest.raises(pc.PellucidError, match="PELLUCID_SEARCH is"):
        pc.function([], pc.constant(1.0) + 1.0)()


def test_a_search_changes_no_bits(searching, monkeypatch):
    lower_thresholds(monkeypatch)
    found = set()
    for place in (None, 0, 3, -1):
        monkeypatch.setenv(program.VARIABLE, "0" if place is None else "1")
        if place is not None:
            prefer(monkeypatch, place)
        step, parameters = training(SMALL, pc.optimizers.Adam())
        losses = [step(*data(SMALL)) for _ in range(2)]
        assert contractions(program_of(step))
        found.add(b"".join([np.asarray(losses).tobytes(), *(p.value.tobytes() for p in parameters)]))
    assert len(found) == 1


def test_a_whole_search_of_a_step(searching, monkeypatch):
    lower_thresholds(monkeypatch)
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "64M")
    step, _ = training(SMALL, pc.optimizers.SGD())
    assert np.isfinite(step(*data(SMALL)))
    texts = {tuning.contraction_text(oriented(c)) for c in contractions(program_of(step))}
    assert len(kept(searching)) == len(texts) >= 6
