"""The cache entry's contract: one generation leads all identical ones, and one alone replaces it."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.guarded_log import Log
from shared.request.generation_request import GenerationRequest
from shared.storage.subscriber import Subscriber
from worker.cache.log_notifier import LogNotifier
from worker.cache.lookup import AnswerCache

ASKED = GenerationRequest.model_validate(
    {"model": "p/m", "messages": [{"role": "user", "content": "a-secret-prompt"}], "cache": {"ttl": 60}}
)


async def test_who_asks_first_leads_until_one_replaces_it(
    redis: Redis, log: Log, generations: Generations, settings: Settings
) -> None:
    cache = AnswerCache(redis, log, generations, LogNotifier(Subscriber(redis, timeout=5)), settings)

    async def lead(asking: str, useless: str = "", owner: str = "a", keep_ms: int = 60_000) -> str:
        return await cache.lead(owner, ASKED, asking, useless=useless, keep_ms=keep_ms)

    ids = [f"gen_{n}" for n in range(10)]
    (first,) = set(await asyncio.gather(*map(lead, ids)))
    assert await lead(first) == first, "it leads also in its next attempt"
    assert await lead("gen_other", owner="b") == "gen_other"

    followers = [generation_id for generation_id in ids if generation_id != first]
    (second,) = set(await asyncio.gather(*(lead(generation_id, useless=first) for generation_id in followers)))
    assert second in followers
    assert await lead(first) == second, "who was replaced follows"

    keys = [key async for key in redis.scan_iter("midstream:cache:*")]
    assert len(keys) == 2
    assert not any(b"secret" in key for key in keys)
    assert all([0 < await redis.pttl(key) <= 60_000 for key in keys])

    await lead(second, keep_ms=1)
    async with asyncio.timeout(5):
        while await redis.exists(*keys) == 2:
            await asyncio.sleep(0.01)
    assert await lead("gen_last") == "gen_last"
