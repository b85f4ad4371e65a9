"""A client that asks once and ends: of any address, bounded in time, and told why it was hung up on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import redis
from redis.sentinel import MasterNotFoundError

from midstream.checks.blocking_client import open_client, refuse_if_hung_up, unless_closed
from shared.storage.outage import CROWDED_WORDS
from tests.shared.storage.scripted_redis import ScriptedRedis
from tests.shared.storage.test_sentinel import says


async def asked(url: str, ask: Callable[[Any], Any], seconds: float = 5.0) -> Any:
    """What a client says, in a thread of its own: the server is in this one."""

    def run() -> Any:
        client: Any = open_client(url, seconds)
        try:
            return ask(client)
        finally:
            client.close()

    return await asyncio.to_thread(run)


@asynccontextmanager
async def hanging_up(said: bytes) -> AsyncIterator[str]:
    """A server that says this to whoever connects, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


async def test_it_asks() -> None:
    async with ScriptedRedis(lambda *_: b"+PONG\r\n") as server:
        assert await asked(server.url, lambda client: client.ping())


async def test_who_says_nothing_is_not_waited_for_any_longer() -> None:
    async with ScriptedRedis(lambda *_: b"") as server:
        with pytest.raises(redis.TimeoutError):
            await asked(server.url, lambda client: client.ping(), seconds=0.05)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (b"-ERR " + CROWDED_WORDS.encode() + b"\r\n", redis.ConnectionError, CROWDED_WORDS),
        (b"-DENIED Redis is running in protected mode\r\n", redis.ResponseError, "DENIED Redis is running"),
    ],
)
async def test_why_it_was_hung_up_on_is_raised(said: bytes, kind: type[Exception], words: str) -> None:
    async with hanging_up(said) as url:
        with pytest.raises(kind, match=words) as caught:
            await asked(url, refuse_if_hung_up)
    assert type(caught.value) is kind


@pytest.mark.parametrize("said", [b"", b"+OK\r\n", b"\xff\xff"])
async def test_whatever_else_there_is_is_no_matter(said: bytes) -> None:
    async with hanging_up(said) as url:
        await asked(url, refuse_if_hung_up)
    await asked(url, refuse_if_hung_up)  # where nobody listens any more


async def test_a_server_that_waits_for_us_to_speak_is_no_reason() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as server:
        await asked(server.url, refuse_if_hung_up)
        assert server.commands in ([], [[]])


async def by_sentinels(*replies: bytes) -> str:
    """The primary that Sentinels with these replies lead to; what a SET there is answered."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(ScriptedRedis(lambda _n, _w, reply=reply: reply))  # type: ignore[misc]
            for reply in replies
        ]
        nodes = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        return str(await asked(f"redis+sentinel://{nodes}/m", lambda client: client.set("k", "1")))


async def test_the_newest_of_the_sentinels_answers_counts() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as old, ScriptedRedis(lambda *_: b"+OK\r\n") as new:
        assert await by_sentinels(says(old.port, 4), says(new.port, 5), says(old.port, 4)) == "True"
        assert (old.commands, [words for words in new.commands if words]) == ([], [[[b"SET", b"k", b"1"]]])


@pytest.mark.parametrize(
    ("reply", "why"),
    [(says(1, 9, "s_down,o_down,master"), "it is down"), (b"-ERR No such master with that name\r\n", "No such master")],
)
async def test_sentinels_that_know_no_primary_say_why(reply: bytes, why: str) -> None:
    with pytest.raises(MasterNotFoundError, match=f"no Sentinel says where 'm' is: .*{why}"):
        await by_sentinels(reply)


class Closed(redis.Redis):
    """One whose INFO and CONFIG are closed."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        raise redis.exceptions.NoPermissionError("User u has no permissions")


def test_what_is_closed_to_us_is_unknown_and_no_error() -> None:
    assert unless_closed(Closed().info) is None
    assert unless_closed(lambda: Closed().config_get("append*")) is None
