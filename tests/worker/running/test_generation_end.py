"""What a generation that ends leaves running, or does not, at its provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import Cancelled
from shared.log.guarded_log import Claim, Log
from tests.worker.conftest import Eventually, Midstream, said_something, working
from tests.worker.providers.openai_responses.responses_stream import Script, output_text
from tests.worker.providers.upstream import Reply, Upstream
from worker.cache.source import Source


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A lease that no busy machine outlasts: an attempt more or less matters here."""
    return settings.model_copy(update={"lease": 3.0})


@pytest.fixture
async def acme() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def other() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start()
    yield server
    await server.stop()


class TestCancelledBetweenTwoAttempts:
    async def test_while_another_source_is_looked_for_the_source_s_answer_goes_on(
        self,
        settings: Settings,
        midstream: Midstream,
        generations: Generations,
        monkeypatch: pytest.MonkeyPatch,
        key: str,
    ) -> None:
        model = f"simulator-responses/lorem?deltas=9999&rate=50&key={key}"
        async with working(settings):
            source = await midstream.ask(model, on_interrupt="continue", cache={"ttl": 600})
            await midstream.until(source, said_something)
            follower = await midstream.ask(model, on_interrupt="continue", cache={"ttl": 600})
            await midstream.until(follower, said_something)
            looked_for = asyncio.Event()

            async def record(self: Source, ttl: float) -> None:
                looked_for.set()
                await asyncio.Event().wait()

            monkeypatch.setattr(Source, "record", record)
            # The source starts over, and its first answer has not been ended by its own worker.
            await midstream.log.claim(source, model="m", provider="p", ttl_ms=60_000)
            await asyncio.wait_for(looked_for.wait(), 10)
            await generations.cancel(follower)
            assert isinstance((await midstream.ended(follower))[-1], Cancelled)
            await asyncio.sleep(0.5)
            rows = await midstream.requests(key, bool)
        assert [row["action"] for row in rows] == ["generate"]

    async def test_once_another_model_is_chosen_the_answer_is_ended_where_it_was_made(
        self,
        settings: Settings,
        midstream: Midstream,
        generations: Generations,
        eventually: Eventually,
        monkeypatch: pytest.MonkeyPatch,
        acme: Upstream,
        other: Upstream,
    ) -> None:
        script = Script().begin().message(output_text("abc"))
        acme.reply = Reply([script.end("failed", error={"code": "invalid_prompt", "message": "no"}).body])
        chosen = asyncio.Event()
        claim = Log.claim

        async def unanswered(self: Log, generation_id: str, **asked: Any) -> Claim:
            if asked["reason"] == "fallback":
                chosen.set()
                await asyncio.Event().wait()
            return await claim(self, generation_id, **asked)

        monkeypatch.setattr(Log, "claim", unanswered)
        providers = {
            name: ProviderSettings(protocol="openai-responses", base_url=f"{upstream.url}/v1")
            for name, upstream in (("acme", acme), ("other", other))
        }
        async with working(settings.model_copy(update={"providers": providers})):
            generation_id = await midstream.ask("acme/m", fallback=["other/m"], on_interrupt="continue")
            await asyncio.wait_for(chosen.wait(), 10)
            await generations.cancel(generation_id)
            assert isinstance((await midstream.ended(generation_id))[-1], Cancelled)

            async def told() -> bool:
                return any(call.target.endswith("/cancel") for call in (*acme.calls, *other.calls))

            await eventually(told)
        assert [call.target for call in acme.calls] == ["/v1/responses", "/v1/responses/resp_1/cancel"]
        assert other.calls == []
