"""The server as a process: its end, its socket, its log lines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.serving.listeners import also_localhost, listen
from shared.errors import SettingsError
from shared.log.guarded_log import Log
from shared.storage.connections import connect
from tests.api.harness import BODY, Producer, Viewing
from tests.harness.repository import ROOT

SERVE = "from api.app import run; from shared.config.settings import load; run(load())"


@pytest.fixture
def process(redis_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`api.app.run` with uvloop, as in production."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MIDSTREAM_REDIS_URL": redis_url,
        "MIDSTREAM_PORT": "0",
        "MIDSTREAM_SIMULATOR_URL": "http://127.0.0.1:9",
    }
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as child:
        yield child
        child.kill()


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"listening on \S+ port (\d+)", line):
            return int(found[1])
    raise AssertionError("it ended before it listened")


async def test_sigterm_drains_and_ends_in_order(process: subprocess.Popen[str], redis_url: str) -> None:
    port = await asyncio.to_thread(port_of, process)
    redis = connect(redis_url, timeout=2)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        generation_id = (await client.post("/v1/generations", json=BODY)).json()["id"]
        producer = await Producer.start(Log(redis), generation_id)
        path = f"/v1/generations/{generation_id}/events?last_event_id=&private=1"
        async with client.stream("GET", path) as response:
            viewing = Viewing(response)
            assert (await viewing.next()).event == "attempt"
            await producer.say("x")
            await viewing.take(2)
            process.send_signal(signal.SIGTERM)
            assert [message.event for message in await viewing.rest()] == ["drain"]
    _, log = await asyncio.to_thread(process.communicate, timeout=15)
    assert process.returncode == 0
    assert f"GET /v1/generations/{generation_id}/events HTTP" in log
    assert "private" not in log
    assert "Traceback" not in log
    await redis.aclose()


async def test_sighup_ends_in_order_too(process: subprocess.Popen[str]) -> None:
    port = await asyncio.to_thread(port_of, process)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert (await client.get("/livez")).status_code == 200
    process.send_signal(signal.SIGHUP)
    await asyncio.to_thread(process.communicate, timeout=15)
    assert process.returncode == 0


async def test_sigterm_ends_although_a_viewer_does_not_read(process: subprocess.Popen[str], redis_url: str) -> None:
    port = await asyncio.to_thread(port_of, process)
    redis = connect(redis_url, timeout=2)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        generation_id = (await client.post("/v1/generations", json=BODY)).json()["id"]
    producer = await Producer.start(Log(redis), generation_id)
    for _ in range(5):
        await producer.say("x" * 1_000_000)
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", port))
        stuck.sendall(f"GET /v1/generations/{generation_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert await asyncio.to_thread(stuck.recv, 10)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.communicate, timeout=8)
    assert process.returncode == 0
    await redis.aclose()


def test_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"^MIDSTREAM_PORT: .* port {port}: .*--port$"):
            listen("127.0.0.1", port, 65_536)


def test_unknown_host_is_one_line() -> None:
    with pytest.raises(SettingsError, match=r"^MIDSTREAM_HOST: cannot listen on 127\.0\.0\.1\.5"):
        listen("127.0.0.1.5", 0, 65_536)


def test_an_address_of_another_machine_is_blamed_on_the_host() -> None:
    with pytest.raises(SettingsError, match=r"^MIDSTREAM_HOST: cannot listen on 203\.0\.113\.1"):
        listen("203.0.113.1", 0, 65_536)


def test_connections_inherit_the_bounded_send_buffer() -> None:
    [listener] = listen("127.0.0.1", 0, 16_384)
    with listener:
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
            with connection:
                # Linux reports twice what was asked for: it counts its own bookkeeping.
                assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 16_384


def addresses(*hosts: str) -> Any:
    """What a resolver says: these, in this order."""

    def found(host: str, port: int, **_: object) -> list[Any]:
        kinds = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(kinds[":" in one], socket.SOCK_STREAM, 6, "", (one, port)) for one in hosts for _ in range(2)]

    return found


def test_all_addresses_of_a_name_are_listened_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # One that this machine lacks is done without.
    monkeypatch.setattr(socket, "getaddrinfo", addresses("203.0.113.1", "127.0.0.2", "127.0.0.1"))
    listeners = listen("localhost", 0, 65_536)
    with contextlib.ExitStack() as stack:
        names = [stack.enter_context(listener).getsockname() for listener in listeners]
        assert [name[0] for name in names] == ["127.0.0.2", "127.0.0.1"]
        assert len({name[1] for name in names}) == 1
        with pytest.raises(SettingsError, match=r"^MIDSTREAM_PORT: "):
            listen("localhost", names[0][1], 65_536)


def test_the_default_is_localhost_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", addresses("127.0.0.1"))
    [first] = listen("127.0.0.1", 0, 65_536)
    monkeypatch.setattr(socket, "getaddrinfo", addresses("::1", "127.0.0.1"))
    with first:
        others = also_localhost(first, 65_536)
        for other in others:
            other.close()
    assert len(others) == socket.has_dualstack_ipv6()
