"""The socket on which a child says that it does its work: as the child sends it, and nothing else counts."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from midstream.processes.ready_socket import ReadySocket
from shared.process.readiness import say_ready


async def heard(path: Path, *messages: bytes) -> int:
    """How often a child was heard that sent these."""
    count = 0

    def hear() -> None:
        nonlocal count
        count += 1

    there = await ReadySocket.open(path, hear)
    last = asyncio.get_running_loop().create_future()
    received = there.datagram_received

    def noting(data: bytes, _address: object) -> None:
        received(data, _address)
        if data == b"LAST=1":
            last.set_result(None)

    there.datagram_received = noting  # type: ignore[method-assign]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as child:
        for message in (*messages, b"LAST=1"):
            child.sendto(message, str(path))
    async with asyncio.timeout(5):
        await last
    there.close()
    return count


@pytest.mark.parametrize(
    ("message", "count"),
    [
        (b"READY=1", 1),
        (b"STATUS=up\nREADY=1\n", 1),
        (b"READY=1\nMAINPID=5", 1),
        (b"READY=0", 0),
        (b"READY=12", 0),
        (b"NOTREADY=1", 0),
        (b"STATUS=READY=1", 0),
        (b"\xff\n", 0),
        (b"", 0),
    ],
)
async def test_only_the_one_assignment_counts(tmp_path: Path, message: bytes, count: int) -> None:
    assert await heard(tmp_path / "ready", message) == count


async def test_each_message_is_heard(tmp_path: Path) -> None:
    assert await heard(tmp_path / "ready", b"READY=1", b"STOPPING=1", b"READY=1") == 2


async def test_it_hears_what_our_processes_send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = asyncio.Event()
    there = await ReadySocket.open(tmp_path / "ready", ready.set)
    monkeypatch.setenv("NOTIFY_SOCKET", str(there.path))
    say_ready()
    async with asyncio.timeout(5):
        await ready.wait()
    there.close()


async def test_a_place_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"No such file|cannot"):
        await ReadySocket.open(tmp_path / "none/ready", lambda: None)
