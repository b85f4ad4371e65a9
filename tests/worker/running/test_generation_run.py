"""One generation on a worker: its answer, and what becomes of one that fails, through real SDKs and a real Redis."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec import UNSET

from shared.config.settings import Settings
from shared.log.events import Attempt, Completed, Delta, Failed, Part
from tests.worker.conftest import Midstream, working

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
        assert (end.status, end.retry_after_ms) == (429, UNSET)

    @pytest.mark.parametrize("provider", PROVIDERS)
    async def test_a_failure_says_what_the_provider_answered_last(
        self, settings: Settings, midstream: Midstream, provider: str
    ) -> None:
        settings.retries = 0
        async with working(settings):
            refused, broken = [
                (await midstream.ended(await midstream.ask(f"{provider}/lorem?fault={fault}", on_interrupt="fail")))[-1]
                for fault in ("429&retry_after=2.5", "eof@4")
            ]
        assert isinstance(refused, Failed)
        assert (refused.code, refused.status, refused.retry_after_ms) == ("rate_limit", 429, 2500)
        assert isinstance(broken, Failed)
        assert (broken.code, broken.status, broken.retry_after_ms) == ("incomplete_stream", UNSET, UNSET)

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
