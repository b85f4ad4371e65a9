"""What must be known before a generation is watched, as it stands."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis

from shared.generations.generations import Existence, Generations
from shared.generations.watchable import Watchable, read_watchable
from shared.log.guarded_log import LOG_PAGE, Log
from shared.record import Acceptance
from shared.storage.keys import GenerationKeys
from tests.contract.accepting import REQUEST, batch, claim, completed

ID = "gen_" + "a" * 32


async def accept(generations: Generations, *, unwatched_ms: int | None = None) -> None:
    await generations.accept(
        Acceptance(
            id=ID,
            owner="ann",
            model="p/m",
            request=REQUEST,
            on_interrupt="restart",
            ttl_ms=60_000,
            unwatched_ms=unwatched_ms,
        )
    )


@pytest.mark.parametrize("unwatched_ms", [None, 5_000])
async def test_from_its_start_to_its_tombstone(
    generations: Generations, log: Log, redis: Redis, unwatched_ms: int | None
) -> None:
    assert await read_watchable(redis, ID) == Watchable(Existence.NOTHING)
    await accept(generations, unwatched_ms=unwatched_ms)
    running = Watchable(Existence.RECORD, "ann", None, LOG_PAGE, unwatched_ms)
    assert await read_watchable(redis, ID) == running
    attempt = await claim(log, ID)
    assert await read_watchable(redis, ID) == running
    await log.append(batch(ID, attempt, 1, [completed()]))
    found, record = await read_watchable(redis, ID), (await generations.find(ID)).record
    assert record is not None
    assert (found.seal, found.page) == (record.seal, record.page)
    assert found.seal is not None
    await generations.delete("ann", ID)
    assert await read_watchable(redis, ID) == Watchable(Existence.TOMBSTONE, "ann")


@pytest.mark.parametrize("field", ["seal", "unwatched", "large"])
async def test_what_cannot_be_read_is_its_owners(generations: Generations, redis: Redis, field: str) -> None:
    await accept(generations)
    write: Any = redis  # typed for a client that does not await too
    await write.hset(GenerationKeys(ID).record, field, "?")
    assert await read_watchable(redis, ID) == Watchable(Existence.UNREADABLE, "ann")
