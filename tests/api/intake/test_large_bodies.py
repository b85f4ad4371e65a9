"""Large bodies: those of one owner come one at a time, in order; nobody else waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from api.intake.large_bodies import LargeBodies
from tests.api.exchange.dialect_posts import SPOKEN
from tests.api.harness import BODY, Api, MakeApi, until

KEYS = {"ann": "key-of-ann-0123456789", "bob": "key-of-bob-0123456789"}
SIZE = 2_000_000


def sized(size: int, body: dict[str, Any] = BODY) -> bytes:
    """A valid request of so many bytes."""
    written = json.dumps(body).encode()
    return written[:-1] + b" " * (size - len(written)) + b"}"


class Upload(NamedTuple):
    """A POST whose body has not come whole."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    rest: bytes

    async def status(self) -> int:
        async with asyncio.timeout(20):
            return int((await self.reader.readline()).split()[1])

    async def finish(self) -> int:
        self.writer.write(self.rest)
        return await self.status()

    async def says_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await self.reader.read(1)


@pytest.fixture
async def connections() -> AsyncIterator[contextlib.AsyncExitStack]:
    """The test's own, cut at its end."""
    async with contextlib.AsyncExitStack() as stack:
        CONNECTIONS.append(stack)
        yield stack
        CONNECTIONS.pop()


CONNECTIONS: list[contextlib.AsyncExitStack] = []
pytestmark = pytest.mark.usefixtures("connections")


async def _cut(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def begin(
    api: Api,
    owner: str,
    *,
    whole: bool = False,
    chunked: bool = False,
    path: str = "/v1/generations",
    body: Any = BODY,
    sent: int = SIZE - 1,
) -> Upload:
    """Sends a head, and the body but for its last byte, or `whole`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    CONNECTIONS[-1].push_async_callback(_cut, writer)
    content = sized(SIZE, body)
    length = f"Content-Length: {len(content)}"
    if chunked:
        length, content = "Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEYS[owner]}\r\n{length}\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + content[: len(content) if whole else sent])
    return Upload(reader, writer, b"" if whole else content[sent:])


@pytest.fixture
async def api(make_api: MakeApi, redis_url: str) -> Api:
    return await make_api(redis_url, api_keys=",".join(f"{owner}:{key}" for owner, key in KEYS.items()))


async def turn_of(api: Api, bodies: int) -> None:
    """Until so many of ann's bodies have come to their line."""
    lines = api.app.state.services.large_bodies._lines
    await until(lambda: "ann" in lines and lines["ann"].bodies == bodies, f"{bodies} large bodies")


@pytest.mark.parametrize("chunked", [False, True])
async def test_the_second_waits_for_the_first_and_another_owners_does_not(api: Api, chunked: bool) -> None:
    first = await begin(api, "ann", chunked=chunked)
    await turn_of(api, 1)
    second = await begin(api, "ann", whole=True, chunked=chunked)
    await turn_of(api, 2)
    other = await begin(api, "bob", whole=True, chunked=chunked)
    assert await other.status() == 202
    small = {"Authorization": f"Bearer {KEYS['ann']}"}
    assert (await api.client.post("/v1/generations", json=BODY, headers=small)).status_code == 202
    await second.says_nothing()
    assert await first.finish() == 202
    assert await second.status() == 202
    assert api.app.state.services.large_bodies._lines == {}


@pytest.mark.parametrize("spoken", SPOKEN, ids=lambda spoken: spoken.prefix)
async def test_so_it_is_in_each_dialect(api: Api, spoken: Any) -> None:
    first = await begin(api, "ann", path=spoken.path, body=spoken.body | {"stream": True})
    await turn_of(api, 1)
    second = await begin(api, "ann", whole=True, path=spoken.path, body=spoken.body | {"stream": True})
    await second.says_nothing()
    # The streams have not ended, and hold nobody up.
    assert await first.finish() == 200
    assert await second.status() == 200


async def test_they_come_in_order(api: Api) -> None:
    first = await begin(api, "ann")
    await turn_of(api, 1)
    others = []
    for count in range(2, 5):
        others.append(await begin(api, "ann"))
        await turn_of(api, count)
    last = await begin(api, "ann", whole=True)
    await turn_of(api, 5)
    assert await first.finish() == 202
    for other in others:
        await last.says_nothing()
        assert await other.finish() == 202
    assert await last.status() == 202


async def test_who_leaves_gives_its_place_up(api: Api) -> None:
    first = await begin(api, "ann")
    await turn_of(api, 1)
    leaving = await begin(api, "ann")
    await turn_of(api, 2)
    last = await begin(api, "ann", whole=True)
    await turn_of(api, 3)
    leaving.writer.transport.abort()
    first.writer.transport.abort()
    assert await last.status() == 202


async def test_the_time_of_a_body_counts_while_it_waits(make_api: MakeApi, redis_url: str) -> None:
    keys = ",".join(f"{owner}:{key}" for owner, key in KEYS.items())
    api = await make_api(redis_url, api_keys=keys, body_timeout=0.5)
    waiting = [await begin(api, "ann", sent=9) for _ in range(3)]
    assert [await upload.status() for upload in waiting] == [408] * 3
    assert await (await begin(api, "ann", whole=True)).status() == 202


async def test_what_waits_is_not_read(api: Api) -> None:
    await begin(api, "ann")
    await turn_of(api, 1)
    for _ in range(100):
        await begin(api, "ann")
    await turn_of(api, 101)
    await asyncio.sleep(0.5)
    held = 0
    for connection in api.server.server_state.connections:
        protocol: Any = connection
        held += len(protocol._requests.held) + (len(protocol.cycle.body) if protocol.cycle else 0)
    assert held < 101 * 400_000  # what uvicorn and the loop read ahead, of 2 MB each


async def test_with_one_owner_nothing_waits(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys=f"ann:{KEYS['ann']}")
    first = await begin(api, "ann")
    second = await begin(api, "ann", whole=True)
    assert await second.status() == 202
    assert await first.finish() == 202


async def test_one_that_is_cancelled_while_it_waits_keeps_nobody_else_waiting() -> None:
    bodies = LargeBodies(in_turn=True)

    async def taking(done: asyncio.Event) -> None:
        async with bodies.turn("ann") as turn:
            await turn.come()
            await turn.come()  # once is enough
            await done.wait()

    done = asyncio.Event()
    first, second, third = [asyncio.create_task(taking(done)) for _ in range(3)]
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait({second})
    done.set()
    await asyncio.gather(first, third)
    assert bodies._lines == {}
