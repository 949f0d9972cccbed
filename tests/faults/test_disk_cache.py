"""A disk cache that cannot be used, or that somebody or something has changed: right results, and one warning."""

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import pellucid as pc
from pellucid.backends.native import cache
from pellucid.core import atomic
from pellucid.core.errors import PellucidError

SOURCE = Path(__file__).parents[2] / "src"
WRITERS = 4
# Each writes and reads the same few keys, at times removes them all, and must never see anything but whole values.
WRITER = """
import sys, warnings
warnings.simplefilter("error")
from pellucid.backends.native import cache
number, seen = int(sys.argv[1]), 0
for turn in range(150):
    name = cache.key(str(turn % 5))
    expected = name.encode() * 2_000
    found = cache.read(name)
    assert found in (None, expected), "a torn file was read"
    seen += found is not None
    cache.write(name, expected)
    if number == 0 and turn % 40 == 39:
        cache.clear()
print(seen)
"""


@pytest.fixture
def folder(cache_folder, monkeypatch):
    monkeypatch.setattr(cache._Report, "given", False)
    return cache_folder


def computed(factor):
    """Compile and run a program; return whether its code came from the cache."""
    x = pc.variable("x", (5,))
    f = pc.function([x], factor * pc.tanh(x))
    np.testing.assert_allclose(f(np.arange(5.0)), factor * np.tanh(np.arange(5)), rtol=1e-6)
    return f.compiled().executable.cached


def warned_once(*factors):
    """Return the one warning of computing with factors, all of which must come out right and compiled anew."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not any(computed(factor) for factor in factors)
    assert len(caught) == 1, [str(w.message) for w in caught]
    return str(caught[0].message)


def only_file(folder):
    (kept,) = folder.glob("*.object")
    return kept


def failing(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("call", ["open", "replace"])
def test_a_full_disk_is_one_warning_and_leaves_no_unfinished_file(folder, monkeypatch, call):
    monkeypatch.setattr(atomic.os, call, failing(errno.ENOSPC))
    assert "No space left on device" in warned_once(2.0, 3.0)
    assert list(folder.iterdir()) == []


def test_a_folder_that_may_not_be_written(folder, monkeypatch):
    monkeypatch.setattr(atomic, "_begin", failing(errno.EACCES))
    assert "Permission denied" in warned_once(2.0, 3.0)


def test_a_read_error(folder, monkeypatch):
    computed(2.0)
    monkeypatch.setattr(cache, "_read_private", failing(errno.EIO))
    assert "cannot read" in warned_once(2.0, 3.0)


@pytest.mark.parametrize("change", [
    lambda data: b"",
    lambda data: data[:10],
    lambda data: data[:-1],
    lambda data: data + b"\0",
    lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
    lambda data: data[:-1] + bytes([data[-1] ^ 128]),
    lambda data: data.replace(b"object 1", b"object 2"),
], ids=["empty", "header", "cut", "longer", "checksum", "last byte", "another format"])  # fmt: skip
def test_damaged_files_are_removed_and_compiled_anew(folder, change):
    computed(2.0)
    kept = only_file(folder)
    kept.write_bytes(change(kept.read_bytes()))
    assert "is damaged, and was removed" in warned_once(2.0)
    assert computed(2.0), "what was compiled anew is kept again"


def test_one_program_does_not_stand_in_for_another(folder):
    computed(2.0)
    first = only_file(folder)
    content = first.read_bytes()
    first.unlink()
    computed(3.0)
    only_file(folder).write_bytes(content)
    assert "is damaged" in warned_once(3.0)


def test_a_link_is_not_followed(folder, tmp_path):
    computed(2.0)
    kept = only_file(folder)
    kept.rename(tmp_path / "elsewhere")
    kept.symlink_to(tmp_path / "elsewhere")
    warned_once(2.0)
    assert computed(2.0)
    assert not kept.is_symlink()


def test_a_folder_in_the_place_of_a_file(folder):
    computed(2.0)
    kept = only_file(folder)
    kept.unlink()
    kept.mkdir()
    warned_once(2.0, 2.0)
    assert cache.kept().programs == 0


def test_a_pipe_in_the_place_of_a_file_does_not_block(folder):
    computed(2.0)
    kept = only_file(folder)
    kept.unlink()
    os.mkfifo(kept, 0o600)
    assert "no ordinary file" in warned_once(2.0)
    assert computed(2.0)


def test_a_folder_of_another_user(folder, monkeypatch):
    computed(2.0)
    owner = os.getuid()
    monkeypatch.setattr(cache.os, "getuid", lambda: owner + 1)
    assert "belongs to another user" in warned_once(2.0, 3.0)
    with pytest.raises(PellucidError, match="belongs to another user"):
        cache.clear()
    assert only_file(folder)


def test_a_folder_that_others_may_write_to(folder):
    computed(2.0)
    os.chmod(folder, 0o777)
    assert "make it private with chmod go-w" in warned_once(2.0, 3.0)


def test_no_home_to_keep_a_cache_in(monkeypatch):
    def missing():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache._Report, "given", False)
    for name in ("PELLUCID_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache.Path, "home", missing)
    assert "PELLUCID_CACHE names another folder" in warned_once(2.0, 3.0)
    with pytest.raises(PellucidError, match="home"):
        cache.kept()


def test_files_are_private(folder):
    computed(2.0)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert only_file(folder).stat().st_mode & 0o777 == 0o600


def test_processes_write_read_and_clear_at_once(folder):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(k)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for k in range(WRITERS)
    ]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * WRITERS, [e.decode() for _, e in ended]
    assert sum(int(seen) for seen, _ in ended) > 0
    assert not list(folder.glob(".*"))
    assert cache.kept().programs == 5
