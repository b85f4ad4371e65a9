"""How a response ends."""

from __future__ import annotations

from api.dialects.openai_responses.terminal import ending_of
from shared.log.events import Cancelled, Completed, Failed


def test_when_it_was_completed() -> None:
    ending = ending_of(Completed(t=1500, finish_reason="tool_calls"), 1_700_000_000_600)
    assert (ending.type, ending.completed_at) == ("response.completed", 1_700_000_002)


def test_one_that_is_not_complete_has_no_such_time() -> None:
    for event in (
        Completed(finish_reason="length"),
        Failed(code="connection", message="Gone.", retryable=True),
        Cancelled(),
    ):
        assert ending_of(event, 1_700_000_000_000).completed_at is None


def test_the_error() -> None:
    ending = ending_of(Failed(code="rate_limit", message="Later.", retryable=True), 0)
    assert ending.error == {"code": "rate_limit_exceeded", "message": "Later.", "type": "rate_limit", "param": None}


def test_no_published_event_says_cancelled() -> None:
    ending = ending_of(Cancelled(), 0)
    assert (ending.type, ending.status) == ("response.incomplete", "cancelled")
