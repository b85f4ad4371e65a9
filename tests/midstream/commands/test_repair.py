"""`repair`: a damaged append-only file becomes readable, with a copy; whatever it cannot mend it leaves as it was."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from midstream.commands import repair
from midstream.errors import StartError
from midstream.processes.valkey import Valkey
from tests.midstream.processes.test_valkey import DEBIAN_REDIS, command


@pytest.mark.parametrize("binary", [None, pytest.param(DEBIAN_REDIS, marks=pytest.mark.redis7)])
async def test_a_damaged_file_is_said_and_repaired(
    tmp_path: Path, binary: Path | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if binary is not None:
        monkeypatch.setattr("midstream.commands.repair.find_binary", lambda: binary)
    async with Valkey(tmp_path, binary=binary) as server:
        await command(server, "SET", "kept", "yes")
        with pytest.raises(StartError, match="in use by another midstream"):
            repair.run(tmp_path)
    assert repair.run(tmp_path) == 0
    assert "nothing was changed" in capsys.readouterr().out
    file = next((tmp_path / "appendonlydir").glob("*.incr.aof"))
    file.write_bytes(file.read_bytes() + bytes(512))
    with pytest.raises(StartError, match=r"is damaged: `.*repair --data-dir"):
        async with Valkey(tmp_path, binary=binary):
            pass
    assert repair.run(tmp_path) == 0
    assert "cut 512 bytes" in capsys.readouterr().out
    (copy,) = (place for place in os.listdir(tmp_path) if place.startswith("appendonlydir-"))
    assert (tmp_path / copy / file.name).read_bytes().endswith(bytes(512))
    async with Valkey(tmp_path, binary=binary) as server:
        assert await command(server, "GET", "kept") == "yes"


async def test_what_cannot_be_repaired_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartError, match="no append-only file can be found"):
        repair.run(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    async with Valkey(tmp_path) as server:
        await command(server, "SET", "kept", "yes")
    file = next((tmp_path / "appendonlydir").glob("*.incr.aof"))
    whole = file.read_bytes()
    file.write_bytes(whole + bytes(64))
    with monkeypatch.context() as full:

        def copy(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        full.setattr(shutil, "copyfile", copy)
        with pytest.raises(StartError, match=r"No space left on device.*nothing was changed"):
            repair.run(tmp_path)
    assert [name for name in os.listdir(tmp_path) if name.startswith("appendonlydir")] == ["appendonlydir"]
    assert file.read_bytes() == whole + bytes(64)
    second = file.with_name("appendonly.aof.99.incr.aof")
    second.write_bytes(b"")
    with next(file.parent.glob("*.manifest")).open("a") as manifest:
        manifest.write(f"file {second.name} seq 99 type i\n")
    file.write_bytes(bytes(64))
    with pytest.raises(StartError, match="not the last file"):
        repair.run(tmp_path)


def folder(tmp_path: Path, manifest: str, *files: str) -> Path:
    """A data folder whose append-only files are these."""
    place = tmp_path / "appendonlydir"
    place.mkdir()
    (place / "appendonly.aof.manifest").write_text(manifest)
    for name in files:
        (place / name).write_text("")
    return tmp_path


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that the server's checker was asked about, all of which it finds whole."""
    names: list[str] = []

    def run(words: Sequence[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        names.append(Path(words[-1]).name)
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return names


def test_files_are_looked_at_in_the_order_of_their_numbers(
    tmp_path: Path, checked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "file a.base.rdb seq 1 type b\nfile i.10 seq 10 type i\nfile i.9 seq 9 type i\n"
    assert repair.run(folder(tmp_path, rows, "a.base.rdb", "i.9", "i.10")) == 0
    assert checked == ["i.9", "i.10"]
    assert "i.10 ends as it should, so nothing was changed" in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path)) == ["appendonlydir", "lock"]


@pytest.mark.parametrize(
    "manifest", ["", "file a.base.rdb seq 1 type b\n", "file gone seq 1 type i\n", "file type i\n", "seq x type i\n"]
)
def test_a_manifest_that_names_nothing_to_mend_is_said(tmp_path: Path, checked: list[str], manifest: str) -> None:
    with pytest.raises(StartError, match=r"no append-only file can be found in .*--data-dir"):
        repair.run(folder(tmp_path, manifest))
    assert checked == []
    assert not (tmp_path / "lock").exists()


def test_a_checker_that_cannot_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "find_binary", lambda: tmp_path / "none")
    with pytest.raises(StartError, match=r"cannot run .*none \(FileNotFoundError\); reinstall it"):
        repair.run(folder(tmp_path, "file i.1 seq 1 type i\n", "i.1"))
