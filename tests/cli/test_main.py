"""The entry point as a process: exit codes, and one message in place of a traceback."""

import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
MAIN = "from pellucid.cli.main import main; main()"


def command(*arguments, before=""):
    program = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); {before}{MAIN}"
    return [sys.executable, "-c", program, *map(str, arguments)]


def run(*arguments, before=""):
    return subprocess.run(command(*arguments, before=before), capture_output=True, text=True, timeout=300, check=False)


def assert_one_message(result, said):
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_an_interrupt_in_a_callback_is_not_lost():
    lost = """
import signal, time, weakref
from pellucid.cli import application
class Kept: pass
def command():
    kept = Kept()
    watched = weakref.ref(kept, lambda _: signal.raise_signal(signal.SIGINT))
    del kept
    time.sleep(100)
application.application = command
"""
    result = run(before=lost)
    assert result.returncode == -signal.SIGINT
    assert "Exception ignored" not in result.stderr


def test_the_package_is_a_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pellucid", "recipes"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("pellucid", run_name="__main__")
    assert not ended.value.code
    assert "binary-addition" in capsys.readouterr().out


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    assert_one_message(run("demo", "--out", tmp_path / "file"), "is a file, and a folder to write into was expected")


def test_a_folder_of_damaged_data(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"")
    result = run("demo", "--data", tmp_path, "--out", tmp_path / "out")
    assert_one_message(result, "the file ends before their sizes")


@pytest.mark.parametrize("library", ["typer", "rich"])
def test_a_missing_extra_of_the_command_line(library):
    result = run("demo", before=f"sys.modules[{library!r}] = None; ")
    assert_one_message(result, f"needs {library}, which is not installed; try: pip install pellucid[cli]")


def test_a_missing_extra_of_the_tour(tmp_path):
    result = run("demo", "--short", "--out", tmp_path, before="sys.modules['sklearn.datasets'] = None; ")
    assert_one_message(result, "pip install pellucid[learn]")


def test_an_unknown_option_has_usage_and_no_traceback():
    result = run("demo", "--colour")
    assert result.returncode == 2
    assert "No such option" in result.stderr
    assert "Traceback" not in result.stderr


def test_letters_that_the_output_cannot_hold_do_not_end_the_tour():
    result = run("--help", before="sys.stdout.reconfigure(encoding='ascii'); ")
    assert result.returncode == 0


def test_an_interrupt_says_what_is_kept_and_exits_130(tmp_path):
    process = subprocess.Popen(
        command("demo", "--out", tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    first = tmp_path / "pictures" / "moons-logistic.png"
    while not first.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=300)
    assert process.returncode == 130, message
    assert f"are kept in {tmp_path}" in message
    assert "Traceback" not in message
    assert first.exists()
    assert not list(tmp_path.rglob(".*")), "no unfinished file is left"
