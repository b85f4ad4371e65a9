"""The lock on a data folder: one holder, who is named to others, and none left when it has gone."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from midstream.errors import StartError
from midstream.processes.folder_lock import FolderLock, no_room
from tests.midstream.conftest import RunPython


def test_it_makes_a_private_folder_and_signs(tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    with FolderLock(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "lock").stat().st_mode) == 0o600
        assert (folder / "lock").read_text() == f"{os.getpid()}\n"


def test_a_second_is_refused_and_told_by_whom_until_the_first_gives_it_free(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        with pytest.raises(StartError, match=rf"{tmp_path} is in use .*\(process {os.getpid()}\).*--data-dir"):
            FolderLock(tmp_path).take()
        # Whoever was refused leaves it as it was.
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(StartError):
            FolderLock(tmp_path).take()
    with FolderLock(tmp_path):
        pass


def test_taking_and_releasing_twice_is_once(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.take()
    lock.take()
    lock.release()
    lock.release()
    with FolderLock(tmp_path):
        pass


def test_a_holder_that_says_nothing_of_itself_is_in_the_way_all_the_same(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        (tmp_path / "lock").write_text("")
        with pytest.raises(StartError, match=r"\(process \?\)"):
            FolderLock(tmp_path).take()


def test_a_longer_signature_of_an_earlier_holder_is_gone(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("12345678901234567890\nand more\n")
    with FolderLock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_it_ends_with_its_process(tmp_path: Path, run_python: RunPython) -> None:
    holds = f"from midstream.processes.folder_lock import FolderLock; from pathlib import Path; \
lock = FolderLock(Path({str(tmp_path)!r})); lock.take(); print('has it'); input()"
    holder = run_python("-c", f"import sys, time\n{holds.replace('input()', 'time.sleep(600)')}")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "has it\n"
    with pytest.raises(StartError, match=rf"process {holder.pid}"):
        FolderLock(tmp_path).take()
    holder.kill()
    holder.wait()
    with FolderLock(tmp_path):
        pass


def test_a_place_that_cannot_be_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=rf"cannot write to the data folder {tmp_path}/file/x \(Not a directory\)"):
        FolderLock(tmp_path / "file/x").take()


def test_a_full_disk_is_said_and_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patched:

        def pwrite(*_: object) -> int:
            raise full

        patched.setattr(os, "pwrite", pwrite)
        with pytest.raises(StartError) as caught:
            FolderLock(tmp_path).take()
    assert str(caught.value) == no_room(tmp_path, full)
    assert "No space left on device" in str(caught.value)
    with FolderLock(tmp_path):
        pass
