"""The disk cache of native steps: what was compiled before is loaded, and what cannot be trusted is compiled anew."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pellucid as pc
from pellucid.backends.native import cache, program
from pellucid.step import step_text

PROGRAM = """
import sys
import pellucid as pc
x = pc.variable("x", (3,))
w = pc.parameter([1.0, 2.0, 3.0], name="w")
f = pc.function([x], (pc.tanh(x) * w).sum(), updates=[(w, w - 0.1 * pc.constant([1.0, 2.0, 4.0]))])
print(f([1.0, 2.0, 3.0]), *w.value)
native = f.compiled().executable
print(native.cached, "pellucid.schedule.fuse" in sys.modules)
print(len(native.text) > 100, native.program is native.program)
"""


@pytest.fixture
def folder(cache_folder, monkeypatch):
    monkeypatch.setattr(cache._Report, "given", False)
    return cache_folder


def compiled(factor=2.0):
    """Return a native step that nobody in this process compiled before."""
    x = pc.variable("x", (5,))
    f = pc.function([x], factor * pc.tanh(x))
    np.testing.assert_allclose(f(np.arange(5.0)), factor * np.tanh(np.arange(5)), rtol=1e-6)
    return f.compiled().executable


def test_a_second_process_loads_what_the_first_compiled_and_no_compiler(folder):
    said = [
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout.splitlines()
        for _ in range(2)
    ]
    assert said[0] == [said[1][0], "False True", "True True"]
    assert said[1] == [said[0][0], "True False", "True True"]


def test_another_number_is_another_program(folder):
    assert [compiled(f).cached for f in (2.0, 3.0, 2.0)] == [False, False, True]
    assert len(list(folder.glob("*.object"))) == 2


def test_changed_sources_are_other_programs(folder, monkeypatch):
    compiled()
    monkeypatch.setattr(program, "sources", lambda: "another version")
    assert not compiled().cached


def test_a_damaged_object_is_removed_and_compiled_anew(folder):
    compiled()
    (kept,) = folder.glob("*.object")
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    with pytest.warns(UserWarning, match="is damaged, and was removed"):
        assert not compiled().cached
    assert compiled().cached


def test_what_others_may_write_is_not_loaded(folder):
    compiled()
    (kept,) = folder.glob("*.object")
    os.chmod(kept, 0o666)
    with pytest.warns(UserWarning, match="others may write"):
        assert not compiled().cached


def test_a_folder_that_cannot_be_made_is_one_warning(tmp_path, folder, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "file" / "below"))
    with pytest.warns(UserWarning, match="cannot") as caught:
        [compiled(f) for f in (2.0, 4.0)]
    assert len(caught) == 1


def test_names_do_not_tell_programs_apart():
    def text(name):
        x, w = pc.variable(name, (3,)), pc.parameter([1.0, 2.0, 3.0], name=f"{name} weights")
        return step_text(pc.function([x], x * w, updates=[(w, w * 2)]).compiled().rewritten)

    assert text("a") == text("b")


def test_what_is_kept_is_counted_and_cleared(folder):
    assert cache.kept() == (str(folder), 0, 0, 0, 256 * 2**20, None, None)
    assert cache.clear() == 0
    [compiled(f) for f in (2.0, 3.0)]
    cache.write(cache.MEASURED + cache.key("peak"), b"{}")
    (folder / "mine.txt").write_text("not the cache's")
    found = cache.kept()
    assert (found.programs, found.measurements) == (2, 1)
    assert found.bytes == sum(p.stat().st_size for p in folder.glob("*.object"))
    assert found.oldest <= found.newest
    assert cache.clear() == 3
    assert [p.name for p in folder.iterdir()] == ["mine.txt"]
    assert not compiled(2.0).cached


def test_the_least_recently_used_goes_first_when_there_is_too_much(folder, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "2.5K")
    names = [cache.key(str(k)) for k in range(3)]
    for k, name in enumerate(names[:2]):
        cache.write(name, bytes(1_000))
        os.utime(folder / f"{name}.object", (k, k))
    assert cache.read(names[0]) == bytes(1_000), "which makes it the last one used"
    cache.write(names[2], bytes(1_000))
    assert [cache.read(name) is not None for name in names] == [True, False, True]
    assert cache.kept().bytes <= 2_560


def test_what_is_larger_than_the_limit_is_not_kept(folder, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "0")
    compiled()
    assert not compiled().cached
    assert not folder.exists()


@pytest.mark.parametrize("size", ["large", "-1", "32K,512K", "1X", "1e3"])
def test_a_limit_that_is_no_size_is_an_error(folder, monkeypatch, size):
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", size)
    with pytest.raises(pc.PellucidError, match=r"PELLUCID_CACHE_SIZE, .* is not an amount of memory"):
        compiled()


def test_files_that_nobody_will_finish_are_removed(folder):
    compiled()
    abandoned = folder / ".1234.pellucid-unfinished"
    abandoned.write_text("")
    compiled(3.0)
    assert not abandoned.exists()


def test_sources_are_told_apart_by_their_text_alone(tmp_path):
    def text(content, when):
        (tmp_path / "a.py").write_text(content)
        os.utime(tmp_path / "a.py", (when, when))
        return list(program._modules(tmp_path))

    assert text("x = 1", 0) == text("x = 1", 1) != text("x = 2", 1)


def test_sources_inside_an_archive_are_the_same(tmp_path):
    package = Path(program.__file__).parents[2]
    with zipfile.ZipFile(tmp_path / "pellucid.zip", "w") as archive:
        for path in package.rglob("*.py"):
            archive.write(path, path.relative_to(package.parent))
    inside = zipfile.Path(tmp_path / "pellucid.zip") / "pellucid"
    for name in program.SOURCES:
        assert list(program._modules(inside / name)) == list(program._modules(package / name))
