"""Answers that run in the provider's background (`on_interrupt: continue` over Responses): gone on with, or ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.entry import Entry
from shared.log.events import Cancelled, Completed, Failed
from shared.log.snapshots import Snapshot
from tests.worker.conftest import Midstream, said_something, working
from tests.worker.providers.openai_responses.responses_stream import Script, output_text
from tests.worker.providers.upstream import Reply, Upstream

PROVIDER = "simulator-responses"
LONG = f"{PROVIDER}/lorem?deltas=9999&rate=50"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A lease that no busy machine outlasts: an attempt more or less matters here."""
    return settings.model_copy(update={"lease": 3.0})


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start()
    yield server
    await server.stop()


def fold(entries: list[Entry]) -> Snapshot:
    snapshot = Snapshot()
    for entry in entries:
        snapshot.apply(*entry)
    return snapshot


def said(snapshot: Snapshot) -> list[tuple[Any, ...]]:
    """What the answer is in the end, but for ids."""
    return [(part.kind, part.name, part.summary, part.text, part.ended) for part in snapshot.parts]


async def answer(midstream: Midstream, model: str, **fields: Any) -> Snapshot:
    """The snapshot of a generation that ended."""
    generation_id = await midstream.ask(f"{PROVIDER}/{model}", **fields)
    await midstream.ended(generation_id)
    return fold(await midstream.log.read(generation_id, count=100_000))


async def ended_there(midstream: Midstream, key: str, deltas: int = 9999) -> list[dict[str, Any]]:
    """The requests of this key, once the provider was told to end what it made: long before its own end."""

    def cancelled(rows: list[dict[str, Any]]) -> bool:
        return any(row["action"] == "cancel" and row["how"] for row in rows)

    rows = await midstream.requests(key, cancelled)
    generated = [row["generated"] for row in rows if row["action"] == "generate"]
    await asyncio.sleep(0.1)
    again = await midstream.requests(key, cancelled)
    assert [row["generated"] for row in again if row["action"] == "generate"] == generated
    assert all(made < deltas for made in generated)
    return rows


@pytest.mark.parametrize(
    ("fault", "script"),
    [
        *((fault, "lorem?deltas=12") for fault in ("reset", "eof", "half", "badjson", "stall")),
        ("reset", "reasoning?deltas=12"),
        ("reset", "tools?deltas=12"),
    ],
)
async def test_what_broke_off_goes_on_and_is_made_once(
    settings: Settings, midstream: Midstream, key: str, fault: str, script: str
) -> None:
    async with working(settings):
        tools = [{"type": "function", "function": {"name": name}} for name in ("get_weather", "get_time")]
        whole = await answer(midstream, f"{script}&rate=0", tools=tools)
        got = await answer(
            midstream,
            f"{script}&rate=0&key={key}&fault={fault}@5&times=1",
            tools=tools,
            on_interrupt="continue",
            idle_timeout=0.5,
        )
        rows = await midstream.requests(key, lambda rows: len(rows) > 1 and all(row["how"] for row in rows))
    assert said(got) == said(whole)
    assert isinstance(got.end, Completed)
    assert isinstance(whole.end, Completed)
    assert (got.end.finish_reason, got.end.usage) == (whole.end.finish_reason, whole.end.usage)
    assert [(a.reason, a.continues) for a in got.attempts] == [("new", False), ("provider_error", True)]
    assert [row["action"] for row in rows] == ["generate", "retrieve"]
    assert rows[0]["generated"] == 12
    assert rows[1]["deltas"] < 12


@pytest.mark.parametrize("fault", ["reset", "stall"])
async def test_what_broke_off_before_a_word_goes_on_unseen(
    settings: Settings, midstream: Midstream, key: str, fault: str
) -> None:
    async with working(settings):
        got = await answer(
            midstream,
            f"lorem?deltas=9&rate=0&key={key}&fault={fault}@0&times=1",
            on_interrupt="continue",
            idle_timeout=0.5,
        )
        rows = await midstream.requests(key, lambda rows: len(rows) > 1 and all(row["how"] for row in rows))
    assert isinstance(got.end, Completed)
    assert len(got.attempts) == 1
    assert [row["action"] for row in rows] == ["generate", "retrieve"]
    assert all(part.ended for part in got.parts)


async def test_a_lost_worker_s_answer_goes_on(settings: Settings, midstream: Midstream, key: str) -> None:
    async with working(settings):
        whole = await answer(midstream, "lorem?deltas=60&rate=0&seed=5")
        generation_id = await midstream.ask(
            f"{PROVIDER}/lorem?deltas=60&rate=40&seed=5&key={key}", on_interrupt="continue"
        )
        await midstream.until(generation_id, said_something)
    async with working(settings):
        await midstream.ended(generation_id)
        rows = await midstream.requests(key, lambda rows: all(row["how"] for row in rows))
    got = fold(await midstream.log.read(generation_id, count=100_000))
    assert got.text == whole.text
    assert [(a.reason, a.continues) for a in got.attempts] == [("new", False), ("worker_lost", True)]
    assert [row["action"] for row in rows] == ["generate", "retrieve"]
    assert rows[0]["generated"] == 60


async def test_a_drained_worker_leaves_it_running(settings: Settings, midstream: Midstream, key: str) -> None:
    generation_id = await midstream.ask(f"{PROVIDER}/lorem?deltas=60&rate=40&key={key}", on_interrupt="continue")
    async with working(settings) as worker:
        await midstream.until(generation_id, said_something)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(worker, 20)
    async with working(settings):
        await midstream.ended(generation_id)
        rows = await midstream.requests(key, lambda rows: all(row["how"] for row in rows))
    got = fold(await midstream.log.read(generation_id, count=100_000))
    assert [(a.reason, a.continues) for a in got.attempts] == [("new", False), ("drained", True)]
    assert isinstance(got.end, Completed)
    assert [row["action"] for row in rows] == ["generate", "retrieve"]


async def test_an_answer_that_failed_starts_over(settings: Settings, midstream: Midstream, key: str) -> None:
    async with working(settings):
        got = await answer(midstream, f"lorem?deltas=9&rate=0&key={key}&fault=error@4&times=1", on_interrupt="continue")
        rows = await midstream.requests(key, lambda rows: sum(row["action"] == "generate" for row in rows) > 1)
    assert isinstance(got.end, Completed)
    # It is known to be over, and is not asked for again.
    assert [(a.reason, a.continues) for a in got.attempts] == [("new", False), ("provider_error", False)]
    assert "retrieve" not in [row["action"] for row in rows]


@pytest.mark.parametrize("rest", ["nothing", "a gap"])
async def test_what_cannot_be_gone_on_with_is_ended_there(
    settings: Settings, midstream: Midstream, upstream: Upstream, rest: str
) -> None:
    script = Script().begin().message(output_text("abcdefghi")).end()
    cut = next(n for n, event in enumerate(script.events) if b'"def"' in event)

    def reply(body: Any) -> Reply:
        posted = [call.target for call in upstream.calls].count("/v1/responses")
        if body and posted == 1:
            return Reply([b"".join(script.events[:cut])], end="abort")
        if body:
            return Reply([script.body])
        if "cancel" in upstream.calls[-1].target:
            return Reply([b"{}"], headers={"content-type": "application/json"})
        return Reply([script.after(cut)]) if rest == "a gap" else Reply([b"{}"], status=404)

    upstream.answer = reply
    acme = ProviderSettings(protocol="openai-responses", base_url=f"{upstream.url}/v1")
    async with working(settings.model_copy(update={"providers": {"acme": acme}})):
        generation_id = await midstream.ask("acme/m", on_interrupt="continue")
        await midstream.ended(generation_id)
    got = fold(await midstream.log.read(generation_id, count=100_000))
    assert [(a.reason, a.continues) for a in got.attempts] == [
        ("new", False), ("provider_error", True), ("provider_error", False),
    ]  # fmt: skip
    assert said(got) == [("text", None, None, "abcdefghi", True)]
    retrieve, cancel = f"/v1/responses/resp_1?stream=true&starting_after={cut - 1}", "/v1/responses/resp_1/cancel"
    targets = [call.target for call in upstream.calls]
    assert targets[:2] == ["/v1/responses", retrieve]
    assert sorted(targets[2:]) == ["/v1/responses", cancel]


@pytest.mark.parametrize("how", ["cancel", "delete", "deadline", "too long", "given up"])
async def test_what_nobody_will_read_is_ended_there(
    settings: Settings, midstream: Midstream, generations: Generations, key: str, how: str
) -> None:
    fields: dict[str, Any] = {"deadline": 1.0} if how == "deadline" else {}
    changed = {"max_log": 2000} if how == "too long" else {"max_attempts": 1} if how == "given up" else {}
    fault = "&fault=reset@5" if how == "given up" else ""
    async with working(settings.model_copy(update=changed)):
        # As long as the worker has it, it is told nothing.
        generations.settings.max_attempts = 1 if how == "given up" else generations.settings.max_attempts
        generation_id = await midstream.ask(f"{LONG}&key={key}{fault}", on_interrupt="continue", **fields)
        await midstream.until(generation_id, said_something)
        if how == "cancel":
            assert await generations.cancel(generation_id) == "running"
        if how == "delete":
            await generations.delete("local", generation_id)
        await ended_there(midstream, key)
        if how != "delete":
            end = (await midstream.ended(generation_id))[-1]
            assert isinstance(end, Cancelled if how == "cancel" else Failed)


async def test_cancelled_between_two_workers(settings: Settings, midstream: Midstream, key: str) -> None:
    """The API seals what no worker has; the provider's part is ended by the worker that finds that."""
    generation_id = await midstream.ask(f"{LONG}&key={key}", on_interrupt="continue")
    async with working(settings) as worker:
        await midstream.until(generation_id, said_something)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(worker, 20)
    assert await midstream.generations.cancel(generation_id) == "cancelled"
    async with working(settings):
        await ended_there(midstream, key)


async def test_a_lost_worker_s_answer_that_was_cancelled_meanwhile(
    settings: Settings, midstream: Midstream, key: str
) -> None:
    async with working(settings):
        generation_id = await midstream.ask(f"{LONG}&key={key}", on_interrupt="continue")
        await midstream.until(generation_id, said_something)
    assert await midstream.generations.cancel(generation_id) == "running"
    async with working(settings):
        assert isinstance((await midstream.ended(generation_id))[-1], Cancelled)
        rows = await ended_there(midstream, key)
    assert [row["action"] for row in rows] == ["generate", "cancel"]
