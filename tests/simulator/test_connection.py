"""One client connection: read to its end, waited on, and noticed at once when the client leaves."""

import asyncio
import json
import socket
import time

import httpx2
import pytest

from simulator import connection as module
from simulator.request import RequestRefusedError
from tests.simulator.in_memory import InMemory
from tests.simulator.test_server import body, now_us

from .conftest import Entries


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "script",
    ["lorem?fault=stall@2&rate=0", "lorem?rate=0.01", "lorem?ttft=60000", "lorem?fault=keepalive&rate=0"],
)
async def test_a_client_that_leaves_is_noticed_at_once(
    simulator: str, ended: Entries, http: httpx2.AsyncClient, key: str, script: str, stream: bool
) -> None:
    host, port = simulator.removeprefix("http://").split(":")
    content = json.dumps(body(f"{script}&key={key}", stream=stream)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(head.encode() + content)
        deadline = time.monotonic() + 10
        while not (running := (await http.get("/journal", params={"key": key})).json()):
            assert time.monotonic() < deadline
        assert running[0]["how"] is None
        assert running[0]["ended_us"] is None
        left = now_us()
    (entry,) = await ended(key)
    assert entry["how"] == "client_left"
    assert 0 <= entry["ended_us"] - left < 100_000


async def test_a_client_that_does_not_read_is_waited_for(simulator: str, ended: Entries, key: str) -> None:
    host, port = simulator.removeprefix("http://").split(":")
    content = json.dumps(body(f"clock?deltas=200000&rate=0&key={key}")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + content)
    await reader.readuntil(b"\r\n\r\n")
    counts: list[int] = []
    async with httpx2.AsyncClient(base_url=simulator) as http:
        deadline = time.monotonic() + 20
        # A stream without a rate has a turn between any two requests, so it stands still only when the
        # kernel's and the server's buffers are full.
        while len(counts) < 20 or counts[-1] != counts[-20]:
            counts.append((await http.get("/journal", params={"key": key})).json()[0]["deltas"])
            assert time.monotonic() < deadline
    assert 0 < counts[-1] < 200_000
    writer.transport.abort()
    (entry,) = await ended(key)
    assert (entry["how"], entry["deltas"] < 200_000) == ("client_left", True)


async def test_the_body_is_all_of_its_pieces() -> None:
    client = InMemory()
    client.says(b"ab", b"", b"c")
    assert await client.connection.body() == b"abc"
    assert not client.connection.left
    client.connection.forget()


async def test_a_body_that_is_too_large_is_refused_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BODY", 4)
    client = InMemory()
    client.says(b"abcd")
    assert await client.connection.body() == b"abcd"
    client.connection.forget()
    large = InMemory()
    large.says(b"abc", b"de", b"never read")
    with pytest.raises(RequestRefusedError, match="larger than 4 bytes") as refused:
        await large.connection.body()
    assert refused.value.status == 413
    assert large.incoming.qsize() == 1


async def test_a_client_that_leaves_within_its_request_has_left() -> None:
    client = InMemory()
    client.incoming.put_nowait({"type": "http.request", "body": b"a", "more_body": True})
    client.leaves()
    assert await client.connection.body() == b""
    assert client.connection.left


async def test_who_waits_is_woken_by_time_by_name_and_by_a_client_that_leaves() -> None:
    client = InMemory()
    client.says(b"")
    await client.connection.body()
    async with asyncio.timeout(5):
        await client.connection.wait(0.001)
        asyncio.get_running_loop().call_soon(client.connection.wake)
        await client.connection.wait()
        assert not client.connection.left
        client.leaves()
        await client.connection.wait()
        assert client.connection.left
        await client.connection.wait()  # nobody is waited for any more


async def test_waking_nobody_and_waking_twice_is_nothing() -> None:
    client = InMemory()
    client.connection.wake()
    waiting = asyncio.create_task(client.connection.wait())
    await asyncio.sleep(0)
    client.connection.wake()
    client.connection.wake()
    await waiting


async def test_what_is_put_is_a_chunk_as_http_has_it() -> None:
    client = InMemory()
    assert client.connection.writable
    client.connection.put(b"x" * 17)
    assert client.transport.written == b"11\r\n" + b"x" * 17 + b"\r\n"


@pytest.mark.parametrize(("unsent", "closing", "writable"), [(0, True, False), (64 * 1024, False, False)])
async def test_nothing_is_put_for_who_does_not_read_or_has_gone(unsent: int, closing: bool, writable: bool) -> None:
    client = InMemory()
    client.transport.unsent, client.transport.closing = unsent, closing
    assert client.connection.writable is writable


async def test_what_is_written_for_who_has_gone_waits_until_that_is_heard_of() -> None:
    client = InMemory()
    client.says(b"")
    await client.connection.body()
    client.transport.closing = True
    writing = asyncio.create_task(client.connection.write(b"x"))
    await asyncio.sleep(0)
    assert not writing.done()
    client.leaves()
    async with asyncio.timeout(5):
        await writing
    assert client.sent == []


async def test_an_answer_is_started_written_and_finished() -> None:
    client = InMemory()
    await client.connection.start(201, [(b"x", b"y")])
    await client.connection.write(b"a")
    assert not client.complete
    await client.connection.finish(b"b")
    assert (client.status, client.headers, client.body, client.complete) == (201, {b"x": b"y"}, b"ab", True)
