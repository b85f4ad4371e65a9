"""Every fault of the simulator at every place, a slow trickle, and a storm of 429, through the real SDKs."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import AnyEvent, Attempt, Cancelled, Completed, Delta, Failed
from shared.log.guarded_log import Log
from shared.queue.queue import Queue
from shared.storage.connections import connect
from tests.simulator.conftest import started
from tests.worker.conftest import Midstream, working

PROTOCOLS = ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")
DELTAS = 9
PLACES = {"first": "0", "middle": "4", "last": "last", "end": str(DELTAS)}
"""Before which delta the fault strikes; the end is after the last one, before the terminal marker."""

CODES = {
    "reset": "connection",
    "eof": "incomplete_stream",
    "half": "incomplete_stream",
    "badjson": "invalid_response",
    "error": "provider_error",
    "stall": "provider_timeout",
    "keepalive": "provider_timeout",
}
OVERLOADED = {("error", "simulator-anthropic"), ("error", "simulator-gemini")}
"""What the simulator says inside a stream is `server_error` in OpenAI's protocol, overload in the others."""
WHOLE = {("half", "simulator", "end"), ("half", "simulator-anthropic", "end")}
"""Where half of what follows the text has the finish reason, which completes the answer."""
CLOSED_WITHIN = 1.0
"""Seconds after the end in which the provider's connections are closed."""
IDLE = 1.0


@pytest.fixture(scope="module")
def simulator_url() -> Iterator[str]:
    with started("--port", "0") as (_, address):
        yield address


@pytest.fixture
def settings(simulator_url: str) -> Settings:
    return Settings(
        simulator_url=simulator_url,
        lease=2.0,
        drain_timeout=0.2,
        retries=0,
        redis_timeout=5,
        silence_timeout=IDLE,
    )


@pytest.fixture
async def midstream(settings: Settings, tmp_path: Path) -> AsyncIterator[Midstream]:
    """A worker on this loop, on a Valkey of its own."""
    async with Valkey(tmp_path) as valkey, aclosing(connect(valkey.url, timeout=5)) as redis:
        settings.redis_url = valkey.url
        generations = Generations(redis, Queue(redis, settings), settings)
        async with working(settings):
            yield Midstream(generations, Log(redis), settings.simulator_url or "")


@pytest.fixture
def key() -> str:
    """Names this test's requests in the simulator's journal."""
    return uuid.uuid4().hex


def text(events: list[AnyEvent]) -> str:
    """What the last attempt said."""
    last = max(i for i, event in enumerate(events) if isinstance(event, Attempt))
    return "".join(event.delta for event in events[last:] if isinstance(event, Delta) and event.kind == "text")


def ends(events: list[AnyEvent]) -> list[AnyEvent]:
    return [event for event in events if isinstance(event, Completed | Failed | Cancelled)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", CODES)
async def test_a_fault_at_every_place(
    midstream: Midstream, settings: Settings, key: str, protocol: str, fault: str
) -> None:
    """It ends in `failed` with the code of its cause, or in a whole answer where the next try is without fault."""

    async def run(place: str, rest: str = "", on_interrupt: str = "restart") -> list[AnyEvent]:
        model = f"{protocol}/lorem?deltas={DELTAS}&rate=0&key={key}&fault={fault}@{PLACES[place]}{rest}"
        asked = await midstream.ask(model, idle_timeout=IDLE, on_interrupt=on_interrupt)
        return await midstream.ended(asked, 30)

    code = "overloaded" if (fault, protocol) in OVERLOADED else CODES[fault]
    whole = text(await midstream.ended(await midstream.ask(f"{protocol}/lorem?deltas={DELTAS}&rate=0")))
    failed = await asyncio.gather(*(run(place, on_interrupt="fail") for place in PLACES))
    async with asyncio.timeout(CLOSED_WITHIN):
        await midstream.requests(key, lambda rows: all(row["how"] for row in rows))
    for place, events in zip(PLACES, failed, strict=True):
        assert ends(events) == events[-1:], place
        end = events[-1]
        if (fault, protocol, place) in WHOLE:
            assert isinstance(end, Completed)
            assert text(events) == whole
            continue
        assert isinstance(end, Failed), place
        assert (end.code, end.retryable) == (code, True), place
        assert whole.startswith(text(events))
        assert (text(events) == "") == (place == "first"), place
        assert (text(events) == whole) == (place == "end"), place
    settings.retries = 1
    mended = await asyncio.gather(*(run(place, "&times=1") for place in PLACES))
    for place, events in zip(PLACES, mended, strict=True):
        assert ends(events) == events[-1:]
        assert isinstance(events[-1], Completed)
        assert text(events) == whole
        reasons = [event.reason for event in events if isinstance(event, Attempt)]
        # Before the first delta nothing was said, and it is asked again unseen.
        unseen = place == "first" or (fault, protocol, place) in WHOLE
        assert reasons == (["new"] if unseen else ["new", "provider_error"]), place


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_slow_trickle_is_no_stall(midstream: Midstream, protocol: str) -> None:
    """An answer may take many times the idle timeout, as long as something of it comes in that time."""
    began = time.monotonic()
    generation_id = await midstream.ask(f"{protocol}/lorem?deltas=16&rate=5", idle_timeout=IDLE)
    events = await midstream.ended(generation_id)
    assert isinstance(events[-1], Completed)
    assert time.monotonic() - began > 2.5 * IDLE
    assert sum(isinstance(event, Attempt) for event in events) == 1


async def test_a_storm_of_429(midstream: Midstream, settings: Settings, key: str) -> None:
    """Refused calls are made again unseen: not before `Retry-After`, not all at once, and no more than allowed."""
    settings.retries = 1
    storm = 40
    model = f"simulator/lorem?deltas=3&rate=0&fault=429&times=1&retry_after=0.2&key={key}"
    ids = [await midstream.ask(f"{model}&seed={seed}") for seed in range(storm)]
    for generation_id in ids:
        events = await midstream.ended(generation_id)
        assert isinstance(events[-1], Completed)
        assert sum(isinstance(event, Attempt) for event in events) == 1
    rows = await midstream.requests(key, lambda rows: len(rows) >= 2 * storm)
    by_model: dict[str, list[int]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row["received_us"])
    assert set(Counter(map(len, by_model.values()))) == {2}
    waits = sorted((again - first) / 1e6 for first, again in by_model.values())
    assert waits[0] >= 0.2
    assert waits[-1] - waits[0] > 0.1, "all at once"


async def test_cancel_while_a_call_waits_to_be_made_again(midstream: Midstream, settings: Settings, key: str) -> None:
    """It ends at once, and the provider is not asked again."""
    settings.retries = 5
    generation_id = await midstream.ask(f"simulator/lorem?fault=429&retry_after=15&key={key}")
    await midstream.requests(key, lambda rows: bool(rows) and rows[0]["how"] is not None)
    began = time.monotonic()
    assert await midstream.generations.cancel(generation_id) == "running"
    events = await midstream.ended(generation_id, 12)
    assert time.monotonic() - began < 12
    assert [type(event) for event in events] == [Attempt, Cancelled]
    assert await midstream.generations.cancel(generation_id) == "cancelled"
    assert len(await midstream.requests(key, lambda rows: True)) == 1


async def test_cancel_between_two_attempts(midstream: Midstream, key: str) -> None:
    """An answer that starts over again and again is ended by a cancel, too."""
    model = f"simulator/lorem?deltas=40&rate=40&fault=eof@20&key={key}"
    generation_id = await midstream.ask(model)
    await midstream.until(generation_id, lambda entries: sum(entry.type == "attempt" for entry in entries) == 2)
    assert await midstream.generations.cancel(generation_id) == "running"
    events = await midstream.ended(generation_id, 5)
    assert isinstance(events[-1], Cancelled)
    assert ends(events) == events[-1:]
