"""Answers that take longer than SDKs wait: paid once, whatever the clocks say meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from shared.config.settings import Settings
from tests.api.harness import Api, Producer, until
from tests.chaos.spoken import CHAT, MESSAGES, RESPONSES, Spoken
from tests.harness.server import FAKETIME, Clock, Server

TIMEOUT = 3.0
"""Seconds after which the SDK gives a try up, where it waits for 600 by itself."""

DAY_MS = 86_400_000


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    if not FAKETIME:
        pytest.skip("libfaketime is not installed (Debian's package libfaketime)")
    return Clock(tmp_path / "clock")


@pytest.fixture
async def api(tmp_path: Path, clock: Clock) -> AsyncIterator[Api]:
    async with Server(tmp_path / "redis", clock=clock) as server:
        settings = Settings(redis_url=server.url, simulator_url="http://127.0.0.1:9", redis_timeout=2.0)
        async with Api(settings) as running:
            yield running


async def answer(spoken: Spoken, url: str) -> str:
    """What the vendor's client has in the end."""
    if spoken is MESSAGES:
        async with AsyncAnthropic(base_url=url, api_key="none", timeout=TIMEOUT) as anthropic:
            message = await anthropic.messages.create(
                model="lorem", max_tokens=100, messages=[{"role": "user", "content": "Go."}]
            )
        return "".join(block.text for block in message.content if block.type == "text")
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", timeout=TIMEOUT) as openai:
        if spoken is RESPONSES:
            return (await openai.responses.create(model="lorem", input="Go.")).output_text
        chat = await openai.chat.completions.create(model="lorem", messages=[{"role": "user", "content": "Go."}])
    return chat.choices[0].message.content or ""


async def joined(api: Api) -> list[bytes]:
    """How the askers of all questions stand in Redis."""
    redis = api.generations.redis
    keys = await redis.keys("midstream:askers:*")
    return [text for key in keys for text in await redis.hvals(key)]


@pytest.mark.parametrize("spoken", [CHAT, RESPONSES, MESSAGES], ids=lambda spoken: spoken.name)
@pytest.mark.parametrize("ends", ["while it retries", "before it retries"])
async def test_an_answer_of_605_s_is_paid_once(api: Api, clock: Clock, spoken: Spoken, ends: str) -> None:
    """The client gives up after 600 s by Redis' clock, retries by itself, and has the answer that it asked for."""
    queue = api.generations.queue
    asking = asyncio.create_task(answer(spoken, f"http://127.0.0.1:{api.port}"))
    async with asyncio.timeout(10):
        while not (jobs := (await queue.take("w", most=5)).jobs):
            await asyncio.sleep(0.01)
    [(generation_id, _)] = jobs
    claim = await api.log.claim(generation_id, model="lorem", provider="simulator", ttl_ms=DAY_MS)
    producer = Producer(api.log, generation_id, claim)
    await producer.say("Hel")
    clock.jump(600)
    states: list[bytes] = []

    async def told(word: bytes) -> None:
        async with asyncio.timeout(20):
            while not states or word not in states[0]:
                states[:] = await joined(api)
                await asyncio.sleep(0.01)

    await told(b"broken" if ends == "before it retries" else b"connected 1")
    clock.jump(605)
    await producer.say("lo")
    await producer.complete()
    assert await asking == "Hello"
    await until(lambda: not api.hub.viewers, "all to have left")
    assert len(states) == 1
    records = await api.generations.redis.keys("midstream:{gen_*}:record")
    assert records == [f"midstream:{{{generation_id}}}:record".encode()], "it was asked for once"
