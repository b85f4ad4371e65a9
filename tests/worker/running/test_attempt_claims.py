"""Which model each attempt asks, where a request names several."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.log.events import Attempt, Completed, Delta, Failed
from tests.worker.conftest import Midstream, said_something, working

PROVIDERS = ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")


def text(events: list[object]) -> str:
    """What the last attempt said."""
    last = max(i for i, event in enumerate(events) if isinstance(event, Attempt))
    return "".join(e.delta for e in events[last:] if isinstance(e, Delta) and e.kind == "text")


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
        assert [(e.reason, e.model) for e in events if isinstance(e, Attempt)] == [("fallback", "simulator/echo")]

    async def test_who_takes_over_goes_on_with_the_same_model(self, settings: Settings, midstream: Midstream) -> None:
        slow = "simulator/lorem?deltas=40&rate=20"
        async with working(settings.model_copy(update={"retries": 0})):
            generation_id = await midstream.ask(self.DEAD, fallback=[slow])
            await midstream.until(generation_id, said_something)
        async with working(settings):
            events = await midstream.ended(generation_id)
        attempts = [(e.reason, e.model) for e in events if isinstance(e, Attempt)]
        model = "simulator/lorem?deltas=40&rate=20"
        assert attempts[1:] == [("fallback", model), ("worker_lost", model)]

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
