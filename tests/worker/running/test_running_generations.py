"""A generation from the queue to its seal, through the real SDKs, a real provider process and a real Redis."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from itertools import pairwise
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import Attempt, Cancelled, Completed, Delta, Failed, Part, decode
from shared.storage.keys import PENDING_KEY, QUEUE_KEY, GenerationKeys
from tests.worker.conftest import Eventually, Midstream, said_something, working

PROVIDERS = ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")


def text(events: list[object]) -> str:
    """What the last attempt said."""
    last = max(i for i, event in enumerate(events) if isinstance(event, Attempt))
    return "".join(e.delta for e in events[last:] if isinstance(e, Delta) and e.kind == "text")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_reaches_the_log_whole(settings: Settings, midstream: Midstream, provider: str) -> None:
    async with working(settings):
        generation_id = await midstream.ask(
            f"{provider}/echo?rate=0", messages=[{"role": "user", "content": "ab\n❤ c"}]
        )
        events = await midstream.ended(generation_id)
    assert isinstance(events[0], Attempt)
    assert (events[0].number, events[0].reason, events[0].provider) == (1, "new", provider)
    assert text(list(events)) == "ab\n❤ c"
    end = events[-1]
    assert isinstance(end, Completed)
    assert end.finish_reason == "stop"
    assert end.usage is not None
    assert end.usage.output_tokens > 0
    assert all(a.t <= b.t for a, b in pairwise(events))


async def test_the_end_leaves_the_queue_and_the_index_empty(
    settings: Settings, midstream: Midstream, redis: Redis, eventually: Eventually
) -> None:
    async with working(settings):
        await midstream.ended(await midstream.ask("simulator/lorem?deltas=3&rate=0"))

        async def empty() -> bool:
            return not await redis.exists(QUEUE_KEY, PENDING_KEY)

        await eventually(empty)
    assert [key async for key in redis.scan_iter("arq:*")] == []


async def test_many_generations_run_at_once(settings: Settings, midstream: Midstream) -> None:
    async with working(settings):
        ids = [await midstream.ask(f"simulator/lorem?deltas=40&rate=40&seed={seed}") for seed in range(50)]
        ended = await asyncio.gather(*(midstream.ended(generation_id, 30) for generation_id in ids))
    assert all(isinstance(events[-1], Completed) for events in ended)
    assert len({text(list(events)) for events in ended}) == 50


class TestFailures:
    @pytest.mark.parametrize("provider", PROVIDERS)
    async def test_before_the_first_event_the_call_is_tried_again_unseen(
        self, settings: Settings, midstream: Midstream, key: str, provider: str
    ) -> None:
        model = f"{provider}/lorem?deltas=3&rate=0&fault=529&times=1&key={key}"
        async with working(settings):
            events = await midstream.ended(await midstream.ask(model))
        assert isinstance(events[-1], Completed)
        assert sum(isinstance(event, Attempt) for event in events) == 1
        assert len(await midstream.requests(key, lambda rows: len(rows) >= 2)) == 2

    async def test_the_last_retry_fails_it(self, settings: Settings, midstream: Midstream, key: str) -> None:
        async with working(settings):
            events = await midstream.ended(await midstream.ask(f"simulator/lorem?fault=429&key={key}"))
        end = events[-1]
        assert isinstance(end, Failed)
        assert (end.code, end.retryable, len(events)) == ("rate_limit", True, 2)

    @pytest.mark.parametrize("provider", PROVIDERS)
    @pytest.mark.parametrize("fault", ["reset", "eof", "half", "badjson", "error"])
    async def test_after_the_first_event_the_answer_starts_over(
        self, settings: Settings, midstream: Midstream, key: str, provider: str, fault: str
    ) -> None:
        model = f"{provider}/lorem?deltas=9&rate=0&fault={fault}@4&times=1&key={key}"
        async with working(settings):
            events = await midstream.ended(await midstream.ask(model))
        attempts = [event for event in events if isinstance(event, Attempt)]
        assert [(a.number, a.reason, a.continues) for a in attempts] == [
            (1, "new", False),
            (2, "provider_error", False),
        ]
        assert isinstance(events[-1], Completed)
        assert sum(isinstance(event, Part) for event in events) == 2

    async def test_on_interrupt_fail_keeps_what_was_said(self, settings: Settings, midstream: Midstream) -> None:
        async with working(settings):
            events = await midstream.ended(
                await midstream.ask("simulator/lorem?deltas=9&rate=0&fault=eof@4", on_interrupt="fail")
            )
        end = events[-1]
        assert isinstance(end, Failed)
        assert (end.code, end.retryable) == ("incomplete_stream", True)
        assert text(list(events)) != ""

    async def test_attempts_are_bounded_and_the_last_error_is_told(
        self, settings: Settings, midstream: Midstream
    ) -> None:
        async with working(settings):
            events = await midstream.ended(await midstream.ask("simulator/lorem?deltas=9&rate=0&fault=eof@4"))
        end = events[-1]
        assert isinstance(end, Failed)
        assert end.code == "incomplete_stream"
        assert sum(isinstance(event, Attempt) for event in events) == settings.max_attempts

    @pytest.mark.parametrize("fault", ["stall", "keepalive"])
    @pytest.mark.parametrize("provider", PROVIDERS)
    async def test_silence_is_noticed_even_behind_keep_alives(
        self, settings: Settings, midstream: Midstream, key: str, provider: str, fault: str
    ) -> None:
        async with working(settings.model_copy(update={"silence_timeout": 0.5})):
            events = await midstream.ended(
                await midstream.ask(
                    f"{provider}/lorem?deltas=9&rate=0&fault={fault}@4&key={key}", idle_timeout=0.5, on_interrupt="fail"
                )
            )
            end = events[-1]
            assert isinstance(end, Failed)
            assert end.code == "provider_timeout"
            rows = await midstream.requests(key, lambda rows: rows[0]["how"] is not None)
        assert rows[0]["how"] == "client_left"

    async def test_the_deadline_bounds_the_whole_generation(self, settings: Settings, midstream: Midstream) -> None:
        async with working(settings):
            events = await midstream.ended(await midstream.ask("simulator/lorem?deltas=999&rate=20", deadline=0.6))
        end = events[-1]
        assert isinstance(end, Failed)
        assert (end.code, end.retryable) == ("deadline_exceeded", False)

    async def test_an_answer_past_the_bound_fails(self, settings: Settings, midstream: Midstream) -> None:
        async with working(settings.model_copy(update={"max_log": 2_000})):
            events = await midstream.ended(await midstream.ask("simulator/lorem?bytes=10000&rate=0"))
        end = events[-1]
        assert isinstance(end, Failed)
        assert end.code == "too_long"

    async def test_a_provider_that_only_the_api_knows(self, settings: Settings, midstream: Midstream) -> None:
        async with working(settings):
            events = await midstream.ended(await midstream.ask("elsewhere/model"))
        end = events[-1]
        assert isinstance(end, Failed)
        assert end.code == "unknown_provider"


class TestCancel:
    @pytest.mark.parametrize("script", ["lorem?deltas=9999&rate=50", "lorem?deltas=9&rate=0&fault=stall@4"])
    async def test_the_provider_is_left_and_the_log_says_so(
        self, settings: Settings, midstream: Midstream, generations: Generations, key: str, script: str
    ) -> None:
        async with working(settings):
            generation_id = await midstream.ask(f"simulator/{script}&key={key}")
            await midstream.until(generation_id, said_something)
            assert await generations.cancel(generation_id) == "running"
            events = await midstream.ended(generation_id, 5)
            assert isinstance(events[-1], Cancelled)
            rows = await midstream.requests(key, lambda rows: rows[0]["how"] is not None)
        assert rows[0]["how"] == "client_left"

    async def test_a_lost_wake_up_is_made_good(
        self, settings: Settings, midstream: Midstream, redis: Redis, key: str
    ) -> None:
        async with working(settings):
            generation_id = await midstream.ask("simulator/lorem?deltas=9&rate=0&fault=stall@4")
            await midstream.until(generation_id, said_something)
            hset: Any = redis.hset
            await hset(GenerationKeys(generation_id).record, "cancel", "1")
            assert isinstance((await midstream.ended(generation_id, 5))[-1], Cancelled)

    async def test_deleted_while_running(
        self, settings: Settings, midstream: Midstream, generations: Generations, key: str
    ) -> None:
        async with working(settings):
            generation_id = await midstream.ask(f"simulator/lorem?deltas=9999&rate=50&key={key}")
            await midstream.until(generation_id, said_something)
            await generations.delete("local", generation_id)
            rows = await midstream.requests(key, lambda rows: rows[0]["how"] is not None)
            assert rows[0]["how"] == "client_left"
        assert await midstream.log.read(generation_id) == []


class TestLeaving:
    async def test_a_short_answer_is_finished(self, settings: Settings, midstream: Midstream) -> None:
        async with working(settings.model_copy(update={"drain_timeout": 10.0})) as worker:
            generation_id = await midstream.ask("simulator/lorem?deltas=30&rate=30")
            await midstream.until(generation_id, said_something)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(worker, 20)
        events = await midstream.ended(generation_id, 1)
        assert isinstance(events[-1], Completed)
        assert sum(isinstance(event, Attempt) for event in events) == 1

    async def test_a_long_one_is_handed_over_at_once_and_counts_no_failure(
        self, settings: Settings, midstream: Midstream, queue: object
    ) -> None:
        slow = settings.model_copy(update={"lease": 30.0})
        generation_id = await midstream.ask("simulator/lorem?deltas=60&rate=30")
        for number in range(1, 5):
            async with working(slow) as worker:
                await midstream.until(
                    generation_id,
                    lambda entries, n=number: sum(e.type == "attempt" for e in entries) == n,  # type: ignore[misc]
                )
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.wait_for(worker, 20)
        async with working(slow):
            events = await midstream.ended(generation_id)
        attempts = [event for event in events if isinstance(event, Attempt)]
        assert [attempt.reason for attempt in attempts] == ["new"] + ["drained"] * 4
        assert isinstance(events[-1], Completed)

    @pytest.mark.parametrize(("script", "says"), [("lorem?deltas=60&rate=30", True), ("lorem?ttft=60000", False)])
    async def test_what_must_not_start_over_ends_once_it_has_begun_to_answer(
        self, settings: Settings, midstream: Midstream, script: str, says: bool
    ) -> None:
        """Before that nobody sees that it starts over."""
        generation_id = await midstream.ask(f"simulator/{script}", on_interrupt="fail")
        async with working(settings.model_copy(update={"lease": 30.0})) as worker:
            await midstream.until(generation_id, said_something if says else bool)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(worker, 20)
        if says:
            events = await midstream.ended(generation_id, 1)
            assert [event.reason for event in events if isinstance(event, Attempt)] == ["new"]
            assert isinstance(events[-1], Failed)
            assert (events[-1].code, events[-1].retryable) == ("worker_lost", True)
            return
        async with working(settings):
            begun = await midstream.until(generation_id, lambda es: [entry.type for entry in es].count("attempt") > 1)
        events = [decode(entry.type, entry.data) for entry in begun]
        assert [event.reason for event in events if isinstance(event, Attempt)] == ["new", "drained"]

    async def test_a_lost_worker_is_replaced_when_its_lease_runs_out(
        self, settings: Settings, midstream: Midstream
    ) -> None:
        async with working(settings):
            generation_id = await midstream.ask("simulator/lorem?deltas=40&rate=30&seed=5")
            await midstream.until(generation_id, said_something)
        async with working(settings):
            events = await midstream.ended(generation_id)
        attempts = [event for event in events if isinstance(event, Attempt)]
        assert [(a.number, a.reason) for a in attempts] == [(1, "new"), (2, "worker_lost")]
        assert isinstance(events[-1], Completed)


async def test_a_worker_that_was_paused_for_a_lease_gives_up_what_it_ran(
    settings: Settings, midstream: Midstream
) -> None:
    """Another may have had it since, and Redis may have forgotten that: not one more event of the old attempt."""
    async with working(settings):
        generation_id = await midstream.ask("simulator/lorem?deltas=30&rate=40")
        before = await midstream.until(generation_id, said_something)
        # Nothing of this process runs, as under SIGSTOP; an append that is on its way arrives.
        time.sleep(settings.lease * 1.1)  # noqa: ASYNC251
        with BlockingRedis.from_url(settings.redis_url) as redis:
            said = redis.xlen(GenerationKeys(generation_id).log)
        events = await midstream.ended(generation_id)
    attempts = [event.reason for event in events if isinstance(event, Attempt)]
    assert attempts == ["new", "worker_lost"]
    assert len([e for e in await midstream.log.read(generation_id) if e.id.token == before[0].id.token]) == said


class TestTrial:
    """A generation that lost its worker so often that one more time ends it may be what the worker died of."""

    async def ask(self, midstream: Midstream, redis: Any, model: str, pardons: int = 0) -> str:
        generation_id = await midstream.ask(model)
        # As a killed worker's second attempt leaves it.
        lost = {"state": "running", "attempts": 2, "failures": 1, "pardons": pardons}
        await redis.hset(GenerationKeys(generation_id).record, mapping=lost)
        return generation_id

    async def test_alone_it_is_to_blame(self, settings: Settings, midstream: Midstream, redis: Any) -> None:
        suspect = await self.ask(midstream, redis, "simulator/lorem?deltas=100&rate=20")
        plain = await midstream.ask("simulator/lorem?deltas=100&rate=20")
        async with working(settings):
            for generation_id in (suspect, plain):
                await midstream.until(generation_id, said_something)
        async with working(settings):
            end = (await midstream.ended(suspect))[-1]
        assert isinstance(end, Failed)
        assert end.code == "worker_lost"

    async def test_beside_each_other_nobody_knows(self, settings: Settings, midstream: Midstream, redis: Any) -> None:
        slow = "simulator/lorem?deltas=30&rate=20"
        suspects = [await self.ask(midstream, redis, slow) for _ in range(3)]
        async with working(settings):
            for generation_id in suspects:
                await midstream.until(generation_id, said_something)
        async with working(settings):
            for generation_id in suspects:
                events = await midstream.ended(generation_id)
                assert [e.number for e in events if isinstance(e, Attempt)] == [3, 4]
                assert isinstance(events[-1], Completed)
                record = (await midstream.generations.find(generation_id)).record
                assert record is not None
                assert (record.failures, record.pardons) == (2, 1)

    async def test_the_claim_itself_says_who_is_beside_it(
        self, settings: Settings, midstream: Midstream, redis: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker that is killed before it could write a note has told all the same."""

        async def killed(_: Generations, ids: object) -> None: ...

        monkeypatch.setattr(Generations, "note_beside", killed)
        suspects = [await self.ask(midstream, redis, "simulator/lorem?deltas=30&rate=20") for _ in range(2)]
        async with working(settings):
            for generation_id in suspects:
                await midstream.until(generation_id, said_something)
            records = [(await midstream.generations.find(generation_id)).record for generation_id in suspects]
        assert any(record is not None and record.beside for record in records)

    async def test_in_the_end_one_at_a_time(self, settings: Settings, midstream: Midstream, redis: Any) -> None:
        """Beside all others, but alone among those whose pardons are used up."""
        slow = "simulator/lorem?deltas=15&rate=20&ttft=400"
        suspects = [await self.ask(midstream, redis, slow, pardons=settings.max_attempts) for _ in range(3)]
        plain = [await midstream.ask("simulator/lorem?deltas=15&rate=20") for _ in range(3)]
        async with working(settings):
            for generation_id in suspects + plain:
                assert isinstance((await midstream.ended(generation_id))[-1], Completed)
        logs = [await midstream.log.read(generation_id) for generation_id in suspects]
        # From the claim to the first delta: until then, no other begins.
        silent = sorted((log[0].id.token, log[0].id.token + decode(*log[2][1:]).t) for log in logs)
        assert all(spoke <= begun for (_, spoke), (begun, _) in pairwise(silent))
        first = silent[0][1]
        assert all([(await midstream.log.read(i, count=1))[0].id.token < first for i in plain])

    async def test_who_waits_can_be_cancelled(self, settings: Settings, midstream: Midstream, redis: Any) -> None:
        running = await self.ask(midstream, redis, "simulator/lorem?deltas=100&rate=20&ttft=5000", 3)
        async with working(settings):
            await midstream.until(running, bool)
            waiting = await self.ask(midstream, redis, "simulator/lorem")
            await midstream.generations.cancel(waiting)
            assert isinstance((await midstream.ended(waiting, 5))[-1], Cancelled)
            assert (await midstream.generations.ends([running])) == [None]


class TestFallback:
    DEAD = "simulator/lorem?deltas=5&fault=500&seed=1"

    async def test_the_next_model_answers_and_viewers_see_both(self, settings: Settings, midstream: Midstream) -> None:
        async with working(settings.model_copy(update={"retries": 0})):
            generation_id = await midstream.ask(
                self.DEAD, fallback=["simulator/lorem?deltas=5&fault=529", "simulator-anthropic/echo"]
            )
            events = await midstream.ended(generation_id)
        attempts = [(e.number, e.reason, e.provider, e.continues) for e in events if isinstance(e, Attempt)]
        assert attempts == [
            (1, "new", "simulator", False),
            (2, "fallback", "simulator", False),
            (3, "fallback", "simulator-anthropic", False),
        ]
        assert text(list(events)) == "Hello."
        assert isinstance(events[-1], Completed)

    async def test_more_models_than_attempts_are_all_tried(self, settings: Settings, midstream: Midstream) -> None:
        dead = [f"simulator/lorem?fault=500&seed={n}" for n in range(5)]
        async with working(settings.model_copy(update={"retries": 0})):
            events = await midstream.ended(await midstream.ask(self.DEAD, fallback=dead))
        assert len([event for event in events if isinstance(event, Attempt)]) == 6
        assert isinstance(events[-1], Failed)
        assert events[-1].code == "provider_error"

    async def test_a_broken_answer_starts_over_with_the_next(self, settings: Settings, midstream: Midstream) -> None:
        async with working(settings):
            generation_id = await midstream.ask("simulator/lorem?deltas=9&fault=reset@5", fallback=["simulator/echo"])
            events = await midstream.ended(generation_id)
        assert [e.reason for e in events if isinstance(e, Attempt)] == ["new", "fallback"]
        assert text(list(events)) == "Hello."

    async def test_not_where_it_must_not_start_over(self, settings: Settings, midstream: Midstream) -> None:
        async with working(settings):
            generation_id = await midstream.ask(
                "simulator/lorem?deltas=9&fault=reset@5", fallback=["simulator/echo"], on_interrupt="fail"
            )
            events = await midstream.ended(generation_id)
        assert [e.reason for e in events if isinstance(e, Attempt)] == ["new"]
        assert isinstance(events[-1], Failed)

    async def test_an_open_circuit_is_skipped(self, settings: Settings, midstream: Midstream, redis: Redis) -> None:
        async with working(settings.model_copy(update={"retries": 0, "circuit_failures": 2})):
            for _ in range(2):
                await midstream.ended(await midstream.ask(self.DEAD))
            events = await midstream.ended(await midstream.ask(self.DEAD, fallback=["simulator/echo"]))
        assert [(e.reason, e.model) for e in events if isinstance(e, Attempt)] == [("fallback", "echo")]

    async def test_who_takes_over_goes_on_with_the_same_model(self, settings: Settings, midstream: Midstream) -> None:
        slow = "simulator/lorem?deltas=40&rate=20"
        async with working(settings.model_copy(update={"retries": 0})):
            generation_id = await midstream.ask(self.DEAD, fallback=[slow])
            await midstream.until(generation_id, said_something)
        async with working(settings):
            events = await midstream.ended(generation_id)
        attempts = [(e.reason, e.model) for e in events if isinstance(e, Attempt)]
        assert attempts[1:] == [("fallback", "lorem?deltas=40&rate=20"), ("worker_lost", "lorem?deltas=40&rate=20")]

    @pytest.mark.parametrize(
        ("most", "dead", "reasons"),
        [
            (1, 1, ["new", "fallback"]),
            (2, 1, ["new", "provider_error", "fallback"]),
            (3, 3, ["new", "provider_error", "provider_error", "fallback", "fallback", "fallback"]),
        ],
    )
    async def test_continuing_uses_up_the_attempts_and_not_the_models(
        self, settings: Settings, midstream: Midstream, most: int, dead: int, reasons: list[str]
    ) -> None:
        """What breaks each time is gone on with as often as it may be; each model after it has its one attempt."""
        broken = ["simulator/lorem?deltas=20&rate=0&fault=eof@4"]
        broken += [f"simulator/lorem?deltas=20&rate=0&fault=eof@4&seed={n}" for n in range(1, dead)]
        settings.max_attempts, settings.lease = most, 5.0
        async with working(settings):
            generation_id = await midstream.ask(
                broken[0], fallback=[*broken[1:], "simulator/echo"], on_interrupt="continue"
            )
            events = await midstream.ended(generation_id)
        assert [e.reason for e in events if isinstance(e, Attempt)] == reasons
        assert isinstance(events[-1], Completed)
        assert text(list(events)) == "Hello."

    @pytest.mark.parametrize("choice", ["restart", "continue"])
    async def test_a_worker_that_is_lost_once_too_often_leaves_it_to_the_next_model(
        self, settings: Settings, midstream: Midstream, choice: str
    ) -> None:
        settings.max_attempts = 1
        generation_id = await midstream.ask(
            "simulator/lorem?deltas=99&rate=20", fallback=["simulator/echo"], on_interrupt=choice
        )
        async with working(settings):
            await midstream.until(generation_id, said_something)
        async with working(settings):
            events = await midstream.ended(generation_id)
        assert [e.reason for e in events if isinstance(e, Attempt)] == ["new", "fallback"]
        assert isinstance(events[-1], Completed)

    async def test_a_lost_worker_does_not_start_over_what_must_not(
        self, settings: Settings, midstream: Midstream
    ) -> None:
        settings.max_attempts = 1
        generation_id = await midstream.ask(
            "simulator/lorem?deltas=99&rate=20", fallback=["simulator/echo"], on_interrupt="fail"
        )
        async with working(settings):
            await midstream.until(generation_id, said_something)
        async with working(settings):
            events = await midstream.ended(generation_id)
        assert [e.reason for e in events if isinstance(e, Attempt)] == ["new"]
        assert isinstance(events[-1], Failed)
        assert events[-1].code == "worker_lost"

    @pytest.mark.parametrize(("seconds", "calls"), [(1, 2), (3, 1), (86_400, 1)])
    async def test_a_long_retry_after_is_not_waited_out_where_there_is_another_model(
        self, settings: Settings, midstream: Midstream, key: str, seconds: int, calls: int
    ) -> None:
        async with working(settings):
            busy = f"simulator/lorem?fault=429&retry_after={seconds}&key={key}"
            generation_id = await midstream.ask(busy, fallback=["simulator/echo"])
            events = await midstream.ended(generation_id)
            rows = await midstream.requests(key, lambda rows: len(rows) >= calls)
        assert [e.reason for e in events if isinstance(e, Attempt)] == ["new", "fallback"]
        assert isinstance(events[-1], Completed)
        assert len(rows) == calls

    async def test_the_last_model_waits_as_long_as_the_server_allows(
        self, settings: Settings, midstream: Midstream, key: str
    ) -> None:
        settings.retry_after = 2.5
        async with working(settings):
            busy = f"simulator/lorem?deltas=3&rate=0&fault=429&times=1&retry_after=86400&key={key}"
            events = await midstream.ended(await midstream.ask(self.DEAD, fallback=[busy]))
        assert isinstance(events[-1], Completed)
        assert len(await midstream.requests(key, lambda rows: len(rows) == 2)) == 2
        assert events[-1].t >= 2400
