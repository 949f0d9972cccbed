"""What every test shares: hypothesis's profiles, golden texts, a disk cache of its own, and what is left out.

$HYPOTHESIS_PROFILE chooses how long random tests are: ``dev`` (the default), ``ci`` (few examples, always the
same; the default where $CI is set) or ``soak`` (long).
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Tracing lines takes as long again as compiling does, so what goes through lines that other tests reach as well is not
# traced: whole programs, comparisons with other libraries, and the same code with many other numbers. Coverage is what
# the other tests reach by themselves.
UNTRACED = (
    "docs/",
    "tests/architecture/",
    "tests/backends/native/test_blocked.py",
    "tests/backends/native/test_contraction.py",
    "tests/backends/native/test_lanes_at_once.py",
    "tests/backends/native/test_same_bits.py",
    "tests/benchmarks/",
    "tests/cli/",
    "tests/contract/test_backends.py",
    "tests/contract/test_operations.py::test_numpy_and_jax_agree",
    "tests/estimators/test_scikit_learn_checks.py",
    "tests/examples/",
    "tests/fuzz/",
    "tests/layers/test_every_layer.py::test_it_trains_alike",
    "tests/operations/test_fused_attention.py::test_native_agrees",
    "tests/operations/test_scan.py::test_any_shape_agrees_with_jax",
    "tests/optimizers/test_rules.py::test_a_gradient_of_any_size",
    "tests/optimizers/test_rules.py::test_a_quadratic",
    "tests/promises/",
    "tests/recipes/test_recipes_on_xla.py",
    "tests/schedule/test_same_text.py",
    "tests/test_through_time.py",
    "tests/training/test_sharing.py",
)

GOLDEN = Path(__file__).parent / "golden"
PATIENT = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile("ci", max_examples=25, derandomize=True, deadline=None, suppress_health_check=PATIENT)
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=PATIENT)
settings.register_profile("soak", max_examples=5_000, deadline=None, suppress_health_check=PATIENT, print_blob=True)

# Eight devices on any machine, and code that is compiled in a hurry: most of what tests compile runs once.
XLA_FLAGS = " ".join(
    [
        "--xla_force_host_platform_device_count=8",
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
    ]
)

Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden texts anew instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
    os.environ.update(MPLBACKEND="Agg", JAX_PLATFORMS="cpu", PELLUCID_CHECK="1", XLA_FLAGS=XLA_FLAGS)
    if not hasattr(config, "workerinput"):  # workers of pytest-xdist inherit the folder
        os.environ["PELLUCID_CACHE"] = tempfile.mkdtemp(prefix="pellucid-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop("PELLUCID_CACHE"), ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "soak" not in config.option.markexpr:
        soaking = [item for item in items if item.get_closest_marker("soak")]
        items[:] = [item for item in items if item not in soaking]
        config.hook.pytest_deselected(items=soaking)
    for item in items:
        if item.nodeid.startswith(UNTRACED) or "[xla" in item.nodeid or item.get_closest_marker("torch"):
            item.add_marker("no_cover")
    if importlib.util.find_spec("torch") is None:
        for item in items:
            if item.get_closest_marker("torch"):
                item.add_marker(pytest.mark.skip(reason="PyTorch is not installed, and this compares with it"))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a text with tests/golden/NAME.txt; ``pytest --update-golden`` writes that file instead."""

    def compare(name: str, text: str) -> None:
        path, found = GOLDEN / f"{name}.txt", text.rstrip("\n") + "\n"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found, encoding="utf-8")
            return
        shown = path.relative_to(GOLDEN.parent.parent)
        if not path.exists():
            pytest.fail(f"there is no {shown}; write it with pytest --update-golden, and read it", pytrace=False)
        expected = path.read_text(encoding="utf-8")
        if found != expected:
            lines = difflib.unified_diff(
                expected.splitlines(), found.splitlines(), str(shown), "what came out", lineterm=""
            )
            message = "\n".join([*lines, "", "If the change is meant, run pytest --update-golden and review the diff."])
            pytest.fail(message, pytrace=False)

    return compare


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a disk cache that only this test uses, empty."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("PELLUCID_CACHE", str(folder))
    return folder
