"""Files are written whole or not at all: on a full disk, by a writer that is killed, by several at once."""

from __future__ import annotations

import errno
import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pellucid.core import atomic
from pellucid.core.atomic import UNFINISHED, remove_abandoned, write_whole
from pellucid.tensors import read_tensors

SOURCE = Path(__file__).parents[2] / "src"
SHORT, LONG, PART = 8, 1_000, 50
# Writes whole numbers over and over, each file full of one of them, until it is killed.
WRITER = """
import sys, itertools, numpy as np
from pellucid.tensors import write_tensors
for k in itertools.count(int(sys.argv[2])):
    write_tensors(sys.argv[1], {"W": np.full(50_000, k), "b": np.full(3, k)}, {"k": str(k)})
    print(k, flush=True)
"""
# What a disk refuses that has room for so many bytes and no more.
SQUEEZED = """
import resource, signal, sys, numpy as np
import pellucid as pc
from pellucid.tensors import write_tensors
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for room in map(int, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        write_tensors(sys.argv[1], {"W": np.ones(1000)})
    except pc.OutputFolderError as error:
        print(error)
"""


def start(code, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def is_folder(descriptor):
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def unfinished(folder):
    return [p for p in folder.iterdir() if p.name.endswith(UNFINISHED)]


def test_permissions_are_the_old_files_or_the_umasks(tmp_path):
    path, before = tmp_path / "file", os.umask(0o027)
    try:
        write_whole(path, [b"new"])
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o604)
        write_whole(path, [b"replaced"])
        assert path.stat().st_mode & 0o777 == 0o604
        write_whole(path, [b"private"], permissions=0o600)
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_a_name_as_long_as_there_can_be(tmp_path):
    path = tmp_path / ("n" * 255)
    write_whole(path, [b"content"])
    assert path.read_bytes() == b"content"


@pytest.mark.parametrize("call", ["open", "fsync", "replace", "fstat"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_call_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch, call, number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    write_whole(tmp_path / "file", [b"old"])
    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, call, fail)
        with pytest.raises(OSError, match=os.strerror(number)):
            write_whole(tmp_path / "file", [b"new"])
    assert (tmp_path / "file").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_part_that_cannot_be_made_leaves_the_old_file_alone(tmp_path):
    def parts():
        yield b"new"
        raise KeyboardInterrupt

    write_whole(tmp_path / "file", [b"old"])
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", parts())
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_content_is_on_the_disk_before_it_gets_its_name_and_the_folder_after(tmp_path, monkeypatch):
    calls, replace = [], os.replace
    monkeypatch.setattr(atomic.os, "fsync", lambda d: calls.append("folder" if is_folder(d) else "file"))
    monkeypatch.setattr(atomic.os, "replace", lambda *names: (calls.append("replace"), replace(*names)))
    write_whole(tmp_path / "file", [b"content"])
    assert calls == ["file", "replace", "folder"]
    calls.clear()
    write_whole(tmp_path / "file", [b"content"], durable=False)
    assert calls == ["replace"]


def test_a_folder_that_cannot_be_synchronised_is_no_failure_and_one_that_breaks_is(tmp_path, monkeypatch):
    real = os.fsync
    for number, fails in ((errno.EINVAL, False), (errno.EIO, True)):

        def sync(descriptor, number=number):
            if is_folder(descriptor):
                raise OSError(number, os.strerror(number))
            real(descriptor)

        monkeypatch.setattr(atomic.os, "fsync", sync)
        if fails:
            with pytest.raises(OSError, match="Input/output"):
                write_whole(tmp_path / "file", [b"content"])
        else:
            write_whole(tmp_path / "file", [b"content"])


def test_what_a_living_writer_has_begun_stays_and_what_a_dead_one_left_goes(tmp_path):
    (tmp_path / f".1234{UNFINISHED}").write_bytes(b"left behind")
    (tmp_path / f".5678{UNFINISHED}").symlink_to(tmp_path / "elsewhere")  # not ours: stays

    def parts():
        begun = {p.name for p in unfinished(tmp_path) if not p.is_symlink()}
        assert len(begun) == 1
        write_whole(tmp_path / "other", [b"other"])
        assert remove_abandoned(tmp_path) == 0
        assert begun < {p.name for p in unfinished(tmp_path)}
        yield b"content"

    write_whole(tmp_path / "file", parts())
    assert sorted(p.name for p in tmp_path.iterdir()) == [f".5678{UNFINISHED}", "file", "other"]


def test_a_file_taken_for_abandoned_before_it_was_locked_is_begun_again(tmp_path, monkeypatch):
    real, taken = atomic.fcntl.flock, []

    def flock(descriptor, operation):
        if not taken:
            taken.extend(unfinished(tmp_path))
            taken[0].unlink()
        real(descriptor, operation)

    monkeypatch.setattr(atomic.fcntl, "flock", flock)
    write_whole(tmp_path / "file", [b"content"])
    assert taken
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"content")]


def test_a_full_disk_at_any_byte_keeps_the_old_file(tmp_path):
    path, rooms = tmp_path / "model", (0, 1, 7, 8, 60, 4096, 8000)
    path.write_bytes(b"old")
    said, _ = start(SQUEEZED, path, *rooms).communicate(timeout=60)
    assert said.count("cannot be written: File too large; what was there before is unchanged") == len(rooms)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("model", b"old")]


def check_kills(folder, kills, seed):
    """Kill a writer again and again, at random moments; return how many files it left unfinished at the ends."""
    path, last, left, draw = folder / "model", 0, 0, random.Random(seed)
    for _ in range(kills):
        writer = start(WRITER, path, last + 1)
        assert writer.stdout.readline()  # it is under way
        time.sleep(draw.uniform(0, 0.02))
        writer.kill()
        told = [int(line) for line in writer.communicate()[0].split()]
        tensors, metadata = read_tensors(path)
        now = int(metadata["k"])
        assert now >= max([*told, last + 1]), "a file that was told to be written was lost"
        assert (tensors["W"] == now).all()
        assert (tensors["b"] == now).all()
        assert len(unfinished(folder)) <= 1, "the next writer removes what the last one left"
        left += len(unfinished(folder))
        last = now
    return left


def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path):
    check_kills(tmp_path, SHORT, seed=0)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(LONG // PART))
def test_a_writer_that_is_killed_a_thousand_times(tmp_path, part):
    assert check_kills(tmp_path, PART, seed=1 + part), "no kill met a write under way"
