"""Several processes give what one gives; what ends one of them is told in one message, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
import zipfile
from concurrent.futures import wait
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pellucid as pc
from pellucid.core.errors import DataFileError, PellucidError
from pellucid.data import processes

SOURCE = Path(pc.__file__).resolve().parent.parent
CLASSES = ("eine Katze", "hond № 2 ☃", 'a "dog"\nof two lines')
BAD = {"bad 1.png": b"not an image", "bad 2.jpg": b""}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of 300 images, which are several pieces, and 2 files that are none."""
    folder = tmp_path_factory.mktemp("of images") / "pictures"
    random = np.random.default_rng(0)
    for label in CLASSES:
        (folder / label).mkdir(parents=True)
        for k in range(100):
            values = random.integers(0, 256, (20 + k % 3, 24, 3), np.uint8)
            Image.fromarray(values).save(folder / label / f"image {k}.{'jpg' if k % 2 else 'png'}")
    for name, content in BAD.items():
        (folder / CLASSES[0] / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def archive(folder):
    """Return a zip archive of that folder, half of it deflated."""
    path = folder.with_name("pictures ☃.zip")
    with zipfile.ZipFile(path, "w") as made:
        for k, file in enumerate(sorted(folder.rglob("*.*"))):
            how = zipfile.ZIP_DEFLATED if k % 2 else zipfile.ZIP_STORED
            made.write(file, file.relative_to(folder), compress_type=how)
    return path


@pytest.fixture
def others_only(monkeypatch):
    """Let the process of the test wait for the others, so that they decode everything."""
    monkeypatch.setattr(processes._Work, "do", lambda work, feeding: wait(feeding))


@pytest.fixture
def started(monkeypatch):
    """Return the processes that are started from here on."""
    found = []

    class Noted(subprocess.Popen):
        def __init__(self, *arguments, **options):
            found.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(processes.subprocess, "Popen", Noted)
    return found


def read(path, workers, **options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = pc.data.images(path, size=32, workers=workers, **options)
    return found, [str(each.message) for each in said]


@pytest.mark.parametrize("where", ["folder", "archive"])
@pytest.mark.parametrize("channels", [1, 3])
def test_other_processes_give_what_this_one_gives(where, channels, request, others_only, started):
    path = request.getfixturevalue(where)
    several, warned = read(path, 3, channels=channels)
    assert len(started) == 2
    request.getfixturevalue("monkeypatch").undo()
    one, same = read(path, 1, channels=channels)
    assert warned == same and len(warned) == 1 and "2 of 302 files were left out" in warned[0]
    np.testing.assert_array_equal(several.inputs, one.inputs)
    np.testing.assert_array_equal(several.labels, one.labels)
    assert several.names == one.names and several.classes == one.classes == tuple(sorted(CLASSES))
    assert several.inputs.std() > 30


def test_this_process_takes_part(folder):
    found, _ = read(folder, 2)
    np.testing.assert_array_equal(found.inputs, read(folder, 1)[0].inputs)


def test_progress_grows_to_all_and_is_told_by_the_thread_that_asked(folder):
    told = []
    read(folder, 2, progress=lambda *numbers: told.append(numbers))
    done = [number for number, _ in told]
    assert done == sorted(set(done)) and done[-1] == 302 and len(told) > 1
    assert {total for _, total in told} == {302}


def test_progress_of_the_others(folder, others_only):
    told = []
    read(folder, 2, progress=lambda *numbers: told.append(numbers))
    assert told == [(302, 302)]


@pytest.mark.parametrize("workers", [1, 3])
def test_strict_names_the_first_bad_file(folder, workers, request):
    if workers > 1:
        request.getfixturevalue("others_only")
    with pytest.raises(DataFileError, match=r"eine Katze.bad 1\.png: is no image of a kind that Pillow knows; leave"):
        read(folder, workers, strict=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_warning_of_pillow_leaves_no_file_out(tmp_path, workers, monkeypatch):
    for label in "ab":
        (tmp_path / label).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / label / "1.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # a warning from here on, and an error from twice as many
    assert len(pc.data.images(tmp_path, workers=workers).inputs) == 2


# what ends a process


def test_a_killed_process_is_one_clear_message(folder, others_only, started, monkeypatch):
    answer = processes._Other._answer

    def too_late(other, into):
        other.end()
        return answer(other, into)

    monkeypatch.setattr(processes._Other, "_answer", too_late)
    with pytest.raises(PellucidError, match=r"was ended \(signal 9, SIGKILL\) while it had 64 of them, from 'a \"dog"):
        read(folder, 2)
    assert [process.returncode for process in started] == [-9]


def test_a_killed_process_stops_this_one_too(folder, monkeypatch):
    class Failed:
        done = staticmethod(lambda: True)

        @staticmethod
        def result():
            raise PellucidError("ended")

    told = []
    work = processes._Work(str(folder), [processes.Entry("none", 0)] * 300, np.empty((300, 1, 1, 3), np.uint8), None)
    monkeypatch.setattr(work, "tell", lambda: told.append(len(work.pieces)))
    with pytest.raises(PellucidError):
        work.do([Failed()])
    assert told == [4]


@pytest.mark.parametrize("name", ["START", "executable"])
def test_where_no_process_can_begin_this_one_does_all(folder, name, monkeypatch):
    if name == "START":
        monkeypatch.setattr(processes, "START", "raise SystemExit(1)")
    else:
        monkeypatch.setattr(sys, "executable", str(folder / "nowhere"))
    assert len(read(folder, 3)[0].inputs) == 300


def test_a_frozen_program_does_not_start_itself_again(folder, started, monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert len(read(folder, 3)[0].inputs) == 300 and started == []


def test_a_process_ends_with_whoever_asks_it():
    other = processes._Other()
    other._questions.close()
    assert other._process.wait(timeout=60) == 0
    other._close()


def test_a_ctrl_c_is_not_for_the_others(folder):
    """A terminal sends it to them as well; they go on until they are told."""
    other, image = processes._Other(), np.zeros((1, 2, 2, 3), np.uint8)
    work = processes._Work(str(folder), [processes.Entry("none", 0)], image, None)

    def asked(what, ask=other._ask):
        if other.ready:
            other._process.send_signal(signal.SIGINT)
        ask(what)

    other._ask = asked
    other.feed(work)
    assert list(work.bad) == [0] and "No such file" in work.bad[0]


@pytest.mark.parametrize("busy", [False, True])
def test_interrupted_reading_leaves_nothing_behind(folder, busy, started, tmp_path, monkeypatch):
    """The processes end, whether they are decoding or have not yet begun to, and no file was made anywhere."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(folder.parent.rglob("*"))

    def interrupt(*_):
        raise KeyboardInterrupt

    if busy:
        monkeypatch.setattr(processes._Work, "report", lambda work, rows, bad: interrupt())
        monkeypatch.setattr(processes._Work, "do", lambda work, feeding: wait(feeding))
    with pytest.raises(KeyboardInterrupt):
        read(folder, 3, progress=interrupt)
    assert len(started) == 2 and all(process.returncode is not None for process in started)
    assert list(tmp_path.iterdir()) == [] and sorted(folder.parent.rglob("*")) == before


# who starts them

PROGRAM = """
from concurrent.futures import wait
import sys
import pellucid as pc
from pellucid.data import processes
processes._Work.do = lambda work, feeding: wait(feeding)
print("once", pc.data.images(sys.argv[1], workers=2).inputs.shape)
"""


@pytest.mark.parametrize("how", ["file", "standard input"])
def test_programs_need_no_guard(folder, how, tmp_path):
    """A script that does not ask whether it is the main one, and one that has no file, as in a notebook, run once."""
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    for shadow in ("json", "numpy", "struct"):  # of the other process nothing beside the script is asked
        (tmp_path / f"{shadow}.py").write_text("raise SystemExit(3)")
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", *([script] if how == "file" else ["-"]), folder],
        input=None if how == "file" else PROGRAM,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "once (300, 32, 32, 3)\n"


def test_how_many_are_worth_it(monkeypatch):
    monkeypatch.setenv("PELLUCID_THREADS", "8")
    small, large = processes.Entry("a", 1_000), processes.Entry("b", 5_000_000)
    assert processes.worthwhile([small] * 100) == 1
    assert 1 < processes.worthwhile([small] * 30_000) < 8
    assert processes.worthwhile([small] * 1_000_000) == 8
    assert processes.worthwhile([large] * 100) == 8


def test_pieces_are_neither_many_files_nor_many_bytes():
    files = [processes.Entry("a", 1)] * 130 + [processes.Entry("b", processes.MOST_BYTES)] * 2
    assert [len(rows) for rows in processes._pieces(files, 1)] == [64, 64, 3, 1]
    assert [len(rows) for rows in processes._pieces(files[:3], processes.MOST_BYTES)] == [1, 1, 1]
