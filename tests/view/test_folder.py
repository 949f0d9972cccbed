"""Output folders: made, probed by writing, and refused with a reason; files written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from pellucid.core.errors import OutputFolderError
from pellucid.view import numbered_folder, prepare_folder, write_file


def test_a_folder_is_made_with_its_parents_and_left_clean(tmp_path):
    folder = prepare_folder(tmp_path / "runs" / "demo-1")
    assert folder.is_dir()
    assert list(folder.iterdir()) == []
    assert prepare_folder(str(folder)) == folder


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFolderError, match="file: is a file, and a folder to write into was expected"):
        prepare_folder(tmp_path / "file")


def test_a_folder_under_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFolderError, match="cannot be made: Not a directory"):
        prepare_folder(tmp_path / "file" / "out")


def test_what_cannot_be_written_to_is_found_by_writing(tmp_path, monkeypatch):
    # a file system mounted read-only lets nobody write, whatever the permission bits say
    def refused(self, _content):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(OutputFolderError, match="cannot be written to: Read-only file system"):
        prepare_folder(tmp_path)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system that refuses to write: /proc")
def test_a_file_system_that_refuses_is_reported_even_to_root():
    with pytest.raises(OutputFolderError, match="/proc/self"):
        prepare_folder("/proc/self")


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = write_file(tmp_path / "page.html", "first")
    write_file(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    path = write_file(tmp_path / "page.html", "old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputFolderError, match=r"page\.html: cannot be written: No space left"):
        write_file(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_numbers_go_on_where_folders_exist(tmp_path):
    (tmp_path / "demo-1").mkdir()
    (tmp_path / "demo-2").write_text("")
    assert numbered_folder(tmp_path, "demo") == tmp_path / "demo-3"
