"""The primary behind an address: what one connection is told closes all that lead elsewhere, once in a while."""

from __future__ import annotations

import asyncio
import gc

import pytest
from redis.exceptions import ConnectionError

from shared.storage.connections import connect
from shared.storage.primary import Primary, primary_of
from shared.storage.subscriber import Subscriber
from tests.shared.storage.scripted_redis import NOT_HERE, ScriptedRedis, eventually
from tests.shared.storage.test_subscriber import Hears, subscribes


async def test_all_connections_heed_what_one_is_told() -> None:
    moved = False

    def answers(number: int, words: list[bytes]) -> bytes:
        return NOT_HERE["READONLY"] if moved and number < 3 and words[0] == b"SET" else subscribes(number, words)

    async with ScriptedRedis(answers) as server:
        redis, blocking = connect(server.url, timeout=5), connect(server.url, timeout=5, retries=0)
        primary_of(server.url).close_interval_s = 0.0
        await redis.set("k", "1")
        heard = Hears()
        subscriber = Subscriber(redis, timeout=5)
        subscriber.subscribe("c", heard)
        listening = asyncio.create_task(subscriber.run())
        waiting = asyncio.create_task(blocking.blpop(["l"], 0))  # type: ignore[arg-type,var-annotated]
        await eventually(lambda: heard.begun == 1 and len(server.commands) == 3 and all(server.commands))
        moved = True
        assert await redis.set("k", "1")
        await eventually(lambda: heard.begun == 2)
        with pytest.raises(ConnectionError):
            await waiting
        listening.cancel()
        await redis.aclose()
        await blocking.aclose()


class Connection:
    """One that notes when it is cut."""

    def __init__(self, peer: tuple[str, int] | None = None) -> None:
        self.made_at = asyncio.get_running_loop().time()
        self.peer = peer
        self.cuts = 0

    def cut(self) -> None:
        self.cuts += 1


async def test_those_that_were_made_before_are_closed_at_once() -> None:
    behind, one, two = Primary(), Connection(), Connection()
    behind.add(one)
    behind.add(two)
    behind.is_elsewhere()
    assert (one.cuts, two.cuts) == (1, 1)


async def test_further_refusals_close_once_more_when_a_while_has_passed() -> None:
    behind, old = Primary(), Connection()
    behind.close_interval_s = 0.03
    behind.add(old)
    for _ in range(5):
        behind.is_elsewhere()
    assert old.cuts == 1
    made_since = Connection()
    made_since.made_at += 60
    behind.add(made_since)
    await eventually(lambda: old.cuts == 2)
    await asyncio.sleep(0.04)
    assert old.cuts == 2, "five refusals made more than one closing"
    assert made_since.cuts == 0, "it may lead to the new primary"


async def test_where_the_primary_is_known_only_those_that_lead_elsewhere_are_closed() -> None:
    behind = Primary()
    there, elsewhere, unknown = Connection(("a", 1)), Connection(("a", 2)), Connection()
    for connection in (there, elsewhere, unknown):
        behind.add(connection)
    behind.is_at(("a", 1))
    assert (there.cuts, elsewhere.cuts, unknown.cuts) == (0, 1, 0)


async def test_an_address_has_one_for_as_long_as_anybody_needs_it() -> None:
    one = primary_of("redis://one.test")
    assert primary_of("redis://one.test") is one
    assert primary_of("redis://other.test") is not one
    kept = id(one)
    connection = Connection()
    one.add(connection)
    del connection
    gc.collect()
    one.is_at(("a", 1))  # which would cut what is gone
    assert id(primary_of("redis://one.test")) == kept
