"""A request on its worker: parsed once, let go when it is large, and there again where it is needed again."""

from __future__ import annotations

import json

import pytest
from fakeredis import FakeAsyncRedis
from pydantic import ValidationError

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.queue.queue import Queue
from shared.record import Acceptance
from worker.requests.kept_request import KeptRequest


async def accepted(text: str) -> tuple[KeptRequest, Generations]:
    redis = FakeAsyncRedis(version=(7, 0))
    generations = Generations(redis, Queue(redis, Settings()), Settings())
    request = json.dumps({"model": "p/m", "messages": [{"role": "user", "content": text}], "deadline": 5}).encode()
    await generations.accept(
        Acceptance(id="gen_x", owner="me", model="p/m", request=request, on_interrupt="restart", ttl_ms=60_000)
    )
    found = await generations.find("gen_x", request=True)
    assert found.record is not None
    return KeptRequest(generations, found.record, found.request, found.asked), generations


async def test_it_is_parsed_once() -> None:
    asked, _ = await accepted("Go.")
    assert await asked.request() is await asked.request()
    assert asked.head is not None
    assert (asked.head.deadline, asked.head.messages) == (5, [])
    assert await asked.characters() == 3


async def test_a_small_one_stays() -> None:
    asked, _ = await accepted("Go.")
    parsed = await asked.request()
    await asked.answered()
    assert await asked.request() is parsed
    assert not asked.heavy


async def test_a_large_one_is_let_go_and_read_again() -> None:
    asked, _ = await accepted("Let go. " * 20_000)
    parsed = await asked.request()
    await asked.answered()
    assert len(asked.stored.kept) < 16_000
    again = await asked.request()
    assert (again is parsed, again == parsed) == (False, True)
    assert await asked.characters() == 160_000


@pytest.mark.parametrize("text", ["Go.", "Let go. " * 20_000])
async def test_it_can_be_given_to_a_redis_that_lost_it_as_long_as_it_runs(text: str) -> None:
    asked, generations = await accepted(text)
    before = await generations.find("gen_x", request=True)
    await asked.request()
    await asked.answered()
    await generations.redis.flushall()
    assert await asked.restore()
    after = await generations.find("gen_x", request=True)
    assert before.record is not None
    assert after.record is not None
    assert (after.request, after.record.fingerprint) == (before.request, before.record.fingerprint)
    assert after.record.created_ms == before.record.created_ms


async def test_what_cannot_be_read_says_so_each_time() -> None:
    _, generations = await accepted("Go.")
    found = await generations.find("gen_x")
    assert found.record is not None
    broken = KeptRequest(generations, found.record, b'{"model": 1}', b"")
    for _ in range(2):
        with pytest.raises(ValidationError):
            await broken.request()
    assert broken.head is None
