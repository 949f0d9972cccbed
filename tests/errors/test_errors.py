"""Every named error shows its failure and the cure, and both are run."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator

import pytest

import pellucid as pc
from pellucid.core import errors

# A base class; one raised by a key press; a defect of ours; and a library missing, which no installed one shows.
WITHOUT_EXAMPLE = {"PellucidError", "Interrupted", "InternalError", "MissingExtraError"}
CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]
TAUGHT = [c for c in CLASSES if c.__name__ not in WITHOUT_EXAMPLE]


def examples(cls: type) -> Iterator[doctest.DocTest]:
    """Return the doctests of a class's own docstring."""
    return (t for t in doctest.DocTestFinder(recurse=False).find(cls, cls.__name__, globs={}) if t.examples)


def test_the_list_of_exceptions_is_true() -> None:
    assert {c.__name__ for c in CLASSES} >= WITHOUT_EXAMPLE
    assert not [c.__name__ for c in CLASSES if c.__name__ in WITHOUT_EXAMPLE and list(examples(c))]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_is_named_and_documented(cls: type) -> None:
    assert issubclass(cls, errors.PellucidError | KeyboardInterrupt)
    assert cls.__doc__
    assert cls.__doc__.split("\n")[0].endswith(".")


@pytest.mark.parametrize("cls", TAUGHT, ids=lambda c: c.__name__)
def test_shows_the_failure_and_the_cure(cls: type) -> None:
    (test,) = examples(cls)
    failures = [e for e in test.examples if e.exc_msg]
    assert any(cls.__name__ in (e.exc_msg or "") for e in failures), "the docstring shows no failure of its own class"
    assert len(failures) < len(test.examples)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    shown: list[str] = []
    assert runner.run(test, out=shown.append).failed == 0, "".join(shown)


@pytest.mark.parametrize("cls", [c for c in CLASSES if c is not errors.InternalError], ids=lambda c: c.__name__)
def test_is_public(cls: type) -> None:
    assert getattr(pc, cls.__name__) is cls
