"""The server of metrics: what it answers, and that nobody who asks can hold anything up."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from shared.errors import SettingsError
from shared.metrics import server
from shared.metrics.server import MetricsServer, listen
from shared.metrics.tallies import Counts, Level

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving(
    *tallies: Counts | Level, refresh: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[tuple[str, int]]:
    listener = listen("127.0.0.1", 0)
    host, port = listener.getsockname()
    metrics = MetricsServer(listener)
    metrics.start(tallies, refresh)
    try:
        yield host, port
    finally:
        metrics.close()


@asynccontextmanager
async def connected(
    *addresses: tuple[str, int],
) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    opened = [await asyncio.open_connection(*address) for address in addresses]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the connection ends without an answer."""
    async with asyncio.timeout(10):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


async def ask(address: tuple[str, int], path: str = "/metrics", method: str = "GET") -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        return await client.request(method, f"http://{address[0]}:{address[1]}{path}")


async def test_it_serves_one_address_to_readers_only() -> None:
    counts = Counts("midstream_x_total", "Help.")
    counts.add()
    async with serving(counts) as address:
        answer = await ask(address)
        assert answer.status_code == 200
        assert "midstream_x_total 1.0" in answer.text.splitlines()
        assert "process_resident_memory_bytes" in answer.text
        assert (await ask(address, "/metrics?x=1")).status_code == 200
        head = await ask(address, method="HEAD")
        assert (head.status_code, head.content) == (200, b"")
        assert (await ask(address, "/")).status_code == 404
        assert (await ask(address, "/metrics", "POST")).status_code == 405


async def test_what_only_the_loop_can_find_out_is_found_out_before_each_scrape() -> None:
    loop, value = asyncio.get_running_loop(), 0

    async def refresh() -> None:
        nonlocal value
        assert asyncio.get_running_loop() is loop
        value += 1

    async with serving(Level("midstream_x", "Help.", lambda: value), refresh=refresh) as address:
        for expected in (1, 2):
            assert f"midstream_x {expected}.0" in (await ask(address)).text.splitlines()


@pytest.mark.parametrize("hangs", [True, False])
async def test_what_cannot_be_found_out_keeps_nothing_back(monkeypatch: pytest.MonkeyPatch, hangs: bool) -> None:
    monkeypatch.setattr(server, "REFRESH_S", 0.05)

    async def refresh() -> None:
        if hangs:
            await asyncio.Event().wait()
        raise ValueError

    async with serving(Counts("midstream_x_total", "Help."), refresh=refresh) as address:
        assert "midstream_x_total 0.0" in (await ask(address)).text.splitlines()


async def test_those_who_hang_are_bounded_in_number_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTION_S", 1.0)
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    async with serving(Counts("midstream_x_total", "Help.")) as address, connected(*[address] * 3) as silent:
        for _, writer in silent:
            writer.write(b"GET /metrics HTTP/1.1\r\n")
        async with connected(address) as [(reader, _)]:
            assert await ended(reader), "one too many is closed at once"
        assert all([await ended(reader) for reader, _ in silent])
        assert (await ask(address)).status_code == 200


async def test_a_head_without_an_end_is_cut() -> None:
    async with serving() as address, connected(address) as [(reader, writer)]:
        writer.write(b"x" * 100_000)
        assert await ended(reader)


async def test_it_ends_while_somebody_hangs() -> None:
    for waits in (False, True) * 20:
        listener = listen("127.0.0.1", 0)
        metrics = MetricsServer(listener)
        metrics.start([])
        async with connected(listener.getsockname()) as [(reader, writer)]:
            if waits:
                writer.write(b"GET")
                await asyncio.sleep(0.001)
            await asyncio.to_thread(metrics.close)
            assert await ended(reader)
        assert listener.fileno() == -1


async def test_it_ends_before_its_thread_has_begun() -> None:
    begin, run = threading.Event(), MetricsServer._run

    class Late(MetricsServer):
        def _run(self, loop: asyncio.AbstractEventLoop) -> None:
            begin.wait(10)
            run(self, loop)

    listener = listen("127.0.0.1", 0)
    metrics = Late(listener)
    metrics.start([])
    closing = asyncio.create_task(asyncio.to_thread(metrics.close))
    await asyncio.sleep(0)
    begin.set()
    await closing
    assert listener.fileno() == -1


def test_a_port_in_use_and_an_address_of_others_are_told_in_a_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"MIDSTREAM_METRICS_PORT: cannot listen on 127.0.0.1 port {port}: "):
            listen("127.0.0.1", port)
    with pytest.raises(SettingsError, match="MIDSTREAM_METRICS_HOST"):
        listen("no.such.host.invalid", 0)
