"""Where an event has its finish reason."""

import pytest

from simulator.quirks.event import Event
from simulator.quirks.reasons import reason_of, set_reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"choices": [{"finish_reason": "stop"}]}, "stop"),
        ({"choices": [{"finish_reason": None}]}, None),
        ({"candidates": [{"finishReason": "STOP"}]}, "STOP"),
        ({"candidates": [{}]}, None),
        ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, "end_turn"),
        ({"type": "message_start", "message": {"stop_reason": None}}, None),
    ],
)
def test_a_place_for_a_reason(data: object, reason: str | None) -> None:
    event = Event(0, data)
    assert reason_of(event) == reason
    assert set_reason(event, "other")
    assert reason_of(event) == "other"


@pytest.mark.parametrize("data", ["[DONE]", {"choices": []}, {"type": "ping"}, {"type": "response.completed"}])
def test_an_event_without_one(data: object) -> None:
    assert reason_of(Event(0, data)) is None
    assert not set_reason(Event(0, data), "stop")
