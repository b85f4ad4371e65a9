"""How long a generation took, as its last event says it: by the times of its own events, through a real provider."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import UNSET
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.log.entry import Entry
from shared.log.events import Attempt, Cancelled, Completed, Delta, Failed, Part, Usage, decode
from shared.log.guarded_log import Claim, ClaimOutcome
from shared.log.snapshots import Snapshot
from shared.usage import ended as counted
from tests.worker.conftest import Midstream, working
from tests.worker.running.test_log_lines import record
from worker.running.timings import say_times
from worker.writing.writer import Writer

PROVIDERS = ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")
TIMES = ("queued_ms", "time_to_first_token_ms", "streaming_ms", "streamed_tokens", "tokens_per_second")


async def entries_of(midstream: Midstream, generation_id: str) -> list[Entry]:
    await midstream.ended(generation_id)
    return await midstream.log.read(generation_id, count=100_000)


async def created_ms(midstream: Midstream, generation_id: str) -> int:
    found = await midstream.generations.find(generation_id)
    assert found.record is not None
    return found.record.created_ms


def deltas(entries: list[Entry]) -> list[tuple[int, Delta]]:
    """Each with when it came, on Redis' clock."""
    events = [(entry.id.token, decode(entry.type, entry.data)) for entry in entries]
    return [(token + event.t, event) for token, event in events if isinstance(event, Delta)]


def end_of(entries: list[Entry]) -> Completed | Failed | Cancelled:
    end = decode(entries[-1].type, entries[-1].data)
    assert isinstance(end, Completed | Failed | Cancelled)
    return end


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_completed_answer(settings: Settings, midstream: Midstream, provider: str) -> None:
    async with working(settings):
        generation_id = await midstream.ask(f"{provider}/lorem?deltas=12&rate=60")
        entries = await entries_of(midstream, generation_id)
    created, end, came = await created_ms(midstream, generation_id), end_of(entries), deltas(entries)
    assert end.queued_ms == entries[0].id.token - created
    assert end.time_to_first_token_ms == came[0][0] - created
    assert end.streaming_ms is not UNSET
    # A delta that joined another came after it, and before the end.
    assert came[-1][0] - came[0][0] <= end.streaming_ms <= end.t
    assert end.usage is not None
    assert end.streamed_tokens == end.usage.output_tokens
    assert end.tokens_per_second == round(end.usage.output_tokens * 1000 / end.streaming_ms, 2)


async def test_the_wait_for_a_worker_is_in_the_time_to_the_first_token(
    settings: Settings, midstream: Midstream
) -> None:
    generation_id = await midstream.ask("simulator/lorem?deltas=3&rate=0")
    await asyncio.sleep(0.3)
    async with working(settings):
        end = end_of(await entries_of(midstream, generation_id))
    assert end.queued_ms is not UNSET
    assert end.time_to_first_token_ms is not UNSET
    assert 300 <= end.queued_ms <= end.time_to_first_token_ms


async def test_what_was_superseded_does_not_count_but_its_time_does(
    settings: Settings, midstream: Midstream, key: str
) -> None:
    async with working(settings):
        generation_id = await midstream.ask(f"simulator/lorem?deltas=9&rate=50&fault=eof@5&times=1&key={key}")
        entries = await entries_of(midstream, generation_id)
    created, end = await created_ms(midstream, generation_id), end_of(entries)
    second = max(n for n, entry in enumerate(entries) if entry.type == Attempt.type)
    standing = deltas(entries[second:])
    assert second > 0
    assert end.time_to_first_token_ms == standing[0][0] - created
    assert end.queued_ms == entries[0].id.token - created
    assert end.streaming_ms is not UNSET
    assert end.streaming_ms >= standing[-1][0] - standing[0][0]
    assert end.last_usage is not None
    assert end.streamed_tokens == end.last_usage.output_tokens


async def test_what_is_continued_still_stands(settings: Settings, midstream: Midstream, key: str) -> None:
    model = f"simulator-anthropic/lorem?deltas=9&rate=50&fault=eof@5&times=1&key={key}"
    async with working(settings):
        generation_id = await midstream.ask(model, on_interrupt="continue")
        entries = await entries_of(midstream, generation_id)
    created, end, came = await created_ms(midstream, generation_id), end_of(entries), deltas(entries)
    assert [a.continues for e in entries if isinstance(a := decode(e.type, e.data), Attempt)] == [False, True]
    assert end.time_to_first_token_ms == came[0][0] - created
    second = max(n for n, entry in enumerate(entries) if entry.type == Attempt.type)
    own = deltas(entries[second:])
    assert end.streaming_ms is not UNSET
    assert own[-1][0] - own[0][0] <= end.streaming_ms < came[-1][0] - came[0][0] + end.t


async def test_an_answer_that_was_found_again_has_no_rate(settings: Settings, midstream: Midstream, key: str) -> None:
    model = f"simulator-responses/lorem?deltas=9&rate=50&fault=reset@5&times=1&key={key}"
    async with working(settings):
        generation_id = await midstream.ask(model, on_interrupt="continue")
        entries = await entries_of(midstream, generation_id)
    created, end, came = await created_ms(midstream, generation_id), end_of(entries), deltas(entries)
    assert [a.continues for e in entries if isinstance(a := decode(e.type, e.data), Attempt)] == [False, True]
    assert end.time_to_first_token_ms == came[0][0] - created
    assert (end.streaming_ms, end.streamed_tokens, end.tokens_per_second) == (UNSET, UNSET, UNSET)


async def test_a_copied_answer_has_its_own(settings: Settings, midstream: Midstream) -> None:
    async with working(settings):
        model = "simulator/lorem?deltas=9&rate=50"
        first_id = await midstream.ask(model, cache={"ttl": 60})
        await midstream.ended(first_id)
        copy_id = await midstream.ask(model, cache={"ttl": 60})
        first, copy = [await entries_of(midstream, one) for one in (first_id, copy_id)]
    assert decode(copy[0].type, copy[0].data).cached is True  # type: ignore[union-attr]
    end, created = end_of(copy), await created_ms(midstream, copy_id)
    assert end.time_to_first_token_ms == deltas(copy)[0][0] - created
    assert end.streaming_ms is UNSET or end.streaming_ms <= end.t
    assert end_of(first).streaming_ms != end.streaming_ms
    begun = copy[0]
    totals = counted(await _terms(midstream, copy_id), begun.data, begun.id.token, end).counts()
    assert {"first_tokens", "first_token_ms", "streaming_ms", "streamed_tokens"}.isdisjoint(*totals.values())


async def test_a_cancelled_one_says_what_is_known(settings: Settings, midstream: Midstream) -> None:
    async with working(settings):
        generation_id = await midstream.ask("simulator/lorem?deltas=9999&rate=50")
        await midstream.until(generation_id, lambda es: sum(e.type == "delta" for e in es) > 2)
        await midstream.generations.cancel(generation_id)
        entries = await entries_of(midstream, generation_id)
    end, created = end_of(entries), await created_ms(midstream, generation_id)
    assert isinstance(end, Cancelled)
    assert end.time_to_first_token_ms == deltas(entries)[0][0] - created
    assert end.tokens_per_second is UNSET  # nobody counted


async def test_one_that_said_nothing_has_no_first_token(settings: Settings, midstream: Midstream) -> None:
    settings.retries = 0
    async with working(settings):
        end = end_of(await entries_of(midstream, await midstream.ask("simulator/lorem?fault=400")))
    assert isinstance(end, Failed)
    assert end.queued_ms is not UNSET
    assert {getattr(end, name) for name in TIMES[1:]} == {UNSET}


async def _terms(midstream: Midstream, generation_id: str) -> Any:
    return (await midstream.generations.find(generation_id)).record


async def test_the_sums_of_a_day_are_those_of_its_ends(settings: Settings, midstream: Midstream, redis: Redis) -> None:
    """Counted from what the ends say, by the worker that wrote them, with one that failed and one that was copied."""
    from shared.usage import Totals

    models = [f"simulator/lorem?deltas={n}&rate=100&seed={n}" for n in range(2, 9)]
    async with working(settings):
        ids = [await midstream.ask(model) for model in [*models, "simulator/lorem?fault=400"]]
        ends = [end_of(await entries_of(midstream, one)) for one in ids]
        totals = Totals(redis)
        async with asyncio.timeout(20):
            while True:
                today = await totals.today()
                found = (await totals.read("local", today, today, "model")).get("simulator/lorem")
                if found is not None and found.counts["completed"] + found.counts["failed"] == len(ids):
                    break
                await asyncio.sleep(0.1)
    completed = [end for end in ends if isinstance(end, Completed)]
    assert len(completed) == len(models)
    # On a busy machine two deltas may come at once; how fast they came is then not said.
    said = {name: [getattr(end, name) for end in completed] for name in TIMES[1:-1]}
    sums = {name: sum(value for value in values if value is not UNSET) for name, values in said.items()}
    assert found.counts["first_tokens"] == len(models)
    assert found.counts["first_token_ms"] == sums["time_to_first_token_ms"]
    assert found.counts["streaming_ms"] == sums["streaming_ms"]
    assert found.counts["streamed_tokens"] == sums["streamed_tokens"]
    assert found.mean_first_token_ms == round(sums["time_to_first_token_ms"] / len(models), 1)
    assert found.mean_tokens_per_second == round(sums["streamed_tokens"] * 1000 / sums["streaming_ms"], 2)


def written(*, first: int | None, last: int, reasoned: bool = False) -> Writer:
    """An attempt's writer whose deltas came at these ms; the generation was accepted at 1."""

    async def restored() -> bool:
        return True

    claim = Claim(ClaimOutcome.CLAIMED, token=1001, number=2, elapsed_ms=700)
    writer = Writer("gen_x", claim, max_log=10**6, dirty=lambda _: None, restore=restored, stop=lambda _: None)
    if reasoned:
        writer.put(Part(part=0, kind="reasoning"))
    writer.first_delta_ms, writer.last_delta_ms = first, last
    return writer


def said(end: Completed) -> tuple[Any, ...]:
    return tuple(getattr(end, name) for name in TIMES)


def test_thoughts_that_were_not_sent_are_not_among_the_tokens() -> None:
    usage = Usage(output_tokens=300, reasoning_tokens=200)
    hidden, shown = (Completed(finish_reason="stop", usage=usage) for _ in range(2))
    say_times(hidden, record(), written(first=50, last=1050))
    say_times(shown, record(), written(first=50, last=1050, reasoned=True))
    assert said(hidden) == (300, 1050, 1000, 100, 100.0)
    assert said(shown) == (300, 1050, 1000, 300, 300.0)


@pytest.mark.parametrize(("first", "last"), [(50, 50), (None, 0)])
def test_no_rate_without_two_deltas(first: int | None, last: int) -> None:
    end = Completed(finish_reason="stop", usage=Usage(output_tokens=300), tokens_per_second=7.0, streaming_ms=3)
    say_times(end, record(), written(first=first, last=last))
    assert said(end)[2:] == (UNSET, UNSET, UNSET)


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    end, so_far = Completed(finish_reason="stop"), Snapshot()
    so_far.first_said_ms = -5
    say_times(end, record(), written(first=3, last=9), so_far)
    assert end.time_to_first_token_ms == 0
